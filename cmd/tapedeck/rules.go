package main

import (
	"tapedeck/pipeline"
	"tapedeck/pipeline/alert"
	"tapedeck/pipeline/market"
)

// newRules gives an alert engine for one partition's symbols.
func newRules(calendar func(symbol string) *market.Calendar) func() pipeline.Rules {
	return func() pipeline.Rules {
		return alert.New(alert.Config{
			Calendar: calendar,
			Sector: func(symbol string) string {
				company, _ := market.Lookup(symbol)
				return company.Sector
			},
		})
	}
}
