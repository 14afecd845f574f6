package prophet

import (
	"context"
	"fmt"
	"math"
	"slices"

	"tapedeck/pipeline/market"
)

// Fit finds the parameters of the highest posterior for a history. It returns
// an error in the chain of ErrSeries when the data cannot be fitted, that of
// Config.Validate when the parameters are wrong, and ctx's when that ends.
func Fit(ctx context.Context, config Config, history Series) (*Model, error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("prophet parameters: %w", err)
	}
	s, err := history.sorted(config.Growth)
	if err != nil {
		return nil, err
	}
	m := &Model{config: config, start: s.Times[0], span: float64(s.Times[len(s.Times)-1] - s.Times[0]),
		dates: history.dates(config.Growth)}
	m.scale(s)
	if err := m.checkLimits(m.dates); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSeries, err)
	}
	m.changepoints = config.placeChangepoints(s.Times)
	for _, c := range m.changepoints {
		if c < s.Times[0] || c > s.Times[len(s.Times)-1] {
			return nil, fmt.Errorf("changepoint %s is outside the history, %s to %s: move it inside", stamp(c), stamp(s.Times[0]), stamp(s.Times[len(s.Times)-1]))
		}
	}
	m.terms = config.terms(s.Times)
	if n := widths(m.terms) + len(m.changepoints); n > maxColumns {
		return nil, fmt.Errorf("prophet parameters: %d features and changepoints: give fewer than %d", n, maxColumns)
	}
	p := m.posterior(s)
	theta := p.start()
	if constant(s.Values) && config.Growth != Logistic {
		m.params = p.params(theta, minSigma)
		m.logPosterior = p.value(theta, minSigma, 0)
		return m, nil
	}
	best, err := p.maximum(ctx, theta)
	if err != nil {
		return nil, fmt.Errorf("fit prophet: %w", err)
	}
	m.params = p.params(best.theta, best.sigma)
	m.logPosterior = best.value
	m.fold()
	return m, nil
}

// supple is how much weaker the penalty of slope changes is on the way to a
// second start.
const supple = 100

// maximum climbs from theta, and from where else the posterior may have a higher
// top. One that calls a bend noise and one that draws it can both be tops, so it
// climbs once more from the fit under a weak penalty, with every bend drawn. With
// logistic growth there are tops on either side of k = 0, where the prior of m
// forbids to pass; so it climbs from the mirrored slope too, which is the same
// curve after the first changepoint.
func (p *posterior) maximum(ctx context.Context, theta []float64) (*search, error) {
	best, err := p.both(ctx, theta)
	if err != nil || p.growth != Logistic {
		return best, err
	}
	mirror := append([]float64{}, best.theta...)
	mirror[0] = -mirror[0]
	mirror[2] += 2 * best.theta[0]
	other, err := p.both(ctx, mirror)
	if err != nil {
		return nil, err
	}
	return p.higher(best, other), nil
}

// both climbs from theta directly and by way of the supple fit.
func (p *posterior) both(ctx context.Context, theta []float64) (*search, error) {
	best, err := p.climb(ctx, theta, nil)
	if err != nil || p.growth == Flat {
		return best, err
	}
	weak := *p
	weak.tau *= supple
	way, err := weak.climb(ctx, append([]float64{}, best.theta...), best)
	if err != nil {
		return nil, err
	}
	other, err := p.climb(ctx, way.theta, best)
	if err != nil {
		return nil, err
	}
	return p.higher(best, other), nil
}

// higher is the higher top, unless that one is no fit: with about as many
// parameters as rows the model can pass through every point, and the posterior
// grows without bound as σ vanishes.
func (p *posterior) higher(best, other *search) *search {
	if other.value > best.value && 2*nonzero(other.theta) <= max(len(p.t), 2*nonzero(best.theta)) {
		return other
	}
	return best
}

func nonzero(theta []float64) int {
	n := 0
	for _, v := range theta {
		if v != 0 {
			n++
		}
	}
	return n
}

// start is Prophet's: the line, or the logistic curve, through the first and the
// last point, and nothing else.
func (p *posterior) start() []float64 {
	theta := make([]float64, p.size())
	last := len(p.t) - 1
	span := p.t[last] - p.t[0]
	switch p.growth {
	case Flat:
		for _, y := range p.y {
			theta[1] += y / float64(len(p.y))
		}
	case Logistic:
		ratio := func(i int) float64 {
			c := p.cap[i]
			return c / math.Max(0.01*c, math.Min(0.99*c, p.y[i]))
		}
		r0, r1 := ratio(0), ratio(last)
		if math.Abs(r0-r1) <= 0.01 {
			r0 *= 1.05
		}
		l0, l1 := math.Log(r0-1), math.Log(r1-1)
		theta[0], theta[1] = (l0-l1)/span, -l0 // a = −km
	default:
		theta[0] = (p.y[last] - p.y[0]) / span
		theta[1] = p.y[0] - theta[0]*p.t[0]
	}
	return theta
}

func constant(values []float64) bool {
	for _, v := range values {
		if v != values[0] {
			return false
		}
	}
	return true
}

// scale sets how y is scaled.
func (m *Model) scale(s Series) {
	low, high, size := math.Inf(1), math.Inf(-1), 0.0
	for i, y := range s.Values {
		if s.Floor != nil {
			y -= s.Floor[i]
		}
		low, high, size = min(low, y), max(high, y), max(size, math.Abs(y))
	}
	m.yScale = size
	if m.config.Scaling == MinMax {
		m.yMin, m.yScale = low, high-low
		if s.Floor != nil {
			m.yMin = 0
			least, most := s.Floor[0], s.Cap[0]
			for i := range s.Floor {
				least, most = min(least, s.Floor[i]), max(most, s.Cap[i])
			}
			m.yScale = most - least
		}
	}
	if m.yScale == 0 {
		m.yScale = 1
	}
}

// posterior scales a sorted history and builds its features.
func (m *Model) posterior(s Series) *posterior {
	p := &posterior{growth: m.config.Growth, tau: m.config.ChangepointPriorScale, t: m.scaled(s.Times), y: make([]float64, len(s.Times))}
	for i, y := range s.Values {
		p.y[i] = (y - m.floor(s.Floor, i)) / m.yScale
	}
	if m.config.Growth == Logistic {
		p.cap = make([]float64, len(s.Times))
		for i, c := range s.Cap {
			p.cap[i] = (c - m.floor(s.Floor, i)) / m.yScale
		}
	}
	p.hinge = hinges(p.t, m.knots())
	p.x = features(m.terms, s.Times)
	for i := range m.terms {
		for range m.terms[i].width() {
			p.multi = append(p.multi, m.terms[i].Mode == Multiplicative)
			p.scale = append(p.scale, m.terms[i].PriorScale)
		}
	}
	return p
}

// scaled gives times as a fraction of the history.
func (m *Model) scaled(times []market.Time) []float64 {
	out := make([]float64, len(times))
	for i, t := range times {
		out[i] = float64(t-m.start) / m.span
	}
	return out
}

// floor is what row i's y is measured from.
func (m *Model) floor(floor []float64, i int) float64 {
	if m.config.Growth == Logistic && floor != nil {
		return floor[i]
	}
	return m.yMin
}

// checkLimits checks cap and floor of a future, the floor that scaling gives
// where there is none of its own included.
func (m *Model) checkLimits(f Future) error {
	floor := f.Floor
	if floor == nil && m.yMin != 0 {
		floor = slices.Repeat([]float64{m.yMin}, len(f.Times))
	}
	return checkLimits(m.config.Growth, f.Times, f.Cap, floor)
}

// knots are the changepoints on the scaled time. A model without any gets one at
// 0, as Prophet's does; fold takes it away again.
func (m *Model) knots() []float64 {
	if len(m.changepoints) == 0 {
		return []float64{0}
	}
	return m.scaled(m.changepoints)
}

// fold moves the slope of the stand-in changepoint to the base rate.
func (m *Model) fold() {
	if len(m.changepoints) > 0 || m.params.Delta[0] == 0 {
		return
	}
	k := m.params.K + m.params.Delta[0]
	if m.config.Growth == Logistic && k != 0 {
		m.params.M *= m.params.K / k
	}
	m.params.K, m.params.Delta[0] = k, 0
}
