package ml

import (
	"math"
	"slices"
	"sync"

	"tapedeck/pipeline/market"
)

// conformal is the ⌈(n+1)·coverage⌉-th smallest of n absolute residuals, which
// it sorts: half the width of an interval that holds at least that share of
// exchangeable outcomes. Without residuals it is what a normal distribution has.
func conformal(residuals []float64, coverage float64) float64 {
	if len(residuals) == 0 {
		return math.Sqrt2 * math.Erfinv(coverage)
	}
	slices.Sort(residuals)
	k := int(math.Ceil(float64(len(residuals)+1)*coverage)) - 1
	return max(residuals[min(k, len(residuals)-1)], 1e-6)
}

// priorStretches is how many stretches of held-out history what the next
// shorter horizon says about a width is worth.
const priorStretches = 8

// steady draws the widths of calibrations, shortest horizon first, towards each
// other as far as the held-out minutes say little: returns of half an hour within
// an hour are two independent stretches, whatever the number of symbols, and the
// quantile of so few is a matter of luck. In units of volatility × √minutes a
// random walk has one width for all horizons.
func steady(list []Calibration, minutes int) {
	before := math.Log(conformal(nil, Coverage))
	for i := range list {
		c := &list[i]
		length := int(c.Horizon / 60)
		stretches := float64(max(minutes-length, 0)) / float64(length)
		before = (stretches*math.Log(c.Width) + priorStretches*before) / (stretches + priorStretches)
		c.Width = math.Exp(before)
	}
}

// Band keeps the coverage of live intervals at what they promise while the
// market changes: a factor on their width for each horizon, which grows by the
// outcomes outside and shrinks by those inside, so that in the long run the
// promised share lies inside (Gibbs and Candès, Adaptive conformal inference
// under distribution shift, 2021, on the logarithm of the width). It is safe for
// concurrent use; the zero value changes nothing yet.
//
// What all symbols did in a minute is one observation: they move together. An
// outcome is known only its horizon later, and a step that is too long for that
// delay makes the width swing, which costs coverage itself: the step falls with
// the horizon.
type Band struct {
	mu    sync.Mutex
	terms map[int32]*term
}

// term is what a band knows of a horizon.
type term struct {
	width      float64 // logarithm of the factor
	minute     market.Time
	n, outside int // outcomes of the minute
}

const (
	bandStep  = 0.1 // of the logarithm, for a minute that was all outside instead of none
	bandDelay = 0.8 // at most, step × minutes until an outcome is known; an integrator swings from π/2 on
	bandFew   = 4   // outcomes as promised that are added to those of a minute, so that few move it little
	bandLimit = 1.4 // a quarter to four times as wide
)

// Observe takes an outcome of a horizon: inside the interval that Widen gave, or
// not. The outcomes of forecasts made at a minute count when those of the next
// begin.
func (b *Band) Observe(horizon int32, made market.Time, inside bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.terms[horizon]
	if t == nil {
		if b.terms == nil {
			b.terms = make(map[int32]*term)
		}
		t = &term{minute: made}
		b.terms[horizon] = t
	}
	if made > t.minute {
		step := min(bandStep, bandDelay/float64(horizon/60+1))
		excess := (float64(t.outside) - (1-Coverage)*float64(t.n)) / float64(t.n+bandFew)
		t.width = min(max(t.width+step*excess, -bandLimit), bandLimit)
		t.minute, t.n, t.outside = made, 0, 0
	}
	t.n++
	if !inside {
		t.outside++
	}
}

// Factor is what the width of intervals of a horizon is multiplied by.
func (b *Band) Factor(horizon int32) float64 {
	if b == nil {
		return 1
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if t := b.terms[horizon]; t != nil {
		return math.Exp(t.width)
	}
	return 1
}

// Widen changes the intervals in the answers of a Predictor for these horizons.
func (b *Band) Widen(horizons []int32, out []float32) {
	for h, horizon := range horizons {
		factor := float32(b.Factor(horizon))
		for i := h * Outputs; i < len(out); i += len(horizons) * Outputs {
			mean := out[i]
			out[i+1] = mean + (out[i+1]-mean)*factor
			out[i+2] = mean + (out[i+2]-mean)*factor
		}
	}
}
