package alert

import (
	"fmt"
	"math"
	"sort"
)

var notYet = math.NaN()

func orUnknown(v float64) float64 {
	if v == 0 {
		return notYet
	}
	return v
}

// placeOf says where a study's results lie, and begins the study where there
// is none yet.
func (e *Engine) placeOf(q question) int {
	if st := e.studies[q]; st != nil {
		return st.at
	}
	return e.begin(q).at
}

func (e *Engine) begin(q question) *study {
	st := &study{question: q, at: e.size, floats: q.size()}
	e.studies[q] = st
	e.size += q.size()
	switch {
	case q.ofBars():
		e.closing[q.interval] = append(e.closing[q.interval], st)
	case q.kind != studyPrediction:
		e.looking = append(e.looking, st)
	}
	for _, s := range append([]*symbol{e.all}, e.order...) {
		s.memory = append(s.memory, make([]float64, e.size-len(s.memory))...)
		st.reset(s.memory[st.at : st.at+st.floats])
	}
	return st
}

// release says that a rule asks no more.
func (e *Engine) release(r *armed) {
	for _, q := range r.questions {
		e.studies[q].uses--
	}
}

// sweep ends the studies that nobody asks for, and closes the gaps in the
// symbols' memory when they have become large.
func (e *Engine) sweep() {
	for q, st := range e.studies {
		if st.uses <= 0 {
			delete(e.studies, q)
			e.unused += q.size()
			e.closing[q.interval] = removed(e.closing[q.interval], st)
			e.looking = removed(e.looking, st)
		}
	}
	if e.unused > 4096 {
		e.compact()
	}
}

func removed(list []*study, st *study) []*study {
	for i, x := range list {
		if x == st {
			return append(list[:i:i], list[i+1:]...)
		}
	}
	return list
}

// ordered is the studies in the order of their places.
func (e *Engine) ordered() []*study {
	out := make([]*study, 0, len(e.studies))
	for _, st := range e.studies {
		out = append(out, st)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].at < out[j].at })
	return out
}

// compact moves the studies together. Conditions hold places, so the rules
// are compiled again.
func (e *Engine) compact() {
	studies := e.ordered()
	for _, s := range append([]*symbol{e.all}, e.order...) {
		memory := append(make([]float64, 0, e.size-e.unused), s.memory[:places]...)
		for _, st := range studies {
			memory = append(memory, s.memory[st.at:st.at+st.floats]...)
		}
		s.memory = memory
	}
	e.size, e.unused = places, 0
	for _, st := range studies {
		st.at = e.size
		e.size += st.floats
	}
	for _, r := range e.rules {
		p, err := compile(r.rule, World{}, e.placeOf)
		if err != nil { // it was right a moment ago
			r.paused = fmt.Sprintf("cannot be read again: %v", err)
			continue
		}
		r.Program = p
	}
}
