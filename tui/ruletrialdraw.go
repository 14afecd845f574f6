package tui

import (
	"math"
	"strconv"
	"strings"
	"time"
)

func (v *ruleView) drawRunning(c *canvas) {
	t := &v.trial
	c.gap(1)
	c.put(c.bold(Text), clip(t.rule.Name, 40))
	c.muted("  back-test")
	c.end()
	c.end()
	share := math.Float64frombits(t.share.Load())
	c.gap(1)
	n := max(min(c.room()-12, 40), 4)
	full := int(share * float64(n))
	c.put(c.on(Accent), strings.Repeat("█", max(min(full, n), 0)))
	c.put(c.on(Hairline), strings.Repeat("░", n-max(min(full, n), 0)))
	c.number(c.on(Text), plainNumber(int(share*100))+" %", 6)
	c.end()
	c.gap(1)
	took := v.desk.Now().Sub(t.began)
	text := "the last day is played through the live engine · " + span(took)
	if share > 0.05 && took > time.Second {
		text += ", about " + span(time.Duration(float64(took)*(1-share)/share)) + " more"
	}
	c.cell(c.on(Muted), text, c.room()-1)
	c.end()
	c.gap(1)
	c.muted("esc cancels")
	c.end()
}

// drawTrial writes the outcome of a back-test.
func (v *ruleView) drawTrial(c *canvas) {
	t := v.trial.result
	if t == nil {
		return
	}
	zone := v.desk.Zone()
	c.gap(1)
	c.put(c.bold(Text), clip(v.trial.rule.Name, 40))
	c.muted("  back-test")
	if by := "in " + latency(t.Took) + " "; c.room() > 30 {
		c.right(c.on(Muted), by)
	}
	c.end()
	c.gap(1)
	c.cell(c.on(Muted), oneLine(v.trial.rule.When), c.room()-1)
	c.end()
	c.gap(1)
	c.cell(c.on(Muted), t.From.Std().In(zone).Format("2 Jan 15:04")+" to "+t.To.Std().In(zone).Format("2 Jan 15:04")+" · "+shares(t.Events)+" events", c.room()-1)
	c.end()
	n := int64(len(t.Fired)) + t.Omitted
	symbols := map[string]bool{}
	for i := range t.Fired {
		symbols[t.Fired[i].Symbol] = true
	}
	c.end()
	c.gap(1)
	if n == 0 {
		c.text("it would not have fired")
		c.end()
		return
	}
	c.text(plural(int(n), "alert") + " of " + plural(len(symbols), "symbol") + ", " + perDayText(t.PerDay) + " a day")
	c.end()
	v.drawHours(c, t)
	if c.height >= 20 {
		c.end()
	}
	c.gap(1)
	c.cell(c.on(Muted), "price later", 14)
	for _, h := range RuleHorizons {
		c.number(c.on(Muted), ahead(int32(h.Seconds())), 12)
	}
	c.end()
	for _, line := range [...]struct {
		name  string
		means *[3]float64
	}{{"after it", &t.Return}, {"usually", &t.Usual}} {
		c.gap(1)
		c.cell(c.on(Muted), line.name, 14)
		for _, m := range line.means {
			ink := c.on(Muted)
			if line.means == &t.Return {
				ink = c.on(upDown(m))
			}
			c.number(ink, returnText(m), 12)
		}
		c.end()
	}
	if c.height >= 20 {
		c.end()
	}
	if c.height >= 20 {
		v.firedHeading(c)
	}
	room := max(c.left()-1, 1)
	at := len(t.Fired) - 1 - v.trial.cursor // the newest is on top
	top := max(0, min(at-room/2, len(t.Fired)-room))
	for i := top; i < min(top+room, len(t.Fired)); i++ {
		v.drawFired(c, &t.Fired[len(t.Fired)-1-i], i == at, zone)
	}
	for c.left() > 1 {
		c.end()
	}
	c.gap(1)
	c.muted(plainNumber(top+1) + "–" + plainNumber(min(top+room, len(t.Fired))) + " of " + plural(len(t.Fired), "alert") + ", newest first")
	if t.Omitted > 0 {
		c.muted(" · " + integer(t.Omitted) + " more are only counted")
	}
}

// firedHeading names the columns of drawFired.
func (v *ruleView) firedHeading(c *canvas) {
	layout := len("15:04:05")
	if c.width >= 60 {
		layout = len("Mon 15:04:05")
	}
	c.gap(1)
	c.cell(c.on(Muted), "time", layout+1)
	c.cell(c.on(Muted), "symbol", 8)
	c.number(c.on(Muted), "price", 10)
	if c.width >= 78 {
		c.number(c.on(Muted), "value", 13)
	}
	for _, h := range RuleHorizons {
		c.number(c.on(Muted), ahead(int32(h.Seconds())), 10)
	}
	c.end()
}

func (v *ruleView) drawFired(c *canvas, f *RuleFired, selected bool, zone *time.Location) {
	mark := " "
	if selected {
		c.set(Selection)
		mark = "▌"
	}
	c.put(c.on(Accent), mark)
	layout := "15:04:05"
	wide := c.width >= 78
	if c.width >= 60 {
		layout = "Mon 15:04:05"
	}
	c.cell(c.on(Muted), f.Time.Std().In(zone).Format(layout), len(layout)+1)
	c.cell(c.bold(Text), f.Symbol, 8)
	decimals := uint8(2)
	if q := v.desk.Frame.Quote(f.Symbol); q != nil {
		decimals = q.Decimals
	}
	c.number(c.on(Text), price(f.Price, decimals), 10)
	if wide {
		c.number(c.on(Text), value(f.Value), 13)
	}
	for _, r := range f.Return {
		c.number(c.on(upDown(r)), returnText(r), 10)
	}
	c.end()
	c.set(Plain)
}

// drawHours shows when the alerts fell, from the beginning to the end.
func (v *ruleView) drawHours(c *canvas, t *RuleTrial) {
	n := min(max(c.width-2, 1), 96)
	length := t.To.Sub(t.From)
	if length <= 0 || c.left() < 8 {
		return
	}
	counts := make([]int, n)
	most := 0
	for i := range t.Fired {
		k := int(float64(t.Fired[i].Time.Sub(t.From)) / float64(length) * float64(n))
		k = max(min(k, n-1), 0)
		counts[k]++
		most = max(most, counts[k])
	}
	c.gap(1)
	for _, k := range counts {
		level := 0
		if k > 0 {
			level = 1 + k*7/max(most, 1)
		}
		c.put(c.on(Accent), levels[min(level, 7)])
	}
	c.end()
}

func upDown(r float64) Role {
	switch {
	case r > 0:
		return Up
	case r < 0:
		return Down
	}
	return Muted
}

// returnText writes a fraction as a signed per cent, with its arrow.
func returnText(r float64) string {
	if math.IsNaN(r) {
		return "–"
	}
	return signed(r*100, 2) + " %"
}

func perDayText(v float64) string {
	if v >= 10 || v == math.Trunc(v) {
		return integer(int64(math.Round(v)))
	}
	return strconv.FormatFloat(v, 'f', 1, 64)
}
