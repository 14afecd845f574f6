package tui

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"tapedeck/pipeline/live"
	"tapedeck/pipeline/market"
)

// ruleDesk is a rulebook in memory, with a language of a few words.
type ruleDesk struct {
	rules   []market.Rule
	gone    []market.Rule
	log     []string
	blocked chan struct{} // a back-test waits for it, or for its end
}

var demoWords = []RuleWord{
	{Insert: "change(", Signature: `change("TIME")`, Help: "change of the price within the time, as a fraction"},
	{Insert: "price", Signature: "price", Help: "price of the newest trade"},
	{Insert: "volume", Signature: `volume, volume("INTERVAL")`, Help: "shares in the newest closed bar, of one second unless said"},
	{Insert: "volume_ratio(", Signature: `volume_ratio("INTERVAL", N)`, Help: "volume of the newest bar over the mean of the N before"},
	{Insert: "crosses_above(", Signature: "crosses_above(A, B)", Help: "A comes from below B to above it"},
}

func demoRules() *ruleDesk {
	at := market.At(demoNow)
	return &ruleDesk{rules: []market.Rule{
		{Name: "volume over a million", When: "volume > 1_000_000", Cooldown: "1m", Revision: 1, EditedBy: "tapedeck"},
		{Name: "price drop", When: `change("5m") < -3% and volume_ratio("1m", 20) > 2`, For: "10s", KeepFiring: "30s", Cooldown: "5m", Severity: market.Warning, Revision: 4, EditedBy: "ann@desk", Edited: at.Add(-3 * time.Hour)},
		{Name: "tesla gap", Watch: []string{"TSLA"}, When: "price > 300", Severity: market.Critical, Revision: 2, EditedBy: "ben@desk", Edited: at.Add(-50 * time.Hour), Disabled: true},
	}}
}

func (r *ruleDesk) at(name string) int {
	return slices.IndexFunc(r.rules, func(x market.Rule) bool { return x.Name == name })
}

func (r *ruleDesk) List(context.Context) ([]market.Rule, error) { return slices.Clone(r.rules), nil }

func (r *ruleDesk) Costs(rules []market.Rule) map[string]time.Duration {
	out := map[string]time.Duration{}
	for i, rule := range rules {
		out[rule.Name] = time.Duration(22+9*i) * time.Nanosecond
	}
	return out
}

func (r *ruleDesk) Check(rule market.Rule) *RuleProblem {
	if rule.When == "" {
		return &RuleProblem{Field: "when", Reason: "the rule needs a condition"}
	}
	if i := strings.Index(rule.When, "volum_ratio"); i >= 0 {
		return &RuleProblem{Field: "when", Line: 1, Column: i + 1, Reason: "volum_ratio is not a name of the language", Nearest: "volume_ratio"}
	}
	if _, err := time.ParseDuration(rule.For); rule.For != "" && err != nil {
		return &RuleProblem{Field: "for", Reason: "a length is written as 10s or 5m"}
	}
	return nil
}

func (r *ruleDesk) Complete(field, text string, cursor int) []RuleWord {
	runes := []rune(text)
	from := cursor
	for from > 0 && wordRune(runes[from-1]) {
		from--
	}
	var out []RuleWord
	for _, w := range demoWords {
		if field == "when" && strings.HasPrefix(w.Insert, string(runes[from:cursor])) {
			w.From = from
			out = append(out, w)
		}
	}
	return out
}

func (r *ruleDesk) Help(word string) (RuleWord, bool) {
	for _, w := range demoWords {
		if strings.TrimSuffix(w.Insert, "(") == word {
			return w, true
		}
	}
	return RuleWord{}, false
}

func (r *ruleDesk) Standing(_ context.Context, rule market.Rule) ([]RuleStanding, market.Time, error) {
	r.log = append(r.log, "standing "+rule.When)
	return []RuleStanding{
		{Symbol: "AAPL", Known: true, Value: 0.001, Threshold: -0.03},
		{Symbol: "DVN", Known: true, Value: -0.019, Threshold: -0.03},
		{Symbol: "NEW", Value: math.NaN(), Threshold: math.NaN()},
		{Symbol: "TSLA", Holds: true, Known: true, Value: -0.031, Threshold: -0.03},
	}, market.At(demoNow), nil
}

func (r *ruleDesk) Save(_ context.Context, rule market.Rule) (market.Rule, error) {
	r.log = append(r.log, "save "+rule.Name)
	rule.Revision++
	rule.EditedBy, rule.Edited = "me@desk", market.At(demoNow)
	if i := r.at(rule.Name); i >= 0 {
		r.gone = append(r.gone, r.rules[i])
		r.rules[i] = rule
	} else {
		r.rules = append(r.rules, rule)
	}
	return rule, nil
}

func (r *ruleDesk) Enable(_ context.Context, name string, on bool) error {
	r.log = append(r.log, fmt.Sprint("enable ", name, " ", on))
	r.gone = append(r.gone, r.rules[r.at(name)])
	r.rules[r.at(name)].Disabled = !on
	return nil
}

func (r *ruleDesk) Remove(_ context.Context, name string) error {
	r.log = append(r.log, "remove "+name)
	i := r.at(name)
	r.gone = append(r.gone, r.rules[i])
	r.rules = slices.Delete(r.rules, i, i+1)
	return nil
}

func (r *ruleDesk) Undo(_ context.Context, name string) error {
	r.log = append(r.log, "undo "+name)
	for i := len(r.gone) - 1; i >= 0; i-- {
		if g := r.gone[i]; g.Name == name {
			r.gone = slices.Delete(r.gone, i, i+1)
			if k := r.at(name); k >= 0 {
				r.rules[k] = g
			} else {
				r.rules = append(r.rules, g)
			}
			return nil
		}
	}
	if k := r.at(name); k >= 0 {
		r.rules = slices.Delete(r.rules, k, k+1)
		return nil
	}
	return errors.New("nothing is left to undo")
}

func (r *ruleDesk) Backtest(ctx context.Context, rule market.Rule, since time.Duration, progress func(float64)) (*RuleTrial, error) {
	r.log = append(r.log, "backtest "+rule.When)
	progress(0.4)
	if r.blocked != nil {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-r.blocked:
		}
	}
	to := market.At(demoNow)
	t := &RuleTrial{From: to.Add(-since), To: to, Events: 36_012_000, PerDay: 41, Took: 2800 * time.Millisecond,
		Return: [3]float64{-0.0011, -0.0024, 0.0018}, Usual: [3]float64{0, 0, 0.0001}}
	for i := range 41 {
		x := float64(i)
		t.Fired = append(t.Fired, RuleFired{Symbol: []string{"TSLA", "NVDA", "AMD"}[i%3], Time: to.Add(-6 * time.Hour).Add(time.Duration(i*i*11) * time.Second), Price: 180 + x,
			Value: -0.031 - x/1000, Threshold: -0.03, Return: [3]float64{math.Sin(x) / 200, math.Cos(x) / 100, math.NaN()}})
	}
	return t, nil
}

// openRules is the view with rules in memory, listed.
func openRules(t *testing.T, w, h int) (*Model, *ruleDesk) {
	t.Helper()
	m, _ := demoModel(t, 200, w, h)
	r := demoRules()
	m.desk.Data.Rules = r
	answer(m, m.open(Open{View: "rules"}))
	return m, r
}

// settled lets the debounced question be asked and answered.
func settled(m *Model) {
	answer(m, m.pane().Update(Tick{demoNow}))
	answer(m, m.pane().Update(Tick{demoNow.Add(time.Second)}))
}

func typedIn(m *Model, text string) {
	typed(m, text)
	settled(m)
}

func TestGoldenRules(t *testing.T) {
	for _, s := range []struct {
		name string
		do   func(*Model)
	}{
		{"rules", func(m *Model) { hit(m, "j"); settled(m) }},
		{"rules-new", func(m *Model) { hit(m, "n", "j") }},
		{"rules-edit", func(m *Model) { hit(m, "j", "enter"); typedIn(m, " and volum_ratio"); hit(m, "esc") }},
		{"rules-complete", func(m *Model) { hit(m, "j", "enter"); typedIn(m, " and vol") }},
		{"rules-trial", func(m *Model) { hit(m, "j", "b") }},
	} {
		for _, size := range sizes {
			name := fmt.Sprintf("%s-%dx%d", s.name, size[0], size[1])
			t.Run(name, func(t *testing.T) {
				m, _ := openRules(t, size[0], size[1])
				s.do(m)
				golden(t, name, shown(t, m))
			})
		}
	}
}

// How the rules do is what the pipeline says, where it says something.
func TestRulesShowWhatThePipelineSays(t *testing.T) {
	m, d := demoModel(t, 200, 80, 40)
	m.desk.Data.Rules = demoRules()
	d.board.Status(live.Status{Instance: "a", Stage: "compute", Time: market.At(d.now),
		Rules: []live.Rule{{Name: "price drop", Revision: 4, Symbols: 90, Pending: 7, Firing: 3, Today: 412, Samples: 1, Each: 61, Planned: 300}}})
	m.desk.Data.Board.Snapshot(m.desk.Frame)
	m.desk.alerts.follow()
	answer(m, m.open(Open{View: "rules"}))
	hit(m, "j")
	settled(m)
	text := shown(t, m)
	for _, want := range []string{"412", "61", "fires for 3, waits for 7, 20 % of the planned 300 ns"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestRuleIsMadeFromTheChosenSymbol(t *testing.T) {
	m, d := demoModel(t, 50, 120, 40)
	r := demoRules()
	m.desk.Data.Rules = r
	symbol := d.names[1].Symbol
	m.desk.Select(symbol)
	hit(m, "a")
	if m.desk.State.View != "rules" {
		t.Fatalf("a leads to %s", m.desk.State.View)
	}
	if text := shown(t, m); !strings.Contains(text, symbol+" above") || !strings.Contains(text, "crosses_above(price, ") {
		t.Fatalf("no rule of %s is begun:\n%s", symbol, text)
	}
	hit(m, "ctrl+j")
	last := r.rules[len(r.rules)-1]
	if len(r.rules) != 4 || !slices.Equal(last.Watch, []string{symbol}) || last.Disabled || last.Cooldown != "1m" {
		t.Fatalf("saved %+v", last)
	}
	hit(m, "u")
	if len(r.rules) != 3 {
		t.Errorf("u leaves %d rules", len(r.rules))
	}
}

func TestWrongRuleIsNotSaved(t *testing.T) {
	m, r := openRules(t, 120, 40)
	hit(m, "j", "enter")
	typedIn(m, " and volum_ratio")
	hit(m, "ctrl+j")
	text := shown(t, m)
	if slices.Contains(r.log, "save price drop") || !strings.Contains(text, "not saved: when") || !strings.Contains(text, "you mean volume_ratio?") {
		t.Fatalf("%v\n%s", r.log, text)
	}
	hit(m, "esc", "e", "tab") // the nearest word
	if got := m.pane().(*ruleView).form.when.String(); !strings.HasSuffix(got, "and volume_ratio") {
		t.Fatalf("tab makes %q", got)
	}
	typed(m, `("1m", 5) > 3`)
	hit(m, "ctrl+j")
	i := r.at("price drop")
	if got := r.rules[i]; !strings.HasSuffix(got.When, `volume_ratio("1m", 5) > 3`) || got.KeepFiring != "30s" || got.Revision != 5 {
		t.Errorf("saved %+v", got)
	}
}

func TestDraftIsKept(t *testing.T) {
	m, r := openRules(t, 120, 40)
	hit(m, "j", "enter")
	typed(m, " and price > 1")
	hit(m, "esc", "esc")
	if !strings.Contains(shown(t, m), "draft") || len(r.gone) > 0 {
		t.Fatalf("no draft is shown:\n%s", shown(t, m))
	}
	kept, err := m.encodeState()
	if err != nil || !strings.Contains(string(kept), "price \\u003e 1") {
		t.Errorf("the draft does not outlive the screen: %v", err)
	}
	v := newRules(m.desk)
	v.Restore(m.desk.State.Panes["rules"])
	if len(v.forms) != 1 || !v.forms[0].changed() || v.forms[0].was.Name != "price drop" {
		t.Errorf("restored %+v", v.forms)
	}
	hit(m, "enter")
	if got := m.pane().(*ruleView).form.when.String(); !strings.HasSuffix(got, "and price > 1") {
		t.Errorf("the draft came back as %q", got)
	}
}

func TestRuleListEditsAndUndoes(t *testing.T) {
	m, r := openRules(t, 80, 24)
	hit(m, "j", "space")
	if !r.rules[1].Disabled {
		t.Fatal("space does not disarm")
	}
	hit(m, "d")
	if len(r.rules) != 2 || r.at("price drop") >= 0 {
		t.Fatalf("d leaves %+v", r.rules)
	}
	hit(m, "u", "u")
	if i := r.at("price drop"); i < 0 || r.rules[i].Disabled {
		t.Fatalf("after two undos %+v", r.rules)
	}
	hit(m, "G", "y")
	typed(m, " again")
	hit(m, "ctrl+j")
	if len(r.rules) != 4 {
		t.Errorf("no duplicate was saved: %v\n%s", r.log, shown(t, m))
	}
}

func TestRenamingLeavesOneRule(t *testing.T) {
	m, r := openRules(t, 120, 40)
	hit(m, "enter", "shift+tab", "shift+tab")
	typed(m, " a second")
	hit(m, "ctrl+j")
	if r.at("volume over a million") >= 0 || r.at("volume over a million a second") < 0 {
		t.Fatalf("%v %+v", r.log, r.rules)
	}
	hit(m, "u")
	if r.at("volume over a million") < 0 || r.at("volume over a million a second") >= 0 {
		t.Errorf("undone to %v %+v", r.log, r.rules)
	}
}

func TestConditionIsAskedOnceTypingRests(t *testing.T) {
	m, r := openRules(t, 120, 40)
	hit(m, "enter")
	typed(m, "0")
	answer(m, m.pane().Update(Tick{demoNow}))
	typed(m, "1")
	answer(m, m.pane().Update(Tick{demoNow.Add(500 * time.Millisecond)}))
	if len(r.log) != 0 {
		t.Fatalf("asked while typing: %v", r.log)
	}
	answer(m, m.pane().Update(Tick{demoNow.Add(1200 * time.Millisecond)}))
	if len(r.log) != 1 || r.log[0] != "standing volume > 1_000_00001" {
		t.Fatalf("asked %v", r.log)
	}
	if !strings.Contains(shown(t, m), "holds for 1 of 4 symbols") {
		t.Errorf("no value now:\n%s", shown(t, m))
	}
}

func TestBacktestLeadsToTheChart(t *testing.T) {
	m, r := openRules(t, 80, 24)
	hit(m, "enter", "ctrl+t")
	v := m.pane().(*ruleView)
	if v.mode != rulesTried || !slices.Contains(r.log, "backtest volume > 1_000_000") {
		t.Fatalf("mode %d, %v", v.mode, r.log)
	}
	hit(m, "j", "enter")
	want := v.trial.result.Fired[39]
	if m.desk.State.View != "chart" || m.desk.Symbol != want.Symbol || m.desk.At != want.Time {
		t.Errorf("enter leads to %s of %s at %v", m.desk.State.View, m.desk.Symbol, m.desk.At)
	}
	hit(m, "esc", "esc", "esc")
	if m.desk.State.View != "rules" {
		t.Errorf("esc leads to %s", m.desk.State.View)
	}
}

func TestBacktestIsCancelled(t *testing.T) {
	m, r := openRules(t, 80, 24)
	r.blocked = make(chan struct{})
	cmd := press(m, "b")
	done := make(chan struct{})
	go func() { // as the program would run it
		defer close(done)
		cmd()
	}()
	v := m.pane().(*ruleView)
	if !v.trial.running() || !strings.Contains(shown(t, m), "esc cancels") {
		t.Fatalf("no back-test runs:\n%s", shown(t, m))
	}
	press(m, "esc")
	m.Update(ruleTried{v.trial.request, nil, context.Canceled})
	if v.trial.running() || v.mode != rulesListed {
		t.Error("it still runs")
	}
	<-done
}

func TestRulesAreMissingForAViewer(t *testing.T) {
	m, _ := demoModel(t, 20, 80, 24)
	hit(m, "a")
	if m.desk.State.View == "rules" {
		t.Error("a opens an editor without rules")
	}
	answer(m, m.open(Open{View: "rules"}))
	hit(m, "n", "e", "b", "space", "d")
	if !strings.Contains(shown(t, m), "role analyst") {
		t.Errorf("it is not said why:\n%s", shown(t, m))
	}
}

func TestRoundLevels(t *testing.T) {
	for _, c := range []struct {
		price, direction float64
		want             string
	}{{187.12, 1, "189"}, {187.12, -1, "186"}, {4.2, 1, "4.23"}, {0, 1, "100"}, {2400, 1, "2420"}} {
		if got := roundLevel(c.price, c.direction); got != c.want {
			t.Errorf("%v %v: %s, want %s", c.price, c.direction, got, c.want)
		}
	}
}
