package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"tapedeck/pipeline/alert"
	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/market"
	"tapedeck/store"
)

// BenchmarkTickToAlert runs a pipeline in a process of its own on a simulated
// market of 1,000 stocks at one tick a second, with a hundred rules and one
// more that speaks at every tick. An operation is ten steady seconds. Reported
// is how old an alert is, from the tick's exchange time, when a reader of the
// topic has it. The goal is a p99 below 500 ms.
func BenchmarkTickToAlert(b *testing.B) {
	home := b.TempDir()
	b.Setenv("HOME", home)
	b.Setenv("TAPEDECK_TEST_MAIN", "1")
	data := filepath.Join(home, "data")
	c := DefaultConfig()
	c.Data, c.Sim.Symbols = data, 1000
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	book, closeRules, err := openRules(ctx, c, true)
	if err != nil {
		b.Fatal(err)
	}
	for i := range 100 {
		forms := []string{`price > %d000`, `change("5m") < -%d%%`, `volume_ratio("1m", 20) > %d and rsi("1m", 14) < 30`, `crosses_above(price, sma("1m", %d))`, `day_volume > %d000000000`}
		if _, err := book.Set(ctx, market.Rule{Name: fmt.Sprint("rule ", i), When: fmt.Sprintf(forms[i%5], 50+i)}); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := book.Set(ctx, market.Rule{Name: "probe", When: "price > 0", Repeat: "every time"}); err != nil {
		b.Fatal(err)
	}
	closeRules()
	p, err := openPlace(data, "sim", true)
	if err != nil {
		b.Fatal(err)
	}
	run, err := p.ensure(ctx, []string{"--data", data, "--set", "sim.symbols=1000", "--set", "sim.history=false"})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := p.stop(context.WithoutCancel(ctx)); err != nil {
			b.Error(err)
		}
	}()
	client, err := attach(c, run, discard())
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	time.Sleep(5 * time.Second) // until the start is behind it
	var ages []time.Duration
	for b.Loop() {
		window, end := context.WithTimeout(ctx, 10*time.Second)
		_ = client.Follow(window, []string{kafka.Alerts}, func(_ string, _ int32, r kafka.Range) int64 { return r.High }, func(_ string, records []kafka.Record) error {
			now := market.At(time.Now())
			for i := range records {
				var a market.Alert
				if market.DecodeAlert(records[i].Value, &a) == nil && a.Rule == "probe" {
					ages = append(ages, now.Sub(a.Time))
				}
			}
			return nil
		})
		end()
	}
	if len(ages) == 0 {
		b.Fatal("no alerts")
	}
	slices.Sort(ages)
	b.ReportMetric(float64(ages[len(ages)/2])/1e6, "p50-ms")
	b.ReportMetric(float64(ages[len(ages)*99/100])/1e6, "p99-ms")
	b.ReportMetric(float64(len(ages))/float64(b.N)/10, "alerts/s")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkBacktestOverLake is rules tried over the ticks of 1,000 symbols in
// a lake, ten minutes of them at one a second. An operation is a back-test. Beside it, in the same run, the ratio to SQL that
// merely sums the same rows' prices by symbol.
func BenchmarkBacktestOverLake(b *testing.B) {
	home := b.TempDir()
	data, file := filepath.Join(home, "data"), filepath.Join(home, "day.csv")
	const symbols, seconds = 1000, 600
	writeDay(b, file, symbols, seconds)
	cmd := exec.Command(os.Args[0], "run", "--data", data, "--feed", "replay", "--input", file, "--speed", "max", "--once")
	cmd.Env = append(os.Environ(), "TAPEDECK_TEST_MAIN=1", "HOME="+home)
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	c := DefaultConfig()
	c.Data, c.Feed = data, "replay"
	v, err := openView(b.Context(), c, io.Discard)
	if err != nil {
		b.Fatal(err)
	}
	defer v.close()
	p := past{db: v.db, feed: "replay", calendar: calendarOf("replay")}
	for name, rule := range map[string]market.Rule{
		"all":  {Name: "r", When: `change("5m") < -3% and volume_ratio("1s", 20) > 2`},
		"some": {Name: "r", When: `change("5m") < -3% and volume_ratio("1s", 20) > 2`, Watch: []string{"S1?"}},
	} {
		b.Run(name, func(b *testing.B) {
			var trial *alert.Trial
			var took, sum time.Duration
			for b.Loop() {
				start := time.Now()
				if trial, err = p.backtest(b.Context(), ask{Rules: []market.Rule{rule}}); err != nil {
					b.Fatal(err)
				}
				took += time.Since(start)
				start = time.Now()
				rows, err := v.db.Query(b.Context(), "SELECT symbol, sum(price) FROM ticks GROUP BY 1", store.Options{Native: true})
				if err != nil {
					b.Fatal(err)
				}
				for rows.Next() {
				}
				rows.Close()
				sum += time.Since(start)
			}
			n := float64(b.N)
			b.ReportMetric(symbols*seconds*n/took.Seconds(), "ticks/s")
			b.ReportMetric(float64(trial.Events)*n/took.Seconds(), "events/s")
			b.ReportMetric(took.Seconds()/n, "s")
			b.ReportMetric(took.Seconds()/sum.Seconds(), "x-sum")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func writeDay(b *testing.B, name string, symbols, seconds int) {
	random := rand.New(rand.NewPCG(1, 2))
	var text bytes.Buffer
	text.WriteString("time_ms,symbol,price,size,exchange,condition\n")
	begin := time.Date(2026, 11, 20, 14, 30, 0, 0, time.UTC).UnixMilli()
	price := make([]float64, symbols)
	for i := range price {
		price[i] = 20 + random.Float64()*200
	}
	for s := range seconds {
		for i := range symbols {
			price[i] *= 1 + random.NormFloat64()*2e-4
			text.WriteString(strconv.FormatInt(begin+int64(s*1000+i*1000/symbols), 10))
			text.WriteString(",S" + strconv.Itoa(i) + "," + strconv.FormatFloat(price[i], 'f', 2, 64) + "," + strconv.Itoa(100*(1+random.IntN(9))) + ",Q,\n")
		}
	}
	if err := os.WriteFile(name, text.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
}
