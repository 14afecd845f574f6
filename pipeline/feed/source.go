// Package feed brings ticks from the world into the log: recorded files, the
// providers' web services and a simulated market, all behind one Source. A
// source promises that it loses nothing it was given, that it says in words
// what is wrong, that it backs off instead of spinning and never gives up by
// itself. It knows nothing of the log: a Sink takes its ticks and clocks.
package feed

import (
	"context"

	"tapedeck/pipeline/market"
)

// Source brings ticks from one place in the world into the log.
type Source interface {
	Name() string
	ID() string // what exactly is being read (replay: content identity of the file(s)); rows are numbered within it; "" where rows have no numbers
	Run(ctx context.Context, out Sink) error
}

// Sink takes what a Source brings. All methods are called from one goroutine.
type Sink interface {
	Tick(t *market.Tick, row int64) error // lossless, blocks; row from 1, 0 where none
	Clock(c market.Clock) error           // written into every partition
	Flush() error
	Say(Condition)
}

// Level is how a source feels.
type Level uint8

// The levels.
const (
	OK Level = iota
	Busy
	Trouble
)

// Condition is what a source says about itself, for the screen.
type Condition struct {
	Level    Level
	Text     string      // plain words
	Progress float64     // 0 to 1 where there is an end
	Until    market.Time // when it tries again, 0 where it does not wait
}
