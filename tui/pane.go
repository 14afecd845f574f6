package tui

import (
	"time"

	tea "charm.land/bubbletea/v2"

	"tapedeck/pipeline/live"
	"tapedeck/pipeline/market"
)

// Pane is one part of a view, or a whole view. A pane is a plain struct: no
// I/O in its methods (that is what the commands are for), no lock, and View
// changes nothing that a later Update depends on.
//
// Update gets a Do for every key that the key table gives a meaning in the
// pane's focus, a Type while TextFocus, tea.PasteMsg, a Tick after each
// sample of the board, and the answers of its own commands.
type Pane interface {
	Update(msg tea.Msg) tea.Cmd
	// View is exactly height lines of exactly width cells.
	View(width, height int) string
	// Keys are what can be done here and now, the most useful first; the
	// footer shows as many as fit.
	Keys() []Action
}

// Texter is a pane that can have text focus: while it has, printable keys are text.
type Texter interface{ TextFocus() bool }

// Worder is a pane that has its own word for what a key does there: the
// footer asks it before the key table. "" leaves it to the table.
type Worder interface{ Word(Action) string }

// Keeper is a pane with something to keep over the end of the screen: drafts,
// positions. Keep and Restore speak JSON of the pane's own making.
type Keeper interface {
	Keep() any
	Restore(data []byte)
}

// Do is an action that a key or a command asked for.
type Do struct{ Action Action }

// Type is a key in text focus that no action has taken.
type Type struct{ Key tea.Key }

// Tick follows every sample of the board; the new state is in Desk.Frame.
type Tick struct{ Now time.Time }

// Desk is what all panes share. Panes read it and post to it; only the root
// model and the methods here write it.
type Desk struct {
	Theme  *Theme
	Config Config
	Data   Data
	Frame  *live.Frame // as of the last sample

	Symbol   string          // under the cursor everywhere
	Interval market.Interval // of charts
	At       market.Time     // the moment that a chart was opened at; 0 is now
	State    *State          // what survives; call Dirty after a change

	Cost          string // of the pipeline; "" is unknown
	starting      bool   // the pipeline is on its way
	Width, Height int

	viewNames  []string // views that exist
	groupNames []string // tabs of the watchlist
	directory  []string // lower-case symbol and name, by id of the frame

	watched map[string][]string
	pinned  *sqlPin // the query that the board shows; nil is none
	bars    *barStore
	alerts  *alertBook
	tried   *RuleTrial // the back-test that the rule editor shows; nil is none

	posts   []tea.Msg
	dirty   bool // something must be drawn anew
	keep    bool // State must be written
	request int
	said    saying
}

// saying is one sentence for the analyst, shown above the footer for a while.
type saying struct {
	text  string
	role  Role
	until time.Time
}

// Started is given to every pane once, when the screen begins.
type Started struct{}

// Open asks the root for another view, by name; a symbol or a moment that is
// zero stays as it is.
type Open struct {
	View   string
	Symbol string
	At     market.Time
}

// Post hands a message to the root, which takes it after the running Update.
func (d *Desk) Post(m tea.Msg) { d.posts = append(d.posts, m) }

// Say shows a sentence for six seconds, longer if it is long.
func (d *Desk) Say(r Role, text string) {
	d.said = saying{text, r, d.Now().Add(6*time.Second + time.Duration(len(text))*20*time.Millisecond)}
	d.dirty = true
}

// Keep has the state written soon.
func (d *Desk) Keep() { d.keep, d.dirty = true, true }

// Request is a number for a command; an answer whose number is not the
// latest is dropped by the pane that asked.
func (d *Desk) Request() int { d.request++; return d.request }

// Now is the wall clock as of the last sample.
func (d *Desk) Now() time.Time { return d.Frame.Now }

// Clock is the market's time: the wall clock, but that of the newest tick
// where recorded history is played.
func (d *Desk) Clock() market.Time {
	if d.Replaying() {
		return d.Frame.Newest
	}
	return market.At(d.Frame.Now)
}

// Replaying says whether what arrives is older than ten minutes or from the future.
func (d *Desk) Replaying() bool {
	f := d.Frame
	if f.Newest == 0 || f.Filling || f.Now.Sub(f.Arrived) > time.Minute {
		return false
	}
	away := f.Now.Sub(f.Newest.Std())
	return away > 10*time.Minute || away < -10*time.Minute
}

// Calendar of a symbol's exchange.
func (d *Desk) Calendar(symbol string) *market.Calendar {
	if d.Data.Calendar != nil {
		if c := d.Data.Calendar(symbol); c != nil {
			return c
		}
	}
	return market.NYSE()
}

// Zone that times are written in.
func (d *Desk) Zone() *time.Location {
	switch d.Config.Zone {
	case UTCZone:
		return time.UTC
	case LocalZone:
		return time.Local
	}
	return d.Calendar(d.Symbol).Location()
}

// Company names a symbol; both are "" where it is not known.
func (d *Desk) Company(symbol string) (name, sector string) {
	if d.Data.Company == nil {
		return "", ""
	}
	return d.Data.Company(symbol)
}

// Select puts the cursor on a symbol everywhere.
func (d *Desk) Select(symbol string) {
	if symbol == "" || symbol == d.Symbol {
		return
	}
	d.Symbol, d.At = symbol, 0
	d.State.Symbol = symbol
	d.Watch("cursor", symbol)
	d.Keep()
}

// Watch has the board keep the 1s bars of these symbols for an owner, in
// place of those that the owner asked for before.
func (d *Desk) Watch(owner string, symbols ...string) {
	if d.watched == nil {
		d.watched = map[string][]string{}
	}
	d.watched[owner] = symbols
	var all []string
	for _, s := range d.watched {
		all = append(all, s...)
	}
	d.Data.Board.Watch(all...)
}
