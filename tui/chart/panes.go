package chart

import (
	"math"
	"slices"
	"unicode/utf8"

	"tapedeck/pipeline/market"
)

// volume draws the volume of the columns, the highest as tall as the area.
func (d *drawing) volume(r rect) {
	top := d.volumeTop()
	for _, k := range d.columns {
		ink := UpDim
		if k.falls {
			ink = DownDim
		}
		share := 0.0
		if top > 0 {
			share = k.volume / top
		}
		from := k.x - (d.zoom.Cells-1)/2
		n := d.zoom.Cells
		if n > 1 && d.chart.Style == Candles {
			n-- // a gap as between the candles
		}
		for x := from; x < from+n; x++ {
			if x >= 0 && x < r.w {
				d.grid.bar(r, x, share, ink, d.chart.ASCII)
			}
		}
	}
	d.axisLabel(r.y, compact(top))
	if r.h > 1 {
		d.axisLabel(r.y+r.h-1, "volume")
	}
}

// volumeTop is the volume that fills the area: the highest, but not so high
// that a single burst presses all others flat.
func (d *drawing) volumeTop() float64 {
	sorted := make([]float64, 0, len(d.columns))
	for _, k := range d.columns {
		sorted = append(sorted, k.volume)
	}
	slices.Sort(sorted)
	n := len(sorted)
	top := sorted[n-1]
	if usual := sorted[n*9/10]; n >= 20 && usual > 0 {
		top = min(top, 4*usual)
	}
	return top
}

// pane draws an oscillator.
func (d *drawing) pane(p *Pane, r rect) {
	low, high := p.Low, p.High
	fixed := high > low
	lines := make([][]float64, len(p.Lines))
	for i := range p.Lines {
		lines[i] = values(d.columns, p.Lines[i].Values)
	}
	var histogram []float64
	if p.Histogram != nil {
		histogram = values(d.columns, p.Histogram.Values)
	}
	if !fixed {
		top := 0.0
		for _, l := range append(lines, histogram) {
			for _, v := range l {
				if finite(v) {
					top = max(top, math.Abs(v))
				}
			}
		}
		if top == 0 {
			top = 1e-9
		}
		high = stepUp(top)
		low = -high
	}
	// The first row of a pane has its name and stays free of the neighbour.
	d.grid.text(r.x+1, r.y, p.Name, Label)
	r.y, r.h = r.y+1, r.h-1
	if r.h < 1 {
		return
	}
	s := scale{low: low, high: high}
	if !s.ok() {
		return
	}
	for _, v := range p.Guides {
		if row := s.row(v, r.h); finite(row) {
			d.guide(r, int(math.Round(row)), number(v, decimalsOf(nice(max(math.Abs(v)/2, 1)))))
		}
	}
	if !fixed {
		decimals := decimalsOf(high / 2)
		d.axisLabel(r.y, number(high, decimals))
		if r.h > 2 {
			d.axisLabel(r.y+r.h-1, number(low, decimals))
		}
	}
	if histogram != nil {
		d.histogram(r, &s, histogram)
	}
	rows := r.h
	if !d.chart.ASCII {
		rows *= 4
	}
	traces := make([]trace, 0, len(lines))
	for i := len(lines) - 1; i >= 0; i-- {
		v := lines[i]
		traces = append(traces, trace{spread(d.columns, d.plot, func(k int) float64 {
			if !finite(v[k]) {
				return math.NaN()
			}
			return s.row(min(max(v[k], low), high), rows)
		}), p.Lines[i].Ink})
	}
	if d.chart.ASCII {
		d.grid.traces(r, true, traces)
	} else {
		d.grid.dots(r, traces)
	}
}

// dots draws lines in Braille patterns, four rows of dots a cell: an
// oscillator has few lines of text for many values.
func (g *Grid) dots(r rect, lines []trace) {
	const blank = 0x2800
	left := [...]rune{0x40, 0x04, 0x02, 0x01} // from the bottom
	right := [...]rune{0x80, 0x20, 0x10, 0x08}
	set := func(x, row int, bits *[4]rune, ink Ink) {
		c := g.at(r.x+x, r.y+r.h-1-row/4)
		if c == nil || row < 0 || row >= 4*r.h {
			return
		}
		if c.Rune < blank || c.Rune > blank+0xff || c.Ink != ink {
			c.Rune = blank
		}
		c.Rune, c.Ink = c.Rune|bits[row%4], ink
	}
	for _, l := range lines {
		before, some := 0, false
		for x, v := range l.rows {
			if !finite(v) {
				some = false
				continue
			}
			row := int(math.Round(v))
			if !some {
				before, some = row, true
			}
			// The left half of the cell leads from the value before, the right
			// half is the cell's own.
			middle := (before + row) / 2
			for y := min(before, middle); y <= max(before, middle); y++ {
				set(x, y, &left, l.ink)
			}
			for y := min(middle, row); y <= max(middle, row); y++ {
				set(x, y, &right, l.ink)
			}
			before = row
		}
	}
}

// histogram draws half-cell bars from the middle of the area up and down.
func (d *drawing) histogram(r rect, s *scale, v []float64) {
	zero := s.half(0, r.h)
	for k, c := range d.columns {
		if !finite(v[k]) {
			continue
		}
		ink, from, to := UpDim, zero, s.half(v[k], r.h)
		if v[k] < 0 {
			ink, from, to = DownDim, to, zero-1
		}
		for row := max(from/2, 0); row <= to/2 && row < r.h; row++ {
			lower, upper := 2*row >= from && 2*row <= to, 2*row+1 >= from && 2*row+1 <= to
			glyph := rune(0)
			switch {
			case d.chart.ASCII && (lower || upper):
				glyph = ':'
			case lower && upper:
				glyph = '█'
			case lower:
				glyph = '▄'
			case upper:
				glyph = '▀'
			}
			if glyph != 0 {
				d.grid.put(r.x+c.x, r.y+r.h-1-row, glyph, ink)
			}
		}
	}
}

// stepUp rounds the end of an axis up to 1, 1.5, 2, 3, 5 or 7 × 10ⁿ.
func stepUp(v float64) float64 {
	p := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range [...]float64{1, 1.5, 2, 3, 5, 7} {
		if v <= m*p {
			return m * p
		}
	}
	return 10 * p
}

func (d *drawing) axisLabel(y int, s string) {
	if d.gutter > 0 && utf8.RuneCountInString(s)+1 <= d.gutter {
		d.grid.text(d.plot+1, y, s, Label)
	}
}

// compact writes a volume in at most six cells.
func compact(v float64) string {
	for _, u := range [...]struct {
		unit float64
		name string
	}{{1e12, "T"}, {1e9, "B"}, {1e6, "M"}, {1e3, "k"}} {
		if v >= u.unit*0.9995 {
			decimals := 1
			if v >= u.unit*99.5 {
				decimals = 0
			}
			return number(v/u.unit, decimals) + u.name
		}
	}
	return number(math.Round(v), 0)
}

// band draws a prediction ahead of the last bar: an area, and its mean dashed.
func (d *drawing) band(r rect) {
	b, s := d.chart.Band, &d.scale
	if b == nil || len(b.Times) == 0 || d.chart.Ahead == 0 || d.to != len(d.chart.Bars) {
		return
	}
	last := d.columns[len(d.columns)-1]
	now := last.time
	each := d.chart.Interval.Length().Seconds() * float64(d.zoom.Bars)
	type point struct{ x, mean, low, high float64 }
	points := []point{{float64(last.x), last.close, last.close, last.close}}
	for i, t := range b.Times {
		if i >= len(b.Mean) || i >= len(b.Low) || i >= len(b.High) || !finite(b.Mean[i]) || !finite(b.Low[i]) || !finite(b.High[i]) {
			continue
		}
		x := float64(last.x) + t.Sub(now).Seconds()/each*float64(d.zoom.Cells)
		if x > points[len(points)-1].x {
			points = append(points, point{x, b.Mean[i], b.Low[i], b.High[i]})
		}
	}
	dot, fill := rune('┊'), rune('░')
	if d.chart.ASCII {
		dot, fill = '|', ':'
	}
	if len(points) == 1 {
		return
	}
	for y := 0; y < r.h; y++ {
		d.grid.under(r.x+last.x+1, r.y+y, dot, Now)
	}
	for x := last.x + 1; x < r.w; x++ {
		k := 1
		for k < len(points) && points[k].x < float64(x) {
			k++
		}
		if k == len(points) {
			return
		}
		p, q := points[k-1], points[k]
		f := (float64(x) - p.x) / (q.x - p.x)
		at := func(a, b float64) float64 { return a + (b-a)*f }
		low, high, mean := s.half(at(p.low, q.low), r.h)/2, s.half(at(p.high, q.high), r.h)/2, s.half(at(p.mean, q.mean), r.h)/2
		for row := low; row <= high; row++ {
			d.grid.put(r.x+x, r.y+r.h-1-row, fill, Interval)
		}
		if m := s.forward(at(p.mean, q.mean)); m >= s.low && m <= s.high {
			ink := Mean
			if b.Doubt {
				ink = Cross
			}
			d.grid.put(r.x+x, r.y+r.h-1-mean, dash(d.chart.ASCII), ink)
		}
	}
}

// marks draws alerts under their bars, and earlier predictions where they
// said the price would be.
func (d *drawing) marks(r rect) {
	c, s := d.chart, &d.scale
	if len(c.Marks) == 0 {
		return
	}
	for _, m := range c.Marks {
		k := d.columnAt(m.Time)
		if k < 0 {
			continue
		}
		col := &d.columns[k]
		if m.Price > 0 {
			row := s.row(m.Price, r.h)
			if !finite(row) {
				continue
			}
			glyph := rune('○')
			if m.Ink == Miss {
				glyph = '×'
			}
			if c.ASCII {
				if glyph = 'o'; m.Ink == Miss {
					glyph = 'x'
				}
			}
			d.grid.under(r.x+col.x, r.y+r.h-1-int(math.Round(row)), glyph, m.Ink)
			continue
		}
		low := col.low
		if c.Style == Lines {
			low = min(col.close, col.open)
		}
		row := s.half(low, r.h)/2 - 1
		glyph := rune('▲')
		if row < 0 { // no room below: above it, pointing down
			row, glyph = s.half(col.high, r.h)/2+1, '▼'
		}
		if m.Ink == Trial { // hollow: it was not told
			glyph = map[rune]rune{'▲': '△', '▼': '▽'}[glyph]
		}
		if c.ASCII {
			if glyph == '▲' || glyph == '△' {
				glyph = '^'
			} else {
				glyph = 'v'
			}
		}
		if row < r.h {
			d.grid.put(r.x+col.x, r.y+r.h-1-row, glyph, m.Ink)
		}
	}
}

// columnAt is the column that a moment falls into; -1 where it is not shown.
func (d *drawing) columnAt(t market.Time) int {
	lo, hi := 0, len(d.columns)
	for lo < hi {
		mid := (lo + hi) / 2
		if d.columns[mid].time <= t {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	k := lo - 1
	if k < 0 {
		return -1
	}
	end := d.chart.Bars[d.columns[k].to-1].Time.Add(d.chart.Interval.Length())
	if k == len(d.columns)-1 && t >= end {
		return -1
	}
	return k
}

// crossLabels tags the price and the moment under the cross-hair on the axes.
func (d *drawing) crossLabels(price rect, height int) {
	var col *column
	for i := range d.columns {
		if d.columns[i].x == d.cross {
			col = &d.columns[i]
		}
	}
	if col == nil || !d.scale.ok() {
		return
	}
	row := d.scale.row(col.close, price.h)
	if finite(row) {
		y := price.h - 1 - int(math.Round(row))
		for x := 0; x < d.plot; x += 2 {
			d.grid.under(x, y, dash(d.chart.ASCII), Cross)
		}
		d.tag(y, d.scale.tag(col.close, d.chart.Decimals), Strong)
	}
	if height >= d.grid.Height {
		return
	}
	layout := "2 Jan 15:04"
	switch {
	case d.chart.Interval >= market.Day:
		layout = "Mon 2 Jan 2006"
	case d.chart.Interval == market.Second:
		layout = "15:04:05"
	}
	s := col.time.Std().In(d.zone).Format(layout)
	n := utf8.RuneCountInString(s)
	if n+2 > d.plot {
		return
	}
	x := min(max(d.cross-n/2, 1), d.plot-n-1)
	for k := x - 1; k <= x+n; k++ {
		d.grid.put(k, height, 0, Blank)
	}
	d.clearHalf(x-2, height, -1)
	d.clearHalf(x+n+1, height, 1)
	d.grid.text(x, height, s, Strong)
}

// clearHalf takes away the rest of a label that was cut: a number is never
// shown in part.
func (d *drawing) clearHalf(x, y, step int) {
	for x >= 0 && x < d.plot {
		c := d.grid.at(x, y)
		if c == nil || c.Rune == 0 || c.Rune == ' ' && d.grid.at(x+step, y) != nil && d.grid.at(x+step, y).Rune == 0 {
			return
		}
		c.Rune = 0
		x += step
	}
}
