package market

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"unicode/utf8"
	"unsafe"
)

// object walks over the fields of one flat JSON object without allocating.
// Fields that nobody asks for are skipped, whatever they hold; a nesting
// deeper than maxDepth, trailing text and malformed JSON are ErrNotJSON.
type object struct {
	data []byte
	pos  int
	key  []byte
	kind byte   // of the value: 's' string, 'n' number, 't' true, 'f' false, '0' null, 'o' object or array
	raw  []byte // its text; of a string without the quotes
	esc  bool   // the string holds escapes
	err  error
	some bool // a field has been read
}

const maxDepth = 32

func (o *object) reset(data []byte) {
	*o = object{data: data}
	o.space()
	if o.pos >= len(o.data) || o.data[o.pos] != '{' {
		o.err = ErrNotJSON
		return
	}
	o.pos++
}

// next moves to the following field; false at the end or on an error.
func (o *object) next() bool {
	if o.err != nil {
		return false
	}
	o.space()
	if o.pos >= len(o.data) {
		return o.fail()
	}
	if o.data[o.pos] == '}' {
		o.pos++
		o.space()
		if o.pos != len(o.data) {
			return o.fail()
		}
		return false
	}
	if o.some {
		if o.data[o.pos] != ',' {
			return o.fail()
		}
		o.pos++
		o.space()
	}
	o.some = true
	key, _, ok := o.string()
	if !ok {
		return o.fail()
	}
	o.key = key
	o.space()
	if o.pos >= len(o.data) || o.data[o.pos] != ':' {
		return o.fail()
	}
	o.pos++
	o.space()
	return o.value() || o.fail()
}

func (o *object) fail() bool {
	o.err = ErrNotJSON
	return false
}

func (o *object) space() {
	for o.pos < len(o.data) {
		switch o.data[o.pos] {
		case ' ', '\t', '\n', '\r':
			o.pos++
		default:
			return
		}
	}
}

func (o *object) string() (text []byte, escaped, ok bool) {
	if o.pos >= len(o.data) || o.data[o.pos] != '"' {
		return nil, false, false
	}
	start := o.pos + 1
	for i := start; i < len(o.data); i++ {
		switch c := o.data[i]; {
		case c == '"':
			o.pos = i + 1
			return o.data[start:i], escaped, true
		case c == '\\':
			escaped = true
			i++
		case c < 0x20:
			return nil, false, false
		}
	}
	return nil, false, false
}

func (o *object) value() bool {
	if o.pos >= len(o.data) {
		return false
	}
	switch c := o.data[o.pos]; {
	case c == '"':
		text, escaped, ok := o.string()
		o.kind, o.raw, o.esc = 's', text, escaped
		return ok
	case c == '-' || c >= '0' && c <= '9':
		start := o.pos
		if !o.number() {
			return false
		}
		o.kind, o.raw = 'n', o.data[start:o.pos]
		return true
	case c == 't':
		o.kind = 't'
		return o.word("true")
	case c == 'f':
		o.kind = 'f'
		return o.word("false")
	case c == 'n':
		o.kind = '0'
		return o.word("null")
	case c == '{' || c == '[':
		start := o.pos
		if !o.skipNested(0) {
			return false
		}
		o.kind, o.raw = 'o', o.data[start:o.pos]
		return true
	}
	return false
}

func (o *object) word(w string) bool {
	if len(o.data)-o.pos < len(w) || string(o.data[o.pos:o.pos+len(w)]) != w {
		return false
	}
	o.pos += len(w)
	return true
}

// number checks JSON's grammar of numbers and moves past one.
func (o *object) number() bool {
	d, i := o.data, o.pos
	if i < len(d) && d[i] == '-' {
		i++
	}
	switch {
	case i < len(d) && d[i] == '0':
		i++
	case i < len(d) && d[i] >= '1' && d[i] <= '9':
		for i < len(d) && isDigit(d[i]) {
			i++
		}
	default:
		return false
	}
	if i < len(d) && d[i] == '.' {
		i++
		if i >= len(d) || !isDigit(d[i]) {
			return false
		}
		for i < len(d) && isDigit(d[i]) {
			i++
		}
	}
	if i < len(d) && (d[i] == 'e' || d[i] == 'E') {
		i++
		if i < len(d) && (d[i] == '+' || d[i] == '-') {
			i++
		}
		if i >= len(d) || !isDigit(d[i]) {
			return false
		}
		for i < len(d) && isDigit(d[i]) {
			i++
		}
	}
	o.pos = i
	return true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// skipNested moves past an object or an array.
func (o *object) skipNested(depth int) bool {
	if depth > maxDepth {
		return false
	}
	closing := byte('}')
	if o.data[o.pos] == '[' {
		closing = ']'
	}
	o.pos++
	for first := true; ; first = false {
		o.space()
		if o.pos >= len(o.data) {
			return false
		}
		if o.data[o.pos] == closing {
			o.pos++
			return true
		}
		if !first {
			if o.data[o.pos] != ',' {
				return false
			}
			o.pos++
			o.space()
		}
		if closing == '}' {
			if _, _, ok := o.string(); !ok {
				return false
			}
			o.space()
			if o.pos >= len(o.data) || o.data[o.pos] != ':' {
				return false
			}
			o.pos++
			o.space()
		}
		if o.pos < len(o.data) && (o.data[o.pos] == '{' || o.data[o.pos] == '[') {
			if !o.skipNested(depth + 1) {
				return false
			}
		} else if !o.value() {
			return false
		}
	}
}

// text is the value as a string; a number, a truth or an object is an error.
// The bytes are o's own unless the string held escapes.
func (o *object) text() ([]byte, error) {
	switch {
	case o.kind == '0':
		return nil, nil
	case o.kind != 's':
		return nil, ErrType
	case !o.esc:
		return o.raw, nil
	}
	var s string
	quoted := append(append([]byte{'"'}, o.raw...), '"')
	if json.Unmarshal(quoted, &s) != nil {
		return nil, ErrNotJSON
	}
	return []byte(s), nil
}

// float is the value as a number; null is def.
func (o *object) float(def float64) (float64, error) {
	switch o.kind {
	case 'n':
		return parseFloat(o.raw)
	case '0':
		return def, nil
	}
	return 0, ErrType
}

// integer is the value as a whole number, also where it was written as 1e6 or 100.0.
func (o *object) integer() (int64, error) {
	switch o.kind {
	case 'n':
		if v, ok := parseInt(o.raw); ok {
			return v, nil
		}
		f, err := parseFloat(o.raw)
		if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<62 {
			return 0, ErrType
		}
		return int64(f), nil
	case '0':
		return 0, nil
	}
	return 0, ErrType
}

// time is the value as an instant: microseconds, or what ParseTime reads.
func (o *object) time() (Time, error) {
	switch o.kind {
	case '0':
		return 0, nil
	case 'n':
		if v, ok := parseInt(o.raw); ok && v >= 1e14 && v < 1e17 {
			return checkTime(Time(v), "")
		}
		return ParseTime(string(o.raw))
	case 's':
		text, err := o.text()
		if err != nil {
			return 0, err
		}
		if len(text) == 0 {
			return 0, nil
		}
		return ParseTime(string(text))
	}
	return 0, ErrType
}

func parseInt(b []byte) (int64, bool) {
	neg := false
	if len(b) > 0 && b[0] == '-' {
		neg, b = true, b[1:]
	}
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	var v int64
	for _, c := range b {
		if !isDigit(c) {
			return 0, false
		}
		v = v*10 + int64(c-'0')
	}
	if neg {
		v = -v
	}
	return v, true
}

var pow10 = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// parseFloat is exact: a mantissa below 2^53 and a power of ten up to 22 are
// both floats, so that one division rounds once (Clinger's fast path); all
// else goes to strconv.
func parseFloat(b []byte) (float64, error) {
	var mant uint64
	i, frac := 0, 0
	neg := len(b) > 0 && b[0] == '-'
	if neg {
		i++
	}
	for ; i < len(b) && isDigit(b[i]); i++ {
		mant = mant*10 + uint64(b[i]-'0')
	}
	if i < len(b) && b[i] == '.' {
		i++
		start := i
		for ; i < len(b) && isDigit(b[i]); i++ {
			mant = mant*10 + uint64(b[i]-'0')
		}
		frac = i - start
	}
	if i == len(b) && len(b) <= 18 && mant < 1<<53 && frac < len(pow10) {
		f := float64(mant) / pow10[frac]
		if neg {
			f = -f
		}
		return f, nil
	}
	f, err := strconv.ParseFloat(unsafeString(b), 64)
	if err != nil {
		return 0, ErrType // out of range: the grammar has been checked
	}
	return f, nil
}

// unsafeString is b as a string that must not outlive it.
func unsafeString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// appendString writes s as a JSON string.
func appendString(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			var buf bytes.Buffer
			enc := json.NewEncoder(&buf)
			enc.SetEscapeHTML(false)
			if enc.Encode(s) != nil {
				return append(dst, `""`...)
			}
			return append(dst, bytes.TrimRight(buf.Bytes(), "\n")...)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

// appendFloat writes the shortest text that reads back as v; NaN and infinities are null.
func appendFloat(dst []byte, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return append(dst, "null"...)
	}
	// Prices are mostly multiples of a hundredth of a cent: then digits are cheap.
	if abs := math.Abs(v); abs < 1e9 {
		scaled := v * 1e4
		if r := math.Round(scaled); r == scaled && r/1e4 == v {
			return appendFixed4(dst, int64(r))
		}
	}
	return strconv.AppendFloat(dst, v, 'g', -1, 64)
}

// appendFixed4 writes n/10000 without trailing zeros.
func appendFixed4(dst []byte, n int64) []byte {
	if n < 0 {
		dst, n = append(dst, '-'), -n
	}
	dst = strconv.AppendInt(dst, n/1e4, 10)
	frac := n % 1e4
	if frac == 0 {
		return dst
	}
	digits := [5]byte{'.', byte('0' + frac/1000), byte('0' + frac/100%10), byte('0' + frac/10%10), byte('0' + frac%10)}
	end := 5
	for digits[end-1] == '0' {
		end--
	}
	return append(dst, digits[:end]...)
}
