package store_test

import (
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/duckdb/duckdb-go/v2"
	"tapedeck/pipeline/market"
	"tapedeck/store"
	"tapedeck/store/lake"
)

// dayLake is a lake with a trading day of 1,000 symbols at 1 Hz, shortened
// to TAPEDECK_BENCH_SECONDS (1800; a whole day is 23400): merged but for the
// last minutes, which lie in parts.
func dayLake(b *testing.B) (string, *lake.Lake) {
	seconds := 1800
	if n, err := strconv.Atoi(os.Getenv("TAPEDECK_BENCH_SECONDS")); err == nil {
		seconds = n
	}
	dir := b.TempDir()
	l, err := lake.Open(b.Context(), dir, lake.Config{}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	const partitions = 12
	chains := make([]*lake.Chain, partitions)
	for p := range chains {
		if chains[p], _, err = l.OpenPartition(b.Context(), lake.Ticks, "t", int32(p)); err != nil {
			b.Fatal(err)
		}
	}
	var offsets [partitions]int64
	var value []byte
	for s := range seconds {
		for n := range 1000 {
			t := market.Tick{Symbol: fmt.Sprintf("SYM%03d", n), Time: start + market.Time(s)*1e6 + market.Time(n)*1000, Price: 100 + float64((s*7+n*13)%997)/100,
				Size: int64(100 + (s+n)%7), Bid: 99.99, Ask: 100.01, Exchange: "Q", Source: "sim", Received: start + market.Time(s)*1e6}
			value = market.AppendTick(value[:0], &t)
			p := n % partitions
			if err := chains[p].Append(offsets[p], t.Time, nil, value); err != nil {
				b.Fatal(err)
			}
			offsets[p]++
		}
		if s%30 == 29 || s == seconds-1 {
			for _, c := range chains {
				if err := c.Flush(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		}
		if s == seconds-300 {
			if _, err := l.Merge(b.Context(), lake.Ticks); err != nil {
				b.Fatal(err)
			}
		}
	}
	return dir, l
}

// BenchmarkDay asks the lake as a user would, and DuckDB alone over the same
// merged files: the difference is what counting every row once costs.
func BenchmarkDay(b *testing.B) {
	dir, l := dayLake(b)
	db := openDB(b, store.Config{Lake: l, Threads: 2})
	connector, err := duckdb.NewConnector("", nil)
	if err != nil {
		b.Fatal(err)
	}
	plain := sql.OpenDB(connector)
	defer plain.Close()
	if _, err := plain.Exec("SET threads = 2"); err != nil {
		b.Fatal(err)
	}
	files := filepath.Join(dir, "processed", "ticks", "*", "*", "data.parquet")
	if _, err := plain.Exec("CREATE VIEW ticks AS SELECT * FROM read_parquet('" + files + "', hive_partitioning = true)"); err != nil {
		b.Fatal(err)
	}
	for _, q := range []struct{ name, sql string }{
		{"minute-bars", "SELECT count(*), sum(v) FROM (SELECT symbol, date_trunc('minute', time) m, first(price ORDER BY time), max(price), min(price), last(price ORDER BY time), sum(size) v FROM ticks GROUP BY 1, 2)"},
		{"symbol-day", "SELECT count(*), sum(size) FROM ticks WHERE symbol = 'SYM500'"},
		{"count", "SELECT count(*) FROM ticks"},
	} {
		b.Run(q.name+"/tapedeck", func(b *testing.B) {
			for b.Loop() {
				query(b, db, q.sql)
			}
		})
		b.Run(q.name+"/duckdb", func(b *testing.B) {
			for b.Loop() {
				rows, err := plain.Query(q.sql)
				if err != nil {
					b.Fatal(err)
				}
				for rows.Next() {
				}
				rows.Close()
			}
		})
	}
	b.Run("flush-merge", func(b *testing.B) {
		for b.Loop() {
			if _, err := l.Merge(b.Context(), lake.Ticks); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("symbol-day/merged", func(b *testing.B) {
		for b.Loop() {
			query(b, db, "SELECT count(*), sum(size) FROM ticks WHERE symbol = 'SYM500'")
		}
	})
	b.Run("minute-bars/merged", func(b *testing.B) {
		for b.Loop() {
			query(b, db, "SELECT count(*), sum(v) FROM (SELECT symbol, date_trunc('minute', time) m, first(price ORDER BY time), max(price), min(price), last(price ORDER BY time), sum(size) v FROM ticks GROUP BY 1, 2)")
		}
	})
	b.Run("minute-bars/duckdb-again", func(b *testing.B) {
		for b.Loop() {
			rows, err := plain.Query("SELECT count(*), sum(v) FROM (SELECT symbol, date_trunc('minute', time) m, first(price ORDER BY time), max(price), min(price), last(price ORDER BY time), sum(size) v FROM ticks GROUP BY 1, 2)")
			if err != nil {
				b.Fatal(err)
			}
			for rows.Next() {
			}
			rows.Close()
		}
	})
}
