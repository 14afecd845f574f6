package ml

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"tapedeck/ml/features"
	"tapedeck/pipeline/market"
)

// Walk is how history is forecast as if it were live: it is cut into folds by
// time, and each is forecast by a model that was trained on nothing but what
// was known when the fold began.
type Walk struct {
	Folds int           // models that are trained one after the other
	Since market.Time   // first minute to forecast; 0: after the first third of the minutes, or as soon as a model can be
	Every time.Duration // between forecasts of a symbol, whole minutes; 0: each minute

	// Embargo is a pause between the last minute that the model of a fold knows
	// in any way and the first that it forecasts, whole minutes. What a model is
	// fitted to is purged without it: no row's outcome reaches beyond its time.
	Embargo time.Duration

	// Predictions makes Record.Predictions.
	Predictions bool
}

// Record is what a walk-forward gave.
type Record struct {
	Scores      []Score             // by horizon
	Predictions []market.Prediction // in the order of their bars, BackFilled, where Walk asked for them
	Models      int                 // that were trained
}

// WalkForward forecasts history with models of a kind and scores them. The
// intervals adapt as live ones do (Band), with what had come due by then.
func WalkForward(ctx context.Context, kind string, data *Data, c Config, w Walk, progress func(Progress)) (*Record, error) {
	return walkForward(ctx, kind, data, c, w, nil, progress)
}

// walkForward is WalkForward with, perhaps, a judge beside it.
func walkForward(ctx context.Context, kind string, data *Data, c Config, w Walk, judge *judge, progress func(Progress)) (*Record, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("score %s: %w", kind, err)
	}
	starts, err := w.starts(data, &c)
	if err != nil {
		return nil, fmt.Errorf("score %s: %w", kind, err)
	}
	if progress == nil {
		progress = func(Progress) {}
	}
	f := &forward{data: data, horizons: c.Horizons, walk: w, judge: judge, tallies: make([]tally, len(c.Horizons)), due: make([][]waiting, len(c.Horizons))}
	for h := range f.tallies {
		f.tallies[h].horizon = c.Horizons[h]
	}
	for k, start := range starts {
		fold := c
		fold.Version, fold.Made = "", start
		known := start.Add(-w.Embargo)
		if judge != nil {
			t := &training{data: data, config: fold}
			if err := t.split(known); err != nil {
				return nil, fmt.Errorf("score %s: %w", kind, err)
			}
			if err := judge.fold(t); err != nil {
				return nil, fmt.Errorf("score %s: %w", kind, err)
			}
		}
		model, err := trainUntil(ctx, kind, data, known, fold, func(p Progress) {
			p.Fraction = (float64(k) + p.Fraction) / float64(len(starts))
			p.Stage = fmt.Sprintf("fold %d of %d: %s", k+1, len(starts), p.Stage)
			progress(p)
		})
		if err != nil {
			return nil, err
		}
		end := market.Time(0)
		if k+1 < len(starts) {
			end = starts[k+1]
		}
		if err := f.fold(ctx, model, start, end); err != nil {
			return nil, err
		}
	}
	f.settle(math.MaxInt64)
	r := &Record{Predictions: f.predictions, Models: len(starts)}
	for h := range f.tallies {
		r.Scores = append(r.Scores, f.tallies[h].score())
	}
	return r, nil
}

// Backfill forecasts the newest part of a history with a walk-forward, for a
// chart that has no live forecasts yet.
func Backfill(ctx context.Context, kind string, data *Data, c Config, w Walk, progress func(Progress)) ([]market.Prediction, error) {
	w.Predictions = true
	r, err := WalkForward(ctx, kind, data, c, w, progress)
	if err != nil {
		return nil, err
	}
	return r.Predictions, nil
}

// starts are the times at which folds begin.
func (w *Walk) starts(data *Data, c *Config) ([]market.Time, error) {
	if w.Folds < 1 || w.Folds > 1000 {
		return nil, fmt.Errorf("%d folds, want 1 to 1000", w.Folds)
	}
	if w.Every%time.Minute != 0 || w.Every < 0 {
		return nil, errors.New("forecasts are made every whole number of minutes")
	}
	if w.Embargo%time.Minute != 0 || w.Embargo < 0 {
		return nil, errors.New("the embargo is a whole number of minutes")
	}
	least := c.leastMinutes() + int(c.Horizons[0]/60) + int(w.Embargo/time.Minute)
	minutes := data.times
	first := max(len(minutes)/3, least)
	for w.Since != 0 && first < len(minutes) && minutes[first] < w.Since {
		first++
	}
	if len(minutes)-first < w.Folds {
		return nil, fmt.Errorf("%w: %d minutes of features, of which the first %d are to train on", ErrData, len(minutes), first)
	}
	var starts []market.Time
	for k := range w.Folds {
		starts = append(starts, minutes[first+k*(len(minutes)-first)/w.Folds])
	}
	return starts, nil
}

// forward is a walk under way.
type forward struct {
	data     *Data
	horizons []int32
	walk     Walk
	judge    *judge // nil: none

	band        Band
	tallies     []tally
	due         [][]waiting // by horizon, oldest first
	predictions []market.Prediction
}

// waiting is a forecast whose outcome is to come.
type waiting struct {
	sample
	at              market.Time // of the row
	mean, low, high float32
	linear, usual   float32 // for a judge
}

// fold forecasts the rows of start <= Time < end.
func (f *forward) fold(ctx context.Context, model *Model, start, end market.Time) error {
	list := f.data.samples(start, end)
	out := make([]float32, 0)
	every := market.Time(max(f.walk.Every, time.Minute).Microseconds())
	for i := 0; i < len(list); {
		t := f.data.time(list[i])
		j := i
		for j < len(list) && f.data.time(list[j]) == t {
			j++
		}
		if t%every == 0 {
			f.settle(t)
			batch := f.data.batch(list[i:j])
			out = append(out[:0], make([]float32, batch.Rows*len(f.horizons)*Outputs)...)
			if err := model.Predict(ctx, batch, out); err != nil {
				return err
			}
			f.band.Widen(f.horizons, out)
			f.keep(model, list[i:j], t, out)
		}
		i = j
	}
	return nil
}

func (f *forward) keep(model *Model, list []sample, t market.Time, out []float32) {
	for i, s := range list {
		for h, horizon := range f.horizons {
			o := out[(i*len(f.horizons)+h)*Outputs:][:Outputs]
			w := waiting{sample: s, at: t, mean: o[0], low: o[1], high: o[2]}
			if f.judge != nil {
				w.linear, w.usual = f.judge.simple(s, h), float32(f.judge.usual[s.series][h])
			}
			f.due[h] = append(f.due[h], w)
			if f.walk.Predictions {
				p := prediction(f.data.series[s.series].symbol, &model.manifest, t, f.data.series[s.series].close[s.row], horizon, o)
				p.Made, p.BackFilled = t.Add(time.Minute), true
				f.predictions = append(f.predictions, p)
			}
		}
	}
}

// settle scores what had come due when the row at t was there.
func (f *forward) settle(t market.Time) {
	for h, horizon := range f.horizons {
		queue := f.due[h]
		n := 0
		for ; n < len(queue) && queue[n].at+market.Time(horizon)*1e6 <= t; n++ {
			w := &queue[n]
			real, ok := f.data.outcome(w.sample, horizon)
			if !ok {
				continue
			}
			o := outcome{mean: float64(w.mean), low: float64(w.low), high: float64(w.high), real: real,
				drift: float64(f.data.series[w.series].drift[w.row]) * float64(horizon/60)}
			f.band.Observe(horizon, w.at, o.inside())
			f.tallies[h].add(w.at, o)
			if f.judge != nil {
				f.judge.take(w, h, o)
			}
		}
		f.due[h] = queue[n:]
	}
}

// prediction makes of returns prices.
func prediction(symbol string, m *Manifest, bar market.Time, base float64, horizon int32, returns []float32) market.Prediction {
	return market.Prediction{Symbol: symbol, Model: m.Name, Version: m.Version, Bar: bar, Horizon: horizon, Base: base,
		Mean: base * math.Exp(float64(returns[0])), Low: base * math.Exp(float64(returns[1])), High: base * math.Exp(float64(returns[2]))}
}

// Predictions makes of what a Predictor answered about a frame the records of
// the predictions topic: name and version are the model's, made is now. Answers
// that are not finite, or whose interval does not hold the mean, are left out.
func Predictions(dst []market.Prediction, m *Manifest, f *features.Frame, out []float32, made market.Time) []market.Prediction {
	for i, symbol := range f.Symbols {
		for h, horizon := range m.Horizons {
			o := out[(i*len(m.Horizons)+h)*Outputs:][:Outputs]
			if !finite(o[0]) || !finite(o[1]) || !finite(o[2]) || o[1] > o[0] || o[0] > o[2] {
				continue
			}
			p := prediction(symbol, m, f.Time, f.Closes[i], horizon, o)
			p.Made = made
			dst = append(dst, p)
		}
	}
	return dst
}
