package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tapedeck/pipeline/market"
)

// inside answers requests in the same process, so that a whole day passes in
// no time.
type inside struct{ handler http.HandlerFunc }

func (i inside) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	i.handler(w, r)
	return w.Result(), nil
}

// newYorkTime is an instant by New York's clock.
func newYorkTime(t testing.TB, s string) time.Time {
	t.Helper()
	at, ok := localTime(s, market.NYSE().Location())
	if !ok {
		t.Fatalf("%q is not a time", s)
	}
	return at.Std()
}

// bubbleTime shifts the clock of a synctest bubble so that it begins at a time.
func bubbleTime(begin time.Time) func() time.Time {
	shift := time.Until(begin)
	return func() time.Time { return time.Now().Add(shift) }
}

// runAlpha runs a source in a bubble for d.
func runAlpha(t *testing.T, cfg AlphaVantageConfig, d time.Duration) *tape {
	t.Helper()
	cfg.Key = "SECRETKEY"
	a, err := NewAlphaVantage(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var out tape
	if err := a.Run(ctx, &out); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Run ended with %v", err)
	}
	if text := out.saidText(); strings.Contains(text, cfg.Key) {
		t.Errorf("the key was said: %s", text)
	}
	return &out
}

func globalQuoteOf(symbol, day string, price float64, volume string) string {
	return fmt.Sprintf(`{"Global Quote":{"01. symbol":%q,"05. price":"%.4f","06. volume":%q,"07. latest trading day":%q}}`, symbol, price, volume, day)
}

func TestAlphaVantageSpreadsAFreeKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := newYorkTime(t, "2025-11-20 08:00:00") // a Thursday, before the open
		now := bubbleTime(begin)
		var at []time.Time
		asked := map[string]int{}
		out := runAlpha(t, AlphaVantageConfig{Symbols: []string{"IBM", "MSFT", "AAPL", "IBM"}, Now: now,
			HTTP: &http.Client{Transport: inside{func(w http.ResponseWriter, r *http.Request) {
				at = append(at, now())
				asked[r.FormValue("symbol")]++
				day, volume := "2025-11-20", fmt.Sprint(1000*len(at))
				if now().Before(begin.Add(time.Hour)) {
					day, volume = "2025-11-19", "--"
				}
				if r.FormValue("function") != "GLOBAL_QUOTE" || r.FormValue("apikey") != "SECRETKEY" || r.Host != "www.alphavantage.co" {
					t.Errorf("asked for %s", r.URL)
				}
				io.WriteString(w, globalQuoteOf(r.FormValue("symbol"), day, 300+float64(len(at)), volume))
			}}}}, 24*time.Hour)
		if len(at) != 25 || asked["IBM"] < 8 || len(asked) != 3 {
			t.Errorf("%d requests: %v", len(at), asked)
		}
		closes := newYorkTime(t, "2025-11-20 16:00:00")
		if first, last := at[3], at[24]; first.Sub(begin) < time.Hour || last.Sub(closes).Abs() > 11*time.Minute {
			t.Errorf("the fourth at %s, the last at %s", first, last)
		}
		for i := 5; i < 25; i++ {
			if gap := at[i].Sub(at[i-1]); gap < 17*time.Minute || gap > 20*time.Minute {
				t.Errorf("request %d comes %s after the one before", i, gap)
			}
		}
		if tick := out.ticks[0]; tick.Time != market.At(newYorkTime(t, "2025-11-19 16:00:00")) || tick.Price != 301 || tick.Size != 0 {
			t.Errorf("first %+v", tick)
		}
		if tick := out.ticks[8]; tick.Size != 3000 || tick.Symbol != "AAPL" || tick.Source != "alphavantage" {
			t.Errorf("a later one %+v", tick)
		}
		if !strings.Contains(out.saidText(), "22 of 25 requests left today") {
			t.Errorf("said %s", out.saidText())
		}
		if len(out.clocks) < 80_000 {
			t.Errorf("%d clocks", len(out.clocks))
		}
	})
}

func TestAlphaVantageBulk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := bubbleTime(newYorkTime(t, "2025-11-20 09:31:10"))
		requests := 0
		out := runAlpha(t, AlphaVantageConfig{Symbols: []string{"IBM", "AAPL", "MSFT"}, Bulk: true, PerDay: -1, PerMinute: 75, Now: now,
			HTTP: &http.Client{Transport: inside{func(w http.ResponseWriter, r *http.Request) {
				requests++
				if r.FormValue("symbol") != "IBM,AAPL,MSFT" || r.FormValue("function") != "REALTIME_BULK_QUOTES" {
					t.Errorf("asked for %s", r.URL)
				}
				io.WriteString(w, fixture(t, "alphavantage/bulk.json"))
			}}}}, 10*time.Minute-time.Second)
		if requests != 10 {
			t.Errorf("%d requests in ten minutes", requests)
		}
		if len(out.ticks) != 2 || out.ticks[1].Symbol != "AAPL" || out.ticks[1].Time != market.At(newYorkTime(t, "2025-11-20 09:31:07.9")) {
			t.Errorf("ticks %+v", out.ticks)
		}
	})
}

func TestAlphaVantageBackfill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := bubbleTime(newYorkTime(t, "2025-11-20 09:32:30"))
		out := runAlpha(t, AlphaVantageConfig{Symbols: []string{"IBM", "NONE"}, Backfill: true, Now: now,
			HTTP: &http.Client{Transport: inside{func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.FormValue("symbol") == "NONE":
					io.WriteString(w, `{"Error Message": "Invalid API call. Please retry or visit the documentation for TIME_SERIES_INTRADAY."}`)
				case r.FormValue("function") == "TIME_SERIES_INTRADAY":
					io.WriteString(w, fixture(t, "alphavantage/intraday.json"))
				default:
					io.WriteString(w, globalQuoteOf("IBM", "2025-11-20", 301, "5000"))
				}
			}}}}, time.Minute)
		if len(out.ticks) != 9 {
			t.Fatalf("ticks %q", out.order)
		}
		volume := int64(0)
		for _, tick := range out.ticks {
			volume += tick.Size
		}
		// The minute 09:32 is not over; the first quote is a base.
		if volume != 1203 || out.ticks[0].Price != 300.4 || out.ticks[8].Price != 301 {
			t.Errorf("volume %d, ticks %q", volume, out.order)
		}
		text := out.saidText()
		for _, want := range []string{"reading the newest minutes: 1 of 2 symbols", "missing for 1 symbol: Alpha Vantage does not know the symbol", "it does not know NONE"} {
			if !strings.Contains(text, want) {
				t.Errorf("said %s, want %q", text, want)
			}
		}
	})
}

func TestAlphaVantageSaysWhatIsWrong(t *testing.T) {
	limit := `{"Information": "We have detected your API key as SECRETKEY and our standard API rate limit is 25 requests per day. Please subscribe to any of the premium plans."}`
	for name, c := range map[string]struct {
		body   string
		status int
		want   string
		again  time.Duration // at least so long until the next request
	}{
		"the day's requests are used": {body: limit, want: "the key's requests for today are used up, next try at Fri 09:00 UTC", again: 17 * time.Hour},
		"too fast":                    {body: `{"Note": "Thank you for using Alpha Vantage! Our standard API call frequency is 5 calls per minute and 500 calls per day."}`, want: "asks us to slow down, next try at", again: time.Minute},
		"a burst":                     {body: `{"Information": "Please consider spreading out your free API requests more sparingly (1 request per second) or subscribe to premium (25 requests per day)"}`, want: "asks us to slow down", again: time.Minute},
		"a bad key":                   {body: `{"Error Message": "the parameter apikey is invalid or missing. Please claim your free API key"}`, want: "does not accept the key", again: time.Second},
		"an odd note":                 {body: `{"Note": "SECRETKEY is a fine key"}`, want: "says: … is a fine key", again: time.Second},
		"a page":                      {body: "<html>", want: "a web page came", again: time.Second},
		"an array":                    {body: "[]", want: "not what was expected", again: time.Second},
		"something else":              {body: `{"a":1}`, want: "something other than a quote", again: time.Second},
		"no price":                    {body: globalQuoteOf("IBM", "2025-11-20", 0, "1"), want: "a quote without price or day", again: time.Second},
		"503":                         {status: 503, want: "503 Service Unavailable", again: time.Second},
		"429":                         {status: 429, want: "asks us to slow down (too many requests)", again: 90 * time.Second},
		"an unknown symbol":           {body: `{"Global Quote": {}}`, want: "Alpha Vantage knows none of the symbols", again: 20 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				now := bubbleTime(newYorkTime(t, "2025-11-20 10:00:00"))
				var at []time.Time
				out := runAlpha(t, AlphaVantageConfig{Symbols: []string{"IBM"}, PerDay: -1, PerMinute: 6000, Poll: 10 * time.Minute, Now: now,
					Random: func() float64 { return 0 },
					HTTP: &http.Client{Transport: inside{func(w http.ResponseWriter, r *http.Request) {
						if at = append(at, now()); len(at) > 1 {
							io.WriteString(w, globalQuoteOf("IBM", "2025-11-20", 300, "1"))
							return
						}
						w.Header().Set("Retry-After", "90")
						if c.status != 0 {
							w.WriteHeader(c.status)
						}
						io.WriteString(w, c.body)
					}}}}, c.again+5*time.Hour)
				i := slices.IndexFunc(out.said, func(s Condition) bool { return strings.Contains(s.Text, c.want) })
				if i < 0 {
					t.Fatalf("said %.2000s", out.saidText())
				}
				if said := out.said[i]; said.Level != Trouble || said.Until == 0 {
					t.Errorf("said %+v", said)
				}
				if len(at) < 2 || at[1].Sub(at[0]) < c.again {
					t.Errorf("asked at %.100v, want %s between the first two", at[:min(2, len(at))], c.again)
				}
				if len(out.ticks) != 1 {
					t.Errorf("%d ticks: it did not go on, or repeats", len(out.ticks))
				}
			})
		})
	}
}

func TestAlphaVantageWithoutPaidBulk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := bubbleTime(newYorkTime(t, "2025-11-20 10:00:00"))
		out := runAlpha(t, AlphaVantageConfig{Symbols: []string{"IBM", "AAPL"}, Bulk: true, Now: now,
			HTTP: &http.Client{Transport: inside{func(w http.ResponseWriter, r *http.Request) {
				if r.FormValue("function") == "REALTIME_BULK_QUOTES" {
					io.WriteString(w, `{"endpoint":"Realtime Bulk Quotes","message":"Below is a SAMPLE payload: subscribe to a premium plan","data":[{"symbol":"IBM","timestamp":"2025-11-20 09:31:07.512","close":"1","volume":"1"}]}`)
					return
				}
				io.WriteString(w, globalQuoteOf(r.FormValue("symbol"), "2025-11-20", 300, "1"))
			}}}}, time.Hour)
		if len(out.ticks) != 2 || out.ticks[0].Price != 300 || !strings.Contains(out.saidText(), "the key is not paid for bulk quotes") {
			t.Errorf("ticks %q, said %s", out.order, out.saidText())
		}
	})
}

func TestAlphaVantageOverTheNetwork(t *testing.T) {
	var mu sync.Mutex
	hold := true
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if hold { // a server that breaks off
			hold = false
			panic(http.ErrAbortHandler)
		}
		io.WriteString(w, globalQuoteOf("IBM", time.Now().In(market.NYSE().Location()).Format(time.DateOnly), 300, "1"))
	}))
	defer server.Close()
	a, err := NewAlphaVantage(AlphaVantageConfig{Symbols: []string{"IBM"}, Key: "SECRETKEY", BaseURL: server.URL + "/", PerDay: -1, PerMinute: 6000, Poll: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	a.calendar, a.retry, a.second = market.AlwaysOpen(), time.Millisecond, 5*time.Millisecond
	out := start(t, a)
	out.waitSaid(t, "broke the connection off")
	out.wait(t, "a tick", func(s *tape) bool { return len(s.ticks) == 1 })
}

func TestAlphaVantageConfigErrors(t *testing.T) {
	for want, cfg := range map[string]AlphaVantageConfig{
		"no symbols":   {Key: "k"},
		"not a symbol": {Key: "k", Symbols: []string{"a b"}},
		"no key":       {Symbols: []string{"IBM"}},
		"base address": {Key: "k", Symbols: []string{"IBM"}, BaseURL: "www"},
		"a minute":     {Key: "k", Symbols: []string{"IBM"}, PerMinute: -1},
	} {
		if _, err := NewAlphaVantage(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestDecodeARecordedGlobalQuote(t *testing.T) {
	for _, path := range []string{"testdata/alphavantage/global_quote.json", "../../../shared/data/providers/alphavantage/global_quote.json"} {
		body, err := os.ReadFile(filepath.FromSlash(path))
		if err != nil {
			t.Skip("../shared is missing: the recorded quote is not checked")
		}
		answer, err := decodeAlpha(body)
		if err != nil {
			t.Fatal(err)
		}
		q, err := answer.globalQuote(market.At(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)), market.NYSE())
		if err != nil || q.price <= 0 || q.volume < 1e6 || q.time.Std().In(market.NYSE().Location()).Hour() != 16 {
			t.Errorf("%s: %+v, %v", path, q, err)
		}
	}
}

func TestBudgetAcrossAWeekend(t *testing.T) {
	at := func(s string) market.Time { return market.At(newYorkTime(t, s)) }
	b := budget{perDay: 10, space: time.Minute, calendar: market.NYSE()}
	for _, c := range []struct{ now, want string }{
		{"2025-11-21 08:00:00", "2025-11-21 09:30:00"}, // Friday, before the open
		{"2025-11-21 12:00:00", "2025-11-21 12:00:00"},
		{"2025-11-21 16:11:00", "2025-11-24 09:30:00"}, // after the close: Monday
		{"2025-11-22 12:00:00", "2025-11-24 09:30:00"},
		{"2025-11-27 12:00:00", "2025-11-28 09:30:00"}, // Thanksgiving
	} {
		if got := b.next(at(c.now)); got != at(c.want) {
			t.Errorf("at %s: %s, want %s", c.now, got, c.want)
		}
	}
	b.perDay = 0
	if got := b.next(at("2025-11-21 21:00:00")); got != at("2025-11-24 04:00:00") {
		t.Errorf("without a limit the next is at %s", got)
	}
}

func FuzzDecodeAlpha(f *testing.F) {
	for _, name := range []string{"global_quote", "intraday", "bulk"} {
		f.Add([]byte(fixture(f, "alphavantage/"+name+".json")))
	}
	now := market.At(time.Unix(1763649000, 0))
	f.Fuzz(func(t *testing.T, data []byte) {
		answer, err := decodeAlpha(data)
		if err != nil {
			return
		}
		book := newQuotebook("alphavantage")
		quotes, _, _ := answer.bulkQuotes(time.UTC)
		if q, err := answer.globalQuote(now, market.NYSE()); err == nil {
			quotes = append(quotes, q)
		}
		for _, q := range quotes {
			if tick, fresh := book.tick(q, now); fresh && tick.Validate() != nil {
				t.Fatalf("made %+v", tick)
			}
		}
		candles, _ := answer.intraday("IBM", time.UTC)
		for _, c := range candles {
			for _, tick := range c.ticks("alphavantage", now) {
				if tick.Validate() != nil {
					t.Fatalf("made %+v", tick)
				}
			}
		}
	})
}
