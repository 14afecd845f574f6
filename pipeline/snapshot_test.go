package pipeline

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"log/slog"
	"slices"
	"testing"
	"time"

	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/market"
)

// bench is one partition of a log and the workers that come and go on it.
type bench struct {
	t         *testing.T
	log       *kafka.Client
	runner    *runner
	book      *ruleBook
	partition int32
}

const benchTicks = 100

// newBench is a log with ticks of one symbol.
func newBench(t *testing.T) *bench {
	log := newLog(t)
	producer, err := log.NewProducer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { producer.Close(context.Background()) })
	partitions, err := log.Partitions(t.Context(), kafka.Ticks)
	if err != nil {
		t.Fatal(err)
	}
	config := testConfig(nil, func() Rules { return &tripwire{above: map[string]bool{}} })
	config.SnapshotEvery = time.Hour
	b := &bench{t: t, log: log, partition: kafka.PartitionOf([]byte("AAPL"), partitions),
		runner: &runner{Config: config, log: log, producer: producer, slog: slog.New(slog.DiscardHandler), progress: newProgress()},
		book:   &ruleBook{log: log, slog: slog.New(slog.DiscardHandler)}}
	for i := range benchTicks {
		tick := market.Tick{Symbol: "AAPL", Time: tapeStart + market.Time(i)*1e6, Price: 99 + float64(i%4), Size: 1, Source: "replay"}
		if err := producer.Produce(kafka.Ticks, b.partition, []byte("AAPL"), market.AppendTick(nil, &tick)); err != nil {
			t.Fatal(err)
		}
	}
	if err := producer.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

// worker is a new one that has started.
func (b *bench) worker() *computing {
	b.t.Helper()
	c := &computing{runner: b.runner, rules: b.book, status: b.runner.newStatus("compute", kafka.Ticks), partition: b.partition, predicted: &predictedEnds{}}
	if _, err := c.Start(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	return c
}

// take gives a worker the records below an offset.
func (b *bench) take(c *computing, to int64) {
	b.t.Helper()
	err := b.log.Read(b.t.Context(), kafka.Ticks, b.partition, c.next, to, func(records []kafka.Record) error {
		return c.Process(b.t.Context(), records)
	})
	if err != nil {
		b.t.Fatal(err)
	}
	if c.next != to {
		b.t.Fatalf("the worker is at %d, not %d", c.next, to)
	}
}

func revision(c *computing) int64 { return c.rulesOn.(*tripwire).revision.Load() }

func (b *bench) state() (snapshot, []effect) {
	b.t.Helper()
	s, effects, err := readSnapshot(b.t.Context(), b.log, b.partition)
	if err != nil {
		b.t.Fatal(err)
	}
	return s, effects
}

// An edit that comes while a worker repeats what one before it has done acts
// after all of that, and from then on always there.
func TestEditsActAfterWhatIsRepeated(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.book.edits = []edit{editOfRule(editOf(0))}
	first := b.worker()
	b.take(first, 60)
	if revision(first) != 0 {
		t.Fatal("the rule that stood at the beginning is not in force")
	}
	// It dies. The rule is edited.
	b.book.edits = append(b.book.edits, editOfRule(editOf(1)))
	second := b.worker()
	b.take(second, 30)
	if err := second.Idle(t.Context(), benchTicks); err != nil {
		t.Fatal(err)
	}
	b.take(second, 99)
	if revision(second) != 0 {
		t.Error("an edit acts among records that were there before")
	}
	b.take(second, benchTicks)
	if err := second.Idle(t.Context(), benchTicks); err != nil {
		t.Fatal(err)
	}
	if revision(second) != 1 {
		t.Error("an edit does not act")
	}
	if _, effects := b.state(); len(effects) != 2 || effects[0].offset != 0 || effects[1].offset != benchTicks {
		t.Errorf("noted are %+v", effects)
	}

	// It dies. What is repeated is as it was, and no snapshot forgets the edit that is still to be repeated.
	b.runner.SnapshotEvery = time.Nanosecond
	third := b.worker()
	b.take(third, 50)
	if s, effects := b.state(); s.next != 0 || len(effects) != 2 || revision(third) != 0 {
		t.Errorf("a snapshot at %d, with %d edits to come, at revision %d", s.next, len(effects), revision(third))
	}
	if err := third.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	fourth := b.worker()
	b.take(fourth, benchTicks)
	if revision(fourth) != 1 {
		t.Error("the edit is lost")
	}
	if err := fourth.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s, effects := b.state(); s.next != benchTicks || len(effects) != 0 {
		t.Errorf("a snapshot at %d, with %d edits to come", s.next, len(effects))
	}
	fifth := b.worker()
	if revision(fifth) != 1 || fifth.next != benchTicks || !slices.Equal(fifth.appendState(nil), fourth.appendState(nil)) {
		t.Error("a snapshot is not what was saved")
	}
	if all, repeats := outcome(t, b.log); repeats != 0 || len(all) == 0 {
		t.Errorf("%d outputs, %d of them twice", len(all), repeats)
	}
}

// A worker that is gone is not waited for.
func TestStoppedWorkerHoldsNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	c := b.worker()
	b.take(c, 10)
	c.failure = context.Canceled
	if err := c.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if held := b.runner.progress.held("compute", kafka.Ticks); len(held) != 0 {
		t.Errorf("held are %v", held)
	}
	if b.runner.progress.furthest("compute", kafka.Ticks, b.partition) != 10 {
		t.Error("how far it had come is forgotten")
	}
}

// A commit names chunks that are there, whole and of the same snapshot, or is none.
func TestTornSnapshotsAreNone(t *testing.T) {
	chunk := func(next int64, data string) []byte {
		return append(binary.BigEndian.AppendUint64(nil, uint64(next)), data...)
	}
	commit := func(version, slot byte, next int64, chunks int, state string) []byte {
		c := binary.BigEndian.AppendUint64([]byte{version, slot}, uint64(next))
		c = binary.BigEndian.AppendUint32(c, uint32(chunks))
		c = binary.BigEndian.AppendUint32(c, crc32.ChecksumIEEE([]byte(state)))
		return append(c, make([]byte, 8*len(outputs))...)
	}
	chunks := [2][][]byte{{chunk(7, "ab"), chunk(7, "c"), chunk(5, "old")}, {chunk(6, "x")}}
	s, err := assemble(commit(1, 0, 7, 2, "abc"), &chunks)
	if err != nil || string(s.state) != "abc" || s.next != 7 || s.slot != 0 {
		t.Error(s, err)
	}
	for name, c := range map[string][]byte{
		"a chunk of an older one": commit(1, 0, 7, 3, "abcold"), "a chunk that is missing": commit(1, 1, 6, 2, "x"),
		"other bytes": commit(1, 1, 6, 1, "y"), "another slot": commit(1, 2, 6, 1, "x"), "cut": commit(1, 1, 6, 1, "x")[:20], "nothing": nil,
	} {
		if _, err := assemble(c, &chunks); err == nil {
			t.Errorf("%s: a snapshot", name)
		}
	}
	if _, err := assemble(commit(snapshotVersion+1, 0, 7, 2, "abc"), &chunks); err != errNewerSnapshot {
		t.Errorf("a newer version: %v", err)
	}
}

func FuzzAssemble(f *testing.F) {
	f.Add(make([]byte, 18+8*len(outputs)), []byte("12345678state"))
	f.Fuzz(func(_ *testing.T, commit, data []byte) {
		if len(data) < 8 {
			return // readSnapshot takes none so short
		}
		chunks := [2][][]byte{{data}, {data, data}}
		assemble(commit, &chunks)
	})
}

func FuzzLoadState(f *testing.F) {
	config := testConfig(nil, func() Rules { return brokenRules{} })
	fresh := func() *computing {
		c := &computing{runner: &runner{Config: config}}
		c.reset()
		return c
	}
	f.Add(fresh().appendState(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := fresh()
		c.rulesOn = stateless{}
		if c.loadState(data) != nil {
			return
		}
		again := fresh()
		again.rulesOn = stateless{}
		if err := again.loadState(c.appendState(nil)); err != nil {
			t.Fatalf("a loaded state cannot be loaded again: %v", err)
		}
	})
}

// stateless rules have no state.
type stateless struct{ brokenRules }

func (stateless) LoadState(src []byte) ([]byte, error) { return src, nil }

// predict writes live predictions of these means, and one that is back-filled.
func (b *bench) predict(means ...float64) {
	b.t.Helper()
	for i, mean := range append(means, 1) {
		p := market.Prediction{Symbol: "AAPL", Model: "xgboost", Version: "1", Made: tapeStart, Bar: tapeStart, Horizon: 60,
			Base: 100, Mean: mean, Low: mean, High: mean, BackFilled: i == len(means)}
		if err := b.runner.producer.Produce(kafka.Predictions, b.partition, []byte("AAPL"), market.EncodePrediction(&p)); err != nil {
			b.t.Fatal(err)
		}
	}
	if err := b.runner.producer.Flush(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) predictedEnds() *predictedEnds {
	b.t.Helper()
	ends, err := b.runner.ends(b.t.Context(), kafka.Predictions)
	if err != nil {
		b.t.Fatal(err)
	}
	return &predictedEnds{ends: ends}
}

// Predictions and the endpoint's state act at an offset that is written first,
// and there again in every replay.
func TestPredictionsActWhereTheyDid(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.predict(90) // before the first worker: of no use any more
	told := func(c *computing) []float64 { return c.rulesOn.(*tripwire).told }
	first := b.worker()
	first.predicted = b.predictedEnds()
	b.take(first, 60)
	b.predict(101, 102)
	first.predicted = b.predictedEnds()
	if err := first.Idle(t.Context(), benchTicks); err != nil {
		t.Fatal(err)
	}
	b.take(first, benchTicks)
	down := market.Endpoint{Since: tapeStart, Text: "away"}
	b.book.edits = append(b.book.edits, edit{endpointKey, market.EncodeEndpoint(&down)})
	b.predict(103)
	first.predicted = b.predictedEnds()
	if err := first.Idle(t.Context(), benchTicks); err != nil {
		t.Fatal(err)
	}
	want := []float64{101, 102, 103}
	if !slices.Equal(told(first), want) || !first.rulesOn.(*tripwire).down {
		t.Fatalf("rules were told %v", told(first))
	}
	// It dies. The next one is told the same at the same place, whatever has come since.
	b.predict(104)
	second := b.worker()
	second.predicted = b.predictedEnds()
	b.take(second, 59)
	if len(told(second)) != 0 {
		t.Errorf("told too early: %v", told(second))
	}
	b.take(second, benchTicks-1)
	if !slices.Equal(told(second), want[:2]) {
		t.Errorf("on the way the replay was told %v", told(second))
	}
	b.take(second, benchTicks)
	if !slices.Equal(told(second), want) || !second.rulesOn.(*tripwire).down {
		t.Errorf("the replay was told %v", told(second))
	}
	if err := second.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	third := b.worker()
	if third.forecasts != second.forecasts || third.forecasts == 0 {
		t.Errorf("the next prediction is %d, not %d", third.forecasts, second.forecasts)
	}
	third.predicted = b.predictedEnds()
	if err := third.Idle(t.Context(), benchTicks); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(told(third), []float64{104}) {
		t.Errorf("after the snapshot it was told %v", told(third))
	}
}

// A worker that stood still while another took its partition over neither
// computes on nor writes its old state over the other's.
func TestOneThatStoodStillWritesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	first := b.worker()
	b.take(first, 40)
	second := b.worker() // takes over
	b.take(second, 60)
	if err := second.snapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := first.snapshot(t.Context()); !errors.Is(err, errTaken) {
		t.Error(err)
	}
	first.called = first.called.Add(-time.Minute)
	if err := first.Process(t.Context(), []kafka.Record{{Offset: 40}}); !errors.Is(err, errTaken) {
		t.Error(err)
	}
	first.called = first.called.Add(-time.Minute)
	if err := first.Idle(t.Context(), benchTicks); !errors.Is(err, errTaken) {
		t.Error(err)
	}
	if err := first.effect(t.Context(), editOfRule(editOf(1))); !errors.Is(err, errTaken) {
		t.Error(err)
	}
	if err := first.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if s, effects := b.state(); s.next != 60 || len(effects) != 0 {
		t.Errorf("the state stands at %d with %d effects", s.next, len(effects))
	}
	b.take(second, benchTicks)
	if err := second.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if s, _ := b.state(); s.next != benchTicks {
		t.Errorf("the state stands at %d", s.next)
	}
}

// What a rule was before does not act again when a worker starts.
func TestPastOfARuleDoesNotActAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	first := b.worker()
	for k := range 3 {
		b.book.edits = append(b.book.edits, editOfRule(editOf(k)))
		b.take(first, int64(20+20*k))
		if revision(first) != int64(k) {
			t.Fatalf("revision %d", revision(first))
		}
	}
	if err := first.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := b.worker()
	b.take(second, benchTicks)
	if err := second.Idle(t.Context(), benchTicks); err != nil {
		t.Fatal(err)
	}
	if _, effects := b.state(); len(effects) != 0 || revision(second) != 2 {
		t.Errorf("at revision %d, noted again are %+v", revision(second), effects)
	}
}
