package tui

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"tapedeck/pipeline/live"
	"tapedeck/pipeline/market"
)

// Background says which set of colours to use.
type Background uint8

// The backgrounds. AskTerminal asks it, and takes Dark where it does not answer.
const (
	AskTerminal Background = iota
	Dark
	Light
)

// QuitChoice is what the last screen to leave does with the pipeline.
type QuitChoice uint8

// The choices.
const (
	AskOnQuit QuitChoice = iota
	KeepOnQuit
	StopOnQuit
)

// Zone is the time zone that clocks and axes use.
type Zone uint8

// The zones.
const (
	ExchangeZone Zone = iota
	UTCZone
	LocalZone
)

var zoneNames = [...]string{"exchange", "utc", "local"}

func (z Zone) String() string { return zoneNames[z%Zone(len(zoneNames))] }

// Config of a screen. The zero value works.
type Config struct {
	ColorMode   ColorMode
	Background  Background
	ColourBlind bool
	RedUp       bool
	ASCII       bool
	Mouse       bool // takes the terminal's own selection away
	Zone        Zone
	OnQuit      QuitChoice
	// NoSync switches synchronized output off, for a terminal that claims it wrongly.
	NoSync bool
	// FrameEvery is the shortest time between two samples of the board;
	// 0 is 125 ms. It grows by itself on a slow line.
	FrameEvery time.Duration
	// Bell rings for a new alert of a warning or worse, and Desktop tells the
	// terminal to show it as a notification of the desktop (OSC 9 and 777).
	Bell, Desktop bool
	// StatePath is the file that view, cursor, drafts, watchlists and layouts
	// survive in; "" keeps nothing.
	StatePath string
	// LogPath is named in the sentence that a crash leaves behind.
	LogPath string
	Version string
	Log     *slog.Logger // nil discards

	// Input, Output and Environ are the terminal's; nil is the process's own.
	Input   io.Reader
	Output  io.Writer
	Environ []string
}

// DefaultFrameEvery is the default of Config.FrameEvery: eight frames a
// second read as live at one tick a second and symbol.
const DefaultFrameEvery = 125 * time.Millisecond

// Validate names the first setting that cannot be.
func (c Config) Validate() error {
	switch {
	case c.ColorMode > TrueColor:
		return fmt.Errorf("screen: colour mode %d is none of auto, none, 16, 256, truecolor", c.ColorMode)
	case c.Zone > LocalZone:
		return fmt.Errorf("screen: zone %d is none of exchange, utc, local", c.Zone)
	case c.FrameEvery < 0 || c.FrameEvery > 10*time.Second:
		return fmt.Errorf("screen: a frame every %v; allowed is 0 … 10s", c.FrameEvery)
	}
	return nil
}

func (c Config) withDefaults() Config {
	if c.FrameEvery == 0 {
		c.FrameEvery = DefaultFrameEvery
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Environ == nil {
		c.Environ = os.Environ()
	}
	return c
}

// Data is where a screen's contents come from. Board is needed; what is nil
// is said to be missing where it would be shown.
type Data struct {
	Board       *live.Board
	History     History
	DeadLetters DeadLetters
	Pipeline    Pipeline
	Predictions Predictions
	Models      Models
	Alerts      Alerts
	Rules       Rules
	SQL         SQL
	Queries     Queries // that analysts share; nil: none are
	// Company names a symbol and its sector; both may be "". Nil knows none.
	Company func(symbol string) (name, sector string)
	// Calendar of the symbol's exchange; nil is NYSE for all.
	Calendar func(symbol string) *market.Calendar
}

// History answers from the lake and the current minutes.
type History interface {
	// Bars are a symbol's bars with from ≤ Time < to, oldest first; of more
	// than limit the newest. Several bars of one time do not occur.
	Bars(ctx context.Context, symbol string, interval market.Interval, from, to market.Time, limit int) ([]market.Bar, error)
}

// Predictions answers what was predicted of a symbol.
type Predictions interface {
	// Predictions are those of all models and horizons whose Bar lies in
	// from ≤ Bar < to, in any order.
	Predictions(ctx context.Context, symbol string, from, to market.Time) ([]market.Prediction, error)
}

// DeadLetters answers which messages could not be used.
type DeadLetters interface {
	// DeadLetters are the newest, newest first, at most limit.
	DeadLetters(ctx context.Context, limit int) ([]market.DeadLetter, error)
}

// Pipeline is the process that records, as a screen sees it.
type Pipeline interface {
	// State may take a moment: it is called from a command.
	State(ctx context.Context) PipelineState
	// Stop asks it to end in order and waits until it has.
	Stop(ctx context.Context) error
}

// PipelineState says whether the pipeline lives.
type PipelineState struct {
	Running  bool
	Starting bool   // it is on its way, and nothing is wrong
	Screens  int    // attached to it, this one among them; 0 is unknown
	Text     string // trouble in words: "the pipeline ended and is being started again"
	Source   string // "simulated", "replay of ticks.csv.gz ×10"; "" takes the feed's own words
	Cost     string // what it costs: "$0.09 an hour · $66.20 a month"; "" is unknown
}
