package prophet

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"

	"gonum.org/v1/gonum/floats"

	"tapedeck/pipeline/market"
)

// Component is one term of a forecast at each of its times: in units of y when
// it is additive, a factor of the trend when it is multiplicative.
type Component struct {
	Name    string
	Mode    Mode
	Holiday bool // one holiday, also counted in the component named holidays
	Values  []float64
}

// Forecast is what a model says about the times of a Future, in time order:
//
//	Yhat = Trend·(1 + MultiplicativeTerms) + AdditiveTerms
//
// The intervals hold the model's IntervalWidth of the simulated futures, noise
// included in those of Yhat; they are nil when UncertaintySamples is 0.
type Forecast struct {
	Times                  []market.Time
	Yhat                   []float64
	YhatLower, YhatUpper   []float64
	Trend                  []float64
	TrendLower, TrendUpper []float64
	Cap, Floor             []float64 // as given; nil when none
	AdditiveTerms          []float64
	MultiplicativeTerms    []float64
	// Components holds each seasonality and holiday, and where there are
	// holidays their sum under the name holidays, by name.
	Components []Component
}

// MaxTimes is the most times that one call predicts.
const MaxTimes = 2_000_000

// maxChanges bounds the changepoints of one simulated path, and so the work for a
// time that lies absurdly far ahead.
const maxChanges = 100_000

// Predict forecasts the given times, past or to come. Logistic growth needs a
// cap for each. Row by row the answer depends on the model, its seed and the
// row only, not on which other rows are asked.
func (m *Model) Predict(ctx context.Context, future Future) (*Forecast, error) {
	fail := func(format string, args ...any) (*Forecast, error) {
		return nil, fmt.Errorf("predict with prophet: %w: %w", ErrSeries, fmt.Errorf(format, args...))
	}
	if len(future.Times) == 0 {
		return fail("no times: give at least one")
	}
	if len(future.Times) > MaxTimes {
		return fail("%d times: give at most %d at once", len(future.Times), MaxTimes)
	}
	if err := m.checkLimits(future); err != nil {
		return fail("%w", err)
	}
	future = future.sorted(m.config.Growth)
	n := len(future.Times)
	t := m.scaled(future.Times)
	if changes := (t[n-1] - 1) * float64(len(m.knots())); changes > maxChanges && m.config.UncertaintySamples > 0 {
		return fail("%s is %.3g times the length of the history ahead: ask for a nearer time, or for no samples", stamp(future.Times[n-1]), t[n-1]-1)
	}
	eta := m.line(t)
	f := &Forecast{Times: future.Times, Cap: future.Cap, Floor: future.Floor, Trend: make([]float64, n),
		Yhat: make([]float64, n), AdditiveTerms: make([]float64, n), MultiplicativeTerms: make([]float64, n)}
	m.addComponents(f)
	for i := range n {
		f.Trend[i] = m.trend(future, i, eta[i])
		f.Yhat[i] = f.Trend[i]*(1+f.MultiplicativeTerms[i]) + f.AdditiveTerms[i]
		if math.IsNaN(f.Yhat[i]) || math.IsInf(f.Yhat[i], 0) {
			return fail("the forecast for %s is not finite: ask for a nearer time", stamp(future.Times[i]))
		}
	}
	if err := m.simulate(ctx, future, t, eta, f); err != nil {
		return nil, err
	}
	return f, nil
}

// line is η(t): the trend itself but for logistic growth.
func (m *Model) line(t []float64) []float64 {
	eta := make([]float64, len(t))
	p := m.params
	switch m.config.Growth {
	case Flat:
		for i := range eta {
			eta[i] = p.M
		}
		return eta
	case Logistic:
		for i := range eta {
			eta[i] = p.K * (t[i] - p.M)
		}
	default:
		for i := range eta {
			eta[i] = p.K*t[i] + p.M
		}
	}
	for j, c := range m.knots() {
		for i := range eta {
			if t[i] > c {
				eta[i] += p.Delta[j] * (t[i] - c)
			}
		}
	}
	return eta
}

// trend is the trend of row i in units of y for a value of η.
func (m *Model) trend(future Future, i int, eta float64) float64 {
	low := m.floor(future.Floor, i)
	if m.config.Growth == Logistic {
		return (future.Cap[i]-low)*sigmoid(eta) + low
	}
	return eta*m.yScale + low
}

func (m *Model) addComponents(f *Forecast) {
	n := len(f.Times)
	holidays := -1
	at := 0
	for i := range m.terms {
		t := &m.terms[i]
		cols := matrix(t.width(), n)
		t.fill(f.Times, cols)
		c := Component{Name: t.Name, Mode: t.Mode, Holiday: t.Period == 0, Values: make([]float64, n)}
		for _, col := range cols {
			floats.AddScaled(c.Values, m.params.Beta[at], col)
			at++
		}
		sum := f.MultiplicativeTerms
		if t.Mode == Additive {
			floats.Scale(m.yScale, c.Values)
			sum = f.AdditiveTerms
		}
		floats.Add(sum, c.Values)
		if c.Holiday {
			if holidays < 0 {
				holidays = len(f.Components)
				f.Components = append(f.Components, Component{Name: "holidays", Mode: t.Mode, Values: make([]float64, n)})
			}
			floats.Add(f.Components[holidays].Values, c.Values)
		}
		f.Components = append(f.Components, c)
	}
	sort.SliceStable(f.Components, func(a, b int) bool { return f.Components[a].Name < f.Components[b].Name })
}

// path is one simulated future of the trend: slope changes after the history
// arrive as a Poisson process at the rate of the changepoints in the history,
// Laplace distributed with the mean size of those.
type path struct {
	random        *rand.Rand
	next          float64 // time of the next change
	slope, offset float64 // what the changes so far add to η
}

// simulate fills the intervals. Like Prophet it leaves the trend alone inside
// the history and adds the noise σ to Yhat everywhere.
func (m *Model) simulate(ctx context.Context, future Future, t, eta []float64, f *Forecast) error {
	samples := m.config.UncertaintySamples
	if samples == 0 {
		return nil
	}
	n := len(t)
	cols := matrix(4, n)
	f.YhatLower, f.YhatUpper, f.TrendLower, f.TrendUpper = cols[0], cols[1], cols[2], cols[3]
	rate := float64(len(m.knots()))
	size := 1e-8 // Prophet's, so that no scale is zero
	for _, d := range m.params.Delta {
		size += math.Abs(d) / float64(len(m.params.Delta))
	}
	var paths []path
	if m.config.Growth != Flat && t[n-1] > 1 {
		paths = make([]path, samples)
		for s := range paths {
			paths[s].random = rand.New(rand.NewPCG(m.config.Seed, uint64(s)))
			paths[s].next = 1 + paths[s].random.ExpFloat64()/rate
		}
	}
	noise := m.params.Sigma * m.yScale
	low := (1 - m.config.IntervalWidth) / 2
	trends, values := make([]float64, samples), make([]float64, samples)
	source := rand.NewPCG(0, 0)
	random := rand.New(source)
	for i := range n {
		if i%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		source.Seed(m.config.Seed, uint64(future.Times[i])^0x9e3779b97f4a7c15)
		factor, rest := 1+f.MultiplicativeTerms[i], f.AdditiveTerms[i]
		moved := t[i] > 1 && paths != nil
		for s := range values {
			g := f.Trend[i]
			if moved {
				g = m.trend(future, i, eta[i]+paths[s].at(t[i], rate, size))
				trends[s] = g
			}
			values[s] = g*factor + rest + noise*random.NormFloat64()
		}
		f.TrendLower[i], f.TrendUpper[i] = f.Trend[i], f.Trend[i]
		if moved {
			f.TrendLower[i], f.TrendUpper[i] = quantile(trends, low), quantile(trends, 1-low)
		}
		f.YhatLower[i], f.YhatUpper[i] = quantile(values, low), quantile(values, 1-low)
	}
	return nil
}

// at advances the path to a time and returns what it adds to η there.
func (p *path) at(t, rate, size float64) float64 {
	for p.next < t {
		d := size * p.random.ExpFloat64()
		if p.random.Uint64()&1 == 0 {
			d = -d
		}
		p.slope += d
		p.offset -= d * p.next
		p.next += p.random.ExpFloat64() / rate
	}
	return p.slope*t + p.offset
}

// quantile is numpy's: linear between order statistics. It reorders v.
func quantile(v []float64, q float64) float64 {
	at := q * float64(len(v)-1)
	k := min(int(at), len(v)-1)
	low := nth(v, k)
	if k+1 == len(v) {
		return low
	}
	return low + (at-float64(k))*(slices.Min(v[k+1:])-low)
}

// nth moves the element of rank k to place k, with none larger before it and
// none smaller behind (Hoare's quickselect).
func nth(v []float64, k int) float64 {
	lo, hi := 0, len(v)-1
	for lo < hi {
		pivot := v[lo+(hi-lo)/2]
		i, j := lo, hi
		for i <= j {
			for v[i] < pivot {
				i++
			}
			for pivot < v[j] {
				j--
			}
			if i <= j {
				v[i], v[j] = v[j], v[i]
				i, j = i+1, j-1
			}
		}
		switch {
		case k <= j:
			hi = j
		case k >= i:
			lo = i
		default:
			return v[k]
		}
	}
	return v[k]
}

// sorted returns the future in time order, without what the growth does not use.
func (f Future) sorted(growth Growth) Future {
	rows := make([]int, len(f.Times))
	for i := range rows {
		rows[i] = i
	}
	sort.SliceStable(rows, func(a, b int) bool { return f.Times[rows[a]] < f.Times[rows[b]] })
	out := Future{Times: make([]market.Time, len(rows))}
	for i, r := range rows {
		out.Times[i] = f.Times[r]
	}
	if growth == Logistic {
		out.Cap, out.Floor = pick(f.Cap, rows), pick(f.Floor, rows)
	}
	return out
}

// History is the times of all rows that were fitted, those without a value too.
func (m *Model) History() Future {
	return Future{Times: slices.Clone(m.dates.Times), Cap: slices.Clone(m.dates.Cap), Floor: slices.Clone(m.dates.Floor)}
}

// MakeFuture is the next periods times after the history at a frequency (see
// ParseFrequency). Cap and floor stay at those of the last row; set others
// before Predict where the limits are to move.
func (m *Model) MakeFuture(periods int, freq Frequency) (Future, error) {
	last := len(m.dates.Times) - 1
	if periods < 1 {
		return Future{}, errors.New("periods is below 1: give the number of times to predict")
	}
	times, err := freq.After(m.dates.Times[last], periods)
	if err != nil {
		return Future{}, err
	}
	f := Future{Times: times}
	if m.dates.Cap != nil {
		f.Cap = slices.Repeat(m.dates.Cap[last:], periods)
	}
	if m.dates.Floor != nil {
		f.Floor = slices.Repeat(m.dates.Floor[last:], periods)
	}
	return f, nil
}
