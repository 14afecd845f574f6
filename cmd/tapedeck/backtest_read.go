package main

import (
	"context"
	"fmt"
	"math"

	"tapedeck/pipeline/market"
	"tapedeck/store"
)

// reader reads the ticks of a trial once and deals them out to the shards.
type reader struct {
	*script
	shards []*shard
	filled [][]pastTick          // by shard: what is not handed over yet
	names  map[store.Text]string // texts, each kept once
	long   map[string]string     // those that do not lie in a store.Text
}

// run reads span after span, and tells the shards when there is no more.
func (r *reader) run(ctx context.Context) error {
	defer func() {
		for _, s := range r.shards {
			close(s.batches)
		}
	}()
	r.filled, r.names, r.long = make([][]pastTick, len(r.shards)), map[store.Text]string{}, map[string]string{}
	from := r.begin
	for _, to := range r.spans {
		if err := r.read(ctx, from, to); err != nil {
			return err
		}
		from = to
	}
	for i := range r.shards {
		if err := r.give(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// read reads the ticks of from <= time < to, by time.
func (r *reader) read(ctx context.Context, from, to market.Time) error {
	rows, err := r.db.Query(ctx, `SELECT symbol, epoch_us(time), coalesce(price, 0), coalesce(size, 0), coalesce(bid, 0), coalesce(ask, 0),
		coalesce(condition, ''), coalesce(source, ''), coalesce(epoch_us(received), 0), "partition", "offset"
		FROM ticks WHERE `+span(from, to)+r.chosen+` ORDER BY time`, store.Options{Native: true, Limit: math.MaxInt32})
	if err != nil {
		return err
	}
	defer rows.Close()
	for c := rows.NextChunk(); c != nil; c = rows.NextChunk() {
		if err := r.deal(ctx, c); err != nil {
			return err
		}
	}
	return rows.Err()
}

// deal puts the rows where they are played.
func (r *reader) deal(ctx context.Context, c *store.Chunk) error {
	symbols, times, prices, sizes, bids, asks := c.Strings(0), c.Int64s(1), c.Float64s(2), c.Int64s(3), c.Float64s(4), c.Float64s(5)
	conditions, sources, received, partitions, offsets := c.Strings(6), c.Strings(7), c.Int64s(8), c.Int32s(9), c.Int64s(10)
	for i := range c.Len() {
		at, place := market.Time(times[i]), r.shardOf(partitions[i])
		if n := len(r.filled[place]); n >= batch && r.filled[place][n-1].Time != at {
			if err := r.give(ctx, place); err != nil {
				return err
			}
		}
		r.filled[place] = append(r.filled[place], pastTick{
			Tick: market.Tick{
				Symbol: r.text(&symbols[i]), Time: at, Price: prices[i], Size: sizes[i], Bid: bids[i], Ask: asks[i],
				Condition: r.text(&conditions[i]), Source: r.text(&sources[i]), Received: market.Time(received[i]),
			},
			partition: partitions[i], offset: offsets[i],
		})
	}
	return nil
}

// give hands a shard what is filled for it.
func (r *reader) give(ctx context.Context, place int) error {
	if len(r.filled[place]) == 0 {
		return nil
	}
	s := r.shards[place]
	select {
	case s.batches <- r.filled[place]:
	case <-ctx.Done():
		return fmt.Errorf("back-test: %w", context.Cause(ctx))
	}
	select {
	case r.filled[place] = <-s.played:
	default:
		r.filled[place] = make([]pastTick, 0, batch+batch/8)
	}
	return nil
}

// text is the text, kept once.
func (r *reader) text(t *store.Text) string {
	if !t.Short() {
		text := t.String()
		if kept, ok := r.long[text]; ok {
			return kept
		}
		r.long[text] = text
		return text
	}
	kept, ok := r.names[*t]
	if !ok {
		kept = t.String()
		r.names[*t] = kept
	}
	return kept
}
