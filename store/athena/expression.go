package athena

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// value is an expression written for DuckDB, with its type in Trino.
type value struct {
	sql      string
	typ      *dataType
	constant bool    // a literal
	text     *string // of a text literal
	number   string  // of a number literal, with sign
	finite   bool    // cannot be NaN
	lambda   *lambda // not compiled yet: its parameters' types come from the function
	scope    *scope  // of the lambda
}

func (v value) isLambda() bool { return v.lambda != nil }

func (c *compiler) expressions(list []expression, s *scope) ([]value, error) {
	out := make([]value, len(list))
	for i, x := range list {
		v, err := c.expression(x, s)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

func (c *compiler) expression(x expression, s *scope) (value, error) {
	v, err := c.write(x, s)
	if err == nil && len(v.sql) > maxOutput {
		return v, failAt(x.at(), "the expression grows too large; compute its parts in a subquery")
	}
	return v, err
}

func (c *compiler) write(x expression, s *scope) (value, error) {
	switch x := x.(type) {
	case *reference:
		return s.resolve(x)
	case *literal:
		return c.literal(x)
	case *typedLiteral:
		return c.typedLiteral(x)
	case *intervalLiteral:
		return c.interval(x)
	case *unary:
		return c.unary(x, s)
	case *operation:
		return c.binary(x, s)
	case *between:
		return c.between(x, s)
	case *inList:
		return c.in(x, s)
	case *like:
		return c.like(x, s)
	case *isNull:
		v, err := c.expression(x.x, s)
		if err != nil {
			return v, err
		}
		word := " IS NULL"
		if x.not {
			word = " IS NOT NULL"
		}
		return boolean("(" + v.sql + word + ")"), nil
	case *isDistinct:
		l, r, t, err := c.pair(x, x.l, x.r, s)
		if err != nil {
			return l, err
		}
		word := " IS DISTINCT FROM "
		if x.not {
			word = " IS NOT DISTINCT FROM "
		}
		return boolean("(" + coerce(l, t).sql + word + coerce(r, t).sql + ")"), nil
	case *quantified:
		return c.quantified(x, s)
	case *exists:
		sql, _, err := c.query(x.sub, s)
		return boolean("EXISTS (" + sql + ")"), err
	case *subquery:
		sql, columns, err := c.query(x.q, s)
		if err != nil {
			return value{}, err
		}
		if len(columns) != 1 {
			return value{}, failAt(x.at(), "a subquery as a value must have one column; this one has %d", len(columns))
		}
		return value{sql: "(" + sql + ")", typ: columns[0].typ, finite: columns[0].finite}, nil
	case *searching:
		return c.searching(x, s)
	case *conversion:
		v, err := c.expression(x.x, s)
		if err != nil {
			return v, err
		}
		return c.cast(x, v, x.typ, x.try)
	case *call:
		return c.call(x, s)
	case *lambda:
		return value{typ: scalar(functionType), lambda: x, scope: s}, nil
	case *arrayOf:
		return c.array(x, s)
	case *rowOf:
		return c.row(x, s)
	case *subscript:
		return c.subscript(x, s)
	case *field:
		v, err := c.expression(x.x, s)
		if err != nil {
			return v, err
		}
		return v.fields(x, []ident{x.name})
	case *atZone:
		v, err := c.expression(x.x, s)
		if err != nil {
			return v, err
		}
		zone, err := c.expression(x.zone, s)
		if err != nil {
			return v, err
		}
		return c.atZone(x, v, zone)
	}
	return value{}, failAt(x.at(), "this expression cannot be given here")
}

func boolean(sql string) value { return value{sql: sql, typ: scalar(booleanType), finite: true} }

func (c *compiler) literal(l *literal) (value, error) {
	switch l.kind {
	case text:
		s := l.text
		if strings.IndexByte(s, 0) >= 0 {
			return value{}, failAt(l.at(), "a text holds a NUL character")
		}
		return value{sql: quoteText(s), typ: varcharTypeOf(len([]rune(s))), constant: true, text: &s, finite: true}, nil
	case binaryText:
		return value{sql: "from_hex('" + hex.EncodeToString([]byte(l.text)) + "')", typ: scalar(varbinaryType), constant: true}, nil
	case word:
		switch l.text {
		case "NULL":
			return value{sql: "NULL", typ: scalar(unknownType), constant: true, finite: true}, nil
		default:
			return value{sql: strings.ToLower(l.text), typ: scalar(booleanType), constant: true, finite: true}, nil
		}
	}
	return numberValue(l.at(), l.text)
}

// numberValue is a number's literal: an integer, with a point a decimal, with
// an exponent a double.
func numberValue(at int, s string) (value, error) {
	v := value{number: s, sql: s, constant: true, finite: true}
	digits := strings.TrimPrefix(s, "-")
	switch {
	case strings.ContainsAny(s, "eE"):
		v.typ = scalar(doubleType)
	case strings.Contains(s, "."):
		whole, fraction, _ := strings.Cut(digits, ".")
		whole = strings.TrimLeft(whole, "0")
		v.typ = decimalTypeOf(max(1, len(whole)+len(fraction)), len(fraction))
		if v.typ.p > 38 {
			return v, failAt(at, "a decimal has at most 38 digits")
		}
		if fraction == "" {
			v.sql = "CAST(" + strings.TrimSuffix(s, ".") + " AS " + v.typ.duck() + ")"
		}
	default:
		n, ok := new(big.Int).SetString(s, 10)
		switch {
		case !ok || !n.IsInt64():
			return v, failAt(at, "Invalid numeric literal: %s", s)
		case n.Int64() == int64(int32(n.Int64())):
			v.typ = scalar(integerType)
		default:
			v.typ = scalar(bigintType)
		}
		v.sql = n.String()
		v.number = v.sql
		if n.Sign() < 0 {
			v.sql = "(" + v.sql + ")"
		}
		if n.IsInt64() && n.Int64() == -1<<63 {
			v.sql = "CAST('-9223372036854775808' AS BIGINT)"
		}
		return v, nil
	}
	if strings.HasPrefix(s, "-") {
		v.sql = "(" + v.sql + ")"
	}
	return v, nil
}

func (c *compiler) typedLiteral(l *typedLiteral) (value, error) {
	s := l.text
	v, err := c.literal(&literal{l.node, text, s})
	if err != nil {
		return v, err
	}
	switch l.typ.kind {
	case decimalType:
		if !strings.ContainsAny(s, ".") {
			s += "."
		}
		n, err := numberValue(l.at(), strings.TrimSuffix(strings.TrimSpace(s), ""))
		if err != nil || n.typ.kind != decimalType || !plainNumber(s) {
			return n, failAt(l.at(), "'%s' is not a valid DECIMAL literal", l.text)
		}
		return n, nil
	case dateType:
		day, ok := parseDate(s)
		if !ok {
			return v, failAt(l.at(), "'%s' is not a valid DATE literal", l.text)
		}
		return value{sql: "DATE " + quoteText(day), typ: l.typ, constant: true, text: &day}, nil
	case timestampType, timeType:
		return c.timestampLiteral(l)
	case jsonType:
		doc, err := decodeJSON(s)
		if err != nil {
			return v, failAt(l.at(), "'%s' is not a valid JSON literal", l.text)
		}
		return value{sql: "CAST(" + quoteText(encodeJSON(doc)) + " AS VARCHAR)", typ: l.typ, constant: true}, nil
	}
	return c.cast(l, v, l.typ, false)
}

func plainNumber(s string) bool {
	s = strings.TrimLeft(s, "+-")
	return s != "" && strings.Trim(s, "0123456789.") == "" && strings.Count(s, ".") < 2
}

// interval writes a literal such as INTERVAL '1' DAY or '1-2' YEAR TO MONTH.
func (c *compiler) interval(l *intervalLiteral) (value, error) {
	sign := int64(1)
	if l.negative {
		sign = -1
	}
	s := strings.TrimSpace(l.text)
	if strings.HasPrefix(s, "-") {
		sign, s = -sign, s[1:]
	}
	bad := failAt(l.at(), "Invalid INTERVAL %s literal: '%s'", strings.ToLower(l.from), l.text)
	if l.from == "YEAR" || l.from == "MONTH" {
		if l.to != "YEAR" && l.to != "MONTH" || l.from == "MONTH" && l.to == "YEAR" {
			return value{}, failAt(l.at(), "an interval goes from years to months, or from days to seconds")
		}
		years, months := s, "0"
		if l.from != l.to {
			var ok bool
			if years, months, ok = strings.Cut(s, "-"); !ok {
				return value{}, bad
			}
		} else if l.from == "MONTH" {
			years, months = "0", s
		}
		y, err1 := strconv.ParseInt(years, 10, 31)
		m, err2 := strconv.ParseInt(months, 10, 31)
		if err1 != nil || err2 != nil || y < 0 || m < 0 || y*12+m > 1<<31-1 {
			return value{}, bad
		}
		return value{sql: fmt.Sprintf("to_months(%d)", sign*(y*12+m)), typ: scalar(monthInterval), constant: true}, nil
	}
	units := []string{"DAY", "HOUR", "MINUTE", "SECOND"}
	first, last := indexOf(units, l.from), indexOf(units, l.to)
	if last < first {
		return value{}, failAt(l.at(), "an interval goes from years to months, or from days to seconds")
	}
	ms, ok := intervalMillis(s, first, last)
	if !ok {
		return value{}, bad
	}
	return value{sql: fmt.Sprintf("to_milliseconds(%d)", sign*ms), typ: scalar(dayInterval), constant: true, number: strconv.FormatInt(sign*ms, 10)}, nil
}

func indexOf(list []string, s string) int {
	for i, x := range list {
		if x == s {
			return i
		}
	}
	return -1
}

// intervalMillis reads '2 03:04:05.678' with the units from first to last of
// day, hour, minute, second.
func intervalMillis(s string, first, last int) (int64, bool) {
	fields := strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ':' })
	if len(fields) != last-first+1 {
		return 0, false
	}
	lengths := []int64{86_400_000, 3_600_000, 60_000, 1000}
	var total int64
	for i, f := range fields {
		unit := first + i
		if unit == 3 {
			whole, fraction, _ := strings.Cut(f, ".")
			if len(fraction) > 3 {
				fraction = fraction[:3]
			}
			n, err := strconv.ParseInt(whole+fraction+"000"[len(fraction):], 10, 62)
			if err != nil || n < 0 {
				return 0, false
			}
			total += n
			continue
		}
		n, err := strconv.ParseInt(f, 10, 32)
		if err != nil || n < 0 {
			return 0, false
		}
		total += n * lengths[unit]
	}
	return total, true
}

func (c *compiler) unary(x *unary, s *scope) (value, error) {
	if l, ok := x.x.(*literal); ok && l.kind == number && x.op == "-" {
		return numberValue(x.at(), "-"+l.text)
	}
	v, err := c.expression(x.x, s)
	if err != nil {
		return v, err
	}
	switch {
	case x.op == "NOT":
		if !v.typ.is(booleanType, unknownType) {
			return v, failAt(x.at(), "Value of logical NOT expression must evaluate to a boolean (actual: %s)", v.typ)
		}
		return boolean("(NOT " + v.sql + ")"), nil
	case !v.typ.isNumber() && !v.typ.is(dayInterval, monthInterval, unknownType):
		return v, failAt(x.at(), "Cannot apply operator: %s%s", x.op, v.typ)
	case x.op == "+":
		return v, nil
	}
	return value{sql: "(-" + coerce(v, v.typ).sql + ")", typ: v.typ, finite: v.finite}, nil
}

// pair compiles two operands and finds their common type.
func (c *compiler) pair(at, l, r expression, s *scope) (value, value, *dataType, error) {
	lv, err := c.expression(l, s)
	if err != nil {
		return lv, lv, nil, err
	}
	rv, err := c.expression(r, s)
	if err != nil {
		return lv, rv, nil, err
	}
	t := common(lv.typ, rv.typ)
	if t == nil || t.kind == functionType {
		return lv, rv, nil, failAt(at.at(), "Cannot compare %s with %s%s", lv.typ, rv.typ, castHint(lv.typ, rv.typ))
	}
	return lv, rv, t, nil
}

// castHint says how a text is made what it is compared with.
func castHint(l, r *dataType) string {
	if r.isText() {
		l, r = r, l
	}
	if !l.isText() {
		return ""
	}
	switch r.kind {
	case dateType:
		return "; write DATE '…'"
	case timestampType, zonedType:
		return "; write TIMESTAMP '…'"
	}
	return "; write CAST(… AS " + r.String() + ")"
}

func (c *compiler) between(x *between, s *scope) (value, error) {
	values, err := c.expressions([]expression{x.x, x.low, x.high}, s)
	if err != nil {
		return value{}, err
	}
	low, err := compare(x, ">=", values[0], values[1])
	if err != nil {
		return low, err
	}
	high, err := compare(x, "<=", values[0], values[2])
	if err != nil {
		return low, err
	}
	if x.not {
		return boolean("(NOT (" + low.sql + " AND " + high.sql + "))"), nil
	}
	return boolean("(" + low.sql + " AND " + high.sql + ")"), nil
}

func (c *compiler) in(x *inList, s *scope) (value, error) {
	v, err := c.expression(x.x, s)
	if err != nil {
		return v, err
	}
	word := " IN ("
	if x.not {
		word = " NOT IN ("
	}
	if x.sub != nil {
		sql, columns, err := c.query(x.sub, s)
		if err != nil {
			return v, err
		}
		if len(columns) != 1 {
			return v, failAt(x.at(), "the subquery of IN must have one column; this one has %d", len(columns))
		}
		t := common(v.typ, columns[0].typ)
		if t == nil {
			return v, failAt(x.at(), "value and result of subquery must be of the same type for IN expression: %s vs %s", v.typ, columns[0].typ)
		}
		if t.is(arrayType, rowType) {
			return v, failAt(x.at(), "%s IN a subquery cannot be given here; use EXISTS with a comparison of each part", t)
		}
		return boolean("(" + coerce(v, t).sql + word + castColumns(sql, columns, []column{{name: columns[0].name, typ: t}}) + "))"), nil
	}
	list, err := c.expressions(x.list, s)
	if err != nil {
		return v, err
	}
	t := v.typ
	for i, item := range list {
		u := common(t, item.typ)
		if u == nil {
			return v, failAt(x.list[i].at(), "IN value and list items must be the same type: %s and %s%s", t, item.typ, castHint(t, item.typ))
		}
		t = u
	}
	if t.is(arrayType, rowType) {
		parts := make([]string, len(list))
		for i, item := range list {
			parts[i] = compareNested("=", coerce(v, t).sql, coerce(item, t).sql, t)
		}
		if x.not {
			return boolean("(NOT (" + strings.Join(parts, " OR ") + "))"), nil
		}
		return boolean("(" + strings.Join(parts, " OR ") + ")"), nil
	}
	items := make([]string, len(list))
	for i, item := range list {
		items[i] = coerce(item, t).sql
	}
	sql := "(" + coerce(v, t).sql + word + strings.Join(items, ", ") + "))"
	if t.isFloat() && !v.finite {
		sql = "(" + sql[1:len(sql)-1] + orNaN(x.not, v.sql) + ")"
	}
	return boolean(sql), nil
}

func orNaN(not bool, sql string) string {
	if not {
		return " OR isnan(" + sql + ")"
	}
	return " AND NOT isnan(" + sql + ")"
}

func (c *compiler) like(x *like, s *scope) (value, error) {
	v, err := c.expression(x.x, s)
	if err != nil {
		return v, err
	}
	pattern, err := c.expression(x.pattern, s)
	if err != nil {
		return v, err
	}
	for i, o := range []value{v, pattern} {
		if !o.typ.isText() && o.typ.kind != unknownType {
			return v, failAt([]expression{x.x, x.pattern}[i].at(), "LIKE takes texts, not %s", o.typ)
		}
	}
	word := " LIKE "
	if x.not {
		word = " NOT LIKE "
	}
	written := coerce(pattern, scalar(varcharType)).sql
	if pattern.text == nil { // the matcher's stack ends: see limited_pattern in Setup
		written = "limited_pattern(" + written + ")"
	}
	sql := coerce(v, scalar(varcharType)).sql + word + written
	if x.escape != nil {
		e, err := c.expression(x.escape, s)
		if err != nil {
			return v, err
		}
		if e.text == nil || len([]rune(*e.text)) != 1 {
			return v, failAt(x.escape.at(), "Escape string must be a single character")
		}
		if pattern.text != nil && !validEscapes(*pattern.text, []rune(*e.text)[0]) {
			return v, failAt(x.pattern.at(), "Escape character must be followed by '%%', '_' or the escape character itself")
		}
		sql += " ESCAPE " + e.sql
	}
	return boolean("(" + sql + ")"), nil
}

func validEscapes(pattern string, escape rune) bool {
	runes := []rune(pattern)
	for i := 0; i < len(runes); i++ {
		if runes[i] == escape {
			i++
			if i == len(runes) || runes[i] != '%' && runes[i] != '_' && runes[i] != escape {
				return false
			}
		}
	}
	return true
}

func (c *compiler) quantified(x *quantified, s *scope) (value, error) {
	v, err := c.expression(x.x, s)
	if err != nil {
		return v, err
	}
	sql, columns, err := c.query(x.sub, s)
	if err != nil {
		return v, err
	}
	if len(columns) != 1 {
		return v, failAt(x.at(), "the subquery must have one column; this one has %d", len(columns))
	}
	t := common(v.typ, columns[0].typ)
	if t == nil {
		return v, failAt(x.at(), "Cannot compare %s with %s", v.typ, columns[0].typ)
	}
	word := " ANY ("
	if x.all {
		word = " ALL ("
	}
	return boolean("(" + coerce(v, t).sql + " " + x.op + word + castColumns(sql, columns, []column{{name: columns[0].name, typ: t}}) + "))"), nil
}

func (c *compiler) searching(x *searching, s *scope) (value, error) {
	var operand value
	if x.operand != nil {
		v, err := c.expression(x.operand, s)
		if err != nil {
			return v, err
		}
		operand = v
	}
	var results []value
	var conditions []string
	var places []expression
	for _, w := range x.whens {
		v, err := c.expression(w.condition, s)
		if err != nil {
			return v, err
		}
		if x.operand != nil {
			if v, err = compare(w.condition, "=", operand, v); err != nil {
				return v, err
			}
		} else if !v.typ.is(booleanType, unknownType) {
			return v, failAt(w.condition.at(), "CASE WHEN clause must evaluate to a boolean (actual: %s)", v.typ)
		}
		conditions = append(conditions, v.sql)
		r, err := c.expression(w.result, s)
		if err != nil {
			return r, err
		}
		results, places = append(results, r), append(places, w.result)
	}
	if x.otherwise != nil {
		r, err := c.expression(x.otherwise, s)
		if err != nil {
			return r, err
		}
		results, places = append(results, r), append(places, x.otherwise)
	}
	t, err := commonOf("All CASE results", results, places)
	if err != nil {
		return value{}, err
	}
	var b strings.Builder
	finite := true
	b.WriteString("CASE")
	for i, condition := range conditions {
		b.WriteString(" WHEN " + condition + " THEN " + coerce(results[i], t).sql)
		finite = finite && results[i].finite
	}
	if x.otherwise != nil {
		last := results[len(results)-1]
		b.WriteString(" ELSE " + coerce(last, t).sql)
		finite = finite && last.finite
	}
	b.WriteString(" END")
	return value{sql: "(" + b.String() + ")", typ: t, finite: finite}, nil
}

// commonOf is the type that all values can be given as.
func commonOf(what string, values []value, places []expression) (*dataType, error) {
	t := scalar(unknownType)
	for i, v := range values {
		u := common(t, v.typ)
		if u == nil || u.kind == functionType {
			return nil, failAt(places[i].at(), "%s must be the same type or coercible to a common type: %s and %s", what, t, v.typ)
		}
		t = u
	}
	return t, nil
}
