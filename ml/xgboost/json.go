package xgboost

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonReader reads a model's JSON. encoding/json does not do: the library
// writes bare NaN and Infinity, and arrays of numbers come in millions.
type jsonReader struct {
	data   []byte
	pos    int
	values int
}

var errCut = errors.New("the file ends too early")

// readJSON reads one object that fills data.
func readJSON(data []byte) (object, error) {
	r := &jsonReader{data: data}
	v, err := r.value(0)
	if err == nil {
		r.space()
		if r.pos != len(r.data) {
			err = errors.New("there is more after the end of the object")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("JSON, byte %d: %w", r.pos, err)
	}
	o, ok := v.(object)
	if !ok {
		return nil, errors.New("JSON: not an object")
	}
	return o, nil
}

func (r *jsonReader) space() {
	for r.pos < len(r.data) {
		switch r.data[r.pos] {
		case ' ', '\t', '\n', '\r':
			r.pos++
		default:
			return
		}
	}
}

// next skips blanks and gives the byte that follows, without taking it.
func (r *jsonReader) next() (byte, error) {
	r.space()
	if r.pos == len(r.data) {
		return 0, errCut
	}
	return r.data[r.pos], nil
}

func (r *jsonReader) value(depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d", maxDepth)
	}
	if r.values++; r.values > maxValues {
		return nil, errTooMany
	}
	c, err := r.next()
	if err != nil {
		return nil, err
	}
	switch c {
	case '{':
		return r.object(depth)
	case '[':
		return r.array(depth)
	case '"':
		return r.text()
	case 't':
		return true, r.word("true")
	case 'f':
		return false, r.word("false")
	case 'n':
		return nil, r.word("null")
	default:
		return r.number()
	}
}

func (r *jsonReader) word(w string) error {
	rest := r.data[r.pos:]
	if len(rest) < len(w) {
		return errCut
	}
	if string(rest[:len(w)]) != w {
		return fmt.Errorf("unexpected character %q", rest[0])
	}
	r.pos += len(w)
	return nil
}

func (r *jsonReader) object(depth int) (any, error) {
	r.pos++
	o := object{}
	for first := true; ; first = false {
		c, err := r.next()
		if err != nil {
			return nil, err
		}
		if c == '}' && first {
			r.pos++
			return o, nil
		}
		if c != '"' {
			return nil, fmt.Errorf("unexpected character %q where a field begins", c)
		}
		name, err := r.text()
		if err != nil {
			return nil, err
		}
		if c, err = r.next(); err != nil {
			return nil, err
		}
		if c != ':' {
			return nil, fmt.Errorf("unexpected character %q after a field's name", c)
		}
		r.pos++
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		if err := o.add(name, v); err != nil {
			return nil, err
		}
		if c, err = r.next(); err != nil {
			return nil, err
		}
		r.pos++
		switch c {
		case '}':
			return o, nil
		case ',':
		default:
			return nil, fmt.Errorf("unexpected character %q in an object", c)
		}
	}
}

func (r *jsonReader) array(depth int) (any, error) {
	r.pos++
	var list arrayBuilder
	for first := true; ; first = false {
		c, err := r.next()
		if err != nil {
			return nil, err
		}
		if c == ']' && first {
			r.pos++
			return list.done(), nil
		}
		if c == '-' || c >= '0' && c <= '9' || c == 'N' || c == 'I' {
			v, err := r.number()
			if err != nil {
				return nil, err
			}
			list.number(v)
		} else {
			v, err := r.value(depth + 1)
			if err != nil {
				return nil, err
			}
			list.other(v)
		}
		if c, err = r.next(); err != nil {
			return nil, err
		}
		r.pos++
		switch c {
		case ']':
			return list.done(), nil
		case ',':
		default:
			return nil, fmt.Errorf("unexpected character %q in an array", c)
		}
	}
}

// arrayBuilder keeps an array of numbers as []float64 and falls back to
// []any at the first element that is none.
type arrayBuilder struct {
	numbers []float64
	mixed   []any
}

func (b *arrayBuilder) number(v float64) {
	if b.mixed != nil {
		b.mixed = append(b.mixed, v)
		return
	}
	b.numbers = append(b.numbers, v)
}

func (b *arrayBuilder) other(v any) {
	if b.mixed == nil {
		b.mixed = make([]any, 0, len(b.numbers)+4)
		for _, n := range b.numbers {
			b.mixed = append(b.mixed, n)
		}
		b.numbers = nil
	}
	b.mixed = append(b.mixed, v)
}

func (b *arrayBuilder) done() any {
	if b.mixed != nil {
		return b.mixed
	}
	return b.numbers
}

// number reads an integer exactly and anything else as float32.
func (r *jsonReader) number() (float64, error) {
	start := r.pos
	p := start
	if p < len(r.data) && r.data[p] == '-' {
		p++
	}
	if p == len(r.data) {
		return 0, errCut
	}
	if c := r.data[p]; c == 'N' || c == 'I' {
		sign := 1
		if p > start {
			sign = -1
		}
		r.pos = p
		if c == 'N' {
			return math.NaN(), r.word("NaN")
		}
		return math.Inf(sign), r.word("Infinity")
	}
	digits, real := 0, false
	var n int64
	for ; p < len(r.data); p++ {
		switch c := r.data[p]; {
		case c >= '0' && c <= '9':
			digits++
			if digits <= 18 {
				n = n*10 + int64(c-'0')
			}
		case c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-':
			real = true
		default:
			goto end
		}
	}
	r.pos = p
	return 0, errCut // a number never ends the file
end:
	text := r.data[start:p]
	if digits == 0 {
		return 0, fmt.Errorf("unexpected character %q", r.data[start])
	}
	r.pos = p
	if !real {
		if digits > 15 {
			return 0, fmt.Errorf("the integer %s is too large", clip(string(text)))
		}
		if text[0] == '-' {
			if n == 0 {
				return math.Copysign(0, -1), nil
			}
			n = -n
		}
		return float64(n), nil
	}
	v, err := strconv.ParseFloat(string(text), 32)
	if err != nil && !errors.Is(err, strconv.ErrRange) { // out of range is ±Inf, as strtof has it
		return 0, fmt.Errorf("%q is not a number", clip(string(text)))
	}
	return v, nil
}

func (r *jsonReader) text() (string, error) {
	r.pos++ // the opening quote
	start := r.pos
	for p := start; p < len(r.data); p++ {
		switch c := r.data[p]; {
		case c == '"':
			r.pos = p + 1
			s := r.data[start:p]
			if !utf8.Valid(s) {
				return "", errors.New("a text is not valid UTF-8")
			}
			return string(s), nil
		case c == '\\':
			return r.escaped(start, p)
		}
	}
	r.pos = len(r.data)
	return "", errCut
}

// escaped reads a text that has a backslash at p.
func (r *jsonReader) escaped(start, p int) (string, error) {
	out := append([]byte(nil), r.data[start:p]...)
	for p < len(r.data) {
		c := r.data[p]
		p++
		switch c {
		case '"':
			r.pos = p
			if !utf8.Valid(out) {
				return "", errors.New("a text is not valid UTF-8")
			}
			return string(out), nil
		case '\\':
		default:
			out = append(out, c)
			continue
		}
		if p == len(r.data) {
			break
		}
		c = r.data[p]
		p++
		switch c {
		case '"', '\\', '/':
			out = append(out, c)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			u, ok := r.hex(p)
			if !ok {
				return "", errors.New(`\u is not followed by four hexadecimal digits`)
			}
			p += 4
			if utf16.IsSurrogate(u) && p+1 < len(r.data) && r.data[p] == '\\' && r.data[p+1] == 'u' {
				if low, ok := r.hex(p + 2); ok {
					if pair := utf16.DecodeRune(u, low); pair != utf8.RuneError {
						u, p = pair, p+6
					}
				}
			}
			out = utf8.AppendRune(out, u)
		default:
			return "", fmt.Errorf("unknown escape \\%c", c)
		}
	}
	r.pos = len(r.data)
	return "", errCut
}

func (r *jsonReader) hex(p int) (rune, bool) {
	if p+4 > len(r.data) {
		return 0, false
	}
	n, err := strconv.ParseUint(string(r.data[p:p+4]), 16, 16)
	return rune(n), err == nil
}
