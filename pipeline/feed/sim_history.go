package feed

import (
	"context"
	"math"
	"time"

	"tapedeck/pipeline/market"
)

const (
	simHistoryStep  = 45 * time.Second // between two ticks of a symbol in the last hours
	simHistoryClock = 15 * time.Second // between two clocks there
	simHistoryTicks = 1_000_000        // at most so many, about
	simDailyLargest = 250_000          // shares of a daily tick: four of them are no event
)

// history lays coarse ticks down until begin, or until now where the live
// ticks follow the wall clock. Where a symbol trades more than a million
// shares a day its daily volume is too small, since all of a day's volume in
// four seconds would look like an event; the last hours have the full volume.
func (r *simRun) history(ctx context.Context, begin market.Time) error {
	cfg, m := r.sim.cfg, r.market
	if cfg.HistoryDays == 0 && cfg.History == 0 {
		return nil
	}
	days, step := cfg.HistoryDays, simHistoryStep
	perSymbol := float64(4*days) + float64(cfg.History/step)
	if over := perSymbol * float64(cfg.Symbols) / simHistoryTicks; over > 1 {
		days = int(math.Ceil(float64(days) / over))
		step = time.Duration(float64(step) * over)
	}
	h := simHistory{simRun: r, total: cfg.Symbols * (4*days + int(cfg.History/step)), said: -1}
	h.received()
	from := begin.Add(-cfg.History)
	if cfg.After > 0 {
		from = max(from, cfg.After)
	}
	if err := h.daily(ctx, days, from); err != nil {
		return err
	}
	m.grid, m.period = simHistoryGrid, step.Seconds()
	return h.recent(ctx, from, begin, step)
}

type simHistory struct {
	*simRun
	total int // ticks that are to come, about
	said  int // per cent
}

// step is called after each tick.
func (h *simHistory) step(ctx context.Context) error {
	if !h.look() {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	h.received()
	part := min(float64(h.count)/float64(max(h.total, 1)), 1)
	if percent := int(part * 100); percent > h.said {
		h.said = percent
		h.out.Say(Condition{Level: Busy, Text: "laying down history", Progress: part})
	}
	return nil
}

// daily lays down days before the one that from falls into: at each of four
// hours a tick of every symbol.
func (h *simHistory) daily(ctx context.Context, days int, from market.Time) error {
	m, calendar := h.market, market.AlwaysOpen()
	zone := calendar.Location()
	paths := make([][4]float64, len(m.symbols))
	for d := days; d >= 1; d-- {
		y, month, day := calendar.Day(from).Std().AddDate(0, 0, -d).Date()
		m.days(paths)
		for slot, at := range simDailyTimes {
			first := market.At(time.Date(y, month, day, at.hour, at.minute, 0, 0, zone))
			if first.Add(time.Minute) <= h.sim.cfg.After {
				continue
			}
			sweep := simSweep{begin: first, period: 50e6, n: len(m.symbols)}
			for i := range m.symbols {
				m.tradeAt(i, sweep.time(), paths[i][slot], &h.tick)
				if err := h.write(); err != nil {
					return err
				}
				if err := h.step(ctx); err != nil {
					return err
				}
				sweep.next()
			}
			if err := h.writeClock(first.Add(time.Minute), false); err != nil {
				return err
			}
		}
	}
	return nil
}

// simDailyTimes are New York times within the regular session: the opening,
// the two extremes, the close.
var simDailyTimes = [4]struct{ hour, minute int }{{9, 30}, {11, 15}, {14, 5}, {15, 59}}

// days moves every symbol by a day and gives its four prices.
func (m *simMarket) days(paths [][4]float64) {
	step := simStep{}
	step.of(simTradingSeconds)
	step.a, step.b = 0.05, 0.85 // GARCH of daily returns
	m.leading = 0
	m.move(&step, 1)
	m.leading = 0
	for i := range m.symbols {
		s := &m.symbols[i]
		e := m.innovation()
		r := m.common(s) + s.sigma*step.root*math.Sqrt(s.heat)*e - (s.price/s.company.Price-1)*86400/simPull
		s.heat = step.heated(s.heat, e)
		before := s.price
		s.moveBy(r)
		day := s.sigma * step.root // own volatility of a day
		open, close := before*math.Exp(0.3*r+0.2*day*m.random.NormFloat64()), s.price
		high := max(open, close) * (1 + 0.5*day*math.Abs(m.random.NormFloat64()))
		low := min(open, close) / (1 + 0.5*day*math.Abs(m.random.NormFloat64()))
		paths[i] = [4]float64{open, low, high, close}
		if close < open {
			paths[i] = [4]float64{open, high, low, close}
		}
	}
}

// tradeAt makes the tick of a daily price.
func (m *simMarket) tradeAt(i int, t market.Time, price float64, tick *market.Tick) {
	s := &m.symbols[i]
	settled := s.price
	s.price = max(price, 0.05)
	m.quote(s, m.random.Uint64(), tick)
	s.price = settled
	tick.Time = t
	n := float64(s.company.Volume) / 4 * math.Exp(m.random.NormFloat64()*0.35-0.06)
	tick.Size = max(1, int64(min(n, simDailyLargest*(0.7+0.3*m.random.Float64()))))
}

// recent lays down the last hours.
func (h *simHistory) recent(ctx context.Context, from, until market.Time, step time.Duration) error {
	m, follow := h.market, h.sim.cfg.Start == 0
	for i := range m.symbols {
		m.symbols[i].heat = 1 // the days' heat is of another kind
	}
	m.whole.heat = 1
	for i := range m.sectors {
		m.sectors[i].heat = 1
	}
	sweep := simSweep{begin: from, period: float64(step.Microseconds()), n: len(m.symbols)}
	nextClock := from.Truncate(simHistoryClock).Add(simHistoryClock)
	for t := from; ; t = sweep.time() {
		if follow && h.look() { // laying it down takes time as well
			until = max(until, market.At(h.sim.now()))
		}
		if t >= until {
			return h.out.Flush()
		}
		for nextClock <= t {
			if err := h.writeClock(nextClock, false); err != nil {
				return err
			}
			nextClock = nextClock.Add(simHistoryClock)
		}
		m.trade(sweep.i, t, &h.tick)
		if err := h.write(); err != nil {
			return err
		}
		if err := h.step(ctx); err != nil {
			return err
		}
		sweep.next()
	}
}
