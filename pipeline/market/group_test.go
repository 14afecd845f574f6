package market

import (
	"bytes"
	"slices"
	"testing"
)

func TestGroup(t *testing.T) {
	g := Group{Name: "tech", Edited: 5, EditedBy: "ann"}
	if err := g.SetSymbols([]string{"MSFT", "AAPL", "MSFT"}); err != nil || !slices.Equal(g.Symbols, []string{"AAPL", "MSFT"}) {
		t.Fatal(g.Symbols, err)
	}
	if err := g.SetSymbols([]string{"a b"}); err == nil || len(g.Symbols) != 2 {
		t.Fatal("a symbol that is none is taken")
	}
	var back Group
	if err := DecodeGroup(EncodeGroup(&g), &back); err != nil || string(EncodeGroup(&back)) != string(EncodeGroup(&g)) {
		t.Fatal(back, err)
	}
	for name, want := range map[string]bool{"tech": true, "query:held": true, "my list": true, "★": true, "": false, "query:": false, " a": false,
		"a,b": false, "a/b": false, "!a": false, "a:b": false, "a\n": false} {
		if ValidGroup(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
	for _, c := range []struct {
		g   Group
		key string
	}{{Group{Name: "tech"}, "group/tech"}, {Group{Name: "query:held"}, "group/query:held"}, {Group{Name: "query:held", SQL: "SELECT 1"}, "query/held"}} {
		if c.g.Key() != c.key {
			t.Errorf("%s, not %s", c.g.Key(), c.key)
		}
	}
}

func FuzzDecodeGroup(f *testing.F) {
	f.Add(EncodeGroup(&Group{Name: "query:held", Symbols: []string{"AAPL"}, SQL: "SELECT symbol FROM bars"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		var g, again Group
		if DecodeGroup(data, &g) != nil {
			return
		}
		text := EncodeGroup(&g)
		if err := DecodeGroup(text, &again); err != nil || !bytes.Equal(EncodeGroup(&again), text) {
			t.Fatalf("%s: %v", text, err)
		}
	})
}
