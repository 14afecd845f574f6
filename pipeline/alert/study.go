package alert

import (
	"math"
	"time"

	"tapedeck/pipeline/market"
)

// study is something that is kept for each symbol because rules ask for it: an
// indicator, the newest bar, a look back in time, a prediction. Rules with the
// same question share one study. Its results and all that it remembers are
// floats in the symbol's flat memory, results first, so that a snapshot is a
// copy and an update touches one run of bytes.
type study struct {
	question
	at     int // of its first float in the symbol's memory
	floats int // that it needs there
	uses   int // rules that ask for it
}

// question identifies a study.
type question struct {
	kind     studyKind
	interval market.Interval
	n        int // period; fast of MACD
	slow     int
	signal   int
	width    float64 // of a Bollinger band, in standard deviations
	span     time.Duration
	model    string
}

type studyKind uint8

const (
	studyBar studyKind = iota
	studySMA
	studyEMA
	studyRSI
	studyMACD
	studyATR
	studyVWAP
	studyBollinger
	studyVolatility
	studyVolumeRatio
	studyPast       // the price some time ago
	studyExtent     // the lowest and highest price within some time
	studyPrediction // a model's newest
	studyKinds
)

// results of the studies that have several
const (
	barOpen, barHigh, barLow, barClose, barVolume, barVWAP, barTrades, barFields = 0, 1, 2, 3, 4, 5, 6, 7
	macdLine, macdSignal, macdHistogram                                          = 0, 1, 2
	bandUpper, bandMiddle, bandLower                                             = 0, 1, 2
	extentLow, extentHigh                                                        = 0, 1
	predictionLow, predictionMean, predictionHigh, predictionMade                = 0, 1, 2, 3
)

// ringHead is what a ring keeps besides its values: place, fullness, sum.
const ringHead = 3

// size is how many floats the study needs.
func (q question) size() int {
	switch q.kind {
	case studyBar:
		return barFields
	case studySMA:
		return 1 + ringHead + q.n
	case studyEMA:
		return 1 + 3
	case studyRSI:
		return 1 + 4
	case studyMACD:
		return 3 + 4 + 3 + ringHead + q.n
	case studyATR:
		return 1 + 4
	case studyVWAP:
		return 1 + 3
	case studyBollinger:
		return 3 + ringHead + q.n
	case studyVolatility:
		return 1 + 1 + ringHead + q.n
	case studyVolumeRatio:
		return 1 + ringHead + q.n
	case studyPast:
		return pastHead + q.buckets()
	case studyExtent:
		return extentHead + 2*q.buckets()
	case studyPrediction:
		return 4
	}
	return 0
}

// results is how many of the floats are what rules read.
func (q question) results() int {
	switch q.kind {
	case studyBar:
		return barFields
	case studyMACD, studyBollinger:
		return 3
	case studyExtent:
		return 2
	case studyPrediction:
		return 4
	}
	return 1
}

// reset makes memory that has seen nothing.
func (q question) reset(m []float64) {
	clear(m)
	for i := range q.results() {
		m[i] = math.NaN()
	}
}

// valid refuses what only a damaged state can ask.
func (q question) valid() bool {
	if q.kind >= studyKinds || int(q.interval) >= len(market.Intervals) || q.n < 0 || q.n > maxPeriod ||
		q.slow < 0 || q.slow > maxPeriod || q.signal < 0 || q.signal > maxPeriod || q.width != q.width {
		return false
	}
	switch q.kind {
	case studyPast, studyExtent:
		return q.span >= time.Second && q.span <= maxSpan
	case studySMA, studyEMA, studyBollinger, studyVolumeRatio, studyATR:
		return q.n >= 1
	case studyRSI, studyVolatility:
		return q.n >= 2
	case studyMACD:
		return q.n >= 1 && q.slow > q.n && q.signal >= 1
	}
	return true
}

// ofBars says whether closed bars move the study.
func (q question) ofBars() bool { return q.kind < studyPast }

// close takes a closed bar of a trading day. The formulas are those of package
// indicator (TA-Lib's), here over flat memory; a test holds the two together.
func (q question) close(m []float64, b *market.Bar, day market.Time) {
	switch q.kind {
	case studyBar:
		m[barOpen], m[barHigh], m[barLow], m[barClose] = b.Open, b.High, b.Low, b.Close
		m[barVolume], m[barVWAP], m[barTrades] = float64(b.Volume), b.VWAP, float64(b.Trades)
	case studySMA:
		ringPush(m[1:], b.Close)
		m[0] = ringMean(m[1:])
	case studyEMA:
		m[0] = emaNext(m[1:], q.n, b.Close)
	case studyRSI:
		m[0] = rsiNext(m[1:], q.n, b.Close)
	case studyMACD:
		q.macdNext(m, b.Close)
	case studyATR:
		m[0] = atrNext(m[1:], q.n, b)
	case studyVWAP:
		m[0] = vwapNext(m[1:], b, day)
	case studyBollinger:
		ringPush(m[3:], b.Close)
		middle := ringMean(m[3:])
		d := q.width * math.Sqrt(ringVariance(m[3:]))
		m[bandUpper], m[bandMiddle], m[bandLower] = middle+d, middle, middle-d
	case studyVolatility:
		m[0] = volatilityNext(m[1:], b.Close)
	case studyVolumeRatio:
		usual := ringMean(m[1:])
		ringPush(m[1:], float64(b.Volume))
		m[0] = math.NaN()
		if usual != 0 {
			m[0] = float64(b.Volume) / usual
		}
	}
}

// A ring is [place, full, sum, values…].

func ringPush(r []float64, v float64) {
	values := r[ringHead:]
	at := int(r[0])
	r[2] += v - values[at]
	values[at] = v
	if at++; at == len(values) {
		at, r[1] = 0, 1
		r[2] = 0 // made anew once a revolution, so that rounding does not pile up
		for _, x := range values {
			r[2] += x
		}
	}
	r[0] = float64(at)
}

func ringMean(r []float64) float64 {
	if r[1] == 0 {
		return math.NaN()
	}
	return r[2] / float64(len(r)-ringHead)
}

func ringVariance(r []float64) float64 {
	if r[1] == 0 {
		return math.NaN()
	}
	n := float64(len(r) - ringHead)
	mean := r[2] / n
	var sum float64
	for _, x := range r[ringHead:] {
		sum += (x - mean) * (x - mean)
	}
	return sum / n
}

// emaNext: [count, sum, value]
func emaNext(m []float64, n int, v float64) float64 {
	if m[0] < float64(n) {
		m[0]++
		m[1] += v
		if m[0] < float64(n) {
			return math.NaN()
		}
		m[2] = m[1] / float64(n)
		return m[2]
	}
	m[2] += 2 / float64(n+1) * (v - m[2])
	return m[2]
}

// rsiNext: [count, last, gain, loss]
func rsiNext(m []float64, period int, v float64) float64 {
	n := float64(period)
	m[0]++
	if m[0] == 1 {
		m[1] = v
		return math.NaN()
	}
	change := v - m[1]
	m[1] = v
	up, down := max(change, 0), max(-change, 0)
	switch {
	case m[0] <= n:
		m[2] += up
		m[3] += down
		return math.NaN()
	case m[0] == n+1:
		m[2], m[3] = (m[2]+up)/n, (m[3]+down)/n
	default:
		m[0] = n + 2
		m[2], m[3] = (m[2]*(n-1)+up)/n, (m[3]*(n-1)+down)/n
	}
	if m[2]+m[3] == 0 {
		return 0
	}
	return 100 * m[2] / (m[2] + m[3])
}

// macdNext: [line, signal, histogram, count, sum of slow, fast, slow, the signal's EMA (3), ring of fast]
func (q question) macdNext(m []float64, v float64) {
	m[0], m[1], m[2] = math.NaN(), math.NaN(), math.NaN()
	if m[3] < float64(q.slow) {
		m[3]++
		m[4] += v
		ringPush(m[10:], v)
		if m[3] < float64(q.slow) {
			return
		}
		m[6] = m[4] / float64(q.slow)
		var sum float64
		for _, x := range m[10+ringHead:] {
			sum += x
		}
		m[5] = sum / float64(q.n)
	} else {
		m[5] += 2 / float64(q.n+1) * (v - m[5])
		m[6] += 2 / float64(q.slow+1) * (v - m[6])
	}
	line := m[5] - m[6]
	if signal := emaNext(m[7:10], q.signal, line); signal == signal {
		m[0], m[1], m[2] = line, signal, line-signal
	}
}

// atrNext: [begun, close, count, value]
func atrNext(m []float64, period int, b *market.Bar) float64 {
	if m[0] == 0 {
		m[0], m[1] = 1, b.Close
		return math.NaN()
	}
	r := max(b.High-b.Low, math.Abs(b.High-m[1]), math.Abs(b.Low-m[1]))
	m[1] = b.Close
	n := float64(period)
	if m[2] < n {
		m[2]++
		m[3] += r
		if m[2] < n {
			return math.NaN()
		}
		m[3] /= n
		return m[3]
	}
	m[3] = (m[3]*(n-1) + r) / n
	return m[3]
}

// vwapNext: [day, turnover, volume]
func vwapNext(m []float64, b *market.Bar, day market.Time) float64 {
	if float64(day) != m[0] {
		m[0], m[1], m[2] = float64(day), 0, 0
	}
	m[1] += b.VWAP * float64(b.Volume)
	m[2] += float64(b.Volume)
	if m[2] == 0 {
		return b.VWAP
	}
	return m[1] / m[2]
}

// volatilityNext: [last, ring]
func volatilityNext(m []float64, v float64) float64 {
	if v <= 0 {
		return math.NaN()
	}
	last := m[0]
	m[0] = v
	if last == 0 {
		return math.NaN()
	}
	ringPush(m[1:], math.Log(v/last))
	n := float64(len(m) - 1 - ringHead)
	return math.Sqrt(ringVariance(m[1:]) * n / (n - 1))
}
