package store_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"tapedeck/pipeline/market"
	"tapedeck/store"
	"tapedeck/store/lake"
)

// TestCountsWhileFilesMove asks all the time while hours are flushed, sealed,
// published, merged (by two at once) and cleared: every row counts once at
// every moment.
func TestCountsWhileFilesMove(t *testing.T) {
	t.Run("directory", func(t *testing.T) { countWhileFilesMove(t, t.TempDir(), lake.Config{}) })
	t.Run("s3", func(t *testing.T) {
		backend := s3mem.New()
		if err := backend.CreateBucket("lake"); err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(gofakes3.New(backend).Server())
		t.Cleanup(server.Close)
		countWhileFilesMove(t, "s3://lake/x", lake.Config{Cache: t.TempDir(), S3: lake.S3Config{
			Endpoint: server.URL, Region: "us-east-1", PathStyle: true, AccessKey: "a", SecretKey: "b", NoChecksums: true}})
	})
}

func countWhileFilesMove(t *testing.T, dir string, config lake.Config) {
	const ticks, partitions = 6000, 3
	log := &memoryLog{}
	now := start
	for n := range ticks {
		tk := tick(n, fmt.Sprintf("S%d", n%7))
		tk.Time -= market.Time(n%4) * 3600e6 // late rows go to earlier hours
		now = start + market.Time(n)*2e6     // 1,800 ticks an hour of the log
		log.add(lake.Ticks, int32(n%partitions), now, market.AppendTick(nil, &tk))
		b := market.Bar{Symbol: tk.Symbol, Interval: market.Second, Time: start + market.Time(n/2)*1e6,
			Open: 1, High: 1, Low: 1, Close: 1, Volume: 1, VWAP: 1, Trades: 1, Revision: int32(n % 2)}
		log.add(lake.Bars, 0, now, market.AppendBar(nil, &b))
	}
	bars := map[string]bool{}
	for n := range ticks {
		bars[fmt.Sprint(n%7, n/2)] = true
	}
	l, err := lake.Open(t.Context(), dir, config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	db := openDB(t, store.Config{Lake: l, Log: log})
	if _, err := lake.Open(t.Context(), dir, lake.Config{Grace: -1}, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a negative grace was taken")
	}

	var wg sync.WaitGroup
	moving := make(chan struct{})
	for writer := range 2 {
		wg.Go(func() {
			config := config
			config.Grace = 300 * time.Millisecond
			l, err := lake.Open(t.Context(), dir, config, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Error(err)
				return
			}
			defer l.Close()
			move(t, l, log, writer, ticks, partitions, now)
		})
	}
	go func() { wg.Wait(); close(moving) }()
	wantTicks := fmt.Sprint([]any{ticks, ticks, int64(ticks) * (ticks + 1) / 2})
	wantBars := fmt.Sprint([]any{len(bars), len(bars)})
	queries := 0
	check := func() {
		if got := fmt.Sprint(query(t, db, `SELECT count(*), count(DISTINCT (partition, "offset")), sum(size)::BIGINT FROM ticks`)[0]); got != wantTicks {
			t.Fatalf("query %d: ticks %s, want %s", queries, got, wantTicks)
		}
		if got := fmt.Sprint(query(t, db, `SELECT count(*), count(DISTINCT (symbol, time)) FROM bars`)[0]); got != wantBars {
			t.Fatalf("query %d: bars %s, want %s", queries, got, wantBars)
		}
		queries++
	}
	for moved := false; !moved; {
		select {
		case <-moving:
			moved = true
		default:
		}
		check()
	}
	check()
	if queries < 5 {
		t.Errorf("only %d queries met the moving", queries)
	}
	// The same without a log: it all lies in the lake.
	db = openDB(t, store.Config{Lake: l})
	check()
}

// move carries the whole log into the lake as the archive does.
func move(t *testing.T, l *lake.Lake, log *memoryLog, writer, ticks, partitions int, now market.Time) {
	ends, _ := log.Ends(t.Context(), lake.Ticks)
	step := int64(130 + 40*writer)
	for round := 0; ; round++ {
		done := true
		for p := range int32(partitions) {
			if carry(t, l, log, lake.Ticks, "t", p, step) < ends[p] {
				done = false
			}
		}
		if carry(t, l, log, lake.Bars, "b", 0, step*3) < int64(ticks) {
			done = false
		}
		_, err := l.Seal(t.Context(), now.Add(2*time.Hour), ends)
		if err == nil {
			_, err = l.Publish(t.Context())
		}
		if err == nil && (round%3 == 2 || done) {
			_, err = l.Merge(t.Context(), lake.Ticks)
			if err == nil {
				_, err = l.Merge(t.Context(), lake.Bars)
			}
		}
		for _, table := range []string{lake.Ticks, lake.Bars} {
			if err == nil {
				_, err = l.Clear(t.Context(), table)
			}
		}
		if err != nil {
			t.Error(err)
			return
		}
		if done {
			return
		}
	}
}

// carry appends up to n records of a partition, and gives how far it came.
func carry(t *testing.T, l *lake.Lake, log *memoryLog, table, topic string, p int32, n int64) int64 {
	chain, next, err := l.OpenPartition(t.Context(), table, topic, p)
	if err != nil {
		t.Error(err)
		return next
	}
	err = log.Read(t.Context(), table, p, next, next+n, func(offset int64, produced market.Time, key, value []byte) error {
		return chain.Append(offset, produced, key, value)
	})
	if err == nil {
		err = chain.Flush(t.Context())
	}
	if err != nil && !errors.Is(err, lake.ErrBehind) {
		t.Error(err)
	}
	return chain.Durable()
}
