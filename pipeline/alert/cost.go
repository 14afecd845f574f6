package alert

import "time"

// sampleEvery is how many evaluations pass between two that are timed; a power of two.
const sampleEvery = 1024

// cost is what a rule has cost since the engine began. It says nothing about
// alerts and is not part of the state.
type cost struct {
	evaluations uint64
	alerts      uint64
	samples     uint64
	sampled     time.Duration
}

func (c *cost) sample(d time.Duration) {
	c.samples++
	c.sampled += d
}

// Cost is what a rule costs an engine.
type Cost struct {
	Rule        string
	Revision    int32
	Symbols     int // that it watches, as far as they are known
	Firing      int // symbols for which it fires now
	Evaluations uint64
	Alerts      uint64
	Each        time.Duration // mean time of an evaluation, sampled; 0: not sampled yet
	Paused      string        // why it is not evaluated; empty if it is
}

// Costs is what each rule has cost since the engine was made or loaded.
func (e *Engine) Costs() []Cost {
	out := make([]Cost, len(e.rules))
	place := make(map[*armed]*Cost, len(e.rules))
	for i, r := range e.rules {
		out[i] = Cost{Rule: r.rule.Name, Revision: r.rule.Revision, Evaluations: r.cost.evaluations, Alerts: r.cost.alerts, Paused: r.paused}
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
			c := place[s.instances[i].rule]
			c.Symbols++
			if s.instances[i].phase == firing {
				c.Firing++
			}
		}
	}
	count(e.all)
	for _, s := range e.order {
		count(s)
	}
	return out
}
