package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"tapedeck/pipeline/alert"
	"tapedeck/pipeline/feed"
	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/market"
)

// shortStory is a source of n ticks that ends with an error, or well.
type shortStory struct {
	n   int
	end error
}

func (shortStory) Name() string { return "replay" }
func (shortStory) ID() string   { return "short" }

func (s shortStory) Run(_ context.Context, out feed.Sink) error {
	at := tapeStart
	for row := range s.n {
		at += 100_000
		if err := out.Tick(&market.Tick{Symbol: []string{"AAPL", "KO", "XOM"}[row%3], Time: at, Price: 100, Size: 1, Source: "replay"}, int64(row+1)); err != nil {
			return err
		}
	}
	if err := out.Clock(market.Clock{Time: at.Add(time.Second), Source: "replay", End: true}); err != nil {
		return err
	}
	return s.end
}

// newLog is an empty embedded log.
func newLog(t testing.TB) *kafka.Client {
	t.Helper()
	log, closeLog, err := openLog(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(closeLog)
	return log
}

// runOnce runs a pipeline over a log to its end.
func runOnce(t *testing.T, log *kafka.Client, lake Archive, change func(*Config)) (Report, error) {
	t.Helper()
	config := testConfig(shortStory{n: 300}, (&tripwires{}).engine)
	config.Patience = 300 * time.Millisecond
	if change != nil {
		change(&config)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	report, err := Run(ctx, config, log, lake, slog.New(slog.DiscardHandler))
	if ctx.Err() != nil {
		t.Fatal("the run did not end by itself")
	}
	return report, err
}

func TestOnceEndsByItself(t *testing.T) {
	t.Parallel()
	lake := &memoryLake{}
	report, err := runOnce(t, newLog(t), lake, nil)
	if err != nil {
		t.Fatal(err)
	}
	if report.Ticks != 300 || report.Bars == 0 || report.Features == 0 || report.DeadLetters != 0 {
		t.Errorf("%+v", report)
	}
	var rows int64
	for at, chain := range lake.chains {
		if chain.next != chain.durable {
			t.Errorf("%s/%d: %d rows are not durable", at.topic, at.partition, chain.next-chain.durable)
		}
		if at.topic != kafka.Ticks || chain.durable > 0 {
			rows += chain.durable
		}
	}
	if rows != report.Archived {
		t.Errorf("the lake holds %d rows, the report says %d", rows, report.Archived)
	}
}

// A feed that ends with damage has what could be read worked through to the lake, and says so.
func TestDamagedFeedIsAnErrorAfterAllIsDrained(t *testing.T) {
	t.Parallel()
	damage := errors.Join(errors.New("day.csv.gz"), feed.ErrDamaged)
	lake := &memoryLake{}
	report, err := runOnce(t, newLog(t), lake, func(c *Config) {
		c.Sources = func(context.Context, Resume) ([]feed.Source, error) {
			return []feed.Source{shortStory{300, damage}}, nil
		}
	})
	if !errors.Is(err, feed.ErrDamaged) || !strings.Contains(err.Error(), "day.csv.gz") {
		t.Errorf("the error is %v", err)
	}
	if report.Ticks != 300 || report.Archived < 300 {
		t.Errorf("%+v", report)
	}
}

// A feed that cannot be opened ends the run.
func TestFeedThatDoesNotOpenEndsTheRun(t *testing.T) {
	t.Parallel()
	broken := errors.New("no such exchange")
	_, err := runOnce(t, newLog(t), &memoryLake{}, func(c *Config) {
		c.Sources = func(context.Context, Resume) ([]feed.Source, error) { return nil, broken }
	})
	if !errors.Is(err, broken) {
		t.Errorf("the error is %v", err)
	}
}

// sickChain refuses one thing.
type sickChain struct {
	*memoryChain
	append, flush error
}

func (c sickChain) Append(offset int64, at market.Time, key, value []byte) error {
	if c.append != nil {
		return c.append
	}
	return c.memoryChain.Append(offset, at, key, value)
}

func (c sickChain) Flush(ctx context.Context) error {
	if c.flush != nil && c.next > c.durable {
		return c.flush
	}
	return c.memoryChain.Flush(ctx)
}

func TestLakeThatTakesNothingEndsTheRun(t *testing.T) {
	t.Parallel()
	full := errors.New("the disk is full")
	for name, sick := range map[string]sickChain{"append": {append: full}, "flush": {flush: full}} {
		for _, rows := range []int{1, 5000} { // flushed on the way, or at the end alone
			t.Run(fmt.Sprintf("%s/%d", name, rows), func(t *testing.T) {
				t.Parallel()
				_, err := runOnce(t, newLog(t), &memoryLake{open: func(c *memoryChain) Chain {
					if c.table != kafka.Bars {
						return c
					}
					return sickChain{c, sick.append, sick.flush}
				}}, func(c *Config) {
					c.FlushRows = rows
				})
				if err == nil || !strings.Contains(err.Error(), kafka.Bars) {
					t.Errorf("the error is %v", err)
				}
			})
		}
	}
}

// A stage that fails at the same record for ever ends the run.
func TestComputeThatComesNoFurtherEndsTheRun(t *testing.T) {
	t.Parallel()
	log, lake := newLog(t), &memoryLake{}
	if _, err := runOnce(t, log, lake, nil); err != nil {
		t.Fatal(err)
	}
	_, err := runOnce(t, log, lake, func(c *Config) { c.NewRules = func() Rules { return brokenRules{} } })
	if err == nil || !strings.Contains(err.Error(), "compute") || !strings.Contains(err.Error(), "damaged rules") {
		t.Errorf("the error is %v", err)
	}
}

// brokenRules cannot load the state that others have left.
type brokenRules struct{}

func (brokenRules) SetRule(market.Rule) error              { return nil }
func (brokenRules) Quiet(bool)                             {}
func (brokenRules) SetPrediction(*market.Prediction)       {}
func (brokenRules) Costs() []alert.Cost                    { return nil }
func (brokenRules) Pendings(int) []alert.Pending           { return nil }
func (brokenRules) SetGroup(string, []string)              {}
func (brokenRules) SetEndpoint(bool, market.Time)          {}
func (brokenRules) Bar(*market.Bar, func(*market.Alert))   {}
func (brokenRules) Tick(*market.Tick, func(*market.Alert)) {}
func (brokenRules) Clock(market.Time, func(*market.Alert)) {}
func (brokenRules) AppendState(dst []byte) []byte          { return dst }
func (brokenRules) LoadState([]byte) (rest []byte, err error) {
	return nil, errors.New("damaged rules")
}

// loudRules say more of some ticks than a record can hold.
type loudRules struct{ brokenRules }

func (loudRules) Tick(t *market.Tick, emit func(*market.Alert)) {
	if (t.Time-tapeStart)%10_000_000 != 0 {
		return
	}
	emit(&market.Alert{ID: t.Time.String(), Symbol: t.Symbol, Message: strings.Repeat("!", 2<<20)})
}

// What is too large for the log is said and left out, and stops nothing.
func TestOversizedRecordsStopNothing(t *testing.T) {
	t.Parallel()
	log := newLog(t)
	producer, err := log.NewProducer()
	if err != nil {
		t.Fatal(err)
	}
	junk := []byte(strings.Repeat("<html>", 160_000))
	if err := producer.Produce(kafka.Ticks, 3, nil, junk); err != nil {
		t.Fatal(err)
	}
	if err := producer.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	report, err := runOnce(t, log, &memoryLake{}, func(c *Config) { c.NewRules = func() Rules { return loudRules{} } })
	if err != nil || report.Ticks != 300 || report.Bars == 0 || report.DeadLetters != 1 {
		t.Errorf("%+v, %v", report, err)
	}
	all, _ := outcome(t, log)
	found := false
	for key, reason := range all {
		if rest, ok := strings.CutPrefix(key, kafka.DeadLetters+" "); ok {
			found = strings.HasPrefix(string(junk), rest) && len(rest) >= 500_000 && strings.Contains(reason, market.ErrNotJSON.Error())
		}
	}
	if !found {
		t.Error("the junk is no dead letter")
	}
}

func TestPatience(t *testing.T) {
	now := time.Now()
	p := patience{limit: time.Minute}
	for i, step := range []struct {
		after    time.Duration
		position int64
		over     bool
	}{
		{0, 5, false},
		{50 * time.Second, 5, false},
		{59 * time.Second, 6, false}, // further
		{100 * time.Second, 6, false},
		{119 * time.Second, 6, true},
		{300 * time.Second, 6, false}, // well for a long time
		{359 * time.Second, 6, false},
		{360 * time.Second, 6, true},
	} {
		if over := p.over(3, step.position, now.Add(step.after)); over != step.over {
			t.Errorf("step %d: %v", i, over)
		}
	}
	if p.over(4, 0, now.Add(time.Hour)) {
		t.Error("another partition's failures count")
	}
}
