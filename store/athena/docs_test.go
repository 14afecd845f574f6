package athena

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite what is generated")

// The tables of docs/sql.md are generated from what the conformance statements
// and the code say: go test ./store/athena -run Documentation -update
func TestDocumentation(t *testing.T) {
	const name = "../../docs/sql.md"
	const begin, end = "<!-- dialect: generated from the code -->\n", "<!-- end of dialect -->\n"
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("the markers of the generated part are missing")
	}
	known := expected(t)
	type count struct{ all, refused int }
	areas := map[string]*count{}
	total := count{}
	for _, s := range readStatements(t) {
		if s.Athena == "differs" {
			continue
		}
		c := areas[s.Area]
		if c == nil {
			c = &count{}
			areas[s.Area] = c
		}
		c.all++
		total.all++
		if known[s.ID] != "" {
			c.refused++
			total.refused++
		}
	}
	var b strings.Builder
	b.WriteString("| area | statements | as Trino | refused | silently different |\n|---|---|---|---|---|\n")
	var names []string
	for n := range areas {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		c := areas[n]
		fmt.Fprintf(&b, "| %s | %d | %d | %d | 0 |\n", strings.ReplaceAll(n, "_", " "), c.all, c.all-c.refused, c.refused)
	}
	fmt.Fprintf(&b, "| **all** | **%d** | **%d** | **%d** | **0** |\n", total.all, total.all-total.refused, total.refused)
	b.WriteString("\nFunctions:\n\n")
	b.WriteString("`" + strings.Join(newLibrary().names(), "` `") + "`\n")
	b.WriteString("\nRefused, with what to do instead:\n\n| function | why |\n|---|---|\n")
	names = names[:0]
	for n := range refused {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		fmt.Fprintf(&b, "| `%s` | %s |\n", n, refused[n])
	}
	want := before + begin + b.String() + end + after
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(data) {
		t.Error("docs/sql.md is out of date: go test ./store/athena -run Documentation -update")
	}
}
