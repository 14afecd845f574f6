package alert

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"tapedeck/pipeline/indicator"
	"tapedeck/pipeline/market"
)

// many is a rule for each word of the language.
func many() []market.Rule {
	rules := Defaults()
	for i, e := range Reference() {
		r := market.Rule{Name: "word " + e.Name, When: e.Example, Revision: 1, Repeat: Repeats()[i%5]}
		if i%7 == 3 {
			r.Cooldown = "10s"
		}
		if i%3 == 0 && r.Repeat == "" {
			r.For, r.KeepFiring = "3s", "2s"
		}
		if _, err := Compile(r, World{}); err != nil { // a moment does not last
			r.For, r.KeepFiring = "", ""
		}
		switch i % 6 {
		case 1:
			r.Watch = []string{"group:mine", "TSLA"}
		case 4:
			r.Watch = []string{"!query:big"}
		}
		rules = append(rules, r)
	}
	return rules
}

// walk is a random run of events.
func walk(seed uint64, n int) []func(*Engine, func(*market.Alert)) {
	random := rand.New(rand.NewPCG(seed, 1))
	var out []func(*Engine, func(*market.Alert))
	start, _ := market.ParseTime("2025-11-20T14:29:30Z")
	price := map[string]float64{"AAPL": 100, "MSFT": 100.2, "TSLA": 0.9}
	rules := many()
	for _, r := range rules {
		out = append(out, func(e *Engine, _ func(*market.Alert)) { _ = e.SetRule(r) })
	}
	now := start
	for len(out) < n {
		now += market.Time(random.Int64N(2_500_000))
		if random.IntN(400) == 0 {
			now += 10 * 60 * 1e6
		}
		if random.IntN(1000) == 0 {
			now += 15 * 3600 * 1e6
		}
		at := now
		symbol := []string{"AAPL", "MSFT", "TSLA"}[random.IntN(3)]
		price[symbol] *= 1 + random.NormFloat64()*0.004
		p := price[symbol]
		switch k := random.IntN(100); {
		case k < 45:
			tick := market.Tick{Symbol: symbol, Time: at - market.Time(random.Int64N(3)*400_000), Price: p, Size: random.Int64N(20_000), Bid: p - 0.01, Ask: p + 0.4*random.Float64()}
			out = append(out, func(e *Engine, emit func(*market.Alert)) { e.Tick(&tick, emit) })
		case k < 85:
			interval := market.Interval(random.IntN(3))
			b := market.Bar{Symbol: symbol, Interval: interval, Time: at.Truncate(interval.Length()), Open: p, High: p * 1.01, Low: p * 0.99, Close: p * (1 + random.NormFloat64()*0.002),
				VWAP: p, Volume: int64(math.Exp(random.NormFloat64()*3 + 8)), Trades: random.Int64N(1000)}
			if random.IntN(20) == 0 {
				b.Revision = 1
			}
			out = append(out, func(e *Engine, emit func(*market.Alert)) { e.Bar(&b, emit) })
		case k < 96:
			out = append(out, func(e *Engine, emit func(*market.Alert)) { e.Clock(at, emit) })
		case k < 98:
			made := market.Prediction{Symbol: symbol, Model: "lstm", Low: p * (1 + 0.01*random.NormFloat64()), Mean: p, High: p, Made: at}
			out = append(out, func(e *Engine, _ func(*market.Alert)) { e.SetPrediction(&made) })
		case k < 99:
			up := random.IntN(2) == 0
			out = append(out, func(e *Engine, _ func(*market.Alert)) { e.SetEndpoint(up, at) })
			name := []string{"mine", "query:big", "of nobody"}[random.IntN(3)]
			members := []string{"AAPL", "MSFT", "TSLA", "NEVER"}[random.IntN(4):][:random.IntN(2)]
			out = append(out, func(e *Engine, _ func(*market.Alert)) { e.SetGroup(name, members) })
		default:
			r := rules[random.IntN(len(rules))]
			switch random.IntN(4) {
			case 0:
				r.Deleted = true
			case 1:
				r.Revision = int32(random.IntN(9))
			case 2:
				r.When = rules[random.IntN(len(rules))].When
				r.Revision = 10
			case 3:
				r.Expires = at.Add(1e11)
			}
			out = append(out, func(e *Engine, _ func(*market.Alert)) { _ = e.SetRule(r) })
		}
	}
	return out
}

func nyse(string) *market.Calendar { return market.NYSE() }

// An engine that is saved and loaded anywhere, over and over, tells the same
// as one that runs undisturbed, and ends with the same state.
func TestStateAtEveryPoint(t *testing.T) {
	for seed := range uint64(2) {
		events := walk(seed, 3000)
		config := Config{Calendar: nyse, Sector: func(s string) string { return "Sector " + s[:1] }}
		a, b := New(config), New(config)
		var wantAll int
		random := rand.New(rand.NewPCG(seed, 2))
		for i, ev := range events {
			var want, got []string
			ev(a, func(x *market.Alert) { want = append(want, x.ID+told(x)+fmt.Sprint(x.Value, x.Threshold)) })
			ev(b, func(x *market.Alert) { got = append(got, x.ID+told(x)+fmt.Sprint(x.Value, x.Threshold)) })
			if fmt.Sprint(want) != fmt.Sprint(got) {
				t.Fatalf("seed %d, event %d:\n got %v\nwant %v", seed, i, got, want)
			}
			wantAll += len(want)
			if random.IntN(40) == 0 || i < 80 {
				state := b.AppendState([]byte("x"))
				b = New(config)
				rest, err := b.LoadState(append(state[1:], "rest"...))
				if err != nil || string(rest) != "rest" {
					t.Fatalf("event %d: %v, rest %q", i, err, rest)
				}
				if again := b.AppendState([]byte("x")); !bytes.Equal(state, again) {
					t.Fatalf("event %d: the state changes by being loaded", i)
				}
			}
		}
		for _, c := range a.Costs() {
			if strings.Contains(c.Paused, "failed") {
				t.Errorf("%s is paused: %s", c.Rule, c.Paused)
			}
		}
		if !bytes.Equal(a.AppendState(nil), b.AppendState(nil)) {
			t.Fatal("the states differ at the end")
		}
		if wantAll < 500 {
			t.Fatalf("only %d alerts: the test looks at nothing", wantAll)
		}
	}
}

// Scripts give the same with the state saved and loaded after every event.
func TestScriptsThroughState(t *testing.T) {
	for _, name := range scripts(t) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		events, calendar := readScript(t, string(text))
		config := Config{Calendar: func(string) *market.Calendar { return calendar }}
		a, b := New(config), New(config)
		for _, ev := range events {
			var want, got []string
			_ = ev.apply(a, func(x *market.Alert) { want = append(want, x.ID) })
			_ = ev.apply(b, func(x *market.Alert) { got = append(got, x.ID) })
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("%s, line %d: %v, not %v", name, ev.line, got, want)
			}
			state := b.AppendState(nil)
			b = New(config)
			if _, err := b.LoadState(state); err != nil {
				t.Fatalf("%s, line %d: %v", name, ev.line, err)
			}
		}
	}
}

// The studies are package indicator's, to the bit.
func TestStudiesAreTheIndicators(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	sma, ema, rsi, macd := indicator.NewSMA(20), indicator.NewEMA(12), indicator.NewRSI(14), indicator.NewMACD(12, 26, 9)
	atr, bands, volatility, ratio := indicator.NewATR(14), indicator.NewBollinger(20, 2), indicator.NewVolatility(20), indicator.NewVolumeRatio(20)
	var vwap indicator.VWAP
	questions := []question{{kind: studySMA, n: 20}, {kind: studyEMA, n: 12}, {kind: studyRSI, n: 14}, {kind: studyMACD, n: 12, slow: 26, signal: 9},
		{kind: studyATR, n: 14}, {kind: studyBollinger, n: 20, width: 2}, {kind: studyVolatility, n: 20}, {kind: studyVolumeRatio, n: 20}, {kind: studyVWAP}}
	memory := make([][]float64, len(questions))
	for i, q := range questions {
		memory[i] = make([]float64, q.size())
		q.reset(memory[i])
	}
	price := 100.0
	for i := range 3000 {
		price *= 1 + random.NormFloat64()*1e-3
		b := market.Bar{High: price * 1.001, Low: price * 0.998, Close: price, VWAP: price, Volume: random.Int64N(1000)}
		day := market.Time(i/400) * 86400e6
		for k, q := range questions {
			q.close(memory[k], &b, day)
		}
		want := []float64{sma.Next(b.Close), ema.Next(b.Close), rsi.Next(b.Close)}
		m, s, h := macd.Next(b.Close)
		want = append(want, m, s, h, atr.Next(b.High, b.Low, b.Close))
		u, c, l := bands.Next(b.Close)
		want = append(want, u, c, l, volatility.Next(b.Close), ratio.Next(float64(b.Volume)), vwap.Next(&b, day))
		var got []float64
		for k, q := range questions {
			got = append(got, memory[k][:q.results()]...)
		}
		for k := range want {
			if math.Float64bits(got[k]) != math.Float64bits(want[k]) && !(math.IsNaN(got[k]) && math.IsNaN(want[k])) {
				t.Fatalf("bar %d, result %d: %v, package indicator's %v", i, k, got[k], want[k])
			}
		}
	}
}

// Looking back agrees with a plain search through all prices.
func TestLookingBack(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	past, extent := question{kind: studyPast, span: 10e9}, question{kind: studyExtent, span: 10e9}
	pm, em := make([]float64, past.size()), make([]float64, extent.size())
	past.reset(pm)
	extent.reset(em)
	type point struct {
		second int64
		price  float64
	}
	var all []point
	now := int64(1_700_000_000_000_000)
	price := 100.0
	for range 5000 {
		now += random.Int64N(1_500_000)
		if random.IntN(50) == 0 {
			now += random.Int64N(30_000_000)
		}
		price += random.NormFloat64()
		second := now / 1_000_000
		all = append(all, point{second, price})
		past.pastNext(pm, market.Time(now), price)
		extent.extentNext(em, market.Time(now), price)
		want, low, high := math.NaN(), price, price
		for i := len(all) - 1; i >= 0; i-- {
			p := all[i]
			low, high = min(low, p.price), max(high, p.price)
			if p.second <= second-10 && want != want {
				want = p.price
			}
			if p.second < second-10 { // the price that stood when the span began
				break
			}
		}
		if pm[0] != want && !(math.IsNaN(pm[0]) && math.IsNaN(want)) {
			t.Fatalf("at %d: then %v, not %v", now, pm[0], want)
		}
		if em[0] < low-1e-9 || em[1] > high+1e-9 {
			t.Fatalf("at %d: extent [%v %v] beyond [%v %v]", now, em[0], em[1], low, high)
		}
		inLow, inHigh := price, price
		for i := len(all) - 1; i >= 0 && all[i].second > second-10; i-- {
			inLow, inHigh = min(inLow, all[i].price), max(inHigh, all[i].price)
		}
		if em[0] > inLow || em[1] < inHigh {
			t.Fatalf("at %d: extent [%v %v] misses [%v %v]", now, em[0], em[1], inLow, inHigh)
		}
	}
}

// Rules that come and go, and the room that they leave, disturb no other rule.
func TestRulesComeAndGo(t *testing.T) {
	quiet, busy := New(Config{Calendar: nyse}), New(Config{Calendar: nyse})
	var want, got []string
	for i, ev := range walk(9, 2500) {
		ev(quiet, func(a *market.Alert) { want = append(want, a.ID) })
		if i%50 == 0 { // before the event, as an edit at its offset would
			for k := range 3 {
				if err := busy.SetRule(market.Rule{Name: "guest", When: fmt.Sprintf(`sma("1m", %d) > 1 and rises_by(1, "%dm")`, 900+k+i%7, k+1)}); err != nil {
					t.Fatal(err)
				}
			}
			_ = busy.SetRule(market.Rule{Name: "guest", Deleted: true})
		}
		ev(busy, func(a *market.Alert) {
			if a.Rule != "guest" {
				got = append(got, a.ID)
			}
		})
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Error("alerts differ")
	}
	if busy.size > places+4096+2*(quiet.size-places) {
		t.Errorf("a symbol's memory has grown to %d floats, %d without guests", busy.size, quiet.size)
	}
}

// A change of manners alone leaves what stands standing; a rule that is wrong
// takes the one of its name out.
func TestEdits(t *testing.T) {
	e := New(Config{})
	rule := market.Rule{Name: "r", When: "price > 100", Revision: 1}
	var told []string
	emit := func(a *market.Alert) { told = append(told, fmt.Sprint(a.State, a.Revision, a.Severity)) }
	tick := func(price float64) { e.Tick(&market.Tick{Symbol: "A", Price: price, Time: 1e15}, emit) }
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(e.SetRule(rule))
	tick(101)
	rule.Revision, rule.Severity = 2, market.Critical
	must(e.SetRule(rule))
	tick(102)
	tick(99)
	tick(101)
	rule.When = "prize > 100"
	if err := e.SetRule(rule); err == nil || !strings.Contains(err.Error(), "did you mean price") {
		t.Error(err)
	}
	tick(99)
	if fmt.Sprint(told) != "[firing 1 info resolved 2 critical firing 2 critical resolved 2 critical]" || len(e.Rules()) != 0 {
		t.Error(told, e.Rules())
	}
}

func FuzzLoadState(f *testing.F) {
	e := New(Config{Calendar: nyse})
	f.Add(e.AppendState(nil))
	for i, ev := range walk(1, 1200) {
		ev(e, func(*market.Alert) {})
		if i == 700 {
			f.Add(e.AppendState(nil))
		}
	}
	small := New(Config{})
	_ = small.SetRule(market.Rule{Name: "a", When: `change("5s") < -3% or sma("1s", 3) > 4 or rises_by(1, "3s")`})
	small.Tick(&market.Tick{Symbol: "A", Time: 1e15, Price: 5}, func(*market.Alert) {})
	f.Add(small.AppendState(nil))
	events := walk(2, 400)
	f.Fuzz(func(t *testing.T, data []byte) {
		e := New(Config{Calendar: nyse})
		if _, err := e.LoadState(data); err != nil {
			return
		}
		for _, ev := range events {
			ev(e, func(*market.Alert) {})
		}
	})
}
