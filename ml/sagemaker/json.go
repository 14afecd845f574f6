package sagemaker

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// maxDepth is how deep the numbers of an instance may be nested.
const maxDepth = 8

// decodeJSON reads instances: each a number, or numbers nested at any depth, or
// {"volatility": v, "window": [[...]]}. All have as many numbers. What is read
// is JSON as encoding/json takes it, and the numbers are those that it gives.
func decodeJSON(body []byte) (matrix, error) {
	r := jsonReader{text: body}
	var m matrix
	if !r.take('{') {
		return m, fmt.Errorf(`%w: want a JSON object {"instances": [...]}`, ErrInput)
	}
	found := false
	err := r.members(func(key string) error {
		switch {
		case key != "instances":
			return r.skip() // signature_name and the like
		case found:
			return errors.New("instances stands there twice")
		}
		found = true
		return r.instances(&m)
	})
	switch r.space(); {
	case err != nil:
		return matrix{}, fmt.Errorf("%w: %w", ErrInput, err)
	case r.at < len(body):
		return matrix{}, fmt.Errorf("%w: something follows the JSON object", ErrInput)
	case !found:
		return matrix{}, fmt.Errorf(`%w: the object has no "instances"`, ErrInput)
	}
	return m, nil
}

// jsonReader reads JSON from its beginning to its end, once. The tokens of
// encoding/json cost an allocation a number, which is most of the time of a
// question.
type jsonReader struct {
	text []byte
	at   int
}

func (r *jsonReader) space() {
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case ' ', '\t', '\r', '\n':
			r.at++
		default:
			return
		}
	}
}

// next is the next byte that is no space; 0 at the end.
func (r *jsonReader) next() byte {
	r.space()
	if r.at == len(r.text) {
		return 0
	}
	return r.text[r.at]
}

// take goes past a byte, if it is the next.
func (r *jsonReader) take(c byte) bool {
	if r.next() != c {
		return false
	}
	r.at++
	return true
}

// want says what should stand here.
func (r *jsonReader) want(what string) error {
	if r.space(); r.at == len(r.text) {
		return fmt.Errorf("the JSON ends where %s should be", what)
	}
	return fmt.Errorf("byte %d of the JSON is %q, want %s", r.at, r.text[r.at], what)
}

// more goes past the comma of a list or an object, or past its end.
func (r *jsonReader) more(end byte) (bool, error) {
	if r.take(',') {
		return true, nil
	}
	if r.take(end) {
		return false, nil
	}
	return false, r.want(fmt.Sprintf("a comma or %c", end))
}

// members reads the object whose brace has been taken; member reads each value.
func (r *jsonReader) members(member func(key string) error) error {
	if r.take('}') {
		return nil
	}
	for more := true; more; {
		key, err := r.key()
		if err != nil {
			return err
		}
		if err := member(key); err != nil {
			return err
		}
		if more, err = r.more('}'); err != nil {
			return err
		}
	}
	return nil
}

// key reads a key and its colon.
func (r *jsonReader) key() (string, error) {
	if r.next() != '"' {
		return "", r.want("a key")
	}
	from := r.at
	if err := r.skip(); err != nil {
		return "", err
	}
	var key string
	if err := json.Unmarshal(r.text[from:r.at], &key); err != nil {
		return "", err
	}
	if !r.take(':') {
		return "", r.want("a colon")
	}
	return key, nil
}

// skip goes past a value of any kind.
func (r *jsonReader) skip() error {
	r.space()
	from := r.at
	r.at = from + r.length()
	if !json.Valid(r.text[from:r.at]) {
		return fmt.Errorf("byte %d of the JSON begins no value: %s", from, r.excerpt(from))
	}
	return nil
}

// length is how long the value here is, if it is one.
func (r *jsonReader) length() int {
	text := r.text[r.at:]
	quoted, depth := false, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			if quoted = !quoted; !quoted && depth == 0 {
				return i + 1
			}
		case quoted:
		case c == '[' || c == '{':
			depth++
		case depth == 0 && strings.IndexByte(",:]} \t\r\n", c) >= 0:
			return i // a number or a word has ended
		case c == ']' || c == '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(text)
}

// excerpt is a short piece of the text, for an error.
func (r *jsonReader) excerpt(from int) string {
	return strconv.Quote(string(r.text[from:min(len(r.text), from+20)]))
}

// instances reads the list of all.
func (r *jsonReader) instances(m *matrix) error {
	if !r.take('[') {
		return errors.New("instances must be a list")
	}
	if r.take(']') {
		return nil
	}
	for more := true; more; {
		before := len(m.values)
		if err := r.instance(m, 0); err != nil {
			return fmt.Errorf("instance %d: %w", m.rows, err)
		}
		width := len(m.values) - before
		if m.rows == 0 {
			m.width = width
		}
		if width == 0 || width != m.width || width > maxWidth {
			return fmt.Errorf("instance %d has %d numbers, the first has %d", m.rows, width, m.width)
		}
		if m.rows++; m.rows > maxRows {
			return fmt.Errorf("more than %d instances", maxRows)
		}
		var err error
		if more, err = r.more(']'); err != nil {
			return err
		}
	}
	return nil
}

// instance appends the numbers of one, or of a list within it.
func (r *jsonReader) instance(m *matrix, depth int) error {
	switch c := r.next(); {
	case c == '-' || c >= '0' && c <= '9':
		v, err := r.number()
		m.values = append(m.values, float32(v))
		return err
	case c == 'n':
		m.values = append(m.values, float32(math.NaN()))
		return r.skip()
	case (c == '[' || c == '{') && depth == maxDepth:
		return fmt.Errorf("lists are nested deeper than %d", maxDepth)
	case c == '[':
		r.at++
		return r.list(m, depth+1)
	case c == '{' && depth == 0:
		r.at++
		return r.named(m)
	case c == 0:
		return r.want("a number")
	}
	return fmt.Errorf("%s is not a number", r.excerpt(r.at))
}

func (r *jsonReader) list(m *matrix, depth int) error {
	if r.take(']') {
		return nil
	}
	for {
		if err := r.instance(m, depth); err != nil {
			return err
		}
		if more, err := r.more(']'); !more || err != nil {
			return err
		}
	}
}

// named reads {"volatility": v, "window": [[...]]}, in either order.
func (r *jsonReader) named(m *matrix) error {
	var volatility, window matrix
	err := r.members(func(key string) error {
		into := &volatility
		switch key {
		case "volatility":
		case "window":
			into = &window
		default:
			return fmt.Errorf("%.40q is not an input; want volatility and window", key)
		}
		if len(into.values) > 0 {
			return fmt.Errorf("%s stands there twice", key)
		}
		if err := r.instance(into, 1); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(volatility.values) != 1 || len(window.values) == 0 {
		return errors.New("want a volatility and a window")
	}
	m.values = append(append(m.values, volatility.values...), window.values...)
	return nil
}

// number reads a number as JSON writes it: no sign but a minus, no leading
// noughts, digits on both sides of a point.
func (r *jsonReader) number() (float64, error) {
	text, from := r.text, r.at
	i := from
	var mantissa uint64
	digits, exponent := 0, 0 // of the mantissa; of ten
	negative := text[i] == '-'
	if negative {
		i++
	}
	whole := i
	for ; i < len(text) && text[i]-'0' <= 9; i++ {
		mantissa = mantissa*10 + uint64(text[i]-'0')
		digits++
	}
	if i == whole || text[whole] == '0' && i > whole+1 {
		return 0, fmt.Errorf("%s is not a number", r.excerpt(from))
	}
	if i < len(text) && text[i] == '.' {
		i++
		point := i
		for ; i < len(text) && text[i]-'0' <= 9; i++ {
			mantissa = mantissa*10 + uint64(text[i]-'0')
			digits++
		}
		if exponent = point - i; exponent == 0 {
			return 0, fmt.Errorf("%s is not a number", r.excerpt(from))
		}
	}
	if i < len(text) && text[i]|0x20 == 'e' {
		i++
		down := i < len(text) && text[i] == '-'
		if down || i < len(text) && text[i] == '+' {
			i++
		}
		begin, e := i, 0
		for ; i < len(text) && text[i]-'0' <= 9; i++ {
			e = min(e*10+int(text[i]-'0'), 1<<20)
		}
		if i == begin {
			return 0, fmt.Errorf("%s is not a number", r.excerpt(from))
		}
		if down {
			e = -e
		}
		exponent += e
	}
	r.at = i
	// Nineteen digits fit into 64 bits. Up to 2⁵³ and 10²² both are exact, and
	// so the one operation rounds as it should (Clinger 1990).
	if digits > 19 || mantissa > 1<<53 || exponent > 22 || exponent < -22 {
		v, err := strconv.ParseFloat(string(text[from:i]), 64)
		if err != nil {
			return 0, fmt.Errorf("%s… is too large a number", strings.Trim(r.excerpt(from), `"`))
		}
		return v, nil
	}
	v := float64(mantissa)
	if exponent < 0 {
		v /= powersOfTen[-exponent]
	} else {
		v *= powersOfTen[exponent]
	}
	if negative {
		v = -v
	}
	return v, nil
}

var powersOfTen = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}
