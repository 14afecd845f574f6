package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"tapedeck/pipeline/market"
)

func newGroups(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "groups",
		Short: "Keep the groups of symbols that alert rules watch",
		Long: `A rule watches a list of symbols as group:NAME and a saved query as query:NAME.
Groups stand on the log, beside the rules: every pipeline and every screen has
them, and an edit acts within a second. A query is asked again every minute; who
is in it is its column symbol. A watchlist or saved query of your own screen
that a rule names is shared with the rule.`,
		Example: `  tapedeck groups set tech AAPL MSFT NVDA
  tapedeck groups query losers "SELECT symbol FROM bars WHERE interval = '1d' AND close < 0.95 * open"
  tapedeck rules set "tech is weak" 'change("5m") < -2%' --symbols group:tech
  tapedeck groups ls`,
	}
	cmd.AddCommand(newGroupsLs(o), newGroupsShow(o), newGroupsSet(o), newGroupsQuery(o), newGroupsShare(o), newGroupsRm(o))
	return cmd
}

// groupNames completes the name of a group.
func (o *options) groupNames(cmd *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
	if len(args) == 0 {
		_ = o.withRules(cmd.Context(), false, func(b *rulebook) error {
			for _, g := range b.Groups() {
				names = append(names, g.Name)
			}
			return nil
		})
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func newGroupsLs(o *options) *cobra.Command {
	format := "table"
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List the groups, and the rules that watch them",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkFormat(format); err != nil {
				return err
			}
			return o.withRules(cmd.Context(), false, func(b *rulebook) error {
				g := grid{names: []string{"group", "symbols", "first", "rules", "edited", "by", "query"}}
				for _, group := range b.Groups() {
					g.add(group.Name, int64(len(group.Symbols)), strings.Join(group.Symbols[:min(5, len(group.Symbols))], " "),
						strings.Join(b.watching(group.Name), ", "), group.Edited, group.EditedBy, strings.Join(strings.Fields(group.SQL), " "))
				}
				return g.write(cmd.OutOrStdout(), format)
			})
		},
	}
	formatFlag(cmd, &format)
	return cmd
}

func newGroupsShow(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "show NAME",
		Short: "Print the symbols of a group, one a line",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.withRules(cmd.Context(), false, func(b *rulebook) error {
				g, err := b.Group(args[0])
				if err != nil {
					return err
				}
				for _, symbol := range g.Symbols {
					fmt.Fprintln(cmd.OutOrStdout(), symbol)
				}
				return nil
			})
		},
		ValidArgsFunction: o.groupNames,
	}
}

func newGroupsSet(o *options) *cobra.Command {
	var add, remove bool
	cmd := &cobra.Command{
		Use:   "set NAME SYMBOL…",
		Short: "Make a list of symbols, or change one",
		Example: `  tapedeck groups set tech AAPL MSFT
  tapedeck groups set tech NVDA --add`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if add && remove {
				return usageError{errors.New("--add or --remove, not both")}
			}
			symbols := make([]string, 0, len(args)-1)
			for _, s := range args[1:] {
				symbols = append(symbols, strings.ToUpper(s))
			}
			return o.withRules(cmd.Context(), true, func(b *rulebook) error {
				g := market.Group{Name: args[0]}
				if add || remove {
					var err error
					if g, err = b.Group(args[0]); err != nil {
						return usageError{err}
					}
				}
				switch {
				case g.SQL != "" || strings.HasPrefix(args[0], market.QueryGroup):
					return usageError{fmt.Errorf("%q is a saved query: tapedeck groups query changes it", args[0])}
				case remove:
					left := map[string]bool{}
					for _, s := range symbols {
						left[s] = true
					}
					kept := []string{}
					for _, s := range g.Symbols {
						if !left[s] {
							kept = append(kept, s)
						}
					}
					g.Symbols = kept
				default:
					g.Symbols = append(g.Symbols[:len(g.Symbols):len(g.Symbols)], symbols...)
				}
				if err := b.SetGroup(cmd.Context(), g); err != nil {
					return err
				}
				return groupIsSet(cmd, b, g.Name)
			})
		},
		ValidArgsFunction: o.groupNames,
	}
	cmd.Flags().BoolVar(&add, "add", false, "put the symbols to those that are in it")
	cmd.Flags().BoolVar(&remove, "remove", false, "take the symbols out of it")
	return cmd
}

// groupIsSet says what a group is now.
func groupIsSet(cmd *cobra.Command, b *rulebook, name string) error {
	g, err := b.Group(name)
	if err != nil {
		return err
	}
	watch := "group:" + name
	if g.SQL != "" {
		watch = name
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s has %d symbols; rules watch it as --symbols %q\n", printable(watch), len(g.Symbols), printable(watch))
	return err
}

func newGroupsQuery(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "query NAME [SQL]",
		Short: "Save a query whose column symbol says whom rules watch",
		Long: `Saves a query for rules to watch as query:NAME. It is asked here and now, so
that a wrong one is refused, and from then on every minute by the pipeline. It is
written as for tapedeck sql. Without SQL, the saved query NAME of your own screen
is taken.`,
		Example: `  tapedeck groups query busy "SELECT symbol FROM ticks WHERE time > now() - interval '1' hour GROUP BY 1 HAVING count(*) > 3000"`,
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.withPast(cmd.Context(), cmd.ErrOrStderr(), func(p *past, b *rulebook) (err error) {
				g := market.Group{Name: market.QueryGroup + strings.TrimPrefix(args[0], market.QueryGroup)}
				if len(args) == 2 {
					g.SQL = strings.TrimSpace(args[1])
				} else if g, err = b.own.group(g.Name); err != nil {
					return usageError{err}
				}
				if g.SQL == "" {
					return usageError{errors.New("the query is empty")}
				}
				if g.Symbols, err = symbolsOf(cmd.Context(), p.db, g.SQL); err != nil {
					return usageError{err}
				}
				if err := b.SetGroup(cmd.Context(), g); err != nil {
					return err
				}
				return groupIsSet(cmd, b, g.Name)
			})
		},
		ValidArgsFunction: o.groupNames,
	}
}

func newGroupsShare(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "share WATCHLIST",
		Short: "Share a watchlist of your own screen, or what you changed in it",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.withRules(cmd.Context(), true, func(b *rulebook) error {
				g, err := b.own.group(args[0])
				if err != nil {
					return usageError{err}
				}
				if err := b.SetGroup(cmd.Context(), g); err != nil {
					return err
				}
				return groupIsSet(cmd, b, g.Name)
			})
		},
	}
}

func newGroupsRm(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "rm NAME",
		Short: "Remove a group that no rule watches",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.withRules(cmd.Context(), true, func(b *rulebook) error {
				if err := b.RemoveGroup(cmd.Context(), args[0]); err != nil {
					return err
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "removed %q\n", printable(args[0]))
				return err
			})
		},
		ValidArgsFunction: o.groupNames,
	}
}
