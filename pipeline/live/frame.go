package live

import (
	"slices"
	"strings"
	"time"

	"tapedeck/pipeline/market"
)

// Frame is what a reader knows of a Board: the state as of its last Snapshot.
// Its zero value is ready; give it to one board only, and keep it, since a
// snapshot copies no more than what changed since the one before. Its slices
// are replaced, never written, except Quotes and Changed.
type Frame struct {
	Now     time.Time   // wall clock of the snapshot
	Newest  market.Time // time of the newest tick; 0 before the first
	Arrived time.Time   // when the newest batch of ticks came here; zero before the first
	Filling bool        // ticks of before are being brought, as a feed does when it starts
	Rate    float64     // ticks per second over about ten seconds
	Ages    Ages

	Quotes  []Quote // by id; an id never changes
	Changed []int32 // ids whose quote is new since the last snapshot

	Alerts   []market.Alert // newest first, at most 500
	Standing []bool         // of each of Alerts: it fires still, and no newer one of its rule and symbol does
	Firing   int            // alerts that fire now, also those that Alerts no longer holds
	Notices  []Notice       // newest first, at most 200
	Statuses []Status       // by stage, then instance

	AlertsChanged, NoticesChanged, StatusesChanged bool

	ids     map[string]int32
	seen    []uint64 // by shard
	alerts  uint64
	notices uint64
	status  uint64
}

// ID is the symbol's place in Quotes; false where it has never traded.
func (f *Frame) ID(symbol string) (int32, bool) {
	id, ok := f.ids[symbol]
	return id, ok
}

// Quote is the state of a symbol; nil where it has never traded.
func (f *Frame) Quote(symbol string) *Quote {
	if id, ok := f.ids[symbol]; ok {
		return &f.Quotes[id]
	}
	return nil
}

// Moved says whether anything that a screen draws is new.
func (f *Frame) Moved() bool {
	return len(f.Changed) > 0 || f.AlertsChanged || f.NoticesChanged || f.StatusesChanged
}

// Snapshot brings f up to date.
func (b *Board) Snapshot(f *Frame) {
	f.Now = b.now()
	f.Newest = market.Time(b.newest.Load())
	if ms := b.seen.Load(); ms != 0 {
		f.Arrived = time.UnixMilli(ms)
	}
	f.Filling = f.Now.Sub(time.UnixMilli(b.filled.Load())) < fillingFor
	second := f.Now.Unix()
	b.ageMu.Lock()
	f.Ages = b.ages.read(second)
	f.Rate = b.rate.read(second)
	b.ageMu.Unlock()
	b.quotes(f)
	b.lists(f)
}

func (b *Board) quotes(f *Frame) {
	b.mu.RLock()
	shards := b.shards[:len(b.shards):len(b.shards)]
	fresh := b.symbols[len(f.Quotes):len(b.symbols):len(b.symbols)]
	b.mu.RUnlock()
	if f.ids == nil {
		f.ids = make(map[string]int32, len(fresh))
	}
	known := len(f.Quotes)
	for _, symbol := range fresh {
		f.ids[symbol] = int32(len(f.Quotes))
		f.Quotes = append(f.Quotes, Quote{Symbol: symbol})
	}
	for len(f.seen) < len(shards) {
		f.seen = append(f.seen, 0)
	}
	f.Changed = f.Changed[:0]
	for i, s := range shards {
		base := i * shardRows
		n := min(shardRows, len(f.Quotes)-base)
		s.mu.Lock()
		if newest := s.newest; newest > f.seen[i] || base+n > known {
			for k := range n {
				if s.changed[k] > f.seen[i] || base+k >= known { // a new row may be older than its shard
					f.Quotes[base+k] = s.rows[k].quote
					f.Changed = append(f.Changed, int32(base+k))
				}
			}
			f.seen[i] = newest
		}
		s.mu.Unlock()
	}
}

func (b *Board) lists(f *Frame) {
	b.listMu.Lock()
	defer b.listMu.Unlock()
	if f.AlertsChanged = b.alertChange != f.alerts; f.AlertsChanged {
		f.alerts = b.alertChange
		f.Alerts = slices.Clone(b.alerts[max(len(b.alerts)-alertsKept, 0):])
		slices.Reverse(f.Alerts)
		f.Firing = len(b.firing)
		f.Standing = make([]bool, len(f.Alerts))
		for i := range f.Alerts {
			a := &f.Alerts[i]
			f.Standing[i] = a.State == market.Firing && b.firing[a.Rule+"\x00"+a.Symbol] == a.ID
		}
	}
	if f.NoticesChanged = b.noticeChange != f.notices; f.NoticesChanged {
		f.notices = b.noticeChange
		f.Notices = slices.Clone(b.notices)
		slices.Reverse(f.Notices)
	}
	if f.StatusesChanged = b.statusChange != f.status; f.StatusesChanged {
		f.status = b.statusChange
		f.Statuses = f.Statuses[:0:0]
		for _, s := range b.statuses {
			f.Statuses = append(f.Statuses, s)
		}
		slices.SortFunc(f.Statuses, func(a, b Status) int {
			if a.Stage != b.Stage {
				return stageOrder(a.Stage) - stageOrder(b.Stage)
			}
			return strings.Compare(a.Instance, b.Instance)
		})
	}
}

// Away says whether the stage has been silent for so long that it is taken
// for gone.
func (s *Status) Away(now time.Time) bool { return now.Sub(s.Time.Std()) > statusAway }

// stageOrder sorts stages in the order of a tick's journey.
func stageOrder(stage string) int {
	order := [...]string{"kafka", "feed", "compute", "groups", "archive", "publish", "etl", "predict", "train", "notify"}
	for i, s := range order {
		if s == stage {
			return i
		}
	}
	h := len(order)
	for _, c := range stage {
		h = h*31%9973 + int(c)
	}
	return len(order) + h
}
