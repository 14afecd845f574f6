package tui

import (
	"cmp"
	"context"
	"math"
	"math/rand/v2"
	"time"

	"tapedeck/pipeline/market"
)

// demoHistory is a lake that has bars of every interval back to 2025: a sum of
// waves, so that any span of it can be asked for and is always the same.
type demoHistory struct {
	calls  int
	factor map[string]float64 // so that it meets the board's first minute
}

func demoPrice(symbol string, t market.Time) float64 {
	c, _ := market.Lookup(symbol)
	x := float64(t) / 6e7 // minutes
	v := 0.0
	for i, period := range []float64{7, 31, 187, 960, 5200, 60_000} {
		v += math.Sin(2*math.Pi*x/period+float64(len(symbol)*i)) * 0.0004 * math.Sqrt(period/7)
	}
	return c.Price * (1 + v)
}

func (h *demoHistory) Bars(_ context.Context, symbol string, i market.Interval, from, to market.Time, limit int) ([]market.Bar, error) {
	h.calls++
	calendar := market.NYSE()
	begin := market.At(time.Date(2025, 1, 2, 0, 0, 0, 0, time.UTC))
	to = min(to, market.At(demoNow))
	var out []market.Bar
	length := i.Length()
	for t := to.Add(-1).Truncate(length); t >= max(from, begin) && len(out) < limit; t = t.Add(-length) {
		session := calendar.Session(t)
		if i == market.Day {
			if _, _, ok := calendar.Regular(t); !ok || t.Add(length) > to {
				continue
			}
		} else if session == market.Closed {
			continue
		}
		r := rand.New(rand.NewPCG(uint64(t), uint64(len(symbol))))
		f := cmp.Or(h.factor[symbol], 1)
		open, close := f*demoPrice(symbol, t), f*demoPrice(symbol, t.Add(length))
		wick := open * 0.0002 * math.Sqrt(length.Minutes()+0.1)
		volume := int64(4000 * (0.4 + r.Float64()) * length.Minutes())
		if session != market.Regular {
			volume /= 6
		}
		out = append(out, market.Bar{Symbol: symbol, Interval: i, Time: t, Open: cents(open), Close: cents(close),
			High: cents(max(open, close) + wick*r.Float64()), Low: cents(min(open, close) - wick*r.Float64()),
			Volume: volume + 1, VWAP: (open + close) / 2, Trades: volume/90 + 1})
	}
	for a, b := 0, len(out)-1; a < b; a, b = a+1, b-1 {
		out[a], out[b] = out[b], out[a]
	}
	return out, nil
}
