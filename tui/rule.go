package tui

import (
	"context"
	"time"

	"tapedeck/pipeline/market"
)

// Rules are the alert rules of a pipeline, the language that they are written
// in, and the history to try them on. Every edit is seen by everybody who
// shares the pipeline, stands under the analyst's name and can be undone.
//
// Check, Complete and Help answer at once from memory; the others ask the log
// or the lake.
type Rules interface {
	// List is the rules that stand, disabled ones too.
	List(ctx context.Context) ([]market.Rule, error)
	// Costs is what each rule adds to a tick, by name, as measured here; shown
	// until the pipeline says what an evaluation takes there. It may
	// take a moment: it is called from a command.
	Costs(rules []market.Rule) map[string]time.Duration
	// Check says what is wrong with a rule; nil is nothing.
	Check(rule market.Rule) *RuleProblem
	// Complete says how the text of a field (when, watch, repeat, notify) can
	// go on at the cursor, in characters; the likeliest first.
	Complete(field, text string, cursor int) []RuleWord
	// Help describes a word of the language; false where it is none.
	Help(word string) (RuleWord, bool)
	// Standing is what a rule says now of each symbol that it watches, and the
	// time of the newest tick that it looked at.
	Standing(ctx context.Context, rule market.Rule) ([]RuleStanding, market.Time, error)
	// Save makes a rule or changes the one of its name. A revision that is not
	// 0 is the one that the author looked at: an edit since then is an error.
	Save(ctx context.Context, rule market.Rule) (market.Rule, error)
	// Enable arms or disarms a rule.
	Enable(ctx context.Context, name string, on bool) error
	// Remove takes a rule out; Undo brings it back.
	Remove(ctx context.Context, name string) error
	// Undo takes back the newest edit of a rule, whatever it was.
	Undo(ctx context.Context, name string) error
	// Backtest tells when a rule would have fired in the time before now that
	// is recorded. progress is called from any goroutine with a share of 0 … 1.
	Backtest(ctx context.Context, rule market.Rule, since time.Duration, progress func(share float64)) (*RuleTrial, error)
}

// RuleProblem is what is wrong with a rule, and where.
type RuleProblem struct {
	Field        string // name, watch, when, for, repeat, cooldown, keep_firing
	Line, Column int    // from 1, in characters; 0 is the field as a whole
	Reason       string
	Nearest      string // the right word that is most like the wrong one; may be ""
}

// RuleWord is a word of the rule language, or a way to go on with a text.
type RuleWord struct {
	Insert    string // what takes the place of the letters before the cursor
	From      int    // where those begin, in characters
	Signature string // how it is written
	Help      string // one line
}

// RuleStanding is what a rule says of a symbol now.
type RuleStanding struct {
	Symbol           string
	Holds            bool
	Known            bool    // false while something that it looks at is unknown
	Value, Threshold float64 // NaN where the condition has none
}

// RuleHorizons are how long after an alert a back-test looks at the price.
var RuleHorizons = [3]time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute}

// RuleTrial is the outcome of a back-test.
type RuleTrial struct {
	From, To market.Time
	Fired    []RuleFired // the alerts that began, oldest first
	Omitted  int64       // alerts beyond those that Fired holds
	Events   int64       // ticks and clocks that were played
	PerDay   float64
	Return   [3]float64 // mean return after an alert, as a fraction; NaN where none
	Usual    [3]float64 // mean return over the same lengths from every minute of every symbol
	Took     time.Duration
}

// RuleFired is an alert that a back-test found.
type RuleFired struct {
	Symbol           string
	Time             market.Time
	Price            float64
	Value, Threshold float64
	Return           [3]float64 // what the price did after it, as a fraction; NaN where history ends before
}

// OpenRule opens a rule in the editor: the one of that name or, where Name is
// empty, a new one that watches the symbol.
type OpenRule struct{ Name, Symbol string }
