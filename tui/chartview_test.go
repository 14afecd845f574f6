package tui

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"tapedeck/pipeline/market"
	"tapedeck/tui/chart"
)

// chartModel is a demo whose history answers as soon as it is asked.
func chartModel(t testing.TB, w, h int) (*Model, *demo) {
	t.Helper()
	m, d := demoModel(t, 120, w, h)
	lake := &demoHistory{factor: map[string]float64{}}
	for _, c := range d.names {
		bars, _ := d.board.Bars(nil, c.Symbol, market.Minute)
		lake.factor[c.Symbol] = bars[0].Open / demoPrice(c.Symbol, bars[0].Time)
	}
	m.desk.Data.History = lake
	m.desk.bars = newBarStore(m.desk)
	m.desk.Select("AAPL")
	press(m, "1")
	settle(m)
	return m, d
}

// settle runs the commands of the history until nothing more is asked for.
func settle(m *Model) {
	for range 20 {
		m.pane().Update(Tick{m.desk.Now()})
		busy := false
		posts := m.desk.posts
		m.desk.posts = nil
		for _, p := range posts {
			if cmd, ok := p.(tea.Cmd); ok {
				busy = true
				if msg, ok := cmd().(barsCame); ok {
					m.desk.bars.take(msg)
					m.deliver(msg)
				}
			} else {
				m.posted(p)
			}
		}
		if !busy {
			return
		}
	}
}

// chartOf is the chart view of a model.
func chartOf(m *Model) *chartView {
	for _, v := range m.views {
		if c, ok := v.pane.(*chartView); ok {
			return c
		}
	}
	return nil
}

func TestScrollsBackIntoTheLakeWithoutAStop(t *testing.T) {
	m, _ := chartModel(t, 120, 40)
	press(m, "2")
	settle(m)
	m.draw()
	c := chartOf(m)
	first := c.series().bars[0].Time
	for range 60 { // half a screen each
		m.pane().Update(Do{HalfUp})
		m.draw()
		if c.drawn.layout.From+c.drawn.offset == 0 {
			t.Fatal("the chart ran into the edge of memory")
		}
		settle(m) // the answer of the lake
	}
	s := c.series()
	if s.bars[0].Time >= first {
		t.Fatal("nothing was fetched")
	}
	for i := 1; i < len(s.bars); i++ {
		if s.bars[i].Time <= s.bars[i-1].Time {
			t.Fatalf("bar %d of %d is not after the one before", i, len(s.bars))
		}
	}
	press(m, "G")
	m.draw()
	if c.end != 0 || c.drawn.layout.To+c.drawn.offset != len(s.bars) {
		t.Error("G does not lead to now")
	}
}

func TestGoesToAMoment(t *testing.T) {
	m, _ := chartModel(t, 120, 40)
	press(m, "2")
	settle(m)
	m.draw()
	c := chartOf(m)
	for _, to := range []string{"2026-11-20 13:10", "2026-11-12 10:31", "2025-03-04 15:59", "2026-11-19 09:30"} {
		m.verb(ask{verb: "goto", args: []string{to}})
		settle(m)
		m.draw()
		want, _ := time.ParseInLocation("2006-01-02 15:04", to, market.NYSE().Location())
		if c.cross != market.At(want) || c.goal != 0 {
			t.Errorf("%s leads to %v (goal %v)", to, c.cross, c.goal)
		}
		i := c.crossIndex(c.series()) - c.drawn.offset
		if i < c.drawn.layout.From || i >= c.drawn.layout.To {
			t.Errorf("%s is not on the chart", to)
		}
	}
	m.pane().Update(Do{Escape})
	m.pane().Update(Do{Escape})
	settle(m)
	m.draw()
	if s := c.series(); s.detached || c.end != 0 || len(s.bars) == 0 {
		t.Error("esc does not lead back to now")
	}
	m.verb(ask{verb: "goto", args: []string{"tomorrow-ish"}})
	if m.desk.said.role != Warn {
		t.Error("nonsense is no moment")
	}
}

func TestMoments(t *testing.T) {
	z := market.NYSE().Location()
	now := market.At(demoNow) // 14:30:07 in New York
	for text, want := range map[string]string{
		"2026-11-19": "2026-11-19 00:00", "2026-11-19 10:15": "2026-11-19 10:15", "09:45": "2026-11-20 09:45",
		"15:00": "2026-11-19 15:00", "-30m": "2026-11-20 14:00", "-2d": "2026-11-18 14:30", "11-02 09:30": "2026-11-02 09:30", "24 Dec": "2025-12-24 00:00",
	} {
		at, ok := parseMoment(text, now, z)
		if got := at.Std().In(z).Format("2006-01-02 15:04"); !ok || got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{"", "x", "25:00", "-x", "5"} {
		if _, ok := parseMoment(text, now, z); ok {
			t.Errorf("%q is taken for a moment", text)
		}
	}
}

func TestLastBarIsBuiltFromQuotes(t *testing.T) {
	for _, i := range []market.Interval{market.Minute, market.Minutes5, market.Hour, market.Day} {
		m, d := chartModel(t, 120, 40)
		press(m, "2")
		m.interval(i)
		settle(m)
		m.draw()
		before := len(chartOf(m).series().bars)
		d.board.Ticks(market.Tick{Symbol: "AAPL", Time: market.At(d.now), Price: 199.99, Size: 100, Source: "sim"})
		m.sample()
		m.draw()
		s := chartOf(m).series()
		if n := len(s.bars); n != before || s.bars[n-1].Close != 199.99 || s.bars[n-1].High < 199.99 {
			t.Errorf("%v: %d bars, then %d; the last is %+v", i, before, n, s.bars[n-1])
		}
		for k := 1; k < len(s.bars); k++ {
			if s.bars[k].Time <= s.bars[k-1].Time {
				t.Errorf("%v: bar %d is not after the one before", i, k)
			}
		}
	}
}

func TestNeverAnotherSymbolsBars(t *testing.T) {
	m, _ := chartModel(t, 120, 40)
	m.draw()
	for range 3 {
		press(m, "j") // its bars have not come from the history, nor been asked for by a frame
		symbol := m.desk.Symbol
		m.draw()
		b := m.views[0].pane.(*board)
		if b.small.drawn.symbol != symbol {
			t.Errorf("%s stands over the bars of %s", symbol, b.small.drawn.symbol)
		}
	}
}

func TestHistoryThatFails(t *testing.T) {
	m, _ := chartModel(t, 120, 40)
	m.desk.Data.History = brokenHistory{}
	m.desk.bars = newBarStore(m.desk)
	press(m, "2")
	settle(m)
	if s := shown(t, m); !strings.Contains(s, "the lake is away") {
		t.Errorf("the failure is not said:\n%s", s)
	}
}

// Where there is nothing, the past is asked for a few times, ever further back.
func TestAnEmptyPastIsAskedForAFewTimes(t *testing.T) {
	for _, interval := range []market.Interval{market.Second, market.Minute, market.Hour, market.Day} {
		var asked []market.Time
		to := market.At(time.Date(2026, 11, 20, 15, 0, 0, 0, time.UTC))
		back(to, time.Duration(4*firstBars)*interval.Length(), func(from market.Time) bool {
			asked = append(asked, from)
			return false
		})
		if n := len(asked); n > 9 || asked[n-1] > -1<<50 || !slices.IsSortedFunc(asked, func(a, b market.Time) int { return cmp.Compare(b, a) }) {
			t.Errorf("%s: %v", interval, asked)
		}
	}
}

type brokenHistory struct{}

func (brokenHistory) Bars(context.Context, string, market.Interval, market.Time, market.Time, int) ([]market.Bar, error) {
	return nil, errors.New("the lake is away")
}

func TestLayoutsKeepTheGrid(t *testing.T) {
	m, _ := chartModel(t, 120, 40)
	m.verb(ask{verb: "grid", args: []string{"AAPL", "MSFT", "KO"}})
	settle(m)
	m.verb(ask{verb: "layout", args: []string{"save", "morning"}})
	m.verb(ask{verb: "grid", args: []string{"6"}})
	m.verb(ask{verb: "grid", args: []string{"tech"}})
	press(m, "1")
	m.verb(ask{verb: "layout", args: []string{"morning"}})
	g, ok := m.pane().(*gridView)
	if !ok || strings.Join(g.list(), " ") != "AAPL MSFT KO" || g.count != 3 {
		t.Errorf("the layout gives %+v", m.pane())
	}
}

// TestAnyKeysInAnyOrder presses keys as a cat would, on every size, while
// answers come and do not come.
func TestAnyKeysInAnyOrder(t *testing.T) {
	keys := []string{"1", "2", "2", "7", "7", "h", "l", "j", "k", "g", "G", "ctrl+d", "ctrl+u", "ctrl+u", "tab", "enter", "esc", ",", ".", "-", "=", "%", "o", "space", "r", "y", "f"}
	for seed := range uint64(2) {
		random := rand.New(rand.NewPCG(seed, 3))
		m, d := chartModel(t, 120, 40)
		for step := range 150 {
			press(m, keys[random.IntN(len(keys))])
			m.quit.open = false
			switch random.IntN(12) {
			case 0:
				m.verb(ask{verb: "compare", args: []string{d.names[random.IntN(20)].Symbol}})
			case 1:
				m.verb(ask{verb: "goto", args: []string{fmt.Sprintf("-%dh", random.IntN(900))}})
			case 2:
				m.verb(ask{verb: "study", args: []string{studyNames[random.IntN(len(studyNames))].key}})
			case 3:
				resize(m, 20+random.IntN(190), 6+random.IntN(50))
			case 4:
				d.now = d.now.Add(time.Duration(random.IntN(90)) * time.Second)
				d.ticks()
			case 5, 6, 7:
				m.sample()
			case 8:
				settle(m)
			}
			shown(t, m)
			if t.Failed() {
				t.Fatalf("seed %d, step %d", seed, step)
			}
		}
	}
}

func TestSmallGridsFit(t *testing.T) {
	for n := 1; n <= gridMost; n++ {
		for w := 20; w < 200; w += 7 {
			for h := 4; h < 60; h += 5 {
				if a, d := shape(n, w, h); a > 0 && (a*d < n || w/a < gridWide || h/d < gridHigh || (a-1)*d >= n+d) {
					t.Errorf("%d charts in %d×%d: %d×%d", n, w, h, a, d)
				}
			}
		}
	}
}

// TestPredictionsAreHeldAgainstWhatCame marks an earlier forecast that held
// and one that did not.
func TestPredictionsAreHeldAgainstWhatCame(t *testing.T) {
	m, _ := chartModel(t, 120, 40)
	press(m, "2")
	settle(m)
	bars := chartOf(m).series().bars
	at := bars[len(bars)-20]
	made := func(b market.Bar, off float64) market.Prediction {
		return market.Prediction{Symbol: "AAPL", Model: "lstm", Version: "v3", Bar: b.Time.Add(-5 * time.Minute), Horizon: 300,
			Mean: b.Close + off, Low: b.Close + off - 0.05, High: b.Close + off + 0.05}
	}
	m.desk.Data.Predictions = record{made(at, 0.01), made(bars[len(bars)-10], 0.3)}
	m.desk.posts = nil
	m.pane().Update(Tick{m.desk.Now()})
	for _, p := range m.desk.posts {
		if cmd, ok := p.(tea.Cmd); ok {
			m.deliver(cmd())
		}
	}
	c := chartOf(m)
	marks := c.marks(c.series(), 0, len(bars))
	inks := map[chart.Ink]int{}
	for _, x := range marks {
		inks[x.Ink]++
	}
	if inks[chart.Hit] != 1 || inks[chart.Miss] != 1 {
		t.Errorf("%d hits, %d misses", inks[chart.Hit], inks[chart.Miss])
	}
	if s := shown(t, m); !strings.Contains(s, "×") {
		t.Error("the miss is not on the chart")
	}
}

type record []market.Prediction

func (r record) Predictions(context.Context, string, market.Time, market.Time) ([]market.Prediction, error) {
	return r, nil
}

// BenchmarkChartFrame is a frame of the chart view at 200×50 with all panes:
// one in which its symbol ticked, and one in which only others did.
func BenchmarkChartFrame(b *testing.B) {
	m, d := chartModel(b, 200, 50)
	press(m, "2")
	m.verb(ask{verb: "study", args: []string{"rsi", "macd", "bollinger", "ema12"}})
	settle(m)
	m.draw()
	b.Run("ticked", func(b *testing.B) {
		b.ReportAllocs()
		p := 187.0
		for b.Loop() {
			b.StopTimer()
			d.now = d.now.Add(125 * time.Millisecond)
			p += 0.01
			d.board.Ticks(market.Tick{Symbol: "AAPL", Time: market.At(d.now), Price: p, Size: 100, Source: "sim"})
			b.StartTimer()
			m.sample()
			m.draw()
		}
	})
	b.Run("still", func(b *testing.B) {
		for b.Loop() {
			m.draw()
		}
	})
	press(m, "7")
	settle(m)
	b.Run("grid", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			d.now = d.now.Add(125 * time.Millisecond)
			d.ticks()
			b.StartTimer()
			m.sample()
			m.draw()
		}
	})
}

func TestGoldenCharts(t *testing.T) {
	scenes := []struct {
		name string
		do   func(*Model)
	}{
		{"chart", func(m *Model) {}},
		{"chart-line", func(m *Model) { press(m, "space") }},
		{"chart-panes", func(m *Model) {
			m.verb(ask{verb: "study", args: []string{"rsi", "macd", "bollinger"}})
			press(m, "left", "left", "left")
		}},
		{"grid", func(m *Model) { press(m, "7") }},
		{"chart-compare", func(m *Model) { m.verb(ask{verb: "compare", args: []string{"MSFT", "NVDA"}}) }},
	}
	for _, s := range scenes {
		for _, size := range sizes {
			name := fmt.Sprintf("%s-%dx%d", s.name, size[0], size[1])
			t.Run(name, func(t *testing.T) {
				m, _ := chartModel(t, size[0], size[1])
				press(m, "2")
				settle(m)
				m.draw()
				s.do(m)
				settle(m)
				golden(t, name, shown(t, m))
			})
		}
	}
}

// TestHorizonAndModelAreChosenByKey: only what is chosen is drawn ahead and
// held against what came.
func TestHorizonAndModelAreChosenByKey(t *testing.T) {
	m, d := chartModel(t, 160, 40)
	d.models()
	bars := chartOf(m).series().bars
	last := bars[len(bars)-1]
	for back := 9; back >= 0; back-- { // as they come: the oldest first
		for _, p := range []market.Prediction{{Model: "xgboost", Horizon: 60}, {Model: "xgboost", Horizon: 300}, {Model: "lstm", Horizon: 300}} {
			p.Symbol, p.Version, p.Bar = "AAPL", "v4", last.Time.Add(-time.Duration(back)*time.Minute)
			p.Mean, p.Low, p.High = last.Close+0.2, last.Close-0.5, last.Close+0.9
			d.board.Prediction(p)
		}
	}
	m.sample()
	press(m, "2")
	settle(m)
	c := chartOf(m)
	press(m, "m")
	for c.spoken() != "xgboost" {
		press(m, "m")
	}
	drawn := func() int { return len(c.outcomes(nil, c.series(), 0, len(bars))) }
	q := m.desk.Frame.Quote("AAPL")
	if b := bandOf(m.desk, q, last, c.model, c.horizon); len(b.Times) != 2 {
		t.Errorf("%d horizons ahead, want both", len(b.Times))
	}
	all := drawn()
	press(m, "M", "M")
	if c.horizon != 300 {
		t.Fatalf("horizon %d after two keys", c.horizon)
	}
	if b := bandOf(m.desk, q, last, c.model, c.horizon); len(b.Times) != 1 || b.Times[0] != last.Time.Add(6*time.Minute) {
		t.Errorf("ahead at %v", b.Times)
	}
	if far := drawn(); all == 0 || far == 0 || far == all {
		t.Errorf("%d outcomes a minute ahead, %d five minutes ahead", all, far)
	}
	if s := shown(t, m); !strings.Contains(s, "xgboost 5 min") || !strings.Contains(s, " held") {
		t.Errorf("the legend does not say whose forecast it is:\n%s", s)
	}
	press(m, "M")
	if c.horizon != 0 {
		t.Errorf("after the last horizon comes %d, want every one", c.horizon)
	}
}
