package store_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/duckdb/duckdb-go/v2"
	"tapedeck/pipeline/market"
	"tapedeck/store"
	"tapedeck/store/athena"
	"tapedeck/store/lake"
)

// dayLake is a lake with a trading day of 1,000 symbols at 1 Hz, shortened
// to TAPEDECK_BENCH_SECONDS (1800; a whole day is 23400): merged but for the
// last five minutes, which lie in parts. DuckDB itself makes the merged files,
// as a merge would have left them.
func dayLake(b *testing.B) (string, *lake.Lake) {
	seconds := 1800
	if n, err := strconv.Atoi(os.Getenv("TAPEDECK_BENCH_SECONDS")); err == nil {
		seconds = n
	}
	merged := max(seconds-300, seconds/2)
	const partitions, symbols = 12, 1000
	perSecond := func(p int) int64 { return int64((symbols - p + partitions - 1) / partitions) } // records of a partition
	dir := b.TempDir()
	l := openLake(b, dir)
	if _, _, err := l.OpenPartition(b.Context(), lake.Ticks, "t", 0); err != nil { // names the log
		b.Fatal(err)
	}
	plain := plainDB(b)
	for from := 0; from < merged; {
		at := start.Std().Add(time.Duration(from) * time.Second)
		to := min(merged, from+int(at.Truncate(time.Hour).Add(time.Hour).Sub(at)/time.Second))
		folder := filepath.Join(dir, "processed", "ticks", at.Format("date=2006-01-02"), at.Format("hour=15"))
		if err := os.MkdirAll(folder, 0o755); err != nil {
			b.Fatal(err)
		}
		var ends []lake.Position
		for p := range partitions {
			ends = append(ends, lake.Position{Partition: int32(p), Offset: int64(to) * perSecond(p)})
		}
		_, err := plain.Exec(fmt.Sprintf(`COPY (
			SELECT 'SYM' || lpad(n::VARCHAR, 3, '0') AS symbol, make_timestamp(%[1]d + s*1000000 + n*1000) AS time, price, 1 + hash(s, n) %% 500 AS size,
				price - 0.01 AS bid, price + 0.01 AS ask, 'Q' AS exchange, NULL::VARCHAR AS condition, 'sim' AS source, make_timestamp(%[1]d + s*1000000 + n*1000 + 321) AS received,
				(n %% %[4]d)::INTEGER AS "partition", s * ((%[5]d - n %% %[4]d + %[4]d - 1) // %[4]d) + n // %[4]d AS "offset", 0 AS log_topic
			FROM (SELECT i // (%[3]d - %[2]d) AS n, %[2]d + i %% (%[3]d - %[2]d) AS s, round(100 + n %% 300 + (hash(n, s // 60) %% 400 + hash(s, n) %% 30)::DOUBLE / 100, 2) AS price FROM range(%[5]d * (%[3]d - %[2]d)) t(i))
		) TO '%[6]s' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE %[7]d, PRESERVE_ORDER true, KV_METADATA {%[8]s: '%[9]s'})`,
			int64(start), from, to, partitions, symbols, filepath.Join(folder, "data.parquet"), lake.RowGroup, lake.EndsKey, lake.FormatEnds(ends)))
		if err != nil {
			b.Fatal(err)
		}
		from = to
	}
	manifest := map[string]any{"version": 1, "table": lake.Ticks, "generation": 1, "merged": start.Std(), "ends": map[string]any{"t": map[string]int64{}}}
	for p := range partitions {
		manifest["ends"].(map[string]any)["t"].(map[string]int64)[strconv.Itoa(p)] = int64(merged) * perSecond(p)
	}
	data, err := json.Marshal(manifest)
	if err != nil {
		b.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "manifest"), 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "manifest", "ticks.json"), data, 0o600); err != nil {
		b.Fatal(err)
	}
	var value []byte
	for p := range partitions {
		chain, next, err := l.OpenPartition(b.Context(), lake.Ticks, "t", int32(p))
		if err != nil {
			b.Fatal(err)
		}
		for s := merged; s < seconds; s++ {
			for n := p; n < symbols; n += partitions {
				t := market.Tick{Symbol: fmt.Sprintf("SYM%03d", n), Time: start + market.Time(s)*1e6 + market.Time(n)*1000, Price: 100 + float64((s*7+n*13)%997)/100,
					Size: int64(100 + (s+n)%7), Bid: 99.99, Ask: 100.01, Exchange: "Q", Source: "sim", Received: start + market.Time(s)*1e6}
				value = market.AppendTick(value[:0], &t)
				if err := chain.Append(next, t.Time, nil, value); err != nil {
					b.Fatal(err)
				}
				next++
			}
			if s%30 == 29 || s == seconds-1 {
				if err := chain.Flush(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	return dir, l
}

// plainDB is DuckDB alone, with two threads.
func plainDB(b *testing.B) *sql.DB {
	connector, err := duckdb.NewConnector("", nil)
	if err != nil {
		b.Fatal(err)
	}
	plain := sql.OpenDB(connector)
	plain.SetMaxOpenConns(1)
	b.Cleanup(func() { plain.Close() })
	for _, statement := range []string{"SET threads = 2", "SET TimeZone = 'UTC'"} {
		if _, err := plain.Exec(statement); err != nil {
			b.Fatal(err)
		}
	}
	return plain
}

// asked is a question as an analyst writes it for Athena, and the same for
// DuckDB alone.
type asked struct{ name, athena, duckdb string }

var questions = []asked{
	{"minute-bars",
		"SELECT symbol, date_trunc('minute', time) AS minute, min_by(price, time) AS open, max(price) AS high, min(price) AS low, max_by(price, time) AS close, sum(size) AS volume FROM ticks GROUP BY 1, 2",
		"SELECT symbol, date_trunc('minute', time) AS minute, min_by(price, time) AS open, max(price) AS high, min(price) AS low, max_by(price, time) AS close, sum(size) AS volume FROM ticks GROUP BY 1, 2"},
	{"symbol-day",
		"SELECT time, price, size, bid, ask FROM ticks WHERE symbol = 'SYM500'",
		"SELECT time, price, size, bid, ask FROM ticks WHERE symbol = 'SYM500'"},
	{"symbol-bars",
		"SELECT date_trunc('minute', time) AS minute, min(price) AS low, max(price) AS high, sum(size) AS volume FROM ticks WHERE symbol = 'SYM500' GROUP BY 1 ORDER BY 1",
		"SELECT date_trunc('minute', time) AS minute, min(price) AS low, max(price) AS high, sum(size) AS volume FROM ticks WHERE symbol = 'SYM500' GROUP BY 1 ORDER BY 1"},
	{"vwap",
		"SELECT symbol, sum(price * size) / sum(size) AS vwap, sum(size) AS volume FROM ticks GROUP BY symbol ORDER BY volume DESC LIMIT 20",
		"SELECT symbol, sum(price * size) / sum(size) AS vwap, sum(size) AS volume FROM ticks GROUP BY symbol ORDER BY volume DESC LIMIT 20"},
	{"movers",
		"SELECT symbol, max_by(price, time) / min_by(price, time) - 1 AS change FROM ticks GROUP BY symbol ORDER BY abs(max_by(price, time) / min_by(price, time) - 1) DESC LIMIT 20",
		"SELECT symbol, max_by(price, time) / min_by(price, time) - 1 AS change FROM ticks GROUP BY symbol ORDER BY abs(max_by(price, time) / min_by(price, time) - 1) DESC LIMIT 20"},
	{"spread",
		"SELECT exchange, avg((ask - bid) / price) * 10000 AS points, count(*) AS ticks FROM ticks WHERE bid > 0 GROUP BY exchange",
		"SELECT exchange, avg((ask - bid) / price) * 10000 AS points, count(*) AS ticks FROM ticks WHERE bid > 0 GROUP BY exchange"},
	{"returns",
		"SELECT symbol, stddev(r) AS risk FROM (SELECT symbol, ln(close / lag(close) OVER (PARTITION BY symbol ORDER BY minute)) AS r FROM (SELECT symbol, date_trunc('minute', time) AS minute, max_by(price, time) AS close FROM ticks GROUP BY 1, 2)) GROUP BY symbol ORDER BY 2 DESC LIMIT 20",
		"SELECT symbol, stddev(r) AS risk FROM (SELECT symbol, ln(close / lag(close) OVER (PARTITION BY symbol ORDER BY minute)) AS r FROM (SELECT symbol, date_trunc('minute', time) AS minute, max_by(price, time) AS close FROM ticks GROUP BY 1, 2)) GROUP BY symbol ORDER BY 2 DESC LIMIT 20"},
	{"count", "SELECT count(*) FROM ticks", "SELECT count(*) FROM ticks"},
}

// BenchmarkDay asks the lake as the SQL pane does, and DuckDB alone over the
// same files: the ratio, of the best times of both in turn, is what Athena's
// meaning, the safety and the counting of every row once cost. With "fresh"
// the last five minutes lie in parts, which DuckDB alone does not see.
func BenchmarkDay(b *testing.B) {
	dir, l := dayLake(b)
	var tables []athena.Table
	for _, t := range lake.Tables() {
		table := athena.Table{Name: t.Name, Columns: []athena.Column{{Name: "date", Type: "VARCHAR", Partition: true}, {Name: "hour", Type: "VARCHAR", Partition: true}}}
		for _, c := range t.Visible() {
			table.Columns = append(table.Columns, athena.Column{Name: c.Name, Type: c.Type})
		}
		tables = append(tables, table)
	}
	translator, err := athena.New(tables)
	if err != nil {
		b.Fatal(err)
	}
	db := openDB(b, store.Config{Lake: l, Threads: 2, Rewriter: translator, Setup: athena.Setup(), Connect: athena.Register})
	plain := plainDB(b)
	files := filepath.Join(dir, "processed", "ticks", "*", "*", "data.parquet")
	if _, err := plain.Exec("CREATE VIEW ticks AS SELECT * FROM read_parquet('" + files + "', hive_partitioning = true)"); err != nil {
		b.Fatal(err)
	}
	compare := func(b *testing.B) {
		var all, allPlain cost
		for _, q := range questions {
			b.Run(q.name, func(b *testing.B) {
				best, bestPlain := cost{time.Hour, time.Hour}, cost{time.Hour, time.Hour}
				for b.Loop() {
					begin := spent()
					rows, err := db.Query(b.Context(), q.athena, store.Options{Limit: 1000})
					if err != nil {
						b.Fatal(err)
					}
					for rows.Next() {
					}
					if err := rows.Err(); err != nil {
						b.Fatal(err)
					}
					rows.Close()
					middle := spent()
					drain(b, plain, "SELECT * FROM ("+q.duckdb+") LIMIT 1001")
					end := spent()
					best = cost{min(best.wall, middle.wall-begin.wall), min(best.cpu, middle.cpu-begin.cpu)}
					bestPlain = cost{min(bestPlain.wall, end.wall-middle.wall), min(bestPlain.cpu, end.cpu-middle.cpu)}
				}
				best.report(b, bestPlain)
				all = cost{all.wall + best.wall, all.cpu + best.cpu}
				allPlain = cost{allPlain.wall + bestPlain.wall, allPlain.cpu + bestPlain.cpu}
			})
		}
		b.Run("all", func(b *testing.B) {
			all.report(b, allPlain)
		})
	}
	b.Run("fresh", compare)
	b.Run("merge", func(b *testing.B) {
		for b.Loop() {
			if _, err := l.Merge(b.Context(), lake.Ticks); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("merged", compare)
}

// cost is what a question takes: time, and the processors' time of the process,
// which others on the machine disturb less.
type cost struct{ wall, cpu time.Duration }

var began = time.Now()

// spent is the cost of the process until now.
func spent() cost {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return cost{time.Since(began), time.Duration(u.Utime.Nano() + u.Stime.Nano())}
}

func (c cost) report(b *testing.B, plain cost) {
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(c.wall.Microseconds())/1000, "ms")
	b.ReportMetric(float64(plain.wall.Microseconds())/1000, "duckdb-ms")
	b.ReportMetric(float64(c.wall)/float64(plain.wall), "ratio")
	b.ReportMetric(float64(c.cpu)/float64(plain.cpu), "cpu-ratio")
}

func drain(b *testing.B, db *sql.DB, q string) {
	rows, err := db.Query(q)
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	columns, _ := rows.Columns()
	values := make([]any, len(columns))
	for i := range values {
		values[i] = new(any)
	}
	for rows.Next() {
		if err := rows.Scan(values...); err != nil {
			b.Fatal(err)
		}
	}
	if err := rows.Err(); err != nil {
		b.Fatal(err)
	}
}
