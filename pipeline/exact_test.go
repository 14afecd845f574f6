package pipeline

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tapedeck/pipeline/feed"
	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/market"
)

// victimOf names the directory in which this test binary, run as a process of
// its own, is the pipeline that is killed.
const victimOf = "TAPEDECK_TEST_VICTIM"

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimOf); dir != "" {
		if err := victim(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// openLog opens an embedded log with all topics.
func openLog(ctx context.Context, dir string) (log *kafka.Client, close func(), err error) {
	broker, err := kafka.OpenBroker(dir, kafka.BrokerConfig{})
	if err != nil {
		return nil, nil, err
	}
	if log, err = kafka.Open(broker.Config(kafka.DefaultConfig()), slog.New(slog.DiscardHandler)); err != nil {
		broker.Close()
		return nil, nil, err
	}
	if _, err = log.EnsureTopics(ctx); err != nil {
		log.Close()
		broker.Close()
		return nil, nil, err
	}
	return log, func() { log.Close(); broker.Close() }, nil
}

// testConfig is a pipeline of source with tripwires as its rules.
func testConfig(source feed.Source, rules func() Rules) Config {
	return Config{
		Once: true, Instance: "test", Host: "here", Version: "test",
		Sources:       func(context.Context, Resume) ([]feed.Source, error) { return []feed.Source{source}, nil },
		Calendar:      func(string) *market.Calendar { return market.NYSE() },
		SnapshotEvery: 100 * time.Millisecond, NewRules: rules,
		FlushRows: 5000, FlushAge: time.Second, MergeEvery: time.Hour, Retention: time.Hour, Embedded: true,
	}
}

// victim is one life of the pipeline: it goes on where the life before was cut off.
func victim(dir string) error {
	ctx := context.Background()
	log, closeLog, err := openLog(ctx, dir)
	if err != nil {
		return err
	}
	defer closeLog()
	wires := &tripwires{}
	story := &story{log: log, wires: wires}
	config := testConfig(story, wires.engine)
	config.DefaultRules = []market.Rule{editOf(0)}
	_, err = Run(ctx, config, log, &memoryLake{}, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	return err
}

const (
	storyTicks   = 40_000
	storySymbols = 40
	storyEdits   = 2 // after the first
)

// editOf is the rule's edit number k: another threshold.
func editOf(k int) market.Rule {
	return market.Rule{Name: "trip", When: fmt.Sprint(100 + 0.05*float64(k)), Revision: int32(k)}
}

// story is a source that always tells the same, with misprints, splits and
// rows that are no ticks. At some rows it waits until all before has been
// computed, edits a rule, and waits until the edit acts.
type story struct {
	log   *kafka.Client
	wires *tripwires
}

func (*story) Name() string { return "replay" }
func (*story) ID() string   { return "story" }

func (s *story) Run(ctx context.Context, out feed.Sink) error {
	random := rand.New(rand.NewPCG(7, 7))
	price := make([]float64, storySymbols)
	for i := range price {
		price[i] = 100
	}
	at := tapeStart
	second := at
	edit := 1
	for row := int64(1); row <= storyTicks; row++ {
		at += market.Time(random.IntN(4000))
		if at >= second.Add(time.Second) {
			second = at.Truncate(time.Second)
			if err := out.Clock(market.Clock{Time: second, Source: "replay"}); err != nil {
				return err
			}
		}
		i := random.IntN(storySymbols)
		price[i] *= 1 + random.NormFloat64()*2e-4
		tick := market.Tick{Symbol: fmt.Sprintf("S%d", i), Time: at, Price: math.Round(price[i]*100) / 100, Size: random.Int64N(300), Source: "replay"}
		var err error
		switch random.IntN(500) {
		case 0:
			tick.Price *= 10
		case 1:
			price[i] /= 2
			tick.Price = price[i]
		case 2:
			tick.Time -= market.Time(random.IntN(5_000_000))
		case 3:
			err = out.(feed.RejectSink).Reject(row, tick.Symbol, "not a row", fmt.Appendf(nil, "row %d", row))
			tick.Symbol = ""
		}
		if err == nil && tick.Symbol != "" {
			err = out.Tick(&tick, row)
		}
		if err != nil {
			return err
		}
		if row%500 == 0 {
			if err := pause(ctx); err != nil { // so that a life is long enough to be cut off
				return err
			}
		}
		if edit <= storyEdits && row == int64(edit)*storyTicks/(storyEdits+1) {
			second = at.Truncate(time.Second).Add(time.Second)
			at = second
			if err := out.Clock(market.Clock{Time: second, Source: "replay"}); err != nil {
				return err
			}
			if err := s.change(ctx, edit, second); err != nil {
				return err
			}
			edit++
		}
	}
	return out.Clock(market.Clock{Time: at.Add(time.Minute), Source: "replay", End: true})
}

// change waits until everything before now is computed, makes edit number k
// where no life before has, and waits until it acts everywhere.
func (s *story) change(ctx context.Context, k int, now market.Time) error {
	partitions, err := s.log.Partitions(ctx, kafka.Ticks)
	if err != nil {
		return err
	}
	if err := s.wires.await(ctx, partitions, func(t *tripwire) bool { return market.Time(t.clock.Load()) >= now }); err != nil {
		return err
	}
	ranges, err := s.log.Offsets(ctx, kafka.Rules)
	if err != nil {
		return err
	}
	if ranges[0].High == int64(k) {
		producer, err := s.log.NewProducer()
		if err != nil {
			return err
		}
		rule := editOf(k)
		if err := producer.Produce(kafka.Rules, 0, []byte(rule.Name), market.EncodeRule(&rule)); err != nil {
			return err
		}
		if err := producer.Close(ctx); err != nil {
			return err
		}
	}
	return s.wires.await(ctx, partitions, func(t *tripwire) bool { return t.revision.Load() >= int64(k) })
}

// tripwires are the rule engines of one process.
type tripwires struct {
	mu  sync.Mutex
	all []*tripwire
}

func (w *tripwires) engine() Rules {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := &tripwire{above: map[string]bool{}}
	t.revision.Store(-1)
	w.all = append(w.all, t)
	return t
}

// await waits until n engines are as wanted.
func (w *tripwires) await(ctx context.Context, n int, wanted func(*tripwire) bool) error {
	for {
		w.mu.Lock()
		so := 0
		for _, t := range w.all {
			if wanted(t) {
				so++
			}
		}
		w.mu.Unlock()
		if so >= n {
			return nil
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// tripwire fires when a price goes above a level, and remembers for each
// symbol that it has. A new revision begins anew.
type tripwire struct {
	level    float64
	above    map[string]bool
	revision atomic.Int64
	clock    atomic.Int64
	told     []float64 // means of predictions
	down     bool
}

func (t *tripwire) SetRule(r market.Rule) error {
	t.revision.Store(int64(r.Revision))
	clear(t.above)
	_, err := fmt.Sscan(r.When, &t.level)
	return err
}

func (t *tripwire) Tick(tick *market.Tick, emit func(*market.Alert)) {
	above := tick.Price > t.level
	if above && !t.above[tick.Symbol] && t.revision.Load() >= 0 {
		emit(&market.Alert{ID: fmt.Sprintf("trip/%d/%s/%d", t.revision.Load(), tick.Symbol, tick.Time), Symbol: tick.Symbol, Time: tick.Time,
			Rule: "trip", Revision: int32(t.revision.Load()), Value: tick.Price, Threshold: t.level})
	}
	t.above[tick.Symbol] = above
}

func (t *tripwire) Quiet(bool)                                   {}
func (t *tripwire) Bar(*market.Bar, func(*market.Alert))         {}
func (t *tripwire) Clock(now market.Time, _ func(*market.Alert)) { t.clock.Store(int64(now)) }
func (t *tripwire) SetPrediction(p *market.Prediction)           { t.told = append(t.told, p.Mean) }
func (t *tripwire) SetEndpoint(up bool, _ market.Time)           { t.down = !up }

func (t *tripwire) AppendState(dst []byte) []byte {
	dst = binary.AppendVarint(dst, t.revision.Load())
	dst = binary.AppendVarint(dst, t.clock.Load())
	dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(t.level))
	dst = binary.AppendUvarint(dst, uint64(len(t.above)))
	for _, symbol := range slices.Sorted(maps.Keys(t.above)) {
		dst = appendText(dst, symbol)
		dst = binary.AppendUvarint(dst, map[bool]uint64{true: 1}[t.above[symbol]])
	}
	return dst
}

func (t *tripwire) LoadState(src []byte) ([]byte, error) {
	revision, n := binary.Varint(src)
	src = src[n:]
	clock, n := binary.Varint(src)
	src = src[n:]
	t.level = math.Float64frombits(binary.LittleEndian.Uint64(src))
	count, src, _ := cutUvarint(src[8:])
	for range count {
		var symbol string
		var above uint64
		symbol, src, _ = cutText(src)
		above, src, _ = cutUvarint(src)
		t.above[symbol] = above == 1
	}
	t.revision.Store(revision)
	t.clock.Store(clock)
	return src, nil
}

// memoryLake is a lake that forgets with its process.
type memoryLake struct {
	mu     sync.Mutex
	chains map[placed]*memoryChain
	open   func(*memoryChain) Chain // puts something around a chain; nil is nothing
}

func (l *memoryLake) Open(_ context.Context, table, _ string, partition int32) (Chain, int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := placed{"", table, partition}
	chain := l.chains[at]
	if chain == nil {
		if l.chains == nil {
			l.chains = map[placed]*memoryChain{}
		}
		chain = &memoryChain{table: table, partition: partition}
		l.chains[at] = chain
	}
	chain.next = chain.durable
	if l.open != nil {
		return l.open(chain), chain.durable, nil
	}
	return chain, chain.durable, nil
}

func (l *memoryLake) Tidy(context.Context) ([]string, error) { return nil, nil }

type memoryChain struct {
	table         string
	partition     int32
	next, durable int64
}

func (c *memoryChain) Append(offset int64, _ market.Time, _, _ []byte) error {
	if offset != c.next {
		return fmt.Errorf("offset %d after %d", offset, c.next-1)
	}
	c.next++
	return nil
}

func (c *memoryChain) Gap(_, to int64) error { c.next = to; return nil }
func (c *memoryChain) Durable() int64        { return c.durable }
func (c *memoryChain) Pending() (rows, bytes int, oldest time.Time) {
	return int(c.next - c.durable), 0, time.Time{}
}
func (c *memoryChain) Flush(context.Context) error { c.durable = c.next; return nil }

// outcome is what lies in the output topics, by identity; a repeat must say the same.
func outcome(t *testing.T, log *kafka.Client) (all map[string]string, repeats int) {
	t.Helper()
	all = map[string]string{}
	for _, topic := range outputs {
		ranges, err := log.Offsets(t.Context(), topic)
		if err != nil {
			t.Fatal(err)
		}
		for p, r := range ranges {
			err := log.Read(t.Context(), topic, int32(p), r.Low, r.High, func(records []kafka.Record) error {
				for i := range records {
					value := string(records[i].Value)
					key := topic + " "
					switch topic {
					case kafka.Bars:
						var b market.Bar
						if err := market.DecodeBar(records[i].Value, &b); err != nil {
							return err
						}
						key += fmt.Sprint(b.Symbol, " ", b.Interval, " ", b.Time, " ", b.Revision)
					case kafka.Features:
						f := market.Feature{Values: make([]float64, len(market.FeatureNames))}
						if err := market.DecodeFeature(records[i].Value, &f); err != nil {
							return err
						}
						key += fmt.Sprint(f.Symbol, " ", f.Interval, " ", f.Time, " ", f.Revision)
					case kafka.Alerts:
						var a market.Alert
						if err := market.DecodeAlert(records[i].Value, &a); err != nil {
							return err
						}
						key += a.ID
					case kafka.DeadLetters: // its offset counts repeated clocks: the bytes say which it is
						var d market.DeadLetter
						if err := market.DecodeDeadLetter(records[i].Value, &d); err != nil {
							return err
						}
						key += string(d.Value)
						value = d.Reason
					}
					if before, ok := all[key]; ok {
						repeats++
						if before != value {
							t.Errorf("%s is %s and %s", key, before, value)
						}
					}
					all[key] = value
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return all, repeats
}

// A pipeline that is killed again and again, while rules are edited, leaves
// the bars, features, alerts and dead letters of one that was not.
func TestKilledRunsEqualAQuietOne(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts processes")
	}
	live := func(dir string, kill time.Duration) (killed bool) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), victimOf+"="+dir)
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if kill > 0 {
			defer time.AfterFunc(kill, func() { cmd.Process.Kill() }).Stop()
		}
		err := cmd.Wait()
		if err != nil && kill == 0 {
			t.Fatal(err)
		}
		return err != nil
	}
	look := func(dir string) (map[string]string, int) {
		t.Helper()
		log, closeLog, err := openLog(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		defer closeLog()
		return outcome(t, log)
	}
	quiet, torn := t.TempDir(), t.TempDir()
	live(quiet, 0)
	random := rand.New(rand.NewPCG(uint64(os.Getpid()), 1))
	kills, most := 0, 3
	if n, err := strconv.Atoi(os.Getenv("TAPEDECK_TEST_CRASH")); err == nil {
		most = n
	}
	for range most {
		if !live(torn, time.Duration(500+random.IntN(1000))*time.Millisecond) {
			break
		}
		kills++
	}
	live(torn, 0)
	want, repeats := look(quiet)
	if repeats > 0 {
		t.Errorf("a quiet run wrote %d outputs twice", repeats)
	}
	got, repeats := look(torn)
	kinds := map[string]int{}
	for key := range want {
		var kind string
		fmt.Sscan(key, &kind)
		kinds[kind]++
	}
	t.Logf("%d kills, %v, %d repeats in the topics", kills, kinds, repeats)
	for _, topic := range outputs {
		if kinds[topic] < 20 {
			t.Errorf("only %d %s: the story is too tame", kinds[topic], topic)
		}
	}
	wrong := 0
	for key, value := range want {
		if got[key] != value {
			if wrong++; wrong < 10 {
				t.Errorf("%s is %q, in a quiet run %q", key, got[key], value)
			}
		}
	}
	for key := range got {
		if _, ok := want[key]; !ok {
			if wrong++; wrong < 10 {
				t.Errorf("%s is not in a quiet run", key)
			}
		}
	}
	if wrong > 0 {
		t.Errorf("%d outputs differ", wrong)
	}
}
