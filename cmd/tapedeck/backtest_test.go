package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tapedeck/pipeline/alert"
	"tapedeck/pipeline/market"
)

// trialRules are rules of every kind: of ticks, bars and clocks, of moments
// and of times, and with every manner of speaking.
func trialRules() []market.Rule {
	return []market.Rule{
		{Name: "level", When: `price > 100.2`},
		{Name: "cross", When: `crosses_above(price, sma("1m", 5))`},
		{Name: "second", When: `volume > 2500`, Repeat: "every time", Cooldown: "7s"},
		{Name: "minute", When: `volume_ratio("1m", 3) > 1.2`, Repeat: "once per bar close"},
		{Name: "hold", When: `change("30s") > 0.05%`, For: "3s"},
		{Name: "flap", When: `change("10s") < -0.05%`, KeepFiring: "5s"},
		{Name: "silent", When: `age() > 4`},
		{Name: "day", When: `price >= day_high and since_open() > 60`, Repeat: "once per bar"},
		{Name: "rsi", When: `rsi("1m", 3) > 60`, For: "20s"},
		{Name: "third", When: `times_today(crosses_below(price, sma("1m", 3))) == 3`, Repeat: "once"},
		{Name: "some", When: `price > vwap()`, Watch: []string{"S1*"}},
		{Name: "grouped", When: `price > vwap()`, Watch: []string{"group:few", "!S3"}},
		{Name: "asked", When: `price > vwap()`, Watch: []string{"query:big"}},
	}
}

// trialGroups are those that the rules watch.
func trialGroups() []market.Group {
	return []market.Group{{Name: "few", Symbols: []string{"S1", "S12", "S2", "S3", "S4", "S5", "S6", "S7"}},
		{Name: "query:big", SQL: "SELECT DISTINCT 'S' || CAST(n AS varchar) AS symbol FROM (VALUES (1), (5), (7), (9)) AS t (n)", Symbols: []string{"S1", "S5", "S7", "S9"}}}
}

// roughTape writes a recording that is not tidy: ticks that come late,
// misprints, splits, symbols that fall silent, and holes.
func roughTape(t *testing.T, name string, ticks int) {
	t.Helper()
	random := rand.New(rand.NewPCG(3, 9))
	var b strings.Builder
	b.WriteString("time_ms,symbol,price,size,exchange,condition\n")
	at := time.Date(2026, 11, 20, 14, 29, 40, 0, time.UTC).UnixMilli()
	price := make([]float64, 25)
	for i := range price {
		price[i] = 100
	}
	for n := range ticks {
		at += random.Int64N(30)
		if n%7000 == 6999 {
			at += 5_000 + random.Int64N(90_000)
		}
		i := random.IntN(len(price))
		if i > 20 && n%5000 < 3500 {
			i = 0
		}
		price[i] *= 1 + random.NormFloat64()*1e-4
		shown, when := price[i], at
		switch random.IntN(150) {
		case 0:
			shown *= 7
		case 1:
			when -= random.Int64N(3000)
		case 2:
			if random.IntN(20) == 0 {
				price[i] /= 1.5
			}
		case 3:
			shown = -1
		}
		fmt.Fprintf(&b, "%d,S%d,%.2f,%d,Q,\n", when, i, shown, 100*(1+random.IntN(20)))
	}
	if err := os.WriteFile(name, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A back-test over the lake tells the alerts that the live pipeline told while
// it filled that lake: all of them, and no others.
func TestBacktestTellsWhatTheLivePipelineTold(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	file, data := filepath.Join(b.dir, "rough.csv"), filepath.Join(b.dir, "data")
	roughTape(t, file, 60_000)
	rules := filepath.Join(b.dir, "rules.yaml")
	f, err := os.Create(rules)
	if err != nil {
		t.Fatal(err)
	}
	if err := alert.WriteYAML(f, alert.File{Rules: trialRules(), Groups: trialGroups()}); err != nil {
		t.Fatal(err)
	}
	f.Close()
	place := []string{"--data", data, "--feed", "replay"}
	b.must(append([]string{"rules", "import", rules}, place...)...)
	b.must(append([]string{"run", "--input", file, "--speed", "max", "--once"}, place...)...)

	c := DefaultConfig()
	c.Data, c.Feed = data, "replay"
	v, err := openView(t.Context(), c, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer v.close()
	book, err := openRulebook(t.Context(), v.log, "test")
	if err != nil {
		t.Fatal(err)
	}
	p := past{db: v.db, feed: "replay", calendar: calendarOf("replay"), rules: book}
	oldest, newest, err := p.recorded(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	options := alertsOptions{}
	alerts, _, err := options.past(t.Context(), v.db, 0)
	if err != nil {
		t.Fatal(err)
	}
	// What the end of the source closes before its time is no part of the ticks.
	until := newest.Truncate(time.Minute)
	live := map[string]market.Alert{}
	kinds := map[string]int{}
	for _, a := range alerts {
		if a.State != market.Resolved && a.Time < until {
			live[a.ID] = a
			kinds[a.Rule]++
		}
	}
	trial, err := p.backtest(t.Context(), ask{Rules: book.List(), Since: oldest, Until: newest})
	if err != nil {
		t.Fatal(err)
	}
	tried := map[string]bool{}
	wrong := 0
	complain := func(format string, args ...any) {
		if wrong++; wrong <= 10 {
			t.Errorf(format, args...)
		}
	}
	for _, f := range trial.Fired {
		if f.Time >= until {
			continue
		}
		tried[f.ID] = true
		if a, ok := live[f.ID]; !ok {
			complain("the back-test alone tells %s %s %s: %s", f.Time, f.Rule, f.Symbol, f.Message)
		} else if a.Message != f.Message || a.Severity != f.Severity || a.State != f.State {
			complain("%s: %q %v, in the back-test %q %v", f.ID, a.Message, a.State, f.Message, f.State)
		}
	}
	for id, a := range live {
		if !tried[id] {
			complain("the back-test does not tell %s %s %s: %s", a.Time, a.Rule, a.Symbol, a.Message)
		}
	}
	t.Logf("%d alerts, %v; %d differ", len(live), kinds, wrong)
	for _, rule := range trialRules() {
		if kinds[rule.Name] == 0 {
			t.Errorf("rule %s never fired: the test says nothing of it", rule.Name)
		}
	}

	// It says how far it is, and ends when it is told to.
	ctx, cancel := context.WithCancel(t.Context())
	told := 0.0
	var once sync.Mutex
	_, err = p.backtest(ctx, ask{Rules: book.List(), Since: oldest, Until: newest, Progress: func(share float64) {
		once.Lock()
		defer once.Unlock()
		told = max(told, share)
		cancel()
	}})
	if !errors.Is(err, context.Canceled) || told <= 0 || told > 1 {
		t.Errorf("cancelled at %g: %v", told, err)
	}

	// A rule that is tried over a part of history knows what was before: from
	// its middle on, it tells what it told over the whole.
	middle := oldest.Add(newest.Sub(oldest) / 2).Truncate(time.Minute)
	lasting := []market.Rule{}
	for _, r := range book.List() {
		if r.Name == "second" || r.Name == "minute" || r.Name == "level" || r.Name == "some" {
			r.Cooldown = ""
			lasting = append(lasting, r)
		}
	}
	whole, err := p.backtest(t.Context(), ask{Rules: lasting, Since: oldest, Until: newest})
	if err != nil {
		t.Fatal(err)
	}
	half, err := p.backtest(t.Context(), ask{Rules: lasting, Since: middle, Until: newest})
	if err != nil {
		t.Fatal(err)
	}
	late := map[string]bool{}
	for _, f := range whole.Fired {
		if f.Time >= middle {
			late[f.ID] = true
		}
	}
	strange := 0
	for _, f := range half.Fired {
		if f.Time < middle {
			t.Fatalf("an alert of %s in a trial from %s on", f.Time, middle)
		}
		if !late[f.ID] {
			strange++
		}
	}
	if len(late) < 500 || math.Abs(float64(len(half.Fired)-len(late))) > float64(len(late))/50 || strange > len(late)/50 {
		t.Errorf("%d alerts from the middle on, %d of them others than the %d of the whole", len(half.Fired), strange, len(late))
	}

	// A rule that watches a few symbols is tried on these alone, and tells the same.
	some := market.Rule{}
	for _, r := range book.List() {
		if r.Name == "some" {
			some = r
		}
	}
	few, err := p.backtest(t.Context(), ask{Rules: []market.Rule{some}, Since: oldest, Until: newest})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range few.Fired {
		if f.Time < until {
			n++
		}
	}
	if n < kinds["some"]*99/100 || n > kinds["some"]*101/100+1 || few.Events >= trial.Events {
		t.Errorf("%d alerts of %d events with few symbols, live %d", n, few.Events, kinds["some"])
	}
	if !slices.IsSortedFunc(trial.Fired, func(a, b alert.Fired) int { return int(a.Time - b.Time) }) {
		t.Error("alerts are not in order")
	}
}
