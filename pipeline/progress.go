package pipeline

import (
	"sync"
	"sync/atomic"
	"time"
)

// progress is how far the stages of this process have come: for each partition
// that they hold, the offset after the last record taken.
type progress struct {
	mu        sync.Mutex
	positions map[placed]*atomic.Int64
	best      map[placed]int64 // the furthest that workers before have come
	failing   map[placed]failed
}

// failed is a partition whose worker has failed and will be started again.
type failed struct {
	position int64
	at       time.Time
}

// failedFor is how long a partition counts as this process's after a failure:
// longer than any pause between two starts. After it another may hold it.
const failedFor = 30 * time.Second

type placed struct {
	stage     string
	topic     string
	partition int32
}

func newProgress() *progress {
	return &progress{positions: map[placed]*atomic.Int64{}, best: map[placed]int64{}, failing: map[placed]failed{}}
}

// hold begins a partition at an offset; its worker alone stores to the result.
func (p *progress) hold(stage, topic string, partition int32, offset int64) *atomic.Int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	position := new(atomic.Int64)
	position.Store(offset)
	at := placed{stage, topic, partition}
	p.positions[at] = position
	delete(p.failing, at)
	return position
}

// drop ends a partition that is no longer held.
func (p *progress) drop(stage, topic string, partition int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := placed{stage, topic, partition}
	if position := p.positions[at]; position != nil {
		p.best[at] = max(p.best[at], position.Load())
		delete(p.positions, at)
	}
}

// fail notes that a partition's worker failed having come, for good, to
// position: what lies above it still counts as not taken.
func (p *progress) fail(stage, topic string, partition int32, position int64, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := placed{stage, topic, partition}
	if _, known := p.best[at]; known && p.positions[at] == nil {
		p.failing[at] = failed{position, now}
	}
}

// furthest is how far a partition has ever come in this process.
func (p *progress) furthest(stage, topic string, partition int32) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := placed{stage, topic, partition}
	if position := p.positions[at]; position != nil {
		return max(p.best[at], position.Load())
	}
	return p.best[at]
}

// lag is how many records below ends the held partitions have not taken, with
// those that wait for their worker to be started again.
func (p *progress) lag(stage, topic string, ends []int64) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	var lag int64
	for partition, end := range ends {
		at := placed{stage, topic, int32(partition)}
		if position := p.positions[at]; position != nil {
			lag += max(0, end-position.Load())
		} else if f, failing := p.failing[at]; failing && time.Since(f.at) < failedFor {
			lag += max(0, end-f.position)
		}
	}
	return lag
}

// holdsAll says whether this process holds every partition that has records.
func (p *progress) holdsAll(stage, topic string, ends []int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for partition, end := range ends {
		if end > 0 && p.positions[placed{stage, topic, int32(partition)}] == nil {
			return false
		}
	}
	return true
}

// held are the positions of the partitions of topic that stage holds.
func (p *progress) held(stage, topic string) map[int32]int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	held := map[int32]int64{}
	for key, position := range p.positions {
		if key.stage == stage && key.topic == topic {
			held[key.partition] = position.Load()
		}
	}
	return held
}
