package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"time"

	"tapedeck/pipeline/feed"
	"tapedeck/pipeline/market"
	"tapedeck/store"
)

// parseBounds reads --from and --to; a zero time is no bound.
func parseBounds(c Config) (from, to market.Time, err error) {
	if c.Replay.From != "" {
		if from, err = market.ParseTime(c.Replay.From); err != nil {
			return 0, 0, fmt.Errorf("--from: %w", err)
		}
	}
	if c.Replay.To != "" {
		if to, err = market.ParseTime(c.Replay.To); err != nil {
			return 0, 0, fmt.Errorf("--to: %w", err)
		}
		if to <= from {
			return 0, 0, fmt.Errorf("--to %s is not after --from %s", c.Replay.To, c.Replay.From)
		}
	}
	return from, to, nil
}

// market is the feed whose prices these are: a replay of recorded history is
// of the feed that recorded it.
func (c *Config) market() string {
	if c.recorded() {
		if _, feed, err := c.recordedDir(); err == nil {
			return feed
		}
	}
	return c.Feed
}

// recordedRange is what a replay of the lake's history plays. It is written
// down at its first start, so that a replay that goes on plays the same rows
// although more have been recorded since.
type recordedRange struct {
	From market.Time `json:"from"`
	To   market.Time `json:"to"`
}

// recordedSource opens the history of another data directory as a source.
func recordedSource(ctx context.Context, c Config, speed float64) (feed.Source, error) {
	data, err := c.dataDir()
	if err != nil {
		return nil, err
	}
	p := newPlace(data)
	var bounds recordedRange
	if p.readJSON("replay.json", &bounds) != nil {
		from, to, err := parseBounds(c)
		if err != nil {
			return nil, err
		}
		now := market.At(time.Now())
		if to == 0 || to > now {
			to = now
		}
		bounds = recordedRange{from, to}
		if from >= to {
			return nil, fmt.Errorf("--from %s lies ahead; history ends at %s", c.Replay.From, now)
		}
		if err := p.writeJSON("replay.json", bounds); err != nil {
			return nil, err
		}
	}
	source := c
	if source.Data, source.Feed, err = c.recordedDir(); err != nil {
		return nil, err
	}
	source.Replay.From, source.Replay.To = "", ""
	return feed.NewRecorded(feed.RecordedConfig{
		ID:   fmt.Sprintf("lake/%d/%d", bounds.From, bounds.To),
		From: bounds.From, To: bounds.To, Speed: speed,
		Rows: func(ctx context.Context) iter.Seq2[*market.Tick, error] { return recordedTicks(ctx, source, bounds) },
	})
}

// Recorded ticks are asked for in spans that hold between these numbers of
// rows: few enough to be kept in memory while they are played.
const (
	fewRows  = 20_000
	manyRows = 200_000
)

// recordedTicks gives the ticks of a data directory by time.
func recordedTicks(ctx context.Context, c Config, bounds recordedRange) iter.Seq2[*market.Tick, error] {
	return func(yield func(*market.Tick, error) bool) {
		v, err := openView(ctx, c, io.Discard)
		if err != nil {
			yield(nil, err)
			return
		}
		defer v.close()
		span := time.Minute
		for from := bounds.From; from < bounds.To; {
			to := min(from.Add(span), bounds.To)
			ticks, err := v.ticks(ctx, from, to)
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range ticks {
				if !yield(&ticks[i], nil) {
					return
				}
			}
			switch n := len(ticks); {
			case n < fewRows:
				span = min(2*span, 24*time.Hour)
			case n > manyRows:
				span = max(span/2, time.Second)
			}
			from = to
		}
	}
}

// ticks are all of from <= time < to, in the order of time.
func (v *view) ticks(ctx context.Context, from, to market.Time) (ticks []market.Tick, err error) {
	rows, err := v.db.Query(ctx, fmt.Sprintf(`SELECT symbol, epoch_us(time), price, size, bid, ask, exchange, condition FROM ticks
		WHERE time >= make_timestamp(%d) AND time < make_timestamp(%d) ORDER BY time, "partition", "offset"`, from, to), store.Options{Native: true})
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		row := rows.Values()
		t := market.Tick{}
		t.Symbol, _ = row[0].(string)
		if us, ok := row[1].(int64); ok {
			t.Time = market.Time(us)
		}
		t.Price, _ = row[2].(float64)
		t.Size, _ = row[3].(int64)
		t.Bid, _ = row[4].(float64)
		t.Ask, _ = row[5].(float64)
		t.Exchange, _ = row[6].(string)
		t.Condition, _ = row[7].(string)
		ticks = append(ticks, t)
	}
	return ticks, rows.Err()
}
