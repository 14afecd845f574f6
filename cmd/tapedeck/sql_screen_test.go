package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tapedeck/store"
	"tapedeck/store/athena"
	"tapedeck/store/lake"
	"tapedeck/tui"
)

func emptySQL(t *testing.T) screenSQL {
	t.Helper()
	l, err := lake.Open(t.Context(), t.TempDir(), lake.Config{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	db, err := store.Open(t.Context(), store.Config{Lake: l, TempDir: t.TempDir()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return newScreenSQL(DefaultConfig(), func() (*store.DB, error) { return db, nil })
}

func TestSQLAnswersInPages(t *testing.T) {
	s := emptySQL(t)
	a, err := s.Query(t.Context(), "select range as n, null as nothing, '' as empty, n / 8 as part from range(10000)", 9_000, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if h := a.Head(); len(h.Columns) != 4 || h.Columns[0] != (tui.SQLColumn{Name: "n", Type: "BIGINT"}) {
		t.Errorf("%+v", h)
	}
	rows := 0
	for {
		page, err := a.Next()
		if err != nil {
			t.Fatal(err)
		}
		if page == nil {
			break
		}
		if rows == 0 && page.Rows() > 1_000 {
			t.Error("the first page is large")
		}
		rows += page.Rows()
	}
	total, err := a.Total()
	if rows != 9_000 || total != 10_000 || err != nil {
		t.Errorf("%d rows of %d, %v", rows, total, err)
	}
}

func TestSQLSaysWhereTheMistakeIs(t *testing.T) {
	s := emptySQL(t)
	for _, c := range []struct{ before, wrong string }{
		{"select 'ä', ", "clos from bars"},
		{"select 1 frm ", "x y"},
		{"select *\nfrom bars\nwhere close > 1\n  and ", "foo(close) = 1 and symbol = 'x'"},
		{"select * from ", "nope"},
		{"select 'x', ", "'a"},
		{"  explain select close, ", "clos from bars"},
		{"select extremely_long as extremely_long, close, open, high, low, close, open, high, low, volume, trades, ", "volumee from bars, (select 1 as extremely_long)"},
	} {
		_, err := s.Query(t.Context(), c.before+c.wrong, 10, nil)
		var wrong *tui.SQLError
		if !errors.As(err, &wrong) {
			t.Errorf("%q: %v", c.before+c.wrong, err)
			continue
		}
		if at := wrong.Offset; at < 0 || string([]rune(c.before + c.wrong)[at:]) != c.wrong {
			t.Errorf("%q: %q at %d", c.before+c.wrong, wrong.Text, at)
		}
		if strings.Contains(wrong.Text, "LINE ") || strings.Contains(wrong.Text, "Error:") {
			t.Errorf("%q", wrong.Text)
		}
	}
}

func TestSQLPlaceByLineAndColumn(t *testing.T) {
	statement := "select 'ä',\n  clos"
	err := mistake(fmt.Errorf("query: %w", &athena.Error{Line: 2, Column: 3, Message: "Column 'clos' cannot be resolved"}), statement)
	var wrong *tui.SQLError
	if !errors.As(err, &wrong) || string([]rune(statement)[wrong.Offset:]) != "clos" || strings.Contains(wrong.Text, "line") {
		t.Errorf("%+v", err)
	}
	for _, c := range [][2]int{{0, 1}, {3, 1}, {2, 9}, {2, 0}} {
		if at := linePlace(statement, c[0], c[1]); at != -1 {
			t.Errorf("%v is at %d", c, at)
		}
	}
}

func TestSQLExports(t *testing.T) {
	s := emptySQL(t)
	dir := t.TempDir()
	for _, format := range []string{"csv", "json", "parquet"} {
		path := filepath.Join(dir, "deep", "result."+format)
		e, err := s.Export(t.Context(), "select range as n from range(70000)", format, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Size() != e.Bytes || e.Rows != 70_000 || e.Path != path || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %+v, %v, %v", format, e, info, err)
		}
		if _, err := s.Export(t.Context(), "select 1", format, path, nil); err == nil {
			t.Error("a file was written over")
		}
	}
	if _, err := s.Export(t.Context(), "select error('x')", "csv", filepath.Join(dir, "bad.csv"), nil); err == nil {
		t.Error("no error")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "bad*")); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

func TestSQLIsCancelled(t *testing.T) {
	s := emptySQL(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Query(ctx, "select count(*) from range(10000000000) a where a.range % 7 = 1", 10, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
