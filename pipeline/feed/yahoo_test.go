package feed

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/protobuf/encoding/protowire"

	"tapedeck/pipeline/market"
)

// watched is a tape that another goroutine may wait on.
type watched struct {
	mu      sync.Mutex
	tape    tape
	changed chan struct{}
}

func newWatched() *watched { return &watched{changed: make(chan struct{}, 1)} }

func (w *watched) note(f func() error) error {
	w.mu.Lock()
	err := f()
	w.mu.Unlock()
	select {
	case w.changed <- struct{}{}:
	default:
	}
	return err
}

func (w *watched) Tick(t *market.Tick, row int64) error {
	return w.note(func() error { return w.tape.Tick(t, row) })
}
func (w *watched) Clock(c market.Clock) error { return w.note(func() error { return w.tape.Clock(c) }) }
func (w *watched) Flush() error               { return w.note(func() error { return w.tape.Flush() }) }
func (w *watched) Say(c Condition)            { w.note(func() error { w.tape.Say(c); return nil }) }

// wait waits until the tape is as it should be.
func (w *watched) wait(t *testing.T, what string, ok func(*tape) bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		w.mu.Lock()
		done := ok(&w.tape)
		w.mu.Unlock()
		if done {
			return
		}
		select {
		case <-w.changed:
		case <-deadline:
			w.mu.Lock()
			defer w.mu.Unlock()
			t.Fatalf("waited in vain for %s; ticks %v, said:\n%s", what, w.tape.order, w.tape.saidText())
		}
	}
}

func (w *watched) waitSaid(t *testing.T, text string) Condition {
	t.Helper()
	var found Condition
	w.wait(t, fmt.Sprintf("%q", text), func(s *tape) bool {
		i := slices.IndexFunc(s.said, func(c Condition) bool { return strings.Contains(c.Text, text) })
		if i >= 0 {
			found = s.said[i]
		}
		return i >= 0
	})
	return found
}

// start runs a source until the test ends.
func start(t *testing.T, s Source) *watched {
	t.Helper()
	out := newWatched()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, out) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run ended with %v", err)
		}
	})
	return out
}

// fakeYahoo is a server with Yahoo's habits.
type fakeYahoo struct {
	*httptest.Server
	t *testing.T

	mu         sync.Mutex
	crumb      string
	crumbs     int
	crumbBody  string // instead of a crumb
	quote      func(w http.ResponseWriter, r *http.Request)
	chart      func(w http.ResponseWriter, r *http.Request)
	stream     func(ctx context.Context, conn *websocket.Conn) // nil refuses
	subscribed []string
	quoted     int
}

func newFakeYahoo(t *testing.T) *fakeYahoo {
	f := &fakeYahoo{t: t}
	mux := http.NewServeMux()
	mux.HandleFunc("/cookie", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "A3", Value: "d=1", Path: "/"})
		w.WriteHeader(http.StatusNotFound)
	})
	mux.HandleFunc("/v1/test/getcrumb", func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if _, err := r.Cookie("A3"); err != nil || r.UserAgent() == "" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		f.crumbs++
		if f.crumbBody != "" {
			io.WriteString(w, f.crumbBody)
			return
		}
		f.crumb = fmt.Sprintf("a/b.%d", f.crumbs)
		io.WriteString(w, f.crumb)
	})
	mux.HandleFunc("/v7/finance/quote", func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		crumb, quote := f.crumb, f.quote
		f.quoted++
		f.mu.Unlock()
		if r.FormValue("crumb") != crumb || crumb == "" {
			w.WriteHeader(http.StatusUnauthorized)
			io.WriteString(w, `{"finance":{"result":null,"error":{"code":"Unauthorized","description":"Invalid Crumb"}}}`)
			return
		}
		quote(w, r)
	})
	mux.HandleFunc("/v8/finance/chart/", func(w http.ResponseWriter, r *http.Request) {
		f.chart(w, r)
	})
	mux.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		stream := f.stream
		f.mu.Unlock()
		if stream == nil {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			t.Errorf("accept: %v", err)
			return
		}
		defer conn.CloseNow()
		stream(r.Context(), conn)
	})
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	return f
}

func (f *fakeYahoo) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// hear reads what the client subscribes to until the connection ends.
func (f *fakeYahoo) hear(ctx context.Context, conn *websocket.Conn) {
	for {
		_, data, err := conn.Read(ctx)
		if err != nil {
			return
		}
		var message struct{ Subscribe []string }
		if err := json.Unmarshal(data, &message); err != nil {
			f.t.Errorf("subscription %q: %v", data, err)
		}
		f.set(func() { f.subscribed = append(f.subscribed, strings.Join(message.Subscribe, ",")) })
	}
}

// yahoo is a source that asks this server and has no patience.
func (f *fakeYahoo) yahoo(change func(*YahooConfig)) *Yahoo {
	f.t.Helper()
	cfg := YahooConfig{Symbols: []string{"AAPL", "BRK.B", "MSFT"}, Random: func() float64 { return 0 },
		BaseURLs: YahooURLs{Query1: f.URL, Query2: f.URL + "/", Stream: f.URL + "/stream?version=2", Cookie: f.URL + "/cookie"}}
	if change != nil {
		change(&cfg)
	}
	y, err := NewYahoo(cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	if cfg.Poll == 0 {
		y.cfg.Poll = 5 * time.Millisecond
	}
	y.times.space, y.times.second, y.times.retry = time.Millisecond, 5*time.Millisecond, 8*time.Millisecond
	return y
}

func fixture(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func answer(body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, body) }
}

func aapl(at, volume int64, price float64) string {
	return fmt.Sprintf(`{"quoteResponse":{"result":[{"symbol":"AAPL","regularMarketTime":%d,"regularMarketPrice":%g,"regularMarketVolume":%d}],"error":null}}`, at, price, volume)
}

func TestYahooPollsQuotes(t *testing.T) {
	f := newFakeYahoo(t)
	var asked string
	f.quote = func(w http.ResponseWriter, r *http.Request) {
		f.set(func() { asked = r.FormValue("symbols") })
		io.WriteString(w, fixture(t, "yahoo/quote.json"))
	}
	out := start(t, f.yahoo(nil))
	out.wait(t, "three ticks and a second round", func(s *tape) bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(s.ticks) >= 3 && f.quoted > 2 && len(s.clocks) > 0
	})
	f.set(func() { f.crumb = "of another day"; f.quote = answer(aapl(1763649002, 1200700, 187.15)) })
	out.wait(t, "the fourth tick", func(s *tape) bool { return len(s.ticks) >= 4 })
	f.set(func() {
		if asked != "AAPL,BRK-B,MSFT" || f.crumbs != 2 {
			t.Errorf("asked for %q, %d crumbs", asked, f.crumbs)
		}
	})
	out.note(func() error {
		want := []market.Tick{
			{Symbol: "MSFT", Time: 1763648990e6, Price: 99.75, Exchange: "NMS"},
			{Symbol: "AAPL", Time: 1763649000e6, Price: 187.12, Bid: 187.11, Ask: 187.13, Exchange: "NMS"},
			{Symbol: "BRK.B", Time: 1763649001e6, Price: 500.25, Exchange: "NYQ"},
			{Symbol: "AAPL", Time: 1763649002e6, Price: 187.15, Size: 200},
		}
		for i, tick := range out.tape.ticks {
			if tick.Source != "yahoo" || tick.Received == 0 {
				t.Errorf("tick %+v", tick)
			}
			tick.Source, tick.Received = "", 0
			if i >= len(want) || tick != want[i] {
				t.Errorf("tick %d is %+v", i, tick)
			}
		}
		return nil
	})
	out.waitSaid(t, "does not know")
}

func TestYahooSaysWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		quote func(http.ResponseWriter, *http.Request)
		crumb string
		want  string
	}{
		"429 with retry": {quote: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "120")
			w.WriteHeader(http.StatusTooManyRequests)
		}, want: "asks us to slow down"},
		"429 as a crumb":    {crumb: "Too Many Requests\r\n", want: "asks us to slow down"},
		"a page as a crumb": {crumb: "<html>consent</html>", want: "no crumb: a web page came"},
		"JSON as a crumb":   {crumb: `{"finance":{"error":1}}`, want: "no crumb"},
		"error with 200":    {quote: answer(`{"quoteResponse":{"result":null,"error":{"code":"internal-error","description":"STORAGE timed out"}}}`), want: "STORAGE timed out"},
		"page with 200":     {quote: answer("<!DOCTYPE html><html>"), want: "a web page came"},
		"empty":             {quote: answer(""), want: "the answer is empty"},
		"garbage":           {quote: answer("\x00\x01garbage"), want: "not what was expected"},
		"null":              {quote: answer("null"), want: "not what was expected"},
		"huge":              {quote: answer(strings.Repeat(" ", maxBody+1)), want: "more than 16 MiB"},
		"500":               {quote: func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) }, want: "500 Internal Server Error"},
		"breaks off": {quote: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, "{")
		}, want: "broke the connection off"},
		"refuses for ever": {quote: func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(401) }, want: "refuses its own crumb"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeYahoo(t)
			f.quote, f.crumbBody = c.quote, c.crumb
			out := start(t, f.yahoo(nil))
			said := out.waitSaid(t, c.want)
			if said.Level != Trouble || !strings.Contains(said.Text, "next try at ") || said.Until == 0 {
				t.Errorf("said %+v", said)
			}
			if wait := said.Until.Sub(market.At(time.Now())); name == "429 with retry" && (wait < 100*time.Second || wait > 140*time.Second) {
				t.Errorf("tries again in %s, was asked to wait 120 s", wait)
			}
			if strings.HasPrefix(name, "429 with") {
				return
			}
			f.set(func() { f.crumbBody = ""; f.quote = answer(aapl(1763649002, 1, 187.15)) })
			out.wait(t, "it to go on afterwards", func(s *tape) bool { return len(s.ticks) == 1 && s.said[len(s.said)-1].Level == OK })
		})
	}
}

// failing answers no request.
type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

func TestYahooWithoutANetwork(t *testing.T) {
	f := newFakeYahoo(t)
	for want, err := range map[string]error{
		"cannot be found by name": &net.DNSError{Err: "no such host", Name: "query1.finance.yahoo.com"},
		"does not answer":         context.DeadlineExceeded,
		"broke the connection":    io.ErrUnexpectedEOF,
	} {
		y := f.yahoo(func(cfg *YahooConfig) {
			cfg.Stream, cfg.Backfill = true, true
			cfg.HTTP = &http.Client{Transport: failing{err}}
		})
		out := start(t, y)
		said := out.waitSaid(t, "no quotes")
		if !strings.Contains(said.Text, want) || said.Level != Trouble {
			t.Errorf("said %+v, want %q", said, want)
		}
		out.waitSaid(t, "no stream")
		out.waitSaid(t, "today's minutes are missing for 3 symbols")
	}
}

func TestYahooClockSkew(t *testing.T) {
	f := newFakeYahoo(t)
	f.quote = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		answer(aapl(time.Now().Add(time.Hour).Unix(), 1, 187.15))(w, r)
	}
	out := start(t, f.yahoo(nil))
	out.waitSaid(t, "this machine's clock is 1h0m0s behind that of 127.0.0.1")
	out.wait(t, "a clock by the server's time", func(s *tape) bool {
		return len(s.clocks) > 0 && s.clocks[len(s.clocks)-1].Time.Sub(market.At(time.Now())) > 50*time.Minute
	})
}

// price encodes a PricingData message.
func priceMessage(id string, price float32, ms, volume int64) []byte {
	var b []byte
	b = protowire.AppendTag(b, 1, protowire.BytesType)
	b = protowire.AppendString(b, id)
	b = protowire.AppendTag(b, 2, protowire.Fixed32Type)
	b = protowire.AppendFixed32(b, math.Float32bits(price))
	b = protowire.AppendTag(b, 3, protowire.VarintType)
	b = protowire.AppendVarint(b, protowire.EncodeZigZag(ms))
	b = protowire.AppendTag(b, 5, protowire.BytesType)
	b = protowire.AppendString(b, "NMS")
	b = protowire.AppendTag(b, 9, protowire.VarintType)
	b = protowire.AppendVarint(b, protowire.EncodeZigZag(volume))
	b = protowire.AppendTag(b, 32, protowire.Fixed64Type)
	b = protowire.AppendFixed64(b, 1)
	return b
}

func bare(message []byte) []byte {
	return []byte(base64.StdEncoding.EncodeToString(message))
}

func wrapped(message []byte) []byte {
	return fmt.Appendf(nil, `{"type":"pricing","message":%q}`, bare(message))
}

func TestYahooFollowsTheStream(t *testing.T) {
	const at = 1763649000000
	f := newFakeYahoo(t)
	f.quote = answer(aapl(at/1000-60, 90, 187))
	f.stream = func(ctx context.Context, conn *websocket.Conn) {
		for _, message := range [][]byte{
			wrapped(priceMessage("AAPL", 187.12, at, 100)),
			bare(priceMessage("AAPL", 187.13, at+1000, 250)),
			wrapped(priceMessage("AAPL", 187.13, at+1000, 250)), // again
			wrapped(priceMessage("AAPL", 187.14, at+2000, 0)),   // says nothing of volume
			wrapped(priceMessage("BRK-B", 500.5, at+2500, 10)),
			wrapped(priceMessage("TSLA", 1, at, 1)), // was not asked for
			[]byte(`{"type":"heartbeat"}`),
			[]byte("%%%"),
			wrapped(priceMessage("AAPL", float32(math.NaN()), at+2500, 260)),
			wrapped(priceMessage("AAPL", 187.15, at+3000, 300)),
		} {
			if err := conn.Write(ctx, websocket.MessageText, message); err != nil {
				t.Errorf("write: %v", err)
			}
		}
		f.hear(ctx, conn)
	}
	y := f.yahoo(func(cfg *YahooConfig) { cfg.Stream = true; cfg.Poll = time.Hour })
	y.times.resubscribe, y.times.ping = 10*time.Millisecond, 10*time.Millisecond
	out := start(t, y)
	out.wait(t, "the last tick", func(s *tape) bool {
		return slices.ContainsFunc(s.ticks, func(t market.Tick) bool { return t.Price == 187.15 })
	})
	out.waitSaid(t, "streaming 3 symbols")
	out.waitSaid(t, "3 quotes were unreadable")
	out.wait(t, "subscriptions", func(*tape) bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.subscribed) >= 3 && f.subscribed[2] == "AAPL,BRK-B,MSFT"
	})
	out.note(func() error {
		var got []string
		for _, tick := range out.tape.ticks {
			if tick.Time >= at*1000 {
				got = append(got, fmt.Sprintf("%s %g x%d @%d", tick.Symbol, tick.Price, tick.Size, tick.Time.Millis()-at))
			}
		}
		first := got[0] // its size depends on whether the poll or the stream was first
		if first != "AAPL 187.12 x0 @0" && first != "AAPL 187.12 x10 @0" {
			t.Errorf("first %q", first)
		}
		want := []string{"AAPL 187.13 x150 @1000", "AAPL 187.14 x0 @2000", "BRK.B 500.5 x0 @2500", "AAPL 187.15 x50 @3000"}
		if !slices.Equal(got[1:], want) {
			t.Errorf("got %q, want %q", got[1:], want)
		}
		return nil
	})
}

func TestYahooPollsWhileTheStreamIsAway(t *testing.T) {
	f := newFakeYahoo(t)
	f.quote = answer(aapl(1763649000, 100, 187))
	drop := make(chan struct{})
	f.stream = func(ctx context.Context, conn *websocket.Conn) {
		select {
		case <-drop:
		case <-ctx.Done():
		}
	}
	y := f.yahoo(func(cfg *YahooConfig) { cfg.Stream = true; cfg.Poll = time.Hour })
	out := start(t, y)
	out.waitSaid(t, "streaming 3 symbols")
	out.waitSaid(t, "does not know BRK.B, MSFT") // the first round is over
	f.set(func() { f.stream = nil; f.quote = answer(aapl(1763649005, 150, 188)) })
	close(drop)
	out.wait(t, "a round when the stream went", func(s *tape) bool { return len(s.ticks) == 2 && s.ticks[1].Size == 50 })
	said := out.waitSaid(t, "since the stream is away")
	if said.Level != Busy || !strings.Contains(said.Text, "next try at") {
		t.Errorf("said %+v", said)
	}
	said = out.waitSaid(t, "the server asks us to slow down")
	if wait := said.Until.Sub(market.At(time.Now())); wait < 59*time.Minute {
		t.Errorf("tries the stream again in %s, was asked to wait an hour", wait)
	}
}

func TestYahooNoticesAHalfOpenStream(t *testing.T) {
	f := newFakeYahoo(t)
	f.quote = answer(aapl(1763649000, 100, 187))
	f.stream = func(ctx context.Context, conn *websocket.Conn) { <-ctx.Done() } // reads nothing, so answers no ping
	y := f.yahoo(func(cfg *YahooConfig) { cfg.Stream = true; cfg.Poll = time.Hour })
	y.times.ping, y.times.pong, y.times.retry = 5*time.Millisecond, 20*time.Millisecond, time.Hour
	out := start(t, y)
	out.waitSaid(t, "it stopped answering")
}

func TestYahooBackfillsTodaysMinutes(t *testing.T) {
	f := newFakeYahoo(t)
	undated := func(body string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Date"] = nil // it would not be the test's
			io.WriteString(w, body)
		}
	}
	f.quote = undated(aapl(1763649000, 100, 187)) // older than the history: a base, no tick
	f.chart = func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Date"] = nil
		if r.FormValue("interval") != "1m" || r.FormValue("range") != "1d" {
			t.Errorf("asked for %s", r.URL)
		}
		symbol := strings.TrimPrefix(r.URL.Path, "/v8/finance/chart/")
		if symbol == "MSFT" {
			w.WriteHeader(http.StatusNotFound)
			io.WriteString(w, `{"chart":{"result":null,"error":{"code":"Not Found","description":"No data found, symbol may be delisted"}}}`)
			return
		}
		io.WriteString(w, strings.ReplaceAll(fixture(t, "yahoo/chart.json"), "AAPL", symbol))
	}
	now := time.Unix(1763649210, 0)
	y := f.yahoo(func(cfg *YahooConfig) {
		cfg.Backfill = true
		cfg.Now = func() time.Time { return now }
		cfg.Since = func(symbol string) market.Time {
			if symbol == "BRK.B" {
				return 1763649000e6 + 30e6 // its first minute is in the log
			}
			return 0
		}
	})
	out := start(t, y)
	out.waitSaid(t, "today's minutes are missing for 1 symbol: 127.0.0.1")
	out.wait(t, "a round", func(s *tape) bool { return strings.Contains(s.saidText(), "asking for the quotes") })
	f.set(func() { f.quote = undated(aapl(1763649209, 140, 189)) })
	out.wait(t, "the first tick of the present", func(s *tape) bool { return s.ticks[len(s.ticks)-1].Price == 189 })
	out.note(func() error {
		volume, n := map[string]int64{}, map[string]int{}
		ticks := out.tape.ticks
		if last := ticks[len(ticks)-1]; last.Size != 40 {
			t.Errorf("the first tick of the present is %+v", last)
		}
		ticks = ticks[:len(ticks)-1]
		for _, tick := range ticks {
			volume[tick.Symbol] += tick.Size
			n[tick.Symbol]++
		}
		if volume["AAPL"] != 15003 || volume["BRK.B"] != 5000 || n["AAPL"] != 8 || n["BRK.B"] != 4 {
			t.Errorf("volumes %v, ticks %v", volume, n)
		}
		if !slices.IsSortedFunc(ticks, func(a, b market.Tick) int { return int(a.Time - b.Time) }) {
			t.Error("the history is out of order")
		}
		if a := ticks[0]; a.Price != 187 || a.Size != 2500 || a.Time != 1763649000e6 {
			t.Errorf("first %+v", a)
		}
		return nil
	})
}

func TestYahooConfigErrors(t *testing.T) {
	good := YahooConfig{Symbols: []string{"AAPL"}}
	for want, change := range map[string]func(*YahooConfig){
		"no symbols":      func(c *YahooConfig) { c.Symbols = nil },
		"not a symbol":    func(c *YahooConfig) { c.Symbols = []string{"a b"} },
		"at least 1s":     func(c *YahooConfig) { c.Poll = time.Millisecond },
		"set 1 to 500":    func(c *YahooConfig) { c.Batch = 1000 },
		"query1 address":  func(c *YahooConfig) { c.BaseURLs.Query1 = "ftp://x" },
		"stream address ": func(c *YahooConfig) { c.BaseURLs.Stream = "streamer" },
	} {
		cfg := good
		change(&cfg)
		if _, err := NewYahoo(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestYahooEndsWithItsSink(t *testing.T) {
	f := newFakeYahoo(t)
	f.quote = answer(aapl(1763649000, 100, 187))
	broken := errors.New("the log is full")
	if err := f.yahoo(nil).Run(t.Context(), &tape{fail: broken}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestDecodePricing(t *testing.T) {
	var p pricing
	if err := decodePricing(priceMessage("AAPL", 187.12, 1763649000123, 12345), &p); err != nil {
		t.Fatal(err)
	}
	want := pricing{id: "AAPL", price: 187.12, time: market.FromMillis(1763649000123), exchange: "NMS", dayVolume: 12345}
	if p != want {
		t.Errorf("got %+v, want %+v", p, want)
	}
	for i := range priceMessage("AAPL", 187.12, 1763649000123, 12345) {
		decodePricing(priceMessage("AAPL", 187.12, 1763649000123, 12345)[:i], &p) // must not panic
	}
}

func TestDecodeARecordedStreamMessage(t *testing.T) {
	data, err := os.ReadFile(filepath.FromSlash("../../../shared/data/providers/yahoo/stream-btc-usd.json"))
	if err != nil {
		t.Skip("../shared is missing: the recorded message is not checked")
	}
	var recorded struct {
		Decoded struct {
			ID        string  `json:"id"`
			Price     float64 `json:"price"`
			Time      int64   `json:"time"`
			Exchange  string  `json:"exchange"`
			QuoteType int64   `json:"quote_type"`
			DayVolume int64   `json:"day_volume"`
		} `json:"decoded"`
	}
	if err := json.Unmarshal(data, &recorded); err != nil {
		t.Fatal(err)
	}
	var p pricing
	if ok, err := decodeStream(data, &p); !ok || err != nil {
		t.Fatal(ok, err)
	}
	d := recorded.Decoded
	if p.id != d.ID || p.price != d.Price || p.time.Millis() != d.Time || p.exchange != d.Exchange || p.quoteType != d.QuoteType || p.dayVolume != d.DayVolume {
		t.Errorf("got %+v, want %+v", p, d)
	}
	quotes, err := os.ReadFile(filepath.FromSlash("../../../shared/data/providers/yahoo/quote.json"))
	if err != nil {
		t.Fatal(err)
	}
	got, odd, err := decodeQuotes(quotes)
	if err != nil || odd != 0 || len(got) != 2 || got[0].symbol != "AAPL" || got[0].price != 136.68 || got[0].time != 1612573198e6 || got[0].bid != 136.68 {
		t.Errorf("got %+v, %d odd, %v", got, odd, err)
	}
}

func TestQuotebookSizes(t *testing.T) {
	at := func(day, hour int) market.Time {
		return market.At(time.Date(2025, 11, day, hour+5, 0, 0, 0, time.UTC)) // New York in winter
	}
	for name, c := range map[string]struct {
		quotes []quote
		want   []int64 // sizes; -1 is no tick
		crypto bool
	}{
		"grows":               {quotes: []quote{{time: at(20, 10), volume: 100}, {time: at(20, 11), volume: 150}}, want: []int64{0, 50}},
		"the same again":      {quotes: []quote{{time: at(20, 10), volume: 100}, {time: at(20, 10), volume: 100}}, want: []int64{0, -1}},
		"more at one time":    {quotes: []quote{{time: at(20, 10), volume: 100}, {time: at(20, 10), volume: 120}}, want: []int64{0, 20}},
		"late":                {quotes: []quote{{time: at(20, 11), volume: 100}, {time: at(20, 10), volume: 90}, {time: at(20, 12), volume: 110}}, want: []int64{0, -1, 10}},
		"a new day":           {quotes: []quote{{time: at(20, 15), volume: 5000}, {time: at(21, 9), volume: 70}, {time: at(21, 10), volume: 90}}, want: []int64{0, 70, 20}},
		"yesterday's total":   {quotes: []quote{{time: at(20, 15), volume: 5000}, {time: at(21, 5), volume: 5000, price: 2}, {time: at(21, 9), volume: 0}, {time: at(21, 10), volume: 70}, {time: at(21, 11), volume: 80}}, want: []int64{0, 0, 0, 70, 10}},
		"corrected":           {quotes: []quote{{time: at(20, 10), volume: 100}, {time: at(20, 11), volume: 80}, {time: at(20, 12), volume: 110}}, want: []int64{0, 0, 10}},
		"a late correction":   {quotes: []quote{{time: at(20, 15), volume: 5000}, {time: at(21, 5), volume: 5001}, {time: at(21, 9), volume: 70}, {time: at(21, 10), volume: 90}, {time: at(21, 11), volume: 95}}, want: []int64{0, 1, 0, 20, 5}},
		"unknown for a while": {quotes: []quote{{time: at(20, 10), volume: -1}, {time: at(20, 11), volume: 80}, {time: at(20, 12), volume: -1}, {time: at(20, 13), volume: 110}}, want: []int64{0, 0, 0, 30}},
		"crypto at midnight":  {crypto: true, quotes: []quote{{time: at(20, 18), volume: 9000}, {time: at(20, 20), volume: 40}}, want: []int64{0, 40}},
		"from the future":     {quotes: []quote{{time: at(29, 18), volume: 9000}, {time: at(20, 20), volume: 40}}, want: []int64{-1, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			book := newQuotebook("test")
			var got []int64
			for _, q := range c.quotes {
				q.symbol, q.price, q.utcDay = "A", max(q.price, 1), c.crypto
				tick, fresh := book.tick(q, at(22, 0))
				if !fresh {
					tick.Size = -1
				}
				got = append(got, tick.Size)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("sizes %v, want %v", got, c.want)
			}
		})
	}
}

func TestBackoffGrowsWithJitter(t *testing.T) {
	random := 0.5
	b := backoff{first: time.Second, most: 10 * time.Second, random: func() float64 { return random }}
	var got []time.Duration
	for range 6 {
		got = append(got, b.next(0))
	}
	want := []time.Duration{500e6, 1e9, 2e9, 4e9, 5e9, 5e9}
	if !slices.Equal(got, want) {
		t.Errorf("waits %v, want %v", got, want)
	}
	b.reset()
	if random = 0; b.next(0) < 250*time.Millisecond {
		t.Error("no wait at all is spinning")
	}
	if wait := b.next(time.Minute); wait < time.Minute {
		t.Errorf("was asked to wait a minute, waits %s", wait)
	}
	for range 100 {
		if wait := b.next(0); wait <= 0 || wait > 10*time.Second {
			t.Fatalf("wait %s", wait)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-1": 0, "soon": 0, "1e30": maxAskedWait,
		"Thu, 01 Jan 2026 00:01:00 GMT": time.Minute, "Thu, 01 Jan 2015 00:01:00 GMT": 0,
	} {
		if got := retryAfter(http.Header{"Retry-After": {header}}, now); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}

func FuzzDecodePricing(f *testing.F) {
	f.Add(wrapped(priceMessage("AAPL", 187.12, 1763649000123, 12345)))
	f.Add(bare(priceMessage("BTC-USD", 94745.08, -1, -1)))
	f.Add([]byte("CgE="))
	f.Fuzz(func(t *testing.T, data []byte) {
		var p pricing
		ok, err := decodeStream(data, &p)
		if ok && err == nil && p.id == "" {
			t.Fatal("accepted a message without a symbol")
		}
		decodePricing(data, &p)
		book := newQuotebook("yahoo")
		if tick, fresh := book.tick(p.quote(), market.At(time.Unix(1763649000, 0))); fresh && tick.Validate() != nil {
			t.Fatalf("made %+v", tick)
		}
	})
}

func FuzzDecodeQuotes(f *testing.F) {
	f.Add([]byte(fixture(f, "yahoo/quote.json")))
	f.Add([]byte(`{"finance":{"error":{}}}`))
	f.Add([]byte(fixture(f, "yahoo/chart.json")))
	f.Fuzz(func(t *testing.T, data []byte) {
		quotes, _, _ := decodeQuotes(data)
		book := newQuotebook("yahoo")
		for _, q := range quotes {
			if tick, fresh := book.tick(q, market.At(time.Unix(1763649000, 0))); fresh && (tick.Validate() != nil || tick.Size < 0) {
				t.Fatalf("made %+v", tick)
			}
		}
		candles, _ := decodeChart(data)
		for _, c := range candles {
			sum := int64(0)
			ticks := c.ticks("yahoo", 1)
			for _, tick := range ticks {
				sum += tick.Size
			}
			if len(ticks) > 0 && sum != c.volume {
				t.Fatalf("sizes sum to %d, the bar has %d", sum, c.volume)
			}
		}
	})
}
