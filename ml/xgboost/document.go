package xgboost

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A document value is one of
//
//	nil, bool, float64, string,
//	[]float64   an array of numbers (and the empty array),
//	[]any       any other array,
//	object      fields in file order.
//
// Both readers make it, so that the model is built in one way whatever the
// file's format. Numbers written with a fraction or an exponent are float32
// already rounded, as libxgboost holds them.
type object []field

type field struct {
	name  string
	value any
}

// maxFields bounds an object, so that looking for a repeated name stays cheap;
// real ones have some twenty.
const maxFields = 1 << 12

// maxValues bounds the values of a file that are not in arrays of numbers,
// each of which takes more memory than it takes room in the file; real models
// have some thirty a tree.
const maxValues = 1 << 24

var errTooMany = fmt.Errorf("more than %d values that are not in arrays of numbers", maxValues)

// maxDepth is how deep arrays and objects may nest; real models reach 9.
const maxDepth = 64

func (o object) lookup(name string) (any, bool) {
	for i := range o {
		if o[i].name == name {
			return o[i].value, true
		}
	}
	return nil, false
}

// add appends a field and refuses a second one of the same name, since two
// readers might then see two different models.
func (o *object) add(name string, value any) error {
	if len(*o) == maxFields {
		return fmt.Errorf("an object has more than %d fields", maxFields)
	}
	if _, ok := o.lookup(name); ok {
		return fmt.Errorf("the field %q appears twice", clip(name))
	}
	*o = append(*o, field{name, value})
	return nil
}

func (o object) object(name string) (object, error) {
	v, ok := o.lookup(name)
	if !ok {
		return nil, fmt.Errorf("%s is missing", name)
	}
	inner, ok := v.(object)
	if !ok {
		return nil, fmt.Errorf("%s is not an object", name)
	}
	return inner, nil
}

func (o object) list(name string) ([]any, error) {
	v, ok := o.lookup(name)
	if !ok {
		return nil, fmt.Errorf("%s is missing", name)
	}
	switch v := v.(type) {
	case []any:
		return v, nil
	case []float64:
		if len(v) == 0 {
			return nil, nil
		}
	}
	return nil, fmt.Errorf("%s is not a list of objects", name)
}

func (o object) text(name string) (string, error) {
	v, ok := o.lookup(name)
	if !ok {
		return "", fmt.Errorf("%s is missing", name)
	}
	s, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("%s is not a text", name)
	}
	return s, nil
}

// integer reads a number that the library writes as text ("10"); absent is
// the default.
func (o object) integer(name string, otherwise int) (int, error) {
	v, ok := o.lookup(name)
	if !ok {
		return otherwise, nil
	}
	switch v := v.(type) {
	case string:
		n, err := strconv.ParseInt(v, 10, 32)
		if err != nil {
			return 0, fmt.Errorf("%s is %q, not an integer", name, clip(v))
		}
		return int(n), nil
	case float64:
		if v == math.Trunc(v) && math.Abs(v) <= math.MaxInt32 {
			return int(v), nil
		}
	}
	return 0, fmt.Errorf("%s is not an integer", name)
}

// numbers reads an array of exactly want numbers; want < 0 takes any length.
func (o object) numbers(name string, want int) ([]float64, error) {
	v, ok := o.lookup(name)
	if !ok {
		return nil, fmt.Errorf("%s is missing", name)
	}
	var list []float64
	switch v := v.(type) {
	case []float64:
		list = v
	case []any: // booleans, as versions before 1.5 write default_left
		list = make([]float64, len(v))
		for i, e := range v {
			switch e := e.(type) {
			case bool:
				if e {
					list[i] = 1
				}
			case float64:
				list[i] = e
			default:
				return nil, fmt.Errorf("%s[%d] is not a number", name, i)
			}
		}
	default:
		return nil, fmt.Errorf("%s is not an array of numbers", name)
	}
	if want >= 0 && len(list) != want {
		return nil, fmt.Errorf("%s holds %d values, not %d", name, len(list), want)
	}
	return list, nil
}

// reals is numbers as float32.
func (o object) reals(name string, want int) ([]float32, error) {
	list, err := o.numbers(name, want)
	if err != nil {
		return nil, err
	}
	out := make([]float32, len(list))
	for i, v := range list {
		out[i] = float32(v)
	}
	return out, nil
}

// integers is numbers as int32, each of which lies in [low, high].
func (o object) integers(name string, want int, low, high int32) ([]int32, error) {
	list, err := o.numbers(name, want)
	if err != nil {
		return nil, err
	}
	out := make([]int32, len(list))
	for i, v := range list {
		if v != math.Trunc(v) || v < float64(low) || v > float64(high) {
			return nil, fmt.Errorf("%s[%d] is %v, outside %d to %d", name, i, v, low, high)
		}
		out[i] = int32(v)
	}
	return out, nil
}

func (o object) texts(name string) ([]string, error) {
	list, err := o.list(name)
	if err != nil {
		return nil, err
	}
	out := make([]string, len(list))
	for i, v := range list {
		s, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("%s[%d] is not a text", name, i)
		}
		out[i] = s
	}
	return out, nil
}

// parseReals reads "5E-1" and "[1E-1,5E-1]", the two forms in which the
// library writes base_score and quantile_alpha.
func parseReals(s string) ([]float32, error) {
	inner := strings.TrimSpace(s)
	if strings.HasPrefix(inner, "[") {
		if !strings.HasSuffix(inner, "]") {
			return nil, fmt.Errorf("%q is cut off", clip(s))
		}
		inner = inner[1 : len(inner)-1]
	}
	parts := strings.Split(inner, ",")
	out := make([]float32, len(parts))
	for i, p := range parts {
		v, err := strconv.ParseFloat(strings.TrimSpace(p), 32)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("%q is not a finite number", clip(p))
		}
		out[i] = float32(v)
	}
	return out, nil
}

// clip keeps text from a file short and printable inside an error.
func clip(s string) string {
	const most = 40
	s = strings.ToValidUTF8(s, "?")
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
