package alert

import (
	"context"
	"fmt"
	"math"
	"time"

	"tapedeck/pipeline/market"
)

// Horizons are how long after an alert Backtest looks at the price.
var Horizons = [...]time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute}

// maxFirings bounds what a back-test keeps; further ones are only counted.
const maxFirings = 100_000

// Event is one step of recorded history: a tick, a closed bar, or a clock.
type Event struct {
	Tick  *market.Tick
	Bar   *market.Bar
	Clock market.Time // where neither Tick nor Bar is set
}

// Fired is an alert of a back-test and what became of the price.
type Fired struct {
	market.Alert
	Price float64                // when it fired; NaN where none was known
	After [len(Horizons)]float64 // price so much later; NaN where history ends before
}

// Trial is the outcome of a back-test.
type Trial struct {
	Fired   []Fired // alerts that began, in the order of history; ends are left out
	Omitted int64   // beyond the first 100,000
	Events  int64
	From    market.Time
	To      market.Time
	Return  [len(Horizons)]float64 // mean return after an alert, as a fraction; NaN where there is none
	Usual   [len(Horizons)]float64 // mean return over the same lengths from every minute of every symbol
}

// PerDay is how often a day the rules fired: alerts over the days of history,
// begun days counted whole.
func (t *Trial) PerDay() float64 {
	if t.To <= t.From {
		return float64(len(t.Fired)) + float64(t.Omitted)
	}
	days := math.Ceil(t.To.Sub(t.From).Hours() / 24)
	return (float64(len(t.Fired)) + float64(t.Omitted)) / days
}

// Backtest runs an engine, with its rules set, over history: the live engine,
// told the same in the same order, tells the same alerts. source calls yield
// for each event in order and returns when yield gives false; the event is
// only looked at during the call. Prices are those of the ticks.
func Backtest(ctx context.Context, engine *Engine, source func(yield func(Event) bool) error) (*Trial, error) {
	b := backtest{trial: &Trial{}, symbols: map[string]*followed{}}
	emit := b.fired
	err := source(func(ev Event) bool {
		if b.trial.Events++; b.trial.Events&1023 == 0 && ctx.Err() != nil {
			return false
		}
		switch {
		case ev.Tick != nil:
			b.at(ev.Tick.Time)
			b.price(ev.Tick)
			engine.Tick(ev.Tick, emit)
		case ev.Bar != nil:
			engine.Bar(ev.Bar, emit)
		default:
			b.at(ev.Clock)
			engine.Clock(ev.Clock, emit)
		}
		return true
	})
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("back-test: %w", err)
	}
	return b.finish(), nil
}

type backtest struct {
	trial   *Trial
	symbols map[string]*followed
	usual   [len(Horizons)]mean
}

type mean struct {
	sum float64
	n   int64
}

func (m *mean) add(v float64) {
	if v-v == 0 {
		m.sum += v
		m.n++
	}
}

func (m *mean) value() float64 { return m.sum / float64(m.n) }

// minutes is how many closes of minutes are kept for the usual return.
const minutes = 32

// followed is the price of a symbol.
type followed struct {
	price  float64
	time   market.Time
	open   []int       // places in Fired whose later prices are not all known
	due    market.Time // when the next of them is
	minute int64
	closes [minutes]float64
	newest [minutes]int64 // which minute each close is of
}

func (b *backtest) at(t market.Time) {
	if b.trial.From == 0 {
		b.trial.From = t
	}
	b.trial.To = max(b.trial.To, t)
}

func (b *backtest) fired(a *market.Alert) {
	if a.State == market.Resolved {
		return
	}
	if len(b.trial.Fired) == maxFirings {
		b.trial.Omitted++
		return
	}
	f := Fired{Alert: *a, Price: notYet, After: [len(Horizons)]float64{notYet, notYet, notYet}}
	if s := b.symbols[a.Symbol]; s != nil {
		f.Price = s.price
		s.open = append(s.open, len(b.trial.Fired))
		due := a.Time.Add(Horizons[0])
		if len(s.open) == 1 || due < s.due {
			s.due = due
		}
	}
	b.trial.Fired = append(b.trial.Fired, f)
}

// price takes a tick: what was due before it is the price that stood until then.
func (b *backtest) price(t *market.Tick) {
	s := b.symbols[t.Symbol]
	if s == nil {
		s = &followed{}
		b.symbols[t.Symbol] = s
	}
	if t.Time < s.time {
		return
	}
	if len(s.open) > 0 && t.Time > s.due {
		b.settle(s, t.Time)
	}
	if minute := int64(t.Time) / 60e6; minute != s.minute {
		if s.minute != 0 {
			b.closeMinute(s)
		}
		s.minute = minute
	}
	s.price, s.time = t.Price, t.Time
}

// settle notes the price for the alerts whose time has come.
func (b *backtest) settle(s *followed, now market.Time) {
	open := s.open[:0]
	s.due = math.MaxInt64
	for _, i := range s.open {
		f := &b.trial.Fired[i]
		left := false
		for k, h := range Horizons {
			switch due := f.Time.Add(h); {
			case f.After[k] == f.After[k]:
			case due < now:
				f.After[k] = s.price
			default:
				left = true
				s.due = min(s.due, due)
			}
		}
		if left {
			open = append(open, i)
		}
	}
	s.open = open
}

func (b *backtest) closeMinute(s *followed) {
	at := s.minute % minutes
	s.closes[at], s.newest[at] = s.price, s.minute
	for k, h := range Horizons {
		before := s.minute - int64(h/time.Minute)
		if at := before % minutes; s.newest[at] == before {
			b.usual[k].add(s.price/s.closes[at] - 1)
		}
	}
}

func (b *backtest) finish() *Trial {
	var after [len(Horizons)]mean
	for i := range b.trial.Fired {
		f := &b.trial.Fired[i]
		if s := b.symbols[f.Symbol]; s != nil { // what lies before the end of history is known, too
			for k, h := range Horizons {
				if f.After[k] != f.After[k] && f.Time.Add(h) <= b.trial.To {
					f.After[k] = s.price
				}
			}
		}
		for k := range Horizons {
			after[k].add(f.After[k]/f.Price - 1)
		}
	}
	for k := range Horizons {
		b.trial.Return[k], b.trial.Usual[k] = after[k].value(), b.usual[k].value()
	}
	return b.trial
}
