package athena

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var offsetPattern = regexp.MustCompile(`^([+-])(\d{1,2})(?::?(\d{2}))?$`)

// zoneOffset reads a zone such as +05:30 in seconds.
func zoneOffset(zone string) (int64, bool) {
	switch strings.ToUpper(zone) {
	case "UTC", "Z", "GMT", "UT", "ETC/UTC":
		return 0, true
	}
	m := offsetPattern.FindStringSubmatch(zone)
	if m == nil {
		return 0, false
	}
	h, _ := strconv.ParseInt(m[2], 10, 64)
	minutes, _ := strconv.ParseInt("0"+m[3], 10, 64)
	if h > 14 || minutes > 59 {
		return 0, false
	}
	s := h*3600 + minutes*60
	if m[1] == "-" {
		s = -s
	}
	return s, true
}

func offsetName(seconds int64) string {
	sign := "+"
	if seconds < 0 {
		sign, seconds = "-", -seconds
	}
	return fmt.Sprintf("%s%02d:%02d", sign, seconds/3600, seconds/60%60)
}

func knownZone(zone string) bool {
	_, err := location(zone)
	return err == nil
}

func location(zone string) (*time.Location, error) {
	if offset, ok := zoneOffset(zone); ok {
		if offset == 0 {
			return time.UTC, nil
		}
		return time.FixedZone(offsetName(offset), int(offset)), nil
	}
	if zone == "" || zone == "Local" || strings.ContainsAny(zone, "'\\") {
		return nil, fmt.Errorf("'%s' is not a valid time zone", zone)
	}
	l, err := time.LoadLocation(zone)
	if err != nil {
		return nil, fmt.Errorf("'%s' is not a valid time zone", zone)
	}
	return l, nil
}

func duckZone(zone string) string {
	if offset, ok := zoneOffset(zone); ok && offset == 0 {
		return "UTC"
	}
	return zone
}

// zonedTime is a timestamp literal with its zone; zone is empty where it has none.
type zonedTime struct {
	local  time.Time // as a clock in the zone shows it, as if in UTC
	micros int64     // the instant
	zone   string
	digits int // of a second
}

var timestampPattern = regexp.MustCompile(`^\s*([+-]?\d{4,6})-(\d{1,2})-(\d{1,2})(?:[ T](\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,12}))?)?)?\s*([A-Za-z+-][A-Za-z0-9+:/_-]*)?\s*$`)

// parseZoned reads '2026-11-20 14:05:09.5 America/New_York'.
func parseZoned(s string) (zonedTime, error) {
	bad := fmt.Errorf("'%s' is not a valid timestamp", s)
	m := timestampPattern.FindStringSubmatch(s)
	if m == nil {
		return zonedTime{}, bad
	}
	n := make([]int, 7)
	for i := 1; i <= 6; i++ {
		n[i], _ = strconv.Atoi(m[i])
	}
	if n[2] < 1 || n[2] > 12 || n[3] < 1 || n[3] > 31 || n[4] > 23 || n[5] > 59 || n[6] > 59 {
		return zonedTime{}, bad
	}
	fraction := m[7]
	z := zonedTime{zone: m[8], digits: len(fraction)}
	var micros int
	if len(fraction) > 6 {
		if strings.Trim(fraction[6:], "0") != "" {
			return zonedTime{}, fmt.Errorf("times have microseconds here: '%s' has more digits", s)
		}
		fraction = fraction[:6]
	}
	if fraction != "" {
		micros, _ = strconv.Atoi(fraction + "000000"[len(fraction):])
	}
	z.local = time.Date(n[1], time.Month(n[2]), n[3], n[4], n[5], n[6], micros*1000, time.UTC)
	if z.local.Day() != n[3] {
		return zonedTime{}, bad
	}
	z.micros = z.local.UnixMicro()
	if z.zone != "" {
		l, err := location(z.zone)
		if err != nil {
			return zonedTime{}, err
		}
		z.micros = time.Date(n[1], time.Month(n[2]), n[3], n[4], n[5], n[6], micros*1000, l).UnixMicro()
	}
	return z, nil
}

func (c *compiler) timestampLiteral(l *typedLiteral) (value, error) {
	s := l.text
	if l.typ.kind == timeType {
		z, err := parseZoned("1970-01-01 " + strings.TrimSpace(s))
		if err != nil || z.zone != "" {
			return value{}, failAt(l.at(), "'%s' is not a valid TIME literal here", s)
		}
		return value{sql: "TIME " + quoteText(z.local.Format("15:04:05.000000")), typ: &dataType{kind: timeType, p: z.digits}, constant: true}, nil
	}
	z, err := parseZoned(s)
	if err != nil {
		return value{}, failAt(l.at(), "%v", err)
	}
	literal := z.local.Format("2006-01-02 15:04:05.000000")
	if z.zone == "" {
		return value{sql: "TIMESTAMP " + quoteText(literal), typ: &dataType{kind: timestampType, p: z.digits}, constant: true}, nil
	}
	instant := time.UnixMicro(z.micros).UTC().Format("2006-01-02 15:04:05.000000")
	return value{sql: "TIMESTAMPTZ " + quoteText(instant+"+00"), typ: &dataType{kind: zonedType, p: z.digits, zone: z.zone}, constant: true}, nil
}

// parseDate reads '2026-11-20' and gives it back with all its digits.
func parseDate(s string) (string, bool) {
	z, err := parseZoned(s)
	if err != nil || strings.ContainsAny(strings.TrimSpace(s), ": TZ") {
		return "", false
	}
	return z.local.Format("2006-01-02"), true
}
