package feed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// maxMessage is the longest message of the stream that is read.
const maxMessage = 1 << 20

// subscribeChunk is how many symbols one subscription names.
const subscribeChunk = 500

// runStream follows the stream, again and again, until ctx ends.
func (y *Yahoo) runStream(ctx context.Context, send func(context.Context, yahooEvent) bool) {
	retry := y.backoff()
	for {
		heard, err := y.follow(ctx, send)
		if ctx.Err() != nil {
			return
		}
		if heard {
			retry.reset()
		}
		var asked time.Duration
		var w *webError
		if errors.As(err, &w) {
			asked = w.wait
		}
		wait := retry.next(asked)
		if !send(ctx, yahooEvent{stream: &health{text: err.Error(), until: y.cfg.Now().Add(wait)}}) {
			return
		}
		if sleep(ctx, wait) != nil {
			return
		}
	}
}

// follow connects once and reads until the connection ends, which is always an
// error. It says whether a quote was heard.
func (y *Yahoo) follow(ctx context.Context, send func(context.Context, yahooEvent) bool) (heard bool, err error) {
	dialing, dialed := context.WithTimeout(ctx, y.times.dial)
	header := http.Header{"User-Agent": {y.cfg.UserAgent}, "Origin": {"https://finance.yahoo.com"}}
	conn, resp, err := websocket.Dial(dialing, y.cfg.BaseURLs.Stream, &websocket.DialOptions{
		HTTPClient: copyClient(y.cfg.HTTP), HTTPHeader: header, CompressionMode: websocket.CompressionContextTakeover})
	dialed()
	if err != nil {
		return false, dialError(resp, err, y.cfg.Now())
	}
	defer conn.CloseNow()
	conn.SetReadLimit(maxMessage)
	if err := y.subscribe(ctx, conn); err != nil {
		return false, streamError(err)
	}
	if !send(ctx, yahooEvent{stream: &health{up: true}}) {
		return false, ctx.Err()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var keeper sync.WaitGroup
	defer keeper.Wait()
	defer cancel(nil)
	keeper.Go(func() {
		if err := y.keep(ctx, conn); err != nil && ctx.Err() == nil {
			cancel(err)
		}
	})
	for {
		_, data, err := conn.Read(ctx)
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				err = cause
			}
			return heard, streamError(err)
		}
		var p pricing
		event := yahooEvent{}
		ok, err := decodeStream(data, &p)
		switch {
		case err != nil:
			event.odd = 1
		case !ok:
			continue
		default:
			heard = true
			event.heard, event.quotes = true, []quote{p.quote()}
		}
		if !send(ctx, event) {
			return heard, streamError(context.Cause(ctx))
		}
	}
}

// errSilent ends a connection whose other side is gone without a word.
var errSilent = errors.New("it stopped answering")

// keep repeats the subscription and asks for signs of life, so that a
// half-open connection is found out.
func (y *Yahoo) keep(ctx context.Context, conn *websocket.Conn) error {
	subscribe := time.NewTicker(y.times.resubscribe)
	defer subscribe.Stop()
	ping := time.NewTicker(y.times.ping)
	defer ping.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-subscribe.C:
			if err := y.subscribe(ctx, conn); err != nil {
				return err
			}
		case <-ping.C:
			waiting, cancel := context.WithTimeout(ctx, y.times.pong)
			err := conn.Ping(waiting)
			cancel()
			if errors.Is(err, context.DeadlineExceeded) {
				return errSilent
			}
			if err != nil {
				return err
			}
		}
	}
}

func (y *Yahoo) subscribe(ctx context.Context, conn *websocket.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, y.times.pong)
	defer cancel()
	for from := 0; from < len(y.asked); from += subscribeChunk {
		message, err := json.Marshal(map[string][]string{"subscribe": y.asked[from:min(from+subscribeChunk, len(y.asked))]})
		if err != nil {
			return err
		}
		if err := conn.Write(ctx, websocket.MessageText, message); err != nil {
			return err
		}
	}
	return nil
}

// dialError says why there is no stream.
func dialError(resp *http.Response, err error, now time.Time) error {
	switch {
	case resp == nil || resp.StatusCode == http.StatusSwitchingProtocols:
		return &webError{text: "the server " + plainError(err)}
	case resp.StatusCode == http.StatusTooManyRequests:
		return &webError{text: "the server asks us to slow down (too many requests)", status: resp.StatusCode, wait: retryAfter(resp.Header, now)}
	}
	return &webError{text: fmt.Sprintf("the server answers %d %s", resp.StatusCode, http.StatusText(resp.StatusCode)),
		status: resp.StatusCode, wait: retryAfter(resp.Header, now)}
}

func streamError(err error) error {
	switch code := websocket.CloseStatus(err); {
	case errors.Is(err, errSilent):
		return errSilent
	case errors.Is(err, websocket.ErrMessageTooBig):
		return fmt.Errorf("it sent a message of more than %d KiB", maxMessage>>10)
	case code == websocket.StatusPolicyViolation:
		return errors.New("the server has refused us")
	case code != -1:
		return fmt.Errorf("the server has closed it (%d)", code)
	}
	return errors.New("the server " + plainError(err))
}

// quote is what a message says.
func (p *pricing) quote() quote {
	return quote{symbol: p.id, time: p.time, price: p.price, volume: p.dayVolume, bid: p.bid, ask: p.ask,
		exchange: p.exchange, utcDay: p.quoteType == quoteTypeCrypto}
}
