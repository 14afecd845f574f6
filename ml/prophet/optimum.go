package prophet

import (
	"context"
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// search climbs the log posterior. Each step replaces the mean by its tangent,
// solves the penalised least squares that remain exactly (lasso), goes along
// that direction as far as the posterior rises, and sets σ to its best value.
// Where the mean is linear in θ the tangent is the mean: then only σ iterates.
type search struct {
	p     *posterior
	theta []float64
	sigma float64
	value float64
	here  *mean
	next  *mean
	cols  [][]float64
	gram  *mat.SymDense // J'J
	trial []float64
	solve lasso
}

const (
	maxSteps = 300
	// A climb ends when two steps in a row gain less, relative to the posterior.
	stopGain = 1e-13
)

// climb runs to the top of the posterior that is reached from theta, which it
// overwrites. Where the mean is linear it takes over the products of an earlier
// climb on the same data; that one may be nil.
func (p *posterior) climb(ctx context.Context, theta []float64, earlier *search) (*search, error) {
	n, size := len(p.t), p.size()
	linear, small := p.linear(), 0
	s := &search{p: p, theta: theta, here: newMean(n), next: newMean(n), trial: make([]float64, size)}
	known := linear && earlier != nil
	if known {
		s.cols, s.gram = earlier.cols, earlier.gram
	} else {
		s.cols, s.gram = matrix(size, n), mat.NewSymDense(size, nil)
	}
	s.solve = lasso{a: mat.NewSymDense(size, nil), b: make([]float64, size), w: make([]float64, size)}
	p.at(s.theta, s.here)
	s.settle()
	for step := range maxSteps {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if step == 0 && !known || !linear {
			p.jacobian(s.theta, s.here, s.cols)
			s.multiply()
		}
		before := s.value
		if err := s.step(ctx, linear); err != nil {
			return nil, err
		}
		if s.value-before > stopGain*(1+math.Abs(s.value)) {
			small = 0
		} else if small++; small == 2 {
			break
		}
	}
	if math.IsNaN(s.value) || math.IsInf(s.value, 0) {
		return nil, fmt.Errorf("the fit gave no finite posterior: scale the values to a range of ordinary numbers")
	}
	return s, nil
}

// multiply computes J'J.
func (s *search) multiply() {
	n, size := len(s.p.t), len(s.cols)
	j := blas64.General{Rows: size, Cols: n, Stride: n, Data: s.cols[0][:n*size]} // transposed
	blas64.Syrk(blas.NoTrans, 1, j, 0, s.gram.RawSymmetric())
}

// settle sets σ to its best value for the residuals here.
func (s *search) settle() {
	s.sigma = s.p.bestSigma(s.here.rss)
	s.value = s.p.value(s.theta, s.sigma, s.here.rss)
}

// step makes one step at the present σ. Everything is multiplied by σ², so that
// a vanishing σ turns the priors off rather than the data up.
func (s *search) step(ctx context.Context, linear bool) error {
	p, size := s.p, s.p.size()
	v := s.sigma * s.sigma
	for i := range size {
		for j := i; j < size; j++ {
			s.solve.a.SetSym(i, j, s.gram.At(i, j))
		}
	}
	// b = J'r + J'Jθ
	for i, col := range s.cols {
		s.solve.b[i] = floats.Dot(col, s.here.resid)
	}
	for i := range size {
		for j := range size {
			s.solve.b[i] += s.gram.At(i, j) * s.theta[j]
		}
		s.solve.a.SetSym(i, i, s.gram.At(i, i)+v*p.precision(i))
		s.solve.w[i] = 0
	}
	if p.growth == Logistic {
		u, dk, da := midpoint(s.theta)
		s.solve.b[0] -= v * u * dk
		s.solve.b[1] -= v * u * da
		s.solve.a.SetSym(0, 0, s.solve.a.At(0, 0)+v*dk*dk)
		s.solve.a.SetSym(0, 1, s.solve.a.At(0, 1)+v*dk*da)
		s.solve.a.SetSym(1, 1, s.solve.a.At(1, 1)+v*da*da)
	}
	for j := range p.hinge {
		s.solve.w[2+j] = v / p.tau
	}
	z := append([]float64{}, s.theta...)
	if err := s.solve.solve(ctx, z); err != nil {
		return err
	}
	for fraction := 1.0; fraction > 1e-10; fraction /= 2 {
		for i := range z {
			s.trial[i] = s.theta[i] + fraction*(z[i]-s.theta[i])
		}
		if fraction == 1 {
			copy(s.trial, z)
		}
		p.at(s.trial, s.next)
		sigma := p.bestSigma(s.next.rss)
		if value := p.value(s.trial, sigma, s.next.rss); value > s.value {
			s.theta, s.trial = s.trial, s.theta
			s.here, s.next = s.next, s.here
			s.sigma, s.value = sigma, value
			return nil
		}
		if linear {
			return nil
		}
	}
	return nil
}
