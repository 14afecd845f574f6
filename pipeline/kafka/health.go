package kafka

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// health turns what librdkafka's clients complain about into one sentence on
// the connection, and finds out when the trouble is over.
type health struct {
	tell func(string) // may be nil
	log  *slog.Logger
	ping func(context.Context) error
	lost func(ctx context.Context, addr string) bool // of a broker that is away: the cluster counts on it, and it cannot be reached

	ctx    context.Context // ends with the client
	cancel context.CancelFunc
	wait   sync.WaitGroup

	mu      sync.Mutex
	trouble string
	cause   bool            // trouble says why, not only that a broker is away
	away    map[string]bool // addresses of brokers that hung up
	probing bool
}

// probeEvery is how often a connection in trouble is tried.
const probeEvery = time.Second

func newHealth(tell func(string), log *slog.Logger, ping func(context.Context) error, lost func(context.Context, string) bool) *health {
	h := &health{tell: tell, log: log, ping: ping, lost: lost, away: make(map[string]bool)}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h
}

func (h *health) close() {
	h.mu.Lock()
	h.probing = true // no probe starts from here on
	h.mu.Unlock()
	h.cancel()
	h.wait.Wait()
}

func (h *health) sentence() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.trouble
}

// report takes in an error that a client raised by itself.
func (h *health) report(err kafka.Error) {
	s := troubleSentence(err)
	if s == "" {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ctx.Err() != nil {
		return
	}
	away := strings.HasSuffix(s, awayWords)
	if m := brokerName.FindStringSubmatch(err.String()); away && m != nil {
		h.away[m[1]] = true
	}
	if !away || !h.cause {
		h.cause = !away
		h.say(s)
	}
	if !h.probing {
		h.probing = true
		h.wait.Go(h.probe)
	}
}

// say notes the sentence and passes it on when it is new. The caller holds mu.
func (h *health) say(s string) {
	if s == h.trouble {
		return
	}
	if s == "" {
		h.log.Info("kafka: connected again")
	} else {
		h.log.Warn("kafka: " + s)
	}
	h.trouble = s
	if h.tell != nil {
		h.tell(s)
	}
}

// probe asks for a sign of life until there is one, and every broker that hung
// up is back, or the cluster does without it: then it says itself that it is away.
func (h *health) probe() {
	for sleep(h.ctx, probeEvery) == nil {
		if !h.well() {
			continue
		}
		h.mu.Lock()
		if len(h.away) > 0 { // one more meanwhile
			h.mu.Unlock()
			continue
		}
		h.probing, h.cause = false, false
		h.say("")
		h.mu.Unlock()
		return
	}
}

// well tries the connection once.
func (h *health) well() bool {
	ctx, cancel := context.WithTimeout(h.ctx, 2*time.Second)
	defer cancel()
	if h.ping(ctx) != nil {
		return false
	}
	h.mu.Lock()
	away := slices.Collect(maps.Keys(h.away))
	h.mu.Unlock()
	for _, addr := range away {
		if h.lost(ctx, addr) {
			return false
		}
		h.mu.Lock()
		delete(h.away, addr)
		h.mu.Unlock()
	}
	return true
}

// awayWords end the sentences that only say that something is away, not why.
const awayWords = " away, retrying"

// brokerName finds the address in librdkafka's messages, which begin
// "sasl_plaintext://127.0.0.1:9092/bootstrap: …" or "127.0.0.1:9092/1: …".
var brokerName = regexp.MustCompile(`(?:[a-z_]+://)?([A-Za-z0-9_.\-\[\]:]+:\d+)/`)

// troubleSentence says what err means to whoever reads a status line; empty:
// nothing to say.
func troubleSentence(err kafka.Error) string {
	broker := "the broker"
	if m := brokerName.FindStringSubmatch(err.String()); m != nil {
		broker = "broker " + m[1]
	}
	switch err.Code() {
	case kafka.ErrTransport:
		if strings.Contains(err.String(), "SASL authentication error") { // the embedded broker hangs up on strangers
			return broker + " refuses the credentials; check kafka.security"
		}
		return broker + awayWords
	case kafka.ErrAllBrokersDown:
		return "every broker" + awayWords
	case kafka.ErrResolve:
		return "the name of " + broker + " cannot be resolved, retrying; check kafka.brokers and DNS"
	case kafka.ErrAuthentication, kafka.ErrSaslAuthenticationFailed:
		return broker + " refuses the credentials; check kafka.security"
	case kafka.ErrSsl:
		return "no secure connection to " + broker + "; check kafka.security.ca and the broker's certificate"
	case kafka.ErrTopicAuthorizationFailed, kafka.ErrGroupAuthorizationFailed, kafka.ErrClusterAuthorizationFailed:
		return "the user may not do this on the cluster; check its ACLs (" + err.String() + ")"
	case kafka.ErrTimedOut, kafka.ErrTimedOutQueue, kafka.ErrMaxPollExceeded, kafka.ErrPartitionEOF, kafka.ErrNoError:
		return ""
	case kafka.ErrFencedInstanceID:
		return "another process has taken this instance's place in the group"
	}
	if err.IsFatal() {
		return "the log client failed: " + err.String()
	}
	return ""
}

// plain makes an error of librdkafka readable where a sentence is known.
func plain(err error) error {
	e, ok := errors.AsType[kafka.Error](err)
	if !ok {
		return err
	}
	switch e.Code() {
	case kafka.ErrTransport, kafka.ErrAllBrokersDown, kafka.ErrResolve, kafka.ErrAuthentication, kafka.ErrSsl:
		return &plainError{strings.TrimSuffix(troubleSentence(e), ", retrying"), err}
	case kafka.ErrTimedOut, kafka.ErrTimedOutQueue:
		return &plainError{ErrNoAnswer.Error(), errors.Join(ErrNoAnswer, err)}
	}
	return err
}

// plainError is an error in our words with its cause.
type plainError struct {
	words string
	cause error
}

func (e *plainError) Error() string { return e.words }
func (e *plainError) Unwrap() error { return e.cause }
