package athena

import (
	"strings"
)

func jsonForms() map[string]form {
	return map[string]form{
		"json_value":  {2, 2, jsonPathCall},
		"json_query":  {2, 2, jsonPathCall},
		"json_exists": {2, 2, jsonPathCall},
		"json_array":  {0, 1000, jsonArray},
		"json_object": {0, 1000, jsonObject},
	}
}

// toJSON writes a value as JSON's text.
func (c *compiler) toJSON(at expression, sql string, t *dataType) (string, error) {
	switch t.kind {
	case unknownType:
		return "CAST(NULL AS VARCHAR)", nil
	case jsonType:
		return "CAST(" + sql + " AS VARCHAR)", nil
	case booleanType, tinyintType, smallintType, integerType, bigintType, decimalType:
		return "CAST(" + sql + " AS VARCHAR)", nil
	case doubleType, realType:
		return "trino_java_double(CAST(" + sql + " AS DOUBLE))", nil
	case varcharType, charType:
		return "trino_json_quote(" + sql + ")", nil
	case dateType, timestampType:
		text, err := c.toText(at, value{sql: sql, typ: t}, t, scalar(varcharType), nil)
		return `('"' || ` + text + ` || '"')`, err
	case zonedType:
		text, err := c.toText(at, value{sql: sql, typ: t}, t, scalar(varcharType), nil)
		return `('"' || ` + text + ` || '"')`, err
	case arrayType:
		p := c.parameter()
		item, err := c.toJSON(at, p, t.elem)
		return "('[' || array_to_string(list_transform(" + sql + ", lambda " + p + ": coalesce(" + item + ", 'null')), ',') || ']')", err
	case mapType:
		if !t.key.is(varcharType, charType, unknownType) && !t.key.isInteger() {
			return "", failAt(at.at(), "Cannot cast %s to json", t)
		}
		m, p := c.parameter(), c.parameter()
		item, err := c.toJSON(at, p+".value", t.elem)
		if err != nil {
			return "", err
		}
		return each(sql, m, "trino_json_parse('{' || array_to_string(list_transform(map_entries("+m+"), lambda "+p+": trino_json_quote(CAST("+p+".key AS VARCHAR)) || ':' || coalesce("+item+", 'null')), ',') || '}')"), nil
	case rowType:
		p := c.parameter()
		parts := make([]string, len(t.fields))
		for i, f := range t.fields {
			item, err := c.toJSON(at, "struct_extract("+p+", "+quoteText(t.fieldName(i))+")", f.typ)
			if err != nil {
				return "", err
			}
			parts[i] = "'" + strings.ReplaceAll(quoteJSON(f.name), "'", "''") + ":' || coalesce(" + item + ", 'null')"
		}
		return each(sql, p, "('{' || "+strings.Join(parts, " || ',' || ")+" || '}')"), nil
	}
	return "", failAt(at.at(), "Cannot cast %s to json", t)
}

// fromJSON reads JSON as a type.
func (c *compiler) fromJSON(at expression, sql string, to *dataType) (string, error) {
	as := func(kind string) (string, error) {
		return "CAST(trino_json_to(CAST(" + sql + " AS VARCHAR), '" + kind + "') AS " + to.duck() + ")", nil
	}
	switch to.kind {
	case jsonType:
		return sql, nil
	case varcharType:
		out := "trino_json_to(CAST(" + sql + " AS VARCHAR), 'varchar')"
		if to.p >= 0 {
			return "left(" + out + ", " + strings.TrimSuffix(strings.TrimPrefix(to.String(), "varchar("), ")") + ")", nil
		}
		return out, nil
	case booleanType:
		return as("boolean")
	case tinyintType, smallintType, integerType, bigintType:
		return as("bigint")
	case doubleType, realType:
		return as("double")
	case decimalType:
		return as("decimal")
	case dateType:
		return as("date")
	case timestampType:
		out, _ := as("timestamp")
		return rounded(out, 6, to.p), nil
	case arrayType:
		p := c.parameter()
		item, err := c.fromJSON(at, "CAST("+p+" AS VARCHAR)", to.elem)
		return "list_transform(trino_json_items(CAST(" + sql + " AS VARCHAR)), lambda " + p + ": " + item + ")", err
	case mapType:
		m, p, q := c.parameter(), c.parameter(), c.parameter()
		key, err := c.convert(at, value{sql: p}, scalar(varcharType), to.key)
		if err != nil {
			return "", err
		}
		item, err := c.fromJSON(at, "CAST("+q+" AS VARCHAR)", to.elem)
		if err != nil {
			return "", err
		}
		keys := "list_transform(" + m + "[1:len(" + m + "):2], lambda " + p + ": " + key + ")"
		values := "list_transform(" + m + "[2:len(" + m + "):2], lambda " + q + ": " + item + ")"
		return each("trino_json_members(CAST("+sql+" AS VARCHAR))", m, "MAP("+keys+", "+values+")"), nil
	case rowType:
		names := make([]string, len(to.fields))
		m := c.parameter()
		parts := make([]string, len(to.fields))
		for i, f := range to.fields {
			names[i] = f.name
			item, err := c.fromJSON(at, "CAST("+m+"["+itoa(i+1)+"] AS VARCHAR)", f.typ)
			if err != nil {
				return "", err
			}
			parts[i] = quoteText(to.fieldName(i)) + ": " + item
		}
		return each("trino_json_fields(CAST("+sql+" AS VARCHAR), "+quoteText(strings.Join(names, "\x1f"))+")", m, "{"+strings.Join(parts, ", ")+"}"), nil
	}
	return "", failAt(at.at(), "Cannot cast json to %s", to)
}

// jsonPathCall is json_value, json_query and json_exists.
func jsonPathCall(c *compiler, x *call, a []value) (value, error) {
	if a[1].text == nil {
		return value{}, failAt(x.args[1].at(), "the path of %s is a text that is written out", x.name)
	}
	if err := checkPath(*a[1].text); err != nil {
		return value{}, failAt(x.args[1].at(), "%v", err)
	}
	if !a[0].typ.is(varcharType, charType, jsonType, unknownType) {
		return value{}, failAt(x.args[0].at(), "%s takes a text", x.name)
	}
	doc := "CAST(" + a[0].sql + " AS VARCHAR)"
	switch x.name {
	case "json_exists":
		return boolean("trino_json_exists(" + doc + ", " + a[1].sql + ")"), nil
	case "json_query":
		wrapper, quotes := x.options["wrapper"], x.options["quotes"]
		return value{sql: "trino_json_query(" + doc + ", " + a[1].sql + ", " + quoteText(wrapper) + ", " + quoteText(quotes) + ")", typ: scalar(varcharType)}, nil
	}
	v := value{sql: "trino_json_value(" + doc + ", " + a[1].sql + ")", typ: scalar(varcharType)}
	if r := x.options["returning"]; r != "" && r != "varchar" {
		t, err := parseType(r)
		if err != nil {
			return value{}, err
		}
		return c.cast(x, v, t, false)
	}
	return v, nil
}

func jsonArray(c *compiler, x *call, a []value) (value, error) {
	absent := x.options["nulls"] != "null"
	parts := make([]string, len(a))
	for i, v := range a {
		item, err := c.toJSON(x, v.sql, v.typ)
		if err != nil {
			return value{}, err
		}
		parts[i] = item
		if !absent {
			parts[i] = "coalesce(" + item + ", 'null')"
		}
	}
	return value{sql: "('[' || coalesce(array_to_string(CAST([" + strings.Join(parts, ", ") + "] AS VARCHAR[]), ','), '') || ']')", typ: scalar(varcharType)}, nil
}

func jsonObject(c *compiler, x *call, a []value) (value, error) {
	absent := x.options["nulls"] == "absent"
	var parts []string
	for i := 0; i+1 < len(a); i += 2 {
		if !a[i].typ.isText() {
			return value{}, failAt(x.args[i].at(), "a key of json_object is a text")
		}
		item, err := c.toJSON(x, a[i+1].sql, a[i+1].typ)
		if err != nil {
			return value{}, err
		}
		if !absent {
			item = "coalesce(" + item + ", 'null')"
		}
		parts = append(parts, "trino_json_quote("+a[i].sql+") || ':' || "+item)
	}
	return value{sql: "('{' || coalesce(array_to_string(CAST([" + strings.Join(parts, ", ") + "] AS VARCHAR[]), ','), '') || '}')", typ: scalar(varcharType)}, nil
}
