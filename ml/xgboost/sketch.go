package xgboost

import (
	"math"
)

// sketch keeps the weighted quantiles of a stream of values in bounded
// memory: the library's WQSketch (appendix of Chen and Guestrin, "XGBoost: a
// scalable tree boosting system", 2016), step for step and in float32, so
// that the cuts between bins are the library's own.
type sketch struct {
	limit  int // most entries of a summary
	queue  []uint64
	spare  []uint64
	levels []summary // of 2^level queues each; level 0 is unused
}

// sketchFactor is how many times finer than the bins a sketch is.
const sketchFactor = 8

// rank is a value with the bounds of its rank.
type rank struct {
	low, high float32 // weight below the value, and up to and with it
	weight    float32 // of the value itself
	value     float32
}

func (r rank) next() float32     { return r.low + r.weight }
func (r rank) previous() float32 { return r.high - r.weight }

// summary is ranks by ascending value.
type summary []rank

// newSketch is for a column of count values that are to become bins.
func newSketch(count, bins int) *sketch {
	bins = max(1, min(bins, count))
	eps := 1 / float64(float32(bins)*sketchFactor)
	limit := 0
	for level := 1; ; level++ {
		limit = min(count, int(math.Ceil(float64(level)/eps))+1)
		if limit<<level >= count {
			break
		}
	}
	return &sketch{limit: limit, queue: make([]uint64, 0, max(1, 2*limit))}
}

// push adds a value, not NaN, of a weight above 0.
func (s *sketch) push(value, weight float32) {
	if len(s.queue) == 2*s.limit {
		s.carry(s.drain())
	}
	k := uint64(uint32(key(value))^1<<31) << 32
	if n := len(s.queue); n > 0 && s.queue[n-1]>>32 == k>>32 { // a repeat takes no room
		weight += math.Float32frombits(uint32(s.queue[n-1]))
		s.queue[n-1] = k | uint64(math.Float32bits(weight))
		return
	}
	s.queue = append(s.queue, k|uint64(math.Float32bits(weight)))
}

// drain empties the queue into a summary.
func (s *sketch) drain() summary {
	s.queue, s.spare = sortUpper(s.queue, s.spare)
	out := make(summary, 0, len(s.queue))
	var sum float32
	for i := 0; i < len(s.queue); {
		k := s.queue[i] >> 32
		var weight float32
		for ; i < len(s.queue) && s.queue[i]>>32 == k; i++ {
			weight += math.Float32frombits(uint32(s.queue[i]))
		}
		out = append(out, rank{sum, sum + weight, weight, unkey(int32(uint32(k) ^ 1<<31))})
		sum += weight
	}
	s.queue = s.queue[:0]
	return out
}

// carry adds a summary to the levels like one to a binary number.
func (s *sketch) carry(full summary) {
	for l := 1; ; l++ {
		for len(s.levels) <= l {
			s.levels = append(s.levels, nil)
		}
		if len(s.levels[l]) == 0 {
			s.levels[l] = full.prune(s.limit)
			return
		}
		full = combine(full.prune(s.limit), s.levels[l])
		if len(full) <= s.limit {
			s.levels[l] = full
			return
		}
		s.levels[l] = nil
	}
}

// done is the summary of everything pushed.
func (s *sketch) done() summary {
	out := s.drain().prune(s.limit)
	for _, l := range s.levels {
		switch {
		case len(l) == 0:
		case len(out) == 0:
			out = l
		default:
			out = combine(out, l).prune(s.limit)
		}
	}
	return out
}

// cuts is the upper bounds of at most bins bins and a value below them all.
// A value x is in the first bin whose bound is above it.
func (s *sketch) cuts(count, bins int) (bounds []float32, lowest float32) {
	all := s.done()
	if len(all) == 0 {
		const empty = float32(1e-5)
		return []float32{empty + (empty + 1e-5)}, empty
	}
	all = all.prune(min(count, bins*sketchFactor))
	bins = min(count, bins, bins*sketchFactor)
	all = all.prune(bins + 1)
	first, last := all[0].value, all[len(all)-1].value
	for i := 1; i < min(len(all), bins); i++ {
		if c := all[i].value; len(bounds) == 0 || c > bounds[len(bounds)-1] {
			bounds = append(bounds, c)
		}
	}
	bounds = append(bounds, last+(abs(last)+1e-5))
	return bounds, first - abs(first) - 1e-5
}

// prune keeps at most size entries, evenly by rank, the first and the last
// among them.
func (s summary) prune(size int) summary {
	if len(s) <= size {
		return s
	}
	begin := s[0].high
	span := s[len(s)-1].low - s[0].high
	n := size - 1
	out := append(make(summary, 0, size), s[0])
	i, last := 1, 0
	for k := 1; k < n; k++ {
		twice := 2 * (float32(float32(k)*span)/float32(n) + begin)
		for i < len(s)-1 && twice >= s[i+1].high+s[i+1].low {
			i++
		}
		if i == len(s)-1 {
			break
		}
		take := i
		if !(twice < s[i].next()+s[i+1].previous()) {
			take = i + 1
		}
		if take != last {
			out = append(out, s[take])
			last = take
		}
	}
	if last != len(s)-1 {
		out = append(out, s[len(s)-1])
	}
	return out
}

// combine merges two summaries of different values of one stream.
func combine(a, b summary) summary {
	if len(a) == 0 {
		return b
	}
	if len(b) == 0 {
		return a
	}
	out := make(summary, 0, len(a)+len(b))
	var belowA, belowB float32 // weight of a and of b below the next value
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		x, y := a[i], b[j]
		switch {
		case x.value == y.value:
			out = append(out, rank{x.low + y.low, x.high + y.high, x.weight + y.weight, x.value})
			belowA, belowB = x.next(), y.next()
			i++
			j++
		case x.value < y.value:
			out = append(out, rank{x.low + belowB, x.high + y.previous(), x.weight, x.value})
			belowA = x.next()
			i++
		default:
			out = append(out, rank{y.low + belowA, y.high + x.previous(), y.weight, y.value})
			belowB = y.next()
			j++
		}
	}
	for top := b[len(b)-1].high; i < len(a); i++ {
		out = append(out, rank{a[i].low + belowB, a[i].high + top, a[i].weight, a[i].value})
	}
	for top := a[len(a)-1].high; j < len(b); j++ {
		out = append(out, rank{b[j].low + belowA, b[j].high + top, b[j].weight, b[j].value})
	}
	// Rounding may have put ranks out of order.
	var low, high float32
	for i := range out {
		r := &out[i]
		r.low = max(r.low, low)
		low = r.low
		r.high = max(r.high, high, r.next())
		high = r.high
	}
	return out
}

func abs(x float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ (1 << 31)) }

// unkey is the value whose key is k.
func unkey(k int32) float32 { return math.Float32frombits(uint32(k ^ int32(uint32(k>>31)>>1))) }

// sortUpper sorts by the upper 32 bits with a radix sort of three digits; it
// gives back the sorted slice and the other one.
func sortUpper(a, spare []uint64) (sorted, other []uint64) {
	if cap(spare) < cap(a) {
		spare = make([]uint64, 0, cap(a))
	}
	b := spare[:len(a)]
	const digit = 11
	var counts [3][1 << digit]int32
	for _, v := range a {
		k := uint32(v >> 32)
		counts[0][k%(1<<digit)]++
		counts[1][k>>digit%(1<<digit)]++
		counts[2][k>>(2*digit)]++
	}
	for pass := range counts {
		c := &counts[pass]
		var sum int32
		for i, n := range c {
			c[i] = sum
			sum += n
		}
		shift := 32 + pass*digit
		for _, v := range a {
			d := v >> shift % (1 << digit)
			b[c[d]] = v
			c[d]++
		}
		a, b = b, a
	}
	return a, b
}
