package tui

import (
	"strings"
	"time"

	"tapedeck/pipeline/market"
)

// listPane is the list of the rules, or of the templates.
func (v *ruleView) listPane(w, h int) string {
	c := newCanvas(v.desk.Theme, w, h)
	rows := v.rows()
	c.gap(1)
	c.put(c.bold(Text), plural(len(v.rules), "rule"))
	off := 0
	for i := range v.rules {
		if v.rules[i].Disabled {
			off++
		}
	}
	if off > 0 {
		c.muted(", " + plainNumber(off) + " off")
	}
	if n := len(v.undo); n > 0 {
		c.muted(" · u undoes " + plural(n, "edit"))
	}
	c.end()
	if v.listErr != nil {
		c.gap(1)
		c.cell(c.on(Warn), v.listErr.Error(), c.room())
		c.end()
	}
	if len(rows) == 0 {
		c.end()
		c.gap(3)
		switch {
		case v.listErr != nil:
		case v.listed.IsZero() || v.request != 0:
			c.muted("the rules are being read")
		default:
			c.text("no rules yet")
			c.end()
			c.gap(3)
			c.muted("n makes one from a template")
		}
		return c.String()
	}
	when, edited := w >= 90, w >= 60
	costs := w >= 45 && !edited || w >= 76
	name := max(min(w-24, 30), 12)
	switch {
	case when:
		name = min(w/4, 34)
	case costs:
		name = max(min(w-26-27*btoi(edited), 30), 12)
	}
	c.gap(5)
	c.cell(c.on(Muted), "rule", name)
	if when {
		c.cell(c.on(Muted), "condition", max(c.width-c.x-34-8*btoi(costs), 8))
	} else {
		c.cell(c.on(Muted), "watches", min(10, max(c.width-c.x-6-24*btoi(edited)-8*btoi(costs), 0)))
	}
	c.number(c.on(Muted), "today", 6)
	if costs {
		c.number(c.on(Muted), "ns each", 8)
	}
	if edited {
		c.gap(2)
		c.cell(c.on(Muted), "last edit", 22)
	}
	c.end()
	counts, least := v.today, v.least
	condition := !when && h >= 20 && v.mode == rulesListed && v.desk.Width < rulesWide // shown below the list
	page := max(c.left()-3*btoi(condition), 1)
	top := max(0, min(v.cursor-page/2, len(rows)-page))
	for i := top; i < min(top+page, len(rows)); i++ {
		v.listRow(c, &rows[i], i == v.cursor, name, when, edited, costs, counts, least)
	}
	if condition && v.cursor < len(rows) {
		for c.left() > 2 {
			c.end()
		}
		c.gap(1)
		r := &rows[v.cursor].rule
		c.cell(c.on(Text), oneLine(r.When), c.room()-1)
		c.end()
		c.gap(1)
		c.cell(c.on(Muted), strings.Join(notEmpty(v.standing(r), r.Description, r.Note, v.editedBy(r)), " · "), c.room()-1)
	}
	return c.String()
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func notEmpty(all ...string) []string {
	var out []string
	for _, s := range all {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func (v *ruleView) editedBy(r *market.Rule) string {
	if r.EditedBy == "" {
		return ""
	}
	if r.Edited == 0 {
		return r.EditedBy
	}
	return r.EditedBy + ", " + span(v.desk.Now().Sub(r.Edited.Std())) + " ago"
}

// standing says for how many symbols a rule fires and waits now, and what part
// its evaluations take of what is planned for them.
func (v *ruleView) standing(r *market.Rule) string {
	now, known := v.desk.alerts.live.rules[r.Name]
	if !known || r.Disabled {
		return ""
	}
	text := "fires for " + plainNumber(now.Firing)
	if now.Pending > 0 {
		text += ", waits for " + plainNumber(now.Pending)
	}
	if now.Paused != "" {
		text = "not evaluated: " + now.Paused
	} else if now.Each > 0 && now.Planned > 0 {
		text += ", " + plainNumber(int(100*now.Each/now.Planned+0.5)) + " % of the planned " + plainNumber(int(now.Planned)) + " ns"
	}
	return text
}

func watches(r *market.Rule) string {
	if len(r.Watch) == 0 {
		return "all"
	}
	return strings.Join(r.Watch, " ")
}

func (v *ruleView) listRow(c *canvas, row *ruleRow, selected bool, name int, when, edited, costs bool, counts map[string]int, least bool) {
	r := &row.rule
	mark := " "
	if selected && v.mode == rulesListed {
		c.set(Selection)
		mark = "▌"
	}
	c.put(c.on(Accent), mark)
	text := c.on(Text)
	if selected {
		text = c.bold(Text)
	}
	switch {
	case row.form != nil && row.form.was.Name == "":
		c.put(c.on(Predict), "+ ")
	case r.Disabled:
		c.muted("○ ")
		text = c.on(Muted)
	default:
		c.put(c.on(Up), "● ")
	}
	glyph, role := severityMark(&market.Alert{Severity: r.Severity, State: market.Firing})
	c.put(c.on(role), glyph)
	c.gap(1)
	label := r.Name
	if label == "" {
		label = "new rule"
	}
	if row.form != nil {
		c.cell(text, label, name-8)
		c.cell(c.on(Predict), " draft", 8)
	} else {
		c.cell(text, label, name-1)
		c.gap(1)
	}
	if when {
		c.cell(c.on(Muted), oneLine(r.When), max(c.width-c.x-34-8*btoi(costs), 8)-1)
		c.gap(1)
	} else {
		c.cell(c.on(Muted), watches(r), min(10, max(c.width-c.x-6-24*btoi(edited)-8*btoi(costs), 0)))
	}
	n := counts[r.Name]
	today := plainNumber(n)
	switch {
	case r.Disabled || row.form != nil && row.form.was.Name == "":
		today = "–"
	case n > 0 && least:
		today = "≥" + today
	}
	c.number(text, today, 6)
	if costs {
		cost := "–"
		each := v.costs[r.Name]
		if now := v.desk.alerts.live.rules[r.Name]; now.Each > 0 && now.Revision == r.Revision {
			each = time.Duration(now.Each)
		}
		if each > 0 && row.form == nil {
			cost = plainNumber(int(each.Nanoseconds()))
		}
		c.number(c.on(Muted), cost, 8)
	}
	if edited {
		c.gap(2)
		c.cell(c.on(Muted), v.editedBy(r), 22)
	}
	c.end()
	c.set(Plain)
}
