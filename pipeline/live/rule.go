package live

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"tapedeck/pipeline/market"
)

// Rule is how an alert rule does in one process, as its stage compute says it.
type Rule struct {
	Name        string      `json:"rule"`
	Revision    int32       `json:"revision,omitempty"`
	Global      bool        `json:"global,omitempty"`  // of no symbol: each partition tells the same
	Symbols     int         `json:"symbols,omitempty"` // that it watches, as far as they were seen
	Pending     int         `json:"pending,omitempty"` // symbols for which it waits to fire
	Firing      int         `json:"firing,omitempty"`  // symbols for which it fires now
	Today       int64       `json:"today,omitempty"`   // alerts that began on Day
	Day         market.Time `json:"day,omitempty"`     // the trading day now, by the market's clock
	Evaluations uint64      `json:"evaluations,omitempty"`
	Rate        float64     `json:"rate,omitempty"`    // evaluations per second
	Samples     uint64      `json:"samples,omitempty"` // evaluations that were timed
	Each        float64     `json:"each,omitempty"`    // ns an evaluation on the mean of these; 0: none yet
	Planned     float64     `json:"planned,omitempty"` // ns that an evaluation may take by plan
	Paused      string      `json:"paused,omitempty"`  // why it is not evaluated
}

// Share is the part of a core that the rule's evaluations take.
func (r *Rule) Share() float64 { return r.Rate * r.Each / 1e9 }

// Pending is an alert that waits: its condition holds, not for long enough yet.
type Pending struct {
	Rule     string          `json:"rule"`
	Symbol   string          `json:"symbol,omitempty"`
	Severity market.Severity `json:"severity"`
	Since    market.Time     `json:"since"` // by the market's clock
	Due      market.Time     `json:"due"`   // when it fires, if the condition goes on to hold
}

// RulesKept bounds the rules that one process tells of: those that cost most.
const RulesKept = 1000

// PendingKept bounds the alerts that wait which one process tells of; their
// number by rule is complete.
const PendingKept = 200

// add takes what another partition or process says of the same rule.
func (r *Rule) add(o *Rule) {
	if samples := r.Samples + o.Samples; samples > 0 {
		r.Each = (r.Each*float64(r.Samples) + o.Each*float64(o.Samples)) / float64(samples)
		r.Samples = samples
	}
	r.Evaluations, r.Rate = r.Evaluations+o.Evaluations, r.Rate+o.Rate
	r.Revision, r.Planned = max(r.Revision, o.Revision), max(r.Planned, o.Planned)
	if r.Paused == "" {
		r.Paused = o.Paused
	}
	today := o.Today
	switch {
	case o.Day > r.Day:
		r.Day, r.Today = o.Day, 0
	case o.Day < r.Day:
		today = 0
	}
	if r.Global || o.Global {
		r.Global, r.Symbols = true, 0
		r.Pending, r.Firing, r.Today = max(r.Pending, o.Pending), max(r.Firing, o.Firing), max(r.Today, today)
		return
	}
	r.Symbols, r.Pending, r.Firing, r.Today = r.Symbols+o.Symbols, r.Pending+o.Pending, r.Firing+o.Firing, r.Today+today
}

// JoinRules makes one of what several partitions or processes say of each rule,
// by name.
func JoinRules(all ...[]Rule) []Rule {
	at := map[string]int{}
	var out []Rule
	for _, list := range all {
		for i := range list {
			k, ok := at[list[i].Name]
			if !ok {
				at[list[i].Name] = len(out)
				out = append(out, list[i])
				continue
			}
			out[k].add(&list[i])
		}
	}
	slices.SortFunc(out, func(a, b Rule) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// JoinPending puts what several partitions or processes say together: those
// that are due first first, each once, at most limit.
func JoinPending(limit int, all ...[]Pending) []Pending {
	out := slices.Concat(all...)
	slices.SortFunc(out, func(a, b Pending) int {
		return cmp.Or(cmp.Compare(a.Due, b.Due), strings.Compare(a.Rule, b.Rule), strings.Compare(a.Symbol, b.Symbol))
	})
	out = slices.CompactFunc(out, func(a, b Pending) bool { return a.Rule == b.Rule && a.Symbol == b.Symbol })
	return out[:min(len(out), limit)]
}

// RulesOf is how the rules do in all processes that have spoken lately, by
// name; nil where none computes.
func RulesOf(statuses []Status, now time.Time) (rules []Rule, pending []Pending) {
	var r [][]Rule
	var p [][]Pending
	for i := range statuses {
		if s := &statuses[i]; len(s.Rules) > 0 && !s.Away(now) {
			r, p = append(r, s.Rules), append(p, s.Pending)
		}
	}
	return JoinRules(r...), JoinPending(PendingKept, p...)
}
