package live

import (
	"fmt"
	"testing"
	"time"

	"tapedeck/pipeline/market"
)

func TestRulesOfSeveralProcesses(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	day := market.At(now)
	status := func(age time.Duration, rules []Rule, pending ...Pending) Status {
		return Status{Stage: "compute", Time: market.At(now.Add(-age)), Rules: rules, Pending: pending}
	}
	rules, pending := RulesOf([]Status{
		status(0, []Rule{{Name: "b", Revision: 1, Symbols: 3, Firing: 1, Today: 4, Day: day, Rate: 10, Samples: 1, Each: 100},
			{Name: "down", Global: true, Firing: 1, Today: 1, Day: day}},
			Pending{Rule: "b", Symbol: "KO", Due: 30}, Pending{Rule: "b", Symbol: "F", Due: 10}),
		status(time.Second, []Rule{{Name: "a", Today: 7, Day: day - 1}, {Name: "b", Revision: 2, Symbols: 2, Pending: 1, Today: 9, Day: day - 1, Rate: 30, Samples: 3, Each: 200},
			{Name: "down", Global: true, Firing: 1, Today: 1, Day: day}}, Pending{Rule: "b", Symbol: "IBM", Due: 20}, Pending{Rule: "b", Symbol: "KO", Due: 30}),
		status(time.Hour, []Rule{{Name: "b", Symbols: 100}}),
	}, now)
	want := []Rule{{Name: "a", Today: 7, Day: day - 1}, // one process alone has it
		{Name: "b", Revision: 2, Symbols: 5, Pending: 1, Firing: 1, Today: 4, Day: day, Rate: 40, Samples: 4, Each: 175},
		{Name: "down", Global: true, Firing: 1, Today: 1, Day: day}}
	if fmt.Sprint(rules) != fmt.Sprint(want) {
		t.Errorf("%+v\nnot\n%+v", rules, want)
	}
	if got := fmt.Sprint(pending); got != fmt.Sprint([]Pending{{Rule: "b", Symbol: "F", Due: 10}, {Rule: "b", Symbol: "IBM", Due: 20}, {Rule: "b", Symbol: "KO", Due: 30}}) {
		t.Error(got)
	}
	if s := rules[1].Share(); s != 40*175/1e9 {
		t.Error(s)
	}
}
