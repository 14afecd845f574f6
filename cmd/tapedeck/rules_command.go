package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"tapedeck/pipeline/alert"
	"tapedeck/pipeline/market"
)

func newRules(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rules",
		Short: "Write, test and arm alert rules",
		Long: `Alert rules stand on the log, where every pipeline and every screen reads them:
an edit acts everywhere within a second, and keeps who made it, when, and what
stood before. See docs/alerts.md for the language.`,
		Example: `  tapedeck rules ls
  tapedeck rules set "AAPL breaks out" 'crosses_above(price, sma("1m", 50))' --symbols AAPL --severity warning
  tapedeck rules test "price drop"            # what it compares, now
  tapedeck rules backtest "price drop"        # when it would have fired
  tapedeck rules export > rules.yaml`,
	}
	cmd.AddCommand(newRulesLs(o), newRulesShow(o), newRulesSet(o), newRulesRm(o), newRulesSwitch(o, true), newRulesSwitch(o, false),
		newRulesHistory(o), newRulesUndo(o), newRulesImport(o), newRulesExport(o), newRulesTest(o), newRulesBacktest(o))
	return cmd
}

// withRules runs work over the rules of the data directory that is set.
func (o *options) withRules(ctx context.Context, write bool, work func(*rulebook) error) error {
	c, err := o.config()
	if err != nil {
		return err
	}
	book, closeRules, err := openRules(ctx, c, write)
	if err != nil {
		return err
	}
	defer closeRules()
	return work(book)
}

// ruleNames completes the name of a rule.
func (o *options) ruleNames(cmd *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
	_ = o.withRules(cmd.Context(), false, func(b *rulebook) error {
		for _, r := range b.List() {
			if !slices.Contains(args, r.Name) {
				names = append(names, r.Name)
			}
		}
		return nil
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}

func newRulesLs(o *options) *cobra.Command {
	format := "table"
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List the rules, and how they do",
		Long: `Lists the rules. Where a pipeline runs it says of each how many alerts began
today, for how many symbols it fires and waits to fire now, how many ns an
evaluation takes, and which part that is of what is planned for one.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkFormat(format); err != nil {
				return err
			}
			return o.withRules(cmd.Context(), false, func(b *rulebook) error {
				states, _, err := ruleStates(cmd.Context(), b.log)
				if err != nil {
					return err
				}
				table := format == "table"
				g := grid{names: slices.Concat([]string{"rule", "on", "severity"}, ruleColumns(table), []string{"watch", "when", "manners", "revision", "edited", "by"})}
				for _, r := range b.List() {
					g.add(slices.Concat([]any{r.Name, !r.Disabled, r.Severity.String()}, ruleCells(states, r.Name, table),
						[]any{watchOf(r), strings.Join(strings.Fields(r.When), " "), mannersOf(r), int64(r.Revision), r.Edited, r.EditedBy})...)
				}
				return g.write(cmd.OutOrStdout(), format)
			})
		},
	}
	formatFlag(cmd, &format)
	return cmd
}

func formatFlag(cmd *cobra.Command, format *string) {
	cmd.Flags().StringVar(format, "format", *format, "how rows come out: "+strings.Join(gridFormats, ", "))
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(gridFormats, cobra.ShellCompDirectiveNoFileComp))
}

func watchOf(r market.Rule) string {
	if len(r.Watch) == 0 {
		return "all"
	}
	return strings.Join(r.Watch, " ")
}

// mannersOf says in a few words how a rule speaks.
func mannersOf(r market.Rule) string {
	var parts []string
	add := func(name, text string) {
		if text != "" {
			parts = append(parts, strings.TrimSpace(name+" "+text))
		}
	}
	add("for", r.For)
	add("", r.Repeat)
	add("cooldown", r.Cooldown)
	add("keep firing", r.KeepFiring)
	if r.Expires != 0 {
		add("until", clockOf(r.Expires))
	}
	if len(r.Notify) > 0 {
		add("to", strings.Join(r.Notify, " "))
	}
	return strings.Join(parts, ", ")
}

func newRulesShow(o *options) *cobra.Command {
	format := "yaml"
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Show one rule",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != "yaml" && format != "json" {
				return usageError{fmt.Errorf("--format: %q is not a format; yaml or json", format)}
			}
			return o.withRules(cmd.Context(), false, func(b *rulebook) error {
				r, err := b.Rule(args[0])
				if err != nil {
					return err
				}
				if format == "json" {
					var out any
					if err := json.Unmarshal(market.EncodeRule(&r), &out); err != nil {
						return err
					}
					e := json.NewEncoder(cmd.OutOrStdout())
					e.SetIndent("", "  ")
					return e.Encode(out)
				}
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "# revision %d, by %s, %s\n", r.Revision, printable(r.EditedBy), clockOf(r.Edited)); err != nil {
					return err
				}
				return alert.WriteYAML(cmd.OutOrStdout(), alert.File{Rules: []market.Rule{r}})
			})
		},
		ValidArgsFunction: o.ruleNames,
	}
	cmd.Flags().StringVar(&format, "format", format, "how it comes out: yaml or json")
	return cmd
}

func newRulesSet(o *options) *cobra.Command {
	var f ruleFlags
	var file string
	cmd := &cobra.Command{
		Use:   "set NAME ['EXPRESSION']",
		Short: "Make a rule, or change one",
		Long: `Makes the rule NAME, or changes what the flags and the expression say and keeps
the rest. A rule that is wrong is refused with the place and the reason, and
nothing changes. It acts in every running pipeline within a second.`,
		Example: `  tapedeck rules set "big print" 'volume > 1_000_000' --cooldown 1m
  tapedeck rules set "NVDA weak" 'rsi("1m", 14) < 30' --symbols NVDA --for 10s --severity warning
  tapedeck rules set "NVDA weak" --severity critical
  tapedeck rules set --file rules.yaml`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if file != "" {
				if len(args) > 0 {
					return usageError{errors.New("give a NAME or --file, not both")}
				}
				return o.importRules(cmd, []string{file}, false)
			}
			if len(args) == 0 {
				return usageError{errors.New("which rule? tapedeck rules set NAME 'EXPRESSION', or --file FILE")}
			}
			return o.withRules(cmd.Context(), true, func(b *rulebook) error {
				rule, err := b.Rule(args[0])
				known := err == nil
				if !known {
					rule = market.Rule{Name: args[0], Severity: market.Warning}
				}
				if len(args) == 2 {
					rule.When = args[1]
				} else if !known {
					return usageError{fmt.Errorf("%w; a new rule needs its condition: tapedeck rules set %q 'price > 100'", err, args[0])}
				}
				if err := f.apply(cmd, &rule); err != nil {
					return err
				}
				after, err := b.Set(cmd.Context(), rule)
				if err != nil {
					return ruleError(rule, err)
				}
				verb := "changed"
				if !known {
					verb = "made"
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s %q, revision %d\n", verb, printable(after.Name), after.Revision)
				return err
			})
		},
		ValidArgsFunction: o.ruleNames,
	}
	f.register(cmd)
	cmd.Flags().StringVar(&file, "file", "", "take the rules of a YAML `FILE`, as rules import does")
	return cmd
}

// ruleFlags are a rule's fields as flags.
type ruleFlags struct {
	watch, notify                                                            []string
	hold, repeat, cooldown, keepFiring, expires, severity, note, description string
}

func (f *ruleFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVar(&f.watch, "symbols", nil, "whom it watches: symbols, globs such as 'A*', sector:NAME, group:NAME, query:NAME; all if empty")
	flags.StringVar(&f.hold, "for", "", "how long the condition must hold before it fires, such as 10s")
	flags.StringVar(&f.repeat, "repeat", "", "once, 'once per bar', 'once per bar close' or 'every time'; empty fires and resolves")
	flags.StringVar(&f.cooldown, "cooldown", "", "shortest time between two alerts of one symbol")
	flags.StringVar(&f.keepFiring, "keep-firing", "", "how long the condition must be false before it resolves")
	flags.StringVar(&f.expires, "expires", "", "`TIME` at which the rule ends, UTC; never if empty")
	flags.StringVar(&f.severity, "severity", "", "info, warning or critical")
	flags.StringSliceVar(&f.notify, "notify", nil, "where its alerts go: names of notify targets")
	flags.StringVar(&f.description, "description", "", "what it is for")
	flags.StringVar(&f.note, "note", "", "a note on this edit")
	fixed := func(flag string, values ...string) {
		_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	fixed("severity", "info", "warning", "critical")
	fixed("repeat", alert.Repeats()[1:]...)
}

// apply lays the flags that were given over a rule.
func (f *ruleFlags) apply(cmd *cobra.Command, r *market.Rule) error {
	for flag, set := range map[string]func(){
		"symbols": func() { r.Watch = f.watch }, "for": func() { r.For = f.hold }, "repeat": func() { r.Repeat = f.repeat },
		"cooldown": func() { r.Cooldown = f.cooldown }, "keep-firing": func() { r.KeepFiring = f.keepFiring },
		"notify": func() { r.Notify = f.notify }, "description": func() { r.Description = f.description },
	} {
		if cmd.Flags().Changed(flag) {
			set()
		}
	}
	r.Note = f.note
	if cmd.Flags().Changed("severity") {
		if err := r.Severity.UnmarshalText([]byte(f.severity)); err != nil {
			return usageError{fmt.Errorf("--severity: %q is none of info, warning, critical", f.severity)}
		}
	}
	if cmd.Flags().Changed("expires") {
		r.Expires = 0
		if f.expires != "" {
			t, err := market.ParseTime(f.expires)
			if err != nil {
				return usageError{fmt.Errorf("--expires: %w", err)}
			}
			r.Expires = t
		}
	}
	return nil
}

// ruleError says what is wrong with a rule as one sees it: the line of the
// condition, a caret under the place, the reason and the nearest right word.
func ruleError(rule market.Rule, err error) error {
	var p *alert.Problem
	if !errors.As(err, &p) {
		return err
	}
	if p.Line == 0 {
		return usageError{fmt.Errorf("rule %q: %w", printable(rule.Name), p)}
	}
	lines := strings.Split(rule.When, "\n")
	line := lines[min(p.Line, len(lines))-1]
	line = strings.ReplaceAll(line, "\t", " ")
	column := min(max(p.Column, 1), utf8.RuneCountInString(line)+1)
	text := p.Reason
	if p.Nearest != "" {
		text += "; did you mean " + p.Nearest + "?"
	}
	place := ""
	if len(lines) > 1 {
		place = fmt.Sprintf(" in line %d", p.Line)
	}
	return usageError{fmt.Errorf("rule %q: the condition is wrong%s\n  %s\n  %s^ %s", printable(rule.Name), place, printable(line), strings.Repeat(" ", column-1), text)}
}

func newRulesRm(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "rm NAME…",
		Short: "Remove rules; undo brings one back",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.withRules(cmd.Context(), true, func(b *rulebook) error {
				for _, name := range args {
					if err := b.Remove(cmd.Context(), name); err != nil {
						return err
					}
					if _, err := fmt.Fprintf(cmd.OutOrStdout(), "removed %q; tapedeck rules undo %[1]q brings it back\n", printable(name)); err != nil {
						return err
					}
				}
				return nil
			})
		},
		ValidArgsFunction: o.ruleNames,
	}
}

func newRulesSwitch(o *options, on bool) *cobra.Command {
	verb, short := "disable", "Switch rules off, and keep them"
	if on {
		verb, short = "enable", "Switch rules on"
	}
	return &cobra.Command{
		Use:   verb + " NAME…",
		Short: short,
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.withRules(cmd.Context(), true, func(b *rulebook) error {
				for _, name := range args {
					r, err := b.Rule(name)
					if err != nil {
						return err
					}
					if r.Disabled == !on {
						fmt.Fprintf(cmd.OutOrStdout(), "%q is %sd already\n", printable(name), verb)
						continue
					}
					r.Disabled, r.Note = !on, ""
					if r, err = b.Set(cmd.Context(), r); err != nil {
						return ruleError(r, err)
					}
					fmt.Fprintf(cmd.OutOrStdout(), "%sd %q, revision %d\n", verb, printable(name), r.Revision)
				}
				return nil
			})
		},
		ValidArgsFunction: o.ruleNames,
	}
}

func newRulesHistory(o *options) *cobra.Command {
	format := "table"
	cmd := &cobra.Command{
		Use:   "history NAME",
		Short: "Show what a rule was before, newest first",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkFormat(format); err != nil {
				return err
			}
			return o.withRules(cmd.Context(), false, func(b *rulebook) error {
				revisions, err := b.History(args[0])
				if err != nil {
					return err
				}
				g := grid{names: []string{"revision", "edited", "by", "what", "when", "watch", "manners", "severity", "note"}}
				for i, r := range revisions {
					var before *ruleRevision
					if i+1 < len(revisions) {
						before = &revisions[i+1]
					}
					g.add(int64(r.Revision), r.Edited, r.EditedBy, whatChanged(r, before), strings.Join(strings.Fields(r.When), " "),
						watchOf(r.Rule), mannersOf(r.Rule), r.Severity.String(), r.Note)
				}
				return g.write(cmd.OutOrStdout(), format)
			})
		},
		ValidArgsFunction: o.ruleNames,
	}
	formatFlag(cmd, &format)
	return cmd
}

// whatChanged says in a word or two what an edit did.
func whatChanged(r ruleRevision, before *ruleRevision) string {
	switch {
	case r.Restores > 0:
		return fmt.Sprintf("back to %d", r.Restores)
	case r.Restores < 0:
		return "undone"
	case r.Deleted:
		return "removed"
	case before == nil && r.Revision <= 1, before != nil && before.Deleted:
		return "made"
	case before == nil:
		return ""
	}
	var fields []string
	a, b := reflect.ValueOf(before.Rule), reflect.ValueOf(r.Rule)
	for i := range a.NumField() {
		name := a.Type().Field(i).Name
		switch {
		case name == "Revision" || name == "Edited" || name == "EditedBy" || name == "Note" || reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()):
		case name == "Disabled" && r.Disabled:
			fields = append(fields, "disabled")
		case name == "Disabled":
			fields = append(fields, "enabled")
		default:
			fields = append(fields, strings.ToLower(name))
		}
	}
	if len(fields) == 0 {
		return "the same"
	}
	return strings.Join(fields, ", ")
}

func newRulesUndo(o *options) *cobra.Command {
	var to int32
	cmd := &cobra.Command{
		Use:   "undo NAME",
		Short: "Take back the newest edit of a rule, whoever made it",
		Long: `Takes back the newest edit of a rule; called again, the one before it. Nothing
is lost: what was undone stands in the history, and --to brings back any revision.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.withRules(cmd.Context(), true, func(b *rulebook) error {
				var after market.Rule
				var err error
				if to != 0 {
					after, err = b.Restore(cmd.Context(), args[0], to)
				} else {
					after, err = b.Undo(cmd.Context(), args[0])
				}
				if err != nil {
					return err
				}
				what := "is " + after.When
				if after.Deleted {
					what = "is removed"
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%q %s, revision %d\n", printable(after.Name), printable(what), after.Revision)
				return err
			})
		},
		ValidArgsFunction: o.ruleNames,
	}
	cmd.Flags().Int32Var(&to, "to", 0, "bring back this `REVISION`")
	return cmd
}

func newRulesImport(o *options) *cobra.Command {
	var dry bool
	cmd := &cobra.Command{
		Use:   "import FILE…",
		Short: "Take rules from YAML files",
		Long: `Makes or changes the rules of the files, each of which is checked first: one
wrong rule, and nothing is taken. Rules that the files do not name stay as they
are, and groups of the files are set. - is standard input.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.importRules(cmd, args, dry) },
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "check and say what would change, and change nothing")
	return cmd
}

func (o *options) importRules(cmd *cobra.Command, files []string, dry bool) error {
	var rules []market.Rule
	var groups []market.Group
	from := map[string]string{}
	for _, file := range files {
		some, err := readRules(file, cmd.InOrStdin())
		if err != nil {
			return usageError{err}
		}
		for _, r := range some.Rules {
			if before, twice := from[r.Name]; twice {
				return usageError{fmt.Errorf("%s: the rule %q stands in %s already", file, r.Name, before)}
			}
			from[r.Name] = file
		}
		rules, groups = append(rules, some.Rules...), append(groups, some.Groups...)
	}
	return o.withRules(cmd.Context(), !dry, func(b *rulebook) error {
		world := alert.World{Groups: b.groupNames()}
		for _, g := range groups {
			world.Groups = append(world.Groups, g.Name)
		}
		for _, r := range rules {
			if _, err := alert.Compile(r, world); err != nil {
				return ruleError(r, err)
			}
		}
		for _, g := range groups {
			if dry {
				break
			}
			if err := b.SetGroup(cmd.Context(), g); err != nil {
				return err
			}
		}
		made, changed, same := 0, 0, 0
		for _, r := range rules {
			before, err := b.Rule(r.Name)
			switch {
			case err != nil:
				made++
			case sameRule(before, r):
				same++
				continue
			default:
				changed++
			}
			if dry {
				continue
			}
			if _, err := b.Set(cmd.Context(), r); err != nil {
				return ruleError(r, err)
			}
		}
		would := ""
		if dry {
			would = "would be "
		}
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "%d rules: %s%d made, %d changed, %d are so already\n", len(rules), would, made, changed, same)
		return err
	})
}

func readRules(file string, stdin io.Reader) (alert.File, error) {
	in := stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return alert.File{}, fmt.Errorf("open the file of rules: %w", err)
		}
		defer f.Close()
		in = f
	}
	rules, err := alert.ReadYAML(in, ruleWorld())
	if err != nil {
		return alert.File{}, fmt.Errorf("%s: %w", file, err)
	}
	return rules, nil
}

// sameRule says whether two rules say the same, whoever wrote them.
func sameRule(a, b market.Rule) bool {
	for _, r := range []*market.Rule{&a, &b} {
		r.Revision, r.Edited, r.EditedBy, r.Deleted = 0, 0, "", false
		if len(r.Watch) == 0 {
			r.Watch = nil
		}
		if len(r.Notify) == 0 {
			r.Notify = nil
		}
	}
	return reflect.DeepEqual(a, b)
}

func newRulesExport(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "export [NAME…]",
		Short: "Write rules, and the groups that they watch, as a YAML file to standard output",
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.withRules(cmd.Context(), false, func(b *rulebook) error {
				rules := b.List()
				if len(args) > 0 {
					rules = nil
					for _, name := range args {
						r, err := b.Rule(name)
						if err != nil {
							return err
						}
						rules = append(rules, r)
					}
				}
				return alert.WriteYAML(cmd.OutOrStdout(), b.fileOf(rules...))
			})
		},
		ValidArgsFunction: o.ruleNames,
	}
}
