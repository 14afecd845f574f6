package market

import (
	"math"
	"strconv"
	"unicode/utf8"
)

// AppendTick appends t as JSON, the form of the ticks topic. Unknown values
// (a bid of 0, an empty condition) are left out.
func AppendTick(dst []byte, t *Tick) []byte {
	dst = append(dst, `{"symbol":`...)
	dst = appendString(dst, t.Symbol)
	dst = append(dst, `,"time":`...)
	dst = appendTime(dst, t.Time)
	dst = append(dst, `,"price":`...)
	dst = appendFloat(dst, t.Price)
	dst = append(dst, `,"size":`...)
	dst = strconv.AppendInt(dst, t.Size, 10)
	if t.Bid != 0 {
		dst = append(dst, `,"bid":`...)
		dst = appendFloat(dst, t.Bid)
	}
	if t.Ask != 0 {
		dst = append(dst, `,"ask":`...)
		dst = appendFloat(dst, t.Ask)
	}
	dst = appendField(dst, "exchange", t.Exchange)
	dst = appendField(dst, "condition", t.Condition)
	dst = appendField(dst, "source", t.Source)
	if t.Received != 0 {
		dst = append(dst, `,"received":`...)
		dst = appendTime(dst, t.Received)
	}
	if t.Backfill {
		dst = append(dst, `,"backfill":true`...)
	}
	return append(dst, '}')
}

// appendTime writes microseconds; an instant before March 1973, whose count
// would be read as milliseconds, is written as text.
func appendTime(dst []byte, t Time) []byte {
	if t < 1e14 {
		dst = append(dst, '"')
		dst = AppendTimeCSV(dst, t)
		return append(dst, '"')
	}
	return strconv.AppendInt(dst, int64(t), 10)
}

func appendField(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	dst = append(dst, '"', ':')
	return appendString(dst, value)
}

// DecodeTick reads what AppendTick writes, and what others may write: unknown
// fields are skipped, the time may be a count since the epoch or RFC 3339. The
// error is one of this package's sentinels; t is then undefined.
func DecodeTick(data []byte, t *Tick) error {
	var names Names
	return names.DecodeTick(data, t)
}

// DecodeTick is the function of the same name, without allocating for texts
// that n has seen before.
func (n *Names) DecodeTick(data []byte, t *Tick) error {
	*t = Tick{}
	var o object
	o.reset(data)
	var err error
	for err == nil && o.next() {
		switch string(o.key) {
		case "symbol":
			err = n.text(&o, &t.Symbol)
		case "time":
			t.Time, err = o.time()
			if err != nil {
				err = ErrTime
			}
		case "price":
			t.Price, err = o.float(0)
		case "size":
			t.Size, err = o.integer()
			if err != nil {
				err = ErrSize
			}
		case "bid":
			t.Bid, err = o.float(0)
		case "ask":
			t.Ask, err = o.float(0)
		case "exchange":
			err = n.text(&o, &t.Exchange)
		case "condition":
			err = n.text(&o, &t.Condition)
		case "source":
			err = n.text(&o, &t.Source)
		case "received":
			t.Received, err = o.time()
			if err != nil {
				err = ErrTime
			}
		case "backfill":
			t.Backfill = o.kind == 't'
		}
	}
	if o.err != nil {
		return o.err
	}
	if err != nil {
		return err
	}
	return t.Validate()
}

func (n *Names) text(o *object, s *string) error {
	text, err := o.text()
	if err != nil {
		return err
	}
	if len(text) > maxText || !utf8.Valid(text) {
		return ErrFieldSize
	}
	*s = n.Of(text)
	return nil
}

// AppendClock appends c as JSON, the form on the ticks topic.
func AppendClock(dst []byte, c Clock) []byte {
	dst = append(dst, `{"clock":`...)
	dst = appendTime(dst, c.Time)
	dst = appendField(dst, "source", c.Source)
	if c.End {
		dst = append(dst, `,"end":true`...)
	}
	return append(dst, '}')
}

// DecodeClock reads a clock record; false says that data is none.
func DecodeClock(data []byte) (Clock, bool) {
	const prefix = `{"clock":`
	if len(data) < len(prefix) || string(data[:len(prefix)]) != prefix {
		return Clock{}, false
	}
	var c Clock
	var o object
	var err error
	o.reset(data)
	for err == nil && o.next() {
		switch string(o.key) {
		case "clock":
			c.Time, err = o.time()
		case "source":
			var text []byte
			text, err = o.text()
			c.Source = string(text)
		case "end":
			c.End = o.kind == 't'
		}
	}
	return c, err == nil && o.err == nil && c.Time != 0 && cleanText(c.Source)
}

// AppendBar appends b as JSON, the form of the bars topic.
func AppendBar(dst []byte, b *Bar) []byte {
	dst = append(dst, `{"symbol":`...)
	dst = appendString(dst, b.Symbol)
	dst = append(dst, `,"interval":"`...)
	dst = append(dst, b.Interval.String()...)
	dst = append(dst, `","time":`...)
	dst = appendTime(dst, b.Time)
	dst = append(dst, `,"open":`...)
	dst = appendFloat(dst, b.Open)
	dst = append(dst, `,"high":`...)
	dst = appendFloat(dst, b.High)
	dst = append(dst, `,"low":`...)
	dst = appendFloat(dst, b.Low)
	dst = append(dst, `,"close":`...)
	dst = appendFloat(dst, b.Close)
	dst = append(dst, `,"volume":`...)
	dst = strconv.AppendInt(dst, b.Volume, 10)
	dst = append(dst, `,"vwap":`...)
	dst = appendFloat(dst, b.VWAP)
	dst = append(dst, `,"trades":`...)
	dst = strconv.AppendInt(dst, b.Trades, 10)
	if b.Revision != 0 {
		dst = append(dst, `,"revision":`...)
		dst = strconv.AppendInt(dst, int64(b.Revision), 10)
	}
	return append(dst, '}')
}

// DecodeBar reads what AppendBar writes.
func DecodeBar(data []byte, b *Bar) error {
	var names Names
	return names.DecodeBar(data, b)
}

// DecodeBar is the function of the same name, without allocating for symbols
// that n has seen before.
func (n *Names) DecodeBar(data []byte, b *Bar) error {
	*b = Bar{}
	var o object
	var err error
	o.reset(data)
	for err == nil && o.next() {
		switch string(o.key) {
		case "symbol":
			err = n.text(&o, &b.Symbol)
		case "interval":
			b.Interval, err = o.interval()
		case "time":
			b.Time, err = o.time()
		case "open":
			b.Open, err = o.float(0)
		case "high":
			b.High, err = o.float(0)
		case "low":
			b.Low, err = o.float(0)
		case "close":
			b.Close, err = o.float(0)
		case "volume":
			b.Volume, err = o.integer()
		case "vwap":
			b.VWAP, err = o.float(0)
		case "trades":
			b.Trades, err = o.integer()
		case "revision":
			b.Revision, err = o.revision()
		}
	}
	switch {
	case o.err != nil:
		return o.err
	case err != nil:
		return err
	case !ValidSymbol(b.Symbol):
		return ErrSymbol
	case b.Time == 0:
		return ErrTime
	case !(b.Open > 0 && b.High > 0 && b.Low > 0 && b.Close > 0):
		return ErrPrice
	case b.Volume < 0 || b.Trades < 0:
		return ErrSize
	}
	return nil
}

func (o *object) interval() (Interval, error) {
	text, err := o.text()
	if err != nil {
		return 0, err
	}
	i, err := ParseInterval(string(text))
	if err != nil {
		return 0, ErrType
	}
	return i, nil
}

func (o *object) revision() (int32, error) {
	v, err := o.integer()
	if err != nil || v < 0 || v > math.MaxInt32 {
		return 0, ErrType
	}
	return int32(v), nil
}

// AppendFeature appends f as JSON, the form of the features topic; what is
// not yet known is left out.
func AppendFeature(dst []byte, f *Feature) []byte {
	dst = append(dst, `{"symbol":`...)
	dst = appendString(dst, f.Symbol)
	dst = append(dst, `,"interval":"`...)
	dst = append(dst, f.Interval.String()...)
	dst = append(dst, `","time":`...)
	dst = appendTime(dst, f.Time)
	if f.Revision != 0 {
		dst = append(dst, `,"revision":`...)
		dst = strconv.AppendInt(dst, int64(f.Revision), 10)
	}
	for i, v := range f.Values {
		if i >= len(FeatureNames) || math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		dst = append(dst, ',', '"')
		dst = append(dst, FeatureNames[i]...)
		dst = append(dst, '"', ':')
		dst = appendFloat(dst, v)
	}
	return append(dst, '}')
}

// DecodeFeature reads what AppendFeature writes. f.Values is reused where it is
// long enough; an indicator that is not there is NaN.
func DecodeFeature(data []byte, f *Feature) error {
	var names Names
	return names.DecodeFeature(data, f)
}

// DecodeFeature is the function of the same name, without allocating for
// symbols that n has seen before.
func (n *Names) DecodeFeature(data []byte, f *Feature) error {
	values := f.Values[:0]
	for range FeatureNames {
		values = append(values, math.NaN())
	}
	*f = Feature{Values: values}
	var o object
	var err error
	o.reset(data)
	at := 0
	for err == nil && o.next() {
		switch string(o.key) {
		case "symbol":
			err = n.text(&o, &f.Symbol)
		case "interval":
			f.Interval, err = o.interval()
		case "time":
			f.Time, err = o.time()
		case "revision":
			f.Revision, err = o.revision()
		default: // fields mostly come in order: look from where the last one was
			for i := range FeatureNames {
				k := (at + i) % len(FeatureNames)
				if FeatureNames[k] == string(o.key) {
					values[k], err = o.float(math.NaN())
					at = k + 1
					break
				}
			}
		}
	}
	switch {
	case o.err != nil:
		return o.err
	case err != nil:
		return err
	case !ValidSymbol(f.Symbol):
		return ErrSymbol
	case f.Time == 0:
		return ErrTime
	}
	return nil
}
