package main

import (
	"context"
	"encoding/binary"
	"sync"
	"testing"
	"time"

	"tapedeck/pipeline/kafka"
)

// TestClusterGap writes 1,200 records a second, 100 into each partition, and
// follows them while the leader of some is killed with kill -9 and the network
// to another one is cut: each record is followed once and in order, and none
// comes ten seconds late. It needs no pipeline: what a fault of the cluster
// costs by itself.
func TestClusterGap(t *testing.T) {
	short := needCluster(t)
	c := newCluster(t)
	c.rate = 1200
	log, reading := c.openLog(), c.openLog()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	if _, err := log.EnsureTopics(ctx); err != nil {
		t.Fatal(err)
	}
	producer, err := log.NewProducer()
	if err != nil {
		t.Fatal(err)
	}
	o := &onlooker{last: map[int32]time.Time{}}
	writing, written := context.WithCancel(ctx)
	var work sync.WaitGroup
	var wrote [12]uint64
	work.Go(func() {
		for beat := time.NewTicker(10 * time.Millisecond); ; {
			select {
			case <-writing.Done():
				beat.Stop()
				return
			case <-beat.C:
			}
			for p := range wrote {
				wrote[p]++
				if err := producer.ProduceContext(ctx, kafka.Ticks, int32(p), nil, binary.BigEndian.AppendUint64(nil, wrote[p])); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	following, followed := context.WithCancel(ctx)
	var seen [12]uint64
	var mu sync.Mutex
	work.Go(func() {
		_ = reading.Follow(following, []string{kafka.Ticks}, func(string, int32, kafka.Range) int64 { return kafka.Beginning }, func(_ string, records []kafka.Record) error {
			o.take(records)
			mu.Lock()
			defer mu.Unlock()
			for i := range records {
				p := records[i].Partition
				if n := binary.BigEndian.Uint64(records[i].Value); n != seen[p]+1 {
					t.Errorf("partition %d: record %d after %d", p, n, seen[p])
				}
				seen[p]++
			}
			return nil
		})
	})
	c.after = func(what string) {
		gap, _ := o.report()
		t.Logf("%s: no record of a partition for %.1f s at most", what, gap.Seconds())
		if gap > 10*time.Second {
			t.Errorf("%s: no record of a partition for %.1f s", what, gap.Seconds())
		}
	}
	times := 2
	if short {
		times = 1
	}
	for range times {
		if err := c.killLeader(ctx, log); err != nil {
			t.Error(err)
		}
	}
	if err := c.cutLeader(ctx, log); err != nil {
		t.Error(err)
	}
	written()
	if err := producer.Flush(ctx); err != nil {
		t.Error(err)
	}
	for {
		mu.Lock()
		all := seen == wrote
		mu.Unlock()
		if all || pause(ctx) != nil {
			break
		}
	}
	followed()
	work.Wait()
	if seen != wrote {
		t.Errorf("followed %v, written and acknowledged %v", seen, wrote)
	}
	if err := producer.Close(ctx); err != nil {
		t.Error(err)
	}
}
