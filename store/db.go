package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/duckdb/duckdb-go/v2"
	"tapedeck/pipeline/market"
	"tapedeck/store/lake"
)

// Log reads the tail of a topic that the lake does not hold yet.
type Log interface {
	// Ends are the log end offsets of a table's topic by partition.
	Ends(ctx context.Context, table string) (map[int32]int64, error)
	// Read calls fn for the records from <= offset < to, in order. Offsets
	// that the log no longer has, or never had, are passed over.
	Read(ctx context.Context, table string, partition int32, from, to int64,
		fn func(offset int64, produced market.Time, key, value []byte) error) error
}

// Rewriter turns a statement of another dialect into DuckDB's, or says why
// it cannot be given faithfully.
type Rewriter interface {
	Rewrite(sql string) (string, error)
}

// Config is what a DB works with.
type Config struct {
	Lake     *lake.Lake
	Log      Log      // nil: what is not in the lake yet is not seen
	Rewriter Rewriter // nil: statements are DuckDB's own SQL

	// Setup are trusted statements run once before any query, such as the
	// macros that a Rewriter's output calls.
	Setup []string
	// Connect is called with a connection before the database is locked, to
	// register functions; may be nil.
	Connect func(*sql.Conn) error

	// Files are local files that are tables, too.
	Files []*FileTable

	MemoryLimit string        // as DuckDB writes it; empty is 2GB
	TempLimit   string        // temporary space on disk; empty is 10GB
	Threads     int           // 0 is the number of processors
	TempDir     string        // empty: a folder of its own in the system's
	Timeout     time.Duration // of one query; 0 is 5 minutes, and must stay below the lake's Grace
}

// Validate says which value is wrong.
func (c Config) Validate() error {
	switch {
	case c.Lake == nil:
		return errors.New("no lake given")
	case c.Threads < 0 || c.Threads > 1024:
		return fmt.Errorf("threads is %d; it can be 0 (all processors) to 1024", c.Threads)
	case c.Timeout < 0:
		return fmt.Errorf("timeout is negative")
	}
	return nil
}

// DB answers SQL. It is safe for concurrent use; every query has a connection
// of its own.
type DB struct {
	config    Config
	log       *slog.Logger
	connector *duckdb.Connector
	temp      string // removed by Close
	tails     map[string]*tail
	hot       map[string]*hot
	coarse    *hot // bars of a minute and longer
	closing   chan struct{}
	cooling   sync.WaitGroup
	ends      *fileEnds
	guard     *guard
	memory    int64 // MemoryLimit in bytes

	mu     sync.Mutex
	number int // of temporary files
}

// Open makes a DB over a lake.
func Open(ctx context.Context, config Config, log *slog.Logger) (*DB, error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if config.MemoryLimit == "" {
		config.MemoryLimit = "2GB"
	}
	if config.TempLimit == "" {
		config.TempLimit = "10GB"
	}
	if config.Timeout == 0 {
		config.Timeout = 5 * time.Minute
	}
	if config.TempDir != "" {
		if err := os.MkdirAll(config.TempDir, 0o700); err != nil {
			return nil, fmt.Errorf("open store: %w", err)
		}
	}
	temp, err := os.MkdirTemp(config.TempDir, "tapedeck-sql-")
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	db := &DB{config: config, log: log, temp: temp, tails: make(map[string]*tail), hot: make(map[string]*hot), closing: make(chan struct{}), ends: &fileEnds{known: map[string]fileEnd{}}, memory: parseSize(config.MemoryLimit)}
	for _, t := range lake.Tables() {
		db.tails[t.Name] = newTail(db, t)
		db.hot[t.Name] = newHot(db, t)
	}
	db.coarse = newCoarse(db, lake.TableOf(lake.Bars))
	if err := db.open(ctx); err != nil {
		os.RemoveAll(temp)
		return nil, fmt.Errorf("open store: %w", err)
	}
	db.cooling.Go(db.cool)
	return db, nil
}

func (db *DB) open(ctx context.Context) error {
	connector, err := duckdb.NewConnector("", nil)
	if err != nil {
		return err
	}
	db.connector = connector
	conn, err := db.connect(ctx)
	if err != nil {
		connector.Close()
		return err
	}
	defer conn.Close()
	for _, statement := range db.settings() {
		if err := exec(ctx, conn, statement); err != nil {
			connector.Close()
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	if db.config.Connect != nil {
		if err := db.register(ctx); err != nil {
			connector.Close()
			return err
		}
	}
	trusted := slices.Concat(db.config.Setup, limits)
	for _, f := range db.config.Files {
		trusted = append(trusted, f.view())
	}
	for _, statement := range append(trusted, "SET lock_configuration = true") {
		if err := exec(ctx, conn, statement); err != nil {
			connector.Close()
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	db.guard = newGuard(db.config.Files)
	return nil
}

// register lets Connect add its functions, which all connections then have.
func (db *DB) register(ctx context.Context) error {
	pool := sql.OpenDB(struct{ driver.Connector }{db.connector}) // its Close leaves the connector open
	defer pool.Close()
	conn, err := pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return db.config.Connect(conn)
}

// settings close every door but the lake's files, before anything is asked.
// Without GLOBAL some would hold for the one connection that sets them.
func (db *DB) settings() []string {
	allowed := append(db.config.Lake.Roots(), db.temp)
	for i, dir := range allowed {
		allowed[i] = quote(strings.TrimSuffix(dir, "/") + "/")
	}
	s := []string{
		"SET GLOBAL memory_limit = " + quote(db.config.MemoryLimit),
		"SET GLOBAL temp_directory = " + quote(filepath.Join(db.temp, "spill")),
		"SET GLOBAL max_temp_directory_size = " + quote(db.config.TempLimit),
		"SET GLOBAL TimeZone = 'UTC'",
		// It fails on some windows over windows, now and then on keyed views, and
		// drops rows whose order is NULL (duckdb/duckdb issues 24711 and 24363).
		"SET GLOBAL disabled_optimizers = 'top_n_window_elimination'",
		"SET GLOBAL autoinstall_known_extensions = false",
		"SET GLOBAL autoload_known_extensions = false",
		"SET GLOBAL allow_community_extensions = false",
		"SET GLOBAL allow_persistent_secrets = false",
		"SET GLOBAL enable_external_file_cache = false",
		// The footer of an hour of ticks takes 0.8 MB, ten times what DuckDB
		// counts, for as long as the process lives; reading it takes 1 ms.
		"SET GLOBAL parquet_metadata_cache = false",
		"SET GLOBAL allowed_directories = [" + strings.Join(allowed, ", ") + "]",
	}
	var files []string
	for _, f := range db.config.Files {
		files = append(files, quote(f.path))
	}
	s = append(s, "SET GLOBAL allowed_paths = ["+strings.Join(files, ", ")+"]", "SET GLOBAL enable_external_access = false")
	if db.config.Threads > 0 {
		s = append([]string{fmt.Sprintf("SET GLOBAL threads = %d", db.config.Threads)}, s...)
	}
	return s
}

// Close ends all use of the DB and removes its temporary files.
func (db *DB) Close() error {
	close(db.closing)
	db.cooling.Wait()
	err := db.connector.Close()
	if rerr := os.RemoveAll(db.temp); err == nil {
		err = rerr
	}
	return err
}

// cool frees rows in memory that nobody asks for any more, until Close.
func (db *DB) cool() {
	ticker := time.NewTicker(coolAfter / 4)
	defer ticker.Stop()
	for {
		select {
		case <-db.closing:
			return
		case now := <-ticker.C:
			for _, h := range db.hot {
				h.cool(now)
			}
			db.coarse.cool(now)
		}
	}
}

func (db *DB) connect(ctx context.Context) (*duckdb.Conn, error) {
	conn, err := db.connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return conn.(*duckdb.Conn), nil
}

// tempFile names a new file in the DB's own folder.
func (db *DB) tempFile(suffix string) string {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.number++
	return filepath.Join(db.temp, fmt.Sprintf("%d%s", db.number, suffix))
}

func exec(ctx context.Context, conn *duckdb.Conn, sql string) error {
	_, err := conn.ExecContext(ctx, sql, nil)
	return err
}

// quote writes a string literal.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// name writes an identifier.
func name(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
