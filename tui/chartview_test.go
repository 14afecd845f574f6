package tui

import (
	"fmt"
	"testing"

	tea "charm.land/bubbletea/v2"

	"tapedeck/pipeline/market"
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
				m.Update(cmd())
			} else {
				m.posted(p)
			}
		}
		if !busy {
			return
		}
	}
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
