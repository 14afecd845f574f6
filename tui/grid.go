package tui

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"tapedeck/pipeline/market"
	"tapedeck/tui/chart"
)

// Charts of a grid.
const (
	gridLeast = 2
	gridMost  = 12
	gridUsual = 9
)

// gridView is a wall of small charts of a watchlist, and the heat map of the
// sectors. Its symbols stand still: those of a list in the list's order, or
// those that were on top of the board when the grid was opened first.
type gridView struct {
	desk  *Desk
	board *board
	heat  heatMap

	count   int
	from    string   // the group or list that they come from; "" is chosen by hand
	symbols []string // at most gridMost
	style   chart.Style

	cursor int
	onHeat bool
	charts [gridMost]smallChart
	across int // charts side by side, as drawn last
	shown  int
}

func newGridView(d *Desk, b *board) *gridView {
	g := &gridView{desk: d, board: b, heat: heatMap{desk: d, groups: &b.watch.groups}, count: gridUsual, style: chart.Lines}
	for i := range g.charts {
		g.charts[i].desk = d
	}
	return g
}

func (g *gridView) Keys() []Action {
	if g.onHeat {
		return []Action{MoveDown, MoveUp, Enter, NextPane, Escape}
	}
	return []Action{MoveDown, MoveUp, Enter, IntervalDown, IntervalUp, ZoomOut, ZoomIn, Toggle, Filter, RunAgain, NextPane, Command}
}

// Word says what a key does here.
func (g *gridView) Word(a Action) string {
	switch a {
	case ZoomOut, ZoomIn:
		return "more, fewer"
	case NextPane, PreviousPane:
		if g.onHeat {
			return "charts"
		}
		return "heat map"
	case Toggle:
		if g.style == chart.Lines {
			return "candles"
		}
		return "line"
	case Filter:
		return "symbols"
	case RunAgain:
		return "newest order"
	case Enter:
		if g.onHeat {
			return "chart the sector"
		}
	}
	return ""
}

func (g *gridView) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case Do:
		g.do(msg.Action)
	case ask:
		if msg.verb == "grid" {
			g.choose(msg.args)
		}
	case Tick:
		g.tick()
	case IntervalChanged, Open:
		g.tick()
	}
	return nil
}

// tick keeps the bars of the charts coming.
func (g *gridView) tick() {
	g.fill()
	g.heat.count()
	d := g.desk
	shown := g.list()
	if d.Interval == market.Second && !slices.Equal(d.watched["grid"], shown) {
		d.Watch("grid", slices.Clone(shown)...)
	}
	for _, s := range shown {
		d.bars.series(s, d.Interval)
	}
}

// fill takes symbols from the board's list where none were chosen.
func (g *gridView) fill() {
	if len(g.symbols) > 0 {
		return
	}
	g.take(g.board.watch.groups.chosen)
}

// take takes the first symbols of a group.
func (g *gridView) take(group string) {
	d := g.desk
	g.from, g.symbols = group, nil
	switch l := d.State.list(group); {
	case l != nil:
		g.symbols = slices.Clone(l.Symbols[:min(len(l.Symbols), gridMost)])
	case group == groupStars:
		g.symbols = slices.Clone(d.State.Favourites[:min(len(d.State.Favourites), gridMost)])
	case group == g.board.watch.groups.chosen:
		if len(g.board.watch.order) == 0 {
			g.board.watch.reorder() // the board was not seen yet
		}
		for _, id := range g.board.watch.order {
			if len(g.symbols) < gridMost {
				g.symbols = append(g.symbols, d.Frame.Quotes[id].Symbol)
			}
		}
	default: // a sector: the most traded
		of := g.board.watch.groups.of
		var ids []int32
		for id := range d.Frame.Quotes {
			if id < len(of) && of[id] == group {
				ids = append(ids, int32(id))
			}
		}
		turnover := func(id int32) float64 { q := &d.Frame.Quotes[id]; return q.Last * float64(q.Volume) }
		slices.SortFunc(ids, func(a, b int32) int {
			switch x, y := turnover(a), turnover(b); {
			case x > y:
				return -1
			case x < y:
				return 1
			}
			return int(a - b)
		})
		for _, id := range ids[:min(len(ids), gridMost)] {
			g.symbols = append(g.symbols, d.Frame.Quotes[id].Symbol)
		}
	}
	g.cursor = min(g.cursor, max(len(g.symbols)-1, 0))
}

// list are the symbols that are on charts.
func (g *gridView) list() []string { return g.symbols[:min(g.count, len(g.symbols))] }

// choose takes a number of charts, a list or group by name, or symbols.
func (g *gridView) choose(args []string) {
	d := g.desk
	defer d.Keep()
	if n, err := strconv.Atoi(args[0]); err == nil && len(args) == 1 {
		if n < gridLeast || n > gridMost {
			d.Say(Warn, "a grid has two to twelve charts")
			return
		}
		g.count = n
		return
	}
	name := strings.Join(args, " ")
	for _, known := range g.board.watch.groups.names() {
		if strings.EqualFold(known, name) {
			if g.take(known); len(g.symbols) == 0 {
				d.Say(Warn, "“"+known+"” has no symbols")
			}
			return
		}
	}
	var symbols []string
	for _, word := range args {
		s, ok := d.known(word)
		if !ok {
			d.Say(Warn, "“"+clip(word, 20)+"” is no symbol and no list here")
			return
		}
		if !slices.Contains(symbols, s) && len(symbols) < gridMost {
			symbols = append(symbols, s)
		}
	}
	g.from, g.symbols, g.cursor = "", symbols, 0
	g.count = min(max(len(symbols), gridLeast), gridMost)
	g.tick()
}

func (g *gridView) do(a Action) {
	d := g.desk
	n := min(len(g.list()), max(g.shown, 1))
	switch a {
	case NextPane, PreviousPane:
		g.onHeat = !g.onHeat
	case Escape:
		if g.onHeat {
			g.onHeat = false
			return
		}
		d.Post(Open{})
		return
	}
	if g.onHeat {
		if sector := g.heat.do(a); sector != "" {
			g.take(sector)
			g.onHeat = false
			g.tick()
			d.Keep()
		}
		return
	}
	switch a {
	case MoveLeft:
		g.cursor--
	case MoveRight:
		g.cursor++
	case MoveUp:
		g.cursor -= max(g.across, 1)
	case MoveDown:
		g.cursor += max(g.across, 1)
	case Top:
		g.cursor = 0
	case Bottom:
		g.cursor = n - 1
	case ZoomIn:
		g.count = max(g.count-1, gridLeast)
	case ZoomOut:
		g.count = min(g.count+1, gridMost)
	case Toggle:
		g.style = 1 - g.style
	case RunAgain:
		if g.from != "" {
			g.take(g.from)
		}
	case Filter:
		d.Post(Prompt{"grid "})
	case Enter, ChartIt:
		if g.cursor < n {
			d.Post(Open{View: "chart", Symbol: g.symbols[g.cursor]})
		}
	case Favourite:
		if g.cursor < n {
			d.Select(g.symbols[g.cursor])
			g.board.watch.Update(Do{a})
		}
	}
	g.cursor = min(max(g.cursor, 0), max(min(g.count, len(g.symbols))-1, 0))
	if g.cursor < len(g.symbols) && a >= MoveLeft && a <= Bottom {
		d.Select(g.symbols[g.cursor])
	}
	g.tick()
	d.Keep()
}

// The least room of one chart, and of the heat map beside and below.
const (
	gridWide  = 26
	gridHigh  = 6
	heatWide  = 34
	heatBelow = 4
)

func (g *gridView) View(w, h int) string {
	t := g.desk.Theme
	switch {
	case w >= 100:
		right := min(max(w/4, heatWide), 46)
		return beside(t, g.wall(w-right-1, h), g.heat.view(right, h, g.onHeat))
	case h >= gridHigh+heatBelow+2 && w >= 60:
		below := min(max(h/4, heatBelow), 7)
		return g.wall(w, h-below) + "\n" + g.heat.view(w, below, g.onHeat)
	case g.onHeat:
		return g.heat.view(w, h, true)
	}
	return g.wall(w, h)
}

// shape is how many charts stand side by side and below each other: as many
// as asked for, or as have room, each as wide as three times its height.
func shape(n, w, h int) (across, down int) {
	best := math.Inf(1)
	for a := 1; a <= n; a++ {
		b := (n + a - 1) / a
		wide, high := float64(w)/float64(a), float64(h)/float64(b)
		if wide < gridWide || high < gridHigh {
			continue
		}
		// Empty places cost as much as a shape that is off by half.
		cost := math.Abs(math.Log(wide/high/3.2)) + 0.4*float64(a*b-n)
		if cost < best {
			across, down, best = a, b, cost
		}
	}
	return across, down
}

// wall is the charts.
func (g *gridView) wall(w, h int) string {
	c := newCanvas(g.desk.Theme, w, h)
	list := g.list()
	if len(list) == 0 {
		c.end()
		c.gap(1)
		if len(g.desk.Frame.Quotes) == 0 {
			c.muted("waiting for the first tick: the grid takes the board's symbols")
		} else {
			c.muted("“" + g.from + "” has no symbols · :grid NAME or :grid SYMBOLS fills the grid")
		}
		return c.String()
	}
	n := len(list)
	across, down := shape(n, w, h-1)
	for across == 0 && n > 1 {
		n--
		across, down = shape(n, w, h-1)
	}
	across, down = max(across, 1), max(down, 1)
	g.across, g.shown = across, n
	g.title(c, n)
	rows := h - 1
	for row := range down {
		high := rows / (down - row)
		rows -= high
		panes := make([]string, 0, across)
		room := w - (across - 1)
		for col := range across {
			wide := room / (across - col)
			room -= wide
			if i := row*across + col; i < n {
				panes = append(panes, g.cell(i, wide, high))
			} else {
				panes = append(panes, newCanvas(g.desk.Theme, wide, high).String())
			}
		}
		c.block(beside(g.desk.Theme, panes...))
	}
	return c.String()
}

func (g *gridView) title(c *canvas, n int) {
	d := g.desk
	c.gap(1)
	intervals(c, d.Interval)
	c.gap(3)
	name := g.from
	if name == "" {
		name = "chosen"
	}
	c.muted(plural(n, "chart") + " of ")
	c.text(name)
	if want := len(g.list()); want > n {
		c.muted(", no room for " + plainNumber(want-n))
	}
	names := make([]string, 0, len(d.State.Layouts))
	for k := range d.State.Layouts {
		names = append(names, k)
	}
	slices.Sort(names)
	hint := ":layout save NAME keeps this"
	if len(names) > 0 {
		hint = "layouts: " + strings.Join(names, " · ")
	}
	if c.room() > width(hint)+3 {
		c.right(c.on(Muted), hint+" ")
	}
	c.end()
}

// cell is one chart with its symbol, price and change above.
func (g *gridView) cell(i, w, h int) string {
	d := g.desk
	symbol := g.symbols[i]
	c := newCanvas(d.Theme, w, h)
	q := d.Frame.Quote(symbol)
	if i == g.cursor && !g.onHeat {
		c.set(Selection)
		c.put(c.on(Accent), "▌")
	}
	c.to(1)
	c.put(c.bold(Text), symbol)
	if q != nil {
		_, share := q.Change()
		role := Direction(math.Round(share * 1e4))
		last, change := price(q.Last, q.Decimals), signed(share*100, 2)+"%"
		tail := width(last) + 2 + 8
		if name, _ := d.Company(symbol); name != "" && c.room() > tail+16 {
			c.gap(1)
			c.cell(c.on(Muted), name, c.room()-tail-6)
		}
		c.to(w - tail - 3)
		c.put(c.bold(Text), last)
		c.gap(1)
		if a := arrow(math.Round(share * 1e4)); a != " " {
			c.put(c.on(role), a)
		} else {
			c.gap(1)
		}
		c.number(c.on(role), change, min(9, c.room()))
	}
	c.end()
	c.set(Plain)
	g.charts[i].style = g.style
	g.charts[i].draw(c, symbol, w-1, c.left(), false)
	return c.String()
}

// gridKept is what of the grid survives.
type gridKept struct {
	Count   int         `json:"count"`
	From    string      `json:"from,omitempty"`
	Symbols []string    `json:"symbols,omitempty"`
	Style   chart.Style `json:"style"`
}

// Keep and Restore the grid.
func (g *gridView) Keep() any {
	return gridKept{g.count, g.from, g.symbols, g.style}
}

func (g *gridView) Restore(data []byte) {
	k := gridKept{Count: gridUsual, Style: chart.Lines}
	if json.Unmarshal(data, &k) != nil {
		return
	}
	g.count = min(max(k.Count, gridLeast), gridMost)
	g.from, g.style, g.cursor = k.From, k.Style%2, 0
	g.symbols = slices.DeleteFunc(k.Symbols, func(s string) bool { return !market.ValidSymbol(s) })
	g.symbols = g.symbols[:min(len(g.symbols), gridMost)]
}
