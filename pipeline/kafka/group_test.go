package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"
)

// ledger records what workers of a group saw, across processes in the mind.
type ledger struct {
	mu      sync.Mutex
	next    map[int32]int64 // by partition: where the next worker starts
	owner   map[int32]string
	records int
	faults  []string
	changed chan struct{} // one token after each change
}

func newLedger() *ledger {
	return &ledger{next: map[int32]int64{}, owner: map[int32]string{}, changed: make(chan struct{}, 1)}
}

func (l *ledger) do(fn func()) {
	l.mu.Lock()
	fn()
	l.mu.Unlock()
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// until waits until cond, which is called with the ledger locked, holds.
func (l *ledger) until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		l.mu.Lock()
		ok, faults := cond(), slices.Clone(l.faults)
		l.mu.Unlock()
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		if ok {
			return
		}
		select {
		case <-l.changed:
		case <-deadline:
			l.mu.Lock()
			defer l.mu.Unlock()
			t.Fatalf("%s: not within 30 s; next %v, owners %v", what, l.next, l.owner)
		}
	}
}

// ledgerWorker goes on where the ledger says and notes any gap, repeat or second owner.
type ledgerWorker struct {
	l         *ledger
	name      string
	partition int32
	process   func(recs []Record) error // optional
}

func (w *ledgerWorker) Start(context.Context) (offset int64, err error) {
	w.l.do(func() {
		if o := w.l.owner[w.partition]; o != "" {
			w.l.faults = append(w.l.faults, fmt.Sprintf("%s starts on partition %d, which %s has", w.name, w.partition, o))
		}
		w.l.owner[w.partition] = w.name
		offset = w.l.next[w.partition]
	})
	return offset, nil
}

func (w *ledgerWorker) Process(_ context.Context, recs []Record) error {
	if w.process != nil {
		if err := w.process(recs); err != nil {
			return err
		}
	}
	w.l.do(func() {
		for _, r := range recs {
			if r.Offset != w.l.next[w.partition] || r.Partition != w.partition {
				w.l.faults = append(w.l.faults, fmt.Sprintf("%s has %d@%d, wants %d@%d", w.name, r.Partition, r.Offset, w.partition, w.l.next[w.partition]))
			}
			w.l.next[w.partition] = r.Offset + 1
			w.l.records++
		}
	})
	return nil
}

func (w *ledgerWorker) Idle(context.Context, int64) error { return nil }

func (w *ledgerWorker) Stop(context.Context) error {
	w.l.do(func() { w.l.owner[w.partition] = "" })
	return nil
}

// runMember runs a member of a group until stop is called, which waits for it.
func runMember(t *testing.T, cfg Config, l *ledger, name string, g GroupConfig, process func([]Record) error) (stop func() error) {
	t.Helper()
	c := openClient(t, cfg)
	if g.Name == "" {
		g.Name = "g"
	}
	g.Topic = Ticks
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- c.RunGroup(ctx, g, func(p int32) Worker { return &ledgerWorker{l: l, name: name, partition: p, process: process} })
	}()
	var once sync.Once
	var err error
	stop = func() error {
		once.Do(func() { cancel(); err = <-done })
		return err
	}
	t.Cleanup(func() { _ = stop() })
	return stop
}

// fill produces n records, in turn to every partition.
func fill(t *testing.T, p *Producer, n int) {
	t.Helper()
	for i := range n {
		if err := p.Produce(Ticks, int32(i%p.client.cfg.Partitions), nil, fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func testGroup(t *testing.T, l testLog) {
	cfg := l.withPrefix(t)
	c := openClient(t, cfg)
	ensure(t, c)
	p := openProducer(t, c)
	fill(t, p, 30_000)
	led := newLedger()
	stop := runMember(t, cfg, led, "one", GroupConfig{}, nil)
	led.until(t, "everything read", func() bool { return led.records == 30_000 })
	fill(t, p, 1000)
	led.until(t, "what came later", func() bool { return led.records == 31_000 })
	if err := stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("RunGroup ended with %v", err)
	}
	led.until(t, "workers stopped", func() bool {
		return !slices.ContainsFunc(slices.Collect(maps.Values(led.owner)), func(o string) bool { return o != "" })
	})

	committed, err := c.Committed(t.Context(), "g", Ticks)
	if err != nil {
		t.Fatal(err)
	}
	for p, offset := range committed {
		if offset != led.next[int32(p)] {
			t.Errorf("partition %d: committed %d, processed %d", p, offset, led.next[int32(p)])
		}
	}

	// What was committed is where Committed goes on.
	fill(t, p, 120)
	starts := make(chan int64, 120)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		done <- c.RunGroup(ctx, GroupConfig{Name: "g", Topic: Ticks}, func(int32) Worker {
			return &funcWorker{start: Committed, process: func(recs []Record) error {
				for _, r := range recs {
					starts <- r.Offset
				}
				return nil
			}}
		})
	}()
	for range 120 {
		if o := <-starts; o < 31_000/12 {
			t.Errorf("offset %d was read again", o)
		}
	}
	cancel()
	<-done
}

// funcWorker is a worker of functions.
type funcWorker struct {
	start   int64
	process func(recs []Record) error
	idle    func(end int64)
	stop    func()
}

func (w *funcWorker) Start(context.Context) (int64, error) { return w.start, nil }
func (w *funcWorker) Process(_ context.Context, recs []Record) error {
	if w.process == nil {
		return nil
	}
	return w.process(recs)
}
func (w *funcWorker) Idle(_ context.Context, end int64) error {
	if w.idle != nil {
		w.idle(end)
	}
	return nil
}
func (w *funcWorker) Stop(context.Context) error {
	if w.stop != nil {
		w.stop()
	}
	return nil
}

// testSlowWorker: a worker that stands still holds up nobody else, and an idle
// one is told the end of its partition.
func testSlowWorker(t *testing.T, l testLog) {
	cfg := l.withPrefix(t)
	c := openClient(t, cfg)
	ensure(t, c)
	p := openProducer(t, c)
	fill(t, p, 1200)
	release := make(chan struct{})
	ends := make(chan [2]int64, 1000)
	read := make(chan int, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- c.RunGroup(ctx, GroupConfig{Name: "g", Topic: Ticks, Interval: 20 * time.Millisecond}, func(partition int32) Worker {
			return &funcWorker{
				process: func(recs []Record) error {
					if partition == 5 {
						<-release
					}
					read <- len(recs)
					return nil
				},
				idle: func(end int64) {
					select {
					case ends <- [2]int64{int64(partition), end}:
					default:
					}
				},
			}
		})
	}()
	n := 0
	for n < 1100 {
		n += <-read
	}
	close(release)
	for n < 1200 {
		n += <-read
	}
	idle := map[int64]bool{}
	for len(idle) < 12 {
		if e := <-ends; e[1] == 100 {
			idle[e[0]] = true
		}
	}
	cancel()
	<-done
}

func testWorkerFails(t *testing.T, l testLog) {
	cfg := l.withPrefix(t)
	c := openClient(t, cfg)
	ensure(t, c)
	p := openProducer(t, c)
	fill(t, p, 2400)
	led := newLedger()
	bad := errors.New("the lake is away")
	var mu sync.Mutex
	failed := map[int32]int{}
	g := GroupConfig{OnError: func(partition int32, err error) {
		if partition != 3 || !errors.Is(err, bad) {
			t.Errorf("partition %d: %v", partition, err)
		}
		mu.Lock()
		failed[partition]++
		mu.Unlock()
	}}
	runMember(t, cfg, led, "one", g, func(recs []Record) error {
		mu.Lock()
		defer mu.Unlock()
		if recs[0].Partition == 3 && failed[3] < 3 {
			return bad
		}
		return nil
	})
	led.until(t, "everything read in spite of failures", func() bool { return led.records == 2400 })
	mu.Lock()
	defer mu.Unlock()
	if failed[3] != 3 {
		t.Errorf("%d failures were reported, want 3", failed[3])
	}
}

// testRebalance lets a second member come and go while records flow.
func testRebalance(t *testing.T, l testLog) {
	cfg := l.withPrefix(t)
	c := openClient(t, cfg)
	ensure(t, c)
	p := openProducer(t, c)
	led := newLedger()
	owns := func(name string) (n int) {
		for _, o := range led.owner {
			if o == name {
				n++
			}
		}
		return n
	}
	runMember(t, cfg, led, "one", GroupConfig{}, nil)
	led.until(t, "one has all", func() bool { return owns("one") == 12 })
	fill(t, p, 6000)
	stop := runMember(t, cfg, led, "two", GroupConfig{}, nil)
	fill(t, p, 6000)
	led.until(t, "they share", func() bool { return owns("one") == 6 && owns("two") == 6 })
	fill(t, p, 6000)
	if err := stop(); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	fill(t, p, 6000)
	led.until(t, "one has all again", func() bool { return owns("one") == 12 && led.records == 24_000 })
}

// testStaticMember measures how long a member with a name takes to resume.
func testStaticMember(t *testing.T, l testLog) {
	cfg := l.withPrefix(t)
	c := openClient(t, cfg)
	ensure(t, c)
	p := openProducer(t, c)
	led := newLedger()
	other := runMember(t, cfg, led, "other", GroupConfig{Instance: "slot-1"}, nil)
	stop := runMember(t, cfg, led, "mine", GroupConfig{Instance: "slot-0"}, nil)
	fill(t, p, 1200)
	var before map[int32]string
	led.until(t, "both work", func() bool {
		before = maps.Clone(led.owner)
		n := map[string]int{}
		for _, o := range before {
			n[o]++
		}
		return led.records == 1200 && n["mine"] == 6 && n["other"] == 6
	})
	if err := stop(); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	fill(t, p, 1200)
	began := time.Now()
	runMember(t, cfg, led, "mine", GroupConfig{Instance: "slot-0"}, nil)
	led.until(t, "it goes on", func() bool { return led.records == 2400 })
	took := time.Since(began)
	t.Logf("resumed after %s", took.Round(time.Millisecond))
	if took > 4*time.Second {
		t.Errorf("a static member took %s to resume", took)
	}
	led.mu.Lock()
	if !maps.Equal(before, led.owner) {
		t.Errorf("partitions moved: %v, then %v", before, led.owner)
	}
	led.mu.Unlock()
	_ = other()
}

// testFenced starts two members of one name.
func testFenced(t *testing.T, l testLog) {
	cfg := l.withPrefix(t)
	c := openClient(t, cfg)
	ensure(t, c)
	assigned := make(chan struct{}, 100)
	g := GroupConfig{Name: "g", Topic: Ticks, Instance: "slot-0", OnAssign: func(p []int32) {
		if len(p) == 12 {
			assigned <- struct{}{}
		}
	}}
	idle := func(int32) Worker { return &funcWorker{start: End} }
	first := make(chan error, 1)
	go func() { first <- c.RunGroup(t.Context(), g, idle) }()
	<-assigned
	ctx, cancel := context.WithCancel(t.Context())
	second := make(chan error, 1)
	go func() { second <- openClient(t, cfg).RunGroup(ctx, g, idle) }()
	if err := <-first; !errors.Is(err, ErrFenced) {
		t.Errorf("the first member ended with %v", err)
	}
	cancel()
	if err := <-second; !errors.Is(err, context.Canceled) {
		t.Errorf("the second member ended with %v", err)
	}
}
