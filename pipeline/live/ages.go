package live

import (
	"math"
	"time"
)

// ages is a histogram of durations over the last ten seconds: ten slots of a
// second, each with buckets that grow by an eighth, from 0.1 ms to 20 min.
type ages struct {
	slots [ageSlots]ageSlot
}

const (
	ageSlots   = 10
	ageBuckets = 140
	ageFirst   = 100 * time.Microsecond
	ageGrowth  = 1.125
)

type ageSlot struct {
	second int64
	count  int64
	bucket [ageBuckets]uint32
}

var logAgeGrowth = math.Log(ageGrowth)

func ageBucket(d time.Duration) int {
	if d <= ageFirst {
		return 0
	}
	return min(1+int(math.Log(float64(d)/float64(ageFirst))/logAgeGrowth), ageBuckets-1)
}

// add counts n durations of d at the wall-clock second.
func (a *ages) add(second int64, d time.Duration, n uint32) {
	s := &a.slots[uint64(second)%ageSlots]
	if s.second != second {
		*s = ageSlot{second: second}
	}
	s.bucket[ageBucket(d)] += n
	s.count += int64(n)
}

// Ages sums up how old ticks were when they arrived here, over the last ten
// seconds. P50 and P99 are within 13 %; all is zero where Count is.
type Ages struct {
	P50, P99 time.Duration
	Count    int64
}

func (a *ages) read(second int64) Ages {
	var sum [ageBuckets]int64
	out := Ages{}
	for i := range a.slots {
		s := &a.slots[i]
		if s.count == 0 || second-s.second >= ageSlots || s.second > second {
			continue
		}
		out.Count += s.count
		for b, n := range s.bucket {
			sum[b] += int64(n)
		}
	}
	if out.Count == 0 {
		return out
	}
	at := func(q float64) time.Duration {
		rank := int64(math.Ceil(q * float64(out.Count)))
		for b, n := range sum {
			if rank -= n; rank <= 0 {
				return time.Duration(float64(ageFirst) * math.Pow(ageGrowth, float64(b)))
			}
		}
		return 0
	}
	out.P50, out.P99 = at(0.50), at(0.99)
	return out
}
