package feed

import (
	"context"
	"fmt"
	"math"
	"time"

	"tapedeck/pipeline/market"
)

// SimConfig says what market is simulated, and from when to when.
type SimConfig struct {
	Symbols int     // how many symbols trade, 1 to MaxSimSymbols
	Rate    float64 // ticks a second of each symbol, above 0, up to 1,000
	Seed    uint64  // the same seed and Start give the same ticks

	// Start is where the live ticks begin. 0 is now: then the simulated time is
	// the wall clock's, and history is laid down until the moment it is done.
	Start  market.Time
	Length time.Duration // of the live ticks, after which the source ends; 0 is for ever
	Speed  float64       // simulated seconds a second; +Inf is as fast as the sink takes them

	// HistoryDays and History lay coarse ticks down before the live ones, for a
	// log that is empty: so many days of four ticks each (open, two extremes,
	// close), then that long with a tick each 45 s. Where Symbols is so large
	// that this were more than a million ticks, both get coarser. 0 is none.
	HistoryDays int
	History     time.Duration

	// Resume are the last prices by symbol of an earlier run, and After is the
	// time of its newest tick: the market goes on from there.
	Resume map[string]float64
	After  market.Time
}

// MaxSimSymbols is how many symbols can be simulated at most.
const MaxSimSymbols = 10_000

// DefaultSimConfig is a live market of 1,000 symbols, each once a second, with
// history before it.
func DefaultSimConfig() SimConfig {
	return SimConfig{Symbols: 1000, Rate: 1, Seed: 1, Speed: 1, HistoryDays: 60, History: 3 * time.Hour}
}

// Validate names the first setting that cannot be.
func (c SimConfig) Validate() error {
	switch {
	case c.Symbols < 1 || c.Symbols > MaxSimSymbols:
		return fmt.Errorf("symbols: %d, want 1 to %d", c.Symbols, MaxSimSymbols)
	case !(c.Rate > 0) || c.Rate > 1000:
		return fmt.Errorf("rate: %g ticks a second, want more than 0 and at most 1000", c.Rate)
	case !(c.Speed > 0):
		return fmt.Errorf("speed: %g, want more than 0", c.Speed)
	case c.Length < 0:
		return fmt.Errorf("length: %s, want 0 or more", c.Length)
	case c.HistoryDays < 0 || c.HistoryDays > 1000:
		return fmt.Errorf("history days: %d, want 0 to 1000", c.HistoryDays)
	case c.History < 0 || c.History > 24*time.Hour:
		return fmt.Errorf("history: %s, want 0 to 24h", c.History)
	case c.Start < 0 || c.After < 0:
		return fmt.Errorf("start: %s is before 1970", min(c.Start, c.After))
	}
	return nil
}

// Sim is a simulated stock market that trades at any hour of any day: the
// symbols, names and sectors are real, the prices are not. Its model is
// described at simMarket, what happens in it at simEvents. Symbols tick one
// after the other, evenly spread over each period, so that the log sees a
// steady stream.
//
// The live ticks are paced by the wall clock. A simulator that was held up for
// more than some seconds (a suspended machine, a log that did not take its
// ticks) says so, leaves that time out and goes on from now.
type Sim struct {
	cfg SimConfig
	now func() time.Time
}

// NewSim makes a simulator; the error is that of Validate.
func NewSim(cfg SimConfig) (*Sim, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("simulator: %w", err)
	}
	return &Sim{cfg: cfg, now: time.Now}, nil
}

const simName = "sim"

// Name is sim.
func (s *Sim) Name() string { return simName }

// ID is empty: simulated ticks have no rows.
func (s *Sim) ID() string { return "" }

const (
	simWake  = 20 * time.Millisecond // between two looks at what is due; adds half of it to a tick's age
	simBurst = 3 * time.Second       // what is caught up after a delay; beyond it the time is left out
	simBatch = 256                   // ticks between two looks at ctx and the wall clock

	simBehind  = 30 * time.Second // of the wall clock to the market's, that is said; ticks from a minute's future are not believed
	simSayJump = 10 * time.Second // how long a jump stays on the screen
)

// Run lays down the history that the configuration asks for and then brings
// live ticks. Each call simulates the market afresh from the configuration.
func (s *Sim) Run(ctx context.Context, out Sink) error {
	begin := s.cfg.Start
	if begin == 0 {
		begin = market.At(s.now())
	}
	begin = max(begin, s.cfg.After)
	companies := SimCompanies(s.cfg.Symbols)
	r := &simRun{sim: s, out: out, market: newSimMarket(companies, s.cfg.Seed, begin, s.cfg.Resume)}
	r.tick.Source = simName

	r.tick.Backfill = true
	if err := r.history(ctx, begin); err != nil {
		return r.ended(ctx, err)
	}
	r.tick.Backfill = false
	if s.cfg.Start == 0 {
		begin = max(market.At(s.now()), s.cfg.After, r.clock)
	}
	return r.ended(ctx, r.live(ctx, begin))
}

// simRun is one run of a simulator.
type simRun struct {
	sim    *Sim
	out    Sink
	market *simMarket
	tick   market.Tick // the one that is handed over
	clock  market.Time // of the newest clock record; 0 before the first
	count  int         // of ticks
}

// ended prefers ctx's own error to what the sink made of it.
func (r *simRun) ended(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// look is true each simBatch ticks, when it is time to look around.
func (r *simRun) look() bool { return r.count%simBatch == 0 }

func (r *simRun) received() { r.tick.Received = market.At(r.sim.now()) }

func (r *simRun) write() error {
	r.count++
	return r.out.Tick(&r.tick, 0)
}

func (r *simRun) writeClock(t market.Time, end bool) error {
	r.clock = t
	return r.out.Clock(market.Clock{Time: t, Source: simName, End: end})
}

// simPace turns the wall clock into simulated time.
type simPace struct {
	now   func() time.Time
	speed float64
	wall  bool // the simulated time is the wall clock's
	time  market.Time
	last  market.Time // wall clock of the last look
}

// due is the simulated time up to which ticks are due, and how much time had
// to be left out to come there.
func (p *simPace) due() (until market.Time, leftOut time.Duration) {
	wall := market.At(p.now())
	passed := max(wall.Sub(p.last), 0) // a wall clock that went back stands still for us
	p.last = wall
	if passed <= simBurst {
		p.time = p.time.Add(time.Duration(float64(passed) * p.speed))
		return p.time, 0
	}
	from := p.time
	p.time = p.time.Add(passed)
	if p.wall {
		p.time = max(from, wall)
	}
	return p.time, p.time.Sub(from)
}

// live brings the ticks from begin on.
func (r *simRun) live(ctx context.Context, begin market.Time) error {
	cfg, m, n := r.sim.cfg, r.market, len(r.market.symbols)
	m.events.start(begin, m)
	m.grid, m.period = simLiveGrid, 1/cfg.Rate

	end := market.Time(math.MaxInt64)
	if cfg.Length > 0 {
		end = begin.Add(cfg.Length)
	}
	unpaced := math.IsInf(cfg.Speed, 1)
	pace := simPace{now: r.sim.now, speed: cfg.Speed, wall: cfg.Start == 0 && cfg.Speed == 1,
		time: begin, last: market.At(r.sim.now())}
	sweep := simSweep{begin: begin, period: 1e6 / cfg.Rate, n: n}
	nextClock := begin.Truncate(time.Second).Add(time.Second)

	running := Condition{Level: OK, Text: simText(n, cfg.Rate), Progress: -1}
	r.out.Say(running)
	wait := time.NewTimer(0)
	defer wait.Stop()
	sayAgain := market.Time(0) // that all is well, after a jump
	wrong := false             // the wall clock, which has been said
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		until := end
		if !unpaced {
			due, leftOut := pace.due()
			if leftOut > 0 {
				sweep.moveTo(due)
				nextClock = max(nextClock, due.Truncate(time.Second))
				sayAgain = due.Add(simSayJump)
				r.out.Say(Condition{Level: Busy, Progress: -1,
					Text: fmt.Sprintf("was held up for %s, or the clock was set; the market goes on from now", leftOut.Round(time.Second))})
			}
			switch behind := pace.behind(); {
			case behind > simBehind && !wrong:
				wrong, sayAgain = true, 0
				r.out.Say(Condition{Level: Trouble, Progress: -1,
					Text: fmt.Sprintf("this machine's clock is %s behind the market's: until it has caught up ticks cannot be used", behind.Round(time.Second))})
			case behind == 0 && wrong:
				wrong = false
				r.out.Say(running)
			}
			until = min(end, due)
		}
		r.received()
		for {
			t := sweep.time()
			if nextClock <= t && nextClock <= until && nextClock < end {
				if err := r.writeClock(nextClock, false); err != nil {
					return err
				}
				m.events.second(nextClock, m)
				nextClock = nextClock.Add(time.Second)
				if sayAgain != 0 && nextClock > sayAgain {
					sayAgain = 0
					r.out.Say(running)
				}
				continue
			}
			if t > until || t >= end {
				break
			}
			m.trade(sweep.i, t, &r.tick)
			if err := r.write(); err != nil {
				return err
			}
			sweep.next()
			if r.look() {
				if err := ctx.Err(); err != nil {
					return err
				}
				r.received()
			}
		}
		if until >= end {
			if err := r.writeClock(end, true); err != nil {
				return err
			}
			return r.out.Flush()
		}
		if err := r.out.Flush(); err != nil {
			return err
		}
		wait.Reset(simWake)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-wait.C:
		}
	}
}

// behind is how far the wall clock is behind the simulated time where the two
// are one; 0 while it is not.
func (p *simPace) behind() time.Duration {
	if !p.wall || p.time <= p.last.Add(time.Second) {
		return 0
	}
	return p.time.Sub(p.last)
}

// simSweep goes over the symbols again and again, evenly in time.
type simSweep struct {
	begin  market.Time
	period float64 // µs
	n      int     // symbols
	round  int
	i      int // symbol
}

func (s *simSweep) time() market.Time {
	return s.begin + market.Time(s.period*(float64(s.round)+float64(s.i)/float64(s.n))+0.5)
}

func (s *simSweep) next() {
	if s.i++; s.i == s.n {
		s.i = 0
		s.round++
	}
}

// moveTo goes on with the same symbol at t.
func (s *simSweep) moveTo(t market.Time) {
	s.round = 0
	s.begin = t - market.Time(s.period*float64(s.i)/float64(s.n)) // rounded down, so that no tick is before t
}

func simText(n int, rate float64) string {
	switch rate {
	case 1:
		return fmt.Sprintf("%d simulated symbols, each once a second", n)
	default:
		return fmt.Sprintf("%d simulated symbols, each %g times a second", n, rate)
	}
}
