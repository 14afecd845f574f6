package athena

import (
	"fmt"
	"strings"
)

// form is a function whose SQL depends on more than its arguments' types.
type form struct {
	least, most int
	write       func(c *compiler, x *call, a []value) (value, error)
}

func forms() map[string]form {
	m := map[string]form{
		"coalesce":  {1, 1000, coalesce},
		"if":        {2, 3, conditional},
		"nullif":    {2, 2, nullIf},
		"try":       {1, 1, try},
		"greatest":  {1, 1000, extreme},
		"least":     {1, 1000, extreme},
		"typeof":    {1, 1, typeOf},
		"concat":    {1, 1000, func(c *compiler, x *call, a []value) (value, error) { return c.concat(x, a) }},
		"concat_ws": {1, 1000, concatWith},
		"format":    {1, 1000, format},
		"trim":      {1, 2, trim},
		"normalize": {1, 1, normalize},
		"mod": {2, 2, func(c *compiler, x *call, a []value) (value, error) {
			return c.arithmetic(&operation{x.node, "%", x.args[0], x.args[1]}, a[0], a[1])
		}},
		"round":                 {1, 2, round},
		"truncate":              {1, 2, truncate},
		"floor":                 {1, 1, floorCeil},
		"ceil":                  {1, 1, floorCeil},
		"ceiling":               {1, 1, floorCeil},
		"sign":                  {1, 1, sign},
		"abs":                   {1, 1, absolute},
		"regexp_like":           {2, 2, regexpLike},
		"transform":             {2, 2, transform},
		"filter":                {2, 2, filter},
		"reduce":                {4, 4, func(c *compiler, x *call, a []value) (value, error) { return c.reduceFinish(x, a) }},
		"any_match":             {2, 2, match},
		"all_match":             {2, 2, match},
		"none_match":            {2, 2, match},
		"zip":                   {2, 5, zip},
		"zip_with":              {3, 3, zipWith},
		"array_sort":            {1, 2, arraySort},
		"map_filter":            {2, 2, mapFilter},
		"map_entries":           {1, 1, mapEntries},
		"transform_values":      {2, 2, transformMap},
		"transform_keys":        {2, 2, transformMap},
		"map_zip_with":          {3, 3, mapZipWith},
		"map_from_entries":      {1, 1, mapFromEntries},
		"multimap_from_entries": {1, 1, mapFromEntries},
		"regexp_replace":        {2, 3, regexpReplace},
		"array_join":            {2, 3, arrayJoin},
		"sequence":              {2, 3, sequence},
	}
	for name, f := range timeForms() {
		m[name] = f
	}
	for name, f := range jsonForms() {
		m[name] = f
	}
	return m
}

// table falls back to the signatures.
func table(x *call, a []value) (value, error) {
	form, args, result, err := signatures().match(x, a)
	if err != nil {
		return value{}, err
	}
	return value{sql: fill(form.sql, args), typ: result, finite: !result.isFloat()}, nil
}

func coalesce(c *compiler, x *call, a []value) (value, error) {
	t, err := commonOf("All COALESCE operands", a, x.args)
	if err != nil {
		return value{}, err
	}
	finite := true
	for i := range a {
		finite = finite && a[i].finite
		a[i] = coerce(a[i], t)
	}
	return value{sql: "coalesce(" + fill("$*", a) + ")", typ: t, finite: finite}, nil
}

func conditional(c *compiler, x *call, a []value) (value, error) {
	if !a[0].typ.is(booleanType, unknownType) {
		return value{}, failAt(x.args[0].at(), "IF clause must evaluate to a boolean (actual: %s)", a[0].typ)
	}
	t, err := commonOf("Result types for IF", a[1:], x.args[1:])
	if err != nil {
		return value{}, err
	}
	otherwise := "NULL"
	finite := a[1].finite
	if len(a) == 3 {
		otherwise = coerce(a[2], t).sql
		finite = finite && a[2].finite
	}
	return value{sql: "(CASE WHEN " + a[0].sql + " THEN " + coerce(a[1], t).sql + " ELSE " + otherwise + " END)", typ: t, finite: finite}, nil
}

func nullIf(c *compiler, x *call, a []value) (value, error) {
	same, err := compare(x, "=", a[0], a[1])
	if err != nil {
		return value{}, err
	}
	return value{sql: "(CASE WHEN " + same.sql + " THEN NULL ELSE " + a[0].sql + " END)", typ: a[0].typ, finite: a[0].finite}, nil
}

func try(c *compiler, x *call, a []value) (value, error) {
	if a[0].isLambda() {
		return value{}, failAt(x.at(), "try takes an expression")
	}
	return value{sql: "TRY(" + a[0].sql + ")", typ: a[0].typ, finite: a[0].finite}, nil
}

// extreme is greatest and least: NULL where one is NULL.
func extreme(c *compiler, x *call, a []value) (value, error) {
	t, err := commonOf("All arguments", a, x.args)
	if err != nil {
		return value{}, err
	}
	if t.is(mapType, jsonType) {
		return value{}, failAt(x.at(), "%s cannot be ordered", t)
	}
	var nulls []string
	finite := true
	for i := range a {
		a[i] = coerce(a[i], t)
		nulls = append(nulls, a[i].sql+" IS NULL")
		finite = finite && a[i].finite
	}
	return value{sql: "(CASE WHEN " + strings.Join(nulls, " OR ") + " THEN NULL ELSE " + x.name + "(" + fill("$*", a) + ") END)", typ: t, finite: finite}, nil
}

func typeOf(c *compiler, x *call, a []value) (value, error) {
	return value{sql: quoteText(a[0].typ.String()), typ: scalar(varcharType)}, nil
}

func concatWith(c *compiler, x *call, a []value) (value, error) {
	if len(a) == 2 && a[1].typ.kind == arrayType {
		if !a[1].typ.elem.is(varcharType, charType, unknownType) || !a[0].typ.is(varcharType, charType, unknownType) {
			return value{}, failAt(x.at(), "concat_ws joins texts")
		}
		return value{sql: "trino_join(" + coerce(a[1], arrayTypeOf(scalar(varcharType))).sql + ", " + coerce(a[0], scalar(varcharType)).sql + ")", typ: scalar(varcharType)}, nil
	}
	for i := range a {
		if !a[i].typ.is(varcharType, charType, unknownType) {
			return value{}, failAt(x.args[i].at(), "concat_ws joins texts; %s must be CAST(… AS varchar)", a[i].typ)
		}
		a[i] = coerce(a[i], scalar(varcharType))
	}
	return value{sql: "trino_join([" + fill("$*", a[1:]) + "], " + a[0].sql + ")", typ: scalar(varcharType)}, nil
}

// format writes its arguments as texts with their kind in front, for Java's
// templates in Go.
func format(c *compiler, x *call, a []value) (value, error) {
	if !a[0].typ.isText() {
		return value{}, failAt(x.args[0].at(), "the template of format is a text")
	}
	items := make([]string, len(a)-1)
	for i, v := range a[1:] {
		kind, sql := "s", "CAST("+v.sql+" AS VARCHAR)"
		switch {
		case v.typ.kind == unknownType:
			items[i] = "NULL"
			continue
		case v.typ.isInteger():
			kind = "d"
		case v.typ.isFloat():
			kind = "f"
			sql = "trino_java_double(" + coerce(v, scalar(doubleType)).sql + ")"
		case v.typ.kind == decimalType:
			kind = "n"
			if v.number != "" {
				sql = quoteText(v.number)
			}
		case v.typ.kind == booleanType:
			kind = "b"
		case v.typ.is(dateType, timestampType):
			kind = "t"
			sql = "strftime(" + v.sql + ", '%Y-%m-%dT%H:%M:%S.%f')"
			if v.typ.kind == dateType {
				kind = "D"
			}
		case v.typ.isText(), v.typ.kind == jsonType:
		default:
			return value{}, failAt(x.args[i+1].at(), "format cannot take %s here; CAST it to varchar", v.typ)
		}
		items[i] = "'" + kind + "' || " + sql
	}
	list := "CAST([" + strings.Join(items, ", ") + "] AS VARCHAR[])"
	return value{sql: "trino_format(" + a[0].sql + ", " + list + ")", typ: scalar(varcharType)}, nil
}

func trim(c *compiler, x *call, a []value) (value, error) {
	for i := range a {
		if !a[i].typ.is(varcharType, charType, unknownType) {
			return value{}, failAt(x.args[i].at(), "trim takes texts, not %s", a[i].typ)
		}
		a[i] = coerce(a[i], scalar(varcharType))
	}
	name := map[string]string{"BOTH": "trim", "LEADING": "ltrim", "TRAILING": "rtrim", "": "trim"}[x.options["side"]]
	characters := "trino_spaces()"
	if len(a) == 2 {
		characters = a[1].sql
	}
	return value{sql: name + "(" + a[0].sql + ", " + characters + ")", typ: scalar(varcharType)}, nil
}

func normalize(c *compiler, x *call, a []value) (value, error) {
	if form := x.options["form"]; form != "NFC" && form != "" {
		return value{}, failAt(x.at(), "normalize to %s cannot be given here; NFC can", form)
	}
	if !a[0].typ.is(varcharType, unknownType) {
		return value{}, failAt(x.at(), "normalize takes a text")
	}
	return value{sql: "nfc_normalize(" + coerce(a[0], scalar(varcharType)).sql + ")", typ: scalar(varcharType)}, nil
}

func places(x *call, a []value) (string, error) {
	if len(a) < 2 {
		return "0", nil
	}
	if !a[1].typ.isInteger() {
		return "", failAt(x.args[1].at(), "the number of digits is an integer")
	}
	return "CAST(" + a[1].sql + " AS INTEGER)", nil
}

// round is half up, away from zero.
func round(c *compiler, x *call, a []value) (value, error) {
	n, err := places(x, a)
	if err != nil {
		return value{}, err
	}
	switch t := a[0].typ; {
	case t.isInteger() && len(a) == 1:
		return a[0], nil
	case t.isInteger():
		return value{sql: "CAST(trino_decimal_round(CAST(" + a[0].sql + " AS VARCHAR), " + n + ", 'round', 0) AS " + t.duck() + ")", typ: t, finite: true}, nil
	case t.isFloat():
		sql := "trino_round(" + coerce(a[0], scalar(doubleType)).sql + ", " + n + ")"
		if t.kind == realType {
			sql = "CAST(" + sql + " AS FLOAT)"
		}
		return value{sql: sql, typ: t, finite: a[0].finite}, nil
	case t.kind == decimalType:
		out := decimalTypeOf(min(38, t.p+1), t.s)
		if len(a) == 1 {
			out = decimalTypeOf(min(38, max(1, t.p-t.s+min(1, t.s))), 0)
		}
		return value{sql: fmt.Sprintf("CAST(trino_decimal_round(CAST(%s AS VARCHAR), %s, 'round', %d) AS %s)", a[0].sql, n, out.s, out.duck()), typ: out, finite: true}, nil
	case t.kind == unknownType:
		return a[0], nil
	}
	return value{}, failAt(x.at(), "Unexpected parameters (%s) for function round", a[0].typ)
}

func truncate(c *compiler, x *call, a []value) (value, error) {
	n, err := places(x, a)
	if err != nil {
		return value{}, err
	}
	switch t := a[0].typ; {
	case t.isFloat() && len(a) == 1:
		return value{sql: "trunc(" + a[0].sql + ")", typ: t, finite: a[0].finite}, nil
	case t.kind == decimalType:
		out := t
		if len(a) == 1 {
			out = decimalTypeOf(max(1, t.p-t.s), 0)
		}
		return value{sql: fmt.Sprintf("CAST(trino_decimal_round(CAST(%s AS VARCHAR), %s, 'truncate', %d) AS %s)", a[0].sql, n, out.s, out.duck()), typ: out, finite: true}, nil
	case t.isInteger() && len(a) == 1:
		return a[0], nil
	}
	return value{}, failAt(x.at(), "Unexpected parameters (%s) for function truncate", a[0].typ)
}

func floorCeil(c *compiler, x *call, a []value) (value, error) {
	name := strings.TrimSuffix(x.name, "ing")
	switch t := a[0].typ; {
	case t.isInteger():
		return a[0], nil
	case t.isFloat():
		return value{sql: name + "(" + a[0].sql + ")", typ: t, finite: a[0].finite}, nil
	case t.kind == decimalType:
		out := decimalTypeOf(min(38, max(1, t.p-t.s+min(t.s, 1))), 0)
		return value{sql: fmt.Sprintf("CAST(trino_decimal_round(CAST(%s AS VARCHAR), 0, '%s', 0) AS %s)", a[0].sql, name, out.duck()), typ: out, finite: true}, nil
	case t.kind == unknownType:
		return a[0], nil
	}
	return value{}, failAt(x.at(), "Unexpected parameters (%s) for function %s", a[0].typ, x.name)
}

func sign(c *compiler, x *call, a []value) (value, error) {
	switch t := a[0].typ; {
	case t.isInteger(), t.kind == decimalType:
		out := t
		if t.kind == decimalType {
			out = decimalTypeOf(1, 0)
		}
		return value{sql: "CAST(sign(" + a[0].sql + ") AS " + out.duck() + ")", typ: out, finite: true}, nil
	case t.isFloat():
		return value{sql: "(CASE WHEN isnan(" + a[0].sql + ") THEN " + a[0].sql + " ELSE CAST(sign(" + a[0].sql + ") AS " + t.duck() + ") END)", typ: t}, nil
	}
	return value{}, failAt(x.at(), "Unexpected parameters (%s) for function sign", a[0].typ)
}

func absolute(c *compiler, x *call, a []value) (value, error) {
	if a[0].typ.kind == decimalType {
		return value{sql: "CAST(abs(" + a[0].sql + ") AS " + a[0].typ.duck() + ")", typ: a[0].typ, finite: true}, nil
	}
	v, err := table(x, a)
	v.finite = a[0].finite
	return v, err
}

// regexpLike uses DuckDB's own matcher where the pattern is written out, after
// a look at it.
func regexpLike(c *compiler, x *call, a []value) (value, error) {
	for i := range a {
		if !a[i].typ.is(varcharType, charType, unknownType) {
			return value{}, failAt(x.args[i].at(), "regexp_like takes texts, not %s", a[i].typ)
		}
		a[i] = coerce(a[i], scalar(varcharType))
	}
	if a[1].text != nil {
		if _, err := compilePattern(*a[1].text); err != nil {
			return value{}, failAt(x.args[1].at(), "%v", err)
		}
	}
	return boolean("trino_regexp_like(" + a[0].sql + ", " + a[1].sql + ")"), nil
}

func regexpReplace(c *compiler, x *call, a []value) (value, error) {
	if len(a) == 2 {
		a = append(a, value{sql: "''", typ: scalar(varcharType)})
	}
	for i := range a[:2] {
		if !a[i].typ.is(varcharType, charType, unknownType) {
			return value{}, failAt(x.args[i].at(), "regexp_replace takes texts, not %s", a[i].typ)
		}
		a[i] = coerce(a[i], scalar(varcharType))
	}
	if !a[2].isLambda() {
		a[2] = coerce(a[2], scalar(varcharType))
		return value{sql: "trino_regexp_replace(" + fill("$*", a) + ")", typ: scalar(varcharType)}, nil
	}
	p := c.parameter()
	body, err := c.apply(a[2], []value{{sql: "list_slice(" + p + ", 2, len(" + p + "))", typ: arrayTypeOf(scalar(varcharType))}})
	if err != nil {
		return value{}, err
	}
	if !body.typ.is(varcharType, unknownType) {
		return value{}, failAt(x.args[2].at(), "the lambda of regexp_replace gives a text, not %s", body.typ)
	}
	// matches come with what stands before them; what follows the last comes alone
	q := c.parameter()
	sql := fmt.Sprintf("array_to_string(list_transform(trino_regexp_pieces(%s, %s), lambda %s: CASE WHEN len(%s) = 1 THEN %s[1] ELSE %s[1] || coalesce(%s, '') END), '')",
		a[0].sql, a[1].sql, q, q, q, q, strings.ReplaceAll(body.sql, p, q))
	return value{sql: sql, typ: scalar(varcharType)}, nil
}

func arrayJoin(c *compiler, x *call, a []value) (value, error) {
	if a[0].typ.kind == arrayType && !a[0].typ.elem.is(varcharType, unknownType) {
		if a[0].typ.elem.is(arrayType, mapType, rowType) {
			return value{}, failAt(x.args[0].at(), "array_join cannot join %s", a[0].typ.elem)
		}
		joined, err := c.cast(x, a[0], arrayTypeOf(scalar(varcharType)), false)
		if err != nil {
			return value{}, err
		}
		a[0] = joined
	}
	return table(x, a)
}

func sequence(c *compiler, x *call, a []value) (value, error) {
	if !a[0].typ.is(dateType, timestampType) {
		return table(x, a)
	}
	t := common(a[0].typ, a[1].typ)
	if t == nil {
		return table(x, a)
	}
	step := "to_days(1)"
	if len(a) == 3 {
		if !a[2].typ.is(dayInterval, monthInterval) {
			return value{}, failAt(x.args[2].at(), "the step between dates is an interval, such as INTERVAL '1' DAY")
		}
		step = a[2].sql
	} else if t.kind != dateType {
		return value{}, failAt(x.at(), "sequence between timestamps needs a step, such as INTERVAL '1' HOUR")
	}
	sql := fmt.Sprintf("generate_series(CAST(%s AS TIMESTAMP), CAST(%s AS TIMESTAMP), %s)", coerce(a[0], t).sql, coerce(a[1], t).sql, step)
	if t.kind == dateType {
		sql = "CAST(" + sql + " AS DATE[])"
	}
	return value{sql: sql, typ: arrayTypeOf(t)}, nil
}
