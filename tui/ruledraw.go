package tui

import (
	"strings"

	"tapedeck/pipeline/market"
)

// rulesWide is from how many cells on the list and the rule stand side by side.
const rulesWide = 104

// View draws the list beside what is shown of a rule, or one of them.
func (v *ruleView) View(w, h int) string {
	if v.desk.Data.Rules == nil {
		c := newCanvas(v.desk.Theme, w, h)
		c.end()
		c.gap(3)
		c.cell(c.on(Text), rulesMissing, c.room())
		return c.String()
	}
	if w >= rulesWide {
		left := max(min(w*2/5, 84), 46)
		return beside(v.desk.Theme, v.listPane(left, h), v.rulePane(w-left-1, h))
	}
	if v.mode == rulesListed && !v.trial.running() {
		return v.listPane(w, h)
	}
	return v.rulePane(w, h)
}

// rulePane is the right side: the form, the templates or a back-test.
func (v *ruleView) rulePane(w, h int) string {
	c := newCanvas(v.desk.Theme, w, h)
	switch {
	case v.trial.running():
		v.drawRunning(c)
	case v.mode == rulesPicked:
		v.drawTemplates(c)
	case v.mode == rulesTried:
		v.drawTrial(c)
	case v.mode == rulesWritten:
		v.drawForm(c, v.form, v.writing)
		v.drawNow(c)
	default:
		if row, ok := v.row(); ok {
			f := row.form
			if f == nil {
				f = newRuleForm(row.rule, row.rule)
			}
			v.drawForm(c, f, false)
			v.drawNow(c)
		}
	}
	return c.String()
}

func (v *ruleView) drawTemplates(c *canvas) {
	c.gap(1)
	c.put(c.bold(Text), "new rule")
	c.muted("  from a template")
	c.end()
	c.end()
	all := ruleTemplates()
	room := max(c.left()-4, 1)
	top := max(0, min(v.pick-room/2, len(all)-room))
	for i := top; i < min(len(all), top+room); i++ {
		mark := " "
		if i == v.pick {
			c.set(Selection)
			mark = "▌"
		}
		c.put(c.on(Accent), mark)
		c.gap(1)
		c.cell(c.bold(Text), all[i].name, 22)
		c.cell(c.on(Muted), all[i].note, c.room())
		c.end()
		c.set(Plain)
	}
	r := v.filled(all[min(v.pick, len(all)-1)])
	c.end()
	c.gap(2)
	c.cell(c.on(Text), r.When, c.room())
	c.end()
	c.gap(2)
	c.cell(c.on(Muted), "watches "+watches(&r), c.room())
	c.end()
}

const ruleLabel = 11 // cells before a field's text

// drawForm writes the fields, and what is wrong.
func (v *ruleView) drawForm(c *canvas, f *ruleForm, active bool) {
	c.gap(1)
	c.cell(c.bold(Text), f.title(), min(width(f.title())+2, c.room()))
	switch {
	case v.busy != "":
		c.put(c.on(Accent), v.busy)
	case f.was.Name == "":
		c.put(c.on(Predict), "new, not in force yet")
	case f.changed():
		c.put(c.on(Predict), "edited, not saved yet")
	case f.was.Disabled:
		c.muted("off")
	default:
		c.put(c.on(Up), "in force")
	}
	if by := v.editedBy(&f.was); by != "" {
		c.right(c.on(Muted), "revision "+plainNumber(int(f.was.Revision))+" · "+by+" ")
	}
	c.end()
	if c.height >= 18 {
		c.end()
	}
	for i := range ruleFields {
		at := active && f.at == i
		c.gap(1)
		ink := c.on(Muted)
		if at || v.mode == rulesWritten && !active && f.at == i {
			ink = c.on(Accent)
		}
		c.cell(ink, ruleFieldNames[i].name, ruleLabel-1)
		switch i {
		case ruleWhen:
			v.drawWhen(c, f, at)
		case ruleSeverity:
			v.drawSeverity(c, f, at)
		default:
			v.drawLine(c, f, i, at)
		}
		if at && f.popup.open() {
			v.drawPopup(c, &f.popup)
		}
		if at && i == ruleWhen {
			v.drawHelp(c, f)
		}
		if f.problem != nil && v.mode == rulesWritten && f.problem.Field == ruleFieldNames[i].name {
			v.drawProblem(c, f)
		}
	}
	if f.problem != nil && v.mode == rulesWritten && !isRuleField(f.problem.Field) {
		v.drawProblem(c, f)
	}
	if v.refused != "" && v.mode == rulesWritten {
		c.gap(ruleLabel)
		c.cell(c.on(Warn), v.refused, c.room())
		c.end()
	}
}

func isRuleField(name string) bool {
	for i := range ruleFieldNames {
		if ruleFieldNames[i].name == name {
			return true
		}
	}
	return false
}

func (v *ruleView) drawLine(c *canvas, f *ruleForm, i ruleField, at bool) {
	line := &f.lines[i]
	switch {
	case at:
		c.set(Selection)
		line.draw(c, c.room()-2)
		c.set(Plain)
	case len(line.runes) == 0:
		c.cell(c.on(Muted), ruleFieldNames[i].hint, c.room())
	default:
		c.cell(c.on(Text), line.String(), c.room())
	}
	c.end()
}

func (v *ruleView) drawSeverity(c *canvas, f *ruleForm, at bool) {
	for s := market.Info; s <= market.Critical; s++ {
		glyph, role := severityMark(&market.Alert{Severity: s, State: market.Firing})
		if s != f.severity {
			c.muted(glyph + " " + s.String() + "   ")
			continue
		}
		if at {
			c.set(Selection)
		}
		c.put(c.bold(role), glyph+" "+s.String())
		c.set(Plain)
		c.gap(3)
	}
	if at && c.room() > 20 {
		c.muted("space changes it")
	}
	c.end()
}

// drawWhen writes the condition, in as many lines as it needs.
func (v *ruleView) drawWhen(c *canvas, f *ruleForm, at bool) {
	e := f.when
	wide := max(c.width-ruleLabel-2, 4)
	if len(e.runes) == 0 && !at {
		c.cell(c.on(Muted), ruleFieldNames[ruleWhen].hint, c.room())
		c.end()
		return
	}
	wrong, wrongEnd := f.wrongAt(), -1
	if v.mode != rulesWritten {
		wrong = -1
	}
	if wrong >= 0 {
		wrongEnd = wrong + 1
		for wrongEnd < len(e.runes) && wordRune(e.runes[wrongEnd]) && wordRune(e.runes[wrong]) {
			wrongEnd++
		}
	}
	quoted, x, lines := false, 0, 1
	if at {
		c.set(Selection)
	}
	fresh := func() {
		c.end()
		ground := c.ground
		c.set(Plain)
		c.gap(ruleLabel)
		c.set(ground)
		x = 0
		lines++
	}
	for i := 0; i <= len(e.runes); i++ {
		if lines > 8 {
			break
		}
		if i == len(e.runes) {
			switch {
			case at && e.cursor == i:
				c.put(Text.On(Caret), " ")
			case wrong == i:
				c.put(c.bold(Down), "‹")
			}
			break
		}
		r := e.runes[i]
		if r == '\n' {
			if at && e.cursor == i {
				c.put(Text.On(Caret), " ")
			}
			fresh()
			continue
		}
		// A word goes to the next line as a whole.
		if start := i == 0 || !wordRune(e.runes[i-1]); start && wordRune(r) && x > 0 {
			end := i
			for end < len(e.runes) && wordRune(e.runes[end]) {
				end++
			}
			if x+end-i > wide && end-i <= wide {
				fresh()
			}
		}
		if x+runeWidth(r) > wide {
			fresh()
		}
		ink := c.on(Text)
		switch {
		case r == '"':
			quoted = !quoted
			ink = c.on(Accent)
		case quoted:
			ink = c.on(Accent)
		case sqlLetter(r) || i > 0 && digit(r) && sqlLetter(e.runes[i-1]):
			ink = c.on(v.wordRole(e.runes, i))
		}
		if i >= wrong && i < wrongEnd {
			ink = c.bold(Down)
		}
		if at && e.cursor == i {
			ink = Text.On(Caret)
		}
		c.put(ink, string(r))
		x += runeWidth(r)
	}
	c.end()
	c.set(Plain)
}

// wordRole is the colour of the word at i: functions and logic stand out.
func (v *ruleView) wordRole(text []rune, i int) Role {
	from, to := i, i
	for from > 0 && wordRune(text[from-1]) {
		from--
	}
	for to < len(text) && wordRune(text[to]) {
		to++
	}
	switch word := string(text[from:to]); {
	case to < len(text) && text[to] == '(':
		return Predict
	case word == "and" || word == "or" || word == "not" || word == "in":
		return Muted
	}
	return Text
}

func (v *ruleView) drawPopup(c *canvas, p *sqlPopup) {
	shown := min(len(p.choices), 6, max(c.left()-2, 1))
	top := max(0, min(p.chosen-shown/2, len(p.choices)-shown))
	for i := top; i < top+shown; i++ {
		c.gap(ruleLabel)
		c.set(Selection)
		mark, ink := " ", c.on(Text)
		if i == max(p.chosen, 0) {
			mark, ink = "▌", c.bold(Text)
		}
		x := &p.choices[i]
		c.put(c.on(Accent), mark)
		c.cell(ink, x.text, min(24, c.room()))
		c.cell(c.on(Muted), x.note, c.room()-1)
		c.set(Plain)
		c.end()
	}
	if rest := len(p.choices) - shown; rest > 0 && c.left() > 3 {
		c.gap(ruleLabel + 1)
		c.muted(plainNumber(rest) + " more")
		c.end()
	}
}

func (v *ruleView) drawHelp(c *canvas, f *ruleForm) {
	if f.popup.open() || c.left() < 3 {
		return
	}
	w, ok := f.word(v.desk)
	if !ok {
		return
	}
	c.gap(ruleLabel)
	c.clip(c.on(Predict), w.Signature, c.room()-2)
	c.gap(2)
	if width(w.Help) <= c.room()-1 {
		c.muted(w.Help)
		c.end()
		return
	}
	c.end()
	c.gap(ruleLabel)
	c.cell(c.on(Muted), w.Help, c.room()-1)
	c.end()
}

func (v *ruleView) drawProblem(c *canvas, f *ruleForm) {
	p := f.problem
	if f.was.Name == "" && f.text(ruleWhen) == "" && p.Field == "when" {
		return // nothing was written yet
	}
	text := p.Reason
	if p.Line > 0 {
		text = plainNumber(p.Line) + ":" + plainNumber(p.Column) + " " + text
	}
	if p.Nearest != "" {
		text += " · did you mean " + p.Nearest + "?"
		if f.wrongAt() >= 0 && !strings.Contains(p.Nearest, " ") && v.writing {
			text += " tab takes it"
		}
	}
	for k, line := range wrapCells(text, max(c.width-ruleLabel-4, 8)) {
		if k == 3 || c.left() < 2 {
			break
		}
		c.gap(ruleLabel)
		if k == 0 {
			c.put(c.bold(Down), "✗ ")
		} else {
			c.gap(2)
		}
		c.put(c.on(Down), line)
		c.end()
	}
}

// drawNow says what the condition says of the watched symbols now.
func (v *ruleView) drawNow(c *canvas) {
	if c.left() < 3 {
		return
	}
	n := &v.now
	rule, _ := v.shown()
	if rule.When == "" {
		return
	}
	v.hairline(c)
	c.gap(1)
	c.put(c.bold(Text), "now")
	c.gap(2)
	key := rule.When + "\x00" + strings.Join(rule.Watch, ",")
	switch {
	case v.mode == rulesWritten && v.form.problem != nil && v.form.problem.Field != "name":
		c.muted("the condition has no value while it is wrong")
		return
	case n.key != key || n.request != 0 && len(n.rows) == 0 && n.err == nil:
		c.muted("being looked up")
		return
	case n.err != nil:
		c.cell(c.on(Warn), n.err.Error(), c.room()-1)
		return
	case len(n.rows) == 0:
		c.muted("no symbol that it watches has traded yet")
		return
	}
	holds, unknown := 0, 0
	for i := range n.rows {
		if n.rows[i].Holds {
			holds++
		} else if !n.rows[i].Known {
			unknown++
		}
	}
	c.text("holds for " + plainNumber(holds) + " of " + plural(len(n.rows), "symbol"))
	if unknown > 0 && c.room() > 30 {
		c.muted(" · unknown yet for " + plainNumber(unknown))
	}
	if at := "at " + clockOf(n.at, v.desk.Zone()) + " "; c.room() > len(at)+1 {
		c.right(c.on(Muted), at)
	}
	c.end()
	// Two or three columns where there is room.
	columns := max(1, (c.width-2)/44)
	for i := 0; i < len(n.rows) && !c.full(); i++ {
		s := &n.rows[i]
		c.to(1 + (i%columns)*((c.width-2)/columns))
		ink := c.on(Muted)
		switch {
		case s.Holds:
			c.put(c.on(Up), "✓ ")
			ink = c.on(Text)
		case !s.Known:
			c.muted("? ")
		default:
			c.muted("· ")
		}
		symbol := c.on(Muted)
		if s.Holds || s.Symbol == v.desk.Symbol {
			symbol = c.bold(Text)
		}
		c.cell(symbol, s.Symbol, 8)
		if number := value(s.Value); number != "" {
			c.number(ink, number, 13)
			if t := value(s.Threshold); t != "" {
				c.muted(" against ")
				c.put(c.on(Muted), t)
			}
		} else if !s.Known {
			c.muted("not known yet")
		}
		if i%columns == columns-1 {
			c.end()
		}
	}
	if c.x > 0 {
		c.end()
	}
}

func (v *ruleView) hairline(c *canvas) {
	c.gap(1)
	c.put(c.on(Hairline), strings.Repeat("─", max(c.room()-1, 0)))
	c.end()
}
