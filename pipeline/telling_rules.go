package pipeline

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"tapedeck/pipeline/alert"
	"tapedeck/pipeline/live"
)

// toldRules is how the rules do in each partition of this process, for the
// status: what they cost, what fires and what waits. Each worker tells it once a
// second from its own goroutine; engines are not shared. It is for people to
// see, and no output follows from it. A nil one takes nothing.
type toldRules struct {
	mu         sync.Mutex
	partitions map[int32]told
	evaluated  map[string]uint64 // by rule, at the report before
}

type told struct {
	rules   []live.Rule
	pending []live.Pending
}

// take looks at a partition's engine.
func (t *toldRules) take(partition int32, rules Rules) {
	if t == nil {
		return
	}
	var said told
	for _, c := range rules.Costs() {
		said.rules = append(said.rules, live.Rule{Name: c.Rule, Revision: c.Revision, Global: c.Global, Symbols: c.Symbols, Pending: c.Pending, Firing: c.Firing,
			Today: c.Today, Day: c.Day, Evaluations: c.Evaluations, Samples: c.Samples, Each: float64(c.Each) / float64(time.Nanosecond),
			Planned: float64(alert.Planned / time.Nanosecond), Paused: c.Paused})
	}
	for _, p := range rules.Pendings(live.PendingKept) {
		said.pending = append(said.pending, live.Pending{Rule: p.Rule, Symbol: p.Symbol, Severity: p.Severity, Since: p.Since, Due: p.Due})
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.partitions == nil {
		t.partitions = map[int32]told{}
	}
	t.partitions[partition] = said
}

// drop forgets a partition that goes to another process.
func (t *toldRules) drop(partition int32) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.partitions, partition)
}

// all is how the rules do in all partitions together; rates are over the
// seconds since it was asked last.
func (t *toldRules) all(seconds float64) ([]live.Rule, []live.Pending) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var rules [][]live.Rule
	var pending [][]live.Pending
	for _, partition := range slices.Sorted(maps.Keys(t.partitions)) {
		rules, pending = append(rules, t.partitions[partition].rules), append(pending, t.partitions[partition].pending)
	}
	out := live.JoinRules(rules...)
	evaluated := make(map[string]uint64, len(out))
	for i := range out {
		r := &out[i]
		evaluated[r.Name] = r.Evaluations
		if before, ok := t.evaluated[r.Name]; ok && r.Evaluations > before {
			r.Rate = float64(r.Evaluations-before) / seconds
		}
	}
	t.evaluated = evaluated
	if len(out) > live.RulesKept {
		slices.SortFunc(out, func(a, b live.Rule) int {
			return cmp.Or(cmp.Compare(b.Share(), a.Share()), cmp.Compare(a.Name, b.Name))
		})
		out = live.JoinRules(out[:live.RulesKept])
	}
	return out, live.JoinPending(live.PendingKept, pending...)
}
