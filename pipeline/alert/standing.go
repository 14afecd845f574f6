package alert

import "tapedeck/pipeline/market"

// Standing is what a rule says of a symbol now.
type Standing struct {
	Rule      string
	Symbol    string
	Holds     bool
	Known     bool // false while something that the condition looks at is unknown
	State     market.AlertState
	Active    bool // State and Since count: it is pending or firing
	Since     market.Time
	Value     float64 // NaN where the condition has none, or it is unknown
	Threshold float64
}

// Standing tells, for each symbol that a rule watches and that has been seen,
// whether its condition holds now, and what it compares. It changes nothing.
func (e *Engine) Standing(rule string) []Standing {
	at := e.find(rule)
	if at < 0 {
		return nil
	}
	r := e.rules[at]
	var out []Standing
	for _, s := range append([]*symbol{e.all}, e.order...) {
		for i := range s.instances {
			in := &s.instances[i]
			if in.rule != r || r.paused != "" {
				continue
			}
			s.now = market.Time(s.memory[placeAt])
			f := e.over(s)
			f.m, f.peek = in.memory, true
			holds := r.holds(f)
			one := Standing{Rule: rule, Symbol: s.name, Holds: holds == yes, Known: holds != unknown, Since: in.since, Value: notYet, Threshold: notYet}
			if r.shows != nil {
				one.Value, one.Threshold = r.shows.left(f), r.shows.right(f)
			}
			f.peek = false
			switch in.phase {
			case pending:
				one.State, one.Active = market.Pending, in.waits()
			case firing:
				one.State, one.Active = market.Firing, true
			}
			out = append(out, one)
		}
	}
	return out
}
