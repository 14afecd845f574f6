package alert

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"tapedeck/pipeline/market"
)

func rampSource(n int) func(func(Event) bool) error {
	start, _ := market.ParseTime("2025-11-20T15:00:00Z")
	return func(yield func(Event) bool) error {
		for i := range n { // up a cent a second
			t := market.Tick{Symbol: "A", Time: start.Add(time.Duration(i) * time.Second), Price: 100 + float64(i)/100, Size: 1}
			if !yield(Event{Tick: &t}) || !yield(Event{Clock: t.Time}) {
				return nil
			}
		}
		return nil
	}
}

func TestBacktestSaysWhatCameAfter(t *testing.T) {
	e := New(Config{})
	if err := e.SetRule(market.Rule{Name: "r", When: "crosses_above(price, 101)"}); err != nil {
		t.Fatal(err)
	}
	got, err := Backtest(context.Background(), e, 0, rampSource(1000))
	if err != nil || len(got.Fired) != 1 {
		t.Fatal(err, got)
	}
	f := got.Fired[0]
	if f.Price != 101.01 || f.After[0] != 101.61 || math.Abs(f.After[1]-104.01) > 1e-9 || f.After[2] == f.After[2] {
		t.Errorf("%+v", f)
	}
	if math.Abs(got.Return[0]-(101.61/101.01-1)) > 1e-12 || got.Return[2] == got.Return[2] {
		t.Error(got.Return)
	}
	if u := got.Usual[0]; u < 0.0054 || u > 0.006 {
		t.Error(got.Usual)
	}
	if got.Events != 2000 || got.PerDay() != 1 {
		t.Error(got.Events, got.PerDay())
	}
}

// A back-test tells the alerts that the live engine tells.
func TestBacktestIsTheLiveEngine(t *testing.T) {
	start, _ := market.ParseTime("2025-11-20T15:00:00Z")
	source := func(yield func(Event) bool) error {
		price := 100.0
		for i := range 4000 {
			price *= 1 + 0.01*math.Sin(float64(i*i%97))
			t := market.Tick{Symbol: []string{"A", "B"}[i%2], Time: start.Add(time.Duration(i) * time.Second), Price: price, Size: int64(i % 50)}
			b := market.Bar{Symbol: t.Symbol, Interval: market.Second, Time: t.Time, Open: price, High: price, Low: price, Close: price, VWAP: price, Volume: int64(i * i % 1000)}
			for _, ev := range []Event{{Tick: &t}, {Bar: &b}, {Clock: t.Time}} {
				if !yield(ev) {
					return nil
				}
			}
		}
		return nil
	}
	live, tried := New(Config{}), New(Config{})
	for _, r := range many() {
		_ = live.SetRule(r)
		_ = tried.SetRule(r)
	}
	var want []string
	emit := func(a *market.Alert) {
		if a.State != market.Resolved {
			want = append(want, a.ID)
		}
	}
	_ = source(func(ev Event) bool {
		switch {
		case ev.Tick != nil:
			live.Tick(ev.Tick, emit)
		case ev.Bar != nil:
			live.Bar(ev.Bar, emit)
		default:
			live.Clock(ev.Clock, emit)
		}
		return true
	})
	got, err := Backtest(context.Background(), tried, 0, source)
	if err != nil || len(got.Fired) != len(want) || len(want) < 100 {
		t.Fatalf("%v: %d alerts, not %d", err, len(got.Fired), len(want))
	}
	for i := range want {
		if got.Fired[i].ID != want[i] {
			t.Fatalf("alert %d differs", i)
		}
	}
}

func TestBacktestCanBeCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Backtest(ctx, New(Config{}), 0, rampSource(5000)); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	if _, err := Backtest(context.Background(), New(Config{}), 0, func(func(Event) bool) error { return broken }); !errors.Is(err, broken) {
		t.Fatal(err)
	}
}

func TestStandingChangesNothing(t *testing.T) {
	e := New(Config{})
	if err := e.SetRule(market.Rule{Name: "r", When: "crosses_above(price, 100) and times_today() > 0"}); err != nil {
		t.Fatal(err)
	}
	none := func(a *market.Alert) {}
	e.Tick(&market.Tick{Symbol: "A", Price: 99, Time: 1e15}, none)
	before := string(e.AppendState(nil))
	got := e.Standing("r")
	if len(got) != 1 || got[0].Holds || !got[0].Known || got[0].Value != 99 || got[0].Threshold != 100 {
		t.Errorf("%+v", got)
	}
	if string(e.AppendState(nil)) != before {
		t.Error("looking has changed the engine")
	}
	if e.Standing("none") != nil {
		t.Error("a rule that is not there stands")
	}
}

// A rule whose evaluation fails is paused with a reason; the others go on.
func TestFailureStopsOneRuleOnly(t *testing.T) {
	e := New(Config{})
	for _, name := range []string{"a", "b", "c"} {
		if err := e.SetRule(market.Rule{Name: name, When: "price > 1", Repeat: "every time"}); err != nil {
			t.Fatal(err)
		}
	}
	e.rules[1].holds = func(*frame) fact { panic("broken") }
	var told []string
	for i := range 2 {
		e.Tick(&market.Tick{Symbol: "A", Price: 5, Time: 1e15 + market.Time(i)}, func(a *market.Alert) { told = append(told, a.Rule) })
	}
	if len(told) != 4 || told[0] != "a" || told[1] != "c" {
		t.Error(told)
	}
	if c := e.Costs(); c[1].Paused != "its evaluation failed: broken" || c[0].Paused != "" || c[1].Symbols != 1 || c[0].Evaluations != 2 {
		t.Errorf("%+v", c)
	}
}
