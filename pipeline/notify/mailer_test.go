package notify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tapedeck/pipeline/market"
)

// inbox is a target that keeps what it is sent, after failing as often as told.
type inbox struct {
	mu       sync.Mutex
	messages []*Message
	tries    int
	fail     func(try int) error
}

func (b *inbox) Send(_ context.Context, m *Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tries++
	if b.fail != nil {
		if err := b.fail(b.tries); err != nil {
			return err
		}
	}
	b.messages = append(b.messages, m)
	return nil
}

func alertOf(rule, symbol string, n int) market.Alert {
	return market.Alert{ID: fmt.Sprintf("%s-%s-%d", rule, symbol, n), Symbol: symbol, Rule: rule, State: market.Firing, Severity: market.Warning,
		Time: market.Time(1763642400000000 + n), Value: -0.034, Threshold: -0.03, Message: symbol + " fell 3.4 % in 5 minutes to 171.20", Revision: 1}
}

// running makes a mailer that runs until the test ends.
func running(t *testing.T, target Target, c MailerConfig) *Mailer {
	m := NewMailer(target, c)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = m.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return m
}

func TestManyAlertsOfARuleAreOneMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := &inbox{}
		m := running(t, box, MailerConfig{Window: 2 * time.Second})
		var wg sync.WaitGroup
		start := time.Now()
		for i := range 300 {
			wg.Go(func() {
				if err := m.Deliver(t.Context(), []market.Alert{alertOf("price drop", fmt.Sprintf("S%d", i), i)}, nil); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Go(func() { _ = m.Deliver(t.Context(), []market.Alert{alertOf("price jump", "UP", 1)}, nil) })
		wg.Wait()
		if len(box.messages) != 2 || len(box.messages[0].Alerts)+len(box.messages[1].Alerts) != 301 {
			t.Errorf("%d messages", len(box.messages))
		}
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

func TestATargetThatIsAwayIsTriedAgainWithGrowingPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := &inbox{fail: func(try int) error {
			if try < 8 {
				return errors.New("away")
			}
			return nil
		}}
		failures := 0
		m := running(t, box, MailerConfig{OnFailed: func(*Message, error) { failures++ }})
		start := time.Now()
		if err := m.Deliver(t.Context(), []market.Alert{alertOf("r", "A", 1)}, nil); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); failures != 7 || took < 7*250*time.Millisecond || took > 2*time.Minute {
			t.Errorf("%d failures in %s", failures, took)
		}
	})
}

func TestARefusedMessageIsGivenUpAndSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := &inbox{fail: func(int) error { return fmt.Errorf("it is: %w", ErrRefused) }}
		refused := 0
		m := running(t, box, MailerConfig{OnRefuse: func(m *Message, _ error) { refused += len(m.Alerts) }})
		if err := m.Deliver(t.Context(), []market.Alert{alertOf("r", "A", 1)}, nil); err != nil || refused != 1 || box.tries != tries {
			t.Errorf("%v, %d refused after %d tries", err, refused, box.tries)
		}
	})
}

// Who goes before the target has answered takes the alerts along.
func TestDeliverEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := true
		box := &inbox{fail: func(int) error {
			if away {
				return errors.New("away")
			}
			return nil
		}}
		m := running(t, box, MailerConfig{})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		var other error
		var wg sync.WaitGroup
		wg.Go(func() { other = m.Deliver(t.Context(), []market.Alert{alertOf("r", "B", 2)}, nil) })
		if err := m.Deliver(ctx, []market.Alert{alertOf("r", "A", 1)}, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the error is %v", err)
		}
		box.mu.Lock()
		away = false
		box.mu.Unlock()
		wg.Wait()
		if other != nil || len(box.messages) != 1 || box.messages[0].Alerts[0].Symbol != "B" || m.Waiting() != 0 {
			t.Errorf("%v, %+v, %d waiting", other, box.messages, m.Waiting())
		}
	})
}

func TestRateGathersWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := &inbox{}
		m := running(t, box, MailerConfig{Rate: 1, Burst: 2})
		start := time.Now()
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() { _ = m.Deliver(t.Context(), []market.Alert{alertOf("r", "A", i)}, nil) })
			time.Sleep(100 * time.Millisecond)
		}
		wg.Wait()
		if n := len(box.messages); n < 10 || n > 13 {
			t.Errorf("%d messages in %s", n, time.Since(start))
		}
	})
}

func TestDrainSendsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := &inbox{}
		m := running(t, box, MailerConfig{Window: time.Hour})
		start := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() { _ = m.Deliver(t.Context(), []market.Alert{alertOf("r", "A", 1)}, nil) })
		synctest.Wait()
		m.Drain()
		wg.Wait()
		if time.Since(start) != 0 || len(box.messages) != 1 {
			t.Errorf("%d messages after %s", len(box.messages), time.Since(start))
		}
	})
}

// An answer is recorded before anything else is sent, for every caller whose
// alerts were in the message, and by the places of these.
func TestAnswersAreRecordedBeforeMoreIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := &inbox{}
		m := running(t, box, MailerConfig{Window: time.Second, Most: 3})
		sent := func() int {
			box.mu.Lock()
			defer box.mu.Unlock()
			return len(box.messages)
		}
		var mu sync.Mutex
		var said []string
		var wg sync.WaitGroup
		for _, who := range []string{"A", "B"} {
			alerts := []market.Alert{alertOf("r", who, 1), alertOf("other", who, 2), alertOf("r", who, 3)}
			wg.Go(func() {
				if err := m.Deliver(t.Context(), alerts, func(places []int) {
					before := sent()
					time.Sleep(time.Minute)
					mu.Lock()
					defer mu.Unlock()
					if sent() != before {
						t.Error("more was sent before the answer was recorded")
					}
					said = append(said, fmt.Sprint(who, places))
				}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		all := strings.Join(said, " ")
		if n := strings.Count(all, "A["); n < 2 || strings.Count(all, "B[") < 2 || !strings.Contains(all, "A[1]") || !strings.Contains(all, "B[1]") {
			t.Errorf("recorded were %s", all)
		}
	})
}
