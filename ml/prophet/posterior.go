package prophet

import (
	"math"

	"gonum.org/v1/gonum/floats"
)

// Params are the parameters of the model on the scaled series: t runs from 0 to
// 1 over the history, y as Config.Scaling says.
type Params struct {
	K     float64   `json:"k"`         // slope of the trend before the first changepoint
	M     float64   `json:"m"`         // offset; for logistic growth the time of the midpoint
	Delta []float64 `json:"delta"`     // change of slope at each changepoint
	Sigma float64   `json:"sigma_obs"` // standard deviation of the noise
	Beta  []float64 `json:"beta"`      // a coefficient for each feature
}

// posterior is the log posterior of Prophet's Stan model for one scaled history
// of n rows, with
//
//	k, m ~ N(0, 5)   δ ~ Laplace(0, τ)   β ~ N(0, s)   σ ~ N(0, 0.5), σ > 0
//	y ~ N(g·(1 + X_m β) + X_a β, σ)
//
// and, writing η(t) = kt + m + Σ δ_j (t − t_j)₊, the trend g = η for linear and
// g = m for flat growth. Logistic growth is g = C/(1 + e^−η) with
// η(t) = k(t − m) + Σ δ_j (t − t_j)₊: Stan's offsets γ exist to make the same η
// continuous, and are singular where the slope passes zero, which η is not.
//
// Parameters lie in one vector θ = (k, a, δ, β), with σ apart. a is η(0): m for
// linear and flat growth and −km for logistic, where (k, m) would make a curved
// valley of what is nearly a parabola in (k, a).
type posterior struct {
	growth Growth
	t      []float64
	y      []float64
	cap    []float64   // logistic growth only
	hinge  [][]float64 // (t − t_j)₊ for each changepoint
	x      [][]float64 // features
	multi  []bool      // by feature: multiplicative
	scale  []float64   // by feature: the prior's standard deviation
	tau    float64
}

// Prior scales that are constants of the Stan model.
const (
	trendScale = 5.0
	sigmaScale = 0.5
)

func hinges(t, changepoints []float64) [][]float64 {
	cols := matrix(len(changepoints), len(t))
	for j, c := range changepoints {
		for i, at := range t {
			if at > c {
				cols[j][i] = at - c
			}
		}
	}
	return cols
}

func (p *posterior) size() int { return 2 + len(p.hinge) + len(p.x) }

// linear reports that the mean is linear in θ.
func (p *posterior) linear() bool {
	for _, m := range p.multi {
		if m {
			return false
		}
	}
	return p.growth != Logistic
}

// mean is the model's y for each row, with what the derivatives need.
type mean struct {
	trend  []float64
	slope  []float64 // dg/dη
	factor []float64 // 1 + X_m β
	resid  []float64 // y − ŷ
	rss    float64   // Σ resid²
}

func newMean(n int) *mean {
	cols := matrix(4, n)
	return &mean{trend: cols[0], slope: cols[1], factor: cols[2], resid: cols[3]}
}

// at evaluates the mean at θ.
func (p *posterior) at(theta []float64, out *mean) {
	k, a := theta[0], theta[1]
	s := len(p.hinge)
	for i := range out.trend {
		out.factor[i], out.resid[i], out.slope[i] = 1, 0, 1
	}
	switch p.growth {
	case Flat:
		for i := range out.trend {
			out.trend[i] = a
		}
	default:
		for i, t := range p.t {
			out.trend[i] = k*t + a
		}
		for j, h := range p.hinge {
			if d := theta[2+j]; d != 0 {
				floats.AddScaled(out.trend, d, h)
			}
		}
	}
	if p.growth == Logistic {
		for i, eta := range out.trend {
			g := sigmoid(eta)
			out.trend[i] = p.cap[i] * g
			out.slope[i] = p.cap[i] * g * (1 - g)
		}
	}
	for j, col := range p.x {
		if b := theta[2+s+j]; b != 0 {
			if p.multi[j] {
				floats.AddScaled(out.factor, b, col)
			} else {
				floats.AddScaled(out.resid, b, col)
			}
		}
	}
	out.rss = 0
	for i, y := range p.y {
		r := y - (out.trend[i]*out.factor[i] + out.resid[i])
		out.resid[i] = r
		out.rss += r * r
	}
}

func sigmoid(x float64) float64 {
	if x >= 0 {
		return 1 / (1 + math.Exp(-x))
	}
	e := math.Exp(x)
	return e / (1 + e)
}

// jacobian writes ∂ŷ/∂θ, a column for each parameter.
func (p *posterior) jacobian(theta []float64, at *mean, cols [][]float64) {
	s := len(p.hinge)
	w := make([]float64, len(p.t)) // dŷ/dη
	for i := range w {
		w[i] = at.slope[i] * at.factor[i]
	}
	copy(cols[1], w)
	if p.growth == Flat {
		clear(cols[0])
	} else {
		floats.MulTo(cols[0], w, p.t)
	}
	for j, h := range p.hinge {
		if p.growth == Flat {
			clear(cols[2+j])
			continue
		}
		floats.MulTo(cols[2+j], w, h)
	}
	for j, x := range p.x {
		if p.multi[j] {
			floats.MulTo(cols[2+s+j], at.trend, x)
		} else {
			copy(cols[2+s+j], x)
		}
	}
}

// precision is the curvature of the normal prior of a parameter, 0 for δ, and 0
// where the prior is on m, which is none of the parameters.
func (p *posterior) precision(i int) float64 {
	s := len(p.hinge)
	switch {
	case i == 1 && p.growth == Logistic:
		return 0
	case i < 2:
		return 1 / (trendScale * trendScale)
	case i < 2+s:
		return 0
	}
	return 1 / (p.scale[i-2-s] * p.scale[i-2-s])
}

// midpoint is −m/5 = a/5k of logistic growth, whose prior is N(0, 1), and its
// derivatives by k and a.
func midpoint(theta []float64) (u, dk, da float64) {
	k, a := theta[0], theta[1]
	return a / k / trendScale, -a / k / k / trendScale, 1 / k / trendScale
}

// prior is the log prior of θ, up to Stan's dropped constants.
func (p *posterior) prior(theta []float64) float64 {
	lp := 0.0
	if p.growth == Logistic {
		u, _, _ := midpoint(theta)
		lp -= u * u / 2
	}
	for i, v := range theta {
		lp -= v * v * p.precision(i) / 2
	}
	for _, d := range theta[2 : 2+len(p.hinge)] {
		lp -= math.Abs(d) / p.tau
	}
	return lp
}

// params are θ and σ under Prophet's names.
func (p *posterior) params(theta []float64, sigma float64) Params {
	s := len(p.hinge)
	out := Params{K: theta[0], M: theta[1], Sigma: sigma,
		Delta: append([]float64{}, theta[2:2+s]...), Beta: append([]float64{}, theta[2+s:]...)}
	if p.growth == Logistic {
		out.M = -theta[1] / theta[0]
	}
	return out
}

// theta is the inverse of params.
func (p *posterior) theta(q Params) []float64 {
	theta := append(append([]float64{q.K, q.M}, q.Delta...), q.Beta...)
	if p.growth == Logistic {
		theta[1] = -q.K * q.M
	}
	return theta
}

// value is the unnormalised log posterior: Stan's lp__ when it optimises.
func (p *posterior) value(theta []float64, sigma, rss float64) float64 {
	return p.prior(theta) - sigma*sigma/(2*sigmaScale*sigmaScale) -
		float64(len(p.y))*math.Log(sigma) - rss/(2*sigma*sigma)
}

// gradient writes the gradient of the log posterior by θ and returns that by σ.
// At δ_j = 0 the derivative of |δ_j| is taken as 0.
func (p *posterior) gradient(theta []float64, sigma float64, grad []float64) float64 {
	at := newMean(len(p.t))
	p.at(theta, at)
	cols := matrix(p.size(), len(p.t))
	p.jacobian(theta, at, cols)
	for i, col := range cols {
		grad[i] = floats.Dot(col, at.resid)/(sigma*sigma) - theta[i]*p.precision(i)
	}
	if p.growth == Logistic {
		u, dk, da := midpoint(theta)
		grad[0] -= u * dk
		grad[1] -= u * da
	}
	for j := range p.hinge {
		if d := theta[2+j]; d != 0 {
			grad[2+j] -= math.Copysign(1/p.tau, d)
		}
	}
	return at.rss/(sigma*sigma*sigma) - float64(len(p.y))/sigma - sigma/(sigmaScale*sigmaScale)
}

// minSigma keeps the noise of a series that the model reproduces exactly, whose
// posterior has no maximum, above zero: Prophet's own value for a constant one.
const minSigma = 1e-9

// bestSigma is the σ that maximises the posterior for a sum of squares: the root
// of 4σ⁴ + nσ² = rss, in the form that does not cancel.
func (p *posterior) bestSigma(rss float64) float64 {
	n := float64(len(p.y))
	q := 1 / (sigmaScale * sigmaScale)
	return math.Max(minSigma, math.Sqrt(2*rss/(n+math.Sqrt(n*n+4*q*rss))))
}
