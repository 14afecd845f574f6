package lake

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"tapedeck/pipeline/market"
)

// Chain is one partition's chain of parts, open for appending. Append and
// Flush may run at the same time in two goroutines, so that a slow bucket does
// not stop the reading of the log; neither may run twice at once.
//
// The chain owns the question of how far the archive has come. A caller reads
// the log from Next on, appends every record, and flushes by size or age; it
// never skips ahead by itself.
type Chain struct {
	lake      *Lake
	table     *Table
	topic     string
	partition int32

	flushing sync.Mutex // one Flush at a time

	mu      sync.Mutex
	encode  encode
	next    int64     // where the next record belongs
	durable int64     // the end of what is written
	lost    bool      // another writer was found; nothing is taken until Next was asked
	hour    Hour      // the highest hour seen in the log
	open    *draft    // takes records; nil when there is none
	closed  []*draft  // complete, in order, waiting for Flush
	spare   *draft    // its buffers are the next one's
	checked time.Time // when this writer last knew that it is the end of the chain
}

// draft is a part before it is written. Rows are compressed in blocks as they
// come, so that a draft holds at most one block uncompressed.
type draft struct {
	head   partHead
	raw    []byte    // rows not yet compressed
	body   []byte    // compressed blocks
	oldest time.Time // when its first record came
}

const (
	blockSize = 64 << 10
	// spareBytes bounds the buffers that a chain keeps for its next part: one
	// that caught up must not hold on to what only a backlog needed.
	spareBytes = 4 * blockSize
	// recheck is after how long of silence a writer makes sure that the chain
	// has not been carried on, merged and cleared by another.
	recheck = time.Minute
)

// BehindError is ErrBehind with the offset at which to go on reading.
type BehindError struct{ Next int64 }

func (e *BehindError) Error() string {
	return fmt.Sprintf("%v: go on from offset %d", ErrBehind, e.Next)
}

// Is makes errors.Is(err, ErrBehind) true.
func (e *BehindError) Is(target error) bool { return target == ErrBehind }

// OpenPartition finds the end of a partition's chain, and opens it there. The
// log must be read from next on. A topic that is not the table's newest is
// refused with ErrUnknownTopic.
func (l *Lake) OpenPartition(ctx context.Context, table, topicID string, partition int32) (c *Chain, next int64, err error) {
	t := TableOf(table)
	if t == nil {
		return nil, 0, fmt.Errorf("open partition: no table %q", table)
	}
	if err := l.claim(ctx, t, topicID); err != nil {
		return nil, 0, fmt.Errorf("open %s partition %d: %w", t.Name, partition, err)
	}
	c = &Chain{lake: l, table: t, topic: topicID, partition: partition, encode: t.encoder()}
	if err := c.find(ctx); err != nil {
		return nil, 0, fmt.Errorf("open %s partition %d: %w", t.Name, partition, err)
	}
	return c, c.next, nil
}

// find sets the chain to its end in the lake.
func (c *Chain) find(ctx context.Context) error {
	end, hour, err := c.lake.chainEnd(ctx, c.table.Name, c.topic, c.partition)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next, c.durable, c.hour = end, end, hour
	c.open, c.closed = nil, nil
	c.checked = time.Now()
	return nil
}

// chainEnd walks from what is merged to the end of the chain.
func (l *Lake) chainEnd(ctx context.Context, table, topic string, partition int32) (int64, Hour, error) {
	m, _, err := l.readManifest(ctx, table)
	if err != nil {
		return 0, 0, err
	}
	position := m.end(topic, partition)
	var hour Hour
	for {
		h, err := l.readHead(ctx, partKey(table, topic, partition, position))
		if errors.Is(err, errNotFound) {
			return position, hour, nil
		}
		if err != nil {
			return 0, 0, err
		}
		position, hour = h.End, max(hour, h.Hour)
	}
}

// Next is where the log must be read on. Asking for it after ErrBehind is the
// caller's promise to seek there.
func (c *Chain) Next() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost = false
	return c.next
}

// Durable is the end of what is safely in the lake.
func (c *Chain) Durable() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.durable
}

// Append takes a record of the log. Records below Next are dropped, being in
// the lake already; a record that cannot be read as a row is counted in the
// part and otherwise left out. The bytes are not kept. After another writer
// was found it returns ErrBehind until Next has been asked.
func (c *Chain) Append(offset int64, produced market.Time, _, value []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost {
		return &BehindError{c.next}
	}
	if offset < c.next {
		return nil
	}
	d := c.draft(HourOf(produced))
	before := len(d.raw)
	out, t, kind := c.encode(d.raw, value, c.partition, offset, produced)
	switch kind {
	case row:
		d.raw = out
		if d.head.Rows == 0 || int64(t) < d.head.MinTime {
			d.head.MinTime = int64(t)
		}
		if d.head.Rows == 0 || int64(t) > d.head.MaxTime {
			d.head.MaxTime = int64(t)
		}
		d.head.Rows++
	case clock:
		d.raw = d.raw[:before]
		d.head.Clocks++
	default:
		d.raw = d.raw[:before]
		d.head.Skipped++
	}
	c.next = offset + 1
	d.head.End = c.next
	if len(d.raw) >= blockSize {
		d.compress(c.lake)
	}
	return nil
}

// Gap records that the log no longer has the offsets from–to (to excluded),
// where from is Next.
func (c *Chain) Gap(from, to int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.lost:
		return &BehindError{c.next}
	case to <= c.next:
		return nil
	case from > c.next:
		return fmt.Errorf("gap from offset %d: the chain ends at %d", from, c.next)
	}
	d := c.draft(c.hour)
	d.head.Missing += to - c.next
	c.next = to
	d.head.End = to
	return nil
}

// draft is the open draft for a record of an hour of the log. A later hour
// closes the draft before it: no part spans the end of an hour, which lets an
// hour be sealed at the end of a part. The log's clock may fall by the
// milliseconds between producers, so that its highest hour counts.
func (c *Chain) draft(hour Hour) *draft {
	if hour > c.hour {
		if c.open != nil && c.hour != 0 {
			c.close()
		}
		c.hour = hour
		if c.open != nil { // a gap before the first record has no hour of its own
			c.open.head.Hour = hour
		}
	}
	if c.open == nil {
		d := &draft{}
		if c.spare != nil {
			d, c.spare = c.spare, nil
		}
		*d = draft{raw: append(d.raw[:0], c.table.Header()...), body: d.body[:0], oldest: time.Now(), head: partHead{
			Table: c.table.Name, Topic: c.topic, Partition: c.partition, Start: c.next, End: c.next, Hour: c.hour,
		}}
		c.open = d
	}
	return c.open
}

func (c *Chain) close() {
	c.closed = append(c.closed, c.open)
	c.open = nil
}

func (d *draft) compress(l *Lake) {
	if len(d.raw) > 0 {
		d.body = l.zstd.EncodeAll(d.raw, d.body)
		d.raw = d.raw[:0]
	}
}

// Pending is what Flush would write: rows, bytes in memory, and when the
// oldest of it was appended. Where only clocks are pending, rows is 0 and
// oldest is zero unless an hour has ended: nothing is urgent then.
func (c *Chain) Pending() (rows, bytes int, oldest time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range c.closed {
		rows += int(d.head.Rows)
		bytes += len(d.raw) + len(d.body)
		if oldest.IsZero() {
			oldest = d.oldest
		}
	}
	if d := c.open; d != nil {
		rows += int(d.head.Rows)
		bytes += len(d.raw) + len(d.body)
		if oldest.IsZero() && d.head.Rows+d.head.Skipped+d.head.Missing > 0 {
			oldest = d.oldest
		}
	}
	return rows, bytes, oldest
}

// Flush writes all that is pending, and returns when it is durable. After an
// error it is still pending, and Flush may be called again. Where another
// writer was first, everything pending is dropped and *BehindError says where
// to read on.
func (c *Chain) Flush(ctx context.Context) error {
	c.flushing.Lock()
	defer c.flushing.Unlock()
	c.mu.Lock()
	if c.lost {
		next := c.next
		c.mu.Unlock()
		return &BehindError{next}
	}
	if c.open != nil {
		c.close()
	}
	todo := c.closed
	stale := len(todo) > 0 && time.Since(c.checked) > recheck
	durable := c.durable
	c.mu.Unlock()

	if stale {
		m, _, err := c.lake.readManifest(ctx, c.table.Name)
		if err != nil {
			return fmt.Errorf("flush %s partition %d: %w", c.table.Name, c.partition, err)
		}
		if m.end(c.topic, c.partition) > durable {
			return c.fallBehind(ctx)
		}
	}
	for _, d := range todo {
		err := c.write(ctx, d)
		if errors.Is(err, errPrecondition) {
			return c.fallBehind(ctx)
		}
		if err != nil {
			return fmt.Errorf("flush %s partition %d at offset %d: %w", c.table.Name, c.partition, d.head.Start, err)
		}
		c.mu.Lock()
		c.closed = c.closed[1:]
		c.durable = d.head.End
		c.checked = time.Now()
		if cap(d.raw)+cap(d.body) <= spareBytes {
			c.spare = d
		}
		c.mu.Unlock()
	}
	return nil
}

// write writes one part. Where the name is taken by the very same part it was
// an earlier try of our own whose answer was lost.
func (c *Chain) write(ctx context.Context, d *draft) error {
	d.compress(c.lake)
	data, err := d.head.marshal(d.body)
	if err != nil {
		return err
	}
	key := partKey(c.table.Name, c.topic, c.partition, d.head.Start)
	_, err = c.lake.bucket.put(ctx, key, condition{absent: true}, data)
	if errors.Is(err, errPrecondition) {
		there, herr := c.lake.readHead(ctx, key)
		if herr != nil {
			return herr
		}
		if *there != d.head {
			return errPrecondition
		}
		err = nil
	}
	return err
}

// fallBehind drops what is pending and goes to the end of the chain.
func (c *Chain) fallBehind(ctx context.Context) error {
	c.mu.Lock()
	c.lost = true // refuse records while we look
	c.mu.Unlock()
	if err := c.find(ctx); err != nil {
		c.mu.Lock()
		c.lost = false // still pending; the next Flush meets the same part again
		c.mu.Unlock()
		return err
	}
	return &BehindError{c.Durable()}
}
