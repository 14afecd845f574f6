package kafka

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"sync/atomic"
	"testing"
	"time"
)

// A disk that is full makes producers wait; the status is taken until the last
// of the reserve, and with room again all that waited stands in the log once.
func TestFullDiskMakesProducersWait(t *testing.T) {
	var free atomic.Uint64
	free.Store(math.MaxUint64)
	const size = 100 << 20
	b, err := OpenBroker(t.TempDir(), BrokerConfig{measure: func() (uint64, uint64, error) { return free.Load(), size, nil }})
	if err != nil {
		t.Fatal(err)
	}
	defer closeBroker(t, b)
	cfg := b.Config(DefaultConfig())
	cfg.Partitions = 2
	c, err := Open(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.EnsureTopics(t.Context()); err != nil {
		t.Fatal(err)
	}
	p, err := c.NewProducer()
	if err != nil {
		t.Fatal(err)
	}
	flush := func(limit time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		return p.Flush(ctx)
	}
	produce := func(topic string) {
		t.Helper()
		if err := p.Produce(topic, 0, []byte("AAPL"), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	produce(Ticks)
	if err := flush(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	free.Store(reserve(size) - 1)
	produce(Status)
	if err := flush(20 * time.Second); err != nil {
		t.Fatalf("the status: %v", err)
	}
	free.Store(0)
	produce(Status)
	for range 100 {
		produce(Ticks)
	}
	if err := flush(300 * time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("on a full disk: %v", err)
	}
	free.Store(reserve(size)) // not yet: it would be full again at once
	if err := flush(300 * time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("on a disk as good as full: %v", err)
	}
	free.Store(2 * reserve(size))
	if err := flush(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	for topic, want := range map[string]int64{Ticks: 101, Status: 2} {
		ranges, err := c.Offsets(t.Context(), topic)
		if err != nil || ranges[0].High != want {
			t.Errorf("%s has %+v, %v", topic, ranges, err)
		}
	}
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestReserve(t *testing.T) {
	if reserve(1<<40) != spaceReserve || reserve(100<<20) != 5<<20 {
		t.Error(reserve(1<<40), reserve(100<<20))
	}
	if free, size, err := freeSpace(t.TempDir()); err != nil || size == 0 || free > size {
		t.Error(free, size, err)
	}
	if _, _, err := freeSpace("/nowhere/at/all"); err == nil {
		t.Error("a folder that is not there has room")
	}
}
