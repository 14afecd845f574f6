package lstm

import "math"

// Adam's constants, those of Keras (Kingma and Ba 2015, in the form with the
// corrections moved into the rate).
const (
	adamBeta1   = 0.9
	adamBeta2   = 0.999
	adamEpsilon = 1e-7
)

// adam is the optimiser's memory for one array of weights.
type adam struct {
	mean, square []float32
}

func newAdam(n int) adam { return adam{make([]float32, n), make([]float32, n)} }

// adamRate is the learning rate of a step, which counts from 1.
func adamRate(rate float64, step int) float32 {
	n := float64(step)
	return float32(rate * math.Sqrt(1-math.Pow(adamBeta2, n)) / (1 - math.Pow(adamBeta1, n)))
}

// update moves the weights from first on against their gradient times scale.
func (a *adam) update(weights, gradient []float32, first int, rate, scale float32) {
	gradient = gradient[:len(weights)]
	mean, square := a.mean[first:][:len(weights)], a.square[first:][:len(weights)]
	for i, g := range gradient {
		g *= scale
		m := mean[i] + (g-mean[i])*(1-adamBeta1)
		v := square[i] + (g*g-square[i])*(1-adamBeta2)
		mean[i], square[i] = m, v
		weights[i] -= rate * m / (float32(math.Sqrt(float64(v))) + adamEpsilon)
	}
}
