package feed

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"tapedeck/pipeline/market"
)

func TestReplayContract(t *testing.T) {
	text := benchmarkRows(3000)
	early, late := writeFile(t, "early.csv.gz", gzipped(t, text)), writeFile(t, "late.csv", strings.ReplaceAll(text, "\n13811", "\n13812"))
	for name, speed := range map[string]float64{"as fast as possible": 0, "paced": 1e6} {
		t.Run(name, func(t *testing.T) {
			runSourceContract(t, func(t *testing.T) Source {
				r, err := NewReplay(ReplayConfig{Inputs: []string{late, early}, Speed: speed})
				if err != nil {
					t.Fatal(err)
				}
				return r
			})
		})
	}
}

func TestReplayRowsContract(t *testing.T) {
	runSourceContract(t, func(t *testing.T) Source {
		at := market.Time(1763649000e6)
		r, err := NewReplayRows("history", "a day", func(_ context.Context, tick *market.Tick) (bool, error) {
			at += 250_000
			*tick = market.Tick{Symbol: "AAPL", Time: at, Price: 187, Size: 100}
			return at < 1763649000e6+1e9, nil
		}, 0)
		if err != nil {
			t.Fatal(err)
		}
		return r
	})
}

func TestYahooContract(t *testing.T) {
	var volume atomic.Int64
	t.Run("quotes", func(t *testing.T) {
		f := newFakeYahoo(t)
		f.quote = func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, aapl(time.Now().Unix(), volume.Add(100), 187))
		}
		runSourceContract(t, func(t *testing.T) Source { return f.yahoo(nil) }, 30)
	})
	t.Run("stream", func(t *testing.T) {
		f := newFakeYahoo(t)
		f.quote = answer(`{"quoteResponse":{"result":[],"error":null}}`)
		f.stream = func(ctx context.Context, conn *websocket.Conn) {
			go f.hear(ctx, conn)
			for ctx.Err() == nil {
				message := wrapped(priceMessage("AAPL", 187.12, time.Now().UnixMilli(), volume.Add(100)))
				if conn.Write(ctx, websocket.MessageText, message) != nil {
					return
				}
			}
		}
		runSourceContract(t, func(t *testing.T) Source {
			return f.yahoo(func(cfg *YahooConfig) { cfg.Stream = true })
		}, 200)
	})
	t.Run("backfill", func(t *testing.T) {
		f := newFakeYahoo(t)
		f.quote = answer(`{"quoteResponse":{"result":[],"error":null}}`)
		f.chart = func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, fixture(t, "yahoo/chart.json")) }
		runSourceContract(t, func(t *testing.T) Source {
			return f.yahoo(func(cfg *YahooConfig) { cfg.Backfill = true })
		}, 30)
	})
}

func TestAlphaVantageContract(t *testing.T) {
	var volume atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		day := time.Now().In(market.NYSE().Location()).Format(time.DateOnly)
		io.WriteString(w, globalQuoteOf(r.FormValue("symbol"), day, 187, fmt.Sprint(volume.Add(100))))
	}))
	defer server.Close()
	runSourceContract(t, func(t *testing.T) Source {
		a, err := NewAlphaVantage(AlphaVantageConfig{Symbols: []string{"IBM", "AAPL"}, Key: "SECRETKEY", BaseURL: server.URL,
			PerDay: -1, PerMinute: 6000, Poll: time.Nanosecond})
		if err != nil {
			t.Fatal(err)
		}
		a.calendar, a.space = market.AlwaysOpen(), 0
		return a
	}, 30)
}
