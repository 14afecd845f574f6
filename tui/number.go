package tui

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"tapedeck/pipeline/market"
	"tapedeck/tui/chart"
)

// price with fixed decimals and grouped thousands; "–" where there is none.
func price(v float64, decimals uint8) string {
	if v == 0 || v-v != 0 {
		return "–"
	}
	return chart.Group(strconv.FormatFloat(v, 'f', int(decimals), 64))
}

// priceWithin is price in at most n cells: decimals go before the number does.
func priceWithin(v float64, decimals uint8, n int) string {
	for {
		s := price(v, decimals)
		switch {
		case len(s) <= n || s == "–":
			return s
		case decimals == 0:
			if s = strings.ReplaceAll(s, ",", ""); len(s) > n {
				return shares(int64(v))
			}
			return s
		}
		decimals--
	}
}

// integer with grouped thousands.
func integer(n int64) string { return chart.Group(strconv.FormatInt(n, 10)) }

// signed has always a sign, and none where it rounds to zero.
func signed(v float64, decimals int) string {
	if v-v != 0 {
		return "–"
	}
	s := strconv.FormatFloat(math.Abs(v), 'f', decimals, 64)
	zero := true
	for i := range s {
		if s[i] != '0' && s[i] != '.' {
			zero = false
		}
	}
	switch {
	case zero:
		return s
	case v < 0:
		return "-" + chart.Group(s)
	}
	return "+" + chart.Group(s)
}

// shares in at most five cells: 912, 9.1k, 912k, 48.2M, 1.2B.
func shares(n int64) string {
	v := float64(n)
	switch {
	case n < 0:
		return "–"
	case n < 1000:
		return strconv.FormatInt(n, 10)
	case v < 9_950:
		return strconv.FormatFloat(v/1e3, 'f', 1, 64) + "k"
	case v < 999_500:
		return strconv.FormatFloat(v/1e3, 'f', 0, 64) + "k"
	case v < 999_950_000:
		return strconv.FormatFloat(v/1e6, 'f', 1, 64) + "M"
	case v < 999_950_000_000:
		return strconv.FormatFloat(v/1e9, 'f', 1, 64) + "B"
	}
	return strconv.FormatFloat(v/1e12, 'f', 1, 64) + "T"
}

// perSecond is a rate in at most six cells.
func perSecond(v float64) string {
	switch {
	case v-v != 0 || v <= 0:
		return "0"
	case v < 9.95:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case v < 99_999.5:
		return chart.Group(strconv.FormatFloat(v, 'f', 0, 64))
	}
	return shares(int64(v))
}

// bytesize in binary units, as files are spoken of: 812 B, 2.1 MB.
func bytesize(n int64) string {
	v, units := float64(n), [...]string{"B", "kB", "MB", "GB", "TB", "PB"}
	i := 0
	for v >= 999.5 && i < len(units)-1 {
		v, i = v/1000, i+1
	}
	if i == 0 || v >= 99.5 {
		return fmt.Sprintf("%.0f %s", v, units[i])
	}
	return fmt.Sprintf("%.1f %s", v, units[i])
}

// span is a duration in words short enough for a status line: 0.2 s, 12 s,
// 3 min, 2 h, 5 days.
func span(d time.Duration) string {
	switch {
	case d < 0:
		return "0.0 s"
	case d < 9950*time.Millisecond:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	case d < 100*time.Second:
		return strconv.Itoa(int(d.Seconds()+0.5)) + " s"
	case d < 100*time.Minute:
		return strconv.Itoa(int(d.Minutes()+0.5)) + " min"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Hours()+0.5)) + " h"
	}
	return strconv.Itoa(int(d.Hours()/24+0.5)) + " days"
}

// latency is a short duration: 0.4 ms, 41 ms, 1.2 s.
func latency(d time.Duration) string {
	switch {
	case d <= 0:
		return "–"
	case d < 9950*time.Microsecond:
		return strconv.FormatFloat(float64(d)/1e6, 'f', 1, 64) + " ms"
	case d < 999500*time.Microsecond:
		return strconv.Itoa(int(float64(d)/1e6+0.5)) + " ms"
	}
	return span(d)
}

// value of an alert: as many digits as it needs, grouped.
func value(v float64) string {
	if v-v != 0 {
		return ""
	}
	switch a := math.Abs(v); {
	case a >= 1000 || v == math.Trunc(v):
		return chart.Group(strconv.FormatFloat(v, 'f', 0, 64))
	case a >= 1:
		return chart.Group(strconv.FormatFloat(v, 'f', 2, 64))
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// plural is "1 alert", "41 alerts".
func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return integer(int64(n)) + " " + one + "s"
}

// zoneName is ET, UTC or the local zone's abbreviation.
func zoneName(z *time.Location, t time.Time) string {
	if z.String() == "America/New_York" {
		return "ET"
	}
	name, _ := t.In(z).Zone()
	return name
}

func clockOf(t market.Time, z *time.Location) string { return t.Std().In(z).Format("15:04:05") }
