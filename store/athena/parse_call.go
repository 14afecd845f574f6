package athena

import (
	"strings"
)

// call reads from ( on.
func (p *parser) call(pos node, name string) (expression, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	c := &call{node: pos, name: name}
	var err error
	switch {
	case p.skip("*"):
		c.star = true
	case p.at(")"):
	default:
		if c.distinct = p.skip("DISTINCT"); !c.distinct {
			p.skip("ALL")
		}
		if c.args, err = p.expressions(); err != nil {
			return nil, err
		}
		if name == "substring" && len(c.args) == 1 && p.skip("FROM") {
			if c.args, err = p.substring(c.args); err != nil {
				return nil, err
			}
		}
		if p.skip("ORDER", "BY") {
			if c.order, err = p.sortItems(); err != nil {
				return nil, err
			}
		}
	}
	if p.at("=>") {
		return nil, failAt(p.peek().at, "named arguments are not known here")
	}
	if err := p.expect(")"); err != nil {
		return nil, err
	}
	return c, p.callTail(c)
}

// substring reads what follows FROM in substring(x FROM 2 FOR 3).
func (p *parser) substring(args []expression) ([]expression, error) {
	from, err := p.expression()
	if err != nil || !p.skip("FOR") {
		return append(args, from), err
	}
	length, err := p.expression()
	return append(args, from, length), err
}

// callTail reads what follows a call's parentheses.
func (p *parser) callTail(c *call) error {
	var err error
	if p.at("WITHIN", "GROUP", "(") {
		p.i += 3
		if !p.skip("ORDER", "BY") {
			return failAt(p.peek().at, "expected ORDER BY")
		}
		if c.order, err = p.sortItems(); err != nil {
			return err
		}
		if err := p.expect(")"); err != nil {
			return err
		}
	}
	if p.at("FILTER", "(") {
		p.i += 2
		if err := p.expect("WHERE"); err != nil {
			return err
		}
		if c.filter, err = p.expression(); err != nil {
			return err
		}
		if err := p.expect(")"); err != nil {
			return err
		}
	}
	if (p.at("IGNORE") || p.at("RESPECT")) && p.ahead(1).is("NULLS") {
		c.nulls = p.next().key
		p.next()
	}
	if p.skip("OVER") {
		if p.at("(") {
			c.over, err = p.window()
			return err
		}
		n, err := p.name()
		c.overName = n.key()
		return err
	}
	return nil
}

func (p *parser) window() (*window, error) {
	w := &window{node: node(p.peek().at)}
	if err := p.expect("("); err != nil {
		return nil, err
	}
	var err error
	if t := p.peek(); (t.kind == word && !reserved[t.key] && !set("PARTITION", "ROWS", "RANGE", "GROUPS")[t.key]) || t.kind == quoted {
		n, err := p.name()
		if err != nil {
			return nil, err
		}
		w.base = n.key()
	}
	if p.skip("PARTITION", "BY") {
		if w.partition, err = p.expressions(); err != nil {
			return nil, err
		}
	}
	if p.skip("ORDER", "BY") {
		if w.order, err = p.sortItems(); err != nil {
			return nil, err
		}
	}
	if p.at("ROWS") || p.at("RANGE") || p.at("GROUPS") {
		w.frame = &frame{unit: p.next().key, to: bound{kind: "CURRENT ROW"}}
		if p.skip("BETWEEN") {
			if w.frame.from, err = p.bound(); err != nil {
				return nil, err
			}
			if err := p.expect("AND"); err != nil {
				return nil, err
			}
			w.frame.to, err = p.bound()
		} else {
			w.frame.from, err = p.bound()
		}
		if err != nil {
			return nil, err
		}
	}
	if p.at("MEASURES") || p.at("PATTERN") || p.at("AFTER") || p.at("INITIAL") || p.at("SEEK") {
		return nil, failAt(p.peek().at, "patterns of rows cannot be given here; look for them with lag() and lead(), or run it with --engine athena")
	}
	return w, p.expect(")")
}

func (p *parser) bound() (bound, error) {
	switch {
	case p.skip("UNBOUNDED", "PRECEDING"):
		return bound{kind: "UNBOUNDED PRECEDING"}, nil
	case p.skip("UNBOUNDED", "FOLLOWING"):
		return bound{kind: "UNBOUNDED FOLLOWING"}, nil
	case p.skip("CURRENT", "ROW"):
		return bound{kind: "CURRENT ROW"}, nil
	}
	x, err := p.expression()
	if err != nil {
		return bound{}, err
	}
	if p.skip("PRECEDING") {
		return bound{"PRECEDING", x}, nil
	}
	if p.skip("FOLLOWING") {
		return bound{"FOLLOWING", x}, nil
	}
	return bound{}, failAt(p.peek().at, "expected PRECEDING or FOLLOWING")
}

// specialCall reads functions whose arguments are not a plain list.
func (p *parser) specialCall(t token) (expression, error) {
	p.i += 2
	c := &call{node: node(t.at), name: strings.ToLower(t.key), options: map[string]string{}}
	var err error
	switch t.key {
	case "EXTRACT":
		f := p.next()
		if f.kind != word {
			return nil, failAt(f.at, "expected a field such as YEAR or HOUR")
		}
		c.options["field"] = strings.ToLower(f.text)
		if err := p.expect("FROM"); err != nil {
			return nil, err
		}
		c.args, err = p.one()
	case "TRIM":
		c.options["side"] = "BOTH"
		named := false
		if p.at("BOTH") || p.at("LEADING") || p.at("TRAILING") {
			c.options["side"] = p.next().key
			named = true
		}
		if named && p.skip("FROM") {
			c.args, err = p.one()
			break
		}
		if c.args, err = p.one(); err != nil {
			return nil, err
		}
		var more []expression
		if p.skip("FROM") {
			more, err = p.one()
			c.args = append(more, c.args...)
		} else if p.skip(",") {
			more, err = p.one()
			c.args = append(c.args, more...)
		}
	case "POSITION":
		needle, err := p.value()
		if err != nil {
			return nil, err
		}
		if err := p.expect("IN"); err != nil {
			return nil, err
		}
		hay, err := p.value()
		if err != nil {
			return nil, err
		}
		c.name, c.args = "strpos", []expression{hay, needle}
		return c, p.expect(")")
	case "NORMALIZE":
		if c.args, err = p.one(); err != nil {
			return nil, err
		}
		c.options["form"] = "NFC"
		if p.skip(",") {
			c.options["form"] = p.next().key
		}
	case "LISTAGG":
		if c.distinct = p.skip("DISTINCT"); !c.distinct {
			p.skip("ALL")
		}
		if c.args, err = p.expressions(); err != nil {
			return nil, err
		}
		if p.skip("ON", "OVERFLOW") {
			if p.skip("TRUNCATE") {
				if p.peek().kind == text {
					p.next()
				}
				_ = p.skip("WITH", "COUNT") || p.skip("WITHOUT", "COUNT")
			} else if err := p.expect("ERROR"); err != nil {
				return nil, err
			}
		}
	default:
		return c, p.jsonCall(c)
	}
	if err != nil {
		return nil, err
	}
	if err := p.expect(")"); err != nil {
		return nil, err
	}
	return c, p.callTail(c)
}

func (p *parser) one() ([]expression, error) {
	x, err := p.expression()
	return []expression{x}, err
}

// jsonCall reads the arguments of the SQL standard's JSON functions.
func (p *parser) jsonCall(c *call) error {
	var err error
	switch c.name {
	case "json_array", "json_object":
		for !p.at(")") && !p.at("ABSENT") && !p.at("NULL", "ON") && !p.at("RETURNING") {
			named := p.skip("KEY")
			x, err := p.expression()
			if err != nil {
				return err
			}
			c.args = append(c.args, x)
			if c.name == "json_object" {
				if named && !p.skip("VALUE") || !named && !p.skip(":") && !p.skip("VALUE") {
					return failAt(p.peek().at, "expected a key : value")
				}
				if x, err = p.expression(); err != nil {
					return err
				}
				c.args = append(c.args, x)
			}
			if p.at("FORMAT") {
				return failAt(p.peek().at, "FORMAT JSON cannot be given here; use json_parse and CAST(… AS json)")
			}
			if !p.skip(",") {
				break
			}
		}
	default:
		if c.args, err = p.expressions(); err != nil {
			return err
		}
		if p.at("PASSING") || p.at("FORMAT") {
			return failAt(p.peek().at, "%s cannot be given here; write the value into the path", p.peek().key)
		}
	}
	for !p.at(")") {
		t := p.peek()
		switch {
		case p.skip("ABSENT", "ON", "NULL"):
			c.options["nulls"] = "absent"
		case p.skip("NULL", "ON", "NULL"):
			c.options["nulls"] = "null"
		case p.skip("WITHOUT", "UNIQUE"), p.skip("WITHOUT", "UNIQUE", "KEYS"):
		case p.skip("WITHOUT"):
			p.skip("ARRAY")
			if err := p.expect("WRAPPER"); err != nil {
				return err
			}
		case p.skip("WITH"):
			c.options["wrapper"] = "always"
			if p.skip("CONDITIONAL") {
				c.options["wrapper"] = "conditional"
			} else {
				p.skip("UNCONDITIONAL")
			}
			p.skip("ARRAY")
			if err := p.expect("WRAPPER"); err != nil {
				return err
			}
		case p.skip("OMIT", "QUOTES"), p.skip("KEEP", "QUOTES"):
			c.options["quotes"] = strings.ToLower(t.key)
			p.skip("ON", "SCALAR", "STRING")
		case p.skip("NULL", "ON", "EMPTY"), p.skip("NULL", "ON", "ERROR"), p.skip("FALSE", "ON", "ERROR"):
		case p.at("RETURNING"):
			p.next()
			typ, err := p.dataType()
			if err != nil {
				return err
			}
			if c.name != "json_value" && !typ.isText() {
				return failAt(t.at, "RETURNING %s cannot be given here", typ)
			}
			c.options["returning"] = typ.String()
		default:
			return failAt(t.at, "%s cannot be given here in %s", t.describe(), c.name)
		}
	}
	return p.expect(")")
}
