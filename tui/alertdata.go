package tui

import (
	"context"
	"path"
	"strings"

	"tapedeck/pipeline/market"
)

// Alerts is what all screens know together of alerts: those of the past, and
// what analysts have noted about them.
type Alerts interface {
	// Past are transitions of alerts, newest first by time, then identity:
	// those whose (Time, ID) lie before (before, id), limit of them at most.
	// Fewer mean that nothing is older.
	Past(ctx context.Context, before market.Time, id string, limit int) ([]market.Alert, error)
	// Notes are all notes that are known, and a number that grows with every
	// change of them. It does not wait; the slice is never written.
	Notes() (notes []AlertNote, version int)
	// Note makes a note, or changes the one of its kind and ID. At and By are
	// filled in. Every screen has it within a second.
	Note(ctx context.Context, n AlertNote) error
}

// NoteKind is what a note says of alerts.
type NoteKind uint8

// The kinds of notes.
const (
	Acknowledged NoteKind = iota // somebody has seen them
	Snoozed                      // out of mind until an end: not counted, no sound
	Silenced                     // not sent to anybody until an end
)

// AlertNote is a record that screens share: what an analyst noted about alerts.
type AlertNote struct {
	Kind NoteKind
	// ID is that of the alert that is acknowledged; else of the note's own making.
	ID string
	// Match are labels (rule, symbol, severity, sector) and the value, or the
	// pattern with * and ?, that an alert must have: all of them. A note with
	// none means, if it is an acknowledgement, all alerts where All is set.
	Match map[string]string
	All   bool
	// Until ends what is snoozed or silenced; of an acknowledgement that means
	// several it is the time of the newest.
	Until   market.Time
	Text    string
	At      market.Time
	By      string
	Removed bool // taken back
}

// matches says whether all labels are an alert's.
func (n *AlertNote) matches(a *market.Alert, sector func(string) string) bool {
	for label, pattern := range n.Match {
		value := ""
		switch label {
		case "rule":
			value = a.Rule
		case "symbol":
			value = a.Symbol
		case "severity":
			value = a.Severity.String()
		case "sector":
			value = sector(a.Symbol)
		default:
			return false // of a later version, or of a state, which a row has several of
		}
		// A slash is nothing special in a name.
		hit, err := path.Match(strings.ReplaceAll(pattern, "/", "\x01"), strings.ReplaceAll(value, "/", "\x01"))
		if err != nil || !hit {
			return false
		}
	}
	return len(n.Match) > 0 || n.All
}

// words are the labels as a sentence says them: “price drop” on TSLA.
func (n *AlertNote) words() string {
	var parts []string
	rule, symbol := n.Match["rule"], n.Match["symbol"]
	if rule != "" {
		parts = append(parts, "“"+rule+"”")
	}
	if symbol != "" {
		if rule == "" {
			parts = append(parts, "everything")
		}
		parts = append(parts, "on "+symbol)
	}
	if s := n.Match["severity"]; s != "" {
		parts = append(parts, s)
	}
	if s := n.Match["sector"]; s != "" {
		parts = append(parts, "of "+s)
	}
	if s := n.Match["state"]; s != "" {
		parts = append(parts, s)
	}
	if len(parts) == 0 {
		return "every alert"
	}
	return strings.Join(parts, " ")
}
