package pipeline

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"
	"time"

	"tapedeck/pipeline/bars"
	"tapedeck/pipeline/clean"
	"tapedeck/pipeline/indicator"
	"tapedeck/pipeline/market"
)

// tape is an endless run of ticks: symbols of some partitions, each at a
// rate, second after second.
type tape struct {
	ticks   [][]market.Tick // by partition, one second's
	symbols int
	rate    int
}

func newTape(symbols, rate, partitions int) *tape {
	t := &tape{ticks: make([][]market.Tick, partitions), symbols: symbols, rate: rate}
	for k := range rate {
		for i := range symbols {
			p := i % partitions
			t.ticks[p] = append(t.ticks[p], market.Tick{Symbol: fmt.Sprintf("S%d", i), Size: int64(i*37%900) + 1,
				Price: 20 + float64(i%200), Bid: 20 + float64(i%200) - 0.01, Ask: 20 + float64(i%200) + 0.01, Exchange: "Q", Source: "sim",
				Time: market.Time(k)*1e6/market.Time(rate) + market.Time(i), Received: 1})
		}
	}
	return t
}

// tapeStart is 10:00 in New York.
var tapeStart = market.At(time.Date(2026, 11, 20, 15, 0, 0, 0, time.UTC))

// at makes a tick of partition p the one of a second since the start.
func (t *tape) at(tick *market.Tick, second int) {
	tick.Time += tapeStart + market.Time(second)*1e6
	tick.Received = tick.Time + 900
	tick.Price = math.Round((tick.Price+0.05*float64((second*7+int(tick.Size))%13))*100) / 100
}

// BenchmarkTick is what one tick costs the compute stage between its decoding
// and the encoding of bars: cleaning, bars of six intervals and indicators, of
// a thousand symbols in twelve partitions. Beside it, in the same run, its
// decoding by ours and by encoding/json.
func BenchmarkTick(b *testing.B) {
	for _, rate := range []int{10, 1} {
		b.Run(fmt.Sprintf("rate=%d", rate), func(b *testing.B) {
			const partitions = 12
			tape := newTape(1000, rate, partitions)
			calendar := func(string) *market.Calendar { return market.NYSE() }
			var cleaners [partitions]*clean.Cleaner
			var builders [partitions]*bars.Builder
			for p := range partitions {
				cleaners[p], builders[p] = clean.New(clean.Config{}, calendar), bars.New(calendar)
			}
			indicators := map[string]*indicator.Symbol{}
			row := make([]float64, len(market.FeatureNames))
			var closed, rows int
			emit := func(bar *market.Bar) {
				closed++
				s := indicators[bar.Symbol]
				if s == nil {
					s = indicator.NewSymbol()
					indicators[bar.Symbol] = s
				}
				if s.Close(bar, 0, false, row) {
					rows++
				}
			}
			var builder *bars.Builder
			accept := func(t *market.Tick, _ int64) { builder.Add(t, emit) }
			reject := func(_ int64, reason clean.Reason) { b.Fatal(reason) }
			var tick market.Tick
			// play takes n ticks through, from a second on, and returns the second after.
			play := func(n, second int) int {
				for ; n > 0; second++ {
					for p := range partitions {
						builder = builders[p]
						for i := range tape.ticks[p] {
							tick = tape.ticks[p][i]
							tape.at(&tick, second)
							cleaners[p].Clean(&tick, 0, 0, accept, reject)
							n--
						}
						clock := market.Clock{Time: tapeStart + market.Time(second+1)*1e6, Source: "sim"}
						cleaners[p].Clock(clock, reject)
						builder.Clock(clock.Time, clock.Source, false, emit)
					}
				}
				return second
			}
			second := play(120*1000*rate, 0) // two minutes make it warm
			closed, rows = 0, 0
			b.ReportAllocs()
			b.ResetTimer()
			play(b.N, second)
			perTick := b.Elapsed()
			b.StopTimer()

			encoded := make([][]byte, 0, 1000)
			for i := range tape.ticks[0] {
				tick := tape.ticks[0][i]
				tape.at(&tick, i)
				encoded = append(encoded, market.AppendTick(nil, &tick))
			}
			ours := perRecord(encoded, b.N, func(data []byte, names *market.Names) error {
				var t market.Tick
				return names.DecodeTick(data, &t)
			})
			std := perRecord(encoded, min(b.N, 100_000), func(data []byte, _ *market.Names) error {
				var t struct {
					Symbol, Exchange, Condition, Source string
					Time, Size, Received                int64
					Price, Bid, Ask                     float64
				}
				return json.Unmarshal(data, &t)
			})
			each := float64(perTick.Nanoseconds()) / float64(b.N)
			b.ReportMetric(each, "ns/tick")
			b.ReportMetric(ours, "decode-ns")
			b.ReportMetric(std/ours, "json/decode")
			b.ReportMetric(each/ours, "tick/decode")
			b.ReportMetric(float64(closed)/float64(b.N), "bars/tick")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// perRecord is how long decode takes of each of n records, in ns.
func perRecord(records [][]byte, n int, decode func([]byte, *market.Names) error) float64 {
	var names market.Names
	started := time.Now()
	for i := range n {
		if err := decode(records[i%len(records)], &names); err != nil {
			panic(err)
		}
	}
	return float64(time.Since(started).Nanoseconds()) / float64(n)
}
