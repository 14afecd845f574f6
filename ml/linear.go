package ml

import (
	"fmt"

	"gonum.org/v1/gonum/mat"

	"tapedeck/ml/features"
)

// linear is a ridge regression for each horizon on the rows that a forest
// sees: what a model with no idea of interactions would have said. It is
// shrunk and cut like the models that it stands beside.
type linear struct {
	lags    []int
	weights [][]float64 // by horizon; the last is the constant
	shrink  []float64
}

// ridge is the penalty on each weight but the constant, as a share of the rows.
const ridge = 0.01

// linear fits the regression to what the training may see.
func (t *training) linear() (*linear, error) {
	l := &linear{lags: t.config.Lags}
	cols := len(l.lags)*features.Count + 1
	fit, held := t.lagged(t.fit), t.lagged(t.held)
	for _, horizon := range t.config.Horizons {
		targets := t.known(t.fit, horizon, t.config.Relative, t.heldAt)
		gram, moments := mat.NewSymDense(cols, nil), mat.NewVecDense(cols, nil)
		row := make([]float64, cols)
		n := 0
		for i, target := range targets {
			if target != target {
				continue
			}
			n++
			for k, v := range fit[i*(cols-1) : (i+1)*(cols-1)] {
				row[k] = float64(v)
			}
			row[cols-1] = 1
			x := mat.NewVecDense(cols, row)
			gram.SymRankOne(gram, 1, x)
			moments.AddScaledVec(moments, float64(target), x)
		}
		if n < 10*cols {
			return nil, fmt.Errorf("%w: %d rows to fit a linear model of %s to", ErrData, n, words(horizon))
		}
		for k := range cols - 1 {
			gram.SetSym(k, k, gram.At(k, k)+ridge*float64(n))
		}
		var cholesky mat.Cholesky
		if !cholesky.Factorize(gram) {
			return nil, fmt.Errorf("the linear model of %s has no solution", words(horizon))
		}
		solution := mat.NewVecDense(cols, nil)
		if err := cholesky.SolveVecTo(solution, moments); err != nil {
			return nil, fmt.Errorf("the linear model of %s: %w", words(horizon), err)
		}
		w := solution.RawVector().Data
		answers := make([]float32, len(t.held))
		for i := range answers {
			answers[i] = float32(dot(w, held[i*(cols-1):(i+1)*(cols-1)]))
		}
		c := calibrate(horizon, answers, t.known(t.held, horizon, t.config.Relative, t.until), nil)
		l.weights, l.shrink = append(l.weights, w), append(l.shrink, c.Shrink)
	}
	return l, nil
}

// lagged are the rows of a list as a forest sees them, one after the other.
func (t *training) lagged(list []sample) []float32 {
	cols := len(t.config.Lags) * features.Count
	values := make([]float32, len(list)*cols)
	for i, s := range list {
		t.data.lagged(s, t.config.Lags, values[i*cols:(i+1)*cols])
	}
	return values
}

// dot is w·(x, 1).
func dot(w []float64, x []float32) float64 {
	sum := w[len(w)-1]
	for k, v := range x {
		sum += w[k] * float64(v)
	}
	return sum
}

// answer is the expected return, in units of volatility × √minutes.
func (l *linear) answer(h int, row []float32) float64 {
	return l.shrink[h] * min(max(dot(l.weights[h], row), -maxTarget), maxTarget)
}
