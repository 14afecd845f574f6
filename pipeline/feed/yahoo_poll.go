package feed

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"tapedeck/pipeline/market"
)

// yahooWeb asks Yahoo's web services; one goroutine uses quotes.
type yahooWeb struct {
	web
	urls  YahooURLs
	crumb string
}

func newYahooWeb(y *Yahoo, skew *skewNote) *yahooWeb {
	return &yahooWeb{urls: y.cfg.BaseURLs, web: web{client: copyClient(y.cfg.HTTP), agent: y.cfg.UserAgent, now: y.cfg.Now, timeout: y.times.answer, skew: skew.note}}
}

// quotes asks for one batch, with a new crumb where the old one has run out.
func (w *yahooWeb) quotes(ctx context.Context, symbols []string) ([]quote, int, error) {
	for renewed := false; ; renewed = true {
		if w.crumb == "" {
			if err := w.renew(ctx); err != nil {
				return nil, 0, err
			}
			renewed = true
		}
		query := url.Values{"symbols": {strings.Join(symbols, ",")}, "crumb": {w.crumb}}
		body, err := w.get(ctx, w.urls.Query1+"/v7/finance/quote?"+query.Encode())
		var quotes []quote
		odd := 0
		if err == nil {
			quotes, odd, err = decodeQuotes(body)
		}
		if refused(err) {
			w.crumb = ""
			if !renewed {
				continue
			}
			err = &webError{text: "Yahoo refuses its own crumb", status: http.StatusUnauthorized}
		}
		return quotes, odd, err
	}
}

// refused says whether the crumb was not accepted.
func refused(err error) bool {
	var w *webError
	var y *yahooError
	switch {
	case errors.As(err, &w):
		return w.status == http.StatusUnauthorized || w.status == http.StatusForbidden
	case errors.As(err, &y):
		text := strings.ToLower(y.Code + " " + y.Description)
		return strings.Contains(text, "crumb") || strings.Contains(text, "unauthorized")
	}
	return false
}

// renew gets a cookie and the crumb that belongs to it.
func (w *yahooWeb) renew(ctx context.Context) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	w.client.Jar = jar
	// The page answers 404 and gives its cookie all the same.
	if _, err := w.get(ctx, w.urls.Cookie); err != nil {
		var e *webError
		if !errors.As(err, &e) || e.status == 0 || e.limited() {
			return err
		}
	}
	body, err := w.get(ctx, w.urls.Query1+"/v1/test/getcrumb")
	if err != nil {
		return err
	}
	crumb := strings.TrimSpace(string(body))
	switch {
	case strings.Contains(strings.ToLower(crumb), "too many requests"):
		return &webError{text: "Yahoo asks us to slow down (too many requests)", status: http.StatusTooManyRequests}
	case crumb == "" || len(crumb) > 64 || strings.ContainsAny(crumb, " <>{}\n\r\t"):
		return fmt.Errorf("no crumb: %w", notJSON(body))
	}
	w.crumb = crumb
	return nil
}

// runPoll makes a round of quotes each time it is asked to, until ctx ends.
func (r *yahooRun) runPoll(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.round:
		}
		lost, err := r.pollAll(ctx)
		if ctx.Err() != nil {
			return
		}
		state := &health{up: true}
		if err != nil {
			var asked time.Duration
			var w *webError
			if errors.As(err, &w) {
				asked = w.wait
			}
			state = &health{text: err.Error(), until: r.cfg.Now().Add(r.retry.next(asked))}
		} else {
			r.retry.reset()
		}
		if !r.send(ctx, yahooEvent{poll: state, lost: lost}) {
			return
		}
	}
}

// pollAll asks for all symbols, batch by batch. The first error ends the round.
func (r *yahooRun) pollAll(ctx context.Context) (lost []string, err error) {
	brought := make(map[string]bool)
	for from := 0; from < len(r.asked); from += r.cfg.Batch {
		if from > 0 {
			if err := sleep(ctx, r.times.space); err != nil {
				return nil, err
			}
		}
		quotes, odd, err := r.web.quotes(ctx, r.asked[from:min(from+r.cfg.Batch, len(r.asked))])
		if err != nil {
			return nil, err
		}
		for _, q := range quotes {
			brought[q.symbol] = true
		}
		if !r.send(ctx, yahooEvent{quotes: quotes, odd: odd}) {
			return nil, ctx.Err()
		}
	}
	for _, symbol := range r.asked {
		if !brought[symbol] {
			lost = append(lost, r.symbols[symbol])
		}
	}
	return lost, nil
}

// chartWorkers is how many charts are asked for at a time.
const chartWorkers = 4

// backfill brings today's minutes of as many symbols as its time allows, in
// order of time, before the present begins. What cannot be had is said and
// left out.
func (r *yahooRun) backfill(ctx context.Context) error {
	asking, stop := context.WithTimeout(ctx, r.cfg.BackfillFor)
	defer stop()
	type answer struct {
		candles []candle
		err     error
	}
	symbols, answers := make(chan string), make(chan answer)
	var workers sync.WaitGroup
	for range min(chartWorkers, len(r.asked)) {
		workers.Go(func() {
			for symbol := range symbols {
				candles, err := r.chart(asking, symbol)
				answers <- answer{candles, err}
				if sleep(asking, r.times.space/chartWorkers) != nil {
					continue // the symbols end soon
				}
			}
		})
	}
	workers.Go(func() {
		defer close(symbols)
		for _, symbol := range r.asked {
			select {
			case symbols <- symbol:
			case <-asking.Done():
				return
			}
		}
	})
	go func() { workers.Wait(); close(answers) }()

	var candles []candle
	var failed error
	done, missing := 0, len(r.asked)
	for a := range answers {
		done++
		if a.err == nil {
			candles = append(candles, a.candles...)
			missing--
		} else if asking.Err() == nil {
			failed = a.err
			var w *webError
			if errors.As(a.err, &w) && (w.limited() || w.status == 0) {
				stop() // asking on would make it worse
			}
		}
		r.say(Condition{Level: Busy, Progress: float64(done) / float64(len(r.asked)),
			Text: fmt.Sprintf("reading today's minutes: %d of %s", done, count(len(r.asked), "symbol"))})
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if missing > 0 {
		if failed == nil {
			failed = fmt.Errorf("it took longer than %s", r.cfg.BackfillFor)
		}
		r.say(Condition{Level: Busy, Text: fmt.Sprintf("today's minutes are missing for %s: %v", count(missing, "symbol"), failed)})
	}
	return r.history(ctx, candles)
}

// chart asks for the finished minutes of one symbol that the log does not have.
func (r *yahooRun) chart(ctx context.Context, symbol string) ([]candle, error) {
	query := url.Values{"interval": {"1m"}, "range": {"1d"}, "includePrePost": {"true"}}
	body, err := r.web.get(ctx, r.cfg.BaseURLs.Query2+"/v8/finance/chart/"+url.PathEscape(symbol)+"?"+query.Encode())
	if err != nil {
		return nil, err
	}
	candles, err := decodeChart(body)
	if err != nil {
		return nil, err
	}
	ours := r.symbols[symbol]
	since := market.Time(0)
	if r.cfg.Since != nil {
		since = r.cfg.Since(ours)
	}
	skew, _ := r.skew.read()
	now := market.At(r.cfg.Now()).Add(skew)
	candles = slices.DeleteFunc(candles, func(c candle) bool {
		return c.time <= since || c.time.Add(c.length) > now || c.time%market.Time(c.length.Microseconds()) != 0
	})
	for i := range candles {
		candles[i].symbol = ours
	}
	return candles, nil
}
