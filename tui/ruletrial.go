package tui

import (
	"context"
	"errors"
	"math"
	"sync/atomic"

	tea "charm.land/bubbletea/v2"

	"tapedeck/pipeline/market"
)

// try back-tests a rule over the last day.
func (v *ruleView) try(rule market.Rule) tea.Cmd {
	if v.trial.running() {
		return nil
	}
	rules := v.desk.Data.Rules
	rule = named(rule)
	rule.Disabled = false
	if p := rules.Check(rule); p != nil {
		v.refused = "cannot be tried: " + p.Field + ": " + p.Reason
		v.desk.Say(Warn, v.refused)
		return nil
	}
	if v.now.cancel != nil {
		v.now.cancel()
		v.now.request, v.now.cancel, v.now.key = 0, nil, ""
	}
	ctx, cancel := context.WithCancel(context.Background())
	from := v.mode
	if from == rulesTried {
		from = v.trial.from
	}
	share := new(atomic.Uint64)
	v.trial = ruleRun{rule: rule, request: v.desk.Request(), began: v.desk.Now(), share: share, cancel: cancel, from: from}
	request := v.trial.request
	v.desk.Post(Working{cancel})
	return func() tea.Msg {
		defer cancel()
		result, err := rules.Backtest(ctx, rule, rulePeriod, func(p float64) { share.Store(math.Float64bits(p)) })
		return ruleTried{request, result, err}
	}
}

// tried takes the outcome.
func (v *ruleView) tried(msg ruleTried) {
	if msg.request != v.trial.request {
		return
	}
	v.trial.cancel = nil
	v.desk.Post(Working{})
	v.trial.result, v.trial.err = msg.result, msg.err
	switch {
	case errors.Is(msg.err, context.Canceled):
		v.trial = ruleRun{from: v.trial.from}
		v.desk.Say(Muted, "the back-test was cancelled")
	case msg.err != nil:
		v.desk.Say(Warn, msg.err.Error())
		v.trial = ruleRun{from: v.trial.from}
	default:
		v.mode = rulesTried
		v.trial.cursor = max(len(msg.result.Fired)-1, 0)
	}
}

func (v *ruleView) trialDo(a Action) tea.Cmd {
	t := &v.trial
	if t.result == nil {
		v.back()
		return nil
	}
	n := len(t.result.Fired)
	switch a { // the newest is on top
	case MoveDown:
		t.cursor--
	case MoveUp:
		t.cursor++
	case HalfDown:
		t.cursor -= 10
	case HalfUp:
		t.cursor += 10
	case Top:
		t.cursor = n - 1
	case Bottom:
		t.cursor = 0
	case Enter, ChartIt:
		if t.cursor < n {
			f := &t.result.Fired[t.cursor]
			v.desk.Post(Open{View: "chart", Symbol: f.Symbol, At: f.Time})
		}
	case RunAgain, Backtest:
		return v.try(t.rule)
	case Edit:
		v.back()
		if v.mode == rulesListed {
			return v.listDo(Edit)
		}
		v.writing = true
		return nil
	case Escape:
		v.back()
		return nil
	}
	t.cursor = max(min(t.cursor, n-1), 0)
	return nil
}

// back leads from the back-test to where it was asked for.
func (v *ruleView) back() {
	v.mode = v.trial.from
	if v.mode == rulesWritten && v.form == nil {
		v.mode = rulesListed
	}
}
