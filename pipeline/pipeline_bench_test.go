package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/market"
)

// fill puts at least n ticks of a tape of 1,000 symbols and its clocks on the
// ticks topic.
func fill(b *testing.B, log *kafka.Client, n, rate int) (ticks int) {
	b.Helper()
	producer, err := log.NewProducer()
	if err != nil {
		b.Fatal(err)
	}
	partitions, err := log.Partitions(b.Context(), kafka.Ticks)
	if err != nil {
		b.Fatal(err)
	}
	// Each record goes where its key belongs, as from a feed.
	tape := newTape(1000, rate, 1)
	var buf []byte
	for second := 0; ticks < n; second++ {
		for i := range tape.ticks[0] {
			tick := tape.ticks[0][i]
			tape.at(&tick, second)
			buf = market.AppendTick(buf[:0], &tick)
			if err := producer.Produce(kafka.Ticks, -1, []byte(tick.Symbol), buf); err != nil {
				b.Fatal(err)
			}
			ticks++
		}
		buf = market.AppendClock(buf[:0], market.Clock{Time: tapeStart + market.Time(second+1)*1e6, Source: "sim"})
		for p := range partitions {
			if err := producer.Produce(kafka.Ticks, int32(p), nil, buf); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := producer.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
	return ticks
}

// bare counts records.
type bare struct{ n *atomic.Int64 }

func (bare) Start(context.Context) (int64, error) { return kafka.Beginning, nil }
func (w bare) Process(_ context.Context, records []kafka.Record) error {
	w.n.Add(int64(len(records)))
	return nil
}
func (bare) Idle(context.Context, int64) error { return nil }
func (bare) Stop(context.Context) error        { return nil }

// measured is how long fn takes by the clock and by the processors.
func measured(fn func()) (wall, cpu time.Duration) {
	used := func() time.Duration {
		var u syscall.Rusage
		if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
			return 0
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before, started := used(), time.Now()
	fn()
	return time.Since(started), used() - before
}

// BenchmarkPipeline is the throughput of the compute stage and an archive that
// forgets: JSON ticks that lie on the embedded topic become bars and features,
// everything is read again for the lake. Beside it, in the same run, a loop
// that only consumes the same ticks from the same broker. What is counted is
// the whole run: joining the groups, snapshots, the last flush. The broker is
// in the same process and part of the processors' time.
func BenchmarkPipeline(b *testing.B) {
	for _, rate := range []int{10, 1} {
		b.Run(fmt.Sprintf("rate=%d", rate), func(b *testing.B) {
			log := newLog(b)
			ticks := fill(b, log, 600_000, rate)
			var n atomic.Int64
			bareWall, bareCPU := measured(func() {
				ctx, cancel := context.WithCancel(b.Context())
				defer cancel()
				go func() {
					for n.Load() < int64(ticks) && pause(ctx) == nil {
					}
					cancel()
				}()
				if err := log.RunGroup(ctx, kafka.GroupConfig{Name: "bare", Topic: kafka.Ticks}, func(int32) kafka.Worker { return bare{&n} }); ctx.Err() == nil {
					b.Fatal(err)
				}
			})
			config := testConfig(nil, func() Rules { return brokenRules{} })
			config.Stages, config.SnapshotEvery, config.FlushRows = []string{"compute", "archive"}, 5*time.Second, 100_000
			var report Report
			b.ResetTimer()
			wall, cpu := measured(func() {
				var err error
				if report, err = Run(b.Context(), config, log, &memoryLake{}, slog.New(slog.DiscardHandler)); err != nil {
					b.Fatal(err)
				}
			})
			b.StopTimer()
			if report.Ticks != int64(ticks) {
				b.Fatalf("%d of %d ticks", report.Ticks, ticks)
			}
			b.ReportMetric(float64(ticks)/wall.Seconds(), "ticks/s")
			b.ReportMetric(float64(ticks)/bareWall.Seconds(), "bare-ticks/s")
			b.ReportMetric(wall.Seconds()/bareWall.Seconds(), "x-bare")
			b.ReportMetric(float64(cpu.Nanoseconds())/float64(ticks), "cpu-ns/tick")
			b.ReportMetric(float64(bareCPU.Nanoseconds())/float64(ticks), "bare-cpu-ns/tick")
			b.ReportMetric(float64(report.Bars+report.Features)/float64(ticks), "rows-out/tick")
			b.ReportMetric(0, "ns/op")
		})
	}
}
