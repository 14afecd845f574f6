package main

import (
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"tapedeck/pipeline/market"
	"tapedeck/store/lake"
)

// rawLake is a lake of which ten minutes of 1,000 symbols at 1 Hz are
// published as raw CSV.
func rawLake(b *testing.B) (l *lake.Lake, ticks int64) {
	b.Helper()
	l, err := lake.Open(b.Context(), b.TempDir(), lake.Config{Temp: b.TempDir()}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	const partitions, symbols, seconds = 12, 1000, 600
	start, err := market.ParseTime("2026-11-20T15:00:00Z")
	if err != nil {
		b.Fatal(err)
	}
	ends := map[int32]int64{}
	var value []byte
	for p := range int32(partitions) {
		c, next, err := l.OpenPartition(b.Context(), lake.Ticks, "t", p)
		if err != nil {
			b.Fatal(err)
		}
		for s := range seconds {
			for n := int(p); n < symbols; n += partitions {
				at := start.Add(time.Duration(s)*time.Second + time.Duration(n)*time.Millisecond)
				price := 100 + float64((s*7+n*13)%97)/100
				value = market.AppendTick(value[:0], &market.Tick{Symbol: fmt.Sprintf("SYM%03d", n), Time: at, Price: price,
					Size: int64(100 + (s+n)%7), Bid: price - 0.01, Ask: price + 0.01, Exchange: "Q", Source: "sim", Received: at + 321})
				if err := c.Append(next, at, nil, value); err != nil {
					b.Fatal(err)
				}
				next++
			}
		}
		if err := c.Flush(b.Context()); err != nil {
			b.Fatal(err)
		}
		ends[p] = next
	}
	if _, err := l.Seal(b.Context(), start.Add(2*time.Hour), ends); err != nil {
		b.Fatal(err)
	}
	if hours, err := l.Publish(b.Context()); err != nil || len(hours) == 0 {
		b.Fatal(hours, err)
	}
	return l, symbols * seconds
}

// BenchmarkETL is the jobs over raw CSV of the lake, from the reading to the
// Parquet files, in ticks a second, and what of the processors a tick takes.
func BenchmarkETL(b *testing.B) {
	l, ticks := rawLake(b)
	config := DefaultConfig()
	for _, job := range []struct {
		name string
		run  func(etl) error
	}{
		{"clean", func(e etl) error { return e.clean(b.Context()) }},
		{"features", func(e etl) error { return e.features(b.Context()) }},
	} {
		b.Run(job.name, func(b *testing.B) {
			cpu := processorTime()
			for b.Loop() {
				e := etl{config: config, lake: l, to: 1 << 40, out: io.Discard, note: func(string) {}}
				if err := job.run(e); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(ticks)*float64(b.N)/b.Elapsed().Seconds(), "ticks/s")
			b.ReportMetric(float64(processorTime()-cpu)/float64(ticks)/float64(b.N), "cpu-ns/tick")
		})
	}
}
