package athena

import (
	"fmt"
	"strconv"
	"strings"
)

// coerce gives a value as a type that Trino would give it by itself.
func coerce(v value, t *dataType) value {
	out := v
	out.typ = t
	switch {
	case v.isLambda(), t.kind == unknownType:
		return v
	case v.typ.kind == unknownType:
		out.sql = "CAST(" + v.sql + " AS " + t.duck() + ")"
	case same(v.typ, t):
		if t.kind == charType && v.typ.p < t.p {
			out.sql = fmt.Sprintf("rpad(%s, %d, ' ')", v.sql, t.p)
		}
	case v.typ.isText() && t.kind == varcharType:
	case v.typ.isText() && t.kind == charType:
		out.sql = fmt.Sprintf("rpad(%s, %d, ' ')", v.sql, t.p)
	case v.number != "" && v.typ.isNumber() && t.kind == doubleType:
		out.sql = v.number
		if !strings.ContainsAny(v.number, "eE") {
			out.sql += "e0"
		}
		if strings.HasPrefix(out.sql, "-") {
			out.sql = "(" + out.sql + ")"
		}
	case v.number != "" && v.typ.isInteger() && t.is(integerType, bigintType):
	case v.typ.kind == timestampType && t.kind == zonedType:
		out.sql = "timezone('UTC', " + v.sql + ")"
		out.typ = &dataType{kind: zonedType, p: t.p, zone: "UTC"}
	case v.typ.kind == dateType && t.kind == zonedType:
		out.sql = "timezone('UTC', CAST(" + v.sql + " AS TIMESTAMP))"
		out.typ = &dataType{kind: zonedType, p: t.p, zone: "UTC"}
	case t.is(arrayType, mapType, rowType):
		out.sql = nested(v.sql, v.typ, t, func(sql string, from, to *dataType) string {
			return coerce(value{sql: sql, typ: from}, to).sql
		})
		out.constant = false
	default:
		out.sql = "CAST(" + v.sql + " AS " + t.duck() + ")"
	}
	return out
}

// nested converts the parts of an array, map or row one by one. The names of
// parameters follow from the depth of the type alone.
func nested(sql string, from, to *dataType, part func(sql string, from, to *dataType) string) string {
	p := "n" + strconv.Itoa(depthOf(to)) + "_"
	switch {
	case from.kind == unknownType:
		return "CAST(" + sql + " AS " + to.duck() + ")"
	case to.kind == arrayType:
		if from.elem.kind == unknownType {
			return "CAST(" + sql + " AS " + to.duck() + ")"
		}
		return "list_transform(" + sql + ", lambda " + p + ": " + part(p, from.elem, to.elem) + ")"
	case to.kind == mapType:
		if from.key.kind == unknownType {
			return "CAST(MAP {} AS " + to.duck() + ")"
		}
		keys := "list_transform(map_keys(" + p + "), lambda k" + p + ": " + part("k"+p, from.key, to.key) + ")"
		values := "list_transform(map_values(" + p + "), lambda v" + p + ": " + part("v"+p, from.elem, to.elem) + ")"
		return each(sql, p, "MAP("+keys+", "+values+")")
	}
	items := make([]string, len(to.fields))
	for i, f := range to.fields {
		items[i] = quoteText(to.fieldName(i)) + ": " + part("struct_extract("+p+", "+quoteText(from.fieldName(i))+")", from.fields[i].typ, f.typ)
	}
	return each(sql, p, "{"+strings.Join(items, ", ")+"}")
}

// each writes an expression over a value that it names p, so that the value
// stands there once; NULL stays NULL.
func each(sql, p, body string) string {
	return "list_extract(list_transform([" + sql + "], lambda " + p + ": CASE WHEN " + p + " IS NULL THEN NULL ELSE " + body + " END), 1)"
}

func depthOf(t *dataType) int {
	d := 0
	if t.elem != nil {
		d = depthOf(t.elem)
	}
	if t.key != nil {
		d = max(d, depthOf(t.key))
	}
	for _, f := range t.fields {
		d = max(d, depthOf(f.typ))
	}
	return d + 1
}

// cast is CAST and TRY_CAST.
func (c *compiler) cast(at expression, v value, t *dataType, try bool) (value, error) {
	sql, err := c.convert(at, v, v.typ, t)
	if err != nil {
		return v, err
	}
	out := value{sql: sql, typ: t, finite: v.finite && v.typ.isNumber() && t.isNumber()}
	if t.kind == zonedType {
		out.typ = &dataType{kind: zonedType, p: t.p}
		if v.typ.is(dateType, timestampType) {
			out.typ.zone = "UTC"
		}
		if v.typ.kind == zonedType {
			out.typ.zone = v.typ.zone
		}
		if v.text != nil {
			z, err := parseZoned(*v.text)
			if err == nil {
				out.typ.zone = z.zone
			}
		}
	}
	if try && v.typ.kind != unknownType {
		out.sql = "TRY(" + sql + ")"
	}
	return out, nil
}

const (
	integerPattern = `[\s]*[+-]?[0-9]+[\s]*`
	doublePattern  = `[\s]*[+-]?(NaN|Infinity|(([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?))[\s]*`
	decimalPattern = `[\s]*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?[\s]*`
	booleanPattern = `(?i)(t|true|1|f|false|0)`
	datePattern    = `[\s]*[+-]?[0-9]{4,}-[0-9]{1,2}-[0-9]{1,2}[\s]*`
	timePattern    = `[\s]*[0-9]{1,2}:[0-9]{1,2}(:[0-9]{1,2}(\.[0-9]+)?)?[\s]*`
	instantPattern = `[\s]*[+-]?[0-9]{4,}-[0-9]{1,2}-[0-9]{1,2}( [0-9]{1,2}:[0-9]{1,2}(:[0-9]{1,2}(\.[0-9]+)?)?)?[\s]*`
)

// convert writes a conversion that a user asked for, with Trino's rules of what
// can be converted and how.
func (c *compiler) convert(at expression, v value, from, to *dataType) (string, error) {
	sql := v.sql
	refusal := func() (string, error) {
		hint := ""
		switch {
		case from.isNumber() && to.is(timestampType, zonedType):
			hint = "; use from_unixtime"
		case from.is(timestampType, zonedType, dateType) && to.isNumber():
			hint = "; use to_unixtime"
		case from.kind == varbinaryType && to.isText():
			hint = "; use from_utf8 or to_hex"
		case from.is(arrayType, mapType, rowType) && to.isText():
			hint = "; use array_join, or json_format(CAST(… AS json))"
		}
		return "", failAt(at.at(), "Cannot cast %s to %s%s", from, to, hint)
	}
	as := func(s string) string { return "CAST(" + s + " AS " + to.duck() + ")" }
	checked := func(pattern string) string {
		return "CAST(trino_checked(" + sql + ", " + quoteText(pattern) + ", " + quoteText(to.String()) + ") AS " + to.duck() + ")"
	}
	switch {
	case from.kind == functionType || to.kind == functionType:
		return refusal()
	case from.kind == unknownType:
		return as(sql), nil
	case to.kind == jsonType:
		if from.kind == jsonType {
			return sql, nil
		}
		text, err := c.toJSON(at, sql, from)
		return "CAST(" + text + " AS VARCHAR)", err
	case from.kind == jsonType:
		return c.fromJSON(at, sql, to)
	case to.is(arrayType, mapType, rowType):
		if from.kind != to.kind || to.kind == rowType && len(from.fields) != len(to.fields) {
			return refusal()
		}
		var failed error
		sql = nested(sql, from, to, func(s string, f, t *dataType) string {
			out, err := c.convert(at, value{sql: s}, f, t)
			if err != nil && failed == nil {
				failed = err
			}
			return out
		})
		return sql, failed
	}
	switch to.kind {
	case varcharType, charType:
		return c.toText(at, v, from, to, refusal)
	case booleanType:
		switch {
		case from.kind == booleanType:
			return sql, nil
		case from.isNumber():
			return "(" + sql + " <> 0)", nil
		case from.isText():
			return checked(booleanPattern), nil
		}
	case tinyintType, smallintType, integerType, bigintType:
		switch {
		case from.isFloat():
			return as("round(" + sql + ")"), nil
		case from.kind == booleanType, from.isNumber():
			return as(sql), nil
		case from.isText():
			return checked(integerPattern), nil
		}
	case doubleType, realType:
		switch {
		case v.number != "" && to.kind == doubleType:
			return coerce(v, to).sql, nil
		case from.kind == booleanType, from.isNumber():
			return as(sql), nil
		case from.isText():
			return checked(doublePattern), nil
		}
	case decimalType:
		switch {
		case from.isFloat():
			return as(fmt.Sprintf("trino_round_decimal(CAST(%s AS DOUBLE), %d)", sql, to.s)), nil
		case from.kind == booleanType, from.isNumber():
			return as(sql), nil
		case from.isText():
			return checked(decimalPattern), nil
		}
	case dateType:
		switch {
		case from.is(dateType, timestampType):
			return as(sql), nil
		case from.kind == zonedType:
			local, err := c.local(at, value{sql: sql, typ: from})
			return as(local), err
		case from.isText():
			return checked(datePattern), nil
		}
	case timeType:
		switch {
		case from.is(timestampType, timeType):
			return as(sql), nil
		case from.kind == zonedType:
			local, err := c.local(at, value{sql: sql, typ: from})
			return as(local), err
		case from.isText():
			return checked(timePattern), nil
		}
	case timestampType:
		switch {
		case from.kind == dateType:
			return as(sql), nil
		case from.kind == timestampType:
			return rounded(sql, from.p, to.p), nil
		case from.kind == zonedType:
			local, err := c.local(at, value{sql: sql, typ: from})
			return rounded(local, from.p, to.p), err
		case from.isText():
			return rounded(checked(instantPattern), 6, to.p), nil
		}
	case zonedType:
		switch {
		case from.is(dateType, timestampType):
			return "timezone('UTC', " + rounded("CAST("+sql+" AS TIMESTAMP)", from.p, to.p) + ")", nil
		case from.kind == zonedType:
			if to.p >= from.p {
				return sql, nil
			}
			return fmt.Sprintf("make_timestamptz(trino_round_us(epoch_us(%s), %d))", sql, pow10(6-to.p)), nil
		case from.isText():
			return "make_timestamptz(trino_round_us(trino_parse_zoned(" + sql + "), " + strconv.Itoa(pow10(6-to.p)) + "))", nil
		}
	case dayInterval, monthInterval:
		if from.kind == to.kind {
			return sql, nil
		}
	case varbinaryType:
		if from.kind == varbinaryType {
			return sql, nil
		}
	case uuidType:
		if from.isText() || from.kind == uuidType {
			return as(sql), nil
		}
	case ipType:
		if from.isText() {
			return "trino_ip(" + sql + ")", nil
		}
		if from.kind == ipType {
			return sql, nil
		}
	}
	return refusal()
}

func pow10(n int) int {
	p := 1
	for range n {
		p *= 10
	}
	return p
}

// rounded brings a timestamp to a precision in digits of a second.
func rounded(sql string, from, to int) string {
	if to >= from || to >= 6 {
		return sql
	}
	return fmt.Sprintf("trino_round_timestamp(%s, %d)", sql, pow10(6-to))
}

// toText writes a value as text in Trino's form.
func (c *compiler) toText(at expression, v value, from, to *dataType, refusal func() (string, error)) (string, error) {
	sql := v.sql
	switch from.kind {
	case varcharType, charType, ipType:
	case booleanType, tinyintType, smallintType, integerType, bigintType, decimalType, dateType, uuidType:
		if v.number != "" {
			sql = quoteText(v.number)
			if from.kind == decimalType && strings.HasPrefix(v.number, ".") {
				sql = quoteText("0" + v.number)
			}
		} else {
			sql = "CAST(" + sql + " AS VARCHAR)"
		}
	case realType:
		sql = "trino_real_text(" + sql + ")"
	case doubleType:
		sql = "trino_double_text(" + sql + ")"
	case timestampType:
		sql = timestampText(sql, from.p)
	case timeType:
		sql = "substr(" + timestampText("(DATE '1970-01-01' + "+sql+")", from.p) + ", 12)"
	case zonedType:
		local, err := c.local(at, v.as(from))
		if err != nil {
			return "", err
		}
		sql = timestampText(local, from.p) + " || " + quoteText(" "+from.zone)
	case dayInterval:
		sql = "trino_days_text(epoch_us(" + sql + ") // 1000)"
	case monthInterval:
		sql = "trino_months_text(datepart('year', " + sql + ") * 12 + datepart('month', " + sql + "))"
	default:
		return refusal()
	}
	switch {
	case to.kind == charType:
		if from.isText() && from.p >= 0 && from.p <= to.p {
			return fmt.Sprintf("rpad(%s, %d, ' ')", sql, to.p), nil
		}
		return fmt.Sprintf("rpad(left(%s, %d), %d, ' ')", sql, to.p, to.p), nil
	case to.p >= 0 && from.isText() && (from.p < 0 || from.p > to.p):
		return fmt.Sprintf("left(%s, %d)", sql, to.p), nil
	case to.p >= 0 && !from.isText():
		return fmt.Sprintf("trino_fits(%s, %d)", sql, to.p), nil
	}
	return sql, nil
}

func (v value) as(t *dataType) value { v.typ = t; return v }

// timestampText writes a timestamp with its digits of a second.
func timestampText(sql string, p int) string {
	switch {
	case p == 0:
		return "strftime(" + sql + ", '%Y-%m-%d %H:%M:%S')"
	case p == 3:
		return "strftime(" + sql + ", '%Y-%m-%d %H:%M:%S.%g')"
	case p == 6:
		return "strftime(" + sql + ", '%Y-%m-%d %H:%M:%S.%f')"
	}
	return fmt.Sprintf("left(strftime(%s, '%%Y-%%m-%%d %%H:%%M:%%S.%%f'), -%d)", sql, 6-p)
}

// zoneOf is the zone of a zoned timestamp as DuckDB's text.
func (c *compiler) zoneOf(at expression, v value) (string, error) {
	if v.typ.zone == "" {
		return "", failAt(at.at(), "the time zone of this value cannot be told from the statement, and its meaning depends on it; write … AT TIME ZONE '…' around it")
	}
	return quoteText(duckZone(v.typ.zone)), nil
}

// local is the timestamp that a clock in the value's zone shows.
func (c *compiler) local(at expression, v value) (string, error) {
	if v.typ.kind != zonedType {
		return v.sql, nil
	}
	zone, err := c.zoneOf(at, v)
	if err != nil {
		return "", err
	}
	if offset, ok := zoneOffset(v.typ.zone); ok {
		return fmt.Sprintf("make_timestamp(epoch_us(%s) + %d)", v.sql, offset*1_000_000), nil
	}
	return "timezone(" + zone + ", " + v.sql + ")", nil
}

// zoned is the instant at which a clock in a zone shows a timestamp.
func zoned(sql, zone string) string {
	if offset, ok := zoneOffset(zone); ok {
		return fmt.Sprintf("make_timestamptz(epoch_us(%s) - %d)", sql, offset*1_000_000)
	}
	return "timezone(" + quoteText(duckZone(zone)) + ", " + sql + ")"
}

func (c *compiler) atZone(at expression, v, zone value) (value, error) {
	if zone.typ.kind == dayInterval && zone.number != "" {
		ms, _ := strconv.ParseInt(zone.number, 10, 64)
		name := offsetName(ms / 1000)
		zone.text = &name
	}
	if zone.text == nil {
		return v, failAt(at.at(), "the time zone must be written as a text in the statement here")
	}
	if !knownZone(*zone.text) {
		return v, failAt(at.at(), "'%s' is not a valid time zone", *zone.text)
	}
	switch v.typ.kind {
	case timestampType, dateType:
		v = coerce(v, &dataType{kind: zonedType, p: v.typ.p})
	case zonedType:
	case unknownType:
		v = coerce(v, scalar(zonedType))
	default:
		return v, failAt(at.at(), "AT TIME ZONE takes a timestamp, not %s", v.typ)
	}
	return value{sql: v.sql, typ: &dataType{kind: zonedType, p: v.typ.p, zone: *zone.text}}, nil
}
