package features

import (
	"math"

	"tapedeck/pipeline/indicator"
	"tapedeck/pipeline/market"
)

const (
	volatilityPeriod = 30
	maxGap           = 15   // minutes without a bar after which the market was closed or the symbol halted
	minVolatility    = 2e-5 // 0.2 basis points a minute: a price that does not move
	limit            = 6.0  // of a feature's absolute value, so that one event is no outlier for hours
	memory           = 5.0  // minutes, of the weighted returns
	maxReturn        = 0.5  // of a minute; more is a split or an error and is cut to it
	minute           = 60_000_000
)

// decay is the weight a minute loses; weight is √Σw² of decay's powers.
var (
	decay  = math.Exp(-1 / memory)
	weight = math.Sqrt(1 / (1 - decay*decay))
)

// Builder makes the rows of one symbol, in constant time a minute. It works on
// a level that starts at 1 and moves with the price within a session: a pause
// of more than 15 minutes is no return and begins a new window, while
// volatility and averages go on from before it.
type Builder struct {
	close      float64     // of the newest bar
	time       market.Time // of the newest minute taken
	last       market.Time // of the newest bar
	level      float64
	traded     bool // the newest minute had a bar
	began      bool // the newest minute is the first of a window
	change     float64
	levels     [16]float64 // the newest, by minute modulo 16
	minutes    int         // taken since the last pause
	taken      int         // taken since the start
	residual   float64
	lead       float64
	volatility *indicator.Volatility
	rsi        *indicator.RSI
	sma        *indicator.SMA
	volume     *indicator.VolumeRatio

	// What the indicators said last. A minute without a trade is given to them
	// only when the symbol trades again: at the end of a session it is none.
	idle    int
	settled float64 // level at the newest trade
	sigma   float64
	index   float64                // RSI
	mean    float64                // SMA
	window  [Window][Count]float32 // by minute modulo Window
}

// newBuilder is a builder that has seen nothing.
func newBuilder() *Builder {
	return &Builder{level: 1, sigma: math.NaN(), index: math.NaN(), mean: math.NaN(), volatility: indicator.NewVolatility(volatilityPeriod), rsi: indicator.NewRSI(14),
		sma: indicator.NewSMA(20), volume: indicator.NewVolumeRatio(20)}
}

// move takes the price of minute t, or NaN where nothing was traded in it.
func (b *Builder) move(t market.Time, price float64) {
	b.traded, b.began = !math.IsNaN(price), false
	switch {
	case !b.traded:
		b.change = 0
	case b.last == 0 || t-b.last > maxGap*minute:
		b.change, b.began = 0, true
		b.minutes = 0
		b.residual, b.lead = 0, 0
	default:
		b.change = min(max(math.Log(price/b.close), -maxReturn), maxReturn)
	}
	b.level *= math.Exp(b.change)
	b.time = t
	if b.traded {
		b.close, b.last = price, t
	}
}

// row finishes the minute: volume is that of its bar, own the mean return of
// the symbols like it and lead that of those it may follow.
func (b *Builder) row(volume, own, lead float64) {
	b.minutes++
	b.taken++
	now := b.minutes
	b.levels[now%len(b.levels)] = b.level
	b.residual = b.residual*decay + b.change
	if !b.began {
		b.residual -= own
	}
	b.lead = b.lead*decay + lead

	ratio := 0.0
	if b.traded {
		ratio = b.learn(volume)
	} else {
		b.idle++
	}
	if math.IsNaN(b.sigma) {
		b.window[now%Window] = [Count]float32{}
		return
	}
	// over is the return of the last n minutes, or of as many as there are.
	over := func(n int) float64 {
		n = min(n, now-1)
		if n < 1 {
			return 0
		}
		return math.Log(b.level/b.levels[(now-n)%len(b.levels)]) / (b.sigma * math.Sqrt(float64(n)))
	}
	busy := 0.0
	if ratio > 0 {
		busy = math.Log(ratio)
	}
	row := &b.window[now%Window]
	for i, v := range [Count]float64{
		over(1), over(5), over(15),
		b.residual / (b.sigma * weight),
		b.lead / (b.sigma * weight),
		(b.index - 50) / 50,
		(b.level/b.mean - 1) / (b.sigma * smaDistance),
		busy,
	} {
		if math.IsNaN(v) {
			v = 0
		}
		row[i] = float32(min(max(v, -limit), limit))
	}
}

// learn gives the indicators a minute with a trade, and the idle ones before
// it. The first minute after a pause has no return.
func (b *Builder) learn(volume float64) (ratio float64) {
	if !b.began {
		for range b.idle {
			b.volatility.Next(b.settled)
			b.rsi.Next(b.settled)
			b.sma.Next(b.settled)
			b.volume.Next(0)
		}
	}
	b.idle = 0
	if !b.began || b.taken == 1 {
		if sigma := b.volatility.Next(b.level); !math.IsNaN(sigma) {
			b.sigma = max(sigma, minVolatility)
		}
		b.index, b.mean = b.rsi.Next(b.level), b.sma.Next(b.level)
	}
	b.settled = b.level
	return b.volume.Next(volume)
}

// smaDistance is how far a random walk of unit steps is from the mean of its
// last 20 values, as a standard deviation: √((n−1)(2n−1)/6n).
var smaDistance = math.Sqrt(19 * 39 / 120.0)

// ready says that the newest row may be used: all indicators are warm, and so
// many minutes of this session are in the window.
func (b *Builder) ready() bool {
	return b.traded && b.minutes >= maxGap && !math.IsNaN(b.sigma) && b.sigma > 0
}

// windowInto writes the newest Window rows, the newest last. Minutes before
// the last pause are rows of zeros.
func (b *Builder) windowInto(dst []float32) {
	n := min(b.minutes, Window)
	clear(dst[:(Window-n)*Count])
	for i := range n {
		row := &b.window[(b.minutes-n+1+i)%Window]
		copy(dst[(Window-n+i)*Count:], row[:])
	}
}
