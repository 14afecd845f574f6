// Package feed brings ticks from the world into the log: a simulated market,
// recorded files, Yahoo, Alpha Vantage. Each is a Source, and each keeps the
// same contract, which one test checks for all of them.
//
// Hand-over is lossless: a source waits for a slow log and drops nothing.
// Ticks of a symbol come in the order of their time, and each second of its
// own running time a source writes a clock, so that everything that is later
// computed from the log is a function of the log. Trouble that may pass is
// retried inside the source, at a civil pace, and said in words.
//
// A source knows nothing of Kafka, files of the lake or screens.
package feed

import (
	"context"

	"tapedeck/pipeline/market"
)

// Source brings ticks from one place in the world into the log.
//
// A source calls its Sink from one goroutine at a time (Say from any) and not
// after Run has returned. It gives each symbol's ticks in the order of their
// time, a Clock each second of its own running time, and one Clock with End
// when it ends by itself; no tick comes that is older than a clock before it.
// It holds no more than a bounded number of ticks that the sink has not taken.
type Source interface {
	// Name is the kind of source: sim, replay, yahoo or alphavantage. It is
	// also the Source of its ticks and clocks.
	Name() string

	// ID says what exactly is being read, so that an interrupted reading can go
	// on: of a replay the identity of the files' content. Rows are numbered
	// within it. It is empty where rows have no numbers.
	ID() string

	// Run brings ticks until the source has ended (nil), ctx is done
	// (ctx.Err()) or the sink fails (its error).
	Run(ctx context.Context, out Sink) error
}

// Sink takes what a source brings.
type Sink interface {
	// Tick writes t into the log. It is lossless: it blocks while the log is
	// slow. t is only read during the call. row is the row's number in the
	// source, from 1; 0 where it has none.
	Tick(t *market.Tick, row int64) error

	// Clock is written into every partition.
	Clock(c market.Clock) error

	// Flush hands what is buffered to the log now. A source calls it when it
	// is about to wait, so up to fifty times a second.
	Flush() error

	// Say gives the source's state in words, for the screen; the newest counts.
	// It never blocks, and may be called from any goroutine.
	Say(Condition)
}

// Condition is how a source fares.
type Condition struct {
	Level    Level
	Text     string      // a short sentence for the screen, lower case, without full stop
	Progress float64     // 0 to 1 of what Text names; below 0 is unknown
	Until    market.Time // when the source tries again; 0 is none
}

// Level is how well a source fares.
type Level uint8

// The levels.
const (
	OK      Level = iota
	Busy          // doing something that delays its ticks: history, a backfill, a jump after a pause
	Trouble       // not bringing what it should
)

var levelNames = [...]string{"ok", "busy", "trouble"}

func (l Level) String() string {
	if int(l) < len(levelNames) {
		return levelNames[l]
	}
	return "trouble"
}
