package prophet

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tapedeck/pipeline/market"
)

// Frequency is the spacing of future times. ParseFrequency makes one.
type Frequency struct {
	text  string
	times int
	step  time.Duration        // fixed spacing, or 0
	on    func(time.Time) bool // else the dates that count
}

// Frequencies lists what ParseFrequency knows, for help texts.
const Frequencies = "s min h D B W W-MON…W-SUN MS ME QS QE YS YE NYSE"

// ParseFrequency reads a frequency as pandas writes it, old spellings included:
// s, min, h, D (days), B (weekdays), W or W-SUN to W-SAT (weeks ending then), MS
// and ME (first and last of the month), QS, QE, YS, YE, each with an optional
// count before it, such as 5min or 2W. NYSE is the exchange's trading days.
func ParseFrequency(s string) (Frequency, error) {
	digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
	f := Frequency{text: s, times: 1}
	if digits > 0 {
		n, err := strconv.Atoi(s[:digits])
		if err != nil || n < 1 || n > 100_000 {
			return Frequency{}, fmt.Errorf("frequency %q: the count must be 1 to 100000", s)
		}
		f.times = n
	}
	last := func(months int) func(time.Time) bool {
		return func(d time.Time) bool {
			next := d.AddDate(0, 0, 1)
			return next.Day() == 1 && (int(next.Month())-1)%months == 0
		}
	}
	first := func(months int) func(time.Time) bool {
		return func(d time.Time) bool { return d.Day() == 1 && (int(d.Month())-1)%months == 0 }
	}
	switch unit := s[digits:]; unit {
	case "s", "S":
		f.step = time.Second
	case "min", "T":
		f.step = time.Minute
	case "h", "H":
		f.step = time.Hour
	case "D":
		f.step = 24 * time.Hour
	case "B":
		f.on = func(d time.Time) bool { return d.Weekday() != time.Saturday && d.Weekday() != time.Sunday }
	case "MS":
		f.on = first(1)
	case "ME", "M":
		f.on = last(1)
	case "QS":
		f.on = first(3)
	case "QE", "Q":
		f.on = last(3)
	case "YS", "AS":
		f.on = first(12)
	case "YE", "Y", "A":
		f.on = last(12)
	case "NYSE":
		exchange := market.NYSE()
		f.on = func(d time.Time) bool {
			_, _, ok := exchange.Regular(market.Time(d.Truncate(24 * time.Hour).UnixMicro()))
			return ok
		}
	default:
		day, ok := strings.CutPrefix(unit, "W")
		if ok && day == "" {
			day = "-SUN"
		}
		for wd := time.Sunday; ok && wd <= time.Saturday; wd++ {
			if day == "-"+strings.ToUpper(wd.String()[:3]) {
				f.on = func(d time.Time) bool { return d.Weekday() == wd }
			}
		}
		if f.on == nil {
			return Frequency{}, fmt.Errorf("frequency %q is unknown: give one of %s, or a count with one, such as 5min", s, Frequencies)
		}
	}
	return f, nil
}

// InferFrequency gives the frequency that continues times in order: their usual
// spacing where that is below a day, a week, a month, a quarter or a year, and D,
// Prophet's default, for all else, daily series with gaps included.
func InferFrequency(times []market.Time) Frequency {
	name := "D"
	gaps := make([]time.Duration, 0, len(times))
	first, last := true, true // of their months
	for i, t := range times {
		d := time.UnixMicro(int64(t)).UTC()
		first, last = first && d.Day() == 1, last && d.AddDate(0, 0, 1).Day() == 1
		if i > 0 {
			gaps = append(gaps, t.Sub(times[i-1]))
		}
	}
	const day = 24 * time.Hour
	if len(gaps) > 0 {
		slices.Sort(gaps)
		gap := gaps[len(gaps)/2]
		within := func(from, to int) bool { return time.Duration(from)*day <= gap && gap <= time.Duration(to)*day }
		edge := func(unit string) string {
			switch {
			case first:
				return unit + "S"
			case last:
				return unit + "E"
			}
			return "D"
		}
		switch {
		case gap < day && gap > 0 && gap%time.Second == 0:
			name = strconv.Itoa(int(gap/time.Second)) + "s"
			for unit, length := range map[string]time.Duration{"min": time.Minute, "h": time.Hour} {
				if gap%length == 0 && (unit == "h" || gap%time.Hour != 0) {
					name = strconv.Itoa(int(gap/length)) + unit
				}
			}
		case gap == 7*day:
			at := time.UnixMicro(int64(times[len(times)-1])).UTC()
			name = "W-" + strings.ToUpper(at.Weekday().String()[:3])
		case within(28, 31):
			name = edge("M")
		case within(90, 92):
			name = edge("Q")
		case within(365, 366):
			name = edge("Y")
		}
	}
	f, err := ParseFrequency(name)
	if err != nil {
		panic("prophet: a frequency of ours is not known: " + err.Error())
	}
	return f
}

// String is the frequency as it was written.
func (f Frequency) String() string { return f.text }

const lastYear = 2199

// After gives the first n times of the frequency after t.
func (f Frequency) After(t market.Time, n int) ([]market.Time, error) {
	if f.times == 0 {
		return nil, fmt.Errorf("no frequency: make one with ParseFrequency")
	}
	if n > MaxTimes {
		return nil, fmt.Errorf("%d periods: give at most %d", n, MaxTimes)
	}
	out := make([]market.Time, 0, max(n, 0))
	end := market.Time(time.Date(lastYear+1, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro())
	at := time.UnixMicro(int64(t)).UTC()
	seen := 0 // dates that count so far; the start is one where it counts, so that multiples keep step with it
	for len(out) < n {
		if f.step > 0 {
			at = at.Add(time.Duration(f.times) * f.step)
		}
		now := market.Time(at.UnixMicro())
		switch {
		case now >= end:
			return nil, fmt.Errorf("%d periods of %s go beyond the year %d: give fewer", n, f.text, lastYear)
		case f.step > 0:
			out = append(out, now)
			continue
		case f.on(at):
			if seen%f.times == 0 && now > t {
				out = append(out, now)
			}
			seen++
		}
		at = at.AddDate(0, 0, 1)
	}
	return out, nil
}
