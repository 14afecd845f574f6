package athena

import (
	"fmt"
	"slices"
	"strings"
)

// Table is a table that statements can name.
type Table struct {
	Name    string
	Columns []Column
	// Path is DuckDB's expression for the hidden column "$path" of a row, with
	// $table for the row's table; empty: there is none.
	Path string
	// Partitions is a query, in DuckDB's SQL, whose rows are what SHOW
	// PARTITIONS prints; empty: the table has no partitions.
	Partitions string
	// Create is what SHOW CREATE TABLE prints; empty: it is refused.
	Create string
}

// Column is a column of a Table.
type Column struct {
	Name string
	Type string // Trino's or DuckDB's name of it
	// Partition says that the column is a partition's key.
	Partition bool
	// NaN says that the column can hold NaN, which costs a test wherever it is
	// compared.
	NaN bool
}

type catalog struct {
	tables []*catalogTable
}

type catalogTable struct {
	name       string
	columns    []catalogColumn
	path       string
	partitions string
	create     string
}

type catalogColumn struct {
	name      string
	typ       *dataType
	finite    bool
	partition bool
}

func newCatalog(tables []Table) (*catalog, error) {
	c := &catalog{}
	for _, t := range tables {
		out := &catalogTable{name: t.Name, path: t.Path, partitions: t.Partitions, create: t.Create}
		for _, col := range t.Columns {
			typ, err := duckType(col.Type)
			if err != nil {
				return nil, fmt.Errorf("table %s, column %s: %w", t.Name, col.Name, err)
			}
			out.columns = append(out.columns, catalogColumn{col.Name, typ, !col.NaN, col.Partition})
		}
		c.tables = append(c.tables, out)
	}
	return c, nil
}

// schemas and catalogs under which Athena and Trino know the tables.
func knownQualifiers(name []ident) bool {
	return len(name) <= 3
}

func (c *catalog) table(r *tableRelation) (*catalogTable, error) {
	last := r.name[len(r.name)-1].key()
	if !knownQualifiers(r.name) {
		return nil, failAt(r.at(), "Table %s does not exist", quoteRef(r.name))
	}
	if strings.HasSuffix(last, "$partitions") {
		return nil, failAt(r.at(), "the table %s cannot be given here; write SHOW PARTITIONS %s", quoteRef(r.name), strings.TrimSuffix(last, "$partitions"))
	}
	names := make([]string, len(c.tables))
	for i, t := range c.tables {
		if strings.EqualFold(t.name, last) {
			return t, nil
		}
		names[i] = t.name
	}
	return nil, failAt(r.at(), "Table %s does not exist; there are %s", quoteRef(r.name), strings.Join(names, ", "))
}

// information gives the views of information_schema.
func (c *catalog) information(r *tableRelation) (string, []column, bool, error) {
	if len(r.name) < 2 || r.name[len(r.name)-2].key() != "information_schema" {
		return "", nil, false, nil
	}
	text := scalar(varcharType)
	columns := func(names ...string) []column {
		var list []column
		for _, n := range names {
			list = append(list, column{name: n, typ: text})
		}
		return list
	}
	var rows []string
	row := func(values ...string) {
		for i, v := range values {
			values[i] = quoteText(v)
		}
		rows = append(rows, "("+strings.Join(values, ", ")+")")
	}
	var cols []column
	switch r.name[len(r.name)-1].key() {
	case "tables":
		cols = columns("table_catalog", "table_schema", "table_name", "table_type")
		for _, t := range c.tables {
			row("awsdatacatalog", "tapedeck", t.name, "BASE TABLE")
		}
	case "columns":
		cols = columns("table_catalog", "table_schema", "table_name", "column_name", "is_nullable", "data_type", "extra_info")
		cols = append(cols, column{name: "ordinal_position", typ: scalar(bigintType)})
		for _, t := range c.tables {
			for i, col := range t.columns {
				extra := ""
				if col.partition {
					extra = "partition key"
				}
				rows = append(rows, fmt.Sprintf("('awsdatacatalog', 'tapedeck', %s, %s, 'YES', %s, %s, CAST(%d AS BIGINT))",
					quoteText(t.name), quoteText(strings.ToLower(col.name)), quoteText(col.typ.String()), quoteText(extra), i+1))
			}
		}
	case "schemata":
		cols = columns("catalog_name", "schema_name")
		row("awsdatacatalog", "tapedeck")
		row("awsdatacatalog", "information_schema")
	default:
		return "", nil, false, failAt(r.at(), "information_schema has tables, columns and schemata here")
	}
	return "VALUES " + strings.Join(rows, ", "), cols, true, nil
}

// show writes the query whose rows a SHOW or DESCRIBE prints.
func (c *catalog) show(s *showStatement, l *library) (string, error) {
	list := func(column string, values []string) string {
		if s.like != "" {
			match := likeMatcher(s.like)
			values = slices.DeleteFunc(values, func(v string) bool { return !match(v) })
		}
		if len(values) == 0 {
			return "SELECT CAST(NULL AS VARCHAR) AS " + quoteName(column) + " WHERE false"
		}
		for i, v := range values {
			values[i] = "(" + quoteText(v) + ")"
		}
		return "SELECT * FROM (VALUES " + strings.Join(values, ", ") + ") AS v(" + quoteName(column) + ")"
	}
	var t *catalogTable
	if s.what == "COLUMNS" || s.what == "PARTITIONS" || s.what == "CREATE TABLE" {
		var err error
		if t, err = c.table(&tableRelation{s.node, s.name}); err != nil {
			return "", err
		}
	}
	switch s.what {
	case "TABLES":
		var names []string
		for _, t := range c.tables {
			names = append(names, t.name)
		}
		slices.Sort(names)
		return list("tab_name", names), nil
	case "COLUMNS":
		var rows []string
		for _, col := range t.columns {
			extra := ""
			if col.partition {
				extra = "partition key"
			}
			rows = append(rows, fmt.Sprintf("(%s, %s, %s, '')", quoteText(strings.ToLower(col.name)), quoteText(col.typ.String()), quoteText(extra)))
		}
		return "SELECT * FROM (VALUES " + strings.Join(rows, ", ") + `) AS v("Column", "Type", "Extra", "Comment")`, nil
	case "PARTITIONS":
		if t.partitions == "" {
			return "", failAt(s.at(), "the table %s has no partitions", t.name)
		}
		return t.partitions, nil
	case "CREATE TABLE":
		if t.create == "" {
			return "", failAt(s.at(), "SHOW CREATE TABLE %s cannot be given here; tapedeck catalog ddl prints the statements", t.name)
		}
		return list("createtab_stmt", strings.Split(strings.TrimRight(t.create, "\n"), "\n")), nil
	case "SCHEMAS":
		return list("database_name", []string{"information_schema", "tapedeck"}), nil
	case "CATALOGS":
		return list("Catalog", []string{"awsdatacatalog"}), nil
	case "FUNCTIONS":
		return list("Function", l.names()), nil
	}
	return "", failAt(s.at(), "SHOW %s cannot be given here", s.what)
}

// likeMatcher reads a pattern of SHOW: SQL's % and _, or Hive's * and |.
func likeMatcher(pattern string) func(string) bool {
	var matches func(p, s string) bool
	matches = func(p, s string) bool {
		for p != "" {
			switch p[0] {
			case '%', '*':
				for i := 0; i <= len(s); i++ {
					if matches(p[1:], s[i:]) {
						return true
					}
				}
				return false
			case '_':
				if s == "" {
					return false
				}
			default:
				if s == "" || s[0] != p[0] {
					return false
				}
			}
			p, s = p[1:], s[1:]
		}
		return s == ""
	}
	alternatives := strings.Split(strings.ToLower(clipPattern(pattern)), "|")
	return func(s string) bool {
		for _, p := range alternatives {
			if matches(p, strings.ToLower(s)) {
				return true
			}
		}
		return false
	}
}

// clipPattern bounds the work of a pattern.
func clipPattern(p string) string {
	if strings.Count(p, "%")+strings.Count(p, "*") > 4 || len(p) > 100 {
		return p[:min(len(p), 100)] + "\x00"
	}
	return p
}
