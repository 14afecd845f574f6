package tui

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// The smallest screen that is drawn; below it a sentence asks for more room.
const (
	minWidth  = 40
	minHeight = 10
)

// draw is the whole screen: header, view, a sentence or the command line, footer.
func (m *Model) draw() string {
	d := m.desk
	w, h := d.Width, d.Height
	if w < minWidth || h < minHeight {
		return tooSmall(d.Theme, w, h)
	}
	if m.help.open {
		return m.help.View(w, h)
	}
	var b strings.Builder
	b.WriteString(m.header(w))
	b.WriteByte('\n')
	body := h - 2
	below := m.below(w)
	body -= len(below)
	content := m.pane().View(w, body)
	if m.command.open {
		content = m.command.over(content, w, body)
	}
	b.WriteString(content)
	for _, l := range below {
		b.WriteByte('\n')
		b.WriteString(l)
	}
	b.WriteByte('\n')
	b.WriteString(m.footer(w))
	return b.String()
}

// below are the lines between the view and the footer: what was said, the
// hint of the first minute.
func (m *Model) below(w int) []string {
	if m.quit.open || m.command.open {
		return nil
	}
	if m.desk.said.text != "" {
		c := newCanvas(m.desk.Theme, w, 1)
		c.gap(1)
		c.cell(c.on(m.desk.said.role), m.desk.said.text, w-2)
		return []string{c.String()}
	}
	if hint := m.hint(); hint != nil {
		c := newCanvas(m.desk.Theme, w, 1)
		c.gap(1)
		for i, part := range hint {
			if i%2 == 1 && !c.fits(part+strings.TrimRight(hint[i+1], " ")) {
				break // a key comes with its word or not at all
			}
			ink := c.on(Muted)
			if i%2 == 1 {
				ink = c.on(Accent)
			}
			c.put(ink, part)
		}
		return []string{c.String()}
	}
	return nil
}

func tooSmall(t *Theme, w, h int) string {
	c := newCanvas(t, w, h)
	sentence := "tapedeck needs a little more room: 40 columns by 10 rows"
	for line := range strings.SplitSeq(ansi.Wordwrap(sentence, max(w, 1), ""), "\n") {
		c.text(line)
		c.end()
	}
	return c.String()
}

// overlay puts the lines of top over the lower left corner of base.
func overlay(base string, top []string, height int) string {
	lines := strings.Split(base, "\n")
	at := height - len(top)
	for i, t := range top {
		if k := at + i; k >= 0 && k < len(lines) {
			lines[k] = t + reset + ansi.TruncateLeft(lines[k], ansi.StringWidth(t), "")
		}
	}
	return strings.Join(lines, "\n")
}
