package xgboost

import "math"

// split is a way to part the rows of a node.
type split struct {
	gain        float32 // loss reduction; a split is worth it above leastGain
	feature     int32
	bin         int32   // last bin that goes left; −1 where only missing values do
	condition   float32 // x < condition goes left
	missingLeft bool
	left        sums // of the rows that go left
}

// leastGain is the library's kRtEps.
const leastGain = 1e-6

// replace takes the better split, of equals the one of the lower feature, and
// of one feature's the earlier.
func (s *split) replace(by *split) {
	if by.gain > s.gain || by.gain == s.gain && by.feature < s.feature {
		*s = *by
	}
}

// penalty is what of the settings decides on splits and leaves, in float32
// as the library has it, with the units of the fixed-point sums.
type penalty struct {
	lambda, alpha, gamma, minWeight float32
	rate                            float32
	gradientUnit, hessianUnit       float64
	minHessian                      int64 // minWeight in hessian units
}

func (p *penalty) gradient(s sums) float64 { return float64(s.gradient) * p.gradientUnit }
func (p *penalty) hessian(s sums) float64  { return float64(s.hessian) * p.hessianUnit }

// shrink is the gradient with the L1 penalty taken off.
func (p *penalty) shrink(g float64) float64 {
	a := float64(p.alpha)
	switch {
	case a == 0:
		return g
	case g > a:
		return g - a
	case g < -a:
		return g + a
	}
	return 0
}

// gain is what a leaf of those rows lowers the loss by, times two:
// G²/(H+λ) (Chen and Guestrin, equation 6).
func (p *penalty) gain(s sums) float32 {
	if s.hessian <= 0 {
		return 0
	}
	g := p.shrink(p.gradient(s))
	return float32(g*g) / float32(p.hessian(s)+float64(p.lambda))
}

// weight is the best value of a leaf of those rows, −G/(H+λ).
func (p *penalty) weight(s sums) float32 {
	h := p.hessian(s)
	if s.hessian <= 0 || h < float64(p.minWeight) {
		return 0
	}
	return float32(-p.shrink(p.gradient(s)) / (h + float64(p.lambda)))
}

// setUnits takes the fixed point's units.
func (p *penalty) setUnits(gradient, hessian float64) {
	p.gradientUnit, p.hessianUnit = gradient, hessian
	least := math.Ceil(float64(p.minWeight) / hessian)
	p.minHessian = math.MaxInt64
	if least < math.MaxInt64/2 {
		p.minHessian = max(1, int64(least))
	}
}

// divisible says whether two children of a node could have enough weight.
func (p *penalty) divisible(s sums) bool { return s.hessian/2 >= p.minHessian }

// prefix is the sums over the bins of a histogram from the first on, for
// those alone that are not empty: deep nodes have few.
type prefix struct {
	sums []sums
	bin  []int32
}

func newPrefix(bins int) prefix { return prefix{make([]sums, bins+1), make([]int32, bins+1)} }

// fill sums up a histogram and returns how many bins are not empty.
func (x *prefix) fill(hist []sums) (n int) {
	into, bins := x.sums[:len(hist)+1], x.bin[:len(hist)+1]
	var sum sums
	for i, bin := range hist {
		sum.gradient += bin.gradient
		sum.hessian += bin.hessian
		into[n], bins[n] = sum, int32(i)
		some := uint64(bin.gradient | bin.hessian)
		n += int((some | -some) >> 63) // without a branch, which would often be mispredicted
	}
	return n
}

// best finds the best split of a node by one feature, of the histogram hist
// (without the bin of missing values): from below with missing values on the
// right and, where there are any, from above with them on the left.
func (p *penalty) best(x *prefix, feature int, hist []sums, cuts []float32, lowest float32, total sums, own float32) split {
	found := split{feature: int32(feature)}
	n := x.fill(hist)
	if n == 0 {
		return found
	}
	below, bins := x.sums[:n], x.bin[:n]
	limit := total.hessian - p.minHessian
	first, last := 0, n
	for first < n && below[first].hessian < p.minHessian {
		first++
	}
	for last > first && below[last-1].hessian > limit {
		last--
	}
	at := -1
	if p.alpha == 0 {
		gu, hu, lambda := p.gradientUnit, p.hessianUnit, float64(p.lambda)
		tg, th := float64(total.gradient)*gu, float64(total.hessian)*hu
		for j, left := range below[first:last] {
			lg, lh := float64(left.gradient)*gu, float64(left.hessian)*hu
			rg, rh := tg-lg, th-lh
			gain := float32(lg*lg)/float32(lh+lambda) + float32(rg*rg)/float32(rh+lambda) - own
			if gain > found.gain {
				found.gain, at = gain, first+j
			}
		}
	} else {
		for j, left := range below[first:last] {
			gain := p.gain(left) + p.gain(total.less(left)) - own
			if gain > found.gain {
				found.gain, at = gain, first+j
			}
		}
	}
	if at >= 0 {
		found.left, found.bin = below[at], bins[at]
		found.condition = cuts[found.bin]
	}
	present := below[n-1]
	if present == total {
		return found
	}
	for j := n - 1; j >= 0; j-- {
		right := present
		if j > 0 {
			right = present.less(below[j-1])
		}
		if right.hessian < p.minHessian {
			continue
		}
		if right.hessian > limit {
			break
		}
		left := total.less(right)
		if gain := p.gain(left) + p.gain(right) - own; gain > found.gain {
			found.gain, found.bin, found.left, found.missingLeft = gain, bins[j]-1, left, true
			if found.condition = lowest; bins[j] > 0 {
				found.condition = cuts[bins[j]-1]
			}
		}
	}
	return found
}
