package alert

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/fnv"

	"tapedeck/pipeline/market"
)

// phase is where a rule stands with a symbol.
type phase uint8

const (
	idle    phase = iota
	pending       // the condition holds, but not for long enough
	firing
	done // spoke once, and does not speak again
	phases
)

// instance is a rule and a symbol.
type instance struct {
	rule       *armed
	memory     []float64 // what the condition remembers
	phase      phase
	since      market.Time // of the phase
	falseSince market.Time // firing, but the condition has not held since then; 0: it holds
	last       market.Time // time of the last alert
	told       uint32      // alerts at that very time
	bar        market.Time // bar of the last alert, where a bar has one at most
}

// waits says whether a clock may move the instance.
func (in *instance) waits() bool {
	return in.phase == pending && (in.rule.repeat == whileHolds || in.rule.repeat == once) || in.falseSince != 0
}

// run evaluates instances of a symbol. bar is the closed bar's start + 1, or 0.
// A condition that fails is paused, and the rest goes on.
func (e *Engine) run(s *symbol, list []int32, bar market.Time, emit func(*market.Alert)) {
	for i := 0; i < len(list); {
		i += e.runSome(s, list[i:], bar, emit)
	}
}

func (e *Engine) runSome(s *symbol, list []int32, bar market.Time, emit func(*market.Alert)) (n int) {
	defer func() {
		if n == len(list) {
			return
		}
		r := s.instances[list[n]].rule
		if failure := recover(); failure != nil {
			r.paused = fmt.Sprintf("its evaluation failed: %v", failure)
		}
		n++
	}()
	f := e.over(s)
	for n < len(list) {
		in := &s.instances[list[n]]
		r := in.rule
		if r.paused != "" || r.expired {
			n++
			continue
		}
		f.m = in.memory
		if r.cost.evaluations++; r.cost.evaluations&(sampleEvery-1) == firstSample {
			r.cost.sample(r, f, e.clockCost)
		}
		holds := r.holds(f)
		switch {
		case holds != yes && in.phase == idle:
		case holds == yes && in.phase == firing && in.falseSince == 0 && r.repeat == whileHolds:
		default:
			e.step(s, in, holds, bar, false, emit)
		}
		n++
	}
	return n
}

// over is the frame of a symbol at the time of the event in hand.
func (e *Engine) over(s *symbol) *frame {
	f := &e.frame
	f.peek, f.running = false, e.running
	f.v, f.now, f.symbol, f.sector, f.calendar, f.endpoint = s.memory, s.now, s.name, s.sector, s.calendar, &e.endpoint
	return f
}

// step moves an instance on, given whether its condition holds. byClock says
// that nothing but the time has moved.
func (e *Engine) step(s *symbol, in *instance, holds fact, bar market.Time, byClock bool, emit func(*market.Alert)) {
	r, now := in.rule, s.now
	if r.rule.Expires != 0 && now >= r.rule.Expires {
		return
	}
	waited := in.waits()
	if holds == yes {
		in.falseSince = 0
		if in.phase == idle {
			in.phase, in.since = pending, now
			if r.global && e.endpoint.down && e.endpoint.since > 0 && e.endpoint.since < now {
				in.since = e.endpoint.since
			}
		}
		ready := now.Sub(in.since) >= r.wait && (in.last == 0 || now.Sub(in.last) >= r.cooldown)
		switch {
		case in.phase == pending && r.repeat == whileHolds && ready:
			in.phase = firing
			e.fire(s, in, market.Firing, now, emit)
		case in.phase == pending && r.repeat == once && ready:
			in.phase = done
			e.fire(s, in, market.Once, now, emit)
		case r.repeat == oncePerBar && ready && !byClock:
			if start := now.Truncate(r.bar.Length()) + 1; start != in.bar {
				in.bar = start
				e.fire(s, in, market.Once, now, emit)
			}
		case r.repeat == oncePerClose && ready && bar != 0 && bar != in.bar:
			in.bar = bar
			e.fire(s, in, market.Once, now, emit)
		case r.repeat == everyTime && ready && !byClock:
			e.fire(s, in, market.Once, now, emit)
		}
		if r.moment && in.phase == pending { // a moment that was passed over is over
			in.phase = idle
		}
	} else {
		switch in.phase {
		case pending:
			in.phase = idle
		case firing:
			if in.falseSince == 0 {
				in.falseSince = now
			}
			if now.Sub(in.falseSince) >= r.keepFiring {
				in.phase, in.falseSince = idle, 0
				e.fire(s, in, market.Resolved, now, emit)
			}
		}
	}
	if waits := in.waits(); waits != waited {
		if waits {
			s.waiting++
		} else {
			s.waiting--
		}
	}
}

// fire tells of a transition.
func (e *Engine) fire(s *symbol, in *instance, state market.AlertState, now market.Time, emit func(*market.Alert)) {
	a := e.alert(s, in, state, now)
	if state != market.Resolved {
		in.rule.cost.alerts++
		in.rule.fired.add(s.calendar.Day(now))
		in.since = now
	}
	if in.rule.repeat == everyTime || in.rule.repeat == oncePerBar || in.rule.repeat == oncePerClose {
		if in.rule.wait > 0 { // it must hold as long again
			in.since = now
		}
	}
	emit(&a)
}

// alert makes the record of a transition. Its ID is a function of the rule,
// its revision, the symbol, the transition, its time, and of how many the same
// instance told at that very time before.
func (e *Engine) alert(s *symbol, in *instance, state market.AlertState, at market.Time) market.Alert {
	r := in.rule
	if r.global && e.endpoint.since > 0 { // the same in every partition, so that one alert comes of it
		span := r.wait
		if state == market.Resolved {
			span = r.keepFiring
		}
		at = min(at, e.endpoint.since.Add(span))
	}
	if at == in.last {
		in.told++
	} else {
		in.told = 0
	}
	if state == market.Resolved {
		in.told++
	} else {
		in.last = at
	}
	value, threshold := notYet, notYet
	if r.shows != nil {
		f := e.over(s)
		f.m, f.peek = in.memory, true
		value, threshold = r.shows.left(f), r.shows.right(f)
		f.peek, f.running = false, e.running
	}
	h := fnv.New128a()
	h.Write([]byte(r.rule.Name))
	h.Write([]byte{0})
	h.Write([]byte(s.name))
	var b [32]byte
	id := append(b[:0], 0, byte(state))
	id = binary.LittleEndian.AppendUint32(id, uint32(r.rule.Revision))
	id = binary.LittleEndian.AppendUint64(id, uint64(at))
	id = binary.LittleEndian.AppendUint32(id, in.told)
	h.Write(id)
	return market.Alert{
		ID: hex.EncodeToString(h.Sum(nil)), Symbol: s.name, Time: at, Rule: r.rule.Name, Revision: r.rule.Revision,
		Severity: r.rule.Severity, State: state, Value: value, Threshold: threshold,
		Message: r.message(s, state, value, threshold), Notify: r.rule.Notify,
	}
}

// resolveAll ends what stands of a rule that has expired.
func (e *Engine) resolveAll(r *armed, now market.Time, emit func(*market.Alert)) {
	e.relist(func(s *symbol) {
		for i := range s.instances {
			in := &s.instances[i]
			if in.rule != r {
				continue
			}
			if in.phase == firing {
				s.memory[placeAt] = max(s.memory[placeAt], float64(now))
				s.now = market.Time(s.memory[placeAt])
				e.fire(s, in, market.Resolved, s.now, emit)
			}
			in.phase, in.falseSince = idle, 0
		}
	})
}
