package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"tapedeck/ml"
	"tapedeck/pipeline/live"
	"tapedeck/pipeline/market"
)

// modelShelf is the models in use: those that the data directory says, looked
// at now and then, since training, promoting and rolling back change them.
type modelShelf struct {
	load   func(inUse []*askedModel) ([]*askedModel, error) // keeps those that have not changed
	slog   *slog.Logger
	inUse  []*askedModel // the champion first
	looked time.Time
	none   string // what is said where there is none
	text   string // why there is none
}

const shelfEvery = 2 * time.Second

// refresh looks whether other models are in use now.
func (s *modelShelf) refresh(now time.Time) {
	if now.Sub(s.looked) < shelfEvery {
		return
	}
	s.looked = now
	models, err := s.load(s.inUse)
	if err != nil {
		if s.text != err.Error() {
			s.slog.Error("models", "error", err)
		}
		s.text = err.Error() // those in use stay
		return
	}
	s.inUse, s.text = models, ""
	if len(models) == 0 {
		s.text = s.none
	}
}

// askedModel is one model in use and how it is asked.
type askedModel struct {
	manifest  *ml.Manifest
	champion  bool
	predictor ml.Predictor

	mu       sync.Mutex
	latency  sample
	delay    sample
	calls    int64
	failures int64
	waited   time.Duration // for answers
	failing  int           // calls in a row
	trouble  string
	newest   market.Time
	symbols  int
}

// downAfter calls in a row that failed the endpoint is said to be down.
const downAfter = 2

// predict asks and notes how it went.
func (a *askedModel) predict(ctx context.Context, batch ml.Batch, out []float32) bool {
	began := time.Now()
	err := a.predictor.Predict(ctx, batch, out)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls++
	if err != nil {
		a.failures++
		a.failing++
		a.trouble = fmt.Sprintf("no forecast of the minute: %v", err)
		return false
	}
	took := time.Since(began)
	a.waited += took
	a.latency.add(took)
	a.failing, a.trouble = 0, ""
	return true
}

// made notes that the forecasts of a minute were handed on.
func (a *askedModel) made(minute market.Time, symbols int, arrived []time.Time, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.newest, a.symbols = minute, symbols
	for _, t := range arrived {
		a.delay.add(now.Sub(t))
	}
}

// state is what screens are told.
func (a *askedModel) state() live.Model {
	a.mu.Lock()
	defer a.mu.Unlock()
	m := a.manifest
	return live.Model{
		Name: m.Name, Version: m.Version, Champion: a.champion, Trained: m.Made,
		From: m.Training.From, To: m.Training.To, Learned: m.Training.Symbols,
		Made: a.newest, Symbols: a.symbols, Latency: a.latency.quantiles(), Delay: a.delay.quantiles(),
		Calls: a.calls, Failures: a.failures, Waited: a.waited.Seconds(), Down: a.failing >= downAfter, Text: a.trouble, Filled: m.Scores,
	}
}

// sample keeps the newest durations.
type sample struct {
	values []time.Duration
	next   int
	sorted live.Quantiles
	dirty  bool
}

const sampleSize = 10_000

func (s *sample) add(d time.Duration) {
	s.dirty = true
	if len(s.values) < sampleSize {
		s.values = append(s.values, d)
		return
	}
	s.values[s.next] = d
	s.next = (s.next + 1) % sampleSize
}

func (s *sample) quantiles() live.Quantiles {
	if s.dirty && len(s.values) > 0 {
		sorted := slices.Clone(s.values)
		slices.Sort(sorted)
		at := func(q float64) float64 { return sorted[int(q*float64(len(sorted)-1))].Seconds() }
		s.sorted, s.dirty = live.Quantiles{P50: at(0.5), P99: at(0.99)}, false
	}
	return s.sorted
}

// asker says how a model is asked, and forgets one that is asked no longer.
type asker interface {
	predictor(m *ml.Model, champion bool) (ml.Predictor, error)
	forget(about *ml.Manifest)
}

// openModels gives a shelf whose models are those in use here.
func openModels(dirs modelDirs, ask asker, trains bool, logger *slog.Logger) *modelShelf {
	none := "no model is trained yet: tapedeck train makes one"
	if trains {
		none = "no model yet: the first is trained by itself as soon as there is an hour and a half of history"
	}
	return &modelShelf{slog: logger, none: none, load: func(have []*askedModel) ([]*askedModel, error) {
		use, err := dirs.inUse()
		if err != nil {
			return nil, err
		}
		var list []*askedModel
		for k, name := range use.names() {
			version, champion := use.Versions[name], k == 0
			i := slices.IndexFunc(have, func(a *askedModel) bool {
				return a.manifest.Name == name && a.manifest.Version == version && a.champion == champion
			})
			if i >= 0 {
				list = append(list, have[i])
				continue
			}
			model, err := ml.Open(dirs.dir(name, version))
			if err != nil {
				return nil, err
			}
			predictor, err := ask.predictor(model, champion)
			if err != nil {
				return nil, err
			}
			list = append(list, &askedModel{manifest: model.Manifest(), champion: champion, predictor: predictor})
		}
		for _, old := range have {
			if !slices.ContainsFunc(list, func(a *askedModel) bool {
				return a.manifest.Name == old.manifest.Name && a.manifest.Version == old.manifest.Version
			}) {
				ask.forget(old.manifest)
			}
		}
		return list, nil
	}}
}
