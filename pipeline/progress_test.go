package pipeline

import (
	"testing"
	"time"
)

// A partition whose worker has failed lags behind until it is started again,
// or another process may have it.
func TestLagCountsPartitionsThatFail(t *testing.T) {
	p, now := newProgress(), time.Now()
	ends := []int64{100, 50}
	p.fail("archive", "ticks", 1, 0, now) // never started here: how far it is, nobody knows
	p.hold("archive", "ticks", 0, 40).Store(90)
	if lag := p.lag("archive", "ticks", ends); lag != 10 {
		t.Errorf("held: %d", lag)
	}
	p.drop("archive", "ticks", 0)
	if lag := p.lag("archive", "ticks", ends); lag != 0 {
		t.Errorf("given away: %d", lag)
	}
	p.fail("archive", "ticks", 0, 60, now)
	if lag := p.lag("archive", "ticks", ends); lag != 40 {
		t.Errorf("failing: %d", lag)
	}
	p.fail("archive", "ticks", 0, 60, now.Add(-failedFor))
	if lag := p.lag("archive", "ticks", ends); lag != 0 {
		t.Errorf("failed long ago: %d", lag)
	}
	p.fail("archive", "ticks", 0, 60, now)
	p.hold("archive", "ticks", 0, 60)
	if lag := p.lag("archive", "ticks", ends); lag != 40 {
		t.Errorf("started again: %d", lag)
	}
	p.drop("archive", "ticks", 0)
	if lag := p.lag("archive", "ticks", ends); lag != 0 {
		t.Errorf("started again and given away: %d", lag)
	}
}
