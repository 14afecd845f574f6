package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

var (
	discard    = slog.New(slog.DiscardHandler)
	background = context.Background()
)

// testLog is a log under test. Each open gives another client.
type testLog struct {
	config func() Config
}

// withPrefix is a configuration of its own in the log: nothing of other tests is in it.
func (l testLog) withPrefix(t *testing.T) Config {
	t.Helper()
	cfg := l.config()
	cfg.Prefix = fmt.Sprintf("t%x-", time.Now().UnixNano())
	return cfg
}

func openClient(t testing.TB, cfg Config) *Client {
	t.Helper()
	c, err := Open(cfg, discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func ensure(t testing.TB, c *Client) []Topic {
	t.Helper()
	topics, err := c.EnsureTopics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return topics
}

func openProducer(t testing.TB, c *Client) *Producer {
	t.Helper()
	p, err := c.NewProducer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := p.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return p
}

// runLogContract holds every implementation of the log to its promises.
func runLogContract(t *testing.T, l testLog) {
	for name, test := range map[string]func(*testing.T, testLog){
		"topics":             testTopics,
		"partition count":    testPartitionCount,
		"order":              testOrder,
		"partitioner":        testPartitioner,
		"round trip":         testRoundTrip,
		"large record":       testLarge,
		"lossless when full": testLossless,
		"read":               testRead,
		"trim":               testTrim,
		"follow":             testFollow,
		"group":              testGroup,
		"slow worker":        testSlowWorker,
		"topic made again":   testTopicMadeAgain,
		"worker fails":       testWorkerFails,
		"rebalance":          testRebalance,
		"static member":      testStaticMember,
		"fenced":             testFenced,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, l)
		})
	}
}

func testTopics(t *testing.T, l testLog) {
	cfg := l.withPrefix(t)
	c := openClient(t, cfg)
	if err := c.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.TopicID(t.Context(), Ticks); !errors.Is(err, ErrUnknownTopic) {
		t.Fatalf("TopicID before the topics are there: %v", err)
	}
	first := ensure(t, c)
	if len(first) != len(Topics()) {
		t.Fatalf("%d topics, want %d", len(first), len(Topics()))
	}
	for i, again := range ensure(t, c) {
		if !first[i].Created || again.Created || again.ID == "" || again.ID != first[i].ID {
			t.Errorf("first %+v, then %+v", first[i], again)
		}
		id, err := c.TopicID(t.Context(), again.Name)
		if err != nil || id != again.ID {
			t.Errorf("TopicID(%s) = %q, %v", again.Name, id, err)
		}
	}
	cluster, err := c.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(cluster.Brokers) == 0 || len(cluster.Topics) != len(first) || cluster.ID == "" {
		t.Errorf("cluster %+v", cluster)
	}
	for _, topic := range cluster.Topics {
		for _, p := range topic.Parts {
			if p.Leader < 0 || len(p.InSync) == 0 || p.UnderReplicated() {
				t.Errorf("%s: %+v", topic.Name, p)
			}
		}
	}
	for name, want := range map[string]map[string]string{
		State: cfg.spec(State).config, Rules: cfg.spec(Rules).config, Ticks: cfg.spec(Ticks).config,
	} {
		got, err := c.admin.DescribeConfigs(t.Context(), []kafka.ConfigResource{{Type: kafka.ResourceTopic, Name: cfg.Prefix + name}})
		if err != nil {
			t.Fatal(err)
		}
		for key, value := range want {
			if got[0].Config[key].Value != value {
				t.Errorf("%s: %s is %q, want %q", name, key, got[0].Config[key].Value, value)
			}
		}
	}
}

func testPartitionCount(t *testing.T, l testLog) {
	cfg := l.withPrefix(t)
	ensure(t, openClient(t, cfg))
	cfg.Partitions = 5
	_, err := openClient(t, cfg).EnsureTopics(t.Context())
	if !errors.Is(err, ErrPartitions) {
		t.Fatalf("another partition count: %v", err)
	}
	if want := "kafka.partitions"; !bytes.Contains([]byte(err.Error()), []byte(want)) {
		t.Errorf("%q does not name %s", err, want)
	}
}

func testOrder(t *testing.T, l testLog) {
	c := openClient(t, l.withPrefix(t))
	ensure(t, c)
	p := openProducer(t, c)
	const keys, each = 50, 40
	for i := range each {
		for k := range keys {
			if err := p.Produce(Ticks, -1, fmt.Appendf(nil, "SYM%d", k), fmt.Append(nil, i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := p.Progress(); got != (Progress{Acked: keys * each}) {
		t.Errorf("progress %+v", got)
	}
	seen := map[string]int{}
	for part := range int32(c.cfg.Partitions) {
		err := c.Read(t.Context(), Ticks, part, 0, -1, func(recs []Record) error {
			for _, r := range recs {
				if want := PartitionOf(r.Key, c.cfg.Partitions); want != part {
					t.Errorf("%s is in partition %d, want %d", r.Key, part, want)
				}
				if want := fmt.Sprint(seen[string(r.Key)]); string(r.Value) != want {
					t.Fatalf("%s: %s, want %s", r.Key, r.Value, want)
				}
				seen[string(r.Key)]++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for k := range keys {
		if n := seen[fmt.Sprintf("SYM%d", k)]; n != each {
			t.Errorf("SYM%d: %d records, want %d", k, n, each)
		}
	}
}

// testPartitioner compares PartitionOf with librdkafka's own partitioner.
func testPartitioner(t *testing.T, l testLog) {
	c := openClient(t, l.withPrefix(t))
	ensure(t, c)
	m := c.cfg.producing()
	kp, err := kafka.NewProducer(&m)
	if err != nil {
		t.Fatal(err)
	}
	defer kp.Close()
	topic := c.cfg.Prefix + Ticks
	reports := make(chan kafka.Event, 100)
	for i := range 100 {
		err := kp.Produce(&kafka.Message{
			TopicPartition: kafka.TopicPartition{Topic: &topic, Partition: kafka.PartitionAny},
			Key:            fmt.Appendf(nil, "%0*d", i%17, i),
		}, reports)
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 100 {
		m := (<-reports).(*kafka.Message)
		if m.TopicPartition.Error != nil {
			t.Fatal(m.TopicPartition.Error)
		}
		if want := PartitionOf(m.Key, c.cfg.Partitions); m.TopicPartition.Partition != want {
			t.Errorf("%q: librdkafka says %d, PartitionOf %d", m.Key, m.TopicPartition.Partition, want)
		}
	}
}

func testRoundTrip(t *testing.T, l testLog) {
	c := openClient(t, l.withPrefix(t))
	ensure(t, c)
	p := openProducer(t, c)
	headers := []Header{{"who", []byte("bob")}, {"", nil}, {"raw", []byte{0, 255}}}
	records := []Record{
		{Key: []byte("a"), Value: []byte("plain")},
		{Key: []byte("b"), Value: []byte("with headers"), Headers: headers},
		{Key: []byte("c")}, // a tombstone
		{Value: []byte("no key")},
		{Key: []byte{}, Value: []byte{}},
		{Key: []byte("d"), Headers: headers[:1]},
	}
	before := time.Now().Add(-time.Minute)
	for _, r := range records {
		if err := p.Produce(Alerts, 3, r.Key, r.Value, r.Headers...); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := c.ReadLast(t.Context(), Alerts, 3, 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(records) {
		t.Fatalf("%d records, want %d", len(got), len(records))
	}
	for i, r := range got {
		w := records[i]
		if r.Partition != 3 || r.Offset != int64(i) || r.Time.Std().Before(before) || r.Time.Std().After(time.Now().Add(time.Minute)) {
			t.Errorf("record %d: %+v", i, r)
		}
		if !same(r.Key, w.Key) || !same(r.Value, w.Value) || len(r.Headers) != len(w.Headers) {
			t.Errorf("record %d: %+v, want %+v", i, r, w)
			continue
		}
		for j, h := range r.Headers {
			if h.Key != w.Headers[j].Key || !bytes.Equal(h.Value, w.Headers[j].Value) {
				t.Errorf("record %d header %d: %+v, want %+v", i, j, h, w.Headers[j])
			}
		}
	}
	if err := p.Produce(Alerts, 99, nil, nil); err == nil {
		t.Error("partition 99 was taken")
	}
	if err := p.Produce(Rules, 0, nil, []byte("x")); !errors.Is(err, ErrNoKey) {
		t.Errorf("no key on a compacted topic: %v", err)
	}
	if err := p.Produce("nowhere", -1, nil, nil); !errors.Is(err, ErrUnknownTopic) {
		t.Errorf("unknown topic: %v", err)
	}
}

// same tells nil and empty apart.
func same(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }

func testLarge(t *testing.T, l testLog) {
	c := openClient(t, l.withPrefix(t))
	ensure(t, c)
	p := openProducer(t, c)
	for _, size := range []int{1<<20 + 1, StateMaxBytes - 1000} {
		value := make([]byte, size)
		for i := range value { // does not compress
			value[i] = byte(i * i * 31 >> 7)
		}
		if err := p.Produce(State, 1, []byte("k"), value); err != nil {
			t.Fatal(err)
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		got, err := c.ReadLast(t.Context(), State, 1, 1)
		if err != nil || len(got) != 1 || !bytes.Equal(got[0].Value, value) {
			t.Fatalf("a record of %d bytes did not come back: %d, %v", size, len(got), err)
		}
	}
	for topic, size := range map[string]int{Ticks: recordMaxBytes + 1, State: StateMaxBytes + 1} {
		if err := p.Produce(topic, -1, []byte("k"), make([]byte, size)); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%d bytes to %s: %v", size, topic, err)
		}
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Error("a record that was refused broke the producer:", err)
	}
}

// testLossless produces more than librdkafka's queue holds, from several goroutines.
func testLossless(t *testing.T, l testLog) {
	c := openClient(t, l.withPrefix(t))
	ensure(t, c)
	p := openProducer(t, c)
	const writers, each = 4, 60_000
	var wait sync.WaitGroup
	for w := range writers {
		wait.Go(func() {
			for i := range each {
				if err := p.Produce(Ticks, int32(w), nil, fmt.Append(nil, i)); err != nil {
					t.Error(err)
					return
				}
			}
			if err := p.Flush(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	for w := range writers {
		want := 0
		err := c.Read(t.Context(), Ticks, int32(w), 0, -1, func(recs []Record) error {
			for _, r := range recs {
				if string(r.Value) != fmt.Sprint(want) {
					return fmt.Errorf("partition %d offset %d: %s, want %d", w, r.Offset, r.Value, want)
				}
				want++
			}
			return nil
		})
		if err != nil || want != each {
			t.Errorf("partition %d: %d records, want %d; %v", w, want, each, err)
		}
	}
}

func testRead(t *testing.T, l testLog) {
	c := openClient(t, l.withPrefix(t))
	ensure(t, c)
	p := openProducer(t, c)
	for i := range 5000 {
		if err := p.Produce(Bars, 2, nil, fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	ranges, err := c.Offsets(t.Context(), Bars)
	if err != nil || len(ranges) != c.cfg.Partitions || ranges[2] != (Range{0, 5000}) || ranges[0] != (Range{}) {
		t.Fatalf("offsets %v, %v", ranges, err)
	}
	for _, tc := range []struct{ from, to, first, n int64 }{
		{0, -1, 0, 5000}, {Beginning, 10, 0, 10}, {100, 101, 100, 1}, {4990, 9999, 4990, 10}, {5000, -1, 0, 0}, {7, 7, 0, 0}, {9, 3, 0, 0},
	} {
		var n int64
		err := c.Read(t.Context(), Bars, 2, tc.from, tc.to, func(recs []Record) error {
			for _, r := range recs {
				if r.Offset != tc.first+n {
					return fmt.Errorf("offset %d, want %d", r.Offset, tc.first+n)
				}
				n++
			}
			return nil
		})
		if err != nil || n != tc.n {
			t.Errorf("Read(%d, %d): %d records, want %d; %v", tc.from, tc.to, n, tc.n, err)
		}
	}
	for _, n := range []int{0, 1, 3, 6000} {
		recs, err := c.ReadLast(t.Context(), Bars, 2, n)
		if err != nil || len(recs) != min(n, 5000) {
			t.Errorf("ReadLast(%d): %d records, %v", n, len(recs), err)
		}
		if len(recs) > 0 && recs[len(recs)-1].Offset != 4999 {
			t.Errorf("ReadLast(%d) ends at %d", n, recs[len(recs)-1].Offset)
		}
	}
	stop := errors.New("enough")
	if err := c.Read(t.Context(), Bars, 2, 0, -1, func([]Record) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("fn's error: %v", err)
	}
	if err := c.Read(t.Context(), Bars, 77, 0, -1, nil); err == nil {
		t.Error("partition 77 was read")
	}
}

func testTrim(t *testing.T, l testLog) {
	c := openClient(t, l.withPrefix(t))
	ensure(t, c)
	p := openProducer(t, c)
	for range 100 {
		if err := errors.Join(p.Produce(Ticks, 4, nil, []byte("x")), p.Flush(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct{ below, low int64 }{{50, 50}, {20, 50}, {1000, 99}} {
		if err := c.Trim(t.Context(), Ticks, map[int32]int64{4: tc.below, 5: 10}); err != nil {
			t.Fatal(err)
		}
		ranges, err := c.Offsets(t.Context(), Ticks)
		if err != nil || ranges[4] != (Range{tc.low, 100}) {
			t.Errorf("trimmed below %d: %v, %v", tc.below, ranges[4], err)
		}
	}
}

func testFollow(t *testing.T, l testLog) {
	c := openClient(t, l.withPrefix(t))
	ensure(t, c)
	p := openProducer(t, c)
	say := func(topic string, partition int32, text string) {
		t.Helper()
		if err := errors.Join(p.Produce(topic, partition, nil, []byte(text)), p.Flush(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	say(Ticks, 0, "old")
	say(Bars, 1, "kept")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	got := make(chan string, 10)
	done := make(chan error, 1)
	go func() {
		done <- c.Follow(ctx, []string{Ticks, Bars}, func(topic string, partition int32, r Range) int64 {
			if topic == Ticks {
				return End
			}
			return Beginning
		}, func(topic string, recs []Record) error {
			for _, r := range recs {
				got <- fmt.Sprintf("%s/%d@%d %s", topic, r.Partition, r.Offset, r.Value)
			}
			return nil
		})
	}()
	expect := func(want string) {
		t.Helper()
		select {
		case s := <-got:
			if s != want {
				t.Fatalf("followed %q, want %q", s, want)
			}
		case err := <-done:
			t.Fatal("follow ended:", err)
		}
	}
	expect("bars/1@0 kept")
	say(Ticks, 0, "new")
	expect("ticks/0@1 new")
	say(Bars, 11, "bar")
	expect("bars/11@0 bar")
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("follow ended with %v", err)
	}
	stop := errors.New("enough")
	err := c.Follow(t.Context(), []string{Bars}, func(string, int32, Range) int64 { return 0 }, func(string, []Record) error { return stop })
	if !errors.Is(err, stop) {
		t.Errorf("fn's error: %v", err)
	}
}

// testTopicMadeAgain deletes a topic under its follower and makes it again.
func testTopicMadeAgain(t *testing.T, l testLog) {
	cfg := l.withPrefix(t)
	c := openClient(t, cfg)
	before := ensure(t, c)
	p := openProducer(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
	defer cancel()
	got := make(chan string, 100)
	done := make(chan error, 1)
	go func() {
		done <- openClient(t, cfg).Follow(ctx, []string{Ticks}, func(string, int32, Range) int64 { return Beginning }, func(_ string, recs []Record) error {
			for _, r := range recs {
				got <- string(r.Value)
			}
			return nil
		})
	}()
	for i := range 3 {
		if err := errors.Join(p.Produce(Ticks, 0, nil, fmt.Append(nil, i)), p.Flush(t.Context())); err != nil {
			t.Fatal(err)
		}
		if v := <-got; v != fmt.Sprint(i) {
			t.Fatalf("followed %s, want %d", v, i)
		}
	}
	if _, err := c.admin.DeleteTopics(ctx, []string{cfg.Prefix + Ticks}); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := c.TopicID(ctx, Ticks); errors.Is(err, ErrUnknownTopic) {
			break
		}
	}
	after := ensure(t, c)
	if after[0].ID == before[0].ID || !after[0].Created || after[1].Created {
		t.Errorf("topics were %v, are %v", before, after)
	}
	again := openProducer(t, openClient(t, cfg))
	if err := errors.Join(again.Produce(Ticks, 0, nil, []byte("anew")), again.Flush(ctx)); err != nil {
		t.Fatal(err)
	}
	select {
	case v := <-got:
		if v != "anew" {
			t.Errorf("followed %s", v)
		}
	case err := <-done:
		t.Fatal("follow ended:", err)
	}
	cancel()
	<-done
}
