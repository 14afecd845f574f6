package main

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tapedeck/pipeline/alert"
	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/market"
	"tapedeck/tui"
)

// screenRules gives a screen the rules of its pipeline, and the history to try
// them on. Edits stand under the name of who sits there.
type screenRules struct {
	ruleCosts
	screen *screen
	world  alert.World

	mu   sync.Mutex
	log  *kafka.Client // that book is over
	book *rulebook

	current atomic.Pointer[rulebook] // book, for readers that do not wait
}

func newScreenRules(s *screen) *screenRules { return &screenRules{screen: s, world: ruleWorld()} }

// Close ends what edits have opened.
func (r *screenRules) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.book == nil {
		return nil
	}
	err := r.book.Close()
	r.book, r.log = nil, nil
	return err
}

// rules is the rulebook over the pipeline that is followed now.
func (r *screenRules) rules(ctx context.Context) (*rulebook, error) {
	_, log, err := r.screen.db()
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.book != nil && r.log == log {
		return r.book, nil
	}
	book, err := openRulebook(ctx, log, editor())
	if err != nil {
		return nil, err
	}
	book.own, book.models = r.screen.place.ownLists(), r.screen.place.modelNames(r.screen.config)
	if r.book != nil {
		r.book.Close()
	}
	r.book, r.log = book, log
	r.current.Store(book)
	return book, nil
}

// sharedEvery is how often it is looked whether shared lists were changed here.
const sharedEvery = 2 * time.Second

// keepShared keeps the lists and saved queries that this analyst has shared as
// he has them, until ctx is done.
func (r *screenRules) keepShared(ctx context.Context) {
	ticker := time.NewTicker(sharedEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		book, err := r.rules(ctx)
		if err == nil {
			if err = book.refresh(ctx); err == nil {
				err = book.keepShared(ctx)
			}
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, errNoHistory) {
			r.screen.slog.Warn("shared watchlists are not kept up", "error", err)
		}
	}
}

// List is the rules that stand, edits of others included.
func (r *screenRules) List(ctx context.Context) ([]market.Rule, error) {
	book, err := r.rules(ctx)
	if err != nil {
		return nil, err
	}
	if err := book.refresh(ctx); err != nil {
		return nil, err
	}
	return book.List(), nil
}

// known is the rulebook as it was last read, for what must be quick: nothing
// is asked of the log.
func (r *screenRules) known() *rulebook {
	if book := r.current.Load(); book != nil {
		return book
	}
	return &rulebook{world: r.world, own: r.screen.place.ownLists()}
}

// Check compiles a rule.
func (r *screenRules) Check(rule market.Rule) *tui.RuleProblem {
	err := r.known().Check(rule)
	if err == nil {
		return nil
	}
	var p *alert.Problem
	if !errors.As(err, &p) {
		return &tui.RuleProblem{Field: "when", Reason: err.Error()}
	}
	return &tui.RuleProblem{Field: p.Field, Line: p.Line, Column: p.Column, Reason: p.Reason, Nearest: p.Nearest}
}

// Complete says how a field can go on.
func (r *screenRules) Complete(field, text string, cursor int) []tui.RuleWord {
	var out []tui.RuleWord
	if field == "when" {
		for _, s := range alert.Complete(text, cursor) {
			out = append(out, tui.RuleWord{Insert: s.Insert, From: s.From, Signature: s.Signature, Help: s.Help})
		}
		return out
	}
	runes := []rune(text)
	from := min(cursor, len(runes))
	for from > 0 && runes[from-1] != ',' && (field != "repeat" || from > 0) {
		from--
	}
	for from < cursor && runes[from] == ' ' {
		from++
	}
	typed := strings.ToLower(string(runes[from:min(cursor, len(runes))]))
	choose := func(help string, words ...string) {
		for _, w := range words {
			if strings.HasPrefix(w, typed) && w != typed {
				out = append(out, tui.RuleWord{Insert: w, From: from, Signature: w, Help: help})
			}
		}
	}
	switch field {
	case "repeat":
		choose("how often it fires while the condition holds", alert.Repeats()...)
	case "watch":
		for _, sector := range r.world.Sectors {
			choose("every symbol of the sector", "sector:"+strings.ToLower(sector))
		}
		for _, name := range r.known().groupNames() {
			if strings.HasPrefix(name, market.QueryGroup) {
				choose("what the saved query gives, asked each minute", name)
			} else {
				choose("the symbols of the list, as it stands", "group:"+name)
			}
		}
	}
	return out
}

// Help describes a word of the language.
func (r *screenRules) Help(word string) (tui.RuleWord, bool) {
	all := alert.Reference()
	i := slices.IndexFunc(all, func(e alert.Entry) bool { return e.Name == word })
	if i < 0 {
		return tui.RuleWord{}, false
	}
	return tui.RuleWord{Insert: word, Signature: all[i].Signature, Help: all[i].Help}, true
}

// past is the history that rules are tried on.
func (r *screenRules) past(ctx context.Context) (*past, error) {
	db, _, err := r.screen.db()
	if err != nil {
		return nil, err
	}
	book, err := r.rules(ctx)
	if err != nil {
		return nil, err
	}
	feed := r.screen.config.market()
	return &past{db: db, feed: feed, calendar: calendarOf(feed), rules: book}, nil
}

// Standing is what a rule says at the newest tick.
func (r *screenRules) Standing(ctx context.Context, rule market.Rule) ([]tui.RuleStanding, market.Time, error) {
	p, err := r.past(ctx)
	if err != nil {
		return nil, 0, err
	}
	rule.Disabled = false
	defer r.screen.cores.lend()()
	standings, at, err := p.standing(ctx, rule)
	if err != nil {
		return nil, 0, err
	}
	out := make([]tui.RuleStanding, len(standings))
	for i, s := range standings {
		out[i] = tui.RuleStanding{Symbol: s.Symbol, Holds: s.Holds, Known: s.Known, Value: s.Value, Threshold: s.Threshold}
	}
	return out, at, nil
}

// edit runs an edit of the rulebook.
func (r *screenRules) edit(ctx context.Context, change func(*rulebook) error) error {
	if !currentRole().editsRules() {
		return errors.New("the role viewer reads rules and changes none")
	}
	book, err := r.rules(ctx)
	if err != nil {
		return err
	}
	return change(book)
}

// Save makes a rule or changes it.
func (r *screenRules) Save(ctx context.Context, rule market.Rule) (saved market.Rule, err error) {
	err = r.edit(ctx, func(b *rulebook) error {
		saved, err = b.Set(ctx, rule)
		return err
	})
	return saved, err
}

// Enable arms or disarms a rule.
func (r *screenRules) Enable(ctx context.Context, name string, on bool) error {
	return r.edit(ctx, func(b *rulebook) error {
		if err := b.refresh(ctx); err != nil {
			return err
		}
		rule, err := b.Rule(name)
		if err != nil {
			return err
		}
		rule.Disabled = !on
		_, err = b.Set(ctx, rule)
		return err
	})
}

// Remove takes a rule out.
func (r *screenRules) Remove(ctx context.Context, name string) error {
	return r.edit(ctx, func(b *rulebook) error { return b.Remove(ctx, name) })
}

// Undo takes back the newest edit of a rule.
func (r *screenRules) Undo(ctx context.Context, name string) error {
	return r.edit(ctx, func(b *rulebook) error {
		_, err := b.Undo(ctx, name)
		return err
	})
}

// Backtest plays recorded history through the live engine.
func (r *screenRules) Backtest(ctx context.Context, rule market.Rule, since time.Duration, progress func(share float64)) (*tui.RuleTrial, error) {
	p, err := r.past(ctx)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	_, newest, err := p.recorded(ctx)
	if err != nil {
		return nil, err
	}
	rule.Disabled = false
	defer r.screen.cores.lend()()
	t, err := p.backtest(ctx, ask{Rules: []market.Rule{rule}, Since: (newest + 1).Add(-since), Progress: progress})
	if err != nil {
		return nil, err
	}
	out := &tui.RuleTrial{From: t.From, To: t.To, Omitted: t.Omitted, Events: t.Events, PerDay: t.PerDay(),
		Return: t.Return, Usual: t.Usual, Took: time.Since(start)}
	for i := range t.Fired {
		f := &t.Fired[i]
		one := tui.RuleFired{Symbol: f.Symbol, Time: f.Time, Price: f.Price, Value: f.Value, Threshold: f.Threshold}
		for k, after := range f.After {
			one.Return[k] = math.NaN()
			if f.Price > 0 {
				one.Return[k] = after/f.Price - 1
			}
		}
		out.Fired = append(out.Fired, one)
	}
	return out, nil
}
