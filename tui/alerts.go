package tui

import (
	tea "charm.land/bubbletea/v2"

	"tapedeck/pipeline/market"
)

// alerts is view 3: every alert in memory, newest first, with its value
// against its threshold.
type alerts struct {
	desk   *Desk
	cursor int
	held   string // identity that the cursor stays on
	offset int
	page   int
	only   alertFilter
}

// alertFilter is which alerts are listed.
type alertFilter uint8

const (
	alertsAll alertFilter = iota
	alertsFiring
	alertsOfSymbol
)

func newAlerts(d *Desk) *alerts { return &alerts{desk: d} }

func (a *alerts) Keys() []Action {
	return []Action{MoveDown, MoveUp, MoveLeft, MoveRight, Enter, Copy, Escape}
}

// Word of the keys that mean something else here.
func (a *alerts) Word(x Action) string {
	if x == MoveLeft {
		return "which"
	}
	return ""
}

func (a *alerts) list() []*market.Alert {
	f := a.desk.Frame
	out := make([]*market.Alert, 0, len(f.Alerts))
	for i := range f.Alerts {
		x := &f.Alerts[i]
		if a.only == alertsFiring && !f.Standing[i] || a.only == alertsOfSymbol && x.Symbol != a.desk.Symbol {
			continue
		}
		out = append(out, x)
	}
	return out
}

func (a *alerts) Update(msg tea.Msg) tea.Cmd {
	do, ok := msg.(Do)
	if !ok {
		return nil
	}
	list := a.list()
	a.find(list)
	switch do.Action {
	case MoveDown:
		a.cursor++
	case MoveUp:
		a.cursor--
	case HalfDown:
		a.cursor += max(a.page/2, 1)
	case HalfUp:
		a.cursor -= max(a.page/2, 1)
	case Top:
		a.cursor = 0
	case Bottom:
		a.cursor = len(list) - 1
	case MoveLeft:
		a.only = (a.only + 2) % 3
		list = a.list()
	case MoveRight:
		a.only = (a.only + 1) % 3
		list = a.list()
	case Enter, ChartIt:
		if a.cursor < len(list) {
			x := list[a.cursor]
			a.desk.Post(Open{View: "chart", Symbol: x.Symbol, At: x.Time})
		}
	case Copy:
		if a.cursor < len(list) {
			x := list[a.cursor]
			a.desk.Post(CopyText{x.Time.String() + " " + x.Symbol + " " + sentence(x), "the alert"})
		}
	case Escape:
		a.desk.Post(Open{})
	}
	a.cursor = max(min(a.cursor, len(list)-1), 0)
	a.held = ""
	if a.cursor > 0 {
		a.held = list[a.cursor].ID
	}
	return nil
}

func (a *alerts) find(list []*market.Alert) {
	if a.held == "" {
		return
	}
	for i, x := range list {
		if x.ID == a.held {
			a.cursor = i
			return
		}
	}
}

func (a *alerts) View(w, h int) string {
	c := newCanvas(a.desk.Theme, w, h)
	list := a.list()
	a.find(list)
	a.tabs(c)
	if len(list) == 0 {
		c.end()
		c.gap(3)
		switch a.only {
		case alertsFiring:
			c.text("nothing is firing")
		case alertsOfSymbol:
			c.text("no alert of " + a.desk.Symbol + " since this screen opened")
		default:
			c.text("no alerts yet")
			c.end()
			c.gap(3)
			c.muted("rules watch every tick; what they find appears here within a second")
		}
		c.end()
		return c.String()
	}
	a.heading(c)
	a.page = max(c.left()-1, 1)
	a.offset = max(min(a.offset, a.cursor), a.cursor-a.page+1)
	a.offset = max(min(a.offset, len(list)-a.page), 0)
	for i := a.offset; i < min(a.offset+a.page, len(list)); i++ {
		a.row(c, list[i], i == a.cursor)
	}
	for c.left() > 1 {
		c.end()
	}
	c.gap(1)
	from, to := a.offset+1, min(a.offset+a.page, len(list))
	c.muted(plainNumber(from) + "–" + plainNumber(to) + " of " + plural(len(list), "alert"))
	c.end()
	return c.String()
}

func (a *alerts) tabs(c *canvas) {
	names := [...]string{"live " + plainNumber(len(a.desk.Frame.Alerts)), "firing " + plainNumber(a.desk.firing()), a.desk.Symbol}
	c.gap(1)
	for i, n := range names {
		ink := c.on(Muted)
		if i == int(a.only) {
			ink = c.bold(Accent)
		}
		c.put(ink, n)
		c.gap(2)
	}
	c.end()
}

// The columns that need room come and go with it.
func (a *alerts) columns(w int) (rule, figures int) {
	rule = min(max(w/5, 14), 28)
	if w >= 90 {
		figures = 13
	}
	return rule, figures
}

func (a *alerts) heading(c *canvas) {
	rule, figures := a.columns(c.width)
	c.gap(3)
	c.cell(c.on(Muted), "age", 9)
	c.cell(c.on(Muted), "symbol", 9)
	c.cell(c.on(Muted), "rule", rule)
	if figures > 0 {
		c.number(c.on(Muted), "value", figures)
		c.number(c.on(Muted), "threshold", figures)
		c.gap(2)
	}
	c.cell(c.on(Muted), "what", max(c.room()-10, 0))
	c.right(c.on(Muted), "state ")
	c.end()
}

func (a *alerts) row(c *canvas, x *market.Alert, selected bool) {
	mark := " "
	if selected {
		c.set(Selection)
		mark = "▌"
	}
	glyph, role := severityMark(x)
	rule, figures := a.columns(c.width)
	c.put(c.on(Accent), mark)
	c.put(c.on(role), glyph)
	c.gap(1)
	c.cell(c.on(Muted), span(a.desk.Clock().Sub(x.Time)), 9)
	symbol, text := c.bold(Text), c.on(Text)
	if x.State == market.Resolved {
		symbol, text = c.on(Muted), c.on(Muted)
	}
	c.cell(symbol, x.Symbol, 9)
	c.cell(text, x.Rule, rule)
	if figures > 0 {
		c.number(text, value(x.Value), figures)
		c.number(c.on(Muted), value(x.Threshold), figures)
		c.gap(2)
	}
	state := x.State.String()
	c.cell(c.on(Muted), x.Message, c.room()-width(state)-2)
	c.right(c.on(role), state+" ")
	c.end()
	c.set(Plain)
}
