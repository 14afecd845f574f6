package athena

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// patterns keeps compiled regular expressions and formats between rows.
type patterns[T any] struct {
	mu      sync.RWMutex
	entries map[string]T
}

const maxPatterns = 256

func (p *patterns[T]) of(key string, make1 func(string) (T, error)) (T, error) {
	p.mu.RLock()
	v, ok := p.entries[key]
	p.mu.RUnlock()
	if ok {
		return v, nil
	}
	v, err := make1(key)
	if err != nil {
		return v, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.entries == nil || len(p.entries) >= maxPatterns {
		p.entries = map[string]T{}
	}
	p.entries[key] = v
	return v, nil
}

// compilePattern reads a pattern of Java's; what needs backtracking is refused.
func compilePattern(pattern string) (*regexp.Regexp, error) {
	for _, x := range []struct{ mark, what string }{{"(?=", "lookahead"}, {"(?!", "lookahead"}, {"(?<=", "lookbehind"}, {"(?<!", "lookbehind"}, {"(?>", "atomic groups"}} {
		if i := strings.Index(pattern, x.mark); i >= 0 && (i == 0 || pattern[i-1] != '\\') {
			return nil, fmt.Errorf("the regular expression '%s' uses %s, which cannot be given here", clip(pattern), x.what)
		}
	}
	if len(pattern) > 10_000 {
		return nil, fmt.Errorf("the regular expression is longer than 10,000 bytes")
	}
	p := pattern
	if i := strings.IndexAny(p, `\`); i >= 0 {
		p = javaEscapes(p)
	}
	re, err := regexp.Compile(p)
	if err != nil {
		return nil, fmt.Errorf("the regular expression '%s' cannot be given here: %v", clip(pattern), err)
	}
	return re, nil
}

// javaEscapes rewrites the escapes that Go's patterns lack.
func javaEscapes(p string) string {
	var b strings.Builder
	for i := 0; i < len(p); i++ {
		if p[i] != '\\' || i+1 == len(p) {
			b.WriteByte(p[i])
			continue
		}
		i++
		switch p[i] {
		case 'h':
			b.WriteString(`[ \t]`)
		case 'R':
			b.WriteString(`(?:\r\n|[\n\x0B\f\r])`)
		case 'Z':
			b.WriteString(`\n?\z`)
		case 'u':
			if i+4 < len(p) {
				b.WriteString(`\x{` + p[i+1:i+5] + `}`)
				i += 4
				continue
			}
			b.WriteString(`\u`)
		default:
			b.WriteByte('\\')
			b.WriteByte(p[i])
		}
	}
	return b.String()
}

func groupOf(re *regexp.Regexp, n int64) error {
	if n < 0 || n > int64(re.NumSubexp()) {
		return fmt.Errorf("Pattern has %d groups. Cannot access group %d", re.NumSubexp(), n)
	}
	return nil
}

// replacement reads Java's $1 and ${name}.
func replacement(re *regexp.Regexp, s string) (func(b *strings.Builder, subject string, m []int), error) {
	type piece struct {
		text  string
		group int
	}
	var pieces []piece
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			pieces = append(pieces, piece{text.String(), -1})
			text.Reset()
		}
	}
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			if i+1 == len(s) {
				return nil, fmt.Errorf("Illegal replacement sequence: %s", clip(s))
			}
			i++
			text.WriteByte(s[i])
		case s[i] == '$':
			flush()
			if i+1 < len(s) && s[i+1] == '{' {
				end := strings.IndexByte(s[i:], '}')
				if end < 0 {
					return nil, fmt.Errorf("Illegal replacement sequence: %s", clip(s))
				}
				n := re.SubexpIndex(s[i+2 : i+end])
				if n < 0 {
					return nil, fmt.Errorf("Illegal replacement sequence: unknown group { %s }", s[i+2:i+end])
				}
				pieces = append(pieces, piece{"", n})
				i += end
				continue
			}
			if i+1 == len(s) || !isDigit(s[i+1]) {
				return nil, fmt.Errorf("Illegal replacement sequence: %s", clip(s))
			}
			i++
			n := int(s[i] - '0')
			if n > re.NumSubexp() {
				return nil, fmt.Errorf("Illegal replacement sequence: unknown group %d", n)
			}
			for i+1 < len(s) && isDigit(s[i+1]) && n*10+int(s[i+1]-'0') <= re.NumSubexp() {
				i++
				n = n*10 + int(s[i]-'0')
			}
			pieces = append(pieces, piece{"", n})
		default:
			text.WriteByte(s[i])
		}
	}
	flush()
	return func(b *strings.Builder, subject string, m []int) {
		for _, p := range pieces {
			if p.group < 0 {
				b.WriteString(p.text)
			} else if m[2*p.group] >= 0 {
				b.WriteString(subject[m[2*p.group]:m[2*p.group+1]])
			}
		}
	}, nil
}

const maxResult = 64 << 20 // bytes of one text

func regexpReplaceAll(re *regexp.Regexp, s, with string) (string, error) {
	write, err := replacement(re, with)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	last := 0
	for _, m := range re.FindAllStringSubmatchIndex(s, -1) {
		b.WriteString(s[last:m[0]])
		write(&b, s, m)
		last = m[1]
		if b.Len() > maxResult {
			return "", fmt.Errorf("regexp_replace: the result is too large")
		}
	}
	b.WriteString(s[last:])
	return b.String(), nil
}

// regexpPieces gives, for every match, what stands before it, the match and
// its groups, and at the end what remains, alone.
func regexpPieces(re *regexp.Regexp, s string) []any {
	var out []any
	last := 0
	for _, m := range re.FindAllStringSubmatchIndex(s, -1) {
		piece := []any{s[last:m[0]]}
		first := 1
		if re.NumSubexp() == 0 {
			piece = append(piece, s[m[0]:m[1]])
		}
		for g := first; g <= re.NumSubexp(); g++ {
			if m[2*g] < 0 {
				piece = append(piece, nil)
			} else {
				piece = append(piece, s[m[2*g]:m[2*g+1]])
			}
		}
		out = append(out, piece)
		last = m[1]
	}
	return append(out, []any{s[last:]})
}

func regexpExtract(re *regexp.Regexp, s string, group int64) (any, error) {
	if err := groupOf(re, group); err != nil {
		return nil, err
	}
	m := re.FindStringSubmatchIndex(s)
	if m == nil || m[2*group] < 0 {
		return nil, nil
	}
	return s[m[2*group]:m[2*group+1]], nil
}

func regexpExtractAll(re *regexp.Regexp, s string, group int64) ([]any, error) {
	if err := groupOf(re, group); err != nil {
		return nil, err
	}
	out := []any{}
	for _, m := range re.FindAllStringSubmatchIndex(s, -1) {
		if m[2*group] < 0 {
			out = append(out, nil)
			continue
		}
		out = append(out, s[m[2*group]:m[2*group+1]])
	}
	return out, nil
}

func regexpSplit(re *regexp.Regexp, s string) []any {
	out := []any{}
	last := 0
	for _, m := range re.FindAllStringIndex(s, -1) {
		if m[1] == m[0] && m[0] == len(s) && s != "" {
			continue
		}
		out = append(out, s[last:m[0]])
		last = m[1]
	}
	return append(out, s[last:])
}

func regexpPosition(re *regexp.Regexp, s string, start, occurrence int64) (int64, error) {
	if start < 1 || occurrence < 1 {
		return 0, fmt.Errorf("start position and occurrence cannot be smaller than 1, not %d and %d", start, occurrence)
	}
	from := 0
	for n := int64(1); n < start && from < len(s); n++ {
		_, size := utf8.DecodeRuneInString(s[from:])
		from += size
	}
	if start > 1 && from >= len(s) {
		return -1, nil
	}
	for _, m := range re.FindAllStringIndex(s, -1) {
		if m[0] < from {
			continue
		}
		if occurrence--; occurrence == 0 {
			return int64(utf8.RuneCountInString(s[:m[0]])) + 1, nil
		}
	}
	return -1, nil
}

// javaFormat is String.format over arguments whose first byte is their kind: d
// integer, f double, n decimal, b boolean, t timestamp, D date, s text.
func javaFormat(template string, args []any) (string, error) {
	var b strings.Builder
	next := 0
	spec := regexp.MustCompile(`^%(\d+\$)?([-#+ 0,(<]*)(\d+)?(\.\d+)?([tT])?([a-zA-Z%])`)
	for i := 0; i < len(template); {
		if template[i] != '%' {
			b.WriteByte(template[i])
			i++
			continue
		}
		m := spec.FindStringSubmatch(template[i:])
		if m == nil {
			return "", fmt.Errorf("Invalid format string: %s", clip(template))
		}
		i += len(m[0])
		width, _ := strconv.Atoi(m[3])
		if width > 1000 || len(m[3]) > 4 || len(m[4]) > 5 {
			return "", fmt.Errorf("Invalid format string: a field of more than 1000 characters: %s", clip(template))
		}
		flags := m[2]
		if m[6] == "%" || m[6] == "n" {
			b.WriteString(pad(map[string]string{"%": "%", "n": "\n"}[m[6]], width, strings.Contains(flags, "-"), ' '))
			continue
		}
		n := next
		if m[1] != "" {
			n, _ = strconv.Atoi(strings.TrimSuffix(m[1], "$"))
			n--
		} else {
			next++
		}
		if n < 0 || n >= len(args) || strings.Contains(flags, "<") {
			return "", fmt.Errorf("Invalid format string: %s (there are %d arguments)", clip(template), len(args))
		}
		text, err := formatOne(args[n], flags, width, m[4], m[5], m[6])
		if err != nil {
			return "", fmt.Errorf("Invalid format string: %s (%v)", clip(template), err)
		}
		b.WriteString(text)
		if b.Len() > maxResult {
			return "", fmt.Errorf("format: the result is too large")
		}
	}
	return b.String(), nil
}

func pad(s string, width int, left bool, fill byte) string {
	n := width - utf8.RuneCountInString(s)
	if n <= 0 {
		return s
	}
	if left {
		return s + strings.Repeat(" ", n)
	}
	if fill == '0' && s != "" && (s[0] == '-' || s[0] == '+' || s[0] == ' ') {
		return s[:1] + strings.Repeat("0", n) + s[1:]
	}
	return strings.Repeat(string(fill), n) + s
}

func formatOne(arg any, flags string, width int, precision, time, verb string) (string, error) {
	left := strings.Contains(flags, "-")
	s, _ := arg.(string)
	kind, s := byte(0), s
	if s != "" {
		kind, s = s[0], s[1:]
	}
	places, err := strconv.Atoi(strings.TrimPrefix(precision, "."))
	given := precision != "" && err == nil
	upper := verb[0] >= 'A' && verb[0] <= 'Z'
	finish := func(text string, fill byte) (string, error) {
		if upper {
			text = strings.ToUpper(text)
		}
		return pad(text, width, left, fill), nil
	}
	fill := byte(' ')
	if strings.Contains(flags, "0") {
		fill = '0'
	}
	if time != "" {
		if kind != 't' && kind != 'D' {
			return "", fmt.Errorf("%%t takes a date or timestamp")
		}
		text, err := javaTime(s, verb)
		return pad(text, width, left, ' '), err
	}
	lower := strings.ToLower(verb)
	if arg == nil {
		text := "null"
		if lower == "b" {
			text = "false"
		}
		return finish(text, ' ')
	}
	switch lower {
	case "s":
		switch {
		case kind == 't':
			s = javaTimestamp(s)
		case kind == 'D':
			s = s[:10]
		}
		if r := []rune(s); given && len(r) > places {
			s = string(r[:places])
		}
		return finish(s, ' ')
	case "b":
		if kind != 'b' {
			s = "true"
		}
		return finish(s, ' ')
	case "d":
		if kind != 'd' {
			return "", fmt.Errorf("%%d takes an integer")
		}
		return finish(signs(group(s, flags), flags), fill)
	case "x", "o":
		if kind != 'd' {
			return "", fmt.Errorf("%%%s takes an integer", verb)
		}
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return "", err
		}
		base := map[string]int{"x": 16, "o": 8}[lower]
		return finish(strconv.FormatUint(uint64(n), base), fill)
	case "f", "e", "g":
		if kind != 'f' && kind != 'n' {
			return "", fmt.Errorf("%%%s takes a double or decimal", verb)
		}
		if !given {
			places = 6
		}
		text, err := formatNumber(s, kind, lower, places)
		if err != nil {
			return "", err
		}
		if text == "NaN" || strings.HasSuffix(text, "Infinity") {
			return finish(text, ' ')
		}
		return finish(signs(group(text, flags), flags), fill)
	}
	return "", fmt.Errorf("%%%s is not known here", verb)
}

func formatNumber(s string, kind byte, verb string, places int) (string, error) {
	if kind == 'n' && verb == "f" {
		d, err := parseDecimal(s)
		if err != nil {
			return "", err
		}
		return d.rescale(places).String(), nil
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return "", err
	}
	switch {
	case s == "NaN" || strings.HasSuffix(s, "Infinity"):
		return s, nil
	case verb == "f": // half up of the shortest decimal form, as Java does
		return exactDecimal(v, places)
	case verb == "e":
		return strconv.FormatFloat(v, 'e', places, 64), nil
	}
	return "", fmt.Errorf("%%g is not known here; use %%f or %%e")
}

func signs(s, flags string) string {
	switch {
	case strings.HasPrefix(s, "-"):
		if strings.Contains(flags, "(") {
			return "(" + s[1:] + ")"
		}
	case strings.Contains(flags, "+"):
		return "+" + s
	case strings.Contains(flags, " "):
		return " " + s
	}
	return s
}

// group puts commas between thousands where the flag asks for them.
func group(s, flags string) string {
	if !strings.Contains(flags, ",") {
		return s
	}
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	whole, fraction, has := strings.Cut(s, ".")
	var b strings.Builder
	for i, r := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(r)
	}
	if has {
		b.WriteString("." + fraction)
	}
	return sign + b.String()
}
