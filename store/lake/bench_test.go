package lake

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"tapedeck/pipeline/market"
)

// wireTicks are n ticks as they come from the log.
func wireTicks(n int) [][]byte {
	values := make([][]byte, n)
	for i := range values {
		t := market.Tick{Symbol: fmt.Sprintf("SYM%d", i%1000), Time: nine + market.Time(i)*1000, Price: 100 + float64(i%997)/100,
			Size: int64(100 + i%7), Bid: 99.99, Ask: 100.01, Exchange: "Q", Source: "sim", Received: nine + market.Time(i)*1000 + 321}
		values[i] = market.AppendTick(nil, &t)
	}
	return values
}

// BenchmarkArchive is JSON of the log to parts in a directory, flushed every
// 100,000 ticks: one core, compression, checksum and fsync included.
func BenchmarkArchive(b *testing.B) {
	values := wireTicks(100_000)
	l, err := Open(b.Context(), b.TempDir(), Config{}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	c, _, err := l.OpenPartition(b.Context(), Ticks, "t", 0)
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for i := range b.N {
		if err := c.Append(int64(i), nine, nil, values[i%len(values)]); err != nil {
			b.Fatal(err)
		}
		if i%100_000 == 99_999 {
			if err := c.Flush(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ticks/s")
}

// BenchmarkEncode is JSON to a CSV row alone.
func BenchmarkEncode(b *testing.B) {
	values := wireTicks(100_000)
	e := TableOf(Ticks).Encoder()
	var dst []byte
	b.ResetTimer()
	for i := range b.N {
		dst = e.Append(dst[:0], values[i%len(values)], 0, int64(i), nine)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ticks/s")
}

// BenchmarkMerge is parts to Parquet, in rows a second.
func BenchmarkMerge(b *testing.B) {
	values := wireTicks(500_000)
	rows := int64(0)
	for b.Loop() {
		b.StopTimer()
		l, err := Open(b.Context(), b.TempDir(), Config{}, slog.New(slog.DiscardHandler))
		if err != nil {
			b.Fatal(err)
		}
		c, _, err := l.OpenPartition(b.Context(), Ticks, "t", 0)
		if err != nil {
			b.Fatal(err)
		}
		for i, v := range values {
			if err := c.Append(int64(i), nine, nil, v); err != nil {
				b.Fatal(err)
			}
			if i%50_000 == 49_999 {
				if err := c.Flush(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.StartTimer()
		m, err := l.Merge(b.Context(), Ticks)
		if err != nil {
			b.Fatal(err)
		}
		rows += m.Rows
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkPublish is an hour of 500,000 ticks in twelve partitions, from
// parts to raw/…/data.csv.
func BenchmarkPublish(b *testing.B) {
	const partitions, ticks = 12, 500_000
	values := wireTicks(ticks)
	for b.Loop() {
		b.StopTimer()
		l, err := Open(b.Context(), b.TempDir(), Config{}, slog.New(slog.DiscardHandler))
		if err != nil {
			b.Fatal(err)
		}
		ends := map[int32]int64{}
		for p := range int32(partitions) {
			c, _, err := l.OpenPartition(b.Context(), Ticks, "t", p)
			if err != nil {
				b.Fatal(err)
			}
			for i := int(p); i < ticks; i += partitions {
				if err := c.Append(ends[p], nine, nil, values[i]); err != nil {
					b.Fatal(err)
				}
				ends[p]++
			}
			if err := c.Flush(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		if hours, err := l.Seal(b.Context(), nine.Add(2*time.Hour), ends); err != nil || len(hours) == 0 {
			b.Fatal(hours, err)
		}
		b.StartTimer()
		hours, err := l.Publish(b.Context())
		b.StopTimer()
		if err != nil || len(hours) == 0 {
			b.Fatal(hours, err)
		}
		l.Close()
		b.StartTimer()
	}
	b.ReportMetric(ticks*float64(b.N)/b.Elapsed().Seconds(), "ticks/s")
}
