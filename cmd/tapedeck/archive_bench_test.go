package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tapedeck/pipeline"
	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/market"
	"tapedeck/store/lake"
)

// unmerged is the archive without the work of every few minutes. It says when
// it has taken so many records.
type unmerged struct {
	archive
	left *atomic.Int64
	done func()
}

func (u unmerged) Open(ctx context.Context, table, topicID string, partition int32) (pipeline.Chain, int64, error) {
	chain, next, err := u.archive.Open(ctx, table, topicID, partition)
	return counted{chain, u}, next, err
}

type counted struct {
	pipeline.Chain
	u unmerged
}

func (c counted) Append(offset int64, produced market.Time, key, value []byte) error {
	if c.u.left.Add(-1) == 0 {
		c.u.done()
	}
	return c.Chain.Append(offset, produced, key, value)
}

func (unmerged) Tidy(context.Context) ([]string, error) { return nil, nil }

// BenchmarkArchiveStage is the archive alone, as `tapedeck run --stages archive`
// is when it catches up: JSON ticks that lie on the embedded topic go to parts
// in a directory. The whole run is counted: joining the group, and the last
// flush. The broker is in the same process and part of the processors' time.
func BenchmarkArchiveStage(b *testing.B) {
	const ticks, symbols = 600_000, 1000
	log, _ := testLog(b)
	producer, err := log.NewProducer()
	if err != nil {
		b.Fatal(err)
	}
	start, err := market.ParseTime("2026-11-20T15:00:00Z")
	if err != nil {
		b.Fatal(err)
	}
	partitions, err := log.Partitions(b.Context(), kafka.Ticks)
	if err != nil {
		b.Fatal(err)
	}
	var value []byte
	for i := range ticks {
		at := start + market.Time(i)*1000
		price := 100 + float64(i*37%997)/100
		t := market.Tick{Symbol: fmt.Sprintf("SYM%03d", i%symbols), Time: at, Price: price, Size: int64(100 + i%7),
			Bid: price - 0.01, Ask: price + 0.01, Exchange: "Q", Source: "sim", Received: at + 321}
		value = market.AppendTick(value[:0], &t)
		if err := producer.Produce(kafka.Ticks, -1, []byte(t.Symbol), value); err != nil {
			b.Fatal(err)
		}
	}
	value = market.AppendClock(value[:0], market.Clock{Time: start + ticks*1000, Source: "sim", End: true})
	for p := range int32(partitions) {
		if err := producer.Produce(kafka.Ticks, p, nil, value); err != nil {
			b.Fatal(err)
		}
	}
	if err := producer.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
	run := 0
	best, bestCPU := time.Hour, time.Hour
	for b.Loop() {
		run++
		l, err := lake.Open(b.Context(), b.TempDir(), lake.Config{}, slog.New(slog.DiscardHandler))
		if err != nil {
			b.Fatal(err)
		}
		config := pipeline.Config{Stages: []string{"archive"}, Instance: fmt.Sprint("archive", run), Host: "here", Version: "test",
			Calendar: func(string) *market.Calendar { return market.AlwaysOpen() }, SnapshotEvery: time.Minute,
			FlushRows: 50_000, FlushAge: 20 * time.Second, MergeEvery: time.Hour, Retention: time.Hour, Embedded: true}
		began, cpu := time.Now(), processorTime()
		ctx, cancel := context.WithCancel(b.Context())
		var left atomic.Int64
		left.Store(ticks + int64(partitions))
		report, err := pipeline.Run(ctx, config, log, unmerged{archive{lake: l, log: log}, &left, cancel}, slog.New(slog.DiscardHandler))
		cancel()
		if err != nil && !errors.Is(err, context.Canceled) {
			b.Fatal(err)
		}
		best, bestCPU = min(best, time.Since(began)), min(bestCPU, processorTime()-cpu)
		s, err := l.Snapshot(b.Context(), lake.Ticks)
		if err != nil {
			b.Fatal(err)
		}
		rows := int64(0)
		for _, p := range s.Parts {
			rows += p.Rows
		}
		if rows != ticks {
			b.Fatalf("%d of %d ticks are in the lake; %+v", rows, ticks, report)
		}
		l.Close()
	}
	b.ReportMetric(ticks/best.Seconds(), "ticks/s")
	b.ReportMetric(float64(bestCPU.Nanoseconds())/ticks, "cpu-ns/tick")
	b.ReportMetric(0, "ns/op")
}

// processorTime is what the process has used of the processors.
func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
