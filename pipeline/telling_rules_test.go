package pipeline

import (
	"fmt"
	"testing"
	"time"

	"tapedeck/pipeline/alert"
	"tapedeck/pipeline/live"
	"tapedeck/pipeline/market"
)

// What the status says of the rules is all partitions of the process together,
// at the rate since the report before.
func TestStatusSaysHowRulesDo(t *testing.T) {
	told := &toldRules{}
	var engines []*alert.Engine
	for range 2 {
		e := alert.New(alert.Config{})
		for _, r := range []market.Rule{{Name: "high", When: "price > 10"}, {Name: "held", When: "price > 10", For: "10s"}} {
			if err := e.SetRule(r); err != nil {
				t.Fatal(err)
			}
		}
		engines = append(engines, e)
	}
	tick := func(e *alert.Engine, symbol string, n int) {
		for i := range n {
			e.Tick(&market.Tick{Symbol: symbol, Time: tapeStart.Add(time.Duration(i) * time.Millisecond), Price: 11, Size: 1}, func(*market.Alert) {})
		}
	}
	report := func() ([]live.Rule, []live.Pending) {
		for p, e := range engines {
			told.take(int32(p), e)
		}
		return told.all(2)
	}
	report()
	tick(engines[0], "KO", 300)
	tick(engines[1], "IBM", 100)
	rules, pending := report()
	if len(rules) != 2 || rules[0].Name != "held" || rules[1].Name != "high" {
		t.Fatalf("%+v", rules)
	}
	if r := rules[1]; r.Symbols != 2 || r.Firing != 2 || r.Today != 2 || r.Evaluations != 400 || r.Rate != 200 || r.Samples < 1 || !(r.Each > 0) || r.Planned != 300 {
		t.Errorf("%+v", r)
	}
	if r := rules[0]; r.Pending != 2 || r.Firing != 0 || fmt.Sprint(pending[0].Symbol, pending[1].Symbol) != "IBMKO" {
		t.Errorf("%+v, waiting %+v", r, pending)
	}
	told.drop(1)
	if rules, pending := told.all(2); rules[1].Symbols != 1 || len(pending) != 1 {
		t.Errorf("after a partition has gone: %+v, waiting %+v", rules, pending)
	}
}
