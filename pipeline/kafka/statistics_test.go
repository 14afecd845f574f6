package kafka

import (
	"context"
	"testing"
	"time"
)

// What producers and groups do is counted while they are open.
func TestStatistics(t *testing.T) {
	b := openBroker(t, t.TempDir())
	defer closeBroker(t, b)
	cfg := b.Config(DefaultConfig())
	cfg.Partitions, cfg.countEvery = 2, 50*time.Millisecond
	c := openClient(t, cfg)
	if _, err := c.EnsureTopics(t.Context()); err != nil {
		t.Fatal(err)
	}
	p, err := c.NewProducer()
	if err != nil {
		t.Fatal(err)
	}
	const n = 500
	for range n {
		if err := p.Produce(Ticks, 0, []byte("AAPL"), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- c.RunGroup(ctx, GroupConfig{Name: "g", Topic: Ticks}, func(int32) Worker { return idler{} })
	}()
	counted := func() bool {
		all := c.Statistics()
		return len(all) == 2 && all[0].Client == "g" && all[0].Received == n && all[0].ReceivedBytes > n &&
			all[1].Client == "producer" && all[1].Sent == n && all[1].Requests > 0 && all[1].Connects > 0 && all[1].Queued == 0
	}
	waiting, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	for !counted() {
		if sleep(waiting, 10*time.Millisecond) != nil {
			t.Fatalf("counted: %+v", c.Statistics())
		}
	}
	cancel()
	<-done
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if all := c.Statistics(); len(all) != 0 {
		t.Errorf("still counted: %+v", all)
	}
}

// idler takes records from the beginning and does nothing with them.
type idler struct{}

func (idler) Start(context.Context) (int64, error)    { return 0, nil }
func (idler) Process(context.Context, []Record) error { return nil }
func (idler) Idle(context.Context, int64) error       { return nil }
func (idler) Stop(context.Context) error              { return nil }

func FuzzParseStatistics(f *testing.F) {
	f.Add([]byte(`{"name":"rdkafka#producer-1","txmsgs":3,"brokers":{"a:1/0":{"txretries":1,"rtt":{"p99":1500,"cnt":2}}}}`))
	f.Add([]byte(`{"brokers":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := parseStatistics("x", text)
		if err == nil && (s.Client != "x" || s.RoundTrip < 0) {
			t.Errorf("%+v", s)
		}
	})
}
