package tui

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"tapedeck/pipeline/market"
	"tapedeck/tui/chart"
)

// board is the opening view: the watchlist, the chart of its symbol, the
// latest events. What is beside what depends on the room.
type board struct {
	desk   *Desk
	watch  *watchlist
	events *events
	focus  int // 0 watchlist, 1 events
	wide   int // of the watchlist as drawn last
	small  smallChart
}

func newBoard(d *Desk) *board {
	return &board{desk: d, watch: newWatchlist(d), events: newEvents(d), small: smallChart{desk: d, style: chart.Lines}}
}

// Arrangements of the board, by width.
const (
	threeColumns = 160
	twoColumns   = 100
	oneWithStrip = 70
)

func (b *board) TextFocus() bool { return b.focus == 0 && b.watch.TextFocus() }

func (b *board) Keys() []Action {
	if b.focus == 1 {
		return append(b.events.Keys(), NextPane)
	}
	keys := b.watch.Keys()
	if !b.watch.TextFocus() {
		keys = append(keys, NextPane)
	}
	return keys
}

func (b *board) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case Do:
		switch msg.Action {
		case NextPane, PreviousPane:
			b.focus = 1 - b.focus
			return nil
		case Escape:
			if b.focus == 1 {
				b.focus = 0
				return nil
			}
		}
		if b.focus == 1 {
			return b.events.Update(msg)
		}
		defer func() { b.small.ask(b.desk.Symbol) }()
		return b.watch.Update(msg)
	case Type, tea.PasteMsg:
		return b.watch.Update(msg)
	case tea.MouseClickMsg:
		b.focus = 0
		if msg.X < b.wide {
			return b.watch.Update(msg)
		}
		return nil
	case ask:
		return b.watch.verb(msg)
	}
	b.small.ask(b.desk.Symbol)
	return tea.Batch(b.watch.Update(msg), b.events.Update(msg))
}

func (b *board) View(w, h int) string {
	t := b.desk.Theme
	b.wide = w
	switch {
	case w >= threeColumns:
		left := min(max(w*2/5, 80), w-44-60-2)
		b.wide = left
		right := min(max(44, w/4), 52)
		middle := w - left - right - 2
		return beside(t, b.watch.View(left, h), b.chart(middle, h), b.side(right, h))
	case w >= twoColumns:
		left := min(max(w*43/100, 51), 70)
		b.wide = left
		right := w - left - 1
		if h < 18 {
			return beside(t, b.watch.View(left, h), b.chart(right, h))
		}
		events := min(max(h/4, 6), 12)
		if b.desk.pinned != nil {
			events = min(events+10, h/2)
		}
		return beside(t, b.watch.View(left, h), b.chart(right, h-events-1)+"\n"+b.feet(right, events+1))
	case w >= oneWithStrip && h >= 16:
		const strip = 4
		if b.focus == 1 {
			return b.events.View(w, h)
		}
		return b.watch.View(w, h-strip) + "\n" + b.strip(w, strip)
	case b.focus == 1:
		return b.events.View(w, h)
	}
	return b.watch.View(w, h)
}

// feet is the lower right part: what is predicted, and the events.
func (b *board) feet(w, h int) string {
	c := newCanvas(b.desk.Theme, w, h)
	c.gap(1)
	c.put(c.on(Hairline), strings.Repeat(glyphRule, max(c.room()-1, 0)))
	c.end()
	if line := b.prediction(w - 2); line != "" {
		c.block(line)
		c.gap(1)
		c.put(c.on(Hairline), strings.Repeat(glyphRule, max(c.room()-1, 0)))
		c.end()
	}
	b.pinned(c, c.left()/2)
	c.block(b.events.focused(b.focus == 1).View(w, c.left()))
	return c.String()
}

// pinned draws the pinned query in at most so many lines, a rule below it.
func (b *board) pinned(c *canvas, most int) {
	n := b.desk.pinned.lines(most)
	if n == 0 {
		return
	}
	b.desk.pinned.draw(c, b.desk, n)
	c.gap(1)
	c.put(c.on(Hairline), strings.Repeat(glyphRule, max(c.room()-1, 0)))
	c.end()
}

// side is the third column: what is predicted, above the events.
func (b *board) side(w, h int) string {
	c := newCanvas(b.desk.Theme, w, h)
	b.predictions(c, min(h/4, 8))
	b.pinned(c, c.left()/2)
	c.block(b.events.focused(b.focus == 1).View(w, c.left()))
	return c.String()
}

// predictions lists the newest forecast of each model and horizon.
func (b *board) predictions(c *canvas, limit int) {
	q := b.desk.Frame.Quote(b.desk.Symbol)
	if q == nil || q.Predicted.Model == "" {
		return
	}
	newest := map[forecastKind]market.Prediction{}
	var order []forecastKind
	for _, p := range b.desk.Data.Board.Predictions(nil, q.Symbol) {
		k := forecastKind{p.Model, p.Horizon}
		if old, ok := newest[k]; !ok {
			order = append(order, k)
		} else if old.Bar > p.Bar {
			continue
		}
		newest[k] = p
	}
	slices.SortFunc(order, func(a, b forecastKind) int {
		return cmp.Or(strings.Compare(a.model, b.model), cmp.Compare(a.horizon, b.horizon))
	})
	before := ""
	for _, k := range order[:min(len(order), max(limit, 1))] {
		p := newest[k]
		c.gap(1)
		name := k.model
		if name == before {
			name = ""
		}
		before = k.model
		c.cell(c.bold(Predict), name, 11)
		c.number(c.on(Muted), horizon(k.horizon), 7)
		c.number(c.on(Text), price(p.Mean, q.Decimals), 10)
		share := 0.0
		if q.Last > 0 {
			share = (p.Mean/q.Last - 1) * 100
		}
		role := Predict
		if yes, known := b.desk.skilful(p.Model, p.Horizon); known && !yes {
			role = Muted
		}
		c.number(c.on(role), signed(share, 2)+"%", 8)
		if band := price(p.Low, q.Decimals) + "–" + price(p.High, q.Decimals); c.room() > width(band)+2 {
			c.gap(2)
			c.muted(band)
		}
		c.end()
	}
	c.gap(1)
	c.put(c.on(Hairline), strings.Repeat(glyphRule, max(c.room()-1, 0)))
	c.end()
}

const glyphRule = "─"

// prediction is what the model says of the symbol, in one line; "" where it
// says nothing.
func (b *board) prediction(w int) string {
	q := b.desk.Frame.Quote(b.desk.Symbol)
	if q == nil || q.Predicted.Model == "" {
		return ""
	}
	p := &q.Predicted
	c := newCanvas(b.desk.Theme, w+2, 1)
	c.gap(1)
	c.put(c.bold(Predict), p.Model)
	c.gap(2)
	mean := price(p.Mean, q.Decimals) + " in " + horizon(p.Horizon)
	c.text(mean)
	band := price(p.Low, q.Decimals) + "–" + price(p.High, q.Decimals)
	if c.fits(", " + band) {
		c.text(", " + band)
	}
	made := "from " + p.Bar.Add(market.Minute.Length()).Std().In(b.desk.Zone()).Format("15:04")
	if p.BackFilled {
		made += ", back-filled"
	}
	if yes, known := b.desk.skilful(p.Model, p.Horizon); known && !yes {
		if doubt := "not better than no change · "; c.room() > width(made)+width(doubt)+3 {
			made = doubt + made
		}
	}
	if c.room() > width(made)+3 {
		c.to(c.width - width(made) - 1)
		c.muted(made)
	}
	return c.String()
}

// horizon in words: "5 min".
func horizon(seconds int32) string {
	switch {
	case seconds%86400 == 0 && seconds > 0:
		return plural(int(seconds/86400), "day")
	case seconds%60 == 0:
		return plainNumber(int(seconds/60)) + " min"
	}
	return plainNumber(int(seconds)) + " s"
}

func plainNumber(n int) string { return integer(int64(n)) }

// chart is the symbol's chart with its figures above.
func (b *board) chart(w, h int) string {
	c := newCanvas(b.desk.Theme, w, h)
	b.figures(c)
	if c.left() > 9 {
		c.gap(1)
		intervals(c, b.desk.Interval)
		c.end()
	}
	b.small.draw(c, b.desk.Symbol, w-1, c.left(), true)
	return c.String()
}

// figures are the symbol's two lines: name, bid and ask; price, change,
// volume and the day's range.
func (b *board) figures(c *canvas) {
	d := b.desk
	q := d.Frame.Quote(d.Symbol)
	c.gap(1)
	c.put(c.bold(Text), d.Symbol)
	name, sector := d.Company(d.Symbol)
	if name != "" {
		c.gap(2)
		if s := shortSector(sector); s != "" && width(name)+width(s)+3 < c.room()-28 {
			name += " · " + s
		}
		c.cell(c.on(Muted), name, min(width(name), max(c.room()-28, 8)))
	}
	if q != nil && q.Bid > 0 && q.Ask > 0 {
		c.right(c.on(Muted), "bid "+price(q.Bid, q.Decimals)+" × "+price(q.Ask, q.Decimals)+" ask ")
	}
	c.end()
	c.gap(1)
	if q == nil {
		c.muted("has not traded since this screen opened")
		c.end()
		return
	}
	abs, share := q.Change()
	role := Direction(math.Round(share * 1e4))
	c.put(c.bold(Text), price(q.Last, q.Decimals))
	c.gap(2)
	if a := arrow(math.Round(share * 1e4)); a != " " {
		c.put(c.on(role), a+" ")
	}
	c.put(c.on(role), signed(abs, int(q.Decimals))+"  "+signed(share*100, 2)+"%")
	if q.FromFirst {
		c.gap(2)
		c.muted("since first trade")
	}
	for _, s := range []string{
		"vol " + shares(q.Volume),
		"day " + price(q.Low, q.Decimals) + "–" + price(q.High, q.Decimals),
	} {
		if q.High > 0 && c.room() > width(s)+4 {
			c.gap(3)
			c.muted(s)
		}
	}
	c.end()
}

// strip is the selected symbol in four lines, for a small screen.
func (b *board) strip(w, h int) string {
	c := newCanvas(b.desk.Theme, w, h)
	d := b.desk
	q := d.Frame.Quote(d.Symbol)
	c.put(c.on(Hairline), strings.Repeat(glyphRule, 2))
	c.put(c.on(Hairline), " ")
	c.put(c.bold(Text), d.Symbol)
	if name, _ := d.Company(d.Symbol); name != "" {
		c.gap(1)
		c.cell(c.on(Muted), name, min(width(name), c.width/2))
	}
	tail := ""
	if q != nil && q.High > 0 {
		tail = " day " + price(q.Low, q.Decimals) + "–" + price(q.High, q.Decimals) + " "
	}
	c.put(c.on(Hairline), " "+strings.Repeat(glyphRule, max(c.room()-width(tail)-4, 0)))
	if tail != "" && c.fits(tail) {
		c.muted(tail)
	}
	c.put(c.on(Hairline), strings.Repeat(glyphRule, c.room()))
	c.end()
	b.small.draw(c, d.Symbol, w-1, c.left(), false)
	return c.String()
}

// boardKept is what of the board survives beside the State's own fields.
type boardKept struct {
	Focus int `json:"focus"`
}

// Keep and Restore the focus.
func (b *board) Keep() any { return boardKept{b.focus} }

func (b *board) Restore(data []byte) {
	var k boardKept
	if json.Unmarshal(data, &k) == nil && (k.Focus == 0 || k.Focus == 1) {
		b.focus = k.Focus
	}
}
