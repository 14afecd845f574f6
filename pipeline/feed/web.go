package feed

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Limits of an answer from the web.
const (
	maxBody      = 16 << 20        // bytes of one answer
	maxAskedWait = 6 * time.Hour   // of a Retry-After that is believed
	skewToSay    = 5 * time.Second // clock difference worth a word; Date has whole seconds
)

// webError is a request that failed, in words for the screen.
type webError struct {
	text   string
	status int           // of HTTP, 0 where there was no answer
	wait   time.Duration // what the server asked for, 0 where it did not
}

func (e *webError) Error() string { return e.text }

// limited says whether the server told us to slow down.
func (e *webError) limited() bool { return e.status == http.StatusTooManyRequests }

// web asks a provider's web service. Its errors never hold an address's query,
// where keys stand.
type web struct {
	client  *http.Client
	agent   string
	now     func() time.Time
	timeout time.Duration                          // for a whole answer
	secret  string                                 // never in an error
	skew    func(host string, ahead time.Duration) // told of the server's clock; ahead is theirs minus ours
}

// get fetches one address and reads its body.
func (w *web) get(ctx context.Context, address string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, &webError{text: "the configured address cannot be used: " + w.redact(plainError(err))}
	}
	host := req.URL.Host
	req.Header.Set("User-Agent", w.agent)
	req.Header.Set("Accept", "application/json,text/plain,*/*")
	sent := w.now()
	resp, err := w.client.Do(req)
	if err != nil {
		return nil, &webError{text: w.redact(host + " " + plainError(err))}
	}
	defer resp.Body.Close()
	w.judgeClock(host, resp, sent)
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case resp.StatusCode == http.StatusTooManyRequests:
		return body, &webError{text: host + " asks us to slow down (too many requests)", status: resp.StatusCode, wait: retryAfter(resp.Header, w.now())}
	case resp.StatusCode >= 400:
		return body, &webError{text: fmt.Sprintf("%s answers %d %s", host, resp.StatusCode, http.StatusText(resp.StatusCode)),
			status: resp.StatusCode, wait: retryAfter(resp.Header, w.now())}
	case err != nil:
		return nil, &webError{text: w.redact(host + " " + plainError(err)), status: resp.StatusCode}
	case len(body) > maxBody:
		return nil, &webError{text: fmt.Sprintf("%s sends more than %d MiB", host, maxBody>>20), status: resp.StatusCode}
	}
	return body, nil
}

// judgeClock compares the server's clock with ours.
func (w *web) judgeClock(host string, resp *http.Response, sent time.Time) {
	if w.skew == nil || resp.Header.Get("Age") != "" { // a cache's old answer tells nothing
		return
	}
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return
	}
	got := w.now()
	if got.Sub(sent) > skewToSay {
		return
	}
	w.skew(host, date.Add(500*time.Millisecond).Sub(sent.Add(got.Sub(sent)/2)))
}

func (w *web) redact(text string) string {
	if w.secret == "" {
		return text
	}
	for _, form := range []string{w.secret, url.QueryEscape(w.secret), url.PathEscape(w.secret)} {
		text = strings.ReplaceAll(text, form, "…")
	}
	return text
}

// retryAfter reads the header of that name: seconds or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0
	}
	if s, err := strconv.ParseFloat(v, 64); err == nil && s >= 0 {
		return min(time.Duration(min(s, 1e6)*float64(time.Second)), maxAskedWait)
	}
	if date, err := http.ParseTime(v); err == nil {
		return min(max(date.Sub(now), 0), maxAskedWait)
	}
	return 0
}

// plainError says in words why a request or a connection failed, without the
// address that Go's errors carry.
func plainError(err error) string {
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var timeout net.Error
	switch {
	case errors.As(err, &dns):
		return "cannot be found by name (no network, or name service down)"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refuses the connection"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "broke the connection off"
	case errors.As(err, &cert):
		return "has a certificate that is not trusted (is this machine's clock right?)"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "does not answer"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "cannot be reached (no network)"
	}
	var address *url.Error
	if errors.As(err, &address) {
		err = address.Err
	}
	return "failed: " + clipText(err.Error())
}

// skewText says how a server's clock differs from ours, "" where it does not.
func skewText(host string, ahead time.Duration) string {
	switch {
	case ahead >= skewToSay:
		return fmt.Sprintf("this machine's clock is %s behind that of %s", ahead.Round(time.Second), host)
	case -ahead >= skewToSay:
		return fmt.Sprintf("this machine's clock is %s ahead of that of %s", (-ahead).Round(time.Second), host)
	}
	return ""
}
