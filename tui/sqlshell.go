package tui

import (
	"fmt"
	"strings"
)

// What a shell without a screen needs of the SQL view.

// OpenSQL says whether a text ends within a string, a quoted name or a
// comment, so that a semicolon at its end ends no statement.
func OpenSQL(text string) bool {
	tokens := lexSQL([]rune(text), nil)
	if len(tokens) == 0 {
		return false
	}
	last := tokens[len(tokens)-1]
	return last.open || last.kind == sqlComment
}

// FillSQL puts values in place of a statement's $parameters, each asked for once.
func FillSQL(statement string, ask func(name string) (string, error)) (string, error) {
	text := cleanText(statement)
	tokens := lexSQL(text, nil)
	values := map[string]string{}
	for _, name := range parameters(text, tokens) {
		v, err := ask(name)
		if err != nil {
			return "", err
		}
		values[name] = v
	}
	filled, _ := fill(text, tokens, values)
	return filled, nil
}

// OneLineSQL is a statement on one line, its comments to the line's end left out.
func OneLineSQL(statement string) string {
	text := cleanText(statement)
	var b strings.Builder
	for _, t := range lexSQL(text, nil) {
		piece := string(text[t.from:t.to])
		switch {
		case t.kind == sqlSpace, t.kind == sqlComment && strings.HasPrefix(piece, "--"):
			piece = " "
		}
		b.WriteString(strings.ReplaceAll(piece, "\n", " "))
	}
	return strings.TrimSpace(b.String())
}

// MarkSQL is an error as lines: the words, then the statement's line that is
// meant with a mark under the place.
func MarkSQL(statement string, e *SQLError) string {
	words := string(cleanText(e.Text)) + "\n"
	text := []rune(statement)
	if e.Offset < 0 || e.Offset > len(text) {
		return words
	}
	from, to := e.Offset, e.Offset
	for from > 0 && text[from-1] != '\n' {
		from--
	}
	for to < len(text) && text[to] != '\n' {
		to++
	}
	from, to = max(from, e.Offset-50), min(to, e.Offset+28)
	return words + fmt.Sprintf("  %s\n  %s^\n", string(cleanText(string(text[from:to]))), strings.Repeat(" ", width(string(text[from:e.Offset]))))
}
