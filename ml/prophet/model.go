package prophet

import (
	"tapedeck/pipeline/market"
)

// Model is a fitted model. It is safe for concurrent use.
type Model struct {
	config       Config
	start        market.Time // of the history
	span         float64     // of the history, µs
	yScale, yMin float64
	changepoints []market.Time
	terms        []term
	params       Params
	logPosterior float64
	dates        Future // every row of the history, also those without a value
}

// Config is the configuration that was fitted.
func (m *Model) Config() Config { return m.config }

// Params are the fitted parameters, on the scaled series.
func (m *Model) Params() Params {
	p := m.params
	p.Delta = append([]float64{}, p.Delta...)
	p.Beta = append([]float64{}, p.Beta...)
	return p
}

// LogPosterior is the unnormalised log posterior at Params: what Prophet's Stan
// model calls lp__.
func (m *Model) LogPosterior() float64 { return m.logPosterior }

// Changepoints are the times at which the trend may bend, in order.
func (m *Model) Changepoints() []market.Time { return append([]market.Time{}, m.changepoints...) }

// Terms are the names of seasonalities and holidays, in the order of Params.Beta.
func (m *Model) Terms() []string {
	out := make([]string, len(m.terms))
	for i := range m.terms {
		out[i] = m.terms[i].Name
	}
	return out
}

// Scale is what a scaled value of 1 means in units of y. Params.Sigma times
// Scale is the standard deviation of the noise.
func (m *Model) Scale() float64 { return m.yScale }
