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
	chart.Hit: Predict, chart.Miss: Warn, chart.Alarm: Warn,
}

// grid writes a chart's cells, one line a row. Extended hours have the ground
// of the bars, as far as the terminal has a quiet one.
func (c *canvas) grid(g *chart.Grid, margin int) {
	var run []byte
	for y := range g.Height {
		if c.full() {
			return
		}
		c.gap(margin)
		row := g.Row(y)
		for x := 0; x < len(row); {
			first := row[x]
			run = run[:0]
			for x < len(row) && row[x].Shaded == first.Shaded && (row[x].Ink == first.Ink || row[x].Rune == 0) {
				r := row[x].Rune
				if r == 0 {
					r = ' '
				}
				run = utf8.AppendRune(run, r)
				x++
			}
			ground := Plain
			if first.Shaded {
				ground = Bar
			}
			ink := chartRoles[first.Ink].On(ground)
			if first.Ink == chart.Strong {
				ink = ink.Bold()
			}
			c.put(ink, string(run))
		}
		c.end()
	}
}
