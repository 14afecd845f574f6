package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"tapedeck/pipeline/alert"
	"tapedeck/pipeline/market"
)

// withPast runs work over the recorded history and the rules of the data
// directory that is set.
func (o *options) withPast(ctx context.Context, notes io.Writer, work func(*past, *rulebook) error) error {
	c, err := o.config()
	if err != nil {
		return err
	}
	v, err := openView(ctx, c, notes)
	if err != nil {
		return err
	}
	defer v.close()
	book, err := openRulebook(ctx, v.log, editor())
	if err != nil {
		return err
	}
	defer book.Close()
	data, err := c.dataDir()
	if err != nil {
		return err
	}
	own, _, err := guestDir(data)
	if err != nil {
		return err
	}
	book.own = (&place{dir: data, own: own}).ownLists()
	return work(&past{db: v.db, feed: c.market(), calendar: calendarOf(c.market()), rules: book}, book)
}

// asked is the rule that a command line means: one by its name, or a condition.
func (b *rulebook) asked(cmd *cobra.Command, f *ruleFlags, text string) (market.Rule, error) {
	rule, err := b.Rule(text)
	if err != nil {
		named := err
		rule = market.Rule{Name: text, When: text, Severity: market.Warning}
		if err := b.Check(rule); err != nil {
			if looksLikeName(text) {
				return rule, usageError{named}
			}
			return rule, ruleError(rule, err)
		}
	}
	if err := f.apply(cmd, &rule); err != nil {
		return rule, err
	}
	return rule, ruleError(rule, b.Check(rule))
}

// looksLikeName says that a text is rather a rule's name than a condition.
func looksLikeName(text string) bool { return !strings.ContainsAny(text, "<>=()+*/") }

func newRulesTest(o *options) *cobra.Command {
	format, all := "table", false
	var f ruleFlags
	cmd := &cobra.Command{
		Use:   "test NAME|'EXPRESSION'",
		Short: "Show what a condition compares now, for each symbol that it watches",
		Long: `Evaluates a rule, or a condition that is none yet, over what is recorded, and
shows for each symbol whether it holds at the newest tick, and what is compared.
Symbols for which it holds come first. Nothing is changed and nobody is told.`,
		Example: `  tapedeck rules test "price drop"
  tapedeck rules test 'rsi("1m", 14) < 30' --symbols 'A*' --all`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkFormat(format); err != nil {
				return err
			}
			return o.withPast(cmd.Context(), cmd.ErrOrStderr(), func(p *past, b *rulebook) error {
				rule, err := b.asked(cmd, &f, args[0])
				if err != nil {
					return err
				}
				standings, at, err := p.standing(cmd.Context(), rule)
				if err != nil {
					return err
				}
				return writeStandings(cmd.OutOrStdout(), format, rule, standings, at, all || format != "table")
			})
		},
		ValidArgsFunction: o.ruleNames,
	}
	f.register(cmd)
	formatFlag(cmd, &format)
	cmd.Flags().BoolVar(&all, "all", false, "show every symbol; otherwise those for which it holds, and ten more")
	return cmd
}

func writeStandings(out io.Writer, format string, rule market.Rule, standings []alert.Standing, at market.Time, all bool) error {
	g := grid{names: []string{"symbol", "holds", "value", "threshold"}}
	holds, unknown := 0, 0
	for pass := range 2 { // first those for which it holds
		shown := 0
		for _, s := range standings {
			if s.Holds != (pass == 0) {
				continue
			}
			if pass == 0 {
				holds++
			} else if !s.Known {
				unknown++
			}
			if shown++; pass == 1 && !all && shown > 10 {
				continue
			}
			word := "no"
			switch {
			case s.Holds:
				word = "YES"
			case !s.Known:
				word = "unknown"
			}
			g.add(s.Symbol, word, s.Value, s.Threshold)
		}
	}
	if format == "table" {
		if _, err := fmt.Fprintf(out, "%s\nat %s UTC: holds for %s of %s symbols", printable(rule.When), clockOf(at), grouped(int64(holds)), grouped(int64(len(standings)))); err != nil {
			return err
		}
		if unknown > 0 {
			fmt.Fprintf(out, "; unknown for %s, which lack something that it looks at", grouped(int64(unknown)))
		}
		fmt.Fprint(out, "\n\n")
	}
	if err := g.write(out, format); err != nil {
		return err
	}
	if rest := len(standings) - len(g.rows); rest > 0 {
		_, err := fmt.Fprintf(out, "… and %s more; --all shows them\n", grouped(int64(rest)))
		return err
	}
	return nil
}

func newRulesBacktest(o *options) *cobra.Command {
	format, since, until := "table", "", ""
	limit := 50
	var f ruleFlags
	cmd := &cobra.Command{
		Use:   "backtest NAME|'EXPRESSION'",
		Short: "Tell when a rule would have fired, and what the price did then",
		Long: `Runs a rule, or a condition that is none yet, over the recorded history with the
live engine: when it would have fired, how often a day, and what the price did
one, five and thirty minutes later, against what it usually does. ctrl-c ends it.`,
		Example: `  tapedeck rules backtest "price drop"
  tapedeck rules backtest 'crosses_above(price, sma("1m", 50))' --symbols 'A*' --since 8h
  tapedeck rules backtest "volume spike" --since 2026-11-20 --until 2026-11-21 --format csv`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkFormat(format); err != nil {
				return err
			}
			return o.withPast(cmd.Context(), cmd.ErrOrStderr(), func(p *past, b *rulebook) error {
				rule, err := b.asked(cmd, &f, args[0])
				if err != nil {
					return err
				}
				_, newest, err := p.recorded(cmd.Context())
				if err != nil {
					return err
				}
				a := ask{Rules: []market.Rule{rule}}
				if a.Until, err = pastTime(until, newest); err != nil {
					return usageError{fmt.Errorf("--until: %w", err)}
				}
				if a.Since, err = pastTime(since, newest); err != nil {
					return usageError{fmt.Errorf("--since: %w", err)}
				}
				bar := newProgressBar(cmd.ErrOrStderr(), "back-test")
				a.Progress = bar.show
				start := time.Now()
				trial, err := p.backtest(cmd.Context(), a)
				bar.end()
				if err != nil {
					return err
				}
				return writeTrial(cmd.OutOrStdout(), format, rule, trial, limit, time.Since(start))
			})
		},
		ValidArgsFunction: o.ruleNames,
	}
	f.register(cmd)
	formatFlag(cmd, &format)
	flags := cmd.Flags()
	flags.StringVar(&since, "since", "", "from this `TIME` on, UTC, or as long ago, such as 8h or 3d (default: a day)")
	flags.StringVar(&until, "until", "", "until before this `TIME` (default: now)")
	flags.IntVar(&limit, "limit", limit, "show so many alerts in the table; 0 is all")
	return cmd
}

// pastTime reads a time, or how long before the newest tick; empty is 0.
func pastTime(text string, newest market.Time) (market.Time, error) {
	if text == "" {
		return 0, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n float64
		if _, err := fmt.Sscanf(days+" ", "%g ", &n); err == nil && n > 0 && n < 36500 {
			return newest.Add(-time.Duration(n * 24 * float64(time.Hour))), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return newest.Add(-d), nil
	}
	t, err := market.ParseTime(text)
	if err != nil {
		return 0, fmt.Errorf("%q is neither a time such as 2026-11-20T14:30 nor a length such as 8h or 3d", text)
	}
	return t, nil
}

// writeTrial writes the outcome of a back-test.
func writeTrial(out io.Writer, format string, rule market.Rule, t *alert.Trial, limit int, took time.Duration) error {
	g := grid{names: []string{"time", "symbol", "price", "value", "threshold", "after 1m", "after 5m", "after 30m", "message"}}
	if format != "table" {
		g.names = []string{"time", "symbol", "price", "value", "threshold", "return_1m", "return_5m", "return_30m", "message", "id"}
	}
	for i := range t.Fired {
		if format == "table" && limit > 0 && i == limit {
			break
		}
		f := &t.Fired[i]
		row := []any{f.Time, f.Symbol, f.Price, f.Value, f.Threshold}
		for _, after := range f.After {
			if r := after/f.Price - 1; format == "table" {
				row = append(row, percent(r))
			} else {
				row = append(row, r)
			}
		}
		row = append(row, f.Message)
		if format != "table" {
			row = append(row, f.ID)
		}
		g.rows = append(g.rows, row)
	}
	if format != "table" {
		return g.write(out, format)
	}
	n := int64(len(t.Fired)) + t.Omitted
	symbols := map[string]bool{}
	for i := range t.Fired {
		symbols[t.Fired[i].Symbol] = true
	}
	fmt.Fprintf(out, "%s\n%s UTC to %s UTC: %s alerts of %s symbols, %s a day; %s events in %.1f s\n", printable(rule.When),
		clockOf(t.From), clockOf(t.To), grouped(n), grouped(int64(len(symbols))), perDay(t.PerDay()), grouped(t.Events), took.Seconds())
	if n == 0 {
		return nil
	}
	h := grid{names: []string{"", "1m later", "5m later", "30m later"}}
	for _, line := range []struct {
		name  string
		means [len(alert.Horizons)]float64
	}{{"after an alert", t.Return}, {"usually", t.Usual}} {
		row := []any{line.name}
		for _, m := range line.means {
			row = append(row, percent(m))
		}
		h.rows = append(h.rows, row)
	}
	fmt.Fprintln(out)
	if err := h.write(out, "table"); err != nil {
		return err
	}
	fmt.Fprintln(out)
	if err := g.write(out, "table"); err != nil {
		return err
	}
	if rest := n - int64(len(g.rows)); rest > 0 {
		_, err := fmt.Fprintf(out, "… and %s more; --limit 0 shows them, --format csv gives them to a file\n", grouped(rest))
		return err
	}
	return nil
}

// percent is a fraction as people read a return.
func percent(v float64) string {
	if math.IsNaN(v) {
		return "-"
	}
	return fmt.Sprintf("%+.3f %%", 100*v)
}

func perDay(v float64) string {
	if v >= 10 || v == math.Trunc(v) {
		return grouped(int64(math.Round(v)))
	}
	return fmt.Sprintf("%.1f", v)
}

// progressBar draws how far a command is, on a terminal and nowhere else.
type progressBar struct {
	out  io.Writer
	name string

	mu    sync.Mutex
	drawn time.Time
	share float64
}

func newProgressBar(out io.Writer, name string) *progressBar {
	if f, ok := out.(*os.File); !ok || !isTerminal(f) {
		out = nil
	}
	return &progressBar{out: out, name: name}
}

const barWidth = 30

func (p *progressBar) show(share float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.share = max(p.share, share)
	if p.out == nil || time.Since(p.drawn) < 100*time.Millisecond {
		return
	}
	p.drawn = time.Now()
	full := min(int(p.share*barWidth), barWidth)
	fmt.Fprintf(p.out, "\r%s [%s%s] %3.0f %%", p.name, strings.Repeat("#", full), strings.Repeat(".", barWidth-full), 100*p.share)
}

// end takes the bar away.
func (p *progressBar) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.out != nil && !p.drawn.IsZero() {
		fmt.Fprintf(p.out, "\r%s\r", strings.Repeat(" ", len(p.name)+barWidth+10))
	}
}
