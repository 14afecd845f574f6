package tui

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"tapedeck/pipeline/live"
	"tapedeck/pipeline/market"
)

// demo is a synthetic market for looking at the screen without a pipeline and
// for golden screens: the same seed and the same moments give the same board.
type demo struct {
	board  *live.Board
	random *rand.Rand
	names  []market.Company
	price  []float64
	sector map[string]float64
	shelf  *shelf
	now    time.Time
}

// demoNow is a Friday afternoon in New York.
var demoNow = time.Date(2026, 11, 20, 19, 30, 7, 0, time.UTC)

func newDemo(symbols int, now time.Time) *demo {
	d := &demo{random: rand.New(rand.NewPCG(1, 2)), sector: map[string]float64{}, now: now}
	d.board = live.New(live.Config{Now: func() time.Time { return d.now }})
	d.names = market.Companies()
	d.names = d.names[:min(symbols, len(d.names))]
	for _, c := range d.names {
		d.price = append(d.price, c.Price)
	}
	return d
}

// history lays down an hour of minutes and yesterday's close.
func (d *demo) history() {
	start := market.At(d.now).Truncate(time.Minute).Add(-time.Hour)
	day := market.NYSE().Day(start)
	for i, c := range d.names {
		drift := d.random.NormFloat64() * 0.012
		d.board.Bar(&market.Bar{Symbol: c.Symbol, Interval: market.Day, Time: day.Add(-24 * time.Hour), Close: cents(c.Price)})
		d.price[i] = c.Price * (1 + drift)
		for m := range 60 {
			last := d.price[i]
			d.price[i] *= 1 + d.random.NormFloat64()*0.0006 + drift/200
			volume := int64(float64(c.Volume)/390*(0.5+d.random.Float64())) + 1
			d.board.Bar(&market.Bar{Symbol: c.Symbol, Interval: market.Minute, Time: start.Add(time.Duration(m) * time.Minute),
				Open: cents(last), High: cents(max(last, d.price[i]) * 1.0002), Low: cents(min(last, d.price[i]) * 0.9998), Close: cents(d.price[i]),
				Volume: volume, Trades: volume/80 + 1, VWAP: d.price[i]})
		}
	}
}

func cents(v float64) float64 { return math.Round(v*100) / 100 }

// ticks gives every symbol one tick.
func (d *demo) ticks() {
	batch := make([]market.Tick, len(d.names))
	at := market.At(d.now)
	for i, c := range d.names {
		if d.random.Float64() < 0.5 {
			d.price[i] *= 1 + d.random.NormFloat64()*0.0002
		}
		p := cents(d.price[i])
		batch[i] = market.Tick{Symbol: c.Symbol, Time: at.Add(-time.Duration(d.random.IntN(180)) * time.Millisecond), Price: p,
			Size: int64(d.random.IntN(9)+1) * 100, Bid: p - 0.01, Ask: p + 0.01, Source: "sim", Received: at}
	}
	d.board.Ticks(batch...)
}

// events are some alerts and notices as the pipeline would send them.
func (d *demo) events() {
	at := market.At(d.now)
	alert := func(ago time.Duration, symbol, rule, message string, v, threshold float64, s market.Severity, state market.AlertState) {
		d.board.Alert(market.Alert{ID: rule + symbol, Symbol: symbol, Time: at.Add(-ago), Rule: rule, Message: message,
			Value: v, Threshold: threshold, Severity: s, State: state})
	}
	alert(303*time.Second, "XOM", "crossed average", "crossed below SMA 50", 104.27, 104.31, market.Info, market.Resolved)
	alert(206*time.Second, "INTC", "volume spike", "volume 14× its usual minute", 14.2, 8, market.Warning, market.Once)
	alert(114*time.Second, "NVDA", "volume over a million", "volume 1,204,300 > 1,000,000", 1204300, 1e6, market.Warning, market.Once)
	alert(9*time.Second, "TSLA", "price drop", "−3.1 % in 5 min", -0.031, -0.03, market.Critical, market.Firing)
	status := func(stage string, in, out float64, lag int64, level live.Level, text string) live.Status {
		return live.Status{Instance: "box-1", PID: 4711, Stage: stage, Host: "box", Version: "0.1", Time: at, In: in, Out: out, Lag: lag,
			Total: int64(in * 5400), Level: level, Text: text, Memory: 61 << 20}
	}
	feed := status("feed", 0, 1000, 0, live.OK, "simulated market, 1,000 symbols at 1 Hz")
	feed.Source = "simulated"
	feed.Feeds = []live.Feed{{Name: "sim", Rate: 1000}}
	d.board.Status(feed)
	compute := status("compute", 1000, 1042, 12, live.OK, "12 partitions")
	compute.Reasons = map[string]int64{"missing price": 14, "time in the future": 3, "not JSON": 1}
	d.board.Status(compute)
	archive := status("archive", 1042, 1042, 2900, live.OK, "next flush in 2 s")
	archive.Flush = &live.Flush{Time: at.Add(-3 * time.Second), Table: "ticks", Rows: 5012, Bytes: 412_000}
	archive.Events = []live.Notice{{Time: at.Add(-607 * time.Second), Text: "hour 13 published, 3,600,212 ticks"}}
	d.board.Status(archive)
	predict := status("predict", 17, 4, 0, live.Working, "training lstm")
	predict.Progress = 0.38
	predict.Events = []live.Notice{{Time: at.Add(-456 * time.Second), Text: "model xgboost v3 promoted"}}
	d.board.Status(predict)
	for i, c := range d.names {
		p := d.price[i]
		d.board.Prediction(market.Prediction{Symbol: c.Symbol, Model: "lstm", Version: "v3", Bar: at.Truncate(time.Minute).Add(-time.Minute), Horizon: 300,
			Base: p, Mean: p * 1.001, Low: p * 0.998, High: p * 1.003})
	}
}

func demoCompany(symbol string) (name, sector string) {
	c, _ := market.Lookup(symbol)
	return c.Name, c.Sector
}

func (d *demo) data() Data {
	return Data{Board: d.board, Company: demoCompany, DeadLetters: demoLetters{}, Pipeline: demoPipeline{}}
}

type demoLetters struct{}

func (demoLetters) DeadLetters(context.Context, int) ([]market.DeadLetter, error) {
	out := make([]market.DeadLetter, 0, 18)
	for i := range 18 {
		reason, v := "missing price", fmt.Sprintf(`{"symbol":"AAPL","time":17636424%05d,"size":100}`, i)
		if i%5 == 2 {
			reason, v = "not JSON", "\x00\x01\x02 \x1b[31mhello"
		}
		out = append(out, market.DeadLetter{Topic: "stock-market.ticks", Partition: int32(i % 12), Offset: int64(1000 - i),
			Received: market.At(demoNow.Add(-time.Duration(i) * time.Minute)), Reason: reason, Value: []byte(v)})
	}
	return out, nil
}

type demoPipeline struct{}

func (demoPipeline) State(context.Context) PipelineState {
	return PipelineState{Running: true, Screens: 1}
}
func (demoPipeline) Stop(context.Context) error { return nil }

// TestDemo runs the real screen on the synthetic market, to look at it:
//
//	go test -c -o /tmp/demo ./tui && TAPEDECK_DEMO=1 /tmp/demo -test.run TestDemo
//
// TAPEDECK_DEMO is how many times a second every symbol ticks.
func TestDemo(t *testing.T) {
	rate, err := strconv.ParseFloat(os.Getenv("TAPEDECK_DEMO"), 64)
	if err != nil || rate <= 0 {
		t.Skip("TAPEDECK_DEMO is not set")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	d := newDemo(1000, time.Now())
	d.board = live.New(live.Config{})
	d.history()
	go func() {
		tick := time.NewTicker(time.Duration(float64(time.Second) / rate))
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				return
			case now := <-tick.C:
				d.now = now
				d.ticks()
				if n%int(rate+1) == 0 {
					d.events()
				}
			}
		}
	}()
	c := Config{Version: "demo", StatePath: os.Getenv("TAPEDECK_DEMO_STATE"), ASCII: os.Getenv("TAPEDECK_DEMO_ASCII") != ""}
	switch os.Getenv("TAPEDECK_DEMO_COLOURS") {
	case "256":
		c.ColorMode = Color256
	case "16":
		c.ColorMode = Color16
	case "true":
		c.ColorMode = TrueColor
	}
	if os.Getenv("TAPEDECK_DEMO_LIGHT") != "" {
		c.Background = Light
	}
	c.ColourBlind = os.Getenv("TAPEDECK_DEMO_BLIND") != ""
	data := d.data()
	data.Calendar = func(string) *market.Calendar { return market.AlwaysOpen() }
	if err := Run(ctx, c, data); err != nil {
		t.Fatal(err)
	}
}
