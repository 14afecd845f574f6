package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// Read reads a partition from offset from up to, not including, to, clipped to
// what it holds, and returns when it has. to < 0 is the end as of the call.
// Records are valid during fn, whose error Read returns.
func (c *Client) Read(ctx context.Context, topic string, partition int32, from, to int64, fn func(recs []Record) error) error {
	ranges, err := c.Offsets(ctx, topic)
	if err != nil {
		return err
	}
	if partition < 0 || int(partition) >= len(ranges) {
		return fmt.Errorf("read %s: it has no partition %d", topic, partition)
	}
	r := ranges[partition]
	if from = max(from, r.Low); to < 0 || to > r.High {
		to = r.High
	}
	if from >= to {
		return nil
	}
	con, err := c.readers.take()
	if err != nil {
		return err
	}
	err = con.read(ctx, topic, partition, from, to, fn)
	return errors.Join(err, c.readers.put(con, err == nil))
}

// ReadLast returns the last n records of a partition, oldest first; fewer where
// it has fewer.
func (c *Client) ReadLast(ctx context.Context, topic string, partition int32, n int) ([]Record, error) {
	ranges, err := c.Offsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	if partition < 0 || int(partition) >= len(ranges) {
		return nil, fmt.Errorf("read %s: it has no partition %d", topic, partition)
	}
	r := ranges[partition]
	for span := int64(n); n > 0; span *= 8 { // offsets have gaps where a topic was compacted
		from := max(r.Low, r.High-span)
		var recs []Record
		err := c.Read(ctx, topic, partition, from, r.High, func(got []Record) error {
			for i := range got {
				recs = append(recs, got[i].clone())
			}
			if len(recs) > 2*n { // keeps memory at what is asked for
				recs = append(recs[:0], recs[len(recs)-n:]...)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if len(recs) >= n || from == r.Low {
			return recs[max(0, len(recs)-n):], nil
		}
	}
	return nil, nil
}

// read is Read on a consumer that has nothing assigned.
func (con *consumer) read(ctx context.Context, topic string, partition int32, from, to int64, fn func([]Record) error) (err error) {
	name := con.client.cfg.Prefix + topic
	if err := con.assign([]kafka.TopicPartition{{Topic: &name, Partition: partition, Offset: kafka.Offset(from)}}); err != nil {
		return fmt.Errorf("read %s partition %d: %w", topic, partition, err)
	}
	defer func() { err = errors.Join(err, con.unassign()) }()
	for at := from; at < to; {
		err := con.batch(ctx, func(b *batch) error {
			recs := b.records
			for i, r := range recs {
				if r.Offset >= to {
					recs = recs[:i]
					break
				}
			}
			if len(recs) > 0 {
				if err := fn(recs); err != nil {
					return err
				}
				at = recs[len(recs)-1].Offset + 1
			}
			if len(recs) < len(b.records) {
				at = to
			}
			for _, f := range b.faults {
				if kafka.ErrorCode(f.code) == kafka.ErrPartitionEOF {
					at = max(at, f.offset) // no record was left up to here
				}
			}
			return con.client.serious(b.faults)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// readerPool keeps a few consumers for Read, since one takes some 10 ms to connect.
type readerPool struct {
	client *Client
	mu     sync.Mutex
	idle   []*consumer
	closed bool
}

// idleReaders is how many consumers wait for the next Read.
const idleReaders = 2

func (p *readerPool) take() (*consumer, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, ErrClosed
	}
	if n := len(p.idle); n > 0 {
		con := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return con, nil
	}
	p.mu.Unlock()
	return p.client.openConsumer(kafka.ConfigMap{
		"enable.partition.eof": true,
		"fetch.wait.max.ms":    10, // the next read waits for the last fetch of the one before
	})
}

// put takes a consumer back; one that failed is closed.
func (p *readerPool) put(con *consumer, well bool) error {
	p.mu.Lock()
	if well && !p.closed && len(p.idle) < idleReaders {
		p.idle = append(p.idle, con)
		p.mu.Unlock()
		return nil
	}
	p.mu.Unlock()
	return con.close()
}

func (p *readerPool) close() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	for _, con := range idle {
		if err := con.close(); err != nil {
			p.client.log.Warn("kafka: close reader", "err", err)
		}
	}
}
