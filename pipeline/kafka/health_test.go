package kafka

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

func TestTroubleSentence(t *testing.T) {
	for _, tc := range []struct {
		code kafka.ErrorCode
		text string
		want string
	}{
		{kafka.ErrTransport, "sasl_plaintext://127.0.0.1:9092/bootstrap: Connect to ipv4#127.0.0.1:9092 failed: Connection refused", "broker 127.0.0.1:9092 away, retrying"},
		{kafka.ErrTransport, "b-1.example.com:9096/1: Disconnected", "broker b-1.example.com:9096 away, retrying"},
		{kafka.ErrTransport, "127.0.0.1:1/1: SASL authentication error: SaslAuthenticateRequest failed", "broker 127.0.0.1:1 refuses the credentials; check kafka.security"},
		{kafka.ErrAllBrokersDown, "1/1 brokers are down", "every broker away, retrying"},
		{kafka.ErrAuthentication, "ssl://b:1/1: no", "broker b:1 refuses the credentials; check kafka.security"},
		{kafka.ErrResolve, "nowhere:9092/bootstrap: Failed to resolve", "the name of broker nowhere:9092 cannot be resolved, retrying; check kafka.brokers and DNS"},
		{kafka.ErrSsl, "ssl://b:1/1: certificate verify failed", "no secure connection to broker b:1; check kafka.security.ca and the broker's certificate"},
		{kafka.ErrTimedOut, "slow", ""},
		{kafka.ErrUnknown, "whatever", ""},
	} {
		if got := troubleSentence(kafka.NewError(tc.code, tc.text, false)); got != tc.want {
			t.Errorf("%q: %q, want %q", tc.text, got, tc.want)
		}
	}
	if got := troubleSentence(kafka.NewError(kafka.ErrUnknown, "sequence lost", true)); got == "" {
		t.Error("a fatal error has no sentence")
	}
}

// TestHealth: trouble is told once, its cause is not covered by its
// consequence, and its end is found out.
func TestHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		tries := 0
		h := newHealth(func(s string) { told = append(told, s) }, discard, func(context.Context) error {
			if tries++; tries < 3 {
				return errors.New("still away")
			}
			return nil
		}, func(context.Context, string) bool { return false })
		defer h.close()
		for range 3 {
			h.report(kafka.NewError(kafka.ErrTransport, "a:1/1: gone", false))
		}
		h.report(kafka.NewError(kafka.ErrAuthentication, "a:1/1: no", false))
		h.report(kafka.NewError(kafka.ErrAllBrokersDown, "1/1 down", false))
		if h.sentence() != "broker a:1 refuses the credentials; check kafka.security" {
			t.Errorf("sentence %q", h.sentence())
		}
		synctest.Wait()
		_ = sleep(t.Context(), 10*probeEvery)
		synctest.Wait()
		want := []string{"broker a:1 away, retrying", "broker a:1 refuses the credentials; check kafka.security", ""}
		if !slices.Equal(told, want) || tries != 3 || h.sentence() != "" {
			t.Errorf("told %q after %d tries", told, tries)
		}
	})
}

// TestHealthOfOneBroker: while the cluster counts on a broker that cannot be
// reached from here, its being away is said all the while, once, although
// others answer.
func TestHealthOfOneBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		looks := 0
		h := newHealth(func(s string) { told = append(told, s) }, discard, func(context.Context) error { return nil },
			func(_ context.Context, addr string) bool { looks++; return addr == "a:1" && looks < 5 })
		defer h.close()
		h.report(kafka.NewError(kafka.ErrTransport, "a:1/1: gone", false))
		_ = sleep(t.Context(), 3*probeEvery)
		h.report(kafka.NewError(kafka.ErrTransport, "a:1/1: gone again", false))
		synctest.Wait()
		if h.sentence() != "broker a:1 away, retrying" {
			t.Errorf("sentence %q", h.sentence())
		}
		_ = sleep(t.Context(), 10*probeEvery)
		synctest.Wait()
		if want := []string{"broker a:1 away, retrying", ""}; !slices.Equal(told, want) || looks != 5 {
			t.Errorf("told %q after %d looks", told, looks)
		}
	})
}
