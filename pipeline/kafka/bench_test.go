package kafka

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"tapedeck/pipeline/market"
)

// benchTicks are the JSON ticks of n symbols, and their keys.
func benchTicks(n int) (keys, values [][]byte) {
	for i := range n {
		symbol := fmt.Sprintf("SYM%d", i)
		keys = append(keys, []byte(symbol))
		values = append(values, market.AppendTick(nil, &market.Tick{
			Symbol: symbol, Time: market.FromMillis(1763642400123 + int64(i)), Price: 100 + float64(i*7%1000)/100,
			Size: int64(i*37%500) + 1, Bid: 99.5, Ask: 100.5, Exchange: "Q", Source: "sim", Received: market.FromMillis(1763642400125),
		}))
	}
	return keys, values
}

func benchLog(b *testing.B, change func(*Config)) (*Client, *Producer) {
	b.Helper()
	broker := openBroker(b, b.TempDir())
	b.Cleanup(func() { closeBroker(b, broker) })
	cfg := broker.Config(DefaultConfig())
	if change != nil {
		change(&cfg)
	}
	c := openClient(b, cfg)
	ensure(b, c)
	return c, openProducer(b, c)
}

// BenchmarkProduce is the time of one JSON tick from Produce to its
// acknowledgement, the broker in the same process.
func BenchmarkProduce(b *testing.B) {
	for _, compression := range []string{"none", "lz4", "zstd", "snappy"} {
		b.Run(compression, func(b *testing.B) {
			_, p := benchLog(b, func(c *Config) { c.Compression = compression })
			keys, values := benchTicks(1000)
			b.SetBytes(int64(len(values[0])))
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				if err := p.Produce(Ticks, -1, keys[i%1000], values[i%1000]); err != nil {
					b.Fatal(err)
				}
			}
			if err := p.Flush(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
		})
	}
}

// BenchmarkConsume is the time of one JSON tick through a group.
func BenchmarkConsume(b *testing.B) {
	c, p := benchLog(b, nil)
	keys, values := benchTicks(1000)
	for i := range b.N {
		if err := p.Produce(Ticks, -1, keys[i%1000], values[i%1000]); err != nil {
			b.Fatal(err)
		}
	}
	if err := p.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	var n atomic.Int64
	ctx, cancel := context.WithCancel(b.Context())
	b.ReportAllocs()
	b.ResetTimer()
	err := c.RunGroup(ctx, GroupConfig{Name: "g", Topic: Ticks}, func(int32) Worker {
		return &funcWorker{process: func(recs []Record) error {
			if n.Add(int64(len(recs))) >= int64(b.N) {
				b.StopTimer()
				cancel()
			}
			return nil
		}}
	})
	if n.Load() != int64(b.N) {
		b.Fatalf("%d of %d records; %v", n.Load(), b.N, err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}

// BenchmarkLatency is the time from Produce to a follower and to a group's
// worker, at 1,000 ticks a second.
func BenchmarkLatency(b *testing.B) {
	for _, reader := range []string{"follow", "group"} {
		b.Run(reader, func(b *testing.B) {
			c, p := benchLog(b, func(c *Config) { c.Linger = time.Millisecond })
			keys, values := benchTicks(1000)
			began := time.Now()
			sent := make([]atomic.Int64, b.N)
			got := make(chan time.Duration, b.N)
			take := func(recs []Record) error {
				now := time.Since(began)
				for _, r := range recs {
					var i int
					if _, err := fmt.Sscan(string(r.Headers[0].Value), &i); err != nil {
						return err
					}
					got <- now - time.Duration(sent[i].Load())
				}
				return nil
			}
			ctx, cancel := context.WithCancel(b.Context())
			ready := make(chan struct{}, 100)
			done := make(chan error, 1)
			go func() {
				if reader == "follow" {
					ready <- struct{}{}
					done <- c.Follow(ctx, []string{Ticks}, func(string, int32, Range) int64 { return 0 }, func(_ string, recs []Record) error { return take(recs) })
					return
				}
				done <- c.RunGroup(ctx, GroupConfig{Name: "g", Topic: Ticks, OnAssign: func([]int32) { ready <- struct{}{} }}, func(int32) Worker {
					return &funcWorker{process: take}
				})
			}()
			<-ready
			for range 100 { // until the reader reads
				if err := p.Produce(Ticks, -1, keys[0], values[0], Header{"i", []byte("0")}); err != nil {
					b.Fatal(err)
				}
				<-got
			}
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			b.ResetTimer()
			for i := range b.N {
				<-tick.C
				sent[i].Store(int64(time.Since(began)))
				if err := p.Produce(Ticks, -1, keys[i%1000], values[i%1000], Header{"i", fmt.Append(nil, i)}); err != nil {
					b.Fatal(err)
				}
			}
			var all []time.Duration
			for range b.N {
				all = append(all, <-got)
			}
			b.StopTimer()
			cancel()
			<-done
			slices.Sort(all)
			b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}

// BenchmarkProduceSync is BenchmarkProduce on a broker that waits for the disk
// at every batch.
func BenchmarkProduceSync(b *testing.B) {
	broker, err := OpenBroker(b.TempDir(), BrokerConfig{Sync: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { closeBroker(b, broker) })
	c := openClient(b, broker.Config(DefaultConfig()))
	ensure(b, c)
	p := openProducer(b, c)
	keys, values := benchTicks(1000)
	b.ResetTimer()
	for i := range b.N {
		if err := p.Produce(Ticks, -1, keys[i%1000], values[i%1000]); err != nil {
			b.Fatal(err)
		}
	}
	if err := p.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}
