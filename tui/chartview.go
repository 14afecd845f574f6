package tui

import (
	"encoding/json"
	"math"
	"slices"
	"sort"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"tapedeck/pipeline/market"
	"tapedeck/tui/chart"
)

// chartView is the full chart of the selected symbol.
type chartView struct {
	desk  *Desk
	board *board // its figures, and its list for the next symbol

	style    chart.Style
	axis     chart.Axis
	zoom     int // in chart.Zooms
	on       studies
	compared []string
	model    string // whose forecast is drawn; "" is the one that spoke last
	horizon  int32  // seconds ahead that is drawn; 0 is every one

	end   market.Time // time of the bar at the right edge; 0 follows the newest
	cross market.Time // of the bar under the cross-hair; 0 is none
	goal  market.Time // a moment that is shown once its bars are here

	list   bool // the list of studies is open
	cursor int  // in it

	predictions forecasts
	drawn       picture
}

// picture is the chart as drawn last, and what it was drawn from.
type picture struct {
	key    pictureKey
	text   string // as it goes to the screen
	layout chart.Layout
	bars   []market.Bar // that the grid was made of
	offset int          // of them in the series
	lines  []chart.Line
	panes  []chart.Pane

	forecast forecastLegend
}

type pictureKey struct {
	symbol        string
	interval      market.Interval
	width, height int
	theme         *Theme
	version       int
	others        int
	end, cross    market.Time
	style         chart.Style
	axis          chart.Axis
	zoom          int
	on            studies
	zone          *time.Location
	last, level   float64
	alerts        market.Time
	pages         int
	tried         *RuleTrial
	firing        int
	predictions   int
	compared      string
	model         string
	horizon       int32
	first         market.Time
	count         int
}

func newChartView(d *Desk, b *board) *chartView {
	return &chartView{desk: d, board: b, zoom: chart.Natural, on: defaultStudies}
}

func (v *chartView) Keys() []Action {
	if v.list {
		return []Action{MoveDown, MoveUp, Toggle, Escape}
	}
	keys := []Action{MoveLeft, MoveRight, IntervalDown, IntervalUp, ZoomOut, ZoomIn, Toggle, Indicators, Scale, Compare, Filter, Bottom}
	if q := v.desk.Frame.Quote(v.desk.Symbol); q != nil && q.Predicted.Model != "" {
		keys = append(keys, NextModel, NextHorizon)
	}
	if v.cross != 0 || v.end != 0 {
		keys = slices.Insert(keys, 2, Escape)
	}
	return keys
}

// Word says what a key does here.
func (v *chartView) Word(a Action) string {
	switch a {
	case MoveLeft, MoveRight:
		return "cross-hair"
	case Toggle:
		switch {
		case v.list:
			return "on, off"
		case v.style == chart.Candles:
			return "line"
		}
		return "candles"
	case Filter:
		return "go to"
	case Bottom:
		return "now"
	case Top:
		return "oldest"
	case Escape:
		switch {
		case v.list:
			return "close"
		case v.cross != 0:
			return "no cross-hair"
		case v.end != 0:
			return "now"
		}
	case MoveDown, MoveUp:
		if !v.list {
			return "symbol"
		}
	}
	return ""
}

// series of the symbol on the chart.
func (v *chartView) series() *series { return v.desk.bars.series(v.desk.Symbol, v.desk.Interval) }

func (v *chartView) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case Do:
		v.do(msg.Action)
	case Open:
		v.open(msg)
	case Tick:
		v.tick()
	case IntervalChanged:
		v.keepPlace()
	case ask:
		v.verb(msg)
	case barsCame:
		v.arrive()
	case predictionsCame:
		v.predictions.take(msg)
	}
	return nil
}

// open shows the symbol, at a moment where one is given.
func (v *chartView) open(o Open) {
	v.drawn.key = pictureKey{}
	if o.Symbol != "" || o.At != 0 {
		v.end, v.cross, v.goal = 0, 0, 0
	}
	if o.At != 0 {
		v.jump(o.At)
	}
	v.tick()
}

// tick keeps the bars coming.
func (v *chartView) tick() {
	d := v.desk
	if d.Symbol == "" {
		return
	}
	symbols := append([]string{d.Symbol}, v.compared...)
	if d.Interval == market.Second && !slices.Equal(d.watched["chart"], symbols) {
		d.Watch("chart", symbols...)
	}
	s := v.series()
	for _, c := range v.compared {
		o := d.bars.series(c, d.Interval)
		if first := v.endIndex(s) - v.shown(); len(s.bars) > 0 && len(o.bars) > 0 && o.bars[0].Time > s.bars[min(max(first, 0), len(s.bars)-1)].Time {
			d.bars.wantOlder(o)
		}
	}
	v.prefetch(s)
	if first := v.drawn.offset + v.drawn.layout.From; v.on&studyAlerts != 0 && first < len(s.bars) {
		d.alerts.wantBack(s.bars[first].Time)
	}
	v.predictions.want(d, v.on)
}

// prefetch asks for what lies beyond an edge before the analyst gets there.
func (v *chartView) prefetch(s *series) {
	if len(s.bars) == 0 {
		return
	}
	end := v.endIndex(s)
	shown := max(v.shown(), 32)
	if end-2*shown < warmUp/4 {
		v.desk.bars.wantOlder(s)
	}
	if s.detached && end+2*shown > len(s.bars) {
		v.desk.bars.wantNewer(s)
	}
}

// shown is how many bars the chart holds, as drawn last.
func (v *chartView) shown() int { return v.drawn.layout.To - v.drawn.layout.From }

// arrive goes to where the analyst wanted to be, once the bars are here.
func (v *chartView) arrive() {
	if v.goal != 0 {
		if s := v.series(); len(s.bars) > 0 && !s.busy() {
			v.place(s, v.goal)
		}
	}
}

// jump shows a moment with the cross-hair on it.
func (v *chartView) jump(at market.Time) {
	s := v.series()
	v.goal = at
	if len(s.bars) > 0 {
		v.desk.bars.wantAt(s, at)
	}
	if !s.busy() && len(s.bars) > 0 {
		v.place(s, at)
	}
}

// place puts a moment a third from the right.
func (v *chartView) place(s *series, at market.Time) {
	if at < s.bars[0].Time && !s.exhausted {
		v.desk.bars.wantAt(s, at) // the first answer was of today
		if s.busy() {
			return
		}
	}
	v.goal = 0
	i := max(indexAt(s.bars, at), 0)
	v.cross = s.bars[i].Time
	end := chart.Step(s.bars, i, max(v.drawn.layout.Columns/3, 8), v.desk.Interval, v.zoomed())
	v.setEnd(s, end)
	if at < s.bars[0].Time {
		v.desk.Say(Muted, "nothing is older than "+v.moment(s.bars[0].Time))
	}
}

// keepPlace stays where one is when the interval changes.
func (v *chartView) keepPlace() {
	at := v.cross
	if at == 0 {
		at = v.end
	}
	v.end, v.cross, v.goal = 0, 0, 0
	if at != 0 {
		v.jump(at)
	}
	v.tick()
}

// zoomed is the zoom as it is drawn: closer than asked for where the record
// is so short that it would fill less than half the chart.
func (v *chartView) zoomed() chart.Zoom {
	z := min(max(v.zoom, 0), len(chart.Zooms)-1)
	s := v.desk.bars.peek(v.desk.Symbol, v.desk.Interval)
	if s != nil && s.exhausted && s.interval >= market.Hour && v.zoom >= chart.Natural {
		for z+1 < len(chart.Zooms) && len(s.bars)*chart.Zooms[z+1].Cells <= v.desk.Width-24 {
			z++
		}
	}
	return chart.Zooms[z]
}

// indexAt is the last bar that begins at or before t; -1 where there is none.
func indexAt(bars []market.Bar, t market.Time) int {
	return sort.Search(len(bars), func(i int) bool { return bars[i].Time > t }) - 1
}

// endIndex is one past the bar at the right edge.
func (v *chartView) endIndex(s *series) int {
	if v.end == 0 {
		return len(s.bars)
	}
	return max(indexAt(s.bars, v.end)+1, min(1, len(s.bars)))
}

// setEnd puts bar i at the right edge; the newest one is followed.
func (v *chartView) setEnd(s *series, i int) {
	n := len(s.bars)
	if i = min(max(i, 0), n-1); i < 0 {
		return
	}
	if v.end = s.bars[i].Time; i == n-1 && !s.detached {
		v.end = 0
	}
}

func (v *chartView) do(a Action) {
	d := v.desk
	if v.list && v.listDo(a) {
		return
	}
	s := v.series()
	columns := max(v.drawn.layout.Columns, 8)
	switch a {
	case MoveLeft:
		v.moveCross(s, -1)
	case MoveRight:
		v.moveCross(s, 1)
	case HalfUp:
		v.scroll(s, -columns/2)
	case HalfDown:
		v.scroll(s, columns/2)
	case Top:
		if len(s.bars) > 0 {
			v.cross = 0
			v.setEnd(s, chart.Step(s.bars, 0, columns-1, d.Interval, v.zoomed()))
		}
	case Bottom:
		v.now()
	case ZoomIn:
		v.zoom = min(v.zoom+1, len(chart.Zooms)-1)
	case ZoomOut:
		v.zoom = max(v.zoom-1, 0)
	case Scale:
		v.axis = (v.axis + 1) % 3
		if len(v.compared) > 0 && v.axis != chart.Percent {
			v.axis = chart.Percent
			d.Say(Muted, "symbols are compared in per cent · :compare off ends that")
		}
	case Toggle:
		v.style = 1 - v.style
	case Indicators:
		v.list = true
	case NextModel:
		v.nextModel()
	case NextHorizon:
		v.nextHorizon()
	case Compare:
		d.Post(Prompt{"compare "})
	case Filter:
		d.Post(Prompt{"goto "})
	case MoveDown, MoveUp, Favourite, AlertMe:
		before := d.Symbol
		v.board.watch.Update(Do{a})
		if d.Symbol != before {
			v.symbolChanged()
		}
	case Copy:
		if i := v.crossIndex(s); i >= 0 {
			b := &s.bars[i]
			d.Post(CopyText{What: "the bar", Text: strings.Join([]string{b.Symbol, b.Interval.String(), b.Time.String(),
				plainPrice(b.Open), plainPrice(b.High), plainPrice(b.Low), plainPrice(b.Close), integerPlain(b.Volume)}, ",")})
		}
	case Escape:
		switch {
		case v.cross != 0:
			v.cross = 0
		case v.end != 0:
			v.now()
		default:
			d.Post(Open{})
			return
		}
	default:
		return
	}
	v.prefetch(s)
	d.Keep()
}

func (v *chartView) now() {
	v.end, v.cross, v.goal = 0, 0, 0
	v.desk.bars.wantNow(v.series())
}

func (v *chartView) symbolChanged() {
	v.end, v.cross, v.goal = 0, 0, 0
	v.tick()
}

func (v *chartView) crossIndex(s *series) int {
	if v.cross == 0 {
		return -1
	}
	return indexAt(s.bars, v.cross)
}

// moveCross moves the cross-hair by columns, and the chart with it at the edges.
func (v *chartView) moveCross(s *series, n int) {
	if len(s.bars) == 0 {
		return
	}
	z := v.zoomed()
	i, end := v.crossIndex(s), v.endIndex(s)
	if i < 0 {
		i = end - 1
		if n > 0 {
			i = end - max(v.shown(), 1)
		}
		v.cross = s.bars[min(max(i, 0), len(s.bars)-1)].Time
		return
	}
	i = chart.Step(s.bars, i, n, v.desk.Interval, z)
	v.cross = s.bars[i].Time
	first := v.drawn.offset + v.drawn.layout.From
	switch {
	case i >= end:
		v.setEnd(s, i)
	case i < first:
		v.setEnd(s, chart.Step(s.bars, end-1, n, v.desk.Interval, z))
	}
}

// scroll moves the window by columns and takes the cross-hair along.
func (v *chartView) scroll(s *series, n int) {
	if len(s.bars) == 0 {
		return
	}
	z, i := v.zoomed(), v.desk.Interval
	first := chart.Step(s.bars, 0, max(v.drawn.layout.Columns-1, 0), i, z)
	end := max(chart.Step(s.bars, v.endIndex(s)-1, n, i, z), min(first, len(s.bars)-1))
	v.setEnd(s, end)
	if v.cross != 0 {
		at := chart.Step(s.bars, v.crossIndex(s), n, i, z)
		v.cross = s.bars[min(at, end)].Time
	}
}

// listDo is a key while the list of studies is open.
func (v *chartView) listDo(a Action) bool {
	switch a {
	case MoveDown:
		v.cursor = min(v.cursor+1, len(studyNames)-1)
	case MoveUp:
		v.cursor = max(v.cursor-1, 0)
	case Top:
		v.cursor = 0
	case Bottom:
		v.cursor = len(studyNames) - 1
	case Toggle, Enter:
		v.on ^= studyNames[v.cursor].bit
		v.desk.Keep()
	case Escape, Indicators:
		v.list = false
	default:
		return false
	}
	return true
}

// verb runs the commands of charts.
func (v *chartView) verb(a ask) {
	d := v.desk
	switch a.verb {
	case "compare":
		v.compare(a.args)
	case "goto":
		v.goTo(strings.Join(a.args, " "))
	case "study":
		for _, word := range a.args {
			i := slices.IndexFunc(studyNames[:], func(x struct {
				bit  studies
				key  string
				name string
				note string
				ink  chart.Ink
			}) bool {
				return x.key == strings.ToLower(word)
			})
			if i < 0 {
				d.Say(Warn, "no indicator is called “"+clip(word, 20)+"” · o lists them")
				return
			}
			v.on ^= studyNames[i].bit
		}
	default:
		return
	}
	d.Keep()
}

// comparedMost is how many symbols stand beside the chart's own.
const comparedMost = 4

func (v *chartView) compare(args []string) {
	d := v.desk
	if len(args) == 0 || strings.EqualFold(args[0], "off") {
		v.compared = nil
		v.axis = chart.Prices
		return
	}
	for _, word := range args {
		symbol, ok := d.known(word)
		if !ok {
			if found := d.find(word, 1); len(found) > 0 {
				symbol, ok = found[0], true
			}
		}
		switch at := slices.Index(v.compared, symbol); {
		case !ok:
			d.Say(Warn, "“"+clip(word, 20)+"” is no symbol here")
			continue
		case symbol == d.Symbol:
			d.Say(Muted, symbol+" is the chart's own symbol")
			continue
		case at >= 0:
			v.compared = slices.Delete(slices.Clone(v.compared), at, at+1)
		case len(v.compared) == comparedMost:
			d.Say(Warn, "five symbols are compared at most · :compare off begins anew")
			return
		default:
			v.compared = append(slices.Clone(v.compared), symbol)
		}
	}
	v.axis = chart.Percent
	if len(v.compared) == 0 {
		v.axis = chart.Prices
	}
	v.tick()
}

// goTo reads a moment as an analyst writes it.
func (v *chartView) goTo(text string) {
	d := v.desk
	if strings.EqualFold(text, "now") {
		v.now()
		return
	}
	at, ok := parseMoment(text, d.Clock(), d.Zone())
	if !ok {
		d.Say(Warn, "“"+clip(text, 30)+"” is no moment · write 2026-11-20, 2026-11-20 14:30, 14:30, -2h or now")
		return
	}
	if d.Interval >= market.Day {
		y, m, day := at.Std().In(d.Zone()).Date()
		at = market.At(time.Date(y, m, day, 0, 0, 0, 0, time.UTC))
	}
	v.jump(at)
}

// chartKept is what of the chart survives.
type chartKept struct {
	Style    chart.Style `json:"style"`
	Axis     chart.Axis  `json:"axis"`
	Zoom     int         `json:"zoom"`
	Studies  studies     `json:"studies"`
	Compared []string    `json:"compared,omitempty"`
	Model    string      `json:"model,omitempty"`
}

// Keep and Restore how the chart looks.
func (v *chartView) Keep() any { return chartKept{v.style, v.axis, v.zoom, v.on, v.compared, v.model} }

func (v *chartView) Restore(data []byte) {
	k := chartKept{Zoom: chart.Natural, Studies: defaultStudies}
	if json.Unmarshal(data, &k) != nil {
		return
	}
	v.style, v.axis, v.zoom = k.Style%2, k.Axis%3, min(max(k.Zoom, 0), len(chart.Zooms)-1)
	v.on, v.model = k.Studies, k.Model
	v.compared = slices.DeleteFunc(k.Compared, func(s string) bool { return !market.ValidSymbol(s) })
	v.compared = v.compared[:min(len(v.compared), comparedMost)]
	v.end, v.cross, v.goal = 0, 0, 0
}

func plainPrice(v float64) string {
	if v == math.Trunc(v) {
		return integerPlain(int64(v))
	}
	return strings.ReplaceAll(price(v, 4), ",", "")
}

func integerPlain(n int64) string { return strings.ReplaceAll(integer(n), ",", "") }
