package tui

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// View draws tabs, editor and result.
func (v *sqlView) View(w, h int) string {
	c := newCanvas(v.desk.Theme, w, h)
	t := v.tab()
	if h >= 8 {
		v.drawTabs(c)
	}
	high := v.editorLines(h)
	top := c.y
	if preview := v.pick.preview(); preview != "" {
		newEditor(preview).draw(c, high, false, -1)
	} else {
		t.editor.draw(c, high, v.writing && v.ask == nil && v.pick == nil, t.mistake())
	}
	for c.y < top+high && !c.full() {
		c.end()
	}
	if v.ask != nil {
		v.ask.draw(c)
	}
	if v.pick != nil {
		v.pick.draw(c)
		return c.String()
	}
	v.drawRule(c)
	v.drawFailure(c)
	v.drawResult(c)
	out := c.String()
	if v.writing && v.popup.open() && v.ask == nil {
		out = v.drawPopup(out, w, h, top, high)
	}
	return out
}

// mistake is where the database found one, while the text is still that.
func (t *sqlTab) mistake() int {
	if t.wrong >= 0 && t.wrongAt == t.editor.version {
		return t.wrong
	}
	return -1
}

// editorLines is the editor's share of the height: what the text needs, more
// while one writes, but the result keeps half at least.
func (v *sqlView) editorLines(h int) int {
	t := v.tab()
	most := max(h*2/5, 3)
	least := min(max(h/6, 2), 6)
	if t.grid == nil && t.plan == nil {
		most = max(h/2, 3)
	}
	return max(min(t.editor.lines(), most), least)
}

func (v *sqlView) drawTabs(c *canvas) {
	c.gap(1)
	for i, t := range v.tabs {
		name := t.title()
		if c.room() < width(name)+6 {
			c.muted("…")
			break
		}
		ink := c.on(Muted)
		if i == v.current {
			ink = c.bold(Accent)
		}
		c.put(ink, name)
		if t.run != nil {
			c.put(c.on(Accent), " ·")
		}
		c.gap(2)
	}
	if note := v.engineNote() + " · read only · times in UTC "; c.room() > width(note)+2 {
		c.right(c.on(Muted), note)
	}
	c.end()
}

// engineNote says whose SQL is taken, or who answers.
func (v *sqlView) engineNote() string {
	if e, ok := v.desk.Data.SQL.(SQLEngines); ok && e.Engine() != e.Engines()[0] {
		return "engine " + e.Engine()
	}
	return "athena sql"
}

func (q *sqlAsk) draw(c *canvas) {
	c.set(Selection)
	c.put(c.on(Accent), "▌")
	c.put(c.bold(Accent), q.label)
	c.gap(1)
	note := 0
	if c.room() > width(q.note)+40 {
		note = width(q.note) + 2
	}
	q.field.draw(c, c.room()-note-1)
	if note > 0 {
		c.right(c.on(Muted), q.note+" ")
	}
	c.end()
	c.set(Plain)
}

// drawRule is the line between editor and result, with what is known of the rows.
func (v *sqlView) drawRule(c *canvas) {
	t := v.tab()
	rule := func(n int) { c.put(c.on(Hairline), strings.Repeat(glyphRule, max(n, 0))) }
	rule(2)
	c.gap(1)
	right := ""
	if g := t.grid; g != nil && t.plan == nil && t.chart == nil && g.sort >= 0 && g.sort < len(g.columns) {
		mark := " ▴"
		if g.reverse {
			mark = " ▾"
		}
		right = "sorted by " + wholeCell(g.rows.head.Columns[g.sort].Name, 24) + mark
	}
	switch {
	case t.run != nil:
		v.drawProgress(c, t.run, "running")
		right = ""
	case t.exporting != nil:
		v.drawProgress(c, t.exporting, "exporting")
		right = ""
	case t.plan != nil:
		c.muted("plan · " + latency(t.plan.elapsed))
	case t.grid != nil:
		c.cell(c.on(Muted), t.facts(), min(width(t.facts()), c.room()-2))
	default:
		c.muted("no result yet")
	}
	c.gap(1)
	if right != "" && c.room() > width(right)+8 {
		rule(c.room() - width(right) - 5)
		c.gap(1)
		c.put(c.on(Accent), right)
		c.gap(1)
	}
	rule(c.room())
	c.end()
}

// drawProgress says how long something runs, and how far it is.
func (v *sqlView) drawProgress(c *canvas, r *sqlRun, what string) {
	c.put(c.bold(Accent), what)
	c.put(c.on(Text), " "+span(v.desk.Now().Sub(r.started)))
	c.gap(2)
	if share, ok := r.progress.Share(); ok {
		const bar = 20
		n := int(share * bar)
		c.put(c.on(Accent), strings.Repeat("█", n))
		c.put(c.on(Hairline), strings.Repeat("░", bar-n))
		c.gap(1)
		c.number(c.on(Text), plainNumber(int(share*100))+" %", 5)
		c.gap(1)
	}
	if r.reading && r.plan == nil {
		if g := v.tab().grid; g != nil {
			c.muted(plural(g.rows.count, "row") + " so far ")
		}
	}
	c.put(c.on(Accent), "esc")
	c.muted(" stops it")
}

// facts are the result in words: 780 rows · 41 ms · 2.1 MB read.
func (t *sqlTab) facts() string {
	g, r := t.grid, &t.result
	n := g.rows.count
	rows := plural(n, "row")
	switch {
	case r.stopped:
		rows = "stopped: the first " + rows
	case r.capped && r.total >= 0:
		rows = "the first " + integer(int64(n)) + " of " + integer(r.total) + " rows, x exports all"
	case r.capped && r.counting:
		rows = "the first " + integer(int64(n)) + " rows, counting all …"
	case r.capped:
		rows = "the first " + integer(int64(n)) + " rows of more, x exports all"
	}
	s := rows + " · " + latency(g.rows.head.Elapsed)
	if g.rows.head.Cost != "" {
		s += " · " + g.rows.head.Cost
	} else if g.rows.head.Scanned > 0 {
		s += " · " + bytesize(g.rows.head.Scanned) + " read"
	}
	if r.old {
		s += " · of the query before"
	}
	return s
}

// drawFailure says what is wrong with the statement, in the database's words.
func (v *sqlView) drawFailure(c *canvas) {
	t := v.tab()
	if t.exported != "" {
		c.gap(1)
		c.put(c.on(Up), "✓ ")
		c.text(t.exported)
		c.end()
		c.gap(3)
		c.put(c.on(Accent), t.fetch)
		c.end()
	}
	if t.failed == "" {
		return
	}
	lines := wrapCells(strings.ToValidUTF8(t.failed, "·"), max(c.width-4, 10))
	most := max(c.left()/2, 3)
	for i, l := range lines {
		if c.full() {
			return
		}
		if i == most-1 && len(lines) > most {
			c.gap(3)
			c.muted("…")
			c.end()
			break
		}
		c.gap(1)
		if i == 0 {
			c.put(c.bold(Down), "✗ ")
		} else {
			c.gap(2)
		}
		c.put(c.on(Text), l)
		c.end()
	}
}

func (v *sqlView) drawResult(c *canvas) {
	t := v.tab()
	high := c.left() - 1
	if high < 1 {
		return
	}
	foot := ""
	switch {
	case v.reader != nil:
		v.reader.draw(c, high)
		foot = v.reader.title + v.reader.place()
	case t.plan != nil:
		t.plan.draw(c, high)
		foot = t.plan.title + t.plan.place()
	case t.grid == nil:
		v.drawEmpty(c)
	case t.chart != nil:
		t.chart.draw(c, t.grid.rows.head, high)
	default:
		v.drawGrid(c, high)
		return
	}
	for c.left() > 1 {
		c.end()
	}
	if foot != "" {
		c.gap(1)
		c.muted(foot)
		c.end()
	}
}

// place says which lines of a longer text are seen.
func (r *sqlReader) place() string {
	if len(r.made) <= r.page {
		return ""
	}
	top := max(min(r.top, len(r.made)-r.page), 0)
	return " · lines " + plainNumber(top+1) + "–" + plainNumber(min(top+r.page, len(r.made))) + " of " + plainNumber(len(r.made))
}

func (v *sqlView) drawGrid(c *canvas, high int) {
	t := v.tab()
	g := t.grid
	searching := g.search.String() != ""
	if g.rows.count == 0 && t.run == nil {
		g.draw(c, min(high, 2), false)
		c.gap(1)
		c.muted("no rows: nothing matches the conditions")
		c.end()
	} else {
		g.draw(c, high, !v.writing)
	}
	for c.left() > 1 {
		c.end()
	}
	c.gap(1)
	if n := g.seen(); n > 0 {
		from := g.top + 1
		to := min(g.top+g.page, n)
		c.muted(plainNumber(from) + "–" + plainNumber(to) + " of " + plainNumber(n))
		if searching {
			c.muted(" found among " + plainNumber(g.ordered))
		}
	} else if searching {
		c.muted("no row has these words")
	}
	if len(g.columns) > 0 && !v.writing && n80(c) {
		head := g.rows.head.Columns[g.column]
		c.gap(3)
		c.muted(wholeCell(head.Name, 24) + ", column " + plainNumber(g.column+1) + " of " + plainNumber(len(g.columns)))
	}
	if g.finding || searching {
		c.gap(3)
		c.put(c.bold(Accent), "/")
		if g.finding {
			g.search.draw(c, min(max(c.room()-2, 1), 40))
		} else {
			c.text(wholeCell(g.search.String(), 30))
			c.muted("  esc shows all")
		}
	}
	c.end()
}

func n80(c *canvas) bool { return c.room() > 50 }

// drawEmpty says what can be done where no result is yet.
func (v *sqlView) drawEmpty(c *canvas) {
	t := v.tab()
	if t.run != nil || t.failed != "" {
		return
	}
	c.end()
	for _, l := range [...][2]string{
		{"r", "runs the query, also ctrl-j while you write, or ; then enter"},
		{"c", "then draws the result, where it has a time"},
		{"e", "writes: tab completes, ctrl-r finds what was run before"},
		{"o", "opens what :save or :share NAME has kept; $names in it are asked for"},
		{"n", "another query beside this one, m goes from one to the next"},
	} {
		c.gap(3)
		c.put(c.bold(Accent), l[0])
		c.gap(2)
		c.cell(c.on(Muted), l[1], c.room()-1)
		c.end()
	}
	if len(v.tables) == 0 {
		return
	}
	c.end()
	for _, table := range v.tables {
		if c.left() < 2 {
			return
		}
		c.gap(3)
		c.put(c.on(Text), table.Name)
		c.to(18)
		names := make([]string, len(table.Columns))
		for i, col := range table.Columns {
			names[i] = col.Name
		}
		c.cell(c.on(Muted), strings.Join(names, " "), c.room()-1)
		c.end()
	}
}

// drawPopup lays the completions over the lines under the cursor.
func (v *sqlView) drawPopup(out string, w, h, top, high int) string {
	p := &v.popup
	e := v.tab().editor
	line, _ := e.place(e.cursor)
	_, column := e.place(p.from)
	gutter := max(len(plainNumber(e.lines())), 2) + 3
	y := top + line - e.top + 1
	n := min(len(p.choices), sqlChoicesShown, max(h-y-1, 0))
	first := 0
	if p.chosen >= n {
		first = p.chosen - n + 1
	}
	if n == 0 {
		return out
	}
	text, kind, note := 0, 0, 0
	for _, c := range p.choices[first : first+n] {
		text, kind, note = max(text, width(c.text)), max(kind, width(c.kind)), max(note, width(c.note))
	}
	text, note = min(text, 28), min(note, 34)
	wide := min(text+kind+note+6, w)
	x := max(min(column-e.left+gutter-1, w-wide), 0)
	c := newCanvas(v.desk.Theme, wide, n)
	c.set(Selection)
	for i := first; i < first+n; i++ {
		ch := p.choices[i]
		mark, ink := " ", c.on(Text)
		if i == p.chosen || p.chosen < 0 && i == 0 {
			ink = c.bold(Text)
		}
		if i == p.chosen {
			mark, ink = "▌", c.bold(Accent)
		}
		c.put(c.on(Accent), mark)
		c.cell(ink, wholeCell(ch.text, text), text+1)
		c.cell(c.on(Muted), ch.kind, kind+2)
		c.cell(c.on(Muted), wholeCell(ch.note, max(c.room()-1, 0)), c.room()-1)
		c.end()
	}
	lines := strings.Split(out, "\n")
	for i, over := range strings.Split(c.String(), "\n") {
		if k := y + i; k < len(lines) {
			lines[k] = ansi.Truncate(lines[k], x, "") + reset + over + reset + ansi.TruncateLeft(lines[k], x+wide, "")
		}
	}
	return strings.Join(lines, "\n")
}
