package main

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"time"

	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/live"
	"tapedeck/pipeline/market"
)

// follower keeps a board up to date from the log of a running pipeline.
type follower struct {
	log   *kafka.Client
	board *live.Board
	slog  *slog.Logger

	names market.Names
	ticks []market.Tick
}

// recent is how many records of each partition of a topic are read back at
// the start, so that a screen is not empty until something happens.
var recent = map[string]int64{
	kafka.Ticks:       400, // a few seconds of a thousand symbols
	kafka.Bars:        300, // the newest; older ones come from the lake
	kafka.Alerts:      50,  //
	kafka.Predictions: 200, //
	kafka.Status:      50,  // every stage, a few times
}

// gathering is how long the log gathers for a screen, which draws every 125 ms.
const gathering = 80 * time.Millisecond

// run follows until ctx is done.
func (f *follower) run(ctx context.Context) error {
	topics := []string{kafka.Ticks, kafka.Bars, kafka.Alerts, kafka.Predictions, kafka.Status}
	return f.log.FollowEvery(ctx, gathering, topics, func(topic string, _ int32, r kafka.Range) int64 {
		return max(r.Low, r.High-recent[topic])
	}, func(topic string, records []kafka.Record) error {
		f.take(topic, records)
		return nil
	})
}

// take hands records to the board; what cannot be read is the pipeline's
// affair, which has it among its dead letters.
func (f *follower) take(topic string, records []kafka.Record) {
	switch topic {
	case kafka.Ticks:
		f.ticks = f.ticks[:0]
		for i := range records {
			var t market.Tick
			if f.names.DecodeTick(records[i].Value, &t) == nil {
				f.ticks = append(f.ticks, t)
			}
		}
		f.board.Ticks(f.ticks...)
	case kafka.Bars:
		var b market.Bar
		for i := range records {
			if f.names.DecodeBar(records[i].Value, &b) == nil {
				f.board.Bar(&b)
			}
		}
	case kafka.Alerts:
		for i := range records {
			var a market.Alert
			if market.DecodeAlert(records[i].Value, &a) == nil {
				f.board.Alert(a)
			}
		}
	case kafka.Predictions:
		for i := range records {
			var p market.Prediction
			if market.DecodePrediction(records[i].Value, &p) == nil {
				f.board.Prediction(p)
			}
		}
	case kafka.Status:
		for i := range records {
			var s live.Status
			if live.DecodeStatus(records[i].Value, &s) == nil && time.Since(records[i].Time.Std()) < time.Minute {
				f.board.Status(s)
			}
		}
	}
}

// newestFirst sorts dead letters by when they were received.
func newestFirst(letters []market.DeadLetter) {
	slices.SortFunc(letters, func(a, b market.DeadLetter) int { return cmp.Compare(b.Received, a.Received) })
}
