package tui

import (
	"reflect"
	"strings"

	tea "charm.land/bubbletea/v2"

	"tapedeck/pipeline/market"
)

// ruleField is one line of the form.
type ruleField uint8

const (
	ruleName ruleField = iota
	ruleWatch
	ruleWhen
	ruleFor
	ruleRepeat
	ruleCooldown
	ruleSeverity
	ruleNotify
	ruleNote
	ruleFields
)

// ruleFieldNames are how the form, and a problem, name them; the hints stand
// where nothing is written.
var ruleFieldNames = [ruleFields]struct{ name, hint string }{
	{"name", "what the alert is called"},
	{"watch", "all symbols; or AAPL, MS*, sector:energy, !TSLA"},
	{"when", `a condition, such as change("5m") < -3%`},
	{"for", "at once; or how long it must hold, such as 10s"},
	{"repeat", "once, until it has ceased to hold"},
	{"cooldown", "none; or the shortest time between two, such as 5m"},
	{"severity", ""},
	{"notify", "nobody beyond the screens; or targets by name"},
	{"note", "what to do then"},
}

// ruleForm is a rule being written. What is typed stays until it is saved or
// thrown away.
type ruleForm struct {
	was      market.Rule // as it stood when the form was opened; no name: a new rule
	base     market.Rule // what the form does not show is taken from here
	lines    [ruleFields]field
	when     *editor
	severity market.Severity
	at       ruleField

	problem *RuleProblem
	popup   sqlPopup
}

func newRuleForm(was, now market.Rule) *ruleForm {
	f := &ruleForm{was: was, base: now, at: ruleWhen, severity: now.Severity, when: newEditor(now.When)}
	for i, text := range [ruleFields]string{ruleName: now.Name, ruleWatch: strings.Join(now.Watch, ", "), ruleFor: now.For, ruleRepeat: now.Repeat,
		ruleCooldown: now.Cooldown, ruleNotify: strings.Join(now.Notify, ", "), ruleNote: now.Note} {
		f.lines[i].runes = clean(nil, text)
		f.lines[i].cursor = len(f.lines[i].runes)
	}
	if now.When == "" && now.Name == "" {
		f.at = ruleName
	}
	f.popup.close()
	return f
}

// text of a field.
func (f *ruleForm) text(i ruleField) string {
	switch i {
	case ruleWhen:
		return f.when.String()
	case ruleSeverity:
		return f.severity.String()
	}
	return strings.TrimSpace(f.lines[i].String())
}

func listOf(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

// listed splits at commas, so that sector:real estate stays one.
func listed(text string) []string {
	if !strings.Contains(text, ",") && !strings.Contains(text, ":") {
		return listOf(text)
	}
	var out []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// rule is what is written, over what the rule was.
func (f *ruleForm) rule() market.Rule {
	r := f.base
	r.Name, r.Watch, r.When, r.For = f.text(ruleName), listed(f.text(ruleWatch)), strings.TrimSpace(f.text(ruleWhen)), f.text(ruleFor)
	r.Repeat, r.Cooldown, r.Severity = f.text(ruleRepeat), f.text(ruleCooldown), f.severity
	r.Notify, r.Note = listed(f.text(ruleNotify)), f.text(ruleNote)
	return r
}

// changed says whether saving would change anything.
func (f *ruleForm) changed() bool {
	now, was := f.rule(), f.was
	if was.Name == "" {
		return true
	}
	was.When = strings.TrimSpace(was.When)
	for _, list := range []*[]string{&now.Watch, &now.Notify, &was.Watch, &was.Notify} {
		if len(*list) == 0 {
			*list = nil
		}
	}
	return !reflect.DeepEqual(now, was)
}

// title of the form.
func (f *ruleForm) title() string {
	if name := f.text(ruleName); name != "" {
		return name
	}
	if f.was.Name != "" {
		return f.was.Name
	}
	return "new rule"
}

// next goes n fields on.
func (f *ruleForm) next(n int) {
	f.popup.close()
	f.at = ruleField((int(f.at) + n + int(ruleFields)) % int(ruleFields))
}

// key takes a key that no action has taken.
func (f *ruleForm) key(k tea.Key) {
	switch f.at {
	case ruleWhen:
		f.when.key(k)
	case ruleSeverity:
		switch k.String() {
		case "left", "backspace":
			f.choose(-1)
		case "right", "space":
			f.choose(1)
		case "i":
			f.severity = market.Info
		case "w":
			f.severity = market.Warning
		case "c":
			f.severity = market.Critical
		}
	default:
		f.lines[f.at].key(k)
	}
}

// choose the next severity.
func (f *ruleForm) choose(n int) {
	f.severity = market.Severity((int(f.severity) + n + 3) % 3)
}

func (f *ruleForm) paste(text string) {
	switch f.at {
	case ruleWhen:
		f.when.insert(text, false)
	case ruleSeverity:
	default:
		f.lines[f.at].insert(text)
	}
}

func (f *ruleForm) undo() bool {
	switch f.at {
	case ruleWhen:
		return f.when.undo()
	case ruleSeverity:
		f.severity = f.was.Severity
		return true
	}
	return f.lines[f.at].undo()
}

func (f *ruleForm) redo() bool {
	switch f.at {
	case ruleWhen:
		return f.when.redo()
	case ruleSeverity:
		return false
	}
	return f.lines[f.at].redo()
}

// cursor is the text of the field with its cursor, in characters.
func (f *ruleForm) cursor() (text []rune, at int) {
	switch f.at {
	case ruleWhen:
		return f.when.runes, f.when.cursor
	case ruleSeverity:
		return nil, 0
	}
	return f.lines[f.at].runes, f.lines[f.at].cursor
}

// complete lists how the field can go on. asked: the analyst asked for it;
// else only what is worth showing unasked.
func (f *ruleForm) complete(d *Desk, asked bool) {
	f.popup.close()
	text, at := f.cursor()
	if f.at == ruleSeverity || d.Data.Rules == nil {
		return
	}
	word := 0 // letters before the cursor
	for word < at && (wordRune(text[at-1-word]) || f.at == ruleWatch && text[at-1-word] == ':') {
		word++
	}
	if !asked && word < 2 {
		return
	}
	f.popup.from = at - word
	typed := string(text[at-word : at])
	for _, w := range d.Data.Rules.Complete(ruleFieldNames[f.at].name, string(text), at) {
		if w.Insert == typed && !asked {
			continue
		}
		f.popup.from = w.From
		f.popup.choices = append(f.popup.choices, sqlChoice{text: w.Insert, kind: w.Signature, note: w.Help})
	}
	if f.at == ruleWatch && word > 0 && len(f.popup.choices) == 0 {
		for _, symbol := range d.find(typed, sqlChoicesShown) {
			if name, _ := d.Company(symbol); symbol != typed {
				f.popup.choices = append(f.popup.choices, sqlChoice{text: symbol, kind: symbol, note: name})
			}
		}
	}
	f.popup.choices = f.popup.choices[:min(len(f.popup.choices), 60)]
}

// take puts the chosen completion in; false where none is open.
func (f *ruleForm) take() bool {
	if !f.popup.open() {
		return false
	}
	c := f.popup.choices[max(f.popup.chosen, 0)]
	f.put(f.popup.from, c.text)
	f.popup.close()
	return true
}

// put replaces what lies between from and the cursor.
func (f *ruleForm) put(from int, text string) {
	if f.at == ruleWhen {
		f.when.replace(from, f.when.cursor, []rune(text))
		return
	}
	line := &f.lines[f.at]
	line.cut(from, line.cursor)
	line.insert(text)
}

// wrongAt is where in the condition the problem lies; -1 is nowhere in it.
func (f *ruleForm) wrongAt() int {
	if f.problem == nil || f.problem.Field != "when" || f.problem.Line == 0 {
		return -1
	}
	at := 0
	for line := 1; line < f.problem.Line; line++ {
		at = f.when.lineEnd(at) + 1
	}
	return min(at+f.problem.Column-1, len(f.when.runes))
}

// correct puts the nearest right word in place of the wrong one; false where
// there is none.
func (f *ruleForm) correct() bool {
	at := f.wrongAt()
	if f.at != ruleWhen || at < 0 || f.problem.Nearest == "" || strings.Contains(f.problem.Nearest, " ") {
		return false
	}
	end := at
	for end < len(f.when.runes) && wordRune(f.when.runes[end]) {
		end++
	}
	if end == at {
		return false
	}
	return f.when.replace(at, end, []rune(f.problem.Nearest))
}

// word of the language under the cursor, or the function whose brackets the
// cursor stands in.
func (f *ruleForm) word(d *Desk) (RuleWord, bool) {
	if f.at != ruleWhen || d.Data.Rules == nil {
		return RuleWord{}, false
	}
	text, at := f.when.runes, f.when.cursor
	depth := 0
	for from := at; ; {
		begin, end := from, from
		for begin > 0 && wordRune(text[begin-1]) {
			begin--
		}
		for end < len(text) && wordRune(text[end]) {
			end++
		}
		if begin < end {
			if w, ok := d.Data.Rules.Help(string(text[begin:end])); ok {
				return w, true
			}
		}
		i := begin - 1
		for ; i >= 0; i-- {
			if text[i] == ')' {
				depth++
			} else if text[i] == '(' {
				if depth--; depth < 0 {
					depth = 0
					break
				}
			}
		}
		if i < 0 {
			return RuleWord{}, false
		}
		from = i
	}
}
