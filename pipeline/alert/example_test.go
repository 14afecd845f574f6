package alert_test

import (
	"fmt"

	"tapedeck/pipeline/alert"
	"tapedeck/pipeline/market"
)

func ExampleCompile() {
	_, err := alert.Compile(market.Rule{Name: "spike", When: `volum > 1_000_000`}, alert.World{})
	fmt.Println(err)
	_, err = alert.Compile(market.Rule{Name: "drop", When: `change("5m") < -3`}, alert.World{})
	fmt.Println(err)
	// Output:
	// when 1:1: "volum" is not known (did you mean volume?)
	// when 1:14: a fraction is compared with -3, that is -300 %; for -3 per cent write -3%
}

func ExampleEngine() {
	engine := alert.New(alert.Config{})
	if err := engine.SetRule(market.Rule{Name: "above 100", When: `price > 100`, For: "2s"}); err != nil {
		fmt.Println(err)
	}
	tell := func(a *market.Alert) { fmt.Println(a.State, a.Message) }
	start := market.Time(1_763_650_800_000_000)
	engine.Tick(&market.Tick{Symbol: "NVDA", Price: 101.5, Time: start}, tell)
	engine.Clock(start+1e6, tell)
	engine.Clock(start+2e6, tell)
	engine.Tick(&market.Tick{Symbol: "NVDA", Price: 99, Time: start + 3e6}, tell)
	// Output:
	// firing NVDA price 101.50 is above 100.00
	// resolved NVDA “above 100” is over, at 99.00
}
