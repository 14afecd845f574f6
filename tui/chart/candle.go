package chart

// Halves of a cell that a candle fills.
const (
	nothing = iota
	wick
	body
)

// candles by what the lower and the upper half of a cell hold.
var (
	thin = [3][3]rune{
		nothing: {0, '╵', '╹'},
		wick:    {'╷', '│', '╿'},
		body:    {'╻', '╽', '┃'},
	}
	wide = [3][3]rune{
		nothing: {0, '╵', '▀'},
		wick:    {'╷', '│', '█'},
		body:    {'▄', '█', '█'},
	}
)

// candle draws one bar. Rising and falling bars differ in colour; where there
// is none (plain), rising ones are hollow.
func (g *Grid) candle(r rect, c *column, cells int, s *scale, ascii, plain bool) {
	ink := Up
	if c.falls {
		ink = Down
	}
	top, bottom := s.half(max(c.open, c.close), r.h), s.half(min(c.open, c.close), r.h)
	high, low := s.half(c.high, r.h), s.half(c.low, r.h)
	if cells >= 4 { // no glyph is half a body and half a wick: the body ends with a cell
		if top%2 == 0 && high > top {
			top--
			if top < bottom {
				top += 2
			}
		}
		if bottom%2 == 1 && low < bottom {
			bottom++
			if bottom > top {
				bottom -= 2
			}
		}
	}
	part := func(i int) int {
		switch {
		case i >= bottom && i <= top:
			return body
		case i >= low && i <= high:
			return wick
		}
		return nothing
	}
	for row := low / 2; row <= high/2 && row < r.h; row++ {
		lower, upper := part(2*row), part(2*row+1)
		y, x := r.y+r.h-1-row, r.x+c.x
		filled := lower == body || upper == body
		switch {
		case ascii && filled && ink == Up:
			g.put(x, y, 'o', ink)
		case ascii && filled:
			g.put(x, y, '#', ink)
		case ascii:
			g.put(x, y, '|', ink)
		case plain && filled && ink == Up && cells < 4:
			g.put(x, y, '║', ink)
		case cells >= 4:
			glyph := wide[lower][upper]
			if plain && filled && ink == Up {
				glyph = '░'
			}
			g.put(x, y, glyph, ink)
		default:
			g.put(x, y, thin[lower][upper], ink)
		}
		if cells < 4 || !filled {
			continue
		}
		side := rune('█')
		switch {
		case ascii && ink == Up:
			side = 'o'
		case ascii:
			side = '#'
		case plain && ink == Up:
			side = '░'
		case lower != body:
			side = '▀'
		case upper != body:
			side = '▄'
		}
		g.put(x-1, y, side, ink)
		g.put(x+1, y, side, ink)
	}
}

// eighths of a cell's height.
var eighths = [...]rune{0, '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'}

// bar fills a cell column from the bottom of an area to a share 0 … 1.
func (g *Grid) bar(r rect, x int, share float64, ink Ink, ascii bool) {
	if !(share > 0) {
		return
	}
	n := int(min(share, 1)*float64(8*r.h) + 0.5)
	n = max(n, 1)
	for row := 0; row < r.h && n > 0; row++ {
		glyph := eighths[min(n, 8)]
		if ascii {
			glyph = ':'
			if n < 4 {
				glyph = '.'
			}
		}
		g.put(r.x+x, r.y+r.h-1-row, glyph, ink)
		n -= 8
	}
}
