package athena

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"strings"
	"time"

	"github.com/duckdb/duckdb-go/v2"
)

// function is one of Go's in DuckDB. Its arguments come as string, int64,
// float64, bool, []byte, time.Time or []any; where one is NULL it is not called
// and gives NULL.
type function struct {
	config duckdb.ScalarFuncConfig
	run    func(args []driver.Value) (any, error)
}

// Config is what DuckDB is told of the function.
func (f *function) Config() duckdb.ScalarFuncConfig { return f.config }

// Executor runs it row by row. A panic ends the query, not the program.
func (f *function) Executor() duckdb.ScalarFuncExecutor {
	return duckdb.ScalarFuncExecutor{RowExecutor: func(args []driver.Value) (out any, err error) {
		defer func() {
			if r := recover(); r != nil {
				out, err = nil, fmt.Errorf("internal error: %v", r)
			}
		}()
		return f.run(args)
	}}
}

var kinds = map[string]duckdb.Type{"text": duckdb.TYPE_VARCHAR, "int": duckdb.TYPE_BIGINT, "double": duckdb.TYPE_DOUBLE,
	"bool": duckdb.TYPE_BOOLEAN, "bytes": duckdb.TYPE_BLOB, "time": duckdb.TYPE_TIMESTAMP, "date": duckdb.TYPE_DATE}

func typeInfo(s string) (duckdb.TypeInfo, error) {
	if list, ok := strings.CutSuffix(s, "[]"); ok {
		e, err := typeInfo(list)
		if err != nil {
			return nil, err
		}
		return duckdb.NewListInfo(e)
	}
	return duckdb.NewTypeInfo(kinds[s])
}

// Register adds the functions that rewritten statements call to a connection's
// database.
func Register(conn *sql.Conn) error {
	for signature, run := range functions() {
		name, rest, _ := strings.Cut(signature, "(")
		params, result, _ := strings.Cut(rest, ") ")
		f := &function{run: run}
		var err error
		if f.config.ResultTypeInfo, err = typeInfo(result); err != nil {
			return fmt.Errorf("register %s: %w", name, err)
		}
		for _, p := range strings.Split(params, ", ") {
			info, err := typeInfo(p)
			if err != nil {
				return fmt.Errorf("register %s: %w", name, err)
			}
			f.config.InputTypeInfos = append(f.config.InputTypeInfos, info)
		}
		if err := duckdb.RegisterScalarUDF(conn, name, f); err != nil {
			return fmt.Errorf("register %s: %w", name, err)
		}
	}
	return nil
}

type runner = func(a []driver.Value) (any, error)

// functions are all of them, by their names and types. What they keep between
// rows belongs to one call of functions.
func functions() map[string]runner {
	m := map[string]runner{
		"trino_fail(text) text": func(a []driver.Value) (any, error) { return nil, fmt.Errorf("%s", a[0]) },
		"trino_decimal(text, text, text, int) text": func(a []driver.Value) (any, error) {
			return decimalArithmetic(a[0].(string), a[1].(string), a[2].(string), int(a[3].(int64)))
		},
		"trino_decimal_round(text, int, text, int) text": func(a []driver.Value) (any, error) {
			return decimalRound(a[0].(string), int(a[1].(int64)), a[2].(string), int(a[3].(int64)))
		},
		"trino_decimal_average(text, int, int) text": func(a []driver.Value) (any, error) {
			if a[1].(int64) == 0 {
				return nil, nil
			}
			return decimalArithmetic("/", a[0].(string), itoa(int(a[1].(int64))), int(a[2].(int64)))
		},
		"trino_round_decimal(double, int) text": func(a []driver.Value) (any, error) { return exactDecimal(a[0].(float64), int(a[1].(int64))) },
		"trino_round(double, int) double":       func(a []driver.Value) (any, error) { return roundDouble(a[0].(float64), int(a[1].(int64))), nil },
		"trino_double_text(double) text":        func(a []driver.Value) (any, error) { return doubleText(a[0].(float64), 64), nil },
		"trino_real_text(double) text":          func(a []driver.Value) (any, error) { return doubleText(a[0].(float64), 32), nil },
		"trino_java_double(double) text":        func(a []driver.Value) (any, error) { return javaDouble(a[0].(float64)), nil },
		"trino_days_text(int) text": func(a []driver.Value) (any, error) {
			ms, sign := a[0].(int64), ""
			if ms < 0 {
				ms, sign = -ms, "-"
			}
			return fmt.Sprintf("%s%d %02d:%02d:%02d.%03d", sign, ms/86_400_000, ms/3_600_000%24, ms/60_000%60, ms/1000%60, ms%1000), nil
		},
		"trino_months_text(int) text": func(a []driver.Value) (any, error) {
			n, sign := a[0].(int64), ""
			if n < 0 {
				n, sign = -n, "-"
			}
			return fmt.Sprintf("%s%d-%d", sign, n/12, n%12), nil
		},
		"trino_parse_zoned(text) int": func(a []driver.Value) (any, error) {
			z, err := parseZoned(a[0].(string))
			return z.micros, err
		},
		"trino_iso_timestamp(text) int": func(a []driver.Value) (any, error) {
			us, _, err := parseISO(a[0].(string))
			return us, err
		},
		"trino_iso_date(text) date": func(a []driver.Value) (any, error) {
			us, _, err := parseISO(a[0].(string))
			return time.UnixMicro(us).UTC(), err
		},
		"trino_offset_text(int) text": func(a []driver.Value) (any, error) {
			if a[0].(int64) == 0 {
				return "Z", nil
			}
			return offsetName(a[0].(int64)), nil
		},
		"trino_format(text, text[]) text": func(a []driver.Value) (any, error) { return javaFormat(a[0].(string), a[1].([]any)) },
	}
	addTimes(m)
	addPatterns(m)
	addTexts(m)
	addJSON(m)
	addNumbers(m)
	return m
}

func addTimes(m map[string]runner) {
	mysql, joda := &patterns[[]piece]{}, &patterns[[]piece]{}
	m["trino_date_format(time, text, text) text"] = func(a []driver.Value) (any, error) {
		p, err := mysql.of(a[1].(string), mysqlPieces)
		if err != nil {
			return nil, err
		}
		return formatTime(p, a[0].(time.Time).UTC(), a[2].(string), true)
	}
	m["trino_format_datetime(time, text, text) text"] = func(a []driver.Value) (any, error) {
		p, err := joda.of(a[1].(string), jodaPieces)
		if err != nil {
			return nil, err
		}
		return formatTime(p, a[0].(time.Time).UTC(), a[2].(string), false)
	}
	m["trino_date_parse(text, text) int"] = func(a []driver.Value) (any, error) {
		p, err := mysql.of(a[1].(string), mysqlPieces)
		if err != nil {
			return nil, err
		}
		t, _, err := parseTime(p, a[0].(string), jodaPivot)
		return t.UnixMicro(), err
	}
	m["trino_parse_datetime(text, text) int"] = func(a []driver.Value) (any, error) {
		p, err := joda.of(a[1].(string), jodaPieces)
		if err != nil {
			return nil, err
		}
		t, _, err := parseTime(p, a[0].(string), jodaPivot)
		return t.UnixMicro(), err
	}
	m["trino_duration(text) int"] = func(a []driver.Value) (any, error) { return parseDuration(a[0].(string)) }
	m["trino_human_seconds(double) text"] = func(a []driver.Value) (any, error) { return humanSeconds(a[0].(float64)), nil }
}

func addPatterns(m map[string]runner) {
	cache := &patterns[*pattern]{}
	of := func(v driver.Value) (*pattern, error) {
		return cache.of(v.(string), func(s string) (*pattern, error) {
			re, err := compilePattern(s)
			return re, err
		})
	}
	m["trino_regexp_like(text, text) bool"] = func(a []driver.Value) (any, error) {
		re, err := of(a[1])
		if err != nil {
			return nil, err
		}
		return re.MatchString(a[0].(string)), nil
	}
	m["trino_regexp_replace(text, text, text) text"] = func(a []driver.Value) (any, error) {
		re, err := of(a[1])
		if err != nil {
			return nil, err
		}
		return regexpReplaceAll(re, a[0].(string), a[2].(string))
	}
	m["trino_regexp_pieces(text, text) text[][]"] = func(a []driver.Value) (any, error) {
		re, err := of(a[1])
		if err != nil {
			return nil, err
		}
		return regexpPieces(re, a[0].(string)), nil
	}
	m["trino_regexp_extract(text, text, int) text"] = func(a []driver.Value) (any, error) {
		re, err := of(a[1])
		if err != nil {
			return nil, err
		}
		return regexpExtract(re, a[0].(string), a[2].(int64))
	}
	m["trino_regexp_extract_all(text, text, int) text[]"] = func(a []driver.Value) (any, error) {
		re, err := of(a[1])
		if err != nil {
			return nil, err
		}
		return regexpExtractAll(re, a[0].(string), a[2].(int64))
	}
	m["trino_regexp_split(text, text) text[]"] = func(a []driver.Value) (any, error) {
		re, err := of(a[1])
		if err != nil {
			return nil, err
		}
		return regexpSplit(re, a[0].(string)), nil
	}
	m["trino_regexp_position(text, text, int, int) int"] = func(a []driver.Value) (any, error) {
		re, err := of(a[1])
		if err != nil {
			return nil, err
		}
		return regexpPosition(re, a[0].(string), a[2].(int64), a[3].(int64))
	}
}

func addJSON(m map[string]runner) {
	small, standard := &patterns[[]pathStep]{}, &patterns[[]pathStep]{}
	find := func(doc, path driver.Value) (any, bool, error) {
		steps, err := small.of(path.(string), func(s string) ([]pathStep, error) { return parsePath(s, false) })
		if err != nil {
			return nil, false, err
		}
		v, err := decodeJSON(doc.(string))
		if err != nil {
			return nil, false, nil // what is no JSON has nothing at any path
		}
		found := follow(v, steps, false)
		if len(found) == 0 {
			return nil, false, nil
		}
		return found[0], true, nil
	}
	m["trino_json_parse(text) text"] = func(a []driver.Value) (any, error) {
		v, err := decodeJSON(a[0].(string))
		return encodeJSON(v), err
	}
	m["trino_json_quote(text) text"] = func(a []driver.Value) (any, error) { return quoteJSON(a[0].(string)), nil }
	m["trino_json_extract(text, text) text"] = func(a []driver.Value) (any, error) {
		v, ok, err := find(a[0], a[1])
		if !ok {
			return nil, err
		}
		return encodeJSON(v), nil
	}
	m["trino_json_scalar(text, text) text"] = func(a []driver.Value) (any, error) {
		v, ok, err := find(a[0], a[1])
		if !ok {
			return nil, err
		}
		return scalarText(v), nil
	}
	m["trino_json_size(text, text) int"] = func(a []driver.Value) (any, error) {
		v, ok, err := find(a[0], a[1])
		if !ok {
			return nil, err
		}
		switch v := v.(type) {
		case map[string]any:
			return int64(len(v)), nil
		case []any:
			return int64(len(v)), nil
		}
		return int64(0), nil
	}
	list := func(doc driver.Value) []any {
		v, err := decodeJSON(doc.(string))
		if err != nil {
			return nil
		}
		l, _ := v.([]any)
		return l
	}
	m["trino_json_array_length(text) int"] = func(a []driver.Value) (any, error) {
		l := list(a[0])
		if l == nil {
			return nil, nil
		}
		return int64(len(l)), nil
	}
	m["trino_json_array_get(text, int) text"] = func(a []driver.Value) (any, error) {
		l, i := list(a[0]), a[1].(int64)
		if i < 0 {
			i += int64(len(l))
		}
		if i < 0 || i >= int64(len(l)) || l[i] == nil {
			return nil, nil
		}
		if s, ok := l[i].(string); ok { // Trino's answer is the bare text, which is no JSON
			return s, nil
		}
		return encodeJSON(l[i]), nil
	}
	m["trino_json_array_contains(text, text) bool"] = func(a []driver.Value) (any, error) {
		l := list(a[0])
		if l == nil {
			return nil, nil
		}
		want, err := decodeJSON(a[1].(string))
		if err != nil {
			return nil, err
		}
		op := &pathFilter{"==", want}
		for _, e := range l {
			if op.holds(e) {
				return true, nil
			}
		}
		return false, nil
	}
	m["trino_json_is_scalar(text) bool"] = func(a []driver.Value) (any, error) {
		v, err := decodeJSON(a[0].(string))
		switch v.(type) {
		case map[string]any, []any:
			return false, err
		}
		return true, err
	}
	m["trino_json_to(text, text) text"] = func(a []driver.Value) (any, error) { return jsonTo(a[0].(string), a[1].(string)) }
	m["trino_json_items(text) text[]"] = func(a []driver.Value) (any, error) {
		v, err := decodeJSON(a[0].(string))
		if err != nil || v == nil {
			return nil, err
		}
		l, ok := v.([]any)
		if !ok {
			return nil, fmt.Errorf("Cannot cast to array. Expected a json array, but got %s", clip(a[0].(string)))
		}
		return encodeAll(l), nil
	}
	m["trino_json_members(text) text[]"] = func(a []driver.Value) (any, error) {
		v, err := decodeJSON(a[0].(string))
		if err != nil || v == nil {
			return nil, err
		}
		o, ok := v.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("Cannot cast to map. Expected a json object, but got %s", clip(a[0].(string)))
		}
		return members(o), nil
	}
	m["trino_json_fields(text, text) text[]"] = func(a []driver.Value) (any, error) { return jsonFields(a[0].(string), a[1].(string)) }
	at := func(doc, path driver.Value) ([]any, error) {
		steps, err := standard.of(path.(string), func(s string) ([]pathStep, error) { return parsePath(s, true) })
		if err != nil {
			return nil, err
		}
		v, err := decodeJSON(doc.(string))
		if err != nil {
			return nil, nil
		}
		return follow(v, steps, true), nil
	}
	m["trino_json_exists(text, text) bool"] = func(a []driver.Value) (any, error) {
		found, err := at(a[0], a[1])
		return len(found) > 0, err
	}
	m["trino_json_value(text, text) text"] = func(a []driver.Value) (any, error) {
		found, err := at(a[0], a[1])
		if err != nil || len(found) != 1 {
			return nil, err
		}
		return scalarText(found[0]), nil
	}
	m["trino_json_query(text, text, text, text) text"] = func(a []driver.Value) (any, error) {
		found, err := at(a[0], a[1])
		if err != nil || len(found) == 0 {
			return nil, err
		}
		_, object := found[0].(map[string]any)
		_, list := found[0].([]any)
		switch wrapper := a[2].(string); {
		case wrapper == "always", wrapper == "conditional" && (len(found) > 1 || !object && !list):
			return encodeJSON(found), nil
		case len(found) > 1:
			return nil, nil
		}
		if s, ok := found[0].(string); ok && a[3].(string) == "omit" {
			return s, nil
		}
		return encodeJSON(found[0]), nil
	}
}
