package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/market"
	"tapedeck/pipeline/notify"
)

// mailbox is a target that counts what it is sent, by identity.
type mailbox struct {
	mu   sync.Mutex
	got  map[string]int
	sent int
	away bool
	// leave, if set, is after how many different alerts it is away.
	leave int
	// full, if set, is closed when so many different alerts have come.
	goal int
	full chan struct{}
}

func newMailbox(goal int) *mailbox {
	return &mailbox{got: map[string]int{}, goal: goal, full: make(chan struct{})}
}

func (b *mailbox) Send(_ context.Context, m *notify.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.away {
		return errors.New("away")
	}
	b.sent++
	before := len(b.got)
	for i := range m.Alerts {
		b.got[m.Alerts[i].ID]++
	}
	if b.leave > 0 && len(b.got) >= b.leave {
		b.away = true
	}
	if before < b.goal && len(b.got) >= b.goal {
		close(b.full)
	}
	return nil
}

// tell runs the stage notify alone until every box is full.
func tell(t testing.TB, log *kafka.Client, targets []Notify, boxes ...*mailbox) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	config := Config{Stages: []string{"notify"}, Instance: "test", Notify: targets, MergeEvery: time.Hour}
	go func() {
		_, err := Run(ctx, config, log, &memoryLake{}, slog.New(slog.DiscardHandler))
		done <- err
	}()
	for _, box := range boxes {
		select {
		case <-box.full:
		case err := <-done:
			t.Fatal(err)
		case <-time.After(40 * time.Second):
			t.Fatalf("only %d of %d alerts came", len(box.got), box.goal)
		}
	}
	cancel()
	if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

// raise writes alerts from..to, each for the named targets.
func raise(t testing.TB, log *kafka.Client, from, to int, targets ...string) {
	t.Helper()
	producer, err := log.NewProducer()
	if err != nil {
		t.Fatal(err)
	}
	for i := from; i < to; i++ {
		a := market.Alert{ID: fmt.Sprintf("alert-%d", i), Symbol: fmt.Sprintf("S%d", i%500), Time: market.Time(1763642400000000 + i), Rule: "price drop",
			State: market.Firing, Severity: market.Warning, Message: "it fell", Notify: targets}
		if err := producer.Produce(kafka.Alerts, -1, []byte(a.Symbol), market.EncodeAlert(&a)); err != nil {
			t.Fatal(err)
		}
	}
	if err := producer.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func quick(name string, box *mailbox) Notify {
	return Notify{Name: name, Target: box, Resolved: true,
		Manner: notify.MailerConfig{Window: 20 * time.Millisecond, FirstPause: 10 * time.Millisecond, MostPause: 50 * time.Millisecond}}
}

// A target that is away lags alone; what it missed it gets later, through a
// restart, and nothing is sent twice.
func TestTheLedgerOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	log := newLog(t)
	sns, page := newMailbox(400), newMailbox(0)
	raise(t, log, 0, 400, "sns", "page")
	page.away = true
	page.full = make(chan struct{})
	close(page.full)
	tell(t, log, []Notify{quick("sns", sns), quick("page", page)}, sns)
	if len(page.got) != 0 || sns.sent >= 400 {
		t.Errorf("page has %d, sns took %d messages", len(page.got), sns.sent)
	}
	raise(t, log, 400, 500, "sns", "page")
	raise(t, log, 0, 50, "sns", "page") // written again
	sns.goal, sns.full = 500, make(chan struct{})
	page = newMailbox(500)
	tell(t, log, []Notify{quick("sns", sns), quick("page", page)}, sns, page)
	for name, box := range map[string]*mailbox{"sns": sns, "page": page} {
		if len(box.got) != 500 {
			t.Errorf("%s has %d alerts", name, len(box.got))
		}
		for id, n := range box.got {
			if n != 1 {
				t.Errorf("%s got %s %d times", name, id, n)
			}
		}
	}
}

// What a rule does not send anywhere that is known goes to the log; a
// silenced alert goes nowhere.
func TestRoutesAndSilences(t *testing.T) {
	t.Parallel()
	log := newLog(t)
	producer, err := log.NewProducer()
	if err != nil {
		t.Fatal(err)
	}
	s := notify.Silence{ID: "s1", Match: map[string]string{"symbol": "S1?"}, Until: market.At(time.Now().Add(time.Hour)), By: "ann"}
	if err := producer.Produce(kafka.Rules, 0, []byte(notify.SilencePrefix+s.ID), notify.EncodeSilence(&s)); err != nil {
		t.Fatal(err)
	}
	if err := producer.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	raise(t, log, 0, 20)            // 10 of them silenced
	raise(t, log, 20, 25, "nobody") // not a target
	raise(t, log, 25, 30, "sns")
	file, sns := newMailbox(15), newMailbox(5)
	tell(t, log, []Notify{quick("log", file), quick("sns", sns)}, file, sns)
	if len(file.got) != 15 || len(sns.got) != 5 || file.got["alert-12"] != 0 || file.got["alert-22"] != 1 || sns.got["alert-27"] != 1 {
		t.Errorf("log %v, sns %v", file.got, sns.got)
	}
	book, err := openRuleBook(t.Context(), log, nil, nil, slog.New(slog.DiscardHandler))
	if err != nil || len(book.edits) != 0 || len(book.rules) != 0 {
		t.Errorf("a silence was taken for a rule: %v %+v", err, book)
	}
}

// A burst of 100,000 alerts through the stage, to a target that answers at once.
func BenchmarkNotifyBurst(b *testing.B) {
	const burst = 100_000
	for range b.N {
		b.StopTimer()
		log := newLog(b)
		raise(b, log, 0, burst, "sns")
		box := newMailbox(burst)
		b.StartTimer()
		tell(b, log, []Notify{quick("sns", box)}, box)
		b.ReportMetric(float64(box.sent), "messages")
	}
	b.ReportMetric(burst*float64(b.N)/b.Elapsed().Seconds(), "alerts/s")
}
