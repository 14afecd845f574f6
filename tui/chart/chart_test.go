package chart

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"tapedeck/pipeline/market"
)

var start = market.At(time.Date(2026, 11, 20, 15, 0, 0, 0, time.UTC)) // 10:00 in New York

// wave makes n minutes of a price that swings around 100.
func wave(n int) []market.Bar {
	out := make([]market.Bar, n)
	for i := range out {
		at := func(k int) float64 { return 100 + 3*math.Sin(float64(k)/9) + float64(k%3)*0.1 }
		open, close := at(i), at(i+1)
		out[i] = market.Bar{Symbol: "TEST", Interval: market.Minute, Time: start.Add(time.Duration(i) * time.Minute),
			Open: open, Close: close, High: max(open, close) + 0.2, Low: min(open, close) - 0.2, Volume: int64(1000 + i%7*300)}
	}
	return out
}

func newYork(t testing.TB) *time.Location {
	t.Helper()
	return market.NYSE().Location()
}

func TestLineIsDrawnByAsciigraph(t *testing.T) {
	closes := []float64{1, 1, 2, 3, 3, 2, 1}
	bars := make([]market.Bar, len(closes))
	for i, v := range closes {
		bars[i] = market.Bar{Interval: market.Minute, Time: start.Add(time.Duration(i) * time.Minute), Open: v, High: v, Low: v, Close: v}
	}
	c := Chart{Bars: bars, Interval: market.Minute, Style: Lines, Bare: true, Cross: -1}
	g, _ := c.Draw(7, 3)
	want := "   ╭─╮ \n  ╭╯ ╰╮\n──╯   ╰"
	if got := g.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	c.ASCII = true
	g, _ = c.Draw(7, 3)
	for _, r := range g.String() {
		if r > 0x7e {
			t.Errorf("%q is not ASCII", r)
		}
	}
}

func TestCandlesSayWhatTheyAre(t *testing.T) {
	bars := []market.Bar{
		{Time: start, Open: 2, Close: 4, High: 5, Low: 1},
		{Time: start.Add(time.Minute), Open: 4, Close: 2, High: 5, Low: 1},
	}
	c := Chart{Bars: bars, Interval: market.Minute, Bare: true, Cross: -1}
	g, _ := c.Draw(2, 8)
	up, down := g.at(0, 4), g.at(1, 4)
	if up.Ink != Up || down.Ink != Down || up.Rune != '┃' {
		t.Errorf("inks %d and %d, rune %q", up.Ink, down.Ink, up.Rune)
	}
	if wick := g.at(0, 0); wick.Rune != '│' && wick.Rune != '╷' {
		t.Errorf("the wick is %q", wick.Rune)
	}
	c.Plain = true
	g, _ = c.Draw(2, 8)
	if a, b := g.at(0, 4).Rune, g.at(1, 4).Rune; a == b {
		t.Errorf("without colour rising and falling are both %q", a)
	}
}

func TestScaleIsRoundAndStands(t *testing.T) {
	s := newScale(Prices, 186.1, 187.9, 0, 24)
	var labels []string
	s.ticks(24, func(_ int, l string) { labels = append(labels, l) })
	if len(labels) < 3 || labels[0] != "186.0" && labels[0] != "186.5" {
		t.Errorf("labels %v", labels)
	}
	if t2 := newScale(Prices, 186.11, 187.89, 0, 24); t2 != s {
		t.Errorf("a little less range moves the axis: %v, %v", s, t2)
	}
	for _, rows := range []int{5, 17, 30, 41} { // labels stand where their values do
		s := newScale(Prices, 252.3, 286.1, 0, rows)
		s.ticks(rows, func(row int, label string) {
			v, _ := strconv.ParseFloat(label, 64)
			if at := s.row(v, rows); math.Abs(at-float64(row)) > 0.51 {
				t.Errorf("of %d rows %s stands at %d, its value at %.2f", rows, label, row, at)
			}
		})
	}
	if s := newScale(Logarithm, -1, 5, 0, 10); s.ok() {
		t.Error("a logarithmic axis takes what is below zero")
	}
	if s := newScale(Percent, 90, 110, 100, 20); s.forward(110) < 9.9 || s.label(5, 0) != "+5%" {
		t.Errorf("per cent: %v", s)
	}
	for _, v := range []float64{1e-8, 0.37, 1, 3, 99, 1e12} {
		if n := nice(v); n < v || n > 2.5*v {
			t.Errorf("nice(%v) is %v", v, n)
		}
	}
}

func TestTimesAreOfTheZone(t *testing.T) {
	c := Chart{Bars: wave(120), Interval: market.Minute, Zone: newYork(t), Style: Lines, Cross: -1}
	g, _ := c.Draw(100, 20)
	rows := strings.Split(g.String(), "\n")
	axis := rows[len(rows)-1]
	if !strings.Contains(axis, "11:00") || !strings.Contains(axis, "EST") {
		t.Errorf("axis %q", axis)
	}
	if at := strings.Index(axis, "11:00"); at >= 0 {
		bars := c.Bars
		from, _ := c.Window(100)
		minute := (at + 2) + from // the label's middle stands on its column
		if got := bars[minute].Time.Std().In(newYork(t)).Format("15:04"); got != "11:00" {
			t.Errorf("11:00 stands at %s", got)
		}
	}
}

func TestClosedHoursTakeNoWidth(t *testing.T) {
	bars := wave(40)
	for i := 20; i < 40; i++ {
		bars[i].Time = bars[i].Time.Add(64 * time.Hour) // over the weekend
	}
	c := Chart{Bars: bars, Interval: market.Minute, Style: Candles, Bare: true, Cross: -1, Session: market.NYSE().Session}
	g, l := c.Draw(40, 10)
	if l.Columns != 40 {
		t.Fatalf("%d columns", l.Columns)
	}
	for x := range 40 {
		some := false
		for y := range 10 {
			some = some || g.at(x, y).Rune != 0
		}
		if !some {
			t.Errorf("column %d is empty", x)
		}
	}
}

func TestExtendedHoursAreShaded(t *testing.T) {
	bars := wave(60)
	shift := market.At(time.Date(2026, 11, 20, 14, 0, 0, 0, time.UTC)).Sub(start) // 9:00, half an hour before the opening
	for i := range bars {
		bars[i].Time = bars[i].Time.Add(shift)
	}
	c := Chart{Bars: bars, Interval: market.Minute, Bare: true, Cross: -1, Session: market.NYSE().Session}
	g, _ := c.Draw(60, 8)
	if !g.at(29, 3).Shaded || g.at(30, 3).Shaded {
		t.Error("the shade does not end at the opening")
	}
}

func TestZoomGroupsByTime(t *testing.T) {
	bars := wave(100)
	z := Zoom{5, 1}
	a := columns(bars, 0, 100, market.Minute, z, 50)
	b := columns(bars, 10, 100, market.Minute, z, 50)
	if len(a) != 20 || len(b) != 18 || a[2].close != b[0].close || a[2].high != b[0].high {
		t.Errorf("%d and %d columns", len(a), len(b))
	}
	if i := Step(bars, 99, -1, market.Minute, z); i != 94 {
		t.Errorf("one column before the last is bar %d", i)
	}
	if i := Step(bars, 94, 1, market.Minute, z); i != 99 {
		t.Errorf("and back is %d", i)
	}
	if i := Step(bars, 3, -50, market.Minute, z); i != 0 {
		t.Errorf("the first is %d", i)
	}
	if from := window(bars, 100, market.Minute, z, 4); from != 80 {
		t.Errorf("the window of four columns begins at %d", from)
	}
}

func TestPredictionLiesAhead(t *testing.T) {
	bars := wave(30)
	last := bars[29]
	c := Chart{Bars: bars, Interval: market.Minute, Bare: true, Style: Lines, Cross: -1, Ahead: 8,
		Band: &Band{Times: []market.Time{last.Time.Add(5 * time.Minute)}, Mean: []float64{last.Close + 1}, Low: []float64{last.Close}, High: []float64{last.Close + 2}}}
	g, l := c.Draw(40, 12)
	if l.To-l.From != 30 {
		t.Fatalf("%d bars", l.To-l.From)
	}
	count := map[Ink]int{}
	for y := range 12 {
		for x := range 40 {
			ink := g.at(x, y).Ink
			if ink == Mean || ink == Interval {
				count[ink]++
				if x < 30 {
					t.Fatalf("a prediction at %d, over what was", x)
				}
			}
		}
	}
	if count[Mean] != 5 || count[Interval] == 0 {
		t.Errorf("%v", count)
	}
}

func TestMarks(t *testing.T) {
	bars := wave(30)
	c := Chart{Bars: bars, Interval: market.Minute, Bare: true, Cross: -1, Marks: []Mark{
		{Time: bars[10].Time.Add(30 * time.Second), Ink: Alarm},
		{Time: bars[20].Time, Price: 101, Ink: Miss},
		{Time: bars[0].Time.Add(-time.Hour), Ink: Alarm},
		{Time: bars[29].Time.Add(time.Hour), Ink: Alarm},
	}}
	g, _ := c.Draw(30, 20)
	alarms := 0
	for y := range 20 {
		for x := range 30 {
			if g.at(x, y).Ink == Alarm {
				alarms++
				if x != 10 {
					t.Errorf("an alert at column %d", x)
				}
			}
		}
	}
	if alarms != 1 || !strings.ContainsRune(g.String(), '×') {
		t.Errorf("%d alerts in\n%s", alarms, g)
	}
}

func TestStrangeInput(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	odd := [][]market.Bar{
		nil,
		{{}},
		{{Time: start, Close: 5}},
		{{Time: start, Open: nan, High: nan, Low: nan, Close: nan}},
		{{Time: start, Open: inf, High: inf, Low: -inf, Close: 1}},
		{{Time: start, Open: 1e300, High: 1e308, Low: 1e-300, Close: 1e300}, {Time: start + 1, Open: 1, High: 1, Low: 1, Close: 1}},
		{{Time: -1 << 62, Close: 1}, {Time: 1 << 62, Close: 2}},
		{{Time: start, Close: -4}, {Time: start, Close: 0}},
	}
	for i, bars := range odd {
		for _, size := range [][2]int{{0, 0}, {1, 1}, {5, 0}, {0, 5}, {9, 1}, {20, 2}, {60, 12}, {300, 80}} {
			for axis := Prices; axis <= Logarithm; axis++ {
				c := full(bars)
				c.Axis = axis
				g, _ := c.Draw(size[0], size[1])
				if len(g.Cells) != size[0]*size[1] {
					t.Errorf("input %d at %v has %d cells", i, size, len(g.Cells))
				}
			}
		}
	}
}

// full is a chart with all that there is.
func full(bars []market.Bar) Chart {
	v := make([]float64, len(bars))
	for i := range bars {
		v[i] = bars[i].Close * 1.001
	}
	l := Line{Name: "L", Ink: Study1, Values: v}
	return Chart{Bars: bars, Interval: market.Minute, Volume: true, Cross: len(bars) / 2, Last: 100, Level: 99, Ahead: 3, Decimals: 2,
		Overlays: []Line{l}, Compared: []Line{l}, Session: market.NYSE().Session,
		Panes: []Pane{{Name: "RSI 14", Lines: []Line{l}, Low: 0, High: 100, Guides: []float64{30, 70}}, {Name: "MACD", Lines: []Line{l}, Histogram: &l}},
		Marks: []Mark{{Time: start, Ink: Alarm}, {Time: start, Price: 3, Ink: Hit}},
		Band:  &Band{Times: []market.Time{start + 1, start + 9e9}, Mean: []float64{1, math.NaN()}, Low: []float64{1}, High: []float64{2, 3}}}
}

func FuzzDraw(f *testing.F) {
	f.Add(80, 24, uint8(0), uint8(7), uint8(0), []byte("any bytes make bars of some kind, do they not?"))
	f.Add(3, 900, uint8(1), uint8(0), uint8(2), []byte{0, 0, 0, 0, 0, 0, 0xf0, 0x7f, 1, 1, 1, 1, 1, 1, 1, 1})
	f.Fuzz(func(t *testing.T, w, h int, style, zoom, axis uint8, data []byte) {
		w, h = w%300, h%120
		var bars []market.Bar
		at := start
		next := func() float64 {
			if len(data) < 8 {
				data = nil
				return 1
			}
			v := math.Float64frombits(binary.LittleEndian.Uint64(data))
			data = data[8:]
			return v
		}
		for len(data) >= 8 && len(bars) < 500 {
			b := market.Bar{Time: at, Open: next(), High: next(), Low: next(), Close: next()}
			b.Volume = int64(math.Float64bits(b.Open))
			at = at.Add(time.Duration(b.Volume%5000) * time.Second)
			bars = append(bars, b)
		}
		c := full(bars)
		c.Style, c.Axis, c.Zoom = Style(style%2), Axis(axis%3), Zooms[int(zoom)%len(Zooms)]
		c.ASCII, c.Plain, c.Bare = style&4 != 0, style&8 != 0, style&16 != 0
		g, l := c.Draw(w, h)
		if len(g.Cells) != max(w, 0)*max(h, 0) || l.From > l.To {
			t.Fatalf("%d cells, bars %d to %d", len(g.Cells), l.From, l.To)
		}
		for _, cell := range g.Cells {
			if cell.Ink >= Inks || cell.Rune != 0 && (cell.Rune < ' ' || !utf8.ValidRune(cell.Rune) || cell.Rune >= private && cell.Rune < 0xf8ff) {
				t.Fatalf("cell %q of ink %d", cell.Rune, cell.Ink)
			}
			if c.ASCII && cell.Rune > 0x7e {
				t.Fatalf("%q is not ASCII", cell.Rune)
			}
		}
	})
}

func BenchmarkDraw(b *testing.B) {
	for _, s := range []struct {
		name  string
		style Style
	}{{"candles", Candles}, {"line", Lines}} {
		c := full(wave(2000))
		c.Style, c.Zoom, c.Compared = s.style, Zooms[Natural], nil
		b.Run(s.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.Draw(199, 44)
			}
		})
	}
}
