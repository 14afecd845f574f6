// Command tapedeck is a terminal workstation for market data: live tickers,
// charts, alerts and SQL over a Kafka pipeline that keeps every tick.
//
// This package holds flags and configuration, one file per subcommand, and all
// the wiring; everything else lives in pipeline, store, ml and tui.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

var version = "dev" // set by the linker

// Exit codes; scripts rest on them.
const (
	exitOK      = 0
	exitFailure = 1 // it was tried and failed
	exitUsage   = 2 // the command line, the configuration or the SQL is wrong
	exitDiffers = 2 // topics plan: there is something to do
	exitBusy    = 3 // another pipeline holds the data directory
	exitCancel  = 130
)

// usageError marks an error of the command line or the configuration.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func main() {
	frugal()
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole program; tests call it.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := interruptible()
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errBusy):
		fmt.Fprintln(stderr, "tapedeck:", err)
		return exitBusy
	case errors.Is(err, errDiffers):
		fmt.Fprintln(stderr, "tapedeck:", err)
		return exitDiffers
	case errors.As(err, &usage):
		fmt.Fprintln(stderr, "tapedeck:", err)
		return exitUsage
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(stderr, "tapedeck: interrupted")
		return exitCancel
	}
	fmt.Fprintln(stderr, "tapedeck:", err)
	return exitFailure
}

// interruptible is a context that ends with the first SIGINT, SIGTERM or
// SIGHUP; a second one ends the process at once.
func interruptible() (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-signals
		cancel()
		<-signals
		os.Exit(exitCancel)
	}()
	return ctx, func() { signal.Stop(signals); cancel() }
}

// options are the flags that every command knows.
type options struct {
	configPath string
	data       string
	feed       string
	input      []string
	speed      string
	from       string
	to         string
	set        []string
	own        bool // the box's pipeline is not joined: this is the one that runs it
}

// config loads the configuration and lays the flags over it.
func (o *options) config() (Config, error) {
	path := o.configPath
	if path == "" {
		path = os.Getenv("TAPEDECK_CONFIG")
	}
	c, _, err := loadConfig(path, os.Environ())
	if err != nil {
		return c, usageError{err}
	}
	all := c.settings()
	set := func(key, value string) error {
		for _, s := range all {
			if s.path == key {
				return s.set(value)
			}
		}
		var names []string
		for _, s := range all {
			names = append(names, s.path)
		}
		return fmt.Errorf("%s is not a setting; did you mean %s?", key, strings.Join(nearest(key, names, 3), " or "))
	}
	for _, entry := range o.set {
		key, value, ok := strings.Cut(entry, "=")
		if !ok {
			return c, usageError{fmt.Errorf("--set %q: write KEY=VALUE, such as sim.symbols=500", entry)}
		}
		if err := set(key, value); err != nil {
			return c, usageError{fmt.Errorf("--set: %w", err)}
		}
	}
	if o.data != "" {
		c.Data = o.data
	}
	if o.feed != "" {
		if err := set("feed", o.feed); err != nil {
			return c, usageError{fmt.Errorf("--feed: %w", err)}
		}
	}
	if len(o.input) > 0 {
		c.Replay.Input = o.input
	}
	if o.speed != "" {
		c.Replay.Speed = o.speed
	}
	if o.from != "" {
		c.Replay.From = o.from
	}
	if o.to != "" {
		c.Replay.To = o.to
	}
	if o.data != "" && o.feed == "" && len(o.input) == 0 && !slices.ContainsFunc(o.set, func(s string) bool { return strings.HasPrefix(s, "feed=") }) {
		var owner feedFile // a directory that is named knows its feed
		if err := newPlace(o.data).readJSON("feed.json", &owner); err == nil && set("feed", owner.Feed) != nil {
			return c, fmt.Errorf("%s: an unknown feed, %q; a newer tapedeck wrote it", filepath.Join(o.data, "feed.json"), owner.Feed)
		}
	}
	if !o.own && c.Data == "" && o.feed == "" && len(c.Replay.Input) == 0 {
		c.joinBox()
	}
	if _, _, err := parseBounds(c); err != nil {
		return c, usageError{err}
	}
	if _, err := parseSpeed(c.Replay.Speed); err != nil {
		return c, usageError{fmt.Errorf("--speed: %w", err)}
	}
	if c.Kafka.Prefix == "" || strings.ContainsAny(c.Kafka.Prefix, "/ \t\n\"'") {
		return c, usageError{errors.New("kafka.prefix: letters, digits, dots, dashes and underscores, not empty")}
	}
	return c, nil
}

func newRoot() *cobra.Command {
	var o options
	root := &cobra.Command{
		Use:   "tapedeck",
		Short: "A terminal workstation for market data",
		Long: `tapedeck is a workstation for market data in the terminal: live tickers of a
thousand stocks, charts, alerts, and SQL over every tick ever recorded.

Without a command it opens the workstation. It starts a pipeline when none runs
on the data directory, and attaches to it; closing the screen never stops the
recording unless you say so.`,
		Example: `  tapedeck                                   the workstation on a simulated market
  tapedeck --feed replay --input day.csv.gz --speed 10
  tapedeck --feed replay --from 2026-11-20T14:30 --speed 10     what was recorded, once more
  tapedeck run --feed replay --input day.csv.gz --speed max --once
  tapedeck sql "SELECT symbol, count(*) FROM ticks GROUP BY 1 ORDER BY 2 DESC LIMIT 5"
  tapedeck doctor                            is everything reachable and well set?`,
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return runScreen(cmd.Context(), &o) },
	}
	flags := root.PersistentFlags()
	flags.StringVar(&o.configPath, "config", "", "configuration `FILE` (default: /etc/tapedeck/config.yaml, then the XDG place)")
	flags.StringVar(&o.data, "data", "", "data `DIR`ectory: everything is kept there (default: one for each feed)")
	flags.StringVar(&o.feed, "feed", "", "where ticks come from: sim, replay, yahoo or alphavantage")
	flags.StringArrayVar(&o.input, "input", nil, "`FILE` to replay, CSV or CSV.gz; may be given several times")
	flags.StringVar(&o.speed, "speed", "", "speed of a replay: 1, 10 (any factor) or max")
	flags.StringVar(&o.from, "from", "", "replay from this `TIME` on, UTC (2026-11-20T14:30); without --input it is the lake's history")
	flags.StringVar(&o.to, "to", "", "replay until before this `TIME`")
	flags.StringArrayVar(&o.set, "set", nil, "any setting, as `KEY=VALUE`; see tapedeck config show")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	_ = root.RegisterFlagCompletionFunc("feed", cobra.FixedCompletions([]string{"sim", "replay", "yahoo", "alphavantage"}, cobra.ShellCompDirectiveNoFileComp))
	_ = root.RegisterFlagCompletionFunc("speed", cobra.FixedCompletions([]string{"1", "10", "max"}, cobra.ShellCompDirectiveNoFileComp))
	root.AddCommand(
		newRun(&o),
		newStop(&o),
		newSQL(&o),
		newAlerts(&o),
		newRules(&o),
		newGroups(&o),
		newSilence(&o),
		newNotify(&o),
		newTrain(&o),
		newEvaluate(&o),
		newModels(&o),
		newServe(&o),
		newDeploy(&o),
		newForecast(),
		newLake(&o),
		newETL(&o),
		newCatalog(&o),
		newTopics(&o),
		newCost(&o),
		newDoctor(&o),
		newConfig(&o),
		newBackup(&o),
		newRestore(&o),
		newMan(),
		newSSH(&o),
		newVersion(),
	)
	for _, cmd := range root.Commands() {
		markUsage(cmd)
	}
	root.Args = usageArgs(root.Args)
	return root
}

// markUsage makes wrong arguments a usage error, here and below.
func markUsage(cmd *cobra.Command) {
	if cmd.Args != nil {
		cmd.Args = usageArgs(cmd.Args)
	}
	for _, sub := range cmd.Commands() {
		markUsage(sub)
	}
}

func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError{fmt.Errorf("%w; see tapedeck --help", err)}
		}
		return nil
	}
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "tapedeck", version)
			return err
		},
	}
}

// pipelineArgs are the flags as a pipeline started from here must have them.
func (o *options) pipelineArgs() []string {
	var args []string
	add := func(flag, value string) {
		if value != "" {
			args = append(args, flag, value)
		}
	}
	add("--config", o.configPath)
	add("--data", o.data)
	add("--feed", o.feed)
	for _, file := range o.input {
		add("--input", file)
	}
	add("--speed", o.speed)
	add("--from", o.from)
	add("--to", o.to)
	for _, entry := range o.set {
		add("--set", entry)
	}
	return args
}
