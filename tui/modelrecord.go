package tui

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"tapedeck/pipeline/market"
)

// Tally sums what became of forecasts.
type Tally struct {
	N       int64   // that came due
	Squares float64 // of the errors of the log price, in widths of the 80 % interval, so that every symbol counts alike
	Still   float64 // of the errors of "no change"
	Inside  int64   // the 80 % interval held
	Correct int64   // the direction was right, of Moved
	Moved   int64   // the price moved, and a move was forecast
	Raw     float64 // sum of squared errors of the log price as they are
}

// SymbolTally is the tally of one symbol.
type SymbolTally struct {
	Symbol string
	Tally
}

// BlockTally is the tally of a stretch of time as long as the horizon.
type BlockTally struct {
	Time time.Time
	Tally
}

// ModelRecord is what became of the newest day's forecasts of one model for
// one horizon.
type ModelRecord struct {
	Symbols []SymbolTally
	Blocks  []BlockTally // in any order
	// Far are by how far the mean lay from the price, in quarters of the
	// band's deviation; the last is that and more.
	Far [8]Tally
}

// skill is 1 − the squared error by that of "no change"; NaN without one.
func (t *Tally) skill() float64 {
	if t.Still <= 0 {
		return math.NaN()
	}
	return 1 - t.Squares/t.Still
}

// rmse of the log price, in basis points.
func (t *Tally) rmse() float64 { return 1e4 * math.Sqrt(t.Raw/float64(t.N)) }

func (t *Tally) direction() float64 { return float64(t.Correct) / float64(t.Moved) }
func (t *Tally) inside() float64    { return float64(t.Inside) / float64(t.N) }

// skillOver is the skill of consecutive groups of blocks, with the 95 %
// interval of a ratio estimator whose units are the blocks (Cochran, Sampling
// Techniques, 3rd ed., 6.4). Groups of fewer than two blocks have no interval.
func skillOver(blocks []BlockTally, each int) []market.Estimate {
	var out []market.Estimate
	for group := range slices.Chunk(blocks, max(each, 1)) {
		var squares, still float64
		for i := range group {
			squares, still = squares+group[i].Squares, still+group[i].Still
		}
		if still <= 0 {
			out = append(out, nothing)
			continue
		}
		ratio, n, sum := squares/still, float64(len(group)), 0.0
		for i := range group {
			d := group[i].Squares - ratio*group[i].Still
			sum += d * d
		}
		e := market.Estimate{Value: 1 - ratio, Low: math.NaN(), High: math.NaN()}
		if n > 1 {
			margin := 1.96 * math.Sqrt(n/(n-1)*sum) / still
			e.Low, e.High = e.Value-margin, e.Value+margin
		}
		out = append(out, e)
	}
	return out
}

// modelRecord is the page of one model and horizon: the plots of its record,
// and a row for each symbol.
type modelRecord struct {
	desk    *Desk
	open    bool
	model   string
	horizon int32
	record  ModelRecord
	loaded  bool
	err     error
	request int

	cursor, offset int
	sort           int // in symbolColumns
	plot           int // the first that is drawn
}

type modelRecordIs struct {
	request int
	record  ModelRecord
	err     error
}

// show opens the page and asks for the record.
func (p *modelRecord) show(model string, horizon int32) tea.Cmd {
	source := p.desk.Data.Models
	*p = modelRecord{desk: p.desk, open: true, model: model, horizon: horizon, request: p.desk.Request()}
	if source == nil {
		return nil
	}
	request := p.request
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		record, err := source.Record(ctx, model, horizon)
		return modelRecordIs{request, record, err}
	}
}

func (p *modelRecord) take(m modelRecordIs) {
	if m.request != p.request {
		return
	}
	p.record, p.err, p.loaded = m.record, m.err, true
	slices.SortFunc(p.record.Blocks, func(a, b BlockTally) int { return a.Time.Compare(b.Time) })
	p.order()
}

// symbolColumns are what the table of symbols shows and is sorted by.
var symbolColumns = [...]struct {
	name  string
	width int
	of    func(*Tally) float64
	text  func(v float64) string
}{
	{"skill %", 10, (*Tally).skill, func(v float64) string { return signed(v*100, 1) }},
	{"direction %", 13, (*Tally).direction, func(v float64) string { return strconv.FormatFloat(v*100, 'f', 1, 64) }},
	{"inside 80 %", 13, (*Tally).inside, func(v float64) string { return strconv.FormatFloat(v*100, 'f', 1, 64) }},
	{"error bp", 10, (*Tally).rmse, func(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }},
	{"forecasts", 11, func(t *Tally) float64 { return float64(t.N) }, func(v float64) string { return integer(int64(v)) }},
}

// order sorts the symbols by the chosen column, the largest first, unknown last.
func (p *modelRecord) order() {
	of := symbolColumns[p.sort].of
	slices.SortFunc(p.record.Symbols, func(a, b SymbolTally) int {
		return cmp.Or(cmp.Compare(of(&b.Tally), of(&a.Tally)), strings.Compare(a.Symbol, b.Symbol))
	})
}

func (p *modelRecord) do(a Action) {
	switch a {
	case MoveDown:
		p.cursor++
	case MoveUp:
		p.cursor--
	case HalfDown:
		p.cursor += 10
	case HalfUp:
		p.cursor -= 10
	case Top:
		p.cursor = 0
	case Bottom:
		p.cursor = len(p.record.Symbols) - 1
	case NextPane:
		p.plot = (p.plot + 1) % 3
	case PreviousPane:
		p.plot = (p.plot + 2) % 3
	case Sort:
		p.sort = (p.sort + 1) % len(symbolColumns)
		p.order()
	case Enter:
		if p.cursor < len(p.record.Symbols) {
			p.desk.Post(Open{View: "chart", Symbol: p.record.Symbols[p.cursor].Symbol})
		}
	case Escape:
		p.open = false
	}
	p.cursor = max(min(p.cursor, len(p.record.Symbols)-1), 0)
}

func (p *modelRecord) view(scores []boardRow, w, h int) string {
	c := newCanvas(p.desk.Theme, w, h)
	var all Tally
	for i := range p.record.Blocks {
		t := &p.record.Blocks[i].Tally
		all.N, all.Squares, all.Still = all.N+t.N, all.Squares+t.Squares, all.Still+t.Still
	}
	c.gap(1)
	c.put(c.bold(Predict), p.model+", "+ahead(p.horizon)+" ahead")
	switch {
	case p.err != nil:
		c.gap(2)
		c.put(c.on(Warn), p.err.Error())
		return c.String()
	case !p.loaded:
		c.muted("  judging its forecasts …")
		return c.String()
	case all.N == 0:
		c.muted("  no forecast of the last 24 hours has come due in the lake yet")
		return c.String()
	}
	c.text("  " + integer(all.N) + " forecasts of " + integer(int64(len(p.record.Symbols))) + " symbols came due")
	if text := " in the newest 24 hours"; c.fits(text) {
		c.muted(text)
	}
	c.end()
	if h >= 14 {
		p.plots(c, scores, min(h/3, 12))
	}
	p.table(c)
	return c.String()
}

// plots draws as many plots beside each other as there is room for.
func (p *modelRecord) plots(c *canvas, scores []boardRow, h int) {
	n := max(1, min(3, c.width/56))
	each := c.width / n
	parts := make([][]string, n)
	for i := range n {
		part := newCanvas(p.desk.Theme, each, h)
		if i == n-1 {
			part = newCanvas(p.desk.Theme, c.width-each*(n-1), h)
		}
		switch (p.plot + i) % 3 {
		case 0:
			p.skill(part)
		case 1:
			p.reliability(part)
		default:
			p.errors(part, scores)
		}
		parts[i] = strings.Split(strings.TrimSuffix(part.String(), "\n"), "\n")
	}
	lines := make([]string, h)
	for y := range lines {
		for i := range parts {
			if y < len(parts[i]) {
				lines[y] += parts[i][y]
			}
		}
	}
	c.block(strings.Join(lines, "\n"))
}

// stretch is how many blocks a column of the skill plot sums: at least a
// quarter of an hour and six blocks, and more where they would not fit.
func (p *modelRecord) stretch(columns int) int {
	each := max(6, int(900/max(p.horizon, 1)))
	for (len(p.record.Blocks)+each-1)/each > max(columns, 1) {
		each *= 2
	}
	return each
}

// skill draws the skill over time with its interval.
func (p *modelRecord) skill(c *canvas) {
	const axis = 8
	each := p.stretch((c.width - axis - 3) / 2)
	list := skillOver(p.record.Blocks, each)
	c.gap(1)
	c.put(c.bold(Text), "skill over time")
	if text := "  each " + span(time.Duration(each)*time.Duration(p.horizon)*time.Second) + ", with its 95 % interval"; c.fits(text) {
		c.muted(text)
	}
	c.end()
	low, high := 0.0, 0.0
	for _, e := range list {
		for _, v := range [...]float64{e.Value, e.Low, e.High} {
			if !math.IsNaN(v) {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	low, high = max(low, -1), max(high, low+1e-4)
	rows := c.left() - 1
	if rows < 2 {
		return
	}
	row := func(v float64) int { return max(0, min(rows-1, int(math.Round((high-v)/(high-low)*float64(rows-1))))) }
	zero := row(0)
	for y := range rows {
		label := ""
		switch y {
		case zero:
			label = "0"
		case 0:
			label = signed(high*100, 1) + "%"
		case rows - 1:
			label = signed(low*100, 1) + "%"
		}
		c.number(c.on(Muted), label, axis)
		c.gap(1)
		for _, e := range list {
			glyph, role := " ", Muted
			switch {
			case math.IsNaN(e.Value):
			case row(e.Value) == y:
				glyph, role = "●", worth(e, 0)
			case !math.IsNaN(e.Low) && row(e.High) <= y && y <= row(e.Low):
				glyph, role = "│", worth(e, 0)
			}
			if glyph == " " && y == zero {
				glyph, role = "┈", Hairline
			}
			c.put(c.on(role), glyph)
			if y == zero {
				c.put(c.on(Hairline), "┈")
			} else {
				c.gap(1)
			}
		}
		c.end()
	}
}

// reliability holds how sure the forecasts were against how often they were
// right about the direction.
func (p *modelRecord) reliability(c *canvas) {
	c.gap(1)
	c.put(c.bold(Text), "how sure, how right")
	if text := "  ▏ is where it would be true"; c.fits(text) {
		c.muted(text)
	}
	c.end()
	bar := max(6, min(30, c.width-32))
	c.gap(2)
	c.cell(c.on(Muted), "said", 6)
	c.cell(c.on(Muted), "right", bar+8)
	c.number(c.on(Muted), "of", 9)
	c.end()
	for k := range p.record.Far {
		t := &p.record.Far[k]
		if t.Moved == 0 || c.left() < 2 {
			continue
		}
		said := 0.5 * (1 + math.Erf((float64(k)+0.5)*0.25/math.Sqrt2))
		right := t.direction()
		c.gap(2)
		c.cell(c.on(Text), strconv.FormatFloat(said*100, 'f', 0, 64)+" %", 6)
		truth, long := int(math.Round(said*float64(bar))), int(math.Round(right*float64(bar)))
		for x := range bar + 1 {
			switch {
			case x == truth:
				c.put(c.on(Text), "▏")
			case x < long:
				c.put(c.on(Predict), "▂")
			default:
				c.gap(1)
			}
		}
		c.number(c.on(Text), strconv.FormatFloat(right*100, 'f', 1, 64)+" %", 7)
		c.number(c.on(Muted), shares(t.Moved), 9)
		c.end()
	}
}

// errors draws the error of each horizon beside that of "no change".
func (p *modelRecord) errors(c *canvas, scores []boardRow) {
	c.gap(1)
	c.put(c.bold(Text), "error by horizon")
	if text := "  root mean square, in basis points"; c.fits(text) {
		c.muted(text)
	}
	c.end()
	type line struct {
		horizon    int32
		its, still float64
	}
	var list []line
	most := 0.0
	for i := range scores {
		s := scores[i].score
		if s == nil || s.N == 0 {
			s = scores[i].filled
		}
		if scores[i].model.Name != p.model || s == nil || s.N == 0 {
			continue
		}
		l := line{s.Horizon, s.RMSE * 1e4, math.NaN()}
		if k := 1 - s.Skill.Value; k > 0 {
			l.still = l.its / math.Sqrt(k)
		}
		list = append(list, l)
		most = max(most, l.its, l.still)
	}
	bar := max(6, min(30, c.width-34))
	draw := func(name string, v float64, role Role) {
		if c.left() < 2 || math.IsNaN(v) {
			return
		}
		n := max(1, int(math.Round(v/most*float64(bar))))
		c.put(c.on(role), strings.Repeat("▂", n))
		c.gap(bar + 1 - n)
		c.number(c.on(Text), strconv.FormatFloat(v, 'f', 1, 64), 7)
		c.gap(1)
		c.muted(name)
		c.end()
	}
	for _, l := range list {
		c.gap(2)
		c.cell(c.on(Text), ahead(l.horizon), 8)
		draw("forecast", l.its, Predict)
		if c.left() > len(list) {
			c.gap(10)
			draw("no change", l.still, Muted)
		}
	}
}

// table has a row for each symbol.
func (p *modelRecord) table(c *canvas) {
	c.gap(3)
	c.cell(c.on(Muted), "symbol", 8)
	for i := range symbolColumns {
		name, ink := symbolColumns[i].name, c.on(Muted)
		if i == p.sort {
			name, ink = name+"▾", c.on(Accent)
		}
		c.number(ink, name, symbolColumns[i].width)
	}
	if text := "too few and too alike for intervals: what stands out here is mostly luck"; c.room() > width(text)+4 {
		c.gap(4)
		c.muted(text)
	}
	c.end()
	page := c.left()
	if page <= 0 {
		return
	}
	p.offset = max(0, min(max(min(p.offset, p.cursor), p.cursor-page+1), len(p.record.Symbols)-page))
	for i := p.offset; i < len(p.record.Symbols) && !c.full(); i++ {
		s := &p.record.Symbols[i]
		mark := " "
		if i == p.cursor {
			c.set(Selection)
			mark = "▌"
		}
		c.put(c.on(Accent), mark)
		c.gap(2)
		c.cell(c.bold(Text), s.Symbol, 8)
		for k := range symbolColumns {
			x := &symbolColumns[k]
			v := x.of(&s.Tally)
			if math.IsNaN(v) {
				c.number(c.on(Muted), "–", x.width)
				continue
			}
			c.number(c.on(Text), x.text(v), x.width)
		}
		c.end()
		c.set(Plain)
	}
}
