// Package indicator is the streaming mathematics of technical analysis: each
// indicator takes one value (or bar) at a time in constant time and gives NaN,
// "not yet", while it warms up. Values and warm-up lengths are TA-Lib's.
//
// A value that is not finite is passed over: the indicator gives NaN for it and
// goes on as if it had not come. State can be appended to a snapshot and loaded
// again to the bit.
package indicator

import "math"

// notYet is what an indicator gives while it warms up.
var notYet = math.NaN()

func finite(v float64) bool { return v-v == 0 }

// SMA is the arithmetic mean of the last n values (TA-Lib SMA).
type SMA struct {
	ring ring
}

// NewSMA is a mean over n values, n at least 1.
func NewSMA(n int) *SMA { return &SMA{newRing(n)} }

// Next takes a value; the first result comes with the n-th.
func (a *SMA) Next(v float64) float64 {
	if !finite(v) {
		return notYet
	}
	a.ring.push(v)
	return a.ring.mean()
}

// EMA is the exponential moving average with k = 2/(n+1), seeded by the mean
// of the first n values (TA-Lib EMA).
type EMA struct {
	n     int
	k     float64
	count int
	sum   float64
	value float64
}

// NewEMA is an average of period n, n at least 1.
func NewEMA(n int) *EMA { return &EMA{n: n, k: 2 / float64(n+1)} }

// Next takes a value; the first result comes with the n-th.
func (e *EMA) Next(v float64) float64 {
	if !finite(v) {
		return notYet
	}
	if e.count < e.n {
		e.count++
		e.sum += v
		if e.count < e.n {
			return notYet
		}
		e.value = e.sum / float64(e.n)
		return e.value
	}
	e.value += e.k * (v - e.value)
	return e.value
}

// ring is the last n values with their sum. The sum is made anew once a
// revolution, so that rounding does not pile up over months.
type ring struct {
	values []float64
	at     int
	full   bool
	sum    float64
}

func newRing(n int) ring { return ring{values: make([]float64, max(n, 1))} }

// push adds a value and returns the one that it replaces (0 while filling).
func (r *ring) push(v float64) (old float64) {
	old = r.values[r.at]
	if !r.full {
		old = 0
	}
	r.values[r.at] = v
	r.sum += v - old
	if r.at++; r.at == len(r.values) {
		r.at, r.full = 0, true
		r.sum = 0
		for _, x := range r.values {
			r.sum += x
		}
	}
	return old
}

func (r *ring) mean() float64 {
	if !r.full {
		return notYet
	}
	return r.sum / float64(len(r.values))
}

// variance is the population variance of the values, in two passes: exact
// where prices are large and hardly move.
func (r *ring) variance() float64 {
	if !r.full {
		return notYet
	}
	mean := r.sum / float64(len(r.values))
	var sum float64
	for _, x := range r.values {
		sum += (x - mean) * (x - mean)
	}
	return sum / float64(len(r.values))
}
