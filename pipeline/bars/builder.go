// Package bars turns ticks into bars of 1s, 1m, 5m, 15m, 1h and 1d by exchange
// time. What comes out is a function of the ticks and clock records that went
// in, in their order: there is no timer.
//
// A bar closes when its symbol's own newest tick, or its source's clock, has
// reached the bar's end; one symbol's time never closes another's bars. The end
// of a source closes what its symbols have open. A tick for a bar that is
// closed corrects it, as a new revision, while the bar is among the newest that
// are kept (24 of 1s, 3 of each longer interval); a later one is counted and
// does not enter that interval. A tick without volume (a quote)
// moves the price and adds neither volume nor a trade.
//
// A tick that is older than its symbol's newest is neither the first nor the
// last of a bar that holds others: it never moves open or close. A bar whose
// first tick comes after a later bar has closed begins at revision 1: it
// corrects "there was no trade". After the end of a source an older tick
// begins another recording, which corrects nothing of the one before, and a
// newer one goes on with the bars that the end has closed.
//
// Intraday bars are aligned to the epoch and hold extended hours; 1d bars hold
// the regular session alone, and their time is midnight UTC of the trading day.
package bars

import (
	"math"
	"time"

	"tapedeck/pipeline/market"
)

// Builder makes the bars of one partition's symbols. Not for concurrent use.
type Builder struct {
	calendar func(symbol string) *market.Calendar
	symbols  map[string]*symbol
	order    []*symbol // as they first came: clocks visit them in this order
	late     Late
}

// Late counts ticks that came after a bar of theirs had closed.
type Late struct {
	Corrected int64 // made a new revision of a bar
	Dropped   int64 // came too late for at least one interval
}

const intervals = len(market.Intervals)

// kept is how many closed bars can still be corrected.
var kept = [intervals]int{24, 3, 3, 3, 3, 3}

// symbol is the bars of one symbol.
type symbol struct {
	name      string
	calendar  *market.Calendar
	source    string
	watermark market.Time // the newest tick, or its source's clock; unbegun before the first and after the source's end
	open      [intervals]forming
	closed    [intervals][]forming // newest last
	dayFrom   market.Time          // the regular session that dayTime names
	dayTo     market.Time
	dayTime   market.Time
	out       market.Bar // the bar in hand
}

// unbegun is the watermark of a symbol that no tick has come for.
const unbegun = market.Time(math.MinInt64)

// forming is a bar and what its averages are made of.
type forming struct {
	bar      market.Bar // Trades counts ticks with volume
	ticks    int64
	turnover float64     // sum of price × size
	prices   float64     // sum of prices
	end      market.Time // 0: there is no bar
}

// New makes an empty builder.
func New(calendar func(symbol string) *market.Calendar) *Builder {
	return &Builder{calendar: calendar, symbols: map[string]*symbol{}}
}

// Late is what has come late so far.
func (b *Builder) Late() Late { return b.late }

// Add takes a tick that may enter bars. emit is called for every bar that this
// closes or corrects, shorter intervals first; the bar is only valid during the call.
func (b *Builder) Add(t *market.Tick, emit func(*market.Bar)) {
	s := b.symbols[t.Symbol]
	if s == nil {
		s = &symbol{name: t.Symbol, calendar: b.calendar(t.Symbol), watermark: unbegun}
		b.symbols[t.Symbol] = s
		b.order = append(b.order, s)
	}
	s.source = t.Source
	late := t.Time < s.watermark
	if s.watermark == unbegun {
		s.forget(t.Time)
	}
	if t.Time > s.watermark {
		s.watermark = t.Time
		s.closePassed(t.Time, emit)
	}
	corrected, dropped := false, false
	for i := range s.open {
		interval, f := market.Interval(i), &s.open[i]
		if interval != market.Day && t.Time < f.end && t.Time >= f.bar.Time { // by far the most frequent case
			if late {
				f.addLate(t)
			} else {
				f.add(t)
			}
			continue
		}
		start, end, ok := s.span(interval, t.Time)
		if !ok {
			continue
		}
		switch {
		case f.end == 0 && (len(s.closed[i]) == 0 || start > s.closed[i][len(s.closed[i])-1].bar.Time):
			f.begin(s.name, interval, start, end)
			f.add(t)
			if end <= s.watermark { // late, and nothing was open
				s.close(i, emit)
			}
		case f.end != 0 && start == f.bar.Time && late:
			f.addLate(t)
		case f.end != 0 && start == f.bar.Time:
			f.add(t)
		case !late && s.reopen(i, start): // the source had ended and goes on
			f.add(t)
		case s.correct(i, t, start, end, emit):
			corrected = true
		default:
			dropped = true
		}
	}
	if corrected {
		b.late.Corrected++
	}
	if dropped {
		b.late.Dropped++
	}
}

// Clock says that source has brought all its ticks before now; end that it
// brings no more.
func (b *Builder) Clock(now market.Time, source string, end bool, emit func(*market.Bar)) {
	for _, s := range b.order {
		if s.source != source || s.watermark == unbegun {
			continue
		}
		s.watermark = max(s.watermark, now)
		s.closePassed(now, emit)
		if end {
			s.watermark = unbegun
			for i := range s.open {
				if s.open[i].end != 0 {
					s.close(i, emit)
				}
			}
		}
	}
}

// forget drops the closed bars that a recording which begins at t does not
// continue: those of intervals where it lies before all that are kept.
func (s *symbol) forget(t market.Time) {
	for i, list := range s.closed {
		start, _, ok := s.span(market.Interval(i), t)
		if ok && len(list) > 0 && start < list[0].bar.Time {
			s.closed[i] = list[:0]
		}
	}
}

func (s *symbol) closePassed(limit market.Time, emit func(*market.Bar)) {
	if s.open[0].end > limit && s.open[1].end > limit { // by far the most frequent case
		return
	}
	for i := range s.open {
		if end := s.open[i].end; end != 0 && end <= limit {
			s.close(i, emit)
		}
	}
}

// Open is a symbol's bar that has not closed yet; false where there is none.
func (b *Builder) Open(name string, interval market.Interval) (market.Bar, bool) {
	s := b.symbols[name]
	if s == nil || s.open[interval].end == 0 {
		return market.Bar{}, false
	}
	return s.open[interval].finished(), true
}

// span is the bar of an interval that holds t; false where none does.
func (s *symbol) span(interval market.Interval, t market.Time) (start, end market.Time, ok bool) {
	if interval != market.Day {
		start = t.Truncate(interval.Length())
		return start, start.Add(interval.Length()), true
	}
	if t < s.dayFrom || t >= s.dayTo {
		day := s.calendar.Day(t)
		from, to, open := s.calendar.Regular(day)
		if !open || t < from || t > to {
			return 0, 0, false
		}
		if s.calendar.Day(to) == day {
			to = to.Add(time.Microsecond) // a trade at the close is the closing trade
		}
		s.dayFrom, s.dayTo, s.dayTime = from, to, day
	}
	return s.dayTime, s.dayTo, true
}

// close hands an open bar on and keeps it for corrections.
func (s *symbol) close(i int, emit func(*market.Bar)) {
	f := s.open[i]
	s.open[i].end = 0
	list := s.closed[i]
	if len(list) == kept[i] {
		copy(list, list[1:])
		list = list[:len(list)-1]
	}
	s.closed[i] = append(list, f)
	s.emit(&f, emit)
}

// emit hands a bar on as it stands.
func (s *symbol) emit(f *forming, emit func(*market.Bar)) {
	s.out = f.finished()
	emit(&s.out)
}

// reopen makes the newest closed bar an open one again if it is the one at start.
func (s *symbol) reopen(i int, start market.Time) bool {
	list := s.closed[i]
	last := len(list) - 1
	if last < 0 || list[last].bar.Time != start {
		return false
	}
	s.open[i], s.closed[i] = list[last], list[:last]
	s.open[i].bar.Revision++
	return true
}

// correct puts a late tick into a closed bar; false where it is too late.
func (s *symbol) correct(i int, t *market.Tick, start, end market.Time, emit func(*market.Bar)) bool {
	list := s.closed[i]
	at := len(list)
	for at > 0 && list[at-1].bar.Time > start {
		at--
	}
	if at > 0 && list[at-1].bar.Time == start {
		f := &list[at-1]
		f.bar.Revision++
		f.addLate(t)
		s.emit(f, emit)
		return true
	}
	if at == 0 && len(list) == kept[i] {
		return false // older than all that are kept
	}
	var f forming // the bar had no tick until now
	f.begin(s.name, market.Interval(i), start, end)
	f.bar.Revision = 1
	f.add(t)
	list = append(list, forming{})
	copy(list[at+1:], list[at:])
	list[at] = f
	if len(list) > kept[i] {
		copy(list, list[1:])
		list = list[:kept[i]]
	}
	s.closed[i] = list
	s.emit(&f, emit)
	return true
}

func (f *forming) begin(name string, interval market.Interval, start, end market.Time) {
	*f = forming{bar: market.Bar{Symbol: name, Interval: interval, Time: start}, end: end}
}

// add takes the next tick of a bar.
func (f *forming) add(t *market.Tick) {
	if f.ticks == 0 {
		f.bar.Open, f.bar.High, f.bar.Low = t.Price, t.Price, t.Price
	}
	f.bar.Close = t.Price
	f.addLate(t)
}

// addLate takes a tick whose place among the others is unknown: it is neither the first nor the last.
func (f *forming) addLate(t *market.Tick) {
	f.ticks++
	f.bar.High = max(f.bar.High, t.Price)
	f.bar.Low = min(f.bar.Low, t.Price)
	f.prices += t.Price
	if t.Size > 0 {
		f.bar.Volume += t.Size
		f.bar.Trades++
		f.turnover += t.Price * float64(t.Size)
	}
}

// finished is the bar as it stands.
func (f *forming) finished() market.Bar {
	bar := f.bar
	if bar.Volume > 0 {
		bar.VWAP = f.turnover / float64(bar.Volume)
	} else {
		bar.VWAP = f.prices / float64(f.ticks)
	}
	return bar
}
