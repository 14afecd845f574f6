package alert

import (
	"math"
	"time"

	"tapedeck/pipeline/market"
)

// Looking back at prices goes by buckets of time: a second each, or a three
// hundredth of the span where that is longer. So a look back costs the same
// however many ticks came.
const maxBuckets = 300

func (q question) bucket() time.Duration {
	return max(time.Second, (q.span+maxBuckets-1)/maxBuckets).Truncate(time.Microsecond)
}

func (q question) buckets() int { return max(1, int(q.span/q.bucket())) }

// [price then, bucket of the newest price, buckets filled, newest price, place, prices…]
const pastHead = 5

// pastNext takes the newest price: what closed n buckets ago is the price then.
func (q question) pastNext(m []float64, t market.Time, price float64) {
	now := float64(int64(t) / q.bucket().Microseconds())
	ring := m[pastHead:]
	n := len(ring)
	if m[1] != 0 && now > m[1] {
		at := int(m[4])
		for range min(int(now-m[1]), n) {
			ring[at] = m[3]
			if at++; at == n {
				at = 0
			}
		}
		m[4] = float64(at)
		m[2] = min(m[2]+(now-m[1]), float64(n))
	}
	m[1] = max(m[1], now)
	m[3] = price
	m[0] = math.NaN()
	if m[2] >= float64(n) {
		m[0] = ring[int(m[4])]
	}
}

// [low, high, bucket, buckets filled, low and high of this bucket, newest price,
// low and high of the buckets before, place, lows…, highs…]
const extentHead = 10

// extentNext takes the newest price and knows the lowest and highest within the span.
func (q question) extentNext(m []float64, t market.Time, price float64) {
	now := float64(int64(t) / q.bucket().Microseconds())
	n := (len(m) - extentHead) / 2
	lows, highs := m[extentHead:extentHead+n], m[extentHead+n:]
	if m[2] == 0 {
		m[2], m[4], m[5], m[6], m[7], m[8] = now, price, price, price, math.Inf(1), math.Inf(-1)
	}
	for i := range min(int(now-m[2]), n+1) {
		if i > 0 {
			m[4], m[5] = m[6], m[6] // nothing came in between: the price stood
		}
		at := int(m[9])
		gone, goneHigh := lows[at], highs[at]
		lows[at], highs[at] = m[4], m[5]
		full := m[3] >= float64(n)
		m[3] = min(m[3]+1, float64(n))
		if at++; at == n {
			at = 0
		}
		m[9] = float64(at)
		m[7], m[8] = min(m[7], m[4]), max(m[8], m[5])
		if full && (gone <= m[7] || goneHigh >= m[8]) { // an extreme has left
			m[7], m[8] = math.Inf(1), math.Inf(-1)
			for k := range n {
				m[7], m[8] = min(m[7], lows[k]), max(m[8], highs[k])
			}
		}
	}
	if now > m[2] {
		m[2], m[4], m[5] = now, price, price
	}
	m[4], m[5], m[6] = min(m[4], price), max(m[5], price), price
	m[0], m[1] = min(m[7], m[4]), max(m[8], m[5])
}
