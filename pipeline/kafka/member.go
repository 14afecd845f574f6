package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// member runs the workers of one partition, one after the other.
type member struct {
	group     *group
	partition int32
	queue     *queue
	cancel    context.CancelFunc
	done      chan struct{}

	assigned bool      // to librdkafka; read by the group after done
	next     int64     // offset after the worker's last record; -1 before its first
	stored   int64     // next as it was last stored for the commit
	storedAt time.Time // when that was
}

// storeEvery is how often progress is noted for the next commit.
const storeEvery = 500 * time.Millisecond

// closeQueue gives the partition's queue back, once; the member has ended.
func (m *member) closeQueue() {
	if m.queue != nil {
		m.queue.close(m.group.client)
		m.queue = nil
	}
}

// run starts workers until ctx ends: a new one after each failure.
func (m *member) run(ctx context.Context) {
	for attempt := 0; ; attempt++ {
		err := m.work(ctx, m.group.newWorker(m.partition))
		if ctx.Err() != nil {
			if err != nil && !errors.Is(err, context.Canceled) {
				m.group.cfg.OnError(m.partition, err)
			}
			return
		}
		m.group.cfg.OnError(m.partition, err)
		if m.next >= 0 {
			attempt = 0 // it had worked: a new trouble
		}
		if sleep(ctx, backoff(attempt)) != nil {
			return
		}
	}
}

// work is one worker's life. It returns why it ended.
func (m *member) work(ctx context.Context, w Worker) (err error) {
	m.next = -1
	offset, err := w.Start(ctx)
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	defer func() {
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), StopTimeout)
		defer cancel()
		if serr := w.Stop(stopping); serr != nil {
			err = errors.Join(err, fmt.Errorf("stop: %w", serr))
		}
		m.store(true)
	}()
	if err := m.position(ctx, offset); err != nil {
		return err
	}
	if m.group.cfg.Ledger {
		if keeper, ok := w.(Bookkeeper); ok {
			keeper.Keep(m.commit)
		}
		if offset >= 0 {
			if err := m.commit(offset, noteOf(w, offset)); err != nil {
				return err
			}
		}
	}
	idle := time.NewTimer(untilBeat(m.group.cfg.Interval))
	defer idle.Stop()
	quiet := true // nothing came since the last tick
	for {
		took, err := m.batch(ctx, w)
		if err != nil {
			return err
		}
		if took {
			quiet = false
			if ctx.Err() != nil {
				return ctx.Err()
			}
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-m.queue.woken:
		case <-idle.C:
			if quiet {
				if err := w.Idle(ctx, m.group.rk.logEnd(m.group.topic, m.partition)); err != nil {
					return fmt.Errorf("idle at offset %d: %w", m.next, err)
				}
			}
			quiet = true
			m.store(false)
			idle.Reset(untilBeat(m.group.cfg.Interval))
		}
	}
}

// untilBeat is how long it is to the next whole multiple of interval. Every
// member wakes on the same beat, which costs a third of waking in turn.
func untilBeat(interval time.Duration) time.Duration {
	now := time.Now()
	return now.Truncate(interval).Add(interval).Sub(now)
}

// batch hands waiting records to the worker; false when there were none.
func (m *member) batch(ctx context.Context, w Worker) (bool, error) {
	b := m.group.client.batch()
	defer m.group.client.batches.Put(b)
	if !b.take(m.queue) {
		return false, nil
	}
	defer b.release()
	recs := b.records
	if len(recs) > 0 {
		if err := w.Process(ctx, recs); err != nil {
			return true, fmt.Errorf("process from offset %d: %w", recs[0].Offset, err)
		}
		m.next = recs[len(recs)-1].Offset + 1
		if m.group.cfg.Ledger {
			if err := m.commit(m.next, noteOf(w, m.next)); err != nil {
				return true, err
			}
		}
		m.store(false)
	}
	return true, m.group.client.serious(b.faults)
}

// position makes the next record that is read the one at offset.
func (m *member) position(ctx context.Context, offset int64) error {
	tp := kafka.TopicPartition{Topic: &m.group.topic, Partition: m.partition}
	if offset == Committed {
		offset = Beginning
		committed, err := m.group.kc.Committed([]kafka.TopicPartition{tp}, int(requestTimeout.Milliseconds()))
		if err != nil {
			return fmt.Errorf("ask for the committed offset: %w", err)
		}
		if committed[0].Error != nil {
			return fmt.Errorf("ask for the committed offset: %w", committed[0].Error)
		}
		if committed[0].Offset >= 0 {
			offset = int64(committed[0].Offset)
		}
	}
	if offset < 0 && offset != Beginning && offset != End {
		return fmt.Errorf("start: %d is not an offset", offset)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !m.assigned {
		if err := m.group.rk.assign(m.group.topic, m.partition, offset); err != nil {
			return fmt.Errorf("read from offset %d: %w", offset, err)
		}
		m.assigned = true
		return nil
	}
	tp.Offset = kafka.Offset(offset)
	sought, err := m.group.kc.SeekPartitions([]kafka.TopicPartition{tp})
	if err == nil {
		err = sought[0].Error
	}
	if err != nil {
		return fmt.Errorf("read from offset %d: %w", offset, err)
	}
	return nil
}

func noteOf(w Worker, offset int64) string {
	if keeper, ok := w.(Bookkeeper); ok {
		return keeper.Note(offset)
	}
	return ""
}

// commit notes progress for good, before it returns.
func (m *member) commit(offset int64, note string) error {
	if len(note) > NoteLimit {
		return fmt.Errorf("commit offset %d: a note of %d bytes is longer than %d", offset, len(note), NoteLimit)
	}
	tp := kafka.TopicPartition{Topic: &m.group.topic, Partition: m.partition, Offset: kafka.Offset(offset), Metadata: &note}
	committed, err := m.group.kc.CommitOffsets([]kafka.TopicPartition{tp})
	if err == nil && len(committed) == 1 {
		err = committed[0].Error
	}
	if err != nil {
		return fmt.Errorf("commit offset %d: %w", offset, err)
	}
	return nil
}

// store notes progress for the next commit, not too often unless it is the
// last. A ledger is committed by itself, and not written over.
func (m *member) store(last bool) {
	if m.group.cfg.Ledger {
		return
	}
	if m.next <= 0 || m.next == m.stored || !m.assigned || !last && time.Since(m.storedAt) < storeEvery {
		return
	}
	m.storedAt = time.Now()
	_, err := m.group.kc.StoreOffsets([]kafka.TopicPartition{{Topic: &m.group.topic, Partition: m.partition, Offset: kafka.Offset(m.next)}})
	if err != nil { // the commit is information only; the worker knows where it is
		m.group.client.log.Debug("kafka: progress not noted", "group", m.group.cfg.Name, "partition", m.partition, "err", err)
		return
	}
	m.stored = m.next
}
