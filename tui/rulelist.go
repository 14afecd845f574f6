package tui

import (
	"strings"

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
	name := max(min(w-24, 30), 12)
	if when {
		name = min(w/4, 34)
	}
	c.gap(5)
	c.cell(c.on(Muted), "rule", name)
	if when {
		c.cell(c.on(Muted), "condition", max(c.width-c.x-34, 8))
	} else {
		c.cell(c.on(Muted), "watches", min(10, max(c.width-c.x-9-24*btoi(edited), 0)))
	}
	c.number(c.on(Muted), "today", 7)
	if edited {
		c.gap(2)
		c.cell(c.on(Muted), "last edit", 22)
	}
	c.end()
	counts, least := v.counts()
	condition := !when && h >= 20 && v.mode == rulesListed && v.desk.Width < rulesWide // shown below the list
	page := max(c.left()-3*btoi(condition), 1)
	top := max(0, min(v.cursor-page/2, len(rows)-page))
	for i := top; i < min(top+page, len(rows)); i++ {
		v.listRow(c, &rows[i], i == v.cursor, name, when, edited, counts, least)
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
		c.cell(c.on(Muted), strings.Join(notEmpty(r.Description, r.Note, v.editedBy(r)), " · "), c.room()-1)
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

// counts are the alerts of today by rule, as far as the screen holds them;
// least says that there were more than it holds.
func (v *ruleView) counts() (by map[string]int, least bool) {
	d := v.desk
	by = map[string]int{}
	today := d.Calendar(d.Symbol).Day(d.Clock())
	all := d.Frame.Alerts
	for i := range all {
		x := &all[i]
		if d.Calendar(x.Symbol).Day(x.Time) < today {
			return by, false
		}
		if x.State == market.Firing || x.State == market.Once || x.State == market.Resolved {
			by[x.Rule]++
		}
	}
	return by, len(all) >= 500
}

func (v *ruleView) editedBy(r *market.Rule) string {
	if r.EditedBy == "" {
		return ""
	}
	if r.Edited == 0 {
		return r.EditedBy
	}
	return r.EditedBy + ", " + span(v.desk.Now().Sub(r.Edited.Std())) + " ago"
}

func watches(r *market.Rule) string {
	if len(r.Watch) == 0 {
		return "all"
	}
	return strings.Join(r.Watch, " ")
}

func (v *ruleView) listRow(c *canvas, row *ruleRow, selected bool, name int, when, edited bool, counts map[string]int, least bool) {
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
		c.cell(text, label, name)
	}
	if when {
		c.cell(c.on(Muted), oneLine(r.When), max(c.width-c.x-34, 8)-1)
		c.gap(1)
	} else {
		c.cell(c.on(Muted), watches(r), min(10, max(c.width-c.x-9-24*btoi(edited), 0)))
	}
	n := counts[r.Name]
	today := plainNumber(n)
	switch {
	case r.Disabled || row.form != nil && row.form.was.Name == "":
		today = "–"
	case n > 0 && least:
		today = "≥" + today
	}
	c.number(text, today, 7)
	if edited {
		c.gap(2)
		c.cell(c.on(Muted), v.editedBy(r), 22)
	}
	c.end()
	c.set(Plain)
}
