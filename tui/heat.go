package tui

import "math"

// heatMap is a tile for each sector: its change, weighted by turnover, and
// how many of its symbols rose and fell. Colour and a signed number say the
// same.
type heatMap struct {
	desk   *Desk
	groups *groups
	second int64
	tiles  []heatTile
	cursor int
	across int // tiles side by side, as drawn last
}

type heatTile struct {
	sector             string
	change             float64 // share
	rose, fell, traded int
}

// count computes the tiles, once a second.
func (h *heatMap) count() {
	f := h.desk.Frame
	now := f.Now.Unix()
	if now == h.second && len(h.tiles) > 0 {
		return
	}
	h.second = now
	h.groups.learn()
	at := map[string]int{}
	h.tiles = h.tiles[:0]
	for _, s := range h.groups.sectors {
		at[s] = len(h.tiles)
		h.tiles = append(h.tiles, heatTile{sector: s})
	}
	weights := make([]float64, len(h.tiles))
	for id := range f.Quotes {
		i, ok := at[h.groups.of[id]]
		q := &f.Quotes[id]
		if !ok || q.Reference == 0 || q.Last == 0 {
			continue
		}
		_, share := q.Change()
		weight := q.Last * float64(max(q.Volume, 1))
		t := &h.tiles[i]
		t.change += share * weight
		weights[i] += weight
		t.traded++
		switch {
		case share > 0:
			t.rose++
		case share < 0:
			t.fell++
		}
	}
	for i := range h.tiles {
		if weights[i] > 0 {
			h.tiles[i].change /= weights[i]
		}
	}
	h.cursor = min(h.cursor, max(len(h.tiles)-1, 0))
}

// do moves the cursor; it gives the sector that enter chose, else "".
func (h *heatMap) do(a Action) string {
	switch a {
	case MoveLeft:
		h.cursor--
	case MoveRight:
		h.cursor++
	case MoveUp:
		h.cursor -= max(h.across, 1)
	case MoveDown:
		h.cursor += max(h.across, 1)
	case Top:
		h.cursor = 0
	case Bottom:
		h.cursor = len(h.tiles) - 1
	case Enter:
		if h.cursor < len(h.tiles) {
			return h.tiles[h.cursor].sector
		}
	}
	h.cursor = min(max(h.cursor, 0), max(len(h.tiles)-1, 0))
	return ""
}

// heatFar is the change of a sector that has the strongest colour.
const heatFar = 0.005

// ground of a tile.
func (t *heatTile) ground() Ground {
	switch share := math.Round(t.change*1e4) / 1e4; {
	case share >= heatFar:
		return RiseFar
	case share > 0:
		return Rise
	case share <= -heatFar:
		return FallFar
	case share < 0:
		return Fall
	}
	return Bar
}

func (h *heatMap) view(w, high int, focused bool) string {
	c := newCanvas(h.desk.Theme, w, high)
	c.gap(1)
	c.put(c.bold(Text), "sectors")
	c.gap(2)
	if c.fits("change by turnover") {
		c.muted("change by turnover")
	}
	c.end()
	if len(h.tiles) == 0 {
		c.gap(1)
		c.muted("waiting for the first tick")
		return c.String()
	}
	n := len(h.tiles)
	h.across = heatAcross(n, w-1, c.left())
	rows := (n + h.across - 1) / h.across
	left := c.left()
	for row := range rows {
		tall := max(min(left/(rows-row), 5), 1)
		left -= tall
		for line := range tall {
			if c.full() {
				break
			}
			c.gap(1)
			room := w - 1
			for col := range h.across {
				i := row*h.across + col
				wide := room / (h.across - col)
				room -= wide
				if i < n {
					h.tile(c, i, wide-1, line, tall, focused && i == h.cursor)
				}
				c.set(Plain)
				c.gap(1)
			}
			c.end()
		}
	}
	return c.String()
}

// heatAcross is how many tiles stand side by side: two or more of three
// lines each where there is room, else so few that all of them are seen.
func heatAcross(n, w, lines int) int {
	const least, most = 14, 24
	for a := 2; a <= w/least; a++ {
		if (n+a-1)/a*3 <= lines && (w/a <= most || a == w/least || (n+a)/(a+1)*3 > lines) {
			return a
		}
	}
	for a := 1; a <= w/least; a++ {
		if (n+a-1)/a <= lines {
			return a
		}
	}
	return max(min(w/least, n), 1)
}

// tile draws one line of a tile.
func (h *heatMap) tile(c *canvas, i, w, line, tall int, selected bool) {
	t := &h.tiles[i]
	share := math.Round(t.change * 1e4)
	role := Direction(share)
	start := c.x
	if line == tall-1 && tall > 2 { // a gap between tiles
		c.to(start + w)
		return
	}
	c.set(t.ground())
	ink := c.on(role)
	if t.ground() == RiseFar || t.ground() == FallFar {
		ink = c.on(Text)
	}
	if selected {
		c.put(c.on(Accent), "▌")
	}
	c.to(start + 1)
	change := signed(t.change*100, 2) + "%"
	if a := arrow(share); a != " " {
		change = a + " " + change
	}
	inner := w - 2
	switch {
	case line == 0 && tall <= 2:
		if width(t.sector)+1+width(change) > inner {
			change = signed(t.change*100, 1)
		}
		c.cell(c.bold(Text), t.sector, max(inner-width(change)-1, 0))
		c.number(ink, change, start+1+inner-c.x)
	case line == 0:
		c.cell(c.bold(Text), t.sector, inner)
	case line == 1 && tall > 2:
		c.number(ink, change, width(change))
	case line == 1 || line == 2 && tall > 3:
		both := plainNumber(t.rose) + " ▲ " + plainNumber(t.fell) + " ▼"
		if width(both) <= inner {
			r := Muted
			if t.ground() != Bar && t.ground() != Rise && t.ground() != Fall {
				r = Text
			}
			c.put(c.on(r), both)
		}
	}
	c.to(start + w)
}
