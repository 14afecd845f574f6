package tui

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"tapedeck/tui/chart"
)

// sqlRows are the rows of an answer that are kept: at most maxSQLRows, and at
// most maxSQLBytes of memory.
type sqlRows struct {
	head   SQLHead
	pages  []*SQLPage
	starts []int // row that each page begins with
	count  int
	bytes  int
}

const (
	maxSQLRows  = 100_000
	maxSQLBytes = 96 << 20
	sampled     = 400 // rows that widths and decimals are taken from
)

func (r *sqlRows) add(p *SQLPage) {
	if n := p.Rows(); n > 0 {
		r.pages, r.starts = append(r.pages, p), append(r.starts, r.count)
		r.count += n
		r.bytes += p.Size()
	}
}

func (r *sqlRows) cell(row, column int) (text []byte, null bool) {
	i, found := slices.BinarySearch(r.starts, row)
	if !found {
		i--
	}
	return r.pages[i].cell(row-r.starts[i], column)
}

// sqlClass is how a column's values are drawn and compared.
type sqlClass uint8

const (
	classText sqlClass = iota
	classInteger
	classReal
	classTime
)

func classOf(typ string) sqlClass {
	switch t := strings.ToUpper(typ); {
	case strings.HasSuffix(t, "]"), strings.HasPrefix(t, "STRUCT"), strings.HasPrefix(t, "MAP"):
	case strings.HasSuffix(t, "INT"), t == "INTEGER", t == "UINTEGER":
		return classInteger
	case t == "DOUBLE", t == "FLOAT", strings.HasPrefix(t, "DECIMAL"):
		return classReal
	case strings.HasPrefix(t, "TIMESTAMP"), t == "DATE", strings.HasPrefix(t, "TIME"):
		return classTime
	}
	return classText
}

// sqlGrid shows rows, scrolls both ways, sorts and searches.
type sqlGrid struct {
	desk    *Desk
	rows    *sqlRows
	columns []gridColumn
	order   []int32 // rows that are seen, in order; nil is all as they came
	ordered int     // rows that order was made of
	sort    int     // column, -1 is none
	reverse bool
	search  field
	finding bool // the search field has the keys
	request int  // of the ordering that was asked for last

	row, column int // the cursor
	top, left   int // what is seen first
	page        int // rows seen
}

// gridColumn is how one column is drawn.
type gridColumn struct {
	class    sqlClass
	width    int
	own      bool // width was chosen by the analyst
	decimals int  // of reals
	trim     int  // runes that all times end in alike: .000, 00:00:00.000
}

// ordered is the answer to an ordering: the rows to be seen.
type gridOrdered struct {
	request int
	order   []int32
	of      int
}

func newGrid(d *Desk, head SQLHead) *sqlGrid {
	g := &sqlGrid{desk: d, rows: &sqlRows{head: head}, sort: -1}
	for _, c := range head.Columns {
		g.columns = append(g.columns, gridColumn{class: classOf(c.Type)})
	}
	return g
}

// add takes a page; the first ones decide the widths.
func (g *sqlGrid) add(p *SQLPage) {
	before := g.rows.count
	g.rows.add(p)
	if before < sampled {
		g.measure()
	}
	g.widen(before)
}

// widen makes room for the figures of the rows from one on: a figure is never cut.
func (g *sqlGrid) widen(from int) {
	for i := range g.columns {
		c := &g.columns[i]
		if c.own || c.class != classInteger && c.class != classReal {
			continue
		}
		longest, row := 0, -1
		for r := from; r < g.rows.count; r++ {
			raw, null := g.rows.cell(r, i)
			n := len(raw)
			if dot := bytes.IndexByte(raw, '.'); dot >= 0 {
				n = dot
			}
			if !null && n > longest {
				longest, row = n, r
			}
		}
		if row >= 0 {
			c.width = max(c.width, min(width(g.text(row, i)), maxGridWidth))
		}
	}
}

const maxGridWidth = 48

func (g *sqlGrid) measure() {
	n := min(g.rows.count, sampled)
	for i := range g.columns {
		c := &g.columns[i]
		c.sample(g.rows, i, n)
		head := g.rows.head.Columns[i]
		w := max(width(head.Name)+1, width(strings.ToLower(head.Type)), 4)
		if len(head.Type) > 16 {
			w = max(width(head.Name)+1, 16)
		}
		for r := range n {
			w = max(w, width(g.text(r, i)))
		}
		if !c.own {
			c.width = min(w, maxGridWidth)
		}
	}
}

// sample finds how many decimals show every value to three digits at least,
// and what all times end in.
func (c *gridColumn) sample(rows *sqlRows, i, n int) {
	c.decimals, c.trim = 0, 0
	longest, small := 0, math.Inf(1)
	trim := -1
	for r := range n {
		text, null := rows.cell(r, i)
		if null {
			continue
		}
		switch c.class {
		case classReal:
			if v, err := strconv.ParseFloat(string(text), 64); err == nil && v != 0 && !math.IsInf(v, 0) {
				small = min(small, math.Abs(v))
			}
			if dot := bytes.IndexByte(text, '.'); dot >= 0 && !bytes.ContainsAny(text, "eE") {
				longest = max(longest, len(text)-dot-1)
			}
		case classTime:
			k := zeroTail(text)
			if trim < 0 || k < trim {
				trim = k
			}
		}
	}
	c.trim = max(trim, 0)
	need := 2
	if !math.IsInf(small, 0) {
		need = max(2-int(math.Floor(math.Log10(small))), 2)
	}
	if small < 1 {
		need = max(need, 4)
	}
	c.decimals = min(longest, need, 12)
}

// zeroTail is how much of a time can be left out without losing anything: the
// fraction's zeros, and the whole of a midnight.
func zeroTail(t []byte) int {
	for _, tail := range []string{" 00:00:00.000000", " 00:00:00.000", ".000000", ".000"} {
		if bytes.HasSuffix(t, []byte(tail)) {
			return len(tail)
		}
	}
	if len(t) == 26 && bytes.HasSuffix(t, []byte("000")) {
		return 3
	}
	return 0
}

// text of a cell as it is drawn; NULL is "".
func (g *sqlGrid) text(row, i int) string {
	raw, null := g.rows.cell(row, i)
	if null {
		return "null"
	}
	c := &g.columns[i]
	switch c.class {
	case classInteger:
		return chart.Group(string(raw))
	case classReal:
		v, err := strconv.ParseFloat(string(raw), 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return string(raw)
		}
		if a := math.Abs(v); a != 0 && (a >= 1e15 || a < 0.5*math.Pow10(-c.decimals)) {
			return strconv.FormatFloat(v, 'g', 4, 64)
		}
		return chart.Group(strconv.FormatFloat(v, 'f', c.decimals, 64))
	case classTime:
		if len(raw) > c.trim && zeroTail(raw) >= c.trim {
			raw = raw[:len(raw)-c.trim]
		}
		return string(raw)
	}
	if len(raw) > 4*maxGridWidth {
		raw = raw[:4*maxGridWidth]
	}
	if !utf8.Valid(raw) {
		return strings.ToValidUTF8(string(raw), "·")
	}
	return string(raw)
}

// seen is how many rows can be scrolled through.
func (g *sqlGrid) seen() int {
	if g.order != nil {
		return len(g.order)
	}
	return g.rows.count
}

// at is the row behind a place on the grid.
func (g *sqlGrid) at(i int) int {
	if g.order != nil {
		return int(g.order[i])
	}
	return i
}

// reorder asks for the rows in the order and with the words that are wanted.
func (g *sqlGrid) reorder() tea.Cmd {
	g.request = g.desk.Request()
	words := strings.ToLower(strings.TrimSpace(g.search.String()))
	if g.sort < 0 && words == "" {
		g.order, g.ordered = nil, g.rows.count
		g.settle()
		return nil
	}
	rows, column, reverse, request := *g.rows, g.sort, g.reverse, g.request // pages are never changed
	class := classText
	if column >= 0 {
		class = g.columns[column].class
	}
	return func() tea.Msg {
		return gridOrdered{request, orderRows(&rows, column, class, reverse, words), rows.count}
	}
}

func orderRows(rows *sqlRows, column int, class sqlClass, reverse bool, words string) []int32 {
	order := make([]int32, 0, rows.count)
	for r := range rows.count {
		if words == "" || rowHas(rows, r, words) {
			order = append(order, int32(r))
		}
	}
	if column < 0 {
		return order
	}
	type key struct {
		row    int32
		null   bool
		number float64
		text   []byte
	}
	keys := make([]key, len(order))
	for i, r := range order {
		text, null := rows.cell(int(r), column)
		keys[i] = key{row: r, null: null, text: text}
		if class == classInteger || class == classReal {
			keys[i].number, _ = strconv.ParseFloat(string(text), 64)
		}
	}
	slices.SortStableFunc(keys, func(a, b key) int {
		if a.null != b.null { // what is not there comes last, either way
			if a.null {
				return 1
			}
			return -1
		}
		n := cmp.Compare(a.number, b.number)
		if n == 0 {
			n = bytes.Compare(a.text, b.text)
			if class == classReal {
				n = 0
			}
		}
		if reverse {
			n = -n
		}
		return n
	})
	for i := range keys {
		order[i] = keys[i].row
	}
	return order
}

func rowHas(rows *sqlRows, r int, lower string) bool {
	for c := range rows.head.Columns {
		text, null := rows.cell(r, c)
		if !null && (bytes.Contains(text, []byte(lower)) || bytes.Contains(bytes.ToLower(text), []byte(lower))) {
			return true
		}
	}
	return false
}

func (g *sqlGrid) take(o gridOrdered) {
	if o.request == g.request {
		g.order, g.ordered = o.order, o.of
		if g.order == nil {
			g.order = []int32{}
		}
		g.settle()
	}
}

// settle keeps the cursor within what is there.
func (g *sqlGrid) settle() {
	g.row = max(min(g.row, g.seen()-1), 0)
	g.column = max(min(g.column, len(g.columns)-1), 0)
}

// do takes an action; false where it means nothing to a grid.
func (g *sqlGrid) do(a Action) (tea.Cmd, bool) {
	switch a {
	case MoveDown:
		g.row++
	case MoveUp:
		g.row--
	case HalfDown:
		g.row += max(g.page/2, 1)
	case HalfUp:
		g.row -= max(g.page/2, 1)
	case Top:
		g.row = 0
	case Bottom:
		g.row = g.seen() - 1
	case MoveLeft:
		g.column--
	case MoveRight:
		g.column++
	case ZoomIn, ZoomOut:
		if len(g.columns) == 0 {
			return nil, true
		}
		c := &g.columns[g.column]
		c.own = true
		if a == ZoomIn {
			c.width = min(c.width+4, 400)
		} else {
			c.width = max(c.width-4, 4)
		}
	case Sort:
		if len(g.columns) == 0 {
			return nil, true
		}
		// The same column again takes the order away.
		if g.sort == g.column {
			g.sort = -1
		} else {
			g.sort = g.column
			// Of figures the large ones are wanted, of all else the first.
			k := g.columns[g.column].class
			g.reverse = k == classInteger || k == classReal
		}
		g.row = 0
		return g.reorder(), true
	case Reverse:
		if len(g.columns) == 0 {
			return nil, true
		}
		if g.sort < 0 {
			g.sort = g.column
		} else {
			g.reverse = !g.reverse
		}
		return g.reorder(), true
	default:
		return nil, false
	}
	g.settle()
	return nil, true
}

// room of a column as drawn, with the gap after it.
const gridGap = 2

// scroll brings the cursor's row and column into a window.
func (g *sqlGrid) scroll(wide, high int) {
	g.page = max(high, 1)
	g.top = max(min(g.top, g.row), g.row-g.page+1, 0)
	g.top = max(min(g.top, g.seen()-g.page), 0)
	g.left = max(min(g.left, g.column), 0)
	for g.left < g.column {
		x := 1
		for i := g.left; i <= g.column; i++ {
			x += g.columns[i].width + gridGap
		}
		if x-gridGap <= wide {
			break
		}
		g.left++
	}
}

// draw writes heading and rows into what is left of the canvas but the last
// lines; focused shows the cursor.
func (g *sqlGrid) draw(c *canvas, high int, focused bool) {
	if len(g.columns) == 0 {
		return
	}
	types := 1
	if high < 8 {
		types = 0
	}
	g.scroll(c.width, high-1-types)
	last := g.left
	for x := 1 + g.columns[last].width; last+1 < len(g.columns); last++ {
		if x += gridGap + g.columns[last+1].width; x > c.width {
			break
		}
	}
	hidden := len(g.columns) - 1 - last
	c.gap(1)
	for i := g.left; i <= last; i++ {
		g.heading(c, i, focused)
	}
	if more := "›" + plainNumber(hidden); hidden > 0 && c.room() > width(more) {
		c.right(c.on(Accent), more)
	}
	c.end()
	if types > 0 {
		c.gap(1)
		for i := g.left; i <= last; i++ {
			typ := strings.ToLower(g.rows.head.Columns[i].Type)
			g.put(c, c.on(Muted), typ, i)
		}
		c.end()
	}
	for k := g.top; k < min(g.top+g.page, g.seen()) && !c.full(); k++ {
		g.line(c, k, last, focused)
	}
}

func (g *sqlGrid) heading(c *canvas, i int, focused bool) {
	ink := c.bold(Text)
	name := g.rows.head.Columns[i].Name
	if focused && i == g.column {
		ink = c.bold(Accent)
	}
	if i == g.sort {
		mark := "▴"
		if g.reverse {
			mark = "▾"
		}
		name = strings.TrimSuffix(wholeCell(name, g.columns[i].width-1), " ") + mark
		ink = c.bold(Accent)
	}
	g.put(c, ink, name, i)
}

// wholeCell is s in at most n cells.
func wholeCell(s string, n int) string {
	if width(s) <= n {
		return s
	}
	used := 0
	for k, r := range s {
		w := runeWidth(r)
		if used+w > n-1 {
			return s[:k] + "…"
		}
		used += w
	}
	return s
}

// put writes a text as the column stands: figures to the right, and never cut.
func (g *sqlGrid) put(c *canvas, ink Ink, s string, i int) {
	col := &g.columns[i]
	w := min(col.width, c.room())
	start := c.x
	switch {
	case col.class == classInteger || col.class == classReal:
		if width(s) > w {
			if s != "" && (digit(rune(s[0])) || s[0] == '-') {
				s = strings.Repeat("#", w)
			} else {
				s = wholeCell(s, w)
			}
		}
		c.number(ink, s, w)
	default:
		c.clip(ink, wholeCell(s, w), w)
	}
	c.to(start + w)
	if c.room() > 0 {
		c.gap(gridGap)
	}
}

func (g *sqlGrid) line(c *canvas, k, last int, focused bool) {
	mark := " "
	under := focused && k == g.row
	if under {
		c.set(Selection)
		mark = "▌"
	}
	c.put(c.on(Accent), mark)
	row := g.at(k)
	for i := g.left; i <= last; i++ {
		raw, null := g.rows.cell(row, i)
		ink := c.on(Text)
		s := ""
		switch {
		case null:
			ink, s = c.on(Hairline), "null"
			if c.theme.Mode <= Color16 || under {
				ink = c.on(Muted)
			}
		case len(raw) == 0:
			// An empty text is nothing, and is drawn as nothing.
		default:
			s = g.text(row, i)
			if g.columns[i].class == classTime {
				ink = c.on(Muted)
			}
		}
		if under && i == g.column {
			ink = c.bold(Accent)
			if null {
				ink = c.bold(Muted)
			}
			if s == "" {
				s = "''"
				ink = c.on(Muted)
			}
		}
		g.put(c, ink, s, i)
	}
	c.end()
	c.set(Plain)
}

// under is the cell under the cursor, as the database gave it.
func (g *sqlGrid) under() (text string, null, ok bool) {
	if g.seen() == 0 || len(g.columns) == 0 {
		return "", false, false
	}
	raw, null := g.rows.cell(g.at(g.row), g.column)
	return string(raw), null, true
}

// tsv is rows from … to as lines with tabs, as spreadsheets paste them.
func (g *sqlGrid) tsv(from, to int, heading bool) string {
	var b strings.Builder
	plain := strings.NewReplacer("\t", " ", "\n", " ", "\r", " ")
	if heading {
		for i, c := range g.rows.head.Columns {
			if i > 0 {
				b.WriteByte('\t')
			}
			b.WriteString(plain.Replace(c.Name))
		}
		b.WriteByte('\n')
	}
	for k := from; k < min(to, g.seen()); k++ {
		for i := range g.columns {
			if i > 0 {
				b.WriteByte('\t')
			}
			if raw, null := g.rows.cell(g.at(k), i); !null {
				b.WriteString(plain.Replace(string(raw)))
			}
		}
		if heading {
			b.WriteByte('\n')
		}
	}
	return b.String()
}
