package athena

import "strings"

// column is a column that a part of a statement can name.
type column struct {
	table  string // the relation's name, lower case
	name   string // lower case; empty cannot be named
	sql    string // how DuckDB is told
	typ    *dataType
	finite bool // holds no NaN
	hidden bool // not among *, such as the second of two columns joined by USING
	system bool // hidden, and found by its name alone, such as "$path"
}

// scope is what names mean in a part of a statement.
type scope struct {
	parent  *scope
	columns []column
	tables  map[string]commonResult // of WITH
	windows map[string]*window
	// outputs are a SELECT's own columns, which its ORDER BY sees first.
	outputs []column
}

type commonResult struct {
	columns []column
}

func (s *scope) common(name string) (commonResult, bool) {
	for ; s != nil; s = s.parent {
		if c, ok := s.tables[name]; ok {
			return c, true
		}
	}
	return commonResult{}, false
}

func (s *scope) window(name string) *window {
	for ; s != nil; s = s.parent {
		if w, ok := s.windows[name]; ok {
			return w
		}
		if len(s.columns) > 0 {
			return nil
		}
	}
	return nil
}

// resolve finds what a name means.
func (s *scope) resolve(r *reference) (value, error) {
	for scope := s; scope != nil; scope = scope.parent {
		v, found, err := scope.own(r)
		if err != nil || found {
			return v, err
		}
	}
	return value{}, failAt(r.at(), "Column %s cannot be resolved%s", quoteRef(r.parts), s.hint(r))
}

func (s *scope) own(r *reference) (value, bool, error) {
	first := r.parts[0].key()
	if len(r.parts) == 1 {
		for _, c := range s.outputs {
			if c.name == first {
				return value{sql: c.sql, typ: c.typ, finite: c.finite}, true, nil
			}
		}
	}
	// longest qualification first: catalog.schema.table.column, then shorter
	for n := min(len(r.parts), 4); n >= 2; n-- {
		table := r.parts[n-2].key()
		found := -1
		for i, c := range s.columns {
			if c.table == table && c.name == r.parts[n-1].key() && (!c.hidden || c.system) {
				if found >= 0 {
					return value{}, false, failAt(r.at(), "Column %s is ambiguous", quoteRef(r.parts))
				}
				found = i
			}
		}
		if found >= 0 {
			v, err := s.columns[found].value().fields(r, r.parts[n:])
			return v, true, err
		}
	}
	found := -1
	for i, c := range s.columns {
		if c.name == first && (!c.hidden || c.system) {
			if found >= 0 {
				return value{}, false, failAt(r.at(), "Column %s is ambiguous: write the table's name in front", quoteRef(r.parts[:1]))
			}
			found = i
		}
	}
	if found < 0 {
		return value{}, false, nil
	}
	c := s.columns[found]
	if len(r.parts) > 1 && c.typ.kind != rowType {
		return value{}, false, nil
	}
	v, err := c.value().fields(r, r.parts[1:])
	return v, true, err
}

func (c column) value() value { return value{sql: c.sql, typ: c.typ, finite: c.finite} }

// fields follows names into a row.
func (v value) fields(at expression, names []ident) (value, error) {
	for _, n := range names {
		if v.typ.kind != rowType {
			return v, failAt(at.at(), "Expression is not of type ROW: %s has no field %s", v.typ, n.text)
		}
		found := false
		for i, f := range v.typ.fields {
			if strings.EqualFold(f.name, n.text) {
				v = value{sql: "struct_extract(" + v.sql + ", " + quoteText(v.typ.fieldName(i)) + ")", typ: f.typ}
				found = true
				break
			}
		}
		if !found {
			return v, failAt(at.at(), "the row has no field %s; it is %s", n.text, v.typ)
		}
	}
	return v, nil
}

// hint names what is alike.
func (s *scope) hint(r *reference) string {
	last := r.parts[len(r.parts)-1]
	if last.quoted && len(r.parts) == 1 {
		known := false
		for scope := s; scope != nil; scope = scope.parent {
			for _, c := range scope.columns {
				known = known || c.name == last.key()
			}
		}
		if !known {
			return "; text stands in single quotes"
		}
	}
	for scope := s; scope != nil; scope = scope.parent {
		for _, c := range scope.columns {
			if alike(c.name, last.key()) {
				return "; did you mean " + c.name + "?"
			}
		}
	}
	return ""
}

// alike says that two names differ by one letter.
func alike(a, b string) bool {
	if a == "" || b == "" || len(a)-len(b) > 1 || len(b)-len(a) > 1 || len(a) < 3 {
		return false
	}
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	ra, rb := a[i:], b[i:]
	return ra == rb || len(ra) > 0 && ra[1:] == rb || len(rb) > 0 && rb[1:] == ra ||
		len(ra) > 0 && len(rb) > 0 && ra[1:] == rb[1:] ||
		len(ra) > 1 && len(rb) > 1 && ra[0] == rb[1] && ra[1] == rb[0] && ra[2:] == rb[2:]
}

func quoteRef(parts []ident) string {
	names := make([]string, len(parts))
	for i, p := range parts {
		names[i] = p.text
	}
	return "'" + strings.Join(names, ".") + "'"
}
