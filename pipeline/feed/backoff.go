package feed

import (
	"math/rand/v2"
	"time"
)

// backoff is how long to wait after failures in a row: exponential with full
// jitter (Amazon Builders' Library, "Timeouts, retries and backoff with
// jitter"), but never less than a quarter of the first step, so that a source
// never spins.
type backoff struct {
	first    time.Duration  // ceiling after one failure; doubles with each
	most     time.Duration  // ceiling of the ceiling
	random   func() float64 // in [0, 1); nil is math/rand
	failures int            // in a row
}

// next counts a failure and gives the wait before the next try. atLeast is
// what the other side asked for: it is kept, and the jitter comes on top.
func (b *backoff) next(atLeast time.Duration) time.Duration {
	ceiling := b.most
	if b.failures < 30 {
		ceiling = min(b.most, b.first<<b.failures)
	}
	b.failures++
	random := b.random
	if random == nil {
		random = rand.Float64
	}
	wait := time.Duration(random() * float64(ceiling))
	return max(atLeast, 0) + max(wait, b.first/4)
}

// reset is called after a success.
func (b *backoff) reset() { b.failures = 0 }
