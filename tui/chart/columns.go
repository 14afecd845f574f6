package chart

import (
	"math"

	"tapedeck/pipeline/market"
)

// Zoom is how wide bars are drawn.
type Zoom struct {
	Bars  int // that share one column; at least 1
	Cells int // that one column takes: 1, 2 or 4
}

// Zooms are the steps from the widest view to the closest.
var Zooms = [...]Zoom{
	{60, 1}, {30, 1}, {15, 1}, {10, 1}, {5, 1}, {3, 1}, {2, 1}, {1, 1}, {1, 2}, {1, 4},
}

// Natural is the step of one bar a cell; Roomy the next closer one.
const (
	Natural = 7
	Roomy   = 8
)

func (z Zoom) valid() Zoom { return Zoom{max(z.Bars, 1), max(z.Cells, 1)} }

// column is what is drawn at one place: one bar, or several as one.
type column struct {
	from, to               int // in the bars
	x                      int // the middle cell
	time                   market.Time
	open, high, low, close float64
	volume                 float64
	falls                  bool
}

// bucket numbers the columns on the time axis: bars of one bucket share a
// column, whatever the window, so that scrolling never regroups them.
func bucket(t market.Time, i market.Interval, z Zoom) int64 {
	length := int64(i.Length().Microseconds()) * int64(z.Bars)
	b := int64(t) / length
	if int64(t)%length < 0 {
		b--
	}
	return b
}

// window is the index of the first bar that is drawn when the columns before
// end fill the given number of cells.
func window(bars []market.Bar, end int, i market.Interval, z Zoom, cells int) int {
	n := cells / z.Cells
	if z.Bars == 1 {
		return max(end-n, 0)
	}
	from, count, last := end, 0, int64(0)
	for from > 0 {
		if b := bucket(bars[from-1].Time, i, z); count == 0 || b != last {
			if count == n {
				break
			}
			count, last = count+1, b
		}
		from--
	}
	return from
}

// columns groups bars[from:end]; the last column stands at the right end of
// the cells, less those kept free for what comes.
func columns(bars []market.Bar, from, end int, i market.Interval, z Zoom, cells int) []column {
	out := make([]column, 0, cells/z.Cells+1)
	last := int64(0)
	for k := from; k < end; k++ {
		b := &bars[k]
		if !(b.Close > 0) || !finite(b.Close) {
			continue
		}
		// A source that knows closes only draws dashes.
		open, high, low := b.Open, b.High, b.Low
		if !(open > 0) || !finite(open) {
			open = b.Close
		}
		if !finite(high) || high < max(open, b.Close) {
			high = max(open, b.Close)
		}
		if !(low > 0) || low > min(open, b.Close) {
			low = min(open, b.Close)
		}
		number := bucket(b.Time, i, z)
		if n := len(out); z.Bars > 1 && n > 0 && number == last {
			c := &out[n-1]
			c.to, c.close = k+1, b.Close
			c.high, c.low = max(c.high, high), min(c.low, low)
			c.volume += float64(max(b.Volume, 0))
			continue
		}
		last = number
		out = append(out, column{from: k, to: k + 1, time: b.Time, open: open, high: high, low: low, close: b.Close,
			volume: float64(max(b.Volume, 0))})
	}
	for k := range out { // a bar that ends where it began is coloured by the one before
		c := &out[k]
		c.falls = c.close < c.open || c.close == c.open && k > 0 && c.close < out[k-1].close
	}
	if n := cells / z.Cells; len(out) > n {
		out = out[len(out)-n:]
	}
	offset := 0 // fewer bars than room begin at the left and grow to the right
	if len(out) == cells/z.Cells {
		offset = cells - len(out)*z.Cells
	}
	for k := range out {
		out[k].x = offset + k*z.Cells + (z.Cells-1)/2
	}
	return out
}

// values are those of a line at each column: of several bars the last one's.
func values(cols []column, line []float64) []float64 {
	out := make([]float64, len(cols))
	for k, c := range cols {
		out[k] = math.NaN()
		if c.to <= len(line) {
			out[k] = line[c.to-1]
		}
	}
	return out
}

// Step is the last bar of the column n columns after that of bar i, before it
// where n is below zero; clamped to the bars.
func Step(bars []market.Bar, i, n int, interval market.Interval, z Zoom) int {
	z = z.valid()
	if len(bars) == 0 {
		return 0
	}
	i = min(max(i, 0), len(bars)-1)
	number := func(k int) int64 { return bucket(bars[k].Time, interval, z) }
	for ; n < 0 && i >= 0; n++ {
		for b := number(i); i >= 0 && number(i) == b; {
			if i--; i < 0 {
				return 0
			}
		}
	}
	for {
		b := number(i)
		for i+1 < len(bars) && number(i+1) == b {
			i++
		}
		if n <= 0 || i+1 == len(bars) {
			return i
		}
		i, n = i+1, n-1
	}
}
