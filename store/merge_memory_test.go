package store_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"tapedeck/pipeline/market"
	"tapedeck/store"
	"tapedeck/store/lake"
)

// A merge that does not go with the memory it usually has is made with more,
// and bars that are repeated or corrected stand once, as they were last.
func TestMergeBeyondItsMemory(t *testing.T) {
	var said bytes.Buffer
	l, err := lake.Open(t.Context(), t.TempDir(), lake.Config{MergeMemory: "6MB"}, slog.New(slog.NewTextHandler(&said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	const seconds = 3000
	symbols := strings.Fields("AAPL MSFT IBM GE F T XOM CVX KO PEP")
	log := &memoryLog{}
	bar := func(symbol string, second, revision int) {
		b := market.Bar{Symbol: symbol, Interval: market.Second, Time: market.Time(start).Truncate(time.Hour).Add(time.Duration(second) * time.Second),
			Open: 1, High: 2, Low: 0.5, Close: float64(revision + 1), Volume: 10, VWAP: 1, Trades: 3, Revision: int32(revision)}
		log.add(lake.Bars, 0, b.Time, market.AppendBar(nil, &b))
	}
	merge := func() {
		archive(t, l, log, lake.Bars, "b", 0, int64(len(log.tables[lake.Bars][0])))
		if _, err := l.Merge(t.Context(), lake.Bars); err != nil {
			t.Fatal(err)
		}
	}
	for half := range 2 {
		for s := half * seconds / 2; s < (half+1)*seconds/2; s++ {
			for _, symbol := range symbols {
				bar(symbol, s, 0)
			}
		}
		if half == 1 {
			for s := range seconds / 10 {
				bar("IBM", s, 0)  // told again
				bar("GE", s, 1)   // corrected
				bar("F", s*10, 2) // twice
				bar("F", s*10, 1) // and the first of them late
			}
		}
		merge()
	}
	if !strings.Contains(said.String(), "more memory") {
		t.Error("the merge had memory enough: the test proves nothing")
	}
	db := openDB(t, store.Config{Lake: l, Log: log, Threads: 1})
	got := query(t, db, `SELECT count(*), count(DISTINCT (symbol, time)), count(*) FILTER (close = 2), count(*) FILTER (close = 3) FROM bars`)[0]
	for i, want := range []int64{int64(len(symbols) * seconds), int64(len(symbols) * seconds), seconds / 10, seconds / 10} {
		if got[i] != want {
			t.Errorf("%v, the place %d should be %d", got, i, want)
		}
	}
}
