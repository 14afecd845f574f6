package tui

import (
	"context"
	"encoding/json"
	"slices"
	"sync/atomic"
	"time"

	tea "charm.land/bubbletea/v2"

	"tapedeck/pipeline/market"
)

// ruleView is the rule editor: the list of rules, the form of one, what it
// says now, and what it would have said.
type ruleView struct {
	desk *Desk
	mode ruleMode

	rules   []market.Rule
	listErr error
	listed  time.Time
	request int // the list that is awaited; 0 is none
	cursor  int
	hold    string // name of the rule that the cursor stays on
	pick    int    // of the templates

	forms   []*ruleForm // what was begun and not saved
	form    *ruleForm   // that is open
	writing bool        // text focus

	undo [][]string // rules that the analyst's edits touched, newest last
	busy string

	now   ruleNow
	trial ruleRun

	today   map[string]int // alerts of the trading day by rule
	least   bool           // there were more than are known here
	counted time.Time
	costs   map[string]time.Duration // what each rule adds to a tick
	after   string                   // rule that the cursor goes to once the list has come
	refused string                   // why the last save was not done; gone with the next key
}

// ruleMode is what has the keys.
type ruleMode uint8

const (
	rulesListed  ruleMode = iota
	rulesPicked           // a template is being chosen
	rulesWritten          // the form
	rulesTried            // the alerts of a back-test
)

// ruleRun is a back-test.
type ruleRun struct {
	rule    market.Rule
	request int
	began   time.Time
	share   *atomic.Uint64 // bits of a float64
	cancel  context.CancelFunc
	result  *RuleTrial
	err     error
	cursor  int
	from    ruleMode // where esc leads back to
}

func (r *ruleRun) running() bool { return r.cancel != nil }

const (
	rulesEvery  = 2 * time.Second
	ruleSettles = 600 * time.Millisecond // after a key, before the condition is tried
	ruleRenews  = 5 * time.Second
	rulePeriod  = 24 * time.Hour // of a back-test
	rulesUndone = 50
)

// Messages of this view's commands.
type (
	rulesAre struct {
		request int
		rules   []market.Rule
		costs   map[string]time.Duration
		err     error
	}
	ruleEdited struct {
		said   string
		names  []string // that the edit touched, in the order in which an undo takes them
		after  string
		form   *ruleForm // that was saved
		undone bool
		err    error
	}
	ruleStands struct {
		request int
		rows    []RuleStanding
		at      market.Time
		took    time.Duration
		err     error
	}
	ruleTried struct {
		request int
		result  *RuleTrial
		err     error
	}
)

func newRules(d *Desk) *ruleView { return &ruleView{desk: d} }

// TextFocus says whether printable keys are text.
func (v *ruleView) TextFocus() bool { return v.mode == rulesWritten && v.writing }

// Keys are what can be done here and now.
func (v *ruleView) Keys() []Action {
	switch {
	case v.desk.Data.Rules == nil:
		return []Action{Escape}
	case v.trial.running():
		return []Action{Escape}
	case v.mode == rulesPicked:
		return []Action{MoveDown, MoveUp, Enter, Escape}
	case v.mode == rulesTried:
		return []Action{MoveDown, MoveUp, Enter, RunAgain, Escape}
	case v.mode == rulesWritten && v.writing && v.form.popup.open():
		return []Action{Complete, ChooseNext, ChoosePrevious, Submit, Escape}
	case v.mode == rulesWritten && v.writing:
		return []Action{Submit, Complete, TextBacktest, TextUndo, TextHelp, Escape}
	case v.mode == rulesWritten:
		return []Action{Edit, Submit, Backtest, Delete, Escape}
	}
	return []Action{MoveDown, MoveUp, Enter, Create, Toggle, Backtest, Delete, Undo, Copy, Escape}
}

// Word of the keys that mean something else here.
func (v *ruleView) Word(a Action) string {
	switch a {
	case Submit:
		if v.form != nil && v.form.was.Name != "" {
			return "save"
		}
		return "save and arm"
	case Toggle:
		return "on, off"
	case Copy:
		return "duplicate"
	case Create:
		return "new"
	case Complete:
		if v.form != nil && !v.form.popup.open() {
			return "next field"
		}
	case Enter:
		switch v.mode {
		case rulesListed:
			return "edit"
		case rulesPicked:
			return "take"
		case rulesTried:
			return "on the chart"
		}
	case Delete:
		if v.mode == rulesWritten {
			return "throw away"
		}
	case Escape:
		switch {
		case v.trial.running():
			return "cancel"
		case v.mode == rulesWritten && v.writing && !v.form.popup.open():
			return "keep"
		}
	}
	return ""
}

// Update takes a key, an answer, or the next sample.
func (v *ruleView) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case Tick:
		return v.tick(msg.Now)
	case Open:
		return v.load()
	case OpenRule:
		return v.open(msg)
	case rulesAre:
		v.take(msg)
	case ruleEdited:
		return v.edited(msg)
	case ruleStands:
		if msg.request == v.now.request {
			v.now.request, v.now.cancel = 0, nil
			v.now.rows, v.now.at, v.now.err, v.now.took = v.order(msg.rows), msg.at, msg.err, msg.took
		}
	case ruleTried:
		v.tried(msg)
	case tea.PasteMsg:
		if v.TextFocus() {
			v.form.paste(msg.Content)
			v.check()
		}
	case Type:
		v.refused = ""
		v.form.key(msg.Key)
		v.check()
		v.form.complete(v.desk, false)
	case Do:
		v.refused = ""
		return v.do(msg.Action)
	}
	return nil
}

func (v *ruleView) seen() bool { return v.desk.State.View == "rules" }

func (v *ruleView) tick(now time.Time) tea.Cmd {
	if !v.seen() || v.desk.Data.Rules == nil {
		return nil
	}
	if v.trial.running() {
		v.desk.dirty = true
	}
	if now.Sub(v.counted) >= time.Second || now.Before(v.counted) {
		var whole bool
		v.today, whole = v.desk.alerts.today()
		v.least, v.counted = !whole, now
		for name, r := range v.desk.alerts.live.rules { // the pipeline knows it of the whole day
			v.today[name], v.least = int(r.Today), false
		}
	}
	var cmds []tea.Cmd
	if v.request == 0 && now.Sub(v.listed) > rulesEvery {
		cmds = append(cmds, v.load())
	}
	return tea.Batch(append(cmds, v.stand(now))...)
}

// load asks for the rules.
func (v *ruleView) load() tea.Cmd {
	rules := v.desk.Data.Rules
	if rules == nil {
		return nil
	}
	v.listed, v.request = v.desk.Now(), v.desk.Request()
	request := v.request
	return func() tea.Msg {
		ctx, cancel := commandContext()
		defer cancel()
		list, err := rules.List(ctx)
		return rulesAre{request, list, rules.Costs(list), err}
	}
}

func (v *ruleView) take(msg rulesAre) {
	if msg.request != v.request {
		return
	}
	v.request, v.listErr = 0, msg.err
	if msg.err != nil {
		return
	}
	v.rules, v.costs = msg.rules, msg.costs
	if v.after != "" {
		v.hold, v.after = v.after, ""
	}
	v.settle()
}

// rows of the list: new rules that are not saved yet, then those that stand.
type ruleRow struct {
	rule market.Rule
	form *ruleForm // what was begun; nil is nothing
}

func (v *ruleView) rows() []ruleRow {
	var out []ruleRow
	for _, f := range v.forms {
		if f.was.Name == "" || !slices.ContainsFunc(v.rules, func(r market.Rule) bool { return r.Name == f.was.Name }) {
			out = append(out, ruleRow{f.rule(), f})
		}
	}
	for _, r := range v.rules {
		row := ruleRow{rule: r}
		for _, f := range v.forms {
			if f.was.Name == r.Name {
				row.form = f
			}
		}
		out = append(out, row)
	}
	return out
}

// settle keeps the cursor on its rule.
func (v *ruleView) settle() {
	rows := v.rows()
	if v.hold != "" {
		for i := range rows {
			if rows[i].rule.Name == v.hold {
				v.cursor = i
			}
		}
	}
	v.cursor = max(min(v.cursor, len(rows)-1), 0)
}

// row under the cursor; false where there is none.
func (v *ruleView) row() (ruleRow, bool) {
	rows := v.rows()
	if v.cursor >= len(rows) {
		return ruleRow{}, false
	}
	return rows[v.cursor], true
}

// shown is the rule that the right side is about.
func (v *ruleView) shown() (market.Rule, bool) {
	switch v.mode {
	case rulesWritten:
		return v.form.rule(), true
	case rulesTried:
		return v.trial.rule, true
	case rulesPicked:
		all := ruleTemplates()
		return v.filled(all[min(v.pick, len(all)-1)]), true
	}
	row, ok := v.row()
	if row.form != nil {
		return row.form.rule(), ok
	}
	return row.rule, ok
}

func (v *ruleView) filled(t ruleTemplate) market.Rule {
	price := 0.0
	if q := v.desk.Frame.Quote(v.desk.Symbol); q != nil {
		price = q.Last
	}
	r := t.of(v.desk.Symbol, price)
	r.Name = v.free(r.Name)
	return r
}

// free is a name that no rule has.
func (v *ruleView) free(name string) string {
	taken := func(n string) bool {
		return slices.ContainsFunc(v.rows(), func(r ruleRow) bool { return r.rule.Name == n })
	}
	try := name
	for i := 2; name != "" && taken(try); i++ {
		try = name + " " + plainNumber(i)
	}
	return try
}

// open the editor for a rule by name, or for a new one of a symbol.
func (v *ruleView) open(o OpenRule) tea.Cmd {
	if v.desk.Data.Rules == nil {
		v.desk.Say(Warn, rulesMissing)
		return nil
	}
	v.desk.Post(Open{View: "rules"})
	if o.Name != "" {
		v.hold, v.mode, v.writing = o.Name, rulesListed, false
		v.settle()
		if row, ok := v.row(); ok && row.rule.Name == o.Name {
			v.edit(row)
			v.writing = false
		} else {
			v.after = o.Name
		}
		return nil
	}
	v.desk.Select(o.Symbol)
	v.begin(market.Rule{}, v.filled(ruleTemplates()[0]))
	v.form.when.move(max(len(v.form.when.runes)-1, 0)) // behind the price, before the bracket
	return nil
}

const rulesMissing = "alert rules cannot be written here: over ssh that needs the role analyst"

// begin opens a form.
func (v *ruleView) begin(was, now market.Rule) {
	f := newRuleForm(was, now)
	v.forms = append(v.forms, f)
	v.enter(f)
}

func (v *ruleView) enter(f *ruleForm) {
	v.form, v.mode, v.writing = f, rulesWritten, true
	v.check()
}

// edit opens the form of a row, as it was left.
func (v *ruleView) edit(row ruleRow) {
	if row.form != nil {
		v.enter(row.form)
		return
	}
	v.begin(row.rule, row.rule)
}

// check says what is wrong, as one types.
func (v *ruleView) check() {
	f := v.form
	f.problem = v.problem(f)
	v.desk.Keep()
}

func (v *ruleView) problem(f *ruleForm) *RuleProblem {
	r := f.rule()
	switch {
	case r.Name == "":
		if r.When != "" {
			if p := v.desk.Data.Rules.Check(named(r)); p != nil {
				return p
			}
		}
		return &RuleProblem{Field: "name", Reason: "the rule needs a name"}
	case r.Name != f.was.Name && slices.ContainsFunc(v.rules, func(o market.Rule) bool { return o.Name == r.Name }):
		return &RuleProblem{Field: "name", Reason: "there is a rule of this name already"}
	}
	return v.desk.Data.Rules.Check(r)
}

// named is the rule with a name: a condition can be tried before it has one.
func named(r market.Rule) market.Rule {
	if r.Name == "" {
		r.Name = "new rule"
	}
	return r
}

// leave closes the form; what was changed is kept.
func (v *ruleView) leave() {
	if v.form != nil && !v.form.changed() {
		v.drop(v.form)
	} else if v.form != nil {
		v.hold = v.form.rule().Name
		v.desk.Say(Muted, "“"+clip(v.form.title(), 40)+"” is kept as a draft; it is not in force before it is saved")
	}
	v.form, v.mode, v.writing = nil, rulesListed, false
	v.settle()
	v.desk.Keep()
}

func (v *ruleView) drop(f *ruleForm) {
	v.forms = slices.DeleteFunc(v.forms, func(o *ruleForm) bool { return o == f })
}

// ruleKept is what survives the end of the screen.
type ruleKept struct {
	Forms []ruleKeptForm
}

type ruleKeptForm struct{ Was, Now market.Rule }

// Keep gives the drafts.
func (v *ruleView) Keep() any {
	var k ruleKept
	for _, f := range v.forms {
		if f.changed() {
			k.Forms = append(k.Forms, ruleKeptForm{f.was, f.rule()})
		}
	}
	return k
}

// Restore takes the drafts of the last time.
func (v *ruleView) Restore(data []byte) {
	var k ruleKept
	if json.Unmarshal(data, &k) != nil || v.form != nil {
		return
	}
	v.forms = nil
	for _, f := range k.Forms[:min(len(k.Forms), 50)] {
		v.forms = append(v.forms, newRuleForm(f.Was, f.Now))
	}
}
