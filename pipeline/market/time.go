package market

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Time is an instant in microseconds since 1970-01-01T00:00:00Z. It is UTC by
// definition; a zone is a matter of drawing. The zero value means "unknown".
type Time int64

// At converts a standard time, dropping what is finer than a microsecond.
func At(t time.Time) Time {
	if t.IsZero() {
		return 0
	}
	return Time(t.UnixMicro())
}

// FromMillis converts milliseconds since the epoch.
func FromMillis(ms int64) Time { return Time(ms * 1000) }

// Std is t as a standard time in UTC; the zero Time gives the zero time.Time.
func (t Time) Std() time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(t)).UTC()
}

// Millis is t in milliseconds since the epoch, rounded down.
func (t Time) Millis() int64 { return floorDiv(int64(t), 1000) }

// Add is t plus d.
func (t Time) Add(d time.Duration) Time { return t + Time(d.Microseconds()) }

// Sub is the duration t-u.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t-u) * time.Microsecond }

// Truncate rounds down to a multiple of d since the epoch; d below 1 µs leaves t alone.
func (t Time) Truncate(d time.Duration) Time {
	us := d.Microseconds()
	if us <= 0 {
		return t
	}
	return Time(floorDiv(int64(t), us) * us)
}

// String is t in RFC 3339 with milliseconds, or microseconds where it has them.
func (t Time) String() string {
	if t == 0 {
		return ""
	}
	if int64(t)%1000 != 0 {
		return t.Std().Format("2006-01-02T15:04:05.000000Z")
	}
	return t.Std().Format("2006-01-02T15:04:05.000Z")
}

// Limits of times that are taken from outside: the years 1900 to 2199.
const (
	minTime = Time(-2208988800 * 1e6)
	maxTime = Time(7258118400 * 1e6)
)

// ParseTime reads what sources write: RFC 3339 and its common variants with a
// space or without a zone (then UTC), or a count since the epoch whose
// magnitude tells seconds, milliseconds, microseconds and nanoseconds apart.
func ParseTime(s string) (Time, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return 0, fmt.Errorf("time is empty")
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		return timeFromNumber(f, s)
	}
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return checkTime(At(t), s)
		}
	}
	return 0, fmt.Errorf("%q is not a time; write 2006-01-02T15:04:05.000Z or milliseconds since 1970", clip(s))
}

var timeLayouts = []string{
	time.RFC3339Nano,
	"2006-01-02 15:04:05.999999999Z07:00",
	"2006-01-02 15:04:05.999999999 MST",
	"2006-01-02T15:04:05.999999999",
	"2006-01-02 15:04:05.999999999",
	"2006-01-02T15:04",
	"2006-01-02 15:04",
	"2006-01-02",
}

func timeFromNumber(f float64, s string) (Time, error) {
	abs := f
	if abs < 0 {
		abs = -abs
	}
	var us float64
	switch {
	case abs < 1e11: // seconds, until the year 5138
		us = f * 1e6
	case abs < 1e14: // milliseconds
		us = f * 1e3
	case abs < 1e17: // microseconds
		us = f
	case abs < 1e20: // nanoseconds
		us = f / 1e3
	default:
		return 0, fmt.Errorf("%q is not a time: too far away", clip(s))
	}
	if i, err := strconv.ParseInt(s, 10, 64); err == nil { // exact where it can be
		switch {
		case abs < 1e11:
			return checkTime(Time(i*1e6), s)
		case abs < 1e14:
			return checkTime(Time(i*1e3), s)
		case abs < 1e17:
			return checkTime(Time(i), s)
		}
	}
	return checkTime(Time(us), s)
}

func checkTime(t Time, s string) (Time, error) {
	if t < minTime || t > maxTime {
		return 0, fmt.Errorf("%q is not a time between 1900 and 2199", clip(s))
	}
	return t, nil
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// clip keeps an error message short whatever the input was.
func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}
