package tui

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"tapedeck/pipeline/market"
)

// function is a Bloomberg-style mnemonic: what to show of a symbol.
type function struct {
	name, view string
	interval   string // "" leaves it
	note       string
}

var functions = [...]function{
	{"GP", "chart", "", "price chart"},
	{"GIP", "chart", "1s", "intraday chart, second by second"},
	{"HP", "chart", "1d", "daily history"},
	{"DES", "board", "", "on the board"},
	{"ALRT", "alerts", "", "its alerts"},
	{"SQL", "sql", "", "question its history"},
	{"FCST", "models", "", "its forecasts"},
}

func functionOf(word string) *function {
	for i := range functions {
		if strings.EqualFold(functions[i].name, word) {
			return &functions[i]
		}
	}
	return nil
}

// verbSpec is a command by name.
type verbSpec struct {
	name string
	args string // as the help writes them
	note string
	min  int // arguments that it needs
}

var verbs = [...]verbSpec{
	{"watch", "NAME [SYMBOLS]", "open or make a watchlist, put symbols into it", 1},
	{"unwatch", "NAME", "delete a watchlist", 1},
	{"rename", "OLD NEW", "rename a watchlist", 2},
	{"add", "SYMBOLS", "put symbols into the open list", 1},
	{"drop", "[SYMBOL]", "take a symbol off the open list", 0},
	{"move", "up|down|top|bottom", "the symbol's place in the open list", 1},
	{"group", "NAME", "a tab above the watchlist", 1},
	{"sort", "COLUMN", "by own, symbol, last, change, volume, bid, ask, rate, high, low, prediction, confidence", 1},
	{"layout", "NAME | save NAME | delete NAME", "named layouts", 1},
	{"compare", "SYMBOLS | off", "chart symbols together, in per cent", 0},
	{"goto", "DATE TIME | now", "chart a moment: 2026-11-20 14:30, 14:30, -2h", 1},
	{"study", "NAMES", "indicators on or off: sma20 sma50 ema12 ema26 vwap bollinger rsi macd volume", 1},
	{"grid", "LIST | SYMBOLS | NUMBER", "what the grid shows: a list, symbols, how many charts", 1},
	{"zone", "exchange|utc|local", "time zone of clocks and axes", 1},
	{"colours", "auto|dark|light|blind|normal|red-up|green-up", "palette", 1},
	{"ascii", "on|off", "no glyphs beyond ASCII", 1},
	{"mouse", "on|off", "mouse wheel; takes the terminal's own selection", 1},
	{"save", "NAME", "save the query of the sql view; $names in it are asked for", 1},
	{"open", "[NAME]", "open a saved query", 0},
	{"forget", "NAME", "delete a saved query", 1},
	{"share", "NAME", "give everybody the query of the sql view under this name", 1},
	{"unshare", "NAME", "take a shared query away from everybody", 1},
	{"export", "FILE", "the sql view's result into FILE.csv, .json or .parquet", 1},
	{"pin", "[SECONDS]", "the sql view's query on the board, asked again every so many seconds; 0 takes it off", 0},
	{"engine", "NAME", "who answers the sql view: local, duckdb, athena, trino", 1},
	{"bell", "on|off", "the terminal's bell for a new alert of a warning or worse", 1},
	{"desktop", "on|off", "such an alert as a notification of the desktop, where the terminal can", 1},
	{"acknowledge", "all | RULE", "acknowledge all alerts, or those of a rule", 1},
	{"undo", "", "undo the last change of a list", 0},
	{"help", "", "all keys", 0},
	{"quit", "", "quit", 0},
}

func verbOf(word string) *verbSpec {
	for i := range verbs {
		if verbs[i].name == strings.ToLower(word) {
			return &verbs[i]
		}
	}
	return nil
}

// viewExists says whether a view is there to be opened.
func (d *Desk) viewExists(name string) bool { return slices.Contains(d.viewNames, name) }

// parseCommand reads a line; why says what is wrong with it.
func parseCommand(line string, d *Desk) (a ask, why string) {
	w := words(line)
	if len(w) == 0 {
		return ask{}, "nothing was written"
	}
	if len(w) <= 2 { // AAPL GP, GP AAPL, AAPL, GP
		if a, ok := security(w, d); ok {
			return a, ""
		}
	}
	first := strings.ToLower(w[0])
	if len(w) == 1 && d.viewExists(first) {
		return ask{verb: "view", args: w}, ""
	}
	if v := verbOf(first); v != nil {
		if len(w)-1 < v.min {
			return ask{}, fmt.Sprintf("%s needs %s: %s", v.name, strings.ToLower(v.args), v.note)
		}
		return ask{verb: v.name, args: w[1:]}, ""
	}
	// A name, perhaps with a function behind or before it: apple, apple gp.
	name, f := w, (*function)(nil)
	if f = functionOf(w[len(w)-1]); f != nil && len(w) > 1 {
		name = w[:len(w)-1]
	} else if f = functionOf(w[0]); f != nil && len(w) > 1 {
		name = w[1:]
	}
	if found := d.find(strings.Join(name, " "), 1); len(found) > 0 {
		return openSecurity(found[0], f, d), ""
	}
	if len(d.Frame.Quotes) == 0 {
		return ask{}, "no symbol has traded yet: try again in a moment"
	}
	return ask{}, fmt.Sprintf("“%s” is no command, symbol or company here · :help lists the keys, tab completes", clip(line, 40))
}

func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + "…"
	}
	return s
}

// security reads SYMBOL, FUNCTION, and both in either order. Symbols that are
// also words of the command language are meant as symbols only in capitals.
func security(w []string, d *Desk) (ask, bool) {
	if len(w) == 1 {
		if s, ok := d.known(w[0]); ok && (s == w[0] || verbOf(w[0]) == nil && !d.viewExists(strings.ToLower(w[0])) && functionOf(w[0]) == nil) {
			return openSecurity(s, nil, d), true
		}
		if f := functionOf(w[0]); f != nil && d.viewExists(f.view) {
			return openSecurity(d.Symbol, f, d), true
		}
		return ask{}, false
	}
	for i := range 2 {
		if f := functionOf(w[i]); f != nil && verbOf(w[0]) == nil {
			if s, ok := d.known(w[1-i]); ok {
				return openSecurity(s, f, d), true
			}
		}
	}
	return ask{}, false
}

func openSecurity(symbol string, f *function, d *Desk) ask {
	view, interval := "chart", ""
	if f != nil {
		view, interval = f.view, f.interval
	}
	if !d.viewExists(view) {
		view = "board"
	}
	return ask{verb: "see", args: []string{symbol, view, interval}}
}

// completions of a line, the best first.
func completions(text string, d *Desk) []choice {
	w := words(text)
	if strings.HasSuffix(text, " ") || len(w) == 0 {
		w = append(w, "")
	}
	last := strings.ToLower(w[len(w)-1])
	before := strings.Join(w[:len(w)-1], " ")
	if before != "" {
		before += " "
	}
	var out []choice
	add := func(word, note string) {
		if len(out) < choicesShown {
			out = append(out, choice{before + word, note})
		}
	}
	symbols := func() {
		for _, s := range d.find(last, choicesShown) {
			name, _ := d.Company(s)
			add(s, name)
		}
	}
	options := func(names ...string) {
		for _, n := range names {
			if strings.HasPrefix(n, last) {
				add(n, "")
			}
		}
	}
	if len(w) == 1 {
		exact, isSymbol := d.known(w[0])
		if isSymbol {
			name, _ := d.Company(exact)
			add(exact, name)
		}
		for _, v := range d.viewNames {
			if strings.HasPrefix(v, last) {
				add(v, "view")
			}
		}
		if last != "" {
			for i := range verbs {
				if strings.HasPrefix(verbs[i].name, last) {
					add(verbs[i].name, verbs[i].args)
				}
			}
			for _, s := range d.find(last, choicesShown) {
				if s != exact || !isSymbol {
					name, _ := d.Company(s)
					add(s, name)
				}
			}
		} else {
			for i := range verbs {
				add(verbs[i].name, verbs[i].args)
			}
		}
		return out
	}
	switch v := verbOf(w[0]); {
	case v == nil && functionOf(w[0]) != nil:
		symbols()
	case v == nil:
		if _, ok := d.known(w[0]); ok {
			for _, f := range functions {
				if strings.HasPrefix(strings.ToLower(f.name), last) && d.viewExists(f.view) {
					add(f.name, f.note)
				}
			}
		}
	case v.name == "watch" && len(w) == 2, v.name == "unwatch", v.name == "rename" && len(w) == 2:
		for _, l := range d.State.Lists {
			if strings.HasPrefix(l.Name, last) {
				add(l.Name, plural(len(l.Symbols), "symbol"))
			}
		}
	case v.name == "watch", v.name == "add", v.name == "drop", v.name == "compare":
		symbols()
	case v.name == "grid":
		options(d.groupNames...)
		symbols()
	case v.name == "study":
		for i := range studyNames {
			if strings.HasPrefix(studyNames[i].key, last) {
				add(studyNames[i].key, studyNames[i].note)
			}
		}
	case v.name == "engine":
		if e, ok := d.Data.SQL.(SQLEngines); ok {
			options(e.Engines()...)
		}
	case v.name == "group":
		options(d.groupNames...)
	case v.name == "sort":
		for _, c := range columns {
			if c.less != nil || c.column == columnOwn {
				options(c.key)
			}
		}
	case v.name == "layout":
		if len(w) == 2 {
			options("save", "delete")
		}
		for name := range d.State.Layouts {
			options(name)
		}
		slices.SortFunc(out, func(a, b choice) int { return strings.Compare(a.line, b.line) })
	case strings.Contains(v.args, "|"):
		options(strings.Split(v.args, "|")...)
	}
	return out
}

// verb runs what was entered.
func (m *Model) verb(a ask) tea.Cmd {
	d := m.desk
	arg := func(i int) string {
		if i < len(a.args) {
			return a.args[i]
		}
		return ""
	}
	switch a.verb {
	case "view":
		m.show(strings.ToLower(arg(0)))
		return m.pane().Update(Open{})
	case "see":
		if i, err := market.ParseInterval(arg(2)); err == nil {
			m.interval(i)
		}
		return m.open(Open{View: arg(1), Symbol: arg(0)})
	case "quit":
		return m.askQuit()
	case "help":
		m.help.start()
	case "layout":
		m.layout(a.args)
	case "zone", "colours", "ascii", "mouse", "bell", "desktop":
		d.State.Look[a.verb] = arg(0)
		if a.verb == "colours" { // several of them stand side by side
			d.State.Look["colours "+colourKind(arg(0))] = arg(0)
			delete(d.State.Look, "colours")
		}
		if why := m.applyLook(); why != "" {
			d.Say(Warn, why)
			return nil
		}
		m.retheme()
		d.Keep()
	case "grid":
		m.show("grid")
		return m.deliver(a)
	case "compare", "goto", "study":
		m.show("chart")
		return m.deliver(a)
	case "acknowledge":
		m.show("alerts")
		return m.deliver(a)
	case "save", "open", "forget", "share", "unshare", "export", "pin", "engine":
		m.show("sql")
		return m.deliver(a)
	default:
		m.show("board")
		return m.deliver(a)
	}
	return nil
}

func colourKind(v string) string {
	switch v {
	case "blind", "normal":
		return "sight"
	case "red-up", "green-up":
		return "up"
	}
	return "background"
}

// applyLook puts the settings that were changed by command over the configured ones.
func (m *Model) applyLook() (why string) {
	c := &m.desk.Config
	for key, v := range m.desk.State.Look {
		on := v == "on"
		ok := on || v == "off"
		switch key {
		case "zone":
			i := slices.Index(zoneNames[:], v)
			if ok = i >= 0; ok {
				c.Zone = Zone(i)
			}
		case "ascii":
			c.ASCII = c.ASCII && !ok || on
		case "mouse":
			c.Mouse = c.Mouse && !ok || on
		case "bell":
			c.Bell = c.Bell && !ok || on
		case "desktop":
			c.Desktop = c.Desktop && !ok || on
		case "colours sight":
			c.ColourBlind, ok = v == "blind", true
		case "colours up":
			c.RedUp, ok = v == "red-up", true
		case "colours background":
			i := slices.Index([]string{"auto", "dark", "light"}, v)
			if ok = i >= 0; ok {
				c.Background = Background(i)
			}
		}
		if !ok {
			delete(m.desk.State.Look, key)
			word, _, _ := strings.Cut(key, " ")
			if spec := verbOf(word); spec != nil {
				why = fmt.Sprintf("%s %s: allowed is %s", word, clip(v, 20), spec.args)
			}
		}
	}
	return why
}

// layout saves, opens and deletes a view by name.
func (m *Model) layout(args []string) {
	d := m.desk
	name := strings.Join(args[1:], " ")
	switch {
	case args[0] == "save" && name != "":
		if _, err := m.encodeState(); err != nil {
			d.Say(Warn, err.Error())
			return
		}
		panes := map[string]json.RawMessage{}
		for k, v := range d.State.Panes {
			panes[k] = v
		}
		d.State.Layouts[name] = Layout{View: d.State.View, Symbol: d.Symbol, Interval: d.Interval.String(),
			Group: d.State.Group, Sort: d.State.Sort, Reverse: d.State.Reverse, Panes: panes}
		d.Keep()
		d.Say(Muted, "layout “"+name+"” saved · :layout "+name+" opens it")
	case args[0] == "delete" && name != "":
		if _, ok := d.State.Layouts[name]; !ok {
			d.Say(Warn, "no layout is called “"+clip(name, 40)+"”")
			return
		}
		delete(d.State.Layouts, name)
		d.Keep()
		d.Say(Muted, "layout “"+name+"” deleted")
	default:
		name = strings.Join(args, " ")
		l, ok := d.State.Layouts[name]
		if !ok {
			d.Say(Warn, "no layout is called “"+clip(name, 40)+"” · :layout save "+clip(name, 40)+" makes it")
			return
		}
		m.restore(l)
	}
}

func (m *Model) restore(l Layout) {
	d := m.desk
	m.show(l.View)
	d.Select(l.Symbol)
	if i, err := market.ParseInterval(l.Interval); err == nil {
		m.interval(i)
	}
	for _, v := range m.views {
		if k, ok := v.pane.(Keeper); ok && l.Panes[v.name] != nil {
			k.Restore(l.Panes[v.name])
		}
	}
	m.deliver(ask{verb: "sort", args: []string{l.Sort, map[bool]string{true: "reverse"}[l.Reverse]}})
	m.deliver(ask{verb: "group", args: []string{l.Group}})
}

// verb runs the commands of the watchlist.
func (w *watchlist) verb(a ask) tea.Cmd {
	symbols := func(args []string) []string {
		s, _ := parseSymbols(strings.Join(args, " "))
		return s
	}
	w.touched = w.desk.Now()
	switch a.verb {
	case "watch":
		name := clip(a.args[0], 24)
		if slices.Contains(w.groups.names(), name) && w.desk.State.list(name) == nil && name != groupStars {
			if len(a.args) > 1 {
				w.desk.Say(Warn, "“"+name+"” is a group of its own; give your list another name")
				return nil
			}
			w.chooseGroup(name)
			return nil
		}
		if len(a.args) == 1 && w.desk.State.list(name) != nil {
			w.chooseGroup(name)
			return nil
		}
		w.add(name, symbols(a.args[1:]))
	case "unwatch":
		w.unlist(a.args[0])
	case "rename":
		w.rename(a.args[0], clip(a.args[1], 24))
	case "add":
		if !w.groups.own() {
			w.desk.Say(Warn, "open a list first: h l goes to one, :watch NAME makes one")
			return nil
		}
		w.add(w.groups.chosen, symbols(a.args))
	case "drop":
		symbol := w.desk.Symbol
		if len(a.args) > 0 {
			symbol = strings.ToUpper(a.args[0])
		}
		w.remove(symbol)
	case "move":
		w.place(strings.ToLower(a.args[0]))
	case "group":
		w.chooseGroup(strings.Join(a.args, " "))
	case "sort":
		for _, c := range columns {
			if c.key == strings.ToLower(a.args[0]) && (c.less != nil || c.column == columnOwn) {
				w.sort, w.reverse = c.column, len(a.args) > 1 && a.args[1] != ""
				w.sortChanged()
				return nil
			}
		}
		if a.args[0] != "" {
			w.desk.Say(Warn, "“"+clip(a.args[0], 20)+"” is no column to sort by")
		}
	case "undo":
		w.undoLast()
	}
	return nil
}
