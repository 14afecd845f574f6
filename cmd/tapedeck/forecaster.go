package main

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"math"
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
	past   recordedPast
	kept   *place // where the record is kept; nil: nowhere
	slog   *slog.Logger

	panel   *features.Panel
	board   *ml.Board
	frame   features.Frame
	minutes map[market.Time]*arrivals // of minutes that are not cut
	traded  int                       // symbols in the minute before

	standings []ml.Standing
	judged    market.Time // minute of the standings
	written   market.Time // minute of the record that is kept
}

// recordedPast reads the one-minute bars of the last hours and then, from the
// time that the function for them answers, the predictions that were made live;
// with 0 none.
type recordedPast func(ctx context.Context, bars func([]market.Bar) market.Time, prediction func(*market.Prediction)) error

// The record of the models is kept every few minutes: what was recorded since
// then brings it up to the moment, so that nothing is lost between.
const (
	scoreboardFile  = "scoreboard.json"
	scoreboardEvery = 5 * time.Minute
)

// arrivals are the times at which the bars of a minute came.
type arrivals struct {
	times       []time.Time
	first, last time.Time
}

const (
	stragglers   = 400 * time.Millisecond // without a bar, after which a minute is complete
	predictLimit = 5 * time.Second        // for a model's answer; later it is of no use
)

func newForecaster(models *modelShelf, past recordedPast, kept *place, logger *slog.Logger) *forecaster {
	return &forecaster{models: models, past: past, kept: kept, slog: logger, board: ml.NewBoard()}
}

// Warm reads the last hours: averages and windows are full from the first
// minute on, and the record of the models goes on where it was.
func (f *forecaster) Warm(ctx context.Context) error {
	f.panel, f.minutes, f.traded = features.NewPanel(), map[market.Time]*arrivals{}, 0
	if f.board.Newest() == 0 {
		f.restore()
	}
	var bars []market.Bar // that the board has not seen, oldest first
	closeUntil := func(t market.Time) {
		n := 0
		for ; n < len(bars) && bars[n].Time <= t; n++ {
			f.board.Close(&bars[n])
		}
		bars = bars[n:]
	}
	err := f.past(ctx, func(list []market.Bar) market.Time {
		f.panel.Feed(list, nil)
		slices.SortStableFunc(list, func(a, b market.Bar) int { return cmp.Compare(a.Time, b.Time) })
		bars = list
		newest := f.board.Newest()
		if newest == 0 {
			return 0
		}
		if len(bars) == 0 || bars[len(bars)-1].Time < newest { // a replay from its beginning
			f.board = ml.NewBoard()
			return 0
		}
		return f.board.Open()
	}, func(p *market.Prediction) {
		closeUntil(p.Bar)
		f.board.Predict(p)
	})
	if err != nil {
		return err
	}
	closeUntil(math.MaxInt64)
	f.panel.Frame(&f.frame)
	f.traded = len(f.frame.Symbols)
	return nil
}

// restore takes up the record that an earlier run kept.
func (f *forecaster) restore() {
	if f.kept == nil {
		return
	}
	err := f.kept.readJSON(scoreboardFile, f.board)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.slog.Warn("the live record of the models begins anew: " + err.Error())
	}
}

// keep writes the record down, now and then.
func (f *forecaster) keep() {
	if f.kept == nil || f.frame.Time.Sub(f.written) < scoreboardEvery {
		return
	}
	f.written = f.frame.Time
	if err := f.kept.writeJSON(scoreboardFile, f.board); err != nil {
		f.slog.Warn("the live record of the models is not kept: " + err.Error())
	}
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
		f.keep()
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
// and the log, and predictions. SQL is opened for this alone: it takes memory.
func (h *held) recentMinutes(c Config, logger *slog.Logger) recordedPast {
	const minutes = 120
	return func(ctx context.Context, feed func([]market.Bar) market.Time, prediction func(*market.Prediction)) (err error) {
		db, err := openStore(ctx, c, h.place, h.lake, h.log, logger)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, db.Close()) }()
		before, from := market.At(time.Now()).Add(time.Minute), market.Time(0)
		if c.Feed != "replay" { // whose time is its own
			from = before.Add(-26 * time.Hour)
		}
		bars, err := db.RecentBars(ctx, market.Minute, minutes, from, before)
		if err != nil {
			return err
		}
		if since := feed(bars); since > 0 {
			return db.EachPrediction(ctx, since, prediction)
		}
		return nil
	}
}
