package athena

import (
	"fmt"
	"strings"
)

const aggregateSignatures = `
	count(T) bigint = count($1)
	count_if(boolean) bigint = count_if($1) then CAST(% AS BIGINT)
	sum(bigint) bigint = sum($1) then CAST(% AS BIGINT)
	sum(real) real = sum(CAST($1 AS DOUBLE)) then CAST(% AS FLOAT)
	sum(double) double = sum($1)
	avg(bigint) double = avg($1)
	avg(real) real = avg(CAST($1 AS DOUBLE)) then CAST(% AS FLOAT)
	avg(double) double = avg($1)
	bool_and|every(boolean) boolean = bool_and($1)
	bool_or(boolean) boolean = bool_or($1)
	arbitrary|any_value(T) T = any_value($1)
	array_agg(T) array(T) = list($1)
	approx_distinct(T) bigint = count(DISTINCT $1)
	approx_distinct(T, double) bigint = count(DISTINCT $1)
	approx_percentile(bigint, double) bigint = quantile_disc($1, least($2 + 1e-9, 1e0))
	approx_percentile(bigint, array(double)) array(bigint) = quantile_disc($1, list_transform($2, lambda p_: least(p_ + 1e-9, 1e0)))
	approx_percentile(real, double) real = quantile_cont($1, $2) then CAST(% AS FLOAT)
	approx_percentile(double, double) double = quantile_cont($1, $2)
	approx_percentile(double, array(double)) array(double) = quantile_cont($1, $2)
	stddev|stddev_samp(double) double = stddev_samp($1)
	stddev_pop(double) double = stddev_pop($1)
	variance|var_samp(double) double = var_samp($1)
	var_pop(double) double = var_pop($1)
	corr(double, double) double = corr($1, $2)
	covar_pop(double, double) double = covar_pop($1, $2)
	covar_samp(double, double) double = covar_samp($1, $2)
	regr_slope(double, double) double = regr_slope($1, $2)
	regr_intercept(double, double) double = regr_intercept($1, $2)
	geometric_mean(double) double = avg(trino_ln($1)) then exp(%)
	bitwise_and_agg(bigint) bigint = bit_and($1)
	bitwise_or_agg(bigint) bigint = bit_or($1)
	bitwise_xor_agg(bigint) bigint = bit_xor($1)
	map_union(map(K, V)) map(K, V) = list($1) then trino_map_union(%)
	histogram(T) map(T, bigint) = histogram($1) then CAST(% AS $T)
`

// aggregateForm and aggregateForms are the aggregates that a line of SQL cannot say.
type aggregateForm func(c *compiler, x *call, args []value) (signature, []value, *dataType, error)

func aggregateForms() map[string]aggregateForm {
	return map[string]aggregateForm{
		"count": func(c *compiler, x *call, args []value) (signature, []value, *dataType, error) {
			if x.star {
				return signature{sql: "count(*)"}, nil, scalar(bigintType), nil
			}
			return byTable(x, args)
		},
		"sum":               decimalOr(func(p *dataType) *dataType { return decimalTypeOf(38, p.s) }, "sum($1)", ""),
		"avg":               averageForm,
		"min":               extremeForm,
		"max":               extremeForm,
		"min_by":            byForm,
		"max_by":            byForm,
		"map_agg":           mapForm,
		"multimap_agg":      mapForm,
		"listagg":           listaggForm,
		"approx_percentile": percentileForm,
		"grouping":          groupingForm,
		"reduce_agg":        reduceAggForm,
	}
}

func byTable(x *call, args []value) (signature, []value, *dataType, error) {
	form, args, result, err := aggregates().match(x, args)
	if err != nil {
		return signature{}, nil, nil, err
	}
	return *form, args, result, nil
}

func decimalOr(result func(*dataType) *dataType, sql, after string) func(*compiler, *call, []value) (signature, []value, *dataType, error) {
	return func(c *compiler, x *call, args []value) (signature, []value, *dataType, error) {
		if len(args) == 1 && args[0].typ.kind == decimalType {
			return signature{sql: sql, after: after}, args, result(args[0].typ), nil
		}
		if len(args) == 1 && args[0].typ.kind == dayInterval {
			return signature{sql: "sum(epoch_us($1))", after: "to_microseconds(CAST(% AS BIGINT))"}, args, scalar(dayInterval), nil
		}
		return byTable(x, args)
	}
}

// averageForm keeps a decimal's digits, rounded half up.
func averageForm(c *compiler, x *call, args []value) (signature, []value, *dataType, error) {
	if len(args) == 1 && args[0].typ.kind == decimalType {
		t := args[0].typ
		return signature{sql: "list($1)", after: fmt.Sprintf("CAST(trino_decimal_average(CAST(list_sum(%%) AS VARCHAR), list_count(%%), %d) AS %s)", t.s, t.duck())}, args, t, nil
	}
	if len(args) == 1 && args[0].typ.kind == dayInterval {
		return signature{sql: "avg(epoch_us($1))", after: "to_microseconds(CAST(round(%) AS BIGINT))"}, args, scalar(dayInterval), nil
	}
	return byTable(x, args)
}

// extremeForm is min and max: NaN counts only where there is nothing else.
func extremeForm(c *compiler, x *call, args []value) (signature, []value, *dataType, error) {
	if len(args) < 1 || len(args) > 2 || args[0].isLambda() {
		return signature{}, nil, nil, failAt(x.at(), "%s takes 1 or 2 arguments", x.name)
	}
	t := args[0].typ
	if t.is(mapType, jsonType) {
		return signature{}, nil, nil, failAt(x.at(), "%s cannot be ordered, and so has no %s", t, x.name)
	}
	if len(args) == 2 {
		if !args[1].typ.isInteger() {
			return signature{}, nil, nil, failAt(x.at(), "the number of values of %s is an integer", x.name)
		}
		return signature{sql: x.name + "($1, $2)"}, args, arrayTypeOf(t), nil
	}
	if t.isFloat() && !args[0].finite && x.name == "max" {
		return signature{sql: "max(CASE WHEN $1 IS NOT NULL THEN {'n': NOT isnan($1), 'v': $1} END)", after: "struct_extract(%, 'v')"}, args, t, nil
	}
	return signature{sql: x.name + "($1)"}, args, t, nil
}

func byForm(c *compiler, x *call, args []value) (signature, []value, *dataType, error) {
	if len(args) < 2 || len(args) > 3 || args[0].isLambda() || args[1].isLambda() {
		return signature{}, nil, nil, failAt(x.at(), "%s takes 2 or 3 arguments", x.name)
	}
	if args[1].typ.is(mapType, jsonType) {
		return signature{}, nil, nil, failAt(x.at(), "%s cannot be ordered", args[1].typ)
	}
	name := map[string]string{"min_by": "arg_min", "max_by": "arg_max"}[x.name]
	if len(args) == 3 {
		return signature{sql: name + "({'v': $1}, $2, $3)", after: "list_transform(%, lambda by_: struct_extract(by_, 'v'))"}, args, arrayTypeOf(args[0].typ), nil
	}
	if args[0].typ.kind == unknownType {
		args[0] = coerce(args[0], scalar(varcharType))
	}
	if args[1].typ.kind == unknownType {
		args[1] = coerce(args[1], scalar(bigintType))
	}
	return signature{sql: name + "_null($1, $2)"}, args, args[0].typ, nil
}

func mapForm(c *compiler, x *call, args []value) (signature, []value, *dataType, error) {
	if len(args) != 2 || args[0].isLambda() || args[1].isLambda() {
		return signature{}, nil, nil, failAt(x.at(), "%s takes a key and a value", x.name)
	}
	t := mapTypeOf(args[0].typ, args[1].typ)
	if x.name == "multimap_agg" {
		t.elem = arrayTypeOf(t.elem)
	}
	return signature{sql: "list({'key': $1, 'value': $2})", after: "trino_" + x.name + "(%)"}, args, t, nil
}

func listaggForm(c *compiler, x *call, args []value) (signature, []value, *dataType, error) {
	if len(args) < 1 || len(args) > 2 || !args[0].typ.isText() {
		return signature{}, nil, nil, failAt(x.at(), "listagg takes a text and a separator")
	}
	if len(args) == 1 {
		args = append(args, value{sql: "''", typ: scalar(varcharType)})
	}
	if len(x.order) == 0 {
		return signature{}, nil, nil, failAt(x.at(), "listagg needs WITHIN GROUP (ORDER BY …)")
	}
	return signature{sql: "string_agg($1, $2)"}, args, scalar(varcharType), nil
}

func percentileForm(c *compiler, x *call, args []value) (signature, []value, *dataType, error) {
	if len(args) > 2 {
		return signature{}, nil, nil, failAt(x.at(), "approx_percentile with weights or an accuracy cannot be given here; use approx_percentile(x, p)")
	}
	if len(args) == 2 && !strings.HasPrefix(args[1].sql, "CAST([") && args[1].number == "" {
		return signature{}, nil, nil, failAt(x.at(), "the percentile must be written as a number from 0 to 1 here")
	}
	return byTable(x, args)
}

func groupingForm(c *compiler, x *call, args []value) (signature, []value, *dataType, error) {
	if len(args) == 0 {
		return signature{}, nil, nil, failAt(x.at(), "grouping takes columns")
	}
	return signature{sql: "grouping($*)", after: "CAST(% AS BIGINT)"}, args, scalar(bigintType), nil
}

func reduceAggForm(c *compiler, x *call, args []value) (signature, []value, *dataType, error) {
	if len(args) != 4 || !args[2].isLambda() || !args[3].isLambda() {
		return signature{}, nil, nil, failAt(x.at(), "reduce_agg takes a value, a beginning and two lambdas")
	}
	state := c.unknowns()
	list := value{sql: state, typ: arrayTypeOf(args[0].typ)}
	reduced, err := c.reduce(x, list, args[1], args[2])
	if err != nil {
		return signature{}, nil, nil, err
	}
	after := strings.ReplaceAll(reduced.sql, state, "list_filter(%, lambda given_: given_ IS NOT NULL)")
	return signature{sql: "list($1)", after: after}, args[:1], reduced.typ, nil
}

// aggregate writes the call of an aggregate with all that can stand around it.
func (c *compiler) aggregate(x *call, over string, s *scope) (value, error) {
	args, err := c.expressions(x.args, s)
	if err != nil {
		return value{}, err
	}
	write := c.library.aggregates[x.name]
	if write == nil {
		write = func(c *compiler, x *call, args []value) (signature, []value, *dataType, error) {
			return byTable(x, args)
		}
	}
	if x.star && x.name != "count" {
		return value{}, failAt(x.at(), "* can stand in count(*) only")
	}
	form, args, result, err := write(c, x, args)
	if err != nil {
		return value{}, err
	}
	if over != "" && x.filter != nil {
		return value{}, failAt(x.at(), "FILTER is not supported for window functions; use %s(CASE WHEN … THEN … END)", x.name)
	}
	if over != "" && x.distinct {
		return value{}, failAt(x.at(), "DISTINCT in window function parameters not yet supported")
	}
	if over != "" && x.nulls != "" {
		return value{}, failAt(x.at(), "%s NULLS cannot stand behind %s", x.nulls, x.name)
	}
	sql := fill(form.sql, args)
	if x.distinct {
		name, rest, _ := strings.Cut(sql, "(")
		sql = name + "(DISTINCT " + strings.TrimPrefix(rest, "DISTINCT ")
	}
	if len(x.order) > 0 {
		keys, err := c.sortKeys(x.order, s)
		if err != nil {
			return value{}, err
		}
		if over != "" {
			return value{}, failAt(x.at(), "Window function with ORDER BY is not supported")
		}
		sql = strings.TrimSuffix(sql, ")") + " ORDER BY " + keys + ")"
	}
	if x.filter != nil {
		f, err := c.condition(x.filter, s, "FILTER")
		if err != nil {
			return value{}, err
		}
		sql += " FILTER (WHERE " + f.sql + ")"
	}
	sql += over
	if form.after != "" {
		sql = strings.ReplaceAll(strings.ReplaceAll(form.after, "$T", result.duck()), "%", sql)
	}
	finite := len(args) > 0 && args[0].finite && (x.name == "min" || x.name == "max" || x.name == "avg" || x.name == "sum" ||
		x.name == "min_by" || x.name == "max_by" || x.name == "arbitrary")
	return value{sql: sql, typ: result, finite: finite || !result.isFloat()}, nil
}

func (c *compiler) sortKeys(order []sortItem, s *scope) (string, error) {
	keys := make([]string, len(order))
	for i, o := range order {
		v, err := c.expression(o.x, s)
		if err != nil {
			return "", err
		}
		if v.typ.is(mapType, jsonType, functionType) {
			return "", failAt(o.x.at(), "%s cannot be ordered", v.typ)
		}
		keys[i] = v.sql + direction(o)
	}
	return strings.Join(keys, ", "), nil
}

type windowForm struct {
	least, most int
	result      typeKind // unknownType: that of the first argument
	nulls       bool     // IGNORE NULLS may follow
}

var windowFunctions = map[string]windowForm{
	"row_number": {0, 0, bigintType, false}, "rank": {0, 0, bigintType, false}, "dense_rank": {0, 0, bigintType, false},
	"percent_rank": {0, 0, doubleType, false}, "cume_dist": {0, 0, doubleType, false}, "ntile": {1, 1, bigintType, false},
	"lag": {1, 3, unknownType, true}, "lead": {1, 3, unknownType, true}, "first_value": {1, 1, unknownType, true},
	"last_value": {1, 1, unknownType, true}, "nth_value": {2, 2, unknownType, true},
}

func (c *compiler) windowCall(x *call, f windowForm, over string, s *scope) (value, error) {
	if over == "" {
		return value{}, failAt(x.at(), "Window function %s requires an OVER clause", x.name)
	}
	if x.distinct || x.filter != nil || len(x.order) > 0 || x.star {
		return value{}, failAt(x.at(), "DISTINCT, FILTER, ORDER BY and * cannot stand in %s", x.name)
	}
	args, err := c.expressions(x.args, s)
	if err != nil {
		return value{}, err
	}
	if len(args) < f.least || len(args) > f.most {
		return value{}, failAt(x.at(), "%s takes %s", x.name, arguments(f.least, f.most))
	}
	result := scalar(f.result)
	if f.result == unknownType {
		result = args[0].typ
		if len(args) > 1 && !args[1].typ.isInteger() {
			return value{}, failAt(x.args[1].at(), "the second argument of %s is an integer", x.name)
		}
		if len(args) == 3 {
			if !coercible(args[2].typ, result) {
				return value{}, failAt(x.args[2].at(), "the default of %s is %s, but the values are %s", x.name, args[2].typ, result)
			}
			args[2] = coerce(args[2], result)
		}
	} else if len(args) == 1 && !args[0].typ.isInteger() {
		return value{}, failAt(x.args[0].at(), "the argument of %s is an integer", x.name)
	}
	inner := fill("$*", args)
	if x.nulls == "IGNORE" {
		if !f.nulls {
			return value{}, failAt(x.at(), "IGNORE NULLS cannot stand behind %s", x.name)
		}
		inner += " IGNORE NULLS"
	}
	finite := !result.isFloat() || len(args) > 0 && args[0].finite
	return value{sql: x.name + "(" + inner + ")" + over, typ: result, finite: finite}, nil
}

// over writes the window of a call; empty where it has none.
func (c *compiler) over(x *call, s *scope) (string, error) {
	w := x.over
	if x.overName != "" {
		if w = s.window(x.overName); w == nil {
			return "", failAt(x.at(), "Cannot resolve WINDOW name %s", x.overName)
		}
	}
	if w == nil {
		return "", nil
	}
	partition, order, fr := w.partition, w.order, w.frame
	for n, base := 0, w.base; base != ""; n++ {
		b := s.window(base)
		if b == nil || n > 20 {
			return "", failAt(w.at(), "Cannot resolve WINDOW name %s", base)
		}
		if len(partition) == 0 {
			partition = b.partition
		}
		if len(order) == 0 {
			order = b.order
		}
		if fr == nil {
			fr = b.frame
		}
		base = b.base
	}
	var parts []string
	if len(partition) > 0 {
		values, err := c.expressions(partition, s)
		if err != nil {
			return "", err
		}
		parts = append(parts, "PARTITION BY "+fill("$*", values))
	}
	if len(order) > 0 {
		keys, err := c.sortKeys(order, s)
		if err != nil {
			return "", err
		}
		parts = append(parts, "ORDER BY "+keys)
	}
	if fr != nil {
		from, err := c.bound(fr.from, s)
		if err != nil {
			return "", err
		}
		to, err := c.bound(fr.to, s)
		if err != nil {
			return "", err
		}
		parts = append(parts, fr.unit+" BETWEEN "+from+" AND "+to)
	}
	return " OVER (" + strings.Join(parts, " ") + ")", nil
}

func (c *compiler) bound(b bound, s *scope) (string, error) {
	if b.x == nil {
		return b.kind, nil
	}
	v, err := c.expression(b.x, s)
	if err != nil {
		return "", err
	}
	if !v.typ.isNumber() && !v.typ.is(dayInterval, monthInterval) {
		return "", failAt(b.x.at(), "a window frame is bounded by a number or an interval, not %s", v.typ)
	}
	return v.sql + " " + b.kind, nil
}
