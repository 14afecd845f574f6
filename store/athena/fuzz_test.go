package athena

import (
	"errors"
	"strings"
	"testing"
)

// FuzzRewrite: no statement makes the translator panic, an error has a place in
// the statement, and texts come out as they went in.
func FuzzRewrite(f *testing.F) {
	for _, s := range readStatements(f) {
		f.Add(s.SQL)
	}
	for _, s := range []string{"", "(", "SELECT", "SELECT '", "/*", "SELECT 1 -- x", "((((((((((SELECT 1", "SELECT U&'\\+1F600'", "VALUES (1, 2), (3)"} {
		f.Add(s)
	}
	tr, err := New(testTables())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		out, err := tr.Rewrite(sql)
		if err != nil {
			var place *Error
			if !errors.As(err, &place) {
				t.Fatalf("an error without a place: %v", err)
			}
			if place.Line < 1 || place.Line > 1+strings.Count(sql, "\n") || place.Column < 1 {
				t.Fatalf("%v is no place of the statement", err)
			}
			return
		}
		if out == "" {
			t.Fatal("nothing came out")
		}
	})
}

// FuzzText: a text literal reaches DuckDB as it was written.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "it's", "--", "/* */", "SELECT", `a"b`, "é", "1/2", "\\"} {
		f.Add(s)
	}
	tr, err := New(testTables())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out, err := tr.Rewrite("SELECT " + quoteText(s) + " /* 'x' */ AS a -- 'y'")
		if strings.ContainsRune(s, 0) {
			if err == nil {
				t.Fatal("NUL was taken")
			}
			return
		}
		if err != nil || out != "SELECT "+quoteText(s)+` AS "a"` {
			t.Fatalf("%q: %s %v", s, out, err)
		}
	})
}

// FuzzFormats: formats, patterns and templates come from users.
func FuzzFormats(f *testing.F) {
	f.Add("2026-11-20 14:05", "%Y-%m-%d %H:%i", "yyyy-MM-dd HH:mm")
	f.Add("x", "%", "'")
	f.Add("02:05:09 PM", "%r", "EEE, d MMM yyyy Z")
	f.Fuzz(func(t *testing.T, s, mysql, joda string) {
		if pieces, err := mysqlPieces(mysql); err == nil {
			parseTime(pieces, s, jodaPivot)
		}
		parseJoda(s, joda)
		parseISO(s)
		parseZoned(s)
		javaFormat(mysql, []any{"d5", "f1.5", "s" + s, nil})
		if steps, err := parsePath(joda, false); err == nil {
			if v, err := decodeJSON(s); err == nil {
				follow(v, steps, false)
			}
		}
		if re, err := compilePattern(joda); err == nil {
			regexpReplaceAll(re, s, mysql)
			regexpSplit(re, s)
			regexpPosition(re, s, 2, 1)
		}
	})
}
