package alert

import (
	"maps"
	"slices"

	"tapedeck/pipeline/market"
)

// groups are the symbols of each group by name, saved queries as "query:NAME".
type groups map[string]map[string]struct{}

func (g groups) in(group, symbol string) bool {
	_, ok := g[group][symbol]
	return ok
}

// SetGroup says who is in a group ("NAME") or in what a saved query gave
// ("query:NAME"); nobody takes the group away. Rules that watch it begin anew
// with the symbols that come, go on with those that stay, and end what fires of
// those that leave, with the next event. A group that no rule names, yet, is
// remembered for rules to come.
func (e *Engine) SetGroup(name string, symbols []string) {
	delete(e.groups, name)
	if len(symbols) > 0 {
		members := make(map[string]struct{}, len(symbols))
		for _, s := range symbols {
			members[s] = struct{}{}
		}
		e.groups[name] = members
	}
	for _, r := range e.rules {
		if r.global || !r.watch.names(name) {
			continue
		}
		e.retire(r, func(s *symbol) bool { return !r.watch.matches(s.name, s.sector, e.groups.in) })
		e.relist(func(s *symbol) {
			if !slices.ContainsFunc(s.instances, func(in instance) bool { return in.rule == r }) {
				e.adopt(s, r)
			}
		})
	}
}

func (w *writer) groups(g groups) {
	w.int(int64(len(g)))
	for _, name := range slices.Sorted(maps.Keys(g)) {
		w.bytes([]byte(name))
		w.int(int64(len(g[name])))
		for _, s := range slices.Sorted(maps.Keys(g[name])) {
			w.bytes([]byte(s))
		}
	}
}

func (r *reader) groups(to groups) {
	for range r.count() {
		name := string(r.bytes())
		n := r.count()
		if r.bad || n == 0 || n > market.MaxGroup || to[name] != nil || !market.ValidGroup(name) {
			r.fail()
			return
		}
		to[name] = make(map[string]struct{}, n)
		for range n {
			s := string(r.bytes())
			if r.bad || !market.ValidSymbol(s) || to.in(name, s) {
				r.fail()
				return
			}
			to[name][s] = struct{}{}
		}
	}
}
