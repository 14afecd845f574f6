package tui

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
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

	now     ruleNow
	trial   ruleRun
	after   string // rule that the cursor goes to once the list has come
	refused string // why the last save was not done; gone with the next key
}

// ruleMode is what has the keys.
type ruleMode uint8

const (
	rulesListed  ruleMode = iota
	rulesPicked           // a template is being chosen
	rulesWritten          // the form
	rulesTried            // the alerts of a back-test
)

// ruleNow is what a rule says at the newest tick.
type ruleNow struct {
	key     string // condition and watch that it is about
	wanted  string
	changed time.Time // when wanted became so
	asked   time.Time
	took    time.Duration
	request int
	cancel  context.CancelFunc
	rows    []RuleStanding
	at      market.Time
	err     error
}

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
		return rulesAre{request, list, err}
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
	v.rules = msg.rules
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

// change runs an edit.
func (v *ruleView) change(busy string, work func(ctx context.Context, rules Rules) ruleEdited) tea.Cmd {
	rules := v.desk.Data.Rules
	if v.busy != "" {
		v.desk.Say(Muted, v.busy+": wait a moment")
		return nil
	}
	v.busy = busy
	return func() tea.Msg {
		ctx, cancel := commandContext()
		defer cancel()
		return work(ctx, rules)
	}
}

// save writes the open form, or says why not.
func (v *ruleView) save() tea.Cmd {
	f := v.form
	if v.check(); f.problem != nil {
		v.refused = "not saved: " + f.problem.Field + " is not right yet"
		return nil
	}
	if !f.changed() {
		v.refused = "nothing was changed"
		return nil
	}
	r, was := f.rule(), f.was.Name
	if was != "" && r.Name != was {
		r.Revision = 0 // of the old name
	}
	return v.change("saving", func(ctx context.Context, rules Rules) ruleEdited {
		saved, err := rules.Save(ctx, r)
		if err != nil {
			return ruleEdited{err: err}
		}
		done := ruleEdited{said: "“" + r.Name + "” is saved and in force · u undoes it", names: []string{r.Name}, after: r.Name, form: f}
		if saved.Disabled {
			done.said = "“" + r.Name + "” is saved and off · space arms it, u undoes it"
		}
		if was != "" && was != r.Name {
			if done.err = rules.Remove(ctx, was); done.err == nil {
				done.said, done.names = "“"+was+"” is now “"+r.Name+"” · u undoes it", []string{was, r.Name}
			}
		}
		return done
	})
}

func (v *ruleView) edited(msg ruleEdited) tea.Cmd {
	v.busy = ""
	if len(msg.names) > 0 && !msg.undone {
		v.undo = append(v.undo, msg.names)
		v.undo = v.undo[max(len(v.undo)-rulesUndone, 0):]
	}
	if msg.form != nil {
		v.drop(msg.form)
		if v.form == msg.form {
			v.form, v.mode, v.writing = nil, rulesListed, false
		}
	}
	if msg.err != nil {
		v.refused = msg.err.Error()
		v.desk.Say(Warn, msg.err.Error())
	} else {
		v.desk.Say(Text, msg.said)
	}
	v.after = msg.after
	v.desk.Keep()
	return v.load()
}

// do takes an action of either focus.
func (v *ruleView) do(a Action) tea.Cmd {
	if v.desk.Data.Rules == nil {
		if a == Escape {
			v.desk.Post(Open{})
		}
		return nil
	}
	if a == Escape && v.trial.running() {
		v.trial.cancel()
		return nil
	}
	switch v.mode {
	case rulesPicked:
		v.pickDo(a)
		return nil
	case rulesWritten:
		if v.writing {
			return v.writeDo(a)
		}
		return v.readDo(a)
	case rulesTried:
		return v.trialDo(a)
	}
	return v.listDo(a)
}

func (v *ruleView) pickDo(a Action) {
	all := ruleTemplates()
	switch a {
	case MoveDown:
		v.pick++
	case MoveUp:
		v.pick--
	case Top:
		v.pick = 0
	case Bottom:
		v.pick = len(all) - 1
	case Enter, Edit, Create:
		v.begin(market.Rule{}, v.filled(all[min(v.pick, len(all)-1)]))
	case Escape:
		v.mode = rulesListed
	}
	v.pick = max(min(v.pick, len(all)-1), 0)
}

// writeDo is the form in text focus.
func (v *ruleView) writeDo(a Action) tea.Cmd {
	f := v.form
	switch a {
	case Submit:
		f.popup.close()
		return v.save()
	case Complete:
		if f.take() || f.correct() {
			break
		}
		if text, at := f.cursor(); f.at != ruleSeverity && at > 0 && at <= len(text) && wordRune(text[at-1]) {
			if f.complete(v.desk, false); f.popup.open() {
				return nil
			}
		}
		f.next(1)
	case CompleteBack:
		f.next(-1)
	case ChooseNext, ChoosePrevious:
		n := 1
		if a == ChoosePrevious {
			n = -1
		}
		switch {
		case f.popup.open():
			f.popup.choose(n)
		case f.at == ruleSeverity:
			f.choose(n)
		case f.at == ruleWhen && f.when.vertical(n):
		default:
			f.next(n)
		}
		return nil
	case Enter:
		switch {
		case f.popup.open() && f.popup.chosen >= 0:
			f.take()
		case f.at == ruleWhen:
			f.when.newline()
		default:
			f.next(1)
		}
		f.popup.close()
	case TextUndo:
		f.undo()
	case TextRedo:
		f.redo()
	case TextHelp:
		f.complete(v.desk, true)
		return nil
	case TextBacktest:
		return v.try(f.rule())
	case Escape:
		if f.popup.open() {
			f.popup.close()
		} else {
			v.writing = false
			v.desk.Keep()
		}
		return nil
	default:
		return nil
	}
	v.check()
	return nil
}

// readDo is the form in command focus.
func (v *ruleView) readDo(a Action) tea.Cmd {
	switch a {
	case Edit, Enter:
		v.writing = true
	case Submit:
		return v.save()
	case Backtest:
		return v.try(v.form.rule())
	case MoveDown:
		v.form.next(1)
	case MoveUp:
		v.form.next(-1)
	case Delete:
		f := v.form
		v.drop(f)
		v.form, v.mode = nil, rulesListed
		v.desk.Say(Muted, "the draft of “"+clip(f.title(), 40)+"” is thrown away")
		v.settle()
		v.desk.Keep()
	case Escape:
		v.leave()
	}
	return nil
}

func (v *ruleView) listDo(a Action) tea.Cmd {
	row, ok := v.row()
	name := row.rule.Name
	switch a {
	case MoveDown:
		v.cursor++
	case MoveUp:
		v.cursor--
	case Top:
		v.cursor = 0
	case Bottom:
		v.cursor = len(v.rows()) - 1
	case HalfDown:
		v.cursor += 10
	case HalfUp:
		v.cursor -= 10
	case Create, AlertMe:
		v.mode, v.pick = rulesPicked, 0
		return nil
	case Enter, Edit:
		if ok {
			v.edit(row)
		}
		return nil
	case Copy:
		if ok {
			r := row.rule
			r.Name, r.Revision, r.Edited, r.EditedBy, r.Deleted = v.free(r.Name), 0, 0, "", false
			v.begin(market.Rule{}, r)
			v.form.at = ruleName
		}
		return nil
	case Backtest, RunAgain:
		if ok {
			r, _ := v.shown()
			return v.try(r)
		}
	case Toggle:
		return v.toggle(row, ok)
	case Delete:
		switch {
		case ok && row.form != nil:
			v.drop(row.form)
			v.desk.Say(Muted, "the draft of “"+clip(row.form.title(), 40)+"” is thrown away")
			v.desk.Keep()
		case ok:
			return v.change("deleting", func(ctx context.Context, rules Rules) ruleEdited {
				if err := rules.Remove(ctx, name); err != nil {
					return ruleEdited{err: err}
				}
				return ruleEdited{said: "“" + name + "” is deleted for everybody · u brings it back", names: []string{name}}
			})
		}
	case Undo:
		return v.undoLast()
	case Escape:
		v.desk.Post(Open{})
		return nil
	}
	v.hold = ""
	v.settle()
	if row, ok := v.row(); ok {
		v.hold = row.rule.Name
	}
	return nil
}

// toggle arms a rule, or disarms it.
func (v *ruleView) toggle(row ruleRow, ok bool) tea.Cmd {
	if !ok || row.form != nil && row.form.was.Name == "" {
		v.desk.Say(Muted, "a draft is not in force: ctrl-j in its form saves and arms it")
		return nil
	}
	name, on := row.rule.Name, row.rule.Disabled
	return v.change("writing", func(ctx context.Context, rules Rules) ruleEdited {
		if err := rules.Enable(ctx, name, on); err != nil {
			return ruleEdited{err: err}
		}
		said := "“" + name + "” is off: it gives no alerts · u undoes it"
		if on {
			said = "“" + name + "” is on · u undoes it"
		}
		return ruleEdited{said: said, names: []string{name}, after: name}
	})
}

// undoLast takes the analyst's newest edit back.
func (v *ruleView) undoLast() tea.Cmd {
	if len(v.undo) == 0 {
		v.desk.Say(Muted, "nothing was edited here since this screen opened; tapedeck rules undo goes further back")
		return nil
	}
	if v.busy != "" {
		return nil
	}
	names := v.undo[len(v.undo)-1]
	v.undo = v.undo[:len(v.undo)-1]
	return v.change("undoing", func(ctx context.Context, rules Rules) ruleEdited {
		var errs []error
		for _, name := range names {
			errs = append(errs, rules.Undo(ctx, name))
		}
		return ruleEdited{said: "the last edit of “" + strings.Join(names, "” and “") + "” is undone", names: names, after: names[0], undone: true, err: errors.Join(errs...)}
	})
}

// stand asks what the rule that is shown says now, once it has stood still for
// a moment, and again from time to time where that is cheap.
func (v *ruleView) stand(now time.Time) tea.Cmd {
	n := &v.now
	rule, ok := v.shown()
	key := rule.When + "\x00" + strings.Join(rule.Watch, ",")
	if !ok || rule.When == "" || v.trial.running() || v.mode == rulesTried {
		return nil
	}
	if key != n.wanted {
		n.wanted, n.changed = key, now
		if n.cancel != nil {
			n.cancel()
		}
		n.request, n.cancel = 0, nil
	}
	fresh := n.key == key && now.Sub(n.asked) < max(ruleRenews, 6*n.took)
	if n.request != 0 || fresh || now.Sub(n.changed) < ruleSettles {
		return nil
	}
	rule = named(rule)
	if rules := v.desk.Data.Rules; rules.Check(rule) == nil {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		if n.key != key {
			n.rows, n.err = nil, nil
		}
		n.key, n.asked, n.request, n.cancel = key, now, v.desk.Request(), cancel
		request := n.request
		return func() tea.Msg {
			defer cancel()
			start := time.Now()
			rows, at, err := rules.Standing(ctx, rule)
			return ruleStands{request, rows, at, time.Since(start), err}
		}
	}
	return nil
}

// order puts the symbols for which it holds first, then the chosen one, then
// those nearest to it.
func (v *ruleView) order(rows []RuleStanding) []RuleStanding {
	rank := func(s *RuleStanding) int {
		switch {
		case s.Holds:
			return 0
		case s.Symbol == v.desk.Symbol:
			return 1
		case s.Known:
			return 2
		}
		return 3
	}
	away := func(s *RuleStanding) float64 {
		d := math.Abs(s.Value-s.Threshold) / math.Max(math.Abs(s.Threshold), 1e-12)
		if d != d {
			return math.Inf(1)
		}
		return d
	}
	slices.SortStableFunc(rows, func(a, b RuleStanding) int {
		if n := rank(&a) - rank(&b); n != 0 {
			return n
		}
		switch x, y := away(&a), away(&b); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return strings.Compare(a.Symbol, b.Symbol)
	})
	return rows
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
