package tui

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"tapedeck/pipeline/market"
)

// alerts is view 3: every alert, newest first, with its value against its
// threshold; those in memory, then those of the lake, without an edge between.
type alerts struct {
	desk   *Desk
	cursor int
	held   string // identity that the cursor stays on
	offset int
	page   int
	only   alertFilter

	filter    field
	filtering bool

	past    []market.Alert // older than those in memory, newest first
	asked   int            // the answer that is awaited
	atStart bool           // there are none before
	pastErr error

	undo []func(ctx context.Context) error // what the analyst noted here, newest last
	said []string

	bars  priceAround
	known string // the newest alert that was rung for
}

// alertFilter is which alerts are listed.
type alertFilter uint8

const (
	alertsAll alertFilter = iota
	alertsFiring
	alertsOfSymbol
)

const (
	pastPage    = 200
	maxPast     = 20_000
	alertAnswer = 10 * time.Second
)

// priceAround is the price around the alert under the cursor.
type priceAround struct {
	id      string
	asked   int
	at      int // index of the alert's minute in closes
	closes  []float32
	waiting string // what is to be asked for when the cursor rests
	since   time.Time
}

type pastCame struct {
	request int
	list    []market.Alert
	err     error
}

type momentCame struct {
	request int
	id      string
	bars    []market.Bar
}

type noted struct {
	said string
	undo func(ctx context.Context) error
	err  error
}

func newAlerts(d *Desk) *alerts { return &alerts{desk: d} }

func (a *alerts) Keys() []Action {
	if a.filtering {
		return []Action{Enter, Escape}
	}
	keys := []Action{MoveDown, MoveUp, MoveLeft, Enter}
	if a.desk.Data.Alerts != nil {
		keys = append(keys, Toggle, Snooze, Silence)
		if len(a.undo) > 0 {
			keys = append(keys, Undo)
		}
	}
	return append(keys, Filter, Copy, Escape)
}

// TextFocus while the filter is being written.
func (a *alerts) TextFocus() bool { return a.filtering }

// Word of the keys that mean something else here.
func (a *alerts) Word(x Action) string {
	switch {
	case x == MoveLeft:
		return "which"
	case x == Enter && a.filtering:
		return "keep"
	case x == Escape && a.filtering:
		return "clear"
	}
	return ""
}

// list are the alerts that the filters leave.
func (a *alerts) list() []*market.Alert {
	f := a.desk.Frame
	needle := strings.ToLower(strings.TrimSpace(a.filter.String()))
	out := make([]*market.Alert, 0, len(f.Alerts)+len(a.past))
	take := func(x *market.Alert, standing bool) {
		if a.only == alertsFiring && !standing || a.only == alertsOfSymbol && x.Symbol != a.desk.Symbol {
			return
		}
		if needle != "" && !strings.Contains(strings.ToLower(x.Symbol+" "+x.Rule+" "+x.Message+" "+x.Severity.String()+" "+x.State.String()), needle) {
			return
		}
		out = append(out, x)
	}
	for i := range f.Alerts {
		take(&f.Alerts[i], f.Standing[i])
	}
	oldest := market.Time(0)
	if n := len(f.Alerts); n > 0 {
		oldest = f.Alerts[n-1].Time
	}
	for i := range a.past { // what stands above has come once more from the lake
		x := &a.past[i]
		if oldest == 0 || x.Time < oldest || x.Time == oldest && !slices.ContainsFunc(f.Alerts, func(y market.Alert) bool { return y.ID == x.ID }) {
			take(x, false)
		}
	}
	return out
}

func (a *alerts) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case Tick:
		return a.tick(msg.Now)
	case Open:
		if msg.View == "alerts" {
			return a.older()
		}
	case pastCame:
		a.take(msg)
	case momentCame:
		a.takeMoment(msg)
	case noted:
		if msg.err != nil {
			a.desk.Say(Warn, msg.err.Error())
			return nil
		}
		if msg.undo != nil {
			a.undo, a.said = append(a.undo, msg.undo), append(a.said, msg.said)
			msg.said += " · u takes it back"
		}
		a.desk.Say(Muted, msg.said)
	case tea.PasteMsg:
		if a.filtering {
			a.filter.insert(msg.Content)
		}
	case Type:
		if a.filtering {
			a.filter.key(msg.Key)
			a.cursor, a.held, a.offset = 0, "", 0
		}
	case Do:
		return a.do(msg.Action)
	}
	return nil
}

func (a *alerts) do(action Action) tea.Cmd {
	if a.filtering {
		switch action {
		case Enter:
			a.filtering = false
		case Escape:
			a.filtering = false
			a.filter.setText("")
		case TextUndo:
			a.filter.undo()
		case TextRedo:
			a.filter.redo()
		}
		return nil
	}
	list := a.list()
	a.find(list)
	var cmd tea.Cmd
	var under *market.Alert
	if a.cursor < len(list) {
		under = list[a.cursor]
	}
	switch action {
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
	case MoveLeft, MoveRight:
		a.only = (a.only + 1) % 3
		if action == MoveLeft {
			a.only = (a.only + 1) % 3
		}
		list = a.list()
	case Enter, ChartIt:
		if under != nil {
			a.desk.Post(Open{View: "chart", Symbol: under.Symbol, At: under.Time})
		}
	case Copy:
		if under != nil {
			a.desk.Post(CopyText{under.Time.String() + " " + under.Symbol + " " + sentence(under), "the alert"})
		}
	case Filter:
		a.filtering = true
		return nil
	case Toggle, Snooze, Silence:
		if under == nil {
			return nil
		}
		if cmd = a.note(action, *under); cmd != nil && a.cursor < len(list)-1 && action == Toggle {
			a.cursor++
		}
	case Undo:
		cmd = a.takeBack()
	case Edit:
		if under != nil && slices.Contains(a.desk.viewNames, "rules") {
			a.desk.Post(Open{View: "rules"})
		}
	case Escape:
		if a.filter.String() != "" {
			a.filter.setText("")
			return nil
		}
		a.desk.Post(Open{})
	}
	a.cursor = max(min(a.cursor, len(list)-1), 0)
	a.held = ""
	if a.cursor > 0 {
		a.held = list[a.cursor].ID
	}
	if a.cursor >= len(list)-max(a.page, 1) {
		return tea.Batch(cmd, a.older())
	}
	return cmd
}

// note acknowledges, snoozes or silences the alert under the cursor.
func (a *alerts) note(action Action, x market.Alert) tea.Cmd {
	source := a.desk.Data.Alerts
	if source == nil {
		a.desk.Say(Warn, "nothing can be noted here: the pipeline is not reached")
		return nil
	}
	_, seen := source.Notes().acked(&x)
	until := market.At(a.desk.Now()).Add(snoozeFor)
	if action == Silence {
		until = market.At(a.desk.Now()).Add(silenceFor)
	}
	clock := clockOf(until, a.desk.Zone())[:5]
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), alertAnswer)
		defer cancel()
		switch action {
		case Toggle:
			ids := []string{x.ID}
			said := "acknowledged: " + x.Symbol + ", " + x.Rule
			if seen {
				said = "no longer acknowledged: " + x.Symbol + ", " + x.Rule
			}
			return noted{said, func(ctx context.Context) error { return source.Acknowledge(ctx, ids, !seen) }, source.Acknowledge(ctx, ids, seen)}
		case Snooze:
			id, err := source.Hush(ctx, x.Rule, x.Symbol, until)
			return noted{"“" + x.Rule + "” is quiet for " + x.Symbol + " until " + clock, func(ctx context.Context) error { return source.Unhush(ctx, id) }, err}
		}
		id, err := source.Hush(ctx, x.Rule, "", until)
		return noted{"“" + x.Rule + "” is quiet for all symbols until " + clock, func(ctx context.Context) error { return source.Unhush(ctx, id) }, err}
	}
}

// takeBack undoes what was noted last on this screen.
func (a *alerts) takeBack() tea.Cmd {
	n := len(a.undo)
	if n == 0 {
		a.desk.Say(Muted, "nothing to take back")
		return nil
	}
	undo, said := a.undo[n-1], a.said[n-1]
	a.undo, a.said = a.undo[:n-1], a.said[:n-1]
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), alertAnswer)
		defer cancel()
		return noted{said: "taken back: " + said, err: undo(ctx)}
	}
}

// find follows the alert under the cursor when others come above it, and keeps
// it where it stands on the screen.
func (a *alerts) find(list []*market.Alert) {
	if a.held == "" {
		return
	}
	for i, x := range list {
		if x.ID == a.held {
			a.offset += i - a.cursor
			a.cursor = i
			return
		}
	}
}

// tick asks for what the screen needs next.
func (a *alerts) tick(now time.Time) tea.Cmd {
	var cmds []tea.Cmd
	cmds = append(cmds, a.ring())
	if a.desk.State.View == "alerts" {
		list := a.list()
		a.find(list)
		if a.cursor < len(list) {
			cmds = append(cmds, a.around(list[a.cursor], now))
		}
		if len(list) < a.page {
			cmds = append(cmds, a.older())
		}
	}
	return tea.Batch(cmds...)
}

// older asks the lake for the alerts before those that are known.
func (a *alerts) older() tea.Cmd {
	source := a.desk.Data.Alerts
	if source == nil || a.asked != 0 || a.atStart || len(a.past) >= maxPast || a.pastErr != nil && len(a.past) > 0 {
		return nil
	}
	before := market.At(a.desk.Now()).Add(time.Minute)
	if n := len(a.past); n > 0 {
		before = a.past[n-1].Time
	} else if f := a.desk.Frame; len(f.Alerts) > 0 {
		before = f.Alerts[len(f.Alerts)-1].Time + 1
	}
	a.asked = a.desk.Request()
	request := a.asked
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), alertAnswer)
		defer cancel()
		list, err := source.Past(ctx, before, pastPage)
		return pastCame{request, list, err}
	}
}

func (a *alerts) take(m pastCame) {
	if m.request != a.asked {
		return
	}
	a.asked, a.pastErr = 0, m.err
	if m.err != nil {
		return
	}
	a.atStart = len(m.list) < pastPage
	a.past = append(a.past, m.list...)
}

// around asks for the price around the alert on which the cursor rests.
func (a *alerts) around(x *market.Alert, now time.Time) tea.Cmd {
	m := &a.bars
	switch {
	case m.id == x.ID || a.desk.Data.History == nil:
		return nil
	case m.waiting != x.ID:
		m.waiting, m.since = x.ID, now
		return nil
	case now.Sub(m.since) < 200*time.Millisecond || m.asked != 0:
		return nil
	}
	m.asked = a.desk.Request()
	request, id, symbol, at, history := m.asked, x.ID, x.Symbol, x.Time, a.desk.Data.History
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), fetchWithin)
		defer cancel()
		bars, err := history.Bars(ctx, symbol, market.Minute, at.Add(-30*time.Minute), at.Add(30*time.Minute), 100)
		if err != nil {
			bars = nil
		}
		return momentCame{request, id, bars}
	}
}

func (a *alerts) takeMoment(m momentCame) {
	if m.request != a.bars.asked {
		return
	}
	a.bars.asked, a.bars.id, a.bars.closes, a.bars.at = 0, m.id, a.bars.closes[:0], 0
	for _, x := range a.list() {
		if x.ID != m.id {
			continue
		}
		for i := range m.bars {
			if m.bars[i].Time <= x.Time {
				a.bars.at = i
			}
			a.bars.closes = append(a.bars.closes, float32(m.bars[i].Close))
		}
		return
	}
}

// ring sounds the bell and tells the desktop, where that is set, of a new
// alert that nobody has silenced.
func (a *alerts) ring() tea.Cmd {
	f, config := a.desk.Frame, a.desk.Config
	if len(f.Alerts) == 0 || f.Alerts[0].ID == a.known {
		return nil
	}
	before := a.known
	a.known = f.Alerts[0].ID
	if before == "" || !config.Bell && !config.Desktop {
		return nil
	}
	var first *market.Alert
	n := 0
	for i := range f.Alerts {
		x := &f.Alerts[i]
		if x.ID == before {
			break
		}
		if (x.State == market.Firing || x.State == market.Once) && x.Severity >= market.Warning && a.desk.notes().silence(x, market.At(a.desk.Now())) == nil {
			if n++; first == nil {
				first = x
			}
		}
	}
	if first == nil {
		return nil
	}
	out := ""
	if config.Bell {
		out = "\a"
	}
	if config.Desktop {
		text := sentence(first)
		if n > 1 {
			text += fmt.Sprintf(", and %d more", n-1)
		}
		text = string(clean(nil, text)) // nothing in it may end the sequence
		out += "\x1b]9;" + text + "\x07\x1b]777;notify;tapedeck;" + strings.ReplaceAll(text, ";", ",") + "\x07"
	}
	return tea.Raw(out)
}

func (a *alerts) View(w, h int) string {
	c := newCanvas(a.desk.Theme, w, h)
	list := a.list()
	a.find(list)
	a.cursor = max(min(a.cursor, len(list)-1), 0)
	a.tabs(c)
	if len(list) == 0 {
		a.nothing(c)
		return c.String()
	}
	a.heading(c)
	detail := 0
	if h >= 20 {
		detail = 4
	}
	a.page = max(c.left()-1-detail, 1)
	a.offset = max(min(a.offset, a.cursor), a.cursor-a.page+1)
	a.offset = max(a.offset, 0) // what is held stays where it is, even with nothing below
	notes, now := a.desk.notes(), market.At(a.desk.Now())
	for i := a.offset; i < min(a.offset+a.page, len(list)); i++ {
		a.row(c, list[i], i == a.cursor, notes, now)
	}
	for c.left() > 1+detail {
		c.end()
	}
	if detail > 0 {
		a.detail(c, list[a.cursor], notes, now)
	}
	a.foot(c, len(list))
	return c.String()
}

func (a *alerts) nothing(c *canvas) {
	c.end()
	c.gap(3)
	switch {
	case a.filter.String() != "":
		c.text("no alert has “" + a.filter.String() + "” in it")
	case a.only == alertsFiring:
		c.text("nothing is firing")
	case a.only == alertsOfSymbol:
		c.text("no alert of " + a.desk.Symbol)
	default:
		c.text("no alerts yet")
		c.end()
		c.gap(3)
		c.muted("rules watch every tick; what they find appears here within a second")
	}
	c.end()
}

// foot says where in the list one is.
func (a *alerts) foot(c *canvas, n int) {
	c.gap(1)
	from, to := a.offset+1, min(a.offset+a.page, n)
	text := plainNumber(from) + "–" + plainNumber(to) + " of " + plural(n, "alert")
	switch {
	case a.asked != 0:
		text += " · reading older ones"
	case a.pastErr != nil:
		text += " · older ones cannot be read: " + a.pastErr.Error()
	case a.atStart:
		text += " · there are none before"
	}
	c.cell(c.on(Muted), text, c.room())
	c.end()
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
	if a.filtering || a.filter.String() != "" {
		c.put(c.on(Accent), "/")
		c.text(a.filter.String())
		if a.filtering {
			c.put(c.on(Accent), "▏")
		}
		c.gap(2)
	}
	above := "" // what came while the list is held
	if a.offset > 0 && a.held != "" {
		above = "↑ " + plainNumber(a.offset) + " newer"
	}
	if u := a.desk.unseen(); u > 0 && u != a.desk.firing() {
		above = strings.TrimPrefix(above+" · "+plainNumber(u)+" not acknowledged", " · ")
	}
	if width(above)+1 < c.room() {
		c.right(c.on(Muted), above+" ")
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

func (a *alerts) row(c *canvas, x *market.Alert, selected bool, notes *AlertNotes, now market.Time) {
	mark := " "
	if selected {
		c.set(Selection)
		mark = "▌"
	}
	glyph, role := severityMark(x)
	rule, figures := a.columns(c.width)
	state := x.State.String()
	quiet := x.State == market.Resolved
	if _, seen := notes.acked(x); seen {
		state, quiet = "seen", true
	} else if notes.silence(x, now) != nil && !quiet {
		state, quiet = "quiet", true
	}
	if quiet {
		role = Muted
	}
	c.put(c.on(Accent), mark)
	c.put(c.on(role), glyph)
	c.gap(1)
	c.cell(c.on(Muted), span(a.desk.Clock().Sub(x.Time)), 9)
	symbol, text := c.bold(Text), c.on(Text)
	if quiet {
		symbol, text = c.on(Muted), c.on(Muted)
	}
	c.cell(symbol, x.Symbol, 9)
	c.cell(text, x.Rule, rule)
	if figures > 0 {
		c.number(text, value(x.Value), figures)
		c.number(c.on(Muted), value(x.Threshold), figures)
		c.gap(2)
	}
	c.cell(c.on(Muted), x.Message, c.room()-width(state)-2)
	c.right(c.on(role), state+" ")
	c.end()
	c.set(Plain)
}

// detail is what the alert under the cursor says, who has seen it, and the
// price half an hour before and after.
func (a *alerts) detail(c *canvas, x *market.Alert, notes *AlertNotes, now market.Time) {
	c.gap(1)
	c.put(c.on(Hairline), strings.Repeat(glyphRule, max(c.room()-1, 0)))
	c.end()
	zone := a.desk.Zone()
	c.gap(3)
	c.cell(c.on(Text), x.Time.Std().In(zone).Format("2 Jan 15:04:05")+"  "+sentence(x), c.room()-1)
	c.end()
	c.gap(3)
	words := []string{x.Severity.String(), "rule “" + x.Rule + "”, revision " + plainNumber(int(x.Revision))}
	if note, seen := notes.acked(x); seen {
		words = append(words, "seen by "+note.By+" at "+clockOf(note.At, zone)[:5])
	}
	if s := notes.silence(x, now); s != nil {
		words = append(words, "quiet until "+clockOf(s.Until, zone)[:5]+", by "+s.By)
	}
	c.cell(c.on(Muted), strings.Join(words, " · "), c.room()-1)
	c.end()
	c.gap(3)
	if a.bars.id == x.ID && len(a.bars.closes) > 1 {
		n := min(len(a.bars.closes), max(c.room()-24, 10))
		for i, h := range spark(a.bars.closes, n, nil) {
			role := UpDim
			if i > a.bars.at*n/len(a.bars.closes) {
				role = Muted
			}
			c.put(c.on(role), levels[h])
		}
		c.muted("  an hour around it")
	}
	c.end()
}
