package kafka

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// backoff is the pause before attempt n (from 0): doubling from 100 ms to 10 s,
// half of it by chance.
func backoff(n int) time.Duration {
	d := 100 * time.Millisecond << min(n, 7)
	d = min(d, 10*time.Second)
	return d/2 + rand.N(d/2)
}

// Follow reads every partition of the topics as records come, without a group,
// until ctx ends or fn fails, whose error it returns. from says where a
// partition is to be read from: an offset, Beginning or End; it is asked again
// for topics that were made again. Records of one partition come in order, each
// once; those of different partitions interleave, and each call has records of
// one topic. They are valid during the call. A slow fn slows only this reader.
// Lost connections and topics that are not there yet are waited for.
func (c *Client) Follow(ctx context.Context, topics []string, from func(topic string, partition int32, r Range) int64,
	fn func(topic string, recs []Record) error) error {
	return c.FollowEvery(ctx, 0, topics, from, fn)
}

// FollowEvery is Follow for a reader of busy topics that need not have a record
// the moment it comes: the broker gathers for so long, or until there is much,
// before it answers. Each answer wakes five threads, whatever is in it.
func (c *Client) FollowEvery(ctx context.Context, gather time.Duration, topics []string, from func(topic string, partition int32, r Range) int64,
	fn func(topic string, recs []Record) error) error {
	var extra kafka.ConfigMap
	if gather > 0 {
		extra = kafka.ConfigMap{"fetch.wait.max.ms": int(gather.Milliseconds()), "fetch.min.bytes": gatheredBytes}
	}
	next := make(map[place]int64) // where to go on after trouble
	ids := make(map[string]string)
	for attempt := 0; ; attempt++ {
		err := c.follow(ctx, extra, topics, from, fn, next, ids, &attempt)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if failed, ok := errors.AsType[*callbackError](err); ok {
			return failed.err
		}
		c.log.Warn("kafka: following interrupted, trying again", "topics", topics, "err", err)
		if err := sleep(ctx, backoff(attempt)); err != nil {
			return err
		}
	}
}

// gatheredBytes are so many that a reader is behind: it gets them at once.
const gatheredBytes = 256 << 10

// place is a partition of a topic.
type place struct {
	topic     string
	partition int32
}

// callbackError carries an error of the caller's own function out.
type callbackError struct{ err error }

func (e *callbackError) Error() string { return e.err.Error() }

// follow is one attempt of Follow: it resets attempt once records flow, and
// keeps in next how far it came.
func (c *Client) follow(ctx context.Context, extra kafka.ConfigMap, topics []string, from func(string, int32, Range) int64,
	fn func(string, []Record) error, next map[place]int64, ids map[string]string, attempt *int) (err error) {
	var partitions []kafka.TopicPartition
	for _, topic := range topics {
		id, err := c.TopicID(ctx, topic)
		if err != nil {
			return err
		}
		ranges, err := c.Offsets(ctx, topic)
		if err != nil {
			return err
		}
		if ids[topic] != id { // new to us, or made again
			for p := range ranges {
				delete(next, place{topic, int32(p)})
			}
			ids[topic] = id
		}
		name := c.cfg.Prefix + topic
		for p, r := range ranges {
			at := place{topic, int32(p)}
			offset, ok := next[at]
			if !ok {
				switch offset = from(topic, int32(p), r); offset {
				case Beginning:
					offset = r.Low
				case End:
					offset = r.High
				}
				offset = max(r.Low, min(offset, r.High))
				next[at] = offset
			}
			partitions = append(partitions, kafka.TopicPartition{Topic: &name, Partition: int32(p), Offset: kafka.Offset(offset)})
		}
	}
	con, err := c.openConsumer(extra)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, con.close()) }()
	if err := con.assign(partitions); err != nil {
		return fmt.Errorf("follow: %w", err)
	}
	for {
		err := con.batch(ctx, func(b *batch) error {
			*attempt = 0
			for i := 0; i < len(b.records); {
				j := i + 1
				for j < len(b.records) && b.topics[j] == b.topics[i] {
					j++
				}
				topic := b.topics[i][len(c.cfg.Prefix):]
				if err := fn(topic, b.records[i:j]); err != nil {
					return &callbackError{err}
				}
				for _, r := range b.records[i:j] {
					next[place{topic, r.Partition}] = r.Offset + 1
				}
				i = j
			}
			return c.serious(b.faults)
		})
		if err != nil {
			return err
		}
	}
}

// serious picks, of what a consumer found amiss, what needs a new consumer.
func (c *Client) serious(faults []recordFault) error {
	for _, f := range faults {
		switch kafka.ErrorCode(f.code) {
		case kafka.ErrPartitionEOF:
		case kafka.ErrUnknownTopicOrPart, kafka.ErrUnknownTopic, kafka.ErrUnknownPartition, kafka.ErrTopicAuthorizationFailed,
			kafka.ErrUnknownTopicID:
			return fmt.Errorf("%s partition %d: %w", f.topic, f.partition, f)
		default:
			c.log.Warn("kafka: trouble reading", "topic", f.topic, "partition", f.partition, "offset", f.offset, "err", f.text)
		}
	}
	return nil
}
