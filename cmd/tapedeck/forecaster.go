package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"tapedeck/ml"
	"tapedeck/ml/features"
	"tapedeck/pipeline/live"
	"tapedeck/pipeline/market"
)

// forecaster makes the predictions of the stage predict: it turns closed
// minutes of all symbols into features, asks every model that is in use about
// the newest, and keeps their record.
//
// A minute is complete when all symbols that traded in the one before have
// their bar, or when nothing more has come for a moment. Minutes that lie back
// when they are complete are features of the next and no more: a forecast that
// comes when its outcome is known is none.
type forecaster struct {
	models *modelShelf
	past   func(ctx context.Context) ([]market.Bar, error) // the last hours
	slog   *slog.Logger

	panel   *features.Panel
	board   *ml.Board
	frame   features.Frame
	minutes map[market.Time]*arrivals // of minutes that are not cut
	traded  int                       // symbols in the minute before

	standings []ml.Standing
	judged    market.Time // minute of the standings
}

// arrivals are the times at which the bars of a minute came.
type arrivals struct {
	times       []time.Time
	first, last time.Time
}

const (
	stragglers   = 400 * time.Millisecond // without a bar, after which a minute is complete
	predictLimit = 5 * time.Second        // for a model's answer; later it is of no use
)

func newForecaster(models *modelShelf, past func(context.Context) ([]market.Bar, error), logger *slog.Logger) *forecaster {
	return &forecaster{models: models, past: past, slog: logger, board: ml.NewBoard()}
}

// Warm reads the last hours: averages and windows are full from the first
// minute on.
func (f *forecaster) Warm(ctx context.Context) error {
	f.panel, f.minutes, f.traded = features.NewPanel(), map[market.Time]*arrivals{}, 0
	bars, err := f.past(ctx)
	if err != nil {
		return err
	}
	f.panel.Feed(bars, nil)
	for i := range bars {
		f.board.Close(&bars[i])
	}
	f.panel.Frame(&f.frame)
	f.traded = len(f.frame.Symbols)
	return nil
}

// Bar takes a closed one-minute bar.
func (f *forecaster) Bar(b *market.Bar) {
	if !f.panel.Add(b) {
		return
	}
	now := time.Now()
	m := f.minutes[b.Time]
	if m == nil {
		m = &arrivals{first: now}
		f.minutes[b.Time] = m
	}
	if b.Revision == 0 {
		m.times = append(m.times, now)
	}
	m.last = now
	f.board.Close(b)
}

// Predict cuts the minutes that are complete and asks the models about the newest.
func (f *forecaster) Predict(ctx context.Context, now time.Time, emit func(*market.Prediction) error) error {
	f.models.refresh(now)
	for {
		pending := f.panel.Pending()
		if len(pending) == 0 {
			return nil
		}
		t := pending[0]
		m := f.minutes[t]
		if m == nil {
			m = &arrivals{first: now, last: now}
			f.minutes[t] = m
		}
		if !(f.traded > 0 && len(m.times) >= f.traded) && now.Sub(m.last) < stragglers {
			return nil
		}
		f.traded = len(m.times)
		f.panel.Cut(t)
		delete(f.minutes, t)
		if len(pending) > 1 {
			continue
		}
		f.panel.Frame(&f.frame)
		if err := f.ask(ctx, m, emit); err != nil {
			return err
		}
	}
}

// ask all models about the frame at once and hand on what they say.
func (f *forecaster) ask(ctx context.Context, m *arrivals, emit func(*market.Prediction) error) error {
	if len(f.frame.Symbols) == 0 || len(f.models.inUse) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, predictLimit)
	defer cancel()
	batch := ml.BatchOf(&f.frame)
	var asking sync.WaitGroup
	answers := make([][]float32, len(f.models.inUse))
	for i, model := range f.models.inUse {
		out := make([]float32, batch.Rows*len(model.manifest.Horizons)*ml.Outputs)
		asking.Go(func() {
			if model.predict(ctx, batch, out) {
				answers[i] = out
			}
		})
	}
	asking.Wait()
	// In the market's own time, which a replay's clock is far from.
	made := f.frame.Time.Add(time.Minute + time.Since(m.first))
	var predictions []market.Prediction
	for i, model := range slices.Backward(f.models.inUse) { // the champion has the last word
		if answers[i] == nil {
			continue
		}
		f.board.Band(model.manifest.Name).Widen(model.manifest.Horizons, answers[i])
		predictions = ml.Predictions(predictions[:0], model.manifest, &f.frame, answers[i], made)
		for k := range predictions {
			if err := emit(&predictions[k]); err != nil {
				return err
			}
			f.board.Predict(&predictions[k])
		}
		model.made(f.frame.Time, len(f.frame.Symbols), m.times, time.Now())
	}
	return nil
}

// Models are the state of every model in use.
func (f *forecaster) Models() ([]live.Model, live.Level, string) {
	if f.panel.Now() != f.judged {
		f.judged, f.standings = f.panel.Now(), f.board.Standings()
	}
	var list []live.Model
	level, text := live.OK, ""
	for _, model := range f.models.inUse {
		m := model.state()
		if i := slices.IndexFunc(f.standings, func(s ml.Standing) bool { return s.Model == m.Name }); i >= 0 {
			m.Live = f.standings[i].Live
		}
		if m.Down {
			level, text = live.Trouble, m.Name+": "+m.Text
		}
		list = append(list, m)
	}
	if len(list) == 0 {
		level, text = live.OK, f.models.text
	}
	return list, level, text
}

// recentMinutes reads the newest one-minute bars of every symbol from the lake
// and the log. SQL is opened for this alone: it takes memory.
func (h *held) recentMinutes(c Config, logger *slog.Logger) func(context.Context) ([]market.Bar, error) {
	const minutes = 120
	return func(ctx context.Context) ([]market.Bar, error) {
		db, err := openStore(ctx, c, h.place, h.lake, h.log, logger)
		if err != nil {
			return nil, err
		}
		before, from := market.At(time.Now()).Add(time.Minute), market.Time(0)
		if c.Feed != "replay" { // whose time is its own
			from = before.Add(-26 * time.Hour)
		}
		bars, err := db.RecentBars(ctx, market.Minute, minutes, from, before)
		return bars, errors.Join(err, db.Close())
	}
}
