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

// best finds the best split of a node by one feature, of the histogram hist
// (without the bin of missing values): from below with missing values on the
// right and, where there are any, from above with them on the left.
func (p *penalty) best(feature int, hist []sums, cuts []float32, lowest float32, total sums, own float32) split {
	found := split{feature: int32(feature)}
	alpha := p.alpha != 0
	lambda := float64(p.lambda)
	gu, hu := p.gradientUnit, p.hessianUnit
	limit := total.hessian - p.minHessian
	var sum sums
	at := 0
	for i := range hist {
		bin := hist[i]
		if bin == (sums{}) {
			continue
		}
		sum.gradient += bin.gradient
		sum.hessian += bin.hessian
		if sum.hessian < p.minHessian {
			continue
		}
		if sum.hessian > limit {
			at = i + 1
			break
		}
		var gain float32
		if alpha {
			gain = p.gain(sum) + p.gain(sums{total.gradient - sum.gradient, total.hessian - sum.hessian})
		} else {
			lg, lh := float64(sum.gradient)*gu, float64(sum.hessian)*hu
			rg, rh := float64(total.gradient-sum.gradient)*gu, float64(total.hessian-sum.hessian)*hu
			gain = float32(lg*lg)/float32(lh+lambda) + float32(rg*rg)/float32(rh+lambda)
		}
		if gain -= own; gain > found.gain {
			found.gain, found.bin, found.left = gain, int32(i), sum
		}
	}
	if found.gain > 0 {
		found.condition = cuts[found.bin]
	}
	if at > 0 { // the loop stopped short
		for _, bin := range hist[at:] {
			sum.gradient += bin.gradient
			sum.hessian += bin.hessian
		}
	}
	if sum == total {
		return found
	}
	sum = sums{}
	for i := len(hist) - 1; i >= 0; i-- {
		bin := hist[i]
		if bin == (sums{}) {
			continue
		}
		sum.gradient += bin.gradient
		sum.hessian += bin.hessian
		if sum.hessian < p.minHessian {
			continue
		}
		if sum.hessian > limit {
			break
		}
		left := sums{total.gradient - sum.gradient, total.hessian - sum.hessian}
		if gain := p.gain(left) + p.gain(sum) - own; gain > found.gain {
			found.gain, found.bin, found.left, found.missingLeft = gain, int32(i-1), left, true
			if found.condition = lowest; i > 0 {
				found.condition = cuts[i-1]
			}
		}
	}
	return found
}
