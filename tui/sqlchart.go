package tui

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"tapedeck/tui/chart"
)

// sqlChart draws a result with a time column: one column of figures over
// time, a line for each value of a text column such as symbol.
type sqlChart struct {
	times   int   // column
	figures []int // columns that can be drawn
	shown   int   // of figures
	split   int   // column that tells lines apart, -1 is none
	series  []chartSeries
	left    int  // lines that were left out
	percent bool // of each line's first value
}

type chartSeries struct {
	name   string
	points []chartPoint
}

type chartPoint struct{ t, v float64 }

const maxSeries = 5

// newSQLChart finds what can be drawn; why says what is missing.
func newSQLChart(g *sqlGrid) (c *sqlChart, why string) {
	c = &sqlChart{times: -1, split: -1}
	for i := range g.columns {
		switch g.columns[i].class {
		case classTime:
			if c.times < 0 && !strings.HasPrefix(strings.ToUpper(g.rows.head.Columns[i].Type), "TIME ") && strings.ToUpper(g.rows.head.Columns[i].Type) != "TIME" {
				c.times = i
			}
		case classInteger, classReal:
			c.figures = append(c.figures, i)
		case classText:
			if c.split < 0 || strings.EqualFold(g.rows.head.Columns[i].Name, "symbol") {
				c.split = i
			}
		}
	}
	switch {
	case g.rows.count < 2:
		return nil, "a chart needs two rows at least"
	case c.times < 0:
		return nil, "a chart needs a column of times or dates: date_trunc('minute', time) makes one"
	case len(c.figures) == 0:
		return nil, "a chart needs a column of figures beside the time"
	}
	if i := slices.Index(c.figures, g.column); i >= 0 {
		c.shown = i
	}
	c.read(g)
	c.percent = c.apart()
	return c, ""
}

func (v *sqlView) toggleChart() {
	t := v.tab()
	if t.chart != nil {
		t.chart = nil
		return
	}
	c, why := newSQLChart(t.grid)
	if c == nil {
		v.desk.Say(Warn, why)
		return
	}
	t.chart = c
}

// next goes on to the next column of figures.
func (c *sqlChart) next(g *sqlGrid, forward bool) {
	step := 1
	if !forward {
		step = len(c.figures) - 1
	}
	c.shown = (c.shown + step) % len(c.figures)
	c.read(g)
}

// parseSQLTime reads a time as the grid has it, to seconds since 1970.
func parseSQLTime(s string) (float64, bool) {
	for _, layout := range [...]string{"2006-01-02 15:04:05", "2006-01-02 15:04:05 UTC", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, time.UTC); err == nil { // fractions are taken too
			return float64(t.UnixMicro()) / 1e6, true
		}
	}
	return 0, false
}

func (c *sqlChart) read(g *sqlGrid) {
	c.series, c.left = nil, 0
	at := map[string]int{}
	figure := c.figures[c.shown]
	for r := range g.rows.count {
		raw, null := g.rows.cell(r, c.times)
		if null {
			continue
		}
		t, ok := parseSQLTime(string(raw))
		if !ok {
			continue
		}
		raw, null = g.rows.cell(r, figure)
		v, err := strconv.ParseFloat(string(raw), 64)
		if null || err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		name := ""
		if c.split >= 0 {
			text, _ := g.rows.cell(r, c.split)
			name = string(text)
		}
		i, known := at[name]
		if !known {
			i = len(at)
			at[name] = i
			if i < maxSeries {
				c.series = append(c.series, chartSeries{name: name})
			} else {
				c.left++
			}
		}
		if i < maxSeries {
			c.series[i].points = append(c.series[i].points, chartPoint{t, v})
		}
	}
	for i := range c.series {
		slices.SortStableFunc(c.series[i].points, func(a, b chartPoint) int { return cmp.Compare(a.t, b.t) })
	}
}

// apart says that lines lie so far from each other that their moves would not
// be seen side by side.
func (c *sqlChart) apart() bool {
	lo, hi, own := math.Inf(1), math.Inf(-1), 0.0
	for _, s := range c.series {
		a, b := math.Inf(1), math.Inf(-1)
		for _, p := range s.points {
			a, b = min(a, p.v), max(b, p.v)
		}
		if len(s.points) == 0 || s.points[0].v <= 0 {
			return false
		}
		lo, hi, own = min(lo, a), max(hi, b), max(own, b-a)
	}
	return len(c.series) > 1 && own > 0 && own*4 < hi-lo
}

// value of a point as drawn: itself, or per cent of its line's first value.
func (c *sqlChart) value(s *chartSeries, v float64) float64 {
	if first := s.points[0].v; c.percent && first != 0 {
		return (v/first - 1) * 100
	}
	return v
}

// bounds of all points; ok is false where there are none.
func (c *sqlChart) bounds() (t0, t1, v0, v1 float64, ok bool) {
	t0, v0, t1, v1 = math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)
	for i := range c.series {
		s := &c.series[i]
		for _, p := range s.points {
			v := c.value(s, p.v)
			t0, t1, v0, v1 = min(t0, p.t), max(t1, p.t), min(v0, v), max(v1, v)
			ok = true
		}
	}
	if v1-v0 < 1e-12*max(math.Abs(v0), 1e-300) || v0 == v1 {
		pad := max(math.Abs(v0)*0.01, 1e-9)
		v0, v1 = v0-pad, v1+pad
	}
	if t1 <= t0 {
		t1 = t0 + 1
	}
	return t0, t1, v0, v1, ok
}

// seriesRoles are the lines' colours, in their order.
var seriesRoles = [maxSeries]Role{Text, Accent, Predict, Up, Down}

const seriesGlyphs = "*+ox#"

// draw fills high lines.
func (c *sqlChart) draw(cv *canvas, head SQLHead, high int) {
	t0, t1, v0, v1, ok := c.bounds()
	c.legend(cv, head)
	high--
	if !ok || high < 3 {
		cv.gap(1)
		cv.muted("there are no points to draw: the figures or times are null")
		cv.end()
		return
	}
	ticks, decimals := niceTicks(v0, v1, max(high/4, 2))
	labels := make([]string, len(ticks))
	gutter := 0
	for i, v := range ticks {
		labels[i] = chart.Group(strconv.FormatFloat(v, 'f', decimals, 64))
		if c.percent {
			labels[i] = signed(v, decimals) + "%"
		}
		if math.Abs(v) >= 1e12 {
			labels[i] = strconv.FormatFloat(v, 'g', 4, 64)
		}
		gutter = max(gutter, width(labels[i]))
	}
	wide, lines := cv.width-gutter-4, high-1
	if wide < 8 {
		return
	}
	p := newPlot(wide, lines)
	for i := range c.series {
		s := &c.series[i]
		px, py := -1, -1
		for _, q := range s.points {
			x := int(math.Round((q.t - t0) / (t1 - t0) * float64(wide*2-1)))
			y := int(math.Round((v1 - c.value(s, q.v)) / (v1 - v0) * float64(lines*4-1)))
			if px < 0 {
				px, py = x, y
			}
			p.line(px, py, x, y, i)
			px, py = x, y
		}
	}
	glyphs := cv.theme.ASCII || cv.theme.Mode == NoColor && len(c.series) > 1
	for row := range lines {
		label := ""
		for i, v := range ticks {
			if int(math.Round((v1-v)/(v1-v0)*float64(lines-1))) == row {
				label = labels[i]
			}
		}
		cv.gap(1)
		for x := range wide {
			bits, i := p.at(x, row)
			switch {
			case bits == 0 && label != "" && x%2 == 0:
				cv.put(cv.on(Hairline), "·")
			case bits == 0:
				cv.gap(1)
			case glyphs:
				cv.put(cv.on(seriesRoles[i]), seriesGlyphs[i:i+1])
			default:
				cv.put(cv.on(seriesRoles[i]), string(rune(0x2800+int(bits))))
			}
		}
		cv.gap(1)
		cv.number(cv.on(Muted), label, gutter+1)
		cv.end()
	}
	timeAxis(cv, t0, t1, wide)
}

func (c *sqlChart) legend(cv *canvas, head SQLHead) {
	cv.gap(1)
	cv.put(cv.bold(Text), head.Columns[c.figures[c.shown]].Name)
	if c.percent {
		cv.muted(" in per cent of the first")
	}
	glyphs := cv.theme.ASCII || cv.theme.Mode == NoColor
	for i, s := range c.series {
		if s.name == "" {
			continue
		}
		cv.gap(2)
		if glyphs {
			cv.put(cv.on(seriesRoles[i]), seriesGlyphs[i:i+1]+" ")
		}
		cv.put(cv.on(seriesRoles[i]), wholeCell(s.name, 16))
	}
	if c.left > 0 {
		cv.gap(2)
		cv.muted("and " + plainNumber(c.left) + " more that are not drawn")
	}
	if note := "h l other columns "; len(c.figures) > 1 && cv.room() > width(note)+2 {
		cv.right(cv.on(Muted), note)
	}
	cv.end()
}

// niceTicks are a few round values from lo to hi, and the decimals that they need.
func niceTicks(lo, hi float64, n int) (ticks []float64, decimals int) {
	step := math.Pow(10, math.Floor(math.Log10((hi-lo)/float64(max(n, 1)))))
	for _, m := range [...]float64{1, 2, 5, 10} {
		if (hi-lo)/(step*m) <= float64(n) {
			step *= m
			break
		}
	}
	decimals = max(0, -int(math.Floor(math.Log10(step)+1e-9)))
	for v := math.Ceil(lo/step) * step; v <= hi+step*1e-9 && len(ticks) < 50; v += step {
		ticks = append(ticks, v)
	}
	return ticks, min(decimals, 12)
}

var timeSteps = [...]float64{1, 5, 15, 30, 60, 300, 900, 1800, 3600, 2 * 3600, 4 * 3600, 6 * 3600, 12 * 3600, 86400, 2 * 86400, 7 * 86400, 14 * 86400, 30 * 86400, 91 * 86400, 365 * 86400, 1826 * 86400}

// timeAxis labels round times under a plot, in UTC as the rows are.
func timeAxis(c *canvas, t0, t1 float64, wide int) {
	step := timeSteps[len(timeSteps)-1]
	for _, s := range timeSteps {
		if (t1-t0)/s <= float64(wide)/14 {
			step = s
			break
		}
	}
	layout := "15:04"
	switch {
	case step < 60:
		layout = "15:04:05"
	case step >= 365*86400:
		layout = "2006"
	case step >= 86400:
		layout = "2 Jan"
	case t1-t0 > 86400:
		layout = "2 Jan 15:04"
	}
	c.gap(1)
	for t := math.Ceil(t0/step) * step; t <= t1; t += step {
		label := time.Unix(int64(t), 0).UTC().Format(layout)
		x := 1 + int((t-t0)/(t1-t0)*float64(wide-1)) - width(label)/2
		if x < c.x+1 && c.x > 1 || x+width(label) > wide+1 || x < 1 {
			continue
		}
		c.to(x)
		c.muted(label)
	}
	c.to(wide + 2)
	c.muted("UTC")
	c.end()
}

// plot is a raster of braille dots, two by four in a cell.
type plot struct {
	wide, lines int
	bits        []uint8
	owner       []uint8
}

func newPlot(wide, lines int) *plot {
	return &plot{wide, lines, make([]uint8, wide*lines), make([]uint8, wide*lines)}
}

var brailleBits = [4][2]uint8{{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}}

func (p *plot) dot(x, y, series int) {
	if x < 0 || y < 0 || x >= p.wide*2 || y >= p.lines*4 {
		return
	}
	i := y/4*p.wide + x/2
	p.bits[i] |= brailleBits[y%4][x%2]
	p.owner[i] = uint8(series)
}

// line sets the dots from one point to another.
func (p *plot) line(x0, y0, x1, y1, series int) {
	n := max(abs(x1-x0), abs(y1-y0), 1)
	for i := range n + 1 {
		p.dot(x0+(x1-x0)*i/n, y0+(y1-y0)*i/n, series)
	}
}

func (p *plot) at(x, row int) (bits uint8, series int) {
	i := row*p.wide + x
	return p.bits[i], int(p.owner[i])
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}
