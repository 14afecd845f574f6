package tui

import (
	"context"
	"slices"
	"sort"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"tapedeck/pipeline/live"
	"tapedeck/pipeline/market"
)

const (
	firstBars   = 1500             // asked for when a chart opens: a trading day and a half of minutes
	moreBars    = 3000             // asked for as an edge comes near
	seriesBars  = 400_000          // kept of one symbol and interval at most
	seriesKept  = 48               // symbols and intervals kept
	fetchWithin = 30 * time.Second // for one question to the history
	retryAfter  = 2 * time.Second
	gapEvery    = 30 * time.Second // between two attempts to close a gap
	comingFor   = 15 * time.Second // a chart waits at most for its newest minutes
	comingEvery = 2 * time.Second  // between two attempts meanwhile
)

// series is the bars of one symbol and interval that the screen has, from the
// history and from the board, oldest first, without a gap.
type series struct {
	symbol   string
	interval market.Interval
	bars     []market.Bar

	loaded    bool // the first answer came
	exhausted bool // nothing is older
	detached  bool // lies in the past: what is newer has not been fetched
	why       string

	request int // the number of the question under way; 0 is none
	older   bool
	retry   time.Time // no question before
	gap     time.Time // when a gap before the newest bars was last asked for

	opened  time.Time
	version int // of the store's changes, the last to these bars
	seen    stamp
	used    int
}

// stamp is what of a quote tells that its bars have changed.
type stamp struct {
	time           market.Time
	volume, trades int64
	last           float64
	closes         *float32
}

// coming says whether the newest minutes are on their way, so that a chart of
// what is there would mislead: a feed brings what was before, or the pipeline
// is still making bars of it.
func (b *barStore) coming(s *series) bool {
	d := b.desk
	if s.detached || s.interval >= market.Minutes5 || d.Now().Sub(s.opened) > comingFor || d.Replaying() {
		return false
	}
	const recent = 30
	if n := len(s.bars) - recent; n >= 0 && s.bars[len(s.bars)-1].Time.Sub(s.bars[n].Time) <= 2*recent*s.interval.Length() {
		return false
	}
	return d.Frame.Filling || slices.ContainsFunc(d.Frame.Statuses, func(s live.Status) bool {
		return s.Stage == "compute" && s.LagAge >= 0.5 && !s.Away(d.Now())
	})
}

// busy says whether an answer is under way.
func (s *series) busy() bool { return s.request != 0 }

// barStore is the screen's cache of bars. Bars come from the board at once
// and from the history by commands; no method waits.
type barStore struct {
	desk  *Desk
	all   map[string]*series
	clock int
	count int // of changes
	buf   []market.Bar
}

func newBarStore(d *Desk) *barStore { return &barStore{desk: d, all: map[string]*series{}} }

// barsCame answers a question to the history.
type barsCame struct {
	symbol   string
	interval market.Interval
	request  int
	bars     []market.Bar
	kind     question
	end      bool // nothing lies beyond
	err      error
}

// question is which bars were asked for.
type question uint8

const (
	askNewest question = iota
	askOlder
	askNewer
	askAround
)

// series is what is known of a symbol's bars, brought up to date with the
// board; what is missing is asked for.
func (b *barStore) series(symbol string, i market.Interval) *series {
	key := symbol + " " + i.String()
	s := b.all[key]
	if s == nil {
		b.forget()
		s = &series{symbol: symbol, interval: i, opened: b.desk.Now()}
		b.all[key] = s
	}
	b.clock++
	s.used = b.clock
	if !s.loaded && !s.busy() && b.desk.Now().After(s.retry) {
		b.ask(s, askNewest, 0)
	}
	b.follow(s)
	return s
}

// changed marks the bars as new to whoever drew them.
func (b *barStore) changed(s *series) {
	b.count++
	s.version = b.count
}

// peek is series without a question to the history.
func (b *barStore) peek(symbol string, i market.Interval) *series {
	return b.all[symbol+" "+i.String()]
}

// forget drops the series that was not used for longest.
func (b *barStore) forget() {
	if len(b.all) < seriesKept {
		return
	}
	oldest := ""
	for key, s := range b.all {
		if !s.busy() && (oldest == "" || s.used < b.all[oldest].used) {
			oldest = key
		}
	}
	delete(b.all, oldest)
}

// wantOlder asks for bars before the first one.
func (b *barStore) wantOlder(s *series) {
	if !s.loaded || s.exhausted || s.busy() || len(s.bars) == 0 || len(s.bars) >= seriesBars || !b.desk.Now().After(s.retry) {
		return
	}
	b.ask(s, askOlder, s.bars[0].Time)
}

// wantNewer asks for what follows a series that lies in the past.
func (b *barStore) wantNewer(s *series) {
	if !s.detached || s.busy() || len(s.bars) == 0 || !b.desk.Now().After(s.retry) {
		return
	}
	b.ask(s, askNewer, s.bars[len(s.bars)-1].Time+1)
}

// wantAt has the bars around a moment, in place of those there if these lie
// too far away for all in between to be read.
func (b *barStore) wantAt(s *series, at market.Time) {
	if len(s.bars) > 0 && (at >= s.bars[0].Time && (!s.detached || at <= s.bars[len(s.bars)-1].Time) || s.exhausted && at < s.bars[0].Time) {
		return
	}
	b.ask(s, askAround, at)
}

// wantNow leads a series that lies in the past back to now.
func (b *barStore) wantNow(s *series) {
	if s.detached {
		s.bars, s.detached, s.loaded, s.exhausted, s.seen = nil, false, false, false, stamp{}
		b.changed(s)
		b.ask(s, askNewest, 0)
		b.follow(s)
	}
}

// ask posts the command of a question.
func (b *barStore) ask(s *series, kind question, at market.Time) {
	h := b.desk.Data.History
	if h == nil {
		s.loaded, s.exhausted = true, true
		return
	}
	s.request, s.older, s.why = b.desk.Request(), kind == askOlder, ""
	now := b.desk.Clock().Add(s.interval.Length() + time.Minute)
	q := barsCame{symbol: s.symbol, interval: s.interval, request: s.request, kind: kind}
	b.desk.Post(tea.Cmd(func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), fetchWithin)
		defer cancel()
		return q.fetch(ctx, h, at, now)
	}))
}

// fetch reads bars: first those of a few days, since most questions end there
// and the lake lies in days; then, while nothing is found, of ever more.
func (q barsCame) fetch(ctx context.Context, h History, at, now market.Time) barsCame {
	length := q.interval.Length()
	ask := func(from, to market.Time, limit int) bool {
		q.bars, q.err = h.Bars(ctx, q.symbol, q.interval, from, to, limit)
		return q.err != nil || len(q.bars) > 0
	}
	switch q.kind {
	case askNewest, askOlder:
		limit, to := firstBars, now
		if q.kind == askOlder {
			limit, to = moreBars, at
		}
		back(to, time.Duration(4*limit)*length, func(from market.Time) bool { return ask(from, to, limit) })
		q.end = q.err == nil && len(q.bars) == 0
	case askNewer:
		for span := time.Duration(moreBars) * length; at < now; span *= 4 {
			to := at.Add(span)
			if ask(at, to, int(span/length)+1) {
				break
			}
			at = to
		}
		q.end = q.err == nil && at.Add(time.Duration(moreBars)*length) >= now
	case askAround:
		half := time.Duration(moreBars/2) * length
		if !ask(at.Add(-half), at.Add(half), moreBars) {
			back(at, 8*half, func(from market.Time) bool { return ask(from, at, moreBars/2) })
		}
		q.end = q.err == nil && len(q.bars) == 0
	}
	return q
}

// back widens a span before a moment until do has found something.
func back(to market.Time, span time.Duration, do func(from market.Time) bool) {
	const all = 200 * 365 * 24 * time.Hour
	for ; span < all/16; span *= 16 {
		if do(to.Add(-span)) {
			return
		}
	}
	do(market.Time(-1 << 50)) // 1934
}

// take is given every answer; one that is not awaited is dropped.
func (b *barStore) take(m barsCame) {
	s := b.all[m.symbol+" "+m.interval.String()]
	if s == nil || s.request != m.request {
		return
	}
	s.request = 0
	if m.err != nil {
		s.retry, s.why = b.desk.Now().Add(retryAfter), firstLine(m.err.Error())
		b.desk.dirty = true
		return
	}
	b.changed(s)
	b.desk.dirty = true
	switch m.kind {
	case askNewest:
		s.loaded, s.exhausted = true, m.end
	case askOlder:
		s.exhausted = m.end
	case askNewer:
		s.detached = s.detached && !m.end
	case askAround:
		if m.end {
			s.exhausted = true
			return
		}
		if n := len(s.bars); n == 0 || m.bars[len(m.bars)-1].Time < s.bars[0].Time || m.bars[0].Time > s.bars[n-1].Time {
			s.bars, s.detached, s.loaded, s.exhausted = nil, true, true, false
		}
	}
	s.bars = mergeBars(s.bars, m.bars)
	s.seen = stamp{}
	b.follow(s)
}

// mergeBars joins two ordered lists; of two bars of one time the higher revision,
// else that of the second, counts.
func mergeBars(old, fresh []market.Bar) []market.Bar {
	switch {
	case len(fresh) == 0:
		return old
	case len(old) == 0 || old[len(old)-1].Time < fresh[0].Time:
		return append(old, fresh...)
	case fresh[len(fresh)-1].Time < old[0].Time:
		return append(slices.Grow(slices.Clone(fresh), len(old)), old...)
	}
	from := sort.Search(len(old), func(i int) bool { return old[i].Time >= fresh[0].Time })
	tail := old[from:]
	out := make([]market.Bar, 0, len(tail)+len(fresh))
	for i, k := 0, 0; i < len(tail) || k < len(fresh); {
		switch {
		case k == len(fresh) || i < len(tail) && tail[i].Time < fresh[k].Time:
			out, i = append(out, tail[i]), i+1
		case i == len(tail) || fresh[k].Time < tail[i].Time:
			out, k = append(out, fresh[k]), k+1
		default:
			x := fresh[k]
			if tail[i].Revision > x.Revision {
				x = tail[i]
			}
			out, i, k = append(out, x), i+1, k+1
		}
	}
	return append(old[:from], out...)
}

// follow brings a series up to the newest quotes.
func (b *barStore) follow(s *series) {
	if s.detached {
		return
	}
	q := b.desk.Frame.Quote(s.symbol)
	if q == nil {
		return
	}
	now := stamp{time: q.Time, volume: q.Volume, trades: q.Trades, last: q.Last}
	if len(q.Spark) > 0 {
		now.closes = &q.Spark[0]
	}
	if now == s.seen {
		return
	}
	s.seen = now
	fresh := b.fresh(s, q)
	if len(fresh) == 0 {
		return
	}
	b.changed(s)
	if n := len(s.bars); n > 0 {
		length, every := s.interval.Length(), gapEvery
		if b.coming(s) {
			every = comingEvery
		}
		if s.loaded && s.interval < market.Day && fresh[0].Time.Sub(s.bars[n-1].Time) > length && !s.busy() &&
			b.desk.Now().Sub(s.gap) > every && b.desk.Data.History != nil {
			s.gap = b.desk.Now()
			b.ask(s, askNewer, s.bars[n-1].Time+1)
		}
	}
	if s.interval > market.Minute {
		fresh = s.missing(fresh)
	}
	s.bars = mergeBars(s.bars, fresh)
	if n := len(s.bars) - seriesBars; n > seriesBars/8 {
		s.bars = append(s.bars[:0], s.bars[n:]...)
		s.exhausted = false
	}
}

// missing are the bars made here that the history does not have, and the
// newest, which is still forming.
func (s *series) missing(fresh []market.Bar) []market.Bar {
	out := fresh[:0]
	for i := range fresh {
		at := sort.Search(len(s.bars), func(k int) bool { return s.bars[k].Time >= fresh[i].Time })
		if i == len(fresh)-1 || at == len(s.bars) || s.bars[at].Time != fresh[i].Time {
			out = append(out, fresh[i])
		}
	}
	return out
}

// fresh are the newest bars as the board knows them, the last still forming.
func (b *barStore) fresh(s *series, q *live.Quote) []market.Bar {
	board := b.desk.Data.Board
	switch s.interval {
	case market.Second, market.Minute:
		b.buf, _ = board.Bars(b.buf[:0], s.symbol, s.interval)
		return b.buf
	case market.Day:
		if q.Day == 0 || !(q.Open > 0) || b.desk.Calendar(s.symbol).Session(q.Time) != market.Regular {
			return nil // before the opening there is no bar, after the close the history has it
		}
		b.buf = append(b.buf[:0], market.Bar{Symbol: s.symbol, Interval: market.Day, Time: q.Day, Open: q.Open,
			High: max(q.High, q.Last), Low: min(q.Low, q.Last), Close: q.Last, Volume: q.Volume, Trades: q.Trades})
		return b.buf
	}
	b.buf, _ = board.Bars(b.buf[:0], s.symbol, market.Minute)
	if len(b.buf) == 0 {
		return nil
	}
	first := b.buf[0].Time
	out := gather(b.buf, s.interval)
	if len(out) > 1 && out[0].Time < first && b.desk.Data.History != nil {
		out = out[1:] // it began before the board's memory
	}
	return out
}

// gather makes longer bars of minutes, in place.
func gather(bars []market.Bar, i market.Interval) []market.Bar {
	out := bars[:0]
	notional := 0.0
	for k := range bars {
		m := bars[k]
		at := m.Time.Truncate(i.Length())
		if n := len(out); n > 0 && out[n-1].Time == at {
			o := &out[n-1]
			o.High, o.Low, o.Close = max(o.High, m.High), min(o.Low, m.Low), m.Close
			o.Volume, o.Trades = o.Volume+m.Volume, o.Trades+m.Trades
			notional += m.VWAP * float64(m.Volume)
			if o.Volume > 0 {
				o.VWAP = notional / float64(o.Volume)
			}
			continue
		}
		notional = m.VWAP * float64(m.Volume)
		m.Interval, m.Time, m.Revision = i, at, 0
		out = append(out, m)
	}
	return out
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
