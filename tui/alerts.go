package tui

import (
	"encoding/json"
	"strings"

	tea "charm.land/bubbletea/v2"
)

// alerts is view 3: the alerts as they come and as they were, the rules that
// make them, and what is snoozed and silenced.
type alerts struct {
	desk  *Desk
	tab   alertTab
	list  *alertList
	quiet silences
	undo  [][]AlertNote // what takes back what was noted, the newest last
}

type alertTab uint8

const (
	tabAlerts alertTab = iota
	tabSilences
	alertTabs
)

func newAlerts(d *Desk) *alerts {
	return &alerts{desk: d, list: newAlertList(d), quiet: silences{desk: d}}
}

// TextFocus says whether printable keys are text.
func (a *alerts) TextFocus() bool {
	return a.tab == tabAlerts && a.list.filtering
}

func (a *alerts) Keys() []Action {
	if a.tab == tabSilences {
		keys := []Action{MoveDown, MoveUp, MoveLeft, MoveRight, Delete, Escape}
		if len(a.undo) > 0 {
			keys = append(keys, Undo)
		}
		return keys
	}
	keys := a.list.Keys()
	if len(a.undo) > 0 && !a.list.filtering && !a.list.quiet.open {
		keys = append(keys, Undo)
	}
	return keys
}

// Word of the keys that mean something else here.
func (a *alerts) Word(x Action) string {
	switch {
	case x == MoveLeft && !a.list.quiet.open:
		return "tab"
	case a.tab == tabSilences && x == Delete:
		return "take back"
	case a.tab == tabAlerts:
		return a.list.Word(x)
	}
	return ""
}

func (a *alerts) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case Do:
		return a.do(msg.Action)
	case Type, tea.PasteMsg, tea.MouseClickMsg:
		if a.tab == tabAlerts {
			return a.list.Update(msg)
		}
	case Tick:
		if a.tab == tabAlerts {
			a.list.tick()
		}
	case Open:
		if msg.View == "alerts" {
			a.tab = tabAlerts
		}
	case ask:
		return a.verb(msg)
	case pastCame:
		a.desk.alerts.come(msg)
	case momentsCame:
		a.list.moments.come(msg)
	case noteMade:
		a.noted(msg)
	}
	return nil
}

// noted says how a note went, and remembers how it is taken back.
func (a *alerts) noted(m noteMade) {
	if m.err != nil {
		a.desk.Say(Warn, firstLine(m.err.Error()))
		return
	}
	if m.said != "" {
		a.desk.Say(Muted, m.said)
	}
	if len(m.undo) > 0 {
		a.undo = append(a.undo, m.undo)
		a.undo = a.undo[max(len(a.undo)-100, 0):]
	}
}

func (a *alerts) do(x Action) tea.Cmd {
	if a.tab == tabAlerts && (a.list.filtering || a.list.quiet.open) {
		return a.list.do(x)
	}
	switch x {
	case MoveLeft:
		a.tab = (a.tab + alertTabs - 1) % alertTabs
		return nil
	case MoveRight:
		a.tab = (a.tab + 1) % alertTabs
		return nil
	case Undo:
		return a.takeBack()
	}
	if a.tab == tabSilences {
		if x == Escape {
			a.tab = tabAlerts
			return nil
		}
		return a.quiet.do(x)
	}
	return a.list.do(x)
}

// takeBack undoes the newest note of this screen.
func (a *alerts) takeBack() tea.Cmd {
	n := len(a.undo)
	if n == 0 {
		a.desk.Say(Muted, "nothing is left to take back")
		return nil
	}
	notes := a.undo[n-1]
	a.undo = a.undo[:n-1]
	return a.desk.alerts.make("taken back", nil, notes...)
}

// verb runs the commands of alerts.
func (a *alerts) verb(x ask) tea.Cmd {
	b := a.desk.alerts
	switch x.verb {
	case "acknowledge":
		n := AlertNote{Kind: Acknowledged, ID: b.newNoteID(), All: true, Until: a.desk.Clock()}
		if len(b.rows) > 0 {
			n.Until = max(n.Until, b.rows[len(b.rows)-1].Time)
		}
		if rule := strings.Join(x.args, " "); rule != "all" {
			n.All, n.Match = false, map[string]string{"rule": escaped(rule)}
		}
		count := 0
		for _, r := range b.rows {
			if b.asking(r) && r.Time <= n.Until && n.matches(&r.Alert, a.desk.sector) {
				count++
			}
		}
		back := n
		back.Removed = true
		return b.make("acknowledged "+plural(count, "alert")+" · u takes it back", []AlertNote{back}, n)
	}
	return nil
}

func (a *alerts) View(w, h int) string {
	c := newCanvas(a.desk.Theme, w, h)
	a.tabs(c)
	switch a.tab {
	case tabSilences:
		a.quiet.draw(c)
	default:
		a.list.draw(c)
	}
	return c.String()
}

func (a *alerts) tabs(c *canvas) {
	c.gap(1)
	n, _ := a.desk.alerts.unacknowledged()
	names := [alertTabs]string{"alerts", "silences"}
	counts := [alertTabs]int{n, a.quiet.holding()}
	for i, name := range names {
		ink := c.on(Muted)
		if i == int(a.tab) {
			ink = c.bold(Accent)
		}
		c.put(ink, name)
		if counts[i] > 0 {
			role := Muted
			if i == int(tabAlerts) {
				role = Warn
			}
			c.put(c.on(role), " "+plainNumber(counts[i]))
		}
		c.gap(2)
	}
	if a.tab == tabAlerts {
		a.list.head(c)
	}
	c.end()
}

// alertsKept is what of the view survives.
type alertsKept struct {
	Filter string      `json:"filter,omitempty"`
	Show   alertsShown `json:"show,omitempty"`
}

// Keep and Restore what is listed.
func (a *alerts) Keep() any {
	return alertsKept{Filter: a.list.filter.String(), Show: a.list.show}
}

func (a *alerts) Restore(data []byte) {
	var k alertsKept
	if json.Unmarshal(data, &k) != nil {
		return
	}
	a.list.filter.setText(k.Filter)
	a.list.show = k.Show % alertsShownCount
	a.list.stale = true
}
