package ml

import (
	"context"
	"fmt"
	"math"
	"slices"

	"tapedeck/ml/features"
	"tapedeck/ml/xgboost"
)

// forests fits a forest for each horizon.
func (t *training) forests(ctx context.Context, m *Model) error {
	c := t.config
	m.manifest.Lags = slices.Clone(c.Lags)
	cols := len(c.Lags) * features.Count
	fit, held := t.lagged(t.fit), t.lagged(t.held)
	names := make([]string, 0, cols)
	for _, lag := range c.Lags {
		for _, name := range features.Names {
			if lag > 0 {
				name = fmt.Sprintf("%s_lag_%d", name, lag)
			}
			names = append(names, name)
		}
	}
	gains := make([]float64, features.Count)
	for h, horizon := range c.Horizons {
		stage := Progress{Stage: "forest for " + words(horizon), Horizon: horizon}
		at := func(part float64) float64 { return (float64(h) + part) / float64(len(c.Horizons)) }
		stage.Fraction = at(0)
		t.progress(stage)
		training := choose(fit, cols, t.known(t.fit, horizon, c.Relative, t.heldAt))
		relative := t.known(t.held, horizon, c.Relative, t.until)
		validation := choose(held, cols, relative)
		if training.X.Rows < 100 || validation.X.Rows < 20 {
			return fmt.Errorf("%w: %d rows to fit and %d to hold out for %s", ErrData, training.X.Rows, validation.X.Rows, words(horizon))
		}
		training.Names, training.Validation = names, &validation
		curve := Curve{Horizon: horizon}
		trees := c.Trees
		trees.Seed = c.Seed*31 + uint64(h)
		trees.MinChildWeight = min(trees.MinChildWeight, float64(training.X.Rows)/40)
		trees.Progress = func(r xgboost.Round) {
			stage.Round, stage.Train, stage.Validation = r.Number+1, r.Train*r.Train, r.Validation*r.Validation
			stage.Fraction = at(float64(r.Number+1) / float64(r.Rounds))
			curve.Train, curve.Validation = append(curve.Train, stage.Train), append(curve.Validation, stage.Validation)
			curve.Best = r.Best
			t.progress(stage)
		}
		forest, err := xgboost.Train(ctx, trees, training)
		if err != nil {
			return fmt.Errorf("forest for %s: %w", words(horizon), err)
		}
		if forest.Rounds() > curve.Best+1 { // none where early stopping is off
			if forest, err = forest.Truncate(curve.Best + 1); err != nil {
				return err
			}
		}
		for _, f := range forest.Importance() {
			gains[f.Feature%features.Count] += f.TotalGain
		}
		answers := make([]float32, len(t.held))
		if err := forest.Predict(xgboost.Matrix{Values: held, Rows: len(t.held), Cols: cols}, answers); err != nil {
			return err
		}
		m.forests = append(m.forests, forest)
		m.manifest.Curves = append(m.manifest.Curves, curve)
		m.manifest.Calibration = append(m.manifest.Calibration,
			calibrate(horizon, answers, relative, t.known(t.held, horizon, false, t.until)))
	}
	steady(m.manifest.Calibration, t.spared)
	m.manifest.Importance = shares(gains)
	return nil
}

// choose is the rows whose target is there.
func choose(values []float32, cols int, targets []float32) xgboost.Data {
	list := with(targets)
	d := xgboost.Data{X: xgboost.Matrix{Values: make([]float32, 0, len(list)*cols), Rows: len(list), Cols: cols},
		Labels: make([]float32, 0, len(list))}
	for _, i := range list {
		d.X.Values = append(d.X.Values, values[i*cols:(i+1)*cols]...)
		d.Labels = append(d.Labels, targets[i])
	}
	return d
}

func shares(gains []float64) []Importance {
	var sum float64
	for _, g := range gains {
		sum += g
	}
	if sum == 0 {
		return nil
	}
	list := make([]Importance, len(gains))
	for i, g := range gains {
		list[i] = Importance{features.Names[i], math.Round(g/sum*1e4) / 1e4}
	}
	slices.SortStableFunc(list, func(a, b Importance) int { return int(math.Copysign(1, b.Share-a.Share)) })
	return list
}
