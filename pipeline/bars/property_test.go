package bars_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"tapedeck/pipeline/bars"
	"tapedeck/pipeline/market"
)

var nyse = func(string) *market.Calendar { return market.NYSE() }

// adventure is a random run of ticks and clocks, some ticks late (where late
// says so), with pauses, nights and ends in it.
func adventure(random *rand.Rand, n int, late bool) []any {
	symbols := []string{"AAPL", "KO", "XOM", "F"}
	at := market.At(time.Date(2026, 11, 20, 14, 20, 0, 0, time.UTC))
	second, ended := at, at
	var events []any
	for range n {
		at = at.Add(time.Duration(random.IntN(1500)) * time.Millisecond)
		for second = second.Add(time.Second); second <= at; second = second.Add(time.Second) {
			events = append(events, market.Clock{Time: second, Source: "replay"})
		}
		second = second.Add(-time.Second)
		tick := market.Tick{Symbol: symbols[random.IntN(len(symbols))], Time: at, Price: math.Round(1e4+random.NormFloat64()*100) / 100,
			Size: 100 * random.Int64N(5), Source: "replay"}
		switch k := random.IntN(200); {
		case k == 0:
			at = at.Add(time.Duration(random.IntN(9)) * time.Hour)
			second = at
		case k == 1:
			events = append(events, market.Clock{Time: at, Source: "replay", End: true})
			ended = at
		case k < 20 && late:
			tick.Time = at.Add(-time.Duration(random.ExpFloat64()*10*1e6) * time.Microsecond)
		case k < 22 && late:
			tick.Time = at.Add(-time.Duration(random.IntN(600)) * time.Minute)
		}
		tick.Time = max(tick.Time, ended) // before it there was another recording
		events = append(events, tick)
	}
	return append(events, market.Clock{Time: at.Add(time.Second), Source: "replay", End: true})
}

// live plays events and hands every bar on.
func live(b *bars.Builder, events []any, emit func(*market.Bar)) {
	for _, e := range events {
		switch e := e.(type) {
		case market.Tick:
			b.Add(&e, emit)
		case market.Clock:
			b.Clock(e.Time, e.Source, e.End, emit)
		}
	}
}

// Whatever the interleaving of symbols, each has the same bars.
func TestSymbolsDoNotMindEachOther(t *testing.T) {
	for seed := range uint64(8) {
		events := adventure(rand.New(rand.NewPCG(seed, 1)), 1500, true)
		all := map[string][]market.Bar{}
		together := bars.New(nyse)
		live(together, events, func(b *market.Bar) { all[b.Symbol] = append(all[b.Symbol], *b) })
		var late bars.Late
		for symbol, want := range all {
			var own []any
			for _, e := range events {
				if tick, ok := e.(market.Tick); !ok || tick.Symbol == symbol {
					own = append(own, e)
				}
			}
			var got []market.Bar
			alone := bars.New(nyse)
			live(alone, own, func(b *market.Bar) { got = append(got, *b) })
			if !slices.Equal(got, want) {
				t.Fatalf("seed %d: %s has %d bars alone and %d among others, or they differ", seed, symbol, len(got), len(want))
			}
			late.Corrected += alone.Late().Corrected
			late.Dropped += alone.Late().Dropped
		}
		if late != together.Late() {
			t.Errorf("seed %d: late %+v alone, %+v together", seed, late, together.Late())
		}
		if seed == 0 && (late.Corrected == 0 || late.Dropped == 0) {
			t.Error("the adventure is too tame")
		}
	}
}

// newest keeps the highest revision of each bar.
type newest map[[3]string]market.Bar

func (n newest) take(t *testing.T) func(*market.Bar) {
	return func(b *market.Bar) {
		key := [3]string{b.Symbol, b.Interval.String(), b.Time.String()}
		if before, ok := n[key]; ok && b.Revision <= before.Revision {
			t.Errorf("%v: revision %d after %d", key, b.Revision, before.Revision)
		}
		n[key] = *b
	}
}

// The bars of an interval are what the seconds' bars within them say; late
// ticks move neither open nor close, and so need not agree on those.
func TestIntervalsAgree(t *testing.T) {
	for seed := range uint64(8) {
		late := seed%2 == 1
		got := newest{}
		builder := bars.New(func(string) *market.Calendar { return market.AlwaysOpen() })
		events := adventure(rand.New(rand.NewPCG(seed, 2)), 1500, late)
		var clock market.Time
		events = slices.DeleteFunc(events, func(e any) bool { // what is so late comes too late for some intervals and not for others
			if c, ok := e.(market.Clock); ok {
				clock = c.Time
			}
			tick, ok := e.(market.Tick)
			return ok && tick.Time < clock.Add(-20*time.Second)
		})
		live(builder, events, got.take(t))
		if builder.Late().Dropped != 0 || late != (builder.Late().Corrected > 0) {
			t.Errorf("seed %d: late %+v", seed, builder.Late())
		}
		folded := map[[3]string]market.Bar{}
		turnover := map[[3]string]float64{}
		var seconds []market.Bar
		for key, b := range got {
			if key[1] == "1s" {
				seconds = append(seconds, b)
			}
		}
		slices.SortFunc(seconds, func(a, b market.Bar) int { return int(a.Time - b.Time) })
		for _, s := range seconds {
			for _, interval := range market.Intervals[1:] {
				start := s.Time.Truncate(interval.Length())
				if interval == market.Day {
					start = market.AlwaysOpen().Day(s.Time)
				}
				key := [3]string{s.Symbol, interval.String(), start.String()}
				b, ok := folded[key]
				if !ok {
					b = s
				}
				b.High, b.Low, b.Close = max(b.High, s.High), min(b.Low, s.Low), s.Close
				if ok {
					b.Volume += s.Volume
					b.Trades += s.Trades
				}
				turnover[key] += s.VWAP * float64(s.Volume)
				folded[key] = b
			}
		}
		for key, b := range got {
			if key[1] == "1s" {
				continue
			}
			f := folded[key]
			if b.High != f.High || b.Low != f.Low || b.Volume != f.Volume || b.Trades != f.Trades || !late && (b.Open != f.Open || b.Close != f.Close) {
				t.Errorf("seed %d: %v is %+v, its seconds say %+v", seed, key, b, f)
			}
			if b.Volume > 0 && math.Abs(b.VWAP-turnover[key]/float64(b.Volume)) > 1e-9*b.VWAP {
				t.Errorf("seed %d: %v has a vwap of %v, its seconds say %v", seed, key, b.VWAP, turnover[key]/float64(b.Volume))
			}
		}
		if len(seconds) < 1000 || len(folded) < 10 {
			t.Fatal("the adventure is too tame")
		}
	}
}

// Every bar holds together in itself, and the volume of all ticks is in the bars.
func TestBarsAreSound(t *testing.T) {
	for seed := range uint64(6) {
		events := adventure(rand.New(rand.NewPCG(seed, 3)), 1500, false)
		got := newest{}
		live(bars.New(nyse), events, got.take(t))
		var volume, inBars int64
		for _, e := range events {
			if tick, ok := e.(market.Tick); ok {
				volume += tick.Size
			}
		}
		for key, b := range got {
			if b.Low > b.Open || b.Low > b.Close || b.High < b.Open || b.High < b.Close ||
				b.VWAP < b.Low-1e-9 || b.VWAP > b.High+1e-9 || b.Volume < 0 || (b.Volume == 0) != (b.Trades == 0) {
				t.Errorf("%v: %+v", key, b)
			}
			if key[1] == "1m" {
				inBars += b.Volume
			}
		}
		if inBars != volume {
			t.Errorf("seed %d: minute bars hold %d, the ticks %d", seed, inBars, volume)
		}
	}
}

// A state that is saved at any point and loaded goes on as if nothing had happened.
func TestStateAtAnyPointEqualsUndisturbed(t *testing.T) {
	for seed := range uint64(12) {
		random := rand.New(rand.NewPCG(seed, 4))
		events := adventure(random, 1000, true)
		var want, got []market.Bar
		quiet, disturbed := bars.New(nyse), bars.New(nyse)
		live(quiet, events, func(b *market.Bar) { want = append(want, *b) })
		cuts := []int{random.IntN(len(events)), random.IntN(len(events)), random.IntN(len(events)), len(events)}
		slices.Sort(cuts)
		from := 0
		for _, cut := range cuts {
			live(disturbed, events[from:cut], func(b *market.Bar) { got = append(got, *b) })
			from = cut
			state := disturbed.AppendState(nil)
			disturbed = bars.New(nyse)
			rest, err := disturbed.LoadState(append(slices.Clone(state), "after"...))
			if err != nil || string(rest) != "after" {
				t.Fatal(err, string(rest))
			}
			if !slices.Equal(disturbed.AppendState(nil), state) {
				t.Fatalf("seed %d: the state changes when it is loaded at %d", seed, cut)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d: bars differ after cuts at %v", seed, cuts)
		}
		if quiet.Late() != disturbed.Late() || !slices.Equal(quiet.AppendState(nil), disturbed.AppendState(nil)) {
			t.Fatalf("seed %d: states differ after cuts at %v", seed, cuts)
		}
	}
}

func TestDamagedStateIsRefused(t *testing.T) {
	b := bars.New(nyse)
	live(b, adventure(rand.New(rand.NewPCG(5, 5)), 60, true), func(*market.Bar) {})
	state := b.AppendState(nil)
	for n := range state {
		if _, err := bars.New(nyse).LoadState(state[:n]); err == nil {
			t.Fatalf("a state cut after %d of %d bytes is taken", n, len(state))
		}
	}
	state[0]++
	if _, err := bars.New(nyse).LoadState(state); err == nil {
		t.Error("a state of an unknown version is taken")
	}
}

func FuzzLoadState(f *testing.F) {
	f.Add(bars.New(nyse).AppendState(nil))
	for seed := range uint64(3) {
		b := bars.New(nyse)
		live(b, adventure(rand.New(rand.NewPCG(seed, 6)), 40, true), func(*market.Bar) {})
		f.Add(b.AppendState(nil))
	}
	at := market.At(time.Date(2026, 11, 20, 15, 0, 0, 0, time.UTC))
	f.Fuzz(func(t *testing.T, data []byte) {
		b := bars.New(nyse)
		if _, err := b.LoadState(data); err != nil {
			return
		}
		if _, err := bars.New(nyse).LoadState(b.AppendState(nil)); err != nil {
			t.Fatalf("a loaded state cannot be loaded again: %v", err)
		}
		for _, symbol := range []string{"AAPL", "KO"} {
			for i := range 5 {
				b.Add(&market.Tick{Symbol: symbol, Time: at.Add(time.Duration(i-2) * time.Second), Price: 100, Size: 1, Source: "replay"}, func(*market.Bar) {})
			}
		}
		b.Clock(at, "replay", true, func(*market.Bar) {})
	})
}
