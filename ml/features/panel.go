package features

import (
	"cmp"
	"iter"
	"math"
	"slices"
	"strings"

	"tapedeck/pipeline/market"
)

// Panel holds all symbols of a market and makes their rows minute by minute.
// Not for concurrent use.
//
// Add takes the closed bars of a minute in any order, Cut ends the minute. A
// bar of a minute that was cut is late: it is counted and dropped, so that a
// minute's rows never depend on what came after them.
type Panel struct {
	byName  map[string]*entry
	symbols []*entry // by name
	now     market.Time
	late    int

	sums    [len(market.Sectors) + 1]sum // of the minute's returns, by sector; the last is of symbols without one
	pending map[market.Time][]market.Bar // bars of minutes not yet cut
	spare   [][]market.Bar
}

// entry is a symbol of the panel.
type entry struct {
	symbol string
	sector int
	*Builder
	volume float64
}

// sum is a mean in the making.
type sum struct {
	total float64
	n     int
}

// leader is the sector that others may follow.
var leader = slices.Index(market.Sectors[:], "technology")

// NewPanel is a panel that has seen nothing.
func NewPanel() *Panel {
	return &Panel{byName: make(map[string]*entry), pending: make(map[market.Time][]market.Bar)}
}

// Add takes a closed one-minute bar; bars of other intervals are ignored. Of
// two bars of one symbol and minute the higher revision counts, if it comes
// before the cut. It returns false where the bar was late or unusable.
func (p *Panel) Add(b *market.Bar) bool {
	if b.Interval != market.Minute || !(b.Close > 0) || math.IsInf(b.Close, 0) {
		return false
	}
	if b.Time <= p.now {
		p.late++
		return false
	}
	list, ok := p.pending[b.Time]
	if !ok && len(p.spare) > 0 {
		list, p.spare = p.spare[len(p.spare)-1], p.spare[:len(p.spare)-1]
	}
	p.pending[b.Time] = append(list, *b)
	return true
}

// Late is the number of bars that came after their minute's cut.
func (p *Panel) Late() int { return p.late }

// Now is the newest minute that was cut; 0: none.
func (p *Panel) Now() market.Time { return p.now }

// Pending are the minutes that have bars and are not cut yet, oldest first.
func (p *Panel) Pending() []market.Time {
	minutes := make([]market.Time, 0, len(p.pending))
	for t := range p.pending {
		minutes = append(minutes, t)
	}
	slices.Sort(minutes)
	return minutes
}

// Cut ends minute t, which is the start of its bars, and all minutes before it,
// and gives the number of symbols with a fresh row: those that Fresh lists.
func (p *Panel) Cut(t market.Time) int { return p.CutEach(t, nil) }

// CutEach is Cut, and calls each, if not nil, after every minute that ends: the
// quiet ones in which nothing at all was traded are among them, since they are
// rows too.
func (p *Panel) CutEach(t market.Time, each func(market.Time)) int {
	if t <= p.now {
		return 0
	}
	if each == nil {
		each = func(market.Time) {}
	}
	n := 0
	for _, m := range p.Pending() {
		if m > t {
			break
		}
		// Minutes in which nothing at all was traded pass for every symbol,
		// until it is certain that the market is closed.
		for before := p.now; before != 0 && p.now+minute < m && p.now+minute-before <= maxGap*minute; {
			p.now += minute
			p.cut(p.now, nil)
			each(p.now)
		}
		bars := p.pending[m]
		delete(p.pending, m)
		p.now = m
		n = p.cut(m, bars)
		each(m)
		p.spare = append(p.spare, bars[:0])
	}
	if p.now < t {
		n = 0 // nothing was traded in minute t; its quiet minutes come with the next bar
	}
	return n
}

// cut is one minute of all symbols.
func (p *Panel) cut(t market.Time, bars []market.Bar) int {
	order := func(a, b market.Bar) int {
		if c := strings.Compare(a.Symbol, b.Symbol); c != 0 {
			return c
		}
		return cmp.Compare(a.Revision, b.Revision)
	}
	if !slices.IsSortedFunc(bars, order) {
		slices.SortStableFunc(bars, order)
	}
	known := len(p.symbols)
	for i := range bars {
		b := &bars[i]
		if i+1 < len(bars) && bars[i+1].Symbol == b.Symbol {
			continue
		}
		e := p.byName[b.Symbol]
		if e == nil {
			e = &entry{symbol: strings.Clone(b.Symbol), sector: len(market.Sectors), Builder: newBuilder()}
			if c, ok := market.Lookup(b.Symbol); ok {
				e.sector = max(0, slices.Index(market.Sectors[:], c.Sector))
			}
			p.byName[e.symbol] = e
			p.symbols = append(p.symbols, e)
		}
		e.volume = float64(b.Volume)
		e.move(t, b.Close)
	}
	if known != len(p.symbols) { // sums must not depend on who came first
		slices.SortFunc(p.symbols, func(a, b *entry) int { return strings.Compare(a.symbol, b.symbol) })
	}
	clear(p.sums[:])
	var all sum
	for _, e := range p.symbols {
		if e.last != t {
			if t-e.last > maxGap*minute {
				e.traded = false
				continue // at rest until it trades again
			}
			e.volume = 0
			e.move(t, math.NaN())
		} else if !e.began {
			p.sums[e.sector].total += e.change
			p.sums[e.sector].n++
			all.total += e.change
			all.n++
		}
	}
	lead := p.sums[leader].mean() - all.mean()
	if p.sums[leader].n == 0 {
		lead = 0
	}
	n := 0
	for _, e := range p.symbols {
		if e.time != t {
			continue
		}
		own := p.sums[e.sector]
		if own.n < 2 {
			own = all
		}
		if e.traded && !e.began {
			own.total -= e.change
			own.n--
		}
		follows := lead
		if e.sector == leader {
			follows = 0
		}
		e.row(e.volume, own.mean(), follows)
		if e.ready() {
			n++
		}
	}
	return n
}

func (s sum) mean() float64 {
	if s.n == 0 {
		return 0
	}
	return s.total / float64(s.n)
}

// Row is the newest row of a symbol.
type Row struct {
	Symbol     string
	Sector     string      // empty where it is not known
	Minute     int         // number of the symbol's row in its session, from 1: minute n−1 stands one row before it
	Time       market.Time // start of the row's bar
	Close      float64
	Level      float64 // price without the steps over pauses, from 1: log ratios of levels are returns
	Volatility float64 // standard deviation of a one-minute log return; NaN: not yet
	Traded     bool    // a bar was there; without one the row stands for a minute of no trade
	Ready      bool    // a model may be asked: traded, warm, and long enough in its session
	Values     *[Count]float32
}

// Newest are the rows of the minute of the last Cut: those of symbols that
// traded in it or shortly before. Values are valid until the next Cut.
func (p *Panel) Newest() iter.Seq[Row] {
	return func(yield func(Row) bool) {
		for _, e := range p.symbols {
			if e.time == p.now && !yield(e.current()) {
				return
			}
		}
	}
}

func (e *entry) current() Row {
	r := Row{Symbol: e.symbol, Minute: e.minutes, Time: e.time, Close: e.close, Level: e.level,
		Volatility: e.sigma, Traded: e.traded, Ready: e.ready(), Values: &e.window[e.minutes%Window]}
	if e.sector < len(market.Sectors) {
		r.Sector = market.Sectors[e.sector]
	}
	return r
}

// Frame is what a model is asked at one moment: the windows of all symbols
// that traded in a minute and are warm.
type Frame struct {
	Time       market.Time // start of the minute's bars
	Symbols    []string
	Closes     []float64
	Volatility []float32
	Values     []float32 // [symbols, Window, Count]
}

// Frame writes the windows after the last Cut to f, whose memory is used again.
func (p *Panel) Frame(f *Frame) {
	f.Time = p.now
	f.Symbols, f.Closes, f.Volatility = f.Symbols[:0], f.Closes[:0], f.Volatility[:0]
	f.Values = f.Values[:0]
	for _, e := range p.symbols {
		if e.time != p.now || !e.ready() {
			continue
		}
		f.Symbols = append(f.Symbols, e.symbol)
		f.Closes = append(f.Closes, e.close)
		f.Volatility = append(f.Volatility, float32(e.sigma))
		f.Values = slices.Grow(f.Values, Window*Count)[:len(f.Values)+Window*Count]
		e.windowInto(f.Values[len(f.Values)-Window*Count:])
	}
}

// Feed adds bars of any order and cuts every minute in them. Each is that of CutEach.
func (p *Panel) Feed(bars []market.Bar, each func(market.Time)) {
	for i := range bars {
		p.Add(&bars[i])
	}
	for _, t := range p.Pending() {
		p.CutEach(t, each)
	}
}
