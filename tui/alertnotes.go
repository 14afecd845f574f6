package tui

import (
	"context"
	"path"
	"strings"
	"time"

	"tapedeck/pipeline/market"
)

// Alerts answers what was, and keeps what analysts note about alerts. Notes
// are shared: every screen sees who made them, and any may take them back.
type Alerts interface {
	// Past are alerts before a moment, the newest first, at most limit.
	Past(ctx context.Context, before market.Time, limit int) ([]market.Alert, error)
	// Notes are those that stand. It does not block; what it gave is not changed.
	Notes() *AlertNotes
	// Acknowledge notes that somebody has seen alerts, or takes it back.
	Acknowledge(ctx context.Context, ids []string, back bool) error
	// Hush keeps alerts of a rule, of one symbol or of all where it is "", quiet
	// until a moment: shown muted, sent to nobody, counted as no new ones.
	Hush(ctx context.Context, rule, symbol string, until market.Time) (id string, err error)
	// Unhush takes a silence back.
	Unhush(ctx context.Context, id string) error
}

// AlertNotes are what analysts have noted, as of a moment.
type AlertNotes struct {
	Acked    map[string]AlertNote // by the alert's identity
	Silences []AlertSilence
}

// AlertNote says who and when.
type AlertNote struct {
	By string
	At market.Time
}

// AlertSilence is a silence that has not been taken back.
type AlertSilence struct {
	ID     string
	Rule   string // names or globs; "" is any
	Symbol string
	Until  market.Time
	By     string
}

// acked says who has seen an alert.
func (n *AlertNotes) acked(a *market.Alert) (AlertNote, bool) {
	if n == nil {
		return AlertNote{}, false
	}
	note, ok := n.Acked[a.ID]
	return note, ok
}

// silence is the one that keeps an alert quiet, nil where none does.
func (n *AlertNotes) silence(a *market.Alert, now market.Time) *AlertSilence {
	if n == nil {
		return nil
	}
	for i := range n.Silences {
		if s := &n.Silences[i]; s.Until > now && like(s.Rule, a.Rule) && like(s.Symbol, a.Symbol) {
			return s
		}
	}
	return nil
}

// like compares a value with a name or glob, in which a slash is nothing special.
func like(pattern, value string) bool {
	if pattern == "" {
		return true
	}
	flat := strings.NewReplacer("/", "\x01")
	ok, err := path.Match(flat.Replace(pattern), flat.Replace(value))
	return err == nil && ok
}

// notes are those of the desk's source.
func (d *Desk) notes() *AlertNotes {
	if d.Data.Alerts == nil {
		return nil
	}
	return d.Data.Alerts.Notes()
}

// unseen is how many alerts fire that nobody has acknowledged or silenced.
// Those beyond the newest 500 count as unseen.
func (d *Desk) unseen() int {
	f, n, now := d.Frame, d.notes(), market.At(d.Now())
	count := f.Firing
	if n == nil {
		return count
	}
	for i := range f.Alerts {
		a := &f.Alerts[i]
		if !f.Standing[i] {
			continue
		}
		if _, seen := n.acked(a); seen || n.silence(a, now) != nil {
			count--
		}
	}
	return max(count, 0)
}

// snoozeFor is how long a snooze and a silence last.
const (
	snoozeFor  = 15 * time.Minute
	silenceFor = time.Hour
)
