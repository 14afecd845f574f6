package pipeline

import (
	"sync"
	"time"
)

// patience tells a trouble that may pass from one that does not: a partition
// whose worker has failed for as long as limit without coming any further.
type patience struct {
	limit time.Duration

	mu     sync.Mutex
	streak map[int32]streak
}

// calm is a time without a failure that says that the trouble before is over;
// pauses between two tries are shorter.
const calm = 30 * time.Second

// streak is a run of failures at one place.
type streak struct {
	position    int64
	first, last time.Time
}

// over notes a failure, the worker having come as far as position; it says
// whether enough is enough.
func (p *patience) over(partition int32, position int64, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.streak == nil {
		p.streak = map[int32]streak{}
	}
	s, failing := p.streak[partition]
	if !failing || position > s.position || now.Sub(s.last) > max(p.limit, calm) {
		s = streak{position: position, first: now}
	}
	s.last = now
	p.streak[partition] = s
	return now.Sub(s.first) >= p.limit
}
