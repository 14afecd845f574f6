package remote

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"github.com/duckdb/duckdb-go/v2"
	"github.com/trinodb/trino-go-client/trino"

	"tapedeck/store"
	"tapedeck/store/athena"
)

// TrinoConfig is how a Trino cluster is asked.
type TrinoConfig struct {
	// URL is http[s]://user[:password]@host:port, with ?catalog= and &schema=
	// where they are not hive and tapedeck, and what else Trino's Go client
	// knows, such as session_properties.
	URL string
	// Client makes the requests; nil is the standard one.
	Client *http.Client
}

// Trino asks a Trino cluster. It is safe for concurrent use.
type Trino struct{ db *sql.DB }

// OpenTrino makes a client; it asks nothing yet.
func OpenTrino(c TrinoConfig) (*Trino, error) {
	if c.URL == "" {
		return nil, errors.New("no Trino cluster is set: set sql.trino.url to http://USER@HOST:PORT")
	}
	config, err := trino.ParseDSN(c.URL)
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // without the address, which may hold a password
	}
	if err != nil {
		return nil, fmt.Errorf("the address of Trino (sql.trino.url): %w; write http://USER@HOST:PORT?catalog=hive&schema=tapedeck", err)
	}
	if u, err := url.Parse(c.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("the address of Trino (sql.trino.url) is none; write http://USER@HOST:PORT?catalog=hive&schema=tapedeck")
	}
	config.Catalog = cmp.Or(config.Catalog, "hive")
	config.Schema = cmp.Or(config.Schema, athena.Schema)
	config.Source = "tapedeck"
	config.TimeZone = "UTC"
	config.HTTPClient = c.Client
	connector, err := trino.NewConnector(config)
	if err != nil {
		return nil, fmt.Errorf("open Trino: %w", err)
	}
	return &Trino{sql.OpenDB(connector)}, nil
}

// Close lets go of the connections.
func (t *Trino) Close() error { return t.db.Close() }

// Query runs a statement and returns when its columns are known. A mistake in
// the statement is an *athena.Error with its place. When ctx ends first, or the
// rows are closed, the statement is stopped there, too.
func (t *Trino) Query(ctx context.Context, statement string, o Options) (*Rows, error) {
	if err := athena.ReadOnly(statement); err != nil {
		return nil, err
	}
	start := time.Now()
	s := &trinoRows{progress: &trinoProgress{tell: o.Progress}}
	rows, err := t.db.QueryContext(ctx, trimStatement(statement),
		sql.Named("X-Trino-Progress-Callback", s.progress), sql.Named("X-Trino-Progress-Callback-Period", 100*time.Millisecond))
	if err != nil {
		return nil, explainTrino(ctx, err)
	}
	s.rows, s.ctx = rows, ctx
	names, err := rows.ColumnTypes()
	if err != nil {
		return nil, errors.Join(explainTrino(ctx, err), s.close())
	}
	var columns []store.Column
	for _, c := range names {
		precision, scale, _ := c.DecimalSize()
		typ := typeName(c.DatabaseTypeName(), precision, scale)
		columns = append(columns, store.Column{Name: c.Name(), Type: typ})
		s.types = append(s.types, typ)
	}
	s.cells, s.values = make([]any, len(columns)), make([]driver.Value, len(columns))
	for i := range s.cells {
		s.cells[i] = new(any)
	}
	return &Rows{source: s, columns: columns, limit: o.Limit, elapsed: time.Since(start)}, nil
}

// Declare runs the statements that athena.DDL has written: the only ones that
// this client runs beside questions.
func (t *Trino) Declare(ctx context.Context, statements []string) error {
	for _, s := range statements {
		if _, err := t.db.ExecContext(ctx, s); err != nil {
			return explainTrino(ctx, err)
		}
	}
	return nil
}

// trinoProgress is told by the client how far the cluster is.
type trinoProgress struct {
	tell  func(float64)
	bytes atomic.Int64
}

// Update takes the newest state.
func (p *trinoProgress) Update(info trino.QueryProgressInfo) {
	p.bytes.Store(max(info.QueryStats.ProcessedBytes, info.QueryStats.PhysicalInputBytes))
	if p.tell != nil {
		p.tell(float64(info.QueryStats.ProgressPercentage) / 100)
	}
}

// explainTrino is an error of the cluster with its place, where it has one.
func explainTrino(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	var failed *trino.ErrTrino
	if errors.As(err, &failed) {
		message := failed.Message
		if m := placed.FindStringIndex(message); m != nil && m[0] == 0 {
			message = message[m[1]:]
		}
		if at := failed.ErrorLocation; at.LineNumber > 0 {
			return &athena.Error{Line: at.LineNumber, Column: at.ColumnNumber, Message: message}
		}
		return fmt.Errorf("the statement failed on Trino: %s: %s", failed.ErrorName, message)
	}
	return fmt.Errorf("ask Trino: %w", err)
}

// trinoRows reads a cluster's rows as they come.
type trinoRows struct {
	ctx      context.Context
	rows     *sql.Rows
	progress *trinoProgress
	types    []string
	cells    []any
	values   []driver.Value
}

func (s *trinoRows) next() ([]driver.Value, error) {
	if !s.rows.Next() {
		if err := s.rows.Err(); err != nil {
			return nil, explainTrino(s.ctx, err)
		}
		return nil, io.EOF
	}
	if err := s.rows.Scan(s.cells...); err != nil {
		return nil, fmt.Errorf("read a row of Trino: %w", err)
	}
	for i, c := range s.cells {
		s.values[i] = trinoValue(*c.(*any), s.types[i])
	}
	return s.values, nil
}

func (s *trinoRows) scanned() int64 { return s.progress.bytes.Load() }
func (s *trinoRows) price() float64 { return -1 }

func (s *trinoRows) close() error {
	err := s.rows.Close()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// trinoValue is a value of the client as package store knows values.
func trinoValue(v any, typ string) driver.Value {
	switch v := v.(type) {
	case string:
		return parseText(v, typ)
	case json.Number: // within an array, a map or a row
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	case time.Time:
		if typ == "TIMESTAMP WITH TIME ZONE" { // as Trino writes it, with its own zone
			return v.Format("2006-01-02 15:04:05.000 ") + zoneName(v)
		}
		return v
	case []any:
		for i, e := range v {
			v[i] = trinoValue(e, "")
		}
		return v
	case trino.Row:
		var row duckdb.OrderedMap
		for i := range v.Len() {
			row.Set(v.Name(i), trinoValue(v.Value(i), ""))
		}
		return row
	case map[string]any:
		var sorted duckdb.OrderedMap
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			sorted.Set(k, trinoValue(v[k], ""))
		}
		return sorted
	}
	return v
}

func zoneName(t time.Time) string {
	if name := t.Location().String(); name != "" && name != "Local" {
		return name
	}
	return t.Format("-07:00")
}
