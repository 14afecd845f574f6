package tui

import (
	"strings"
	"unicode"

	tea "charm.land/bubbletea/v2"
)

// editor is a text of several lines being written. Its cursor is always
// between two runes of the text, whatever key comes.
type editor struct {
	runes  []rune
	cursor int
	goal   int // column that moving up and down keeps to; -1 is none

	done, undone []edit
	typing       bool // the last edit was a rune typed, which the next joins

	version int // grows with every change of the text
	lexed   int // version that tokens are of
	tokens  []sqlToken

	top, left int // first line and column that are seen
}

// edit is one change: at, was gave way to now.
type edit struct {
	at       int
	was, now []rune
	before   int // the cursor
}

const (
	maxEditor = 200_000 // runes; below what the store takes
	maxUndo   = 1_000
	tabWidth  = 2
)

func newEditor(text string) *editor {
	e := &editor{goal: -1, lexed: -1}
	e.runes = cleanText(text)
	e.cursor = len(e.runes)
	return e
}

func (e *editor) String() string { return string(e.runes) }

// cleanText is s without what could steer a terminal or not be seen: controls,
// directions, joiners. Lines end with \n, tabs become spaces.
func cleanText(s string) []rune {
	out := make([]rune, 0, min(len(s), maxEditor))
	s = strings.ReplaceAll(s, "\r\n", "\n")
	for _, r := range s {
		switch {
		case r == '\n' || r == '\r' || r == '\u2028' || r == '\u2029':
			out = append(out, '\n')
		case r == '\t':
			out = append(out, ' ', ' ')
		case r == '\u00a0':
			out = append(out, ' ') // from web pages; SQL does not take it for a space
		case unicode.IsControl(r) || runeWidth(r) == 0:
		default:
			out = append(out, r)
		}
		if len(out) > maxEditor {
			return out[:maxEditor]
		}
	}
	return out
}

// lex is the text in tokens.
func (e *editor) lex() []sqlToken {
	if e.lexed != e.version {
		e.tokens, e.lexed = lexSQL(e.runes, e.tokens), e.version
	}
	return e.tokens
}

// replace puts now in place of runes[from:to]; false where that is too long.
func (e *editor) replace(from, to int, now []rune) bool {
	if len(e.runes)-(to-from)+len(now) > maxEditor {
		return false
	}
	e.done = append(e.done, edit{at: from, was: append([]rune(nil), e.runes[from:to]...), now: append([]rune(nil), now...), before: e.cursor})
	if len(e.done) > maxUndo {
		e.done = append(e.done[:0], e.done[len(e.done)-maxUndo:]...)
	}
	e.undone, e.typing = nil, false
	e.splice(from, to, now)
	return true
}

func (e *editor) splice(from, to int, now []rune) {
	out := make([]rune, 0, len(e.runes)-(to-from)+len(now)+64)
	out = append(append(append(out, e.runes[:from]...), now...), e.runes[to:]...)
	e.runes, e.cursor, e.goal = out, from+len(now), -1
	e.version++
}

// setText replaces all, as one step that can be undone.
func (e *editor) setText(s string) {
	if text := cleanText(s); string(text) != string(e.runes) {
		e.replace(0, len(e.runes), text)
	}
}

func (e *editor) undo() bool {
	n := len(e.done)
	if n == 0 {
		return false
	}
	c := e.done[n-1]
	e.done, e.typing = e.done[:n-1], false
	e.splice(c.at, c.at+len(c.now), c.was)
	e.cursor = c.before
	e.undone = append(e.undone, c)
	return true
}

func (e *editor) redo() bool {
	n := len(e.undone)
	if n == 0 {
		return false
	}
	c := e.undone[n-1]
	e.undone, e.typing = e.undone[:n-1], false
	e.splice(c.at, c.at+len(c.was), c.now)
	e.done = append(e.done, c)
	return true
}

// insert writes at the cursor; runes typed one after another are one step of undo.
func (e *editor) insert(s string, typed bool) bool {
	in := cleanText(s)
	if len(in) == 0 {
		return true
	}
	if typed && e.typing && len(in) == 1 && len(e.runes) < maxEditor {
		if last := &e.done[len(e.done)-1]; last.at+len(last.now) == e.cursor && (in[0] != ' ' || last.now[len(last.now)-1] == ' ') {
			last.now = append(last.now, in[0])
			e.undone = nil
			e.splice(e.cursor, e.cursor, in)
			return true
		}
	}
	if !e.replace(e.cursor, e.cursor, in) {
		return false
	}
	e.typing = typed && in[len(in)-1] != '\n'
	return true
}

func (e *editor) cut(from, to int) {
	if from, to = max(from, 0), min(to, len(e.runes)); from < to {
		e.replace(from, to, nil)
	}
}

// newline begins a line that is indented like the one before.
func (e *editor) newline() {
	from := e.lineStart(e.cursor)
	n := from
	for n < e.cursor && e.runes[n] == ' ' {
		n++
	}
	e.insert("\n"+string(e.runes[from:n]), false)
}

func (e *editor) lineStart(at int) int {
	for at > 0 && e.runes[at-1] != '\n' {
		at--
	}
	return at
}

func (e *editor) lineEnd(at int) int {
	for at < len(e.runes) && e.runes[at] != '\n' {
		at++
	}
	return at
}

func (e *editor) move(to int) {
	e.cursor, e.goal, e.typing = max(min(to, len(e.runes)), 0), -1, false
}

// vertical moves n lines, to the column that one came from; false at an end.
func (e *editor) vertical(n int) bool {
	start := e.lineStart(e.cursor)
	if e.goal < 0 {
		e.goal = width(string(e.runes[start:e.cursor]))
	}
	goal, at, moved := e.goal, start, false
	for ; n < 0 && at > 0; n++ {
		at, moved = e.lineStart(at-1), true
	}
	for ; n > 0; n-- {
		end := e.lineEnd(at)
		if end == len(e.runes) {
			break
		}
		at, moved = end+1, true
	}
	if !moved {
		return false
	}
	to, x := at, 0
	for to < len(e.runes) && e.runes[to] != '\n' {
		if x += runeWidth(e.runes[to]); x > goal {
			break
		}
		to++
	}
	e.cursor, e.goal, e.typing = to, goal, false
	return true
}

func wordRune(r rune) bool { return sqlLetter(r) || digit(r) || r == '$' }

// wordLeft is where the word before at begins, wordRight where the next ends.
func (e *editor) wordLeft(at int) int {
	for at > 0 && !wordRune(e.runes[at-1]) {
		at--
	}
	for at > 0 && wordRune(e.runes[at-1]) {
		at--
	}
	return at
}

func (e *editor) wordRight(at int) int {
	for at < len(e.runes) && !wordRune(e.runes[at]) {
		at++
	}
	for at < len(e.runes) && wordRune(e.runes[at]) {
		at++
	}
	return at
}

// key takes a key that no action has taken. full is that the text has no more
// room; ok is false where the key means nothing here.
func (e *editor) key(k tea.Key) (ok, full bool) {
	switch k.String() {
	case "backspace", "ctrl+h":
		from := e.cursor - 1
		// Within the indent a step goes back.
		if start := e.lineStart(e.cursor); e.cursor-start >= tabWidth && strings.TrimLeft(string(e.runes[start:e.cursor]), " ") == "" && (e.cursor-start)%tabWidth == 0 {
			from = e.cursor - tabWidth
		}
		e.cut(from, e.cursor)
	case "delete", "ctrl+d":
		e.cut(e.cursor, e.cursor+1)
	case "ctrl+w", "alt+backspace":
		e.cut(e.wordLeft(e.cursor), e.cursor)
	case "alt+d":
		e.cut(e.cursor, e.wordRight(e.cursor))
	case "ctrl+u":
		e.cut(e.lineStart(e.cursor), e.cursor)
	case "ctrl+k":
		if end := e.lineEnd(e.cursor); end > e.cursor {
			e.cut(e.cursor, end)
		} else {
			e.cut(e.cursor, e.cursor+1)
		}
	case "left", "ctrl+b":
		e.move(e.cursor - 1)
	case "right", "ctrl+f":
		e.move(e.cursor + 1)
	case "home", "ctrl+a":
		e.move(e.lineStart(e.cursor))
	case "end", "ctrl+e":
		e.move(e.lineEnd(e.cursor))
	case "ctrl+left", "alt+left", "alt+b":
		e.move(e.wordLeft(e.cursor))
	case "ctrl+right", "alt+right", "alt+f":
		e.move(e.wordRight(e.cursor))
	case "ctrl+home", "alt+<":
		e.move(0)
	case "ctrl+end", "alt+>":
		e.move(len(e.runes))
	case "pgup":
		e.vertical(-10)
	case "pgdown":
		e.vertical(10)
	default:
		if k.Text == "" || k.Mod&(tea.ModCtrl|tea.ModAlt) != 0 {
			return false, false
		}
		return true, !e.insert(k.Text, true)
	}
	return true, false
}

// place is the line and column of an offset, both from 0; the column in cells.
func (e *editor) place(at int) (line, column int) {
	start := 0
	for i, r := range e.runes[:min(at, len(e.runes))] {
		if r == '\n' {
			line, start = line+1, i+1
		}
	}
	return line, width(string(e.runes[start:min(at, len(e.runes))]))
}

func (e *editor) lines() int {
	n := 1
	for _, r := range e.runes {
		if r == '\n' {
			n++
		}
	}
	return n
}

// bracket finds the bracket at the cursor, or before it, and its partner;
// partner is -1 where there is none, at where there is no bracket.
func (e *editor) bracket() (at, partner int) {
	const opens, closes = "([{", ")]}"
	tokens := e.lex()
	find := func(at int) int {
		for i := range tokens {
			if tokens[i].kind == sqlSymbol && tokens[i].from == at && strings.ContainsRune(opens+closes, e.runes[at]) {
				return i
			}
		}
		return -1
	}
	i := find(e.cursor)
	if i < 0 {
		i = find(e.cursor - 1)
	}
	if i < 0 {
		return -1, -1
	}
	at = tokens[i].from
	step := 1
	if strings.ContainsRune(closes, e.runes[at]) {
		step = -1
	}
	var stack []rune
	for ; i >= 0 && i < len(tokens); i += step {
		if tokens[i].kind != sqlSymbol {
			continue
		}
		r := e.runes[tokens[i].from]
		o, c := strings.IndexRune(opens, r), strings.IndexRune(closes, r)
		if step < 0 {
			o, c = c, o
		}
		switch {
		case o >= 0:
			stack = append(stack, rune(o))
		case c >= 0:
			if len(stack) == 0 || stack[len(stack)-1] != rune(c) {
				return at, -1
			}
			if stack = stack[:len(stack)-1]; len(stack) == 0 {
				return at, tokens[i].from
			}
		}
	}
	return at, -1
}

// scroll keeps the cursor within high lines of wide cells.
func (e *editor) scroll(wide, high int) {
	line, column := e.place(e.cursor)
	e.top = max(min(e.top, line), line-high+1, 0)
	e.top = max(min(e.top, e.lines()-high), 0)
	if column < e.left+4 {
		e.left = max(column-8, 0)
	}
	if column >= e.left+wide-1 {
		e.left = column - wide + 9
	}
	if column < wide-1 {
		e.left = 0
	}
}

// inkOf is the colour of a token.
func (e *editor) inkOf(c *canvas, k sqlKind) Ink {
	switch k {
	case sqlKeyword:
		if c.theme.Mode <= Color16 {
			return c.bold(Predict)
		}
		return c.on(Predict)
	case sqlFunction:
		return c.on(Up)
	case sqlString, sqlParameter:
		return c.on(Accent)
	case sqlComment:
		return c.on(Muted)
	}
	return c.on(Text)
}

// draw writes high lines, numbered. active shows the cursor; wrong is the
// offset where the database found a mistake, -1 for none.
func (e *editor) draw(c *canvas, high int, active bool, wrong int) {
	count := e.lines()
	gutter := max(len(plainNumber(count)), 2) + 3
	wide := max(c.width-gutter-1, 1)
	e.scroll(wide, high)
	if !active && wrong < 0 {
		e.left = 0 // who only reads begins at the beginning
	}
	tokens := e.lex()
	open, partner := -1, -1
	if active {
		open, partner = e.bracket()
	}
	i, line := 0, 0
	for line < e.top {
		i = e.lineEnd(i) + 1
		line++
	}
	t := 0
	for ; line < min(count, e.top+high) && !c.full(); line++ {
		end := e.lineEnd(i)
		marked := wrong >= i && wrong <= end
		numberInk := c.on(Hairline)
		if c.theme.Mode <= Color16 {
			numberInk = c.on(Muted)
		}
		if marked {
			numberInk = c.bold(Down)
		}
		c.number(numberInk, plainNumber(line+1), gutter-1)
		switch {
		case marked:
			c.put(c.bold(Down), "›")
		case e.left > 0 && i < end:
			c.put(c.on(Muted), "…")
		default:
			c.gap(1)
		}
		x, left := 0, e.left
		for k := i; k <= end; k++ {
			for t < len(tokens) && tokens[t].to <= k {
				t++
			}
			at := active && k == e.cursor
			if k == end {
				if at && x >= left {
					c.put(Text.On(Caret), " ")
				} else if marked && wrong == end {
					c.put(c.bold(Down), "‹")
				}
				break
			}
			r := e.runes[k]
			w := runeWidth(r)
			if x < left {
				x += w
				continue
			}
			if c.room() <= w {
				c.put(c.on(Muted), "…")
				for t < len(tokens) && tokens[t].to <= end {
					t++
				}
				break
			}
			ink := e.inkOf(c, sqlSymbol)
			if t < len(tokens) {
				ink = e.inkOf(c, tokens[t].kind)
				if wrong >= tokens[t].from && wrong < tokens[t].to && tokens[t].kind != sqlSpace {
					ink = c.bold(Down)
				}
			}
			switch {
			case at:
				ink = Text.On(Caret)
			case k == open && partner < 0 && active:
				ink = c.bold(Down)
			case k == open || k == partner:
				ink = c.bold(Accent)
			}
			c.put(ink, string(r))
			x += w
		}
		c.end()
		i = end + 1
	}
}
