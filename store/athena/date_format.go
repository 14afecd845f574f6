package athena

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// checkFormat says what is wrong with a format of a date function.
func checkFormat(function, format string) error {
	if function == "date_format" || function == "date_parse" {
		_, err := mysqlPieces(format)
		return err
	}
	_, err := jodaPieces(format)
	return err
}

// piece is a part of a format: a text as it stands, or a field with its width.
type piece struct {
	text  string
	field byte // 0: text
	count int
}

// mysqlFields are MySQL's letters as Joda's fields.
var mysqlFields = map[byte]piece{
	'a': {field: 'E', count: 3}, 'b': {field: 'M', count: 3}, 'c': {field: 'M', count: 1}, 'd': {field: 'd', count: 2}, 'e': {field: 'd', count: 1},
	'f': {field: 'S', count: 6}, 'H': {field: 'H', count: 2}, 'h': {field: 'h', count: 2}, 'I': {field: 'h', count: 2}, 'i': {field: 'm', count: 2},
	'j': {field: 'D', count: 3}, 'k': {field: 'H', count: 1}, 'l': {field: 'h', count: 1}, 'M': {field: 'M', count: 4}, 'm': {field: 'M', count: 2},
	'p': {field: 'a', count: 1}, 'S': {field: 's', count: 2}, 's': {field: 's', count: 2}, 'v': {field: 'w', count: 2}, 'W': {field: 'E', count: 4},
	'x': {field: 'x', count: 4}, 'Y': {field: 'y', count: 4}, 'y': {field: 'y', count: 2},
}

func mysqlPieces(format string) ([]piece, error) {
	var out []piece
	text := func(s string) {
		if n := len(out); n > 0 && out[n-1].field == 0 {
			out[n-1].text += s
			return
		}
		out = append(out, piece{text: s})
	}
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			text(format[i : i+1])
			continue
		}
		if i++; i == len(format) {
			return nil, fmt.Errorf("Invalid date format: it ends with %%")
		}
		switch c := format[i]; c {
		case '%':
			text("%")
		case 'r':
			out = append(out, mysqlFields['h'], piece{text: ":"}, mysqlFields['i'], piece{text: ":"}, mysqlFields['s'], piece{text: " "}, mysqlFields['p'])
		case 'T':
			out = append(out, mysqlFields['H'], piece{text: ":"}, mysqlFields['i'], piece{text: ":"}, mysqlFields['s'])
		default:
			p, ok := mysqlFields[c]
			if !ok {
				if strings.IndexByte("DUuVwX", c) >= 0 {
					return nil, fmt.Errorf("%%%c not supported in date format string", c)
				}
				text(format[i : i+1])
				continue
			}
			out = append(out, p)
		}
	}
	return out, nil
}

func jodaPieces(format string) ([]piece, error) {
	var out []piece
	for i := 0; i < len(format); {
		c := format[i]
		switch {
		case c == '\'':
			if i+1 < len(format) && format[i+1] == '\'' {
				out = append(out, piece{text: "'"})
				i += 2
				continue
			}
			var b strings.Builder
			i++
			for ; i < len(format); i++ {
				if format[i] == '\'' {
					if i+1 < len(format) && format[i+1] == '\'' {
						i++
					} else {
						break
					}
				}
				b.WriteByte(format[i])
			}
			out = append(out, piece{text: b.String()})
			i++
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			n := 1
			for i+n < len(format) && format[i+n] == c {
				n++
			}
			if strings.IndexByte("CYxwyEeDMdaKhHkmsSzZ", c) < 0 {
				if c == 'u' || c == 'L' || c == 'G' {
					return nil, fmt.Errorf("the letter %c cannot be given here in a date format", c)
				}
				return nil, fmt.Errorf("Illegal pattern component: %s", format[i:i+n])
			}
			if n > 30 {
				return nil, fmt.Errorf("a field of a date format is wider than 30")
			}
			out = append(out, piece{field: c, count: n})
			i += n
		default:
			out = append(out, piece{text: format[i : i+1]})
			i++
		}
	}
	return out, nil
}

// formatTime writes a time by pieces. mysql's %f has milliseconds and zeros.
func formatTime(pieces []piece, t time.Time, zone string, mysql bool) (string, error) {
	var b strings.Builder
	number := func(n, width int) {
		s := strconv.Itoa(n)
		for i := len(s); i < width; i++ {
			b.WriteByte('0')
		}
		b.WriteString(s)
	}
	for _, p := range pieces {
		switch p.field {
		case 0:
			b.WriteString(p.text)
		case 'y', 'Y':
			if p.count == 2 {
				number(((t.Year()%100)+100)%100, 2)
			} else {
				number(t.Year(), p.count)
			}
		case 'C':
			number(t.Year()/100, p.count)
		case 'x':
			y, _ := t.ISOWeek()
			if p.count == 2 {
				number(y%100, 2)
			} else {
				number(y, p.count)
			}
		case 'w':
			_, w := t.ISOWeek()
			number(w, p.count)
		case 'e':
			number((int(t.Weekday())+6)%7+1, p.count)
		case 'E':
			if p.count >= 4 {
				b.WriteString(t.Weekday().String())
			} else {
				b.WriteString(t.Weekday().String()[:3])
			}
		case 'D':
			number(t.YearDay(), p.count)
		case 'M':
			switch {
			case p.count >= 4:
				b.WriteString(t.Month().String())
			case p.count == 3:
				b.WriteString(t.Month().String()[:3])
			default:
				number(int(t.Month()), p.count)
			}
		case 'd':
			number(t.Day(), p.count)
		case 'a':
			b.WriteString(t.Format("PM"))
		case 'H':
			number(t.Hour(), p.count)
		case 'h':
			number((t.Hour()+11)%12+1, p.count)
		case 'K':
			number(t.Hour()%12, p.count)
		case 'k':
			number((t.Hour()+23)%24+1, p.count)
		case 'm':
			number(t.Minute(), p.count)
		case 's':
			number(t.Second(), p.count)
		case 'S': // Joda's times have milliseconds
			s := fmt.Sprintf("%03d", t.Nanosecond()/1_000_000)
			for len(s) < p.count {
				s += "0"
			}
			b.WriteString(s[:p.count])
		case 'Z', 'z':
			l, err := location(zone)
			if err != nil {
				return "", err
			}
			in := time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, l)
			switch {
			case p.field == 'z' && p.count < 4:
				name, _ := in.Zone()
				b.WriteString(name)
			case p.field == 'Z' && p.count == 1:
				b.WriteString(in.Format("-0700"))
			case p.field == 'Z' && p.count == 2:
				b.WriteString(in.Format("-07:00"))
			case p.field == 'Z':
				b.WriteString(zone)
			default:
				return "", fmt.Errorf("the long names of time zones cannot be given here")
			}
		}
	}
	return b.String(), nil
}

// parsed are the fields that a format found in a text.
type parsed struct {
	year, month, day, yearDay     int
	weekYear, week, weekday       int
	hour, half, minute, second    int
	nanos                         int
	pm                            int // 0 am, 1 pm, -1 not said
	zone                          string
	hasYear, hasMonth, hasDay     bool
	hasYearDay, hasWeek, hasWeekY bool
	hasWeekday, hasHour, hasHalf  bool
}

var errFormat = fmt.Errorf("Invalid format")

// parseTime reads a text by pieces; it must be read to its end.
func parseTime(pieces []piece, s string, pivot int) (time.Time, string, error) {
	p := parsed{year: 1970, month: 1, day: 1, weekYear: 1970, week: 1, weekday: 1, pm: -1}
	rest := s
	for i, f := range pieces {
		bad := fmt.Errorf("Invalid format: \"%s\" is malformed at \"%s\"", clip(s), clip(rest))
		if f.field == 0 {
			if !strings.HasPrefix(rest, f.text) {
				return time.Time{}, "", bad
			}
			rest = rest[len(f.text):]
			continue
		}
		adjacent := i+1 < len(pieces) && pieces[i+1].field != 0 && strings.IndexByte("aEzZ", pieces[i+1].field) < 0
		var err error
		if rest, err = p.field(f, rest, adjacent, pivot); err != nil {
			return time.Time{}, "", bad
		}
	}
	if rest != "" {
		return time.Time{}, "", fmt.Errorf("Invalid format: \"%s\" is malformed at \"%s\"", clip(s), clip(rest))
	}
	return p.time(s)
}

func (p *parsed) field(f piece, s string, adjacent bool, pivot int) (string, error) {
	number := func(max int) (int, string, error) {
		if adjacent && f.count < max {
			max = f.count
		}
		n := 0
		i := 0
		if i < len(s) && s[i] == '-' && (f.field == 'y' || f.field == 'Y' || f.field == 'x') {
			i++
		}
		from := i
		for i < len(s) && i-from < max && isDigit(s[i]) {
			n = n*10 + int(s[i]-'0')
			i++
		}
		if i == from {
			return 0, s, errFormat
		}
		if from == 1 {
			n = -n
		}
		return n, s[i:], nil
	}
	var err error
	switch f.field {
	case 'y', 'Y', 'x':
		var n int
		before := len(s)
		if f.count == 2 {
			f.count = 2
			n, s, err = number(9)
			if before-len(s) == 2 {
				for n += pivot / 100 * 100; n < pivot-50; n += 100 {
				}
				for ; n >= pivot+50; n -= 100 {
				}
			}
		} else {
			n, s, err = number(9)
		}
		if f.field == 'x' {
			p.weekYear, p.hasWeekY = n, true
		} else {
			p.year, p.hasYear = n, true
		}
	case 'M':
		p.hasMonth = true
		if f.count >= 3 {
			p.month, s, err = name(s, func(i int) string { return time.Month(i + 1).String() }, 12)
			p.month++
			return s, err
		}
		p.month, s, err = number(2)
	case 'd':
		p.hasDay = true
		p.day, s, err = number(2)
	case 'D':
		p.hasYearDay = true
		p.yearDay, s, err = number(3)
	case 'w':
		p.hasWeek = true
		p.week, s, err = number(2)
	case 'e':
		p.hasWeekday = true
		p.weekday, s, err = number(1)
	case 'E':
		p.hasWeekday = true
		var n int
		n, s, err = name(s, func(i int) string { return time.Weekday((i + 1) % 7).String() }, 7)
		p.weekday = n + 1
	case 'H':
		p.hasHour = true
		p.hour, s, err = number(2)
	case 'k':
		p.hasHour = true
		p.hour, s, err = number(2)
		if p.hour == 24 {
			p.hour = 0
		}
	case 'h', 'K':
		p.hasHalf = true
		p.half, s, err = number(2)
		if f.field == 'h' && (p.half < 1 || p.half > 12) || p.half > 12 {
			return s, errFormat
		}
		p.half %= 12
	case 'a':
		if len(s) < 2 {
			return s, errFormat
		}
		switch strings.ToUpper(s[:2]) {
		case "AM":
			p.pm = 0
		case "PM":
			p.pm = 1
		default:
			return s, errFormat
		}
		s = s[2:]
	case 'm':
		p.minute, s, err = number(2)
	case 's':
		p.second, s, err = number(2)
	case 'S':
		i := 0
		for i < len(s) && i < max(f.count, 9) && isDigit(s[i]) {
			i++
		}
		if i == 0 {
			return s, errFormat
		}
		digits := (s[:i] + "000")[:3] // Joda's times have milliseconds
		n, _ := strconv.Atoi(digits)
		p.nanos, s = n*1_000_000, s[i:]
	case 'Z', 'z':
		return p.readZone(s)
	default:
		return s, errFormat
	}
	return s, err
}

func name(s string, of func(int) string, n int) (int, string, error) {
	for i := range n {
		full := of(i)
		if len(s) >= len(full) && strings.EqualFold(s[:len(full)], full) {
			return i, s[len(full):], nil
		}
	}
	for i := range n {
		if len(s) >= 3 && strings.EqualFold(s[:3], of(i)[:3]) {
			return i, s[3:], nil
		}
	}
	return 0, s, errFormat
}

var zoneStart = regexp.MustCompile(`^([+-]\d{2}:?\d{2}|[A-Za-z][A-Za-z0-9_/+-]*)`)

func (p *parsed) readZone(s string) (string, error) {
	z := zoneStart.FindString(s)
	if z == "" || !knownZone(z) {
		return s, errFormat
	}
	p.zone = z
	if offset, ok := zoneOffset(z); ok && offset == 0 {
		p.zone = "UTC"
	} else if ok {
		p.zone = offsetName(offset)
	}
	return s[len(z):], nil
}

// time puts the fields together; what was not said is that of 1970-01-01.
func (p *parsed) time(s string) (time.Time, string, error) {
	invalid := fmt.Errorf("Cannot parse \"%s\": a field is out of its range", clip(s))
	if p.hasHalf && !p.hasHour {
		p.hour = p.half
		if p.pm == 1 {
			p.hour += 12
		}
	}
	if p.month < 1 || p.month > 12 || p.hour > 23 || p.minute > 59 || p.second > 59 || p.day < 1 || p.day > 31 {
		return time.Time{}, "", invalid
	}
	date := time.Date(p.year, time.Month(p.month), p.day, 0, 0, 0, 0, time.UTC)
	switch {
	case p.hasYearDay:
		date = time.Date(p.year, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, p.yearDay-1)
		if p.yearDay < 1 || date.Year() != p.year {
			return time.Time{}, "", invalid
		}
	case (p.hasWeek || p.hasWeekY) && !p.hasMonth && !p.hasDay:
		fourth := time.Date(p.weekYear, 1, 4, 0, 0, 0, 0, time.UTC)
		monday := fourth.AddDate(0, 0, -(int(fourth.Weekday())+6)%7)
		date = monday.AddDate(0, 0, (p.week-1)*7+p.weekday-1)
		if y, w := date.ISOWeek(); y != p.weekYear || w != p.week {
			return time.Time{}, "", invalid
		}
	case date.Month() != time.Month(p.month):
		return time.Time{}, "", invalid
	case p.hasWeekday && p.hasDay && int(date.Weekday()+6)%7+1 != p.weekday:
		// Joda takes the weekday as one more thing to set: it moves the day
		// within its week.
		date = date.AddDate(0, 0, p.weekday-(int(date.Weekday()+6)%7+1))
	}
	zone := p.zone
	l, err := location(orUTC(zone))
	if err != nil {
		return time.Time{}, "", err
	}
	return time.Date(date.Year(), date.Month(), date.Day(), p.hour, p.minute, p.second, p.nanos, l), zone, nil
}

func orUTC(zone string) string {
	if zone == "" {
		return "UTC"
	}
	return zone
}

// namesZone says that a Joda format reads a zone.
func namesZone(format string) bool {
	pieces, err := jodaPieces(format)
	if err != nil {
		return true
	}
	for _, p := range pieces {
		if p.field == 'Z' || p.field == 'z' {
			return true
		}
	}
	return false
}

// jodaPivot is the middle of the years that two digits mean.
const jodaPivot = 2020

func parseJoda(s, format string) (int64, string, error) {
	pieces, err := jodaPieces(format)
	if err != nil {
		return 0, "", err
	}
	t, zone, err := parseTime(pieces, s, jodaPivot)
	if err != nil {
		return 0, "", err
	}
	return t.UnixMicro(), orUTC(zone), nil
}

var isoPattern = regexp.MustCompile(`^(\d{4,})(?:-(\d{2})(?:-(\d{2}))?)?(?:T(\d{2})(?::(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?)?(Z|[+-]\d{2}(?::?\d{2})?)?$`)

// parseISO reads an ISO 8601 timestamp in microseconds since 1970, and its zone.
func parseISO(s string) (int64, string, error) {
	bad := fmt.Errorf("Invalid format: \"%s\" is no ISO 8601 timestamp", clip(s))
	m := isoPattern.FindStringSubmatch(s)
	if m == nil {
		return 0, "", bad
	}
	n := []int{0, 0, 1, 1, 0, 0, 0}
	for i := 1; i <= 6; i++ {
		if m[i] != "" {
			n[i], _ = strconv.Atoi(m[i])
		}
	}
	zone := "UTC"
	if m[8] != "" && m[8] != "Z" {
		offset, ok := zoneOffset(m[8])
		if !ok {
			return 0, "", bad
		}
		if offset != 0 {
			zone = offsetName(offset)
		}
	}
	l, err := location(zone)
	if err != nil || n[2] < 1 || n[2] > 12 || n[3] < 1 || n[3] > 31 || n[4] > 24 || n[5] > 59 || n[6] > 59 {
		return 0, "", bad
	}
	ms, _ := strconv.Atoi((m[7] + "000")[:3])
	t := time.Date(n[1], time.Month(n[2]), n[3], n[4], n[5], n[6], ms*1_000_000, l)
	if t.Day() != n[3] && n[4] < 24 {
		return 0, "", bad
	}
	return t.UnixMicro(), zone, nil
}

func javaTimestamp(s string) string {
	s = strings.TrimRight(s, "0")
	s = strings.TrimSuffix(s, ".")
	switch { // Java leaves seconds of zero out, and writes them in threes
	case len(s) < 19:
		s = (s + "0000000000000000000")[:19]
	case len(s) > 20:
		for (len(s)-20)%3 != 0 {
			s += "0"
		}
	}
	return strings.TrimSuffix(s, ":00")
}

func javaTime(s, verb string) (string, error) {
	t, err := time.Parse("2006-01-02T15:04:05.000000", s)
	if err != nil {
		return "", err
	}
	layout, ok := map[string]string{"Y": "2006", "y": "06", "m": "01", "d": "02", "e": "2", "H": "15", "I": "03", "M": "04", "S": "05", "L": ".000",
		"B": "January", "b": "Jan", "A": "Monday", "a": "Mon", "p": "pm", "F": "2006-01-02", "T": "15:04:05", "R": "15:04", "D": "01/02/06", "j": "002"}[verb]
	if !ok {
		return "", fmt.Errorf("%%t%s is not known here", verb)
	}
	return strings.TrimPrefix(t.Format(layout), "."), nil
}
