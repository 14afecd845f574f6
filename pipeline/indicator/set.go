package indicator

import "tapedeck/pipeline/market"

// Set is every indicator of one symbol and interval that a feature row holds,
// but for avg_5m, which is of the symbol (see Symbol).
type Set struct {
	sma20, sma50 SMA
	ema12, ema26 EMA
	rsi          RSI
	macd         MACD
	bollinger    Bollinger
	atr          ATR
	vwap         VWAP
	volatility   Volatility
	volumeRatio  VolumeRatio
}

// NewSet is a set that has seen nothing.
func NewSet() *Set {
	return &Set{
		sma20: *NewSMA(20), sma50: *NewSMA(50), ema12: *NewEMA(12), ema26: *NewEMA(26), rsi: *NewRSI(14),
		macd: *NewMACD(12, 26, 9), bollinger: *NewBollinger(20, 2), atr: *NewATR(14),
		volatility: *NewVolatility(20), volumeRatio: *NewVolumeRatio(20),
	}
}

// columns of market.FeatureNames
const (
	columnAverage = iota // avg_5m
	columnSMA20
	columnSMA50
	columnEMA12
	columnEMA26
	columnRSI
	columnMACD
	columnSignal
	columnHistogram
	columnUpper
	columnMiddle
	columnLower
	columnATR
	columnVWAP
	columnVolatility
	columnVolumeRatio
	columns
)

// Close takes a closed bar of trading day `day` and writes its row, in the
// order of market.FeatureNames, to out (as long as that).
func (s *Set) Close(b *market.Bar, day market.Time, out []float64) {
	out[columnAverage] = notYet
	out[columnSMA20], out[columnSMA50] = s.sma20.Next(b.Close), s.sma50.Next(b.Close)
	out[columnEMA12], out[columnEMA26] = s.ema12.Next(b.Close), s.ema26.Next(b.Close)
	out[columnRSI] = s.rsi.Next(b.Close)
	out[columnMACD], out[columnSignal], out[columnHistogram] = s.macd.Next(b.Close)
	out[columnUpper], out[columnMiddle], out[columnLower] = s.bollinger.Next(b.Close)
	out[columnATR] = s.atr.Next(b.High, b.Low, b.Close)
	out[columnVWAP] = s.vwap.Next(b, day)
	out[columnVolatility] = s.volatility.Next(b.Close)
	out[columnVolumeRatio] = s.volumeRatio.Next(float64(b.Volume))
}

// Symbol is all indicators of one symbol: a set for each interval, made when
// its first bar comes, and the five-minute average over one-second closes.
type Symbol struct {
	seconds SMA
	average float64
	sets    [len(market.Intervals)]*Set
}

// averageSeconds is the length of avg_5m in one-second closes.
const averageSeconds = 300

// NewSymbol has seen nothing. Not for concurrent use.
func NewSymbol() *Symbol { return &Symbol{seconds: *NewSMA(averageSeconds), average: notYet} }

// Close takes a closed bar of trading day `day`. It returns whether out (as
// long as market.FeatureNames) holds the bar's row: of one-second bars it does
// only where rows says so, since the average is all that is needed of them.
func (s *Symbol) Close(b *market.Bar, day market.Time, secondRows bool, out []float64) bool {
	if b.Interval == market.Second {
		s.average = s.seconds.Next(b.Close)
		if !secondRows {
			return false
		}
	}
	set := s.sets[b.Interval]
	if set == nil {
		set = NewSet()
		s.sets[b.Interval] = set
	}
	set.Close(b, day, out)
	out[columnAverage] = s.average
	return true
}
