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

func (o outcome) inside() bool { return o.real >= o.low && o.real <= o.high }

// block is what a stretch of time adds up to.
type block struct {
	begin                  int64 // number of the stretch
	n, moved, hits, inside int
	squares, base, drift   float64 // squared errors in widths
	absolute, plain        float64 // errors and squared errors of the return
}

func (b *block) add(o outcome) {
	width := max(o.high-o.low, 1e-12)
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
	blocks  []block // oldest first
}

const (
	maxBlocks    = 400
	minBlocks    = 4 // fewer say nothing about luck
	minBlockSpan = 300
	resamples    = 500
)

// add takes the outcome of a forecast that was made at a time; times do not
// fall by more than a block.
func (t *tally) add(made market.Time, o outcome) {
	span := int64(max(t.horizon, minBlockSpan)) * 1_000_000
	begin := int64(made) / span
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
	if len(t.blocks) == maxBlocks {
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
	s.Skill, s.Drift = skill(all.squares, all.base), skill(all.squares, all.drift)
	if len(t.blocks) >= minBlocks {
		t.bootstrap(&s)
	}
	s.Direction = t.share(func(b *block) (int, int) { return b.hits, b.moved })
	s.Coverage = t.share(func(b *block) (int, int) { return b.inside, b.n })
	return s
}

// unknown is the estimate of what nothing is known of.
func unknown() Estimate { return Estimate{Value: math.NaN(), Low: math.NaN(), High: math.NaN()} }

func skill(squares, base float64) Estimate {
	e := unknown()
	if base > 0 {
		e.Value = 1 - squares/base
	}
	return e
}

// bootstrap sets the intervals of the skills: blocks are drawn with
// replacement, as many as there are.
func (t *tally) bootstrap(s *Score) {
	random := rand.New(rand.NewPCG(uint64(t.horizon), 7))
	skills, drifts := make([]float64, resamples), make([]float64, resamples)
	for r := range resamples {
		var squares, base, drift float64
		for range t.blocks {
			b := &t.blocks[random.IntN(len(t.blocks))]
			squares += b.squares
			base += b.base
			drift += b.drift
		}
		skills[r], drifts[r] = skill(squares, base).Value, skill(squares, drift).Value
	}
	s.Skill.Low, s.Skill.High = percentiles(skills)
	s.Drift.Low, s.Drift.High = percentiles(drifts)
}

func percentiles(v []float64) (low, high float64) {
	slices.Sort(v)
	return v[len(v)*25/1000], v[len(v)-1-len(v)*25/1000]
}

// share is a share with Wilson's interval for the effective number of trials:
// that many independent ones would spread as much as the blocks do.
func (t *tally) share(of func(*block) (hits, n int)) Estimate {
	var hits, n float64
	for i := range t.blocks {
		h, k := of(&t.blocks[i])
		hits, n = hits+float64(h), n+float64(k)
	}
	e := unknown()
	if n == 0 {
		return e
	}
	e.Value = hits / n
	k := float64(len(t.blocks))
	if k < minBlocks {
		return e
	}
	var spread float64 // of the ratio, clustered by block
	for i := range t.blocks {
		h, m := of(&t.blocks[i])
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
