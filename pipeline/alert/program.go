package alert

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"tapedeck/pipeline/market"
)

// World is what names a rule may use beyond the language; an empty list
// leaves the names of its sort unchecked, and so does a nil list of groups.
type World struct {
	Models  []string
	Sectors []string
	Groups  []string // saved queries as "query:NAME"
}

// repeat is how often a rule speaks while its condition holds.
type repeat uint8

const (
	whileHolds   repeat = iota // firing when it begins, resolved when it ends
	once                       // one alert for each symbol
	oncePerBar                 // at most one while a bar forms
	oncePerClose               // judged at the close of a bar only
	everyTime                  // at every evaluation
)

// Repeats are the words that a rule's Repeat may be; empty is an alert that
// fires when the condition begins to hold and resolves when it ends.
func Repeats() []string {
	return []string{"", "once", "once per bar", "once per bar close", "every time"}
}

// Program is a rule that has been read and found to be right.
type Program struct {
	rule       market.Rule
	holds      truth
	shows      *comparison
	repeat     repeat
	wait       time.Duration // for
	cooldown   time.Duration
	keepFiring time.Duration
	watch      watch
	bar        market.Interval // that "once per bar" goes by

	ticks, clock bool
	bars         [len(market.Intervals)]bool
	session      bool // looks at values of the session
	global       bool // of no symbol
	moment       bool // true for moments, such as crossings
	memory       int  // floats remembered for each symbol
	questions    []question
}

// Compile reads a rule. The error is a *Problem: it says which field is wrong,
// where, why, and which word may have been meant.
func Compile(rule market.Rule, world World) (*Program, error) {
	next := places
	return compile(rule, world, func(q question) int {
		at := next
		next += q.size()
		return at
	})
}

// compile lets place say where the results of a study lie.
func compile(rule market.Rule, world World, place func(question) int) (*Program, error) {
	if strings.TrimSpace(rule.Name) == "" {
		return nil, &Problem{Field: "name", Reason: "a rule needs a name"}
	}
	p := &Program{rule: rule}
	placed := map[question]int{}
	c := &condition{world: world, asked: map[question]bool{}, place: func(q question) int {
		at, ok := placed[q]
		if !ok {
			at = place(q)
			placed[q] = at
		}
		return at
	}}
	var err error
	if p.holds, err = c.parse(rule.When); err != nil {
		return nil, err
	}
	p.shows, p.ticks, p.bars, p.clock, p.moment, p.memory = c.shows, c.ticks, c.bars, c.clock, c.moment, c.memory
	p.session = c.session
	p.global = c.global && !c.symbol
	p.questions = sorted(c.asked)
	if !c.symbol && !c.global {
		return nil, &Problem{Field: "when", Line: 1, Column: 1, Reason: "the condition looks at nothing that changes"}
	}
	for _, d := range []struct {
		field, text string
		to          *time.Duration
	}{{"for", rule.For, &p.wait}, {"cooldown", rule.Cooldown, &p.cooldown}, {"keep_firing", rule.KeepFiring, &p.keepFiring}} {
		if d.text == "" {
			continue
		}
		if *d.to, err = parseSpan(d.text); err != nil {
			return nil, &Problem{Field: d.field, Reason: err.Error()}
		}
	}
	if err := p.readRepeat(); err != nil {
		return nil, err
	}
	if p.watch, err = readWatch(rule.Watch, world); err != nil {
		return nil, err
	}
	if int(rule.Severity) > int(market.Critical) {
		return nil, &Problem{Field: "severity", Reason: "a severity is info, warning or critical"}
	}
	return p, nil
}

func (p *Program) readRepeat() error {
	p.bar = market.Minute
	for i := len(p.bars) - 1; i >= 0; i-- {
		if p.bars[i] {
			p.bar = market.Interval(i)
		}
	}
	switch strings.ToLower(strings.TrimSpace(p.rule.Repeat)) {
	case "":
		p.repeat = whileHolds
		if p.moment {
			p.repeat = everyTime // a moment has no end that could be told
		}
	case "once":
		p.repeat = once
	case "once per bar":
		p.repeat = oncePerBar
	case "once per bar close":
		p.repeat = oncePerClose
	case "every time":
		p.repeat = everyTime
	default:
		return &Problem{Field: "repeat", Reason: fmt.Sprintf("%q is none of once, once per bar, once per bar close, every time", clip(p.rule.Repeat, 40)),
			Nearest: nearest(p.rule.Repeat, Repeats()[1:])}
	}
	if p.moment && p.wait > 0 {
		return &Problem{Field: "for", Reason: "a crossing lasts a moment and cannot hold for a time; write price > … instead of crosses_above(price, …)"}
	}
	if p.keepFiring > 0 && p.repeat != whileHolds {
		return &Problem{Field: "keep_firing", Reason: "only an alert that resolves can be kept firing: leave repeat empty"}
	}
	if p.repeat == oncePerClose { // the bar's close is the only occasion
		p.ticks, p.clock = false, false
		p.bars = [len(market.Intervals)]bool{}
		p.bars[p.bar] = true
	}
	return nil
}

// Rule is the rule that was compiled.
func (p *Program) Rule() market.Rule { return p.rule }

// Global says that the rule looks at no symbol: it fires once, not per symbol.
func (p *Program) Global() bool { return p.global }

// Watches says whether the rule watches a symbol. in says whether a group
// ("NAME") or a saved query ("query:NAME") has the symbol; it may be nil.
func (p *Program) Watches(symbol, sector string, in func(group, symbol string) bool) bool {
	return p.watch.matches(symbol, sector, in)
}

// Groups are the names of the groups ("NAME") and of the saved queries
// ("query:NAME") that a rule's watch names, as they stand in it.
func Groups(list []string) []string {
	var names []string
	for _, item := range list {
		item = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(item), "!"))
		if name, ok := strings.CutPrefix(item, "group:"); ok {
			names = append(names, name)
		} else if strings.HasPrefix(item, market.QueryGroup) {
			names = append(names, item)
		}
	}
	return names
}

// watch is whom a rule watches.
type watch []watched

type watched struct {
	not  bool
	kind byte // 's' sector, 'g' group or saved query, '*' glob, '=' symbol
	text string
}

// readWatch reads symbols, globs (* and ?), sector:NAME, group:NAME and
// query:NAME; a ! before one leaves it out.
func readWatch(list []string, world World) (watch, error) {
	var out watch
	for _, item := range list {
		w := watched{text: strings.TrimSpace(item)}
		if rest, ok := strings.CutPrefix(w.text, "!"); ok {
			w.not, w.text = true, rest
		}
		kind, name, colon := strings.Cut(w.text, ":")
		switch {
		case colon && kind == "sector":
			w.kind, w.text = 's', name
			if len(world.Sectors) > 0 && !slices.ContainsFunc(world.Sectors, func(s string) bool { return strings.EqualFold(s, name) }) {
				return nil, &Problem{Field: "watch", Reason: fmt.Sprintf("there is no sector %q", clip(name, 40)), Nearest: nearest(name, world.Sectors)}
			}
		case colon && kind == "group":
			w.kind, w.text = 'g', name
			if err := world.group(name, "group", name); err != nil {
				return nil, err
			}
		case colon && kind == "query":
			w.kind = 'g'
			if err := world.group(w.text, "saved query", name); err != nil {
				return nil, err
			}
		case strings.ContainsAny(w.text, "*?"):
			w.kind = '*'
			if strings.ContainsAny(w.text, `[\/`) {
				return nil, &Problem{Field: "watch", Reason: fmt.Sprintf("%q: a pattern knows * and ? only", clip(w.text, 40))}
			}
		case market.ValidSymbol(w.text):
			w.kind = '='
		default:
			return nil, &Problem{Field: "watch", Reason: fmt.Sprintf("%q is no symbol, pattern, sector:NAME, group:NAME or query:NAME", clip(w.text, 40))}
		}
		out = append(out, w)
	}
	return out, nil
}

// group checks the name of a group, which is shown as what, name.
func (w World) group(group, what, name string) error {
	if !market.ValidGroup(group) {
		return &Problem{Field: "watch", Reason: fmt.Sprintf("%q is no name of a %s", clip(name, 40), what)}
	}
	if w.Groups == nil || contains(w.Groups, group) {
		return nil
	}
	p := &Problem{Field: "watch", Reason: fmt.Sprintf("there is no %s %q", what, clip(name, 40))}
	p.Nearest = nearest(group, w.Groups)
	if what != "group" {
		p.Nearest = strings.TrimPrefix(p.Nearest, market.QueryGroup)
	}
	return p
}

// names says whether the watch names a group.
func (w watch) names(group string) bool {
	return slices.ContainsFunc(w, func(x watched) bool { return x.kind == 'g' && x.text == group })
}

func (w watch) matches(symbol, sector string, in func(group, symbol string) bool) bool {
	watches := true
	for _, x := range w {
		if !x.not {
			watches = false
		}
	}
	for _, x := range w {
		var hit bool
		switch x.kind {
		case 's':
			hit = strings.EqualFold(sector, x.text)
		case 'g':
			hit = in != nil && in(x.text, symbol)
		case '*':
			hit, _ = path.Match(x.text, symbol)
		default:
			hit = symbol == x.text
		}
		if hit && x.not {
			return false
		}
		watches = watches || hit
	}
	return watches
}

// parseSpan reads a length of time: 10s, 5m, 1h30m, 1d.
func parseSpan(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.ParseFloat(days, 64); err == nil && n > 0 && n <= 366 {
			return time.Duration(n * 24 * float64(time.Hour)), nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 || d > 366*24*time.Hour {
		return 0, fmt.Errorf("%q is not a length of time; write 10s, 5m, 1h or 1d", clip(s, 40))
	}
	return d, nil
}

// less orders questions, so that equal rules make equal states.
func (q question) less(r question) bool {
	a := [...]float64{float64(q.kind), float64(q.interval), float64(q.n), float64(q.slow), float64(q.signal), q.width, float64(q.span)}
	b := [...]float64{float64(r.kind), float64(r.interval), float64(r.n), float64(r.slow), float64(r.signal), r.width, float64(r.span)}
	for i := range a {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return q.model < r.model
}
