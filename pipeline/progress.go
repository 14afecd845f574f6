package pipeline

import (
	"sync"
	"sync/atomic"
)

// progress is how far the stages of this process have come: for each partition
// that they hold, the offset after the last record taken.
type progress struct {
	mu        sync.Mutex
	positions map[placed]*atomic.Int64
	best      map[placed]int64 // the furthest that workers before have come
}

type placed struct {
	stage     string
	topic     string
	partition int32
}

func newProgress() *progress {
	return &progress{positions: map[placed]*atomic.Int64{}, best: map[placed]int64{}}
}

// hold begins a partition at an offset; its worker alone stores to the result.
func (p *progress) hold(stage, topic string, partition int32, offset int64) *atomic.Int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	position := new(atomic.Int64)
	position.Store(offset)
	p.positions[placed{stage, topic, partition}] = position
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

// lag is how many records below ends the held partitions have not taken.
func (p *progress) lag(stage, topic string, ends []int64) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	var lag int64
	for partition, end := range ends {
		if position := p.positions[placed{stage, topic, int32(partition)}]; position != nil {
			lag += max(0, end-position.Load())
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
