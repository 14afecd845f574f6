package tui

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"tapedeck/pipeline/market"
)

// ruleNow is what a rule says at the newest tick.
type ruleNow struct {
	key     string // condition and watch that it is about
	wanted  string
	changed time.Time // when wanted became so
	asked   time.Time
	took    time.Duration
	request int
	cancel  context.CancelFunc
	rows    []RuleStanding
	at      market.Time
	err     error
}

// stand asks what the rule that is shown says now, once it has stood still for
// a moment, and again from time to time where that is cheap.
func (v *ruleView) stand(now time.Time) tea.Cmd {
	n := &v.now
	rule, ok := v.shown()
	key := rule.When + "\x00" + strings.Join(rule.Watch, ",")
	if !ok || rule.When == "" || v.trial.running() || v.mode == rulesTried {
		return nil
	}
	if key != n.wanted {
		n.wanted, n.changed = key, now
		if n.cancel != nil {
			n.cancel()
		}
		n.request, n.cancel = 0, nil
	}
	fresh := n.key == key && now.Sub(n.asked) < max(ruleRenews, 6*n.took)
	if n.request != 0 || fresh || now.Sub(n.changed) < ruleSettles {
		return nil
	}
	rule = named(rule)
	if rules := v.desk.Data.Rules; rules.Check(rule) == nil {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		if n.key != key {
			n.rows, n.err = nil, nil
		}
		n.key, n.asked, n.request, n.cancel = key, now, v.desk.Request(), cancel
		request := n.request
		return func() tea.Msg {
			defer cancel()
			start := time.Now()
			rows, at, err := rules.Standing(ctx, rule)
			return ruleStands{request, rows, at, time.Since(start), err}
		}
	}
	return nil
}

// order puts the symbols for which it holds first, then the chosen one, then
// those nearest to it.
func (v *ruleView) order(rows []RuleStanding) []RuleStanding {
	rank := func(s *RuleStanding) int {
		switch {
		case s.Holds:
			return 0
		case s.Symbol == v.desk.Symbol:
			return 1
		case s.Known:
			return 2
		}
		return 3
	}
	away := func(s *RuleStanding) float64 {
		d := math.Abs(s.Value-s.Threshold) / math.Max(math.Abs(s.Threshold), 1e-12)
		if d != d {
			return math.Inf(1)
		}
		return d
	}
	slices.SortStableFunc(rows, func(a, b RuleStanding) int {
		if n := rank(&a) - rank(&b); n != 0 {
			return n
		}
		switch x, y := away(&a), away(&b); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return strings.Compare(a.Symbol, b.Symbol)
	})
	return rows
}
