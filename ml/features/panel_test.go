package features

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"tapedeck/pipeline/market"
)

var opening = market.At(time.Date(2026, 11, 20, 14, 30, 0, 0, time.UTC))

// walk makes one-minute bars of symbols, some of which do not trade in every
// minute, over two sessions with a pause between.
func walk(seed uint64, symbols, minutes int) []market.Bar {
	random := rand.New(rand.NewPCG(seed, 1))
	companies := market.Companies()
	var bars []market.Bar
	for i := range symbols {
		price := companies[i].Price
		for m := range minutes {
			price *= math.Exp(0.0008 * random.NormFloat64())
			if i%4 == 3 && random.IntN(3) == 0 {
				continue
			}
			at := opening.Add(time.Duration(m) * time.Minute)
			if m >= minutes/2 {
				at = at.Add(17 * time.Hour)
			}
			bars = append(bars, market.Bar{Symbol: companies[i].Symbol, Interval: market.Minute, Time: at,
				Open: price, High: price, Low: price, Close: price, Volume: int64(100 + random.IntN(900)), Trades: 1})
		}
	}
	slices.SortStableFunc(bars, func(a, b market.Bar) int { return int(a.Time.Sub(b.Time)) })
	return bars
}

// rows are all rows of a panel fed with bars, by symbol and minute.
func rows(bars []market.Bar) map[string]Row {
	all := map[string]Row{}
	p := NewPanel()
	p.Feed(bars, func(market.Time) {
		for r := range p.Newest() {
			values := *r.Values
			r.Values = &values
			all[fmt.Sprint(r.Symbol, " ", r.Time)] = r
		}
	})
	return all
}

func same(a, b Row) bool {
	va, vb := *a.Values, *b.Values
	a.Values, b.Values = nil, nil
	if math.IsNaN(a.Volatility) && math.IsNaN(b.Volatility) {
		a.Volatility, b.Volatility = 0, 0
	}
	return a == b && va == vb
}

// No feature of a minute depends on anything after it: the future is scrambled
// and every row before it stays as it was, to the bit.
func TestNoLookAhead(t *testing.T) {
	bars := walk(1, 40, 240)
	whole := rows(bars)
	for _, cut := range []int{20, 100, 125, 200} {
		now := opening.Add(time.Duration(cut) * time.Minute)
		if cut >= 120 {
			now = now.Add(17 * time.Hour)
		}
		random := rand.New(rand.NewPCG(uint64(cut), 2))
		scrambled := slices.Clone(bars)
		for i := range scrambled {
			if b := &scrambled[i]; b.Time > now {
				b.Close *= math.Exp(0.2 * random.NormFloat64())
				b.Volume = int64(random.IntN(1_000_000))
				if random.IntN(2) == 0 {
					b.Time = b.Time.Add(24 * time.Hour)
				}
			}
		}
		random.Shuffle(len(scrambled), func(i, j int) { scrambled[i], scrambled[j] = scrambled[j], scrambled[i] })
		n := 0
		for key, r := range rows(scrambled) {
			if r.Time > now {
				continue
			}
			n++
			if !same(r, whole[key]) {
				t.Fatalf("row %s changed with the future:\n%+v %v\n%+v %v", key, whole[key], *whole[key].Values, r, *r.Values)
			}
		}
		if n < 30*cut {
			t.Fatalf("only %d rows before minute %d", n, cut)
		}
	}
}

// Live, minute by minute as bars come in any order, and over a whole history at
// once: the rows and windows are the same.
func TestLiveIsAsTraining(t *testing.T) {
	bars := walk(2, 30, 200)
	whole := rows(bars)
	random := rand.New(rand.NewPCG(3, 3))
	live := NewPanel()
	var frame Frame
	history := map[string][][Count]float32{} // of the session
	asked := 0
	for i := 0; i < len(bars); {
		j := i
		for j < len(bars) && bars[j].Time == bars[i].Time {
			j++
		}
		for _, k := range random.Perm(j - i) {
			live.Add(&bars[i+k])
		}
		n := live.CutEach(bars[i].Time, func(market.Time) {
			for r := range live.Newest() {
				if r.Minute == 1 {
					history[r.Symbol] = nil
				}
				history[r.Symbol] = append(history[r.Symbol], *r.Values)
			}
		})
		live.Frame(&frame)
		if n != len(frame.Symbols) {
			t.Fatalf("Cut says %d rows, the frame has %d", n, len(frame.Symbols))
		}
		for s, symbol := range frame.Symbols {
			asked++
			r := whole[fmt.Sprint(symbol, " ", frame.Time)]
			window := frame.Values[s*Window*Count : (s+1)*Window*Count]
			if newest := [Count]float32(window[(Window-1)*Count:]); newest != *r.Values || frame.Closes[s] != r.Close || frame.Volatility[s] != float32(r.Volatility) {
				t.Fatalf("%s at %s: live %v, over history %v", symbol, frame.Time, newest, *r.Values)
			}
			past := history[symbol]
			for k := range Window {
				want := [Count]float32{}
				if back := Window - 1 - k; back < len(past) {
					want = past[len(past)-1-back]
				}
				if got := [Count]float32(window[k*Count : (k+1)*Count]); got != want {
					t.Fatalf("%s at %s: row %d of the window is %v, want %v", symbol, frame.Time, k, got, want)
				}
			}
		}
		i = j
	}
	if asked < 2000 {
		t.Fatalf("only %d rows were ready", asked)
	}
}

// The features are what their names say, by hand.
func TestFeaturesByHand(t *testing.T) {
	p := NewPanel()
	closes := []float64{}
	price := 100.0
	for m := range 50 {
		price *= 1 + 0.001*float64(m%5-2)
		closes = append(closes, price)
		p.Add(&market.Bar{Symbol: "ZZTEST", Interval: market.Minute, Time: opening.Add(time.Duration(m) * time.Minute), Close: price, Volume: int64(100 * (m + 1))})
		p.Cut(opening.Add(time.Duration(m) * time.Minute))
	}
	var r Row
	for r = range p.Newest() {
	}
	back := func(n int) float64 { return math.Log(closes[49] / closes[49-n]) }
	var mean, sum float64
	for k := range 30 {
		mean += math.Log(closes[49-k]/closes[48-k]) / 30
	}
	for k := range 30 {
		d := math.Log(closes[49-k]/closes[48-k]) - mean
		sum += d * d
	}
	if sigma := math.Sqrt(sum / 29); math.Abs(r.Volatility/sigma-1) > 0.02 { // the sample deviation; the population's is 1.7 % smaller
		t.Errorf("volatility %g, want %g", r.Volatility, sigma)
	}
	for i, want := range map[int]float64{0: back(1) / r.Volatility, 1: back(5) / (r.Volatility * math.Sqrt(5)), 2: back(15) / (r.Volatility * math.Sqrt(15)),
		7: math.Log(5000 / 3950.0) /* of 3000 to 4900 */, 4: 0} {
		want = min(max(want, -limit), limit)
		if math.Abs(float64(r.Values[i])-want) > 0.01 {
			t.Errorf("%s is %g, want %g", Names[i], r.Values[i], want)
		}
	}
	if !r.Ready || r.Minute != 50 {
		t.Errorf("after 50 minutes: ready %v, minute %d", r.Ready, r.Minute)
	}
}

// A pause is no return, the quiet minutes after a session are no calm, and a
// price once a day is no history.
func TestPausesAreNoReturns(t *testing.T) {
	var bars []market.Bar
	add := func(at market.Time, price float64) {
		bars = append(bars, market.Bar{Symbol: "AAPL", Interval: market.Minute, Time: at, Close: price, Volume: 100})
	}
	random := rand.New(rand.NewPCG(5, 5))
	price := 100.0
	for d := range 40 { // isolated prices, far apart
		add(opening.Add(time.Duration(d-50)*24*time.Hour), 50+float64(d))
	}
	for m := range 300 {
		price *= math.Exp(0.001 * random.NormFloat64())
		at := opening.Add(time.Duration(m) * time.Minute)
		if m >= 150 {
			at = at.Add(48 * time.Hour)
			if m == 150 {
				price *= 1.3
			}
		}
		add(at, price)
	}
	ready := 0
	for _, r := range rows(bars) {
		if !r.Ready {
			continue
		}
		ready++
		if r.Volatility < 0.0005 || r.Volatility > 0.002 {
			t.Errorf("volatility %g in minute %d, want about 0.001", r.Volatility, r.Minute)
		}
	}
	if ready < 250 {
		t.Errorf("%d rows are ready", ready)
	}
}

func TestLateAndWrongBars(t *testing.T) {
	p := NewPanel()
	bar := market.Bar{Symbol: "AAPL", Interval: market.Minute, Time: opening, Close: 100}
	revised := bar
	revised.Close, revised.Revision = 101, 1
	if !p.Add(&revised) || !p.Add(&bar) {
		t.Fatal("bars of an open minute are taken")
	}
	p.Cut(opening)
	for r := range p.Newest() {
		if r.Close != 101 {
			t.Errorf("close %g, want that of the higher revision", r.Close)
		}
	}
	if p.Add(&bar) || p.Late() != 1 {
		t.Error("a bar of a minute that was cut is late")
	}
	for _, b := range []market.Bar{{Symbol: "A", Interval: market.Hour, Time: opening.Add(time.Hour), Close: 1},
		{Symbol: "A", Interval: market.Minute, Time: opening.Add(time.Hour), Close: math.NaN()},
		{Symbol: "A", Interval: market.Minute, Time: opening.Add(time.Hour), Close: math.Inf(1)},
		{Symbol: "A", Interval: market.Minute, Time: opening.Add(time.Hour), Close: -1}} {
		if p.Add(&b) {
			t.Errorf("%+v was taken", b)
		}
	}
}

// BenchmarkRows is the rate of feature rows, of a thousand symbols.
func BenchmarkRows(b *testing.B) {
	const symbols, minutes = 1000, 60
	bars := walk(1, symbols, minutes)
	n := 0
	for b.Loop() {
		p := NewPanel()
		p.Feed(bars, func(market.Time) {
			for range p.Newest() {
				n++
			}
		})
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
}
