package clean

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"tapedeck/pipeline/market"
)

// desk is a cleaner and what it decided, in words: "+7" is "the tick at 7 is
// believed", "-7 <reason>" is "it is not".
type desk struct {
	*Cleaner
	t    *testing.T
	next int64
	said []string
}

func newDesk(t *testing.T, config Config) *desk {
	return &desk{Cleaner: New(config, func(string) *market.Calendar { return market.NYSE() }), t: t}
}

func (d *desk) accept(_ *market.Tick, offset int64) {
	d.said = append(d.said, fmt.Sprintf("+%d", offset))
}

func (d *desk) reject(offset int64, reason Reason) {
	d.said = append(d.said, fmt.Sprintf("-%d %s", offset, reason))
}

// tick judges one trade of AAPL and returns its offset.
func (d *desk) tick(at market.Time, price float64) int64 {
	return d.take(market.Tick{Symbol: "AAPL", Time: at, Price: price, Size: 100, Source: "replay"}, 0)
}

func (d *desk) take(t market.Tick, seen market.Time) int64 {
	offset := d.next
	d.next++
	before := len(d.said)
	held := d.Clean(&t, offset, seen, d.accept, d.reject)
	if own := slices.ContainsFunc(d.said[before:], func(s string) bool {
		return s == fmt.Sprintf("+%d", offset) || len(s) > 1 && s[0] == '-' && s[1:] == fmt.Sprintf("%d %s", offset, reasonOf(s))
	}); own == held {
		d.t.Fatalf("tick %d: held %v, and said %q", offset, held, d.said[before:])
	}
	return offset
}

func reasonOf(said string) Reason {
	for _, reason := range []Reason{Future, TooOld, Jump} {
		if len(said) > len(reason) && said[len(said)-len(reason):] == string(reason) {
			return reason
		}
	}
	return ""
}

// expect checks what was said since the last call.
func (d *desk) expect(want ...string) {
	d.t.Helper()
	if !slices.Equal(d.said, want) {
		d.t.Errorf("said %q, not %q", d.said, want)
	}
	d.said = nil
}

// calm brings n ticks, one a second from at, and forgets what was said of them.
func (d *desk) calm(at market.Time, price float64, n int) market.Time {
	for i := range n {
		d.tick(at, price*(1+1e-4*float64(i%3)))
		at = at.Add(time.Second)
	}
	d.said = nil
	return at
}

// newYork is a wall clock's time at the exchange.
func newYork(s string) market.Time {
	t, err := time.ParseInLocation("2006-01-02 15:04:05", s, market.NYSE().Location())
	if err != nil {
		panic(err)
	}
	return market.At(t)
}

func TestFutureIsJudgedByWhenItWasReceived(t *testing.T) {
	d := newDesk(t, Config{})
	now := newYork("2026-11-20 10:00:00")
	tick := market.Tick{Symbol: "KO", Time: now.Add(61 * time.Second), Price: 60, Source: "yahoo", Received: now}
	d.take(tick, 0)
	d.expect("-0 " + string(Future))
	tick.Time = now.Add(60 * time.Second) // a clock that is a minute fast is borne
	d.take(tick, 0)
	tick.Received, tick.Time = 0, now.Add(2*time.Minute) // by when the log had it where the feed does not say
	d.take(tick, now)
	d.take(tick, 0) // nobody knows
	d.expect("+1", "-2 "+string(Future), "+3")
}

func TestTooOldIsJudgedByTheFeedsOwnClock(t *testing.T) {
	d := newDesk(t, Config{})
	now := newYork("2026-11-20 10:00:00")
	old := newYork("2013-10-07 10:00:00")
	d.Clock(market.Clock{Time: now, Source: "yahoo"}, d.reject)
	d.take(market.Tick{Symbol: "KO", Time: old, Price: 40, Source: "replay"}, now) // another feed's past is no lateness
	d.Clock(market.Clock{Time: old, Source: "replay"}, d.reject)
	d.take(market.Tick{Symbol: "KO", Time: old.Add(time.Second), Price: 40, Source: "replay"}, now)
	d.expect("+0", "+1")
	d.take(market.Tick{Symbol: "XOM", Time: now.Add(-8 * 24 * time.Hour), Price: 100, Source: "yahoo"}, now)
	d.take(market.Tick{Symbol: "XOM", Time: now.Add(-7 * 24 * time.Hour), Price: 100, Source: "yahoo"}, now)
	d.expect("-2 "+string(TooOld), "+3")
}

func TestClocksThatGoBackChangeNothing(t *testing.T) {
	d := newDesk(t, Config{Behind: time.Hour})
	now := newYork("2026-11-20 10:00:00")
	d.Clock(market.Clock{Time: now, Source: "replay"}, d.reject)
	d.Clock(market.Clock{Time: now.Add(-2 * time.Hour), Source: "replay"}, d.reject)
	d.tick(now.Add(-90*time.Minute), 100)
	d.expect("-0 " + string(TooOld))
}

func TestWithoutAClockNothingIsTooOld(t *testing.T) {
	d := newDesk(t, Config{})
	d.tick(market.At(time.Date(1929, 10, 29, 15, 0, 0, 0, time.UTC)), 230)
	d.expect("+0")
}

// A second recording, older than the first, is read after the first has ended.
func TestAfterItsEndASourceMayBeginEarlier(t *testing.T) {
	d := newDesk(t, Config{})
	at := d.calm(newYork("2026-11-20 10:00:00"), 187, 20)
	d.Clock(market.Clock{Time: at, Source: "replay", End: true}, d.reject)
	n := d.next
	at = newYork("2013-10-07 10:00:00")
	for range 6 {
		d.tick(at, 69)
		at = at.Add(time.Second)
	}
	d.expect(fmt.Sprintf("+%d", n), fmt.Sprintf("+%d", n+1), fmt.Sprintf("+%d", n+2), fmt.Sprintf("+%d", n+3), fmt.Sprintf("+%d", n+4), fmt.Sprintf("+%d", n+5))
	d.tick(at, 6.9) // and the first prices of the second judge what follows
	if len(d.holding) != 1 {
		t.Error("a jump of the second recording was believed at once")
	}
}

func TestMisprintIsRefusedWhenTheMarketGoesOn(t *testing.T) {
	d := newDesk(t, Config{})
	at := d.calm(newYork("2026-11-20 10:00:00"), 100, 20)
	bad := d.tick(at, 10)
	d.expect()
	good := d.tick(at.Add(time.Second), 100.02)
	d.expect(fmt.Sprintf("-%d %s", bad, Jump), fmt.Sprintf("+%d", good))
}

func TestMisprintIsRefusedByTheClock(t *testing.T) {
	d := newDesk(t, Config{})
	at := d.calm(newYork("2026-11-20 10:00:00"), 100, 20)
	bad := d.tick(at, 1000)
	d.Clock(market.Clock{Time: at.Add(patient), Source: "replay"}, d.reject)
	d.Clock(market.Clock{Time: at.Add(time.Hour), Source: "yahoo"}, d.reject)
	d.expect()
	d.Clock(market.Clock{Time: at.Add(patient + 1000), Source: "replay"}, d.reject)
	d.expect(fmt.Sprintf("-%d %s", bad, Jump))
}

func TestMisprintIsRefusedAtTheEndOfItsSource(t *testing.T) {
	d := newDesk(t, Config{})
	at := d.calm(newYork("2026-11-20 10:00:00"), 100, 20)
	bad := d.tick(at, 1000)
	d.Clock(market.Clock{Time: at, Source: "replay", End: true}, d.reject)
	d.expect(fmt.Sprintf("-%d %s", bad, Jump))
}

// A split: the third tick at the new level makes all three true, in their order.
func TestSplitIsBelievedOnceConfirmed(t *testing.T) {
	d := newDesk(t, Config{})
	at := d.calm(newYork("2026-11-20 10:00:00"), 500, 30)
	d.tick(at, 125)
	d.tick(at.Add(time.Second), 125.4)
	d.expect()
	d.tick(at.Add(2*time.Second), 124.9)
	d.expect("+30", "+31", "+32")
	next := d.tick(at.Add(3*time.Second), 125.1)
	d.expect(fmt.Sprintf("+%d", next))
	at = d.calm(at.Add(4*time.Second), 125, 10)
	d.tick(at, 500) // and from now on the old level is the absurd one
	d.expect()
}

// Misprints that do not agree with each other confirm nothing, however many.
func TestScatteredMisprintsConfirmNothing(t *testing.T) {
	d := newDesk(t, Config{})
	at := d.calm(newYork("2026-11-20 10:00:00"), 100, 20)
	first := d.next
	for i := range most + 2 {
		d.tick(at, 10*float64(int(1)<<i))
		at = at.Add(time.Millisecond)
	}
	// 80 is within a fifth of the median and ends the first run of held ticks.
	if len(d.said) == 0 {
		t.Fatal("nothing was refused")
	}
	for _, s := range d.said {
		if reasonOf(s) != Jump && s != fmt.Sprintf("+%d", first+3) {
			t.Errorf("said %q", s)
		}
	}
	for _, s := range d.holding {
		if len(s.held) > most {
			t.Errorf("%d ticks are held back", len(s.held))
		}
	}
}

func TestNoSessionIsJudgedByTheOneBefore(t *testing.T) {
	for _, edge := range []string{"2026-11-20 09:30:00", "2026-11-20 16:00:00", "2026-11-20 04:00:00", "2026-11-20 20:00:00"} {
		d := newDesk(t, Config{})
		open := newYork(edge)
		d.calm(open.Add(-time.Minute), 100, 30)
		n := d.tick(open, 50) // an earnings gap
		d.expect(fmt.Sprintf("+%d", n))
	}
}

// A late tick of the session before is kept and judges nothing of this one.
func TestLateTickOfTheSessionBeforeDisturbsNothing(t *testing.T) {
	d := newDesk(t, Config{})
	open := newYork("2026-11-20 09:30:00")
	d.calm(open.Add(-time.Minute), 50, 20)
	at := d.calm(open, 100, 20)
	n := d.tick(open.Add(-time.Second), 50)
	d.expect(fmt.Sprintf("+%d", n))
	bad := d.tick(at, 10)
	late := d.tick(open.Add(-time.Second), 50)
	d.expect(fmt.Sprintf("+%d", late))
	good := d.tick(at.Add(time.Second), 100)
	d.expect(fmt.Sprintf("-%d %s", bad, Jump), fmt.Sprintf("+%d", good))
}

func TestExcludedConditionsNeitherJudgeNorAreJudged(t *testing.T) {
	d := newDesk(t, Config{})
	at := d.calm(newYork("2026-11-20 10:00:00"), 100, 20)
	for range 5 { // an average-price trade far off the market
		d.take(market.Tick{Symbol: "AAPL", Time: at, Price: 55, Size: 10, Source: "replay", Condition: "@ B"}, 0)
	}
	d.expect("+20", "+21", "+22", "+23", "+24")
	d.tick(at, 55)
	d.expect() // they have not made 55 a price of the market's
}

func TestExcluded(t *testing.T) {
	for condition, want := range map[string]bool{
		"": false, "0": false, "@": false, "@ T": false, "F": false, "@ I": false, "X": false, "6": false, "@6": false, "O": false, "5": false, "1": false,
		"B": true, "@ W": true, "@4": true, "4": true, "7": true, "9": true, "Z": true, "@  P": true, "C": true, "@ N": true, "R": true, "U": true, "G": true, "H": true, "M": true, "Q": true, "V": true,
		"20": true, "20000020": true, "20040200": true, "20100000": true, "20100200": true, "1000000": true,
		"200": false, "40": false, "4000000": false, "20000000": false, "WEIRD": false, "47": false,
	} {
		if Excluded(condition) != want {
			t.Errorf("Excluded(%q) is %v", condition, !want)
		}
	}
}

func TestOneSymbolDoesNotJudgeAnother(t *testing.T) {
	d := newDesk(t, Config{})
	at := d.calm(newYork("2026-11-20 10:00:00"), 100, 20)
	d.take(market.Tick{Symbol: "BRK.A", Time: at, Price: 700_000, Source: "replay"}, 0)
	d.expect("+20")
}

func TestPenniesAreNeverAbsurd(t *testing.T) {
	d := newDesk(t, Config{})
	at := d.calm(newYork("2026-11-20 10:00:00"), 0.03, 20)
	d.tick(at, 0.06)
	d.expect("+20")
}

// adventure is a random run of ticks and clocks with splits, misprints, late
// ticks, session edges, odd conditions and ends in it.
func adventure(random *rand.Rand, n int) []any {
	symbols := []string{"AAPL", "KO", "F"}
	price := []float64{180, 60, 0.9}
	at := newYork("2026-11-20 09:25:00")
	var events []any
	for range n {
		at = at.Add(time.Duration(random.IntN(3000)) * time.Millisecond)
		i := random.IntN(len(symbols))
		price[i] *= 1 + random.NormFloat64()*5e-4
		tick := market.Tick{Symbol: symbols[i], Time: at, Price: price[i], Size: random.Int64N(500), Source: "replay", Exchange: "Q", Received: at + 7}
		switch random.IntN(40) {
		case 0:
			price[i] /= 2
			tick.Price = price[i]
		case 1, 2:
			tick.Price *= 10
		case 3:
			tick.Time = at.Add(-time.Duration(random.IntN(600)) * time.Second)
		case 4:
			tick.Condition = "@ W"
		case 5:
			tick.Time = at.Add(time.Hour)
		case 6:
			tick.Source = "yahoo"
		case 7:
			at = at.Add(7 * time.Hour)
		case 8:
			events = append(events, market.Clock{Time: at, Source: "replay", End: random.IntN(4) == 0})
		case 9:
			tick.Time = at.Add(-8 * 24 * time.Hour)
		}
		events = append(events, tick)
		if random.IntN(3) == 0 {
			events = append(events, market.Clock{Time: at, Source: "replay"})
		}
	}
	return events
}

func (d *desk) live(events []any) {
	for _, e := range events {
		switch e := e.(type) {
		case market.Tick:
			d.take(e, 0)
		case market.Clock:
			d.Clock(e, d.reject)
		}
	}
}

// A state that is saved at any point and loaded goes on as if nothing had happened.
func TestStateAtAnyPointEqualsUndisturbed(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 1))
		events := adventure(random, 600)
		quiet := newDesk(t, Config{})
		quiet.live(events)
		if seed == 0 && (!slices.ContainsFunc(quiet.said, func(s string) bool { return reasonOf(s) == Jump }) ||
			!slices.ContainsFunc(quiet.said, func(s string) bool { return reasonOf(s) == TooOld }) ||
			!slices.ContainsFunc(quiet.said, func(s string) bool { return reasonOf(s) == Future })) {
			t.Fatal("the adventure is too tame")
		}
		cuts := []int{random.IntN(len(events)), random.IntN(len(events)), random.IntN(len(events)), len(events)}
		slices.Sort(cuts)
		disturbed, from := newDesk(t, Config{}), 0
		for _, cut := range cuts {
			disturbed.live(events[from:cut])
			from = cut
			state := disturbed.AppendState(nil)
			again := newDesk(t, Config{})
			rest, err := again.LoadState(append(slices.Clone(state), "after"...))
			if err != nil || string(rest) != "after" {
				t.Fatal(err, string(rest))
			}
			if got := again.AppendState(nil); !slices.Equal(got, state) {
				t.Fatalf("seed %d: the state changes when it is loaded at %d", seed, cut)
			}
			again.next, again.said = disturbed.next, disturbed.said
			disturbed = again
		}
		if !slices.Equal(quiet.said, disturbed.said) {
			t.Fatalf("seed %d: decisions differ after cuts at %v", seed, cuts)
		}
		if !slices.Equal(quiet.AppendState(nil), disturbed.AppendState(nil)) {
			t.Fatalf("seed %d: states differ after cuts at %v", seed, cuts)
		}
	}
}

// Every tick is decided at most once, and all are once their source has ended.
func TestEveryTickIsDecidedOnce(t *testing.T) {
	for seed := range uint64(20) {
		d := newDesk(t, Config{})
		d.live(adventure(rand.New(rand.NewPCG(seed, 2)), 400))
		for _, source := range []string{"replay", "yahoo"} {
			d.Clock(market.Clock{Time: newYork("2027-11-20 10:00:00"), Source: source, End: true}, d.reject)
		}
		if int64(len(d.said)) != d.next {
			t.Errorf("seed %d: %d decisions on %d ticks", seed, len(d.said), d.next)
		}
		decided := map[string]bool{}
		for _, s := range d.said {
			var offset string
			fmt.Sscan(s[1:], &offset)
			if decided[offset] {
				t.Errorf("seed %d: tick %s is decided twice", seed, offset)
			}
			decided[offset] = true
		}
	}
}

func TestDamagedStateIsRefused(t *testing.T) {
	d := newDesk(t, Config{})
	d.live(adventure(rand.New(rand.NewPCG(3, 3)), 200))
	d.tick(newYork("2026-12-01 10:00:00"), 100)
	state := d.AppendState(nil)
	for n := range state {
		if _, err := newDesk(t, Config{}).LoadState(state[:n]); err == nil {
			t.Fatalf("a state cut after %d of %d bytes is taken", n, len(state))
		}
	}
	state[0]++
	if _, err := newDesk(t, Config{}).LoadState(state); err == nil {
		t.Error("a state of an unknown version is taken")
	}
}

func FuzzLoadState(f *testing.F) {
	calendar := func(string) *market.Calendar { return market.NYSE() }
	f.Add(New(Config{}, calendar).AppendState(nil))
	for seed := range uint64(3) {
		d := &desk{Cleaner: New(Config{}, calendar)}
		for _, e := range adventure(rand.New(rand.NewPCG(seed, 4)), 60) {
			if tick, ok := e.(market.Tick); ok {
				d.Clean(&tick, 0, 0, d.accept, d.reject)
			}
		}
		f.Add(d.AppendState(nil))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c := New(Config{}, calendar)
		rest, err := c.LoadState(data)
		if err != nil {
			return
		}
		if len(rest) > len(data) {
			t.Fatal("more is left than there was")
		}
		again := New(Config{}, calendar)
		state := c.AppendState(nil)
		if _, err := again.LoadState(state); err != nil {
			t.Fatalf("a loaded state cannot be loaded again: %v", err)
		}
		d := &desk{Cleaner: c, t: t}
		at := newYork("2026-11-20 10:00:00")
		for name := range c.symbols {
			d.Clean(&market.Tick{Symbol: name, Time: at, Price: 100}, 1, 0, d.accept, d.reject)
		}
		for range 20 {
			d.Clean(&market.Tick{Symbol: "A", Time: at, Price: 100}, 1, 0, d.accept, d.reject)
		}
		d.Clock(market.Clock{Time: at, End: true}, d.reject)
	})
}
