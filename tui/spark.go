package tui

import "math"

// levels of a cell's fill, from an eighth to the whole.
var levels = [...]string{" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"}

// spark draws closes as an area of the given width and one line's height:
// each column the mean of its share of the values, the lowest an eighth of a
// cell, the highest seven: lines one below the other do not run together. 0 is
// no value. Fewer values than columns begin further right.
func spark(values []float32, columns int, dst []uint16) []uint16 {
	dst = dst[:0]
	n := len(values)
	if columns <= 0 {
		return dst
	}
	if n == 0 {
		for range columns {
			dst = append(dst, 0)
		}
		return dst
	}
	used := min(columns, n)
	for range columns - used {
		dst = append(dst, 0)
	}
	low, high := float32(math.MaxFloat32), float32(-math.MaxFloat32)
	mean := func(i int) float32 {
		from, to := i*n/used, (i+1)*n/used
		sum := float32(0)
		for _, v := range values[from:to] {
			sum += v
		}
		return sum / float32(to-from)
	}
	for i := range used {
		v := mean(i)
		low, high = min(low, v), max(high, v)
	}
	const top = 6 // eighths above the lowest
	for i := range used {
		h := float32(top) / 2
		if high > low {
			h = (mean(i) - low) / (high - low) * top
		}
		dst = append(dst, uint16(h+1.5))
	}
	return dst
}
