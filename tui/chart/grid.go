package chart

// Ink says what a cell is; the screen decides how it looks.
type Ink uint8

// The inks.
const (
	Blank  Ink = iota
	Label      // of axes and panes
	Strong     // the label of what is under the cross-hair
	Guide      // dotted lines behind everything
	Price      // the price as a line
	Up         // bodies and wicks of rising bars
	Down
	UpDim // volume and other large areas
	DownDim
	Study1 // overlays and oscillators, the first the nearest to the price
	Study2
	Study3
	Study4
	Other1 // symbols compared
	Other2
	Other3
	Other4
	Cross    // the cross-hair
	Now      // the line between what was and what is predicted
	Mean     // a prediction
	Interval // its band
	Hit      // an earlier prediction that held
	Miss     // and one that did not
	Alarm    // an alert
	Trial    // an alert that a rule would have told
	Inks     // how many there are
)

// Cell is one character.
type Cell struct {
	Rune   rune // 0 is blank
	Ink    Ink
	Shaded bool // extended hours
}

// Grid is a rectangle of cells, row 0 at the top.
type Grid struct {
	Width, Height int
	Cells         []Cell
}

// NewGrid is a blank grid; sizes below zero are zero.
func NewGrid(width, height int) *Grid {
	width, height = max(width, 0), max(height, 0)
	return &Grid{Width: width, Height: height, Cells: make([]Cell, width*height)}
}

// Row is line y of the grid.
func (g *Grid) Row(y int) []Cell { return g.Cells[y*g.Width : (y+1)*g.Width] }

// String is the grid without its inks, one line a row.
func (g *Grid) String() string {
	out := make([]rune, 0, len(g.Cells)+g.Height)
	for y := range g.Height {
		if y > 0 {
			out = append(out, '\n')
		}
		for _, c := range g.Row(y) {
			if c.Rune == 0 {
				c.Rune = ' '
			}
			out = append(out, c.Rune)
		}
	}
	return string(out)
}

// at is a cell, nil outside the grid.
func (g *Grid) at(x, y int) *Cell {
	if x < 0 || y < 0 || x >= g.Width || y >= g.Height {
		return nil
	}
	return &g.Cells[y*g.Width+x]
}

// put writes one cell; outside the grid it does nothing.
func (g *Grid) put(x, y int, r rune, ink Ink) {
	if c := g.at(x, y); c != nil {
		c.Rune, c.Ink = r, ink
	}
}

// under writes one cell if it is blank or a guide.
func (g *Grid) under(x, y int, r rune, ink Ink) {
	if c := g.at(x, y); c != nil && (c.Rune == 0 || c.Ink == Guide) {
		c.Rune, c.Ink = r, ink
	}
}

// text writes s from x on; it is dropped whole where it does not fit.
func (g *Grid) text(x, y int, s string, ink Ink) {
	n := 0
	for range s {
		n++
	}
	if x < 0 || x+n > g.Width {
		return
	}
	for _, r := range s {
		g.put(x, y, r, ink)
		x++
	}
}

// rect is a part of a grid.
type rect struct{ x, y, w, h int }
