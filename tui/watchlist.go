package tui

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"tapedeck/pipeline/live"
	"tapedeck/pipeline/market"
)

const (
	orderEvery  = 5 * time.Second // the order is renewed at most so often, and holds so long after a key
	flashFor    = 400 * time.Millisecond
	largeMove   = 4.0 // times a symbol's usual tick move is worth a flash
	sparkValues = 30  // minutes
)

// watchlist is the board's table of symbols. Its rows are drawn by hand: a
// styled cell costs forty times a styled row.
type watchlist struct {
	desk   *Desk
	groups groups

	order   []int32 // ids in drawing order
	ordered time.Time
	known   int // quotes when it was ordered
	touched time.Time
	sort    column
	reverse bool

	filter    field
	filtering bool

	offset int
	page   int                // rows drawn last
	seen   map[int32]float64  // last price of visible rows
	flash  map[int32]moveMark // of those whose price just moved far
	spark  []uint16
	doubts map[forecastKind]bool // see doubted
	undo   []func()
	topped string // the symbol on which this list, not the analyst, put the cursor; "" once the first moments are over
}

type moveMark struct {
	until time.Time
	up    bool
}

func newWatchlist(d *Desk) *watchlist {
	w := &watchlist{desk: d, seen: map[int32]float64{}, flash: map[int32]moveMark{}, doubts: map[forecastKind]bool{}, sort: columnChange}
	w.groups.desk = d
	for _, c := range columns {
		if c.key == d.State.Sort {
			w.sort = c.column
		}
	}
	w.reverse = d.State.Reverse
	w.filter.setText(d.State.Filter)
	w.groups.choose(d.State.Group)
	return w
}

// TextFocus while the filter is being typed.
func (w *watchlist) TextFocus() bool { return w.filtering }

func (w *watchlist) Keys() []Action {
	if w.filtering {
		return []Action{Enter, Escape, ChooseNext, ChoosePrevious, TextUndo}
	}
	keys := []Action{MoveDown, MoveUp, MoveLeft, MoveRight, Enter, Filter, Sort, Favourite, Command}
	if len(w.undo) > 0 {
		keys = append(keys, Undo)
	}
	return keys
}

func (w *watchlist) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case Tick:
		w.tick(msg.Now)
	case Do:
		w.touched = w.desk.Now()
		w.do(msg.Action)
	case Type:
		w.touched = w.desk.Now()
		if w.filter.key(msg.Key) {
			w.filterChanged()
		}
	case tea.MouseClickMsg:
		w.touched = w.desk.Now()
		if i := w.offset + msg.Y - 2; msg.Y >= 2 && i < len(w.order) { // below groups and headings
			w.desk.Select(w.desk.Frame.Quotes[w.order[i]].Symbol)
		}
	case tea.PasteMsg:
		w.touched = w.desk.Now()
		if w.filtering {
			w.filter.insert(msg.Content)
			w.filterChanged()
		} else {
			w.paste(msg.Content)
		}
	}
	return nil
}

func (w *watchlist) do(a Action) {
	switch a {
	case MoveDown, ChooseNext:
		w.move(1)
	case MoveUp, ChoosePrevious:
		w.move(-1)
	case HalfDown:
		w.move(max(w.page/2, 1))
	case HalfUp:
		w.move(-max(w.page/2, 1))
	case Top:
		w.move(-len(w.order))
	case Bottom:
		w.move(len(w.order))
	case MoveLeft:
		w.chooseGroup(w.groups.step(-1))
	case MoveRight:
		w.chooseGroup(w.groups.step(1))
	case Enter:
		if w.filtering {
			w.filtering = false
			return
		}
		w.desk.Post(Open{View: "chart"})
	case ChartIt:
		w.desk.Post(Open{View: "chart"})
	case Filter:
		w.filtering = true
	case Escape:
		switch {
		case w.filtering && w.filter.String() == "":
			w.filtering = false
		case w.filtering, w.filter.String() != "":
			w.filtering = false
			w.filter.setText("")
			w.filterChanged()
		default:
			w.desk.Post(Open{View: ""})
		}
	case TextUndo:
		w.filter.undo()
		w.filterChanged()
	case TextRedo:
		w.filter.redo()
		w.filterChanged()
	case Sort:
		w.nextSort()
	case Reverse:
		w.reverse = !w.reverse
		w.sortChanged()
	case Favourite:
		w.favourite(w.desk.Symbol)
	case AlertMe:
		w.desk.Post(OpenRule{Symbol: w.desk.Symbol})
	case Delete:
		w.remove(w.desk.Symbol)
	case Undo:
		w.undoLast()
	case Copy:
		w.desk.Post(CopyText{Text: w.desk.Symbol, What: w.desk.Symbol})
	}
}

// filterChanged renews the order at once and keeps the filter for the next start.
func (w *watchlist) filterChanged() {
	w.desk.State.Filter = w.filter.String()
	w.desk.Keep()
	w.reorder()
	w.settle()
}

func (w *watchlist) sortChanged() {
	w.desk.State.Sort, w.desk.State.Reverse = w.sort.key(), w.reverse
	w.desk.Keep()
	w.reorder()
}

func (w *watchlist) chooseGroup(name string) {
	w.groups.choose(name)
	w.desk.State.Group = w.groups.chosen
	w.desk.Keep()
	w.offset = 0
	w.reorder()
	w.settle()
}

// settle puts the cursor on the first row where its symbol is not listed.
func (w *watchlist) settle() {
	if len(w.order) > 0 && w.at() < 0 {
		w.desk.Select(w.desk.Frame.Quotes[w.order[0]].Symbol)
	}
}

// at is the cursor's place in the order; -1 where its symbol is not listed.
func (w *watchlist) at() int {
	id, ok := w.desk.Frame.ID(w.desk.Symbol)
	if !ok {
		return -1
	}
	return slices.Index(w.order, id)
}

func (w *watchlist) move(n int) {
	if len(w.order) == 0 {
		return
	}
	at := max(w.at(), 0) + n
	at = min(max(at, 0), len(w.order)-1)
	w.desk.Select(w.desk.Frame.Quotes[w.order[at]].Symbol)
}

// tick renews the order when it is due, and marks large moves.
func (w *watchlist) tick(now time.Time) {
	f := w.desk.Frame
	if len(f.Quotes) != w.known || now.Sub(w.ordered) >= orderEvery && now.Sub(w.touched) >= orderEvery {
		grew := len(f.Quotes) != w.known
		w.reorder()
		switch {
		case len(w.order) == 0:
		case w.desk.Symbol == "":
			w.settle()
			w.topped = w.desk.Symbol
		case w.topped != "" && w.topped == w.desk.Symbol && w.touched.IsZero():
			// Still the first moments: the cursor waits on top until the list has its order.
			w.topped = f.Quotes[w.order[0]].Symbol
			w.desk.Select(w.topped)
			if !grew && !f.Filling {
				w.topped = ""
			}
		}
	}
	for id, m := range w.flash {
		if !now.Before(m.until) {
			delete(w.flash, id)
			w.desk.dirty = true
		}
	}
	for _, id := range w.visible() {
		q := &f.Quotes[id]
		before, ok := w.seen[id]
		w.seen[id] = q.Last
		if move := q.Last - before; ok && q.Move > 0 && math.Abs(move) > largeMove*q.Move {
			w.flash[id] = moveMark{now.Add(flashFor), move > 0}
		}
	}
	if len(w.seen) > 4*max(w.page, 16) { // rows that scrolled away
		clear(w.seen)
	}
}

func (w *watchlist) visible() []int32 {
	from := min(w.offset, len(w.order))
	return w.order[from:min(from+w.page, len(w.order))]
}

// reorder lists what the group and the filter leave, in the chosen order.
// The favourites of the group "all" stay on top.
func (w *watchlist) reorder() {
	f := w.desk.Frame
	w.ordered, w.known = f.Now, len(f.Quotes)
	search := w.desk.search()
	w.order = w.groups.members(w.order[:0])
	w.desk.groupNames = w.groups.names()
	needle := strings.ToLower(strings.TrimSpace(w.filter.String()))
	if needle != "" {
		w.order = slices.DeleteFunc(w.order, func(id int32) bool { return !matches(search[id], needle) })
	}
	if w.sort == columnOwn && !w.groups.own() {
		w.sort = columnChange
	}
	if w.sort == columnOwn {
		if w.reverse {
			slices.Reverse(w.order)
		}
		return
	}
	stars := map[int32]bool{}
	if w.groups.chosen == groupAll && needle == "" {
		for _, s := range w.desk.State.Favourites {
			if id, ok := f.ID(s); ok {
				stars[id] = true
			}
		}
	}
	compare := w.sort.compare()
	slices.SortStableFunc(w.order, func(a, b int32) int {
		if sa, sb := stars[a], stars[b]; sa != sb {
			if sa {
				return -1
			}
			return 1
		}
		if needle != "" { // a symbol that begins so comes before a name that does
			if ra, rb := rank(search[a], needle), rank(search[b], needle); ra != rb {
				return ra - rb
			}
		}
		n := compare(&f.Quotes[a], &f.Quotes[b])
		if w.reverse {
			n = -n
		}
		return cmp.Or(n, strings.Compare(f.Quotes[a].Symbol, f.Quotes[b].Symbol))
	})
}

// matches says whether the symbol begins with the needle or a word of the name does.
func matches(search, needle string) bool { return rank(search, needle) < 4 }

func rank(search, needle string) int {
	symbol, name, _ := strings.Cut(search, "\x00")
	switch {
	case symbol == needle:
		return 0
	case strings.HasPrefix(symbol, needle):
		return 1
	case strings.HasPrefix(name, needle):
		return 2
	case strings.Contains(name, " "+needle):
		return 3
	}
	return 4
}

// doubted says that a forecast is of a model that is not shown to be better
// than "no change" at its horizon. Each model is looked up once a drawing.
func (w *watchlist) doubted(p *market.Prediction) bool {
	k := forecastKind{p.Model, p.Horizon}
	doubt, looked := w.doubts[k]
	if !looked {
		yes, known := w.desk.skilful(p.Model, p.Horizon)
		doubt = known && !yes
		w.doubts[k] = doubt
	}
	return doubt
}

// forecastKind is whose forecast it is, and how far ahead.
type forecastKind struct {
	model   string
	horizon int32
}

func (w *watchlist) View(wide, high int) string {
	c := newCanvas(w.desk.Theme, wide, high)
	clear(w.doubts)
	w.drawGroups(c)
	cols := w.fit(wide)
	w.heading(c, cols)
	w.page = max(c.left(), 1)
	if len(w.order) == 0 {
		w.empty(c)
		return c.String()
	}
	w.scroll()
	selected := w.at()
	for i, id := range w.visible() {
		w.row(c, cols, &w.desk.Frame.Quotes[id], id, w.offset+i == selected)
	}
	return c.String()
}

// scroll keeps the cursor's row on the page, and the page on the list.
func (w *watchlist) scroll() {
	if at := w.at(); at >= 0 {
		w.offset = min(w.offset, at)
		w.offset = max(w.offset, at-w.page+1)
	}
	w.offset = max(min(w.offset, len(w.order)-w.page), 0)
}

func (w *watchlist) empty(c *canvas) {
	lines := []string{"", ""}
	switch filter := w.filter.String(); {
	case filter != "":
		lines = append(lines, "no symbol and no company begins with “"+filter+"”", "esc clears the filter")
	case len(w.desk.Frame.Quotes) == 0:
		lines = append(lines, "waiting for the first tick", "it fills when the feed speaks", "6 shows what the feed does")
	case w.groups.chosen == groupStars:
		lines = append(lines, "no favourites yet", "f on a symbol makes it one; paste a list of symbols here")
	case w.groups.own():
		lines = append(lines, "this watchlist has no symbol that trades", "paste symbols here, or  :add AAPL MSFT")
	default:
		lines = append(lines, "nothing in this group yet")
	}
	for i, l := range lines {
		c.gap(3)
		if i < 3 {
			c.text(l)
		} else {
			c.muted(l)
		}
		c.end()
	}
}

func (w *watchlist) drawGroups(c *canvas) {
	c.gap(1)
	hint, n := "/ filter", 9
	if w.filtering || w.filter.String() != "" {
		n = max(min(width(w.filter.String())+3, c.width/2), 12)
	}
	w.groups.draw(c, c.width-n-1)
	c.to(c.width - n)
	switch {
	case w.filtering:
		c.put(c.on(Accent), "/")
		w.filter.draw(c, n-1)
	case w.filter.String() != "":
		c.put(c.on(Accent), "/")
		c.cell(c.on(Text), w.filter.String(), n-1)
	default:
		c.right(c.on(Muted), hint)
	}
	c.end()
}

// row draws one symbol.
func (w *watchlist) row(c *canvas, cols []columnSpec, q *live.Quote, id int32, selected bool) {
	c.set(Plain)
	mark, symbol := " ", c.on(Text)
	if selected {
		c.set(Selection)
		mark, symbol = "▌", c.bold(Text)
	}
	c.put(c.on(Accent), mark)
	star := " "
	if w.desk.State.favourite(q.Symbol) {
		star = "★"
	}
	c.put(c.on(Accent), star)
	grave, asks := w.desk.alerts.ofSymbol(q.Symbol)
	switch {
	case asks:
		glyph, role := severityGlyph(grave)
		c.put(c.on(role), glyph)
	case q.Alerts > 0: // acknowledged, or for information
		c.put(c.on(Muted), "·")
	default:
		c.gap(1)
	}
	_, share := q.Change()
	direction := Direction(math.Round(share * 1e4))
	for i := range cols {
		s := &cols[i]
		switch s.column {
		case columnSymbol:
			c.cell(symbol, q.Symbol, s.width)
		case columnLast:
			ink := c.on(Text)
			if m, ok := w.flash[id]; ok {
				if ink = c.bold(Down); m.up {
					ink = c.bold(Up)
				}
			}
			c.number(ink, priceWithin(q.Last, q.Decimals, s.width-2), s.width-2)
			c.gap(1)
			c.put(c.on(direction), arrow(math.Round(share*1e4)))
		case columnChange:
			c.number(c.on(direction), signed(share*100, 2), s.width)
		case columnSpark:
			c.gap(2)
			w.spark = spark(q.Spark[max(len(q.Spark)-sparkValues, 0):], s.width-2, w.spark)
			ink := c.on(Muted)
			switch direction {
			case Up:
				ink = c.on(UpDim)
			case Down:
				ink = c.on(DownDim)
			}
			for _, h := range w.spark {
				c.put(ink, levels[h])
			}
		default:
			text, ink := s.text(w.desk, q), c.on(Muted)
			if s.column.forecast() && text != "" && !w.doubted(&q.Predicted) {
				ink = c.on(Predict)
			}
			if s.left {
				c.gap(2)
				c.cell(ink, text, s.width-2)
			} else {
				c.number(ink, text, s.width)
			}
		}
	}
	c.end()
	c.set(Plain)
}
