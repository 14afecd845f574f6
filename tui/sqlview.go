package tui

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
)

// sqlView is the view that asks the history: queries in tabs, each an editor
// above its result. While one writes, printable keys are text; else they are
// commands to the result.
type sqlView struct {
	desk    *Desk
	tabs    []*sqlTab
	current int
	closed  []*sqlTab // undo brings them back
	writing bool

	popup  sqlPopup
	ask    *sqlAsk    // a question in one line: parameters, the file of an export
	pick   *sqlPicker // history or saved queries
	reader *sqlReader // a cell, over the result

	tables []SQLTable
	loaded bool
	past   []string          // statements that were run, newest last
	values map[string]string // of parameters, as given last
	copied copying

	pinRequest int                                  // of the pinned query's last refresh
	timer      func(time.Duration, tea.Msg) tea.Cmd // nil is the clock's own
}

// sqlTab is one query with its result.
type sqlTab struct {
	number  int
	name    string // under which it was saved; "" is none
	editor  *editor
	example string // the text, while it is the one that the view opens with

	run    *sqlRun  // nil while none is running
	grid   *sqlGrid // nil before the first answer
	result sqlResult
	chart  *sqlChart  // drawn in place of the grid
	plan   *sqlReader // what EXPLAIN says, in place of the grid

	exporting *sqlRun
	exported  string // what the last export wrote, and how to fetch it
	fetch     string

	failed  string // the last run's error, in words
	wrong   int    // where in the editor, -1 is unknown
	wrongAt int    // the editor's version that wrong is about
}

// sqlResult is what is told about the rows on the grid.
type sqlResult struct {
	statement string // as it was run: an export runs it again
	total     int64  // -1 while it is not known
	whole     bool   // the last page has come
	capped    bool   // there is more than the grid keeps
	counting  bool
	request   int  // of the counting
	stopped   bool // by the analyst, before the end
	old       bool // the last run failed: these rows are of the one before
}

func newSQL(d *Desk) *sqlView {
	v := &sqlView{desk: d, values: map[string]string{}}
	v.tabs = []*sqlTab{{number: 1, editor: newEditor(""), wrong: -1}}
	v.offerExample()
	return v
}

// offerExample keeps a query that runs and draws at one key each in the
// editor until something is written there.
func (v *sqlView) offerExample() {
	t := v.tabs[0]
	if len(v.tabs) > 1 || t.run != nil || t.grid != nil || t.editor.String() != t.example {
		return
	}
	symbol := v.desk.Symbol
	if symbol == "" {
		symbol = "AAPL"
	}
	text := "-- r runs this, c draws it, e lets you write\nselect time, close, volume\nfrom bars\nwhere symbol = '" + symbol +
		"' and interval = '1m'\norder by time desc\nlimit 120"
	if text != t.example {
		t.example, t.editor = text, newEditor(text)
		t.editor.move(0)
	}
}

func (v *sqlView) tab() *sqlTab { return v.tabs[v.current] }

// TextFocus says whether printable keys are text.
func (v *sqlView) TextFocus() bool {
	t := v.tab()
	return v.ask != nil || v.pick != nil || v.reader == nil && (v.writing || t.grid != nil && t.grid.finding)
}

// Keys are what can be done here and now.
func (v *sqlView) Keys() []Action {
	t := v.tab()
	switch {
	case v.pick != nil:
		return []Action{Enter, ChooseNext, ChoosePrevious, Escape}
	case v.ask != nil:
		return []Action{Enter, Escape}
	case v.reader != nil:
		return []Action{MoveDown, MoveUp, Copy, Escape}
	case v.writing && v.popup.open():
		return []Action{Complete, ChooseNext, ChoosePrevious, Submit, Escape}
	case v.writing:
		return []Action{Submit, Complete, SearchHistory, TextBacktest, TextUndo, Escape}
	case t.grid != nil && t.grid.finding:
		return []Action{Enter, Escape}
	case t.run != nil:
		return []Action{Escape, Edit}
	case t.grid == nil && t.plan == nil:
		return []Action{RunAgain, Edit, Backtest, Favourite, Indicators, Create}
	case t.plan != nil:
		return []Action{Edit, RunAgain, MoveDown, MoveUp, Copy, Escape}
	case t.chart != nil:
		return []Action{ChartIt, MoveLeft, MoveRight, Scale, Edit, RunAgain, Export, Pin}
	}
	return []Action{Edit, RunAgain, ChartIt, Sort, Filter, Enter, Export, Copy, Pin, Create}
}

// Word is this view's own word for some of the keys.
func (v *sqlView) Word(a Action) string {
	t := v.tab()
	switch a {
	case RunAgain:
		if t.grid == nil {
			return "run"
		}
	case Backtest, TextBacktest:
		return "explain"
	case Favourite:
		return "format"
	case Indicators:
		return "open saved"
	case NextModel, NextHorizon:
		return "next query"
	case Create:
		return "new query"
	case Filter:
		return "search"
	case Complete:
		if !v.popup.open() {
			return "complete, results"
		}
	case Enter:
		switch {
		case v.pick != nil:
			return "take"
		case v.ask != nil:
			return v.ask.word
		case t.grid != nil && t.grid.finding:
			return "keep"
		}
		return "cell"
	case ChartIt:
		if t.chart != nil {
			return "rows"
		}
	case Scale:
		if t.chart != nil && t.chart.percent {
			return "values"
		}
		return "per cent"
	case Pin:
		if v.pinnedHere() {
			return "unpin"
		}
		return "pin"
	case MoveLeft:
		if t.chart != nil {
			return "column"
		}
	case Escape:
		switch {
		case v.writing && !v.popup.open() && t.run == nil && v.ask == nil && v.pick == nil:
			return "results"
		case t.run != nil && !v.popup.open():
			return "stop"
		}
	}
	return ""
}

// Update takes a key, an answer, or the next sample.
func (v *sqlView) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case Do:
		return v.do(msg.Action)
	case Type:
		return v.typed(msg.Key)
	case tea.PasteMsg:
		v.paste(msg.Content)
	case Tick:
		v.offerExample()
		if v.busy() {
			v.desk.dirty = true
		}
		return v.load()
	case Open:
		return v.load()
	case ask:
		return v.verb(msg)
	case sqlTables:
		v.tables = msg.tables
	case sqlPast:
		v.past = msg.statements
		if msg.err != nil {
			v.desk.Say(Warn, msg.err.Error())
		}
	case sqlSaved:
		v.saved(msg)
	case sqlShared:
		v.shared(msg)
	case sqlNames:
		v.named(msg)
	case sqlBegan:
		return v.began(msg)
	case sqlPaged:
		return v.paged(msg)
	case sqlCounted:
		return v.counted(msg)
	case sqlExported:
		v.exportDone(msg)
	case Started:
		return v.refreshPin()
	case pinDue:
		if msg.request == v.pinRequest {
			return v.refreshPin()
		}
	case pinAnswered:
		return v.pinned(msg)
	case gridOrdered:
		for _, t := range v.tabs {
			if t.grid != nil {
				t.grid.take(msg)
			}
		}
	}
	return nil
}

func (v *sqlView) busy() bool {
	for _, t := range v.tabs {
		if t.run != nil || t.result.counting || t.exporting != nil {
			return true
		}
	}
	return false
}

// Messages of this view's commands.
type (
	sqlTables struct{ tables []SQLTable }
	sqlPast   struct {
		statements []string
		err        error
	}
	sqlSaved struct {
		name    string
		deleted bool
		err     error
	}
	sqlNames struct {
		names []string
		open  string // the text of the one that was asked for
		name  string
		err   error

		shared *SharedQuery // open is its text
	}
)

func (v *sqlView) stateDir() string {
	if p := v.desk.Config.StatePath; p != "" {
		return filepath.Dir(p)
	}
	return ""
}

func (v *sqlView) history() SQLHistory {
	if dir := v.stateDir(); dir != "" {
		return SQLHistoryIn(dir)
	}
	return SQLHistory{}
}

func (v *sqlView) savedQueries() SavedQueries {
	if dir := v.stateDir(); dir != "" {
		return SavedQueriesIn(dir)
	}
	return SavedQueries{}
}

// load reads, once, what completion and history need.
func (v *sqlView) load() tea.Cmd {
	if v.loaded {
		return nil
	}
	v.loaded = true
	h := v.history()
	cmds := []tea.Cmd{func() tea.Msg {
		statements, err := h.Load()
		return sqlPast{statements, err}
	}}
	if sql := v.desk.Data.SQL; sql != nil {
		cmds = append(cmds, func() tea.Msg {
			ctx, cancel := commandContext()
			defer cancel()
			tables, err := sql.Tables(ctx)
			if err != nil {
				return nil // completion does without
			}
			return sqlTables{tables}
		})
	}
	return tea.Batch(cmds...)
}

// do takes an action of either focus.
func (v *sqlView) do(a Action) tea.Cmd {
	switch {
	case v.pick != nil:
		return v.pickDo(a)
	case v.ask != nil:
		return v.askDo(a)
	case v.reader != nil:
		return v.readerDo(v.reader, a, func() { v.reader = nil })
	case v.writing:
		return v.write(a)
	}
	t := v.tab()
	if t.grid != nil && t.grid.finding {
		return v.findDo(a)
	}
	return v.command(a)
}

// write takes an action while one writes.
func (v *sqlView) write(a Action) tea.Cmd {
	t := v.tab()
	e := t.editor
	switch a {
	case Submit:
		v.popup.close()
		return v.start(false)
	case TextBacktest:
		v.popup.close()
		return v.start(true)
	case Enter:
		if v.popup.open() && v.popup.chosen >= 0 {
			v.accept()
			return nil
		}
		if v.semicolon() {
			v.popup.close()
			return v.start(false)
		}
		e.newline()
		v.popup.close()
		v.touched()
	case Complete:
		v.tabKey()
	case CompleteBack:
		v.popup.close()
		v.writing = false
	case ChooseNext, ChoosePrevious:
		n := 1
		if a == ChoosePrevious {
			n = -1
		}
		if v.popup.open() {
			v.popup.choose(n)
		} else {
			e.vertical(n)
			v.desk.Keep()
		}
	case SearchHistory:
		v.popup.close()
		v.searchHistory()
	case TextUndo:
		if !e.undo() {
			v.desk.Say(Muted, "nothing to undo")
		}
		v.popup.close()
		v.touched()
	case TextRedo:
		if !e.redo() {
			v.desk.Say(Muted, "nothing to redo")
		}
		v.popup.close()
		v.touched()
	case TextHelp:
		v.desk.Post(ask{verb: "help"})
	case Escape:
		switch {
		case v.popup.open():
			v.popup.close()
		case t.run != nil:
			v.stop(t)
		default:
			v.writing = false
		}
	}
	return nil
}

// semicolon says that the cursor stands after the statement's semicolon.
func (v *sqlView) semicolon() bool {
	e := v.tab().editor
	for _, t := range slices.Backward(e.lex()) {
		if t.from >= e.cursor || t.kind == sqlSpace {
			continue
		}
		return t.kind == sqlSymbol && e.runes[t.from] == ';'
	}
	return false
}

// tabKey takes the completion; where there is nothing to complete it goes on
// to the result.
func (v *sqlView) tabKey() {
	e := v.tab().editor
	if v.popup.open() {
		v.accept()
		return
	}
	if strings.TrimSpace(string(e.runes[e.lineStart(e.cursor):e.cursor])) != "" && !v.semicolon() {
		v.popup = completeSQL(v.desk, e, v.tables, true)
		if len(v.popup.choices) == 1 {
			v.accept()
		}
		if v.popup.open() {
			return
		}
		if e.cursor > 0 && wordRune(e.runes[e.cursor-1]) {
			return
		}
	}
	v.writing = false
}

func (v *sqlView) accept() {
	e := v.tab().editor
	c := v.popup.choices[max(v.popup.chosen, 0)]
	to := e.cursor
	for to < len(e.runes) && wordRune(e.runes[to]) {
		to++
	}
	text := c.text
	if strings.HasSuffix(text, "(") && to < len(e.runes) && e.runes[to] == '(' {
		text = strings.TrimSuffix(text, "(")
	}
	e.replace(v.popup.from, to, []rune(text))
	v.popup.close()
	v.touched()
}

// typed is a key that is text.
func (v *sqlView) typed(k tea.Key) tea.Cmd {
	switch {
	case v.pick != nil:
		if v.pick.field.key(k) {
			v.pick.match()
		}
		return nil
	case v.ask != nil:
		v.ask.field.key(k)
		return nil
	case !v.writing:
		if g := v.tab().grid; g != nil && g.finding {
			before := g.search.String()
			if k.String() == "backspace" && before == "" {
				g.finding = false
				return nil
			}
			if g.search.key(k) && g.search.String() != before {
				return g.reorder()
			}
		}
		return nil
	}
	if k.String() == "ctrl+l" {
		v.format()
		return nil
	}
	e := v.tab().editor
	version := e.version
	_, full := e.key(k)
	if full {
		v.tooLong()
	}
	v.desk.Keep()
	switch {
	case e.version == version: // the cursor moved
		v.popup.close()
	case k.Text != "" || v.popup.open():
		v.touched()
		v.popup = completeSQL(v.desk, e, v.tables, false)
		if n := e.cursor - v.popup.from; n < 2 && k.Text != "." && k.Text != "'" && !v.inString() {
			v.popup.close() // one letter says too little
		}
	default:
		v.touched()
	}
	return nil
}

func (v *sqlView) inString() bool {
	e := v.tab().editor
	for _, t := range e.lex() {
		if t.from < e.cursor && e.cursor <= t.to {
			return t.kind == sqlString
		}
	}
	return false
}

func (v *sqlView) tooLong() {
	v.desk.Say(Warn, "a query has room for "+plainNumber(maxEditor)+" characters; tapedeck sql --file takes longer ones")
}

func (v *sqlView) paste(text string) {
	switch {
	case v.pick != nil:
		v.pick.field.insert(text)
		v.pick.match()
	case v.ask != nil:
		v.ask.field.insert(text)
	case v.reader != nil:
	default:
		// A paste is meant for the editor, also while commands have the keys.
		if !v.tab().editor.insert(text, false) {
			v.tooLong()
		}
		v.writing = true
		v.popup.close()
		v.touched()
	}
}

// touched is called after a change of the editor's text.
func (v *sqlView) touched() { v.desk.Keep() }

func (v *sqlView) format() {
	e := v.tab().editor
	text := formatSQL(e.String())
	if text == e.String() {
		v.desk.Say(Muted, "it is laid out already")
		return
	}
	e.setText(text)
	v.popup.close()
	v.touched()
	v.desk.Say(Muted, "laid out · u undoes")
}

// command takes an action while commands have the keys.
func (v *sqlView) command(a Action) tea.Cmd {
	t := v.tab()
	switch a {
	case Edit, NextPane, PreviousPane:
		v.writing = true
		return nil
	case Submit, RunAgain:
		return v.start(false)
	case Backtest:
		return v.start(true)
	case Favourite:
		v.format()
		return nil
	case Create:
		v.newTab()
		return nil
	case NextModel, NextHorizon:
		step := 1
		if a == NextHorizon {
			step = len(v.tabs) - 1
		}
		v.current = (v.current + step) % len(v.tabs)
		v.desk.Keep()
		return nil
	case Delete:
		v.closeTab()
		return nil
	case Undo:
		v.undoLast()
		return nil
	case Indicators:
		return v.askNames()
	case Escape:
		return v.escape()
	case Export:
		return v.askExport()
	case Pin:
		return v.togglePin()
	}
	if t.plan != nil {
		return v.readerDo(t.plan, a, func() { t.plan = nil })
	}
	if t.grid == nil {
		if a == Enter {
			v.writing = true
		} else if a == ChartIt || a == Sort || a == Filter || a == Copy {
			v.desk.Say(Muted, "there is no result yet: r runs the query")
		}
		return nil
	}
	return v.result(a)
}

// result takes an action on the rows.
func (v *sqlView) result(a Action) tea.Cmd {
	t := v.tab()
	g := t.grid
	switch a {
	case ChartIt:
		v.toggleChart()
		return nil
	case Copy:
		v.copyCell()
		return nil
	}
	if t.chart != nil {
		switch a {
		case MoveLeft, MoveRight, MoveUp, MoveDown:
			t.chart.next(g, a == MoveRight || a == MoveDown)
		case Scale:
			t.chart.percent = !t.chart.percent
		case Enter:
			t.chart = nil
		}
		return nil
	}
	switch a {
	case Filter:
		g.finding = true
		return nil
	case Enter:
		v.openCell()
		return nil
	}
	if a == Sort && t.result.capped {
		v.desk.Say(Muted, "sorts these "+plainNumber(g.rows.count)+" rows only: order by in the query sorts all")
	}
	cmd, _ := g.do(a)
	return cmd
}

// escape stops what runs, else leads back one step.
func (v *sqlView) escape() tea.Cmd {
	t := v.tab()
	switch {
	case t.run != nil:
		v.stop(t)
	case t.exported != "":
		t.exported = ""
	case t.plan != nil:
		t.plan = nil
	case t.chart != nil:
		t.chart = nil
	case t.grid != nil && t.grid.search.String() != "":
		t.grid.search.setText("")
		return t.grid.reorder()
	default:
		v.desk.Post(Open{})
	}
	return nil
}

func (v *sqlView) findDo(a Action) tea.Cmd {
	g := v.tab().grid
	switch a {
	case Enter, Submit, Complete:
		g.finding = false
	case Escape:
		g.finding = false
		g.search.setText("")
		return g.reorder()
	case ChooseNext:
		g.do(MoveDown)
	case ChoosePrevious:
		g.do(MoveUp)
	case TextUndo:
		g.search.undo()
		return g.reorder()
	}
	return nil
}

const maxTabs = 12

func (v *sqlView) newTab() {
	if len(v.tabs) >= maxTabs {
		v.desk.Say(Warn, "twelve queries are open: d closes one")
		return
	}
	n := 0
	for _, t := range v.tabs {
		n = max(n, t.number)
	}
	v.tabs = append(v.tabs, &sqlTab{number: n + 1, editor: newEditor(""), wrong: -1})
	v.current, v.writing = len(v.tabs)-1, true
	v.desk.Keep()
}

func (v *sqlView) closeTab() {
	t := v.tab()
	if t.run != nil {
		v.stop(t)
	}
	v.closed = append(v.closed, t)
	v.closed = v.closed[max(len(v.closed)-8, 0):]
	v.tabs = slices.Delete(v.tabs, v.current, v.current+1)
	if len(v.tabs) == 0 {
		v.tabs = []*sqlTab{{number: 1, editor: newEditor(""), wrong: -1}}
	}
	v.current = min(v.current, len(v.tabs)-1)
	v.desk.Keep()
	v.desk.Say(Muted, "closed "+t.title()+" · u brings it back")
}

func (v *sqlView) undoLast() {
	if n := len(v.closed); n > 0 {
		v.tabs = append(v.tabs, v.closed[n-1])
		v.closed = v.closed[:n-1]
		v.current = len(v.tabs) - 1
		v.desk.Keep()
		return
	}
	if !v.tab().editor.undo() {
		v.desk.Say(Muted, "nothing to undo")
	}
	v.touched()
}

func (t *sqlTab) title() string {
	if t.name != "" {
		return t.name
	}
	return "query " + plainNumber(t.number)
}

// sqlKept is what survives the end of the screen.
type sqlKept struct {
	Tabs    []sqlKeptTab      `json:"tabs"`
	Current int               `json:"current"`
	Values  map[string]string `json:"values,omitempty"`
	Pin     *sqlKeptPin       `json:"pin,omitempty"`
}

type sqlKeptTab struct {
	Number int    `json:"number"`
	Name   string `json:"name,omitempty"`
	Text   string `json:"text"`
	Cursor int    `json:"cursor"`
}

// Keep gives the drafts.
func (v *sqlView) Keep() any {
	k := sqlKept{Current: v.current, Values: v.values}
	for _, t := range v.tabs {
		if t.editor.String() != t.example {
			k.Tabs = append(k.Tabs, sqlKeptTab{t.number, t.name, t.editor.String(), t.editor.cursor})
		}
	}
	if p := v.desk.pinned; p != nil {
		k.Pin = &sqlKeptPin{p.title, p.statement, int(p.every / time.Second)}
	}
	return k
}

// Restore takes them up again.
func (v *sqlView) Restore(data []byte) {
	var k sqlKept
	if json.Unmarshal(data, &k) != nil {
		return
	}
	if p := k.Pin; p != nil && p.Statement != "" {
		v.desk.pinned = &sqlPin{title: clip(p.Title, 60), statement: p.Statement, every: pinEvery(p.Seconds)}
	}
	if len(k.Tabs) == 0 {
		return
	}
	v.tabs = nil
	for _, t := range k.Tabs[:min(len(k.Tabs), maxTabs)] {
		e := newEditor(t.Text)
		e.move(t.Cursor)
		v.tabs = append(v.tabs, &sqlTab{number: t.Number, name: clip(t.Name, 60), editor: e, wrong: -1})
	}
	v.current = max(min(k.Current, len(v.tabs)-1), 0)
	for name, value := range k.Values {
		v.values[name] = value
	}
}

// copying is what y has copied just now; again it copies more.
type copying struct {
	at    time.Time
	steps int
}

// copyCell copies the cell, at once again the row, then the rows.
func (v *sqlView) copyCell() {
	g := v.tab().grid
	text, null, ok := g.under()
	if !ok {
		v.desk.Say(Muted, "there is nothing to copy")
		return
	}
	now := v.desk.Now()
	if now.Sub(v.copied.at) > 4*time.Second || v.copied.steps > 2 {
		v.copied.steps = 0
	}
	v.copied.at = now
	v.copied.steps++
	const most = 1_000 // rows; terminals take some 75 kB
	switch v.copied.steps {
	case 1:
		if null {
			text = ""
		}
		v.desk.Post(CopyText{text, "the cell, y again copies the row"})
	case 2:
		v.desk.Post(CopyText{g.tsv(g.row, g.row+1, false), "the row with tabs, y again copies all"})
	default:
		n := min(g.seen(), most)
		what := plural(n, "row") + " with tabs"
		if n < g.seen() {
			what = "the first " + what + ", x exports all"
		}
		v.desk.Post(CopyText{g.tsv(0, n, true), what})
	}
}
