package alert

import (
	"fmt"
	"testing"
	"time"

	"tapedeck/pipeline/market"
)

// hundred is a hundred rules such as analysts write.
func hundred() []market.Rule {
	forms := []string{
		`price > %d`,
		`change("5m") < -%d%%`,
		`volume_ratio("1m", 20) > %d and rsi("1m", 14) < 30`,
		`crosses_above(price, sma("1m", %d))`,
		`price > bollinger_upper("1m", 20) and volume > %d`,
		`rises_by(%d%%, "10m") and session() == "regular"`,
		`day_volume > %d and price < day_open`,
		`prediction("lstm").low > price * %d`,
		`abs(macd_hist("1m")) > %d and spread < 0.5`,
		`size > 10 * %d or change_today > 50%%`,
	}
	var rules []market.Rule
	for i := range 100 {
		rules = append(rules, market.Rule{Name: fmt.Sprint("rule ", i), When: fmt.Sprintf(forms[i%10], 100+i), Revision: 1})
	}
	return rules
}

// BenchmarkEngine is 100 rules over 1,000 symbols: ticks, and each symbol's
// bar of a second. An operation is one tick.
func BenchmarkEngine(b *testing.B) {
	e := New(Config{Calendar: nyse})
	for _, r := range hundred() {
		if err := e.SetRule(r); err != nil {
			b.Fatal(err)
		}
	}
	start, _ := market.ParseTime("2025-11-20T15:00:00Z")
	symbols := make([]string, 1000)
	for i := range symbols {
		symbols[i] = fmt.Sprint("S", i)
	}
	var alerts int
	emit := func(*market.Alert) { alerts++ }
	tick := market.Tick{Price: 50, Size: 100, Bid: 49.9, Ask: 50.1}
	bar := market.Bar{Interval: market.Minute, Open: 50, High: 51, Low: 49, Close: 50, VWAP: 50, Volume: 1000}
	step := func(i int) {
		tick.Symbol = symbols[i%1000]
		tick.Time = start.Add(time.Duration(i) * time.Millisecond)
		tick.Price = 50 + float64(i*7919%1000)/1000
		e.Tick(&tick, emit)
		if i%60 == 0 {
			bar.Symbol = tick.Symbol
			bar.Time = tick.Time.Truncate(bar.Interval.Length())
			e.Bar(&bar, emit)
		}
	}
	for i := range 100_000 {
		step(i)
	}
	before := evaluations(e)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		step(100_000 + i)
	}
	b.StopTimer()
	n := evaluations(e) - before
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/evaluation")
	b.ReportMetric(float64(n)/float64(b.N), "evaluations/op")
	b.ReportMetric(float64(alerts), "alerts")
	state := e.AppendState(nil)
	b.ReportMetric(float64(len(state))/1000, "B/symbol")
}

func evaluations(e *Engine) (n uint64) {
	for _, c := range e.Costs() {
		n += c.Evaluations
	}
	return n
}

// BenchmarkBurst is every evaluation an alert: an operation is one alert, its
// message and its identity.
func BenchmarkBurst(b *testing.B) {
	e := New(Config{Calendar: nyse})
	if err := e.SetRule(market.Rule{Name: "burst", When: `price > 1`, Repeat: "every time"}); err != nil {
		b.Fatal(err)
	}
	alerts := 0
	tick := market.Tick{Symbol: "A", Price: 5, Time: 1e15}
	b.ReportAllocs()
	for b.Loop() {
		tick.Time++
		e.Tick(&tick, func(*market.Alert) { alerts++ })
	}
	b.ReportMetric(float64(alerts)/b.Elapsed().Seconds(), "alerts/s")
}

// BenchmarkBacktest is one rule over ticks and their one-second bars of 1,000
// symbols; an operation is one event.
func BenchmarkBacktest(b *testing.B) {
	e := New(Config{Calendar: nyse})
	if err := e.SetRule(market.Rule{Name: "r", When: `change("5m") < -3% and volume_ratio("1s", 20) > 2`}); err != nil {
		b.Fatal(err)
	}
	start, _ := market.ParseTime("2025-11-20T15:00:00Z")
	tick := market.Tick{Price: 50, Size: 100}
	bar := market.Bar{Interval: market.Second, Close: 50, VWAP: 50, Volume: 1000}
	symbols := make([]string, 1000)
	for i := range symbols {
		symbols[i] = fmt.Sprint("S", i)
	}
	b.ReportAllocs()
	_, err := Backtest(b.Context(), e, 0, func(yield func(Event) bool) error {
		for i := 0; i < b.N; i += 2 {
			tick.Symbol, tick.Time = symbols[i/2%1000], start.Add(time.Duration(i/2)*time.Millisecond)
			tick.Price = 50 + float64(i*7919%1000)/1000
			bar.Symbol, bar.Time = tick.Symbol, tick.Time.Truncate(time.Second)
			yield(Event{Tick: &tick})
			yield(Event{Bar: &bar})
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
