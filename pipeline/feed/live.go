package feed

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"tapedeck/pipeline/market"
)

// liveOutput is what the sources that live in the present share: quotes become
// ticks, the source's clock runs, and what is to be said is said when it
// changes. One goroutine uses it.
type liveOutput struct {
	out    Sink
	book   *quotebook
	clock  liveClock
	wall   func() time.Time
	begun  market.Time
	ready  bool  // the first round of all symbols is over: the clock may run
	odd    int64 // answers and messages that made no sense
	dirty  bool  // ticks were written since the last flush
	said   Condition
	spoken bool
}

func newLiveOutput(out Sink, source string, wall func() time.Time) *liveOutput {
	return &liveOutput{out: out, book: newQuotebook(source), wall: wall, begun: market.At(wall())}
}

// quotes writes what is new in them.
func (l *liveOutput) quotes(quotes []quote) error {
	slices.SortStableFunc(quotes, func(a, b quote) int { return cmp.Compare(a.time, b.time) })
	received := market.At(l.wall())
	for _, q := range quotes {
		t, fresh := l.book.tick(q, received)
		if !fresh {
			if t.Validate() != nil {
				l.odd++
			}
			continue
		}
		l.clock.saw(&t)
		if err := l.write(&t); err != nil {
			return err
		}
	}
	return nil
}

func (l *liveOutput) write(t *market.Tick) error {
	l.dirty = true
	return l.out.Tick(t, 0)
}

// history writes bars that are over as ticks, all symbols in order of time,
// with a clock each minute.
func (l *liveOutput) history(ctx context.Context, candles []candle) error {
	received := market.At(l.wall())
	slices.SortStableFunc(candles, func(a, b candle) int { return cmp.Compare(a.time, b.time) })
	var minute []market.Tick
	for i, c := range candles {
		minute = append(minute, c.ticks(l.book.source, received)...)
		l.book.knew(c.symbol, c.time.Add(c.length))
		if i+1 < len(candles) && candles[i+1].time < c.time.Add(c.length) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		slices.SortStableFunc(minute, func(a, b market.Tick) int { return cmp.Compare(a.Time, b.Time) })
		for i := range minute {
			if err := l.write(&minute[i]); err != nil {
				return err
			}
		}
		minute = minute[:0]
		if err := l.tell(c.time.Add(c.length)); err != nil {
			return err
		}
	}
	return l.flush()
}

// second writes the clock and flushes; it is called each second. The clock
// starts after the first round, whose quotes are as old as each symbol's last
// trade, or soon after the start where none succeeds.
func (l *liveOutput) second() error {
	now := market.At(l.wall())
	if l.ready || now.Sub(l.begun) >= 10*time.Second {
		if err := l.tell(l.clock.now(now)); err != nil {
			return err
		}
	}
	return l.flush()
}

// tell writes a clock unless it stands already.
func (l *liveOutput) tell(t market.Time) error {
	if t <= l.clock.told {
		return nil
	}
	l.clock.told = t
	return l.out.Clock(market.Clock{Time: t, Source: l.book.source})
}

func (l *liveOutput) flush() error {
	if !l.dirty {
		return nil
	}
	l.dirty = false
	return l.out.Flush()
}

// say says c where it differs from what was said last.
func (l *liveOutput) say(c Condition) {
	if c.Progress == 0 {
		c.Progress = -1 // the present has no end to be near to
	}
	if l.spoken && c == l.said {
		return
	}
	l.said, l.spoken = c, true
	l.out.Say(c)
}

// oddText counts what made no sense.
func (l *liveOutput) oddText() string {
	switch l.odd {
	case 0:
		return ""
	case 1:
		return "; 1 quote was unreadable"
	}
	return fmt.Sprintf("; %d quotes were unreadable", l.odd)
}

// liveClock is the running time of a source that lives in the present: the
// wall clock less what its ticks lately took to arrive, so that few ticks are
// late by it. It goes on while nothing arrives.
type liveClock struct {
	told   market.Time      // the newest clock that was written
	ages   [2]time.Duration // longest in this period and in the one before
	turned market.Time      // when the period began
	skew   time.Duration    // the provider's clock minus ours
	known  map[string]bool  // symbols that were seen
}

const (
	lagPeriod = 5 * time.Minute
	maxLag    = 20 * time.Minute // what is older than a delayed quote is not lag but history
	minLag    = time.Second
)

// saw notes a tick. The first of a symbol may be as old as its last trade and
// tells nothing.
func (c *liveClock) saw(t *market.Tick) {
	if c.known == nil {
		c.known = make(map[string]bool)
	}
	if !c.known[t.Symbol] {
		c.known[t.Symbol] = true
		return
	}
	if age := t.Received.Add(c.skew).Sub(t.Time); age > c.ages[0] && age < maxLag {
		c.ages[0] = age
	}
}

// now is the source's time, a whole second, when the wall clock shows wall.
func (c *liveClock) now(wall market.Time) market.Time {
	if wall.Sub(c.turned) >= lagPeriod {
		c.ages[1], c.ages[0] = c.ages[0], 0
		c.turned = wall
	}
	return wall.Add(c.skew - max(minLag, c.ages[0], c.ages[1])).Truncate(time.Second)
}

// skewNote keeps how a provider's clock differs from ours; any goroutine may
// write and read it.
type skewNote struct{ newest atomic.Pointer[skewOf] }

type skewOf struct {
	host  string
	ahead time.Duration
}

func (n *skewNote) note(host string, ahead time.Duration) { n.newest.Store(&skewOf{host, ahead}) }

// read gives the skew where it is worth a word, and the words.
func (n *skewNote) read() (time.Duration, string) {
	s := n.newest.Load()
	if s == nil || s.ahead.Abs() < skewToSay {
		return 0, ""
	}
	// A few seconds more or less are no news.
	return s.ahead, "; " + skewText(s.host, s.ahead.Round(skewToSay))
}

// copyClient is client, or a new one, without a limit of its own on time: a
// stream lives longer than a request.
func copyClient(client *http.Client) *http.Client {
	own := new(http.Client)
	if client != nil {
		*own = *client
	}
	own.Timeout = 0
	return own
}

// nextTry says when it goes on.
func nextTry(at time.Time) string {
	return "next try at " + at.UTC().Format("15:04:05") + " UTC"
}
