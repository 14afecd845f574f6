package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/market"
)

func TestGroupsCommand(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	data := filepath.Join(b.dir, "data")
	place := []string{"--data", data, "--feed", "replay"}
	tapedeck := func(args ...string) string {
		t.Helper()
		return b.must(append(args, place...)...)
	}
	tapedeck("groups", "set", "tech", "msft", "AAPL", "MSFT")
	if out := tapedeck("groups", "set", "tech", "NVDA", "--add"); out != "group:tech has 3 symbols; rules watch it as --symbols \"group:tech\"\n" {
		t.Error(out)
	}
	tapedeck("groups", "set", "tech", "MSFT", "--remove")
	if out := tapedeck("groups", "show", "tech"); out != "AAPL\nNVDA\n" {
		t.Error(out)
	}
	query := "SELECT symbol FROM (VALUES ('KO'), ('IBM')) AS t (symbol)"
	tapedeck("groups", "query", "held", query)
	tapedeck("rules", "set", "weak", "price < 10", "--symbols", "group:tech,query:held,!KO")
	if out := tapedeck("groups", "ls", "--format", "csv"); !strings.Contains(out, "query:held,2,IBM KO,weak,") || !strings.Contains(out, "tech,2,AAPL NVDA,weak,") {
		t.Error(out)
	}

	// Lists and queries of one's own screen are shared with the rule.
	screen := `{"version":1,"watchlists":[{"name":"my list","symbols":["TSLA","F"]},{"name":"a/b","symbols":["F"]}]}`
	if err := os.WriteFile(filepath.Join(data, "screen.json"), []byte(screen), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := newPlace(data).ownLists().queries.Save("mine", "SELECT 'F' AS symbol"); err != nil {
		t.Fatal(err)
	}
	tapedeck("rules", "set", "own", "price < 10", "--symbols", "group:my list,query:mine")
	if out := tapedeck("groups", "show", "my list"); out != "F\nTSLA\n" {
		t.Error(out)
	}
	if out := tapedeck("groups", "ls"); !strings.Contains(out, "SELECT 'F' AS symbol") {
		t.Error(out)
	}

	// They go with the rules into files and backups.
	exported := tapedeck("rules", "export", "weak")
	for _, want := range []string{"- name: tech", "symbols: [AAPL, NVDA]", "- name: query:held", "sql: " + query, "symbols: [IBM, KO]"} {
		if !strings.Contains(exported, want) {
			t.Errorf("no %q in %s", want, exported)
		}
	}
	if strings.Contains(exported, "my list") {
		t.Errorf("a group that no rule of the file watches: %s", exported)
	}
	file := filepath.Join(b.dir, "weak.yaml")
	if err := os.WriteFile(file, []byte(exported), 0o600); err != nil {
		t.Fatal(err)
	}
	other := []string{"--data", filepath.Join(b.dir, "other"), "--feed", "replay"}
	b.must(append([]string{"rules", "import", file}, other...)...)
	if out := b.must(append([]string{"groups", "show", "query:held"}, other...)...); out != "IBM\nKO\n" {
		t.Error(out)
	}
	beside := func(dir string, use func(*rulebook)) {
		t.Helper()
		c := DefaultConfig()
		c.Data, c.Feed = dir, "replay"
		book, done, err := openRules(t.Context(), c, true)
		if err != nil {
			t.Fatal(err)
		}
		defer done()
		use(book)
	}
	shared := json.RawMessage(`{"query":"open","sql":"SELECT 1","revision":3,"edited":1,"by":"eve"}`)
	beside(data, func(book *rulebook) {
		if err := book.SetBeside(t.Context(), map[string]json.RawMessage{queryPrefix + "open": shared, queryPrefix + "other": shared, "nonsense": shared}); err != nil {
			t.Fatal(err)
		}
	})
	saved := filepath.Join(b.dir, "saved.tar.gz")
	tapedeck("backup", saved)
	restored := []string{"--data", filepath.Join(b.dir, "restored"), "--feed", "replay"}
	b.must(append([]string{"restore", saved}, restored...)...)
	if out, want := b.must(append([]string{"groups", "ls", "--format", "csv"}, restored...)...), "my list,2,F TSLA,own,"; !strings.Contains(out, want) {
		t.Error(out)
	}
	beside(filepath.Join(b.dir, "restored"), func(book *rulebook) {
		if all := book.Beside(); len(all) != 1 || string(all[queryPrefix+"open"]) != string(shared) {
			t.Errorf("beside the rules: %s", all)
		}
		if statement, ok := book.SharedQuery("open"); !ok || statement != "SELECT 1" {
			t.Errorf("shared query: %q", statement)
		}
	})

	for _, c := range []struct {
		want string
		args []string
	}{
		{`the group "tech" is watched by "weak"`, []string{"groups", "rm", "tech"}},
		{`did you mean "tech"?`, []string{"groups", "show", "tch"}},
		{`"A B" is no symbol`, []string{"groups", "set", "x", "a b"}},
		{"is no name of a group", []string{"groups", "set", "a/b", "KO"}},
		{"is a saved query", []string{"groups", "set", "query:held", "KO"}},
		{"gives no column symbol", []string{"groups", "query", "x", "SELECT 1 AS one"}},
		{"'nowhere' does not exist", []string{"groups", "query", "x", "SELECT symbol FROM nowhere"}},
		{"your screen has no watchlist “none”", []string{"groups", "share", "none"}},
		{`there is no group "tch" (did you mean tech?)`, []string{"rules", "set", "x", "price > 1", "--symbols", "group:tch"}},
	} {
		out, errs, code := b.tapedeck(append(c.args, place...)...)
		if code == 0 || !strings.Contains(errs, c.want) {
			t.Errorf("%q: exit %d, %q; wanted %q", c.args, code, out+errs, c.want)
		}
	}
	tapedeck("rules", "rm", "weak")
	tapedeck("groups", "rm", "tech")
	tapedeck("groups", "rm", "query:held")
	if out := tapedeck("groups", "ls"); strings.Contains(out, "tech") || strings.Contains(out, "query:held") {
		t.Error(out)
	}
}

// What an analyst changes in a list that he has shared is shared again; a list
// that somebody else has shared since is left alone.
func TestSharedListsAreKeptUp(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	c := DefaultConfig()
	c.Data, c.Feed = data, "replay"
	book, closeRules, err := openRules(t.Context(), c, true)
	if err != nil {
		t.Fatal(err)
	}
	defer closeRules()
	keep := func(lists string) {
		t.Helper()
		if err := os.WriteFile(book.own.state, []byte(`{"version":1,"watchlists":[`+lists+`]}`), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := book.keepShared(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	symbols := func(name string) string {
		g, _ := book.Group(name)
		return strings.Join(g.Symbols, " ")
	}
	keep(`{"name":"tech","symbols":["AAPL"]},{"name":"mine","symbols":["KO"]}`)
	if len(book.Groups()) != 0 {
		t.Fatal("lists are shared that no rule watches")
	}
	if _, err := book.Set(t.Context(), market.Rule{Name: "r", When: "price > 1", Watch: []string{"group:tech"}}); err != nil {
		t.Fatal(err)
	}
	keep(`{"name":"tech","symbols":["AAPL","MSFT"]},{"name":"mine","symbols":["KO"]}`)
	if symbols("tech") != "AAPL MSFT" || symbols("mine") != "" {
		t.Error(symbols("tech"), symbols("mine"))
	}
	ranges, _ := book.log.Offsets(t.Context(), kafka.Rules)
	keep(`{"name":"tech","symbols":["MSFT","AAPL"]}`)
	if again, _ := book.log.Offsets(t.Context(), kafka.Rules); again[0] != ranges[0] {
		t.Error("the same symbols are written again")
	}
	me := book.by
	book.by = "ann@desk"
	if err := book.SetGroup(t.Context(), market.Group{Name: "tech", Symbols: []string{"IBM"}}); err != nil {
		t.Fatal(err)
	}
	book.by = me
	keep(`{"name":"tech","symbols":["AAPL"]}`)
	if symbols("tech") != "IBM" {
		t.Error("what somebody else has shared is overwritten")
	}
}
