package lake

import (
	"fmt"
	"log/slog"
	"os"
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
// 100,000 ticks: one core, compression, checksum and fsync included. Its
// memory is that of the process beside the records that the benchmark holds.
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
	before, highest := resident(b), int64(0)
	b.ResetTimer()
	for i := range b.N {
		if err := c.Append(int64(i), nine, nil, values[i%len(values)]); err != nil {
			b.Fatal(err)
		}
		if i%100_000 == 99_999 {
			highest = max(highest, resident(b))
			if err := c.Flush(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ticks/s")
	b.ReportMetric(float64(max(0, highest-before))/1e6, "MB")
}

// resident is the memory of this process in bytes.
func resident(b *testing.B) int64 {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0 // not a Linux
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(data), &size, &pages); err != nil {
		b.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// BenchmarkCache is the fetching of a day's merged files, 7 of 30 MB, from an
// S3 on the same machine, and the finding of the copies that are there.
func BenchmarkCache(b *testing.B) {
	const hours, size = 7, 30 << 20
	s3 := fakeS3(b)
	content := append(append([]byte("PAR1"), make([]byte, size-8)...), "PAR1"...)
	open := func(dir string) *Lake {
		l, err := Open(b.Context(), "s3://lake/p", Config{S3: s3, Cache: dir, Reader: true}, slog.New(slog.DiscardHandler))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { l.Close() })
		return l
	}
	fetch := func(l *Lake) {
		s, err := l.Snapshot(b.Context(), Ticks)
		if err != nil {
			b.Fatal(err)
		}
		files, _, err := l.Fetch(b.Context(), s)
		if err != nil || len(files) != hours {
			b.Fatal(files, err)
		}
	}
	l := open(b.TempDir())
	for h := range hours {
		if _, err := l.bucket.put(b.Context(), TableOf(Ticks).file(HourOf(nine)+Hour(h)), condition{}, content); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("cold", func(b *testing.B) {
		b.SetBytes(hours * size)
		for b.Loop() {
			b.StopTimer()
			l := open(b.TempDir())
			b.StartTimer()
			fetch(l)
		}
	})
	fetch(l)
	b.Run("warm", func(b *testing.B) {
		for b.Loop() {
			fetch(l)
		}
	})
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
