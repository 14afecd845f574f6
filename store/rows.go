package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/duckdb/duckdb-go/v2"
)

// Options are one query's wishes. The zero value asks for all rows in the
// configured dialect.
type Options struct {
	// Limit is how many rows are given at most; 0 is all. Rows.Total counts
	// the rest.
	Limit int
	// Native takes the statement as DuckDB's own SQL, past the Rewriter.
	Native bool
	// Timeout shortens the configured one; 0 leaves it.
	Timeout time.Duration
	// Progress is told, from another goroutine, how far the query is, 0 … 1,
	// until Query returns; nil is not.
	Progress func(share float64)
}

// Column is a column of a result.
type Column struct {
	Name string
	Type string // DuckDB's name, e.g. DOUBLE, TIMESTAMP, STRUCT("a" INTEGER)
}

// Rows are a query's result, read in order once. They hold a connection until
// Close. Not for concurrent use; cancelling the context of Query ends them from
// elsewhere.
type Rows struct {
	db      *DB
	conn    *duckdb.Conn
	views   *views
	ctx     context.Context
	cancel  context.CancelFunc
	start   time.Time
	elapsed time.Duration

	sql     string // as DuckDB ran it
	columns []Column
	rows    driver.Rows
	values  []driver.Value
	chunk   *Chunk // of NextChunk
	limit   int
	given   int
	more    bool // Limit was reached and there is more
	spooled bool // the result lies in a temporary table
	page    int64
	pages   int64
	err     error
	done    bool
}

// Query runs one statement. It returns when the first rows are there; errors
// say what to do, and wrap ErrRefused where the statement is not allowed.
func (db *DB) Query(ctx context.Context, sql string, o Options) (*Rows, error) {
	r := &Rows{db: db, start: time.Now(), limit: o.Limit, views: &views{db: db}}
	timeout := db.config.Timeout
	if o.Timeout > 0 {
		timeout = min(timeout, o.Timeout)
	}
	bounded, cancel := context.WithTimeoutCause(ctx, timeout,
		fmt.Errorf("the query took longer than %v and was stopped; ask for less, e.g. fewer days", timeout))
	watched, stop := context.WithCancelCause(bounded)
	r.ctx = watched
	r.cancel = func() { stop(nil); cancel() }
	go db.watch(watched, stop)
	for try := 0; ; try++ {
		err := r.open(sql, o)
		if err == nil {
			return r, nil
		}
		lost := lostFile(err)
		err = r.explain(err)
		if !lost || try == 3 || r.ctx.Err() != nil {
			r.Close()
			return nil, err
		}
		r.reset()
	}
}

// lostFile says that a file went away between the listing and the reading,
// as happens to a query that outlives the lake's grace: it starts again.
func lostFile(err error) bool {
	var e *duckdb.Error
	return errors.As(err, &e) && e.Type == duckdb.ErrorTypeIO && strings.Contains(e.Msg, "No such file") ||
		errors.As(err, &e) && e.Type == duckdb.ErrorTypeIO && strings.Contains(e.Msg, "No files found")
}

// reset brings the query back to where it was before open.
func (r *Rows) reset() {
	if r.rows != nil {
		r.rows.Close()
	}
	if r.conn != nil {
		r.conn.Close()
	}
	r.views.close()
	r.views, r.conn, r.rows, r.columns = &views{db: r.db}, nil, nil, nil
	r.page, r.pages, r.spooled = 0, 0, false
}

func (r *Rows) open(sql string, o Options) error {
	if r.db.config.Rewriter != nil && !o.Native {
		rewritten, err := r.db.config.Rewriter.Rewrite(sql)
		if err != nil {
			return err
		}
		sql = rewritten
	}
	conn, err := r.db.connect(r.ctx)
	if err != nil {
		return err
	}
	r.conn = conn
	statement, err := r.db.guard.check(r.ctx, conn, sql)
	if err != nil {
		return err
	}
	if o.Progress != nil {
		defer followProgress(r.ctx, conn, o.Progress)()
	}
	for table, b := range statement.tables {
		if err := r.views.add(r.ctx, conn, table, b); err != nil {
			return err
		}
	}
	if statement.explain != "" {
		return r.run(statement.explain + statement.sql)
	}
	if err := r.describe(statement.sql); err != nil {
		return err
	}
	r.sql = "SELECT * FROM (" + statement.sql + "\n)"
	if strings.HasPrefix(strings.ToLower(statement.sql), "describe") || strings.HasPrefix(strings.ToLower(statement.sql), "summarize") {
		return r.run(statement.sql)
	}
	if r.limit > 0 {
		return r.run(fmt.Sprintf("%s LIMIT %d", r.sql, r.limit+1))
	}
	return r.spool()
}

// describe finds the result's columns.
func (r *Rows) describe(sql string) error {
	prepared, err := r.conn.PrepareContext(r.ctx, sql)
	if err != nil {
		return err
	}
	defer prepared.Close()
	s := prepared.(*duckdb.Stmt)
	if kind, err := s.StatementType(); err != nil {
		return err
	} else if kind != duckdb.STATEMENT_TYPE_SELECT && kind != duckdb.STATEMENT_TYPE_EXPLAIN {
		return refuse("only SELECT can be run here")
	}
	if s.NumInput() > 0 {
		return errors.New("the statement has parameters that are not filled in")
	}
	n, err := s.ColumnCount()
	if err != nil {
		return err
	}
	for i := range n {
		name, err := s.ColumnName(i)
		if err != nil {
			return err
		}
		r.columns = append(r.columns, Column{Name: name})
	}
	return nil
}

func (r *Rows) run(sql string) error {
	rows, err := r.conn.QueryContext(r.ctx, sql, nil)
	if err != nil {
		return err
	}
	r.rows = rows
	r.elapsed = time.Since(r.start)
	names := rows.Columns()
	if len(r.columns) != len(names) {
		r.columns = nil
		for _, n := range names {
			r.columns = append(r.columns, Column{Name: n})
		}
	}
	typed, _ := rows.(driver.RowsColumnTypeDatabaseTypeName)
	for i := range r.columns {
		if typed != nil {
			r.columns[i].Type = typed.ColumnTypeDatabaseTypeName(i)
		}
	}
	r.values = make([]driver.Value, len(r.columns))
	return nil
}

// spool keeps a result of any size in a temporary table, which goes to disk
// when memory ends, and reads it page by page.
func (r *Rows) spool() error {
	if err := exec(r.ctx, r.conn, "CREATE TEMP TABLE result_ AS "+r.sql); err != nil {
		return err
	}
	total, err := r.number("SELECT count(*) FROM temp.result_")
	if err != nil {
		return err
	}
	r.spooled, r.pages = true, (total+pageRows-1)/pageRows
	return r.turn()
}

const pageRows = 61_440 // half a row group of DuckDB's

func (r *Rows) turn() error {
	if r.rows != nil {
		r.rows.Close()
		r.rows = nil
	}
	from := r.page * pageRows
	r.page++
	return r.run(fmt.Sprintf("SELECT * FROM temp.result_ WHERE rowid >= %d AND rowid < %d ORDER BY rowid", from, from+pageRows))
}

func (r *Rows) number(sql string) (int64, error) {
	rows, err := r.conn.QueryContext(r.ctx, sql, nil)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	value := make([]driver.Value, 1)
	if err := rows.Next(value); err != nil {
		return 0, err
	}
	n, ok := value[0].(int64)
	if !ok {
		return 0, fmt.Errorf("%T is no count", value[0])
	}
	return n, nil
}

// Columns are the result's columns.
func (r *Rows) Columns() []Column { return r.columns }

// Next steps to the next row; false at the end or on an error, see Err.
func (r *Rows) Next() bool {
	if r.done || r.err != nil {
		return false
	}
	if r.limit > 0 && r.given == r.limit {
		r.more = r.rows.Next(r.values) == nil
		r.done = true
		return false
	}
	for {
		err := r.rows.Next(r.values)
		if err == nil {
			r.given++
			return true
		}
		if err != io.EOF {
			r.err = r.explain(err)
			return false
		}
		if !r.spooled || r.page >= r.pages {
			r.done = true
			return false
		}
		if err := r.turn(); err != nil {
			r.err = r.explain(err)
			return false
		}
	}
}

// Values are the row's values, valid until the next call of Next: nil, bool,
// int8…uint64, float32, float64, *big.Int, string, []byte, time.Time (UTC),
// duckdb.Decimal, duckdb.Interval, duckdb.Map, []any, map[string]any.
func (r *Rows) Values() []driver.Value { return r.values }

// Err is why Next ended early; nil at the end.
func (r *Rows) Err() error { return r.err }

// More says, after Next has returned false, that Limit left rows out.
func (r *Rows) More() bool { return r.more }

// Elapsed is how long the query took until its first rows.
func (r *Rows) Elapsed() time.Duration { return r.elapsed }

// Scanned is an upper bound of the bytes that were read: the size of the
// files that the query could not do without.
func (r *Rows) Scanned() int64 { return r.views.bytes }

// Warnings say in words what the answer lacks.
func (r *Rows) Warnings() []string { return r.views.warnings }

// Total counts all rows of the result, whatever Limit was, over the same
// snapshot. It may take as long as the query itself.
func (r *Rows) Total(context.Context) (int64, error) {
	if r.done && !r.more && r.err == nil {
		return int64(r.given), nil
	}
	if r.sql == "" {
		return int64(r.given), nil
	}
	source := "(" + r.sql + ")"
	if r.spooled {
		source = "temp.result_"
	}
	n, err := r.number("SELECT count(*) FROM " + source)
	if err != nil {
		return 0, r.explain(err)
	}
	return n, nil
}

// Close ends the query, if need be by cancelling it.
func (r *Rows) Close() error {
	if r.cancel == nil {
		return nil
	}
	r.cancel()
	r.cancel = nil
	r.chunk.free()
	if r.rows != nil {
		r.rows.Close()
	}
	var err error
	if r.conn != nil {
		err = r.conn.Close()
	}
	r.views.close()
	return err
}

// explain makes an error of DuckDB one that a user can act upon.
func (r *Rows) explain(err error) error {
	if cause := context.Cause(r.ctx); cause != nil {
		return cause
	}
	var e *duckdb.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Type {
	case duckdb.ErrorTypeOutOfMemory:
		return fmt.Errorf("the query needs more memory or temporary space than it may have (%s, %s on disk); ask for less, or raise the limit: %w",
			r.db.config.MemoryLimit, r.db.config.TempLimit, err)
	case duckdb.ErrorTypePermission:
		return refuse("%s", strings.TrimPrefix(e.Msg, "Permission Error: "))
	}
	return err
}
