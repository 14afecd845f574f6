package athena

import (
	"fmt"
	"strings"
)

// apply writes a lambda's body with its parameters in place.
func (c *compiler) apply(f value, params []value) (value, error) {
	if !f.isLambda() {
		return value{}, failAt(0, "expected a lambda")
	}
	if len(f.lambda.params) != len(params) {
		return value{}, failAt(f.lambda.at(), "the lambda takes %s here, not %d", arguments(len(params), len(params)), len(f.lambda.params))
	}
	inner := &scope{parent: f.scope}
	for i, p := range params {
		inner.columns = append(inner.columns, column{name: f.lambda.params[i], sql: p.sql, typ: p.typ})
	}
	return c.expression(f.lambda.body, inner)
}

func (c *compiler) unknowns() string {
	c.lambdas++
	return fmt.Sprintf("state%d_", c.lambdas)
}

func needArray(x *call, i int, v value) error {
	if !v.typ.is(arrayType, unknownType) {
		return failAt(x.args[i].at(), "argument %d of %s is an array, not %s", i+1, x.name, v.typ)
	}
	return nil
}

func needLambda(x *call, i int, v value) error {
	if !v.isLambda() {
		return failAt(x.args[i].at(), "argument %d of %s is a lambda such as x -> x + 1", i+1, x.name)
	}
	return nil
}

func elements(v value) *dataType {
	if v.typ.kind == arrayType {
		return v.typ.elem
	}
	return scalar(unknownType)
}

// listLambda checks arguments of a function of an array and a lambda, and
// writes the lambda's body.
func (c *compiler) listLambda(x *call, a []value) (string, value, error) {
	if err := needArray(x, 0, a[0]); err != nil {
		return "", value{}, err
	}
	if err := needLambda(x, 1, a[1]); err != nil {
		return "", value{}, err
	}
	p := c.parameter()
	body, err := c.apply(a[1], []value{{sql: p, typ: elements(a[0])}})
	return p, body, err
}

func transform(c *compiler, x *call, a []value) (value, error) {
	p, body, err := c.listLambda(x, a)
	if err != nil {
		return value{}, err
	}
	return value{sql: "list_transform(" + a[0].sql + ", lambda " + p + ": " + typedSQL(body) + ")", typ: arrayTypeOf(body.typ)}, nil
}

// typedSQL makes sure that a constant has its type in DuckDB.
func typedSQL(v value) string {
	if v.constant {
		return "CAST(" + v.sql + " AS " + v.typ.duck() + ")"
	}
	return v.sql
}

func filter(c *compiler, x *call, a []value) (value, error) {
	p, body, err := c.listLambda(x, a)
	if err != nil {
		return value{}, err
	}
	if !body.typ.is(booleanType, unknownType) {
		return value{}, failAt(x.args[1].at(), "the lambda of filter gives a boolean, not %s", body.typ)
	}
	return value{sql: "list_filter(" + a[0].sql + ", lambda " + p + ": coalesce(" + body.sql + ", false))", typ: a[0].typ}, nil
}

func match(c *compiler, x *call, a []value) (value, error) {
	p, body, err := c.listLambda(x, a)
	if err != nil {
		return value{}, err
	}
	if !body.typ.is(booleanType, unknownType) {
		return value{}, failAt(x.args[1].at(), "the lambda of %s gives a boolean, not %s", x.name, body.typ)
	}
	list := "list_transform(" + a[0].sql + ", lambda " + p + ": CAST(" + body.sql + " AS BOOLEAN))"
	found, other := "true", "false"
	switch x.name {
	case "all_match":
		found, other = "false", "true"
	case "none_match":
		other = "true"
	}
	result := map[string]string{"any_match": "true", "all_match": "false", "none_match": "false"}[x.name]
	q := c.parameter()
	return boolean(each(list, q, fmt.Sprintf("CASE WHEN list_contains(%s, %s) THEN %s WHEN list_count(%s) < len(%s) THEN NULL ELSE %s END", q, found, result, q, q, other))), nil
}

// reduce folds a list. DuckDB's own wants the state to be of the elements'
// type, so both go into one struct.
func (c *compiler) reduce(x *call, list, initial, f value) (value, error) {
	if !f.isLambda() {
		return value{}, failAt(x.at(), "%s takes lambdas", x.name)
	}
	p, q := c.parameter(), c.parameter()
	elem := elements(list)
	state := initial.typ
	var body value
	for range 2 { // the lambda may widen the state's type
		var err error
		body, err = c.apply(f, []value{{sql: "struct_extract(" + p + ", 's')", typ: state}, {sql: "struct_extract(" + q + ", 'x')", typ: elem}})
		if err != nil {
			return value{}, err
		}
		wider := common(state, body.typ)
		if wider == nil {
			return value{}, failAt(f.lambda.at(), "the lambda gives %s, but the state is %s", body.typ, state)
		}
		state = wider
	}
	if !coercible(body.typ, initial.typ) && initial.typ.kind != unknownType && !same(state, initial.typ) && initial.typ.kind != varcharType && initial.typ.kind != decimalType {
		return value{}, failAt(f.lambda.at(), "the lambda gives %s, but the state is %s; CAST the beginning to %s", body.typ, initial.typ, body.typ)
	}
	duck, of := state.duck(), elem.duck()
	wrap := func(s, x string) string {
		return "{'s': CAST(" + s + " AS " + duck + "), 'x': CAST(" + x + " AS " + of + ")}"
	}
	e := c.parameter()
	items := "list_transform(" + list.sql + ", lambda " + e + ": " + wrap("NULL", e) + ")"
	sql := "list_reduce(" + items + ", lambda " + p + ", " + q + ": " + wrap(coerce(body, state).sql, "NULL") + ", " + wrap(coerce(initial, state).sql, "NULL") + ")"
	return value{sql: "struct_extract(" + sql + ", 's')", typ: state}, nil
}

func (c *compiler) reduceFinish(x *call, a []value) (value, error) {
	if err := needArray(x, 0, a[0]); err != nil {
		return value{}, err
	}
	if err := needLambda(x, 3, a[3]); err != nil {
		return value{}, err
	}
	state, err := c.reduce(x, a[0], a[1], a[2])
	if err != nil {
		return value{}, err
	}
	p := c.parameter()
	body, err := c.apply(a[3], []value{{sql: p, typ: state.typ}})
	if err != nil {
		return value{}, err
	}
	if body.sql == p {
		return state, nil
	}
	return value{sql: "list_extract(list_transform([" + state.sql + "], lambda " + p + ": " + typedSQL(body) + "), 1)", typ: body.typ}, nil
}

func zip(c *compiler, x *call, a []value) (value, error) {
	t := &dataType{kind: rowType}
	for i, v := range a {
		if err := needArray(x, i, v); err != nil {
			return value{}, err
		}
		t.fields = append(t.fields, rowField{"", elements(v)})
	}
	p := c.parameter()
	items := make([]string, len(a))
	for i := range a {
		items[i] = fmt.Sprintf("%s: struct_extract(%s, %d)", quoteText(t.fieldName(i)), p, i+1)
	}
	return value{sql: "list_transform(list_zip(" + fill("$*", a) + "), lambda " + p + ": {" + strings.Join(items, ", ") + "})", typ: arrayTypeOf(t)}, nil
}

func zipWith(c *compiler, x *call, a []value) (value, error) {
	for i := range 2 {
		if err := needArray(x, i, a[i]); err != nil {
			return value{}, err
		}
	}
	if err := needLambda(x, 2, a[2]); err != nil {
		return value{}, err
	}
	p := c.parameter()
	body, err := c.apply(a[2], []value{{sql: "struct_extract(" + p + ", 1)", typ: elements(a[0])}, {sql: "struct_extract(" + p + ", 2)", typ: elements(a[1])}})
	if err != nil {
		return value{}, err
	}
	return value{sql: "list_transform(list_zip(" + fill("$*", a[:2]) + "), lambda " + p + ": " + typedSQL(body) + ")", typ: arrayTypeOf(body.typ)}, nil
}

// arraySort with a lambda counts for every element how many come before it.
func arraySort(c *compiler, x *call, a []value) (value, error) {
	if err := needArray(x, 0, a[0]); err != nil {
		return value{}, err
	}
	if a[0].typ.kind == arrayType && a[0].typ.elem.is(mapType, jsonType) {
		return value{}, failAt(x.at(), "%s cannot be ordered", a[0].typ.elem)
	}
	if len(a) == 1 {
		return table(x, a)
	}
	if err := needLambda(x, 1, a[1]); err != nil {
		return value{}, err
	}
	l, e, i, o, j := c.parameter(), c.parameter(), c.parameter(), c.parameter(), c.parameter()
	body, err := c.apply(a[1], []value{{sql: o, typ: elements(a[0])}, {sql: e, typ: elements(a[0])}})
	if err != nil {
		return value{}, err
	}
	if !body.typ.isInteger() {
		return value{}, failAt(x.args[1].at(), "the lambda of array_sort gives -1, 0 or 1, not %s", body.typ)
	}
	before := fmt.Sprintf("list_filter(%s, lambda %s, %s: %s < 0 OR %s = 0 AND %s < %s)", l, o, j, body.sql, body.sql, j, i)
	ranked := fmt.Sprintf("list_transform(%s, lambda %s, %s: {'r': len(%s), 'v': %s})", l, e, i, before, e)
	r := c.parameter()
	sorted := fmt.Sprintf("list_transform(list_sort(%s), lambda %s: struct_extract(%s, 'v'))", ranked, r, r)
	return value{sql: each(a[0].sql, l, sorted), typ: a[0].typ}, nil
}

func needMap(x *call, i int, v value) error {
	if v.typ.kind != mapType {
		return failAt(x.args[i].at(), "argument %d of %s is a map, not %s", i+1, x.name, v.typ)
	}
	return nil
}

func mapEntries(c *compiler, x *call, a []value) (value, error) {
	if err := needMap(x, 0, a[0]); err != nil {
		return value{}, err
	}
	t := &dataType{kind: rowType, fields: []rowField{{"", a[0].typ.key}, {"", a[0].typ.elem}}}
	p := c.parameter()
	return value{sql: fmt.Sprintf("list_transform(map_entries(%s), lambda %s: {'field0': %s.key, 'field1': %s.value})", a[0].sql, p, p, p), typ: arrayTypeOf(t)}, nil
}

// mapLambda writes a lambda of key and value over a map's entries.
func (c *compiler) mapLambda(x *call, a []value) (string, value, error) {
	if err := needMap(x, 0, a[0]); err != nil {
		return "", value{}, err
	}
	if err := needLambda(x, 1, a[1]); err != nil {
		return "", value{}, err
	}
	p := c.parameter()
	body, err := c.apply(a[1], []value{{sql: p + ".key", typ: a[0].typ.key}, {sql: p + ".value", typ: a[0].typ.elem}})
	return p, body, err
}

func mapFilter(c *compiler, x *call, a []value) (value, error) {
	p, body, err := c.mapLambda(x, a)
	if err != nil {
		return value{}, err
	}
	return value{sql: fmt.Sprintf("map_from_entries(list_filter(map_entries(%s), lambda %s: coalesce(%s, false)))", a[0].sql, p, body.sql), typ: a[0].typ}, nil
}

func transformMap(c *compiler, x *call, a []value) (value, error) {
	p, body, err := c.mapLambda(x, a)
	if err != nil {
		return value{}, err
	}
	m := c.parameter()
	list := fmt.Sprintf("list_transform(map_entries(%s), lambda %s: %s)", m, p, typedSQL(body))
	if x.name == "transform_values" {
		return value{sql: each(a[0].sql, m, "MAP(map_keys("+m+"), "+list+")"), typ: mapTypeOf(a[0].typ.key, body.typ)}, nil
	}
	return value{sql: each(a[0].sql, m, "trino_map("+list+", map_values("+m+"))"), typ: mapTypeOf(body.typ, a[0].typ.elem)}, nil
}

func mapZipWith(c *compiler, x *call, a []value) (value, error) {
	for i := range 2 {
		if err := needMap(x, i, a[i]); err != nil {
			return value{}, err
		}
	}
	if err := needLambda(x, 2, a[2]); err != nil {
		return value{}, err
	}
	key := common(a[0].typ.key, a[1].typ.key)
	if key == nil {
		return value{}, failAt(x.at(), "the maps' keys are %s and %s", a[0].typ.key, a[1].typ.key)
	}
	p, k := c.parameter(), c.parameter()
	value1 := "map_extract(struct_extract(" + p + ", 'a'), " + k + ")[1]"
	value2 := "map_extract(struct_extract(" + p + ", 'b'), " + k + ")[1]"
	body, err := c.apply(a[2], []value{{sql: k, typ: key}, {sql: value1, typ: a[0].typ.elem}, {sql: value2, typ: a[1].typ.elem}})
	if err != nil {
		return value{}, err
	}
	keys := "list_distinct(list_concat(map_keys(struct_extract(" + p + ", 'a')), map_keys(struct_extract(" + p + ", 'b'))))"
	sql := each("{'a': "+a[0].sql+", 'b': "+a[1].sql+"}", p, "MAP("+keys+", list_transform("+keys+", lambda "+k+": "+typedSQL(body)+"))")
	return value{sql: sql, typ: mapTypeOf(key, body.typ)}, nil
}

func mapFromEntries(c *compiler, x *call, a []value) (value, error) {
	e := elements(a[0])
	if e.kind != rowType || len(e.fields) != 2 {
		return value{}, failAt(x.at(), "%s takes an array of rows of a key and a value", x.name)
	}
	l, p := c.parameter(), c.parameter()
	part := func(i int) string {
		return fmt.Sprintf("list_transform(%s, lambda %s: struct_extract(%s, %s))", l, p, p, quoteText(e.fieldName(i)))
	}
	if x.name == "map_from_entries" {
		return value{sql: each(a[0].sql, l, "trino_map("+part(0)+", "+part(1)+")"), typ: mapTypeOf(e.fields[0].typ, e.fields[1].typ)}, nil
	}
	pairs := fmt.Sprintf("list_transform(%s, lambda %s: {'key': struct_extract(%s, %s), 'value': struct_extract(%s, %s)})", l, p, p, quoteText(e.fieldName(0)), p, quoteText(e.fieldName(1)))
	return value{sql: each(a[0].sql, l, "trino_multimap_agg("+pairs+")"), typ: mapTypeOf(e.fields[0].typ, arrayTypeOf(e.fields[1].typ))}, nil
}
