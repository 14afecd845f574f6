package sagemaker

import (
	"errors"
	"sync"
	"time"
)

// ErrAway is in the chain of errors of an endpoint that is not asked for a
// while, since it did not answer.
var ErrAway = errors.New("the endpoint does not answer")

// breaker stops the asking of an endpoint that fails, and tries it again after
// growing pauses with a single question (Nygard, Release It!, 2018).
type breaker struct {
	limit    int           // failures in a row that open it
	shortest time.Duration // first pause
	longest  time.Duration
	now      func() time.Time

	mu       sync.Mutex
	failures int // in a row
	pause    time.Duration
	until    time.Time // closed again to one question
	trying   bool      // that question is on its way
	why      error     // how the last question ended
}

func newBreaker(now func() time.Time) *breaker {
	return &breaker{limit: 3, shortest: time.Second, longest: 30 * time.Second, now: now}
}

// enter says whether the endpoint may be asked now.
func (b *breaker) enter() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures < b.limit {
		return true
	}
	if b.trying || b.now().Before(b.until) {
		return false
	}
	b.trying = true
	return true
}

// leave notes how a question that entered ended; ok says that it was not for
// the endpoint's sake if it failed.
func (b *breaker) leave(err error, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trying, b.why = false, err
	if ok {
		b.failures, b.pause = 0, 0
		return
	}
	b.failures++
	if b.failures >= b.limit {
		b.pause = min(max(2*b.pause, b.shortest), b.longest)
		b.until = b.now().Add(b.pause)
	}
}

// closed says until when the endpoint is not asked, and why.
func (b *breaker) closed() (until time.Time, why error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.until, b.why
}
