package tui

import (
	"cmp"
	"math"
	"strconv"
	"strings"

	"tapedeck/pipeline/live"
)

// column of the watchlist.
type column uint8

const (
	columnOwn column = iota // the list's own order; not drawn
	columnSymbol
	columnLast
	columnChange
	columnVolume
	columnSpark
	columnBid
	columnAsk
	columnRate
	columnHigh
	columnLow
	columnPredict
	columnConfidence
	columnSector
	columnName
)

// columnSpec says how a column is drawn and sorted.
type columnSpec struct {
	column
	key   string // in the state file and on the command line
	title string
	width int
	left  bool
	rank  int // order in which columns are given room: lowest first
	text  func(*Desk, *live.Quote) string
	less  func(a, b *live.Quote) int // the interesting first
}

var columns = [...]columnSpec{
	{columnOwn, "own", "", 0, false, 99, nil, nil},
	{columnSymbol, "symbol", "symbol", 7, true, 0, nil,
		func(a, b *live.Quote) int { return strings.Compare(a.Symbol, b.Symbol) }},
	{columnLast, "last", "last", 11, false, 0, nil, bigger(func(q *live.Quote) float64 { return q.Last })},
	{columnChange, "change", "chg %", 8, false, 0, nil, bigger(func(q *live.Quote) float64 { _, s := q.Change(); return s })},
	{columnBid, "bid", "bid", quotedWidth, false, 3, func(_ *Desk, q *live.Quote) string { return quoted(q.Bid, q) },
		bigger(func(q *live.Quote) float64 { return q.Bid })},
	{columnAsk, "ask", "ask", quotedWidth, false, 3, func(_ *Desk, q *live.Quote) string { return quoted(q.Ask, q) },
		bigger(func(q *live.Quote) float64 { return q.Ask })},
	{columnHigh, "high", "high", quotedWidth, false, 4, func(_ *Desk, q *live.Quote) string { return quoted(q.High, q) },
		bigger(func(q *live.Quote) float64 { return q.High })},
	{columnLow, "low", "low", quotedWidth, false, 4, func(_ *Desk, q *live.Quote) string { return quoted(q.Low, q) },
		bigger(func(q *live.Quote) float64 { return q.Low })},
	{columnVolume, "volume", "volume", 7, false, 1, func(_ *Desk, q *live.Quote) string { return shares(q.Volume) },
		bigger(func(q *live.Quote) float64 { return float64(q.Volume) })},
	{columnRate, "rate", "tr/s", 6, false, 5, func(_ *Desk, q *live.Quote) string { return perSecond(q.Rate) },
		bigger(func(q *live.Quote) float64 { return q.Rate })},
	{columnPredict, "prediction", "pred %", 8, false, 7, predicted,
		bigger(expected)},
	{columnConfidence, "confidence", "conf %", 8, false, 7, confident, bigger(confidence)},
	{columnSpark, "spark", "30 min", 14, true, 2, nil, nil},
	{columnSector, "sector", "sector", 14, true, 6, func(d *Desk, q *live.Quote) string { _, s := d.Company(q.Symbol); return shortSector(s) }, nil},
	{columnName, "name", "company", 24, true, 8, func(d *Desk, q *live.Quote) string { n, _ := d.Company(q.Symbol); return n }, nil},
}

// quotedWidth is the width of the columns bid, ask, high and low.
const quotedWidth = 10

func bigger(of func(*live.Quote) float64) func(a, b *live.Quote) int {
	return func(a, b *live.Quote) int { return cmp.Compare(of(b), of(a)) }
}

func quoted(v float64, q *live.Quote) string {
	if v == 0 {
		return ""
	}
	return priceWithin(v, q.Decimals, quotedWidth-1)
}

// expected is the predicted move as a share; NaN where nothing is predicted
// sorts last.
func expected(q *live.Quote) float64 {
	if q.Predicted.Model == "" || q.Last == 0 {
		return math.Inf(-1)
	}
	return q.Predicted.Mean/q.Last - 1
}

func predicted(_ *Desk, q *live.Quote) string {
	if v := expected(q); !math.IsInf(v, 0) {
		return signed(v*100, 2)
	}
	return ""
}

// confidence is the probability that the price moves in the predicted
// direction from where it is, as the forecast's own 80 % interval has it: of
// the normal distribution with that interval, from 0.5 (a coin) to 1. It says
// nothing of whether the model is any good; -Inf, which sorts last, where
// nothing is predicted or the interval is empty.
func confidence(q *live.Quote) float64 {
	p := &q.Predicted
	deviation := (p.High - p.Low) / (2 * normal80)
	if p.Model == "" || q.Last == 0 || !(deviation > 0) {
		return math.Inf(-1)
	}
	return 0.5 * (1 + math.Erf(math.Abs(p.Mean-q.Last)/(deviation*math.Sqrt2)))
}

// normal80 is how many standard deviations the 80 % interval of a normal
// distribution reaches to each side.
const normal80 = 1.2815515655446004

func confident(_ *Desk, q *live.Quote) string {
	if v := confidence(q); !math.IsInf(v, 0) {
		return strconv.FormatFloat(v*100, 'f', 0, 64)
	}
	return ""
}

// lead is the width of what stands before the symbol: cursor, star, alert.
const lead = 3

// fit is the columns that a width has room for, in drawing order: what the
// list is sorted by comes early, and where the chart beside the list shows bid
// and ask already, forecasts come before them.
func (w *watchlist) fit(wide int) []columnSpec {
	forecasts := w.desk.Width >= wideScreen && w.forecast()
	rank := func(c *columnSpec) int {
		switch r := 2 * c.rank; {
		case c.rank == w.sort.spec().rank && w.sort != columnOwn:
			return min(r, 1)
		case forecasts && c.column.forecast():
			return 5
		default:
			return r
		}
	}
	room := wide - lead - 1
	taken := map[column]bool{}
	for next := range 20 {
		need := 0
		for i := range columns {
			if rank(&columns[i]) == next {
				need += columns[i].width
			}
		}
		if need == 0 || need > room {
			continue
		}
		room -= need
		for i := range columns {
			if rank(&columns[i]) == next {
				taken[columns[i].column] = true
			}
		}
	}
	out := make([]columnSpec, 0, len(columns))
	for _, c := range columns {
		if !taken[c.column] {
			continue
		}
		if c.column == columnSpark { // what is left over lengthens the spark line, up to a column a minute
			grow := min(room, sparkValues+2-c.width)
			c.width, room = c.width+grow, room-grow
		}
		out = append(out, c)
	}
	return out
}

// wideScreen is the width from which on the board has a column of its own
// beside list and chart.
const wideScreen = 160

// forecast says that some symbol of the list has one.
func (w *watchlist) forecast() bool {
	for _, id := range w.order {
		if w.desk.Frame.Quotes[id].Predicted.Model != "" {
			return true
		}
	}
	return false
}

// forecast says that a column is of forecasts.
func (c column) forecast() bool { return c == columnPredict || c == columnConfidence }

func (c column) spec() *columnSpec { return &columns[c.index()] }

func (c column) index() int {
	for i := range columns {
		if columns[i].column == c {
			return i
		}
	}
	return 0
}

func (c column) key() string { return c.spec().key }

func (c column) compare() func(a, b *live.Quote) int {
	if less := c.spec().less; less != nil {
		return less
	}
	return func(a, b *live.Quote) int { return 0 }
}

// heading names the columns; the sorted one carries the direction.
func (w *watchlist) heading(c *canvas, cols []columnSpec) {
	c.gap(lead)
	for i := range cols {
		s := &cols[i]
		title, ink := s.title, c.on(Muted)
		if s.column == columnChange && w.desk.fromFirst() {
			title = "1st %" // see the header: against the day's first trade
		}
		if s.column == w.sort {
			ink = c.on(Accent)
			if title += "▾"; w.reverse {
				title = strings.TrimSuffix(title, "▾") + "▴"
			}
		}
		switch {
		case s.column == columnLast:
			c.number(ink, title, s.width-2)
			c.gap(2)
		case s.column == columnSymbol:
			c.cell(ink, title, s.width)
		case s.left:
			c.gap(2)
			c.cell(ink, title, s.width-2)
		default:
			c.number(ink, title, s.width)
		}
	}
	c.end()
}

// nextSort goes on to the next column that can be sorted by and is seen.
func (w *watchlist) nextSort() {
	seen := w.fit(max(w.desk.Width, 40))
	candidates := make([]column, 0, len(seen)+1)
	if w.groups.own() {
		candidates = append(candidates, columnOwn)
	}
	for _, s := range seen {
		if s.less != nil {
			candidates = append(candidates, s.column)
		}
	}
	next := candidates[0]
	for i, c := range candidates {
		if c == w.sort {
			next = candidates[(i+1)%len(candidates)]
		}
	}
	w.sort, w.reverse = next, false
	w.sortChanged()
	if next == columnOwn {
		w.desk.Say(Muted, "sorted in the list's own order")
	} else {
		w.desk.Say(Muted, "sorted by "+next.spec().key)
	}
}

// shortSector makes a sector's name fit a tab: "technology" is tech.
func shortSector(s string) string {
	s = strings.ToLower(s)
	for _, known := range [...][2]string{
		{"information technology", "tech"}, {"technology", "tech"}, {"communication", "telecom"},
		{"consumer discretionary", "consumer"}, {"consumer cyclical", "consumer"}, {"consumer staples", "staples"},
		{"consumer defensive", "staples"}, {"health", "health"}, {"financ", "finance"}, {"industr", "industry"},
		{"basic materials", "materials"}, {"real estate", "property"},
	} {
		if strings.HasPrefix(s, known[0]) {
			return known[1]
		}
	}
	return s
}
