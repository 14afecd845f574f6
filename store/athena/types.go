package athena

import (
	"fmt"
	"strconv"
	"strings"
)

type typeKind uint8

const (
	unknownType typeKind = iota // of NULL alone
	booleanType
	tinyintType
	smallintType
	integerType
	bigintType
	decimalType
	realType
	doubleType
	varcharType
	charType
	varbinaryType
	dateType
	timeType
	timestampType
	zonedType // timestamp with time zone
	dayInterval
	monthInterval
	jsonType
	arrayType
	mapType
	rowType
	uuidType
	ipType
	functionType // a lambda, which is no value
	variableType // in signatures: any type, by the name in zone
)

// dataType is a type of Trino's. p is the precision of decimal, timestamp and
// time, and the length of varchar and char (-1: any); s is decimal's scale.
type dataType struct {
	kind   typeKind
	p, s   int
	elem   *dataType // of an array, values of a map
	key    *dataType
	fields []rowField
	zone   string // of a zoned timestamp, where the text tells it
}

type rowField struct {
	name string // empty where it has none
	typ  *dataType
}

var typeNames = map[typeKind]string{unknownType: "unknown", booleanType: "boolean", tinyintType: "tinyint", smallintType: "smallint",
	integerType: "integer", bigintType: "bigint", realType: "real", doubleType: "double", varbinaryType: "varbinary",
	dateType: "date", dayInterval: "interval day to second", monthInterval: "interval year to month", jsonType: "json",
	uuidType: "uuid", ipType: "ipaddress", functionType: "function"}

var simpleTypes = map[string]typeKind{"BOOLEAN": booleanType, "TINYINT": tinyintType, "SMALLINT": smallintType, "INTEGER": integerType,
	"INT": integerType, "BIGINT": bigintType, "REAL": realType, "DOUBLE": doubleType, "VARBINARY": varbinaryType,
	"DATE": dateType, "JSON": jsonType, "UUID": uuidType, "IPADDRESS": ipType, "UNKNOWN": unknownType,
	"STRING": varcharType, "FLOAT": realType}

func scalar(k typeKind) *dataType {
	t := &dataType{kind: k}
	switch k {
	case varcharType:
		t.p = -1
	case charType:
		t.p = 1
	case timestampType, zonedType, timeType:
		t.p = 3
	case decimalType:
		t.p = 38
	}
	return t
}

func arrayTypeOf(e *dataType) *dataType       { return &dataType{kind: arrayType, elem: e} }
func mapTypeOf(k, v *dataType) *dataType      { return &dataType{kind: mapType, key: k, elem: v} }
func decimalTypeOf(p, s int) *dataType        { return &dataType{kind: decimalType, p: p, s: s} }
func varcharTypeOf(n int) *dataType           { return &dataType{kind: varcharType, p: n} }
func (t *dataType) is(kinds ...typeKind) bool { return t.anyOf(kinds) }
func (t *dataType) isInteger() bool           { return t.kind >= tinyintType && t.kind <= bigintType }
func (t *dataType) isNumber() bool            { return t.kind >= tinyintType && t.kind <= doubleType }
func (t *dataType) isFloat() bool             { return t.kind == realType || t.kind == doubleType }
func (t *dataType) isText() bool              { return t.kind == varcharType || t.kind == charType }
func (t *dataType) anyOf(kinds []typeKind) bool {
	for _, k := range kinds {
		if t.kind == k {
			return true
		}
	}
	return false
}

// String is the type as Trino writes it.
func (t *dataType) String() string {
	switch t.kind {
	case decimalType:
		return fmt.Sprintf("decimal(%d,%d)", t.p, t.s)
	case varcharType:
		if t.p < 0 {
			return "varchar"
		}
		return fmt.Sprintf("varchar(%d)", t.p)
	case charType:
		return fmt.Sprintf("char(%d)", t.p)
	case timestampType:
		return fmt.Sprintf("timestamp(%d)", t.p)
	case timeType:
		return fmt.Sprintf("time(%d)", t.p)
	case zonedType:
		return fmt.Sprintf("timestamp(%d) with time zone", t.p)
	case arrayType:
		return "array(" + t.elem.String() + ")"
	case mapType:
		return "map(" + t.key.String() + ", " + t.elem.String() + ")"
	case rowType:
		parts := make([]string, len(t.fields))
		for i, f := range t.fields {
			parts[i] = f.typ.String()
			if f.name != "" {
				parts[i] = f.name + " " + parts[i]
			}
		}
		return "row(" + strings.Join(parts, ", ") + ")"
	}
	return typeNames[t.kind]
}

// duck is the type that holds its values in DuckDB.
func (t *dataType) duck() string {
	switch t.kind {
	case unknownType:
		return "INTEGER"
	case booleanType:
		return "BOOLEAN"
	case tinyintType:
		return "TINYINT"
	case smallintType:
		return "SMALLINT"
	case integerType:
		return "INTEGER"
	case bigintType:
		return "BIGINT"
	case decimalType:
		return fmt.Sprintf("DECIMAL(%d,%d)", t.p, t.s)
	case realType:
		return "FLOAT"
	case doubleType:
		return "DOUBLE"
	case varbinaryType:
		return "BLOB"
	case dateType:
		return "DATE"
	case timeType:
		return "TIME"
	case timestampType:
		return "TIMESTAMP"
	case zonedType:
		return "TIMESTAMPTZ"
	case dayInterval, monthInterval:
		return "INTERVAL"
	case arrayType:
		return t.elem.duck() + "[]"
	case mapType:
		return "MAP(" + t.key.duck() + ", " + t.elem.duck() + ")"
	case rowType:
		parts := make([]string, len(t.fields))
		for i, f := range t.fields {
			parts[i] = quoteName(t.fieldName(i)) + " " + f.typ.duck()
		}
		return "STRUCT(" + strings.Join(parts, ", ") + ")"
	case uuidType:
		return "UUID"
	}
	return "VARCHAR"
}

// fieldName is the field's name in DuckDB, where every field has one.
func (t *dataType) fieldName(i int) string {
	n := t.fields[i].name
	if n == "" {
		return "field" + strconv.Itoa(i)
	}
	for j := range i {
		if strings.EqualFold(t.fields[j].name, n) {
			return "field" + strconv.Itoa(i)
		}
	}
	return n
}

func same(a, b *dataType) bool {
	if a.kind != b.kind || len(a.fields) != len(b.fields) {
		return false
	}
	switch a.kind {
	case decimalType:
		return a.p == b.p && a.s == b.s
	case arrayType:
		return same(a.elem, b.elem)
	case mapType:
		return same(a.key, b.key) && same(a.elem, b.elem)
	case rowType:
		for i := range a.fields {
			if a.fieldName(i) != b.fieldName(i) || !same(a.fields[i].typ, b.fields[i].typ) {
				return false
			}
		}
	}
	return true
}

var integerDigits = map[typeKind]int{tinyintType: 3, smallintType: 5, integerType: 10, bigintType: 19}

func asDecimal(t *dataType) *dataType {
	if n, ok := integerDigits[t.kind]; ok {
		return decimalTypeOf(n, 0)
	}
	return t
}

// common is the type that both can be given as without being asked to; nil is none.
func common(a, b *dataType) *dataType {
	switch {
	case a.kind == unknownType:
		return b
	case b.kind == unknownType:
		return a
	case a.kind > b.kind:
		a, b = b, a
	}
	if a.kind == b.kind {
		switch a.kind {
		case decimalType:
			scale := max(a.s, b.s)
			return decimalTypeOf(min(38, max(a.p-a.s, b.p-b.s)+scale), scale)
		case varcharType:
			if a.p < 0 || b.p < 0 {
				return varcharTypeOf(-1)
			}
			return varcharTypeOf(max(a.p, b.p))
		case timestampType, timeType, charType:
			return &dataType{kind: a.kind, p: max(a.p, b.p)}
		case zonedType:
			t := &dataType{kind: zonedType, p: max(a.p, b.p)}
			if a.zone == b.zone {
				t.zone = a.zone
			}
			return t
		case arrayType:
			if e := common(a.elem, b.elem); e != nil {
				return arrayTypeOf(e)
			}
			return nil
		case mapType:
			k, v := common(a.key, b.key), common(a.elem, b.elem)
			if k == nil || v == nil {
				return nil
			}
			return mapTypeOf(k, v)
		case rowType:
			if len(a.fields) != len(b.fields) {
				return nil
			}
			t := &dataType{kind: rowType}
			for i := range a.fields {
				f := common(a.fields[i].typ, b.fields[i].typ)
				if f == nil {
					return nil
				}
				name := a.fields[i].name
				if name != b.fields[i].name {
					name = ""
				}
				t.fields = append(t.fields, rowField{name, f})
			}
			return t
		}
		return a
	}
	switch {
	case a.isInteger() && b.isInteger():
		return b
	case a.isInteger() && b.kind == decimalType:
		return common(asDecimal(a), b)
	case a.isNumber() && b.isFloat():
		return b
	case a.kind == varcharType && b.kind == charType:
		if a.p >= 0 {
			return &dataType{kind: charType, p: max(a.p, b.p)}
		}
		return a
	case a.kind == dateType && b.kind == timestampType, a.kind == dateType && b.kind == zonedType, a.kind == timestampType && b.kind == zonedType:
		t := &dataType{kind: b.kind, p: b.p, zone: b.zone}
		if a.kind == timestampType {
			t.p = max(t.p, a.p)
		}
		if b.kind == zonedType {
			t.zone = ""
			if b.zone == "UTC" {
				t.zone = "UTC"
			}
		}
		return t
	}
	return nil
}

// coercible says that a value of type a may stand where b is wanted.
func coercible(a, b *dataType) bool {
	if a.kind == unknownType {
		return true
	}
	if a.kind == b.kind && b.is(varcharType, decimalType, timestampType, zonedType, timeType) {
		if a.kind == decimalType {
			return a.p-a.s <= b.p-b.s && a.s <= b.s
		}
		return true
	}
	if a.kind == charType && b.kind == varcharType {
		return true
	}
	if a.kind == arrayType && b.kind == arrayType {
		return coercible(a.elem, b.elem)
	}
	if a.kind == mapType && b.kind == mapType {
		return coercible(a.key, b.key) && coercible(a.elem, b.elem)
	}
	if a.kind == rowType && b.kind == rowType && len(a.fields) == len(b.fields) {
		for i := range a.fields {
			if !coercible(a.fields[i].typ, b.fields[i].typ) {
				return false
			}
		}
		return true
	}
	c := common(a, b)
	return c != nil && c.kind == b.kind && !(b.kind == charType && a.kind != charType)
}

// parseType reads a type, as Trino writes it or DuckDB.
func parseType(s string) (*dataType, error) {
	tokens, err := scan(s)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens}
	t, err := p.dataType()
	if err != nil {
		return nil, err
	}
	if p.peek().kind != end {
		return nil, failAt(p.peek().at, "unexpected %s behind a type", p.peek().describe())
	}
	return t, nil
}

// duckType reads the few types of DuckDB that the lake's tables have.
func duckType(s string) (*dataType, error) {
	if strings.HasSuffix(s, "[]") {
		e, err := duckType(strings.TrimSuffix(s, "[]"))
		if err != nil {
			return nil, err
		}
		return arrayTypeOf(e), nil
	}
	switch strings.ToUpper(s) {
	case "TIMESTAMP":
		return &dataType{kind: timestampType, p: 6}, nil
	case "TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ":
		return &dataType{kind: zonedType, p: 6, zone: "UTC"}, nil
	case "FLOAT":
		return scalar(realType), nil
	case "BLOB":
		return scalar(varbinaryType), nil
	case "HUGEINT", "UBIGINT":
		return decimalTypeOf(38, 0), nil
	case "UTINYINT", "USMALLINT":
		return scalar(integerType), nil
	case "UINTEGER":
		return scalar(bigintType), nil
	}
	return parseType(s)
}

func quoteName(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

func quoteText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
