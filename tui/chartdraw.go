package tui

import (
	"math"
	"slices"
	"strings"

	"tapedeck/pipeline/live"
	"tapedeck/pipeline/market"
	"tapedeck/tui/chart"
)

func (v *chartView) View(w, h int) string {
	d := v.desk
	c := newCanvas(d.Theme, w, h)
	if d.Symbol == "" {
		c.end()
		c.gap(1)
		c.muted("no symbol is selected: :apple finds one by name, 1 goes to the board")
		return c.String()
	}
	if h >= 12 {
		v.board.figures(c)
	}
	s := d.bars.peek(d.Symbol, d.Interval)
	if s == nil {
		s = &series{symbol: d.Symbol, interval: d.Interval} // asked for with the next tick
	}
	p := v.picture(s, w-1, max(c.left()-1, 1))
	v.legend(c, s, p)
	if p.layout.Columns == 0 || d.bars.coming(s) {
		v.empty(c, s)
	} else {
		c.block(p.text)
	}
	out := c.String()
	if v.list {
		out = overlay(out, v.listLines(w), h)
	}
	return out
}

// empty says why there is no chart.
func (v *chartView) empty(c *canvas, s *series) {
	c.end()
	c.gap(1)
	switch {
	case v.desk.bars.coming(s):
		c.muted("the history of " + s.symbol + " is coming in …")
	case s.busy() || !s.loaded && s.why == "":
		c.muted("loading the " + s.interval.String() + " bars of " + s.symbol + " …")
	case s.why != "":
		c.put(c.on(Warn), s.why)
	case s.interval == market.Second:
		c.muted("no second has closed yet: seconds are kept while the chart is open")
	default:
		c.muted("no " + s.interval.String() + " bar of " + s.symbol + " has closed yet · , takes a shorter interval")
	}
	c.end()
}

// picture is the chart's grid, drawn anew where something it shows changed.
func (v *chartView) picture(s *series, w, h int) *picture {
	d := v.desk
	q := d.Frame.Quote(d.Symbol)
	key := pictureKey{symbol: d.Symbol, interval: d.Interval, width: w, height: h, theme: d.Theme, version: s.version,
		end: v.end, cross: v.cross, style: v.style, axis: v.axis, zoom: v.zoom, on: v.on, zone: d.Zone(),
		predictions: v.predictions.version, pages: d.alerts.pages, tried: d.tried, model: v.model, horizon: v.horizon, compared: strings.Join(v.compared, " ")}
	if q != nil {
		key.last, key.level, key.alerts, key.firing = q.Last, q.Reference, q.AlertTime, int(q.Alerts)
		key.first, key.count = q.Predicted.Bar, int(q.Predicted.Horizon)
	}
	for _, o := range v.compared {
		if x := d.bars.peek(o, d.Interval); x != nil {
			key.others += x.version
		}
	}
	p := &v.drawn
	if key == p.key && p.text != "" {
		return p
	}
	c := chart.Chart{Interval: d.Interval, Zone: d.Zone(), ZoneName: zoneName(d.Zone(), d.Clock().Std()), Decimals: 2, Style: v.style, Axis: v.axis, Zoom: v.zoomed(),
		Volume: v.on&studyVolume != 0, Cross: -1, Plain: d.Theme.Mode == NoColor, ASCII: d.Theme.ASCII}
	calendar := d.Calendar(d.Symbol)
	c.Session = calendar.Session
	end := v.endIndex(s)
	c.Bars = s.bars[:end]
	atNow := end == len(s.bars) && !s.detached // else what is newest lies beyond the edge
	if atNow && v.on&studyPredictions != 0 && len(s.bars) > 0 {
		c.Band = bandOf(d, q, s.bars[end-1], v.model, v.horizon)
		c.Ahead = aheadOf(c.Band, s.bars[end-1].Time, d.Interval, c.Zoom, v.horizon)
	}
	quoteOn(&c, q, atNow)
	from, _ := c.Window(w)
	start := 0
	if from < end {
		start = studyFrom(v.on, s.bars, from, calendar)
	}
	c.Bars = s.bars[start:end]
	if i := v.crossIndex(s); i >= start {
		c.Cross = i - start
	}
	comparing := len(v.compared) > 0 && v.axis == chart.Percent
	var overlays []chart.Line
	overlays, c.Panes = study(v.on, c.Bars, calendar)
	if !comparing {
		c.Overlays = overlays
	}
	if comparing {
		for i, symbol := range v.compared {
			var closes []market.Bar
			if o := d.bars.peek(symbol, d.Interval); o != nil {
				closes = o.bars
			}
			c.Compared = append(c.Compared, chart.Line{Name: symbol, Ink: chart.Other1 + chart.Ink(i), Values: closesAt(c.Bars, closes)})
		}
		c.Band, c.Ahead, c.Level = nil, 0, 0
	}
	c.Marks = v.marks(s, start, end)
	p.forecast = v.forecastLegend(c.Band, c.Marks)
	g, layout := c.Draw(w, h)
	p.layout, p.text = layout, painted(d.Theme, g, w+1, 1)
	p.key, p.bars, p.offset, p.panes = key, c.Bars, start, c.Panes
	p.lines = append(slices.Clone(c.Overlays), c.Compared...)
	return p
}

// quoteOn puts the newest price on the axis.
func quoteOn(c *chart.Chart, q *live.Quote, atNow bool) {
	if q == nil {
		return
	}
	if q.Decimals > 0 {
		c.Decimals = int(q.Decimals)
	}
	if !q.FromFirst && c.Interval < market.Day {
		c.Level = q.Reference
	}
	if atNow {
		c.Last = q.Last
		_, share := q.Change()
		c.Rising, c.Falling = share > 0, share < 0
	}
}

// marks are the symbol's alerts, and what became of earlier forecasts.
func (v *chartView) marks(s *series, start, end int) []chart.Mark {
	if start >= end {
		return nil
	}
	d := v.desk
	var out []chart.Mark
	from, to := s.bars[start].Time, s.bars[end-1].Time.Add(d.Interval.Length())
	if v.on&studyAlerts != 0 {
		d.alerts.between(d.Symbol, from, to, func(r *alertRow) {
			out = append(out, chart.Mark{Time: v.barTime(r.Time), Ink: chart.Alarm})
		})
	}
	if d.tried != nil {
		for i := range d.tried.Fired {
			if f := &d.tried.Fired[i]; f.Symbol == d.Symbol && f.Time >= from && f.Time < to {
				out = append(out, chart.Mark{Time: v.barTime(f.Time), Ink: chart.Trial})
			}
		}
	}
	return v.outcomes(out, s, start, end)
}

// barTime is t as bars of the interval are dated.
func (v *chartView) barTime(t market.Time) market.Time {
	if v.desk.Interval >= market.Day {
		return v.desk.Calendar(v.desk.Symbol).Day(t)
	}
	return t
}

// moment is a bar's time in words, with its zone.
func (v *chartView) moment(t market.Time) string {
	d := v.desk
	if d.Interval >= market.Day {
		return t.Std().Format("Mon 2 Jan 2006")
	}
	z := d.Zone()
	layout := "Mon 2 Jan 15:04"
	if d.Interval == market.Second {
		layout = "Mon 2 Jan 15:04:05"
	}
	at := t.Std().In(z)
	if at.Year() != d.Clock().Std().In(z).Year() {
		layout = strings.Replace(layout, "2 Jan", "2 Jan 2006", 1)
	}
	return at.Format(layout) + " " + zoneName(z, at)
}

// legend is the line above the chart: the intervals and what is drawn, or the
// values under the cross-hair.
func (v *chartView) legend(c *canvas, s *series, p *picture) {
	c.gap(1)
	if i := v.crossIndex(s); i >= 0 && i-p.offset < len(p.bars) && i >= p.offset {
		v.readout(c, s, p, i)
		c.end()
		return
	}
	intervals(c, v.desk.Interval)
	note, role := v.note(s, p)
	tail := width(note) + 2
	for i, name := range []string{"", "per cent", "log"} {
		if i == int(v.axis) && name != "" && c.room() > width(name)+tail+3 {
			c.gap(2)
			c.put(c.on(Accent), name)
		}
	}
	if len(p.lines) > 0 && v.axis == chart.Percent && len(v.compared) > 0 && c.room() > width(v.desk.Symbol)+tail+5 {
		c.gap(3)
		c.put(c.bold(Text), v.desk.Symbol)
	}
	p.forecast.draw(c, tail)
	for _, l := range p.lines {
		if l.Name != "" && c.room() > width(l.Name)+tail+5 {
			c.gap(2)
			c.put(c.on(chartRoles[l.Ink]), "─ ")
			c.muted(l.Name)
		}
	}
	if note != "" {
		c.right(c.on(role), note+" ")
	}
	c.end()
}

// note is what should be known of the bars, in a few words.
func (v *chartView) note(s *series, p *picture) (string, Role) {
	atEdge := p.offset+p.layout.From == 0
	switch {
	case s.why != "" && (atEdge || s.older):
		return "history: " + clip(s.why, 40), Warn
	case s.busy() && s.older && atEdge:
		return "loading earlier bars …", Muted
	case s.busy() && !s.loaded:
		return "loading …", Muted
	case v.goal != 0:
		return "going to " + v.moment(v.goal) + " …", Muted
	case v.triedHere() > 0:
		return "△ " + plural(v.triedHere(), "alert") + " of the back-test", Accent
	case v.end != 0:
		return "past · G goes to now", Accent
	case s.exhausted && atEdge && p.layout.Columns > 0 && s.interval != market.Second:
		return "since " + v.moment(s.bars[0].Time), Muted
	}
	return "", Muted
}

// triedHere is how many alerts of the back-test are the symbol's.
func (v *chartView) triedHere() (n int) {
	if v.desk.tried == nil {
		return 0
	}
	for i := range v.desk.tried.Fired {
		if v.desk.tried.Fired[i].Symbol == v.desk.Symbol {
			n++
		}
	}
	return n
}

// intervals lists the intervals, the chosen one bright.
func intervals(c *canvas, chosen market.Interval) {
	for k, i := range market.Intervals {
		if k > 0 {
			c.gap(2)
		}
		if i == chosen {
			c.put(c.bold(Accent), i.String())
		} else {
			c.muted(i.String())
		}
	}
}

// readout writes the bar under the cross-hair, and the studies there.
func (v *chartView) readout(c *canvas, s *series, p *picture, i int) {
	b := &s.bars[i]
	q := v.desk.Frame.Quote(b.Symbol)
	decimals := uint8(2)
	if q != nil && q.Decimals > 0 {
		decimals = q.Decimals
	}
	c.put(c.bold(Text), v.moment(b.Time))
	part := func(name, value string, r Role) {
		if c.room() > width(name)+width(value)+4 {
			c.gap(2)
			if name != "" {
				c.muted(name + " ")
			}
			c.put(c.on(r), value)
		}
	}
	part("O", price(b.Open, decimals), Text)
	part("H", price(b.High, decimals), Text)
	part("L", price(b.Low, decimals), Text)
	part("C", price(b.Close, decimals), Text)
	if i > 0 && s.bars[i-1].Close > 0 {
		share := (b.Close/s.bars[i-1].Close - 1) * 100
		part("", signed(share, 2)+"%", Direction(math.Round(share*100)))
	}
	part("vol", shares(b.Volume), Text)
	k := i - p.offset
	value := func(l *chart.Line) {
		if l.Name != "" && k < len(l.Values) && !math.IsNaN(l.Values[k]) {
			part(l.Name, price(l.Values[k], decimals), chartRoles[l.Ink])
		}
	}
	for n := range p.lines {
		value(&p.lines[n])
	}
	for n := range p.panes {
		for m := range p.panes[n].Lines {
			value(&p.panes[n].Lines[m])
		}
	}
}

// listLines is the list of studies, over the chart.
func (v *chartView) listLines(w int) []string {
	wide := min(52, w)
	c := newCanvas(v.desk.Theme, wide, len(studyNames)+1)
	c.set(Bar)
	c.gap(1)
	c.put(c.bold(Text), "indicators")
	c.gap(2)
	c.muted("space turns one on or off · esc closes")
	c.end()
	for i, x := range studyNames {
		c.set(Bar)
		if i == v.cursor {
			c.set(Selection)
			c.put(c.on(Accent), "▌")
		}
		c.to(1)
		if v.on&x.bit != 0 {
			c.put(c.on(Accent), "✓ ")
		}
		c.to(3)
		ink := c.on(Muted)
		if v.on&x.bit != 0 {
			ink = c.on(Text)
		}
		c.cell(ink, x.name, 15)
		c.cell(c.on(Muted), x.note, wide-20)
		c.end()
	}
	c.set(Plain)
	return strings.Split(strings.TrimSuffix(c.String(), "\n"), "\n")
}
