package athena

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// signature is one form of a function, written
//
//	name(type, …) type = DuckDB's SQL with $1, $2, …
//
// A last parameter "type..." may be repeated. A single letter is any type, the
// same wherever the letter stands. An aggregate's SQL ends behind the call;
// what is to be done with its result follows then, with % for the result.
// $T is the result's type in DuckDB.
type signature struct {
	name     string
	params   []*dataType
	variadic bool
	result   *dataType
	sql      string
	after    string // of an aggregate
}

type signatureTable map[string][]signature

var signatures = sync.OnceValue(func() signatureTable { return parseSignatures(scalarSignatures) })

var aggregates = sync.OnceValue(func() signatureTable { return parseSignatures(aggregateSignatures) })

func parseSignatures(text string) signatureTable {
	table := signatureTable{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		head, sql, _ := strings.Cut(line, " = ")
		names, rest, _ := strings.Cut(head, "(")
		end := strings.LastIndex(rest, ") ")
		params, result := rest[:end], rest[end+2:]
		s := signature{sql: sql}
		s.sql, s.after, _ = strings.Cut(sql, " then ")
		if strings.HasSuffix(params, "...") {
			s.variadic, params = true, strings.TrimSuffix(params, "...")
		}
		read := func(t string) *dataType {
			tokens, err := scan(t)
			if err != nil {
				panic(line)
			}
			p := &parser{tokens: tokens, variables: true}
			typ, err := p.dataType()
			if err != nil || p.peek().kind != 0 {
				panic(line + ": " + t)
			}
			return typ
		}
		for _, p := range splitTop(params) {
			s.params = append(s.params, read(p))
		}
		s.result = read(result)
		for _, name := range strings.Split(names, "|") {
			s.name = name
			table[name] = append(table[name], s)
		}
	}
	return table
}

func splitTop(s string) []string {
	var parts []string
	depth, from := 0, 0
	for i, r := range s {
		switch r {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth == 0 {
				parts = append(parts, strings.TrimSpace(s[from:i]))
				from = i + 1
			}
		}
	}
	if last := strings.TrimSpace(s[from:]); last != "" {
		parts = append(parts, last)
	}
	return parts
}

// match finds the form of a function that takes the arguments: one that takes
// them as they are before one that needs them converted.
func (t signatureTable) match(c *call, args []value) (*signature, []value, *dataType, error) {
	forms := t[c.name]
	for _, exact := range []bool{true, false} {
		for i := range forms {
			if converted, result, ok := forms[i].take(args, exact); ok {
				return &forms[i], converted, result, nil
			}
		}
	}
	types := make([]string, len(args))
	for i, a := range args {
		types[i] = a.typ.String()
	}
	var expected []string
	for _, f := range forms {
		e := f.String()
		if !slices.Contains(expected, e) {
			expected = append(expected, e)
		}
	}
	return nil, nil, nil, failAt(c.at(), "Unexpected parameters (%s) for function %s. Expected: %s",
		strings.Join(types, ", "), c.name, strings.Join(expected, ", "))
}

func (s *signature) String() string {
	parts := make([]string, len(s.params))
	for i, p := range s.params {
		parts[i] = strings.TrimSuffix(p.String(), "(3)")
		if p.kind == variableType {
			parts[i] = p.zone
		}
		if p.kind == decimalType {
			parts[i] = "decimal(p,s)"
		}
	}
	if s.variadic {
		parts[len(parts)-1] += ", …"
	}
	return s.name + "(" + strings.Join(parts, ", ") + ")"
}

func (s *signature) take(args []value, exact bool) ([]value, *dataType, bool) {
	if len(args) != len(s.params) && !(s.variadic && len(args) >= len(s.params)) {
		return nil, nil, false
	}
	bound := map[string]*dataType{}
	param := func(i int) *dataType { return s.params[min(i, len(s.params)-1)] }
	for i, a := range args {
		if a.isLambda() || !bind(param(i), a.typ, bound) {
			return nil, nil, false
		}
	}
	out := make([]value, len(args))
	for i, a := range args {
		want := substitute(param(i), bound)
		if want.kind == decimalType && param(i).kind == decimalType {
			if a.typ.kind != decimalType && (exact || !a.typ.isInteger()) {
				return nil, nil, false
			}
			want = asDecimal(a.typ)
		}
		if exact && a.typ.kind != want.kind {
			return nil, nil, false
		}
		if !coercible(a.typ, want) {
			return nil, nil, false
		}
		out[i] = coerce(a, want)
	}
	return out, substitute(s.result, bound), true
}

// bind finds what type a signature's letters stand for.
func bind(pattern, t *dataType, bound map[string]*dataType) bool {
	switch pattern.kind {
	case variableType:
		if old := bound[pattern.zone]; old != nil {
			if t = common(old, t); t == nil {
				return false
			}
		}
		bound[pattern.zone] = t
	case arrayType:
		if t.kind == unknownType {
			return bind(pattern.elem, t, bound)
		}
		return t.kind == arrayType && bind(pattern.elem, t.elem, bound)
	case mapType:
		if t.kind == unknownType {
			return bind(pattern.key, t, bound) && bind(pattern.elem, t, bound)
		}
		return t.kind == mapType && bind(pattern.key, t.key, bound) && bind(pattern.elem, t.elem, bound)
	case rowType:
		if t.kind != rowType || len(t.fields) != len(pattern.fields) {
			return false
		}
		for i, f := range pattern.fields {
			if !bind(f.typ, t.fields[i].typ, bound) {
				return false
			}
		}
	}
	return true
}

func substitute(pattern *dataType, bound map[string]*dataType) *dataType {
	switch pattern.kind {
	case variableType:
		if t := bound[pattern.zone]; t != nil {
			return t
		}
		return scalar(unknownType)
	case arrayType:
		return arrayTypeOf(substitute(pattern.elem, bound))
	case mapType:
		return mapTypeOf(substitute(pattern.key, bound), substitute(pattern.elem, bound))
	case rowType:
		t := &dataType{kind: rowType}
		for _, f := range pattern.fields {
			t.fields = append(t.fields, rowField{f.name, substitute(f.typ, bound)})
		}
		return t
	}
	return pattern
}

// fill puts arguments into a signature's SQL.
func fill(sql string, args []value) string {
	var b strings.Builder
	for i := 0; i < len(sql); i++ {
		if sql[i] == '$' && i+1 < len(sql) {
			if sql[i+1] == '*' {
				for j, a := range args {
					if j > 0 {
						b.WriteString(", ")
					}
					b.WriteString(a.sql)
				}
				i++
				continue
			}
			if n := int(sql[i+1] - '0'); n >= 1 && n <= len(args) {
				b.WriteString(args[n-1].sql)
				i++
				continue
			}
		}
		b.WriteByte(sql[i])
	}
	return b.String()
}

// call writes a function's call.
func (c *compiler) call(x *call, s *scope) (value, error) {
	if reason, ok := refused[x.name]; ok {
		return value{}, failAt(x.at(), "the function %s cannot be given here: %s", x.name, reason)
	}
	over, err := c.over(x, s)
	if err != nil {
		return value{}, err
	}
	if f, ok := windowFunctions[x.name]; ok {
		return c.windowCall(x, f, over, s)
	}
	if f := c.library.aggregates[x.name]; f != nil || aggregates()[x.name] != nil {
		return c.aggregate(x, over, s)
	}
	if over != "" {
		return value{}, failAt(x.at(), "%s is no window function", x.name)
	}
	if x.distinct || x.filter != nil || len(x.order) > 0 || x.nulls != "" || x.star {
		return value{}, failAt(x.at(), "%s is no aggregate: DISTINCT, ORDER BY, FILTER, IGNORE NULLS and * cannot stand in its call", x.name)
	}
	args, err := c.expressions(x.args, s)
	if err != nil {
		return value{}, err
	}
	if f, ok := c.library.forms[x.name]; ok {
		if len(args) < f.least || len(args) > f.most {
			return value{}, failAt(x.at(), "%s takes %s", x.name, arguments(f.least, f.most))
		}
		return f.write(c, x, args)
	}
	if signatures()[x.name] == nil {
		return value{}, failAt(x.at(), "Function '%s' not registered%s", x.name, c.library.similar(x.name))
	}
	form, args, result, err := signatures().match(x, args)
	if err != nil {
		return value{}, err
	}
	return value{sql: fill(strings.ReplaceAll(form.sql, "$T", result.duck()), args), typ: result, finite: result.kind != doubleType}, nil
}

func arguments(least, most int) string {
	switch {
	case least == most && least == 1:
		return "one argument"
	case least == most:
		return fmt.Sprintf("%d arguments", least)
	case most > 100:
		return fmt.Sprintf("at least %d arguments", least)
	}
	return fmt.Sprintf("%d to %d arguments", least, most)
}

// library are the functions that lines of SQL cannot say.
type library struct {
	forms      map[string]form
	aggregates map[string]aggregateForm
}

func newLibrary() *library { return &library{forms(), aggregateForms()} }

// elsewhere names what Athena has instead of functions of other dialects.
var elsewhere = map[string]string{
	"strftime": "date_format", "strptime": "date_parse", "epoch": "to_unixtime", "datediff": "date_diff", "dateadd": "date_add",
	"list": "array_agg", "string_agg": "listagg", "group_concat": "listagg", "len": "length or cardinality", "ifnull": "coalesce", "nvl": "coalesce",
	"isnull": "IS NULL", "char_length": "length", "ends_with": "LIKE '%…'", "left": "substr(x, 1, n)", "right": "substr(x, -n)",
	"median": "approx_percentile(x, 0.5)", "quantile_cont": "approx_percentile", "first": "min_by or arbitrary", "last": "max_by",
	"arg_max": "max_by", "arg_min": "min_by", "time_bucket": "date_trunc", "to_timestamp": "from_unixtime or date_parse", "regexp_matches": "regexp_like",
	"list_transform": "transform", "generate_series": "sequence", "range": "sequence", "string_split": "split", "iff": "if",
	"approx_count_distinct": "approx_distinct", "lcase": "lower", "ucase": "upper", "substring_index": "split_part", "instr": "strpos",
}

func (l *library) similar(name string) string {
	if other, ok := elsewhere[name]; ok {
		return "; in Athena it is " + other
	}
	for _, n := range l.names() {
		if alike(n, name) {
			return "; did you mean " + n + "?"
		}
	}
	return ""
}

// names are all functions, in order.
func (l *library) names() []string {
	seen := map[string]bool{}
	for n := range signatures() {
		seen[n] = true
	}
	for n := range aggregates() {
		seen[n] = true
	}
	for n := range l.forms {
		seen[n] = true
	}
	for n := range l.aggregates {
		seen[n] = true
	}
	for n := range windowFunctions {
		seen[n] = true
	}
	names := make([]string, 0, len(seen))
	for n := range seen {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}
