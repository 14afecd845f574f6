package chart

import (
	"math"
	"time"
	"unicode/utf8"

	"tapedeck/pipeline/market"
)

// Style of the price.
type Style uint8

// The styles.
const (
	Candles Style = iota
	Lines         // closes as a line by asciigraph
)

// Line is a study or a compared symbol: a value for each bar, NaN for none.
type Line struct {
	Name   string
	Ink    Ink
	Values []float64
}

// Pane is an area of its own below the price, with its own axis.
type Pane struct {
	Name      string
	Lines     []Line
	Histogram *Line     // bars around zero
	Low, High float64   // ends of the axis; both 0 takes them from the values
	Guides    []float64 // levels with a dotted line and a label
}

// Mark is a sign at a moment: an alert, or what was once predicted for it.
type Mark struct {
	Time  market.Time
	Price float64 // 0 stands under the bar
	Ink   Ink     // Alarm, Trial, Hit, Miss
}

// Band is a prediction ahead of the last bar: a line and an interval around
// it, at rising times. It is drawn into the columns of Chart.Ahead.
type Band struct {
	Times           []market.Time
	Mean, Low, High []float64
	Doubt           bool // the mean is not shown to be worth anything: it is drawn muted
}

// Chart is what to draw. The zero value draws nothing.
type Chart struct {
	Bars     []market.Bar // oldest first, of one symbol and Interval
	End      int          // one past the last bar that is shown; 0 or too high is the last bar
	Interval market.Interval
	Zone     *time.Location // of the time axis; nil is UTC
	ZoneName string         // at its end; "" takes the zone's own
	Decimals int            // of the symbol's prices
	Style    Style
	Axis     Axis
	Zoom     Zoom
	Overlays []Line // in prices, over the bars
	Compared []Line // prices of other symbols, drawn on the per cent axis only
	Volume   bool
	Panes    []Pane
	Session  func(market.Time) market.Session // nil shades nothing
	Marks    []Mark
	Band     *Band
	Ahead    int     // columns that stay free after the last bar
	Cross    int     // bar under the cross-hair; below 0 is none
	Last     float64 // newest price, tagged on the axis; 0 is none
	Rising   bool    // Last is above its reference
	Falling  bool
	Level    float64 // a dotted line, e.g. the previous close; 0 is none

	Plain bool // no colours: shapes tell rising from falling
	ASCII bool
	Bare  bool // neither axes nor labels: for very small charts
}

// Layout says what was drawn where.
type Layout struct {
	From, To int // bars shown
	Plot     int // cells of the time axis
	Columns  int // on it
}

// gutter is the width of the price axis: that of a price as it is now, so
// that scrolling does not move the chart.
func (c *Chart) gutter() int {
	if c.Bare {
		return 0
	}
	n := 7
	if c.end() > 0 {
		if v := c.Bars[c.end()-1].Close; finite(v) {
			n = max(n, utf8.RuneCountInString(number(v, c.Decimals)))
		}
	}
	return min(n, 14) + 2
}

func (c *Chart) end() int {
	if c.End <= 0 || c.End > len(c.Bars) {
		return len(c.Bars)
	}
	return c.End
}

// Window is the range of bars that a chart of this width shows.
func (c *Chart) Window(width int) (from, to int) {
	z := c.Zoom.valid()
	cells := width - c.gutter() - c.Ahead*z.Cells
	if cells < z.Cells {
		return c.end(), c.end()
	}
	return window(c.Bars, c.end(), c.Interval, z, cells), c.end()
}

// Draw makes the grid.
func (c *Chart) Draw(width, height int) (*Grid, Layout) {
	g := NewGrid(width, height)
	z := c.Zoom.valid()
	gutter := c.gutter()
	if width < gutter+8 { // too narrow for an axis
		gutter = 0
	}
	plot := width - gutter
	cells := plot - c.Ahead*z.Cells
	if height < 1 || cells < z.Cells {
		return g, Layout{}
	}
	from, to := window(c.Bars, c.end(), c.Interval, z, cells), c.end()
	d := &drawing{chart: c, grid: g, zoom: z, plot: plot, gutter: gutter, from: from, to: to, zone: zoneOf(c.Interval, c.Zone),
		columns: columns(c.Bars, from, to, c.Interval, z, cells)}
	l := Layout{From: from, To: to, Plot: plot, Columns: len(d.columns)}
	if len(d.columns) == 0 {
		return g, l
	}
	d.instants = instants(d.columns, plot, c.Ahead, c.Interval, z, d.zone)
	d.all()
	return g, l
}

// drawing is one Draw.
type drawing struct {
	chart        *Chart
	grid         *Grid
	zoom         Zoom
	plot, gutter int
	from, to     int
	zone         *time.Location
	columns      []column
	instants     []instant
	scale        scale
	cross        int // cell of the cross-hair; -1 is none
	now          int // cell of the last bar
}

// all lays out the areas from the bottom up and draws them.
func (d *drawing) all() {
	c, g := d.chart, d.grid
	height := g.Height
	if !c.Bare && height >= 5 {
		height--
		g.timeLabels(rect{0, height, d.plot, 1}, d.instants, true)
		d.zoneLabel(height)
	}
	panes, volume := c.Panes, c.Volume && height >= 8
	pane, volumeRows := 0, 0
	if volume {
		volumeRows = min(max(height/7, 2), 5)
	}
	for len(panes) > 0 && height-volumeRows-len(panes)*4 < 6 {
		panes = panes[:len(panes)-1]
	}
	if len(panes) > 0 {
		pane = min(max(height/6, 4), 8)
		for height-volumeRows-len(panes)*pane < 6 {
			pane--
		}
	}
	price := rect{0, 0, d.plot, height - volumeRows - len(panes)*pane}
	d.cross, d.now = -1, d.columns[len(d.columns)-1].x
	if c.Cross >= 0 {
		for _, k := range d.columns {
			if c.Cross >= k.from && c.Cross < k.to {
				d.cross = k.x
			}
		}
	}
	d.shade(height)
	d.price(price)
	y := price.h
	if volume {
		d.volume(rect{0, y, d.plot, volumeRows})
		y += volumeRows
	}
	for i := range panes {
		d.pane(&panes[i], rect{0, y, d.plot, pane})
		y += pane
	}
	if d.cross >= 0 {
		r := rune('┊')
		if c.ASCII {
			r = '|'
		}
		for y := range height {
			g.under(d.cross, y, r, Cross)
		}
		d.crossLabels(price, height)
	}
}

// zoneLabel names the zone at the end of the time axis.
func (d *drawing) zoneLabel(y int) {
	if d.gutter == 0 || d.chart.Interval >= market.Day || len(d.instants) == 0 {
		return
	}
	name := d.chart.ZoneName
	if name == "" {
		name, _ = d.instants[len(d.instants)-1].time.Zone()
	}
	if name != "" && utf8.RuneCountInString(name) < d.gutter {
		d.grid.text(d.plot+1, y, name, Label)
	}
}

// shade marks the columns of extended hours.
func (d *drawing) shade(height int) {
	c := d.chart
	if c.Session == nil || c.Interval >= market.Hour {
		return
	}
	for k, col := range d.columns {
		if s := c.Session(col.time); s != market.Pre && s != market.Post {
			continue
		}
		from := col.x - (d.zoom.Cells-1)/2
		to := from + d.zoom.Cells
		if k+1 < len(d.columns) {
			to = min(to, d.columns[k+1].x)
		}
		for y := range height {
			for x := from; x < to; x++ {
				if cell := d.grid.at(x, y); cell != nil && x < d.plot {
					cell.Shaded = true
				}
			}
		}
	}
}

// base is the first close shown, that of per cent.
func (d *drawing) base() float64 { return d.columns[0].close }

// span is the range of values that the price axis must hold.
func (d *drawing) span(others [][]float64) (low, high float64) {
	c := d.chart
	low, high = math.Inf(1), math.Inf(-1)
	take := func(v float64) {
		if finite(v) {
			low, high = min(low, v), max(high, v)
		}
	}
	for i := range d.columns {
		k := &d.columns[i]
		if c.Style == Lines || len(c.Compared) > 0 && c.Axis == Percent {
			take(k.close)
		} else {
			take(k.low)
			take(k.high)
		}
	}
	for _, v := range others {
		for _, x := range v {
			take(x)
		}
	}
	// Overlays are shown as far as they do not press the price flat.
	low0, high0 := low, high
	room := (high - low) * 0.35
	for _, o := range c.Overlays {
		for _, v := range values(d.columns, o.Values) {
			if finite(v) && v >= low0-room && v <= high0+room {
				take(v)
			}
		}
	}
	if c.Band != nil && c.Ahead > 0 {
		for i := range c.Band.Times {
			for _, v := range [...][]float64{c.Band.Mean, c.Band.Low, c.Band.High} {
				if i < len(v) && finite(v[i]) && v[i] >= low0-3*room && v[i] <= high0+3*room {
					take(v[i])
				}
			}
		}
	}
	return low, high
}

// price draws the main area.
func (d *drawing) price(r rect) {
	c, g := d.chart, d.grid
	base := d.base()
	var others [][]float64
	if c.Axis == Percent {
		for _, l := range c.Compared {
			others = append(others, rebased(values(d.columns, l.Values), base))
		}
	}
	low, high := d.span(others)
	d.scale = newScale(c.Axis, low, high, base, r.h)
	s := &d.scale
	if !s.ok() {
		return
	}
	s.ticks(r.h, func(row int, label string) { d.guide(r, row, label) })
	if row := s.row(c.Level, r.h); c.Level > 0 && finite(row) {
		y := r.y + r.h - 1 - int(math.Round(row))
		for x := range r.w {
			if g.put(r.x+x, y, 0, Blank); x%3 != 2 {
				g.put(r.x+x, y, dash(c.ASCII), Guide)
			}
		}
	}
	d.band(r)
	var lines []trace
	for i := len(c.Overlays) - 1; i >= 0; i-- { // the first lies on top
		o := &c.Overlays[i]
		v := values(d.columns, o.Values)
		lines = append(lines, trace{spread(d.columns, d.plot, func(k int) float64 { return s.row(v[k], r.h) }), o.Ink})
	}
	for i := range others {
		v := others[i]
		lines = append(lines, trace{spread(d.columns, d.plot, func(k int) float64 { return s.row(v[k], r.h) }), c.Compared[i].Ink})
	}
	asLine := c.Style == Lines || len(others) > 0
	if asLine {
		lines = append(lines, trace{spread(d.columns, d.plot, func(k int) float64 { return s.row(d.columns[k].close, r.h) }), Price})
	}
	g.traces(r, c.ASCII, lines)
	if !asLine {
		for i := range d.columns {
			g.candle(r, &d.columns[i], d.zoom.Cells, s, c.ASCII, c.Plain)
		}
	}
	d.marks(r)
	d.comparedTags(r, others)
	if c.Last > 0 && d.gutter > 0 {
		if row := s.row(c.Last, r.h); finite(row) {
			ink := Strong
			switch {
			case c.Rising:
				ink = Up
			case c.Falling:
				ink = Down
			}
			d.tag(r.y+r.h-1-int(math.Round(row)), s.tag(c.Last, c.Decimals), ink)
		}
	}
}

// comparedTags writes where the symbols compared stand, each in its ink; of
// two in one place the first counts.
func (d *drawing) comparedTags(r rect, others [][]float64) {
	s := &d.scale
	for i := len(others) - 1; i >= 0; i-- {
		if v := others[i]; len(v) > 0 {
			if row := s.row(v[len(v)-1], r.h); finite(row) {
				d.tag(r.y+r.h-1-int(math.Round(row)), s.tag(v[len(v)-1], d.chart.Decimals), d.chart.Compared[i].Ink)
			}
		}
	}
}

// guide is a dotted line with its label on the axis.
func (d *drawing) guide(r rect, row int, label string) {
	if d.chart.Bare || d.gutter == 0 {
		return
	}
	y := r.y + r.h - 1 - row
	dot := rune('·')
	if d.chart.ASCII {
		dot = '.'
	}
	for x := 3; x < r.w; x += 4 {
		d.grid.under(r.x+x, y, dot, Guide)
	}
	if utf8.RuneCountInString(label)+1 < d.gutter {
		d.grid.text(d.plot+1, y, label, Label)
	}
}

// tag writes a label over what the axis has there.
func (d *drawing) tag(y int, label string, ink Ink) {
	if d.gutter == 0 || utf8.RuneCountInString(label)+1 > d.gutter || y < 0 || y >= d.grid.Height {
		return
	}
	for x := d.plot; x < d.grid.Width; x++ {
		d.grid.put(x, y, 0, Blank)
	}
	d.grid.text(d.plot+1, y, label, ink)
}

// rebased moves a line so that it begins where the base stands.
func rebased(v []float64, base float64) []float64 {
	first := math.NaN()
	for i := range v {
		if finite(v[i]) && v[i] > 0 {
			if !finite(first) {
				first = v[i]
			}
			v[i] = v[i] / first * base
		} else {
			v[i] = math.NaN()
		}
	}
	return v
}

func dash(ascii bool) rune {
	if ascii {
		return '-'
	}
	return '╌'
}
