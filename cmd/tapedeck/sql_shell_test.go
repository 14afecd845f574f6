package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tapedeck/tui"
)

func TestShell(t *testing.T) {
	dir := t.TempDir()
	lines := []string{
		"select 40 +", "2 as answer", ";",
		"select ';' as a;",
		"select 'open;", "' as b;",
		"select $n * 2 as twice, $word as word;", "21", "it's",
		"select clos", "from bars;",
		".save best",
		".open none",
		".open ours",
		"select chr(27) || '[2J' as evil;",
		".export " + filepath.Join(dir, "x.csv"),
		".format csv",
		"select 1 as one, null as two, '' as three;",
		".nonsense",
		".quit", "never",
	}
	var out bytes.Buffer
	s := &shell{sql: emptySQL(t), history: tui.SQLHistoryIn(dir), saved: tui.SavedQueriesIn(dir),
		shared: func(name string) (string, bool) { return "select 7 * 191 as shared", name == "ours" }, limit: 10, format: "table", out: &harmless{w: &out}, asked: &shellHistory{}}
	s.line = func(string) (string, error) {
		if len(lines) == 0 {
			return "", io.EOF
		}
		l := lines[0]
		lines = lines[1:]
		return l, nil
	}
	if err := s.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := out.String()
	for _, want := range []string{"answer", "    42\n", "(1 row)", "twice", "it's", "Referenced column \"clos\"", "  select clos\n         ^\n", "no query is called “none”", "1337",
		"rows: 1, ", "scp ", "one,two,three\n1,,\"\"\n", ".nonsense is no command"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in:\n%s", want, got)
		}
	}
	if strings.Contains(got, "\x1b") {
		t.Error("a value steers the terminal")
	}
	if len(lines) != 1 {
		t.Errorf("%d lines are left", len(lines))
	}
	past, err := s.history.Load()
	if err != nil || len(past) != 8 || !strings.HasPrefix(past[0], "select 40 +\n2") {
		t.Errorf("%q %v", past, err)
	}
	if saved, err := s.saved.Open("best"); err != nil || !strings.HasPrefix(saved, "select clos") {
		t.Errorf("%q %v", saved, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "x.csv")); err != nil {
		t.Error(err)
	}
	if got := s.asked.At(0); got != "select 1 as one, null as two, '' as three;" {
		t.Error(got)
	}
}

func TestShellKeys(t *testing.T) {
	k := &shellKeys{r: strings.NewReader("ab\x03")}
	data, err := io.ReadAll(k)
	if string(data) != "ab\x15\r" && string(data) != "ab\x15" || err != nil || !k.abandoned.Load() {
		t.Errorf("%q %v", data, err)
	}
}
