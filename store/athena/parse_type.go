package athena

import (
	"strconv"
	"strings"
	"unicode/utf16"
)

// dataType reads a type's name.
func (p *parser) dataType() (*dataType, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	t := p.next()
	if t.kind != word {
		return nil, failAt(t.at, "expected a type, not %s", t.describe())
	}
	if p.variables && len(t.key) == 1 {
		return &dataType{kind: variableType, zone: t.key}, nil
	}
	if kind, ok := simpleTypes[t.key]; ok {
		if t.key == "DOUBLE" {
			p.skip("PRECISION")
		}
		return scalar(kind), nil
	}
	switch t.key {
	case "DECIMAL", "NUMERIC", "DEC":
		d := decimalTypeOf(38, 0)
		sizes, err := p.sizes()
		if err != nil {
			return nil, err
		}
		if len(sizes) > 0 {
			d.p = sizes[0]
		}
		if len(sizes) > 1 {
			d.s = sizes[1]
		}
		if d.p < 1 || d.p > 38 || d.s > d.p {
			return nil, failAt(t.at, "decimal has 1 to 38 digits, and no more behind the point")
		}
		return d, nil
	case "VARCHAR", "CHAR", "TIMESTAMP", "TIME":
		sizes, err := p.sizes()
		if err != nil {
			return nil, err
		}
		d := scalar(map[string]typeKind{"VARCHAR": varcharType, "CHAR": charType, "TIMESTAMP": timestampType, "TIME": timeType}[t.key])
		if len(sizes) > 0 {
			d.p = sizes[0]
		}
		if d.is(timestampType, timeType) && d.p > 12 {
			return nil, failAt(t.at, "a timestamp has at most 12 digits of a second")
		}
		if d.is(timestampType, timeType) && d.p > 6 {
			return nil, failAt(t.at, "times have microseconds here: at most 6 digits of a second")
		}
		if p.skip("WITH", "TIME", "ZONE") {
			if d.kind == timeType {
				return nil, failAt(t.at, "time with time zone cannot be given here; use timestamp with time zone")
			}
			d.kind = zonedType
		}
		p.skip("WITHOUT", "TIME", "ZONE")
		return d, nil
	case "INTERVAL":
		if p.skip("DAY", "TO", "SECOND") {
			return scalar(dayInterval), nil
		}
		if p.skip("YEAR", "TO", "MONTH") {
			return scalar(monthInterval), nil
		}
	case "ARRAY", "MAP":
		open, close := "(", ")"
		if p.at("<") {
			open, close = "<", ">"
		}
		if err := p.expect(open); err != nil {
			return nil, err
		}
		first, err := p.dataType()
		if err != nil {
			return nil, err
		}
		if t.key == "ARRAY" {
			return arrayTypeOf(first), p.expect(close)
		}
		if err := p.expect(","); err != nil {
			return nil, err
		}
		second, err := p.dataType()
		if err != nil {
			return nil, err
		}
		return mapTypeOf(first, second), p.expect(close)
	case "ROW":
		if err := p.expect("("); err != nil {
			return nil, err
		}
		r := &dataType{kind: rowType}
		for {
			f := rowField{}
			named := p.ahead(1).kind == word && !p.ahead(1).is("WITH") && !p.ahead(1).is("TO") && !p.at("INTERVAL") && !p.at("DOUBLE", "PRECISION")
			if named || p.peek().kind == quoted {
				n, err := p.name()
				if err != nil {
					return nil, err
				}
				f.name = n.key()
			}
			var err error
			if f.typ, err = p.dataType(); err != nil {
				return nil, err
			}
			r.fields = append(r.fields, f)
			if !p.skip(",") {
				return r, p.expect(")")
			}
		}
	case "HYPERLOGLOG", "QDIGEST", "TDIGEST", "SETDIGEST", "GEOMETRY", "P4HYPERLOGLOG":
		return nil, failAt(t.at, "the type %s cannot be given here", t.text)
	}
	return nil, failAt(t.at, "unknown type %s", t.text)
}

func (p *parser) sizes() ([]int, error) {
	if !p.skip("(") {
		return nil, nil
	}
	var list []int
	for {
		t := p.next()
		n, err := strconv.Atoi(t.text)
		if t.kind != number || err != nil {
			return nil, failAt(t.at, "expected a whole number")
		}
		list = append(list, n)
		if !p.skip(",") {
			return list, p.expect(")")
		}
	}
}

func unescapeUnicode(s string, escape byte) (string, bool) {
	var b strings.Builder
	var high rune
	for i := 0; i < len(s); i++ {
		if s[i] != escape {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == escape {
			b.WriteByte(escape)
			i++
			continue
		}
		from, n := i+1, 4
		if i+1 < len(s) && s[i+1] == '+' {
			from, n = i+2, 6
		}
		if from+n > len(s) {
			return "", false
		}
		r, err := strconv.ParseUint(s[from:from+n], 16, 32)
		if err != nil || r > 0x10FFFF {
			return "", false
		}
		i = from + n - 1
		if utf16.IsSurrogate(rune(r)) {
			if high == 0 {
				high = rune(r)
				continue
			}
			b.WriteRune(utf16.DecodeRune(high, rune(r)))
			high = 0
			continue
		}
		b.WriteRune(rune(r))
	}
	return b.String(), high == 0
}
