package tui

import (
	"context"
	"sort"
	"time"

	tea "charm.land/bubbletea/v2"

	"tapedeck/pipeline/market"
)

const (
	aroundMinutes = 12              // before and after the moment of an alert
	momentsKept   = 2_000           // alerts whose surroundings are kept
	momentsAsked  = 12              // of them asked of the history at once
	momentEvery   = 3 * time.Second // while the minutes after the alert are still to come
)

// alertMoment is the price around an alert, minute by minute.
type alertMoment struct {
	closes [2*aroundMinutes + 1]float32 // 0: no bar
	last   int                          // the newest minute that is known; -1 none
	whole  bool                         // nothing more is to come
	asked  time.Time
}

// moments are the surroundings of alerts, for their spark lines.
type moments struct {
	desk    *Desk
	all     map[string]*alertMoment
	request int
	buf     []market.Bar
}

// momentsCame answers a question to the history.
type momentsCame struct {
	request int
	found   map[string]*alertMoment
}

func newMoments(d *Desk) *moments { return &moments{desk: d, all: map[string]*alertMoment{}} }

// look brings the surroundings of these alerts up to date: from the board, and
// where they lie further back by a question to the history.
func (m *moments) look(rows []*alertRow) {
	if len(m.all) > momentsKept {
		clear(m.all)
	}
	now, clock := m.desk.Now(), m.desk.Clock()
	var missing []market.Alert
	for _, r := range rows {
		if r.Symbol == "" {
			continue
		}
		x := m.all[r.ID]
		if x == nil {
			x = &alertMoment{last: -1}
			m.all[r.ID] = x
		}
		if x.whole || now.Sub(x.asked) < momentEvery {
			continue
		}
		x.asked = now
		var oldest market.Time
		m.buf, _ = m.desk.Data.Board.Bars(m.buf[:0], r.Symbol, market.Minute)
		if len(m.buf) > 0 {
			oldest = m.buf[0].Time
		}
		first := r.Time.Truncate(time.Minute).Add(-aroundMinutes * time.Minute)
		x.take(m.buf, first)
		late := clock.Sub(r.Time) > (aroundMinutes+2)*time.Minute
		switch {
		case oldest != 0 && oldest <= first:
			x.whole = late
		case late && m.desk.Data.History != nil:
			missing = append(missing, r.Alert)
		case late:
			x.whole = true
		}
	}
	m.ask(missing)
}

// take puts bars into their minutes.
func (x *alertMoment) take(bars []market.Bar, first market.Time) {
	at := sort.Search(len(bars), func(i int) bool { return bars[i].Time >= first })
	for ; at < len(bars); at++ {
		k := int(bars[at].Time.Sub(first) / time.Minute)
		if k >= len(x.closes) {
			return
		}
		x.closes[k], x.last = float32(bars[at].Close), max(x.last, k)
	}
}

// ask has the history answer for alerts of long ago, a few at a time.
func (m *moments) ask(missing []market.Alert) {
	if len(missing) == 0 || m.request != 0 {
		for i := range missing {
			m.all[missing[i].ID].asked = time.Time{} // at the next look
		}
		return
	}
	for i := range missing[min(len(missing), momentsAsked):] {
		m.all[missing[momentsAsked+i].ID].asked = time.Time{}
	}
	missing = missing[:min(len(missing), momentsAsked)]
	m.request = m.desk.Request()
	request, h := m.request, m.desk.Data.History
	m.desk.Post(tea.Cmd(func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), fetchWithin)
		defer cancel()
		found := map[string]*alertMoment{}
		for i := range missing {
			a := &missing[i]
			first := a.Time.Truncate(time.Minute).Add(-aroundMinutes * time.Minute)
			x := &alertMoment{last: -1, whole: true}
			bars, err := h.Bars(ctx, a.Symbol, market.Minute, first, first.Add(time.Duration(len(x.closes))*time.Minute), len(x.closes))
			if err != nil {
				break // the next look asks again
			}
			x.take(bars, first)
			found[a.ID] = x
		}
		return momentsCame{request, found}
	}))
}

// come takes the answer.
func (m *moments) come(c momentsCame) {
	if c.request != m.request {
		return
	}
	m.request = 0
	for id, x := range c.found {
		m.all[id] = x
	}
	m.desk.dirty = true
}

// draw draws the price around an alert into n cells, the moment in the middle
// in the ink at; what came after it is bright.
func (m *moments) draw(c *canvas, r *alertRow, n int, at Ink) {
	x := m.all[r.ID]
	if x == nil || x.last < 0 || n < 5 {
		c.gap(n)
		return
	}
	low, high := float32(0), float32(0)
	for _, v := range x.closes {
		if v > 0 {
			if low == 0 || v < low {
				low = v
			}
			high = max(high, v)
		}
	}
	for i := range n {
		from, to := i*len(x.closes)/n, max((i+1)*len(x.closes)/n, i*len(x.closes)/n+1)
		sum, count := float32(0), float32(0)
		for _, v := range x.closes[from:to] {
			if v > 0 {
				sum, count = sum+v, count+1
			}
		}
		ink := c.on(Muted)
		middle := aroundMinutes >= from && aroundMinutes < to
		switch {
		case middle:
			ink = at
		case from > aroundMinutes:
			ink = c.on(Text)
		}
		if count == 0 {
			if middle {
				c.put(ink, "·")
			} else {
				c.gap(1)
			}
			continue
		}
		h := 3
		if high > low {
			h = int((sum/count-low)/(high-low)*6 + 0.5)
		}
		c.put(ink, levels[h+1])
	}
}
