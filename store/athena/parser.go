package athena

import (
	"strconv"
	"strings"
)

const maxDepth = 100 // of nested expressions and queries

type parser struct {
	tokens []token
	i      int
	depth  int
	// variables lets single letters stand for any type, as signatures have them.
	variables bool
	// retries bounds how often ( is read anew as a relation, which doubles
	// the work with every level.
	retries int
}

// parseStatement reads one statement; a semicolon may end it.
func parseStatement(sql string) (statement, error) {
	tokens, err := scan(sql)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens}
	s, err := p.statement()
	if err != nil {
		return nil, err
	}
	p.skip(";")
	if t := p.peek(); t.kind != end {
		return nil, failAt(t.at, "unexpected %s", t.describe())
	}
	return s, nil
}

func (t token) describe() string {
	switch t.kind {
	case end:
		return "end of the statement"
	case text:
		return quoteText(t.text)
	case quoted:
		return quoteName(t.text)
	}
	return "'" + t.text + "'"
}

func (p *parser) peek() token { return p.tokens[p.i] }

func (p *parser) ahead(n int) token { return p.tokens[min(p.i+n, len(p.tokens)-1)] }

func (p *parser) next() token {
	t := p.tokens[p.i]
	if t.kind != end {
		p.i++
	}
	return t
}

func (t token) is(s string) bool {
	return (t.kind == word || t.kind == symbol) && t.keyOf() == s
}

func (t token) keyOf() string {
	if t.kind == word {
		return t.key
	}
	return t.text
}

// at says that these words or symbols stand next.
func (p *parser) at(words ...string) bool {
	for i, w := range words {
		if !p.ahead(i).is(w) {
			return false
		}
	}
	return true
}

// skip takes these words or symbols where they stand next.
func (p *parser) skip(words ...string) bool {
	if !p.at(words...) {
		return false
	}
	p.i += len(words)
	return true
}

func (p *parser) expect(s string) error {
	if p.skip(s) {
		return nil
	}
	t := p.peek()
	return failAt(t.at, "expected %s, not %s", s, t.describe())
}

func (p *parser) enter() error {
	if p.depth++; p.depth > maxDepth {
		return failAt(p.peek().at, "the statement is nested more than %d deep", maxDepth)
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

func (p *parser) name() (ident, error) {
	t := p.peek()
	switch {
	case t.kind == quoted:
		p.next()
		return ident{t.text, true}, nil
	case t.kind == word && !reserved[t.key]:
		p.next()
		return ident{t.text, false}, nil
	case t.kind == word:
		return ident{}, failAt(t.at, "%s is a reserved word; as a name put it in double quotes", t.key)
	}
	return ident{}, failAt(t.at, "expected a name, not %s", t.describe())
}

func (p *parser) qualified() ([]ident, error) {
	var parts []ident
	for {
		n, err := p.name()
		if err != nil {
			return nil, err
		}
		parts = append(parts, n)
		if !p.skip(".") {
			return parts, nil
		}
	}
}

func (p *parser) names() ([]ident, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	var list []ident
	for {
		n, err := p.name()
		if err != nil {
			return nil, err
		}
		list = append(list, n)
		if !p.skip(",") {
			return list, p.expect(")")
		}
	}
}

func (p *parser) statement() (statement, error) {
	t := p.peek()
	pos := node(t.at)
	if t.kind == word {
		switch t.key {
		case "EXPLAIN":
			p.next()
			s := &explainStatement{node: pos, analyze: p.skip("ANALYZE")}
			if s.analyze {
				p.skip("VERBOSE")
			}
			if p.at("(") && p.ahead(1).kind == word && set("TYPE", "FORMAT")[p.ahead(1).key] {
				return nil, failAt(p.peek().at, "EXPLAIN has no options here; write EXPLAIN or EXPLAIN ANALYZE")
			}
			q, err := p.query()
			s.q = q
			return s, err
		case "SHOW":
			p.next()
			return p.show(pos)
		case "DESCRIBE", "DESC":
			p.next()
			p.skip("FORMATTED")
			p.skip("EXTENDED")
			name, err := p.qualified()
			return &showStatement{node: pos, what: "COLUMNS", name: name}, err
		case "MSCK":
			return nil, failAt(t.at, "MSCK REPAIR TABLE is not needed here: the lake's partitions are always known")
		case "UNLOAD":
			return nil, failAt(t.at, "UNLOAD writes; here nothing is written. Export the result instead: tapedeck sql --format parquet")
		case "CREATE":
			return nil, failAt(t.at, "CREATE is refused: the lake is read-only here. A result can be saved with tapedeck sql --format parquet, and WITH names a query")
		case "INSERT", "UPDATE", "DELETE", "MERGE", "DROP", "ALTER", "TRUNCATE", "GRANT", "REVOKE", "VACUUM", "OPTIMIZE", "REFRESH",
			"ANALYZE", "CALL", "COMMENT", "SET", "RESET", "USE", "START", "COMMIT", "ROLLBACK", "DENY":
			return nil, failAt(t.at, "%s is refused: only questions can be asked here (SELECT, WITH, VALUES, SHOW, DESCRIBE, EXPLAIN)", t.key)
		case "PREPARE", "EXECUTE", "DEALLOCATE":
			return nil, failAt(t.at, "%s is refused: there are no prepared statements here; write the values into the statement", t.key)
		}
	}
	q, err := p.query()
	if err != nil {
		return nil, err
	}
	return &queryStatement{q}, nil
}

func (p *parser) show(pos node) (statement, error) {
	s := &showStatement{node: pos}
	var err error
	switch {
	case p.skip("TABLES"):
		s.what = "TABLES"
		if p.skip("IN") || p.skip("FROM") {
			s.name, err = p.qualified()
		}
	case p.skip("COLUMNS"):
		s.what = "COLUMNS"
		if !p.skip("IN") && !p.skip("FROM") {
			return nil, failAt(p.peek().at, "write SHOW COLUMNS IN and a table's name")
		}
		s.name, err = p.qualified()
	case p.skip("PARTITIONS"):
		s.what = "PARTITIONS"
		p.skip("FROM")
		s.name, err = p.qualified()
	case p.skip("CREATE", "TABLE"):
		s.what = "CREATE TABLE"
		s.name, err = p.qualified()
	case p.skip("SCHEMAS"), p.skip("DATABASES"):
		s.what = "SCHEMAS"
		if p.skip("IN") || p.skip("FROM") {
			s.name, err = p.qualified()
		}
	case p.skip("CATALOGS"):
		s.what = "CATALOGS"
	case p.skip("FUNCTIONS"):
		s.what = "FUNCTIONS"
	default:
		return nil, failAt(p.peek().at, "SHOW %s is not known here; there are SHOW TABLES, COLUMNS, PARTITIONS, CREATE TABLE, SCHEMAS, FUNCTIONS", p.peek().text)
	}
	if err != nil {
		return nil, err
	}
	if p.skip("LIKE") || p.peek().kind == text {
		t := p.next()
		if t.kind != text {
			return nil, failAt(t.at, "expected a pattern in quotes")
		}
		s.like = t.text
	}
	return s, nil
}

func (p *parser) query() (*query, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	q := &query{node: node(p.peek().at)}
	if p.skip("WITH") {
		q.recursive = p.skip("RECURSIVE")
		for {
			c := commonTable{node: node(p.peek().at)}
			n, err := p.name()
			if err != nil {
				return nil, err
			}
			c.name = n.key()
			if p.at("(") {
				if c.columns, err = p.names(); err != nil {
					return nil, err
				}
			}
			if err := p.expect("AS"); err != nil {
				return nil, err
			}
			if err := p.expect("("); err != nil {
				return nil, err
			}
			if c.q, err = p.query(); err != nil {
				return nil, err
			}
			if err := p.expect(")"); err != nil {
				return nil, err
			}
			q.with = append(q.with, c)
			if !p.skip(",") {
				break
			}
		}
	}
	var err error
	if q.body, err = p.setOperation(); err != nil {
		return nil, err
	}
	if p.skip("ORDER", "BY") {
		if q.order, err = p.sortItems(); err != nil {
			return nil, err
		}
	}
	if p.skip("OFFSET") {
		if q.offset, err = p.count(); err != nil {
			return nil, err
		}
		if !p.skip("ROWS") {
			p.skip("ROW")
		}
	}
	switch {
	case p.skip("LIMIT"):
		if p.skip("ALL") {
			break
		}
		if q.limit, err = p.count(); err != nil {
			return nil, err
		}
		if p.at("OFFSET") {
			return nil, failAt(p.peek().at, "OFFSET stands in front of LIMIT in Athena: OFFSET 10 LIMIT 5")
		}
	case p.at("FETCH"):
		p.next()
		if !p.skip("FIRST") && !p.skip("NEXT") {
			return nil, failAt(p.peek().at, "expected FIRST or NEXT")
		}
		q.limit = &literal{node(p.peek().at), number, "1"}
		if !p.at("ROW") && !p.at("ROWS") {
			if q.limit, err = p.count(); err != nil {
				return nil, err
			}
		}
		if !p.skip("ROW") && !p.skip("ROWS") {
			return nil, failAt(p.peek().at, "expected ROWS ONLY")
		}
		if p.at("WITH") {
			return nil, failAt(p.peek().at, "WITH TIES cannot be given here; use rank() in a subquery")
		}
		if err := p.expect("ONLY"); err != nil {
			return nil, err
		}
	}
	return q, nil
}

func (p *parser) count() (expression, error) {
	t := p.next()
	if t.kind == number {
		if _, err := strconv.ParseInt(t.text, 10, 64); err == nil {
			return &literal{node(t.at), number, t.text}, nil
		}
	}
	return nil, failAt(t.at, "expected a whole number of rows, not %s", t.describe())
}

func (p *parser) setOperation() (queryBody, error) {
	left, err := p.intersection()
	if err != nil {
		return nil, err
	}
	for n := 0; p.at("UNION") || p.at("EXCEPT"); n++ {
		if n > 500 {
			return nil, failAt(p.peek().at, "more than 500 queries are joined by UNION")
		}
		t := p.next()
		b := &setBody{node: node(t.at), op: t.key, l: left}
		if b.all = p.skip("ALL"); !b.all {
			p.skip("DISTINCT")
		}
		if b.r, err = p.intersection(); err != nil {
			return nil, err
		}
		left = b
	}
	return left, nil
}

func (p *parser) intersection() (queryBody, error) {
	left, err := p.primaryQuery()
	if err != nil {
		return nil, err
	}
	for p.at("INTERSECT") {
		t := p.next()
		b := &setBody{node: node(t.at), op: t.key, l: left}
		if b.all = p.skip("ALL"); !b.all {
			p.skip("DISTINCT")
		}
		if b.r, err = p.primaryQuery(); err != nil {
			return nil, err
		}
		left = b
	}
	return left, nil
}

func (p *parser) primaryQuery() (queryBody, error) {
	t := p.peek()
	switch {
	case p.at("SELECT"):
		return p.selectBody()
	case p.skip("VALUES"):
		b := &valuesBody{node: node(t.at)}
		for {
			x, err := p.expression()
			if err != nil {
				return nil, err
			}
			b.rows = append(b.rows, x)
			if !p.skip(",") {
				return b, nil
			}
		}
	case p.skip("TABLE"):
		name, err := p.qualified()
		return &tableBody{node(t.at), name}, err
	case p.skip("("):
		q, err := p.query()
		if err != nil {
			return nil, err
		}
		return &nestedBody{node(t.at), q}, p.expect(")")
	}
	return nil, failAt(t.at, "expected SELECT, VALUES, WITH or TABLE, not %s", t.describe())
}

func (p *parser) selectBody() (queryBody, error) {
	s := &selectBody{node: node(p.next().at)}
	if s.distinct = p.skip("DISTINCT"); !s.distinct {
		p.skip("ALL")
	}
	var err error
	for {
		item, err := p.selectItem()
		if err != nil {
			return nil, err
		}
		s.items = append(s.items, item)
		if !p.skip(",") {
			break
		}
	}
	if p.skip("FROM") {
		for {
			r, err := p.relation()
			if err != nil {
				return nil, err
			}
			if s.from == nil {
				s.from = r
			} else {
				s.from = &join{node: node(r.at()), kind: "CROSS", l: s.from, r: r}
			}
			if !p.skip(",") {
				break
			}
		}
	}
	if p.skip("WHERE") {
		if s.where, err = p.expression(); err != nil {
			return nil, err
		}
	}
	if p.skip("GROUP", "BY") {
		s.grouped = true
		if !p.skip("ALL") {
			p.skip("DISTINCT")
		}
		for {
			g, err := p.grouping()
			if err != nil {
				return nil, err
			}
			s.groupBy = append(s.groupBy, g)
			if !p.skip(",") {
				break
			}
		}
	}
	if p.skip("HAVING") {
		if s.having, err = p.expression(); err != nil {
			return nil, err
		}
	}
	if p.at("QUALIFY") {
		return nil, failAt(p.peek().at, "QUALIFY is not Athena's; put the window function into a subquery and filter around it")
	}
	if p.skip("WINDOW") {
		for {
			n, err := p.name()
			if err != nil {
				return nil, err
			}
			if err := p.expect("AS"); err != nil {
				return nil, err
			}
			w, err := p.window()
			if err != nil {
				return nil, err
			}
			s.windows = append(s.windows, namedWindow{n.key(), w})
			if !p.skip(",") {
				break
			}
		}
	}
	return s, nil
}

func (p *parser) selectItem() (selectItem, error) {
	item := selectItem{node: node(p.peek().at)}
	if p.skip("*") {
		item.star = true
		if p.at("EXCEPT") && p.ahead(1).is("(") || p.at("EXCLUDE") || p.at("REPLACE") {
			return item, failAt(p.peek().at, "* %s is not Athena's; name the columns", p.peek().key)
		}
		return item, nil
	}
	x, err := p.expression()
	if err != nil {
		return item, err
	}
	if p.at(".", "*") {
		p.i += 2
		item.star, item.of = true, x
		if p.skip("AS") {
			item.aliases, err = p.names()
		}
		return item, err
	}
	item.x = x
	alias, err := p.alias()
	item.alias = alias
	return item, err
}

// alias reads what stands behind an expression or relation, with or without AS.
func (p *parser) alias() (*ident, error) {
	if p.skip("AS") {
		n, err := p.name()
		return &n, err
	}
	t := p.peek()
	if t.kind == quoted || t.kind == word && !reserved[t.key] && !endsItem[t.key] {
		p.next()
		return &ident{t.text, t.kind == quoted}, nil
	}
	return nil, nil
}

// endsItem are words that are not reserved but seldom meant as a name without AS.
var endsItem = set("LIMIT", "OFFSET", "FETCH", "WINDOW", "TABLESAMPLE", "MATCH_RECOGNIZE", "QUALIFY", "MINUS")

func (p *parser) grouping() (grouping, error) {
	g := grouping{node: node(p.peek().at)}
	switch {
	case p.skip("GROUPING", "SETS"):
		g.kind = "SETS"
		if err := p.expect("("); err != nil {
			return g, err
		}
		for {
			s, err := p.groupingSet()
			if err != nil {
				return g, err
			}
			g.sets = append(g.sets, s)
			if !p.skip(",") {
				return g, p.expect(")")
			}
		}
	case p.at("CUBE", "("), p.at("ROLLUP", "("):
		g.kind = p.next().key
		p.next()
		for !p.at(")") {
			s, err := p.groupingSet()
			if err != nil {
				return g, err
			}
			g.sets = append(g.sets, s)
			if !p.skip(",") {
				break
			}
		}
		return g, p.expect(")")
	}
	if p.at("(", ")") {
		p.i += 2
		g.sets = [][]expression{{}}
		return g, nil
	}
	x, err := p.expression()
	if r, ok := x.(*rowOf); ok { // GROUP BY (a, b)
		g.sets = [][]expression{r.items}
		return g, err
	}
	g.sets = [][]expression{{x}}
	return g, err
}

func (p *parser) groupingSet() ([]expression, error) {
	if p.skip("(") {
		if p.skip(")") {
			return nil, nil
		}
		list, err := p.expressions()
		if err != nil {
			return nil, err
		}
		return list, p.expect(")")
	}
	x, err := p.expression()
	return []expression{x}, err
}

func (p *parser) sortItems() ([]sortItem, error) {
	var items []sortItem
	for {
		x, err := p.expression()
		if err != nil {
			return nil, err
		}
		item := sortItem{x: x}
		if !p.skip("ASC") {
			item.descending = p.skip("DESC")
		}
		if p.skip("NULLS") {
			if item.nullsFirst = p.skip("FIRST"); !item.nullsFirst {
				if err := p.expect("LAST"); err != nil {
					return nil, err
				}
			}
		}
		items = append(items, item)
		if !p.skip(",") {
			return items, nil
		}
	}
}

func (n ident) key() string { return strings.ToLower(n.text) }
