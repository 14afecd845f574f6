package tui

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tapedeck/pipeline/market"
)

// ledger keeps alerts and notes in memory.
type ledger struct {
	past  []market.Alert // newest first
	notes AlertNotes
	calls []string
	err   error
}

func (l *ledger) Past(_ context.Context, before market.Time, limit int) ([]market.Alert, error) {
	var out []market.Alert
	for _, a := range l.past {
		if a.Time < before && len(out) < limit {
			out = append(out, a)
		}
	}
	return out, l.err
}

func (l *ledger) Notes() *AlertNotes { n := l.notes; return &n }

func (l *ledger) Acknowledge(_ context.Context, ids []string, back bool) error {
	l.calls = append(l.calls, fmt.Sprint("ack ", ids, back))
	acked := map[string]AlertNote{}
	for id, n := range l.notes.Acked {
		acked[id] = n
	}
	for _, id := range ids {
		acked[id] = AlertNote{"ada", market.At(demoNow)}
		if back {
			delete(acked, id)
		}
	}
	l.notes.Acked = acked
	return l.err
}

func (l *ledger) Hush(_ context.Context, rule, symbol string, until market.Time) (string, error) {
	id := fmt.Sprint("s", len(l.calls))
	l.calls = append(l.calls, "hush "+rule+" "+symbol)
	l.notes.Silences = append(slices.Clone(l.notes.Silences), AlertSilence{id, rule, symbol, until, "ada"})
	return id, l.err
}

func (l *ledger) Unhush(_ context.Context, id string) error {
	l.calls = append(l.calls, "unhush "+id)
	l.notes.Silences = slices.DeleteFunc(slices.Clone(l.notes.Silences), func(s AlertSilence) bool { return s.ID == id })
	return l.err
}

func openAlerts(t *testing.T, w, h int) (*Model, *demo, *ledger) {
	t.Helper()
	m, d := demoModel(t, 30, w, h)
	l := &ledger{}
	m.desk.Data.Alerts = l
	hit(m, "3")
	return m, d, l
}

func TestAcknowledgingIsSharedAndTakenBack(t *testing.T) {
	m, _, l := openAlerts(t, 120, 40)
	if n := m.desk.unseen(); n != 1 {
		t.Fatalf("%d alerts are unseen", n)
	}
	hit(m, "space")
	if _, seen := l.notes.acked(&m.desk.Frame.Alerts[0]); !seen || m.desk.unseen() != 0 {
		t.Fatalf("not acknowledged: %v", l.calls)
	}
	if s := shown(t, m); !strings.Contains(s, "seen") {
		t.Errorf("the row does not say so:\n%s", s)
	}
	hit(m, "u")
	if m.desk.unseen() != 1 {
		t.Errorf("not taken back: %v", l.calls)
	}
	hit(m, "u")
	if len(l.calls) != 2 {
		t.Errorf("taken back twice: %v", l.calls)
	}
}

func TestSnoozeIsOfASymbolSilenceOfARule(t *testing.T) {
	m, _, l := openAlerts(t, 120, 40)
	first := m.desk.Frame.Alerts[0]
	hit(m, "z")
	hit(m, "i")
	if want := []string{"hush " + first.Rule + " " + first.Symbol, "hush " + first.Rule + " "}; !slices.Equal(l.calls, want) {
		t.Fatalf("%v, want %v", l.calls, want)
	}
	for i, d := range []time.Duration{snoozeFor, silenceFor} {
		if got := l.notes.Silences[i].Until.Sub(market.At(demoNow)); got != d {
			t.Errorf("until %v from now, want %v", got, d)
		}
	}
	if m.desk.unseen() != 0 || !strings.Contains(shown(t, m), "quiet") {
		t.Error("it is not quiet")
	}
	hit(m, "u", "u")
	if len(l.notes.Silences) != 0 {
		t.Errorf("not taken back: %v", l.calls)
	}
}

// The list goes on into the lake without an edge, and nothing stands twice.
func TestPastAlertsFollowWithoutAnEdge(t *testing.T) {
	m, _, l := openAlerts(t, 120, 30)
	live := slices.Clone(m.desk.Frame.Alerts)
	l.past = slices.Clone(live) // the lake has them, too
	for i := range 450 {
		l.past = append(l.past, market.Alert{ID: fmt.Sprint("old", i), Symbol: "IBM", Rule: "past", Time: live[len(live)-1].Time.Add(-time.Duration(i+1) * time.Minute), State: market.Once})
	}
	v := m.pane().(*alerts)
	for range 600 {
		hit(m, "j")
	}
	list := v.list()
	if len(list) != len(live)+450 || v.cursor != len(list)-1 || !v.atStart {
		t.Fatalf("%d alerts, the cursor at %d", len(list), v.cursor)
	}
	seen := map[string]bool{}
	for i, a := range list {
		if seen[a.ID] || i > 0 && a.Time > list[i-1].Time {
			t.Fatalf("%s stands twice or out of order", a.ID)
		}
		seen[a.ID] = true
	}
	if !strings.Contains(shown(t, m), "there are none before") {
		t.Error("the end is not said")
	}
}

// What comes above the cursor moves nothing on the screen.
func TestNewAlertsMoveNothing(t *testing.T) {
	m, d, _ := openAlerts(t, 120, 30)
	hit(m, "j", "j")
	row := func() int {
		for i, line := range strings.Split(shown(t, m), "\n") {
			if strings.Contains(line, "▌") {
				return i
			}
		}
		return -1
	}
	held, before := m.pane().(*alerts).held, row()
	for i := range 40 {
		d.board.Alert(market.Alert{ID: fmt.Sprint("new", i), Symbol: "IBM", Time: market.At(demoNow), Rule: "burst", State: market.Once})
	}
	m.sample()
	if after := row(); after != before || m.pane().(*alerts).held != held {
		t.Errorf("the row moved from line %d to %d", before, after)
	}
	if !strings.Contains(shown(t, m), "newer") {
		t.Errorf("it is not said that there are newer ones:\n%s", shown(t, m))
	}
}

func TestAlertsAreFiltered(t *testing.T) {
	m, _, _ := openAlerts(t, 100, 30)
	hit(m, "/")
	for _, r := range "spike" {
		hit(m, string(r))
	}
	hit(m, "enter")
	v := m.pane().(*alerts)
	if list := v.list(); len(list) != 1 || list[0].Rule != "volume spike" {
		t.Fatalf("%d alerts", len(list))
	}
	hit(m, "esc")
	if len(v.list()) != 4 || m.desk.State.View != "alerts" {
		t.Error("esc does not clear the filter first")
	}
}

// What an alert says cannot end the sequence that shows it on the desktop.
func TestNotificationsAreHarmless(t *testing.T) {
	m, d, _ := openAlerts(t, 80, 24)
	m.desk.Config.Bell, m.desk.Config.Desktop = true, true
	v := m.pane().(*alerts)
	v.ring()
	d.board.Alert(market.Alert{ID: "x", Symbol: "IBM", Time: market.At(demoNow), Rule: "r", Severity: market.Critical, State: market.Firing, Message: "a\x1b]0;evil\x07;b"})
	before := v.known
	m.sample()
	v.known = before
	cmd := v.ring()
	if cmd == nil {
		t.Fatal("nothing rings")
	}
	out := fmt.Sprint(cmd())
	if strings.Count(out, "\x1b") != 2 || strings.Count(out, "\x07") != 3 {
		t.Errorf("%q", out)
	}
	if v.ring() != nil {
		t.Error("it rings twice")
	}
}
