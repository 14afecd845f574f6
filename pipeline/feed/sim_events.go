package feed

import (
	"math"
	"math/rand/v2"
	"time"

	"tapedeck/pipeline/market"
)

// simEvents are what deserves an alert, each on some well-traded symbol:
//
//   - a block: one trade of more than a million shares, with a small kick to
//     the price and more volume for a while; on average each 80 s;
//   - a move of 3 to 4 % down or up, within 20 s or within two to four minutes,
//     a quarter of which is given back; on average each 180 s.
//
// Each live start has a block and a quick drop within its first 20 s, on
// symbols that the seed determines.
type simEvents struct {
	seed      uint64
	large     []int // symbols that blocks are traded in
	known     []int // symbols that moves happen to
	script    []simEvent
	nextBlock market.Time
	nextMove  market.Time
}

// simEvent is one event; length 0 is a block.
type simEvent struct {
	at      market.Time
	symbol  int
	length  time.Duration
	percent float64
}

const (
	simBetweenBlocks = 80 * time.Second
	simBetweenMoves  = 180 * time.Second
)

// start plans the events of a live start.
func (e *simEvents) start(begin market.Time, m *simMarket) {
	all := make([]int, len(m.symbols))
	for i := range m.symbols {
		all[i] = i
		c := m.symbols[i].company
		if c.Sector == "fund" {
			continue
		}
		if c.Volume >= 8_000_000 && len(e.large) < 150 {
			e.large = append(e.large, i)
		}
		if c.Volume >= 1_500_000 && len(e.known) < 400 {
			e.known = append(e.known, i)
		}
	}
	if len(e.large) < 2 || len(e.known) < 2 {
		e.large, e.known = all, all
	}
	fixed := rand.New(rand.NewPCG(e.seed, 0x5ca1ab1e))
	falls, block := e.known[fixed.IntN(len(e.known))], e.large[fixed.IntN(len(e.large))]
	for falls == block && len(e.known) > 1 {
		falls = e.known[fixed.IntN(len(e.known))]
	}
	e.script = []simEvent{
		{begin.Add(4 * time.Second), falls, 12 * time.Second, -3.8},
		{begin.Add(8 * time.Second), block, 0, 0.25},
	}
	e.nextBlock = begin.Add(45*time.Second + m.wait(simBetweenBlocks))
	e.nextMove = begin.Add(30*time.Second + m.wait(simBetweenMoves))
}

// wait is a random time of that mean.
func (m *simMarket) wait(mean time.Duration) time.Duration {
	return time.Duration(m.random.ExpFloat64() * float64(mean))
}

// second begins the events of the second that begins at t.
func (e *simEvents) second(t market.Time, m *simMarket) {
	for len(e.script) > 0 && t >= e.script[0].at {
		m.happen(e.script[0])
		e.script = e.script[1:]
	}
	if t >= e.nextBlock {
		e.nextBlock = t.Add(m.wait(simBetweenBlocks))
		m.happen(simEvent{t, m.any(e.large), 0, 0.3 * (m.random.Float64() - 0.5)})
	}
	if t >= e.nextMove {
		e.nextMove = t.Add(m.wait(simBetweenMoves))
		percent := 3.1 + m.random.Float64()
		if m.random.IntN(2) == 0 {
			percent = -percent
		}
		length := 20 * time.Second
		if m.random.IntN(2) == 0 {
			length = time.Duration(120+m.random.IntN(120)) * time.Second
		}
		m.happen(simEvent{t, m.any(e.known), length, percent})
	}
}

func (m *simMarket) any(symbols []int) int { return symbols[m.random.IntN(len(symbols))] }

// happen starts an event. A symbol has one move at a time.
func (m *simMarket) happen(e simEvent) {
	s := &m.symbols[e.symbol]
	if e.length == 0 {
		s.block = 1_050_000 + 100*m.random.Int64N(14_000)
		s.boost = 4
		s.moveBy(e.percent / 100)
		return
	}
	if s.driftUntil != 0 {
		return
	}
	r := math.Log(1 + e.percent/100)
	s.drift, s.drifted, s.driftUntil = r/e.length.Seconds(), e.at, e.at.Add(e.length)
	s.backFor = 4 * e.length
	s.back = -r / 4 / s.backFor.Seconds()
	s.boost = 5
}

// drifting is the return that a move adds until t.
func (s *simSymbol) drifting(t market.Time) float64 {
	r := 0.0
	for s.driftUntil != 0 {
		to := min(t, s.driftUntil)
		if to > s.drifted {
			r += s.drift * to.Sub(s.drifted).Seconds()
			s.drifted = to
		}
		if t < s.driftUntil {
			break
		}
		if s.backFor == 0 {
			s.driftUntil = 0
			break
		}
		s.drift, s.driftUntil = s.back, s.driftUntil.Add(s.backFor)
		s.back, s.backFor = 0, 0
	}
	if s.backFor != 0 {
		s.boost = max(s.boost, 3)
	}
	return r
}
