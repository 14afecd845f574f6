package feed

import (
	"math"
	"math/rand/v2"
	"time"

	"tapedeck/pipeline/market"
)

// simMarket is the model of the simulated market. All is in logarithms of
// price and in seconds; ε are independent innovations of variance 1, a mixture
// of two normal distributions (kurtosis 6.7).
//
// The market m and each sector's factor f are random walks, on a grid of 100 ms:
//
//	Δm = σm·v(t)·√(hm·Δt)·ε
//	Δf = σf·v(t)·√(hf·Δt)·ε + λf·F·Δt/300
//
// The price p of a symbol follows them and its own walk o, at each tick:
//
//	Δlog p = βm·Δm + βf·Δf + Δo + e(t)·Δt − (p/p₀ − 1)·Δt/50 days
//	Δo     = σo·v(t)·√(ho·Δt)·ε − ρ·O·Δt/300
//
// Each h is a relative variance that clusters: a GARCH(1,1) of mean 1 with a
// memory of ten minutes, h ← (1−a−b) + a·ε²·h + b·h (Bollerslev 1986). v(t) is
// the daily shape of volatility by New York time (simShape), e(t) the events
// (simEvents), p₀ the symbol's rough price level.
//
// Two things can be learned, both weak. F is the technology factor's return of
// about the last 5 minutes, weighted by exp(−age/300 s): the other sectors
// follow technology, with λ = simLead (λ = 0 for technology itself and for
// funds). O is the symbol's own return of the last 5 minutes, weighted alike:
// it is given back in part, with ρ = simReversal. So the expected return of
// the next few minutes, per second, is (βf·λ·F − ρ·O)/300.
type simMarket struct {
	symbols []simSymbol
	events  simEvents
	random  *rand.Rand
	grid    time.Duration // of the factors' steps
	period  float64       // s, between two ticks of a symbol

	now     market.Time // up to where the factors have gone
	whole   simFactor
	sectors [len(market.Sectors)]simFactor
	leading float64 // F
	shape   simShape

	symbolStep, factorStep simStep
}

const (
	simLead     = 0.25 // λ
	simReversal = 0.15 // ρ

	simLiveGrid    = 100 * time.Millisecond
	simHistoryGrid = 5 * time.Second

	simTradingSeconds = 23400.0 // of a regular session: volatilities a day are made for it
	simMemory         = 600.0   // s, of clustering volatility
	simMomentum       = 300.0   // s
	simPull           = 50 * 86400.0
)

// simFactor is a source of risk that many symbols share.
type simFactor struct {
	level float64 // sum of all returns
	heat  float64 // h
	sigma float64 // per √s
	lead  float64 // λ
}

// simSymbol is the state of one symbol.
type simSymbol struct {
	company    *market.Company
	price      float64     // in between the cents
	time       market.Time // of its last tick
	whole      float64     // the factors' levels at that tick
	sectorAt   float64
	betaMarket float64
	betaSector float64
	sigma      float64 // own volatility per √s
	heat       float64 // h
	own        float64 // O
	spread     float64 // of bid and ask, relative to the price
	sector     uint8
	home       string // exchange where it is listed
	buy        bool   // the last trade was at the ask

	boost      float64     // of volume, by an event
	block      int64       // an event's one large trade, to come
	drift      float64     // e, per second
	drifted    market.Time // up to where it has been applied
	driftUntil market.Time // 0 is none
	back       float64     // the drift after that
	backFor    time.Duration
}

// simStep are the weights of a step in time; most steps are equally long.
type simStep struct {
	dt     float64 // s
	root   float64
	forget float64 // exp(−dt/simMomentum)
	a, b   float64 // of the GARCH
}

func (s *simStep) of(dt float64) {
	if math.Abs(dt-s.dt) <= 2e-6 {
		return
	}
	a := min(0.02*math.Sqrt(dt), 0.12)
	s.dt, s.root = dt, math.Sqrt(dt)
	s.forget = math.Exp(-dt / simMomentum)
	s.a, s.b = a, max(math.Exp(-dt/simMemory)-a, 0)
}

// heated is h after an innovation.
func (s *simStep) heated(h, e float64) float64 {
	return min(max(1-s.a-s.b+(s.a*e*e+s.b)*h, 0.2), 12)
}

func newSimMarket(companies []market.Company, seed uint64, begin market.Time, resume map[string]float64) *simMarket {
	m := &simMarket{
		symbols: make([]simSymbol, len(companies)),
		random:  rand.New(rand.NewPCG(seed, uint64(begin))),
		grid:    simLiveGrid,
		whole:   simFactor{heat: 1, sigma: perRootSecond(0.008)},
	}
	for i := range m.sectors {
		m.sectors[i] = simFactor{heat: 1, sigma: perRootSecond(0.007), lead: simLead}
		if name := market.Sectors[i]; name == simLeader || name == "fund" {
			m.sectors[i].lead = 0
		}
	}
	for i := range companies {
		m.symbols[i] = newSimSymbol(&companies[i], seed)
		if p := resume[companies[i].Symbol]; p > 0 && p < market.MaxPrice {
			m.symbols[i].price = p
		}
	}
	m.events.seed = seed
	return m
}

// perRootSecond turns a volatility a day into one per √s.
func perRootSecond(day float64) float64 { return day / math.Sqrt(simTradingSeconds) }

// innovation is ε.
func (m *simMarket) innovation() float64 {
	e := m.random.NormFloat64() * 0.894427 // 1/√1.25, for the one in 32 that is three times as large
	if m.random.Uint64()&31 == 0 {
		e *= 3
	}
	return e
}

// advance brings the factors to t, in steps of the grid.
func (m *simMarket) advance(t market.Time) {
	if m.now == 0 {
		m.now = t
		m.shape.of(t)
		return
	}
	left := t.Sub(m.now)
	if left < m.grid {
		return
	}
	if left > 1000*m.grid { // over a pause nothing happened
		m.now = t - market.Time(m.grid.Microseconds())
		left = m.grid
	}
	m.factorStep.of(m.grid.Seconds())
	for ; left >= m.grid; left -= m.grid {
		m.now = m.now.Add(m.grid)
		m.shape.of(m.now)
		m.move(&m.factorStep, m.shape.volatility)
	}
}

// move is one step of the factors, which are scale times as volatile as usual.
func (m *simMarket) move(step *simStep, scale float64) {
	e := m.innovation()
	m.whole.level += m.whole.sigma * scale * step.root * math.Sqrt(m.whole.heat) * e
	m.whole.heat = step.heated(m.whole.heat, e)
	follow := m.leading * min(step.dt, simMomentum) / simMomentum
	m.leading *= step.forget
	for i := range m.sectors {
		f := &m.sectors[i]
		e := m.innovation()
		walk := f.sigma * scale * step.root * math.Sqrt(f.heat) * e
		f.heat = step.heated(f.heat, e)
		f.level += walk + f.lead*follow
		if i == simLeaderIndex {
			m.leading += walk
		}
	}
}

// common is the return of s by its factors since its last tick.
func (m *simMarket) common(s *simSymbol) float64 {
	f := m.sectors[s.sector].level
	r := s.betaMarket*(m.whole.level-s.whole) + s.betaSector*(f-s.sectorAt)
	s.whole, s.sectorAt = m.whole.level, f
	return r
}

// trade moves symbol i to t and makes the tick of its trade there.
func (m *simMarket) trade(i int, t market.Time, tick *market.Tick) {
	m.advance(t)
	s := &m.symbols[i]
	dt := t.Sub(s.time).Seconds()
	if dt > 4*m.period { // its first, or over a pause
		dt = m.period
	}
	s.time = t
	step := &m.symbolStep
	step.of(dt)

	e := m.innovation()
	own := s.sigma*m.shape.volatility*step.root*math.Sqrt(s.heat)*e - simReversal*s.own*dt/simMomentum
	s.heat = step.heated(s.heat, e)
	s.own = s.own*step.forget + own
	r := m.common(s) + own - (s.price/s.company.Price-1)*dt/simPull
	if s.driftUntil != 0 {
		r += s.drifting(t)
	}
	s.moveBy(r)

	bits := m.random.Uint64()
	m.quote(s, bits, tick)
	tick.Time = t
	tick.Size = m.size(s, dt, bits>>32)
}

// moveBy changes the price by a return.
func (s *simSymbol) moveBy(r float64) {
	if math.Abs(r) < 0.01 {
		s.price *= 1 + r + r*r/2
	} else {
		s.price *= math.Exp(min(max(r, -0.5), 0.5))
	}
	s.price = min(max(s.price, 0.05), 1e7)
}

// quote makes bid, ask and price of the tick: a trade at the ask, the bid or,
// where there is room, between. Prices are whole cents; below a dollar they
// are hundredths of a cent (SEC Rule 612).
func (m *simMarket) quote(s *simSymbol, bits uint64, tick *market.Tick) {
	perDollar := 100.0
	if s.price < 1 {
		perDollar = 10000
	}
	at := s.price * perDollar
	width := max(1, math.Floor(at*s.spread+0.5))
	bid := max(1, math.Floor(at-width/2+0.5))
	ask := bid + width
	if bits&3 == 0 { // buyers and sellers come in runs
		s.buy = bits&4 != 0
	}
	price := bid
	switch {
	case width > 1 && bits>>3&7 == 0:
		price = bid + math.Floor(width/2)
	case s.buy:
		price = ask
	}
	tick.Symbol = s.company.Symbol
	tick.Price, tick.Bid, tick.Ask = price/perDollar, bid/perDollar, ask/perDollar
	tick.Exchange = s.home
	if bits>>6&1 == 0 { // half of all trades are made elsewhere
		tick.Exchange = simVenues[bits>>7%uint64(len(simVenues))]
	}
}

// simVenues are venues by their letter on the consolidated tape: Nasdaq, NYSE,
// NYSE Arca, Cboe BZX, Cboe EDGX, IEX, and off-exchange.
var simVenues = [...]string{"Q", "N", "P", "Z", "K", "V", "D", "D"}

// size is the number of shares of a trade, so that a symbol's day has about
// its usual volume: log-normal, in round lots mostly.
func (m *simMarket) size(s *simSymbol, dt float64, bits uint64) int64 {
	if s.block > 0 {
		n := s.block
		s.block = 0
		return n
	}
	mean := float64(s.company.Volume) * m.shape.volume * s.boost * dt / simDayOfShape
	if s.boost > 1 {
		s.boost = max(1, s.boost*(1-min(dt/30, 1)))
	}
	n := mean * math.Exp(m.random.NormFloat64()*0.9-0.405)
	switch lots := n / 100; {
	case lots >= 1 && bits&3 != 0:
		n = math.Floor(lots+0.5) * 100
	case lots < 1 && float64(bits&0xffff)/0x10000 < lots/2: // a round lot now and then instead
		n = 100
	case lots < 1:
		n /= 2
	}
	return max(1, int64(min(n, simLargest)))
}

// simLargest is above what ordinary trades reach: a second's volume of a
// million shares is an event.
const simLargest = 600_000
