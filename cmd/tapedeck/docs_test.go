package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite what is generated")

// The table of settings in the documentation is generated from the code:
// go test ./cmd/tapedeck -run Documentation -update
func TestDocumentationListsEverySetting(t *testing.T) {
	const name = "../../docs/configuration.md"
	const begin, end = "<!-- settings: generated from the code -->\n", "<!-- end of settings -->\n"
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("the markers of the generated table are missing")
	}
	c := DefaultConfig()
	var table strings.Builder
	table.WriteString("| setting | default | what it is | allowed |\n|---|---|---|---|\n")
	for _, s := range c.settings() {
		text := s.text(true)
		if text == "" {
			text = " "
		}
		fmt.Fprintf(&table, "| `%s` | `%s` | %s | %s |\n", s.path, text, s.tag.Get("help"), s.allowed())
	}
	want := before + begin + table.String() + end + after
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(data) {
		t.Error("docs/configuration.md is out of date: go test ./cmd/tapedeck -run Documentation -update")
	}
}
