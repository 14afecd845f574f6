package tui

import (
	"cmp"
	"strings"

	"tapedeck/pipeline/live"
)

// header is the top bar: the name and the numbered views, and at the right
// the source, symbols, age and clock, or what is wrong, in words.
func (m *Model) header(wide int) string {
	d := m.desk
	c := newCanvas(d.Theme, wide, 1)
	c.set(Bar)
	right, roles := m.headerRight()
	// Give way from the outside in: words of the right, names of the views, the name.
	total := func(parts []string) int {
		n := 1
		for i, p := range parts {
			if n += width(p); i > 0 {
				n += 3
			}
		}
		return n
	}
	compact := 0
	for ; compact < 3; compact++ {
		if m.viewsWidth(compact)+2+total(right) <= wide {
			break
		}
	}
	if compact == 3 {
		compact = 2
		for len(right) > 1 && m.viewsWidth(compact)+2+total(right) > wide {
			right, roles = right[1:], roles[1:]
		}
	}
	m.headerViews(c, compact)
	room := c.room() - 2
	if n := total(right); n > room+1 && len(right) > 0 {
		c.gap(2)
		c.cell(roles[0].On(Bar), right[0], room)
		return c.String()
	} else if len(right) > 0 {
		c.to(wide - n)
	}
	for i, p := range right {
		if i > 0 {
			c.put(Muted.On(Bar), " · ")
		}
		ink := roles[i].On(Bar)
		if i == len(right)-1 {
			ink = ink.Bold()
		}
		c.put(ink, p)
	}
	return c.String()
}

func (m *Model) headerRight() (parts []string, roles []Role) {
	d := m.desk
	add := func(s string, r Role) {
		if s != "" {
			parts, roles = append(parts, s), append(roles, r)
		}
	}
	if text, level := m.trouble(); level >= live.Trouble {
		add(text, Warn)
		add(d.clock(), Text)
		return parts, roles
	}
	add(m.source(), Muted)
	if d.fromFirst() {
		add("change since first trade", Muted)
	}
	if n := len(d.Frame.Quotes); n > 0 {
		add(plural(n, "symbol"), Muted)
	}
	add(d.behind())
	add(d.freshness())
	add(d.clock(), Text)
	return parts, roles
}

// headerViews draws the views: 0 name, number and word; 1 without the name;
// 2 numbers, and the word of the open one.
func (m *Model) headerViews(c *canvas, compact int) {
	c.gap(1)
	if compact == 0 {
		c.put(Accent.On(Bar).Bold(), "tapedeck")
		c.gap(2)
	}
	asking, worst := m.desk.alerts.unacknowledged()
	_, grave := severityGlyph(worst)
	for i, v := range m.views {
		if v.number == None {
			if i == m.current {
				c.gap(2)
				c.put(Accent.On(Bar), "› ")
				c.put(Text.On(Bar).Bold(), v.name)
			}
			continue
		}
		key := bindingOf(v.number).keys[0]
		if i > 0 {
			c.gap(2)
		}
		if i == m.current {
			c.put(Accent.On(Bar), key+" ")
			c.put(Text.On(Bar).Bold(), v.name)
		} else {
			c.put(Muted.On(Bar), key)
			if compact < 2 || v.name == "alerts" && asking > 0 {
				c.put(Muted.On(Bar), " "+v.name)
			}
		}
		if v.name == "alerts" && asking > 0 {
			c.put(grave.On(Bar).Bold(), " "+countOf(asking))
		}
	}
}

func (m *Model) viewsWidth(compact int) int {
	probe := newCanvas(m.desk.Theme, 400, 1)
	m.headerViews(probe, compact)
	return probe.x
}

// footer is the bottom bar: the keys that work here and now.
func (m *Model) footer(wide int) string {
	c := newCanvas(m.desk.Theme, wide, 1)
	c.set(Bar)
	switch {
	case m.command.open:
		m.command.draw(c)
		return c.String()
	case m.quit.open:
		m.quit.draw(c)
		return c.String()
	}
	actions := m.pane().Keys()
	texter, ok := m.pane().(Texter)
	if !ok || !texter.TextFocus() {
		actions = append(actions[:len(actions):len(actions)], Help, Quit)
	}
	word := func(a Action) string { return "" }
	if w, ok := m.pane().(Worder); ok {
		word = w.Word
	}
	drawKeys(c, actions, word)
	return c.String()
}

// drawKeys writes as many keys as fit, ten at most; the last two, which are
// help and quit, come before those in the middle.
func drawKeys(c *canvas, actions []Action, word func(Action) string) {
	const most = 10
	type item struct{ key, word string }
	items := make([]item, 0, len(actions))
	for i := 0; i < len(actions); i++ {
		b := bindingOf(actions[i])
		if b == nil {
			continue
		}
		it := item{b.label(), cmp.Or(word(b.action), b.word)}
		if i+1 < len(actions) { // j k move: two keys of one meaning are one entry
			if pair, both := paired(actions[i], actions[i+1]); both != "" {
				it = item{it.key + " " + pair, cmp.Or(word(b.action), both)}
				i++
			}
		}
		items = append(items, it)
	}
	size := func(it item) int { return width(it.key) + width(it.word) + 3 }
	room, tail := c.width-1, 0
	keep := min(2, len(items))
	for _, it := range items[len(items)-keep:] {
		tail += size(it)
	}
	c.gap(1)
	for i, it := range items {
		last := len(items) - i
		if last > keep && (c.x+size(it)+tail > room || i >= most-keep) {
			continue
		}
		if c.x+size(it)-2 > c.width {
			return
		}
		c.put(Accent.On(c.ground), it.key)
		c.gap(1)
		c.put(Muted.On(c.ground), it.word)
		c.gap(2)
	}
}

// paired joins an action with its opposite.
func paired(a, b Action) (key, word string) {
	type pair struct{ a, b Action }
	words := map[pair]string{
		{MoveDown, MoveUp}:           "move",
		{MoveLeft, MoveRight}:        "group",
		{IntervalDown, IntervalUp}:   "interval",
		{ZoomOut, ZoomIn}:            "zoom",
		{ChooseNext, ChoosePrevious}: "choose",
	}
	if w := words[pair{a, b}]; w != "" {
		return bindingOf(b).label(), w
	}
	return "", ""
}

// hint is the one dim line of the first minutes: three keys worth trying.
// Words and keys alternate. Once they have been used it is gone.
func (m *Model) hint() []string {
	if m.desk.State.Starts > 3 || m.desk.Now().Sub(m.started).Minutes() > 3 || m.current != 0 || len(m.desk.Frame.Quotes) == 0 {
		return nil
	}
	tips := []struct {
		a    Action
		key  string
		word string
	}{
		{Filter, "/", " finds a company   "},
		{Enter, "enter", " opens its chart   "},
		{Command, ":", " takes a name, like  :apple   "},
		{Favourite, "f", " keeps it on top   "},
		{Sort, "s", " sorts   "},
		{View6, "6", " shows the pipeline at work   "},
	}
	out := []string{"try  "}
	for _, t := range tips {
		if t.a == Enter && !m.has("chart") {
			continue
		}
		if !m.keysSeen[t.a] && len(out) < 6 {
			out = append(out, t.key, t.word)
		}
	}
	if len(out) < 6 {
		return nil
	}
	out[len(out)-1] = strings.TrimRight(out[len(out)-1], " ")
	return out
}

// has says whether a view exists.
func (m *Model) has(name string) bool {
	for _, v := range m.views {
		if v.name == name {
			return true
		}
	}
	return false
}

// countOf is a number in at most four cells.
func countOf(n int) string {
	if n > 999 {
		return "999+"
	}
	return plainNumber(n)
}
