package lake

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"tapedeck/pipeline/market"
)

func encodeTicks() encode {
	var names market.Names
	var tick market.Tick
	return func(dst, value []byte, partition int32, offset int64, _ market.Time) ([]byte, market.Time, recordKind) {
		if err := names.DecodeTick(value, &tick); err != nil {
			if _, ok := market.DecodeClock(value); ok {
				return dst, 0, clock
			}
			return dst, 0, skipped
		}
		tick.Exchange = valid(tick.Exchange)
		tick.Condition = valid(tick.Condition)
		tick.Source = valid(tick.Source)
		return market.AppendTickCSV(dst, &tick, partition, offset), tick.Time, row
	}
}

func encodeBars() encode {
	var names market.Names
	var b market.Bar
	return func(dst, value []byte, _ int32, _ int64, _ market.Time) ([]byte, market.Time, recordKind) {
		if err := names.DecodeBar(value, &b); err != nil {
			return dst, 0, unreadable(value)
		}
		return AppendBar(dst, &b), b.Time, row
	}
}

// AppendBar appends a bar as a row of the table bars, with line end. It is what
// the table's Encoder makes of the bar's record.
func AppendBar(dst []byte, b *market.Bar) []byte {
	dst = append(dst, b.Symbol...)
	dst = append(dst, ',')
	dst = append(dst, b.Interval.String()...)
	dst = append(dst, ',')
	dst = appendTime(dst, b.Time)
	for _, v := range [...]float64{b.Open, b.High, b.Low, b.Close} {
		dst = append(dst, ',')
		dst = appendFloat(dst, v)
	}
	dst = append(dst, ',')
	dst = strconv.AppendInt(dst, b.Volume, 10)
	dst = append(dst, ',')
	dst = appendFloat(dst, b.VWAP)
	dst = append(dst, ',')
	dst = strconv.AppendInt(dst, b.Trades, 10)
	dst = append(dst, ',')
	dst = strconv.AppendInt(dst, int64(b.Revision), 10)
	return append(dst, '\n')
}

func encodeFeatures() encode {
	var names market.Names
	var f market.Feature
	return func(dst, value []byte, _ int32, _ int64, _ market.Time) ([]byte, market.Time, recordKind) {
		if err := names.DecodeFeature(value, &f); err != nil {
			return dst, 0, unreadable(value)
		}
		return AppendFeature(dst, &f), f.Time, row
	}
}

// AppendFeature appends a feature as a row of the table features, with line
// end. It is what the table's Encoder makes of the feature's record.
func AppendFeature(dst []byte, f *market.Feature) []byte {
	dst = append(dst, f.Symbol...)
	dst = append(dst, ',')
	dst = append(dst, f.Interval.String()...)
	dst = append(dst, ',')
	dst = appendTime(dst, f.Time)
	for i := range market.FeatureNames {
		dst = append(dst, ',')
		if i < len(f.Values) {
			dst = appendFloat(dst, f.Values[i])
		}
	}
	dst = append(dst, ',')
	dst = strconv.AppendInt(dst, int64(f.Revision), 10)
	return append(dst, '\n')
}

func encodeAlerts() encode {
	return func(dst, value []byte, _ int32, _ int64, _ market.Time) ([]byte, market.Time, recordKind) {
		var a market.Alert
		if err := market.DecodeAlert(value, &a); err != nil {
			return dst, 0, unreadable(value)
		}
		dst = appendText(dst, a.Symbol)
		dst = append(dst, ',')
		dst = appendTime(dst, a.Time)
		dst = append(dst, ',')
		dst = appendText(dst, a.Rule)
		dst = append(dst, ',')
		dst = strconv.AppendInt(dst, int64(a.Revision), 10)
		dst = append(dst, ',')
		dst = append(dst, a.Severity.String()...)
		dst = append(dst, ',')
		dst = append(dst, a.State.String()...)
		dst = append(dst, ',')
		dst = appendFloat(dst, a.Value)
		dst = append(dst, ',')
		dst = appendFloat(dst, a.Threshold)
		dst = append(dst, ',')
		dst = appendText(dst, a.Message)
		dst = append(dst, ',')
		dst = appendText(dst, a.ID)
		return append(dst, '\n'), a.Time, row
	}
}

func encodePredictions() encode {
	return func(dst, value []byte, _ int32, _ int64, _ market.Time) ([]byte, market.Time, recordKind) {
		var p market.Prediction
		if err := market.DecodePrediction(value, &p); err != nil {
			return dst, 0, unreadable(value)
		}
		dst = append(dst, p.Symbol...)
		dst = append(dst, ',')
		dst = appendTime(dst, p.Bar)
		dst = append(dst, ',')
		dst = strconv.AppendInt(dst, int64(p.Horizon), 10)
		dst = append(dst, ',')
		dst = appendText(dst, p.Model)
		dst = append(dst, ',')
		dst = appendText(dst, p.Version)
		dst = append(dst, ',')
		dst = appendTime(dst, p.Made)
		for _, v := range [...]float64{p.Base, p.Mean, p.Low, p.High} {
			dst = append(dst, ',')
			dst = appendFloat(dst, v)
		}
		dst = append(dst, ',')
		dst = strconv.AppendBool(dst, p.BackFilled)
		return append(dst, '\n'), p.Bar, row
	}
}

func encodeDeadLetters() encode {
	return func(dst, value []byte, _ int32, _ int64, produced market.Time) ([]byte, market.Time, recordKind) {
		var d market.DeadLetter
		if err := market.DecodeDeadLetter(value, &d); err != nil {
			return dst, 0, unreadable(value)
		}
		if d.Received == 0 {
			d.Received = produced
		}
		dst = appendText(dst, d.Topic)
		dst = append(dst, ',')
		dst = strconv.AppendInt(dst, int64(d.Partition), 10)
		dst = append(dst, ',')
		dst = strconv.AppendInt(dst, d.Offset, 10)
		dst = append(dst, ',')
		dst = appendTime(dst, d.Received)
		dst = append(dst, ',')
		dst = appendText(dst, d.Reason)
		dst = append(dst, ',')
		dst = appendText(dst, EscapeBytes(d.Value))
		return append(dst, '\n'), d.Received, row
	}
}

// unreadable tells a clock from what is really not readable.
func unreadable(value []byte) recordKind {
	if _, ok := market.DecodeClock(value); ok {
		return clock
	}
	return skipped
}

// EscapeBytes shows any bytes as text: what is UTF-8 and printable stays, a
// backslash is doubled, everything else becomes \xNN. It is the form of the
// column value of dead_letters, and can be reversed.
func EscapeBytes(b []byte) string {
	const hex = "0123456789abcdef"
	var s strings.Builder
	s.Grow(len(b))
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r == '\\':
			s.WriteString(`\\`)
		case r == utf8.RuneError && n == 1, r < 0x20, r >= 0x7f && r < 0xa0:
			for _, c := range b[:n] {
				s.WriteString(`\x`)
				s.WriteByte(hex[c>>4])
				s.WriteByte(hex[c&15])
			}
		default:
			s.Write(b[:n])
		}
		b = b[n:]
	}
	return s.String()
}

// valid replaces what is not UTF-8, which no reader of CSV or Parquet would take.
func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// appendText writes a CSV field: one line of UTF-8, quoted where RFC 4180 asks for it.
func appendText(dst []byte, s string) []byte {
	s = valid(s)
	if !strings.ContainsAny(s, ",\"\n\r\x00") {
		return append(dst, s...)
	}
	dst = append(dst, '"')
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			dst = append(dst, '"', '"')
		case '\n', '\r', 0:
			dst = append(dst, ' ')
		default:
			dst = append(dst, s[i])
		}
	}
	return append(dst, '"')
}

// appendFloat writes the shortest text that reads back the same; NaN and the
// infinite, which the records of the log do not have, are an empty field.
func appendFloat(dst []byte, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return dst
	}
	return strconv.AppendFloat(dst, v, 'g', -1, 64)
}

// appendTime writes 2006-01-02T15:04:05.000000Z; the zero time is an empty field.
func appendTime(dst []byte, t market.Time) []byte {
	if t == 0 {
		return dst
	}
	return market.AppendTimeCSV(dst, t)
}
