package ml

import (
	"math"
	"math/rand/v2"
	"time"

	"tapedeck/pipeline/market"
)

var opening = market.At(time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC))

// revert makes the one-minute bars of a market whose symbols give back part of
// what they did in the last minutes: give is that part, 0 a random walk.
// Volatility doubles in the second half where calm is false.
func revert(seed uint64, symbols, minutes int, give float64, calm bool) []market.Bar {
	random := rand.New(rand.NewPCG(seed, 1))
	companies := market.Companies()
	prices, own := make([]float64, symbols), make([]float64, symbols)
	var bars []market.Bar
	for m := range minutes {
		sigma := 0.0008
		if !calm && m > minutes/2 {
			sigma *= 2
		}
		common := 0.5 * sigma * random.NormFloat64()
		for i := range symbols {
			if m == 0 {
				prices[i] = companies[i].Price
			}
			r := sigma*random.NormFloat64() - give*own[i]
			own[i] = 0.8*own[i] + r
			prices[i] *= math.Exp(r + common)
			p := prices[i]
			bars = append(bars, market.Bar{Symbol: companies[i].Symbol, Interval: market.Minute, Time: opening.Add(time.Duration(m) * time.Minute),
				Open: p, High: p, Low: p, Close: p, Volume: int64(1000 + random.IntN(1000)), VWAP: p, Trades: 10})
		}
	}
	return bars
}

// quick is a configuration for tests.
func quick() Config {
	c := DefaultConfig()
	c.Horizons = []int32{60, 300}
	c.Trees.Rounds = 40
	c.Units, c.Network.Epochs, c.MaxRows = 8, 1, 3000
	c.Made = opening
	return c
}
