package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/market"
)

// Archive is the lake as the archive stage sees it: for every partition of
// every topic a chain of parts that holds each record exactly once.
type Archive interface {
	// Open finds the end of a partition's chain: the offset to go on from.
	Open(ctx context.Context, table, topicID string, partition int32) (Chain, int64, error)
	// Tidy publishes what is complete, merges what is new into the processed
	// files and clears what has been replaced; it says what is worth saying. It
	// may run in any number of processes at once.
	Tidy(ctx context.Context) (done []string, err error)
}

// Chain takes the records of one partition in the order of their offsets.
// Nothing is durable before Flush returns.
type Chain interface {
	Append(offset int64, produced market.Time, key, value []byte) error
	Gap(from, to int64) error // the log no longer has these offsets
	Durable() int64           // everything below is safely in the lake
	Pending() (rows, bytes int, oldest time.Time)
	Flush(ctx context.Context) error
}

// tables are the topics that the lake keeps.
var tables = []string{"ticks", "bars", "features", "alerts", "predictions", "dead-letters"}

// archiving takes one partition of one topic to the lake.
type archiving struct {
	log       *kafka.Client
	lake      Archive
	table     string
	topicID   string
	partition int32
	flushRows int
	flushAge  time.Duration
	slog      *slog.Logger
	status    *stageStatus
	progress  *progress
	archived  *atomic.Int64

	chain   Chain
	next    int64         // offset after the last record taken
	taken   *atomic.Int64 // the same, for others to see
	durable *atomic.Int64
}

func (a *archiving) Start(ctx context.Context) (int64, error) {
	chain, next, err := a.lake.Open(ctx, a.table, a.topicID, a.partition)
	if err != nil {
		return 0, fmt.Errorf("find the end of %s/%d in the lake: %w", a.table, a.partition, err)
	}
	ranges, err := a.log.Offsets(ctx, a.table)
	if err != nil {
		return 0, err
	}
	if low := ranges[a.partition].Low; next < low {
		a.slog.Warn("the log has lost records that the lake has not", "table", a.table, "partition", a.partition, "from", next, "to", low)
		if err := chain.Gap(next, low); err != nil {
			return 0, fmt.Errorf("note the gap in %s/%d: %w", a.table, a.partition, err)
		}
		next = low
	}
	if high := ranges[a.partition].High; next > high {
		return 0, fmt.Errorf("the lake holds %s/%d up to %d, the log ends at %d: it is another log or has lost its end; use another lake or kafka.prefix",
			a.table, a.partition, next, high)
	}
	a.chain, a.next = chain, next
	a.taken = a.progress.hold("archive", a.table, a.partition, next)
	a.durable = a.progress.hold(durably, a.table, a.partition, next)
	return next, nil
}

func (a *archiving) Process(ctx context.Context, records []kafka.Record) error {
	for i := range records {
		r := &records[i]
		if r.Offset > a.next {
			// Offsets that carry no record (a transaction's marker, a compacted record) are part of the chain all the same.
			a.next = r.Offset
		}
		if err := a.chain.Append(r.Offset, r.Time, r.Key, r.Value); err != nil {
			return fmt.Errorf("archive %s/%d: %w", a.table, a.partition, err)
		}
		a.next = r.Offset + 1
	}
	a.status.in.Add(int64(len(records)))
	a.taken.Store(a.next)
	return a.maybeFlush(ctx)
}

func (a *archiving) maybeFlush(ctx context.Context) error {
	rows, bytes, oldest := a.chain.Pending()
	if rows >= a.flushRows || bytes >= flushBytes || !oldest.IsZero() && time.Since(oldest) >= a.flushAge {
		return a.flush(ctx)
	}
	return nil
}

// flushBytes bounds the memory of one partition's unwritten rows (they are kept compressed).
const flushBytes = 2 << 20

func (a *archiving) Idle(ctx context.Context, _ int64) error { return a.maybeFlush(ctx) }

func (a *archiving) Stop(ctx context.Context) error {
	if a.chain == nil {
		return nil
	}
	defer a.progress.drop("archive", a.table, a.partition)
	defer a.progress.drop(durably, a.table, a.partition)
	return a.flush(ctx)
}

func (a *archiving) flush(ctx context.Context) error {
	rows, _, _ := a.chain.Pending()
	if err := a.chain.Flush(ctx); err != nil {
		a.status.trouble("the lake does not take " + a.table + ": " + err.Error())
		return fmt.Errorf("archive %s/%d: %w", a.table, a.partition, err)
	}
	a.durable.Store(a.chain.Durable())
	if rows > 0 {
		a.archived.Add(int64(rows))
		a.status.flushed(a.table, rows)
	}
	return nil
}
