package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tapedeck/pipeline/alert"
	"tapedeck/pipeline/feed"
	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/market"
)

// questions asks saved queries of a test and looks at the topic.
type questions struct {
	t     *testing.T
	log   *kafka.Client
	a     *asking
	asked []string
	give  map[string][]string // by statement
	fail  error
}

func newQuestions(t *testing.T) *questions {
	log := newLog(t)
	producer, err := log.NewProducer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { producer.Close(context.Background()) })
	q := &questions{t: t, log: log, give: map[string][]string{}}
	r := &runner{log: log, producer: producer, slog: slog.New(slog.DiscardHandler), progress: newProgress()}
	r.Instance, r.AskEvery = "here", time.Hour
	r.Symbols = func(_ context.Context, sql string) ([]string, error) {
		q.asked = append(q.asked, sql)
		return q.give[sql], q.fail
	}
	q.a = q.another(r)
	return q
}

// another is one that takes the asking over.
func (q *questions) another(r *runner) *asking {
	return &asking{runner: r, status: sync.OnceValue(func() *stageStatus { return r.newStatus("groups") }),
		queries: map[string]*askedQuery{}, members: map[string]*market.Group{}}
}

func (q *questions) set(g market.Group) {
	q.t.Helper()
	if err := q.a.producer.Produce(kafka.Rules, 0, []byte(g.Key()), market.EncodeGroup(&g)); err != nil {
		q.t.Fatal(err)
	}
	if err := q.a.producer.Flush(q.t.Context()); err != nil {
		q.t.Fatal(err)
	}
}

// look lets it look once and gives the groups that were written since the log began.
func (q *questions) look() (written []string) {
	q.t.Helper()
	if err := q.a.look(q.t.Context()); err != nil {
		q.t.Fatal(err)
	}
	err := q.log.Read(q.t.Context(), kafka.Rules, 0, 0, -1, func(records []kafka.Record) error {
		for i := range records {
			var g market.Group
			if strings.HasPrefix(string(records[i].Key), market.GroupPrefix) && market.DecodeGroup(records[i].Value, &g) == nil {
				written = append(written, fmt.Sprint(g.Name, g.Symbols))
			}
		}
		return nil
	})
	if err != nil {
		q.t.Fatal(err)
	}
	return written
}

// A query is asked when it is new or edited and when it is due; who is in it is
// written when that changes, and stays when the query fails.
func TestQueriesAreAsked(t *testing.T) {
	t.Parallel()
	q := newQuestions(t)
	want := func(asked int, written ...string) {
		t.Helper()
		if got := q.look(); !slices.Equal(got, written) || len(q.asked) != asked {
			t.Errorf("asked %d times, not %d; written %v, not %v", len(q.asked), asked, got, written)
		}
	}
	want(0)
	q.give["a"] = []string{"MSFT", "AAPL", "MSFT"}
	q.set(market.Group{Name: "query:held", SQL: "a"})
	q.set(market.Group{Name: "tech", Symbols: []string{"IBM"}})
	want(1, "tech[IBM]", "query:held[AAPL MSFT]")
	want(1, "tech[IBM]", "query:held[AAPL MSFT]")

	due := func() { q.a.queries["query:held"].asked = time.Now().Add(-2 * time.Hour) }
	due()
	want(2, "tech[IBM]", "query:held[AAPL MSFT]") // the same: nothing is written
	q.fail = errors.New("no such table")
	due()
	want(3, "tech[IBM]", "query:held[AAPL MSFT]")
	if s := q.a.status().report(time.Now()); !strings.Contains(s.Text, "query:held fails, and who was in it before stays: no such table") {
		t.Errorf("the status says %q", s.Text)
	}
	q.fail = nil
	q.give["a"] = []string{"a b"}
	due()
	want(4, "tech[IBM]", "query:held[AAPL MSFT]") // no symbol
	q.give["a"] = nil
	due()
	want(5, "tech[IBM]", "query:held[AAPL MSFT]", "query:held[]")
	if s := q.a.status().report(time.Now()); !strings.Contains(s.Text, "saved queries watched: 1,") {
		t.Errorf("the status says %q", s.Text)
	}
	q.give["b"] = []string{"IBM"}
	q.set(market.Group{Name: "query:held", SQL: "b"})
	want(6, "tech[IBM]", "query:held[AAPL MSFT]", "query:held[]", "query:held[IBM]")

	// Another process takes it over: it asks once, and writes nothing new.
	q.a = q.another(q.a.runner)
	want(7, "tech[IBM]", "query:held[AAPL MSFT]", "query:held[]", "query:held[IBM]")

	// The query is taken away, and with it who is in it.
	q.set(market.Group{Name: "query:held", SQL: "b", Deleted: true})
	want(7, "tech[IBM]", "query:held[AAPL MSFT]", "query:held[]", "query:held[IBM]", "query:held[]")
	want(7, "tech[IBM]", "query:held[AAPL MSFT]", "query:held[]", "query:held[IBM]", "query:held[]")
}

// twoForever is a source of two symbols that goes on until it is stopped.
type twoForever struct{}

func (twoForever) Name() string { return "replay" }
func (twoForever) ID() string   { return "two" }

func (twoForever) Run(ctx context.Context, out feed.Sink) error {
	at := tapeStart
	for row := int64(1); ; row++ {
		at += 100_000
		if err := out.Tick(&market.Tick{Symbol: []string{"AAPL", "KO"}[row%2], Time: at, Price: 100, Size: 1, Source: "replay"}, row); err != nil {
			return err
		}
		if err := pause(ctx); err != nil {
			return nil
		}
	}
}

// In a whole pipeline, a rule that watches a saved query fires for the symbols
// that the query gave, and for no other.
func TestRuleWatchesASavedQuery(t *testing.T) {
	t.Parallel()
	log := newLog(t)
	producer, err := log.NewProducer()
	if err != nil {
		t.Fatal(err)
	}
	query := market.Group{Name: "query:held", SQL: "SELECT"}
	rule := market.Rule{Name: "held", When: "price > 0", Watch: []string{"query:held"}}
	for key, value := range map[string][]byte{query.Key(): market.EncodeGroup(&query), rule.Name: market.EncodeRule(&rule)} {
		if err := producer.Produce(kafka.Rules, 0, []byte(key), value); err != nil {
			t.Fatal(err)
		}
	}
	if err := producer.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	fired := make(chan string, 100)
	config := testConfig(twoForever{}, func() Rules { return alert.New(alert.Config{}) })
	config.Once, config.Stages = false, []string{"feed", "compute"}
	config.Symbols = func(context.Context, string) ([]string, error) { return []string{"KO", "NEVER"}, nil }
	done := make(chan error, 1)
	go func() {
		_, err := Run(ctx, config, log, nil, slog.New(slog.DiscardHandler))
		done <- err
	}()
	following, stop := context.WithCancel(ctx)
	go func() {
		_ = log.Follow(following, []string{kafka.Alerts}, func(_ string, _ int32, r kafka.Range) int64 { return r.Low }, func(_ string, records []kafka.Record) error {
			for i := range records {
				fired <- string(records[i].Key)
			}
			return nil
		})
	}()
	select {
	case symbol := <-fired:
		if symbol != "KO" {
			t.Errorf("it fires for %s", symbol)
		}
	case <-ctx.Done():
		t.Error("it never fires")
	}
	stop()
	cancel()
	if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
