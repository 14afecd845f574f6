package store_test

import (
	"fmt"
	"math"
	"testing"

	"tapedeck/pipeline/market"
	"tapedeck/store"
	"tapedeck/store/lake"
)

func TestHighestRevisionOfABar(t *testing.T) {
	log := &memoryLog{}
	add := func(minute int, revision int32, volume int64) {
		b := market.Bar{Symbol: "AAPL", Interval: market.Minute, Time: start + market.Time(minute)*60e6,
			Open: 1, High: 2, Low: 0.5, Close: 1.5, Volume: volume, VWAP: 1.25, Trades: 3, Revision: revision}
		log.add(lake.Bars, 0, b.Time, market.AppendBar(nil, &b))
		f := market.Feature{Symbol: "AAPL", Interval: market.Minute, Time: b.Time, Revision: revision, Values: make([]float64, len(market.FeatureNames))}
		f.Values[0], f.Values[1] = float64(volume), math.NaN()
		log.add(lake.Features, 0, b.Time, market.AppendFeature(nil, &f))
	}
	for m := range 100 {
		add(m, 0, 10)
	}
	l := openLake(t, t.TempDir())
	db := openDB(t, store.Config{Lake: l, Log: log})
	check := func(when string, want ...any) {
		t.Helper()
		got := query(t, db, "SELECT count(*), count(DISTINCT time), sum(volume)::BIGINT, any_value(interval), max(date) FROM bars")
		if fmt.Sprint(got[0]) != fmt.Sprint(append([]any{}, want...)) {
			t.Fatalf("%s: %v, want %v", when, got[0], want)
		}
		got = query(t, db, "SELECT count(*), count(DISTINCT time), sum(avg_5m)::BIGINT, any_value(interval), max(date) FROM features WHERE sma_20 IS NULL")
		if fmt.Sprint(got[0]) != fmt.Sprint(append([]any{}, want...)) {
			t.Fatalf("%s, features: %v, want %v", when, got[0], want)
		}
	}
	move := func(to int64) {
		archive(t, l, log, lake.Bars, "b", 0, to)
		archive(t, l, log, lake.Features, "f", 0, to)
	}
	check("log", 100, 100, 1000, "1m", "2026-11-20")
	move(60)
	check("half", 100, 100, 1000, "1m", "2026-11-20")
	add(7, 1, 20) // a late tick
	add(7, 0, 10) // a repeat
	check("revised", 100, 100, 1010, "1m", "2026-11-20")
	move(1000)
	check("all in the lake", 100, 100, 1010, "1m", "2026-11-20")
}

func TestOtherTables(t *testing.T) {
	log := &memoryLog{}
	a := market.Alert{ID: "x1", Symbol: "IBM", Time: start, Rule: "drop", Revision: 2, Severity: market.Critical, State: market.Firing,
		Value: 3.5, Threshold: math.NaN(), Message: "IBM fell,\nfar"}
	p := market.Prediction{Symbol: "IBM", Model: "lstm", Version: "1", Made: start, Bar: start, Horizon: 300, Base: 1, Mean: 2, Low: 1, High: 3}
	d := market.DeadLetter{Topic: "ticks", Partition: 3, Offset: 99, Received: start, Reason: "not JSON", Value: []byte("\xff\x00a\\ü\n")}
	for range 2 {
		log.add(lake.Alerts, 0, start, market.EncodeAlert(&a))
		log.add(lake.Predictions, 0, start, market.EncodePrediction(&p))
		log.add(lake.DeadLetters, 0, start, market.EncodeDeadLetter(&d))
	}
	l := openLake(t, t.TempDir())
	db := openDB(t, store.Config{Lake: l, Log: log})
	for range 2 {
		for sql, want := range map[string]string{
			"SELECT symbol, rule, severity, state, value, threshold, message, id, hour FROM alerts":                          `[[IBM drop critical firing 3.5 <nil> IBM fell, far x1 14]]`,
			`SELECT symbol, model, horizon, mean, back_filled, date FROM predictions`:                                        `[[IBM lstm 300 2 false 2026-11-20]]`,
			`SELECT topic, partition, "offset", reason, value, received = TIMESTAMP '2026-11-20 14:30:00' FROM dead_letters`: `[[ticks 3 99 not JSON \xff\x00a\\ü\x0a true]]`,
		} {
			if got := fmt.Sprint(query(t, db, sql)); got != want {
				t.Errorf("%s\n got %s\nwant %s", sql, got, want)
			}
		}
		for _, table := range []string{lake.Alerts, lake.Predictions, lake.DeadLetters} {
			archive(t, l, log, table, "t-"+table, 0, 2)
		}
	}
}
