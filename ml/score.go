package ml

import (
	"math"
	"math/rand/v2"
	"slices"

	"tapedeck/pipeline/market"
)

// Estimate and Score are the market's nouns for what forecasts are worth.
type (
	Estimate = market.Estimate
	Score    = market.Score
)

// outcome of one forecast.
type outcome struct {
	mean, low, high float64 // log returns
	drift           float64 // what the mean return so far would have said
	real            float64
}

// width of the interval, in which errors are measured.
func (o outcome) width() float64 { return max(o.high-o.low, 1e-12) }

func (o outcome) inside() bool { return o.real >= o.low && o.real <= o.high }

// block is what a stretch of time adds up to.
type block struct {
	begin                  int64 // number of the stretch
	n, moved, hits, inside int
	squares, base, drift   float64 // squared errors in widths
	absolute, plain        float64 // errors and squared errors of the return
}

func (b *block) add(o outcome) {
	width := o.width()
	b.n++
	e := o.real - o.mean
	b.squares += e * e / (width * width)
	b.base += o.real * o.real / (width * width)
	d := o.real - o.drift
	b.drift += d * d / (width * width)
	b.absolute += math.Abs(e)
	b.plain += e * e
	if o.inside() {
		b.inside++
	}
	if o.real != 0 && o.mean != 0 {
		b.moved++
		if (o.real > 0) == (o.mean > 0) {
			b.hits++
		}
	}
}

func (b *block) merge(o *block) {
	b.n += o.n
	b.moved += o.moved
	b.hits += o.hits
	b.inside += o.inside
	b.squares += o.squares
	b.base += o.base
	b.drift += o.drift
	b.absolute += o.absolute
	b.plain += o.plain
}

// tally keeps the blocks of the newest forecasts of a horizon.
type tally struct {
	horizon int32
	limit   int     // most blocks, after which the oldest go; 0: all are kept
	blocks  []block // oldest first
}

const (
	maxBlocks    = 400 // of a live record
	minBlocks    = 4   // fewer say nothing about luck
	minBlockSpan = 300
	resamples    = 500
)

// add takes the outcome of a forecast that was made at a time; times do not
// fall by more than a block.
func (t *tally) add(made market.Time, o outcome) {
	begin := int64(made) / (int64(max(t.horizon, minBlockSpan)) * 1_000_000)
	for i := len(t.blocks) - 1; i >= 0 && i >= len(t.blocks)-2; i-- {
		if t.blocks[i].begin == begin {
			t.blocks[i].add(o)
			return
		}
	}
	if len(t.blocks) > 0 && t.blocks[len(t.blocks)-1].begin > begin {
		t.blocks[len(t.blocks)-1].add(o)
		return
	}
	if t.limit > 0 && len(t.blocks) == t.limit {
		t.blocks = slices.Delete(t.blocks, 0, 1)
	}
	b := block{begin: begin}
	b.add(o)
	t.blocks = append(t.blocks, b)
}

// score is what the blocks say.
func (t *tally) score() Score {
	s := Score{Horizon: t.horizon, Blocks: len(t.blocks)}
	var all block
	for i := range t.blocks {
		all.merge(&t.blocks[i])
	}
	none := unknown()
	s.N = all.n
	if all.n == 0 {
		s.Skill, s.Drift, s.Direction, s.Coverage = none, none, none, none
		return s
	}
	s.MAE, s.RMSE = all.absolute/float64(all.n), math.Sqrt(all.plain/float64(all.n))
	squares := func(b *block) float64 { return b.squares }
	s.Skill = skillOf(t.blocks, squares, func(b *block) float64 { return b.base })
	s.Drift = skillOf(t.blocks, squares, func(b *block) float64 { return b.drift })
	s.Direction = share(t.blocks, func(b *block) (int, int) { return b.hits, b.moved })
	s.Coverage = share(t.blocks, func(b *block) (int, int) { return b.inside, b.n })
	return s
}

// unknown is the estimate of what nothing is known of.
func unknown() Estimate { return Estimate{Value: math.NaN(), Low: math.NaN(), High: math.NaN()} }

// skill is 1 − squares/base, without an interval.
func skill(squares, base float64) Estimate {
	e := unknown()
	if base > 0 {
		e.Value = 1 - squares/base
	}
	return e
}

// skillOf is 1 − the ratio of two sums over blocks, with its interval.
func skillOf[B any](blocks []B, squares, base func(*B) float64) Estimate {
	r := ratio(blocks, squares, base)
	return Estimate{Value: 1 - r.Value, Low: 1 - r.High, High: 1 - r.Low}
}

// ratio is the ratio of two sums over blocks. Its interval is of a bootstrap:
// blocks are drawn with replacement, as many as there are.
func ratio[B any](blocks []B, over, under func(*B) float64) Estimate {
	var a, b float64
	parts := make([][2]float64, len(blocks))
	for i := range blocks {
		parts[i] = [2]float64{over(&blocks[i]), under(&blocks[i])}
		a, b = a+parts[i][0], b+parts[i][1]
	}
	e := unknown()
	if !(b > 0) {
		return e
	}
	e.Value = a / b
	if len(blocks) < minBlocks {
		return e
	}
	random := rand.New(rand.NewPCG(uint64(len(blocks)), 7))
	values := make([]float64, 0, resamples)
	for range resamples {
		a, b = 0, 0
		for range parts {
			p := &parts[random.IntN(len(parts))]
			a, b = a+p[0], b+p[1]
		}
		if b > 0 {
			values = append(values, a/b)
		}
	}
	if len(values) > 0 {
		e.Low, e.High = percentiles(values)
	}
	return e
}

func percentiles(v []float64) (low, high float64) {
	slices.Sort(v)
	return v[len(v)*25/1000], v[len(v)-1-len(v)*25/1000]
}

// share is a share with Wilson's interval for the effective number of trials:
// that many independent ones would spread as much as the blocks do.
func share[B any](blocks []B, of func(*B) (hits, n int)) Estimate {
	var hits, n float64
	for i := range blocks {
		h, k := of(&blocks[i])
		hits, n = hits+float64(h), n+float64(k)
	}
	e := unknown()
	if n == 0 {
		return e
	}
	e.Value = hits / n
	k := float64(len(blocks))
	if k < minBlocks {
		return e
	}
	var spread float64 // of the ratio, clustered by block
	for i := range blocks {
		h, m := of(&blocks[i])
		d := float64(h) - e.Value*float64(m)
		spread += d * d
	}
	spread *= k / (k - 1) / (n * n)
	effective := n
	if spread > 0 {
		effective = min(n, max(e.Value*(1-e.Value)/spread, 1))
	}
	e.Low, e.High = wilson(e.Value, effective)
	return e
}

// wilson is the score interval of a share of n trials, 95 %.
func wilson(p, n float64) (low, high float64) {
	const z = 1.959963984540054
	middle := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return max(middle-half, 0), min(middle+half, 1)
}
