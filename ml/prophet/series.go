package prophet

import (
	"errors"
	"fmt"
	"math"
	"sort"

	"tapedeck/pipeline/market"
)

// ErrSeries is in the chain of every error about the data, as against the
// configuration.
var ErrSeries = errors.New("series")

// Series is a history: Prophet's columns ds, y, cap and floor. Times need not be
// sorted. A NaN in Values is a missing observation, which Prophet skips. Cap and
// Floor are nil or as long as Times; they count for logistic growth only.
type Series struct {
	Times  []market.Time
	Values []float64
	Cap    []float64
	Floor  []float64
}

// Future is the times to predict, with the limits of logistic growth at each.
type Future struct {
	Times []market.Time
	Cap   []float64
	Floor []float64 // nil: 0, as in a history without one
}

// sorted checks a history and returns it in time order without its missing rows.
func (s Series) sorted(growth Growth) (Series, error) {
	fail := func(format string, args ...any) (Series, error) {
		return Series{}, fmt.Errorf("%w: %w", ErrSeries, fmt.Errorf(format, args...))
	}
	n := len(s.Times)
	if len(s.Values) != n {
		return fail("%d times and %d values: give one value for each time", n, len(s.Values))
	}
	if err := checkLimits(growth, s.Times, s.Cap, s.Floor); err != nil {
		return fail("%w", err)
	}
	rows := make([]int, 0, n)
	for i, y := range s.Values {
		if math.IsInf(y, 0) {
			return fail("y is infinite at %s: remove the row or leave the value empty", stamp(s.Times[i]))
		}
		if !math.IsNaN(y) {
			rows = append(rows, i)
		}
	}
	if len(rows) < 2 {
		return fail("%d of %d rows have a value: give at least 2", len(rows), n)
	}
	sort.SliceStable(rows, func(a, b int) bool { return s.Times[rows[a]] < s.Times[rows[b]] })
	for i := 1; i < len(rows); i++ {
		if s.Times[rows[i]] == s.Times[rows[i-1]] {
			return fail("two values for %s: keep one, or their mean", stamp(s.Times[rows[i]]))
		}
	}
	out := Series{Times: make([]market.Time, len(rows)), Values: pick(s.Values, rows), Cap: pick(s.Cap, rows), Floor: pick(s.Floor, rows)}
	for i, r := range rows {
		out.Times[i] = s.Times[r]
	}
	if growth != Logistic {
		out.Cap, out.Floor = nil, nil
	}
	return out, nil
}

// dates gives the times of all rows, sorted and each once, with their limits.
func (s Series) dates(growth Growth) Future {
	f := Future{Times: s.Times, Cap: s.Cap, Floor: s.Floor}.sorted(growth)
	var rows []int
	for i, t := range f.Times {
		if i == 0 || t != f.Times[i-1] {
			rows = append(rows, i)
		}
	}
	for to, from := range rows {
		f.Times[to] = f.Times[from]
	}
	return Future{Times: f.Times[:len(rows)], Cap: pick(f.Cap, rows), Floor: pick(f.Floor, rows)}
}

// checkLimits checks cap and floor of a history or a future.
func checkLimits(growth Growth, times []market.Time, cap, floor []float64) error {
	if growth != Logistic {
		return nil
	}
	if cap == nil {
		return errors.New("logistic growth needs a cap: give a column cap, the level at which growth ends, for history and future")
	}
	if len(cap) != len(times) || floor != nil && len(floor) != len(times) {
		return fmt.Errorf("%d times, %d caps, %d floors: give one for each time", len(times), len(cap), len(floor))
	}
	for i, c := range cap {
		f := 0.0
		if floor != nil {
			f = floor[i]
		}
		if math.IsNaN(c) || math.IsInf(c, 0) || math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("cap %v and floor %v at %s: give finite numbers on every row", c, f, stamp(times[i]))
		}
		if c <= f {
			return fmt.Errorf("cap %v is not above floor %v at %s: raise the cap or lower the floor (0 when none is given)", c, f, stamp(times[i]))
		}
	}
	return nil
}

func pick(values []float64, rows []int) []float64 {
	if values == nil {
		return nil
	}
	out := make([]float64, len(rows))
	for i, r := range rows {
		out[i] = values[r]
	}
	return out
}
