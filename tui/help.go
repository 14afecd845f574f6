package tui

// help is the page of all keys, out of the key table.
type help struct {
	desk   *Desk
	open   bool
	offset int
	last   int
}

func (h *help) start() { h.open, h.offset = true, 0 }

func (h *help) do(a Action) {
	switch a {
	case MoveDown:
		h.offset = min(h.offset+1, h.last)
	case MoveUp:
		h.offset = max(h.offset-1, 0)
	case HalfDown:
		h.offset = min(h.offset+10, h.last)
	case HalfUp:
		h.offset = max(h.offset-10, 0)
	case Top:
		h.offset = 0
	case Bottom:
		h.offset = h.last
	case Escape, Help, Quit, Enter:
		h.open = false
	}
}

// helpWidth is what one column of the page needs.
const helpWidth = 58

// View is the page: one column of keys, two or three where there is room.
func (h *help) View(wide, high int) string {
	type entry struct{ key, text string }
	var entries []entry
	for _, g := range helpGroups {
		if len(entries) > 0 {
			entries = append(entries, entry{})
		}
		title := g
		if g == "writing" {
			title = "writing, where printable keys are text"
		}
		entries = append(entries, entry{"", title})
		for i := range bindings {
			b := &bindings[i]
			if b.group != g || b.help == "" || b.action <= View7 && !h.desk.viewExists(b.word) {
				continue
			}
			keys := b.label()
			for _, more := range b.keys[1:] {
				switch more {
				case "down":
					keys += " ↓"
				case "up":
					keys += " ↑"
				case "left":
					keys += " ←"
				case "right":
					keys += " →"
				case "f5":
					keys += " F5"
				}
			}
			entries = append(entries, entry{keys, b.help})
		}
	}
	c := newCanvas(h.desk.Theme, wide, high)
	c.set(Bar)
	c.gap(1)
	c.put(c.bold(Accent), "keys")
	c.right(c.on(Muted), "tapedeck "+h.desk.Config.Version+" ")
	c.end()
	c.set(Plain)
	columns := max(wide/helpWidth, 1)
	page := high - 2
	var lines int
	if columns*page < len(entries) {
		lines = (len(entries) + columns - 1) / columns
	} else {
		lines = page
	}
	h.last = max(lines-page, 0)
	h.offset = min(h.offset, h.last)
	for row := h.offset; row < h.offset+page && !c.full(); row++ {
		for col := range columns {
			c.to(col*(wide/columns) + 2)
			i := col*lines + row
			if row >= lines || i >= len(entries) {
				continue
			}
			e := entries[i]
			switch {
			case e.key == "":
				c.cell(c.bold(Text), e.text, wide/columns-3)
			default:
				c.cell(c.on(Accent), e.key, 14)
				c.cell(c.on(Muted), e.text, wide/columns-18)
			}
		}
		c.end()
	}
	c.set(Bar)
	drawKeys(c, []Action{MoveDown, MoveUp, Escape}, func(Action) string { return "" })
	c.end()
	return c.String()
}
