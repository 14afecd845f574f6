package feed

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"tapedeck/pipeline/market"
)

// RecordedConfig says which recorded ticks are played, and how fast.
type RecordedConfig struct {
	// Rows gives the ticks in the order of their time, the same ones in every
	// call; an error ends it. A tick is only read until the next one.
	Rows     func(ctx context.Context) iter.Seq2[*market.Tick, error]
	ID       string           // identity of what Rows gives
	From, To market.Time      // bounds of Rows, for the words on the screen
	Speed    float64          // source seconds a second: 1, 10 …; 0 is as fast as the sink takes them
	Gap      time.Duration    // a longer hole in the source's time is skipped; 0 is a minute
	Now      func() time.Time // nil is time.Now
}

// Recorded plays ticks that were recorded before, such as those of a lake,
// paced by their own clock. It is to rows what Replay is to files.
type Recorded struct {
	config RecordedConfig
	pace   pace
	resume int64
}

// NewRecorded checks the configuration.
func NewRecorded(config RecordedConfig) (*Recorded, error) {
	if config.Rows == nil || config.ID == "" || config.To <= config.From {
		return nil, errors.New("replay: the recorded time is empty; its end must come after its beginning")
	}
	pace, err := newPace("replay", config.Speed, config.Gap, config.Now)
	return &Recorded{config: config, pace: pace}, err
}

// Name is replay.
func (r *Recorded) Name() string { return r.pace.source }

// ID is the identity that the configuration gave.
func (r *Recorded) ID() string { return r.config.ID }

// Resume says that rows up to this one stand in the log already, as in Replay.
func (r *Recorded) Resume(row int64) { r.resume = row }

// Run plays until the end, the end of ctx or an error of the sink or the rows.
func (r *Recorded) Run(ctx context.Context, out Sink) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p := r.pace
	p.begin(out)
	var row int64
	received := market.At(p.wall())
	out.Say(Condition{Level: Busy, Progress: -1, Text: "looking up what was recorded from " + clockText(r.config.From)})
	for tick, err := range r.config.Rows(ctx) {
		if err != nil {
			return fmt.Errorf("read what was recorded: %w", err)
		}
		row++
		slept, err := p.until(ctx, tick.Time, row <= r.resume)
		if err != nil {
			return err
		}
		if slept || row%housekeeping == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			received = market.At(p.wall())
			p.report(func() Condition {
				return Condition{Text: fmt.Sprintf("replaying what was recorded, %s, now %s", p.speedText(), clockText(p.at)),
					Progress: float64(p.at-r.config.From) / float64(r.config.To-r.config.From)}
			})
		}
		tick.Source, tick.Received = p.source, received
		if err := out.Tick(tick, row); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if row == 0 {
		out.Say(Condition{Level: Trouble, Progress: 1, Text: fmt.Sprintf("nothing was recorded from %s to %s", clockText(r.config.From), clockText(r.config.To))})
	} else {
		out.Say(Condition{Text: fmt.Sprintf("replay ended at %s: %d rows", clockText(p.at), row), Progress: 1})
	}
	return p.end()
}
