package tui

import (
	"strings"
	"unicode"

	tea "charm.land/bubbletea/v2"
)

// field is one line of text being written: the command line, a filter. It
// keeps what was typed until it is cleared.
type field struct {
	runes  []rune
	cursor int
	undone [][]rune
	done   [][]rune
}

// maxField bounds what a paste can put into one line.
const maxField = 20_000

func (f *field) String() string { return string(f.runes) }

func (f *field) setText(s string) {
	f.save()
	f.runes = clean(nil, s)
	f.cursor = len(f.runes)
}

// clean appends s without control characters; line ends and tabs become spaces.
func clean(dst []rune, s string) []rune {
	for _, r := range s {
		if r == '\n' || r == '\r' || r == '\t' {
			r = ' '
		}
		if unicode.IsControl(r) || runeWidth(r) == 0 {
			continue
		}
		if len(dst) >= maxField {
			break
		}
		dst = append(dst, r)
	}
	return dst
}

func (f *field) save() {
	f.done = append(f.done, append([]rune(nil), f.runes...))
	if len(f.done) > 100 {
		f.done = f.done[1:]
	}
	f.undone = nil
}

func (f *field) insert(s string) {
	in := clean(nil, s)
	if len(in) == 0 || len(f.runes)+len(in) > maxField {
		return
	}
	f.save()
	f.runes = append(f.runes[:f.cursor:f.cursor], append(in, f.runes[f.cursor:]...)...)
	f.cursor += len(in)
}

func (f *field) cut(from, to int) {
	if from >= to {
		return
	}
	f.save()
	f.runes = append(f.runes[:from:from], f.runes[to:]...)
	f.cursor = from
}

// undo and redo say whether there was anything.
func (f *field) undo() bool { return f.swap(&f.done, &f.undone) }
func (f *field) redo() bool { return f.swap(&f.undone, &f.done) }

func (f *field) swap(from, to *[][]rune) bool {
	n := len(*from)
	if n == 0 {
		return false
	}
	*to = append(*to, f.runes)
	f.runes, *from = (*from)[n-1], (*from)[:n-1]
	f.cursor = len(f.runes)
	return true
}

// word is where the word before the cursor begins.
func (f *field) word() int {
	i := f.cursor
	for i > 0 && f.runes[i-1] == ' ' {
		i--
	}
	for i > 0 && f.runes[i-1] != ' ' {
		i--
	}
	return i
}

// key takes a key that no action has taken; false where it means nothing here.
func (f *field) key(k tea.Key) bool {
	switch k.String() {
	case "backspace", "ctrl+h":
		f.cut(f.cursor-min(1, f.cursor), f.cursor)
	case "delete", "ctrl+d":
		f.cut(f.cursor, min(f.cursor+1, len(f.runes)))
	case "ctrl+w", "alt+backspace":
		f.cut(f.word(), f.cursor)
	case "ctrl+u":
		f.cut(0, f.cursor)
	case "ctrl+k":
		f.cut(f.cursor, len(f.runes))
	case "left":
		f.cursor = max(f.cursor-1, 0)
	case "right":
		f.cursor = min(f.cursor+1, len(f.runes))
	case "home", "ctrl+a":
		f.cursor = 0
	case "end", "ctrl+e":
		f.cursor = len(f.runes)
	case "ctrl+left", "alt+b":
		f.cursor = f.word()
	default:
		if k.Text == "" || k.Mod&(tea.ModCtrl|tea.ModAlt) != 0 {
			return false
		}
		f.insert(k.Text)
	}
	return true
}

// draw writes the field into n cells, so that the cursor is always seen.
func (f *field) draw(c *canvas, n int) {
	n = min(n, c.room())
	if n <= 0 {
		return
	}
	start := 0
	for start < f.cursor && width(string(f.runes[start:f.cursor])) >= n {
		start++
	}
	from := c.x
	c.clip(c.on(Text), string(f.runes[start:f.cursor]), n-1)
	under := " "
	rest := ""
	if f.cursor < len(f.runes) {
		under, rest = string(f.runes[f.cursor]), string(f.runes[f.cursor+1:])
	}
	if width(under) > n-(c.x-from) {
		under = " "
	}
	c.put(Text.On(Caret), under)
	c.clip(c.on(Text), rest, n-(c.x-from))
	c.to(from + n)
}

// fields of a line, split at spaces.
func words(s string) []string { return strings.Fields(s) }
