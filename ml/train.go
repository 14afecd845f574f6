package ml

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"tapedeck/ml/features"
	"tapedeck/pipeline/market"
)

// ErrData is in the chain of errors about a history that is too short to train
// or to score on.
var ErrData = errors.New("not enough history")

// Progress is where a training or a walk-forward stands.
type Progress struct {
	Model      string  // its kind
	Stage      string  // in words, such as "forest for 5m"
	Fraction   float64 // of the whole, 0 to 1
	Horizon    int32   // that is being fitted; 0: all
	Round      int     // finished, from 1; 0: the numbers below do not count
	Train      float64 // mean squared error, in units of volatility × √minutes
	Validation float64 // the same of the held-out rows
}

// Train fits a model of a kind, XGBoost or LSTM, to all of a history.
//
// The split is by time: the newest share of the minutes is held out, and rows
// whose outcome reaches into it are left out of the fit (of the forests each by
// its own horizon, of the network by the longest). The held-out rows stop the
// fit early, set the shrinkage and calibrate the interval. The same data,
// configuration and seed give the same weights. Progress, if not nil, is called
// from the calling goroutine. A cancelled ctx ends training with its error.
func Train(ctx context.Context, kind string, data *Data, c Config, progress func(Progress)) (*Model, error) {
	_, last := data.Span()
	return trainUntil(ctx, kind, data, last.Add(time.Minute), c, progress)
}

// trainUntil is Train on what was known at a time: bars that ended by then.
func trainUntil(ctx context.Context, kind string, data *Data, until market.Time, c Config, progress func(Progress)) (*Model, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("train %s: %w", kind, err)
	}
	if progress == nil {
		progress = func(Progress) {}
	}
	began := time.Now()
	t := &training{data: data, config: c, progress: func(p Progress) { p.Model = kind; progress(p) }}
	if err := t.split(until); err != nil {
		return nil, fmt.Errorf("train %s: %w", kind, err)
	}
	made := c.Made
	if made == 0 {
		made = market.At(began)
	}
	m := &Model{manifest: Manifest{
		Format: ManifestFormat, Name: kind, Version: c.Version, Made: made,
		FeaturesVersion: features.Version, Features: features.Names[:], Window: features.Window,
		Horizons: slices.Clone(c.Horizons), Seed: c.Seed, Relative: c.Relative,
		Training: Training{From: t.from, To: until.Add(-time.Minute), Symbols: data.Symbols(),
			Rows: len(t.fit), HeldOut: len(t.held)},
	}}
	if m.manifest.Version == "" {
		m.manifest.Version = version(kind, made, c.Seed)
	}
	var err error
	switch kind {
	case XGBoost:
		err = t.forests(ctx, m)
	case LSTM:
		err = t.network(ctx, m)
	default:
		err = fmt.Errorf("no such kind of model; one of %s, %s", XGBoost, LSTM)
	}
	if err != nil {
		return nil, fmt.Errorf("train %s: %w", kind, err)
	}
	m.manifest.Training.Seconds = math.Round(time.Since(began).Seconds()*1000) / 1000
	t.progress(Progress{Stage: "trained", Fraction: 1})
	return m, nil
}

// version is an id that sorts by the time of making.
func version(kind string, made market.Time, seed uint64) string {
	h := fnv.New32a()
	fmt.Fprintf(h, "%s %d %d", kind, made, seed)
	return fmt.Sprintf("%s-%04x", made.Std().Format("20060102T150405Z"), h.Sum32()&0xffff)
}

// training is one fit.
type training struct {
	data     *Data
	config   Config
	progress func(Progress)

	from   market.Time
	until  market.Time // nothing later is known
	heldAt market.Time // first held-out minute
	spared int         // held-out minutes
	fit    []sample    // before it, at most MaxRows, in order
	held   []sample
}

// Fewest minutes to fit to and to hold out: below them there is nothing to learn.
const (
	minFit  = 20
	minHeld = 8
)

// leastMinutes is how many minutes there must be to fit to, to leave between
// and to hold out.
func (c *Config) leastMinutes() int { return minFit + minHeld + 2*int(c.longest()/60) }

func (t *training) split(until market.Time) error {
	t.until = until
	shortest := time.Duration(t.config.Horizons[0]) * time.Second
	minutes := t.data.times
	end, _ := slices.BinarySearch(minutes, until.Add(-shortest))
	minutes = minutes[:end]
	held := max(int(float64(len(minutes))*t.config.HeldOut), int(t.config.longest()/60)+minHeld)
	if len(minutes) < t.config.leastMinutes() {
		return fmt.Errorf("%w: %d minutes of features, want %d or more; the first come after half an hour of bars",
			ErrData, len(minutes), t.config.leastMinutes())
	}
	t.from, t.heldAt, t.spared = minutes[0], minutes[len(minutes)-held], held
	t.fit = t.data.samples(minutes[0], t.heldAt.Add(-shortest))
	t.held = t.data.samples(t.heldAt, until)
	random := rand.New(rand.NewPCG(t.config.Seed, 1))
	t.fit = draw(random, t.fit, t.config.MaxRows)
	t.held = draw(random, t.held, max(t.config.MaxRows/2, 1000))
	return nil
}

// draw keeps n samples of a list at random, in order.
func draw(random *rand.Rand, list []sample, n int) []sample {
	if len(list) <= n {
		return list
	}
	out := make([]sample, 0, n)
	for i, s := range list { // selection sampling: Knuth, TAOCP 2, 3.4.2 S
		if random.IntN(len(list)-i) < n-len(out) {
			out = append(out, s)
		}
	}
	return out
}

// known are the targets of rows for a horizon; NaN where the outcome was not
// there before a time.
func (t *training) known(list []sample, horizon int32, relative bool, before market.Time) []float32 {
	out := t.data.targets(list, horizon, relative)
	for i, s := range list {
		if t.data.time(s).Add(time.Minute+time.Duration(horizon)*time.Second) > before {
			out[i] = float32(math.NaN())
		}
	}
	return out
}

// with are the indices of targets that are there.
func with(targets []float32) []int {
	var list []int
	for i, v := range targets {
		if v == v {
			list = append(list, i)
		}
	}
	return list
}

func words(horizon int32) string {
	d := time.Duration(horizon) * time.Second
	if d%time.Hour == 0 {
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dm", d/time.Minute)
}
