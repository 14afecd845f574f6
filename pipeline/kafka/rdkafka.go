package kafka

/*
#cgo darwin LDFLAGS: -Wl,-undefined,dynamic_lookup
#include <stdlib.h>
#include "rdkafka.h"
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"tapedeck/pipeline/market"
)

// Header is a name and a value beside a record's value.
type Header struct {
	Key   string
	Value []byte
}

// Record is one record of a partition.
type Record struct {
	Partition int32
	Offset    int64
	Time      market.Time // when it was produced, ms resolution
	Key       []byte      // nil: none
	Value     []byte      // nil: none, which on a compacted topic deletes the key
	Headers   []Header
}

// clone is a copy of r that owns its memory.
func (r *Record) clone() Record {
	c := *r
	c.Key, c.Value = cloneBytes(r.Key), cloneBytes(r.Value)
	return c
}

func cloneBytes(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append(make([]byte, 0, len(b)), b...)
}

// rdkafka is librdkafka's handle of a client.
type rdkafka struct{ rk *C.rd_kafka_t }

// handleOf takes the handle out of a *kafka.Producer or *kafka.Consumer, which
// does not give it away.
func handleOf(client any) (rdkafka, error) {
	h := reflect.ValueOf(client).Elem().FieldByName("handle")
	if h.IsValid() {
		if rk := h.FieldByName("rk"); rk.IsValid() && rk.Kind() == reflect.Pointer && !rk.IsNil() {
			return rdkafka{(*C.rd_kafka_t)(rk.UnsafePointer())}, nil
		}
	}
	return rdkafka{}, fmt.Errorf("this version of confluent-kafka-go keeps librdkafka's handle elsewhere; %T has no handle.rk", client)
}

// assign starts reading a partition; any thread may call it.
func (h rdkafka) assign(topic string, partition int32, offset int64) error {
	name := C.CString(topic)
	defer C.free(unsafe.Pointer(name))
	var buf [512]C.char
	if text := C.td_assign(h.rk, name, C.int32_t(partition), C.int64_t(offset), &buf[0], C.size_t(len(buf))); text != nil {
		return errors.New(C.GoString(&buf[0]))
	}
	return nil
}

// logEnd is the end of a partition as the last fetch saw it, -1 before that.
func (h rdkafka) logEnd(topic string, partition int32) int64 {
	name := C.CString(topic)
	defer C.free(unsafe.Pointer(name))
	var low, high C.int64_t
	if C.rd_kafka_get_watermark_offsets(h.rk, name, C.int32_t(partition), &low, &high) != 0 || high < 0 {
		return -1
	}
	return int64(high)
}

// waker says when something has come into a queue of librdkafka's. A call that
// waits in there costs a thread, and Go's scheduler watches that thread every
// 20 µs: more than all that most of our threads do.
type waker struct {
	q     *C.rd_kafka_queue_t
	pipe  pipe
	woken chan struct{} // one token when something may have come
}

// queue is where records of one partition or more wait to be read.
type queue struct {
	waker
	forward []*C.rd_kafka_queue_t // partitions' queues that lead here
}

// recheck is how often a client's own queue is looked into without a token: its
// events (errors, rebalances) may come two at a time, with one.
const recheck = 250 * time.Millisecond

// consumerEvents wakes who serves a consumer's events.
func (h rdkafka) consumerEvents() (*waker, error) {
	w := &waker{q: C.rd_kafka_queue_get_consumer(h.rk)}
	if w.q == nil {
		return nil, errors.New("the consumer has no queue")
	}
	return w, w.listenOn()
}

// producerEvents wakes who serves a producer's events.
func producerEvents(rk *C.rd_kafka_t) (*waker, error) {
	w := &waker{q: C.rd_kafka_queue_get_main(rk)}
	return w, w.listenOn()
}

// serve calls poll whenever there may be something, until ctx ends; poll takes
// all that there is, without waiting.
func (w *waker) serve(ctx context.Context, poll func() error) error {
	ticker := time.NewTicker(recheck)
	defer ticker.Stop()
	for {
		if err := poll(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.woken:
		case <-ticker.C:
		}
	}
}

// partitionQueue separates a partition's queue from the consumer's. It is to be
// called before the partition is assigned.
func (h rdkafka) partitionQueue(topic string, partition int32) (*queue, error) {
	name := C.CString(topic)
	defer C.free(unsafe.Pointer(name))
	q := &queue{waker: waker{q: C.rd_kafka_queue_get_partition(h.rk, name, C.int32_t(partition))}}
	if q.q == nil {
		return nil, fmt.Errorf("no queue for %s partition %d", topic, partition)
	}
	C.rd_kafka_queue_forward(q.q, nil)
	return q, q.listenOn()
}

// sharedQueue is a queue that partitions can be led to.
func (h rdkafka) sharedQueue() (*queue, error) {
	q := &queue{waker: waker{q: C.rd_kafka_queue_new(h.rk)}}
	return q, q.listenOn()
}

// lead sends a partition's records to q. It is to be called before the
// partition is assigned.
func (h rdkafka) lead(topic string, partition int32, q *queue) error {
	name := C.CString(topic)
	defer C.free(unsafe.Pointer(name))
	p := C.rd_kafka_queue_get_partition(h.rk, name, C.int32_t(partition))
	if p == nil {
		return fmt.Errorf("no queue for %s partition %d", topic, partition)
	}
	C.rd_kafka_queue_forward(p, q.q)
	q.forward = append(q.forward, p)
	return nil
}

func (w *waker) listenOn() error {
	p, err := openPipe()
	if err != nil {
		C.rd_kafka_queue_destroy(w.q)
		return err
	}
	w.pipe, w.woken = p, make(chan struct{}, 1)
	one := C.char(1)
	C.rd_kafka_queue_io_event_enable(w.q, C.int(p.w), unsafe.Pointer(&one), 1)
	go w.listen()
	return nil
}

// close gives the queue back. It is to be called before its client closes.
func (w *waker) close() {
	C.rd_kafka_queue_io_event_enable(w.q, -1, nil, 0)
	C.rd_kafka_queue_destroy(w.q)
	w.pipe.close()
	for range w.woken { // until listen has ended
	}
}

// lose undoes every lead and drops what waits.
func (q *queue) lose(c *Client) {
	for _, p := range q.forward {
		C.rd_kafka_queue_forward(p, nil)
		C.rd_kafka_queue_destroy(p)
	}
	q.forward = q.forward[:0]
	b := c.batch()
	defer c.batches.Put(b)
	for b.take(q) {
		b.release()
	}
}

// listen turns bytes of the pipe into tokens until the pipe closes, when it
// closes woken: that tells close that it is gone.
func (w *waker) listen() {
	defer close(w.woken)
	var buf [64]byte
	for {
		if _, err := w.pipe.r.Read(buf[:]); err != nil {
			return
		}
		select {
		case w.woken <- struct{}{}:
		default:
		}
	}
}

// close drops what waits and gives the queue back. It is to be called before
// its client closes.
func (q *queue) close(c *Client) {
	q.lose(c)
	q.waker.close()
}

// pipe carries librdkafka's wake-ups to Go's poller, so that no thread waits.
type pipe struct {
	r *os.File
	w int
}

func openPipe() (pipe, error) {
	var fds [2]int
	syscall.ForkLock.RLock()
	err := syscall.Pipe(fds[:])
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return pipe{}, fmt.Errorf("open wake-up pipe: %w", err)
	}
	if err := errors.Join(syscall.SetNonblock(fds[0], true), syscall.SetNonblock(fds[1], true)); err != nil {
		return pipe{}, errors.Join(fmt.Errorf("open wake-up pipe: %w", err), syscall.Close(fds[0]), syscall.Close(fds[1]))
	}
	return pipe{r: os.NewFile(uintptr(fds[0]), "kafka wake-up"), w: fds[1]}, nil
}

func (p pipe) close() {
	_ = p.r.Close() // nothing was written to it that could be lost
	_ = syscall.Close(p.w)
}

// maxBatch is the most records that one call takes.
const maxBatch = 2000

// batch takes records off a queue. Its records point into librdkafka's memory
// until release.
type batch struct {
	raw      *[maxBatch]C.td_record
	messages **C.rd_kafka_message_t
	n        int
	records  []Record
	topics   []string      // of each record, with prefix
	faults   []recordFault // what came instead of records
}

// recordFault is an error that the consumer found in its place among the records.
type recordFault struct {
	topic     string
	partition int32
	offset    int64
	code      int
	text      string
}

func (f recordFault) Error() string { return f.text }

func newBatch() *batch {
	b := &batch{
		raw:      (*[maxBatch]C.td_record)(C.calloc(maxBatch, C.sizeof_td_record)),
		messages: (**C.rd_kafka_message_t)(C.calloc(maxBatch, C.size_t(unsafe.Sizeof(uintptr(0))))),
		records:  make([]Record, 0, maxBatch),
		topics:   make([]string, 0, maxBatch),
	}
	runtime.AddCleanup(b, func(p [2]unsafe.Pointer) { C.free(p[0]); C.free(p[1]) },
		[2]unsafe.Pointer{unsafe.Pointer(b.raw), unsafe.Pointer(b.messages)})
	return b
}

// take fills b with what q has, without waiting; false when it has nothing.
func (b *batch) take(q *queue) bool {
	b.n = int(C.td_consume(q.q, &b.raw[0], b.messages, maxBatch))
	b.records, b.topics, b.faults = b.records[:0], b.topics[:0], b.faults[:0]
	var topicPtr *C.char
	var topic string
	for i := range b.n {
		r := &b.raw[i]
		if r.topic != topicPtr {
			topicPtr, topic = r.topic, C.GoString(r.topic)
		}
		if r.err != 0 {
			b.faults = append(b.faults, recordFault{topic, int32(r.partition), int64(r.offset), int(r.err),
				C.GoStringN((*C.char)(r.value), r.value_len)})
			continue
		}
		rec := Record{
			Partition: int32(r.partition),
			Offset:    int64(r.offset),
			Time:      market.FromMillis(int64(r.timestamp)),
		}
		if r.key != nil {
			rec.Key = unsafe.Slice((*byte)(r.key), int(r.key_len))
		}
		if r.value != nil {
			rec.Value = unsafe.Slice((*byte)(r.value), int(r.value_len))
		}
		if r.headers_cnt > 0 {
			rec.Headers = copyHeaders(r.headers, int(r.headers_cnt))
		}
		b.records = append(b.records, rec)
		b.topics = append(b.topics, topic)
	}
	return b.n > 0
}

// copyHeaders copies a record's headers into Go's memory.
func copyHeaders(h *C.rd_kafka_headers_t, n int) []Header {
	headers := make([]Header, 0, n)
	for i := range n {
		var name *C.char
		var value unsafe.Pointer
		var size C.size_t
		if C.rd_kafka_header_get_all(h, C.size_t(i), &name, &value, &size) != 0 {
			break
		}
		header := Header{Key: C.GoString(name)}
		if value != nil {
			header.Value = C.GoBytes(value, C.int(size))
		}
		headers = append(headers, header)
	}
	return headers
}

// release gives the records' memory back.
func (b *batch) release() {
	C.td_release(b.messages, C.int(b.n))
	clear(b.records)
	b.n, b.records, b.topics = 0, b.records[:0], b.topics[:0]
}
