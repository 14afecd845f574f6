package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"tapedeck/pipeline/bars"
	"tapedeck/pipeline/clean"
	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/market"
)

// computing turns one partition of ticks into bars, features, alerts and dead
// letters. It is a function of the log: records in the order of their offsets,
// clock records instead of timers, rule edits at offsets that are written down
// before they act. After a crash it loads the newest snapshot, takes the same
// records again and leaves out what lies in the output topics already.
type computing struct {
	*runner
	rules     *ruleBook
	told      *toldRules
	status    *stageStatus
	partition int32
	position  *atomic.Int64 // the offset after the last record taken, for others to see

	names      market.Names
	cleaner    *clean.Cleaner
	builder    *bars.Builder
	indicators features
	rulesOn    Rules

	next      int64             // offset of the next record
	repeated  int64             // below it are records that were taken before a crash, perhaps
	fresh     bool              // nothing was taken before: there is nothing to repeat
	effects   []effect          // to be repeated, from the log of effects, next first
	edits     int               // rule edits of the book that have been looked at
	inForce   map[string]string // edits by key
	forecasts int64             // offset of the next prediction that rules are told; -1: not known yet
	predicted *predictedEnds
	held      map[int64][]byte // bytes of ticks that the cleaner holds back
	history   bool             // the newest tick was a back-fill
	written   map[identity]struct{}
	record    *kafka.Record
	ctx       context.Context // of the call of Process in hand, for what is written during it
	snapped   time.Time
	since     int       // records since the last snapshot
	stateEnd  int64     // of the state topic's partition, as this worker wrote it
	called    time.Time // when it was last awake
	said      time.Time // when it last told how the rules do
	failure   error

	// The methods as values, made once: each making would be an allocation.
	onAccept func(*market.Tick, int64)
	onReject func(int64, clean.Reason)
	onBar    func(*market.Bar)
	onAlert  func(*market.Alert)

	slot byte // of the newest snapshot
	buf  []byte
	tick market.Tick
}

// identity of an output, for leaving out what has been written before a crash.
type identity struct {
	topic    string
	symbol   string // or the alert's ID
	interval market.Interval
	time     market.Time
	revision int32
}

// snapshotRecords bounds what is computed again after a crash, and so the time that it takes.
const snapshotRecords = 40_000

func (c *computing) Start(ctx context.Context) (int64, error) {
	// What a worker before this one has handed on must be seen below.
	if err := c.producer.Flush(ctx); err != nil {
		return 0, fmt.Errorf("flush outputs: %w", err)
	}
	if err := c.own(ctx); err != nil {
		return 0, err
	}
	snap, effects, err := readSnapshot(ctx, c.log, c.partition)
	if err != nil {
		return 0, err
	}
	c.reset()
	c.slot, c.next, c.effects, c.edits, c.since, c.failure = snap.slot, snap.next, effects, 0, 0, nil
	c.history = false
	c.snapped = time.Now()
	if len(snap.state) > 0 {
		if err := c.loadState(snap.state); err != nil {
			return 0, fmt.Errorf("load the state of partition %d: %w", c.partition, err)
		}
	}
	if err := c.readWritten(ctx, snap.written); err != nil {
		return 0, err
	}
	ranges, err := c.log.Offsets(ctx, kafka.Ticks)
	if err != nil {
		return 0, err
	}
	c.next = max(c.next, ranges[c.partition].Low)
	c.repeated = ranges[c.partition].High
	c.applyEffects(ctx)
	if c.failure != nil {
		return 0, c.failure
	}
	// Whoever was here before may have died between the first rules.
	c.fresh = snap.next == 0 && len(c.effects) == 0 && len(c.written) == 0
	c.position = c.progress.hold("compute", kafka.Ticks, c.partition, c.next)
	return c.next, nil
}

// reset makes everything that is computed as if nothing had come yet.
func (c *computing) reset() {
	c.cleaner = clean.New(c.runner.Clean, c.Calendar)
	c.builder = bars.New(c.Calendar)
	c.indicators = newFeatures(c.Calendar, c.SecondFeatures)
	c.rulesOn = c.NewRules()
	c.inForce = map[string]string{}
	c.forecasts = -1
	c.held = map[int64][]byte{}
	c.onAccept, c.onReject, c.onBar, c.onAlert = c.accept, c.reject, c.closed, c.alert
	c.written = map[identity]struct{}{}
}

// readWritten notes the outputs that were written after the snapshot.
func (c *computing) readWritten(ctx context.Context, from map[string]int64) error {
	var bar market.Bar
	var a market.Alert
	var d market.DeadLetter
	feature := market.Feature{Values: make([]float64, len(market.FeatureNames))}
	for _, topic := range outputs {
		ranges, err := c.log.Offsets(ctx, topic)
		if err != nil {
			return err
		}
		r := ranges[c.partition]
		err = c.log.Read(ctx, topic, c.partition, max(r.Low, from[topic]), r.High, func(records []kafka.Record) error {
			for i := range records {
				id := identity{topic: topic}
				switch topic {
				case kafka.Bars:
					if c.names.DecodeBar(records[i].Value, &bar) != nil {
						continue
					}
					id.symbol, id.interval, id.time, id.revision = bar.Symbol, bar.Interval, bar.Time, bar.Revision
				case kafka.Features:
					if c.names.DecodeFeature(records[i].Value, &feature) != nil {
						continue
					}
					id.symbol, id.interval, id.time, id.revision = feature.Symbol, feature.Interval, feature.Time, feature.Revision
				case kafka.Alerts:
					if market.DecodeAlert(records[i].Value, &a) != nil {
						continue
					}
					id.symbol = a.ID
				case kafka.DeadLetters:
					if market.DecodeDeadLetter(records[i].Value, &d) != nil {
						continue
					}
					id.time = market.Time(d.Offset)
				}
				c.written[id] = struct{}{}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("read what was written to %s: %w", topic, err)
		}
	}
	return nil
}

func (c *computing) Process(ctx context.Context, records []kafka.Record) error {
	if err := c.awake(ctx); err != nil {
		return err
	}
	if err := c.takeEdits(ctx); err != nil {
		return err
	}
	c.ctx = ctx
	for i := range records {
		if i&255 == 255 {
			if err := c.awake(ctx); err != nil {
				return err
			}
		}
		c.take(&records[i])
		if c.failure != nil {
			return c.failure
		}
	}
	c.status.in.Add(int64(len(records)))
	c.since += len(records)
	c.position.Store(c.next)
	if c.next >= c.repeated {
		clear(c.written)
	}
	return c.maybeSnapshot(ctx)
}

func (c *computing) Idle(ctx context.Context, _ int64) error {
	if err := c.awake(ctx); err != nil {
		return err
	}
	if err := c.takeEdits(ctx); err != nil {
		return err
	}
	return c.maybeSnapshot(ctx)
}

// Stop leaves a snapshot, so that the next start goes on at once.
func (c *computing) Stop(ctx context.Context) error {
	if c.position == nil {
		return nil
	}
	defer c.progress.drop("compute", kafka.Ticks, c.partition)
	defer c.told.drop(c.partition)
	if c.failure != nil || len(c.effects) > 0 {
		return nil // the snapshot before stands
	}
	if err := c.snapshot(ctx); !errors.Is(err, errTaken) {
		return err
	}
	return nil // and so does that of whoever has the partition now
}

// take works on one record of the log.
func (c *computing) take(r *kafka.Record) {
	c.record, c.next = r, r.Offset
	c.applyEffects(c.ctx) // of offsets that hold no record
	c.next = r.Offset + 1
	defer c.applyEffects(c.ctx)
	for _, h := range r.Headers {
		if h.Key == headerReject {
			c.deadLetter(r.Offset, r.Value, string(h.Value))
			return
		}
	}
	if clock, ok := market.DecodeClock(r.Value); ok {
		c.cleaner.Clock(clock, c.onReject)
		c.builder.Clock(clock.Time, clock.Source, clock.End, c.onBar)
		c.rulesOn.Clock(clock.Time, c.onAlert)
		return
	}
	t := &c.tick
	if err := c.names.DecodeTick(r.Value, t); err != nil {
		c.deadLetter(r.Offset, r.Value, err.Error())
		return
	}
	if string(r.Key) != t.Symbol {
		c.deadLetter(r.Offset, r.Value, "the record's key is not its symbol")
		return
	}
	if t.Backfill != c.history {
		c.history = t.Backfill
		c.rulesOn.Quiet(c.history)
	}
	if c.cleaner.Clean(t, r.Offset, r.Time, c.onAccept, c.onReject) {
		c.held[r.Offset] = append([]byte(nil), r.Value...)
	}
}

// accept takes a believed tick on to bars and rules.
func (c *computing) accept(t *market.Tick, offset int64) {
	c.ticks.Add(1)
	delete(c.held, offset)
	if clean.Excluded(t.Condition) {
		return
	}
	c.builder.Add(t, c.onBar)
	c.rulesOn.Tick(t, c.onAlert)
}

// reject makes a dead letter of a tick that is not believed.
func (c *computing) reject(offset int64, reason clean.Reason) {
	value, held := c.held[offset]
	if !held {
		value = c.record.Value
	}
	delete(c.held, offset)
	c.deadLetter(offset, value, string(reason))
}

// closed hands on a bar, its features, and what the rules say of it. A
// corrected bar does not change what was computed from its first version.
func (c *computing) closed(b *market.Bar) {
	c.buf = market.AppendBar(c.buf[:0], b)
	c.write(identity{kafka.Bars, b.Symbol, b.Interval, b.Time, b.Revision}, b.Symbol, &c.bars)
	if b.Revision == 0 {
		if f := c.indicators.of(b); f != nil {
			c.buf = market.AppendFeature(c.buf[:0], f)
			c.write(identity{kafka.Features, f.Symbol, f.Interval, f.Time, f.Revision}, f.Symbol, &c.features)
		}
	}
	c.rulesOn.Bar(b, c.onAlert)
}

func (c *computing) alert(a *market.Alert) {
	c.status.alerted(a.Severity.String())
	c.buf = append(c.buf[:0], market.EncodeAlert(a)...)
	c.write(identity{topic: kafka.Alerts, symbol: a.ID}, a.Symbol, &c.alerts)
}

// A dead letter is a record of its own, longer than what it quotes.
const (
	letterBytes = 600_000
	letterKey   = 256
)

func (c *computing) deadLetter(offset int64, value []byte, reason string) {
	c.status.refused(reason)
	if len(value) > letterBytes {
		reason = fmt.Sprintf("%s (the first %d of its %d bytes)", reason, letterBytes, len(value))
		value = value[:letterBytes]
	}
	d := market.DeadLetter{Topic: "ticks", Partition: c.partition, Offset: offset, Received: c.record.Time, Reason: reason, Value: value}
	c.buf = append(c.buf[:0], market.EncodeDeadLetter(&d)...)
	c.write(identity{topic: kafka.DeadLetters, time: market.Time(offset)}, string(c.record.Key[:min(len(c.record.Key), letterKey)]), &c.deadLetters)
}
