package feed

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tapedeck/pipeline/market"
)

// recorder is a Sink that keeps what it gets.
type recorder struct {
	ticks  []market.Tick
	clocks []market.Clock
	said   []Condition
	onTick func(t *market.Tick) error
}

func (r *recorder) Tick(t *market.Tick, _ int64) error {
	r.ticks = append(r.ticks, *t)
	if r.onTick != nil {
		return r.onTick(t)
	}
	return nil
}

func (r *recorder) Clock(c market.Clock) error {
	r.clocks = append(r.clocks, c)
	return nil
}

func (r *recorder) Flush() error    { return nil }
func (r *recorder) Say(c Condition) { r.said = append(r.said, c) }

var simStart = market.At(time.Date(2024, 3, 8, 19, 30, 0, 0, time.UTC)) // 14:30 in New York

func newSim(t testing.TB, change func(*SimConfig)) *Sim {
	cfg := SimConfig{Symbols: 100, Rate: 1, Seed: 7, Start: simStart, Length: 30 * time.Second, Speed: math.Inf(1)}
	if change != nil {
		change(&cfg)
	}
	s, err := NewSim(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func record(t testing.TB, s *Sim) *recorder {
	r := new(recorder)
	if err := s.Run(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSimContract(t *testing.T) {
	t.Run("live", func(t *testing.T) {
		runSourceContract(t, func(t *testing.T) Source { return newSim(t, nil) })
	})
	t.Run("history", func(t *testing.T) {
		runSourceContract(t, func(t *testing.T) Source {
			return newSim(t, func(c *SimConfig) { c.Symbols, c.HistoryDays, c.History = 10, 5, 20*time.Minute })
		})
	})
	t.Run("endless", func(t *testing.T) {
		runSourceContract(t, func(t *testing.T) Source { return newSim(t, func(c *SimConfig) { c.Length = 0 }) })
	})
}

func TestSimIsReproducible(t *testing.T) {
	with := func(change func(*SimConfig)) []market.Tick {
		r := record(t, newSim(t, func(c *SimConfig) {
			c.HistoryDays, c.History = 3, 10*time.Minute
			if change != nil {
				change(c)
			}
		}))
		for i := range r.ticks {
			r.ticks[i].Received = 0
		}
		return r.ticks
	}
	first := with(nil)
	if !slices.Equal(first, with(nil)) {
		t.Error("the same seed and start give other ticks")
	}
	if slices.Equal(first, with(func(c *SimConfig) { c.Seed++ })) {
		t.Error("another seed gives the same ticks")
	}
}

func TestSimSpreadsTicksEvenly(t *testing.T) {
	for _, rate := range []float64{0.1, 1, 3, 20} {
		r := record(t, newSim(t, func(c *SimConfig) { c.Rate = rate }))
		if want := rate * 100 * 30; math.Abs(float64(len(r.ticks))-want) > 1 {
			t.Errorf("rate %g: %d ticks, want %g", rate, len(r.ticks), want)
		}
		if len(r.clocks) != 30 || !r.clocks[29].End || r.clocks[29].Time != simStart.Add(30*time.Second) {
			t.Errorf("rate %g: %d clocks, last %+v", rate, len(r.clocks), r.clocks[len(r.clocks)-1])
		}
		step := 1e6 / rate / 100
		for i := 1; i < len(r.ticks); i++ {
			if d := float64(r.ticks[i].Time - r.ticks[i-1].Time); math.Abs(d-step) > 1.5 {
				t.Fatalf("rate %g: tick %d comes %g µs after the one before, want %g", rate, i, d, step)
			}
		}
	}
}

func TestSimTicksArePlausible(t *testing.T) {
	r := record(t, newSim(t, func(c *SimConfig) { c.Symbols, c.Length = 3000, 20*time.Second }))
	last := make(map[string]float64)
	lots := 0
	for _, tick := range r.ticks {
		if !(tick.Bid < tick.Ask && tick.Bid <= tick.Price && tick.Price <= tick.Ask) {
			t.Fatalf("price is not within the quote: %+v", tick)
		}
		perDollar := 100.0
		if tick.Bid < 1 {
			perDollar = 10000
		}
		if cents := tick.Price * perDollar; math.Abs(cents-math.Round(cents)) > 1e-6 {
			t.Fatalf("not a whole cent: %+v", tick)
		}
		if before := last[tick.Symbol]; before > 5 && math.Abs(tick.Price/before-1) > 0.012 {
			t.Errorf("%s: from %g to %g in a second", tick.Symbol, before, tick.Price)
		}
		last[tick.Symbol] = tick.Price
		if tick.Size%100 == 0 {
			lots++
		}
	}
	if len(last) != 3000 {
		t.Errorf("%d symbols, want 3000", len(last))
	}
	if share := float64(lots) / float64(len(r.ticks)); share < 0.1 || share > 0.9 {
		t.Errorf("%.0f %% of the trades are round lots", share*100)
	}
	for _, c := range SimCompanies(3000)[:500] {
		if p := last[c.Symbol]; math.Abs(math.Log(p/c.Price)) > 0.1 {
			t.Errorf("%s: %g after some seconds, began at %g", c.Symbol, p, c.Price)
		}
	}
}

func TestSimVolume(t *testing.T) {
	r := record(t, newSim(t, func(c *SimConfig) { c.Symbols, c.Length = 300, 10*time.Minute }))
	total := make(map[string]float64)
	for _, tick := range r.ticks {
		if tick.Size < 1_000_000 { // not the events
			total[tick.Symbol] += float64(tick.Size)
		}
	}
	ratio := 0.0
	for _, c := range SimCompanies(300) {
		volume, _ := simBusy(14.58)
		ratio += total[c.Symbol] / (float64(c.Volume) * volume * 600 / simDayOfShape) / 300
	}
	if ratio < 0.85 || ratio > 1.3 {
		t.Errorf("symbols trade %.2f of their usual volume", ratio)
	}
	day := 0.0
	for minute := range 24 * 60 {
		v, _ := simBusy(float64(minute) / 60)
		day += v * 60
	}
	if math.Abs(day/simDayOfShape-1) > 0.03 {
		t.Errorf("a day's shape is %.0f, simDayOfShape says %.0f", day, simDayOfShape)
	}
}

func TestSimScript(t *testing.T) {
	for seed := range uint64(8) {
		r := record(t, newSim(t, func(c *SimConfig) { c.Symbols, c.Seed, c.Length = 1000, seed, 20*time.Second }))
		first, most := make(map[string]float64), make(map[string]float64)
		block, drop := "", ""
		for _, tick := range r.ticks {
			if tick.Size > 1_000_000 {
				block = tick.Symbol
			}
			if first[tick.Symbol] == 0 {
				first[tick.Symbol] = tick.Price
			}
			most[tick.Symbol] = max(most[tick.Symbol], tick.Price)
			if tick.Price < most[tick.Symbol]*0.97 && tick.Price > 5 {
				drop = tick.Symbol
			}
		}
		if block == "" || drop == "" || block == drop {
			t.Errorf("seed %d: block %q, drop %q within 20 s", seed, block, drop)
		}
	}
}

func TestSimEventsGoOn(t *testing.T) {
	blocks, moved := 0, 0
	r, high := new(recorder), make(map[string]float64)
	r.onTick = func(tick *market.Tick) error {
		if tick.Size > 1_000_000 {
			blocks++
		}
		if tick.Price > high[tick.Symbol] {
			high[tick.Symbol] = tick.Price
		} else if tick.Price > 5 && tick.Price < high[tick.Symbol]*0.97 {
			moved++
			high[tick.Symbol] = tick.Price
		}
		r.ticks = r.ticks[:0]
		return nil
	}
	s := newSim(t, func(c *SimConfig) { c.Symbols, c.Length = 500, 30*time.Minute })
	if err := s.Run(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	if blocks < 8 || blocks > 60 {
		t.Errorf("%d blocks in half an hour, want about 23", blocks)
	}
	if moved < 2 || moved > 30 {
		t.Errorf("%d falls of 3 %% in half an hour, want about 6", moved)
	}
}

func TestSimHistory(t *testing.T) {
	r := record(t, newSim(t, func(c *SimConfig) {
		c.Symbols, c.HistoryDays, c.History, c.Length = 1000, 60, 3*time.Hour, 2*time.Second
	}))
	split := slices.IndexFunc(r.ticks, func(tick market.Tick) bool { return tick.Time >= simStart })
	history, live := r.ticks[:split], r.ticks[split:]
	if len(history) < 400_000 || len(history) > 500_000 {
		t.Errorf("%d ticks of history, want 400,000 to 500,000", len(history))
	}
	days, last, volume := make(map[market.Time]int), make(map[string]market.Tick), make(map[string]int64)
	for i, tick := range history {
		if i > 0 && tick.Time < history[i-1].Time {
			t.Fatalf("tick %d at %s comes after %s", i, tick.Time, history[i-1].Time)
		}
		if tick.Size > 700_000 {
			t.Errorf("%d shares at once: %+v", tick.Size, tick)
		}
		days[market.AlwaysOpen().Day(tick.Time)]++
		if old, ok := last[tick.Symbol]; ok && old.Price > 10 && tick.Time.Sub(old.Time) < time.Minute {
			if move := math.Abs(math.Log(tick.Price / old.Price)); move > 0.03 {
				t.Errorf("%s moves by %.1f %% in %s", tick.Symbol, move*100, tick.Time.Sub(old.Time))
			}
		}
		last[tick.Symbol] = tick
		volume[tick.Symbol+tick.Time.Truncate(time.Second).String()] += tick.Size
	}
	if len(days) != 61 {
		t.Errorf("%d days, want 60 and today", len(days))
	}
	for symbol, n := range volume {
		if n > 1_000_000 {
			t.Errorf("%s: %d shares in a second", symbol, n)
		}
	}
	for _, tick := range live[:1000] {
		old := last[tick.Symbol]
		if simStart.Sub(old.Time) > 46*time.Second {
			t.Errorf("%s: the last of the history is at %s", tick.Symbol, old.Time)
		}
		if gap := math.Abs(tick.Price - old.Price); gap > 0.006*old.Price+0.03 {
			t.Errorf("%s: history ends at %g, live begins at %g", tick.Symbol, old.Price, tick.Price)
		}
	}
	if first := r.said[0]; first.Level != Busy || first.Text != "laying down history" || first.Progress > 0.01 {
		t.Errorf("said first %+v", first)
	}
	for i := 1; i < len(r.said); i++ {
		if a, b := r.said[i-1], r.said[i]; b.Level == Busy && b.Progress <= a.Progress {
			t.Errorf("progress from %g to %g", a.Progress, b.Progress)
		}
	}
	if final := r.said[len(r.said)-1]; final.Level != OK {
		t.Errorf("said at last %+v", final)
	}
	for i := 1; i < len(r.clocks); i++ {
		if r.clocks[i].Time <= r.clocks[i-1].Time {
			t.Fatalf("clock %s after %s", r.clocks[i].Time, r.clocks[i-1].Time)
		}
	}
}

func TestSimHistoryIsBounded(t *testing.T) {
	n := 0
	r := new(recorder)
	r.onTick = func(*market.Tick) error { n++; r.ticks = r.ticks[:0]; return nil }
	s := newSim(t, func(c *SimConfig) {
		c.Symbols, c.HistoryDays, c.History, c.Length = MaxSimSymbols, 60, 3*time.Hour, time.Millisecond
	})
	if err := s.Run(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	if n < 800_000 || n > 1_200_000 {
		t.Errorf("%d ticks of history for 10,000 symbols, want about a million", n)
	}
}

func TestSimResumes(t *testing.T) {
	r := record(t, newSim(t, func(c *SimConfig) {
		c.Length = time.Second
		c.Resume = map[string]float64{"AAPL": 312.5, "MSFT": -1}
		c.After = simStart.Add(time.Hour)
	}))
	for _, tick := range r.ticks {
		if tick.Time < simStart.Add(time.Hour) {
			t.Fatalf("%s at %s, want after the newest tick", tick.Symbol, tick.Time)
		}
		if tick.Symbol == "AAPL" && math.Abs(tick.Price-312.5) > 0.5 {
			t.Errorf("AAPL goes on at %g, want about 312.50", tick.Price)
		}
	}
	if len(r.ticks) != 100 {
		t.Errorf("%d ticks", len(r.ticks))
	}
}

// Live ticks come when they happen, and history reaches until that moment.
func TestSimKeepsPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var worst time.Duration
		begin := market.At(time.Now())
		perSecond := make(map[market.Time]int)
		r := new(recorder)
		r.onTick = func(tick *market.Tick) error {
			if tick.Time < begin {
				return nil
			}
			now := market.At(time.Now())
			worst = max(worst, now.Sub(tick.Time))
			if tick.Time > now || tick.Received != now {
				t.Errorf("at %s a tick of %s, received %s", now, tick.Time, tick.Received)
			}
			perSecond[now.Truncate(time.Second)]++
			return nil
		}
		s := newSim(t, func(c *SimConfig) {
			c.Start, c.Speed, c.Length = 0, 1, 10*time.Second
			c.Symbols, c.HistoryDays, c.History = 1000, 2, time.Minute
		})
		if err := s.Run(context.Background(), r); err != nil {
			t.Fatal(err)
		}
		if worst > 25*time.Millisecond {
			t.Errorf("a tick was %s old", worst)
		}
		for second, n := range perSecond {
			if second < begin.Add(10*time.Second) && (n < 970 || n > 1030) {
				t.Errorf("%d ticks in the second %s", n, second)
			}
		}
	})
}

// A log that takes no tick for a minute is followed by a jump, not by a burst.
func TestSimLeavesOutWhatWasMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := new(recorder)
		sink := &contractSink{t: t, source: newSim(t, nil), newest: map[string]market.Time{}, enough: -1}
		begin := time.Now()
		r.onTick = func(tick *market.Tick) error {
			if len(r.ticks) == 450 {
				time.Sleep(time.Minute)
			}
			return sink.Tick(tick, 0)
		}
		s := newSim(t, func(c *SimConfig) { c.Start, c.Speed, c.Length = 0, 1, 70*time.Second })
		if err := s.Run(context.Background(), r); err != nil {
			t.Fatal(err)
		}
		if got := time.Since(begin); got > 71*time.Second {
			t.Errorf("took %s", got)
		}
		if n := len(r.ticks); n < 900 || n > 1200 {
			t.Errorf("%d ticks, want about those of ten seconds", n)
		}
		heldUp := func(c Condition) bool { return strings.HasPrefix(c.Text, "was held up for 1m0s") }
		if i := slices.IndexFunc(r.said, heldUp); i < 0 || r.said[i].Level != Busy {
			t.Errorf("said %+v", r.said)
		}
	})
}

// A wall clock that is set back neither stops the market nor turns it back.
func TestSimSurvivesTheClocksChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, shift := new(recorder), time.Duration(0)
		sink := &contractSink{t: t, source: newSim(t, nil), newest: map[string]market.Time{}, enough: -1}
		r.onTick = func(tick *market.Tick) error {
			switch len(r.ticks) {
			case 500:
				shift = -time.Hour
			case 1000:
				shift = 0
			}
			return sink.Tick(tick, 0)
		}
		s := newSim(t, func(c *SimConfig) { c.Start, c.Speed, c.Length = 0, 1, 20*time.Second })
		s.now = func() time.Time { return time.Now().Add(shift) }
		begin := time.Now()
		if err := s.Run(context.Background(), r); err != nil {
			t.Fatal(err)
		}
		if got := time.Since(begin); got > 21*time.Second {
			t.Errorf("took %s", got)
		}
		if n := len(r.ticks); n < 1900 || n > 2001 {
			t.Errorf("%d ticks, want those of 20 s", n)
		}
		wrong := func(c Condition) bool {
			return c.Level == Trouble && strings.HasPrefix(c.Text, "this machine's clock is 1h0m0s behind the market's")
		}
		if i := slices.IndexFunc(r.said, wrong); i < 0 || r.said[len(r.said)-1].Level == Trouble || slices.IndexFunc(r.said[i+1:], wrong) >= 0 {
			t.Errorf("said %+v", r.said)
		}
	})
}

func TestSimEndsPromptly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		r, begin := new(recorder), time.Now()
		err := newSim(t, func(c *SimConfig) { c.Start, c.Speed, c.Length, c.Rate, c.Symbols = 0, 1, 0, 0.01, 1 }).Run(ctx, r)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 1500*time.Millisecond {
			t.Errorf("%v after %s", err, time.Since(begin))
		}
		if len(r.clocks) == 0 {
			t.Error("no clock while no tick comes")
		}
	})
}

func TestSimConfig(t *testing.T) {
	if err := DefaultSimConfig().Validate(); err != nil {
		t.Error(err)
	}
	for _, change := range []func(*SimConfig){
		func(c *SimConfig) { c.Symbols = 0 }, func(c *SimConfig) { c.Symbols = MaxSimSymbols + 1 },
		func(c *SimConfig) { c.Rate = 0 }, func(c *SimConfig) { c.Rate = math.NaN() }, func(c *SimConfig) { c.Rate = 1001 },
		func(c *SimConfig) { c.Speed = 0 }, func(c *SimConfig) { c.Length = -1 },
		func(c *SimConfig) { c.HistoryDays = -1 }, func(c *SimConfig) { c.History = 25 * time.Hour },
	} {
		c := DefaultSimConfig()
		change(&c)
		if _, err := NewSim(c); err == nil {
			t.Errorf("%+v: no error", c)
		}
	}
}

func TestSimCompanies(t *testing.T) {
	if got := SimCompanies(3); len(got) != 3 || got[0] != market.Companies()[0] {
		t.Errorf("%+v", got)
	}
	list, seen := SimCompanies(MaxSimSymbols), make(map[string]bool)
	for _, c := range list {
		if !market.ValidSymbol(c.Symbol) || seen[c.Symbol] || c.Name == "" || !(c.Price > 0) || c.Volume <= 0 ||
			!slices.Contains(market.Sectors[:], c.Sector) {
			t.Errorf("%+v", c)
		}
		seen[c.Symbol] = true
	}
	if len(list) != MaxSimSymbols || !slices.Equal(list, SimCompanies(MaxSimSymbols)) {
		t.Errorf("%d companies", len(list))
	}
}

func TestSimLeverage(t *testing.T) {
	for symbol, want := range map[string]float64{"SPY": 1, "TQQQ": 3, "SQQQ": -3, "SDS": -2, "SH": -1, "SPXL": 3, "SPXS": -3, "AGG": 0.08, "GLD": 0.3, "VXX": -1} {
		c, ok := market.Lookup(symbol)
		if got := simLeverage(c.Name); !ok || got != want {
			t.Errorf("%s (%s): %g, want %g", symbol, c.Name, got, want)
		}
	}
}

func TestSimDoesNotAllocate(t *testing.T) {
	m := newSimMarket(SimCompanies(1000), 1, simStart, nil)
	m.period = 1
	m.events.start(simStart, m)
	var tick market.Tick
	sweep := simSweep{begin: simStart, period: 1e6, n: 1000}
	if n := testing.AllocsPerRun(5000, func() {
		m.trade(sweep.i, sweep.time(), &tick)
		sweep.next()
	}); n > 0.01 {
		t.Errorf("%g allocations a tick", n)
	}
}

type nullSink struct{}

func (nullSink) Tick(*market.Tick, int64) error { return nil }
func (nullSink) Clock(market.Clock) error       { return nil }
func (nullSink) Flush() error                   { return nil }
func (nullSink) Say(Condition)                  {}

// BenchmarkSim is the time per tick of a whole live run of 10,000 symbols;
// at 1 Hz a core's share is that times 10,000 a second.
func BenchmarkSim(b *testing.B) {
	s := newSim(b, func(c *SimConfig) {
		c.Symbols = MaxSimSymbols
		c.Length = time.Duration(max(b.N/MaxSimSymbols, 1)) * time.Second
	})
	b.ReportAllocs()
	b.ResetTimer()
	if err := s.Run(context.Background(), nullSink{}); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ticks/s")
}

// BenchmarkSimHistory is the time of the default history, 480,000 ticks.
func BenchmarkSimHistory(b *testing.B) {
	for b.Loop() {
		s := newSim(b, func(c *SimConfig) {
			c.Symbols, c.HistoryDays, c.History, c.Length = 1000, 60, 3*time.Hour, time.Millisecond
		})
		if err := s.Run(context.Background(), nullSink{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(480_000*float64(b.N)/b.Elapsed().Seconds(), "ticks/s")
}
