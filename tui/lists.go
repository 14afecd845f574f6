package tui

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"tapedeck/pipeline/market"
)

// What changes favourites and watchlists. All of it can be undone.

// remember the lists as they are, so that undo brings them back.
func (w *watchlist) checkpoint() {
	s := w.desk.State
	stars := slices.Clone(s.Favourites)
	lists := make([]Watchlist, len(s.Lists))
	for i, l := range s.Lists {
		lists[i] = Watchlist{l.Name, slices.Clone(l.Symbols)}
	}
	group := w.groups.chosen
	w.undo = append(w.undo, func() {
		s.Favourites, s.Lists = stars, lists
		w.chooseGroup(group)
	})
	if len(w.undo) > 50 {
		w.undo = w.undo[1:]
	}
}

func (w *watchlist) changed() {
	w.desk.Keep()
	w.reorder()
	w.settle()
}

func (w *watchlist) undoLast() {
	n := len(w.undo)
	if n == 0 {
		w.desk.Say(Muted, "nothing to undo")
		return
	}
	w.undo[n-1]()
	w.undo = w.undo[:n-1]
	w.changed()
	w.desk.Say(Muted, "undone")
}

func (w *watchlist) favourite(symbol string) {
	if symbol == "" {
		return
	}
	w.checkpoint()
	s := w.desk.State
	if i := slices.Index(s.Favourites, symbol); i >= 0 {
		s.Favourites = slices.Delete(s.Favourites, i, i+1)
	} else {
		s.Favourites = append(s.Favourites, symbol)
	}
	w.desk.Keep()
	if w.groups.chosen == groupStars { // the row leaves; the cursor goes to its neighbour
		at := w.at()
		w.reorder()
		if w.at() < 0 && len(w.order) > 0 {
			w.desk.Select(w.desk.Frame.Quotes[w.order[min(max(at, 0), len(w.order)-1)]].Symbol)
		}
	}
}

// remove takes the symbol off the list that is open.
func (w *watchlist) remove(symbol string) {
	l := w.desk.State.list(w.groups.chosen)
	switch {
	case w.groups.chosen == groupStars && w.desk.State.favourite(symbol):
		w.favourite(symbol)
		w.desk.Say(Muted, symbol+" is no favourite any more · u undoes")
	case l == nil:
		w.desk.Say(Muted, "a group by sector has no rows to delete; h l goes to a list of your own")
	default:
		if i := slices.Index(l.Symbols, symbol); i >= 0 {
			w.checkpoint()
			at := w.at()
			l.Symbols = slices.Delete(l.Symbols, i, i+1)
			w.desk.Keep()
			w.reorder()
			if len(w.order) > 0 {
				w.desk.Select(w.desk.Frame.Quotes[w.order[min(max(at, 0), len(w.order)-1)]].Symbol)
			}
			w.desk.Say(Muted, symbol+" taken off "+l.Name+" · u undoes")
		}
	}
}

// add puts symbols into a list, which is made where it is missing.
func (w *watchlist) add(list string, symbols []string) {
	s := w.desk.State
	w.checkpoint()
	if list == groupStars {
		before := len(s.Favourites)
		s.Favourites = merge(s.Favourites, symbols)
		w.desk.Say(Muted, plural(len(s.Favourites)-before, "favourite")+" more · u undoes")
		w.chooseGroup(groupStars)
		w.changed()
		return
	}
	l := s.list(list)
	if l == nil {
		if len(s.Lists) >= maxLists {
			w.undo = w.undo[:len(w.undo)-1]
			w.desk.Say(Warn, fmt.Sprintf("%d watchlists are the most that are kept; :unwatch NAME deletes one", maxLists))
			return
		}
		s.Lists = append(s.Lists, Watchlist{Name: list})
		l = &s.Lists[len(s.Lists)-1]
	}
	before := len(l.Symbols)
	l.Symbols = merge(l.Symbols, symbols)
	w.sort = columnOwn
	w.chooseGroup(list)
	w.sortChanged()
	w.settle()
	w.desk.Say(Muted, fmt.Sprintf("%s put into “%s” · u undoes", plural(len(l.Symbols)-before, "symbol"), list))
}

func merge(have, more []string) []string {
	for _, s := range more {
		if len(have) < maxListed && !slices.Contains(have, s) {
			have = append(have, s)
		}
	}
	return have
}

// rename and delete of a list, and its place among the others.
func (w *watchlist) rename(from, to string) {
	s := w.desk.State
	l := s.list(from)
	switch {
	case l == nil:
		w.desk.Say(Warn, "no watchlist is called “"+from+"”")
	case s.list(to) != nil || slices.Contains(w.groups.names(), to):
		w.desk.Say(Warn, "“"+to+"” is taken")
	default:
		w.checkpoint()
		l.Name = to
		if w.groups.chosen == from {
			w.chooseGroup(to)
		}
		w.changed()
	}
}

func (w *watchlist) unlist(name string) {
	s := w.desk.State
	i := slices.IndexFunc(s.Lists, func(l Watchlist) bool { return l.Name == name })
	if i < 0 {
		w.desk.Say(Warn, "no watchlist is called “"+name+"”")
		return
	}
	w.checkpoint()
	s.Lists = slices.Delete(s.Lists, i, i+1)
	w.chooseGroup(groupAll)
	w.changed()
	w.desk.Say(Muted, "“"+name+"” deleted · u brings it back")
}

// place moves the symbol under the cursor within the open list: up, down,
// top, bottom.
func (w *watchlist) place(where string) {
	list := &w.desk.State.Favourites
	if l := w.desk.State.list(w.groups.chosen); l != nil {
		list = &l.Symbols
	} else if w.groups.chosen != groupStars {
		w.desk.Say(Warn, "only the favourites and lists of your own can be put in order")
		return
	}
	at := slices.Index(*list, w.desk.Symbol)
	if at < 0 {
		return
	}
	var to int
	switch where {
	case "up":
		to = max(at-1, 0)
	case "down":
		to = min(at+1, len(*list)-1)
	case "top":
		to = 0
	case "bottom":
		to = len(*list) - 1
	default:
		w.desk.Say(Warn, "move where? up, down, top or bottom")
		return
	}
	w.checkpoint()
	*list = slices.Insert(slices.Delete(*list, at, at+1), to, w.desk.Symbol)
	w.sort, w.reverse = columnOwn, false
	w.sortChanged()
}

// paste fills the open list, or makes a new one where no list is open.
func (w *watchlist) paste(text string) {
	symbols, odd := parseSymbols(text)
	if len(symbols) == 0 {
		w.desk.Say(Muted, "nothing in the pasted text looks like a symbol")
		return
	}
	list := w.groups.chosen
	if !w.groups.own() {
		list = "pasted"
		for n := 2; w.desk.State.list(list) != nil; n++ {
			list = fmt.Sprintf("pasted %d", n)
		}
	}
	w.add(list, symbols)
	unknown := 0
	for _, s := range symbols {
		if _, ok := w.desk.Frame.ID(s); !ok {
			unknown++
		}
	}
	if said := w.desk.said.text; unknown > 0 || odd > 0 {
		more := ""
		if unknown > 0 {
			more += fmt.Sprintf(" · %d not seen trading yet", unknown)
		}
		if odd > 0 {
			more += fmt.Sprintf(" · %d words left out", odd)
		}
		w.desk.Say(Muted, said+more)
	}
}

// parseSymbols finds the symbols in a text as people paste it: in lines,
// commas, cash tags, with an exchange before a colon, in any case. odd counts
// the words that are none.
func parseSymbols(text string) (symbols []string, odd int) {
	seen := map[string]bool{}
	split := func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune(",;|\"'()[]{}<>", r)
	}
	for word := range strings.FieldsFuncSeq(text, split) {
		if len(symbols) >= maxListed {
			break
		}
		word = strings.ToUpper(strings.TrimPrefix(word, "$"))
		if _, after, ok := strings.Cut(word, ":"); ok {
			word = after
		}
		switch {
		case word == "" || seen[word]:
		case !market.ValidSymbol(word) || strings.IndexFunc(word, unicode.IsLetter) != 0:
			odd++
		default:
			seen[word] = true
			symbols = append(symbols, word)
		}
	}
	return symbols, odd
}
