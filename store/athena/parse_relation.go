package athena

func (p *parser) relation() (relation, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	left, err := p.sampledRelation()
	if err != nil {
		return nil, err
	}
	for {
		j := &join{node: node(p.peek().at), l: left}
		switch {
		case p.skip("CROSS", "JOIN"):
			j.kind = "CROSS"
		case p.skip("INNER", "JOIN"), p.skip("JOIN"):
			j.kind = "INNER"
		case p.skip("LEFT", "OUTER", "JOIN"), p.skip("LEFT", "JOIN"):
			j.kind = "LEFT"
		case p.skip("RIGHT", "OUTER", "JOIN"), p.skip("RIGHT", "JOIN"):
			j.kind = "RIGHT"
		case p.skip("FULL", "OUTER", "JOIN"), p.skip("FULL", "JOIN"):
			j.kind = "FULL"
		case p.at("NATURAL"):
			return nil, failAt(p.peek().at, "NATURAL JOIN is not Athena's; write JOIN … USING (…)")
		case p.at("ASOF"), p.at("POSITIONAL"), p.at("SEMI"), p.at("ANTI"):
			return nil, failAt(p.peek().at, "%s JOIN is not Athena's; --dialect duckdb knows it", p.peek().key)
		default:
			return left, nil
		}
		if j.kind == "CROSS" {
			if j.r, err = p.sampledRelation(); err != nil {
				return nil, err
			}
			left = j
			continue
		}
		if j.r, err = p.sampledRelation(); err != nil {
			return nil, err
		}
		switch {
		case p.skip("ON"):
			if j.on, err = p.expression(); err != nil {
				return nil, err
			}
		case p.skip("USING"):
			if j.using, err = p.names(); err != nil {
				return nil, err
			}
		default:
			return nil, failAt(p.peek().at, "a JOIN needs ON or USING, not %s", p.peek().describe())
		}
		left = j
	}
}

func (p *parser) sampledRelation() (relation, error) {
	r, err := p.aliasedRelation()
	if err != nil || !p.at("TABLESAMPLE") {
		return r, err
	}
	s := &sampled{node: node(p.next().at), x: r}
	if !p.at("BERNOULLI") && !p.at("SYSTEM") {
		return nil, failAt(p.peek().at, "expected BERNOULLI or SYSTEM")
	}
	s.method = p.next().key
	if err := p.expect("("); err != nil {
		return nil, err
	}
	if s.percent, err = p.expression(); err != nil {
		return nil, err
	}
	return s, p.expect(")")
}

func (p *parser) aliasedRelation() (relation, error) {
	r, err := p.primaryRelation()
	if err != nil {
		return nil, err
	}
	if p.at("MATCH_RECOGNIZE", "(") {
		return nil, failAt(p.peek().at, "MATCH_RECOGNIZE cannot be given here; look for patterns with lag() and lead() in a subquery, or run it with --engine athena")
	}
	if p.at("FOR") {
		return nil, failAt(p.peek().at, "FOR TIMESTAMP and FOR VERSION cannot be given here: the lake's tables have no versions")
	}
	a := &aliased{node: node(p.peek().at), x: r}
	n, err := p.alias()
	if err != nil || n == nil {
		return r, err
	}
	a.name = *n
	if p.at("(") {
		if a.columns, err = p.names(); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func (p *parser) primaryRelation() (relation, error) {
	t := p.peek()
	pos := node(t.at)
	switch {
	case p.skip("LATERAL"):
		if err := p.expect("("); err != nil {
			return nil, err
		}
		q, err := p.query()
		if err != nil {
			return nil, err
		}
		return &queryRelation{pos, q, true}, p.expect(")")
	case p.at("UNNEST", "("):
		p.i += 2
		list, err := p.expressions()
		if err != nil {
			return nil, err
		}
		if err := p.expect(")"); err != nil {
			return nil, err
		}
		return &unnestRelation{pos, list, p.skip("WITH", "ORDINALITY")}, nil
	case p.at("TABLE", "("), p.at("JSON_TABLE", "("):
		return nil, failAt(t.at, "table functions cannot be given here; rows out of numbers come from UNNEST(sequence(…)), of JSON from UNNEST(CAST(json_parse(…) AS array(…)))")
	case p.skip("("):
		if p.beginsQuery() {
			mark, depth := p.i, p.depth
			q, err := p.query()
			if err == nil && p.skip(")") {
				return &queryRelation{pos, q, false}, nil
			}
			failed, where := err, p.i
			if err == nil {
				failed = failAt(p.peek().at, "expected ), not %s", p.peek().describe())
			}
			if p.retries++; !p.tokens[mark].is("(") || p.retries > 20 {
				return nil, failed
			}
			p.i, p.depth = mark, depth
			r, err := p.relation()
			if err != nil || !p.at(")") {
				if p.i > where && err != nil {
					return nil, err
				}
				return nil, failed
			}
			return r, p.expect(")")
		}
		r, err := p.relation()
		if err != nil {
			return nil, err
		}
		return r, p.expect(")")
	}
	name, err := p.qualified()
	if err != nil {
		return nil, err
	}
	if p.at("(") {
		return nil, failAt(t.at, "%s(…) is not a table; rows out of numbers come from UNNEST(sequence(…))", name[len(name)-1].text)
	}
	return &tableRelation{pos, name}, nil
}

// beginsQuery says that a query may stand next; behind ( it may be a relation, too.
func (p *parser) beginsQuery() bool {
	for i := 0; ; i++ {
		t := p.ahead(i)
		if t.is("(") {
			continue
		}
		return t.is("SELECT") || t.is("VALUES") || t.is("WITH") || t.is("TABLE")
	}
}
