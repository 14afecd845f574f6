package tui

import (
	"cmp"
	"slices"
	"strings"
)

// sqlChoice is one completion: what is written in place of the word, and
// what it is.
type sqlChoice struct {
	text, kind, note string
	rank             int
}

// sqlPopup is the list of completions under the cursor.
type sqlPopup struct {
	choices []sqlChoice
	chosen  int // -1 is none
	from    int // where the word begins
}

func (p *sqlPopup) open() bool { return len(p.choices) > 0 }
func (p *sqlPopup) close()     { p.choices, p.chosen = nil, -1 }

func (p *sqlPopup) choose(n int) {
	p.chosen += n
	if p.chosen < -1 {
		p.chosen = len(p.choices) - 1
	}
	if p.chosen >= len(p.choices) {
		p.chosen = -1
	}
}

const sqlChoicesShown = 8

// sqlFunctions are the functions that analysts of a tape reach for, with what
// they take.
var sqlFunctions = [...][2]string{
	{"abs", "(number)"}, {"approx_distinct", "(value)"}, {"approx_percentile", "(value, share)"}, {"array_agg", "(value)"},
	{"avg", "(value)"}, {"ceil", "(number)"}, {"coalesce", "(value, …): the first that is not null"}, {"concat", "(text, …)"}, {"corr", "(y, x)"},
	{"count", "(*)"}, {"covar_samp", "(y, x)"}, {"cume_dist", "() over (…)"}, {"date_add", "('minute', n, time)"}, {"date_diff", "('minute', from, to)"},
	{"date_format", "(time, '%H:%i')"}, {"date_parse", "(text, format)"}, {"date_trunc", "('minute', time)"}, {"dense_rank", "() over (…)"},
	{"exp", "(number)"}, {"first_value", "(value) over (…)"}, {"floor", "(number)"}, {"from_unixtime", "(seconds)"}, {"greatest", "(value, …)"},
	{"if", "(condition, value, otherwise)"}, {"kurtosis", "(value)"}, {"lag", "(value, 1) over (…)"}, {"last_value", "(value) over (…)"},
	{"lead", "(value, 1) over (…)"}, {"least", "(value, …)"}, {"length", "(text)"}, {"ln", "(number)"}, {"lower", "(text)"}, {"max", "(value)"},
	{"max_by", "(value, by): value where by is largest"}, {"min", "(value)"}, {"min_by", "(value, by): value where by is smallest"}, {"now", "()"},
	{"ntile", "(n) over (…)"}, {"nullif", "(a, b)"}, {"percent_rank", "() over (…)"}, {"rank", "() over (…)"}, {"regexp_like", "(text, pattern)"},
	{"regr_slope", "(y, x)"}, {"round", "(number, decimals)"}, {"row_number", "() over (…)"}, {"sign", "(number)"}, {"skewness", "(value)"},
	{"sqrt", "(number)"}, {"stddev_pop", "(value)"}, {"stddev_samp", "(value)"}, {"strpos", "(text, part)"}, {"substr", "(text, from, n)"},
	{"sum", "(value)"}, {"to_unixtime", "(time)"}, {"trim", "(text)"}, {"try", "(expression): null in place of an error"}, {"upper", "(text)"},
	{"var_samp", "(value)"},
}

// completeSQL lists what the word before the cursor could become. asked says
// that the analyst asked for it: then no letter is needed.
func completeSQL(d *Desk, e *editor, tables []SQLTable, asked bool) sqlPopup {
	p := sqlPopup{chosen: -1}
	tokens := e.lex()
	k := -1 // the token that ends at or holds the cursor
	for i, t := range tokens {
		if t.from < e.cursor && e.cursor <= t.to {
			k = i
		}
	}
	s := sqlScope{text: e.runes, tokens: tokens, tables: tables}
	word := ""
	p.from = e.cursor
	if k >= 0 {
		switch t := tokens[k]; t.kind {
		case sqlComment:
			return p
		case sqlString:
			if !t.open && e.cursor == t.to {
				return p
			}
			return completeString(d, s, p, e, k)
		case sqlName, sqlKeyword, sqlFunction:
			p.from, word = t.from, strings.ToLower(string(e.runes[t.from:e.cursor]))
			k--
		case sqlNumber, sqlQuoted, sqlParameter:
			return p
		}
	}
	for k >= 0 && tokens[k].kind == sqlSpace {
		k--
	}
	before := ""
	if k >= 0 {
		before = strings.ToLower(string(e.runes[tokens[k].from:tokens[k].to]))
	}
	if word == "" && !asked && before != "." {
		return p
	}
	add := func(rank int, text, kind, note string) {
		if lower := strings.ToLower(text); strings.HasPrefix(lower, word) && (lower != word || asked) {
			p.choices = append(p.choices, sqlChoice{text, kind, note, rank})
		} else if len(word) > 2 && strings.Contains(lower, word) && lower != word {
			p.choices = append(p.choices, sqlChoice{text, kind, note, rank + 10})
		}
	}
	used := s.used()
	switch {
	case before == "." && k > 0:
		owner := s.resolve(strings.ToLower(string(e.runes[tokens[k-1].from:tokens[k-1].to])))
		for _, t := range tables {
			if strings.EqualFold(t.Name, owner) {
				for _, c := range t.Columns {
					add(0, quoteSQLName(c.Name), strings.ToLower(c.Type), t.Name)
				}
			}
		}
	case before == "from" || before == "join" || before == "describe" || before == "summarize" || before == "," && s.inFrom(k):
		for _, t := range tables {
			add(0, t.Name, "table", columnList(t))
		}
		for _, name := range s.named() {
			add(0, name, "with", "of this query")
		}
	default:
		for _, name := range s.aliases() {
			add(1, name, "column", "of this query")
		}
		for _, t := range tables {
			rank := 3
			if slices.Contains(used, strings.ToLower(t.Name)) {
				rank = 0
			} else if len(used) > 0 {
				continue // another table's columns would only mislead
			}
			for _, c := range t.Columns {
				add(rank, quoteSQLName(c.Name), strings.ToLower(c.Type), t.Name)
			}
		}
		for _, f := range sqlFunctions {
			add(2, f[0]+"(", "function", f[1])
		}
		if word != "" {
			for kw := range strings.FieldsSeq(sqlKeywords) {
				if isSQLKeyword(kw) && len(kw) > len(word) {
					add(4, kw, "keyword", "")
				}
			}
			for _, t := range tables {
				add(5, t.Name, "table", columnList(t))
			}
		}
	}
	p.order()
	return p
}

// order puts the likeliest first, each text once.
func (p *sqlPopup) order() {
	slices.SortStableFunc(p.choices, func(a, b sqlChoice) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(len(a.text), len(b.text)), strings.Compare(a.text, b.text))
	})
	seen := map[string]bool{}
	p.choices = slices.DeleteFunc(p.choices, func(c sqlChoice) bool {
		again := seen[c.text]
		seen[c.text] = true
		return again
	})
	p.choices = p.choices[:min(len(p.choices), 60)]
}

// completeString completes symbols of the board and lengths of bars inside a string.
func completeString(d *Desk, s sqlScope, p sqlPopup, e *editor, k int) sqlPopup {
	t := s.tokens[k]
	p.from = t.from + 1
	word := string(e.runes[p.from:e.cursor])
	column := s.compared(k)
	switch {
	case column == "interval":
		for _, i := range [...]string{"1s", "1m", "5m", "15m", "1h", "1d"} {
			if strings.HasPrefix(i, word) && i != word {
				p.choices = append(p.choices, sqlChoice{text: i, kind: "interval", note: "of bars and features"})
			}
		}
	case column == "symbol" || column == "" && word != "":
		if column == "" && strings.ToUpper(word) != word {
			return p
		}
		find := d.find(word, 30)
		if word == "" && d.Symbol != "" {
			find = []string{d.Symbol}
		}
		for _, symbol := range find {
			if symbol != word {
				name, _ := d.Company(symbol)
				p.choices = append(p.choices, sqlChoice{text: symbol, kind: "symbol", note: name})
			}
		}
	}
	return p
}

// quoteSQLName quotes what DuckDB would not take plainly.
func quoteSQLName(s string) string {
	for i, r := range s {
		if !(r == '_' || r >= 'a' && r <= 'z' || i > 0 && digit(r)) {
			return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
		}
	}
	return s
}

func columnList(t SQLTable) string {
	names := make([]string, 0, 6)
	for _, c := range t.Columns[:min(len(t.Columns), 6)] {
		names = append(names, c.Name)
	}
	if len(t.Columns) > 6 {
		names = append(names, "…")
	}
	return strings.Join(names, " ")
}

// sqlScope reads what a statement names, by its words alone.
type sqlScope struct {
	text   []rune
	tokens []sqlToken
	tables []SQLTable
}

func (s *sqlScope) word(i int) string {
	return strings.ToLower(strings.Trim(string(s.text[s.tokens[i].from:s.tokens[i].to]), `"`))
}

// next is the next token after i that is neither space nor comment; -1 at the end.
func (s *sqlScope) next(i int) int {
	for i++; i < len(s.tokens); i++ {
		if k := s.tokens[i].kind; k != sqlSpace && k != sqlComment {
			return i
		}
	}
	return -1
}

// used are the tables that the statement reads.
func (s *sqlScope) used() []string {
	var used []string
	for i, t := range s.tokens {
		if t.kind != sqlName && t.kind != sqlQuoted {
			continue
		}
		for _, table := range s.tables {
			if strings.EqualFold(table.Name, s.word(i)) {
				used = append(used, s.word(i))
			}
		}
	}
	return used
}

// resolve is the table behind an alias.
func (s *sqlScope) resolve(name string) string {
	for i := range s.tokens {
		if s.tokens[i].kind != sqlName {
			continue
		}
		k := s.next(i)
		if k >= 0 && s.word(k) == "as" {
			k = s.next(k)
		}
		if k < 0 || s.word(k) != name || s.tokens[k].kind != sqlName {
			continue
		}
		for _, table := range s.tables {
			if strings.EqualFold(table.Name, s.word(i)) {
				return table.Name
			}
		}
	}
	return name
}

// aliases are the names that AS gives in this statement, named those of WITH.
func (s *sqlScope) aliases() []string {
	var out []string
	for i := range s.tokens {
		if s.tokens[i].kind == sqlKeyword && s.word(i) == "as" {
			if k := s.next(i); k >= 0 && (s.tokens[k].kind == sqlName || s.tokens[k].kind == sqlQuoted) {
				out = append(out, string(s.text[s.tokens[k].from:s.tokens[k].to]))
			}
		}
	}
	return out
}

func (s *sqlScope) named() []string {
	var out []string
	for i := range s.tokens {
		if s.tokens[i].kind != sqlName {
			continue
		}
		if k := s.next(i); k >= 0 && s.word(k) == "as" {
			if b := s.next(k); b >= 0 && s.word(b) == "(" {
				out = append(out, string(s.text[s.tokens[i].from:s.tokens[i].to]))
			}
		}
	}
	return out
}

// inFrom says whether a comma stands in a list of tables.
func (s *sqlScope) inFrom(k int) bool {
	for i := k; i >= 0; i-- {
		if s.tokens[i].kind == sqlKeyword {
			switch s.word(i) {
			case "from":
				return true
			case "as":
				continue
			}
			return false
		}
		if s.word(i) == "(" || s.word(i) == ")" {
			return false
		}
	}
	return false
}

// compared is the column that a string is compared with: symbol = '…',
// symbol in ('…', '….
func (s *sqlScope) compared(k int) string {
	for i := k - 1; i >= 0; i-- {
		switch t := s.tokens[i]; {
		case t.kind == sqlSpace || t.kind == sqlComment || t.kind == sqlString:
		case t.kind == sqlSymbol && strings.Contains("=<>!,(", s.word(i)):
		case t.kind == sqlKeyword && (s.word(i) == "in" || s.word(i) == "like" || s.word(i) == "not" || s.word(i) == "ilike"):
		case t.kind == sqlName || t.kind == sqlQuoted:
			return s.word(i)
		default:
			return ""
		}
	}
	return ""
}
