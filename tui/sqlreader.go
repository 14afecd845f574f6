package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"
)

// sqlReader shows a text longer than a cell: a value, a row, a plan.
type sqlReader struct {
	title string
	text  string // what y copies
	lines []readerLine
	wrap  bool
	top   int
	page  int
	wide  int // that lines were made for
	made  []readerLine
}

// readerLine is a name and its text; a name of "" goes on with the line before.
type readerLine struct {
	name, text string
	role       Role
	strong     bool
}

func (v *sqlView) readerDo(r *sqlReader, a Action, done func()) tea.Cmd {
	switch a {
	case MoveDown:
		r.top++
	case MoveUp:
		r.top--
	case HalfDown:
		r.top += max(r.page/2, 1)
	case HalfUp:
		r.top -= max(r.page/2, 1)
	case Top:
		r.top = 0
	case Bottom:
		r.top = len(r.made)
	case Copy:
		v.desk.Post(CopyText{r.text, r.title})
	case MoveLeft, MoveRight:
		if v.reader == r { // the neighbour's cell
			v.tab().grid.do(a)
			v.openCell()
		}
	case Escape, Enter:
		done()
	}
	r.top = max(min(r.top, len(r.made)-r.page), 0)
	return nil
}

// openCell shows the whole row, the cell under the cursor first.
func (v *sqlView) openCell() {
	g := v.tab().grid
	text, null, ok := g.under()
	if !ok {
		return
	}
	head := g.rows.head.Columns
	r := &sqlReader{title: "row " + plainNumber(g.row+1) + " of " + plainNumber(g.seen()), text: text, wrap: true}
	line := func(i int, strong bool) {
		raw, null := g.rows.cell(g.at(g.row), i)
		l := readerLine{name: head[i].Name, text: strings.ToValidUTF8(string(raw), "·"), role: Text, strong: strong}
		switch {
		case null:
			l.text, l.role = "null", Muted
		case len(raw) == 0:
			l.text, l.role = "'' (empty)", Muted
		case len(raw) == MaxSQLCell:
			l.text += " … (an export has all of it)"
		}
		if l.strong {
			l.name += "  " + strings.ToLower(head[i].Type)
		}
		r.lines = append(r.lines, l)
	}
	if null {
		r.text = ""
	}
	line(g.column, true)
	r.lines = append(r.lines, readerLine{name: " "})
	for i := range head {
		if i != g.column {
			line(i, false)
		}
	}
	v.reader = r
}

// isPlan says whether an answer is what EXPLAIN gives.
func isPlan(h SQLHead) bool {
	return len(h.Columns) == 2 && h.Columns[0].Name == "explain_key" && h.Columns[1].Name == "explain_value"
}

func planOf(g *sqlGrid) *sqlReader {
	r := &sqlReader{title: "the plan"}
	if !isPlan(g.rows.head) {
		return nil
	}
	for i := range g.rows.count {
		text, _ := g.rows.cell(i, 1)
		for l := range strings.SplitSeq(strings.TrimRight(string(text), "\n"), "\n") {
			r.lines = append(r.lines, readerLine{text: strings.TrimRight(l, " "), role: Text})
			r.text += strings.TrimRight(l, " ") + "\n"
		}
	}
	return r
}

// make breaks the lines to a width.
func (r *sqlReader) make(wide int) {
	if r.wide == wide && r.made != nil {
		return
	}
	r.wide, r.made = wide, r.made[:0]
	names := 0
	for _, l := range r.lines {
		if !l.strong {
			names = max(names, width(l.name))
		}
	}
	names = min(names, wide/3)
	for _, l := range r.lines {
		if !r.wrap {
			r.made = append(r.made, l)
			continue
		}
		if l.strong {
			r.made = append(r.made, readerLine{name: l.name, strong: true})
			for _, part := range wrapCells(l.text, max(wide-4, 8)) {
				r.made = append(r.made, readerLine{text: "  " + part, role: l.role, strong: true})
			}
			continue
		}
		for i, part := range wrapCells(l.text, max(wide-names-5, 8)) {
			name := ""
			if i == 0 {
				name = l.name
			}
			name = wholeCell(name, names)
			r.made = append(r.made, readerLine{name: name + strings.Repeat(" ", names-width(name)+2), text: part, role: l.role})
		}
	}
}

// wrapCells breaks a text at line ends, at spaces where it can, and at n cells.
func wrapCells(s string, n int) []string {
	var out []string
	const most = 5_000 // lines
	for line := range strings.SplitSeq(s, "\n") {
		line = strings.ReplaceAll(line, "\t", "  ")
		for len(out) < most {
			cut, used, space := len(line), 0, -1
			for i, r := range line {
				if used += runeWidth(r); used > n {
					cut = i
					break
				}
				if r == ' ' && i > 0 {
					space = i
				}
			}
			if cut == len(line) {
				break
			}
			if space > cut/2 {
				out = append(out, line[:space])
				line = line[space+1:]
				continue
			}
			out = append(out, line[:max(cut, 1)])
			line = line[max(cut, 1):]
		}
		out = append(out, line)
	}
	return out
}

// draw fills what is left of the canvas with the lines, from top on.
func (r *sqlReader) draw(c *canvas, high int) {
	r.make(c.width - 2)
	r.page = max(high, 1)
	top := max(min(r.top, len(r.made)-r.page), 0)
	for i := top; i < min(top+high, len(r.made)) && !c.full(); i++ {
		l := r.made[i]
		c.gap(1)
		switch {
		case l.strong && l.name != "":
			c.put(c.bold(Accent), l.name)
		case l.name != "":
			c.put(c.on(Muted), l.name)
		}
		c.put(c.on(l.role), l.text)
		c.end()
	}
}
