package athena

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// scalarText is a JSON scalar as text; nil for objects, arrays and null.
func scalarText(v any) any {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case json.Number:
		return v.String()
	}
	return nil
}

// jsonTo gives a JSON scalar as a text from which DuckDB casts to a type.
func jsonTo(doc, kind string) (any, error) {
	v, err := decodeJSON(doc)
	if err != nil || v == nil {
		return nil, err
	}
	bad := fmt.Errorf("Cannot cast '%s' to %s", clip(doc), strings.ToUpper(kind))
	switch v := v.(type) {
	case string:
		return v, nil
	case bool:
		switch {
		case kind == "varchar" || kind == "boolean":
			return strconv.FormatBool(v), nil
		case kind == "date" || kind == "timestamp":
			return nil, bad
		case v:
			return "1", nil
		}
		return "0", nil
	case json.Number:
		f, err := v.Float64()
		integer := !strings.ContainsAny(v.String(), ".eE")
		switch kind {
		case "varchar":
			if integer {
				return v.String(), nil
			}
			return doubleText(f, 64), err
		case "boolean":
			return strconv.FormatBool(f != 0), err
		case "bigint":
			if integer {
				return v.String(), nil
			}
			return strconv.FormatFloat(roundDouble(f, 0), 'f', 0, 64), err
		case "double":
			return v.String(), nil
		case "decimal":
			if integer {
				return v.String(), nil
			}
			r, ok := new(big.Rat).SetString(shortNumber(v))
			if !ok {
				return nil, bad
			}
			return r.FloatString(38), nil
		}
	}
	return nil, bad
}

func encodeAll(l []any) []any {
	out := make([]any, len(l))
	for i, e := range l {
		if e == nil {
			continue
		}
		out[i] = encodeJSON(e)
	}
	return out
}

// members are an object's keys and values, one behind the other.
func members(o map[string]any) []any {
	keys := make([]string, 0, len(o))
	for k := range o {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	out := []any{}
	for _, k := range keys {
		out = append(out, k)
		out = append(out, encodeAll([]any{o[k]})...)
	}
	return out
}

// jsonFields picks a row's fields from an object by name, or from an array by
// place.
func jsonFields(doc, names string) (any, error) {
	v, err := decodeJSON(doc)
	if err != nil || v == nil {
		return nil, err
	}
	fields := strings.Split(names, "\x1f")
	switch v := v.(type) {
	case []any:
		if len(v) != len(fields) {
			return nil, fmt.Errorf("Cannot cast to row: the json array has %d elements, the row %d", len(v), len(fields))
		}
		return encodeAll(v), nil
	case map[string]any:
		out := make([]any, len(fields))
		for i, f := range fields {
			for k, e := range v {
				if strings.EqualFold(k, f) {
					out[i] = encodeAll([]any{e})[0]
				}
			}
		}
		return out, nil
	}
	return nil, fmt.Errorf("Cannot cast to row. Expected a json array or object, but got %s", clip(doc))
}
