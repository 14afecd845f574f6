package market

import (
	"fmt"
	"strconv"
	"strings"
)

// TickCSVHeader is the first line of a raw file of ticks, without line end.
const TickCSVHeader = "symbol,time,price,size,bid,ask,exchange,condition,source,received,partition,offset"

// AppendTickCSV appends t as a row under TickCSVHeader, with line end. Times
// are UTC with microseconds; an unknown bid, ask or receive time is empty.
func AppendTickCSV(dst []byte, t *Tick, partition int32, offset int64) []byte {
	dst = append(dst, t.Symbol...) // a valid symbol needs no quotes
	dst = append(dst, ',')
	dst = AppendTimeCSV(dst, t.Time)
	dst = append(dst, ',')
	dst = appendFloat(dst, t.Price)
	dst = append(dst, ',')
	dst = strconv.AppendInt(dst, t.Size, 10)
	dst = append(dst, ',')
	if t.Bid != 0 {
		dst = appendFloat(dst, t.Bid)
	}
	dst = append(dst, ',')
	if t.Ask != 0 {
		dst = appendFloat(dst, t.Ask)
	}
	dst = append(dst, ',')
	dst = appendTextCSV(dst, t.Exchange)
	dst = append(dst, ',')
	dst = appendTextCSV(dst, t.Condition)
	dst = append(dst, ',')
	dst = appendTextCSV(dst, t.Source)
	dst = append(dst, ',')
	if t.Received != 0 {
		dst = AppendTimeCSV(dst, t.Received)
	}
	dst = append(dst, ',')
	dst = strconv.AppendInt(dst, int64(partition), 10)
	dst = append(dst, ',')
	dst = strconv.AppendInt(dst, offset, 10)
	return append(dst, '\n')
}

// AppendTimeCSV appends t as 2006-01-02T15:04:05.000000Z; by hand, since
// time.AppendFormat would be half the cost of a row.
func AppendTimeCSV(dst []byte, t Time) []byte {
	const dayMicros = 86400 * 1e6
	days := floorDiv(int64(t), dayMicros)
	rest := int64(t) - days*dayMicros
	year, month, day := civil(days)
	dst = append(dst, byte('0'+year/1000), byte('0'+year/100%10), byte('0'+year/10%10), byte('0'+year%10), '-')
	dst = append2(dst, month)
	dst = append(dst, '-')
	dst = append2(dst, day)
	dst = append(dst, 'T')
	dst = append2(dst, rest/3600e6)
	dst = append(dst, ':')
	dst = append2(dst, rest/60e6%60)
	dst = append(dst, ':')
	dst = append2(dst, rest/1e6%60)
	us := rest % 1e6
	return append(dst, '.', byte('0'+us/100000), byte('0'+us/10000%10), byte('0'+us/1000%10),
		byte('0'+us/100%10), byte('0'+us/10%10), byte('0'+us%10), 'Z')
}

func append2(dst []byte, v int64) []byte { return append(dst, byte('0'+v/10), byte('0'+v%10)) }

// civil turns days since 1970-01-01 into a date of the proleptic Gregorian
// calendar (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
func civil(days int64) (year, month, day int64) {
	z := days + 719468
	era := floorDiv(z, 146097)
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	day = doy - (153*mp+2)/5 + 1
	month = mp + 3
	if month > 12 {
		month -= 12
	}
	year = yoe + era*400
	if month <= 2 {
		year++
	}
	return year, month, day
}

// appendTextCSV quotes s where RFC 4180 asks for it.
func appendTextCSV(dst []byte, s string) []byte {
	plain := true
	for i := 0; i < len(s); i++ {
		if c := s[i]; c == ',' || c == '"' || c == '\n' || c == '\r' {
			plain = false
			break
		}
	}
	if plain {
		return append(dst, s...)
	}
	dst = append(dst, '"')
	for i := 0; i < len(s); i++ {
		if s[i] == '"' {
			dst = append(dst, '"')
		}
		dst = append(dst, s[i])
	}
	return append(dst, '"')
}

// ParseTickCSV reads the fields of a row under TickCSVHeader, as
// AppendTickCSV writes it. The error names the field; a row that is no valid
// tick gives the errors of Validate.
func ParseTickCSV(fields []string, t *Tick) (partition int32, offset int64, err error) {
	const columns = 12
	if len(fields) != columns {
		return 0, 0, fmt.Errorf("a row of ticks has %d fields, not %d", columns, len(fields))
	}
	bad := func(i int, err error) (int32, int64, error) {
		return 0, 0, fmt.Errorf("field %s: %w", strings.Split(TickCSVHeader, ",")[i], err)
	}
	*t = Tick{Symbol: fields[0], Exchange: fields[6], Condition: fields[7], Source: fields[8]}
	if t.Time, err = parseTimeCSV(fields[1]); err != nil {
		return bad(1, err)
	}
	if t.Price, err = strconv.ParseFloat(fields[2], 64); err != nil {
		return bad(2, err)
	}
	if t.Size, err = strconv.ParseInt(fields[3], 10, 64); err != nil {
		return bad(3, err)
	}
	if fields[4] != "" {
		if t.Bid, err = strconv.ParseFloat(fields[4], 64); err != nil {
			return bad(4, err)
		}
	}
	if fields[5] != "" {
		if t.Ask, err = strconv.ParseFloat(fields[5], 64); err != nil {
			return bad(5, err)
		}
	}
	if fields[9] != "" {
		if t.Received, err = parseTimeCSV(fields[9]); err != nil {
			return bad(9, err)
		}
	}
	p, err := strconv.ParseInt(fields[10], 10, 32)
	if err != nil {
		return bad(10, err)
	}
	if offset, err = strconv.ParseInt(fields[11], 10, 64); err != nil {
		return bad(11, err)
	}
	return int32(p), offset, t.Validate()
}

// parseTimeCSV reads what AppendTimeCSV writes, and what ParseTime reads.
func parseTimeCSV(s string) (Time, error) {
	const layout = "2006-01-02T15:04:05.000000Z"
	if len(s) != len(layout) || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' || s[19] != '.' || s[26] != 'Z' {
		return ParseTime(s)
	}
	number := func(from, to int) (v int64) {
		for _, c := range []byte(s[from:to]) {
			if c < '0' || c > '9' {
				return -1 << 40
			}
			v = v*10 + int64(c-'0')
		}
		return v
	}
	year, month, day := number(0, 4), number(5, 7), number(8, 10)
	rest := number(11, 13)*3600e6 + number(14, 16)*60e6 + number(17, 19)*1e6 + number(20, 26)
	if year < 0 || month < 1 || month > 12 || day < 1 || day > 31 || rest < 0 {
		return ParseTime(s)
	}
	return Time(daysOf(year, month, day)*86400e6 + rest), nil
}

// daysOf is the inverse of civil (from the same source).
func daysOf(year, month, day int64) int64 {
	if month <= 2 {
		year--
	}
	era := floorDiv(year, 400)
	yoe := year - era*400
	mp := month - 3
	if month <= 2 {
		mp = month + 9
	}
	doy := (153*mp+2)/5 + day - 1
	doe := yoe*365 + yoe/4 - yoe/100 + doy
	return era*146097 + doe - 719468
}
