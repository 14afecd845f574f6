package market

import (
	"fmt"
	"strings"
	"time"
)

// Interval is the length of a bar.
type Interval uint8

// The intervals that bars are made of, shortest first.
const (
	Second Interval = iota
	Minute
	Minutes5
	Minutes15
	Hour
	Day
)

// Intervals lists all intervals, shortest first.
var Intervals = [...]Interval{Second, Minute, Minutes5, Minutes15, Hour, Day}

var intervalNames = [...]string{"1s", "1m", "5m", "15m", "1h", "1d"}

var intervalLengths = [...]time.Duration{
	time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 24 * time.Hour,
}

func (i Interval) String() string {
	if int(i) < len(intervalNames) {
		return intervalNames[i]
	}
	return fmt.Sprintf("Interval(%d)", uint8(i))
}

// Length is the interval's nominal length; a Day's session is shorter.
func (i Interval) Length() time.Duration { return intervalLengths[i] }

// ParseInterval reads 1s, 1m, 5m, 15m, 1h or 1d.
func ParseInterval(s string) (Interval, error) {
	for i, name := range intervalNames {
		if s == name {
			return Interval(i), nil
		}
	}
	return 0, fmt.Errorf("%q is not an interval; one of %s", clip(s), strings.Join(intervalNames[:], " "))
}

// Bar is what happened to a symbol within one interval. Its identity is
// (Symbol, Interval, Time, Revision); the highest revision counts.
type Bar struct {
	Symbol   string
	Interval Interval
	Time     Time // start of the bar; of a 1d bar the start of its calendar day in the exchange's zone, as midnight UTC of that date
	Open     float64
	High     float64
	Low      float64
	Close    float64
	Volume   int64
	VWAP     float64 // volume-weighted average price; the mean of the prices where Volume is 0
	Trades   int64
	Revision int32 // 0 is the first version; a late tick makes the next
}

// Feature is one row of the features table: the indicators of a symbol as of
// the close of one bar. NaN is "not yet": the indicator is still warming up.
type Feature struct {
	Symbol   string
	Interval Interval
	Time     Time // start of the bar
	Revision int32
	Values   []float64 // in the order of FeatureNames
}

// FeatureNames are the indicator columns of the features table, in order.
// The numbers are periods in bars of the row's interval; avg_5m is the mean
// of the last 300 one-second closes, whatever the interval.
var FeatureNames = []string{
	"avg_5m",
	"sma_20", "sma_50", "ema_12", "ema_26",
	"rsi_14",
	"macd", "macd_signal", "macd_hist",
	"bb_upper", "bb_middle", "bb_lower",
	"atr_14",
	"vwap",          // anchored to the session
	"volatility_20", // standard deviation of the last 20 log returns
	"volume_ratio_20",
}
