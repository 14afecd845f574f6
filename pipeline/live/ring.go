package live

import "tapedeck/pipeline/market"

// candle is a bar without what its ring already says.
type candle struct {
	time                         market.Time
	open, high, low, close, vwap float64
	volume                       int64
	trades                       int32
	revision                     int32
}

func (c *candle) bar(symbol string, i market.Interval) market.Bar {
	return market.Bar{Symbol: symbol, Interval: i, Time: c.time, Open: c.open, High: c.high, Low: c.low,
		Close: c.close, Volume: c.volume, VWAP: c.vwap, Trades: int64(c.trades), Revision: c.revision}
}

// ring holds the newest bars of one interval in order of time. It grows as
// bars come, so that a symbol that rarely trades costs little.
type ring struct {
	bars  []candle
	start int // of the oldest, once the ring has turned
}

func (r *ring) len() int         { return len(r.bars) }
func (r *ring) at(i int) *candle { return &r.bars[(r.start+i)%len(r.bars)] }

func (r *ring) last() market.Time {
	if len(r.bars) == 0 {
		return 0
	}
	return r.at(len(r.bars) - 1).time
}

// put adds b, or replaces the bar of its time where b's revision is higher.
// It returns what that adds to the volume and the number of trades; ok is
// false for a repeat and for a bar older than all that a full ring holds.
// keep is how many are held.
func (r *ring) put(b *market.Bar, keep int) (volume, trades int64, ok bool) {
	c := candle{b.Time, b.Open, b.High, b.Low, b.Close, b.VWAP, b.Volume, int32(b.Trades), b.Revision}
	n := len(r.bars)
	if n == 0 || b.Time > r.last() {
		if n < keep {
			r.unroll()
			r.bars = append(r.bars, c)
		} else {
			r.bars[r.start] = c
			r.start = (r.start + 1) % n
		}
		return b.Volume, b.Trades, true
	}
	for i := n - 1; i >= 0; i-- {
		switch at := r.at(i); {
		case at.time == b.Time:
			if b.Revision <= at.revision {
				return 0, 0, false
			}
			volume, trades = b.Volume-at.volume, b.Trades-int64(at.trades)
			*at = c
			return volume, trades, true
		case at.time < b.Time:
			r.insert(i+1, c, keep)
			return b.Volume, b.Trades, true
		}
	}
	if n >= keep {
		return 0, 0, false
	}
	r.insert(0, c, keep)
	return b.Volume, b.Trades, true
}

func (r *ring) insert(i int, c candle, keep int) {
	r.unroll()
	r.bars = append(r.bars, candle{})
	copy(r.bars[i+1:], r.bars[i:])
	r.bars[i] = c
	if len(r.bars) > keep {
		r.bars = append(r.bars[:0], r.bars[1:]...)
	}
}

// unroll puts the oldest first in memory.
func (r *ring) unroll() {
	if r.start == 0 {
		return
	}
	turned := append(append(make([]candle, 0, cap(r.bars)), r.bars[r.start:]...), r.bars[:r.start]...)
	r.bars, r.start = turned, 0
}
