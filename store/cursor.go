package store

import "database/sql/driver"

// Cursor is a result that is read in order once: Rows, or the answer of an
// engine elsewhere.
type Cursor interface {
	Columns() []Column
	// Next steps to the next row; false at the end or on an error, see Err.
	Next() bool
	// Values are the row's, of the kinds that Rows.Values lists, valid until
	// the next call of Next.
	Values() []driver.Value
	Err() error
}

// more says, after the last row, that a limit left rows out.
func more(c Cursor) bool {
	m, ok := c.(interface{ More() bool })
	return ok && m.More()
}
