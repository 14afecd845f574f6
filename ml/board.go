package ml

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"tapedeck/pipeline/market"
)

// Board keeps the live record of every model: it takes predictions as they are
// made and closed one-minute bars as they come, and scores each prediction by
// the price that came, in constant time. It is safe for concurrent use.
//
// A prediction's price is the close of the minute it is for, or the last one
// before it where nothing was traded then. A prediction whose session ended
// before it came due is not scored. With another version of a model its live
// record begins anew; what the version before it still has to come is dropped.
type Board struct {
	mu      sync.Mutex
	models  map[string]*record
	symbols map[string]*follower
	longest int32     // horizon of a prediction
	settled []Outcome // of the bar in hand
}

// record is what a board knows of one model.
type record struct {
	name, version string // version of the newest prediction
	made          market.Time
	band          Band
	horizons      map[int32]*tally
}

func newRecord(name string) *record {
	return &record{name: strings.Clone(name), horizons: make(map[int32]*tally)}
}

// follower is the price of one symbol and what waits for it.
type follower struct {
	time    market.Time // of the newest bar
	close   float64
	began   float64 // first close seen
	minutes int     // bars since
	waiting []queue
}

// queue is the predictions of one model and horizon, in the order they come due.
type queue struct {
	model   *record
	horizon int32
	newest  market.Time // bar of the newest prediction; repeats and older ones are dropped
	list    []pending
}

type pending struct {
	market.Prediction
	drift float64 // log return that the mean return so far would make
}

// due is the start of the bar whose close the prediction is about.
func (p *pending) due() market.Time { return p.Bar.Add(time.Duration(p.Horizon) * time.Second) }

// Outcome is a prediction that came due.
type Outcome struct {
	market.Prediction
	Price  float64 // that came
	Inside bool    // the interval held it
	Hit    bool    // the price moved in the direction that was predicted
}

// maxWaiting bounds what waits for one symbol, model and horizon.
const maxWaiting = 2048

// pause is how long a symbol may not trade before its session is over.
const pause = 15 * time.Minute

// NewBoard is a board without a record.
func NewBoard() *Board {
	return &Board{models: make(map[string]*record), symbols: make(map[string]*follower)}
}

// Predict takes a prediction. It returns false for a repeat, for one that is
// older than the newest of its symbol, model and horizon, for one that came when
// its outcome was already there, for one that was made afterwards over history,
// and for one that makes no sense.
func (b *Board) Predict(p *market.Prediction) bool {
	if !(p.Base > 0 && p.Low > 0 && p.Low <= p.Mean && p.Mean <= p.High) || math.IsInf(p.High, 0) || p.Horizon < 60 || p.Horizon%60 != 0 || p.BackFilled {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.longest = max(b.longest, p.Horizon)
	m := b.models[p.Model]
	if m == nil {
		m = newRecord(p.Model)
		b.models[m.name] = m
	}
	if p.Made >= m.made {
		if m.version != p.Version && m.version != "" { // its record is its own
			clear(m.horizons)
		}
		m.version, m.made = strings.Clone(p.Version), p.Made
	}
	f := b.follower(p.Symbol)
	q := f.queue(m, p.Horizon)
	if p.Bar <= q.newest || len(q.list) == maxWaiting || f.time >= p.Bar.Add(time.Duration(p.Horizon)*time.Second) {
		return false
	}
	q.newest = p.Bar
	drift := 0.0
	if f.minutes > 0 && f.began > 0 {
		drift = math.Log(f.close/f.began) / float64(f.minutes) * float64(p.Horizon/60)
	}
	q.list = append(q.list, pending{*p, drift})
	return true
}

func (b *Board) follower(symbol string) *follower {
	f := b.symbols[symbol]
	if f == nil {
		f = &follower{}
		b.symbols[strings.Clone(symbol)] = f
	}
	return f
}

func (f *follower) queue(m *record, horizon int32) *queue {
	for i := range f.waiting {
		if f.waiting[i].model == m && f.waiting[i].horizon == horizon {
			return &f.waiting[i]
		}
	}
	f.waiting = append(f.waiting, queue{model: m, horizon: horizon})
	return &f.waiting[len(f.waiting)-1]
}

// Close takes a closed bar; those of other intervals than a minute, and those
// not newer than the symbol's last, are ignored. It returns the predictions
// that came due with it, valid until the next call.
func (b *Board) Close(bar *market.Bar) []Outcome {
	if bar.Interval != market.Minute || !(bar.Close > 0) {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.follower(bar.Symbol)
	if bar.Time <= f.time {
		return nil
	}
	b.settled = b.settled[:0]
	over := f.time != 0 && bar.Time.Sub(f.time) > pause
	for i := range f.waiting {
		q := &f.waiting[i]
		n := 0
		for ; n < len(q.list); n++ {
			p := &q.list[n]
			if over && p.Bar < bar.Time {
				continue
			}
			due := p.due()
			if due > bar.Time {
				break
			}
			price := bar.Close
			switch {
			case due == bar.Time:
			case f.time < p.Bar:
				price = p.Base // nothing was traded since
			default:
				price = f.close
			}
			b.settled = append(b.settled, q.model.settle(&p.Prediction, price, p.drift))
		}
		q.list = slices.Delete(q.list, 0, n)
	}
	if f.began == 0 || over {
		f.began, f.minutes = bar.Close, 0
	} else {
		f.minutes += int(bar.Time.Sub(f.time) / time.Minute)
	}
	f.time, f.close = bar.Time, bar.Close
	return b.settled
}

// settle scores a prediction by the price that came.
func (m *record) settle(p *market.Prediction, price, drift float64) Outcome {
	o := outcome{mean: math.Log(p.Mean / p.Base), low: math.Log(p.Low / p.Base), high: math.Log(p.High / p.Base),
		drift: drift, real: math.Log(price / p.Base)}
	result := Outcome{Prediction: *p, Price: price, Inside: o.inside(),
		Hit: o.real != 0 && o.mean != 0 && (o.real > 0) == (o.mean > 0)}
	m.band.Observe(p.Horizon, p.Bar, o.inside())
	if p.Version != m.version {
		return result
	}
	t := m.horizons[p.Horizon]
	if t == nil {
		t = &tally{horizon: p.Horizon, limit: maxBlocks}
		m.horizons[p.Horizon] = t
	}
	t.add(p.Bar, o)
	return result
}

// Band is what keeps the live intervals of a model at their coverage: give the
// same one to what makes its predictions.
func (b *Board) Band(model string) *Band {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.models[model]
	if m == nil {
		m = newRecord(model)
		b.models[m.name] = m
	}
	return &m.band
}

// Standing is the record of one model.
type Standing struct {
	Model, Version string
	Made           market.Time // of the newest live prediction; 0: none
	Live           []Score     // by horizon
}

// Standings are the records of all models, by name. It costs some milliseconds
// a horizon: for once a second or so.
func (b *Board) Standings() []Standing {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []Standing
	for _, m := range b.models {
		list = append(list, Standing{Model: m.name, Version: m.version, Made: m.made, Live: scores(m.horizons)})
	}
	slices.SortFunc(list, func(a, b Standing) int { return strings.Compare(a.Model, b.Model) })
	return list
}

func scores(tallies map[int32]*tally) []Score {
	var list []Score
	for _, t := range tallies {
		list = append(list, t.score())
	}
	slices.SortFunc(list, func(a, b Score) int { return cmp.Compare(a.Horizon, b.Horizon) })
	return list
}
