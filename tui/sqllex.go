package tui

import (
	"regexp"
	"strings"
	"unicode"
)

// sqlKind is what a piece of a statement is.
type sqlKind uint8

const (
	sqlSpace sqlKind = iota
	sqlComment
	sqlString // '…', also unfinished
	sqlNumber
	sqlKeyword
	sqlFunction // a name before a parenthesis
	sqlName
	sqlQuoted    // "…"
	sqlParameter // $name
	sqlSymbol    // operators and punctuation, one rune each
)

// sqlToken is runes[from:to] of the text that was lexed.
type sqlToken struct {
	kind     sqlKind
	from, to int
	open     bool // a string, name or comment that does not end
}

// lexSQL cuts a text into tokens that cover it without gaps. It never fails:
// what DuckDB would refuse is a symbol or an open string here.
func lexSQL(text []rune, dst []sqlToken) []sqlToken {
	dst = dst[:0]
	for i := 0; i < len(text); {
		t := sqlToken{from: i}
		switch r := text[i]; {
		case unicode.IsSpace(r):
			for i < len(text) && unicode.IsSpace(text[i]) {
				i++
			}
		case r == '-' && i+1 < len(text) && text[i+1] == '-':
			t.kind = sqlComment
			for i < len(text) && text[i] != '\n' {
				i++
			}
		case r == '/' && i+1 < len(text) && text[i+1] == '*':
			t.kind = sqlComment
			i, t.open = lexBlock(text, i)
		case r == '\'' || r == '"':
			t.kind = sqlString
			if r == '"' {
				t.kind = sqlQuoted
			}
			i, t.open = lexQuoted(text, i)
		case r == '$' && i+1 < len(text) && sqlLetter(text[i+1]):
			t.kind = sqlParameter
			i = lexWord(text, i+1)
		case digit(r) || r == '.' && i+1 < len(text) && digit(text[i+1]):
			t.kind = sqlNumber
			i = lexNumber(text, i)
		case sqlLetter(r):
			i = lexWord(text, i)
			t.kind = wordKind(text, t.from, i)
		default:
			t.kind = sqlSymbol
			i++
		}
		t.to = i
		dst = append(dst, t)
	}
	return dst
}

func digit(r rune) bool { return r >= '0' && r <= '9' }

func sqlLetter(r rune) bool { return r == '_' || unicode.IsLetter(r) }

func lexWord(text []rune, i int) int {
	for i < len(text) && (sqlLetter(text[i]) || digit(text[i]) || text[i] == '$') {
		i++
	}
	return i
}

// lexBlock finds the end of a comment; DuckDB's nest.
func lexBlock(text []rune, i int) (end int, open bool) {
	depth := 0
	for i < len(text) {
		switch {
		case i+1 < len(text) && text[i] == '/' && text[i+1] == '*':
			depth++
			i += 2
		case i+1 < len(text) && text[i] == '*' && text[i+1] == '/':
			i += 2
			if depth--; depth == 0 {
				return i, false
			}
		default:
			i++
		}
	}
	return i, true
}

// lexQuoted finds the end of a string or quoted name; a doubled quote is one.
func lexQuoted(text []rune, i int) (end int, open bool) {
	q := text[i]
	for i++; i < len(text); i++ {
		if text[i] != q {
			continue
		}
		if i+1 < len(text) && text[i+1] == q {
			i++
			continue
		}
		return i + 1, false
	}
	return i, true
}

func lexNumber(text []rune, i int) int {
	for i < len(text) && (digit(text[i]) || text[i] == '.' || text[i] == '_') {
		i++
	}
	if i < len(text) && (text[i] == 'e' || text[i] == 'E') {
		k := i + 1
		if k < len(text) && (text[k] == '+' || text[k] == '-') {
			k++
		}
		if k < len(text) && digit(text[k]) {
			for i = k; i < len(text) && digit(text[i]); {
				i++
			}
		}
	}
	return i
}

func wordKind(text []rune, from, to int) sqlKind {
	word := strings.ToLower(string(text[from:to]))
	call := to < len(text) && text[to] == '('
	qualified := from > 0 && text[from-1] == '.'
	switch {
	case qualified:
		return sqlName
	case isSQLKeyword(word):
		return sqlKeyword
	case call:
		return sqlFunction
	}
	return sqlName
}

// sqlKeywords are the words that are coloured, completed and put into lower
// case by the formatter; words that are more often a column's name are not
// among them.
const sqlKeywords = " all analyze and anti any array as asc asof between by case cast collate cross cube current date day" +
	" desc describe distinct else end escape except exclude exists explain false fetch filter first following for from full" +
	" group grouping groups having hour ilike in inner intersect interval into is isnull join last lateral left like limit" +
	" materialized minute month natural not notnull null nulls offset on or order ordinality outer over partition pivot" +
	" positional preceding qualify range recursive replace respect right rollup row rows sample second select semi set sets" +
	" similar some summarize table tablesample then time timestamp timestamptz to true try_cast unbounded union unique unpivot using values" +
	" when where window with within without year show tables "

func isSQLKeyword(lower string) bool {
	switch lower {
	case "interval", "time", "date", "hour", "minute", "second", "day", "month", "year", "table", "row", "range", "first", "last",
		"sample", "replace", "set", "sets", "offset", "groups", "grouping", "array", "unique":
		return false // columns and functions of ours are called so
	}
	return strings.Contains(sqlKeywords, " "+lower+" ")
}

// statementAt is the statement of a text that the cursor is in: its runes are
// text[from:to], without the semicolon. Statements are separated by
// semicolons outside of strings and comments. A cursor after the last
// semicolon with nothing behind it is in the statement before.
func statementAt(text []rune, tokens []sqlToken, cursor int) (from, to int) {
	type part struct {
		from, to int
		words    bool
	}
	parts := []part{{}}
	for _, t := range tokens {
		last := &parts[len(parts)-1]
		if t.kind == sqlSymbol && text[t.from] == ';' {
			last.to = t.from
			parts = append(parts, part{from: t.to})
			continue
		}
		if t.kind != sqlSpace && t.kind != sqlComment {
			last.words = true
		}
	}
	parts[len(parts)-1].to = len(text)
	at := 0
	for i, p := range parts {
		if cursor >= p.from {
			at = i
		}
	}
	for at > 0 && !parts[at].words {
		at--
	}
	for at < len(parts)-1 && !parts[at].words {
		at++
	}
	from, to = parts[at].from, parts[at].to
	for from < to && unicode.IsSpace(text[from]) {
		from++
	}
	for to > from && unicode.IsSpace(text[to-1]) {
		to--
	}
	return from, to
}

// parameters are the names of the statement's $parameters, each once, in order.
func parameters(text []rune, tokens []sqlToken) []string {
	var names []string
	seen := map[string]bool{}
	for _, t := range tokens {
		if t.kind == sqlParameter {
			if name := string(text[t.from+1 : t.to]); !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	return names
}

// fill puts values in place of the parameters, each as a literal: a number
// as it is, a date with a time of day as a timestamp, anything else as a string. back gives for an offset of the
// filled text the one that it had before.
func fill(text []rune, tokens []sqlToken, values map[string]string) (filled string, back func(int) int) {
	var out []rune
	type jump struct{ out, in int }
	var jumps []jump
	for _, t := range tokens {
		jumps = append(jumps, jump{len(out), t.from})
		if t.kind != sqlParameter {
			out = append(out, text[t.from:t.to]...)
			continue
		}
		v := strings.TrimSpace(values[string(text[t.from+1:t.to])])
		if moment.MatchString(v) {
			v = "TIMESTAMP '" + v + "'"
		} else if !plainSQLNumber(v) {
			v = "'" + strings.ReplaceAll(v, "'", "''") + "'"
		}
		out = append(out, []rune(v)...)
	}
	jumps = append(jumps, jump{len(out), len(text)})
	return string(out), func(at int) int {
		for i := len(jumps) - 1; i >= 0; i-- {
			if at >= jumps[i].out {
				in := jumps[i].in + at - jumps[i].out
				if i+1 < len(jumps) {
					in = min(in, jumps[i+1].in)
				}
				return min(in, len(text))
			}
		}
		return 0
	}
}

var moment = regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d(\.\d{1,6})?)?$`)

func plainSQLNumber(s string) bool {
	if s = strings.TrimPrefix(s, "-"); s == "" || !digit(rune(s[0])) {
		return false
	}
	r := []rune(s)
	return lexNumber(r, 0) == len(r) && strings.Count(s, ".") < 2 && !strings.Contains(s, "_") && !strings.HasSuffix(s, ".")
}

// formatSQL lays a statement out: keywords in lower case, each clause on a
// line of its own, one space between words. Strings, names and comments stay
// as they are. What it cannot lay out without changing it, it leaves.
func formatSQL(s string) string {
	text := []rune(s)
	tokens := lexSQL(text, nil)
	f := sqlFormatter{text: text, joined: true}
	for i, t := range tokens {
		if t.open {
			return s
		}
		f.token(tokens, i)
	}
	out := strings.TrimSpace(string(f.out))
	if !sameTokens(text, tokens, []rune(out)) {
		return s
	}
	return out
}

// sameTokens says whether two texts differ in nothing but space and the case
// of keywords.
func sameTokens(a []rune, tokens []sqlToken, b []rune) bool {
	other := lexSQL(b, nil)
	k := 0
	for _, t := range tokens {
		if t.kind == sqlSpace {
			continue
		}
		for k < len(other) && other[k].kind == sqlSpace {
			k++
		}
		if k == len(other) || other[k].kind != t.kind {
			return false
		}
		x, y := string(a[t.from:t.to]), string(b[other[k].from:other[k].to])
		if x != y && (t.kind != sqlKeyword || !strings.EqualFold(x, y)) {
			return false
		}
		k++
	}
	for k < len(other) && other[k].kind == sqlSpace {
		k++
	}
	return k == len(other)
}

type sqlFormatter struct {
	text   []rune
	out    []byte
	depth  int    // of parentheses
	column int    // where the line is
	before string // the last word or symbol, in lower case
	joined bool   // nothing stands between it and the next
}

func (f *sqlFormatter) newline(indent int) {
	for len(f.out) > 0 && f.out[len(f.out)-1] == ' ' {
		f.out = f.out[:len(f.out)-1]
	}
	if len(f.out) > 0 && f.out[len(f.out)-1] != '\n' {
		f.out = append(f.out, '\n')
	}
	for range indent {
		f.out = append(f.out, ' ')
	}
	f.column, f.joined = indent, true
}

func (f *sqlFormatter) token(tokens []sqlToken, i int) {
	t := tokens[i]
	word := string(f.text[t.from:t.to])
	lower := strings.ToLower(word)
	switch t.kind {
	case sqlSpace:
		return
	case sqlComment:
		if i > 0 && tokens[i-1].kind == sqlSpace && strings.Contains(string(f.text[tokens[i-1].from:tokens[i-1].to]), "\n") {
			f.newline(2 * f.depth)
		}
		if !f.joined {
			f.out = append(f.out, ' ')
		}
		f.out = append(f.out, strings.TrimRight(word, " \t")...)
		f.joined = false
		if strings.HasPrefix(word, "--") {
			f.newline(2 * f.depth)
		}
		return
	case sqlKeyword:
		word = lower
		if clause(lower, f.before) && f.before != "(" {
			f.newline(2 * f.depth)
		}
	}
	if f.column > 90 && f.before == "," {
		f.newline(2*f.depth + 2)
	}
	if !f.joined && !f.tight(tokens, i, word) {
		f.out = append(f.out, ' ')
		f.column++
	}
	f.out = append(f.out, word...)
	f.column += t.to - t.from
	f.joined, f.before = false, lower
	switch word {
	case "(":
		f.depth++
	case ")":
		f.depth = max(f.depth-1, 0)
	case ";":
		f.newline(0)
	}
}

// tight says that no space stands before the token.
func (f *sqlFormatter) tight(tokens []sqlToken, i int, word string) bool {
	adjacent := tokens[i-1].kind != sqlSpace
	switch word {
	case ",", ")", ";", ".", "]", "[", ":":
		return true
	case "(":
		k := tokens[i-1].kind
		return k == sqlFunction || k == sqlName && adjacent || f.before == "cast" || f.before == "try_cast"
	}
	switch f.before {
	case "(", ".", "[", ":":
		return true
	}
	// Signs, and operators of several runes, stay as they were written.
	return adjacent && tokens[i-1].kind == sqlSymbol && operator(f.before) &&
		(tokens[i].kind == sqlSymbol && operator(word) || i > 1 && tokens[i-2].kind == sqlSpace)
}

// clause says whether a keyword begins a line of its own.
func clause(word, before string) bool {
	switch word {
	case "select", "from", "where", "having", "limit", "qualify", "union", "intersect", "except", "with", "values", "window":
		return before != "distinct" && !(word == "from" && before == "distinct")
	case "group", "order", "partition":
		return word != "partition" && before != "(" && before != "within"
	case "left", "right", "inner", "full", "cross", "asof", "natural", "semi", "anti", "positional":
		return before != "natural" && before != "asof"
	case "join":
		switch before {
		case "left", "right", "inner", "full", "cross", "asof", "natural", "outer", "semi", "anti", "positional":
			return false
		}
		return true
	}
	return false
}

func operator(s string) bool { return len(s) == 1 && strings.Contains("<>=!|&:-+*/%^~@#?", s) }
