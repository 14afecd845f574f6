package alert

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
	"time"

	"tapedeck/pipeline/market"
)

// stateVersion changes with the form of the state. Version 1 had no groups, and
// did not count the day's alerts.
const stateVersion = 2

// limits of what a state may ask for, so that a damaged one cannot ask for everything
const maxStateItems = 1 << 20

var errState = errors.New("alert: the state is damaged or of another version")

// AppendState appends all that the engine knows, rules included, so that an
// engine that loads it goes on exactly as this one would.
func (e *Engine) AppendState(dst []byte) []byte {
	w := writer{append(dst, stateVersion)}
	w.flag(e.endpoint.down)
	w.int(int64(e.endpoint.since))
	w.int(int64(e.clock))
	w.int(int64(e.running))
	w.int(int64(len(e.resolved)))
	for i := range e.resolved {
		w.bytes(market.EncodeAlert(&e.resolved[i]))
	}
	studies := e.ordered()
	w.int(int64(len(studies)))
	for _, st := range studies {
		w.question(st.question)
	}
	w.int(int64(len(e.rules)))
	for _, r := range e.rules {
		w.bytes(market.EncodeRule(&r.rule))
		w.bytes([]byte(r.paused))
		w.flag(r.expired)
		w.int(int64(r.fired.day))
		w.int(r.fired.n)
	}
	w.groups(e.groups)
	w.symbol(e.all, studies)
	w.int(int64(len(e.order)))
	for _, s := range e.order {
		w.symbol(s, studies)
	}
	return w.dst
}

// LoadState puts the engine where AppendState was called and returns what
// follows in src. After an error the engine has no rules and no symbols.
func (e *Engine) LoadState(src []byte) (rest []byte, err error) {
	e.clear()
	if len(src) == 0 || src[0] < 1 || src[0] > stateVersion {
		return nil, errState
	}
	r := reader{src: src[1:]}
	if !e.load(&r, src[0]) || r.bad {
		e.clear()
		return nil, errState
	}
	return r.src, nil
}

func (e *Engine) load(r *reader, version byte) bool {
	e.endpoint.down = r.flag()
	e.endpoint.since = market.Time(r.int())
	e.clock, e.running = market.Time(r.int()), market.Time(r.int())
	for range r.count() {
		var a market.Alert
		if market.DecodeAlert(r.bytes(), &a) != nil {
			return false
		}
		e.resolved = append(e.resolved, a)
	}
	var studies []*study
	for range r.count() {
		q := r.question()
		if r.bad || !q.valid() || e.studies[q] != nil || e.size > len(r.src) /* each float takes a byte at least */ {
			return false
		}
		studies = append(studies, e.begin(q))
	}
	for range r.count() {
		var rule market.Rule
		text, paused, expired := r.bytes(), string(r.bytes()), r.flag()
		var fired firings
		if version > 1 {
			fired = firings{market.Time(r.int()), r.int()}
		}
		if r.bad || market.DecodeRule(text, &rule) != nil || e.find(rule.Name) >= 0 {
			return false
		}
		p, err := compile(rule, World{}, e.placeOf)
		if err != nil {
			return false
		}
		for _, q := range p.questions {
			e.studies[q].uses++
		}
		e.rules = append(e.rules, &armed{Program: p, place: len(e.rules), paused: paused, expired: expired, fired: fired})
	}
	if len(studies) != len(e.studies) { // a rule asks for what was not kept
		return false
	}
	for _, st := range studies {
		if st.uses == 0 {
			return false
		}
	}
	if version > 1 {
		r.groups(e.groups)
	}
	e.all = e.newSymbol("")
	r.symbol(e, e.all, studies)
	n := r.count()
	if e.size > len(r.src) && n > 0 || n > len(r.src)/e.size {
		return false
	}
	for range n {
		name := string(r.bytes())
		if r.bad || e.symbols[name] != nil || !market.ValidSymbol(name) {
			return false
		}
		s := e.newSymbol(name)
		r.symbol(e, s, studies)
		if r.bad {
			return false
		}
		e.symbols[name] = s
		e.order = append(e.order, s)
	}
	return true
}

type writer struct{ dst []byte }

func (w *writer) int(v int64) { w.dst = binary.AppendVarint(w.dst, v) }

func (w *writer) flag(v bool) {
	if v {
		w.dst = append(w.dst, 1)
	} else {
		w.dst = append(w.dst, 0)
	}
}

func (w *writer) bytes(b []byte) {
	w.int(int64(len(b)))
	w.dst = append(w.dst, b...)
}

// floats are written as their difference in bits to the one before, lowest
// bits last: a price that stood for a while costs a byte a place, and so do
// small whole numbers.
func (w *writer) floats(values []float64) {
	var before uint64
	for _, v := range values {
		b := math.Float64bits(v)
		w.dst = binary.AppendUvarint(w.dst, bits.Reverse64(b^before))
		before = b
	}
}

func (w *writer) question(q question) {
	w.int(int64(q.kind))
	w.int(int64(q.interval))
	w.int(int64(q.n))
	w.int(int64(q.slow))
	w.int(int64(q.signal))
	w.floats([]float64{q.width})
	w.int(int64(q.span))
	w.bytes([]byte(q.model))
}

func (w *writer) symbol(s *symbol, studies []*study) {
	if s.name != "" {
		w.bytes([]byte(s.name))
	}
	w.floats(s.memory[:places])
	for _, st := range studies {
		w.floats(s.memory[st.at : st.at+st.floats])
	}
	w.int(int64(s.dayFrom))
	w.int(int64(s.dayTo))
	for _, t := range s.newest {
		w.int(int64(t))
	}
	w.int(int64(len(s.instances)))
	for i := range s.instances {
		in := &s.instances[i]
		w.int(int64(in.rule.place))
		w.floats(in.memory)
		w.int(int64(in.phase))
		w.int(int64(in.since))
		w.int(int64(in.falseSince))
		w.int(int64(in.last))
		w.int(int64(in.told))
		w.int(int64(in.bar))
	}
}

type reader struct {
	src []byte
	bad bool
}

func (r *reader) fail() { r.src, r.bad = nil, true }

func (r *reader) int() int64 {
	v, n := binary.Varint(r.src)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.src = r.src[n:]
	return v
}

// count is how many things follow; each takes a byte at least.
func (r *reader) count() int {
	v := r.int()
	if v < 0 || v > maxStateItems || v > int64(len(r.src)) {
		r.fail()
		return 0
	}
	return int(v)
}

func (r *reader) flag() bool {
	if len(r.src) == 0 || r.src[0] > 1 {
		r.fail()
		return false
	}
	v := r.src[0] == 1
	r.src = r.src[1:]
	return v
}

func (r *reader) bytes() []byte {
	n := r.int()
	if n < 0 || n > int64(len(r.src)) {
		r.fail()
		return nil
	}
	b := r.src[:n]
	r.src = r.src[n:]
	return b
}

func (r *reader) floats(to []float64) {
	var before uint64
	for i := range to {
		v, n := binary.Uvarint(r.src)
		if n <= 0 {
			r.fail()
			return
		}
		r.src = r.src[n:]
		before ^= bits.Reverse64(v)
		to[i] = math.Float64frombits(before)
	}
}

func (r *reader) question() question {
	q := question{kind: studyKinds}
	if kind := r.int(); kind >= 0 && kind < int64(studyKinds) {
		q.kind = studyKind(kind)
	}
	interval := r.int()
	if interval < 0 || interval >= int64(len(market.Intervals)) {
		r.fail()
	}
	q.interval = market.Interval(interval)
	q.n, q.slow, q.signal = int(r.int()), int(r.int()), int(r.int())
	var width [1]float64
	r.floats(width[:])
	q.width = width[0]
	q.span = time.Duration(r.int())
	q.model = string(r.bytes())
	return q
}

func (r *reader) symbol(e *Engine, s *symbol, studies []*study) {
	r.floats(s.memory[:places])
	for _, st := range studies {
		m := s.memory[st.at : st.at+st.floats]
		r.floats(m)
		if !st.sound(m) {
			r.fail()
			return
		}
	}
	s.dayFrom, s.dayTo = market.Time(r.int()), market.Time(r.int())
	for i := range s.newest {
		s.newest[i] = market.Time(r.int())
	}
	n := r.count()
	s.instances = make([]instance, 0, min(n, len(e.rules)))
	before := -1
	for range n {
		i := r.int()
		if r.bad || i <= int64(before) || i >= int64(len(e.rules)) {
			r.fail()
			return
		}
		before = int(i)
		rule := e.rules[i]
		in := instance{rule: rule, memory: make([]float64, rule.memory)}
		r.floats(in.memory)
		at := r.int()
		in.since, in.falseSince, in.last = market.Time(r.int()), market.Time(r.int()), market.Time(r.int())
		in.told, in.bar = uint32(r.int()), market.Time(r.int())
		if at < 0 || at >= int64(phases) || rule.global != (s == e.all) {
			r.fail()
			return
		}
		in.phase = phase(at)
		s.instances = append(s.instances, in)
	}
	s.list()
}

// sound says whether the places that a study's memory keeps lie within it.
func (q question) sound(m []float64) bool {
	within := func(v float64, n int) bool { return v >= 0 && v < float64(n) && v == math.Trunc(v) }
	switch q.kind {
	case studySMA, studyVolumeRatio:
		return within(m[1], q.n)
	case studyBollinger:
		return within(m[3], q.n)
	case studyVolatility:
		return within(m[2], q.n)
	case studyMACD:
		return within(m[10], q.n)
	case studyPast:
		return within(m[4], q.buckets()) && within(m[2], q.buckets()+1)
	case studyExtent:
		return within(m[9], q.buckets()) && within(m[3], q.buckets()+1)
	}
	return true
}
