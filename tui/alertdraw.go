package tui

import (
	"math"
	"strconv"
	"strings"

	"tapedeck/pipeline/market"
)

// head is the right part of the line of tabs: what is listed, the filter, and
// how many came while the list stood still.
func (l *alertList) head(c *canvas) {
	news := l.news()
	right := ""
	switch {
	case news > 0 && !l.following():
		right = plainNumber(news) + " new · g"
	case l.rate > burstRate:
		right = perSecond(l.rate) + " a second"
	}
	which := [...]string{"", "unacknowledged", "firing", "of " + l.desk.Symbol}[l.show]
	if which != "" && c.room() > width(which)+width(right)+4 {
		c.gap(1)
		c.put(c.on(Accent), which)
		c.gap(2)
	}
	switch {
	case l.filtering:
		c.gap(1)
		c.put(c.on(Accent), "/")
		l.filter.draw(c, max(min(30, c.room()-width(right)-2), 4))
	case l.filter.String() != "":
		c.gap(1)
		c.put(c.on(Accent), "/")
		c.cell(c.on(Text), l.filter.String(), max(min(30, c.room()-width(right)-2), 4))
	}
	if right != "" {
		c.right(c.bold(Accent), right+" ")
	}
}

// news is how many alerts are newer than the newest that was seen at the top.
func (l *alertList) news() int {
	if l.newest == nil || l.following() {
		return 0
	}
	for i, r := range l.rows {
		if !l.newest.before(r) {
			return i
		}
	}
	return 0
}

func (l *alertList) draw(c *canvas) {
	if c.height >= 18 {
		l.desk.alerts.live.draw(c, l.desk)
	}
	if len(l.rows) == 0 {
		l.empty(c)
		if l.quiet.open {
			l.quiet.open = false
		}
		return
	}
	foot := 1
	if c.height >= 18 {
		foot = 3
	}
	if l.quiet.open {
		foot = 2
	}
	cols := l.columns(c.width)
	l.heading(c, cols)
	l.page = max(c.left()-foot, 1)
	l.offset = max(min(l.offset, l.cursor), l.cursor-l.page+1)
	l.offset = max(min(l.offset, len(l.rows)-l.page), 0)
	for i := l.offset; i < min(l.offset+l.page, len(l.rows)); i++ {
		l.row(c, cols, l.rows[i], i == l.cursor)
	}
	for c.left() > foot {
		c.end()
	}
	if l.quiet.open {
		l.quiet.draw(c)
		return
	}
	if foot > 1 {
		l.detail(c, l.rows[l.cursor])
	}
	l.foot(c)
}

// detail is all that is known of the alert under the cursor, in two lines.
func (l *alertList) detail(c *canvas, r *alertRow) {
	z := l.desk.Zone()
	at := r.Time.Std().In(z)
	c.gap(1)
	c.muted(at.Format("Mon 2 Jan 15:04:05 ") + zoneName(z, at) + "  ")
	text := sentence(&r.Alert)
	if r.Symbol != "" && !strings.Contains(text, r.Symbol) {
		text = r.Symbol + "  " + text
	}
	c.cell(c.on(Text), text, c.room()-1)
	c.end()
	c.gap(1)
	for i, part := range l.facts(r) {
		if i > 0 {
			part = " · " + part
		}
		if c.room() > width(part)+1 {
			c.muted(part)
		}
	}
	c.end()
}

// facts are the rule of an alert, its severity, and what became of it.
func (l *alertList) facts(r *alertRow) []string {
	z, clock := l.desk.Zone(), l.desk.Clock()
	out := []string{r.Severity.String()}
	if n := l.desk.alerts.note(r); n != nil {
		word := noteWord(n) + " by " + n.By + " " + n.At.Std().In(z).Format("15:04")
		if n.Kind != Acknowledged {
			word += " until " + n.Until.Std().In(z).Format("Mon 15:04")
		}
		out = append(out, word)
	}
	switch {
	case r.headless():
		out = append(out, "over since "+clockOf(r.ended, z))
	case r.ended != 0:
		out = append(out, "over after "+span(r.ended.Sub(r.Time)))
	case r.State == market.Firing:
		out = append(out, "firing for "+span(clock.Sub(r.Time)))
	}
	rule := "rule “" + r.Rule + "”"
	if r.Revision > 0 {
		rule += ", revision " + plainNumber(int(r.Revision))
	}
	out = append(out, rule)
	if len(r.Notify) > 0 {
		out = append(out, "to "+strings.Join(r.Notify, " "))
	}
	return out
}

// foot says how far the list reaches.
func (l *alertList) foot(c *canvas) {
	b := l.desk.alerts
	c.gap(1)
	end := ""
	switch {
	case b.why != "":
		end = "older alerts: " + b.why
	case b.request != 0:
		end = "reading older alerts …"
	case b.exhausted:
		end = "nothing is older"
	case l.desk.Data.Alerts != nil:
		end = "older ones come as you go down"
	}
	from, to := l.offset+1, min(l.offset+l.page, len(l.rows))
	c.muted(plainNumber(from) + "–" + plainNumber(to) + " of " + plural(len(l.rows), "alert"))
	if end != "" && c.room() > width(end)+4 {
		c.muted(" · " + end)
	}
	if n, _ := b.unacknowledged(); n > 0 {
		text := plainNumber(n) + " unacknowledged · space"
		if c.room() > width(text)+3 {
			c.right(c.on(Warn), text+" ")
		}
	}
	c.end()
}

func (l *alertList) empty(c *canvas) {
	b := l.desk.alerts
	first, second := "no alerts yet", "rules watch every tick; what they find appears here within a second"
	switch {
	case l.filter.String() != "":
		first, second = "no alert has “"+l.filter.String()+"”", "words of symbol, rule, severity and state are looked for; esc shows all"
	case l.show == showAsking:
		first, second = "nothing is unacknowledged", "s shows others; esc shows all"
	case l.show == showFiring:
		first, second = "nothing is firing", "s shows others; esc shows all"
	case l.show == showSymbol:
		first, second = "no alert of "+l.desk.Symbol+" is known", "s shows others; esc shows all"
	}
	if b.why != "" {
		second = "older alerts: " + b.why
	} else if b.request != 0 && len(b.rows) == 0 {
		second = "reading what was recorded …"
	}
	c.end()
	c.gap(3)
	c.text(first)
	c.end()
	c.gap(3)
	c.muted(second)
	c.end()
}

// alertColumns are the widths of the columns; those that need room come and go
// with it.
type alertColumns struct {
	age, symbol, rule, figures, spark, state int
}

func (l *alertList) columns(w int) alertColumns {
	k := alertColumns{age: 8, symbol: 8, rule: min(max(w/6, 14), 26), state: 10}
	if w >= 72 {
		k.spark = 10
		k.state = 12
	}
	if w >= 100 {
		k.figures, k.spark = 10, 10
		k.state, k.rule = 18, 19
	}
	if w >= 160 {
		k.figures, k.spark = 13, 2*aroundMinutes+1
		k.state = 30
	}
	return k
}

func (l *alertList) heading(c *canvas, k alertColumns) {
	muted := c.on(Muted)
	c.gap(4)
	c.cell(muted, "age", k.age)
	c.cell(muted, "symbol", k.symbol)
	c.cell(muted, "rule", k.rule)
	if k.figures > 0 {
		c.number(muted, "value", k.figures)
		c.number(muted, "threshold", k.figures)
		c.gap(1)
	}
	if k.spark > 0 {
		c.gap(1)
		c.cell(muted, "±"+plainNumber(aroundMinutes)+" min", k.spark)
		c.gap(2)
	}
	c.cell(muted, "what", max(c.room()-k.state-2, 0))
	c.gap(1)
	c.cell(muted, "state", c.room()-1)
	c.end()
}

// severityGlyph tells severities apart without colour.
func severityGlyph(s market.Severity) (string, Role) {
	switch s {
	case market.Critical:
		return "▲", Down
	case market.Warning:
		return "●", Warn
	}
	return "○", Muted
}

func (l *alertList) row(c *canvas, k alertColumns, r *alertRow, selected bool) {
	book := l.desk.alerts
	mark := " "
	if selected {
		c.set(Selection)
		mark = "▌"
	}
	glyph, role := severityGlyph(r.Severity)
	state, note := r.stands(), book.note(r)
	over := state == market.Resolved
	loud := book.asking(r)
	c.put(c.on(Accent), mark)
	switch {
	case loud:
		c.put(c.bold(role), glyph+"•")
	case over || note != nil:
		c.put(c.on(Muted), glyph+" ")
	default:
		c.put(c.on(role), glyph+" ")
	}
	c.gap(1)
	symbol, text := c.on(Text), c.on(Text)
	switch {
	case loud:
		symbol = c.bold(Text)
	case over || note != nil:
		symbol, text = c.on(Muted), c.on(Muted)
	}
	c.cell(c.on(Muted), span(l.desk.Clock().Sub(r.Time)), k.age)
	c.cell(symbol, r.Symbol, k.symbol)
	c.cell(text, r.Rule, k.rule-1)
	c.gap(1)
	if k.figures > 0 {
		write := value
		if inPercent(&r.Alert) {
			write = percentValue
		}
		c.number(text, write(r.Value), k.figures)
		c.number(c.on(Muted), write(r.Threshold), k.figures)
		c.gap(1)
	}
	if k.spark > 0 {
		c.gap(1)
		at := c.bold(role)
		if role == Muted {
			at = c.bold(Accent)
		}
		l.moments.draw(c, r, k.spark, at)
		c.gap(2)
	}
	c.cell(c.on(Muted), l.what(r), max(c.room()-k.state-2, 0))
	c.gap(1)
	ink := c.on(Muted)
	if state == market.Firing && note == nil {
		ink = c.on(role)
	}
	c.cell(ink, l.stateWords(r, note, k.state), k.state)
	c.end()
	c.set(Plain)
}

// inPercent says whether the alert's own words give its value as a per cent.
func inPercent(a *market.Alert) bool {
	return strings.Contains(a.Message, strconv.FormatFloat(math.Abs(a.Value)*100, 'f', 1, 64)+" %")
}

// percentValue is a fraction in per cent.
func percentValue(v float64) string {
	if v-v != 0 {
		return ""
	}
	return signed(v*100, 2) + "%"
}

// what is the alert's sentence without the symbol, which stands in its own column.
func (l *alertList) what(r *alertRow) string {
	text := r.Message
	if r.headless() {
		text = ""
	}
	return strings.TrimPrefix(text, r.Symbol+" ")
}

// stateWords is where the alert stands and what was noted about it, in n cells.
func (l *alertList) stateWords(r *alertRow, note *AlertNote, n int) string {
	clock := l.desk.Clock()
	state := ""
	switch r.stands() {
	case market.Pending:
		state = "pending"
	case market.Firing:
		if state = "firing"; n >= 20 {
			state += " for " + span(clock.Sub(r.Time))
		}
	case market.Resolved:
		if state = "resolved"; n >= 18 && note == nil && !r.headless() {
			state = "over after " + span(r.ended.Sub(r.Time))
		}
	case market.Once:
		state = "once"
	}
	if note == nil {
		return state
	}
	word := ""
	switch note.Kind {
	case Acknowledged:
		word = "✓ " + note.By
	case Snoozed:
		word = "snoozed"
	case Silenced:
		word = "silenced"
	}
	switch {
	case note.Kind != Acknowledged && n < 18:
		return word
	case n < 18:
		return "✓ " + state
	case n < 24 && note.Kind != Acknowledged:
		return word + " " + span(note.Until.Sub(market.At(l.desk.Now())))
	case note.Kind != Acknowledged && note.Until > market.At(l.desk.Now()):
		word += " " + span(note.Until.Sub(market.At(l.desk.Now())))
	}
	return state + " · " + word
}
