package tui

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"tapedeck/pipeline/live"
)

// Names of the groups that are always there.
const (
	groupAll    = "all"
	groupStars  = "★"
	groupMovers = "movers"
)

// moversKept is how many symbols the group of movers has.
const moversKept = 50

// groups are the tabs above the watchlist: all, favourites, the sectors,
// those that moved most, and the analyst's own lists.
type groups struct {
	desk    *Desk
	chosen  string
	sectors []string // by number of symbols
	of      []string // short sector of each id
}

// own says whether the group has an order of its own.
func (g *groups) own() bool {
	return g.chosen == groupStars || g.desk.State.list(g.chosen) != nil
}

func (g *groups) choose(name string) {
	g.chosen = groupAll
	if slices.Contains(g.names(), name) {
		g.chosen = name
	} else if name != "" && len(g.desk.Frame.Quotes) == 0 {
		g.chosen = name // the sectors are not known before the first tick
	}
}

func (g *groups) names() []string {
	names := append(make([]string, 0, 16), groupAll, groupStars)
	for _, l := range g.desk.State.Lists {
		names = append(names, l.Name)
	}
	return append(append(names, g.sectors...), groupMovers)
}

// step is the group n places on, without turning around.
func (g *groups) step(n int) string {
	names := g.names()
	at := slices.Index(names, g.chosen) + n
	return names[min(max(at, 0), len(names)-1)]
}

// learn knows the sectors of symbols that are new.
func (g *groups) learn() {
	quotes := g.desk.Frame.Quotes
	if len(g.of) == len(quotes) {
		return
	}
	for id := len(g.of); id < len(quotes); id++ {
		_, sector := g.desk.Company(quotes[id].Symbol)
		g.of = append(g.of, shortSector(sector))
	}
	count := map[string]int{}
	for _, s := range g.of {
		if s != "" {
			count[s]++
		}
	}
	g.sectors = g.sectors[:0]
	for s := range count {
		g.sectors = append(g.sectors, s)
	}
	slices.SortFunc(g.sectors, func(a, b string) int {
		return cmp.Or(count[b]-count[a], strings.Compare(a, b))
	})
	if len(quotes) > 0 && !slices.Contains(g.names(), g.chosen) {
		g.chosen = groupAll
	}
}

// members appends the ids of the chosen group.
func (g *groups) members(dst []int32) []int32 {
	g.learn()
	f := g.desk.Frame
	switch {
	case g.chosen == groupAll:
		for id := range f.Quotes {
			dst = append(dst, int32(id))
		}
	case g.chosen == groupStars:
		dst = g.listed(dst, g.desk.State.Favourites)
	case g.chosen == groupMovers:
		for id := range f.Quotes {
			dst = append(dst, int32(id))
		}
		slices.SortFunc(dst, func(a, b int32) int { return cmp.Compare(swing(&f.Quotes[b]), swing(&f.Quotes[a])) })
		dst = dst[:min(len(dst), moversKept)]
	default:
		if l := g.desk.State.list(g.chosen); l != nil {
			return g.listed(dst, l.Symbols)
		}
		for id, s := range g.of {
			if s == g.chosen {
				dst = append(dst, int32(id))
			}
		}
	}
	return dst
}

func swing(q *live.Quote) float64 {
	_, share := q.Change()
	return math.Abs(share)
}

func (g *groups) listed(dst []int32, symbols []string) []int32 {
	for _, s := range symbols {
		if id, ok := g.desk.Frame.ID(s); ok {
			dst = append(dst, id)
		}
	}
	return dst
}

// draw writes the tabs into the columns before limit, so that the chosen one is seen.
func (g *groups) draw(c *canvas, limit int) {
	names := g.names()
	at := max(slices.Index(names, g.chosen), 0)
	first := 0
	for first < at {
		need := 0
		for _, n := range names[first : at+1] {
			need += width(n) + 2
		}
		if c.x+need <= limit {
			break
		}
		first++
	}
	if first > 0 {
		c.put(c.on(Muted), "‹ ")
	}
	for i := first; i < len(names); i++ {
		ink := c.on(Muted)
		if i == at {
			ink = c.bold(Accent)
		}
		more := 0
		if i < len(names)-1 {
			more = 2
		}
		if c.x+width(names[i])+more > limit {
			if c.x < limit {
				c.put(c.on(Muted), "›")
			}
			return
		}
		c.put(ink, names[i])
		c.gap(2)
	}
}
