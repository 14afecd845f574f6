package live

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"tapedeck/pipeline/market"
)

// friday is 2026-11-20 09:30 in New York, the opening of a regular session.
var friday = market.At(time.Date(2026, 11, 20, 14, 30, 0, 0, time.UTC))

func boardAt(now market.Time) *Board {
	return New(Config{Now: func() time.Time { return now.Std() }})
}

func tick(symbol string, at market.Time, price float64, size int64) market.Tick {
	return market.Tick{Symbol: symbol, Time: at, Price: price, Size: size, Source: "test"}
}

func minuteBar(symbol string, at market.Time, open, high, low, last float64, volume int64) market.Bar {
	return market.Bar{Symbol: symbol, Interval: market.Minute, Time: at, Open: open, High: high, Low: low, Close: last, Volume: volume, Trades: volume / 10}
}

func quote(t *testing.T, b *Board, symbol string) Quote {
	t.Helper()
	var f Frame
	b.Snapshot(&f)
	q := f.Quote(symbol)
	if q == nil {
		t.Fatalf("no quote of %s", symbol)
	}
	return *q
}

func TestReferenceIsThePreviousRegularClose(t *testing.T) {
	b := boardAt(friday)
	b.SeedBars([]market.Bar{
		{Symbol: "AAPL", Interval: market.Day, Time: market.At(time.Date(2026, 11, 18, 0, 0, 0, 0, time.UTC)), Close: 180},
		{Symbol: "AAPL", Interval: market.Day, Time: market.At(time.Date(2026, 11, 19, 0, 0, 0, 0, time.UTC)), Close: 185},
	})
	b.Ticks(tick("AAPL", friday, 187, 100))
	q := quote(t, b, "AAPL")
	if abs, share := q.Change(); abs != 2 || math.Abs(share-2.0/185) > 1e-12 || q.FromFirst {
		t.Errorf("change %v %v, from first %v", abs, share, q.FromFirst)
	}
}

func TestReferenceSeededAfterTheFirstTick(t *testing.T) {
	b := boardAt(friday)
	b.Ticks(tick("AAPL", friday, 187, 100), tick("AAPL", friday+1, 188, 100))
	if q := quote(t, b, "AAPL"); !q.FromFirst || q.Reference != 187 {
		t.Fatalf("reference %v, from first %v", q.Reference, q.FromFirst)
	}
	before := friday.Add(-18 * time.Hour) // 15:30 the day before
	b.SeedBars([]market.Bar{minuteBar("AAPL", before, 184, 186, 183, 185, 1000)})
	if q := quote(t, b, "AAPL"); q.FromFirst || q.Reference != 185 || q.Last != 188 || q.Volume != 200 {
		t.Errorf("after seeding: reference %v, last %v, volume %d", q.Reference, q.Last, q.Volume)
	}
}

func TestDayTurns(t *testing.T) {
	b := boardAt(friday)
	b.Ticks(tick("AAPL", friday, 187, 100), tick("AAPL", friday.Add(time.Hour), 190, 100))
	after := friday.Add(7 * time.Hour) // post session: moves the price, not the range, not the close
	b.Ticks(tick("AAPL", after, 195, 10))
	q := quote(t, b, "AAPL")
	if q.Open != 187 || q.High != 190 || q.Low != 187 || q.Last != 195 || q.Volume != 210 {
		t.Errorf("after hours: %+v", q)
	}
	monday := friday.Add(72 * time.Hour)
	b.Ticks(tick("AAPL", monday, 191, 7))
	q = quote(t, b, "AAPL")
	if q.Reference != 190 || q.FromFirst || q.Open != 191 || q.Volume != 7 {
		t.Errorf("monday: %+v", q)
	}
}

// TestVolumeCountsOnce gives ticks and the bars made of them, in the order of
// a screen that attaches in the middle.
func TestVolumeCountsOnce(t *testing.T) {
	b := boardAt(friday)
	m := func(i int) market.Time { return friday.Add(time.Duration(i) * time.Minute) }
	b.Ticks(tick("AAPL", m(2).Add(30*time.Second), 100, 5), tick("AAPL", m(3), 101, 7)) // half of minute 2 was before us
	b.SeedBars([]market.Bar{minuteBar("AAPL", m(0), 100, 100, 100, 100, 100), minuteBar("AAPL", m(1), 100, 102, 99, 100, 200)})
	if q := quote(t, b, "AAPL"); q.Volume != 312 {
		t.Errorf("seeded: %d", q.Volume)
	}
	bar := minuteBar("AAPL", m(2), 100, 100, 100, 100, 50)
	b.Bar(&bar)
	if q := quote(t, b, "AAPL"); q.Volume != 357 {
		t.Errorf("minute 2 closed: %d", q.Volume)
	}
	b.Bar(&bar) // a repeat
	bar.Revision, bar.Volume = 1, 60
	b.Bar(&bar)
	late := tick("AAPL", m(1), 100, 1000)
	b.Ticks(late)
	if q := quote(t, b, "AAPL"); q.Volume != 367 || q.High != 102 || q.Low != 99 || q.Last != 101 {
		t.Errorf("revised: %+v", q)
	}
	bars, forming := b.Bars(nil, "AAPL", market.Minute)
	if len(bars) != 4 || !forming || bars[2].Volume != 60 || bars[3].Close != 101 {
		t.Errorf("bars %v, forming %v", bars, forming)
	}
}

func TestSecondsOfWatchedSymbols(t *testing.T) {
	b := boardAt(friday)
	b.Watch("A") // before it has ever traded
	b.Ticks(tick("A", friday, 10, 1), tick("B", friday, 10, 1))
	for _, s := range []string{"A", "B"} {
		b.Bar(&market.Bar{Symbol: s, Interval: market.Second, Time: friday, Open: 10, High: 10, Low: 10, Close: 10, Volume: 1, Trades: 1})
		b.Ticks(tick(s, friday.Add(time.Second), 11, 1))
	}
	if bars, forming := b.Bars(nil, "A", market.Second); len(bars) != 2 || !forming || bars[1].Close != 11 {
		t.Errorf("watched: %v, forming %v", bars, forming)
	}
	if bars, _ := b.Bars(nil, "B", market.Second); len(bars) != 0 {
		t.Errorf("not watched: %v", bars)
	}
	b.Watch("B")
	if bars, _ := b.Bars(nil, "A", market.Second); len(bars) != 0 {
		t.Errorf("no longer watched: %v", bars)
	}
}

func TestAbsurdTickNeedsConfirmation(t *testing.T) {
	b := boardAt(friday)
	b.Ticks(tick("A", friday, 100, 1), tick("A", friday+1, 900, 1), tick("A", friday+2, 101, 1))
	if q := quote(t, b, "A"); q.High != 101 || q.Last != 101 {
		t.Errorf("a single wild tick stands: %+v", q)
	}
	b.Ticks(tick("A", friday+3, 20, 1), tick("A", friday+4, 20.1, 1)) // a split
	if q := quote(t, b, "A"); q.Last != 20.1 {
		t.Errorf("a confirmed jump does not: %+v", q)
	}
}

func TestSnapshotCopiesOnlyChanges(t *testing.T) {
	b := boardAt(friday)
	for i := range 600 {
		b.Ticks(tick(fmt.Sprintf("S%d", i), friday, 10, 1))
	}
	var f Frame
	b.Snapshot(&f)
	if len(f.Quotes) != 600 || len(f.Changed) != 600 {
		t.Fatalf("first: %d quotes, %d changed", len(f.Quotes), len(f.Changed))
	}
	b.Ticks(tick("S300", friday+1, 11, 1))
	b.Snapshot(&f)
	if !slices.Equal(f.Changed, []int32{300}) || f.Quotes[300].Last != 11 {
		t.Errorf("changed %v", f.Changed)
	}
	b.Snapshot(&f)
	if f.Moved() {
		t.Error("nothing moved, but the frame says so")
	}
}

func TestSparkHoldsAMinute(t *testing.T) {
	b := boardAt(friday)
	for i := range 100 {
		at := friday.Add(time.Duration(i) * time.Minute)
		bar := minuteBar("A", at, 10, 10, 10, 10+float64(i), 10)
		b.Bar(&bar)
	}
	q := quote(t, b, "A")
	if len(q.Spark) != SparkLength || q.Spark[SparkLength-1] != 109 || q.Spark[0] != 50 {
		t.Errorf("spark %v", q.Spark)
	}
	at := friday.Add(100 * time.Minute)
	b.Ticks(tick("A", at, 120, 1), tick("A", at+1, 130, 1))
	if q := quote(t, b, "A"); len(q.Spark) != SparkLength || q.Spark[SparkLength-1] != 120 {
		t.Errorf("spark %v", q.Spark)
	}
}

func TestAlertsDropRepeatsAndStayBounded(t *testing.T) {
	b := boardAt(friday)
	b.Ticks(tick("A", friday, 10, 1))
	for i := range 3000 {
		a := market.Alert{ID: fmt.Sprint(i), Symbol: "A", State: market.Once, Time: friday + market.Time(i)}
		b.Alert(a)
		b.Alert(a)
	}
	var f Frame
	b.Snapshot(&f)
	if len(f.Alerts) != alertsKept || f.Alerts[0].ID != "2999" || len(b.alertIDs) > 2*alertsKept+1 {
		t.Errorf("%d alerts, newest %s, %d identities", len(f.Alerts), f.Alerts[0].ID, len(b.alertIDs))
	}
}

func TestFiringIsCountedByRuleAndSymbol(t *testing.T) {
	b := boardAt(friday)
	b.Ticks(tick("A", friday, 10, 1))
	at := func(id string, s market.AlertState) {
		b.Alert(market.Alert{ID: id, Symbol: "A", Rule: "drop", State: s, Time: friday})
	}
	at("1", market.Firing)
	at("2", market.Firing) // said again: still one
	var f Frame
	b.Snapshot(&f)
	if f.Firing != 1 || f.Quote("A").Alerts != 1 || !slices.Equal(f.Standing, []bool{true, false}) {
		t.Errorf("firing %d, standing %v", f.Firing, f.Standing)
	}
	at("3", market.Resolved)
	b.Snapshot(&f)
	if f.Firing != 0 || f.Quote("A").Alerts != 0 || slices.Contains(f.Standing, true) {
		t.Errorf("resolved: firing %d, standing %v", f.Firing, f.Standing)
	}
}

func TestStatusNoticesOnce(t *testing.T) {
	b := boardAt(friday)
	s := Status{Instance: "a", Stage: "publish", Time: friday, Events: []Notice{{Time: friday, Text: "hour 13 published"}}}
	b.Status(s)
	s.Time++
	b.Status(s)
	b.Status(Status{Instance: "a", Stage: "feed", Time: friday})
	var f Frame
	b.Snapshot(&f)
	if len(f.Notices) != 1 || len(f.Statuses) != 2 || f.Statuses[0].Stage != "feed" {
		t.Errorf("%d notices, %v", len(f.Notices), f.Statuses)
	}
	if !f.Statuses[0].Away(friday.Add(time.Minute).Std()) || f.Statuses[0].Away(friday.Add(time.Second).Std()) {
		t.Error("away is wrong")
	}
	s.Time, s.Ended, s.Events = s.Time+1, true, nil
	b.Status(s)
	if b.Snapshot(&f); len(f.Statuses) != 1 || f.Statuses[0].Stage != "feed" || !f.StatusesChanged {
		t.Errorf("what has ended is listed still: %v", f.Statuses)
	}
}

func TestAges(t *testing.T) {
	now := friday.Add(time.Second)
	b := boardAt(now)
	for i := range 100 {
		age := 10 * time.Millisecond
		if i >= 98 {
			age = time.Second
		}
		b.Ticks(tick("A", now.Add(-age), 10, 1))
	}
	var f Frame
	b.Snapshot(&f)
	near := func(got, want time.Duration) bool { return got > want*8/10 && got < want*12/10 }
	if f.Ages.Count != 100 || !near(f.Ages.P50, 10*time.Millisecond) || !near(f.Ages.P99, time.Second) {
		t.Errorf("ages %+v", f.Ages)
	}
}

func TestPredictionNearestHorizon(t *testing.T) {
	b := boardAt(friday)
	for _, h := range []int32{300, 60, 900} {
		b.Prediction(market.Prediction{Symbol: "A", Model: "lstm", Bar: friday, Horizon: h, Mean: float64(h)})
		b.Prediction(market.Prediction{Symbol: "A", Model: "lstm", Bar: friday, Horizon: h, Mean: float64(h)})
	}
	if q := quote(t, b, "A"); q.Predicted.Horizon != 60 {
		t.Errorf("nearest %d", q.Predicted.Horizon)
	}
	if got := b.Predictions(nil, "A"); len(got) != 3 {
		t.Errorf("%d predictions", len(got))
	}
}

func TestStatusRoundTrip(t *testing.T) {
	in := Status{Instance: "a", Stage: "archive", Time: friday, In: math.NaN(), Level: Trouble, Text: "S3 away", Reasons: map[string]int64{"bad price": 3}}
	var out Status
	if err := DecodeStatus(EncodeStatus(&in), &out); err != nil || out.Level != Trouble || out.Reasons["bad price"] != 3 || out.In != 0 {
		t.Errorf("%+v, %v", out, err)
	}
}

func FuzzDecodeStatus(f *testing.F) {
	f.Add([]byte(`{"stage":"feed","level":"ok"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var s Status
		if DecodeStatus(data, &s) == nil {
			EncodeStatus(&s)
		}
	})
}

// TestReadersAndWriters is for the race detector, and checks that no symbol is lost.
func TestReadersAndWriters(t *testing.T) {
	b := boardAt(friday)
	var wg sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		wg.Go(func() {
			var f Frame
			for {
				b.Snapshot(&f)
				select {
				case <-done:
					b.Snapshot(&f)
					for _, q := range f.Quotes {
						if q.Last != 20 {
							t.Errorf("%s stands at %v", q.Symbol, q.Last)
						}
					}
					return
				default:
				}
			}
		})
	}
	for i := range 2000 {
		s := fmt.Sprintf("S%d", i)
		b.Ticks(tick(s, friday, 20, 1))
	}
	close(done)
	wg.Wait()
}

func BenchmarkTicks(b *testing.B) {
	board := New(Config{})
	ticks := make([]market.Tick, 1000)
	for i := range ticks {
		ticks[i] = tick(fmt.Sprintf("S%d", i), friday, 10, 1)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		for k := range ticks {
			ticks[k].Time++
			ticks[k].Price = 10 + float64(i%7)/100
		}
		board.Ticks(ticks...)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/tick")
}

func BenchmarkSnapshot10000(b *testing.B) {
	board := New(Config{})
	ticks := make([]market.Tick, 10000)
	for i := range ticks {
		ticks[i] = tick(fmt.Sprintf("S%d", i), friday, 10, 1)
	}
	board.Ticks(ticks...)
	var f Frame
	board.Snapshot(&f)
	for b.Loop() {
		b.StopTimer()
		board.Ticks(ticks[:2000]...)
		b.StartTimer()
		board.Snapshot(&f)
	}
}
