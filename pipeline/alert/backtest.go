package alert

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
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

	after, usual [len(Horizons)]mean
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
// only looked at during the call. What lies before since (0: nothing) makes
// the engine know what was before, and is no part of the trial. Prices are
// those of the ticks.
func Backtest(ctx context.Context, engine *Engine, since market.Time, source func(yield func(Event) bool) error) (*Trial, error) {
	b := NewTester(engine, since)
	err := source(func(ev Event) bool {
		b.Take(ev)
		return b.trial.Events&1023 != 0 || ctx.Err() == nil
	})
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("back-test: %w", err)
	}
	return b.Trial(), nil
}

// Tester is a back-test that is told its events one by one; Backtest is the
// usual form. Not for concurrent use.
type Tester struct {
	engine  *Engine
	emit    func(*market.Alert)
	trial   *Trial
	since   market.Time
	symbols map[string]*followed
}

// NewTester begins a back-test, as Backtest does.
func NewTester(engine *Engine, since market.Time) *Tester {
	b := &Tester{engine: engine, trial: &Trial{From: since}, since: since, symbols: map[string]*followed{}}
	b.emit = b.fired
	return b
}

// Take takes the next event.
func (b *Tester) Take(ev Event) {
	b.trial.Events++
	switch {
	case ev.Tick != nil:
		b.at(ev.Tick.Time)
		b.price(ev.Tick)
		b.engine.Tick(ev.Tick, b.emit)
	case ev.Bar != nil:
		b.engine.Bar(ev.Bar, b.emit)
	default:
		b.at(ev.Clock)
		b.engine.Clock(ev.Clock, b.emit)
	}
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

func (m *mean) join(o mean) { m.sum, m.n = m.sum+o.sum, m.n+o.n }

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

func (b *Tester) at(t market.Time) {
	if b.trial.From == 0 {
		b.trial.From = t
	}
	b.trial.To = max(b.trial.To, t)
}

func (b *Tester) fired(a *market.Alert) {
	if a.State == market.Resolved || a.Time < b.since {
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
func (b *Tester) price(t *market.Tick) {
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
func (b *Tester) settle(s *followed, now market.Time) {
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

func (b *Tester) closeMinute(s *followed) {
	at := s.minute % minutes
	s.closes[at], s.newest[at] = s.price, s.minute
	for k, h := range Horizons {
		before := s.minute - int64(h/time.Minute)
		if at := before % minutes; before*60e6 >= int64(b.since) && s.newest[at] == before {
			b.trial.usual[k].add(s.price/s.closes[at] - 1)
		}
	}
}

// Trial is the outcome, after the last event.
func (b *Tester) Trial() *Trial {
	t := b.trial
	for i := range t.Fired {
		f := &t.Fired[i]
		if s := b.symbols[f.Symbol]; s != nil { // what lies before the end of history is known, too
			for k, h := range Horizons {
				if f.After[k] != f.After[k] && f.Time.Add(h) <= t.To {
					f.After[k] = s.price
				}
			}
		}
		for k := range Horizons {
			t.after[k].add(f.After[k]/f.Price - 1)
		}
	}
	t.means()
	return t
}

func (t *Trial) means() {
	for k := range Horizons {
		t.Return[k], t.Usual[k] = t.after[k].value(), t.usual[k].value()
	}
}

// Join is the trial of a whole of which each part's symbols were tried apart:
// alerts in the order of their times, then symbols.
func Join(parts []*Trial) *Trial {
	whole := &Trial{}
	for _, p := range parts {
		whole.Fired = append(whole.Fired, p.Fired...)
		whole.Omitted += p.Omitted
		whole.Events += p.Events
		if p.From != 0 && (whole.From == 0 || p.From < whole.From) {
			whole.From = p.From
		}
		whole.To = max(whole.To, p.To)
		for k := range Horizons {
			whole.after[k].join(p.after[k])
			whole.usual[k].join(p.usual[k])
		}
	}
	slices.SortStableFunc(whole.Fired, func(a, b Fired) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), strings.Compare(a.Symbol, b.Symbol))
	})
	if more := len(whole.Fired) - maxFirings; more > 0 {
		whole.Fired, whole.Omitted = whole.Fired[:maxFirings], whole.Omitted+int64(more)
	}
	whole.means()
	return whole
}
