package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"tapedeck/pipeline/kafka"
	"tapedeck/store"
	"tapedeck/store/lake"
)

func newSQL(o *options) *cobra.Command {
	format, dialect := "table", "athena"
	var engine, file string
	var limit int
	var tables []string
	cmd := &cobra.Command{
		Use:   "sql [STATEMENT]",
		Short: "Ask in SQL over the lake and the current minutes",
		Long: `Runs one read-only statement over the tables ticks, bars, features, alerts,
predictions and dead_letters: the lake and what the log holds beyond it, whether
or not a pipeline runs. The SQL is Athena's (Trino's), see docs/sql.md. The
statement is the argument, --file, or standard input; on a terminal and without
any of them it is a shell that asks.

--engine athena asks Amazon Athena, --engine trino a Trino cluster: they see what
is in the lake's files, once catalog register has made the tables known there.

Times are UTC. bars and features have a column interval: 1s 1m 5m 15m 1h 1d.`,
		Example: `  tapedeck sql "SELECT symbol, max(price) FROM ticks GROUP BY symbol ORDER BY 2 DESC LIMIT 10"
  tapedeck sql                                  # a shell
  tapedeck sql --table orders=orders.csv "SELECT o.id, t.price FROM orders o JOIN ticks t ON t.symbol = o.symbol AND t.time = o.time"
  tapedeck sql --format csv --file query.sql > result.csv
  tapedeck sql --format parquet "SELECT * FROM bars WHERE interval = '1m'" > bars.parquet`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			write, ok := writers[format]
			if !ok {
				return usageError{fmt.Errorf("--format: %q is not a format; one of table, csv, json, parquet", format)}
			}
			if format == "parquet" && isTerminal(cmd.OutOrStdout()) {
				return usageError{errors.New("parquet is not for the terminal: send it to a file with > result.parquet")}
			}
			if dialect != "athena" && dialect != "duckdb" {
				return usageError{fmt.Errorf("--dialect: %q is not a dialect; athena or duckdb", dialect)}
			}
			c, err := o.config()
			if err != nil {
				return err
			}
			if engine != "" {
				c.SQL.Engine = engine
			}
			if dialect == "duckdb" {
				if isRemote(engine) {
					return usageError{fmt.Errorf("--dialect duckdb is for this machine: %s takes Trino's SQL", engine)}
				}
				c.SQL.Engine = engineDuckDB
			} else if cmd.Flags().Changed("dialect") && c.SQL.Engine == engineDuckDB {
				c.SQL.Engine = engineLocal
			}
			if err := c.checkEngine(c.SQL.Engine); err != nil {
				return usageError{err}
			}
			if f, ok := cmd.InOrStdin().(*os.File); ok && len(args) == 0 && file == "" && isTerminal(f) && isTerminal(cmd.OutOrStdout()) {
				files, err := openFileTables(cmd.Context(), c, tables)
				if err != nil {
					return err
				}
				return runShell(cmd.Context(), c, limit, format, files)
			}
			statement, err := readStatement(args, file, cmd.InOrStdin())
			if err != nil {
				return err
			}
			files, err := openFileTables(cmd.Context(), c, tables)
			if err != nil {
				return err
			}
			return query(cmd.Context(), c, statement, limit, files, write, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&format, "format", "table", "how rows come out: table, csv, json or parquet")
	cmd.Flags().StringVar(&dialect, "dialect", dialect, "the statement's SQL: athena (Trino's meaning) or duckdb (DuckDB's own)")
	cmd.Flags().StringVar(&engine, "engine", "", "who answers: local, duckdb, athena or trino (default: the setting sql.engine)")
	cmd.Flags().StringVar(&file, "file", "", "read the statement from `FILE`; - is standard input")
	cmd.Flags().StringArrayVar(&tables, "table", nil, "`NAME=FILE`: a local .csv or .parquet file as a table, for this call (repeatable)")
	cmd.Flags().IntVar(&limit, "limit", 0, "give at most `N` rows (0: all)")
	_ = cmd.RegisterFlagCompletionFunc("dialect", cobra.FixedCompletions([]string{"athena", "duckdb"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("engine", cobra.FixedCompletions(engineNames, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"table", "csv", "json", "parquet"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// openFileTables are the tables that --table adds.
func openFileTables(ctx context.Context, c Config, tables []string) ([]*store.FileTable, error) {
	if len(tables) > 0 && isRemote(c.SQL.Engine) {
		return nil, usageError{fmt.Errorf("--table is for this machine: %s does not see its files", c.SQL.Engine)}
	}
	var files []*store.FileTable
	for _, t := range tables {
		name, path, ok := strings.Cut(t, "=")
		if !ok {
			return nil, usageError{fmt.Errorf("--table %q: write NAME=FILE, such as orders=orders.csv", t)}
		}
		f, err := store.OpenFileTable(ctx, strings.ToLower(name), path)
		if err != nil {
			return nil, usageError{fmt.Errorf("--table: %w", err)}
		}
		for _, other := range files {
			if other.Name == f.Name {
				return nil, usageError{fmt.Errorf("--table: %s is named twice", f.Name)}
			}
		}
		files = append(files, f)
	}
	return files, nil
}

var writers = map[string]func(context.Context, store.Cursor, io.Writer) error{
	"table": store.WriteTable, "csv": store.WriteCSV, "json": store.WriteJSON, "parquet": store.WriteParquet,
}

const maxStatement = 1 << 20

func readStatement(args []string, file string, stdin io.Reader) (string, error) {
	var data []byte
	var err error
	switch {
	case len(args) == 1 && file != "":
		return "", usageError{errors.New("give the statement or --file, not both")}
	case len(args) == 1:
		data = []byte(args[0])
	case file == "" || file == "-":
		if f, ok := stdin.(*os.File); ok && file == "" && isTerminal(f) {
			return "", usageError{errors.New(`no statement: tapedeck sql "SELECT …", --file FILE, or standard input`)}
		}
		data, err = io.ReadAll(io.LimitReader(stdin, maxStatement+1))
	default:
		data, err = os.ReadFile(file)
	}
	switch {
	case err != nil:
		return "", usageError{fmt.Errorf("read the statement: %w", err)}
	case len(data) > maxStatement:
		return "", usageError{errors.New("the statement is longer than 1 MB")}
	case strings.TrimSpace(string(data)) == "":
		return "", usageError{errors.New(`the statement is empty: tapedeck sql "SELECT …"`)}
	}
	return string(data), nil
}

// query answers one statement: over the log of the running pipeline or, where
// none runs, over the log that lies here; or by an engine elsewhere, which
// needs neither.
func query(ctx context.Context, c Config, statement string, limit int, files []*store.FileTable,
	write func(context.Context, store.Cursor, io.Writer) error, out, notes io.Writer) error {
	e := &engines{config: c}
	defer e.close()
	if !isRemote(c.SQL.Engine) {
		v, err := openView(ctx, c, notes, files...)
		if err != nil {
			return err
		}
		defer v.close()
		e.db = func() (*store.DB, error) { return v.db, nil }
	}
	rows, err := e.query(ctx, c.SQL.Engine, statement, limit, nil)
	if err != nil {
		if mistaken(err) {
			return usageError{err}
		}
		return err
	}
	defer rows.Close()
	for _, warning := range rows.Warnings() {
		fmt.Fprintln(notes, "note:", warning)
	}
	if err := write(ctx, rows, out); err != nil {
		return err
	}
	if cost := costOf(rows); cost != "" {
		fmt.Fprintln(notes, "note:", c.SQL.Engine+":", cost)
	}
	return rows.Err()
}

// view is a reader's hold on a data directory: SQL over lake and log.
type view struct {
	lock   *os.File
	broker *kafka.Broker
	log    *kafka.Client
	lake   *lake.Lake
	db     *store.DB
	note   func() // notes what was used of S3; nil: nobody counts
}

// openView opens a data directory for reading. It uses the running pipeline's
// log; where none runs and the log lies here, it opens that log for as long as
// it reads, holding the lock like a pipeline. Where the log cannot be reached
// it says so, and what is in the lake is read all the same.
func openView(ctx context.Context, c Config, notes io.Writer, files ...*store.FileTable) (*view, error) {
	v, p, err := openLakeView(ctx, c, true, notes)
	if err != nil {
		return nil, err
	}
	if v.db, err = openStore(ctx, c, p, v.lake, v.log, discard(), files...); err != nil {
		v.close()
		return nil, err
	}
	return v, nil
}

// openLakeView is openView without SQL. A reader of the lake goes on with what
// is cached when the lake is away.
func openLakeView(ctx context.Context, c Config, reader bool, notes io.Writer) (*view, *place, error) {
	p, err := c.place(false)
	if err != nil {
		return nil, nil, err
	}
	v := &view{}
	if err := v.openLog(ctx, c, p, discard()); err != nil {
		fmt.Fprintf(notes, "note: the log cannot be reached, so the newest minutes are missing: %v\n", err)
	}
	if v.lake, err = openLake(ctx, c, p, reader, discard()); err != nil {
		v.close()
		return nil, nil, err
	}
	v.note = p.noteUsage("command", v.lake, discard())
	return v, p, nil
}

func (v *view) openLog(ctx context.Context, c Config, p *place, logger *slog.Logger) error {
	if len(c.Kafka.Brokers) > 0 {
		client, err := kafka.Open(logConfig(c), logger)
		v.log = client
		return err
	}
	for {
		run, starting, err := p.running()
		if err != nil {
			return err
		}
		if run != nil {
			v.log, err = attach(c, run, logger)
			return err
		}
		if p.guest && !starting {
			return fmt.Errorf("no pipeline runs on %s, and %w: sudo systemctl start tapedeck", p.dir, errNotMine)
		}
		if !starting {
			if _, err := os.Stat(p.path("log")); errors.Is(err, os.ErrNotExist) {
				return nil // nothing was ever recorded here
			}
			v.lock, err = p.lock("pipeline.lock")
			if err == nil {
				break
			}
			if !errors.Is(err, errBusy) {
				return err
			}
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
	var err error
	if v.broker, err = kafka.OpenBroker(p.path("log"), kafka.BrokerConfig{Sync: c.Kafka.Sync, Log: logger}); err != nil {
		return err
	}
	v.log, err = kafka.Open(v.broker.Config(logConfig(c)), logger)
	return err
}

func (v *view) close() {
	if v.note != nil {
		v.note()
	}
	if v.db != nil {
		v.db.Close()
	}
	if v.lake != nil {
		v.lake.Close()
	}
	if v.log != nil {
		v.log.Close()
	}
	if v.broker != nil {
		v.broker.Close()
	}
	if v.lock != nil {
		v.lock.Close()
	}
}
