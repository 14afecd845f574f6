package main

import (
	"context"
	"time"

	"tapedeck/ml"
	"tapedeck/store"
	"tapedeck/tui"
)

// screenModels shows the models of a data directory to the screen.
type screenModels struct {
	place *place
	args  []string // for a training in a process of its own
	store func() (*store.DB, error)
}

// Versions are all that there are, the newest of each model first.
func (s screenModels) Versions(context.Context) ([]tui.ModelVersion, error) {
	dirs := s.place.models()
	use, err := dirs.inUse()
	if err != nil {
		return nil, err
	}
	versions, broken := dirs.versions()
	list := make([]tui.ModelVersion, 0, len(versions))
	for _, t := range versions {
		list = append(list, modelVersion(t.Manifest, &use))
	}
	return list, broken
}

func modelVersion(m *ml.Manifest, use *modelsInUse) tui.ModelVersion {
	v := tui.ModelVersion{Name: m.Name, Version: m.Version, InUse: use.Versions[m.Name] == m.Version, Champion: use.Champion == m.Name,
		Made: m.Made, From: m.Training.From, To: m.Training.To, Symbols: m.Training.Symbols, Rows: m.Training.Rows,
		Took: time.Duration(m.Training.Seconds * float64(time.Second)), Scores: m.Scores}
	for _, c := range m.Curves {
		v.Curves = append(v.Curves, tui.LearningCurve{Horizon: c.Horizon, Train: c.Train, Validation: c.Validation, Best: c.Best})
	}
	for _, f := range m.Importance {
		v.Importance = append(v.Importance, tui.FeatureShare{Feature: f.Feature, Share: f.Share})
	}
	return v
}

// Promote puts a version in use and makes its model the champion.
func (s screenModels) Promote(ctx context.Context, name, version string) error {
	return s.place.models().use(ctx, name, version, true)
}

// Train begins a training in the background: it goes on when the screen ends.
func (s screenModels) Train(_ context.Context, name string) error {
	done, err := s.place.train(context.Background(), s.args, name)
	if err != nil {
		return err
	}
	go func() { _ = done() }() // the status topic says how it goes
	return nil
}
