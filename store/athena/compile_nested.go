package athena

import (
	"fmt"
	"strconv"
	"strings"
)

func (c *compiler) array(x *arrayOf, s *scope) (value, error) {
	values, err := c.expressions(x.items, s)
	if err != nil {
		return value{}, err
	}
	t, err := commonOf("All ARRAY elements", values, x.items)
	if err != nil {
		return value{}, err
	}
	items := make([]string, len(values))
	for i, v := range values {
		items[i] = coerce(v, t).sql
	}
	sql := "[" + strings.Join(items, ", ") + "]"
	return value{sql: "CAST(" + sql + " AS " + t.duck() + "[])", typ: arrayTypeOf(t)}, nil
}

func (c *compiler) row(x *rowOf, s *scope) (value, error) {
	values, err := c.expressions(x.items, s)
	if err != nil {
		return value{}, err
	}
	t := &dataType{kind: rowType}
	for i, v := range values {
		if v.typ.kind == functionType {
			return v, failAt(x.items[i].at(), "a lambda can only be an argument of a function")
		}
		t.fields = append(t.fields, rowField{"", v.typ})
	}
	return makeRow(values, t), nil
}

func makeRow(values []value, t *dataType) value {
	items := make([]string, len(values))
	for i, v := range values {
		sql := v.sql
		if v.constant || !same(v.typ, t.fields[i].typ) {
			sql = "CAST(" + coerce(v, t.fields[i].typ).sql + " AS " + t.fields[i].typ.duck() + ")"
		}
		items[i] = quoteText(t.fieldName(i)) + ": " + sql
	}
	return value{sql: "{" + strings.Join(items, ", ") + "}", typ: t}
}

func (c *compiler) subscript(x *subscript, s *scope) (value, error) {
	v, err := c.expression(x.x, s)
	if err != nil {
		return v, err
	}
	index, err := c.expression(x.index, s)
	if err != nil {
		return v, err
	}
	switch v.typ.kind {
	case arrayType:
		if !index.typ.isInteger() {
			return v, failAt(x.index.at(), "an array's index is an integer, not %s", index.typ)
		}
		return value{sql: fmt.Sprintf("trino_subscript(%s, %s)", v.sql, index.sql), typ: v.typ.elem}, nil
	case mapType:
		if !coercible(index.typ, v.typ.key) {
			return v, failAt(x.index.at(), "the map's keys are %s, not %s", v.typ.key, index.typ)
		}
		return value{sql: fmt.Sprintf("trino_map_subscript(%s, %s)", v.sql, coerce(index, v.typ.key).sql), typ: v.typ.elem}, nil
	case rowType:
		n, err := strconv.Atoi(index.number)
		if err != nil || n < 1 || n > len(v.typ.fields) {
			return v, failAt(x.index.at(), "a row's field is named by a number from 1 to %d", len(v.typ.fields))
		}
		return value{sql: fmt.Sprintf("struct_extract(%s, %s)", v.sql, quoteText(v.typ.fieldName(n-1))), typ: v.typ.fields[n-1].typ}, nil
	}
	return v, failAt(x.at(), "%s has no elements", v.typ)
}
