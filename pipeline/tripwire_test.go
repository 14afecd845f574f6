package pipeline

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tapedeck/pipeline/alert"
	"tapedeck/pipeline/feed"
	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/market"
)

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

// editOf is the rule's edit number k: another threshold.
func editOf(k int) market.Rule {
	return market.Rule{Name: "trip", When: fmt.Sprint(100 + 0.05*float64(k)), Revision: int32(k)}
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
func (t *tripwire) Costs() []alert.Cost                          { return nil }
func (t *tripwire) Pendings(int) []alert.Pending                 { return nil }
func (t *tripwire) SetGroup(string, []string)                    {}
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
