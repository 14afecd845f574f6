package store

import (
	"strings"
	"time"

	"tapedeck/pipeline/market"
	"tapedeck/store/lake"
)

// bounds finds out which own times of a table a statement can need, from the
// constants that it compares with. It only spares the opening of files: where
// it is not sure it leaves the bounds open, and DuckDB filters anyhow.
func (w *walker) bounds(root any, table string) bounds {
	t := lake.TableOf(table)
	all := bounds{}
	first := true
	references, bounded := 0, 0
	w.selects(root, func(node map[string]any) {
		from, _ := node["from_table"].(map[string]any)
		if text(from, "type") != "BASE_TABLE" || !strings.EqualFold(text(from, "table_name"), table) {
			return
		}
		b := bounds{}
		own := ownColumn{table: table, alias: text(from, "alias"), time: t.Time}
		conjuncts(node["where_clause"], func(e map[string]any) { b.narrow(e, own) })
		bounded++
		if first {
			all, first = b, false
			return
		}
		all = all.union(b)
	})
	countTables(root, table, &references)
	if references != bounded { // in a join, say: any row may be needed
		return bounds{}
	}
	return all
}

func (b bounds) union(o bounds) bounds {
	u := bounds{min(b.from, o.from), max(b.to, o.to)}
	if b.from == 0 || o.from == 0 {
		u.from = 0
	}
	if b.to == 0 || o.to == 0 {
		u.to = 0
	}
	return u
}

// selects calls fn for every SELECT node.
func (w *walker) selects(node any, fn func(map[string]any)) {
	switch n := node.(type) {
	case map[string]any:
		if n["type"] == "SELECT_NODE" {
			fn(n)
		}
		for _, child := range n {
			w.selects(child, fn)
		}
	case []any:
		for _, child := range n {
			w.selects(child, fn)
		}
	}
}

func countTables(node any, table string, count *int) {
	switch n := node.(type) {
	case map[string]any:
		if n["type"] == "BASE_TABLE" && strings.EqualFold(text(n, "table_name"), table) {
			*count++
		}
		for _, child := range n {
			countTables(child, table, count)
		}
	case []any:
		for _, child := range n {
			countTables(child, table, count)
		}
	}
}

// conjuncts calls fn for the conditions that must all hold.
func conjuncts(node any, fn func(map[string]any)) {
	n, _ := node.(map[string]any)
	if n == nil {
		return
	}
	if text(n, "type") == "CONJUNCTION_AND" {
		children, _ := n["children"].([]any)
		for _, c := range children {
			conjuncts(c, fn)
		}
		return
	}
	fn(n)
}

// narrow takes one condition into account.
func (b *bounds) narrow(e map[string]any, own ownColumn) {
	if text(e, "type") == "COMPARE_BETWEEN" {
		input, _ := e["input"].(map[string]any)
		b.compare("COMPARE_GREATERTHANOREQUALTO", input, e["lower"], own)
		b.compare("COMPARE_LESSTHANOREQUALTO", input, e["upper"], own)
		return
	}
	left, _ := e["left"].(map[string]any)
	right, _ := e["right"].(map[string]any)
	if text(left, "class") == "COLUMN_REF" {
		b.compare(text(e, "type"), left, right, own)
	} else if text(right, "class") == "COLUMN_REF" {
		b.compare(mirrored[text(e, "type")], right, left, own)
	}
}

var mirrored = map[string]string{
	"COMPARE_EQUAL":                "COMPARE_EQUAL",
	"COMPARE_LESSTHAN":             "COMPARE_GREATERTHAN",
	"COMPARE_LESSTHANOREQUALTO":    "COMPARE_GREATERTHANOREQUALTO",
	"COMPARE_GREATERTHAN":          "COMPARE_LESSTHAN",
	"COMPARE_GREATERTHANOREQUALTO": "COMPARE_LESSTHANOREQUALTO",
}

func (b *bounds) compare(op string, column map[string]any, value any, own ownColumn) {
	isTime, isDate := own.is(column)
	if !isTime && !isDate {
		return
	}
	v, _ := value.(map[string]any)
	at, ok := constant(v, isDate)
	if !ok {
		return
	}
	length := time.Microsecond
	if isDate {
		length = 24 * time.Hour
	}
	switch op {
	case "COMPARE_EQUAL":
		b.atLeast(at)
		b.below(at.Add(length))
	case "COMPARE_GREATERTHAN", "COMPARE_GREATERTHANOREQUALTO":
		b.atLeast(at)
	case "COMPARE_LESSTHAN", "COMPARE_LESSTHANOREQUALTO":
		b.below(at.Add(length))
	}
}

// ownColumn tells a table's time and date from columns of other tables, which
// a correlated subquery may name.
type ownColumn struct{ table, alias, time string }

func (o ownColumn) is(column map[string]any) (isTime, isDate bool) {
	if text(column, "class") != "COLUMN_REF" {
		return false, false
	}
	parts, _ := column["column_names"].([]any)
	if len(parts) == 0 || len(parts) > 2 {
		return false, false
	}
	if len(parts) == 2 {
		qualifier, _ := parts[0].(string)
		if !strings.EqualFold(qualifier, o.alias) && (o.alias != "" || !strings.EqualFold(qualifier, o.table)) {
			return false, false
		}
	}
	last, _ := parts[len(parts)-1].(string)
	return strings.EqualFold(last, o.time), strings.EqualFold(last, "date")
}

func (b *bounds) atLeast(t market.Time) {
	if b.from == 0 || t > b.from {
		b.from = t
	}
}

func (b *bounds) below(t market.Time) {
	if b.to == 0 || t < b.to {
		b.to = t
	}
}

// constant reads a text constant, or one that is cast to a timestamp or date.
func constant(e map[string]any, isDate bool) (market.Time, bool) {
	if text(e, "type") == "OPERATOR_CAST" || text(e, "class") == "CAST" {
		to, _ := e["cast_type"].(map[string]any)
		if id := text(to, "id"); id != "TIMESTAMP" && id != "DATE" && id != "TIMESTAMP WITH TIME ZONE" {
			return 0, false
		}
		e, _ = e["child"].(map[string]any)
	}
	if text(e, "class") != "CONSTANT" {
		return 0, false
	}
	value, _ := e["value"].(map[string]any)
	s, ok := value["value"].(string)
	if !ok || len(s) < len("2006-01-02") || strings.Count(s, "-") < 2 {
		return 0, false
	}
	if isDate && len(s) != len("2006-01-02") {
		return 0, false
	}
	t, err := market.ParseTime(s)
	return t, err == nil && t != 0
}
