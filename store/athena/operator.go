package athena

import (
	"fmt"
	"strings"
)

func (c *compiler) binary(x *operation, s *scope) (value, error) {
	l, err := c.expression(x.l, s)
	if err != nil {
		return l, err
	}
	r, err := c.expression(x.r, s)
	if err != nil {
		return r, err
	}
	switch x.op {
	case "AND", "OR":
		for i, v := range []value{l, r} {
			if !v.typ.is(booleanType, unknownType) {
				return v, failAt([]expression{x.l, x.r}[i].at(), "Logical expression term must evaluate to a boolean (actual: %s)", v.typ)
			}
		}
		return boolean("(" + l.sql + " " + x.op + " " + r.sql + ")"), nil
	case "||":
		return c.concat(x, []value{l, r})
	case "=", "<>", "<", "<=", ">", ">=":
		return compare(x, x.op, l, r)
	}
	return c.arithmetic(x, l, r)
}

// compare writes a comparison. DuckDB takes NaN for equal to itself and above
// all numbers; in Trino no comparison with NaN holds but <>.
func compare(at expression, op string, l, r value) (value, error) {
	t := common(l.typ, r.typ)
	if t == nil || t.kind == functionType {
		return l, failAt(at.at(), "Cannot apply operator: %s %s %s%s", l.typ, op, r.typ, castHint(l.typ, r.typ))
	}
	ordered := op != "=" && op != "<>"
	if ordered && t.is(mapType, jsonType) {
		return l, failAt(at.at(), "Cannot apply operator: %s %s %s", l.typ, op, r.typ)
	}
	lc, rc := coerce(l, t), coerce(r, t)
	ls, rs := lc.sql, rc.sql
	if t.kind == charType {
		ls, rs = "rtrim("+ls+", ' ')", "rtrim("+rs+", ' ')"
	}
	if t.is(mapType) {
		return l, failAt(at.at(), "maps cannot be compared here; compare map_entries of both")
	}
	if t.is(arrayType, rowType) {
		return boolean(compareNested(op, ls, rs, t)), nil
	}
	sql := "(" + ls + " " + op + " " + rs + ")"
	if t.isFloat() {
		switch op {
		case "=":
			if !l.finite && !r.finite {
				sql = "(" + sql + " AND NOT isnan(" + ls + "))"
			}
		case "<>":
			if !l.finite && !r.finite {
				sql = "(" + sql + " OR isnan(" + ls + "))"
			}
		case "<", "<=":
			if !r.finite {
				sql = "(" + sql + " AND NOT isnan(" + rs + "))"
			}
		case ">", ">=":
			if !l.finite {
				sql = "(" + sql + " AND NOT isnan(" + ls + "))"
			}
		}
	}
	return boolean(sql), nil
}

// compareNested compares arrays and rows. DuckDB takes NULL within them for a
// value; in Trino it makes an equality NULL, and an order an error.
func compareNested(op, l, r string, t *dataType) string {
	p := "c" + itoa(depthOf(t)) + "_"
	pair := "{'l': " + l + ", 'r': " + r + "}"
	a, b := "struct_extract("+p+", 'l')", "struct_extract("+p+", 'r')"
	body := ""
	switch op {
	case "=":
		body = equalNested(a, b, t)
	case "<>":
		body = "NOT " + equalNested(a, b, t)
	default:
		body = "CASE WHEN " + holdsNull(a, t) + " OR " + holdsNull(b, t) +
			" THEN CAST(trino_fail('comparison not supported for values with null elements') AS BOOLEAN) ELSE " + a + " " + op + " " + b + " END"
	}
	return each(pair, p, "CASE WHEN "+a+" IS NULL OR "+b+" IS NULL THEN NULL ELSE "+body+" END")
}

func equalNested(l, r string, t *dataType) string {
	part := func(l, r string, t *dataType) string {
		switch {
		case t.is(arrayType, rowType):
			return "CASE WHEN " + l + " IS NULL OR " + r + " IS NULL THEN NULL ELSE " + equalNested(l, r, t) + " END"
		case t.isFloat():
			return "(" + l + " = " + r + " AND NOT isnan(" + l + "))"
		}
		return "(" + l + " = " + r + ")"
	}
	if t.kind == rowType {
		parts := make([]string, len(t.fields))
		for i, f := range t.fields {
			n := quoteText(t.fieldName(i))
			parts[i] = part("struct_extract("+l+", "+n+")", "struct_extract("+r+", "+n+")", f.typ)
		}
		return "(" + strings.Join(parts, " AND ") + ")"
	}
	p := "e" + itoa(depthOf(t)) + "_"
	all := "list_transform(list_zip(" + l + ", " + r + "), lambda " + p + ": " + part("struct_extract("+p+", 1)", "struct_extract("+p+", 2)", t.elem) + ")"
	return "(CASE WHEN len(" + l + ") <> len(" + r + ") THEN false ELSE trino_all(" + all + ") END)"
}

func holdsNull(x string, t *dataType) string {
	if t.kind == rowType {
		parts := make([]string, len(t.fields))
		for i, f := range t.fields {
			part := "struct_extract(" + x + ", " + quoteText(t.fieldName(i)) + ")"
			parts[i] = part + " IS NULL"
			if f.typ.is(arrayType, rowType) {
				parts[i] += " OR " + holdsNull(part, f.typ)
			}
		}
		return "(" + strings.Join(parts, " OR ") + ")"
	}
	sql := "list_count(" + x + ") < len(" + x + ")"
	if t.elem.is(arrayType, rowType) {
		p := "h" + itoa(depthOf(t)) + "_"
		sql += " OR list_contains(list_transform(" + x + ", lambda " + p + ": " + holdsNull(p, t.elem) + "), true)"
	}
	return "(" + sql + ")"
}

func (c *compiler) arithmetic(x *operation, l, r value) (value, error) {
	refusal := failAt(x.at(), "Cannot apply operator: %s %s %s%s", l.typ, x.op, r.typ, dateHint(l.typ, r.typ))
	if l.typ.kind == unknownType && r.typ.kind == unknownType {
		return l, refusal
	}
	if l.typ.kind == unknownType || r.typ.kind == unknownType {
		other := l.typ
		if other.kind == unknownType {
			other = r.typ
		}
		if other.isNumber() {
			l, r = coerce(l, other), coerce(r, other)
		}
	}
	if l.typ.isNumber() && r.typ.isNumber() {
		return c.numbers(x, l, r)
	}
	lk, rk := l.typ.kind, r.typ.kind
	interval := func(k typeKind) bool { return k == dayInterval || k == monthInterval }
	switch x.op {
	case "+":
		if interval(lk) && !interval(rk) {
			return c.shift(x, r, l, "+", refusal)
		}
		if interval(rk) && !interval(lk) {
			return c.shift(x, l, r, "+", refusal)
		}
		if interval(lk) && lk == rk {
			return value{sql: "(" + l.sql + " + " + r.sql + ")", typ: l.typ}, nil
		}
	case "-":
		switch {
		case interval(rk) && !interval(lk):
			return c.shift(x, l, r, "-", refusal)
		case interval(lk) && lk == rk:
			return value{sql: "(" + l.sql + " - " + r.sql + ")", typ: l.typ}, nil
		case lk == dateType && rk == dateType:
			return value{sql: "to_days(CAST(" + l.sql + " - " + r.sql + " AS INTEGER))", typ: scalar(dayInterval)}, nil
		case l.typ.is(dateType, timestampType, zonedType) && r.typ.is(dateType, timestampType, zonedType):
			t := common(l.typ, r.typ)
			return value{sql: fmt.Sprintf("to_microseconds(epoch_us(%s) - epoch_us(%s))", coerce(l, t).sql, coerce(r, t).sql), typ: scalar(dayInterval)}, nil
		}
	case "*", "/":
		if x.op == "*" && interval(rk) && l.typ.isNumber() {
			l, r = r, l
			lk = l.typ.kind
		}
		if interval(lk) && r.typ.isNumber() {
			name := "trino_days_times"
			if lk == monthInterval {
				name = "trino_months_times"
			}
			factor := coerce(r, scalar(doubleType)).sql
			if x.op == "/" {
				name = strings.Replace(name, "_times", "_over", 1)
			}
			return value{sql: name + "(" + l.sql + ", " + factor + ")", typ: l.typ}, nil
		}
	}
	return l, refusal
}

func dateHint(l, r *dataType) string {
	switch {
	case l.is(dateType, timestampType, zonedType) && r.isNumber():
		return "; write date_add('day', n, x) or x + INTERVAL '1' DAY"
	case l.isText() || r.isText():
		return castHint(l, r)
	}
	return ""
}

// shift moves a date or time by an interval.
func (c *compiler) shift(at expression, v, interval value, op string, refusal error) (value, error) {
	months := interval.typ.kind == monthInterval
	moved := "(" + v.sql + " " + op + " " + interval.sql + ")"
	switch v.typ.kind {
	case dateType:
		if !months {
			if interval.number != "" && !wholeDays(interval.number) {
				return v, failAt(at.at(), "Cannot add hour, minutes or seconds to a date; use CAST(… AS timestamp)")
			}
			if interval.number == "" {
				return value{sql: fmt.Sprintf("trino_date_shift(%s, %s%s)", v.sql, strings.TrimPrefix(op, "+"), interval.sql), typ: v.typ}, nil
			}
		}
		return value{sql: "CAST(" + moved + " AS DATE)", typ: v.typ}, nil
	case timestampType:
		return value{sql: moved, typ: &dataType{kind: timestampType, p: max(3, v.typ.p)}}, nil
	case timeType:
		if months {
			return v, refusal
		}
		return value{sql: moved, typ: &dataType{kind: timeType, p: max(3, v.typ.p)}}, nil
	case zonedType:
		t := &dataType{kind: zonedType, p: max(3, v.typ.p), zone: v.typ.zone}
		if !months { // by the clock of the instant, whatever the zone
			return value{sql: fmt.Sprintf("make_timestamptz(epoch_us(%s) %s epoch_us(%s))", v.sql, op, interval.sql), typ: t}, nil
		}
		zone, err := c.zoneOf(at, v)
		if err != nil {
			return v, err
		}
		return value{sql: fmt.Sprintf("timezone(%s, timezone(%s, %s) %s %s)", zone, zone, v.sql, op, interval.sql), typ: t}, nil
	}
	return v, refusal
}

func wholeDays(ms string) bool {
	var n int64
	_, err := fmt.Sscan(ms, &n)
	return err == nil && n%86_400_000 == 0
}

// numbers writes + - * / % with the types that Trino gives the results.
func (c *compiler) numbers(x *operation, l, r value) (value, error) {
	t := common(l.typ, r.typ)
	switch {
	case t.isFloat():
		l, r = coerce(l, t), coerce(r, t)
		v := value{sql: "(" + l.sql + " " + x.op + " " + r.sql + ")", typ: t}
		if x.op == "%" {
			v.sql = "trino_fmod(" + l.sql + ", " + r.sql + ")"
		}
		if t.kind == realType {
			v.sql = "CAST(" + v.sql + " AS FLOAT)"
		}
		return v, nil
	case t.isInteger():
		l, r = typed(l, t, r.constant), typed(r, t, false)
		if x.op == "/" || x.op == "%" {
			op := map[string]string{"/": "//", "%": "%"}[x.op]
			if r.number != "" && strings.Trim(r.number, "-0") != "" && r.number != "-1" {
				return value{sql: "(" + l.sql + " " + op + " " + r.sql + ")", typ: t, finite: true}, nil
			}
			name := map[string]string{"/": "trino_divide", "%": "trino_modulo"}[x.op]
			return value{sql: "CAST(" + name + "(" + l.sql + ", " + r.sql + ") AS " + t.duck() + ")", typ: t, finite: true}, nil
		}
		return value{sql: "(" + l.sql + " " + x.op + " " + r.sql + ")", typ: t, finite: true}, nil
	}
	return c.decimals(x, l, r)
}

// typed makes sure that an integer has its type in DuckDB, which takes
// constants for smaller or larger ones as it sees fit.
func typed(v value, t *dataType, force bool) value {
	if v.typ.kind == t.kind && !(v.constant && force) && !(v.constant && t.kind != integerType && t.kind != bigintType) {
		if v.constant && t.kind == bigintType && v.typ.kind == bigintType {
			return v
		}
		return v
	}
	if v.constant && !force && (t.kind == bigintType || t.kind == integerType) {
		return value{sql: v.sql, typ: t, constant: true, number: v.number, finite: true}
	}
	return value{sql: "CAST(" + v.sql + " AS " + t.duck() + ")", typ: t, constant: v.constant, number: v.number, finite: true}
}

// decimals follows Trino's rules for the digits of results.
func (c *compiler) decimals(x *operation, l, r value) (value, error) {
	a, b := asDecimal(l.typ), asDecimal(r.typ)
	var p, s int
	switch x.op {
	case "+", "-":
		s = max(a.s, b.s)
		p = min(38, max(a.p-a.s, b.p-b.s)+s+1)
	case "*":
		p, s = min(38, a.p+b.p), a.s+b.s
		if s > 38 {
			return l, failAt(x.at(), "DECIMAL scale must be in range [0, precision (38)]: %d", s)
		}
	case "/":
		s = max(a.s, b.s)
		p = min(38, a.p+b.s+max(b.s-a.s, 0))
	case "%":
		s = max(a.s, b.s)
		p = min(b.p-b.s, a.p-a.s) + s
	}
	t := decimalTypeOf(max(p, 1), s)
	if x.op == "/" || x.op == "%" || p == 38 {
		// beyond DuckDB's own: exact in Go
		return value{sql: fmt.Sprintf("CAST(trino_decimal(%s, CAST(%s AS VARCHAR), CAST(%s AS VARCHAR), %d) AS %s)",
			quoteText(x.op), coerce(l, a).sql, coerce(r, b).sql, s, t.duck()), typ: t, finite: true}, nil
	}
	return value{sql: "CAST(" + coerce(l, a).sql + " " + x.op + " " + coerce(r, b).sql + " AS " + t.duck() + ")", typ: t, finite: true}, nil
}

// concat joins texts, arrays or binaries; NULL makes all NULL.
func (c *compiler) concat(at expression, args []value) (value, error) {
	t := scalar(unknownType)
	arrays := false
	for _, v := range args {
		arrays = arrays || v.typ.kind == arrayType
	}
	if arrays {
		return c.concatArrays(at, args)
	}
	for _, v := range args {
		if !v.typ.isText() && !v.typ.is(varbinaryType, unknownType) || t.kind != unknownType && v.typ.kind != unknownType && (t.kind == varbinaryType) != (v.typ.kind == varbinaryType) {
			return v, failAt(at.at(), "|| and concat join texts; %s must be CAST(… AS varchar)", v.typ)
		}
		switch {
		case v.typ.kind == unknownType:
		case t.kind == unknownType:
			t = v.typ
		case t.kind == charType && v.typ.kind == charType:
			t = &dataType{kind: charType, p: t.p + v.typ.p}
		case t.kind == charType && v.typ.kind == varcharType && v.typ.p >= 0:
			t = &dataType{kind: charType, p: t.p + v.typ.p}
		case t.kind != varbinaryType:
			t = scalar(varcharType)
		}
	}
	if t.kind == varcharType {
		t = scalar(varcharType)
	}
	if t.kind == unknownType {
		t = scalar(varcharType)
	}
	parts := make([]string, len(args))
	for i, v := range args {
		parts[i] = v.sql
		if v.typ.kind == unknownType {
			parts[i] = "CAST(NULL AS " + t.duck() + ")"
		}
	}
	return value{sql: "(" + strings.Join(parts, " || ") + ")", typ: t}, nil
}

func (c *compiler) concatArrays(at expression, args []value) (value, error) {
	t := scalar(unknownType)
	for _, v := range args {
		e := v.typ
		if e.kind == arrayType {
			e = e.elem
		}
		if t = common(t, e); t == nil {
			return v, failAt(at.at(), "the arrays' elements have no common type")
		}
	}
	list := arrayTypeOf(t)
	parts := make([]string, len(args))
	for i, v := range args {
		if v.typ.kind == arrayType || v.typ.kind == unknownType {
			parts[i] = coerce(v, list).sql
		} else {
			parts[i] = "[" + coerce(v, t).sql + "]"
		}
	}
	sql := parts[0]
	for _, p := range parts[1:] {
		sql = "trino_array_concat(" + sql + ", " + p + ")"
	}
	return value{sql: sql, typ: list}, nil
}
