package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"tapedeck/pipeline/cost"
	"tapedeck/store"
	"tapedeck/store/athena"
	"tapedeck/store/remote"
)

// The engines that answer statements. The first is the default.
const (
	engineLocal  = "local"  // Athena's SQL by DuckDB, here
	engineDuckDB = "duckdb" // DuckDB's own SQL, here
	engineAthena = "athena" // Amazon Athena
	engineTrino  = "trino"  // a Trino cluster
)

var engineNames = []string{engineLocal, engineDuckDB, engineAthena, engineTrino}

// isRemote says that an engine is asked over the network.
func isRemote(engine string) bool { return engine == engineAthena || engine == engineTrino }

// result is what an engine answers.
type result interface {
	store.Cursor
	More() bool
	Elapsed() time.Duration
	Scanned() int64
	Warnings() []string
	Total(context.Context) (int64, error)
	Close() error
}

// engines answer statements: the store here, and those elsewhere, which are
// opened when they are first asked.
type engines struct {
	config Config
	db     func() (*store.DB, error) // an error while the lake is not open yet

	mu     sync.Mutex
	athena *remote.Athena
	trino  *remote.Trino
}

// query runs one statement on an engine. The time that a query may take holds
// for all of them.
func (e *engines) query(ctx context.Context, engine, statement string, limit int, progress func(float64)) (result, error) {
	if !isRemote(engine) {
		db, err := e.db()
		if err != nil {
			return nil, err
		}
		return noNil(db.Query(ctx, statement, store.Options{Limit: limit, Native: engine == engineDuckDB, Progress: progress}))
	}
	timeout := e.config.SQL.Timeout
	ctx, cancel := context.WithTimeoutCause(ctx, timeout,
		fmt.Errorf("the query took longer than %v and was stopped; ask for less, or raise sql.timeout", timeout))
	rows, err := e.ask(ctx, engine, statement, remote.Options{Limit: limit, Progress: progress})
	if err != nil {
		cancel()
		return nil, err
	}
	return &remoteResult{Rows: rows, end: func() {
		cancel()
		if engine == engineAthena {
			e.noteScan(statement, rows.Scanned())
		}
	}}, nil
}

// noteScan counts what Athena bills for a statement: 10 MB at least. A ledger
// that cannot be written is no reason to fail an answer.
func (e *engines) noteScan(statement string, bytes int64) {
	data, err := e.config.dataDir()
	if err != nil {
		return
	}
	used := cost.Usage{Scans: 1, Scan: max(bytes, 10<<20)}
	if strings.Contains(strings.ToLower(statement), "ticks_raw") {
		used.ScanCSV = used.Scan
	}
	now := time.Now().UTC()
	_ = newPlace(data).ledger().Append(cost.Entry{From: now, To: now, By: "sql", Usage: used})
}

// noNil keeps a nil pointer from becoming a result that is not nil.
func noNil(rows *store.Rows, err error) (result, error) {
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// remoteResult ends its time with its rows.
type remoteResult struct {
	*remote.Rows
	once sync.Once
	end  func()
}

// Close ends the query.
func (r *remoteResult) Close() error {
	defer r.once.Do(r.end)
	return r.Rows.Close()
}

func (e *engines) ask(ctx context.Context, engine, statement string, o remote.Options) (*remote.Rows, error) {
	if engine == engineTrino {
		t, err := e.openTrino()
		if err != nil {
			return nil, err
		}
		return t.Query(ctx, statement, o)
	}
	a, err := e.openAthena(ctx)
	if err != nil {
		return nil, err
	}
	return a.Query(ctx, statement, o)
}

func (e *engines) openAthena(ctx context.Context) (*remote.Athena, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.athena != nil {
		return e.athena, nil
	}
	c := e.config.SQL.Athena
	a, err := remote.OpenAthena(ctx, remote.AthenaConfig{Workgroup: c.Workgroup, Output: c.Output, Database: c.Database,
		Region: e.config.awsRegion(), Endpoint: c.Endpoint, Price: c.Price}, discard())
	e.athena = a
	return a, err
}

func (e *engines) openTrino() (*remote.Trino, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.trino != nil {
		return e.trino, nil
	}
	t, err := remote.OpenTrino(remote.TrinoConfig{URL: e.config.SQL.Trino.URL})
	e.trino = t
	return t, err
}

// close lets go of the engines elsewhere.
func (e *engines) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.trino != nil {
		_ = e.trino.Close() // nothing is left to lose
		e.trino = nil
	}
}

// awsRegion is where Athena and Glue are asked.
func (c *Config) awsRegion() string {
	if c.SQL.Athena.Region != "" {
		return c.SQL.Athena.Region
	}
	return c.S3.Region
}

// checkEngine says whether an engine is one, and set up.
func (c *Config) checkEngine(engine string) error {
	switch {
	case !slices.Contains(engineNames, engine):
		return fmt.Errorf("%q is no engine; one of %s", engine, strings.Join(engineNames, ", "))
	case engine == engineTrino && c.SQL.Trino.URL == "":
		return errors.New("no Trino cluster is set: set sql.trino.url to http://USER@HOST:PORT")
	}
	return nil
}

// costOf is what a question to an engine elsewhere was, in words.
func costOf(r result) string {
	if c, ok := r.(interface{ Cost() string }); ok {
		return c.Cost()
	}
	return ""
}

// mistaken says that an error is the statement's, not the machine's.
func mistaken(err error) bool {
	var wrong *athena.Error
	return errors.Is(err, store.ErrRefused) || errors.As(err, &wrong)
}
