package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"tapedeck/pipeline/market"
	"tapedeck/store"
	"tapedeck/store/lake"
)

func TestBarsForTheScreen(t *testing.T) {
	log := &memoryLog{}
	add := func(symbol string, interval market.Interval, at market.Time, c float64) {
		b := market.Bar{Symbol: symbol, Interval: interval, Time: at, Open: 1, High: 200, Low: 0.5, Close: c, Volume: 7, VWAP: 1.5, Trades: 2}
		log.add(lake.Bars, 0, at, market.AppendBar(nil, &b))
	}
	day := start.Truncate(24 * time.Hour)
	for n := range 300 {
		for _, s := range []string{"AAPL", "IBM"} {
			add(s, market.Minute, start.Add(time.Duration(n)*time.Minute), 100+float64(n))
		}
	}
	for n := range 5 {
		add("AAPL", market.Day, day.Add(-time.Duration(n)*24*time.Hour), float64(50-n))
	}
	l := openLake(t, t.TempDir())
	archive(t, l, log, lake.Bars, "b", 0, 400)
	if _, err := l.Merge(t.Context(), lake.Bars); err != nil {
		t.Fatal(err)
	}
	archive(t, l, log, lake.Bars, "b", 0, 500)
	db := openDB(t, store.Config{Lake: l, Log: log})

	// DuckDB's rule that rewrites windows fails now and then on a keyed view.
	plan := fmt.Sprint(query(t, db, `EXPLAIN SELECT * FROM (SELECT symbol, row_number() OVER (PARTITION BY symbol ORDER BY time DESC) AS n FROM bars) WHERE n = 1`))
	if !strings.Contains(plan, "WINDOW") {
		t.Errorf("the window is gone from the plan:\n%s", plan)
	}

	bars, err := db.Bars(t.Context(), "AAPL", market.Minute, start, start.Add(time.Hour), 0)
	if err != nil || len(bars) != 60 || bars[0].Time != start || bars[59].Close != 159 || bars[3].Interval != market.Minute || bars[3].VWAP != 1.5 || bars[3].Trades != 2 || bars[3].Volume != 7 {
		t.Errorf("%d bars, %v: %+v", len(bars), err, bars)
	}
	bars, err = db.Bars(t.Context(), "IBM", market.Minute, 0, 0, 10)
	if err != nil || len(bars) != 10 || bars[9].Close != 399 || bars[0].Close != 390 {
		t.Errorf("the newest bars: %v, %+v", err, bars)
	}
	if bars, err = db.Bars(t.Context(), "NONE'X", market.Minute, 0, 0, 10); err != nil || len(bars) != 0 {
		t.Errorf("no such symbol: %v, %v", bars, err)
	}
	days, err := db.DayBars(t.Context(), day)
	if err != nil || len(days) != 1 || days["AAPL"].Close != 49 {
		t.Errorf("day bars: %v, %v", days, err)
	}
	sparks, err := db.Sparks(t.Context(), market.Minute, 30, start.Add(12*time.Hour))
	if err != nil || len(sparks) != 2 || len(sparks["IBM"]) != 30 || sparks["IBM"][29] != 399 {
		t.Errorf("sparks: %v, %v", sparks, err)
	}
	var all []market.Bar
	each := func(b *market.Bar) error {
		all = append(all, *b)
		return nil
	}
	if err := db.EachBar(t.Context(), market.Minute, 0, 0, each); err != nil || len(all) != 600 || all[0].Symbol != "AAPL" || all[1].Symbol != "IBM" || all[1].Time != start || all[599].Close != 399 {
		t.Errorf("all bars: %d, %v", len(all), err)
	}
	all = nil
	if err := db.EachBar(t.Context(), market.Minute, start.Add(time.Minute), start.Add(3*time.Minute), each); err != nil || len(all) != 4 || all[0].Close != 101 {
		t.Errorf("bars of a range: %v, %v", all, err)
	}
	enough := errors.New("enough")
	if err := db.EachBar(t.Context(), market.Minute, 0, 0, func(*market.Bar) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("an error of the reader is lost: %v", err)
	}
}

// backwards is a dialect in which everything is written backwards.
type backwards struct{}

func (backwards) Rewrite(sql string) (string, error) {
	if sql == "no" {
		return "", errors.New("this cannot be said")
	}
	var b strings.Builder
	for i := len(sql) - 1; i >= 0; i-- {
		b.WriteByte(sql[i])
	}
	return b.String(), nil
}

func TestRewriter(t *testing.T) {
	db := openDB(t, store.Config{Lake: openLake(t, t.TempDir()), Rewriter: backwards{}, Setup: []string{"CREATE MACRO twice(x) AS 2 * x"}})
	if got := fmt.Sprint(query(t, db, ")12(eciwt TCELES")); got != "[[42]]" {
		t.Error(got)
	}
	if _, err := db.Query(t.Context(), "no", store.Options{}); err == nil || err.Error() != "this cannot be said" {
		t.Error(err)
	}
	if _, err := db.Query(t.Context(), ")'dwssap/cte/'(txet_daer MORF", store.Options{}); !errors.Is(err, store.ErrRefused) {
		t.Errorf("the rewriter's answer is not checked: %v", err)
	}
	rows, err := db.Query(t.Context(), "SELECT twice(4)", store.Options{Native: true, Limit: 1})
	if err != nil || !rows.Next() {
		t.Fatal(err)
	}
	rows.Close()
}

func TestStatementsOverTables(t *testing.T) {
	log := &memoryLog{}
	for n := range 100 {
		tk := tick(n*60, "AAPL")
		log.add(lake.Ticks, 0, tk.Time, market.AppendTick(nil, &tk))
	}
	l := openLake(t, t.TempDir())
	archive(t, l, log, lake.Ticks, "t", 0, 100)
	if _, err := l.Merge(t.Context(), lake.Ticks); err != nil {
		t.Fatal(err)
	}
	db := openDB(t, store.Config{Lake: l, Log: log})
	for sql, want := range map[string]string{
		"SELECT count(*) FROM ticks WHERE time >= TIMESTAMP '2026-11-20 15:00:00'":                                                         "[[70]]",
		"SELECT count(*) FROM ticks WHERE time < '2026-11-20 15:00:00'":                                                                    "[[30]]",
		"SELECT count(*) FROM ticks WHERE time BETWEEN '2026-11-20 15:00:00' AND '2026-11-20 15:10:00'":                                    "[[11]]",
		"SELECT count(*) FROM ticks WHERE date = '2026-11-20' AND hour = '15'":                                                             "[[60]]",
		"SELECT count(*) FROM ticks WHERE date = '2026-11-21'":                                                                             "[[0]]",
		"SELECT count(*) FROM ticks WHERE '2026-11-20 15:00:00' <= time OR symbol = 'AAPL'":                                                "[[100]]",
		"SELECT count(*) FROM ticks t WHERE t.time >= '2026-11-20 16:00:00'":                                                               "[[10]]",
		"SELECT count(*) FROM ticks o WHERE EXISTS (SELECT 1 FROM ticks i WHERE i.time = o.time AND o.time >= '2026-11-20 16:00:00')":      "[[10]]",
		"SELECT count(*) FROM ticks a JOIN ticks b USING (time) WHERE a.time >= '2026-11-20 16:00:00'":                                     "[[10]]",
		"WITH ticks AS (SELECT 1) SELECT count(*) FROM ticks":                                                                              "[[1]]",
		"WITH x AS (SELECT * FROM ticks WHERE time < '2026-11-20 14:40:00') SELECT (SELECT count(*) FROM x), (SELECT count(*) FROM ticks)": "[[10 100]]",
		"SHOW TABLES":                   "[[alerts] [bars] [dead_letters] [features] [predictions] [ticks]]",
		"FROM ticks SELECT count(*)":    "[[100]]",
		"VALUES (1), (2)":               "[[1] [2]]",
		"SELECT 1;":                     "[[1]]",
		"SELECT 1 AS a, 2 AS a -- both": "[[1 2]]",
	} {
		if got := fmt.Sprint(query(t, db, sql)); got != want {
			t.Errorf("%s\n got %s, want %s", sql, got, want)
		}
	}
	for _, sql := range []string{"DESCRIBE ticks", "SUMMARIZE ticks", "EXPLAIN SELECT * FROM ticks", "EXPLAIN ANALYZE SELECT count(*) FROM ticks"} {
		if got := query(t, db, sql); len(got) == 0 {
			t.Errorf("%s says nothing", sql)
		}
	}
	rows, err := db.Query(t.Context(), "SELECT 1 AS a, 2 AS a, time, price FROM ticks", store.Options{Limit: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	if got := fmt.Sprint(rows.Columns()); got != "[{a INTEGER} {a INTEGER} {time TIMESTAMP} {price DOUBLE}]" {
		t.Error(got)
	}
	if rows.Scanned() == 0 || rows.Elapsed() == 0 {
		t.Error("no bytes, no time")
	}
	if _, err := db.Query(t.Context(), "SELECT pricee FROM ticks", store.Options{}); err == nil || !strings.Contains(err.Error(), "price") {
		t.Errorf("a misspelt column: %v", err)
	}
}
