package main

import (
	"fmt"
	"math"
	"sync"
	"time"

	"tapedeck/pipeline/market"
)

// ruleCosts measures what rules cost: the live engine plays each over the same
// small market, of ticks and bars of its own making. Safe for concurrent use.
type ruleCosts struct {
	mu    sync.Mutex
	known map[string]time.Duration // by what the rule says
}

const (
	costSymbols = 24
	costWarm    = 300 // seconds before the measurement, so that averages and looks back are there
	costRounds  = 200
	costTries   = 3 // the fastest counts: the machine has other things to do
)

// Costs is what each rule adds to a tick; see tui.Rules.
func (c *ruleCosts) Costs(rules []market.Rule) map[string]time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil {
		c.known = map[string]time.Duration{}
	}
	out := map[string]time.Duration{}
	for _, rule := range rules {
		says := fmt.Sprintf("%s\x00%s\x00%s\x00%s", rule.When, rule.For, rule.Repeat, rule.KeepFiring)
		cost, ok := c.known[says]
		if !ok {
			cost = costOfRule(rule)
			c.known[says] = cost
		}
		out[rule.Name] = cost
	}
	return out
}

// costOfRule is what the rule adds to a tick, its share of the bars included;
// 0 where the rule cannot be measured.
func costOfRule(rule market.Rule) time.Duration {
	rule.Watch, rule.Disabled, rule.Deleted, rule.Expires = nil, false, false, 0
	with, without := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
	for range costTries {
		took, ok := costMarket(&rule)
		if !ok {
			return 0
		}
		bare, _ := costMarket(nil)
		with, without = min(with, took), min(without, bare)
	}
	return max((with-without)/(costRounds*costSymbols), 1)
}

// costMarket plays ticks and bars to an engine with the rule, nil for none,
// and says how long the measured ones took.
func costMarket(rule *market.Rule) (took time.Duration, ok bool) {
	always := market.AlwaysOpen()
	engine := newEngine(func(string) *market.Calendar { return always })
	if rule != nil && engine.SetRule(*rule) != nil {
		return 0, false
	}
	nobody := func(*market.Alert) {}
	names := make([]string, costSymbols)
	for i := range names {
		names[i] = "C" + string(rune('A'+i))
	}
	at := market.At(time.Date(2026, 11, 20, 15, 0, 0, 0, time.UTC))
	var start time.Time
	for second := range costWarm + costRounds {
		if second == costWarm {
			start = time.Now()
		}
		now := at.Add(time.Duration(second) * time.Second)
		for i, name := range names {
			p := 100 + float64(i) + math.Sin(float64(second+7*i)/40)
			engine.Tick(&market.Tick{Symbol: name, Time: now, Price: p, Size: 100, Bid: p - 0.01, Ask: p + 0.01}, nobody)
			bar := market.Bar{Symbol: name, Interval: market.Second, Time: now, Open: p, High: p, Low: p, Close: p, VWAP: p, Volume: 100, Trades: 1}
			engine.Bar(&bar, nobody)
			if second%60 == 59 {
				bar.Interval, bar.Time = market.Minute, now.Truncate(time.Minute)
				engine.Bar(&bar, nobody)
			}
		}
	}
	return time.Since(start), true
}
