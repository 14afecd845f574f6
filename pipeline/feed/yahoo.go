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

// YahooURLs are the places where Yahoo's services are; an empty one is
// Yahoo's own.
type YahooURLs struct {
	Query1 string // quotes and crumbs
	Query2 string // charts
	Stream string // websocket
	Cookie string // the page that gives the cookie which a crumb belongs to
}

// YahooConfig says what is asked of Yahoo Finance, and how.
type YahooConfig struct {
	Symbols     []string      // as tapedeck writes them: BRK.B is asked for as BRK-B
	BaseURLs    YahooURLs     //
	Poll        time.Duration // between two rounds of quotes; 0 is 15 s, at least 1 s
	Batch       int           // symbols a request; 0 is 100
	Stream      bool          // follow the stream; quotes are polled only while it is away
	Backfill    bool          // begin with today's minutes
	BackfillFor time.Duration // longest time for that; 0 is 20 s
	// Since gives the time up to which the log has ticks of a symbol, so that a
	// restart does not bring minutes twice; nil or 0 brings all of today. It is
	// called from several goroutines.
	Since     func(symbol string) market.Time
	HTTP      *http.Client     // nil is a new one; its cookie jar is not used
	UserAgent string           // "" is a browser-like one, which Yahoo insists on
	Random    func() float64   // jitter in [0, 1); nil is math/rand
	Now       func() time.Time // nil is time.Now
}

// Yahoo brings the quotes of Yahoo Finance. While one of stream and polling is
// away the other goes on; it never ends by itself.
type Yahoo struct {
	cfg     YahooConfig
	asked   []string          // the symbols as Yahoo writes them
	symbols map[string]string // from Yahoo's form to ours
	times   yahooTimes
}

// yahooTimes are the durations of the source's habits.
type yahooTimes struct {
	resubscribe time.Duration // Yahoo forgets a subscription that is not repeated
	ping        time.Duration // between two pings
	pong        time.Duration // until an answer is overdue and the connection dead
	dial        time.Duration
	quiet       time.Duration // without a message until quotes are polled all the same
	space       time.Duration // between two requests
	second      time.Duration // between two clocks
	answer      time.Duration // longest wait for a whole answer
	retry       time.Duration // first step of the back-off; 60 times that is the last
}

// NewYahoo checks the configuration; nothing is asked of Yahoo yet.
func NewYahoo(cfg YahooConfig) (*Yahoo, error) {
	if len(cfg.Symbols) == 0 {
		return nil, errors.New("yahoo: no symbols; name at least one")
	}
	if cfg.Poll == 0 {
		cfg.Poll = 15 * time.Second
	}
	if cfg.Poll < time.Second {
		return nil, fmt.Errorf("yahoo: a poll every %s would be refused; set at least 1s", cfg.Poll)
	}
	if cfg.Batch == 0 {
		cfg.Batch = 100
	}
	if cfg.Batch < 1 || cfg.Batch > 500 {
		return nil, fmt.Errorf("yahoo: %d symbols a request; set 1 to 500", cfg.Batch)
	}
	if cfg.BackfillFor <= 0 {
		cfg.BackfillFor = 20 * time.Second
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	u := &cfg.BaseURLs
	for _, base := range []struct {
		name, own string
		at        *string
		schemes   []string
	}{
		{"query1", "https://query1.finance.yahoo.com", &u.Query1, []string{"http", "https"}},
		{"query2", "https://query2.finance.yahoo.com", &u.Query2, []string{"http", "https"}},
		{"stream", "wss://streamer.finance.yahoo.com/?version=2", &u.Stream, []string{"ws", "wss", "http", "https"}},
		{"cookie", "https://fc.yahoo.com", &u.Cookie, []string{"http", "https"}},
	} {
		if *base.at == "" {
			*base.at = base.own
		}
		if err := checkBaseURL(*base.at, base.schemes); err != nil {
			return nil, fmt.Errorf("yahoo: the %s address %w", base.name, err)
		}
	}
	u.Query1, u.Query2 = strings.TrimSuffix(u.Query1, "/"), strings.TrimSuffix(u.Query2, "/")
	y := &Yahoo{cfg: cfg, symbols: make(map[string]string), times: yahooTimes{
		resubscribe: 15 * time.Second, ping: 15 * time.Second, pong: 10 * time.Second, dial: 15 * time.Second,
		quiet: time.Minute, space: 250 * time.Millisecond, second: time.Second, answer: 15 * time.Second, retry: 5 * time.Second}}
	for _, symbol := range cfg.Symbols {
		if !market.ValidSymbol(symbol) {
			return nil, fmt.Errorf("yahoo: %q is not a symbol", clipText(symbol))
		}
		theirs := yahooSymbol(symbol)
		if _, twice := y.symbols[theirs]; twice {
			continue
		}
		y.symbols[theirs] = symbol
		y.asked = append(y.asked, theirs)
	}
	return y, nil
}

// checkBaseURL says what is wrong with an address, without its query.
func checkBaseURL(address string, schemes []string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || !slices.Contains(schemes, u.Scheme) {
		return fmt.Errorf("is not an address beginning with %s://", strings.Join(schemes, ":// or "))
	}
	return nil
}

// yahooSymbol writes share classes as Yahoo does. Only .A and .B are classes:
// other endings are exchanges (VOD.L, 7203.T).
func yahooSymbol(symbol string) string {
	if base, ok := strings.CutSuffix(symbol, ".A"); ok {
		return base + "-A"
	}
	if base, ok := strings.CutSuffix(symbol, ".B"); ok {
		return base + "-B"
	}
	return symbol
}

// Name is "yahoo".
func (y *Yahoo) Name() string { return "yahoo" }

// ID is "": quotes have no numbers.
func (y *Yahoo) ID() string { return "" }

// health is how a part of the source is.
type health struct {
	up    bool
	text  string // what is wrong
	until time.Time
}

// yahooEvent is what the stream's and the poll's goroutines tell the main one.
type yahooEvent struct {
	quotes []quote
	odd    int
	heard  bool // the quotes came by the stream
	stream *health
	poll   *health  // at the end of a round
	lost   []string // symbols that a whole round did not bring
}

// yahooRun is the state of one Run.
type yahooRun struct {
	*Yahoo
	*liveOutput
	skew    skewNote
	web     *yahooWeb
	events  chan yahooEvent
	round   chan struct{} // asks for a round of quotes
	polling bool          // a round is under way
	due     *time.Timer   // of the next round
	retry   backoff       // of rounds
	heard   time.Time     // when the stream brought something last
	stream  health
	poll    health
	polled  bool // a round has ended, well or not
	lost    []string
}

// Run brings quotes until ctx ends, whose error it returns, or the sink fails.
func (y *Yahoo) Run(ctx context.Context, out Sink) error {
	r := &yahooRun{Yahoo: y, liveOutput: newLiveOutput(out, y.Name(), y.cfg.Now),
		events: make(chan yahooEvent), round: make(chan struct{}, 1), retry: y.backoff()}
	r.web = newYahooWeb(y, &r.skew)
	if y.cfg.Backfill {
		if err := r.backfill(ctx); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	var parts sync.WaitGroup
	defer parts.Wait()
	defer cancel()
	if y.cfg.Stream {
		parts.Go(func() { y.runStream(ctx, r.send) })
	}
	parts.Go(func() { r.runPoll(ctx) })
	return r.serve(ctx)
}

func (y *Yahoo) backoff() backoff {
	return backoff{first: y.times.retry, most: 60 * y.times.retry, random: y.cfg.Random}
}

// send hands an event to the main goroutine; it is false when ctx has ended.
func (r *yahooRun) send(ctx context.Context, e yahooEvent) bool {
	select {
	case r.events <- e:
		return true
	case <-ctx.Done():
		return false
	}
}

// flushSoon is how long a tick may wait for company.
const flushSoon = 100 * time.Millisecond

func (r *yahooRun) serve(ctx context.Context) error {
	second := time.NewTicker(r.times.second)
	defer second.Stop()
	soon := time.NewTimer(time.Hour)
	defer soon.Stop()
	r.due = time.NewTimer(0)
	defer r.due.Stop()
	r.say(Condition{Level: Busy, Text: "connecting to Yahoo"})
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e := <-r.events:
			clean := !r.dirty
			if err := r.take(e); err != nil {
				return err
			}
			if clean && r.dirty {
				soon.Reset(flushSoon)
			}
		case <-soon.C:
			if err := r.flush(); err != nil {
				return err
			}
		case <-r.due.C:
			if !r.polling {
				r.polling = true
				r.round <- struct{}{}
			}
		case <-second.C:
			r.clock.skew, _ = r.skew.read()
			if err := r.second(); err != nil {
				return err
			}
			if r.polled || r.stream.up || r.stream.text != "" {
				r.say(r.condition())
			}
		}
	}
}

// take digests an event.
func (r *yahooRun) take(e yahooEvent) error {
	r.odd += int64(e.odd)
	for i := range e.quotes {
		ours, asked := r.symbols[e.quotes[i].symbol]
		if !asked {
			e.quotes[i].symbol = "" // nobody asked: odd
		} else {
			e.quotes[i].symbol = ours
		}
	}
	if err := r.quotes(e.quotes); err != nil {
		return err
	}
	now := r.cfg.Now()
	switch {
	case e.poll != nil:
		r.poll, r.polled, r.polling = *e.poll, true, false
		if e.poll.up {
			r.ready = true
			r.lost = e.lost
			r.due.Reset(r.pause(now))
		} else {
			r.due.Reset(max(0, e.poll.until.Sub(now)))
		}
	case e.stream != nil:
		was := r.stream.up
		r.stream = *e.stream
		if r.stream.up {
			r.heard = now
		} else if was && !r.polling && (r.poll.up || !r.polled) {
			r.due.Reset(0)
		}
	default:
		if e.heard {
			r.heard = now
		}
		return nil
	}
	if r.polled || r.stream.text != "" || r.stream.up {
		r.say(r.condition())
	}
	return nil
}

// pause is how long until the next round of quotes: the stream does without
// while it brings something.
func (r *yahooRun) pause(now time.Time) time.Duration {
	if !r.stream.up {
		return r.cfg.Poll
	}
	return max(r.cfg.Poll, r.times.quiet-now.Sub(r.heard))
}

// condition puts the source's state into words.
func (r *yahooRun) condition() Condition {
	c := Condition{Level: OK}
	symbols := count(len(r.asked), "symbol")
	switch {
	case r.stream.up && (r.poll.up || !r.polled):
		c.Text = "streaming " + symbols
	case r.stream.up:
		c.Level, c.Until = Busy, market.At(r.poll.until)
		c.Text = fmt.Sprintf("streaming %s; quotes: %s, %s", symbols, r.poll.text, nextTry(r.poll.until))
	case r.cfg.Stream && r.poll.up && r.stream.text == "":
		c.Level = Busy
		c.Text = "connecting to the stream of " + symbols
	case r.cfg.Stream && r.poll.up:
		c.Level, c.Until = Busy, market.At(r.stream.until)
		c.Text = fmt.Sprintf("asking for the quotes of %s every %s, since the stream is away: %s, %s",
			symbols, r.cfg.Poll, r.stream.text, nextTry(r.stream.until))
	case r.poll.up:
		c.Text = fmt.Sprintf("asking for the quotes of %s every %s", symbols, r.cfg.Poll)
	case r.polled:
		c.Level, c.Until = Trouble, market.At(r.poll.until)
		c.Text = fmt.Sprintf("no quotes: %s, %s", r.poll.text, nextTry(r.poll.until))
		if r.stream.text != "" {
			c.Text += fmt.Sprintf("; no stream: %s, %s", r.stream.text, nextTry(r.stream.until))
		}
	default:
		c.Level, c.Until = Busy, market.At(r.stream.until)
		c.Text = fmt.Sprintf("no stream: %s, %s; asking for quotes", r.stream.text, nextTry(r.stream.until))
	}
	if _, text := r.skew.read(); text != "" {
		c.Level, c.Text = max(c.Level, Busy), c.Text+text
	}
	if n := len(r.lost); n > 0 {
		shown := r.lost[:min(n, 3)]
		c.Text += "; Yahoo does not know " + strings.Join(shown, ", ")
		if n > len(shown) {
			c.Text += fmt.Sprintf(" and %d more", n-len(shown))
		}
	}
	c.Text += r.oddText()
	return c
}

// count writes a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
