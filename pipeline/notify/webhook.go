package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// SignatureHeader carries the HMAC-SHA-256 of the body, as "sha256=HEX".
const SignatureHeader = "X-Tapedeck-Signature"

// Webhook is a server that gets each message as JSON by POST. An answer of
// 2xx is taken for delivered.
type Webhook struct {
	URL    string
	Secret string       // signs the body; empty signs nothing
	Client *http.Client // nil is one with a timeout of 10 s
}

// Send posts the message once.
func (w *Webhook) Send(ctx context.Context, m *Message) error {
	body := m.JSON()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("webhook: %w", withoutURL(err))
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "tapedeck")
	req.Header.Set("Idempotency-Key", m.ID)
	if w.Secret != "" {
		mac := hmac.New(sha256.New, []byte(w.Secret))
		mac.Write(body)
		req.Header.Set(SignatureHeader, "sha256="+hex.EncodeToString(mac.Sum(nil)))
	}
	client := w.Client
	if client == nil {
		client = &http.Client{Timeout: 10 * time.Second}
	}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("webhook: %w", withoutURL(err))
	}
	defer res.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(res.Body, 300))
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<16)) // so that the connection is used again
	switch {
	case res.StatusCode >= 200 && res.StatusCode < 300:
		return nil
	case res.StatusCode == http.StatusBadRequest, res.StatusCode == http.StatusRequestEntityTooLarge, res.StatusCode == http.StatusUnprocessableEntity:
		return fmt.Errorf("webhook: %w: %s: %s", ErrRefused, res.Status, strings.TrimSpace(string(said)))
	}
	return fmt.Errorf("webhook: %s: %s", res.Status, strings.TrimSpace(string(said)))
}

// withoutURL is err without the address that it names: with many services the
// address is what a stranger would need to post there.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
