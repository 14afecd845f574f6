package athena

import (
	"database/sql/driver"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"

	"gonum.org/v1/gonum/mathext"
)

func addNumbers(m map[string]runner) {
	maths := map[string]func(float64) float64{"sin": math.Sin, "cos": math.Cos, "tan": math.Tan, "asin": math.Asin, "acos": math.Acos}
	m["trino_math(text, double) double"] = func(a []driver.Value) (any, error) { return maths[a[0].(string)](a[1].(float64)), nil }
	m["trino_power(double, double) double"] = func(a []driver.Value) (any, error) { return math.Pow(a[0].(float64), a[1].(float64)), nil }
	m["trino_width_bucket(double, double, double, int) int"] = func(a []driver.Value) (any, error) {
		return widthBucket(a[0].(float64), a[1].(float64), a[2].(float64), a[3].(int64))
	}
	m["trino_format_number(double) text"] = func(a []driver.Value) (any, error) { return formatCount(a[0].(float64)), nil }
	m["trino_to_base(int, int) text"] = func(a []driver.Value) (any, error) {
		if n := a[1].(int64); n < 2 || n > 36 {
			return nil, fmt.Errorf("Radix must be between 2 and 36")
		}
		return strconv.FormatInt(a[0].(int64), int(a[1].(int64))), nil
	}
	m["trino_from_base(text, int) int"] = func(a []driver.Value) (any, error) {
		n, err := strconv.ParseInt(a[0].(string), int(a[1].(int64)), 64)
		if err != nil || a[1].(int64) < 2 {
			return nil, fmt.Errorf("Not a valid base-%d number: %s", a[1], clip(a[0].(string)))
		}
		return n, nil
	}
	m["trino_shift(text, int, int, int) int"] = func(a []driver.Value) (any, error) {
		return shiftBits(a[0].(string), a[1].(int64), a[2].(int64), a[3].(int64))
	}
	m["trino_bit_count(int, int) int"] = func(a []driver.Value) (any, error) {
		n, width := a[0].(int64), a[1].(int64)
		if width < 2 || width > 64 {
			return nil, fmt.Errorf("Bits specified in bit_count must be between 2 and 64, got %d", width)
		}
		if low := int64(-1) << (width - 1); n < low || n > ^low {
			return nil, fmt.Errorf("Number must be representable with the bits specified. %d cannot be represented with %d bits", n, width)
		}
		return int64(bits.OnesCount64(uint64(n) & (math.MaxUint64 >> (64 - width)))), nil
	}
	m["trino_normal_cdf(double, double, double) double"] = func(a []driver.Value) (any, error) {
		mean, sd := a[0].(float64), a[1].(float64)
		if sd <= 0 {
			return nil, fmt.Errorf("standardDeviation must be > 0")
		}
		return 0.5 * math.Erfc(-(a[2].(float64)-mean)/(sd*math.Sqrt2)), nil
	}
	m["trino_inverse_normal_cdf(double, double, double) double"] = func(a []driver.Value) (any, error) {
		p := a[2].(float64)
		if p <= 0 || p >= 1 {
			return nil, fmt.Errorf("p must be 0 > p > 1")
		}
		if a[1].(float64) <= 0 {
			return nil, fmt.Errorf("sd must be > 0")
		}
		return a[0].(float64) + a[1].(float64)*mathext.NormalQuantile(p), nil
	}
	m["trino_beta_cdf(double, double, double) double"] = func(a []driver.Value) (any, error) {
		x := a[2].(float64)
		if x < 0 || x > 1 || a[0].(float64) <= 0 || a[1].(float64) <= 0 {
			return nil, fmt.Errorf("beta_cdf takes a, b > 0 and a value from 0 to 1")
		}
		return mathext.RegIncBeta(a[0].(float64), a[1].(float64), x), nil
	}
	m["trino_wilson(int, int, double, int) double"] = func(a []driver.Value) (any, error) {
		successes, trials, z := float64(a[0].(int64)), float64(a[1].(int64)), a[2].(float64)
		if successes < 0 || trials <= 0 || successes > trials || z < 0 {
			return nil, fmt.Errorf("the number of successes must be from 0 to that of trials, and z not negative")
		}
		p := successes / trials
		return (p + z*z/(2*trials) + float64(a[3].(int64))*z*math.Sqrt((p*(1-p)+z*z/(4*trials))/trials)) / (1 + z*z/trials), nil
	}
	m["trino_combination_indexes(int, int) int[][]"] = func(a []driver.Value) (any, error) { return combinations(a[0].(int64), a[1].(int64)) }
}

func widthBucket(x, low, high float64, n int64) (any, error) {
	switch {
	case n <= 0:
		return nil, fmt.Errorf("bucketCount must be greater than 0")
	case math.IsNaN(x):
		return nil, fmt.Errorf("operand must not be NaN")
	case low == high:
		return nil, fmt.Errorf("bounds cannot equal each other")
	}
	below, above := min(low, high), max(low, high)
	var bucket int64
	switch {
	case x < below:
		bucket = 0
	case x >= above:
		bucket = n + 1
	default:
		bucket = int64(float64(n)*(x-below)/(above-below)) + 1
	}
	if low > high {
		bucket = n - bucket + 1
	}
	return bucket, nil
}

func formatCount(v float64) string {
	if v < 0 {
		return "-" + formatCount(-v)
	}
	unit := 0
	for v >= 1000 && unit < 5 {
		v /= 1000
		unit++
	}
	places := 2
	switch {
	case v >= 100:
		places = 0
	case v >= 10:
		places = 1
	}
	s, err := exactDecimal(v, places)
	if err != nil {
		return javaDouble(v)
	}
	if strings.Contains(s, ".") {
		s = strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
	}
	return s + []string{"", "K", "M", "B", "T", "Q"}[unit]
}

func shiftBits(how string, n, by, width int64) (any, error) {
	if by < 0 {
		return nil, fmt.Errorf("Shift count must not be negative")
	}
	if how == "arithmetic" {
		return n >> min(by, 63), nil
	}
	if by >= width {
		return int64(0), nil
	}
	if width == 32 {
		if how == "left" {
			return int64(int32(n) << by), nil
		}
		return int64(int32(uint32(int32(n)) >> by)), nil
	}
	if how == "left" {
		return n << by, nil
	}
	return int64(uint64(n) >> by), nil
}

func combinations(n, k int64) (any, error) {
	if k < 0 || k > 5 {
		return nil, fmt.Errorf("combination size must not be negative or exceed 5")
	}
	out := []any{}
	chosen := make([]int64, 0, k)
	var choose func(from int64) error
	choose = func(from int64) error {
		if int64(len(chosen)) == k {
			if len(out) == 10_000 {
				return fmt.Errorf("there are more than 10000 combinations")
			}
			one := make([]any, k)
			for i, c := range chosen {
				one[i] = c
			}
			out = append(out, one)
			return nil
		}
		for i := from; i <= n; i++ {
			chosen = append(chosen, i)
			if err := choose(i + 1); err != nil {
				return err
			}
			chosen = chosen[:len(chosen)-1]
		}
		return nil
	}
	if k == 0 {
		return []any{[]any{}}, nil
	}
	return out, choose(1)
}

var durationUnits = map[string]float64{"ns": 1e-6, "us": 1e-3, "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}

// parseDuration reads Trino's durations such as 3.5h, in milliseconds.
func parseDuration(s string) (any, error) {
	number := strings.TrimRight(strings.TrimSpace(s), "nusmhd")
	unit, ok := durationUnits[strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(s), number))]
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || !ok || v < 0 {
		return nil, fmt.Errorf("Invalid duration: %s", clip(s))
	}
	return int64(math.Round(v * unit)), nil
}

func humanSeconds(v float64) string {
	seconds := int64(v)
	if seconds < 0 {
		seconds = -seconds
	}
	var parts []string
	for _, u := range []struct {
		name string
		n    int64
	}{{"week", 604800}, {"day", 86400}, {"hour", 3600}, {"minute", 60}, {"second", 1}} {
		n := seconds / u.n
		seconds %= u.n
		if n > 0 || u.n == 1 && len(parts) == 0 {
			name := u.name
			if n != 1 {
				name += "s"
			}
			parts = append(parts, fmt.Sprintf("%d %s", n, name))
		}
	}
	return strings.Join(parts, ", ")
}
