package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/market"
	"tapedeck/pipeline/notify"
)

// teller is a victim that takes alerts of its own log to SNS until it is killed.
type teller struct {
	Endpoint string
	Most     int // alerts in a message
}

func (l life) tell() error {
	log, closeLog, err := openLog(context.Background(), filepath.Join(l.Dir, "log"))
	if err != nil {
		return err
	}
	defer closeLog()
	sns, err := notify.OpenSNS(context.Background(), notify.SNSConfig{Topic: "arn:aws:sns:eu-central-1:123456789012:alerts", Endpoint: l.Tell.Endpoint})
	if err != nil {
		return err
	}
	config := Config{Stages: []string{"notify"}, Instance: "test", MergeEvery: time.Hour, Notify: []Notify{{Name: "sns", Target: sns,
		Manner: notify.MailerConfig{Window: 2 * time.Millisecond, Most: l.Tell.Most, FirstPause: 10 * time.Millisecond}}}}
	_, err = Run(context.Background(), config, log, &memoryLake{}, slog.New(slog.DiscardHandler))
	return err
}

// subscriber is a server that speaks the SNS API and notes what was published
// in which life of the publisher, in order.
type subscriber struct {
	*httptest.Server
	random *rand.Rand // of the server's goroutine

	mu     sync.Mutex
	life   int
	lives  [][][]string        // by life and message: the symbols
	got    map[string]struct{} // symbols
	came   chan struct{}       // after each message
	answer time.Duration       // at most, on one side of the message or the other
}

func newSubscriber(t *testing.T) *subscriber {
	s := &subscriber{random: rand.New(rand.NewPCG(uint64(os.Getpid()), 5)), got: map[string]struct{}{}, came: make(chan struct{}, 10_000), lives: [][][]string{nil}, answer: 4 * time.Millisecond}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		form, formErr := url.ParseQuery(string(body))
		if err != nil || formErr != nil || form.Get("Action") != "Publish" {
			return // cut off
		}
		var symbols []string
		for i := 1; i < 20; i++ {
			entry := fmt.Sprintf("MessageAttributes.entry.%d.", i)
			if form.Get(entry+"Name") != "symbol" {
				continue
			}
			value := form.Get(entry + "Value.StringValue")
			if json.Unmarshal([]byte(value), &symbols) != nil {
				symbols = []string{value}
			}
		}
		s.mu.Lock()
		s.lives[s.life] = append(s.lives[s.life], symbols)
		for _, symbol := range symbols {
			s.got[symbol] = struct{}{}
		}
		wait := time.Duration(s.random.Int64N(int64(s.answer)))
		s.mu.Unlock()
		s.came <- struct{}{}
		select { // so that some lives end before the answer, and some soon after it
		case <-r.Context().Done():
		case <-time.After(wait):
		}
		w.Header().Set("Content-Type", "text/xml")
		fmt.Fprint(w, `<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>94f20ce6</MessageId></PublishResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></PublishResponse>`)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *subscriber) next() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.life++
	s.lives = append(s.lives, nil)
}

func (s *subscriber) have() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.got)
}

// A stage that is killed again and again tells every alert; one is told twice
// only where the stage died between the target's answer and its record: it was
// in the last message of a life, and there are no more such messages than kills.
func TestEveryAlertIsToldThroughKills(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	for name, most := range map[string]int{"each alone": 1, "several in a message": 7} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const alerts = 450
			dir, server := t.TempDir(), newSubscriber(t)
			log, closeLog, err := openLog(t.Context(), filepath.Join(dir, "log"))
			if err != nil {
				t.Fatal(err)
			}
			raise(t, log, 0, alerts, "sns")
			closeLog()
			text, err := json.Marshal(life{Dir: dir, Tell: &teller{server.URL, most}})
			if err != nil {
				t.Fatal(err)
			}
			begin := func() (*exec.Cmd, chan error) {
				cmd := exec.CommandContext(t.Context(), os.Args[0])
				cmd.Env = append(os.Environ(), victimOf+"="+string(text), "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test",
					"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=none", "AWS_SHARED_CREDENTIALS_FILE=none")
				cmd.Stderr = os.Stderr
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				ended := make(chan error, 1)
				go func() { ended <- cmd.Wait() }()
				return cmd, ended
			}
			random := rand.New(rand.NewPCG(uint64(os.Getpid()), uint64(most)))
			limit, kills := time.After(3*time.Minute), 0
			wait := func(ended chan error) {
				select {
				case <-server.came:
				case err := <-ended:
					t.Fatalf("it ended by itself: %v", err)
				case <-limit:
					t.Fatalf("%d of %d alerts came in %d lives", server.have(), alerts, kills+1)
				}
			}
			for ; kills < environment("TAPEDECK_TEST_CRASH", 5); kills++ {
				cmd, ended := begin()
				for n := random.IntN(60/most) + 1; n > 0 && server.have() < alerts; n-- {
					wait(ended)
				}
				select {
				case <-time.After(time.Duration(random.Int64N(int64(6 * time.Millisecond)))):
				case <-limit:
				}
				_ = cmd.Process.Kill()
				<-ended
				server.next()
				for len(server.came) > 0 {
					<-server.came
				}
				if server.have() == alerts {
					kills++
					break
				}
			}
			cmd, ended := begin()
			for server.have() < alerts {
				wait(ended)
			}
			_ = cmd.Process.Kill()
			<-ended

			last := map[string][2]int{} // where a symbol was told last
			for l, messages := range server.lives {
				for k, symbols := range messages {
					for _, symbol := range symbols {
						last[symbol] = [2]int{l, k}
					}
				}
			}
			repeats, again, sent := 0, 0, 0
			for l, messages := range server.lives {
				for k, symbols := range messages {
					sent++
					repeated := 0
					for _, symbol := range symbols {
						if last[symbol] != [2]int{l, k} {
							repeated++
						}
					}
					if repeated == 0 {
						continue
					}
					repeats++
					again += repeated
					if k != len(messages)-1 {
						t.Errorf("message %d of %d of life %d was told again: %s", k+1, len(messages), l+1, strings.Join(symbols, " "))
					}
				}
			}
			if repeats > kills {
				t.Errorf("%d messages were repeated in %d kills", repeats, kills)
			}
			if len(last) != alerts {
				t.Errorf("%d of %d alerts were told", len(last), alerts)
			}
			t.Logf("%d kills: %d alerts in %d messages, %d of which were told again with %d alerts", kills, alerts, sent, repeats, again)
		})
	}
}

// An orderly end in the midst of a batch repeats nothing, though the target
// takes no more then.
func TestAnOrderlyEndRepeatsNothing(t *testing.T) {
	t.Parallel()
	log := newLog(t)
	raise(t, log, 0, 200, "sns")
	box := newMailbox(37)
	box.leave = 37
	one := quick("sns", box)
	one.Manner.Most, one.Manner.Window = 1, 0
	tell(t, log, []Notify{one}, box)
	box.away, box.leave = false, 0
	if len(box.got) != 37 {
		t.Fatalf("%d came before the end", len(box.got))
	}
	box.goal, box.full = 200, make(chan struct{})
	tell(t, log, []Notify{one}, box)
	for id, n := range box.got {
		if n != 1 {
			t.Errorf("%s came %d times", id, n)
		}
	}
}

// What the ledger's note tells of is not sent again, and a new batch that ends
// before it does not forget it.
func TestTheNoteOfTheLedgerHolds(t *testing.T) {
	t.Parallel()
	log := newLog(t)
	raise(t, log, 0, 12, "sns")
	ranges, err := log.Offsets(t.Context(), kafka.Alerts)
	if err != nil {
		t.Fatal(err)
	}
	partition := int32(0)
	for p := range ranges {
		if ranges[p].High > ranges[partition].High {
			partition = int32(p)
		}
	}
	box := newMailbox(0)
	mailer := notify.NewMailer(box, notify.MailerConfig{Most: 1})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { _ = mailer.Run(ctx) }()
	r := &runner{log: log, slog: slog.New(slog.DiscardHandler), progress: newProgress(), started: time.Now()}
	n := &notifying{telling: &telling{runner: r, Notify: quick("sns", box), group: "notify-sns", status: r.newStatus("notify sns"), mailer: mailer, known: []string{"sns"},
		silences: &notify.Silences{}}, partition: partition, position: &atomic.Int64{}}
	end := ranges[partition].High
	n.answered = newAnswered(0, end)
	n.answered.add(end - 1)
	var noted []int64
	n.Keep(func(offset int64, note string) error {
		noted = append(noted, offset)
		if a := readAnswered(offset, note); offset < end-1 && !a.has(end-1) {
			t.Errorf("at %d the note has forgotten %d", offset, end-1)
		}
		return nil
	})
	process := func(from, to int64) {
		t.Helper()
		err := log.Read(t.Context(), kafka.Alerts, partition, from, to, func(records []kafka.Record) error { return n.Process(t.Context(), records) })
		if err != nil {
			t.Fatal(err)
		}
	}
	process(0, 1)
	if a := readAnswered(1, n.Note(1)); !a.has(end-1) && end > 2 {
		t.Error("the group's own commit has forgotten the note")
	}
	process(1, end)
	if len(box.got) != int(end-1) || len(noted) != int(end-1) {
		t.Errorf("%d of %d alerts were sent, %d answers noted", len(box.got), end, len(noted))
	}
	var a market.Alert
	if err := log.Read(t.Context(), kafka.Alerts, partition, end-1, end, func(records []kafka.Record) error { return market.DecodeAlert(records[0].Value, &a) }); err != nil {
		t.Fatal(err)
	}
	if box.got[a.ID] != 0 || !n.ids.has(a.ID) {
		t.Error("what was answered for is sent again, or not remembered")
	}
}
