package alert

import (
	"fmt"
	"slices"
	"time"

	"tapedeck/pipeline/market"
)

// pause is how long trading rests between two days, at least: a look back in
// time does not reach across it, since a gap at the open is no fast move.
const pause = time.Hour

// clockGap is the longest time between two clocks of a source that runs: after
// a longer one (a suspended machine, a jump in a recording) no symbol is stale
// merely because nobody was there to see its ticks.
const clockGap = time.Minute

// anotherTape is how far back the clock must go to be that of another recording.
const anotherTape = 24 * time.Hour

// Config is what an engine knows of symbols. Each function may be nil.
type Config struct {
	Calendar func(symbol string) *market.Calendar // nil: every market is always open
	Sector   func(symbol string) string
	World    World // names that rules may use
}

// Engine evaluates rules over one partition's symbols. It is a function of the
// calls that it gets, in their order. Not for concurrent use.
type Engine struct {
	config  Config
	rules   []*armed // in the order in which they were first set
	symbols map[string]*symbol
	order   []*symbol // as they first came: clocks visit them in this order
	all     *symbol   // stands for no symbol: rules of the whole
	groups  groups

	studies map[question]*study
	closing [len(market.Intervals)][]*study // moved by bars
	looking []*study                        // moved by ticks
	size    int                             // floats of a symbol's memory
	unused  int                             // of them, of studies that nobody asks for any more

	endpoint endpoint
	clock    market.Time    // the newest clock
	running  market.Time    // since when clocks came without a gap
	resolved []market.Alert // of rules that were changed; told at the next event
	quiet    bool
	frame    frame

	clockCost time.Duration // of a measurement, which is taken off
}

// armed is a rule in force.
type armed struct {
	*Program
	place   int    // in the order of the rules
	paused  string // why it is not evaluated; empty if it is
	expired bool
	cost    cost
	fired   firings
}

// symbol is all that is known of a symbol.
type symbol struct {
	name      string
	sector    string
	calendar  *market.Calendar
	memory    []float64
	newest    [len(market.Intervals)]market.Time // start of the newest bar + 1; 0: none
	instances []instance                         // a rule each, in the order of the rules
	onTick    []int32
	onClock   []int32
	onBar     [len(market.Intervals)][]int32
	waiting   int         // instances that a clock may move
	now       market.Time // of the event in hand
	dayFrom   market.Time
	dayTo     market.Time
}

// New is an engine without rules.
func New(config Config) *Engine {
	if config.Calendar == nil {
		always := market.AlwaysOpen()
		config.Calendar = func(string) *market.Calendar { return always }
	}
	e := &Engine{config: config, clockCost: clockCost()}
	e.clear()
	return e
}

func (e *Engine) clear() {
	e.rules, e.order, e.looking, e.resolved = nil, nil, nil, nil
	e.symbols, e.studies, e.groups = map[string]*symbol{}, map[question]*study{}, groups{}
	e.closing = [len(market.Intervals)][]*study{}
	e.size, e.unused, e.endpoint, e.clock, e.running = places, 0, endpoint{}, 0, 0
	e.all = e.newSymbol("")
}

// SetRule puts a rule in force, changes it, or takes it out where it is
// disabled or deleted. An alert that stands for what is no longer watched is
// resolved with the next event. What a rule remembers of its symbols stays
// where its condition, its watch and its manners of speaking do. After an error
// (a *Problem) no rule of that name is in force.
func (e *Engine) SetRule(r market.Rule) error {
	if r.Disabled || r.Deleted {
		e.drop(r.Name)
		return nil
	}
	p, err := compile(r, e.config.World, e.placeOf)
	if err != nil {
		e.drop(r.Name)
		e.sweep()
		return fmt.Errorf("rule %s: %w", r.Name, err)
	}
	for _, q := range p.questions {
		e.studies[q].uses++
	}
	a := &armed{Program: p}
	old := e.find(r.Name)
	if old >= 0 {
		before := e.rules[old]
		a.fired = before.fired
		same := before.rule.When == r.When && before.rule.For == r.For && before.rule.Repeat == r.Repeat &&
			equal(before.rule.Watch, r.Watch) && before.paused == "" && !before.expired
		e.release(before)
		if same {
			a.cost = before.cost
			e.rules[old] = a
			e.sweep()
			e.relist(func(s *symbol) { // instances point to rules by their places
				for i := range s.instances {
					if s.instances[i].rule == before {
						s.instances[i].rule = a
					}
				}
			})
			return nil
		}
		e.retire(before, func(*symbol) bool { return true })
		e.rules[old] = a
	} else {
		e.rules = append(e.rules, a)
	}
	e.sweep()
	e.relist(func(s *symbol) { e.adopt(s, a) })
	return nil
}

// Rules are the rules in force, in the order in which they were first set.
func (e *Engine) Rules() []market.Rule {
	out := make([]market.Rule, len(e.rules))
	for i, r := range e.rules {
		out[i] = r.rule
	}
	return out
}

// SetEndpoint says whether the model endpoint answers, and since when. It acts
// at the next clock. An engine that is never told holds it to be up.
func (e *Engine) SetEndpoint(up bool, since market.Time) {
	if e.endpoint.down == up {
		e.endpoint = endpoint{!up, since}
	}
}

// SetPrediction takes a model's newest forecast of a symbol. An older one than
// is known is passed over.
func (e *Engine) SetPrediction(p *market.Prediction) {
	st := e.studies[question{kind: studyPrediction, model: p.Model}]
	s := e.symbols[p.Symbol]
	if st == nil || s == nil {
		return
	}
	m := s.memory[st.at:]
	if float64(p.Made) < m[predictionMade] {
		return
	}
	m[predictionLow], m[predictionMean], m[predictionHigh], m[predictionMade] = p.Low, p.Mean, p.High, float64(p.Made)
}

// Quiet says that what follows is history, brought to know what was before: it
// is remembered, and no rule is judged by it.
// History is coarse: what is asked of single seconds begins anew after it.
func (e *Engine) Quiet(quiet bool) {
	if e.quiet && !quiet {
		for _, s := range e.order {
			for _, st := range e.closing[market.Second] {
				st.reset(s.memory[st.at : st.at+st.size()])
			}
		}
	}
	e.quiet = quiet
}

// Tick takes a tick that is believed; ticks of a symbol come in the order of
// their times, and one that comes late adds to the day's volume alone.
func (e *Engine) Tick(t *market.Tick, emit func(*market.Alert)) {
	e.tell(emit)
	s := e.symbols[t.Symbol]
	if s == nil {
		s = e.enter(t.Symbol)
	}
	m := s.memory
	s.daily(t)
	if t.Time < market.Time(m[placeLast]) {
		return
	}
	if last := market.Time(m[placeLast]); len(e.looking) > 0 && t.Time.Sub(last) > pause && s.calendar.Day(t.Time) != s.calendar.Day(last) {
		for _, st := range e.looking {
			st.reset(m[st.at : st.at+st.floats])
		}
	}
	m[placePrice], m[placeSize] = t.Price, float64(t.Size)
	m[placeBid], m[placeAsk] = orUnknown(t.Bid), orUnknown(t.Ask)
	m[placeLast] = float64(t.Time)
	m[placeAt] = max(m[placeAt], float64(t.Time))
	s.now = market.Time(m[placeAt])
	for _, st := range e.looking {
		if st.kind == studyPast {
			st.pastNext(m[st.at:st.at+st.floats], t.Time, t.Price)
		} else {
			st.extentNext(m[st.at:st.at+st.floats], t.Time, t.Price)
		}
	}
	if len(s.onTick) > 0 && !e.quiet {
		e.run(s, s.onTick, 0, emit)
	}
}

// Bar takes a closed bar. A correction, or a bar before the newest, changes nothing.
func (e *Engine) Bar(b *market.Bar, emit func(*market.Alert)) {
	e.tell(emit)
	if b.Revision > 0 || int(b.Interval) >= len(market.Intervals) {
		return
	}
	s := e.symbols[b.Symbol]
	if s == nil {
		s = e.enter(b.Symbol)
	}
	if s.newest[b.Interval] > b.Time {
		return
	}
	s.newest[b.Interval] = b.Time + 1
	end := b.Time
	if b.Interval != market.Day {
		end = b.Time.Add(b.Interval.Length())
	}
	// The end of a source closes bars before their time, so that a bar does not
	// move the time on, unless nothing else does.
	if s.memory[placeLast] == 0 {
		s.memory[placeAt] = max(s.memory[placeAt], float64(end))
	}
	s.now = max(market.Time(s.memory[placeAt]), end)
	if list := e.closing[b.Interval]; len(list) > 0 {
		day := b.Time
		if b.Interval != market.Day {
			day = s.calendar.Day(b.Time)
		}
		for _, st := range list {
			st.close(s.memory[st.at:st.at+st.floats], b, day)
		}
	}
	if list := s.onBar[b.Interval]; len(list) > 0 && !e.quiet {
		e.run(s, list, b.Time+1, emit)
	}
}

// Clock says that the event time has reached now. What hangs on time alone
// (age, hours, for, keep_firing, expiry) is judged here. A clock that does not
// go on says nothing: a source that was interrupted tells its last ones again.
func (e *Engine) Clock(now market.Time, emit func(*market.Alert)) {
	e.tell(emit)
	if now <= e.clock && e.clock.Sub(now) < anotherTape {
		return
	}
	if now.Sub(e.clock) > clockGap || now < e.clock {
		e.running = now
	}
	e.clock = now
	for _, r := range e.rules {
		if r.rule.Expires != 0 && now >= r.rule.Expires && !r.expired {
			r.expired = true
			e.resolveAll(r, now, emit)
		}
	}
	if e.quiet {
		return
	}
	e.all.clock(e, now, emit)
	for _, s := range e.order {
		s.clock(e, now, emit)
	}
}

func (s *symbol) clock(e *Engine, now market.Time, emit func(*market.Alert)) {
	if len(s.onClock) == 0 && s.waiting == 0 {
		return
	}
	s.memory[placeAt] = max(s.memory[placeAt], float64(now))
	s.now = market.Time(s.memory[placeAt])
	e.run(s, s.onClock, 0, emit)
	for i := 0; s.waiting > 0 && i < len(s.instances); i++ {
		in := &s.instances[i]
		if in.waits() && !in.rule.clock && in.rule.paused == "" && !in.rule.expired {
			e.step(s, in, factOf(in.falseSince == 0), 0, true, emit)
		}
	}
}

// tell hands on the ends of alerts whose rules were changed.
func (e *Engine) tell(emit func(*market.Alert)) {
	if len(e.resolved) == 0 {
		return
	}
	for i := range e.resolved {
		emit(&e.resolved[i])
	}
	e.resolved = nil
}

// daily keeps the values of the regular session.
func (s *symbol) daily(t *market.Tick) {
	m := s.memory
	if t.Time < s.dayFrom || t.Time >= s.dayTo {
		day := s.calendar.Day(t.Time)
		from, to, ok := s.calendar.Regular(day)
		if !ok || t.Time < from || t.Time > to || float64(day) < m[placeDay] {
			return
		}
		s.dayFrom, s.dayTo = from, to+1 // a trade at the close is the closing trade
		if float64(day) != m[placeDay] {
			m[placePreviousClose] = m[placeDayClose]
			m[placeDay], m[placeDayVolume] = float64(day), 0
			m[placeDayOpen], m[placeDayHigh], m[placeDayLow] = t.Price, t.Price, t.Price
		}
	}
	m[placeDayVolume] += float64(t.Size)
	m[placeDayHigh], m[placeDayLow] = max(m[placeDayHigh], t.Price), min(m[placeDayLow], t.Price)
	if t.Time >= market.Time(m[placeLast]) {
		m[placeDayClose] = t.Price
	}
}

// enter makes a symbol known and gives it its rules.
func (e *Engine) enter(name string) *symbol {
	s := e.newSymbol(name)
	e.symbols[name] = s
	e.order = append(e.order, s)
	for _, r := range e.rules {
		e.adopt(s, r)
	}
	s.list()
	return s
}

func (e *Engine) newSymbol(name string) *symbol {
	s := &symbol{name: name, calendar: e.config.Calendar(name)}
	if e.config.Sector != nil && name != "" {
		s.sector = e.config.Sector(name)
	}
	s.memory = make([]float64, e.size)
	for _, p := range [...]int{placePrice, placeBid, placeAsk, placeSize, placeDayOpen, placeDayHigh, placeDayLow, placeDayVolume, placePreviousClose, placeDayClose} {
		s.memory[p] = notYet
	}
	for _, st := range e.studies {
		st.reset(s.memory[st.at : st.at+st.floats])
	}
	return s
}

// adopt gives a symbol a rule, if the rule watches it.
func (e *Engine) adopt(s *symbol, r *armed) {
	if r.global != (s == e.all) || s != e.all && !r.watch.matches(s.name, s.sector, e.groups.in) {
		return
	}
	s.instances = append(s.instances, instance{rule: r, memory: make([]float64, r.memory)})
}

// relist changes every symbol's instances and makes their lists anew.
func (e *Engine) relist(change func(*symbol)) {
	for i, r := range e.rules {
		r.place = i
	}
	change(e.all)
	e.all.list()
	for _, s := range e.order {
		change(s)
		s.list()
	}
}

// list sorts the instances by their rules' order and says when each is evaluated.
func (s *symbol) list() {
	slices.SortStableFunc(s.instances, func(a, b instance) int { return a.rule.place - b.rule.place })
	s.onTick, s.onClock, s.waiting = s.onTick[:0], s.onClock[:0], 0
	for i := range s.onBar {
		s.onBar[i] = s.onBar[i][:0]
	}
	for i := range s.instances {
		in := &s.instances[i]
		if in.waits() {
			s.waiting++
		}
		if in.rule.paused != "" || in.rule.expired {
			continue
		}
		if in.rule.ticks {
			s.onTick = append(s.onTick, int32(i))
		}
		if in.rule.clock {
			s.onClock = append(s.onClock, int32(i))
		}
		for k, on := range in.rule.bars {
			if on {
				s.onBar[k] = append(s.onBar[k], int32(i))
			}
		}
	}
}

func (e *Engine) find(name string) int {
	for i, r := range e.rules {
		if r.rule.Name == name {
			return i
		}
	}
	return -1
}

// drop takes a rule out of force.
func (e *Engine) drop(name string) {
	i := e.find(name)
	if i < 0 {
		return
	}
	r := e.rules[i]
	e.release(r)
	e.retire(r, func(*symbol) bool { return true })
	e.rules = append(e.rules[:i:i], e.rules[i+1:]...)
	e.sweep()
	e.relist(func(*symbol) {})
}

// retire ends what stands of a rule with symbols that leave it, and forgets
// these instances.
func (e *Engine) retire(r *armed, leaves func(*symbol) bool) {
	for _, s := range append([]*symbol{e.all}, e.order...) {
		kept := s.instances[:0]
		for i := range s.instances {
			in := &s.instances[i]
			if in.rule != r || !leaves(s) {
				kept = append(kept, *in)
				continue
			}
			if in.phase == firing {
				s.now = market.Time(s.memory[placeAt])
				a := e.alert(s, in, market.Resolved, s.now)
				a.Message = s.subject() + quoted(r.rule.Name) + " is no longer watched"
				e.resolved = append(e.resolved, a)
			}
		}
		clear(s.instances[len(kept):])
		s.instances = kept
	}
}

// equal says whether two lists are the same.
func equal(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
