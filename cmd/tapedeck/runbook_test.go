package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var verbOrQuote = regexp.MustCompile(`%[+#.\d]*[a-zA-Z]|"`)

// pieceOf is the longest piece of a message that holds no value.
func pieceOf(message string) string {
	longest := ""
	for _, piece := range verbOrQuote.Split(message, -1) {
		if piece = strings.Trim(piece, " .,;:()"); len(piece) > len(longest) {
			longest = piece
		}
	}
	return longest
}

// literals are the texts in an expression.
func literals(e ast.Node) (all []string) {
	ast.Inspect(e, func(n ast.Node) bool {
		if b, ok := n.(*ast.BasicLit); ok && b.Kind == token.STRING {
			if text, err := strconv.Unquote(b.Value); err == nil {
				all = append(all, text)
			}
		}
		return true
	})
	return all
}

// messages finds in Go files what can be said about trouble: the doctor's
// remedies, the sentences on the log, and the trouble of a stage.
func messages(t *testing.T, pattern string) (all []string) {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatal(pattern, err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt: // f.says, f.remedy = …, "…"
				for i, left := range n.Lhs {
					if s, ok := left.(*ast.SelectorExpr); ok && s.Sel.Name == "remedy" {
						all = append(all, literals(n.Rhs[min(i, len(n.Rhs)-1)])...)
					}
				}
			case *ast.KeyValueExpr: // finding{remedy: "…"}
				if k, ok := n.Key.(*ast.Ident); ok && k.Name == "remedy" {
					all = append(all, literals(n.Value)...)
				}
			case *ast.CallExpr: // status.trouble("…")
				if s, ok := n.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "trouble" && len(n.Args) == 1 {
					all = append(all, literals(n.Args[0])...)
				}
			case *ast.FuncDecl:
				if n.Name.Name == "Trouble" { // of a cluster, put together from several
					all = append(all, literals(n.Body)...)
				}
				if n.Name.Name == "troubleSentence" {
					ast.Inspect(n, func(n ast.Node) bool {
						if r, ok := n.(*ast.ReturnStmt); ok {
							all = append(all, literals(r)...)
						}
						return true
					})
				}
			}
			return true
		})
	}
	return all
}

// Whatever can be said about trouble stands in docs/operations.md, with what to do.
func TestRunbookHasEachSentence(t *testing.T) {
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	runbook := strings.Join(strings.Fields(string(text)), " ")
	found := 0
	for _, pattern := range []string{"doctor*.go", "../../pipeline/*.go", "../../pipeline/kafka/health.go", "../../pipeline/kafka/words.go"} {
		for _, message := range messages(t, pattern) {
			piece := pieceOf(message)
			if len(piece) < 8 {
				continue // glue between two values
			}
			found++
			// The first words say which sentence it is.
			words := strings.Fields(piece)
			if piece = strings.Join(words[:min(len(words), 6)], " "); !strings.Contains(runbook, piece) {
				t.Errorf("docs/operations.md has no entry for %q (of %q)", piece, message)
			}
		}
	}
	if found < 30 {
		t.Errorf("only %d sentences were found in the code: has their form changed?", found)
	}
}

// Every test that the documents rest on is there.
func TestDocumentsNameTestsThatExist(t *testing.T) {
	there := map[string]bool{}
	for _, root := range []string{"../../cmd", "../../pipeline", "../../store", "../../tui", "../../ml"} {
		err := filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, m := range testFunction.FindAllSubmatch(text, -1) {
				there[string(m[1])] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"security.md", "operations.md"} {
		text, err := os.ReadFile("../../docs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range namedTest.FindAllSubmatch(text, -1) {
			if !there[string(m[1])] {
				t.Errorf("docs/%s names %s, which is no test", name, m[1])
			}
		}
	}
}

var (
	testFunction = regexp.MustCompile(`(?m)^func ([Tt]est[A-Z]\w*|Fuzz\w+)\(`)
	namedTest    = regexp.MustCompile("`((?:Test|test|Fuzz)[A-Z]\\w*)`")
)
