package kafka

/*
#include <stdlib.h>
#include "rdkafka.h"
*/
import "C"

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// Producer writes records, losing none: Produce blocks while the log cannot
// take more, and what could not be delivered for good breaks the producer, so
// that nothing after it looks delivered. Records of one partition stand in the
// log in the order of the calls. It is safe for concurrent use.
type Producer struct {
	client *Client
	name   string // in the statistics
	rk     *C.rd_kafka_t
	waker  *waker
	acks   *acks
	fatal  atomic.Pointer[kafka.Error] // after which librdkafka takes nothing more

	ctx     context.Context // ends with the producer
	cancel  context.CancelFunc
	senders sync.WaitGroup
	reports sync.WaitGroup

	mu     sync.RWMutex
	topics map[string]*outbox
	closed bool

	flushing sync.Mutex   // one caller at a time opens a new slot
	slot     atomic.Int32 // that new records count in
	taken    atomic.Int64 // records that Produce has accepted
}

// acks mirrors td_acks of rdkafka.c, in C's memory. A flush closes a slot and
// waits until the records that were counted in it are gone.
type acks struct {
	pending                [C.TD_SLOTS]int64
	acked, failed          int64
	firstErr, firstPartion int32
}

// NewProducer opens a producer. Close it before the client.
//
// It is librdkafka's own: the producer of confluent-kafka-go calls into C
// several times a record, to hand it over and again to report on it.
func (c *Client) NewProducer() (*Producer, error) {
	rk, err := newProducerHandle(c.cfg.producing())
	if err != nil {
		return nil, fmt.Errorf("open producer: %w", err)
	}
	p := &Producer{
		client: c,
		name:   "producer",
		rk:     rk,
		acks:   (*acks)(C.calloc(1, C.size_t(unsafe.Sizeof(acks{})))),
		topics: make(map[string]*outbox),
	}
	if n := c.producers.Add(1); n > 1 {
		p.name = fmt.Sprintf("producer %d", n)
	}
	if p.waker, err = producerEvents(rk); err != nil {
		C.rd_kafka_destroy(rk)
		C.free(unsafe.Pointer(p.acks))
		return nil, fmt.Errorf("open producer: %w", err)
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.reports.Go(p.poll)
	return p, nil
}

// newProducerHandle makes librdkafka's handle of a producer.
func newProducerHandle(settings kafka.ConfigMap) (*C.rd_kafka_t, error) {
	conf := C.rd_kafka_conf_new()
	var buf [512]C.char
	for key, value := range settings {
		k, v := C.CString(key), C.CString(fmt.Sprint(value))
		res := C.rd_kafka_conf_set(conf, k, v, &buf[0], C.size_t(len(buf)))
		C.free(unsafe.Pointer(k))
		C.free(unsafe.Pointer(v))
		if res != 0 {
			C.rd_kafka_conf_destroy(conf)
			return nil, errors.New(C.GoString(&buf[0]))
		}
	}
	rk := C.td_producer(conf, &buf[0], C.size_t(len(buf)))
	if rk == nil {
		C.rd_kafka_conf_destroy(conf)
		return nil, errors.New(C.GoString(&buf[0]))
	}
	return rk, nil
}

// poll counts delivery reports and takes in errors until the producer closes.
func (p *Producer) poll() {
	defer p.waker.close()
	buf := (*[512]C.char)(C.malloc(512))
	defer C.free(unsafe.Pointer(buf))
	_ = p.waker.serve(p.ctx, func() error {
		for p.ctx.Err() == nil {
			var fatal C.int
			var counted *C.char
			code := C.td_poll(p.rk, p.waker.q, unsafe.Pointer(p.acks), &fatal, &buf[0], C.size_t(len(buf)), &counted)
			if counted != nil {
				p.client.count(p.name, []byte(C.GoString(counted)))
				C.free(unsafe.Pointer(counted))
			}
			if code != 0 {
				err := kafka.NewError(kafka.ErrorCode(code), C.GoString(&buf[0]), fatal != 0)
				if err.IsFatal() {
					p.fatal.CompareAndSwap(nil, &err)
				}
				p.client.health.report(err)
			}
			if code == 0 && counted == nil {
				break
			}
		}
		return nil
	})
}

// outboxBytes and outboxRecords bound what waits in Go for one topic.
const (
	outboxBytes   = 1 << 20
	outboxRecords = 4096
)

// outbox gathers records of one topic for one call into librdkafka.
type outbox struct {
	name       string
	rkt        *C.rd_kafka_topic_t
	partitions int
	maxBytes   int
	keyed      bool // records need a key

	mu    sync.Mutex
	room  sync.Cond // signalled when items was taken
	items []C.td_item
	buf   []byte
	ready chan struct{} // holds one token while items is not empty

	closed bool // nobody sends what would be added now
}

// Produce copies a record and hands it over; partition < 0 is the one its key
// belongs to (PartitionOf), any one without a key. A nil value deletes the key
// on a compacted topic. It blocks while the log cannot take more. Errors:
// ErrTooLarge, ErrNoKey, ErrUnknownTopic, ErrClosed, or the delivery failure that broke
// the producer.
func (p *Producer) Produce(topic string, partition int32, key, value []byte, headers ...Header) error {
	return p.ProduceContext(context.Background(), topic, partition, key, value, headers...)
}

// ProduceContext is Produce that gives up, with ctx's error and without having
// taken the record, when ctx ends while the log cannot take more.
func (p *Producer) ProduceContext(ctx context.Context, topic string, partition int32, key, value []byte, headers ...Header) error {
	o, err := p.outbox(topic)
	if err != nil {
		return err
	}
	if partition < 0 {
		if key != nil {
			partition = PartitionOf(key, o.partitions)
		} else {
			partition = rand.Int32N(int32(o.partitions))
		}
	} else if int(partition) >= o.partitions {
		return fmt.Errorf("produce to %s: it has no partition %d", topic, partition)
	}
	if o.keyed && key == nil {
		return fmt.Errorf("produce to %s, which keeps the last record of each key: %w", topic, ErrNoKey)
	}
	size := len(key) + len(value)
	for _, h := range headers {
		size += len(h.Key) + len(h.Value) + 8
	}
	if size > o.maxBytes {
		return fmt.Errorf("produce %d bytes to %s, which takes %d: %w", size, topic, o.maxBytes, ErrTooLarge)
	}

	item := C.td_item{partition: C.int32_t(partition), key_len: -1, value_len: -1, headers_cnt: C.int32_t(len(headers))}
	if key != nil {
		item.key_len = C.int32_t(len(key))
	}
	if value != nil {
		item.value_len = C.int32_t(len(value))
	}
	o.mu.Lock()
	if o.full(size) {
		if err := p.await(ctx, o, size); err != nil {
			o.mu.Unlock()
			return err
		}
	}
	err = p.broken()
	if o.closed {
		err = ErrClosed
	}
	if err != nil {
		o.mu.Unlock()
		return err
	}
	item.at = C.int64_t(len(o.buf))
	o.buf = append(append(o.buf, key...), value...)
	for _, h := range headers {
		o.buf = binary.NativeEndian.AppendUint32(o.buf, uint32(len(h.Key)))
		o.buf = append(o.buf, h.Key...)
		o.buf = binary.NativeEndian.AppendUint32(o.buf, uint32(len(h.Value)))
		o.buf = append(o.buf, h.Value...)
	}
	item.slot = C.int32_t(p.enter())
	o.items = append(o.items, item)
	first := len(o.items) == 1
	o.mu.Unlock()
	p.taken.Add(1)
	if first {
		o.ready <- struct{}{}
	}
	return nil
}

// full tells whether a record of this size has to wait. The caller holds mu.
func (o *outbox) full(size int) bool {
	return len(o.items) >= outboxRecords || len(o.buf) > 0 && len(o.buf)+size > outboxBytes
}

// await waits until o has room. The caller holds o.mu.
func (p *Producer) await(ctx context.Context, o *outbox, size int) error {
	defer context.AfterFunc(ctx, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.room.Broadcast()
	})()
	for o.full(size) {
		if o.closed {
			return ErrClosed
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		o.room.Wait()
	}
	return nil
}

// enter counts a record in the open slot and returns the slot.
func (p *Producer) enter() int32 {
	for {
		s := p.slot.Load()
		atomic.AddInt64(&p.acks.pending[s], 1)
		if p.slot.Load() == s {
			return s
		}
		atomic.AddInt64(&p.acks.pending[s], -1) // a flush closed it in between
	}
}

// outbox finds or makes the outbox of a topic.
func (p *Producer) outbox(topic string) (*outbox, error) {
	p.mu.RLock()
	o, closed := p.topics[topic], p.closed
	p.mu.RUnlock()
	if closed {
		return nil, ErrClosed
	}
	if o != nil {
		return o, nil
	}
	ctx, cancel := context.WithTimeout(p.ctx, requestTimeout)
	defer cancel()
	n, err := p.client.Partitions(ctx, topic)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	if o = p.topics[topic]; o != nil {
		return o, nil
	}
	name := C.CString(p.client.cfg.Prefix + topic)
	defer C.free(unsafe.Pointer(name))
	rkt := C.rd_kafka_topic_new(p.rk, name, nil)
	if rkt == nil {
		return nil, fmt.Errorf("produce to %s: librdkafka refuses the topic", topic)
	}
	spec := p.client.cfg.spec(topic)
	o = &outbox{
		name:       topic,
		rkt:        rkt,
		partitions: n,
		maxBytes:   spec.maxBytes,
		keyed:      spec.compacted,
		ready:      make(chan struct{}, 1),
	}
	o.room.L = &o.mu
	p.topics[topic] = o
	p.senders.Go(func() { p.send(o) })
	return o, nil
}

// send hands an outbox's records to librdkafka, all that gathered while the
// batch before was on its way, until the producer closes.
func (p *Producer) send(o *outbox) {
	var items []C.td_item
	var buf []byte
	for {
		select {
		case <-o.ready:
		case <-p.ctx.Done():
			return
		}
		o.mu.Lock()
		items, o.items = o.items, items[:0]
		buf, o.buf = o.buf, buf[:0]
		o.room.Broadcast()
		o.mu.Unlock()
		for rest := items; len(rest) > 0; {
			n := C.td_produce(p.rk, o.rkt, unsafe.Pointer(p.acks), &rest[0], C.int(len(rest)), (*C.char)(unsafe.Pointer(unsafe.SliceData(buf))))
			if rest = rest[n:]; len(rest) > 0 && sleep(p.ctx, fullPause) != nil {
				return
			}
		}
		if cap(buf) > 4*outboxBytes {
			buf = nil // a large record came by
		}
	}
}

// fullPause is how long a full queue of librdkafka is given to drain.
const fullPause = time.Millisecond

// broken is the failure that broke the producer.
func (p *Producer) broken() error {
	if err := p.fatal.Load(); err != nil {
		return fmt.Errorf("producer failed: %w", *err)
	}
	code := atomic.LoadInt32(&p.acks.firstErr)
	if code == 0 {
		return nil
	}
	return fmt.Errorf("%d records could not be delivered, the first to partition %d: %s",
		atomic.LoadInt64(&p.acks.failed), atomic.LoadInt32(&p.acks.firstPartion), C.GoString(C.rd_kafka_err2str(C.int(code))))
}

// Flush waits until every record that was produced before it is acknowledged,
// whatever others produce meanwhile. The error is the context's, or the
// delivery failure that broke the producer: it stays, since its records are
// lost; close the producer, open another and go on from what is known to stand.
func (p *Producer) Flush(ctx context.Context) error {
	closed, err := p.closeSlot(ctx)
	if err != nil {
		return err
	}
	for wait := 50 * time.Microsecond; !p.drained(closed); wait = min(2*wait, 2*time.Millisecond) {
		if p.ctx.Err() != nil {
			return ErrClosed
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
	return p.broken()
}

// closeSlot opens the next slot and returns the one that was open.
func (p *Producer) closeSlot(ctx context.Context) (int32, error) {
	p.flushing.Lock()
	defer p.flushing.Unlock()
	closed := p.slot.Load()
	next := (closed + 1) % C.TD_SLOTS
	for atomic.LoadInt64(&p.acks.pending[next]) != 0 { // 63 flushes wait already: so do we
		if p.ctx.Err() != nil {
			return 0, ErrClosed
		}
		if err := sleep(ctx, time.Millisecond); err != nil {
			return 0, err
		}
	}
	p.slot.Store(next)
	return closed, nil
}

// drained tells whether every slot up to and with last is empty. The slots
// after the open one are the oldest.
func (p *Producer) drained(last int32) bool {
	open := p.slot.Load()
	for s := last; s != open; s = (s + C.TD_SLOTS - 1) % C.TD_SLOTS {
		if atomic.LoadInt64(&p.acks.pending[s]) != 0 {
			return false
		}
	}
	return true
}

// Progress counts a producer's records since it was opened.
type Progress struct {
	Acked    int64 // stand in the log
	Failed   int64 // could not be delivered
	InFlight int64 // neither yet
}

// Progress is how far the producer is.
func (p *Producer) Progress() Progress {
	pr := Progress{Acked: atomic.LoadInt64(&p.acks.acked), Failed: atomic.LoadInt64(&p.acks.failed)}
	pr.InFlight = max(0, p.taken.Load()-pr.Acked-pr.Failed)
	return pr
}

// Close ends the producer after a last Flush bounded by ctx, whose error it
// returns; what was not delivered then is lost.
func (p *Producer) Close(ctx context.Context) error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.mu.Unlock()
	err := p.Flush(ctx)
	p.mu.Lock()
	p.closed = true
	topics := p.topics
	p.mu.Unlock()
	p.cancel()
	for _, o := range topics {
		o.mu.Lock()
		o.closed = true
		o.room.Broadcast()
		o.mu.Unlock()
	}
	p.senders.Wait()
	for _, o := range topics {
		C.rd_kafka_topic_destroy(o.rkt)
	}
	p.reports.Wait()
	p.client.statistics.Delete(p.name)
	C.rd_kafka_destroy(p.rk)
	// librdkafka is gone, but Progress may still be asked for.
	runtime.AddCleanup(p, func(a *acks) { C.free(unsafe.Pointer(a)) }, p.acks)
	return err
}
