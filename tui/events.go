package tui

import (
	tea "charm.land/bubbletea/v2"

	"tapedeck/pipeline/live"
	"tapedeck/pipeline/market"
)

// events is the list of the latest alerts and of what the pipeline has to
// say, newest first, in words.
type events struct {
	desk     *Desk
	hasFocus bool
	cursor   int
	held     eventKey // what the cursor stands on, so that it stays there
	offset   int
	page     int
}

// event is one line: an alert or a notice.
type event struct {
	alert  *market.Alert
	notice *live.Notice
}

type eventKey struct {
	time market.Time
	text string
}

func (e event) time() market.Time {
	if e.alert != nil {
		return e.alert.Time
	}
	return e.notice.Time
}

func (e event) key() eventKey {
	if e.alert != nil {
		return eventKey{e.alert.Time, e.alert.ID}
	}
	return eventKey{e.notice.Time, e.notice.Text}
}

func newEvents(d *Desk) *events { return &events{desk: d} }

func (e *events) focused(yes bool) *events { e.hasFocus = yes; return e }

func (e *events) Keys() []Action { return []Action{MoveDown, MoveUp, Enter, Escape} }

// at merges the two lists by time: the i-th newest.
func (e *events) all(limit int) []event {
	f := e.desk.Frame
	out := make([]event, 0, min(limit, len(f.Alerts)+len(f.Notices)))
	a, n := 0, 0
	for len(out) < limit {
		for a < len(f.Alerts) && f.Alerts[a].State == market.Pending {
			a++
		}
		switch {
		case a < len(f.Alerts) && (n >= len(f.Notices) || f.Alerts[a].Time >= f.Notices[n].Time):
			out = append(out, event{alert: &f.Alerts[a]})
			a++
		case n < len(f.Notices):
			out = append(out, event{notice: &f.Notices[n]})
			n++
		default:
			return out
		}
	}
	return out
}

const eventsListed = 500

func (e *events) Update(msg tea.Msg) tea.Cmd {
	do, ok := msg.(Do)
	if !ok {
		return nil
	}
	list := e.all(eventsListed)
	e.find(list)
	switch do.Action {
	case MoveDown:
		e.cursor++
	case MoveUp:
		e.cursor--
	case HalfDown:
		e.cursor += max(e.page/2, 1)
	case HalfUp:
		e.cursor -= max(e.page/2, 1)
	case Top:
		e.cursor = 0
	case Bottom:
		e.cursor = len(list) - 1
	}
	e.cursor = max(min(e.cursor, len(list)-1), 0)
	e.held = eventKey{}
	if e.cursor > 0 { // the first place follows the newest
		e.held = list[e.cursor].key()
	}
	if do.Action == Enter && len(list) > 0 {
		openEvent(e.desk, list[e.cursor])
	}
	return nil
}

// openEvent leads on: an alert to its chart at that moment, a notice of a
// symbol to the symbol, any other to the pipeline.
func openEvent(d *Desk, ev event) {
	switch {
	case ev.alert != nil && ev.alert.Symbol != "":
		d.Post(Open{View: "chart", Symbol: ev.alert.Symbol, At: ev.alert.Time})
	case ev.notice != nil && ev.notice.Symbol != "":
		d.Post(Open{View: "chart", Symbol: ev.notice.Symbol, At: ev.notice.Time})
	default:
		d.Post(Open{View: "pipeline"})
	}
}

// find keeps the cursor on its event while newer ones come in.
func (e *events) find(list []event) {
	if e.held == (eventKey{}) {
		return
	}
	for i := range list {
		if list[i].key() == e.held {
			e.cursor = i
			return
		}
	}
}

func (e *events) View(w, h int) string {
	c := newCanvas(e.desk.Theme, w, h)
	list := e.all(eventsListed)
	if len(list) == 0 {
		c.end()
		c.gap(1)
		c.muted("no events yet: alerts and what the pipeline does will stand here")
		c.end()
		return c.String()
	}
	e.find(list)
	summary := e.summary()
	rows := h
	if summary != "" && h > 3 {
		rows--
	}
	e.page = max(rows, 1)
	e.offset = max(min(e.offset, e.cursor), e.cursor-e.page+1)
	if !e.hasFocus {
		e.offset = 0
	}
	for i := e.offset; i < min(e.offset+rows, len(list)); i++ {
		drawEvent(c, e.desk, list[i], e.hasFocus && i == e.cursor)
	}
	if rows < h && !c.full() {
		c.gap(1)
		c.muted(summary)
		c.end()
	}
	return c.String()
}

func (e *events) summary() string {
	firing := e.desk.firing()
	switch {
	case firing > 0 && e.hasFocus:
		return plainNumber(firing) + " firing · enter opens"
	case firing > 0:
		return plainNumber(firing) + " firing · 3 lists them all"
	}
	return ""
}

// drawEvent is one line: when, how grave, whom, what, and where it stands.
func drawEvent(c *canvas, d *Desk, ev event, selected bool) {
	lead := " "
	if selected {
		c.set(Selection)
		lead = "▌"
	}
	c.put(c.on(Accent), lead)
	c.put(c.on(Muted), clockOf(ev.time(), d.Zone()))
	c.gap(1)
	if ev.notice != nil {
		glyph, role := "┄", Muted
		switch ev.notice.Level {
		case live.Trouble:
			glyph, role = "●", Warn
		case live.Failed:
			glyph, role = "▲", Down
		}
		c.put(c.on(role), glyph)
		c.gap(1)
		c.cell(c.bold(Text), ev.notice.Symbol, 6)
		if role == Down {
			role = Text
		}
		c.cell(c.on(role), ev.notice.Text, c.room()-1)
		c.end()
		c.set(Plain)
		return
	}
	a := ev.alert
	glyph, role := severityMark(a)
	c.put(c.on(role), glyph)
	c.gap(1)
	symbol := c.bold(Text)
	text := c.on(Text)
	if a.State == market.Resolved {
		symbol, text = c.on(Text), c.on(Muted)
	}
	c.cell(symbol, a.Symbol, max(6, min(width(a.Symbol)+1, 9)))
	state, what := a.State.String(), sentence(a)
	if a.State == market.Once && width(what) > c.room()-width(state)-3 {
		state = "" // the glyph says it; the words need the room
	}
	c.cell(text, what, c.room()-width(state)-2)
	c.right(c.on(role), state+" ")
	c.end()
	c.set(Plain)
}

// severityMark is the glyph of an alert, and its colour.
func severityMark(a *market.Alert) (string, Role) {
	switch {
	case a.State == market.Resolved:
		return "✓", Muted
	case a.Severity == market.Critical:
		return "▲", Down
	case a.Severity == market.Warning:
		return "●", Warn
	}
	return "○", Muted
}

// sentence is the alert's own words, or the rule with its figures.
func sentence(a *market.Alert) string {
	if a.Message != "" {
		return a.Message
	}
	s := a.Rule
	if v := value(a.Value); v != "" {
		s += "  " + v
		if t := value(a.Threshold); t != "" {
			s += " against " + t
		}
	}
	return s
}
