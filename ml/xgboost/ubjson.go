package xgboost

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// ubjsonReader reads Universal Binary JSON (draft 12, ubjson.org) as the
// library writes it: big-endian numbers, arrays with a count, numeric arrays
// with one type for all. Every count is checked against the bytes that are
// left before anything is allocated.
type ubjsonReader struct {
	data   []byte
	pos    int
	values int
}

// readUBJSON reads one object that fills data.
func readUBJSON(data []byte) (object, error) {
	r := &ubjsonReader{data: data}
	v, err := r.value(0)
	if err == nil && r.pos != len(r.data) {
		err = errors.New("there is more after the end of the object")
	}
	if err != nil {
		return nil, fmt.Errorf("UBJSON, byte %d: %w", r.pos, err)
	}
	o, ok := v.(object)
	if !ok {
		return nil, errors.New("UBJSON: not an object")
	}
	return o, nil
}

func (r *ubjsonReader) left() int { return len(r.data) - r.pos }

func (r *ubjsonReader) take(n int) ([]byte, error) {
	if n > r.left() {
		r.pos = len(r.data)
		return nil, errCut
	}
	b := r.data[r.pos : r.pos+n]
	r.pos += n
	return b, nil
}

func (r *ubjsonReader) peek() byte { // 0 at the end
	if r.left() == 0 {
		return 0
	}
	return r.data[r.pos]
}

// marker takes the next marker; no-op markers are skipped.
func (r *ubjsonReader) marker() (byte, error) {
	for r.peek() == 'N' {
		r.pos++
	}
	b, err := r.take(1)
	if err != nil {
		return 0, err
	}
	return b[0], nil
}

// width is the size of a number of that type in bytes, 0 for other markers.
func width(marker byte) int {
	switch marker {
	case 'i', 'U':
		return 1
	case 'I':
		return 2
	case 'l', 'd':
		return 4
	case 'L', 'D':
		return 8
	}
	return 0
}

// decode reads a number of width(marker) bytes.
func decode(marker byte, b []byte) float64 {
	switch marker {
	case 'i':
		return float64(int8(b[0]))
	case 'U':
		return float64(b[0])
	case 'I':
		return float64(int16(binary.BigEndian.Uint16(b)))
	case 'l':
		return float64(int32(binary.BigEndian.Uint32(b)))
	case 'L':
		return float64(int64(binary.BigEndian.Uint64(b)))
	case 'd':
		return float64(math.Float32frombits(binary.BigEndian.Uint32(b)))
	default: // 'D'
		return math.Float64frombits(binary.BigEndian.Uint64(b))
	}
}

// length reads a count or a size: an integer with its marker, not negative
// and not above what is left of the file, each thing counted taking at least
// size bytes.
func (r *ubjsonReader) length(size int) (int, error) {
	m, err := r.marker()
	if err != nil {
		return 0, err
	}
	w := width(m)
	if w == 0 || m == 'd' || m == 'D' {
		return 0, fmt.Errorf("a length cannot have the marker %q", m)
	}
	b, err := r.take(w)
	if err != nil {
		return 0, err
	}
	n := decode(m, b)
	if n < 0 {
		return 0, errors.New("a length is negative")
	}
	if n*float64(size) > float64(r.left()) {
		return 0, fmt.Errorf("a length of %.0f is more than the rest of the file holds", n)
	}
	return int(n), nil
}

func (r *ubjsonReader) text() (string, error) {
	n, err := r.length(1)
	if err != nil {
		return "", err
	}
	b, err := r.take(n)
	if err != nil {
		return "", err
	}
	if !utf8.Valid(b) {
		return "", errors.New("a text is not valid UTF-8")
	}
	return string(b), nil
}

func (r *ubjsonReader) value(depth int) (any, error) {
	m, err := r.marker()
	if err != nil {
		return nil, err
	}
	return r.payload(m, depth)
}

// payload reads what follows the marker m.
func (r *ubjsonReader) payload(m byte, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d", maxDepth)
	}
	if w := width(m); w > 0 {
		b, err := r.take(w)
		if err != nil {
			return nil, err
		}
		return decode(m, b), nil
	}
	if r.values++; r.values > maxValues {
		return nil, errTooMany
	}
	switch m {
	case '{':
		return r.object(depth)
	case '[':
		return r.array(depth)
	case 'S':
		return r.text()
	case 'C':
		b, err := r.take(1)
		if err != nil {
			return nil, err
		}
		return string(rune(b[0])), nil
	case 'T':
		return true, nil
	case 'F':
		return false, nil
	case 'Z':
		return nil, nil
	}
	return nil, fmt.Errorf("unknown marker %q", m)
}

// header reads the optional type and count of an array or object; no type is
// 0, no count −1.
func (r *ubjsonReader) header(least int) (typ byte, count int, err error) {
	count = -1
	if r.peek() == '$' {
		r.pos++
		b, err := r.take(1)
		if err != nil {
			return 0, 0, err
		}
		typ = b[0]
		if w := width(typ); w > 0 {
			least = w
		} else if typ == 'T' || typ == 'F' || typ == 'Z' || typ == 'N' {
			return 0, 0, fmt.Errorf("an array cannot have the element type %q", typ) // a count of nothing costs nothing
		}
		if r.peek() != '#' {
			return 0, 0, errors.New("a type without a count")
		}
	}
	if r.peek() == '#' {
		r.pos++
		if count, err = r.length(least); err != nil {
			return 0, 0, err
		}
	}
	return typ, count, nil
}

func (r *ubjsonReader) object(depth int) (any, error) {
	typ, count, err := r.header(2)
	if err != nil {
		return nil, err
	}
	o := object{}
	for i := 0; count < 0 || i < count; i++ {
		if count < 0 {
			for r.peek() == 'N' {
				r.pos++
			}
			if r.peek() == '}' {
				r.pos++
				return o, nil
			}
		}
		name, err := r.text()
		if err != nil {
			return nil, err
		}
		var v any
		if typ != 0 {
			v, err = r.payload(typ, depth+1)
		} else {
			v, err = r.value(depth + 1)
		}
		if err != nil {
			return nil, err
		}
		if err := o.add(name, v); err != nil {
			return nil, err
		}
	}
	return o, nil
}

func (r *ubjsonReader) array(depth int) (any, error) {
	typ, count, err := r.header(1)
	if err != nil {
		return nil, err
	}
	if w := width(typ); w > 0 {
		b, err := r.take(count * w)
		if err != nil {
			return nil, err
		}
		list := make([]float64, count)
		for i := range list {
			list[i] = decode(typ, b[i*w:])
		}
		return list, nil
	}
	var list arrayBuilder
	for i := 0; count < 0 || i < count; i++ {
		m := typ
		if m == 0 {
			if m, err = r.marker(); err != nil {
				return nil, err
			}
			if m == ']' && count < 0 {
				break
			}
		}
		v, err := r.payload(m, depth+1)
		if err != nil {
			return nil, err
		}
		if n, ok := v.(float64); ok {
			list.number(n)
		} else {
			list.other(v)
		}
	}
	return list.done(), nil
}
