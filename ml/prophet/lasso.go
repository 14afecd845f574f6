package prophet

import (
	"context"
	"errors"
	"math"
	"sort"

	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack/lapack64"
	"gonum.org/v1/gonum/mat"
)

// lasso minimises ½z'Az − b'z + Σ w_i|z_i| exactly for a positive definite A of
// p × p, starting from z and leaving the solution there. Entries with w 0 are
// not penalised. The method is the feature-sign search of Lee, Battle, Raina and
// Ng ("Efficient sparse coding algorithms", NIPS 2006): it solves for a guess of
// the signs, walks to the minimum along that line, dropping what reaches zero,
// and lets in the entry whose zero is least justified, until none is.
type lasso struct {
	a      *mat.SymDense
	b, w   []float64
	active []int
	sign   []float64 // of active entries with w > 0
}

func (l *lasso) solve(ctx context.Context, z []float64) error {
	p := len(z)
	l.sign = make([]float64, p)
	l.active = l.active[:0]
	banned := make([]bool, p) // entered against their own direction, by rounding
	for i := range z {
		if l.w[i] == 0 || z[i] != 0 {
			l.active = append(l.active, i)
			l.sign[i] = signum(z[i])
		}
	}
	for range 20*p + 100 {
		if err := ctx.Err(); err != nil {
			return err
		}
		full, err := l.step(z, banned)
		if err != nil {
			return err
		}
		if full && !l.enter(z, banned) {
			return nil
		}
	}
	return nil // rounding: z is as good as this arithmetic makes it
}

// step moves the active entries to the minimum along the line to their solution
// for the present signs, and reports whether it went all the way.
func (l *lasso) step(z []float64, banned []bool) (bool, error) {
	n := len(l.active)
	if n == 0 {
		return true, nil
	}
	sub, factor := mat.NewSymDense(n, nil), mat.NewSymDense(n, nil)
	rhs := mat.NewVecDense(n, nil)
	for r, i := range l.active {
		rhs.SetVec(r, l.b[i]-l.w[i]*l.sign[i])
		for c := r; c < n; c++ {
			sub.SetSym(r, c, l.a.At(i, l.active[c]))
		}
	}
	chol, err := factorize(sub, factor)
	if err != nil {
		return false, err
	}
	lapack64.Potrs(chol, blas64.General{Rows: n, Cols: 1, Stride: 1, Data: rhs.RawVector().Data})
	type crossing struct {
		at   float64
		row  int
		jump float64
	}
	var crossings []crossing
	d := mat.NewVecDense(n, nil)
	for r, i := range l.active {
		d.SetVec(r, rhs.AtVec(r)-z[i])
		switch to := rhs.AtVec(r); {
		case l.w[i] == 0:
		case z[i] == 0 && to*l.sign[i] < 0:
			banned[i] = true
			l.active = append(l.active[:r], l.active[r+1:]...)
			return false, nil
		case z[i]*to < 0 || z[i] != 0 && to == 0:
			crossings = append(crossings, crossing{z[i] / (z[i] - to), r, 2 * l.w[i] * math.Abs(d.AtVec(r))})
		}
	}
	if len(crossings) == 0 {
		for r, i := range l.active {
			z[i] = rhs.AtVec(r)
		}
		return true, nil
	}
	// Along z + αd the objective is convex with derivative −c(1−α) plus a jump at
	// every crossing.
	sort.Slice(crossings, func(a, b int) bool { return crossings[a].at < crossings[b].at })
	c := mat.Inner(d, sub, d)
	jumps, alpha, landed := 0.0, 1.0, -1
	for _, x := range crossings {
		if -c*(1-x.at)+jumps >= 0 {
			break
		}
		jumps += x.jump
		if -c*(1-x.at)+jumps >= 0 {
			alpha, landed = x.at, x.row
			break
		}
	}
	if landed < 0 {
		alpha = max(0, 1-jumps/c)
	}
	for r, i := range l.active {
		z[i] += alpha * d.AtVec(r)
		if l.w[i] > 0 {
			l.sign[i] = signum(z[i])
		}
	}
	keep := l.active[:0]
	for r, i := range l.active {
		if l.w[i] > 0 && (r == landed || z[i] == 0) {
			z[i] = 0
			continue
		}
		keep = append(keep, i)
	}
	l.active = keep
	return false, nil
}

// factorize gives the Cholesky factor of a, in place of factor. It lifts the
// diagonal of a where columns are equal to rounding. (mat.Cholesky would also
// estimate the condition, which costs more than the rest.)
func factorize(a, factor *mat.SymDense) (blas64.Triangular, error) {
	n := a.SymmetricDim()
	for lift := 1e-14; lift < 1e-3; lift *= 100 {
		factor.CopySym(a)
		if chol, ok := lapack64.Potrf(factor.RawSymmetric()); ok {
			return chol, nil
		}
		for i := range n {
			a.SetSym(i, i, a.At(i, i)*(1+lift)+math.SmallestNonzeroFloat64)
		}
	}
	return blas64.Triangular{}, errors.New("the features cannot be told apart: give fewer seasonalities or changepoints")
}

// enter lets in the zero entry with the largest gradient beyond its penalty.
func (l *lasso) enter(z []float64, banned []bool) bool {
	best, worst := -1, 0.0
	slope := 0.0
	for i, v := range z {
		if l.w[i] == 0 || v != 0 || banned[i] {
			continue
		}
		g := -l.b[i]
		for _, j := range l.active {
			g += l.a.At(i, j) * z[j]
		}
		if excess := math.Abs(g)/l.w[i] - 1; excess > 1e-9 && excess > worst {
			best, worst, slope = i, excess, g
		}
	}
	if best < 0 {
		return false
	}
	l.sign[best] = -signum(slope)
	l.active = append(l.active, best)
	return true
}

func signum(x float64) float64 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return 0
}
