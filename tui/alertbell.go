package tui

import (
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"tapedeck/pipeline/market"
)

// bellEvery is the shortest time between two signals, so that a burst is one.
const bellEvery = 2 * time.Second

// bell sounds, and tells the desktop, of new alerts of a warning or worse that
// nobody has snoozed or silenced. Both are the analyst's own settings.
type bell struct {
	desk *Desk
	rung time.Time
	due  []*alertRow // not told yet
}

// ring takes the alerts that have begun; nil is nothing to tell now.
func (b *bell) ring(began []*alertRow) tea.Cmd {
	c := b.desk.Config
	if !c.Bell && !c.Desktop {
		b.due = nil
		return nil
	}
	clock := b.desk.Clock()
	for _, r := range began {
		if r.Severity >= market.Warning && r.State != market.Pending && clock.Sub(r.Time) < 5*time.Minute {
			b.due = append(b.due, r)
		}
	}
	if len(b.due) == 0 || b.desk.Now().Sub(b.rung) < bellEvery {
		return nil
	}
	due := slices.DeleteFunc(b.due, func(r *alertRow) bool { return b.desk.alerts.note(r) != nil })
	b.due = nil
	if len(due) == 0 {
		return nil
	}
	b.rung = b.desk.Now()
	out := ""
	if c.Bell {
		out = "\a"
	}
	if c.Desktop {
		out += notification(c.Environ, summaryOf(due))
	}
	return tea.Raw(out)
}

// summaryOf says in a line what came: the gravest, and how many more.
func summaryOf(due []*alertRow) string {
	worst := due[0]
	for _, r := range due {
		if r.Severity > worst.Severity {
			worst = r
		}
	}
	text := sentence(&worst.Alert)
	if worst.Symbol != "" && !strings.Contains(text, worst.Symbol) {
		text = worst.Symbol + " " + text
	}
	if n := len(due) - 1; n > 0 {
		text += " · and " + plural(n, "more alert")
	}
	return text
}

// notification is the sequence that has a terminal show a text on the desktop:
// OSC 777 for those that know only that, else OSC 9, which most others know.
// Within tmux it is passed through, where tmux allows it.
func notification(environ []string, text string) string {
	text = string(clean(nil, text)) // nothing in it may end the sequence
	env := func(name string) string {
		for _, e := range environ {
			if v, ok := strings.CutPrefix(e, name+"="); ok {
				return v
			}
		}
		return ""
	}
	out := "\x1b]9;" + text + "\x07"
	if term := env("TERM"); strings.HasPrefix(term, "rxvt") || strings.HasPrefix(term, "foot") || env("VTE_VERSION") != "" {
		out = "\x1b]777;notify;tapedeck;" + strings.ReplaceAll(text, ";", ",") + "\x07"
	}
	if env("TMUX") != "" {
		out = "\x1bPtmux;" + strings.ReplaceAll(out, "\x1b", "\x1b\x1b") + "\x1b\\"
	}
	return out
}
