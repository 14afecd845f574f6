package tui

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"
)

// sqlAsk is a question in one line, under the editor.
type sqlAsk struct {
	label string
	note  string
	word  string // what enter does
	field field
	done  func(text string) tea.Cmd
}

// askDo takes an action while a question is open.
func (v *sqlView) askDo(a Action) tea.Cmd {
	q := v.ask
	switch a {
	case Enter, Submit, Complete:
		v.ask = nil
		return q.done(strings.TrimSpace(q.field.String()))
	case Escape:
		v.ask = nil
	case TextUndo:
		q.field.undo()
	case TextRedo:
		q.field.redo()
	}
	return nil
}

// askParameters asks for one value after the other; what was given last is
// the proposal, and the selected symbol for $symbol.
func (v *sqlView) askParameters(names []string, begin func() tea.Cmd) {
	name, rest := names[0], names[1:]
	q := &sqlAsk{label: "$" + name, note: "a number, or a text without quotes", word: "run"}
	if len(rest) > 0 {
		q.word = "next"
	}
	value, known := v.values[name]
	if name == "symbol" && (!known || v.desk.Symbol != "") {
		value = v.desk.Symbol
	}
	q.field.setText(value)
	q.done = func(text string) tea.Cmd {
		v.values[name] = text
		v.desk.Keep()
		if len(rest) > 0 {
			v.askParameters(rest, begin)
			return nil
		}
		return begin()
	}
	v.ask = q
}

func (v *sqlView) askExport() tea.Cmd {
	t := v.tab()
	if t.grid == nil || t.result.statement == "" {
		v.desk.Say(Muted, "there is no result to export yet: r runs the query")
		return nil
	}
	statement := t.result.statement
	name := strings.ReplaceAll(t.title(), " ", "-") + "-" + v.desk.Now().UTC().Format("20060102-150405") + ".csv"
	dir := "."
	if d := v.stateDir(); d != "" {
		dir = filepath.Join(d, "exports")
	}
	q := &sqlAsk{label: "export to", note: ".csv .json .parquet", word: "export all rows"}
	q.field.setText(filepath.Join(dir, name))
	q.done = func(path string) tea.Cmd {
		if path == "" {
			return nil
		}
		return v.export(t, statement, path)
	}
	v.ask = q
	return nil
}

// verb runs the commands that are about queries.
func (v *sqlView) verb(a ask) tea.Cmd {
	name := strings.Join(a.args, "-")
	q := v.savedQueries()
	switch a.verb {
	case "save":
		t := v.tab()
		text := t.editor.String()
		if strings.TrimSpace(text) == "" {
			v.desk.Say(Warn, "there is nothing to save: the editor is empty")
			return nil
		}
		t.name = name
		return func() tea.Msg { return sqlSaved{name: name, err: q.Save(name, text)} }
	case "open":
		if name == "" {
			return v.askNames()
		}
		return v.openNamed(name)
	case "forget":
		return func() tea.Msg { return sqlSaved{name: name, deleted: true, err: q.Delete(name)} }
	case "share", "unshare":
		return v.share(name, a.verb == "unshare")
	case "export":
		t := v.tab()
		if t.grid == nil || t.result.statement == "" {
			v.desk.Say(Muted, "there is no result to export yet: r runs the query")
			return nil
		}
		return v.export(t, t.result.statement, strings.Join(a.args, " "))
	case "engine":
		v.use(name)
	case "pin":
		seconds := pinSeconds
		if name != "" {
			n, err := strconv.Atoi(name)
			if err != nil || n < 0 {
				v.desk.Say(Warn, "pin takes a number of seconds")
				return nil
			}
			seconds = n
		}
		return v.pin(seconds)
	}
	return nil
}

// use chooses who answers what is asked from now on.
func (v *sqlView) use(engine string) {
	e, ok := v.desk.Data.SQL.(SQLEngines)
	if !ok {
		v.desk.Say(Warn, "there is one engine here")
		return
	}
	if err := e.Use(engine); err != nil {
		v.desk.Say(Warn, err.Error())
		return
	}
	v.desk.Say(Muted, "asked from now on: "+e.Engine())
}

func (v *sqlView) saved(msg sqlSaved) {
	switch {
	case msg.err != nil:
		for _, t := range v.tabs {
			if t.name == msg.name && !msg.deleted {
				t.name = ""
			}
		}
		v.desk.Say(Warn, msg.err.Error())
	case msg.deleted:
		v.desk.Say(Muted, "the saved query “"+msg.name+"” is gone; an editor that holds it keeps it")
	default:
		v.desk.Keep()
		v.desk.Say(Muted, "saved · :open "+msg.name+" opens it, $names in it are asked for")
	}
}

// named takes the text of a saved query, or the list of their names.
func (v *sqlView) named(msg sqlNames) {
	if msg.err != nil {
		v.desk.Say(Warn, msg.err.Error())
		return
	}
	if msg.name == "" {
		if len(msg.names) == 0 {
			v.desk.Say(Muted, "no query is saved yet: :save NAME saves this one")
			return
		}
		v.pick = newPicker("saved", msg.names, func(name string) tea.Cmd { return v.openNamed(name) })
		return
	}
	// An editor that holds something else keeps it: the query gets its own.
	if t := v.tab(); t.name != msg.name && strings.TrimSpace(t.editor.String()) != "" && t.editor.String() != t.example {
		v.newTab()
	}
	t := v.tab()
	t.name = msg.name
	t.editor.setText(msg.open)
	t.editor.move(0)
	v.writing = false
	v.desk.Keep()
	if msg.shared != nil {
		v.desk.Say(Muted, msg.shared.said(v.desk))
	}
}

func (v *sqlView) askNames() tea.Cmd {
	q, shared := v.savedQueries(), v.sharedNames()
	return func() tea.Msg {
		names, err := q.Names()
		return sqlNames{names: append(shared, names...), err: err}
	}
}

// sqlPicker is a list to choose from, narrowed as one types: the history, the
// saved queries.
type sqlPicker struct {
	title  string
	field  field
	all    []string // the best last
	found  []string // the best first
	chosen int
	take   func(string) tea.Cmd

	statements bool // the items themselves, not names of them
}

func newPicker(title string, all []string, take func(string) tea.Cmd) *sqlPicker {
	p := &sqlPicker{title: title, all: all, take: take}
	p.match()
	return p
}

// match finds what has every word that was typed.
func (p *sqlPicker) match() {
	p.found, p.chosen = p.found[:0], 0
	wanted := strings.Fields(strings.ToLower(p.field.String()))
next:
	for _, s := range slices.Backward(p.all) {
		lower := strings.ToLower(s)
		for _, w := range wanted {
			if !strings.Contains(lower, w) {
				continue next
			}
		}
		p.found = append(p.found, s)
	}
}

func (v *sqlView) pickDo(a Action) tea.Cmd {
	p := v.pick
	switch a {
	case Enter, Submit, Complete:
		v.pick = nil
		if p.chosen < len(p.found) {
			return p.take(p.found[p.chosen])
		}
	case ChooseNext, SearchHistory:
		p.chosen = min(p.chosen+1, max(len(p.found)-1, 0))
	case ChoosePrevious:
		p.chosen = max(p.chosen-1, 0)
	case Escape:
		v.pick = nil
	case TextUndo:
		p.field.undo()
		p.match()
	}
	return nil
}

func (v *sqlView) searchHistory() {
	if len(v.past) == 0 {
		v.desk.Say(Muted, "the history is empty: what you run is remembered there")
		return
	}
	v.pick = newPicker("history", v.past, func(statement string) tea.Cmd {
		v.tab().editor.setText(statement)
		v.touched()
		return nil
	})
	v.pick.statements = true
}

// preview is the chosen statement, which the editor shows in full; "" is none.
func (p *sqlPicker) preview() string {
	if p == nil || !p.statements || p.chosen >= len(p.found) {
		return ""
	}
	return p.found[p.chosen]
}

// draw writes the list into what is left, one item a line.
func (p *sqlPicker) draw(c *canvas) {
	c.gap(1)
	c.put(c.bold(Accent), p.title)
	c.gap(1)
	p.field.draw(c, min(max(c.room()-24, 10), 60))
	c.right(c.on(Muted), plainNumber(len(p.found))+" found ")
	c.end()
	if len(p.found) == 0 {
		c.gap(1)
		c.muted("none has these words · backspace widens")
		c.end()
		return
	}
	high := c.left()
	from := max(min(p.chosen-high/2, len(p.found)-high), 0)
	for i := from; i < len(p.found) && !c.full(); i++ {
		mark, ink := " ", c.on(Text)
		if i == p.chosen {
			c.set(Selection)
			mark, ink = "▌", c.on(Text)
		}
		c.put(c.on(Accent), mark)
		c.cell(ink, strings.Join(strings.Fields(p.found[i]), " "), c.room()-1)
		c.end()
		c.set(Plain)
	}
}
