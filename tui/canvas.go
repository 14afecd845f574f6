package tui

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// canvas writes a pane line by line. It knows where it is, so that no line
// ever becomes wider than the pane, and it is the only way onto the screen:
// put leaves out what a terminal could take for a command. An ink is written
// only where it changes, so that a row costs a few sequences, not one a cell.
type canvas struct {
	theme         *Theme
	width, height int
	buf           []byte
	x, y          int // where the next text goes; y counts finished lines
	ink           Ink
	inked         bool
	ground        Ground // of what end fills the line with
}

func newCanvas(t *Theme, width, height int) *canvas {
	return &canvas{theme: t, width: max(width, 0), height: max(height, 0), buf: make([]byte, 0, width*height*2+256)}
}

// left is how many lines are still empty.
func (c *canvas) left() int { return c.height - c.y }

func (c *canvas) use(i Ink) {
	if !c.inked || c.ink != i {
		c.buf = append(c.buf, c.theme.sgr[i]...)
		c.ink, c.inked = i, true
	}
}

func (c *canvas) on(r Role) Ink      { return r.On(c.ground) }
func (c *canvas) bold(r Role) Ink    { return r.On(c.ground).Bold() }
func (c *canvas) room() int          { return c.width - c.x }
func (c *canvas) text(s string)      { c.put(c.on(Text), s) }
func (c *canvas) muted(s string)     { c.put(c.on(Muted), s) }
func (c *canvas) full() bool         { return c.y >= c.height }
func (c *canvas) set(g Ground)       { c.ground = g }
func (c *canvas) gap(n int)          { c.to(c.x + n) }
func (c *canvas) fits(s string) bool { return width(s) <= c.room() }

// put writes s, cut at the pane's edge.
func (c *canvas) put(i Ink, s string) { c.clip(i, s, c.room()) }

// clip writes at most n cells of s and says how many it took.
func (c *canvas) clip(i Ink, s string, n int) int {
	n = min(n, c.room())
	if n <= 0 || s == "" || c.full() {
		return 0
	}
	c.use(i)
	start := c.x
	for k := 0; k < len(s); {
		if b := s[k]; b < utf8.RuneSelf {
			if b < 0x20 || b == 0x7f {
				b = ' '
			}
			if c.x-start >= n {
				break
			}
			c.buf = append(c.buf, b)
			c.x++
			k++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[k:])
		w := runeWidth(r)
		switch {
		case w == 0: // control, format, combining: nothing that moves the cursor gets out
			k += size
			continue
		case c.x-start+w > n:
			return c.x - start
		case c.theme.ASCII:
			for range w {
				c.buf = append(c.buf, plainGlyph(r))
			}
		default:
			c.buf = utf8.AppendRune(c.buf, r)
		}
		c.x += w
		k += size
	}
	return c.x - start
}

// to fills with the ground up to column x.
func (c *canvas) to(x int) {
	x = min(x, c.width)
	if x <= c.x || c.full() {
		return
	}
	c.use(Text.On(c.ground))
	for ; c.x < x; c.x++ {
		c.buf = append(c.buf, ' ')
	}
}

// cell writes s left-aligned into n cells; what is too long ends with an
// ellipsis, but never within a number.
func (c *canvas) cell(i Ink, s string, n int) {
	n = min(n, c.room())
	if n <= 0 {
		return
	}
	start := c.x
	if width(s) > n {
		c.clip(i, wholeNumbers(s, n-1), n-1)
		c.clip(i, "…", 1)
	} else {
		c.clip(i, s, n)
	}
	c.to(start + n)
}

// wholeNumbers is the longest beginning of s of at most n cells that does not
// end within a number.
func wholeNumbers(s string, n int) string {
	cut, used := len(s), 0
	for i, r := range s {
		w := 1
		if r >= utf8.RuneSelf {
			w = runeWidth(r)
		}
		if used+w > n {
			cut = i
			break
		}
		used += w
	}
	digit := func(b byte) bool { return b >= '0' && b <= '9' }
	within := func(i int) bool { // s[i] belongs to the number before it
		return digit(s[i]) || (s[i] == '.' || s[i] == ',' || s[i] == ':') && i+1 < len(s) && digit(s[i+1])
	}
	if cut == len(s) || cut == 0 || !within(cut) || !digit(s[cut-1]) && !within(cut-1) {
		return s[:cut]
	}
	for cut > 0 && (digit(s[cut-1]) || within(cut-1)) {
		cut--
	}
	return s[:cut]
}

// number writes s right-aligned into n cells. A number is never cut: one that
// does not fit is left out.
func (c *canvas) number(i Ink, s string, n int) {
	start := c.x
	w := width(s)
	if w > n || w > c.room() {
		c.to(start + n)
		return
	}
	c.to(start + n - w)
	c.put(i, s)
}

// right writes s so that it ends at the pane's edge, if there is room for it.
func (c *canvas) right(i Ink, s string) {
	if w := width(s); w <= c.room() {
		c.to(c.width - w)
		c.put(i, s)
	}
}

// end finishes the line.
func (c *canvas) end() {
	if c.full() {
		return
	}
	if c.ground != Plain && !c.theme.ASCII && c.room() > 0 {
		// A no-break space as the last cell: a blank end would be erased
		// rather than written, and not every terminal erases to the ground.
		c.to(c.width - 1)
		c.use(Text.On(c.ground))
		c.buf = append(c.buf, "\u00a0"...)
		c.x++
	}
	c.to(c.width)
	c.buf = append(c.buf, reset...)
	c.y++
	c.x, c.inked = 0, false
	if c.y < c.height {
		c.buf = append(c.buf, '\n')
	}
}

// block takes lines that are already drawn, each exactly as wide as the pane.
func (c *canvas) block(s string) {
	for line := range strings.SplitSeq(s, "\n") {
		if c.full() {
			return
		}
		c.buf = append(c.buf, line...)
		c.x = c.width
		c.end()
	}
}

// String fills what is left and gives the pane: height lines of width cells.
func (c *canvas) String() string {
	if c.x > 0 {
		c.end()
	}
	c.ground = Plain
	for !c.full() {
		c.end()
	}
	return string(c.buf)
}

// width of a text in cells, as put would write it.
func width(s string) int {
	n := 0
	for _, r := range s {
		if r < utf8.RuneSelf {
			n++
		} else {
			n += runeWidth(r)
		}
	}
	return n
}

// runeWidth is 0 for what is not drawn. Grapheme clusters are not joined: the
// screen has no emoji of its own, and those from outside lose their joiners.
func runeWidth(r rune) int {
	switch {
	case r < 0x20 || r == 0x7f:
		return 1
	case r < 0x7f:
		return 1
	case r < 0xa0 || r == utf8.RuneError:
		return 0
	case r >= 0x2010 && r <= 0x2015, r == '…', r == '·', r == '×', r == '−', r >= 0x2190 && r < 0x2e80 && !unicode.Is(unicode.Mn, r) && r != 0x231a && r != 0x231b:
		return narrow(r)
	case unicode.In(r, unicode.Cf, unicode.Cc, unicode.Mn, unicode.Me, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp):
		return 0
	}
	return ansi.StringWidth(string(r))
}

// narrow is the width of arrows, box drawing, blocks and symbols: one, but
// for the few that terminals show as emoji.
func narrow(r rune) int {
	if r >= 0x23e9 && r <= 0x23f3 || r >= 0x25fd && r <= 0x25fe || r >= 0x2614 && r <= 0x27bf {
		return ansi.StringWidth(string(r))
	}
	return 1
}

// plainGlyph is the ASCII stand-in of a glyph.
func plainGlyph(r rune) byte {
	switch r {
	case '▲', '△', '↑':
		return '^'
	case '▼', '▽', '▾', '↓':
		return 'v'
	case '▴':
		return '^'
	case '★':
		return '*'
	case '☆', '○':
		return 'o'
	case '●':
		return '@'
	case '▌', '›', '▸', '→':
		return '>'
	case '‹', '←':
		return '<'
	case '│', '┊', '┆', '╎':
		return '|'
	case '─', '┄', '┈', '–', '—', '−', '‐':
		return '-'
	case '·', '…':
		return '.'
	case '✓':
		return '+'
	case '✗', '×':
		return 'x'
	case '▁', '▂':
		return '_'
	case '▃', '▄':
		return '-'
	case '▅', '▆':
		return '='
	case '▇', '█', '▓':
		return '#'
	case '░', '▒':
		return ':'
	case '┼', '├', '┤', '┬', '┴', '╭', '╮', '╯', '╰', '┌', '┐', '└', '┘':
		return '+'
	case '≥', '≤', '≈':
		return '~'
	case '“', '”':
		return '"'
	case '’', '‘':
		return '\''
	}
	return '?'
}

// beside joins panes of the same height, with a hairline between them.
func beside(t *Theme, panes ...string) string {
	if len(panes) == 1 {
		return panes[0]
	}
	bar := t.SGR(Hairline.On(Plain)) + "│" + reset
	if t.ASCII {
		bar = t.SGR(Hairline.On(Plain)) + "|" + reset
	}
	size := 0
	for _, p := range panes {
		size += len(p)
	}
	var b strings.Builder
	b.Grow(size + size/8)
	for {
		for i := range panes {
			line, rest, more := strings.Cut(panes[i], "\n")
			if i > 0 {
				b.WriteString(bar)
			}
			b.WriteString(line)
			panes[i] = rest
			if i == len(panes)-1 && !more {
				return b.String()
			}
		}
		b.WriteByte('\n')
	}
}
