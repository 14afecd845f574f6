package store

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/duckdb/duckdb-go/v2"
)

// FormatValue writes a value as Athena writes it into its result files: a
// timestamp as 2026-11-20 14:30:00.000 (with microseconds where it has them),
// an array as [1, 2], a row or map as {k=v}, a binary as hexadecimal pairs,
// and NULL as nothing. typ is the column's type.
func FormatValue(v any, typ string) string {
	return string(appendValue(nil, v, typ, false))
}

// appendValue appends v; inside of an array or row a NULL is written null.
func appendValue(dst []byte, v any, typ string, inside bool) []byte {
	switch v := v.(type) {
	case nil:
		if inside {
			return append(dst, "null"...)
		}
		return dst
	case string:
		return append(dst, v...)
	case bool:
		return strconv.AppendBool(dst, v)
	case int8:
		return strconv.AppendInt(dst, int64(v), 10)
	case int16:
		return strconv.AppendInt(dst, int64(v), 10)
	case int32:
		return strconv.AppendInt(dst, int64(v), 10)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case uint8:
		return strconv.AppendUint(dst, uint64(v), 10)
	case uint16:
		return strconv.AppendUint(dst, uint64(v), 10)
	case uint32:
		return strconv.AppendUint(dst, uint64(v), 10)
	case uint64:
		return strconv.AppendUint(dst, v, 10)
	case *big.Int:
		return v.Append(dst, 10)
	case float32:
		return appendReal(dst, float64(v), 32)
	case float64:
		return appendReal(dst, v, 64)
	case duckdb.Decimal:
		return appendDecimal(dst, v)
	case time.Time:
		return appendTime(dst, v, typ)
	case []byte:
		if strings.HasPrefix(typ, "UUID") && len(v) == 16 {
			return append(dst, uuid(v)...)
		}
		return appendBytes(dst, v)
	case duckdb.Interval:
		return appendInterval(dst, v)
	case duckdb.UUID:
		return append(dst, v.String()...)
	case []any:
		element := strings.TrimSuffix(typ, "[]")
		dst = append(dst, '[')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = appendValue(dst, e, element, true)
		}
		return append(dst, ']')
	case map[string]any:
		return appendRow(dst, v, typ)
	case duckdb.Map:
		return appendMap(dst, v)
	case duckdb.OrderedMap:
		dst = append(dst, '{')
		keys, values := v.Keys(), v.Values()
		for i := range keys {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = appendValue(dst, keys[i], "", true)
			dst = append(dst, '=')
			dst = appendValue(dst, values[i], "", true)
		}
		return append(dst, '}')
	case duckdb.Union:
		return appendValue(dst, v.Value, "", inside)
	}
	if rv := reflect.ValueOf(v); rv.Kind() == reflect.Slice || rv.Kind() == reflect.Array {
		dst = append(dst, '[')
		for i := range rv.Len() {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = appendValue(dst, rv.Index(i).Interface(), "", true)
		}
		return append(dst, ']')
	}
	return fmt.Append(dst, v)
}

// appendReal writes a double as Athena does: plainly between 1e-3 and 1e7,
// with an exponent beyond, never without a decimal point.
func appendReal(dst []byte, v float64, bits int) []byte {
	switch {
	case math.IsNaN(v):
		return append(dst, "NaN"...)
	case math.IsInf(v, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(v, -1):
		return append(dst, "-Infinity"...)
	}
	start := len(dst)
	if a := math.Abs(v); a != 0 && (a < 1e-3 || a >= 1e7) {
		dst = strconv.AppendFloat(dst, v, 'E', -1, bits)
		text := string(dst[start:])
		mantissa, exponent, _ := strings.Cut(text, "E")
		if !strings.Contains(mantissa, ".") {
			mantissa += ".0"
		}
		exponent = strings.TrimPrefix(exponent, "+")
		negative := strings.HasPrefix(exponent, "-")
		exponent = strings.TrimLeft(strings.TrimPrefix(exponent, "-"), "0")
		if negative {
			exponent = "-" + exponent
		}
		return append(append(append(dst[:start], mantissa...), 'E'), exponent...)
	}
	dst = strconv.AppendFloat(dst, v, 'f', -1, bits)
	if !slices.Contains(dst[start:], '.') {
		dst = append(dst, ".0"...)
	}
	return dst
}

// appendDecimal keeps the zeros that the type's scale asks for.
func appendDecimal(dst []byte, v duckdb.Decimal) []byte {
	if v.Value == nil {
		return dst
	}
	digits := new(big.Int).Abs(v.Value).String()
	if v.Value.Sign() < 0 {
		dst = append(dst, '-')
	}
	scale := int(v.Scale)
	if scale == 0 {
		return append(dst, digits...)
	}
	if len(digits) <= scale {
		digits = strings.Repeat("0", scale-len(digits)+1) + digits
	}
	dst = append(dst, digits[:len(digits)-scale]...)
	dst = append(dst, '.')
	return append(dst, digits[len(digits)-scale:]...)
}

func appendTime(dst []byte, t time.Time, typ string) []byte {
	t = t.UTC()
	switch {
	case typ == "DATE":
		return t.AppendFormat(dst, "2006-01-02")
	case strings.HasPrefix(typ, "TIME") && !strings.HasPrefix(typ, "TIMESTAMP"):
		return t.AppendFormat(dst, "15:04:05.000")
	case strings.Contains(typ, "TZ") || strings.Contains(typ, "TIME ZONE"):
		return t.AppendFormat(dst, "2006-01-02 15:04:05.000 UTC")
	case t.Nanosecond()%1e6 != 0:
		return t.AppendFormat(dst, "2006-01-02 15:04:05.000000")
	}
	return t.AppendFormat(dst, "2006-01-02 15:04:05.000")
}

func appendInterval(dst []byte, v duckdb.Interval) []byte {
	if v.Months != 0 && v.Days == 0 && v.Micros == 0 {
		return fmt.Appendf(dst, "%d-%d", v.Months/12, v.Months%12)
	}
	micros := v.Micros
	sign := ""
	if micros < 0 {
		sign, micros = "-", -micros
	}
	if v.Months != 0 {
		dst = fmt.Appendf(dst, "%d months ", v.Months)
	}
	return fmt.Appendf(dst, "%d %s%02d:%02d:%02d.%03d", v.Days, sign, micros/3600e6, micros/60e6%60, micros/1e6%60, micros/1e3%1000)
}

func appendBytes(dst, v []byte) []byte {
	for i, c := range v {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = hex.AppendEncode(dst, []byte{c})
	}
	return dst
}

func uuid(v []byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", v[:4], v[4:6], v[6:8], v[8:10], v[10:])
}

// appendRow writes a struct's fields in the order of its type.
func appendRow(dst []byte, v map[string]any, typ string) []byte {
	keys := make([]string, 0, len(v))
	for k := range v {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int {
		ia, ib := strings.Index(typ, `"`+a+`"`), strings.Index(typ, `"`+b+`"`)
		if ia != ib {
			return ia - ib
		}
		return strings.Compare(a, b)
	})
	dst = append(dst, '{')
	for i, k := range keys {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(append(dst, k...), '=')
		dst = appendValue(dst, v[k], "", true)
	}
	return append(dst, '}')
}

// appendMap writes a map's entries in the order of their keys' text.
func appendMap(dst []byte, m duckdb.Map) []byte {
	entries := make([]string, 0, len(m))
	for k, v := range m {
		e := appendValue(nil, k, "", true)
		e = append(e, '=')
		entries = append(entries, string(appendValue(e, v, "", true)))
	}
	slices.Sort(entries)
	dst = append(dst, '{')
	dst = append(dst, strings.Join(entries, ", ")...)
	return append(dst, '}')
}
