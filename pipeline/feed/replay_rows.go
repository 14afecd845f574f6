package feed

import (
	"context"
	"errors"
	"fmt"

	"tapedeck/pipeline/market"
)

// ReplayRows plays recorded history that an iterator brings, such as a day of
// the lake: paced and clocked as Replay is.
type ReplayRows struct {
	pace   pace
	id     string
	next   func(context.Context, *market.Tick) (bool, error)
	resume int64
}

// NewReplayRows replays what next brings: it fills the tick and returns true,
// or returns false at the end. Rows are numbered in that order, so next must
// bring the same rows whenever the id is the same; times may go back. An
// error of next ends the run. Ticks get the source's name and a new received
// time. The iterator is used up by one Run.
func NewReplayRows(name, id string, next func(context.Context, *market.Tick) (bool, error), speed float64) (*ReplayRows, error) {
	if next == nil {
		return nil, errors.New("replay: no rows given")
	}
	pace, err := newPace(name, speed, 0, nil)
	if err != nil {
		return nil, err
	}
	return &ReplayRows{pace: pace, id: id, next: next}, nil
}

// Name is the source's name, as on its ticks.
func (r *ReplayRows) Name() string { return r.pace.source }

// ID is the identity that the caller gave.
func (r *ReplayRows) ID() string { return r.id }

// Resume says that rows up to this one stand in the log already; see Replay.Resume.
func (r *ReplayRows) Resume(row int64) { r.resume = row }

// Run replays until the rows end, ctx ends, or the sink or the iterator fails.
func (r *ReplayRows) Run(ctx context.Context, out Sink) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	pace := r.pace
	pace.begin(out)
	var row int64
	condition := func() Condition {
		return Condition{Progress: -1, Text: fmt.Sprintf("replaying history %s, now %s: %d rows", pace.speedText(), clockText(pace.at), row)}
	}
	rejects, _ := out.(RejectSink)
	received := market.At(pace.wall())
	for {
		var t market.Tick
		more, err := r.next(ctx, &t)
		if err != nil {
			return fmt.Errorf("replay: row %d: %w", row+1, err)
		}
		if !more {
			break
		}
		row++
		t.Source = pace.source
		if err := t.Validate(); err != nil {
			if rejects != nil {
				if err := rejects.Reject(row, t.Symbol, err.Error(), market.AppendTick(nil, &t)); err != nil {
					return err
				}
			}
			continue
		}
		slept, err := pace.until(ctx, t.Time, row <= r.resume)
		if err != nil {
			return err
		}
		if slept || row%housekeeping == 0 {
			received = market.At(pace.wall())
			if err := ctx.Err(); err != nil {
				return err
			}
			pace.report(condition)
		}
		t.Received = received
		if err := out.Tick(&t, row); err != nil {
			return err
		}
	}
	if err := pace.end(); err != nil {
		return err
	}
	out.Say(Condition{Text: fmt.Sprintf("replay ended at %s: %d rows", clockText(pace.at), row), Progress: 1})
	return nil
}
