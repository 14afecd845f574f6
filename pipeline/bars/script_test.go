package bars_test

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"tapedeck/pipeline/bars"
	"tapedeck/pipeline/market"
)

// A script says what comes in and what must have come out, a line each:
//
//	day 2026-11-20                        the date of the times that follow, New York's
//	watch 1s 1m                           the intervals whose bars are expected; others are not looked at
//	tick AAPL 187.5 x100 10:00:00.25      a trade (x0: a quote)
//	clock 10:00:01                        the source's own time
//	end 10:00:01                          the source has ended
//	bar AAPL 1m 10:00:00 1 4 1 2 v30 w2.5 n3 r1   open high low close, volume, vwap, trades, revision (none is 0)
//	late 2 1                              ticks that came late so far: corrected and dropped
//
// A bar line is about what came since the last one, in its order.
func script(t *testing.T, calendar *market.Calendar, text string) {
	t.Helper()
	builder := bars.New(func(string) *market.Calendar { return calendar })
	var day string
	watched := map[market.Interval]bool{}
	var out []string
	emit := func(b *market.Bar) {
		if watched[b.Interval] {
			out = append(out, describe(b))
		}
	}
	at := func(s string) market.Time {
		v, err := time.ParseInLocation("2006-01-02 15:04:05", day+" "+s, calendar.Location())
		if err != nil {
			t.Fatal(err)
		}
		return market.At(v)
	}
	number := func(s string) float64 {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		word := strings.Fields(line)
		if len(word) == 0 {
			continue
		}
		if len(out) > 0 && word[0] != "bar" {
			t.Errorf("line %d: not expected: %s", i, strings.Join(out, "; "))
			out = nil
		}
		switch word[0] {
		case "day":
			day = word[1]
		case "watch":
			clear(watched)
			for _, name := range word[1:] {
				interval, err := market.ParseInterval(name)
				if err != nil {
					t.Fatal(err)
				}
				watched[interval] = true
			}
		case "tick":
			tick := market.Tick{Symbol: word[1], Price: number(word[2]), Size: int64(number(word[3][1:])), Time: at(word[4]), Source: "replay"}
			if len(word) > 5 {
				tick.Source = word[5]
			}
			builder.Add(&tick, emit)
		case "clock", "end":
			source := "replay"
			if len(word) > 2 {
				source = word[2]
			}
			builder.Clock(at(word[1]), source, word[0] == "end", emit)
		case "late":
			if got := builder.Late(); got != (bars.Late{Corrected: int64(number(word[1])), Dropped: int64(number(word[2]))}) {
				t.Errorf("line %d: late %+v, not %v", i, got, word[1:])
			}
		case "bar":
			interval, err := market.ParseInterval(word[2])
			if err != nil {
				t.Fatal(err)
			}
			want := market.Bar{Symbol: word[1], Interval: interval, Open: number(word[4]), High: number(word[5]), Low: number(word[6]),
				Close: number(word[7]), Volume: int64(number(word[8][1:])), VWAP: number(word[9][1:]), Trades: int64(number(word[10][1:]))}
			if interval == market.Day {
				v, err := time.Parse("2006-01-02", word[3])
				if err != nil {
					t.Fatal(err)
				}
				want.Time = market.At(v)
			} else {
				want.Time = at(word[3])
			}
			if len(word) > 11 {
				want.Revision = int32(number(word[11][1:]))
			}
			if len(out) == 0 {
				t.Errorf("line %d: no such bar: %s", i, line)
				continue
			}
			if out[0] != describe(&want) {
				t.Errorf("line %d:\n got %s\nwant %s", i, out[0], describe(&want))
			}
			out = out[1:]
		default:
			t.Fatalf("line %d: %q", i, line)
		}
	}
	if len(out) > 0 {
		t.Errorf("not expected: %s", strings.Join(out, "; "))
	}
}

func describe(b *market.Bar) string {
	return fmt.Sprintf("%s %s %s %g %g %g %g v%d w%g n%d r%d", b.Symbol, b.Interval, b.Time, b.Open, b.High, b.Low, b.Close,
		b.Volume, math.Round(b.VWAP*1e9)/1e9, b.Trades, b.Revision)
}

func TestBarOfEveryInterval(t *testing.T) {
	script(t, market.NYSE(), `
		day 2026-11-20
		watch 1s 1m 5m 15m 1h 1d
		tick AAPL 100 x10 09:30:00
		tick AAPL 103 x20 09:30:00.5
		tick AAPL 99 x30 09:30:00.999999
		tick AAPL 101 x40 09:30:01
		bar AAPL 1s 09:30:00 100 103 99 99 v60 w100.5 n3
		clock 09:30:02
		bar AAPL 1s 09:30:01 101 101 101 101 v40 w101 n1
		clock 09:31:00
		bar AAPL 1m 09:30:00 100 103 99 101 v100 w100.7 n4
		tick AAPL 102 x100 09:31:10
		clock 09:31:10.999999
		clock 09:31:11
		bar AAPL 1s 09:31:10 102 102 102 102 v100 w102 n1
		clock 09:35:00
		bar AAPL 1m 09:31:00 102 102 102 102 v100 w102 n1
		bar AAPL 5m 09:30:00 100 103 99 102 v200 w101.35 n5
		clock 09:45:00
		bar AAPL 15m 09:30:00 100 103 99 102 v200 w101.35 n5
		clock 10:00:00
		bar AAPL 1h 09:00:00 100 103 99 102 v200 w101.35 n5
		clock 16:00:00
		clock 16:00:01
		bar AAPL 1d 2026-11-20 100 103 99 102 v200 w101.35 n5
	`)
}

// A quote moves the price and adds neither volume nor a trade; without any
// volume the vwap is the mean of the prices.
func TestQuotes(t *testing.T) {
	script(t, market.NYSE(), `
		day 2026-11-20
		watch 1s
		tick KO 60 x0 10:00:00
		tick KO 62 x0 10:00:00.1
		clock 10:00:01
		bar KO 1s 10:00:00 60 62 60 62 v0 w61 n0
		tick KO 63 x0 10:00:01
		tick KO 61 x5 10:00:01.1
		clock 10:00:02
		bar KO 1s 10:00:01 63 63 61 61 v5 w61 n1
	`)
}

// The day's bar holds the regular session with its closing trade; the others hold extended hours.
func TestExtendedHours(t *testing.T) {
	script(t, market.NYSE(), `
		day 2026-11-20
		watch 1h 1d
		tick AAPL 90 x1 08:30:00
		tick AAPL 91 x1 09:29:59.999999
		bar AAPL 1h 08:00:00 90 90 90 90 v1 w90 n1
		tick AAPL 100 x1 09:30:00
		tick AAPL 104 x1 12:00:00
		bar AAPL 1h 09:00:00 91 100 91 100 v2 w95.5 n2
		tick AAPL 102 x2 16:00:00
		bar AAPL 1h 12:00:00 104 104 104 104 v1 w104 n1
		tick AAPL 150 x1 16:00:00.000001
		tick AAPL 120 x1 18:00:00
		bar AAPL 1h 16:00:00 102 150 102 150 v3 w118 n2
		bar AAPL 1d 2026-11-20 100 104 100 102 v4 w102 n3
		end 20:00:00
		bar AAPL 1h 18:00:00 120 120 120 120 v1 w120 n1
		day 2026-11-21
		tick AAPL 1 x1 11:00:00
		end 11:00:01
		bar AAPL 1h 11:00:00 1 1 1 1 v1 w1 n1
	`)
}

// The day after Thanksgiving ends at 13:00.
func TestHalfDay(t *testing.T) {
	script(t, market.NYSE(), `
		day 2026-11-27
		watch 1d
		tick AAPL 100 x1 09:30:00
		tick AAPL 101 x1 13:00:00
		tick AAPL 150 x1 13:00:01
		bar AAPL 1d 2026-11-27 100 101 100 101 v2 w100.5 n2
		clock 13:01:00
		tick AAPL 151 x1 15:00:00
		end 20:00:00
		day 2026-11-26
		tick AAPL 100 x1 11:00:00
		end 20:00:00
	`)
}

// The regular session follows New York's clock: 14:30 UTC in winter, 13:30 in
// summer. The hours that the clock skips or repeats are hours of UTC.
func TestDaylightSaving(t *testing.T) {
	script(t, market.NYSE(), `
		day 2026-03-06
		watch 1d
		tick AAPL 1 x1 09:29:59
		tick AAPL 2 x1 09:30:00
		tick AAPL 3 x1 16:00:00
		end 20:00:00
		bar AAPL 1d 2026-03-06 2 3 2 3 v2 w2.5 n2
		day 2026-03-09
		tick AAPL 1 x1 09:29:59
		tick AAPL 2 x1 09:30:00
		tick AAPL 3 x1 16:00:00
		end 20:00:00
		bar AAPL 1d 2026-03-09 2 3 2 3 v2 w2.5 n2
	`)
	autumn := time.Date(2026, 11, 1, 5, 30, 0, 0, time.UTC) // 01:30 summer time; an hour later it is 01:30 again
	builder := bars.New(func(string) *market.Calendar { return market.AlwaysOpen() })
	hours, days := 0, 0
	emit := func(b *market.Bar) {
		switch b.Interval {
		case market.Hour:
			hours++
		case market.Day:
			days++
		}
	}
	for i := range 3 {
		builder.Add(&market.Tick{Symbol: "A", Price: 1, Size: 1, Source: "sim", Time: market.At(autumn.Add(time.Duration(i) * time.Hour))}, emit)
	}
	builder.Clock(market.At(autumn.Add(30*time.Hour)), "sim", true, emit)
	if hours != 3 || days != 1 {
		t.Errorf("%d hours and %d days from three ticks an hour apart", hours, days)
	}
}

// A market that never closes: midnight belongs to the new day alone, whatever came before.
func TestMidnightOfAMarketThatNeverCloses(t *testing.T) {
	script(t, market.AlwaysOpen(), `
		day 2026-11-20
		watch 1d
		tick BTC-USD 100 x1 23:59:59.999999
		day 2026-11-21
		tick BTC-USD 200 x1 00:00:00
		bar BTC-USD 1d 2026-11-20 100 100 100 100 v1 w100 n1
		tick BTC-USD 201 x1 00:00:00.000001
		end 00:00:01
		bar BTC-USD 1d 2026-11-21 200 201 200 201 v2 w200.5 n2
	`)
}

// An idle symbol closes by its source's clock, not by another symbol's ticks
// nor by another source's clock.
func TestIdleSymbolsCloseByTheirClock(t *testing.T) {
	script(t, market.NYSE(), `
		day 2026-11-20
		watch 1s
		tick AAPL 100 x1 10:00:00
		tick KO 60 x1 10:05:00
		tick XOM 90 x1 10:00:00 yahoo
		clock 10:00:00.999999
		clock 10:00:01 yahoo
		bar XOM 1s 10:00:00 90 90 90 90 v1 w90 n1
		clock 10:00:01
		bar AAPL 1s 10:00:00 100 100 100 100 v1 w100 n1
		clock 10:00:02
		end 10:05:00
		bar KO 1s 10:05:00 60 60 60 60 v1 w60 n1
	`)
}

// A late tick makes a new revision of its closed bars and moves neither open nor close, of open bars neither.
func TestLateTicksCorrect(t *testing.T) {
	script(t, market.NYSE(), `
		day 2026-11-20
		watch 1s 1m
		tick AAPL 100 x1 10:00:00
		tick AAPL 101 x1 10:00:00.5
		tick AAPL 110 x1 10:00:01
		bar AAPL 1s 10:00:00 100 101 100 101 v2 w100.5 n2
		tick AAPL 105 x2 10:00:00.2
		bar AAPL 1s 10:00:00 100 105 100 101 v4 w102.75 n3 r1
		late 1 0
		tick AAPL 90 x4 10:00:00.3
		bar AAPL 1s 10:00:00 100 105 90 101 v8 w96.375 n4 r2
		tick AAPL 95 x1 10:00:00.999
		bar AAPL 1s 10:00:00 100 105 90 101 v9 w96.222222222 n5 r3
		tick AAPL 111 x1 10:00:01.5
		tick AAPL 80 x1 10:00:01.2
		late 3 0
		clock 10:01:00
		bar AAPL 1s 10:00:01 110 111 80 111 v3 w100.333333333 n3
		bar AAPL 1m 10:00:00 100 111 80 111 v12 w97.25 n8
	`)
}

// A bar whose first tick comes when a later one has closed begins at revision
// 1; a tick behind the clock but ahead of all bars is just a bar.
func TestLateTickWhereNothingWas(t *testing.T) {
	script(t, market.NYSE(), `
		day 2026-11-20
		watch 1s
		tick AAPL 100 x1 10:00:00
		tick AAPL 102 x1 10:00:05
		bar AAPL 1s 10:00:00 100 100 100 100 v1 w100 n1
		clock 10:00:09
		bar AAPL 1s 10:00:05 102 102 102 102 v1 w102 n1
		tick AAPL 101 x1 10:00:03
		bar AAPL 1s 10:00:03 101 101 101 101 v1 w101 n1 r1
		tick AAPL 103 x1 10:00:03.5
		bar AAPL 1s 10:00:03 101 103 101 101 v2 w102 n2 r2
		tick AAPL 104 x1 10:00:08
		bar AAPL 1s 10:00:08 104 104 104 104 v1 w104 n1
		late 2 0
	`)
}

// What is behind all that is kept is counted and enters only the intervals that still can take it.
func TestTooLateTicksAreCounted(t *testing.T) {
	var text strings.Builder
	text.WriteString("day 2026-11-20\nwatch 1m\n")
	for second := range 30 {
		fmt.Fprintf(&text, "tick AAPL 100 x1 10:00:%02d\n", second)
	}
	text.WriteString(`
		late 0 0
		tick AAPL 50 x7 10:00:02
		late 0 1
		tick AAPL 49 x1 10:00:05
		late 1 1
		clock 10:01:00
		bar AAPL 1m 10:00:00 100 100 49 100 v38 w89.447368421 n32
	`)
	script(t, market.NYSE(), text.String())
}

// One recording after another, the second older: its bars are bars, not corrections.
func TestAnOlderRecordingAfterTheEnd(t *testing.T) {
	script(t, market.NYSE(), `
		day 2026-11-20
		watch 1m 1d
		tick AAPL 100 x1 10:00:00
		end 10:00:01
		bar AAPL 1m 10:00:00 100 100 100 100 v1 w100 n1
		bar AAPL 1d 2026-11-20 100 100 100 100 v1 w100 n1
		day 2013-10-07
		clock 09:59:59
		tick AAPL 70 x1 10:00:00
		tick AAPL 71 x1 10:00:30
		clock 10:01:00
		bar AAPL 1m 10:00:00 70 71 70 71 v2 w70.5 n2
		end 16:00:00
		bar AAPL 1d 2013-10-07 70 71 70 71 v2 w70.5 n2
		late 0 0
		tick AAPL 72 x1 11:00:00
		end 16:00:00
		bar AAPL 1m 11:00:00 72 72 72 72 v1 w72 n1
		bar AAPL 1d 2013-10-07 70 72 70 72 v3 w71 n3 r1
	`)
}

func TestOpenBar(t *testing.T) {
	builder := bars.New(func(string) *market.Calendar { return market.NYSE() })
	if _, ok := builder.Open("AAPL", market.Minute); ok {
		t.Error("an open bar of a symbol that never came")
	}
	at := market.At(time.Date(2026, 11, 20, 15, 0, 0, 0, time.UTC))
	builder.Add(&market.Tick{Symbol: "AAPL", Time: at, Price: 100, Size: 5}, func(*market.Bar) {})
	if b, ok := builder.Open("AAPL", market.Minute); !ok || b.Close != 100 || b.Volume != 5 || b.VWAP != 100 || b.Time != at {
		t.Error(b, ok)
	}
	builder.Clock(at.Add(time.Minute), "", false, func(*market.Bar) {})
	if _, ok := builder.Open("AAPL", market.Minute); ok {
		t.Error("a bar is open that has closed")
	}
}
