package athena

import (
	"fmt"
	"strconv"
	"strings"
)

// compiler writes DuckDB's SQL for one statement.
type compiler struct {
	catalog *catalog
	library *library
	lambdas int // parameters named so far
	unnests int
}

// maxOutput bounds the text that is written: arguments that stand twice in a
// function's meaning could otherwise double it with every nesting.
const maxOutput = 4 << 20

func (c *compiler) query(q *query, outer *scope) (string, []column, error) {
	s := &scope{parent: outer, tables: map[string]commonResult{}}
	var b strings.Builder
	for i, w := range q.with {
		sql, columns, err := c.commonTable(w, q.recursive, s)
		if err != nil {
			return "", nil, err
		}
		if i == 0 {
			b.WriteString("WITH ")
			if q.recursive {
				b.WriteString("RECURSIVE ")
			}
		} else {
			b.WriteString(", ")
		}
		names := make([]string, len(columns))
		for i, col := range columns {
			names[i] = quoteName(col.name)
		}
		fmt.Fprintf(&b, "%s(%s) AS (%s)", quoteName(w.name), strings.Join(names, ", "), sql)
		s.tables[w.name] = commonResult{columns}
	}
	if len(q.with) > 0 {
		b.WriteString(" ")
	}
	var body string
	var columns []column
	var err error
	if sel, ok := q.body.(*selectBody); ok {
		body, columns, err = c.selection(sel, q.order, s)
	} else {
		body, columns, err = c.body(q.body, s)
		if err == nil && len(q.order) > 0 {
			body, err = c.orderAround(body, columns, q.order, s)
		}
	}
	if err != nil {
		return "", nil, err
	}
	if _, nested := q.body.(*nestedBody); nested && (q.limit != nil || q.offset != nil) && len(q.order) == 0 {
		body = "SELECT * FROM (" + body + ")"
	}
	b.WriteString(body)
	if q.limit != nil {
		b.WriteString(" LIMIT " + q.limit.(*literal).text)
	}
	if q.offset != nil {
		b.WriteString(" OFFSET " + q.offset.(*literal).text)
	}
	if b.Len() > maxOutput {
		return "", nil, failAt(q.at(), "the statement grows too large; give its inner parts names by WITH")
	}
	return b.String(), columns, nil
}

func (c *compiler) commonTable(w commonTable, recursive bool, s *scope) (string, []column, error) {
	if set, ok := w.q.body.(*setBody); ok && recursive && set.op == "UNION" && len(w.q.with) == 0 && len(w.q.order) == 0 && w.q.limit == nil && w.q.offset == nil {
		base, columns, err := c.body(set.l, s)
		if err != nil {
			return "", nil, err
		}
		if columns, err = rename(columns, w.columns, w.at()); err != nil {
			return "", nil, err
		}
		inner := &scope{parent: s, tables: map[string]commonResult{w.name: {columns}}}
		step, more, err := c.body(set.r, inner)
		if err != nil {
			return "", nil, err
		}
		if len(more) != len(columns) {
			return "", nil, failAt(set.at(), "the parts of a recursive query differ in their number of columns")
		}
		for i := range columns {
			if !coercible(more[i].typ, columns[i].typ) {
				return "", nil, failAt(set.at(), "column %d of the recursive part is %s, but %s in the first part", i+1, more[i].typ, columns[i].typ)
			}
		}
		all := ""
		if set.all {
			all = " ALL"
		}
		return "(" + castColumns(base, columns, columns) + ") UNION" + all + " (" + castColumns(step, more, columns) + ")", columns, nil
	}
	sql, columns, err := c.query(w.q, s)
	if err != nil {
		return "", nil, err
	}
	columns, err = rename(columns, w.columns, w.at())
	return sql, columns, err
}

// rename gives columns the names of an alias list, and names to all that have none.
func rename(columns []column, names []ident, at int) ([]column, error) {
	if len(names) > 0 && len(names) != len(columns) {
		return nil, failAt(at, "Column alias list has %d entries but relation has %d columns", len(names), len(columns))
	}
	out := make([]column, len(columns))
	for i, c := range columns {
		if len(names) > 0 {
			c.name = names[i].key()
		}
		out[i] = c
	}
	return out, nil
}

func (c *compiler) body(b queryBody, s *scope) (string, []column, error) {
	switch b := b.(type) {
	case *selectBody:
		return c.selection(b, nil, s)
	case *nestedBody:
		sql, columns, err := c.query(b.q, s)
		return sql, columns, err
	case *tableBody:
		star := &selectBody{node: b.node, items: []selectItem{{node: b.node, star: true}}, from: &tableRelation{b.node, b.name}}
		return c.selection(star, nil, s)
	case *valuesBody:
		return c.values(b, s)
	case *setBody:
		return c.setOperation(b, s)
	}
	return "", nil, failAt(b.at(), "this query cannot be given here")
}

func (c *compiler) setOperation(b *setBody, s *scope) (string, []column, error) {
	left, lc, err := c.body(b.l, s)
	if err != nil {
		return "", nil, err
	}
	right, rc, err := c.body(b.r, s)
	if err != nil {
		return "", nil, err
	}
	if len(lc) != len(rc) {
		return "", nil, failAt(b.at(), "%s query has different number of fields: %d, %d", b.op, len(lc), len(rc))
	}
	columns := make([]column, len(lc))
	for i := range lc {
		t := common(lc[i].typ, rc[i].typ)
		if t == nil {
			return "", nil, failAt(b.at(), "column %d in %s query has incompatible types: %s, %s", i+1, b.op, lc[i].typ, rc[i].typ)
		}
		columns[i] = column{name: lc[i].name, typ: t, finite: lc[i].finite && rc[i].finite}
	}
	op := b.op
	if b.all {
		op += " ALL"
	}
	sql := "(" + castColumns(left, lc, columns) + ") " + op + " (" + castColumns(right, rc, columns) + ")"
	return sql, columns, nil
}

// castColumns brings a query's columns to types.
func castColumns(sql string, from, to []column) string {
	equal := true
	for i := range from {
		equal = equal && same(from[i].typ, to[i].typ)
	}
	if equal {
		return sql
	}
	names := make([]string, len(from))
	items := make([]string, len(from))
	for i := range from {
		names[i] = "c" + strconv.Itoa(i)
		items[i] = coerce(value{sql: names[i], typ: from[i].typ}, to[i].typ).sql + " AS " + quoteName(outputName(to[i].name, i))
	}
	return "SELECT " + strings.Join(items, ", ") + " FROM (" + sql + ") AS q(" + strings.Join(names, ", ") + ")"
}

func outputName(name string, i int) string {
	if name == "" {
		return "_col" + strconv.Itoa(i)
	}
	return name
}

// orderAround sorts what is no plain SELECT.
func (c *compiler) orderAround(sql string, columns []column, order []sortItem, s *scope) (string, error) {
	inner := &scope{parent: s}
	names := make([]string, len(columns))
	var outputs []string
	for i, col := range columns {
		names[i] = "c" + strconv.Itoa(i)
		col.sql = "q." + names[i]
		inner.columns = append(inner.columns, col)
		outputs = append(outputs, col.sql+" AS "+quoteName(outputName(col.name, i)))
	}
	keys := make([]string, len(order))
	for i, o := range order {
		var key string
		if n, ok := ordinal(o.x); ok {
			if n < 1 || n > len(columns) {
				return "", failAt(o.x.at(), "ORDER BY position %d is not in select list", n)
			}
			key = "q.c" + strconv.Itoa(n-1)
		} else {
			v, err := c.expression(o.x, inner)
			if err != nil {
				return "", err
			}
			key = v.sql
		}
		keys[i] = key + direction(o)
	}
	return "SELECT " + strings.Join(outputs, ", ") + " FROM (" + sql + ") AS q(" + strings.Join(names, ", ") + ") ORDER BY " + strings.Join(keys, ", "), nil
}

func ordinal(x expression) (int, bool) {
	l, ok := x.(*literal)
	if !ok || l.kind != number {
		return 0, false
	}
	n, err := strconv.Atoi(l.text)
	return n, err == nil
}

// direction writes the order out: in Trino NULL comes last in both directions.
func direction(o sortItem) string {
	s := " ASC"
	if o.descending {
		s = " DESC"
	}
	if o.nullsFirst {
		return s + " NULLS FIRST"
	}
	return s + " NULLS LAST"
}

func (c *compiler) values(b *valuesBody, s *scope) (string, []column, error) {
	var rows [][]value
	for _, x := range b.rows {
		items := []expression{x}
		if r, ok := x.(*rowOf); ok {
			items = r.items
		}
		row, err := c.expressions(items, s)
		if err != nil {
			return "", nil, err
		}
		if len(rows) > 0 && len(row) != len(rows[0]) {
			return "", nil, failAt(x.at(), "Values rows have mismatched sizes: %d vs %d", len(rows[0]), len(row))
		}
		rows = append(rows, row)
	}
	columns := make([]column, len(rows[0]))
	for i := range columns {
		columns[i] = column{typ: rows[0][i].typ, finite: true}
		for j, row := range rows {
			t := common(columns[i].typ, row[i].typ)
			if t == nil {
				return "", nil, failAt(b.rows[j].at(), "Values rows have mismatched types: %s and %s", columns[i].typ, row[i].typ)
			}
			columns[i].typ = t
			columns[i].finite = columns[i].finite && row[i].finite
		}
	}
	lines := make([]string, len(rows))
	for j, row := range rows {
		items := make([]string, len(row))
		for i, v := range row {
			v = coerce(v, columns[i].typ)
			if j == 0 {
				v.sql = "CAST(" + v.sql + " AS " + columns[i].typ.duck() + ")"
			}
			items[i] = v.sql
		}
		lines[j] = "(" + strings.Join(items, ", ") + ")"
	}
	names := make([]string, len(columns))
	for i := range columns {
		names[i] = quoteName(outputName("", i))
	}
	return "SELECT * FROM (VALUES " + strings.Join(lines, ", ") + ") AS v(" + strings.Join(names, ", ") + ")", columns, nil
}

func (c *compiler) selection(b *selectBody, order []sortItem, outer *scope) (string, []column, error) {
	s := &scope{parent: outer, windows: map[string]*window{}}
	from := ""
	if b.from != nil {
		sql, columns, err := c.relation(b.from, s)
		if err != nil {
			return "", nil, err
		}
		from, s.columns = " FROM "+sql, columns
	}
	for _, w := range b.windows {
		s.windows[w.name] = w.w
	}
	where := ""
	if b.where != nil {
		v, err := c.condition(b.where, s, "WHERE")
		if err != nil {
			return "", nil, err
		}
		where = " WHERE " + v.sql
	}
	outputs, err := c.items(b, s)
	if err != nil {
		return "", nil, err
	}
	if len(outputs) == 0 {
		return "", nil, failAt(b.at(), "there is no column to select")
	}
	list := make([]string, len(outputs))
	for i, o := range outputs {
		list[i] = o.sql + " AS " + quoteName(outputName(o.name, i))
	}
	group, err := c.groupBy(b, outputs, s)
	if err != nil {
		return "", nil, err
	}
	having := ""
	if b.having != nil {
		v, err := c.condition(b.having, s, "HAVING")
		if err != nil {
			return "", nil, err
		}
		having = " HAVING " + v.sql
	}
	keys := ""
	if len(order) > 0 {
		if keys, err = c.orderBy(b, order, outputs, s); err != nil {
			return "", nil, err
		}
	}
	distinct := ""
	if b.distinct {
		distinct = "DISTINCT "
	}
	sql := "SELECT " + distinct + strings.Join(list, ", ") + from + where + group + having + keys
	columns := make([]column, len(outputs))
	for i, o := range outputs {
		columns[i] = column{name: o.name, typ: o.typ, finite: o.finite}
	}
	return sql, columns, nil
}

func (c *compiler) condition(x expression, s *scope, clause string) (value, error) {
	v, err := c.expression(x, s)
	if err != nil {
		return v, err
	}
	if !v.typ.is(booleanType, unknownType) {
		return v, failAt(x.at(), "%s clause must evaluate to a boolean: actual type %s", clause, v.typ)
	}
	return v, nil
}

// items are a SELECT's columns with their expressions.
func (c *compiler) items(b *selectBody, s *scope) ([]column, error) {
	var outputs []column
	for _, item := range b.items {
		if item.star {
			more, err := c.star(item, b, s)
			if err != nil {
				return nil, err
			}
			outputs = append(outputs, more...)
			continue
		}
		v, err := c.expression(item.x, s)
		if err != nil {
			return nil, err
		}
		if v.typ.kind == functionType {
			return nil, failAt(item.at(), "a lambda can only be an argument of a function")
		}
		col := column{sql: v.sql, typ: v.typ, finite: v.finite}
		switch x := item.x.(type) {
		case *reference:
			col.name = x.parts[len(x.parts)-1].key()
		case *field:
			col.name = x.name.key()
		}
		if item.alias != nil {
			col.name = item.alias.key()
		}
		outputs = append(outputs, col)
	}
	return outputs, nil
}

func (c *compiler) star(item selectItem, b *selectBody, s *scope) ([]column, error) {
	var outputs []column
	if item.of == nil {
		if b.from == nil {
			return nil, failAt(item.at(), "SELECT * not allowed in queries without FROM clause")
		}
		for _, col := range s.columns {
			if !col.hidden {
				outputs = append(outputs, col)
			}
		}
		return outputs, nil
	}
	r, ok := item.of.(*reference)
	if !ok {
		return nil, failAt(item.at(), "rows are not taken apart here by (…).*; name their fields")
	}
	table := r.parts[len(r.parts)-1].key()
	for scope := s; scope != nil && len(outputs) == 0; scope = scope.parent {
		for _, col := range scope.columns {
			if col.table == table && (!col.hidden || col.table == table && !col.system) {
				outputs = append(outputs, col)
			}
		}
	}
	if len(outputs) == 0 {
		return nil, failAt(item.at(), "Unable to resolve reference %s", quoteRef(r.parts))
	}
	if len(item.aliases) > 0 {
		return rename(outputs, item.aliases, item.at())
	}
	return outputs, nil
}

func (c *compiler) groupBy(b *selectBody, outputs []column, s *scope) (string, error) {
	if !b.grouped {
		return "", nil
	}
	var parts []string
	for _, g := range b.groupBy {
		var sets []string
		for _, items := range g.sets {
			var list []string
			for _, x := range items {
				sql, err := c.groupKey(g, x, outputs, s)
				if err != nil {
					return "", err
				}
				list = append(list, sql)
			}
			switch {
			case g.kind == "" && len(list) == 0:
				sets = append(sets, "()")
			case g.kind == "" || len(list) == 1:
				sets = append(sets, strings.Join(list, ", "))
			default:
				sets = append(sets, "("+strings.Join(list, ", ")+")")
			}
		}
		switch g.kind {
		case "":
			parts = append(parts, sets...)
		case "SETS":
			parts = append(parts, "GROUPING SETS ("+strings.Join(sets, ", ")+")")
		default:
			parts = append(parts, g.kind+" ("+strings.Join(sets, ", ")+")")
		}
	}
	return " GROUP BY " + strings.Join(parts, ", "), nil
}

func (c *compiler) groupKey(g grouping, x expression, outputs []column, s *scope) (string, error) {
	if n, ok := ordinal(x); ok && g.kind == "" {
		if n < 1 || n > len(outputs) {
			return "", failAt(x.at(), "GROUP BY position %d is not in select list", n)
		}
		return strconv.Itoa(n), nil
	}
	if _, ok := x.(*reference); !ok && g.kind != "" {
		return "", failAt(x.at(), "%s takes columns only; compute the expression in a subquery", strings.ReplaceAll(g.kind, "SETS", "GROUPING SETS"))
	}
	v, err := c.expression(x, s)
	if err != nil {
		return "", err
	}
	if v.typ.kind == functionType {
		return "", failAt(x.at(), "a lambda cannot be grouped by")
	}
	return v.sql, nil
}

func (c *compiler) orderBy(b *selectBody, order []sortItem, outputs []column, s *scope) (string, error) {
	inner := &scope{parent: s, windows: s.windows}
	seen := map[string]int{}
	for _, o := range outputs {
		seen[o.name]++
	}
	for _, o := range outputs {
		if o.name != "" && (seen[o.name] == 1 || same1(outputs, o.name)) {
			inner.outputs = append(inner.outputs, o)
		}
	}
	keys := make([]string, len(order))
	for i, o := range order {
		if n, ok := ordinal(o.x); ok {
			if n < 1 || n > len(outputs) {
				return "", failAt(o.x.at(), "ORDER BY position %d is not in select list", n)
			}
			keys[i] = strconv.Itoa(n) + direction(o)
			continue
		}
		v, err := c.expression(o.x, inner)
		if err != nil {
			return "", err
		}
		if v.typ.is(mapType, jsonType, functionType) {
			return "", failAt(o.x.at(), "Type %s is not orderable, and therefore cannot be used in ORDER BY", v.typ)
		}
		key := v.sql
		position := -1
		for j, out := range outputs {
			if out.sql == v.sql {
				position = j
				break
			}
		}
		switch {
		case position >= 0:
			key = strconv.Itoa(position + 1)
		case b.distinct:
			return "", failAt(o.x.at(), "For SELECT DISTINCT, ORDER BY expressions must appear in select list")
		case v.constant:
			continue
		}
		keys[i] = key + direction(o)
	}
	kept := keys[:0]
	for _, k := range keys {
		if k != "" {
			kept = append(kept, k)
		}
	}
	if len(kept) == 0 {
		return "", nil
	}
	return " ORDER BY " + strings.Join(kept, ", "), nil
}

// same1 says that all outputs of a name are one expression.
func same1(outputs []column, name string) bool {
	sql := ""
	for _, o := range outputs {
		if o.name == name {
			if sql != "" && o.sql != sql {
				return false
			}
			sql = o.sql
		}
	}
	return true
}
