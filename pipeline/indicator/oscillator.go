package indicator

import (
	"math"

	"tapedeck/pipeline/market"
)

// RSI is Wilder's relative strength index (New Concepts in Technical Trading
// Systems, 1978): 100 × gain / (gain + loss) over averages smoothed by 1/n, the
// first of them a plain mean of n changes (TA-Lib RSI). Without any change it is 0.
type RSI struct {
	n          int
	count      int // values taken
	last       float64
	gain, loss float64
}

// NewRSI is an index of period n, n at least 2.
func NewRSI(n int) *RSI { return &RSI{n: n} }

// Next takes a value; the first result comes with value n+1.
func (r *RSI) Next(v float64) float64 {
	if !finite(v) {
		return notYet
	}
	r.count++
	if r.count == 1 {
		r.last = v
		return notYet
	}
	change := v - r.last
	r.last = v
	up, down := 0.0, 0.0
	if change > 0 {
		up = change
	} else {
		down = -change
	}
	n := float64(r.n)
	switch {
	case r.count <= r.n:
		r.gain += up
		r.loss += down
		return notYet
	case r.count == r.n+1:
		r.gain = (r.gain + up) / n
		r.loss = (r.loss + down) / n
	default:
		r.count = r.n + 2 // enough to know
		r.gain = (r.gain*(n-1) + up) / n
		r.loss = (r.loss*(n-1) + down) / n
	}
	sum := r.gain + r.loss
	if sum == 0 {
		return 0
	}
	return 100 * r.gain / sum
}

// MACD is Appel's moving average convergence/divergence: EMA(fast) − EMA(slow),
// its EMA(signal), and their difference. As in TA-Lib the fast average is
// seeded by the mean of the last `fast` of the first `slow` values.
type MACD struct {
	fast, slow, signal int
	count              int
	window             ring // the newest fast values, for the seed
	sumSlow            float64
	emaFast, emaSlow   float64
	line               EMA
}

// NewMACD is usually NewMACD(12, 26, 9); fast is below slow.
func NewMACD(fast, slow, signal int) *MACD {
	return &MACD{fast: fast, slow: slow, signal: signal, window: newRing(fast), line: *NewEMA(signal)}
}

// Next takes a value; all three results come first with value slow+signal−1.
func (m *MACD) Next(v float64) (macd, signal, histogram float64) {
	if !finite(v) {
		return notYet, notYet, notYet
	}
	if m.count < m.slow {
		m.count++
		m.sumSlow += v
		m.window.push(v)
		if m.count < m.slow {
			return notYet, notYet, notYet
		}
		m.emaSlow = m.sumSlow / float64(m.slow)
		var sum float64
		for _, x := range m.window.values {
			sum += x
		}
		m.emaFast = sum / float64(m.fast)
	} else {
		m.emaFast += 2 / float64(m.fast+1) * (v - m.emaFast)
		m.emaSlow += 2 / float64(m.slow+1) * (v - m.emaSlow)
	}
	macd = m.emaFast - m.emaSlow
	signal = m.line.Next(macd)
	if math.IsNaN(signal) {
		return notYet, notYet, notYet
	}
	return macd, signal, macd - signal
}

// ATR is Wilder's average true range: the first is the mean of n true ranges,
// then smoothed by 1/n (TA-Lib ATR).
type ATR struct {
	n     int
	count int // true ranges taken
	close float64
	value float64
	begun bool
}

// NewATR is a range of period n.
func NewATR(n int) *ATR { return &ATR{n: n} }

// Next takes a bar's high, low and close; the first result comes with bar n+1.
func (a *ATR) Next(high, low, close float64) float64 {
	if !finite(high) || !finite(low) || !finite(close) {
		return notYet
	}
	if !a.begun {
		a.begun, a.close = true, close
		return notYet
	}
	r := max(high-low, math.Abs(high-a.close), math.Abs(low-a.close))
	a.close = close
	n := float64(a.n)
	if a.count < a.n {
		a.count++
		a.value += r
		if a.count < a.n {
			return notYet
		}
		a.value /= n
		return a.value
	}
	a.value = (a.value*(n-1) + r) / n
	return a.value
}

// VWAP is the volume-weighted average price since the session's first bar.
type VWAP struct {
	day              market.Time
	turnover, volume float64
}

// Next takes a bar and the trading day that it belongs to; a new day begins
// anew. Before the day's first volume it is the bar's own VWAP.
func (w *VWAP) Next(b *market.Bar, day market.Time) float64 {
	if !finite(b.VWAP) || b.Volume < 0 {
		return notYet
	}
	if day != w.day {
		*w = VWAP{day: day}
	}
	w.turnover += b.VWAP * float64(b.Volume)
	w.volume += float64(b.Volume)
	if w.volume == 0 {
		return b.VWAP
	}
	return w.turnover / w.volume
}

// Bollinger is a mean of n values with a band of k population standard
// deviations on each side (TA-Lib BBANDS with simple averages).
type Bollinger struct {
	k    float64
	ring ring
}

// NewBollinger is usually NewBollinger(20, 2).
func NewBollinger(n int, k float64) *Bollinger { return &Bollinger{k, newRing(n)} }

// Next takes a value; the first result comes with the n-th.
func (b *Bollinger) Next(v float64) (upper, middle, lower float64) {
	if !finite(v) {
		return notYet, notYet, notYet
	}
	b.ring.push(v)
	middle = b.ring.mean()
	d := b.k * math.Sqrt(b.ring.variance())
	return middle + d, middle, middle - d
}

// Volatility is the sample standard deviation of the last n logarithmic
// returns, per interval (not annualised).
type Volatility struct {
	last float64
	ring ring
}

// NewVolatility is a deviation over n returns, n at least 2.
func NewVolatility(n int) *Volatility { return &Volatility{ring: newRing(n)} }

// Next takes a price above zero; the first result comes with value n+1.
func (s *Volatility) Next(v float64) float64 {
	if !finite(v) || v <= 0 {
		return notYet
	}
	last := s.last
	s.last = v
	if last == 0 {
		return notYet
	}
	s.ring.push(math.Log(v / last))
	n := float64(len(s.ring.values))
	return math.Sqrt(s.ring.variance() * n / (n - 1))
}

// VolumeRatio is a bar's volume over the mean volume of the n bars before it.
type VolumeRatio struct {
	ring ring
}

// NewVolumeRatio compares with n bars.
func NewVolumeRatio(n int) *VolumeRatio { return &VolumeRatio{newRing(n)} }

// Next takes a volume; the first result comes with value n+1, and none where
// the mean before is zero.
func (r *VolumeRatio) Next(volume float64) float64 {
	if !finite(volume) {
		return notYet
	}
	usual := r.ring.mean()
	r.ring.push(volume)
	if usual == 0 {
		return notYet
	}
	return volume / usual
}
