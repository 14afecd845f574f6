package athena

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Error is what is wrong with a statement, and where in the user's text.
type Error struct {
	Line, Column int // from 1; columns count characters
	Message      string
}

// Error is the message behind its place, as Athena writes it.
func (e *Error) Error() string {
	return fmt.Sprintf("line %d:%d: %s", e.Line, e.Column, e.Message)
}

// fault is an Error before its place is counted.
type fault struct {
	at      int // byte of the statement
	message string
}

func (f *fault) Error() string { return f.message }

func failAt(at int, format string, args ...any) error {
	return &fault{at, fmt.Sprintf(format, args...)}
}

// place counts lines and columns up to a byte of the statement.
func place(sql string, f *fault) *Error {
	before := sql[:min(max(f.at, 0), len(sql))]
	line := 1 + strings.Count(before, "\n")
	column := 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
	return &Error{Line: line, Column: column, Message: f.message}
}

type tokenKind uint8

const (
	end tokenKind = iota
	word
	quoted // "…"; text is unescaped
	text   // '…'; text is unescaped
	binaryText
	unicodeText
	number
	symbol
)

type token struct {
	kind tokenKind
	at   int
	text string // a word's as written
	key  string // a word's in upper case
}

// scan splits a statement into tokens, without comments.
func scan(sql string) ([]token, error) {
	var tokens []token
	for i := 0; i < len(sql); {
		c := sql[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f':
			i++
		case strings.HasPrefix(sql[i:], "--"):
			for i < len(sql) && sql[i] != '\n' {
				i++
			}
		case strings.HasPrefix(sql[i:], "/*"):
			n := strings.Index(sql[i+2:], "*/")
			if n < 0 {
				return nil, failAt(i, "a comment /* is not closed")
			}
			i += n + 4
		case c == '\'' || c == '"':
			t, next, err := scanQuoted(sql, i, i)
			if err != nil {
				return nil, err
			}
			tokens, i = append(tokens, t), next
		case (c == 'X' || c == 'x') && i+1 < len(sql) && sql[i+1] == '\'':
			t, next, err := scanQuoted(sql, i, i+1)
			if err != nil {
				return nil, err
			}
			t.kind = binaryText
			tokens, i = append(tokens, t), next
		case (c == 'U' || c == 'u') && strings.HasPrefix(sql[i+1:], "&'"):
			t, next, err := scanQuoted(sql, i, i+2)
			if err != nil {
				return nil, err
			}
			t.kind = unicodeText
			tokens, i = append(tokens, t), next
		case isDigit(c) || c == '.' && i+1 < len(sql) && isDigit(sql[i+1]):
			t, next, err := scanNumber(sql, i)
			if err != nil {
				return nil, err
			}
			tokens, i = append(tokens, t), next
		default:
			r, size := utf8.DecodeRuneInString(sql[i:])
			if r == '_' || unicode.IsLetter(r) {
				j := i + size
				for j < len(sql) {
					r, size := utf8.DecodeRuneInString(sql[j:])
					if r != '_' && r != '$' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
						break
					}
					j += size
				}
				tokens = append(tokens, token{word, i, sql[i:j], strings.ToUpper(sql[i:j])})
				i = j
				continue
			}
			s, ok := scanSymbol(sql[i:])
			if !ok {
				return nil, failAt(i, "unexpected character %q", r)
			}
			tokens = append(tokens, token{symbol, i, s, s})
			i += len(s)
		}
	}
	return append(tokens, token{kind: end, at: len(sql)}), nil
}

func scanQuoted(sql string, start, i int) (token, int, error) {
	quote := sql[i]
	kind := text
	if quote == '"' {
		kind = quoted
	}
	var b strings.Builder
	for j := i + 1; j < len(sql); j++ {
		if sql[j] != quote {
			b.WriteByte(sql[j])
			continue
		}
		if j+1 < len(sql) && sql[j+1] == quote {
			b.WriteByte(quote)
			j++
			continue
		}
		if kind == quoted && b.Len() == 0 {
			return token{}, 0, failAt(start, "a quoted name is empty")
		}
		return token{kind: kind, at: start, text: b.String()}, j + 1, nil
	}
	return token{}, 0, failAt(start, "a quote %c is not closed", quote)
}

func scanNumber(sql string, i int) (token, int, error) {
	j := i
	digits := func() {
		for j < len(sql) && (isDigit(sql[j]) || sql[j] == '_' && j+1 < len(sql) && isDigit(sql[j+1]) && j > i) {
			j++
		}
	}
	digits()
	if j < len(sql) && sql[j] == '.' {
		j++
		digits()
	}
	if j < len(sql) && (sql[j] == 'e' || sql[j] == 'E') {
		k := j + 1
		if k < len(sql) && (sql[k] == '+' || sql[k] == '-') {
			k++
		}
		if k < len(sql) && isDigit(sql[k]) {
			j = k
			digits()
		}
	}
	if r, _ := utf8.DecodeRuneInString(sql[j:]); j < len(sql) && (r == '_' || unicode.IsLetter(r)) {
		return token{}, 0, failAt(i, "a name must not begin with a digit; put it in double quotes")
	}
	return token{kind: number, at: i, text: strings.ReplaceAll(sql[i:j], "_", "")}, j, nil
}

var symbols = []string{"<>", "!=", "<=", ">=", "||", "->", "=>", "::", "(", ")", "[", "]", ",", ".", ";", "+", "-", "*", "/", "%",
	"=", "<", ">", "?", ":", "{", "}", "|", "^", "$"}

func scanSymbol(s string) (string, bool) {
	for _, candidate := range symbols {
		if strings.HasPrefix(s, candidate) {
			return candidate, true
		}
	}
	return "", false
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// reserved words cannot be names without quotes.
var reserved = set("ALTER", "AND", "AS", "BETWEEN", "BY", "CASE", "CAST", "CONSTRAINT", "CREATE", "CROSS", "CUBE",
	"CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "CURRENT_USER", "DEALLOCATE", "DELETE", "DESCRIBE", "DISTINCT", "DROP",
	"ELSE", "END", "ESCAPE", "EXCEPT", "EXECUTE", "EXISTS", "EXTRACT", "FALSE", "FOR", "FROM", "FULL", "GROUP", "GROUPING",
	"HAVING", "IN", "INNER", "INSERT", "INTERSECT", "INTO", "IS", "JOIN", "LEFT", "LIKE", "LISTAGG", "LOCALTIME", "LOCALTIMESTAMP",
	"NATURAL", "NORMALIZE", "NOT", "NULL", "ON", "OR", "ORDER", "OUTER", "PREPARE", "RECURSIVE", "RIGHT", "ROLLUP", "SELECT",
	"TABLE", "THEN", "TRIM", "TRUE", "UESCAPE", "UNION", "UNNEST", "USING", "VALUES", "WHEN", "WHERE", "WITH",
	"JSON_ARRAY", "JSON_EXISTS", "JSON_OBJECT", "JSON_QUERY", "JSON_TABLE", "JSON_VALUE", "CURRENT_CATALOG", "CURRENT_SCHEMA", "CURRENT_PATH")

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}
