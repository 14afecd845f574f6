package pipeline

import (
	"context"
	"time"

	"tapedeck/pipeline/kafka"
)

// trimming lets go of what an embedded log need no longer keep: records that
// have lain in the lake for as long as the retention says, that no restart of
// the compute stage would read again, and that every target has been told. A cluster does this by itself.
type trimming struct {
	*runner
	past []milestone // oldest first
}

// milestone is how far the lake was at a time, by table and partition.
type milestone struct {
	at   time.Time
	ends map[string]map[int32]int64
}

// durably is the name under which progress knows what is safely in the lake.
const durably = "durable"

// computeReach is how far below its position a compute partition may start
// again after a crash, with room to spare.
const computeReach = 4 * snapshotRecords

// step notes how far the lake is now and trims to where it was long enough ago.
func (t *trimming) step(ctx context.Context, now time.Time) {
	ends := map[string]map[int32]int64{}
	for _, table := range tables {
		ends[table] = t.progress.held(durably, table)
	}
	t.past = append(t.past, milestone{now, ends})
	keep := 0
	for keep+1 < len(t.past) && now.Sub(t.past[keep+1].at) >= t.Retention {
		keep++
	}
	t.past = t.past[keep:]
	if now.Sub(t.past[0].at) < t.Retention {
		return
	}
	computed := t.progress.held("compute", kafka.Ticks)
	notified := t.notified()
	for table, below := range t.past[0].ends {
		for partition, offset := range below {
			if table == kafka.Ticks {
				position, held := computed[partition]
				if !held {
					delete(below, partition)
					continue
				}
				below[partition] = min(offset, position-computeReach)
			}
			if table == kafka.Alerts && notified != nil {
				below[partition] = min(offset, notified[partition])
			}
		}
		if err := t.log.Trim(ctx, table, below); err != nil && ctx.Err() == nil {
			t.slog.Warn("the log is not trimmed", "topic", table, "error", err)
		}
	}
}
