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
//   - a move of 3 to 4 % down or, less often, up, within 20 s or within two to
//     four minutes, a quarter of which is given back; on average each 100 s.
//
// Each live start has a block and a quick drop within its first 20 s, on
// symbols that the seed determines.
type simEvents struct {
	seed      uint64
	busy      []int // symbols that events happen to
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
	simBetweenMoves  = 100 * time.Second
)

// start plans the events of a live start.
func (e *simEvents) start(begin market.Time, m *simMarket) {
	for i := range m.symbols {
		if c := m.symbols[i].company; c.Volume >= 8_000_000 && c.Sector != "fund" && len(e.busy) < 150 {
			e.busy = append(e.busy, i)
		}
	}
	if len(e.busy) < 2 {
		e.busy = e.busy[:0]
		for i := range m.symbols {
			e.busy = append(e.busy, i)
		}
	}
	fixed := rand.New(rand.NewPCG(e.seed, 0x5ca1ab1e))
	first := fixed.IntN(len(e.busy))
	second := (first + 1 + fixed.IntN(max(1, len(e.busy)-1))) % len(e.busy)
	e.script = []simEvent{
		{begin.Add(4 * time.Second), e.busy[first], 12 * time.Second, -3.8},
		{begin.Add(8 * time.Second), e.busy[second], 0, 0.25},
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
		m.happen(simEvent{t, e.any(m), 0, 0.3 * (m.random.Float64() - 0.5)})
	}
	if t >= e.nextMove {
		e.nextMove = t.Add(m.wait(simBetweenMoves))
		percent := 3.1 + m.random.Float64()
		if m.random.IntN(5) < 3 {
			percent = -percent
		}
		length := 20 * time.Second
		if m.random.IntN(2) == 0 {
			length = time.Duration(120+m.random.IntN(120)) * time.Second
		}
		m.happen(simEvent{t, e.any(m), length, percent})
	}
}

func (e *simEvents) any(m *simMarket) int { return e.busy[m.random.IntN(len(e.busy))] }

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
