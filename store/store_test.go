package store_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"tapedeck/pipeline/market"
	"tapedeck/store"
	"tapedeck/store/lake"
)

// memoryLog is a log of a few partitions in memory.
type memoryLog struct {
	tables map[string]map[int32][]record
}

type record struct {
	produced market.Time
	value    []byte
}

func (l *memoryLog) add(table string, partition int32, produced market.Time, value []byte) int64 {
	if l.tables == nil {
		l.tables = map[string]map[int32][]record{}
	}
	if l.tables[table] == nil {
		l.tables[table] = map[int32][]record{}
	}
	l.tables[table][partition] = append(l.tables[table][partition], record{produced, value})
	return int64(len(l.tables[table][partition]) - 1)
}

func (l *memoryLog) Ends(_ context.Context, table string) (map[int32]int64, error) {
	ends := map[int32]int64{}
	for p, records := range l.tables[table] {
		ends[p] = int64(len(records))
	}
	return ends, nil
}

func (l *memoryLog) Read(_ context.Context, table string, partition int32, from, to int64,
	fn func(int64, market.Time, []byte, []byte) error) error {
	records := l.tables[table][partition]
	for offset := from; offset < min(to, int64(len(records))); offset++ {
		r := records[offset]
		if err := fn(offset, r.produced, nil, r.value); err != nil {
			return err
		}
	}
	return nil
}

var start, _ = market.ParseTime("2026-11-20T14:30:00Z")

func tick(n int, symbol string) market.Tick {
	return market.Tick{
		Symbol: symbol, Time: start + market.Time(n)*1e6, Price: 100 + float64(n%50)/100, Size: int64(n + 1),
		Bid: 99.5, Exchange: "Q", Condition: `a,"b"`, Source: "sim", Received: start + market.Time(n)*1e6 + 500,
	}
}

func openLake(t testing.TB, dir string) *lake.Lake {
	t.Helper()
	l, err := lake.Open(t.Context(), dir, lake.Config{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func openDB(t testing.TB, c store.Config) *store.DB {
	t.Helper()
	c.TempDir = t.TempDir()
	db, err := store.Open(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func query(t testing.TB, db *store.DB, sql string) [][]any {
	t.Helper()
	rows, err := db.Query(context.Background(), sql, store.Options{})
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer rows.Close()
	var all [][]any
	for rows.Next() {
		row := make([]any, len(rows.Values()))
		for i, v := range rows.Values() {
			row[i] = v
		}
		all = append(all, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return all
}

// archive carries the log's records of a table from the chain's end up to
// an offset into the lake.
func archive(t testing.TB, l *lake.Lake, log *memoryLog, table, topic string, partition int32, to int64) {
	t.Helper()
	chain, next, err := l.OpenPartition(t.Context(), table, topic, partition)
	if err != nil {
		t.Fatal(err)
	}
	err = log.Read(t.Context(), table, partition, next, to, func(offset int64, produced market.Time, key, value []byte) error {
		return chain.Append(offset, produced, key, value)
	})
	if err == nil {
		err = chain.Flush(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestEveryTickIsCountedOnce(t *testing.T) {
	log := &memoryLog{}
	for n := range 1000 {
		symbol := []string{"AAPL", "MSFT", "IBM"}[n%3]
		tk := tick(n, symbol)
		log.add(lake.Ticks, int32(n%3), tk.Time, market.AppendTick(nil, &tk))
		if n%100 == 0 {
			log.add(lake.Ticks, int32(n%3), tk.Time, market.AppendClock(nil, market.Clock{Time: tk.Time, Source: "sim"}))
		}
	}
	l := openLake(t, t.TempDir())
	db := openDB(t, store.Config{Lake: l, Log: log})
	check := func(when string) {
		t.Helper()
		got := query(t, db, `SELECT count(*), count(DISTINCT (partition, "offset")), sum(size)::BIGINT, min(time), max(date), max(hour), count(ask), any_value(condition) FROM ticks`)
		if want := fmt.Sprint([]any{1000, 1000, 500500, start.Std(), "2026-11-20", "14", 0, `a,"b"`}); fmt.Sprint(got[0]) != want {
			t.Fatalf("%s: %v, want %v", when, got[0], want)
		}
	}
	check("all in the log")
	for p := range int32(3) {
		archive(t, l, log, lake.Ticks, "topic-a", p, 100)
	}
	check("some in the lake")
	archive(t, l, log, lake.Ticks, "topic-a", 1, 250)
	check("partitions unlike")
	for p := range int32(3) {
		archive(t, l, log, lake.Ticks, "topic-a", p, 1000)
	}
	check("all in the lake")
}
