package alert

import (
	"slices"
	"time"

	"tapedeck/pipeline/market"
)

// Planned is what an evaluation may take on the mean, by plan: 100 rules over
// 1,000 symbols that tick once a second then take a thirtieth of a core. A rule
// cannot loop and has 200 parts at most, so that none takes more than a few
// times that.
const Planned = 300 * time.Nanosecond

// sampleEvery is how many evaluations pass between two after which the cost is
// measured, a power of two; firstSample is the first of them, so that a figure
// is there soon. A measurement evaluates as often as sampleRounds, looking and
// remembering nothing: a single evaluation is shorter than reading the clock.
const (
	sampleEvery  = 512
	firstSample  = 8
	sampleRounds = 8
)

// interrupted is a time that no evaluation takes: something else ran meanwhile.
const interrupted = 100 * time.Microsecond

// clockCost is what reading the clock twice takes here.
func clockCost() time.Duration {
	least := time.Microsecond
	for range 32 {
		start := time.Now()
		least = min(least, time.Since(start))
	}
	return least
}

// cost is what a rule has cost since the engine began. It says nothing about
// alerts and is not part of the state.
type cost struct {
	evaluations uint64
	alerts      uint64
	samples     uint64
	sampled     time.Duration
}

// sample measures the condition over a frame. What it evaluates changes nothing.
func (c *cost) sample(r *armed, f *frame, clock time.Duration) {
	f.peek = true
	start := time.Now()
	for range sampleRounds {
		r.holds(f)
	}
	d := time.Since(start) - clock
	f.peek = false
	if d < interrupted {
		c.samples++
		c.sampled += max(d/sampleRounds, 1)
	}
}

// firings counts the alerts of a trading day. It is part of the state.
type firings struct {
	day market.Time
	n   int64
}

func (f *firings) add(day market.Time) {
	if day != f.day {
		*f = firings{day: day}
	}
	f.n++
}

// Cost is what a rule costs an engine, and how it does.
type Cost struct {
	Rule        string
	Revision    int32
	Global      bool // of no symbol: every partition's engine tells the same of it
	Symbols     int  // that it watches, as far as they are known
	Pending     int  // symbols for which its condition holds, not for long enough yet
	Firing      int  // symbols for which it fires now
	Evaluations uint64
	Alerts      uint64
	Samples     uint64        // evaluations that were timed
	Each        time.Duration // mean time of these; 0: none yet
	Day         market.Time   // the trading day now, by the market's clock; 0: not known yet
	Today       int64         // alerts that began on that day, also before a restart
	Paused      string        // why it is not evaluated; empty if it is
}

// Pending is a rule and a symbol for which the condition holds, and the alert
// waits: for the rule's time to pass, or its cooldown.
type Pending struct {
	Rule     string
	Symbol   string
	Severity market.Severity
	Since    market.Time // when the condition began to hold
	Due      market.Time // when it fires, if it goes on to hold
}

// Pendings are the alerts that wait, those that are due first first; limit
// bounds them.
func (e *Engine) Pendings(limit int) []Pending {
	var out []Pending
	for _, s := range append([]*symbol{e.all}, e.order...) {
		if s.waiting == 0 {
			continue
		}
		for i := range s.instances {
			in := &s.instances[i]
			if in.phase != pending || !in.waits() || in.rule.paused != "" || in.rule.expired {
				continue
			}
			p := Pending{Rule: in.rule.rule.Name, Symbol: s.name, Severity: in.rule.rule.Severity, Since: in.since, Due: in.since.Add(in.rule.wait)}
			if in.last != 0 {
				p.Due = max(p.Due, in.last.Add(in.rule.cooldown))
			}
			out = append(out, p)
		}
	}
	slices.SortStableFunc(out, func(a, b Pending) int { return int(min(max(a.Due-b.Due, -1), 1)) })
	return out[:min(len(out), limit)]
}

// Costs is what each rule has cost since the engine was made or loaded.
func (e *Engine) Costs() []Cost {
	out := make([]Cost, len(e.rules))
	day := market.Time(0)
	if e.clock != 0 {
		day = e.all.calendar.Day(e.clock)
	}
	place := make(map[*armed]*Cost, len(e.rules))
	for i, r := range e.rules {
		out[i] = Cost{Rule: r.rule.Name, Revision: r.rule.Revision, Global: r.global, Evaluations: r.cost.evaluations, Alerts: r.cost.alerts,
			Samples: r.cost.samples, Day: max(day, r.fired.day), Paused: r.paused}
		if out[i].Day == r.fired.day {
			out[i].Today = r.fired.n
		}
		if r.expired {
			out[i].Paused = "it has expired"
		}
		if r.cost.samples > 0 {
			out[i].Each = r.cost.sampled / time.Duration(r.cost.samples)
		}
		place[r] = &out[i]
	}
	count := func(s *symbol) {
		for i := range s.instances {
			in := &s.instances[i]
			c := place[in.rule]
			c.Symbols++
			switch {
			case in.phase == firing:
				c.Firing++
			case in.phase == pending && in.waits():
				c.Pending++
			}
		}
	}
	count(e.all)
	for _, s := range e.order {
		count(s)
	}
	return out
}
