package tui

import (
	"tapedeck/pipeline/live"
)

// rulesLive is how the rules do in the pipeline, as its stages compute say it
// once a second.
type rulesLive struct {
	rules   map[string]live.Rule
	pending []live.Pending // alerts that wait, those that are due first
}

// follow takes what the board has new.
func (r *rulesLive) follow(f *live.Frame) {
	if !f.StatusesChanged && r.rules != nil {
		return
	}
	rules, pending := live.RulesOf(f.Statuses, f.Now)
	r.rules, r.pending = make(map[string]live.Rule, len(rules)), pending
	for _, rule := range rules {
		r.rules[rule.Name] = rule
	}
}

// waiting is how many alerts wait, also those that nobody names.
func (r *rulesLive) waiting() (n int) {
	for name := range r.rules {
		n += r.rules[name].Pending
	}
	return n
}

// draw is a line of the alerts that wait, and when they are due: as many as
// there is room for. Nothing is drawn where none waits.
func (r *rulesLive) draw(c *canvas, d *Desk) {
	n := r.waiting()
	if n == 0 || len(r.pending) == 0 {
		return
	}
	c.gap(1)
	c.put(c.on(Muted), plainNumber(n)+" pending")
	for i := range r.pending {
		p := &r.pending[i]
		glyph, role := severityGlyph(p.Severity)
		text := p.Rule
		if p.Symbol != "" {
			text = p.Symbol + " " + text
		}
		due := " in " + span(max(0, p.Due.Sub(d.Clock())))
		if c.room() < width(glyph+text+due)+5 {
			break
		}
		c.gap(2)
		c.put(c.on(role), glyph)
		c.gap(1)
		c.text(text)
		c.muted(due)
	}
	c.end()
}
