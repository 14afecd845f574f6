package athena

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// decodeJSON reads one JSON value; numbers keep their text.
func decodeJSON(s string) (any, error) {
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("Cannot convert value to JSON: '%s'", clip(s))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("Cannot convert value to JSON: '%s'", clip(s))
	}
	return v, nil
}

func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}

// encodeJSON writes a value as Trino does: keys sorted, no spaces.
func encodeJSON(v any) string {
	var b strings.Builder
	appendJSON(&b, v)
	return b.String()
}

func appendJSON(b *strings.Builder, v any) {
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case json.Number:
		b.WriteString(v.String())
	case string:
		b.WriteString(quoteJSON(v))
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			appendJSON(b, e)
		}
		b.WriteByte(']')
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		b.WriteByte('{')
		for i, k := range keys {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(quoteJSON(k))
			b.WriteByte(':')
			appendJSON(b, v[k])
		}
		b.WriteByte('}')
	}
}

func quoteJSON(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\b':
			b.WriteString(`\b`)
		case r == '\f':
			b.WriteString(`\f`)
		case r < 0x20:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	b.WriteByte('"')
	return b.String()
}

type pathStep struct {
	key   string
	index int
	array bool
	wild  bool
	where *pathFilter
	last  bool
}

type pathFilter struct {
	op    string
	value any
}

var errPath = errors.New("this JSON path cannot be given here; there are $.key, $[\"key\"], $[0], $[*] and, in the standard's functions, lax, strict, ? (@ > 1)")

func checkPath(path string) error {
	_, err := parsePath(path, true)
	return err
}

// parsePath reads a JSON path: Trino's own small ones, or the SQL standard's.
func parsePath(path string, standard bool) ([]pathStep, error) {
	s := strings.TrimSpace(path)
	if standard {
		if strings.HasPrefix(s, "strict") {
			return nil, fmt.Errorf("strict JSON paths cannot be given here; use lax")
		}
		if !strings.HasPrefix(s, "lax ") {
			return nil, fmt.Errorf("a JSON path begins with lax or strict")
		}
		s = strings.TrimSpace(s[4:])
	}
	if !strings.HasPrefix(s, "$") {
		return nil, fmt.Errorf("Invalid JSON path: '%s'", clip(path))
	}
	s = s[1:]
	var steps []pathStep
	for s = strings.TrimLeft(s, " "); s != ""; s = strings.TrimLeft(s, " ") {
		switch {
		case strings.HasPrefix(s, ".*"), strings.HasPrefix(s, "[*]"):
			if !standard {
				return nil, errPath
			}
			steps = append(steps, pathStep{wild: true, array: s[0] == '['})
			s = strings.TrimLeft(s, ".[*]")
		case s[0] == '.':
			s = s[1:]
			if strings.HasPrefix(s, `"`) {
				end := strings.Index(s[1:], `"`)
				if end < 0 {
					return nil, errPath
				}
				steps = append(steps, pathStep{key: s[1 : 1+end]})
				s = s[end+2:]
				continue
			}
			n := 0
			for n < len(s) && s[n] != '.' && s[n] != '[' && s[n] != ' ' && s[n] != '(' && s[n] != '?' {
				n++
			}
			if n == 0 || n < len(s) && s[n] == '(' {
				return nil, errPath
			}
			steps = append(steps, pathStep{key: s[:n]})
			s = s[n:]
		case s[0] == '[':
			end := strings.IndexByte(s, ']')
			if len(s) > 1 && (s[1] == '"' || s[1] == '\'') {
				close := strings.Index(s[2:], s[1:2]+"]")
				if close < 0 {
					return nil, errPath
				}
				steps = append(steps, pathStep{key: s[2 : 2+close]})
				s = s[close+4:]
				continue
			}
			if end < 0 {
				return nil, errPath
			}
			inner := strings.TrimSpace(s[1:end])
			n, err := strconv.Atoi(inner)
			switch {
			case err == nil && n >= 0:
				steps = append(steps, pathStep{index: n, array: true})
			case inner == "last" && standard:
				steps = append(steps, pathStep{array: true, last: true})
			case !standard && inner != "":
				steps = append(steps, pathStep{key: inner})
			default:
				return nil, errPath
			}
			s = s[end+1:]
		case s[0] == '?' && standard:
			f, rest, err := parsePathFilter(s)
			if err != nil {
				return nil, err
			}
			steps = append(steps, pathStep{where: f})
			s = rest
		default:
			return nil, errPath
		}
	}
	return steps, nil
}

func parsePathFilter(s string) (*pathFilter, string, error) {
	open, close := strings.IndexByte(s, '('), strings.IndexByte(s, ')')
	if open < 0 || close < open {
		return nil, "", errPath
	}
	inner := strings.TrimSpace(s[open+1 : close])
	if !strings.HasPrefix(inner, "@") {
		return nil, "", errPath
	}
	inner = strings.TrimSpace(inner[1:])
	for _, op := range []string{"==", "!=", "<>", "<=", ">=", "<", ">"} {
		if strings.HasPrefix(inner, op) {
			v, err := decodeJSON(strings.TrimSpace(inner[len(op):]))
			if err != nil {
				return nil, "", errPath
			}
			return &pathFilter{op, v}, s[close+1:], nil
		}
	}
	return nil, "", errPath
}

// follow gives what a path finds.
func follow(v any, steps []pathStep, lax bool) []any {
	found := []any{v}
	for _, step := range steps {
		var next []any
		for _, v := range found {
			if list, ok := v.([]any); ok && lax && !step.array && (step.key != "" || step.where != nil || step.wild) {
				for _, e := range list {
					next = append(next, step.apply(e)...)
				}
				continue
			}
			if _, ok := v.([]any); !ok && lax && step.array {
				v = []any{v}
			}
			next = append(next, step.apply(v)...)
		}
		found = next
	}
	return found
}

func (s pathStep) apply(v any) []any {
	switch t := v.(type) {
	case map[string]any:
		if s.wild && !s.array {
			keys := make([]string, 0, len(t))
			for k := range t {
				keys = append(keys, k)
			}
			slices.Sort(keys)
			var out []any
			for _, k := range keys {
				out = append(out, t[k])
			}
			return out
		}
		if e, ok := t[s.key]; ok && !s.array && s.where == nil {
			return []any{e}
		}
	case []any:
		switch {
		case s.wild && s.array:
			return t
		case s.last && len(t) > 0:
			return t[len(t)-1:]
		case s.array && !s.last && s.index < len(t):
			return t[s.index : s.index+1]
		case !s.array && s.where == nil: // $["0"] of Trino's own paths
			if n, err := strconv.Atoi(s.key); err == nil && n >= 0 && n < len(t) {
				return t[n : n+1]
			}
		}
		return nil
	}
	if s.where != nil && s.where.holds(v) {
		return []any{v}
	}
	return nil
}

func (f *pathFilter) holds(v any) bool {
	cmp := 0
	switch a := v.(type) {
	case json.Number:
		b, ok := f.value.(json.Number)
		if !ok {
			return false
		}
		x, ok1 := new(big.Rat).SetString(shortNumber(a))
		y, ok2 := new(big.Rat).SetString(shortNumber(b))
		if !ok1 || !ok2 {
			return false
		}
		cmp = x.Cmp(y)
	case string:
		b, ok := f.value.(string)
		if !ok {
			return false
		}
		cmp = strings.Compare(a, b)
	case bool:
		b, ok := f.value.(bool)
		if !ok || f.op != "==" && f.op != "!=" {
			return false
		}
		if a != b {
			cmp = 1
		}
	default:
		return false
	}
	switch f.op {
	case "==":
		return cmp == 0
	case "!=", "<>":
		return cmp != 0
	case "<":
		return cmp < 0
	case "<=":
		return cmp <= 0
	case ">":
		return cmp > 0
	}
	return cmp >= 0
}

// shortNumber keeps numbers with huge exponents from becoming huge themselves.
func shortNumber(n json.Number) string {
	s := n.String()
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		if e, err := strconv.Atoi(s[i+1:]); err != nil || e > 400 || e < -400 {
			return "x"
		}
	}
	return s
}

func itoa(n int) string { return strconv.Itoa(n) }
