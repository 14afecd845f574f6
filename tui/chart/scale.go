package chart

import (
	"math"
	"strconv"
)

// Axis says what the vertical axis counts.
type Axis uint8

// The axes.
const (
	Prices    Axis = iota
	Percent        // difference to the first visible close
	Logarithm      // prices, equal ratios equally far apart
)

// scale maps values to heights: low is the bottom of the area, high its top.
// Its ends are round, so that a price that moves a little moves no axis.
type scale struct {
	low, high float64 // after forward
	base      float64 // of per cent
	axis      Axis
	step      float64 // between labels; in prices where the axis is logarithmic
	decimals  int     // of labels
}

// newScale spans low … high for an area of the given number of rows, with a
// label about every four rows. What is not finite, or not above zero on a
// logarithmic axis, gives a scale that draws nothing.
func newScale(axis Axis, low, high, base float64, rows int) scale {
	s := scale{axis: axis, base: base}
	if axis == Percent && !(base > 0) {
		s.axis = Prices
	}
	if !finite(low) || !finite(high) || low > high || s.axis == Logarithm && low <= 0 {
		return scale{low: math.NaN(), high: math.NaN(), step: math.NaN()}
	}
	low, high = s.forward(low), s.forward(high)
	if high == low { // a flat line stands in the middle
		pad := math.Max(math.Abs(high)*0.001, 1e-4)
		low, high = low-pad, high+pad
	}
	labels := float64(min(max(rows/4, 1), 8))
	if s.axis == Logarithm {
		from, to := math.Exp(low), math.Exp(high)
		pad := (high - low) * 0.03
		s.low, s.high = low-pad, high+pad
		s.step = nice((to - from) / labels)
	} else {
		s.step = nice((high - low) / labels)
		quantum := s.step / 4
		s.low = math.Floor(low/quantum) * quantum
		s.high = math.Ceil(high/quantum) * quantum
		if !(s.high > s.low) { // beyond what a float64 tells apart
			s.low, s.high = low, high
		}
	}
	s.decimals = decimalsOf(s.step)
	return s
}

func (s *scale) ok() bool { return s.high > s.low && finite(s.high-s.low) }

// forward is a value on the axis.
func (s *scale) forward(v float64) float64 {
	switch s.axis {
	case Percent:
		return (v/s.base - 1) * 100
	case Logarithm:
		return math.Log(v)
	}
	return v
}

// row is the row units above the bottom row's middle, 0 … rows-1; NaN where v
// is outside or not a number.
func (s *scale) row(v float64, rows int) float64 {
	f := (s.forward(v) - s.low) / (s.high - s.low)
	if !(f >= -1e-9 && f <= 1+1e-9) {
		return math.NaN()
	}
	return math.Min(math.Max(f, 0), 1) * float64(rows-1)
}

// half is the half row that v lies in, 0 at the bottom; clamped to the area.
func (s *scale) half(v float64, rows int) int {
	f := (s.forward(v) - s.low) / (s.high - s.low)
	if f != f {
		return 0
	}
	return int(math.Min(math.Max(f*float64(2*rows), 0), float64(2*rows-1)))
}

// ticks calls do with each label's height, from the bottom, and its text.
func (s *scale) ticks(rows int, do func(row int, label string)) {
	if !s.ok() || !(s.step > 0) {
		return
	}
	low, high := s.low, s.high
	if s.axis == Logarithm {
		low, high = math.Exp(low), math.Exp(high)
	}
	first := math.Ceil(low/s.step - 1e-9)
	for i := 0.0; i < 64; i++ {
		v := (first + i) * s.step
		if v > high+s.step*1e-9 || first+i == first+i+1 {
			return
		}
		at := v
		if s.axis == Logarithm {
			if at = math.Log(v); v <= 0 {
				continue
			}
		}
		f := (at - s.low) / (s.high - s.low)
		if f < -1e-9 || f > 1+1e-9 {
			continue
		}
		do(int(math.Round(f*float64(rows-1))), s.label(v, s.decimals))
	}
}

// label writes a value of the axis: per cent with sign, prices grouped.
func (s *scale) label(v float64, decimals int) string {
	if s.axis == Percent {
		if t := strconv.FormatFloat(v, 'f', decimals, 64); v > 0 {
			return "+" + t + "%"
		} else if v == 0 {
			return "0%"
		} else {
			return t + "%"
		}
	}
	return number(v, decimals)
}

// tag writes a price on the axis as exactly as the symbol is priced.
func (s *scale) tag(v float64, decimals int) string {
	if s.axis == Percent {
		return s.label(s.forward(v), 2)
	}
	return number(v, decimals)
}

// number with grouped thousands; beyond 15 digits in scientific form.
func number(v float64, decimals int) string {
	if math.Abs(v) >= 1e12 {
		return strconv.FormatFloat(v, 'e', 2, 64)
	}
	return Group(strconv.FormatFloat(v, 'f', decimals, 64))
}

// Group puts a comma between the thousands of a number in digits.
func Group(s string) string {
	start, end := 0, len(s)
	if end > 0 && (s[0] == '-' || s[0] == '+') {
		start = 1
	}
	for i := range s {
		if s[i] == '.' {
			end = i
			break
		}
	}
	if end-start <= 3 {
		return s
	}
	out := make([]byte, 0, len(s)+4)
	out = append(out, s[:start]...)
	for i := start; i < end; i++ {
		if i > start && (end-i)%3 == 0 {
			out = append(out, ',')
		}
		out = append(out, s[i])
	}
	return string(append(out, s[end:]...))
}

// nice is the least of 1, 2, 5 × 10ⁿ that is at least v.
func nice(v float64) float64 {
	if !(v > 0) || !finite(v) {
		return math.NaN()
	}
	p := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range [...]float64{1, 2, 5, 10} {
		if v <= m*p*(1+1e-9) {
			return m * p
		}
	}
	return 10 * p
}

// decimalsOf is how many decimals a multiple of step needs, at most 8.
func decimalsOf(step float64) int {
	if !(step > 0) {
		return 0
	}
	return min(max(int(math.Ceil(-math.Log10(step)-1e-9)), 0), 8)
}

func finite(v float64) bool { return v-v == 0 }
