package ml

import (
	"math"
	"slices"
	"sync"
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

// Band keeps the coverage of live intervals at what they promise while the
// market changes: a factor on their width for each horizon, which grows by each
// outcome outside and shrinks by each inside, so that in the long run the
// promised share lies inside (Gibbs and Candès, Adaptive conformal inference
// under distribution shift, 2021, on the logarithm of the width). It is safe for
// concurrent use; the zero value changes nothing yet.
type Band struct {
	mu      sync.Mutex
	factors map[int32]float64 // logarithms
}

const (
	bandStep  = 1e-4 // a thousand outcomes a minute move the width by at most 8 %
	bandLimit = 1.4  // a quarter to four times as wide
)

// Observe takes an outcome of a horizon: inside the interval that Widen gave, or not.
func (b *Band) Observe(horizon int32, inside bool) {
	step := -bandStep * (1 - Coverage)
	if !inside {
		step = bandStep * Coverage
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.factors == nil {
		b.factors = make(map[int32]float64)
	}
	b.factors[horizon] = min(max(b.factors[horizon]+step, -bandLimit), bandLimit)
}

// Factor is what the width of intervals of a horizon is multiplied by.
func (b *Band) Factor(horizon int32) float64 {
	if b == nil {
		return 1
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return math.Exp(b.factors[horizon])
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
