package main

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"tapedeck/pipeline/alert"
	"tapedeck/pipeline/bars"
	"tapedeck/pipeline/clean"
	"tapedeck/pipeline/market"
)

// shard plays some of the partitions.
type shard struct {
	*script
	number int
	parts  map[int32]*partTrial
	lists  map[int32][]*pastTick // of play
	at     market.Time           // how far it is

	batches chan []pastTick // to be played, by time; ticks of one instant are in the same
	played  chan []pastTick // to be filled again
}

// pastTick is a tick of the lake and its place in the log.
type pastTick struct {
	market.Tick
	partition int32
	offset    int64
}

// batch is how many ticks are played at once: so few that they stay in a core's cache.
const batch = 8 << 10

// ahead is how many batches of a shard may wait to be played.
const ahead = 8

func newShard(s *script, number int) *shard {
	return &shard{script: s, number: number, parts: map[int32]*partTrial{}, lists: map[int32][]*pastTick{},
		batches: make(chan []pastTick, ahead), played: make(chan []pastTick, ahead+2)}
}

// run plays the batches one after the other. A tick that came late may stand
// in the log after ticks of the next batch: it waits for that one.
func (s *shard) run(ctx context.Context) error {
	for symbol, partition := range s.symbols {
		if s.shardOf(partition) == s.number {
			if err := s.part(partition).prepare(s.before[symbol]); err != nil {
				return err
			}
		}
	}
	for _, part := range s.parts {
		part.engine.Quiet(false)
	}
	var hand []pastTick // read, and not played yet
	for ticks := range s.batches {
		next := s.play(hand, ticks, ticks[0].Time)
		if hand != nil {
			s.played <- hand[:0] // there is room for all
		}
		hand = next
		s.progress(hand[len(hand)-1].Time)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	s.play(hand, nil, s.Until)
	s.progress(s.Until)
	return nil
}

// progress says how far the shard is.
func (s *shard) progress(at market.Time) {
	if s.Progress == nil || at <= s.at {
		return
	}
	s.Progress(float64(s.done.Add(int64(at-max(s.at, s.begin)))) / float64(int64(s.Until-s.begin)*int64(s.shards)))
	s.at = at
}

// play plays the ticks before a time, hand, but for those that the log has
// after some of next, and returns what is then in hand.
func (s *shard) play(hand, next []pastTick, before market.Time) []pastTick {
	first := map[int32]int64{}
	for i := range next {
		if at, ok := first[next[i].partition]; !ok || next[i].offset < at {
			first[next[i].partition] = next[i].offset
		}
	}
	for number, list := range s.lists {
		s.lists[number] = list[:0]
	}
	for i := range hand {
		t := &hand[i]
		// An offset starts anew with a new log: only near the end can a tick be one that came late.
		if at, ok := first[t.partition]; ok && t.offset > at && before.Sub(t.Time) < clockHole {
			next = append(next, *t)
			continue
		}
		s.lists[t.partition] = append(s.lists[t.partition], t)
	}
	for number, part := range s.parts {
		list := s.lists[number]
		if !slices.IsSortedFunc(list, byOffset) {
			slices.SortStableFunc(list, byOffset)
		}
		part.play(list, before)
	}
	return next
}

func byOffset(a, b *pastTick) int { return cmp.Compare(a.offset, b.offset) }

// part is the trial of a partition.
func (s *shard) part(number int32) *partTrial {
	p := s.parts[number]
	if p == nil {
		engine := newEngine(s.calendar)
		engine.Quiet(true)
		p = &partTrial{script: s.script, engine: engine, tester: alert.NewTester(engine, s.Since), cleaner: clean.New(clean.Config{}, s.calendar),
			builder: bars.New(s.calendar), refused: s.refused[number], offset: -1}
		p.onAccept, p.onReject, p.onBar = p.accept, func(int64, clean.Reason) {}, p.closed
		s.parts[number] = p
		for name, symbols := range s.members {
			engine.SetGroup(name, symbols)
		}
		for _, rule := range s.Rules {
			rule.Disabled, rule.Deleted = false, false
			_ = engine.SetRule(rule) // it has been compiled before
		}
	}
	return p
}

// partTrial is what the compute stage is for one partition, over the past.
type partTrial struct {
	*script
	engine  *alert.Engine
	tester  *alert.Tester
	cleaner *clean.Cleaner
	builder *bars.Builder
	next    int     // of the clocks
	source  string  // whose clock it is
	refused []int64 // offsets of rows that were no ticks, in order
	offset  int64   // of the newest tick; -1: none yet
	history bool    // the newest tick was brought afterwards

	onAccept func(*market.Tick, int64)
	onReject func(int64, clean.Reason)
	onBar    func(*market.Bar)
}

// prepare tells the engine what was before the first tick: bars, and the
// session's prices as the minutes have them.
func (p *partTrial) prepare(before []pastBar) error {
	nobody := func(*market.Alert) {}
	for i := range before {
		b := &before[i].Bar
		if p.needs.Bars[b.Interval] > 0 {
			p.engine.Bar(b, nobody)
		}
		if b.Interval != market.Minute || !p.needs.Session {
			continue
		}
		t := market.Tick{Symbol: b.Symbol, Time: b.Time}
		for k, price := range [...]float64{b.Open, b.High, b.Low, b.Close} {
			t.Price = price
			if k == 3 {
				t.Size, t.Time = b.Volume, b.Time.Add(time.Minute)-1
			}
			p.engine.Tick(&t, nobody)
		}
	}
	return nil
}

// play plays ticks in the order of the log, with the clocks before each of
// them. Clocks take an offset each: where all ticks are played, the offsets
// that are missing say how many clocks there were, and where. At the end of
// the trial it plays the clocks that remain.
func (p *partTrial) play(ticks []*pastTick, before market.Time) {
	for i, t := range ticks {
		p.source = t.Source
		due := p.due(p.next, t.Time)
		if p.chosen == "" && p.offset >= 0 {
			missing := p.missing(t)
			for ; due > missing; due-- { // the source skipped a silence
				p.next++
			}
			if missing > due {
				due += min(missing-due, p.owed(ticks[i:], due))
			}
		}
		for range due {
			p.clock()
		}
		p.offset = t.offset
		p.tick(t)
	}
	if p.chosen != "" || before == p.Until {
		for range p.due(p.next, before-1) {
			p.clock()
		}
	}
}

// due is how many clocks from number next on stand before a tick of that time.
func (p *partTrial) due(next int, t market.Time) (n int) {
	for next+n < len(p.clocks) && p.clocks[next+n] <= t {
		n++
	}
	return n
}

// missing is how many offsets before the tick hold neither a tick nor a row
// that was none: so many clocks.
func (p *partTrial) missing(t *pastTick) int {
	if t.offset < p.offset {
		return math.MaxInt32 // a new log began
	}
	return p.places(p.offset, t.offset)
}

// places is how many offsets between two hold clocks.
func (p *partTrial) places(after, before int64) int {
	n := before - after - 1
	if n > 0 {
		from, _ := slices.BinarySearch(p.refused, after+1)
		to, _ := slices.BinarySearch(p.refused, before)
		n -= int64(to - from)
	}
	return int(min(n, math.MaxInt32))
}

// owed is how many clocks stood before ticks[0] although their time is later,
// since it came late: the next tick that has clocks before it has fewer places
// for them in the log than it has clocks. due are taken already.
func (p *partTrial) owed(ticks []*pastTick, due int) int {
	for j := 1; j < len(ticks); j++ {
		if n := p.due(p.next+due, ticks[j].Time); n > 0 {
			return max(0, n-p.places(ticks[j-1].offset, ticks[j].offset))
		}
	}
	return 0
}

// clock is the next clock of the source.
func (p *partTrial) clock() {
	c := market.Clock{Time: p.clocks[p.next], Source: p.source}
	p.next++
	if p.source == "" {
		return // no tick has come yet
	}
	p.cleaner.Clock(c, p.onReject)
	p.builder.Clock(c.Time, c.Source, false, p.onBar)
	p.tester.Take(alert.Event{Clock: c.Time})
}

// afterwards is how much later than its time a live feed's tick was received
// where it was brought to know what was before.
const afterwards = 2 * time.Minute

func (p *partTrial) tick(t *pastTick) {
	if p.feed != "replay" {
		if history := t.Received != 0 && t.Received.Sub(t.Time) > afterwards; history != p.history {
			p.history = history
			p.engine.Quiet(history)
		}
	}
	p.cleaner.Clean(&t.Tick, t.offset, t.Received, p.onAccept, p.onReject)
}

func (p *partTrial) accept(t *market.Tick, _ int64) {
	if clean.Excluded(t.Condition) {
		return
	}
	p.builder.Add(t, p.onBar)
	p.tester.Take(alert.Event{Tick: t})
}

func (p *partTrial) closed(b *market.Bar) { p.tester.Take(alert.Event{Bar: b}) }
