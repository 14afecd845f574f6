package chart

import (
	"math"
	"strings"

	"github.com/guptarohit/asciigraph"
)

// trace is one line of an area: a height in rows for each cell, NaN for none.
type trace struct {
	rows []float64
	ink  Ink
}

// Each trace is plotted with characters of its own from the private use area,
// so that one plot holds them all and still tells them apart.
const (
	private      = 0xe000
	privateCount = 16
)

var (
	lineGlyphs  = [...]rune{'─', '│', '╭', '╮', '╰', '╯', 0, '─'}
	asciiGlyphs = [...]rune{'-', '|', '.', '.', '\'', '\'', 0, '-'}
)

func charSet(i int) asciigraph.CharSet {
	r := func(k int) string { return string(rune(private + i*privateCount + k)) }
	return asciigraph.CharSet{Horizontal: r(0), VerticalLine: r(1), ArcDownRight: r(2), ArcDownLeft: r(3),
		ArcUpRight: r(4), ArcUpLeft: r(5), EndCap: r(6), StartCap: r(7), UpRight: r(0), DownHorizontal: r(0)}
}

// traces draws lines into an area by asciigraph; of two on one cell the later
// wins. Heights are given in its own rows, so that its labels and bounds,
// which round, cannot shift them.
func (g *Grid) traces(r rect, ascii bool, lines []trace) {
	if r.w <= 0 || r.h <= 0 {
		return
	}
	data := make([][]float64, 0, len(lines))
	sets := make([]asciigraph.CharSet, 0, len(lines))
	inks := make([]Ink, 0, len(lines))
	for _, l := range lines {
		points := make([]float64, r.w+1)
		some := false
		for x := range points {
			points[x] = math.NaN()
			if k := max(x-1, 0); k < len(l.rows) && finite(l.rows[k]) {
				points[x] = math.Min(math.Max(math.Round(l.rows[k]), 0), float64(r.h-1))
				some = true
			}
		}
		if !some {
			continue
		}
		sets = append(sets, charSet(len(data)))
		data = append(data, points)
		inks = append(inks, l.ink)
	}
	if len(data) == 0 {
		return
	}
	glyphs := &lineGlyphs
	if ascii {
		glyphs = &asciiGlyphs
	}
	plot := asciigraph.PlotMany(data, asciigraph.Height(r.h-1), asciigraph.LowerBound(0), asciigraph.UpperBound(float64(r.h-1)),
		asciigraph.Offset(1), asciigraph.SeriesChars(sets...), asciigraph.YAxisValueFormatter(func(float64) string { return "" }))
	y := r.y
	for line := range strings.SplitSeq(plot, "\n") {
		x := r.x - 1 // the first character is asciigraph's axis
		for _, c := range line {
			if k := int(c) - private; k >= 0 && k < len(inks)*privateCount && x < r.x+r.w {
				if glyph := glyphs[k%privateCount]; glyph != 0 {
					g.put(x, y, glyph, inks[k/privateCount])
				}
			}
			x++
		}
		if y++; y >= r.y+r.h {
			break
		}
	}
}

// spread gives each cell a height: of a column its own, between two columns
// the straight line. Where a column has none, neither have the cells beside.
func spread(cols []column, cells int, height func(k int) float64) []float64 {
	out := make([]float64, cells)
	for i := range out {
		out[i] = math.NaN()
	}
	for k := range cols {
		h, x := height(k), cols[k].x
		if x < 0 || x >= cells || !finite(h) {
			continue
		}
		out[x] = h
		if k == 0 {
			continue
		}
		before, from := height(k-1), cols[k-1].x
		if !finite(before) {
			continue
		}
		for i := max(from+1, 0); i < x; i++ {
			out[i] = before + (h-before)*float64(i-from)/float64(x-from)
		}
	}
	return out
}
