package main

import (
	"tapedeck/pipeline"
	"tapedeck/pipeline/market"
)

type noRules struct{}

func newRules() pipeline.Rules                                { return noRules{} }
func (noRules) SetRule(market.Rule) error                     { return nil }
func (noRules) Tick(*market.Tick, func(*market.Alert))        {}
func (noRules) Bar(*market.Bar, func(*market.Alert))          {}
func (noRules) Clock(market.Time, func(*market.Alert))        {}
func (noRules) AppendState(dst []byte) []byte                 { return dst }
func (noRules) LoadState(src []byte) (rest []byte, err error) { return src, nil }
