package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tapedeck/pipeline/market"
)

// snsServer speaks the query API of SNS: what the real SDK sends, and the
// answers that it understands.
type snsServer struct {
	*httptest.Server
	requests []url.Values
	answer   func(n int) (status int, code string) // nil or "" is success
}

func newSNSServer(t *testing.T) *snsServer {
	s := &snsServer{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, err := url.ParseQuery(string(body))
		if err != nil || form.Get("Action") != "Publish" || !strings.Contains(r.Header.Get("Authorization"), "/eu-central-1/sns/aws4_request") {
			t.Errorf("%s %s", r.Header.Get("Authorization"), body)
		}
		s.requests = append(s.requests, form)
		w.Header().Set("Content-Type", "text/xml")
		if s.answer != nil {
			if status, code := s.answer(len(s.requests)); code != "" {
				w.WriteHeader(status)
				fmt.Fprintf(w, `<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type><Code>%s</Code><Message>no</Message></Error><RequestId>1</RequestId></ErrorResponse>`, code)
				return
			}
		}
		fmt.Fprint(w, `<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>94f20ce6</MessageId></PublishResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></PublishResponse>`)
	}))
	t.Cleanup(s.Close)
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", "none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "none")
	return s
}

// attribute finds a message attribute by name.
func attribute(form url.Values, name string) (kind, value string) {
	for i := 1; i < 20; i++ {
		entry := fmt.Sprintf("MessageAttributes.entry.%d.", i)
		if form.Get(entry+"Name") == name {
			return form.Get(entry + "Value.DataType"), form.Get(entry + "Value.StringValue")
		}
	}
	return "", ""
}

func TestSNS(t *testing.T) {
	server := newSNSServer(t)
	target, err := OpenSNS(t.Context(), SNSConfig{Topic: "arn:aws:sns:eu-central-1:123456789012:alerts", Endpoint: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	one := alertOf("price drop", "NVDA", 1)
	one.Message = "NVDA “fell” 3.4 % in 5 minutes – to 171.20\n" + strings.Repeat("x", 200)
	if err := target.Send(t.Context(), NewMessage([]market.Alert{one})); err != nil {
		t.Fatal(err)
	}
	form := server.requests[0]
	subject := form.Get("Subject")
	if !strings.HasPrefix(subject, `[warning] NVDA "fell" 3.4 % in 5 minutes - to 171.20 xx`) || len(subject) > 100 || form.Get("MessageGroupId") != "" {
		t.Errorf("%d: %s", len(subject), subject)
	}
	for name, want := range map[string]string{"severity": "warning", "state": "firing", "rule": "price drop", "symbol": "NVDA", "count": "1"} {
		if _, value := attribute(form, name); value != want {
			t.Errorf("%s is %q", name, value)
		}
	}
	if text := form.Get("Message"); !strings.Contains(text, "Rule       price drop (revision 1)\n") || !strings.Contains(text, "Time       2025-11-20 12:40:00 UTC\n") {
		t.Error(text)
	}

	fifo, err := OpenSNS(t.Context(), SNSConfig{Topic: "arn:aws:sns:eu-central-1:123456789012:alerts.fifo", Endpoint: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	several := []market.Alert{alertOf("price drop", "NVDA", 1), alertOf("price drop", "KO", 2)}
	for range 2 {
		several[0], several[1] = several[1], several[0]
		if err := fifo.Send(t.Context(), NewMessage(several)); err != nil {
			t.Fatal(err)
		}
	}
	first, second := server.requests[1], server.requests[2]
	if id := first.Get("MessageDeduplicationId"); id == "" || id != second.Get("MessageDeduplicationId") || first.Get("MessageGroupId") != "price-drop" {
		t.Errorf("ids %q and %q, group %q", id, second.Get("MessageDeduplicationId"), first.Get("MessageGroupId"))
	}
	if kind, value := attribute(first, "symbol"); kind != "String.Array" || value != `["NVDA","KO"]` {
		t.Errorf("symbol is %s %s", kind, value)
	}
	if err := fifo.Send(t.Context(), NewMessage(several[:1])); err != nil || server.requests[3].Get("MessageDeduplicationId") != token(several[0].ID) {
		t.Errorf("%v, %q", err, server.requests[3].Get("MessageDeduplicationId"))
	}
}

func TestSNSFailuresAreToldApart(t *testing.T) {
	server := newSNSServer(t)
	server.answer = func(n int) (int, string) {
		return []int{0, 400, 503, 403}[n], []string{"", "InvalidParameter", "ServiceUnavailable", "AuthorizationError"}[n]
	}
	target, err := OpenSNS(t.Context(), SNSConfig{Topic: "arn:aws:sns:eu-central-1:123456789012:alerts", Endpoint: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	for n, refused := range []bool{true, false, false} {
		if err := target.Send(t.Context(), NewMessage([]market.Alert{alertOf("r", "A", 1)})); err == nil || errors.Is(err, ErrRefused) != refused {
			t.Errorf("answer %d: %v", n+1, err)
		}
	}
	if len(server.requests) != 3 {
		t.Errorf("%d requests: the SDK tries again by itself", len(server.requests))
	}
	if _, err := OpenSNS(t.Context(), SNSConfig{Topic: "alerts"}); err == nil || !strings.Contains(err.Error(), "ARN") {
		t.Errorf("the error is %v", err)
	}
}

// A thousand alerts are within what SNS takes: 256 KB with all attributes.
func TestTheLargestMessageFitsIntoSNS(t *testing.T) {
	server := newSNSServer(t)
	target, err := OpenSNS(t.Context(), SNSConfig{Topic: "arn:aws:sns:eu-central-1:123456789012:alerts", Endpoint: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	var alerts []market.Alert
	for i := range 1000 {
		alerts = append(alerts, alertOf(fmt.Sprintf("rule %d", i), fmt.Sprintf("SYM%d", i), i))
		alerts[i].Message = strings.Repeat("é", 5000)
	}
	if err := target.Send(t.Context(), NewMessage(alerts)); err != nil {
		t.Fatal(err)
	}
	size := 0
	for key, values := range server.requests[0] {
		if strings.HasPrefix(key, "Message") {
			size += len(values[0])
		}
	}
	if size > 256<<10 {
		t.Errorf("%d bytes", size)
	}
}

func TestWebhook(t *testing.T) {
	status := http.StatusOK
	var got struct {
		ID     string
		Count  int
		Alerts []struct{ Symbol string }
	}
	var signature string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		signature = r.Header.Get(SignatureHeader)
		w.WriteHeader(status)
	}))
	defer server.Close()
	hook := &Webhook{URL: server.URL, Secret: "s"}
	m := NewMessage([]market.Alert{alertOf("r", "A", 1), alertOf("r", "B", 2)})
	if err := hook.Send(t.Context(), m); err != nil || got.Count != 2 || got.Alerts[1].Symbol != "B" || !strings.HasPrefix(signature, "sha256=") || len(signature) != 71 {
		t.Errorf("%v, %+v, %s", err, got, signature)
	}
	for status = range map[int]bool{400: true, 404: false, 500: false} {
		if err := hook.Send(t.Context(), m); err == nil || errors.Is(err, ErrRefused) != (status == 400) {
			t.Errorf("%d: %v", status, err)
		}
	}
}

func TestCommand(t *testing.T) {
	out := filepath.Join(t.TempDir(), "alert.json")
	m := NewMessage([]market.Alert{alertOf("r", "A;rm -rf x", 1)})
	if err := (&Command{Argv: []string{"tee", out}}).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(out); err != nil || string(data) != string(m.JSON()) {
		t.Errorf("%v, %s", err, data)
	}
	if err := (&Command{Argv: []string{"ls", filepath.Join(out, "none")}}).Send(t.Context(), m); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("the error is %v", err)
	}
	if err := (&Command{Argv: []string{"sleep", "60"}, Timeout: 20 * time.Millisecond}).Send(t.Context(), m); err == nil || !strings.Contains(err.Error(), "did not end within 20ms") {
		t.Errorf("the error is %v", err)
	}
}

func TestFileIsPutAside(t *testing.T) {
	f := &File{Path: filepath.Join(t.TempDir(), "alerts.log"), Limit: 100}
	for i := range 3 {
		if err := f.Send(context.Background(), NewMessage([]market.Alert{alertOf("r", "A", i)})); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{f.Path, f.Path + ".1"} {
		data, err := os.ReadFile(name)
		var a market.Alert
		if err != nil || market.DecodeAlert([]byte(strings.TrimSpace(string(data))), &a) != nil {
			t.Errorf("%v, %s", err, data)
		}
	}
}

func TestSubjectsReadWell(t *testing.T) {
	drop := func(n int) (list []market.Alert) {
		for i := range n {
			list = append(list, alertOf("price drop", []string{"NVDA", "AAPL", "MSFT", "KO"}[i%4], i))
		}
		return list
	}
	over := alertOf("price drop", "NVDA", 1)
	over.State, over.Message = market.Resolved, "NVDA “price drop” is over, at 172.10"
	for want, alerts := range map[string][]market.Alert{
		"[warning] NVDA fell 3.4 % in 5 minutes to 171.20":         drop(1),
		"[warning] price drop: 2 alerts (NVDA, AAPL)":              drop(2),
		"[warning] price drop: 300 alerts (NVDA, AAPL, MSFT, ...)": drop(300),
		"[resolved] NVDA “price drop” is over, at 172.10":          {over},
		"[resolved] price drop: 2 alerts (NVDA, ...)":              {over, over},
		"[warning] 2 rules: 2 alerts (NVDA, ...)":                  {alertOf("a", "NVDA", 1), alertOf("b", "NVDA", 2)},
	} {
		if got := NewMessage(alerts).Subject; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if text := NewMessage(drop(300)).Text; !strings.HasSuffix(text, "and 200 more\n") {
		t.Error(text)
	}
}

func TestSilences(t *testing.T) {
	var book Silences
	now := time.Unix(1763642400, 0)
	s := Silence{ID: "a1", Match: map[string]string{"rule": "price *", "symbol": "NV*"}, Until: market.At(now.Add(time.Hour)), By: "ann", Edited: market.At(now)}
	if ok, err := book.Take([]byte("silence/a1"), EncodeSilence(&s)); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if ok, _ := book.Take([]byte("price drop"), nil); ok {
		t.Error("a rule was taken for a silence")
	}
	hit, miss := alertOf("price drop", "NVDA", 1), alertOf("price drop", "KO", 1)
	if by, ok := book.Of(&hit, now); !ok || by.ID != "a1" {
		t.Error("it is not silenced")
	}
	if _, ok := book.Of(&miss, now); ok {
		t.Error("another symbol is silenced")
	}
	if _, ok := book.Of(&hit, now.Add(time.Hour)); ok {
		t.Error("it holds beyond its end")
	}
	if _, err := book.Take([]byte("silence/a1"), nil); err != nil || len(book.All()) != 0 {
		t.Error("a tombstone does not remove it")
	}
	for _, bad := range []Silence{{ID: "x", Until: 1}, {ID: "x", Until: 1, Match: map[string]string{"colour": "red"}}, {ID: "x", Match: map[string]string{"rule": "r"}},
		{ID: "x", Until: 1, Match: map[string]string{"rule": "["}}} {
		if bad.Validate() == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

func FuzzDecodeSilence(f *testing.F) {
	f.Add([]byte(`{"id":"a","match":{"rule":"price *"},"until":"2026-11-20T14:30:00Z"}`))
	f.Add([]byte(`{"id":"a","match":{"symbol":"[a-"},"until":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var s, again Silence
		if DecodeSilence(data, &s) != nil {
			return
		}
		a := alertOf("price drop", "NVDA", 1)
		s.Matches(&a)
		if err := DecodeSilence(EncodeSilence(&s), &again); err != nil {
			t.Fatalf("%s: %v", EncodeSilence(&s), err)
		}
	})
}
