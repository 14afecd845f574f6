package athena

import (
	"errors"
	"strings"
)

// Translator turns statements of Athena's SQL into DuckDB's. It is safe for
// concurrent use.
type Translator struct {
	catalog *catalog
	library *library
}

// New makes a Translator for statements over these tables.
func New(tables []Table) (*Translator, error) {
	c, err := newCatalog(tables)
	if err != nil {
		return nil, err
	}
	return &Translator{c, newLibrary()}, nil
}

// Rewrite writes a statement in DuckDB's SQL, for a database that has the
// Functions and Setup of this package. What is wrong with the statement, or
// cannot be given faithfully, is an *Error with its place in sql.
func (t *Translator) Rewrite(sql string) (string, error) {
	out, err := t.rewrite(sql)
	var f *fault
	if errors.As(err, &f) {
		return "", place(sql, f)
	}
	return out, err
}

func (t *Translator) rewrite(sql string) (string, error) {
	s, err := parseStatement(sql)
	if err != nil {
		return "", err
	}
	c := &compiler{catalog: t.catalog, library: t.library}
	switch s := s.(type) {
	case *queryStatement:
		return c.top(s.query)
	case *explainStatement:
		out, err := c.top(s.q)
		if s.analyze {
			return "EXPLAIN ANALYZE " + out, err
		}
		return "EXPLAIN " + out, err
	case *showStatement:
		return t.catalog.show(s, t.library)
	}
	return "", failAt(s.at(), "this statement cannot be given here")
}

func (c *compiler) top(q *query) (string, error) {
	sql, _, err := c.query(q, nil)
	if err != nil {
		return "", err
	}
	if strings.HasPrefix(sql, "(") { // DuckDB's parser wants a SELECT in front of parentheses in places
		sql = "SELECT * FROM (" + sql + ")"
	}
	return sql, nil
}
