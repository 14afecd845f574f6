package live

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tapedeck/pipeline/market"
)

// Config of a Board. The zero value is a board of the New York Stock Exchange
// with the system's clock.
type Config struct {
	// Calendar says which exchange a symbol trades on; nil is NYSE for all.
	Calendar func(symbol string) *market.Calendar
	// Eligible says whether a tick makes a price; nil is all. Others count
	// into the volume only.
	Eligible func(*market.Tick) bool
	// Now is the wall clock; nil is the system's.
	Now func() time.Time
}

const (
	shardRows      = 256   // rows under one lock: a reader holds it for some microseconds
	manySymbols    = 2_000 // above this, fewer bars a symbol are kept
	barsKept       = 128
	barsKeptOfMany = SparkLength + 4
	secondsKept    = 600
	alertsKept     = 500
	noticesKept    = 200
	predictionKept = 48
	statusAway     = 10 * time.Second // after which a stage that said nothing is said to be away
)

// Board is the newest state of everything. Methods are safe for concurrent
// use; the writers are meant to be called by one follower.
type Board struct {
	calendar func(string) *market.Calendar
	eligible func(*market.Tick) bool
	now      func() time.Time
	sequence atomic.Uint64 // of changes; every changed row takes the next

	mu      sync.RWMutex // ids and shards: taken for writing only when a symbol is new
	ids     map[string]int32
	symbols []string
	shards  []*shard

	ageMu sync.Mutex
	ages  ages
	rate  rate

	newest atomic.Int64 // time of the newest tick
	seen   atomic.Int64 // wall-clock ms when the newest batch came
	filled atomic.Int64 // and when the newest one with a tick brought afterwards did

	listMu       sync.Mutex
	alerts       []market.Alert    // oldest first
	alertIDs     map[string]int    // identity → state, to drop repeats
	firing       map[string]string // rule and symbol → identity of the alert that fires now
	alertChange  uint64
	notices      []Notice
	noticeChange uint64
	statuses     map[string]Status
	statusChange uint64
	watched      map[string]bool
}

type shard struct {
	mu      sync.Mutex
	newest  uint64 // highest of changed
	changed [shardRows]uint64
	rows    [shardRows]row
}

// New makes an empty board.
func New(c Config) *Board {
	b := &Board{calendar: c.Calendar, eligible: c.Eligible, now: c.Now,
		ids: map[string]int32{}, alertIDs: map[string]int{}, firing: map[string]string{}, statuses: map[string]Status{}, watched: map[string]bool{}}
	if b.calendar == nil {
		nyse := market.NYSE()
		b.calendar = func(string) *market.Calendar { return nyse }
	}
	if b.eligible == nil {
		b.eligible = func(*market.Tick) bool { return true }
	}
	if b.now == nil {
		b.now = time.Now
	}
	return b
}

// id finds a symbol's row; create makes it where there is none.
func (b *Board) id(symbol string, create bool) (int32, bool) {
	b.mu.RLock()
	id, ok := b.ids[symbol]
	b.mu.RUnlock()
	if ok || !create {
		return id, ok
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if id, ok := b.ids[symbol]; ok {
		return id, true
	}
	id = int32(len(b.symbols))
	b.ids[symbol] = id
	b.symbols = append(b.symbols, symbol)
	if int(id)%shardRows == 0 {
		b.shards = append(b.shards, &shard{})
	}
	r := &b.shards[id/shardRows].rows[id%shardRows]
	r.quote.Symbol, r.calendar = symbol, b.calendar(symbol)
	b.listMu.Lock() // taken after mu here, and never before it
	r.watched = b.watched[symbol]
	b.listMu.Unlock()
	return id, true
}

func (b *Board) shard(id int32) *shard {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.shards[id/shardRows]
}

// with runs f on a symbol's row under its lock; f says whether it changed.
func (b *Board) with(symbol string, create bool, f func(*row) bool) {
	id, ok := b.id(symbol, create)
	if !ok {
		return
	}
	s := b.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if f(&s.rows[id%shardRows]) {
		s.newest = b.sequence.Add(1)
		s.changed[id%shardRows] = s.newest
	}
}

func (b *Board) barsKept() int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if len(b.symbols) > manySymbols {
		return barsKeptOfMany
	}
	return barsKept
}

// fillingFor is how long after a tick that was brought afterwards more are awaited.
const fillingFor = time.Second

// farAge is the age above which a tick is history being played, so that its
// age counts from when its feed had it.
const farAge = 10 * time.Minute

// Ticks takes ticks in the order of the log. They are not kept.
func (b *Board) Ticks(ticks ...market.Tick) {
	if len(ticks) == 0 {
		return
	}
	now := b.now()
	second := now.Unix()
	wall := market.At(now)
	newest := market.Time(b.newest.Load())
	afterwards := false
	b.ageMu.Lock()
	for i := range ticks {
		t := &ticks[i]
		age := wall.Sub(t.Time)
		if (age > farAge || age < -time.Second) && t.Received > 0 {
			age = wall.Sub(t.Received)
		}
		if age <= farAge {
			b.ages.add(second, age, 1)
		}
		newest = max(newest, t.Time)
		afterwards = afterwards || t.Backfill
	}
	b.rate.add(second, int64(len(ticks)))
	b.ageMu.Unlock()
	for i := range ticks {
		t := &ticks[i]
		b.with(t.Symbol, true, func(r *row) bool {
			r.pace(second)
			return r.tick(t, r.calendar.Session(t.Time), b.eligible(t))
		})
	}
	b.newest.Store(int64(newest))
	b.seen.Store(now.UnixMilli())
	if afterwards {
		b.filled.Store(now.UnixMilli())
	}
}

// Bar takes a closed bar or a revision of one; the bar is not kept.
func (b *Board) Bar(bar *market.Bar) {
	if bar.Close <= 0 {
		return
	}
	switch bar.Interval {
	case market.Minute:
		keep := b.barsKept()
		b.with(bar.Symbol, true, func(r *row) bool {
			r.closeMinute(bar, r.calendar.Session(bar.Time), keep)
			return true
		})
	case market.Day:
		b.with(bar.Symbol, true, func(r *row) bool {
			r.closeDay(bar)
			return true
		})
	case market.Second:
		b.with(bar.Symbol, false, func(r *row) bool {
			if r.watched {
				r.seconds.put(bar, secondsKept)
			}
			return r.watched
		})
	}
}

// SeedBars takes 1m and 1d history, oldest first, when a screen attaches.
// What the log has brought meanwhile stays.
func (b *Board) SeedBars(bars []market.Bar) {
	for i := range bars {
		b.Bar(&bars[i])
	}
}

// Watch keeps the 1s bars of these symbols and of no others: those that a
// screen is drawing.
func (b *Board) Watch(symbols ...string) {
	b.listMu.Lock()
	dropped := make([]string, 0, len(b.watched))
	for s := range b.watched {
		if !slices.Contains(symbols, s) {
			dropped = append(dropped, s)
			delete(b.watched, s)
		}
	}
	for _, s := range symbols {
		b.watched[s] = true
	}
	b.listMu.Unlock()
	for _, s := range dropped {
		b.with(s, false, func(r *row) bool { r.watched, r.seconds, r.second = false, ring{}, forming{}; return false })
	}
	for _, s := range symbols {
		b.with(s, false, func(r *row) bool { r.watched = true; return false })
	}
}

// Bars appends to dst the newest bars of a symbol that are in memory, oldest
// first: up to 128 of 1m (64 each on a board of more than 2,000 symbols), up
// to 600 of 1s while the symbol is watched. The last one is still forming
// where forming is true. Other intervals are the lake's.
func (b *Board) Bars(dst []market.Bar, symbol string, i market.Interval) (bars []market.Bar, formed bool) {
	b.with(symbol, false, func(r *row) bool {
		from, now := &r.minutes, &r.minute
		if i == market.Second {
			from, now = &r.seconds, &r.second
		} else if i != market.Minute {
			return false
		}
		dst = slices.Grow(dst, from.len()+1)
		for k := range from.len() {
			dst = append(dst, from.at(k).bar(symbol, i))
		}
		if now.trades > 0 && now.time > from.last() {
			dst, formed = append(dst, now.bar(symbol, i)), true
		}
		return false
	})
	return dst, formed
}

// Alert takes a transition of an alert; a repeat is dropped.
func (b *Board) Alert(a market.Alert) {
	b.listMu.Lock()
	if state, ok := b.alertIDs[a.ID]; ok && state == int(a.State) && a.ID != "" {
		b.listMu.Unlock()
		return
	}
	b.alertIDs[a.ID] = int(a.State)
	if len(b.alerts) >= 2*alertsKept { // cut rarely, so that a burst costs one copy in 500
		for _, old := range b.alerts[:len(b.alerts)-alertsKept] {
			delete(b.alertIDs, old.ID)
		}
		b.alerts = append(make([]market.Alert, 0, 2*alertsKept), b.alerts[len(b.alerts)-alertsKept:]...)
	}
	b.alerts = append(b.alerts, a)
	b.alertChange++
	key, more := a.Rule+"\x00"+a.Symbol, int32(0)
	_, fired := b.firing[key]
	switch {
	case a.State == market.Firing:
		b.firing[key] = a.ID
		if !fired {
			more = 1
		}
	case a.State == market.Resolved && fired:
		delete(b.firing, key)
		more = -1
	}
	b.listMu.Unlock()
	b.with(a.Symbol, false, func(r *row) bool {
		r.quote.Alerts += more
		if a.State != market.Pending {
			r.quote.AlertTime, r.quote.Severity = max(r.quote.AlertTime, a.Time), a.Severity
		}
		return true
	})
}

// Prediction takes a forecast; a repeat replaces itself. Of a bar's forecasts
// those of the model that speaks last are a quote's: the champion's.
func (b *Board) Prediction(p market.Prediction) {
	b.with(p.Symbol, true, func(r *row) bool {
		p.Symbol = r.quote.Symbol // and not a copy of the name with each
		for i := range r.predictions {
			old := &r.predictions[i]
			if old.Model == p.Model && old.Version == p.Version && old.Bar == p.Bar && old.Horizon == p.Horizon {
				*old = p
				return false
			}
		}
		if len(r.predictions) >= predictionKept {
			r.predictions = append(r.predictions[:0], r.predictions[1:]...)
		}
		r.predictions = append(r.predictions, p)
		q := &r.quote.Predicted
		if q.Model == "" || p.Bar > q.Bar || p.Bar == q.Bar && (p.Model != q.Model || p.Horizon < q.Horizon) {
			*q = p
		}
		return true
	})
}

// Predictions appends to dst the newest forecasts of a symbol, in the order
// in which they came, of all models and horizons.
func (b *Board) Predictions(dst []market.Prediction, symbol string) []market.Prediction {
	b.with(symbol, false, func(r *row) bool {
		dst = append(dst, r.predictions...)
		return false
	})
	return dst
}

// Status takes what a stage says of itself, with its notices.
func (b *Board) Status(s Status) {
	b.listMu.Lock()
	defer b.listMu.Unlock()
	key := s.Instance + "\x00" + s.Stage
	if old, ok := b.statuses[key]; ok && old.Time > s.Time {
		return
	}
	if b.statuses[key] = s; s.Ended {
		delete(b.statuses, key)
	}
	b.statusChange++
	for _, n := range s.Events {
		if n.Stage == "" {
			n.Stage = s.Stage
		}
		b.notice(n)
	}
}

// Notice takes a line for the events, of this screen's own making.
func (b *Board) Notice(n Notice) {
	b.listMu.Lock()
	defer b.listMu.Unlock()
	b.notice(n)
}

func (b *Board) notice(n Notice) {
	at := len(b.notices)
	for at > 0 && b.notices[at-1].Time > n.Time {
		at--
	}
	for i := at - 1; i >= 0 && b.notices[i].Time == n.Time; i-- {
		if b.notices[i].Text == n.Text && b.notices[i].Stage == n.Stage {
			return
		}
	}
	b.notices = slices.Insert(slices.Clip(b.notices), at, n)
	if len(b.notices) > noticesKept {
		b.notices = b.notices[len(b.notices)-noticesKept:]
	}
	b.noticeChange++
}

// String says how much the board holds.
func (b *Board) String() string {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return fmt.Sprintf("board of %d symbols", len(b.symbols))
}
