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
		joined := text(fromOf(node), "type") == "JOIN"
		for _, from := range joinedTables(fromOf(node)) {
			if !strings.EqualFold(text(from, "table_name"), table) {
				continue
			}
			b := bounds{}
			own := ownColumn{table: table, alias: text(from, "alias"), time: t.Time, joined: joined}
			conjuncts(node["where_clause"], func(e map[string]any) { b.narrow(e, own) })
			bounded++
			if first {
				all, first = b, false
				continue
			}
			all = all.union(b)
		}
	})
	countTables(root, table, &references)
	if references != bounded { // somewhere that is not understood here
		return bounds{}
	}
	return all
}

func fromOf(node map[string]any) map[string]any {
	from, _ := node["from_table"].(map[string]any)
	return from
}

// joinedTables are the tables that a FROM names, by themselves or in joins
// whose result loses nothing that matters when rows are missing which the
// WHERE would leave out: a condition on a column is not true of NULL, so that
// this holds of outer joins, too. An ASOF join would take another row instead.
func joinedTables(from map[string]any) []map[string]any {
	switch text(from, "type") {
	case "BASE_TABLE":
		return []map[string]any{from}
	case "JOIN":
		switch text(from, "ref_type") {
		case "REGULAR", "CROSS", "NATURAL":
		default:
			return nil
		}
		switch text(from, "join_type") {
		case "INNER", "LEFT", "RIGHT", "OUTER", "FULL", "":
		default: // of a semi or anti join the columns are not seen by the WHERE
			return nil
		}
		left, _ := from["left"].(map[string]any)
		right, _ := from["right"].(map[string]any)
		return append(joinedTables(left), joinedTables(right)...)
	}
	return nil
}

func (b bounds) union(o bounds) bounds {
	u := bounds{from: min(b.from, o.from), to: max(b.to, o.to), coarse: b.coarse && o.coarse}
	if b.from == 0 || o.from == 0 {
		u.from = 0
	}
	if b.to == 0 || o.to == 0 {
		u.to = 0
	}
	if b.hours != 0 && o.hours != 0 {
		u.hours = b.hours | o.hours
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
	if text(e, "type") == "COMPARE_IN" {
		b.among(e, own)
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

// among takes hour IN ('14', '15') or date IN (…) into account.
func (b *bounds) among(e map[string]any, own ownColumn) {
	children, _ := e["children"].([]any)
	if len(children) < 2 {
		return
	}
	column, _ := children[0].(map[string]any)
	var any bounds
	for i, c := range children[1:] {
		var one bounds
		one.compare("COMPARE_EQUAL", column, c, own)
		if one == (bounds{}) {
			return
		}
		if i == 0 {
			any = one
		} else {
			any = any.union(one)
		}
	}
	if any.from != 0 {
		b.atLeast(any.from)
	}
	if any.to != 0 {
		b.below(any.to)
	}
	b.hour(any.hours)
}

func (b *bounds) compare(op string, column map[string]any, value any, own ownColumn) {
	if own.isHour(column) {
		v, _ := value.(map[string]any)
		if constant, _ := v["value"].(map[string]any); text(v, "class") == "CONSTANT" {
			if s, ok := constant["value"].(string); ok {
				b.hour(hoursThat(op, s))
			}
		}
		return
	}
	if own.table == lake.Bars && strings.EqualFold(own.named(column), "interval") {
		v, _ := value.(map[string]any)
		constant, _ := v["value"].(map[string]any)
		s, ok := constant["value"].(string)
		b.coarse = b.coarse || op == "COMPARE_EQUAL" && text(v, "class") == "CONSTANT" && ok && s != market.Second.String()
		return
	}
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
type ownColumn struct {
	table, alias, time string
	joined             bool // with others: a bare name may be theirs
}

func (o ownColumn) is(column map[string]any) (isTime, isDate bool) {
	name := o.named(column)
	return strings.EqualFold(name, o.time), strings.EqualFold(name, "date")
}

func (o ownColumn) isHour(column map[string]any) bool {
	return strings.EqualFold(o.named(column), "hour")
}

// named is the name of one of the table's own columns; else empty.
func (o ownColumn) named(column map[string]any) string {
	if text(column, "class") != "COLUMN_REF" {
		return ""
	}
	parts, _ := column["column_names"].([]any)
	if len(parts) == 0 || len(parts) > 2 || len(parts) == 1 && o.joined {
		return ""
	}
	if len(parts) == 2 {
		qualifier, _ := parts[0].(string)
		if !strings.EqualFold(qualifier, o.alias) && (o.alias != "" || !strings.EqualFold(qualifier, o.table)) {
			return ""
		}
	}
	last, _ := parts[len(parts)-1].(string)
	return last
}

// noHour marks hours as asked for, also where there are none of them.
const noHour = 1 << 31

// hour narrows the hours of the day; 0 does not.
func (b *bounds) hour(hours uint32) {
	switch {
	case hours == 0:
	case b.hours == 0:
		b.hours = hours
	default:
		b.hours = b.hours&hours | noHour
	}
}

// hoursThat are the hours, two digits as text, of which a comparison is true.
func hoursThat(op, s string) uint32 {
	hours := uint32(noHour)
	for h := range 24 {
		name := string([]byte{byte('0' + h/10), byte('0' + h%10)})
		var is bool
		switch op {
		case "COMPARE_EQUAL":
			is = name == s
		case "COMPARE_GREATERTHAN":
			is = name > s
		case "COMPARE_GREATERTHANOREQUALTO":
			is = name >= s
		case "COMPARE_LESSTHAN":
			is = name < s
		case "COMPARE_LESSTHANOREQUALTO":
			is = name <= s
		default:
			return 0
		}
		if is {
			hours |= 1 << h
		}
	}
	return hours
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
