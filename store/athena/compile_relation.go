package athena

import (
	"fmt"
	"strconv"
	"strings"
)

// relation writes an item of FROM. s is what laterals may name: the columns of
// the relations to the left are added by joins.
func (c *compiler) relation(r relation, s *scope) (string, []column, error) {
	switch r := r.(type) {
	case *tableRelation:
		return c.table(r, ident{}, nil, s)
	case *aliased:
		return c.alias(r, s)
	case *queryRelation, *unnestRelation:
		c.unnests++
		return c.alias(&aliased{node: node(r.at()), x: r, name: ident{text: "r" + strconv.Itoa(c.unnests) + "_"}}, s)
	case *sampled:
		return c.sample(r, s)
	case *join:
		return c.join(r, s)
	}
	return "", nil, failAt(r.at(), "this cannot stand in FROM here")
}

func (c *compiler) alias(a *aliased, s *scope) (string, []column, error) {
	name := a.name.key()
	switch x := a.x.(type) {
	case *tableRelation:
		return c.table(x, a.name, a.columns, s)
	case *queryRelation:
		outer := s
		if !x.lateral {
			outer = s.withoutColumns()
		}
		sql, columns, err := c.query(x.q, outer)
		if err != nil {
			return "", nil, err
		}
		if x.lateral {
			sql = "LATERAL (" + sql + ")"
		} else {
			sql = "(" + sql + ")"
		}
		return c.derived(sql, name, columns, a)
	case *unnestRelation:
		sql, columns, err := c.unnest(x, s)
		if err != nil {
			return "", nil, err
		}
		return c.derived("LATERAL ("+sql+")", name, columns, a)
	case *sampled:
		inner := &aliased{node: a.node, x: x.x, name: a.name, columns: a.columns}
		return c.sample(&sampled{x.node, inner, x.method, x.percent}, s)
	case *join:
		sql, columns, err := c.join(x, s)
		if err != nil {
			return "", nil, err
		}
		var items []string
		var kept []column
		for _, col := range columns {
			if !col.hidden {
				items = append(items, col.sql)
				kept = append(kept, col)
			}
		}
		return c.derived("(SELECT "+strings.Join(items, ", ")+" FROM "+sql+")", name, kept, a)
	}
	return "", nil, failAt(a.at(), "this cannot have an alias here")
}

// derived gives a subquery's columns the names by which DuckDB is told them.
func (c *compiler) derived(sql, name string, columns []column, a *aliased) (string, []column, error) {
	columns, err := rename(columns, a.columns, a.at())
	if err != nil {
		return "", nil, err
	}
	names := make([]string, len(columns))
	used := map[string]bool{}
	for i := range columns {
		n := outputName(columns[i].name, i)
		for used[n] {
			n += "_"
		}
		used[n] = true
		names[i] = quoteName(n)
		columns[i].table = name
		columns[i].sql = quoteName(name) + "." + names[i]
		columns[i].hidden = false
	}
	return sql + " AS " + quoteName(name) + "(" + strings.Join(names, ", ") + ")", columns, nil
}

// withoutColumns is a scope in which a subquery of FROM stands: it sees WITH
// and the queries around, not its neighbours.
func (s *scope) withoutColumns() *scope {
	return &scope{parent: s.parent, tables: s.tables}
}

func (c *compiler) table(r *tableRelation, alias ident, names []ident, s *scope) (string, []column, error) {
	last := r.name[len(r.name)-1].key()
	name := alias.key()
	if name == "" {
		name = last
	}
	if len(r.name) == 1 {
		if t, ok := s.common(last); ok {
			columns, err := rename(t.columns, names, r.at())
			if err != nil {
				return "", nil, err
			}
			for i := range columns {
				columns[i].table = name
				columns[i].sql = quoteName(name) + "." + quoteName(t.columns[i].name)
				if t.columns[i].name == "" {
					return "", nil, failAt(r.at(), "a column of %s has no name; give it one by AS", last)
				}
			}
			return quoteName(last) + " AS " + quoteName(name), columns, nil
		}
	}
	if sql, columns, ok, err := c.catalog.information(r); err != nil {
		return "", nil, err
	} else if ok {
		return c.derived("("+sql+")", name, columns, &aliased{node: r.node, columns: names})
	}
	t, err := c.catalog.table(r)
	if err != nil {
		return "", nil, err
	}
	var visible []column
	for _, col := range t.columns {
		visible = append(visible, column{name: strings.ToLower(col.name), typ: col.typ, finite: col.finite})
	}
	columns, err := rename(visible, names, r.at())
	if err != nil {
		return "", nil, err
	}
	for i := range columns {
		columns[i].table = name
		columns[i].sql = quoteName(name) + "." + quoteName(t.columns[i].name)
	}
	if t.path != "" {
		columns = append(columns, column{table: name, name: "$path", typ: scalar(varcharType), hidden: true, system: true,
			sql: strings.ReplaceAll(t.path, "$table", quoteName(name))})
	}
	return quoteName(t.name) + " AS " + quoteName(name), columns, nil
}

func (c *compiler) sample(r *sampled, s *scope) (string, []column, error) {
	sql, columns, err := c.relation(r.x, s)
	if err != nil {
		return "", nil, err
	}
	l, ok := r.percent.(*literal)
	if !ok || l.kind != number {
		return "", nil, failAt(r.percent.at(), "TABLESAMPLE takes a number of percent")
	}
	if p, err := strconv.ParseFloat(l.text, 64); err != nil || p > 100 {
		return "", nil, failAt(r.percent.at(), "Sample percentage must be between 0 and 100")
	}
	return fmt.Sprintf("%s TABLESAMPLE %s(%s PERCENT)", sql, strings.ToLower(r.method), l.text), columns, nil
}

func (c *compiler) join(j *join, s *scope) (string, []column, error) {
	left, lc, err := c.relation(j.l, s)
	if err != nil {
		return "", nil, err
	}
	lateral := &scope{parent: s.parent, tables: s.tables, columns: append(append([]column(nil), s.columns...), lc...)}
	right, rc, err := c.relation(j.r, lateral)
	if err != nil {
		return "", nil, err
	}
	for _, a := range lc {
		if len(rc) > 0 && a.table == rc[0].table && a.table != "" {
			return "", nil, failAt(j.r.at(), "two relations have the name %s; give one of them an alias", a.table)
		}
	}
	columns := append(append([]column(nil), lc...), rc...)
	if j.kind == "CROSS" {
		return left + " CROSS JOIN " + right, columns, nil
	}
	words := map[string]string{"INNER": " JOIN ", "LEFT": " LEFT JOIN ", "RIGHT": " RIGHT JOIN ", "FULL": " FULL JOIN "}[j.kind]
	if len(j.using) > 0 {
		return c.using(j, left+words+right, lc, rc)
	}
	inner := &scope{parent: s, columns: columns, tables: s.tables}
	v, err := c.condition(j.on, inner, "JOIN ON")
	if err != nil {
		return "", nil, err
	}
	if isLateral(j.r) && !strings.EqualFold(v.sql, "true") && j.kind != "INNER" {
		return "", nil, failAt(j.on.at(), "%s JOIN UNNEST or LATERAL takes ON true", j.kind)
	}
	return left + words + right + " ON " + v.sql, columns, nil
}

func isLateral(r relation) bool {
	switch r := r.(type) {
	case *aliased:
		return isLateral(r.x)
	case *unnestRelation:
		return true
	case *queryRelation:
		return r.lateral
	}
	return false
}

// using joins by columns of both sides, which then are one.
func (c *compiler) using(j *join, sql string, lc, rc []column) (string, []column, error) {
	var merged, rest []column
	var conditions []string
	lc, rc = append([]column(nil), lc...), append([]column(nil), rc...)
	for _, n := range j.using {
		l, r := find(lc, n.key()), find(rc, n.key())
		if l < 0 || r < 0 {
			side := "left"
			if l >= 0 {
				side = "right"
			}
			return "", nil, failAt(j.at(), "Column '%s' is missing from %s side of join", n.text, side)
		}
		condition, err := compare(j, "=", lc[l].value(), rc[r].value())
		if err != nil {
			return "", nil, err
		}
		conditions = append(conditions, condition.sql)
		t := common(lc[l].typ, rc[r].typ)
		one := column{name: n.key(), typ: t, finite: lc[l].finite && rc[r].finite}
		switch j.kind {
		case "RIGHT":
			one.sql = coerce(rc[r].value(), t).sql
		case "FULL":
			one.sql = "coalesce(" + coerce(lc[l].value(), t).sql + ", " + coerce(rc[r].value(), t).sql + ")"
		default:
			one.sql = coerce(lc[l].value(), t).sql
		}
		merged = append(merged, one)
		lc[l].hidden, lc[l].name = true, ""
		rc[r].hidden, rc[r].name = true, ""
	}
	rest = append(append(rest, lc...), rc...)
	return sql + " ON " + strings.Join(conditions, " AND "), append(merged, rest...), nil
}

func find(columns []column, name string) int {
	for i, c := range columns {
		if c.name == name && !c.hidden {
			return i
		}
	}
	return -1
}

// unnest writes a query that makes rows out of arrays and maps side by side;
// where one is shorter NULLs follow.
func (c *compiler) unnest(u *unnestRelation, s *scope) (string, []column, error) {
	var items []string
	var columns []column
	var lists []string
	add := func(sql string, t *dataType) {
		columns = append(columns, column{typ: t})
		items = append(items, sql+" AS c"+strconv.Itoa(len(columns)))
	}
	for _, x := range u.items {
		v, err := c.expression(x, s)
		if err != nil {
			return "", nil, err
		}
		switch v.typ.kind {
		case arrayType:
			lists = append(lists, v.sql)
			if v.typ.elem.kind == rowType {
				for i, f := range v.typ.elem.fields {
					p := c.parameter()
					add(fmt.Sprintf("unnest(list_transform(%s, lambda %s: struct_extract(%s, %s)))", v.sql, p, p, quoteText(v.typ.elem.fieldName(i))), f.typ)
				}
				continue
			}
			add("unnest("+v.sql+")", v.typ.elem)
		case mapType:
			lists = append(lists, "map_keys("+v.sql+")")
			add("unnest(map_keys("+v.sql+"))", v.typ.key)
			add("unnest(map_values("+v.sql+"))", v.typ.elem)
		default:
			return "", nil, failAt(x.at(), "Cannot unnest type: %s", v.typ)
		}
	}
	if u.ordinality {
		longest := lists[0]
		for _, l := range lists[1:] {
			longest = "CASE WHEN coalesce(len(" + longest + "), 0) >= coalesce(len(" + l + "), 0) THEN trino_ordinals(" + longest + ") ELSE trino_ordinals(" + l + ") END"
		}
		add("unnest(trino_ordinals("+longest+"))", scalar(bigintType))
	}
	return "SELECT " + strings.Join(items, ", "), columns, nil
}

func (c *compiler) parameter() string {
	c.lambdas++
	return "p" + strconv.Itoa(c.lambdas) + "_"
}
