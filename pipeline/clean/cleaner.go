// Package clean decides whether a tick can be believed. It accepts it or gives
// one of a closed list of reasons why not; it never changes a tick. What it
// decides is a function of the ticks and clocks before, in their order.
//
// A price far off the recent ones of its session is held back until the next
// ticks of the symbol confirm it (a split, an earnings gap) or contradict it (a
// misprint). The first price of a session is never judged by the session before.
package clean

import (
	"math"
	"slices"
	"time"

	"tapedeck/pipeline/market"
)

// Reason says why a tick was refused.
type Reason string

// The reasons.
const (
	Future Reason = "time is ahead of when it was received"
	TooOld Reason = "time is too far behind the feed's clock"
	Jump   Reason = "absurd jump of the price"
)

// Config are the limits. The zero value takes the defaults.
type Config struct {
	Ahead  time.Duration // how far a tick's time may be ahead of when it was received; 0 is a minute
	Behind time.Duration // how far it may be behind its feed's clock; 0 is seven days
	Jump   float64       // share of the recent price beyond which a price is suspect; 0 is 0.2
}

// Cleaner judges the ticks of one partition. Not for concurrent use.
type Cleaner struct {
	config   Config
	calendar func(symbol string) *market.Calendar
	clocks   map[string]market.Time // by source
	symbols  map[string]*symbol
	holding  []*symbol // those that hold ticks back, in the order of the first
}

const (
	window  = 15 // prices that a new one is judged against
	enough  = 5  // fewer of them judge nothing
	confirm = 3  // ticks that agree on a new level make it true
	most    = 8  // ticks that are held back at once
	patient = 10 * time.Second
	pennies = 0.05 // a move of so little money is never absurd
	agree   = 0.05 // share by which two ticks of a new level may differ
)

// symbol is what is known of one symbol's recent prices.
type symbol struct {
	name     string
	calendar *market.Calendar
	day      market.Time
	session  market.Session
	prices   [window]float64 // a ring
	n, at    int
	median   float64
	spread   float64 // mean absolute step between successive prices, as a share
	held     []heldTick
}

type heldTick struct {
	tick   market.Tick
	offset int64
}

// New makes a cleaner that knows nothing yet.
func New(config Config, calendar func(symbol string) *market.Calendar) *Cleaner {
	if config.Ahead == 0 {
		config.Ahead = time.Minute
	}
	if config.Behind == 0 {
		config.Behind = 7 * 24 * time.Hour
	}
	if config.Jump == 0 {
		config.Jump = 0.2
	}
	return &Cleaner{config: config, calendar: calendar, clocks: map[string]market.Time{}, symbols: map[string]*symbol{}}
}

// Clean judges the tick at an offset of the log, seen by its feed or, where that
// does not say so, by the log at a given time (0: unknown): accept is called for every
// tick that is now believed, reject for every one that is not; a tick that is
// held back gets neither yet, and Clean says so.
func (c *Cleaner) Clean(t *market.Tick, offset int64, seen market.Time, accept func(*market.Tick, int64), reject func(int64, Reason)) (held bool) {
	if t.Received != 0 {
		seen = t.Received
	}
	if seen != 0 && t.Time > seen.Add(c.config.Ahead) {
		reject(offset, Future)
		return false
	}
	if clock, known := c.clocks[t.Source]; known && t.Time < clock.Add(-c.config.Behind) {
		reject(offset, TooOld)
		return false
	}
	if Excluded(t.Condition) { // not a price of the market's: neither judged nor a judge
		accept(t, offset)
		return false
	}
	s := c.symbols[t.Symbol]
	if s == nil {
		s = &symbol{name: t.Symbol, calendar: c.calendar(t.Symbol)}
		c.symbols[t.Symbol] = s
	}
	if day, session := s.calendar.Day(t.Time), s.calendar.Session(t.Time); day != s.day || session != s.session {
		if s.over(day, session) {
			accept(t, offset) // late: the prices that could judge it are forgotten
			return false
		}
		c.settle(s, reject)
		s.day, s.session, s.n, s.at = day, session, 0, 0
	}
	if !s.suspect(t.Price, c.config.Jump) {
		c.settle(s, reject)
		s.learn(t.Price)
		accept(t, offset)
		return false
	}
	if len(s.held) == 0 {
		c.holding = append(c.holding, s)
	}
	if len(s.held) == most {
		reject(s.held[0].offset, Jump)
		s.held = slices.Delete(s.held, 0, 1)
	}
	s.held = append(s.held, heldTick{*t, offset})
	if !s.confirmed() {
		return true
	}
	believed := s.held
	c.release(s)
	s.n, s.at = 0, 0
	for i := range believed {
		s.learn(believed[i].tick.Price)
		accept(&believed[i].tick, believed[i].offset)
	}
	return false
}

// Clock takes a clock record: what has been held back too long is not believed.
// A source that has ended may begin again at any time, and nothing of that is too old.
func (c *Cleaner) Clock(clock market.Clock, reject func(int64, Reason)) {
	if before, known := c.clocks[clock.Source]; !known || clock.Time > before {
		c.clocks[clock.Source] = clock.Time
	}
	for i := 0; i < len(c.holding); {
		s := c.holding[i]
		if s.held[0].tick.Source == clock.Source && (clock.End || clock.Time > s.held[0].tick.Time.Add(patient)) {
			c.settle(s, reject) // takes s out of holding
			continue
		}
		i++
	}
	if clock.End {
		delete(c.clocks, clock.Source)
		for _, s := range c.symbols {
			if len(s.held) == 0 {
				s.day, s.session, s.n, s.at = 0, market.Closed, 0, 0
			}
		}
	}
}

// settle refuses what is held back: the market has gone on without it.
func (c *Cleaner) settle(s *symbol, reject func(int64, Reason)) {
	for i := range s.held {
		reject(s.held[i].offset, Jump)
	}
	c.release(s)
}

func (c *Cleaner) release(s *symbol) {
	if len(s.held) == 0 {
		return
	}
	s.held = nil
	c.holding = slices.DeleteFunc(c.holding, func(h *symbol) bool { return h == s })
}

// over says whether a session came before the one that the symbol is in.
func (s *symbol) over(day market.Time, session market.Session) bool {
	if day != s.day {
		return day < s.day
	}
	return session != market.Closed && s.session != market.Closed && session < s.session // closed is both before and after
}

// suspect says whether a price is absurdly far off the recent ones.
func (s *symbol) suspect(price, jump float64) bool {
	if s.n < enough {
		return false
	}
	off := math.Abs(price - s.median)
	return off > pennies && off > s.median*max(jump, 12*s.spread)
}

// confirmed says whether the newest held ticks agree on a level.
func (s *symbol) confirmed() bool {
	if len(s.held) < confirm {
		return false
	}
	newest := s.held[len(s.held)-confirm:]
	low, high := newest[0].tick.Price, newest[0].tick.Price
	for i := range newest {
		low, high = min(low, newest[i].tick.Price), max(high, newest[i].tick.Price)
	}
	return high-low <= max(agree*low, pennies)
}

// learn adds a believed price.
func (s *symbol) learn(price float64) {
	if s.n > 0 {
		last := s.prices[(s.at+window-1)%window]
		s.spread += (math.Abs(price/last-1) - s.spread) / window
	} else {
		s.spread = 0
	}
	s.prices[s.at] = price
	s.at = (s.at + 1) % window
	s.n = min(s.n+1, window)
	// The median of a few prices moves slowly: it is enough to look now and then.
	if s.n < window || s.at%5 == 0 {
		var sorted [window]float64
		list := sorted[:copy(sorted[:], s.prices[:s.n])]
		slices.Sort(list)
		s.median = list[len(list)/2]
	}
}
