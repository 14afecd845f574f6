package tui

import (
	"unicode/utf8"

	"tapedeck/tui/chart"
)

// chartRoles are the looks of a chart's inks.
var chartRoles = [chart.Inks]Role{
	chart.Blank: Text, chart.Label: Muted, chart.Strong: Text, chart.Guide: Hairline, chart.Price: Text,
	chart.Up: Up, chart.Down: Down, chart.UpDim: UpDim, chart.DownDim: DownDim,
	chart.Study1: Study1, chart.Study2: Study2, chart.Study3: Study3, chart.Study4: Study4,
	chart.Other1: Accent, chart.Other2: Study3, chart.Other3: Study2, chart.Other4: Study4,
	chart.Cross: Muted, chart.Now: Muted, chart.Mean: Predict, chart.Interval: Band,
	chart.Hit: Predict, chart.Miss: Warn, chart.Alarm: Warn, chart.Trial: Accent,
}

// grid writes a chart's cells, one line a row. Extended hours have the ground
// of the bars, as far as the terminal has a quiet one. All runes of a chart
// are one cell wide, which is why they need no measuring.
func (c *canvas) grid(g *chart.Grid, margin int) {
	for y := range g.Height {
		if c.full() {
			return
		}
		c.gap(margin)
		row := g.Row(y)
		row = row[:min(len(row), c.room())]
		for i := range row {
			cell := &row[i]
			switch {
			case cell.Rune != 0:
				ink := chartRoles[cell.Ink].On(Plain)
				if cell.Shaded {
					ink = ink.On(Bar)
				}
				if cell.Ink == chart.Strong {
					ink = ink.Bold()
				}
				c.use(ink)
				c.buf = utf8.AppendRune(c.buf, cell.Rune)
			case cell.Shaded:
				c.use(Text.On(Bar))
				c.buf = append(c.buf, ' ')
			default:
				if c.inked && (c.ink>>4)&7 != Ink(Plain) || !c.inked {
					c.use(Text.On(Plain))
				}
				c.buf = append(c.buf, ' ')
			}
		}
		c.x += len(row)
		c.end()
	}
}

// painted is a chart's lines as they go to the screen, kept while nothing in
// them changes.
func painted(t *Theme, g *chart.Grid, w, margin int) string {
	c := newCanvas(t, w, g.Height)
	c.grid(g, margin)
	return c.String()
}
