package athena

import (
	"encoding/hex"
	"strings"
)

func (p *parser) expressions() ([]expression, error) {
	var list []expression
	for {
		x, err := p.expression()
		if err != nil {
			return nil, err
		}
		list = append(list, x)
		if !p.skip(",") {
			return list, nil
		}
	}
}

func (p *parser) expression() (expression, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	return p.or()
}

func (p *parser) or() (expression, error) {
	left, err := p.and()
	for err == nil && p.at("OR") {
		pos := node(p.next().at)
		var right expression
		right, err = p.and()
		left = &operation{pos, "OR", left, right}
	}
	return left, err
}

func (p *parser) and() (expression, error) {
	left, err := p.not()
	for err == nil && p.at("AND") {
		pos := node(p.next().at)
		var right expression
		right, err = p.not()
		left = &operation{pos, "AND", left, right}
	}
	return left, err
}

func (p *parser) not() (expression, error) {
	if p.at("NOT") {
		if err := p.enter(); err != nil {
			return nil, err
		}
		defer p.leave()
		pos := node(p.next().at)
		x, err := p.not()
		return &unary{pos, "NOT", x}, err
	}
	return p.predicate()
}

var comparisons = set("=", "<>", "!=", "<", "<=", ">", ">=")

func (p *parser) predicate() (expression, error) {
	x, err := p.value()
	if err != nil {
		return nil, err
	}
	t := p.peek()
	pos := node(t.at)
	if t.kind == symbol && comparisons[t.text] {
		p.next()
		op := t.text
		if op == "!=" {
			op = "<>"
		}
		if q := p.peek(); q.kind == word && (q.key == "ALL" || q.key == "ANY" || q.key == "SOME") && p.ahead(1).is("(") {
			p.i += 2
			sub, err := p.query()
			if err != nil {
				return nil, err
			}
			return &quantified{pos, op, q.key == "ALL", x, sub}, p.expect(")")
		}
		right, err := p.value()
		if err != nil {
			return nil, err
		}
		if n := p.peek(); n.kind == symbol && comparisons[n.text] {
			return nil, failAt(n.at, "comparisons cannot be chained; join them by AND")
		}
		return &operation{pos, op, x, right}, nil
	}
	not := false
	if p.at("NOT") && (p.ahead(1).is("BETWEEN") || p.ahead(1).is("IN") || p.ahead(1).is("LIKE")) {
		p.next()
		not = true
	}
	switch {
	case p.skip("BETWEEN"):
		b := &between{node: pos, x: x, not: not}
		if p.at("ASYMMETRIC") || p.at("SYMMETRIC") {
			return nil, failAt(p.peek().at, "%s is not known here", p.peek().key)
		}
		if b.low, err = p.value(); err != nil {
			return nil, err
		}
		if err := p.expect("AND"); err != nil {
			return nil, err
		}
		b.high, err = p.value()
		return b, err
	case p.skip("IN"):
		in := &inList{node: pos, x: x, not: not}
		if err := p.expect("("); err != nil {
			return nil, err
		}
		if p.beginsQuery() && !p.at("(") {
			if in.sub, err = p.query(); err != nil {
				return nil, err
			}
			return in, p.expect(")")
		}
		if in.list, err = p.expressions(); err != nil {
			return nil, err
		}
		return in, p.expect(")")
	case p.skip("LIKE"):
		l := &like{node: pos, x: x, not: not}
		if l.pattern, err = p.value(); err != nil {
			return nil, err
		}
		if p.skip("ESCAPE") {
			l.escape, err = p.value()
		}
		return l, err
	case p.at("IS"):
		p.next()
		not := p.skip("NOT")
		if p.skip("NULL") {
			return &isNull{pos, x, not}, nil
		}
		if p.skip("DISTINCT", "FROM") {
			right, err := p.value()
			return &isDistinct{pos, x, right, not}, err
		}
		return nil, failAt(p.peek().at, "expected NULL or DISTINCT FROM behind IS")
	case p.at("ILIKE"), p.at("SIMILAR"), p.at("GLOB"), p.at("REGEXP"), p.at("RLIKE"):
		return nil, failAt(t.at, "%s is not Athena's; use lower(x) LIKE '…' or regexp_like(x, '(?i)…')", t.key)
	}
	return x, nil
}

func (p *parser) value() (expression, error) {
	left, err := p.sum()
	for err == nil && p.at("||") {
		pos := node(p.next().at)
		var right expression
		right, err = p.sum()
		left = &operation{pos, "||", left, right}
	}
	return left, err
}

func (p *parser) sum() (expression, error) {
	left, err := p.product()
	for err == nil && (p.at("+") || p.at("-")) {
		t := p.next()
		var right expression
		right, err = p.product()
		left = &operation{node(t.at), t.text, left, right}
	}
	return left, err
}

func (p *parser) product() (expression, error) {
	left, err := p.signed()
	for err == nil && (p.at("*") || p.at("/") || p.at("%")) {
		t := p.next()
		var right expression
		right, err = p.signed()
		left = &operation{node(t.at), t.text, left, right}
	}
	return left, err
}

func (p *parser) signed() (expression, error) {
	if p.at("-") || p.at("+") {
		if err := p.enter(); err != nil {
			return nil, err
		}
		defer p.leave()
		t := p.next()
		x, err := p.signed()
		return &unary{node(t.at), t.text, x}, err
	}
	x, err := p.postfix()
	for err == nil && p.at("AT", "TIME", "ZONE") {
		pos := node(p.peek().at)
		p.i += 3
		var zone expression
		zone, err = p.postfix()
		x = &atZone{pos, x, zone}
	}
	return x, err
}

func (p *parser) postfix() (expression, error) {
	x, err := p.primary()
	for n := 0; err == nil; n++ {
		t := p.peek()
		switch {
		case n > 200:
			return nil, failAt(t.at, "too many [ or . behind each other")
		case p.skip("["):
			var index expression
			if index, err = p.expression(); err == nil {
				err = p.expect("]")
			}
			x = &subscript{node(t.at), x, index}
		case p.at(".") && !p.ahead(1).is("*"):
			p.next()
			var name ident
			if name, err = p.name(); err != nil {
				return nil, err
			}
			if r, ok := x.(*reference); ok {
				r.parts = append(r.parts, name)
			} else {
				x = &field{node(t.at), x, name}
			}
		case p.at("::"):
			return nil, failAt(t.at, ":: is not Athena's; write CAST(… AS …)")
		default:
			return x, nil
		}
	}
	return x, err
}

func (p *parser) primary() (expression, error) {
	t := p.peek()
	pos := node(t.at)
	switch t.kind {
	case number:
		p.next()
		return &literal{pos, number, t.text}, nil
	case text:
		p.next()
		return &literal{pos, text, t.text}, nil
	case unicodeText:
		p.next()
		escape := byte('\\')
		if p.skip("UESCAPE") {
			e := p.next()
			if e.kind != text || len(e.text) != 1 {
				return nil, failAt(e.at, "UESCAPE takes one character in quotes")
			}
			escape = e.text[0]
		}
		s, ok := unescapeUnicode(t.text, escape)
		if !ok {
			return nil, failAt(t.at, "a Unicode escape is four hexadecimal digits, or + and six")
		}
		return &literal{pos, text, s}, nil
	case binaryText:
		p.next()
		b, err := hex.DecodeString(strings.Join(strings.Fields(t.text), ""))
		if err != nil {
			return nil, failAt(t.at, "X'…' takes pairs of hexadecimal digits")
		}
		return &literal{pos, binaryText, string(b)}, nil
	case quoted:
		p.next()
		return p.referenceOrCall(pos, ident{t.text, true})
	case symbol:
		switch t.text {
		case "(":
			return p.parenthesis()
		case "?":
			return nil, failAt(t.at, "the statement has a parameter ? that is not filled in")
		}
		return nil, failAt(t.at, "unexpected %s", t.describe())
	case word:
		return p.wordExpression()
	}
	return nil, failAt(t.at, "expected an expression, not %s", t.describe())
}

func (p *parser) parenthesis() (expression, error) {
	if params, ok := p.lambdaAhead(); ok {
		pos := node(p.peek().at)
		p.i += 2*len(params) + 1
		if len(params) == 0 {
			p.i++
		}
		return p.lambda(pos, params)
	}
	pos := node(p.next().at)
	if p.beginsQuery() && !p.at("(") {
		q, err := p.query()
		if err != nil {
			return nil, err
		}
		return &subquery{pos, q}, p.expect(")")
	}
	if p.at("(") && p.beginsQuery() { // ((SELECT …)) or ((SELECT …) + 1)
		mark, depth := p.i, p.depth
		if q, err := p.query(); err == nil && p.at(")") {
			p.next()
			return &subquery{pos, q}, nil
		}
		if p.retries++; p.retries > 20 {
			return nil, failAt(int(pos), "too many nested parentheses")
		}
		p.i, p.depth = mark, depth
	}
	list, err := p.expressions()
	if err != nil {
		return nil, err
	}
	if err := p.expect(")"); err != nil {
		return nil, err
	}
	if len(list) == 1 {
		return list[0], nil
	}
	return &rowOf{pos, list}, nil
}

// lambdaAhead finds the parameters of (a, b) -> …
func (p *parser) lambdaAhead() ([]string, bool) {
	var params []string
	i := 1
	if p.ahead(1).is(")") && p.ahead(2).is("->") {
		return nil, true
	}
	for {
		t := p.ahead(i)
		if t.kind != word && t.kind != quoted {
			return nil, false
		}
		params = append(params, strings.ToLower(t.text))
		i++
		if p.ahead(i).is(",") {
			i++
			continue
		}
		return params, p.ahead(i).is(")") && p.ahead(i+1).is("->")
	}
}

func (p *parser) lambda(pos node, params []string) (expression, error) {
	if err := p.expect("->"); err != nil {
		return nil, err
	}
	body, err := p.expression()
	return &lambda{pos, params, body}, err
}

func (p *parser) wordExpression() (expression, error) {
	t := p.peek()
	pos := node(t.at)
	switch t.key {
	case "TRUE", "FALSE", "NULL":
		p.next()
		return &literal{pos, word, t.key}, nil
	case "CASE":
		return p.caseExpression()
	case "CAST", "TRY_CAST":
		if p.ahead(1).is("(") {
			p.i += 2
			x, err := p.expression()
			if err != nil {
				return nil, err
			}
			if err := p.expect("AS"); err != nil {
				return nil, err
			}
			typ, err := p.dataType()
			if err != nil {
				return nil, err
			}
			return &conversion{pos, x, typ, t.key == "TRY_CAST"}, p.expect(")")
		}
	case "EXISTS":
		p.next()
		if err := p.expect("("); err != nil {
			return nil, err
		}
		q, err := p.query()
		if err != nil {
			return nil, err
		}
		return &exists{pos, q}, p.expect(")")
	case "ARRAY":
		if p.ahead(1).is("[") {
			p.i += 2
			a := &arrayOf{node: pos}
			if p.skip("]") {
				return a, nil
			}
			var err error
			if a.items, err = p.expressions(); err != nil {
				return nil, err
			}
			return a, p.expect("]")
		}
	case "ROW":
		if p.ahead(1).is("(") {
			p.i += 2
			list, err := p.expressions()
			if err != nil {
				return nil, err
			}
			return &rowOf{pos, list}, p.expect(")")
		}
	case "INTERVAL":
		if next := p.ahead(1); next.kind == text || (next.is("-") || next.is("+")) && p.ahead(2).kind == text {
			return p.interval()
		}
	case "EXTRACT", "TRIM", "POSITION", "NORMALIZE", "LISTAGG", "JSON_VALUE", "JSON_QUERY", "JSON_EXISTS", "JSON_OBJECT", "JSON_ARRAY":
		if p.ahead(1).is("(") {
			return p.specialCall(t)
		}
	case "CURRENT_DATE", "CURRENT_TIMESTAMP", "CURRENT_TIME", "LOCALTIMESTAMP", "LOCALTIME", "CURRENT_USER", "CURRENT_CATALOG", "CURRENT_SCHEMA":
		p.next()
		c := &call{node: pos, name: strings.ToLower(t.key)}
		if p.skip("(") {
			x, err := p.count()
			if err != nil {
				return nil, err
			}
			c.args = []expression{x}
			return c, p.expect(")")
		}
		return c, nil
	case "GROUPING":
		p.next()
		return p.call(pos, "grouping")
	}
	if typed := p.ahead(1); typed.kind == text && !reserved[t.key] {
		// DATE '2026-11-20', TIMESTAMP '…', JSON '…', DECIMAL '1.5'
		if kind, ok := simpleTypes[t.key]; ok {
			p.i += 2
			return &typedLiteral{pos, scalar(kind), typed.text}, nil
		}
		switch t.key {
		case "TIMESTAMP", "TIME", "DECIMAL", "VARCHAR", "CHAR":
			p.i += 2
			kind := map[string]typeKind{"TIMESTAMP": timestampType, "TIME": timeType, "DECIMAL": decimalType, "VARCHAR": varcharType, "CHAR": charType}[t.key]
			return &typedLiteral{pos, scalar(kind), typed.text}, nil
		}
		return nil, failAt(t.at, "unknown type %s", t.text)
	}
	if reserved[t.key] {
		return nil, failAt(t.at, "unexpected %s", t.describe())
	}
	if p.ahead(1).is("->") {
		p.next()
		return p.lambda(pos, []string{strings.ToLower(t.text)})
	}
	p.next()
	return p.referenceOrCall(pos, ident{t.text, false})
}

func (p *parser) referenceOrCall(pos node, n ident) (expression, error) {
	if p.at("(") {
		return p.call(pos, n.key())
	}
	return &reference{pos, []ident{n}}, nil
}

func (p *parser) caseExpression() (expression, error) {
	c := &searching{node: node(p.next().at)}
	var err error
	if !p.at("WHEN") {
		if c.operand, err = p.expression(); err != nil {
			return nil, err
		}
	}
	for p.skip("WHEN") {
		var w when
		if w.condition, err = p.expression(); err != nil {
			return nil, err
		}
		if err := p.expect("THEN"); err != nil {
			return nil, err
		}
		if w.result, err = p.expression(); err != nil {
			return nil, err
		}
		c.whens = append(c.whens, w)
	}
	if len(c.whens) == 0 {
		return nil, failAt(p.peek().at, "expected WHEN")
	}
	if p.skip("ELSE") {
		if c.otherwise, err = p.expression(); err != nil {
			return nil, err
		}
	}
	return c, p.expect("END")
}

var intervalUnits = set("YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND")

func (p *parser) interval() (expression, error) {
	l := &intervalLiteral{node: node(p.next().at)}
	if l.negative = p.skip("-"); !l.negative {
		p.skip("+")
	}
	l.text = p.next().text
	unit := p.next()
	if !intervalUnits[unit.key] {
		return nil, failAt(unit.at, "an interval's unit is YEAR, MONTH, DAY, HOUR, MINUTE or SECOND, not %s", unit.describe())
	}
	l.from, l.to = unit.key, unit.key
	if p.skip("TO") {
		unit = p.next()
		if !intervalUnits[unit.key] {
			return nil, failAt(unit.at, "an interval's unit is YEAR, MONTH, DAY, HOUR, MINUTE or SECOND, not %s", unit.describe())
		}
		l.to = unit.key
	}
	return l, nil
}
