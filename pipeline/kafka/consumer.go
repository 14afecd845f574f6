package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// Places in a partition that stand for an offset.
const (
	Beginning int64 = -2    // the oldest record
	End       int64 = -1    // after the newest record
	Committed int64 = -1000 // where the group's last commit says, else Beginning
)

// batch lends a batch buffer, to be put back into batches: a consumer needs one
// only while it has records.
func (c *Client) batch() *batch {
	if b, ok := c.batches.Get().(*batch); ok {
		return b
	}
	return newBatch()
}

// consumer is a librdkafka consumer without a group whose partitions lead to
// one queue.
type consumer struct {
	client *Client
	kc     *kafka.Consumer
	rk     rdkafka
	queue  *queue
	waker  *waker
	events sync.WaitGroup
	cancel context.CancelFunc
}

// openConsumer opens a consumer; extra overrides its settings.
func (c *Client) openConsumer(extra kafka.ConfigMap) (*consumer, error) {
	m := c.cfg.consuming("tapedeck-reader") // never joined nor committed to
	for k, v := range extra {
		m[k] = v
	}
	kc, err := kafka.NewConsumer(c.logging(m))
	if err != nil {
		return nil, fmt.Errorf("open consumer: %w", err)
	}
	con := &consumer{client: c, kc: kc}
	if con.rk, err = handleOf(kc); err == nil {
		con.waker, err = con.rk.consumerEvents()
	}
	if err == nil {
		if con.queue, err = con.rk.sharedQueue(); err != nil {
			con.waker.close()
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open consumer: %w", err), kc.Close())
	}
	ctx, cancel := context.WithCancel(context.Background())
	con.cancel = cancel
	con.events.Go(func() {
		_ = con.waker.serve(ctx, func() error {
			for ev := kc.Poll(0); ev != nil; ev = kc.Poll(0) {
				if e, ok := ev.(kafka.Error); ok {
					c.health.report(e)
				}
			}
			return nil
		})
	})
	return con, nil
}

func (con *consumer) close() error {
	con.cancel()
	con.events.Wait()
	con.queue.close(con.client)
	con.waker.close()
	return con.kc.Close()
}

// assign reads these partitions, and no others, from their offsets.
func (con *consumer) assign(partitions []kafka.TopicPartition) error {
	for _, tp := range partitions {
		if err := con.rk.lead(*tp.Topic, tp.Partition, con.queue); err != nil {
			return err
		}
	}
	return con.kc.Assign(partitions)
}

// unassign reads nothing, and forgets what was read ahead.
func (con *consumer) unassign() error {
	err := con.kc.Unassign()
	con.queue.lose(con.client)
	return err
}

// batch waits for records and faults and lends them to fn.
func (con *consumer) batch(ctx context.Context, fn func(b *batch) error) error {
	b := con.client.batch()
	defer con.client.batches.Put(b)
	for !b.take(con.queue) {
		select {
		case <-con.queue.woken:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer b.release()
	return fn(b)
}
