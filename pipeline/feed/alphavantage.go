package feed

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"tapedeck/pipeline/market"
)

// AlphaVantageConfig says what is asked of Alpha Vantage, and how often.
type AlphaVantageConfig struct {
	Symbols   []string
	Key       string        // never in a log, an error or a condition
	BaseURL   string        // "" is https://www.alphavantage.co
	PerDay    int           // requests the key allows a day; 0 is 25, as of a free key; below 0 is no limit
	PerMinute int           // requests a minute; 0 is 5
	Poll      time.Duration // shortest time between two rounds of all symbols; 0 is 1 min
	Bulk      bool          // 100 symbols a request, which only paid keys may
	Backfill  bool          // begin with the newest minutes, one request a symbol
	// Since gives the time up to which the log has ticks of a symbol; see YahooConfig.
	Since  func(symbol string) market.Time
	HTTP   *http.Client
	Random func() float64   // jitter in [0, 1); nil is math/rand
	Now    func() time.Time // nil is time.Now
}

// bulkSymbols is how many symbols a bulk request may name.
const bulkSymbols = 100

// AlphaVantage brings quotes of Alpha Vantage, as many as the key allows: the
// day's requests are spread over the regular session. It never ends by itself.
type AlphaVantage struct {
	cfg      AlphaVantageConfig
	calendar *market.Calendar
	second   time.Duration // between two clocks
	retry    time.Duration // first step of the back-off
	space    time.Duration // between two requests
	answer   time.Duration // longest wait for an answer
}

// NewAlphaVantage checks the configuration; nothing is asked yet.
func NewAlphaVantage(cfg AlphaVantageConfig) (*AlphaVantage, error) {
	if len(cfg.Symbols) == 0 {
		return nil, errors.New("alphavantage: no symbols; name at least one")
	}
	for _, symbol := range cfg.Symbols {
		if !market.ValidSymbol(symbol) {
			return nil, fmt.Errorf("alphavantage: %q is not a symbol", clipText(symbol))
		}
	}
	cfg.Symbols = distinct(cfg.Symbols)
	if strings.TrimSpace(cfg.Key) == "" {
		return nil, errors.New("alphavantage: no key; a free one is had at https://www.alphavantage.co/support/#api-key")
	}
	if cfg.BaseURL == "" {
		cfg.BaseURL = "https://www.alphavantage.co"
	}
	if err := checkBaseURL(cfg.BaseURL, []string{"http", "https"}); err != nil {
		return nil, fmt.Errorf("alphavantage: the base address %w", err)
	}
	cfg.BaseURL = strings.TrimSuffix(cfg.BaseURL, "/")
	if cfg.PerDay == 0 {
		cfg.PerDay = 25
	}
	if cfg.PerMinute == 0 {
		cfg.PerMinute = 5
	}
	if cfg.PerMinute < 0 || cfg.PerMinute > 6000 {
		return nil, fmt.Errorf("alphavantage: %d requests a minute; set 1 to 6000", cfg.PerMinute)
	}
	if cfg.Poll <= 0 {
		cfg.Poll = time.Minute
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &AlphaVantage{cfg: cfg, calendar: market.NYSE(), second: time.Second, retry: 15 * time.Second,
		space: time.Minute / time.Duration(cfg.PerMinute), answer: 15 * time.Second}, nil
}

// distinct is symbols without repeats, in their order.
func distinct(symbols []string) []string {
	var kept []string
	seen := make(map[string]bool)
	for _, symbol := range symbols {
		if !seen[symbol] {
			seen[symbol] = true
			kept = append(kept, symbol)
		}
	}
	return kept
}

// Name is "alphavantage".
func (a *AlphaVantage) Name() string { return "alphavantage" }

// ID is "": quotes have no numbers.
func (a *AlphaVantage) ID() string { return "" }

// alphaEvent is what the asking goroutine tells the main one.
type alphaEvent struct {
	quotes []quote
	odd    int
	round  bool // every symbol was asked for
	says   *Condition
}

// alphaRun is the state of one Run.
type alphaRun struct {
	*AlphaVantage
	*liveOutput
	skew   skewNote
	web    web
	budget budget
	wait   backoff
	bulk   bool
	events chan alphaEvent

	asking  []string         // symbols still worth a request
	next    int              // the next of them
	round   time.Time        // when this round began
	unknown []string         // symbols Alpha Vantage does not have
	seen    map[string]quote // to tell a quote without a time from the one before
	notes   []string         // what is to be known for good
}

// Run brings quotes until ctx ends, whose error it returns, or the sink fails.
func (a *AlphaVantage) Run(ctx context.Context, out Sink) error {
	r := &alphaRun{AlphaVantage: a, liveOutput: newLiveOutput(out, a.Name(), a.cfg.Now), bulk: a.cfg.Bulk,
		wait:   backoff{first: a.retry, most: 240 * a.retry, random: a.cfg.Random},
		events: make(chan alphaEvent), asking: slices.Clone(a.cfg.Symbols), seen: make(map[string]quote)}
	r.web = web{client: copyClient(a.cfg.HTTP), agent: "tapedeck", now: a.cfg.Now, timeout: a.answer, secret: a.cfg.Key, skew: r.skew.note}
	first := len(r.asking)
	if r.bulk {
		first = (first + bulkSymbols - 1) / bulkSymbols
	}
	if a.cfg.PerDay > 0 {
		first = min(first, a.cfg.PerDay/2)
	}
	r.budget = budget{perDay: a.cfg.PerDay, space: a.space, calendar: a.calendar, atOnce: max(first, 1)}
	if a.cfg.Backfill {
		if err := r.backfill(ctx); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	var asking sync.WaitGroup
	defer asking.Wait()
	defer cancel()
	asking.Go(func() { r.ask(ctx) })
	return r.serve(ctx)
}

func (r *alphaRun) serve(ctx context.Context) error {
	second := time.NewTicker(r.AlphaVantage.second)
	defer second.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e := <-r.events:
			r.odd += int64(e.odd)
			if err := r.quotes(e.quotes); err != nil {
				return err
			}
			if err := r.flush(); err != nil {
				return err
			}
			r.ready = r.ready || e.round
			if e.says != nil {
				c := *e.says
				if _, text := r.skew.read(); text != "" {
					c.Level, c.Text = max(c.Level, Busy), c.Text+text
				}
				c.Text += r.oddText()
				r.say(c)
			}
		case <-second.C:
			r.clock.skew, _ = r.skew.read()
			if err := r.liveOutput.second(); err != nil {
				return err
			}
		}
	}
}

func (r *alphaRun) send(ctx context.Context, e alphaEvent) bool {
	select {
	case r.events <- e:
		return true
	case <-ctx.Done():
		return false
	}
}

// ask asks for quotes whenever the budget allows, until ctx ends.
func (r *alphaRun) ask(ctx context.Context) {
	for {
		if len(r.asking) == 0 { // a day later they may be known
			r.asking, r.unknown, r.next = slices.Clone(r.cfg.Symbols), nil, 0
			c := &Condition{Level: Trouble, Text: "Alpha Vantage knows none of the symbols", Until: market.At(r.cfg.Now().Add(24 * time.Hour))}
			if !r.send(ctx, alphaEvent{says: c}) || sleep(ctx, 24*time.Hour) != nil {
				return
			}
		}
		at := r.due()
		c := r.condition(at)
		if !r.send(ctx, alphaEvent{says: &c}) || sleep(ctx, at.Sub(market.At(r.cfg.Now()))) != nil {
			return
		}
		if r.next == 0 {
			r.round = r.cfg.Now()
		}
		event, err := r.request(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			r.wait.reset()
			if !r.send(ctx, event) {
				return
			}
			continue
		}
		until, level, text := r.failed(err)
		trouble := &Condition{Level: level, Text: text, Until: until}
		if !r.send(ctx, alphaEvent{says: trouble, round: event.round}) {
			return
		}
		if until > 0 && sleep(ctx, until.Sub(market.At(r.cfg.Now()))) != nil {
			return
		}
	}
}

// due is when the next request is made.
func (r *alphaRun) due() market.Time {
	now := market.At(r.cfg.Now())
	at := r.budget.next(now)
	if r.next == 0 && !r.round.IsZero() {
		at = max(at, market.At(r.round.Add(r.cfg.Poll)))
	}
	return at
}

// request asks for the next symbols.
func (r *alphaRun) request(ctx context.Context) (alphaEvent, error) {
	n := 1
	if r.bulk {
		n = min(bulkSymbols, len(r.asking)-r.next)
	}
	symbols := r.asking[r.next : r.next+n]
	r.next += n
	event := alphaEvent{round: r.next >= len(r.asking)}
	if event.round {
		r.next = 0
	}
	r.budget.spend(market.At(r.cfg.Now()))
	query := url.Values{"function": {"GLOBAL_QUOTE"}, "symbol": {symbols[0]}}
	if r.bulk {
		query = url.Values{"function": {"REALTIME_BULK_QUOTES"}, "symbol": {strings.Join(symbols, ",")}}
	}
	answer, err := r.get(ctx, query)
	if err == nil && r.bulk {
		event.quotes, event.odd, err = answer.bulkQuotes(r.calendar.Location())
		event.quotes = slices.DeleteFunc(event.quotes, func(q quote) bool { return !slices.Contains(symbols, q.symbol) })
		return event, err
	}
	if err == nil {
		var q quote
		if q, err = answer.globalQuote(market.At(r.cfg.Now()), r.calendar); err == nil {
			q.symbol = symbols[0]
			if was, ok := r.seen[q.symbol]; !ok || was.price != q.price || was.volume != q.volume {
				r.seen[q.symbol] = q
				event.quotes = []quote{q}
			}
		}
	}
	if errors.Is(err, errUnknownSymbol) {
		r.drop(symbols[0])
	}
	return event, err
}

// drop stops asking for a symbol that is not known.
func (r *alphaRun) drop(symbol string) {
	i := slices.Index(r.asking, symbol)
	r.asking = slices.Delete(r.asking, i, i+1)
	r.unknown = append(r.unknown, symbol)
	if i < r.next {
		r.next--
	}
}

func (r *alphaRun) get(ctx context.Context, query url.Values) (alphaAnswer, error) {
	query.Set("apikey", r.cfg.Key)
	body, err := r.web.get(ctx, r.cfg.BaseURL+"/query?"+query.Encode())
	if err != nil {
		return nil, err
	}
	return decodeAlpha(body)
}

// failed decides what a failure means: until when to wait, and what to say.
func (r *alphaRun) failed(err error) (until market.Time, level Level, text string) {
	now := r.cfg.Now()
	text = r.web.redact(err.Error())
	var w *webError
	if !errors.As(err, &w) {
		text = "Alpha Vantage " + text
	}
	var asked time.Duration
	switch {
	case errors.Is(err, errUnknownSymbol):
		return 0, OK, text
	case errors.Is(err, errPremium) && r.bulk:
		r.bulk, r.next = false, 0
		r.notes = append(r.notes, "the key is not paid for bulk quotes")
		return 0, Busy, text + "; asking for one symbol at a time"
	case errors.Is(err, errDayUsed):
		r.budget.exhausted(market.At(now))
		return r.budget.none, Trouble, text + ", " + nextTryOn(r.budget.none)
	case errors.Is(err, errTooFast):
		asked = time.Minute
	case errors.As(err, &w):
		asked = w.wait
	}
	at := now.Add(r.wait.next(asked))
	return market.At(at), Trouble, text + ", " + nextTry(at)
}

// nextTryOn says when it goes on, with the day.
func nextTryOn(t market.Time) string {
	return "next try at " + t.Std().Format("Mon 15:04 UTC")
}

// condition says how the source asks.
func (r *alphaRun) condition(at market.Time) Condition {
	c := Condition{Level: OK}
	what := "asking for the quotes of " + count(len(r.asking), "symbol")
	if r.bulk {
		what = "asking for bulk quotes of " + count(len(r.asking), "symbol")
	}
	now := market.At(r.cfg.Now())
	c.Text = what
	if at.Sub(now) > time.Minute {
		c.Until = at
		c.Text += ", the next at " + at.Std().Format("Mon 15:04 UTC")
	}
	if r.budget.perDay > 0 {
		c.Text += fmt.Sprintf("; %d of %d requests left today", max(r.budget.left(), 0), r.budget.perDay)
	}
	if n := len(r.unknown); n > 0 {
		c.Text += "; it does not know " + strings.Join(r.unknown[:min(n, 3)], ", ")
		if n > 3 {
			c.Text += fmt.Sprintf(" and %d more", n-3)
		}
	}
	for _, note := range r.notes {
		c.Text += "; " + note
	}
	return c
}

// backfillFor is the longest time that the newest minutes may take.
const backfillFor = time.Minute

// backfill brings the newest minutes, for at most half of the day's requests.
// What cannot be had is said and left out.
func (r *alphaRun) backfill(ctx context.Context) error {
	asking, stop := context.WithTimeout(ctx, backfillFor)
	defer stop()
	var candles []candle
	var failed error
	done := 0
	for _, symbol := range r.cfg.Symbols {
		if r.cfg.PerDay > 0 && r.budget.used >= r.cfg.PerDay/2 {
			failed = errors.New("the day's requests are needed for quotes")
			break
		}
		now := market.At(r.cfg.Now())
		if sleep(asking, max(0, r.budget.last.Add(r.space).Sub(now))) != nil {
			break
		}
		r.say(Condition{Level: Busy, Progress: float64(done+1) / float64(len(r.cfg.Symbols)),
			Text: fmt.Sprintf("reading the newest minutes: %d of %s", done+1, count(len(r.cfg.Symbols), "symbol"))})
		atOnce := r.budget.atOnce
		r.budget.spend(market.At(r.cfg.Now()))
		r.budget.atOnce = atOnce
		got, err := r.minutes(asking, symbol)
		if err != nil && asking.Err() == nil {
			failed = fmt.Errorf("Alpha Vantage %s", r.web.redact(err.Error()))
			if errors.Is(err, errUnknownSymbol) {
				continue
			}
			if errors.Is(err, errDayUsed) {
				r.budget.exhausted(market.At(r.cfg.Now()))
			}
			break
		}
		candles = append(candles, got...)
		done++
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if missing := len(r.cfg.Symbols) - done; missing > 0 {
		if failed == nil {
			failed = fmt.Errorf("it took longer than %s", backfillFor)
		}
		r.say(Condition{Level: Busy, Text: fmt.Sprintf("the newest minutes are missing for %s: %v", count(missing, "symbol"), failed)})
	}
	return r.history(ctx, candles)
}

// minutes asks for the finished minutes of a symbol that the log does not have.
func (r *alphaRun) minutes(ctx context.Context, symbol string) ([]candle, error) {
	answer, err := r.get(ctx, url.Values{"function": {"TIME_SERIES_INTRADAY"}, "symbol": {symbol}, "interval": {"1min"}, "outputsize": {"compact"}})
	if err != nil {
		return nil, err
	}
	candles, err := answer.intraday(symbol, r.calendar.Location())
	if err != nil {
		return nil, err
	}
	since := market.Time(0)
	if r.cfg.Since != nil {
		since = r.cfg.Since(symbol)
	}
	skew, _ := r.skew.read()
	now := market.At(r.cfg.Now()).Add(skew)
	return slices.DeleteFunc(candles, func(c candle) bool { return c.time <= since || c.time.Add(c.length) > now }), nil
}
