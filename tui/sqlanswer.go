package tui

import (
	"context"
	"sync/atomic"
	"time"
)

// SQL answers questions to the history. All its methods may take long: they
// are called from commands, end early with their context, and may be called
// at the same time.
type SQL interface {
	// Query runs one read-only statement and returns when its first rows are
	// there. At most maxRows are given. A mistake in the statement is a
	// *SQLError where its place is known.
	Query(ctx context.Context, statement string, maxRows int, progress *SQLProgress) (SQLAnswer, error)
	// Export writes all rows of the statement into a new file; format is one
	// of csv, json, parquet. A file that exists is an error.
	Export(ctx context.Context, statement, format, path string, progress *SQLProgress) (SQLExport, error)
	// Tables are what can be asked for.
	Tables(ctx context.Context) ([]SQLTable, error)
}

// SQLEngines is a SQL that several engines can answer; a SQL may be one.
type SQLEngines interface {
	// Engines are their names; the first answers here and costs nothing.
	Engines() []string
	// Engine is which answers now.
	Engine() string
	// Use chooses another for what is asked from now on.
	Use(engine string) error
	// Here is the first of them, whichever is chosen: for what asks by itself.
	Here() SQL
}

// SQLAnswer is a result, read page by page in order. Not for concurrent use.
type SQLAnswer interface {
	// Head is known as soon as Query has returned.
	Head() SQLHead
	// Next is the next page; nil after the last.
	Next() (*SQLPage, error)
	// Total counts all rows of the statement, also those beyond maxRows. It
	// may take as long as the query itself.
	Total() (int64, error)
	Close() error
}

// SQLHead is what an answer is, beside its rows.
type SQLHead struct {
	Columns  []SQLColumn
	Elapsed  time.Duration // until the first rows
	Scanned  int64         // bytes read at most; 0 is unknown
	Cost     string        // what an engine elsewhere has read, and its price; "" is nothing
	Warnings []string      // what the answer lacks, in words
}

// SQLColumn is a column; Type is the database's word for it, as DOUBLE.
type SQLColumn struct{ Name, Type string }

// SQLTable is a table that can be asked for.
type SQLTable struct {
	Name    string
	Columns []SQLColumn
}

// SQLExport is what an export has written.
type SQLExport struct {
	Path  string // absolute
	Host  string // as scp would name it: user@host
	Rows  int64  // -1 is unknown
	Bytes int64
}

// SQLError is a mistake in a statement; Offset counts runes from its start,
// -1 where the place is not known.
type SQLError struct {
	Text   string
	Offset int
}

func (e *SQLError) Error() string { return e.Text }

// SQLProgress carries how far a query is from where it runs to the screen.
// The zero value says that it is not known.
type SQLProgress struct{ thousandths atomic.Int32 }

// Set tells the share that is done, 0 … 1; less than 0 is unknown.
func (p *SQLProgress) Set(share float64) {
	if p != nil {
		p.thousandths.Store(int32(max(min(share, 1), -1) * 1000))
	}
}

// Share is what was set last, 0 … 1; ok is false where it is not known.
func (p *SQLProgress) Share() (share float64, ok bool) {
	if p == nil {
		return 0, false
	}
	n := p.thousandths.Load()
	return float64(n) / 1000, n > 0
}

// SQLPage is some rows of an answer as text, in little memory: a cell costs
// its bytes and four more. A finished page is never changed.
type SQLPage struct {
	columns int
	text    []byte
	ends    []uint32 // of each cell in text; the high bit says NULL
}

const nullCell = 1 << 31

// MaxSQLCell is how many bytes of a value a page keeps; an export has them all.
const MaxSQLCell = 64 << 10

// NewSQLPage makes an empty page for rows of so many columns.
func NewSQLPage(columns int) *SQLPage { return &SQLPage{columns: columns} }

// Add appends the next cell, row by row.
func (p *SQLPage) Add(text []byte) {
	p.text = append(p.text, text[:min(len(text), MaxSQLCell)]...)
	p.ends = append(p.ends, uint32(len(p.text)))
}

// AddNull appends a NULL as the next cell.
func (p *SQLPage) AddNull() { p.ends = append(p.ends, uint32(len(p.text))|nullCell) }

// Rows is how many are complete.
func (p *SQLPage) Rows() int {
	if p.columns == 0 {
		return 0
	}
	return len(p.ends) / p.columns
}

// Size is the memory that the page takes, in bytes.
func (p *SQLPage) Size() int { return cap(p.text) + 4*cap(p.ends) }

func (p *SQLPage) cell(row, column int) (text []byte, null bool) {
	i := row*p.columns + column
	from := uint32(0)
	if i > 0 {
		from = p.ends[i-1] &^ nullCell
	}
	end := p.ends[i]
	return p.text[from : end&^nullCell], end&nullCell != 0
}
