package alert

import (
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"
)

// Problem says what is wrong with a rule, and where.
type Problem struct {
	Field   string // of the rule: when, for, repeat, cooldown, keep_firing, watch, name
	Line    int    // from 1; 0 where the field is a single word
	Column  int    // from 1, in characters
	Reason  string
	Nearest string // the right word that is most like the wrong one; may be empty
}

func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.Field)
	if p.Line > 0 {
		fmt.Fprintf(&b, " %d:%d", p.Line, p.Column)
	}
	b.WriteString(": ")
	b.WriteString(p.Reason)
	if p.Nearest != "" {
		fmt.Fprintf(&b, " (did you mean %s?)", p.Nearest)
	}
	return b.String()
}

// problemAt makes a problem of the condition at the offset of a character.
func problemAt(source string, offset int, reason, nearest string) *Problem {
	p := &Problem{Field: "when", Line: 1, Column: 1, Reason: reason, Nearest: nearest}
	for _, r := range source {
		if offset <= 0 {
			break
		}
		offset--
		p.Column++
		if r == '\n' {
			p.Line, p.Column = p.Line+1, 1
		}
	}
	return p
}

// nearest is the one of words that is most like word, or nothing where none is.
func nearest(word string, words []string) string {
	words = append([]string(nil), words...)
	sort.Strings(words)
	best, limit := "", max(1, utf8.RuneCountInString(word)/3)+1
	for _, w := range words {
		if d := distance(strings.ToLower(word), strings.ToLower(w), limit); d < limit {
			best, limit = w, d
		}
	}
	return best
}

// distance is the number of letters to insert, delete, replace or swap with
// their neighbour (Damerau's, restricted); limit where it is no less than that.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit || len(a) > 64 || len(b) > 64 {
		return limit
	}
	var rows [3][65]int
	for j := range len(b) + 1 {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		row, last, before := &rows[i%3], &rows[(i+2)%3], &rows[(i+1)%3]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return min(rows[len(a)%3][len(b)], limit)
}
