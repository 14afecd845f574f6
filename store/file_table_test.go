package store_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tapedeck/store"
)

func TestFilesAreTables(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	orders := write("orders.csv", "id,symbol,at,price\n1,AAPL,2026-11-20 14:30:00,187.5\n2,,2026-11-20 14:31:00,\n")
	secret := write("secret.csv", "word\nhush\n")
	f, err := store.OpenFileTable(t.Context(), "orders", orders)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(f.Columns) != "[{id BIGINT} {symbol VARCHAR} {at TIMESTAMP} {price DOUBLE}]" {
		t.Errorf("%v", f.Columns)
	}
	db := openDB(t, store.Config{Lake: openLake(t, t.TempDir()), Files: []*store.FileTable{f}})
	if got := query(t, db, "SELECT count(*), count(o.price), sum(o.id)::BIGINT FROM orders o LEFT JOIN ticks t ON t.symbol = o.symbol"); fmt.Sprint(got) != "[[2 1 3]]" {
		t.Error(got)
	}
	if got := query(t, db, "SHOW TABLES"); !strings.Contains(fmt.Sprint(got), "orders") {
		t.Error(got)
	}
	// The file opens no other door.
	for _, sql := range []string{
		"SELECT * FROM '" + orders + "'", "SELECT * FROM read_csv('" + orders + "')", "SELECT * FROM '" + secret + "'", "SELECT * FROM read_text('" + secret + "')",
		"SELECT * FROM memory.main.orders", "DROP VIEW orders", "COPY orders TO '" + filepath.Join(dir, "x.csv") + "'", "CREATE VIEW x AS SELECT 1",
		"DELETE FROM orders", "SELECT * FROM other",
	} {
		if rows, err := db.Query(t.Context(), sql, store.Options{}); err == nil {
			rows.Close()
			t.Errorf("%s ran", sql)
		} else if !errors.Is(err, store.ErrRefused) {
			t.Errorf("%s: %v", sql, err)
		}
	}
	for name, path := range map[string]string{
		"ticks": orders, "a b": orders, "x": filepath.Join(dir, "none.csv"), "y": dir, "z": write("notes.txt", "x"), "q": write("torn.parquet", "PAR1"), "": orders,
	} {
		if _, err := store.OpenFileTable(t.Context(), name, path); err == nil {
			t.Errorf("%q from %s is taken", name, path)
		}
	}
}
