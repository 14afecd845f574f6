package athena_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"tapedeck/store"
	"tapedeck/store/athena"
	"tapedeck/store/lake"
)

// openStore is an empty lake with Athena's SQL in front.
func openStore(t *testing.T) *store.DB {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	l, err := lake.Open(t.Context(), t.TempDir(), lake.Config{Temp: t.TempDir()}, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	var tables []athena.Table
	for _, lt := range lake.Tables() {
		table := athena.Table{Name: lt.Name}
		for _, c := range lt.Visible() {
			table.Columns = append(table.Columns, athena.Column{Name: c.Name, Type: c.Type})
		}
		table.Columns = append(table.Columns, athena.Column{Name: "date", Type: "VARCHAR", Partition: true}, athena.Column{Name: "hour", Type: "VARCHAR", Partition: true})
		tables = append(tables, table)
	}
	tr, err := athena.New(tables)
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), store.Config{Lake: l, Rewriter: tr, Setup: athena.Setup(), Connect: athena.Register, Threads: 2}, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func ask(ctx context.Context, db *store.DB, sql string) (string, error) {
	rows, err := db.Query(ctx, sql, store.Options{})
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var lines []string
	for rows.Next() {
		lines = append(lines, strings.Trim(fmt.Sprint(rows.Values()), "[]"))
	}
	return strings.Join(lines, "; "), rows.Err()
}

// What is rewritten must also pass the guard of the store, with its limits.
func TestStatementsThroughTheStore(t *testing.T) {
	db := openStore(t)
	for sql, want := range map[string]string{
		"SELECT 7 / 2": "3",
		"SELECT count(*) FROM ticks WHERE time >= TIMESTAMP '2026-11-20 00:00:00' AND date = '2026-11-20'":                "0",
		"SELECT x FROM UNNEST(sequence(1, 3)) AS t(x) ORDER BY x DESC":                                                    "3; 2; 1",
		"SELECT date_format(TIMESTAMP '2026-11-20 14:05:09', '%Y/%m')":                                                    "2026/11",
		"SELECT reduce(ARRAY[1, 2, 3], 0, (s, x) -> s + x, s -> s)":                                                       "6",
		"SELECT transform(ARRAY[1, 2], x -> x * 10)[2]":                                                                   "20",
		"SELECT try(1 / 0), format('%05d', 7), lpad('7', 3, '0'), regexp_replace('aaa', 'a', 'b')":                        "<nil> 00007 007 bbb",
		"SELECT json_extract_scalar('{\"a\":[1,{\"b\":\"x\"}]}', '$.a[1].b')":                                             "x",
		"SELECT array_sort(ARRAY[3, 1, 2], (a, b) -> if(a < b, 1, if(a = b, 0, -1)))[1]":                                  "3",
		"WITH t(n) AS (VALUES 1, 2) SELECT sum(n) FROM t":                                                                 "3",
		"SELECT 'AAPL' LIKE 'A%', 'AAPL' LIKE concat('B', '%'), x LIKE p ESCAPE '!' FROM (VALUES ('a', '%a')) AS t(x, p)": "true false true",
		"SELECT levenshtein_distance('abc', 'axc'), regexp_like('abc', 'b+'), regexp_extract('abc', 'b(c)', 1)":           "1 true c",
		"SELECT max(v * 1e0), min(v * 1e0) FROM (VALUES 0.5e0, NULL, -0.1e0) AS t(v)":                                     "0.5 -0.1",
		"SELECT max(v / w), max(v + w) FROM (VALUES (0e0, 0e0), (1e0, 2e0), (NULL, 1e0)) AS t(v, w)":                      "0.5 3",
		"SELECT map_agg(k, v), multimap_agg(k, v) FROM (VALUES (CAST(NULL AS varchar), 1)) AS t(k, v)":                    "<nil> <nil>",
		"SHOW TABLES LIKE 'ti%'":             "ticks",
		"SELECT count(*) > 10 FROM features": "false",
		"SELECT data_type FROM information_schema.columns WHERE table_name = 'bars' AND column_name = 'close'": "double",
	} {
		got, err := ask(t.Context(), db, sql)
		if err != nil {
			t.Errorf("%s: %v", sql, err)
		} else if got != want {
			t.Errorf("%s: %s, not %s", sql, got, want)
		}
	}
	for _, sql := range []string{"DESCRIBE ticks", "SHOW COLUMNS FROM bars", "EXPLAIN SELECT * FROM ticks", "SELECT * FROM ticks", "SHOW FUNCTIONS"} {
		if _, err := ask(t.Context(), db, sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

// DuckDB's doors stay shut, whichever name is tried.
func TestNothingElseIsReached(t *testing.T) {
	db := openStore(t)
	for _, sql := range []string{
		"SELECT * FROM 'ticks.csv'", "SELECT * FROM \"/etc/passwd\"", "SELECT * FROM read_csv('x.csv')", "SELECT read_text('x')",
		"SELECT getenv('HOME')", "COPY ticks TO 'x.csv'", "ATTACH 'x.db'", "INSTALL httpfs", "PRAGMA version", "SET threads = 1",
		"CREATE TABLE x AS SELECT 1", "UNLOAD (SELECT 1) TO 's3://b/x' WITH (format = 'PARQUET')", "INSERT INTO ticks VALUES (1)",
		"SELECT array_join(repeat('a', 9999), '') LIKE array_join(repeat('%a', 9999), '')", "SELECT limited_pattern('x')",
		"SELECT trino_fail('x')", "SELECT system.main.repeat('x', 1000000000)", "SELECT * FROM duckdb_settings()", "DROP TABLE ticks",
		"SELECT 1; SELECT 2", "SELECT * FROM information_schema.tables_x", "SELECT current_setting('threads')",
		"MSCK REPAIR TABLE ticks", "EXECUTE x", "SELECT sequence(1, 1000000000)", "SELECT repeat(1, 1000000000)",
		"WITH \"/etc/passwd\" AS (SELECT 1) SELECT * FROM \"/etc/passwd\"",
	} {
		got, err := ask(t.Context(), db, sql)
		if err == nil {
			t.Errorf("%s is answered: %s", sql, got)
		}
	}
	_, err := ask(t.Context(), db, "SELECT symbol,\n  prise FROM ticks")
	var place *athena.Error
	if !errors.As(err, &place) || place.Line != 2 || place.Column != 3 || !strings.Contains(place.Message, "did you mean price?") {
		t.Errorf("the place of an error: %v", err)
	}
}
