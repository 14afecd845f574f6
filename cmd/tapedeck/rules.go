package main

import (
	"tapedeck/pipeline"
	"tapedeck/pipeline/alert"
	"tapedeck/pipeline/market"
)

// newRuleEngines gives an alert engine for one partition's symbols.
func newRuleEngines(calendar func(symbol string) *market.Calendar) func() pipeline.Rules {
	return func() pipeline.Rules { return newEngine(calendar) }
}

// newEngine is an alert engine, the same for the live pipeline and for trials.
func newEngine(calendar func(symbol string) *market.Calendar) *alert.Engine {
	return alert.New(alert.Config{
		Calendar: calendar,
		Sector: func(symbol string) string {
			company, _ := market.Lookup(symbol)
			return company.Sector
		},
	})
}
