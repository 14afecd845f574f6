package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sort"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"tapedeck/pipeline"
	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/live"
	"tapedeck/pipeline/market"
	"tapedeck/pipeline/notify"
)

// allTargets are the targets that are set, and the log where that is not: a
// file of the data directory.
func allTargets(c Config) targetSettings {
	targets := c.Notify.Targets
	for _, t := range targets {
		if t.Name == pipeline.DefaultTarget {
			return targets
		}
	}
	return append(targetSettings{{Name: pipeline.DefaultTarget, Kind: "file", Path: "alerts.log", Resolved: true}}, targets...)
}

// notifyTargets opens the targets for the pipeline. A replay is history: what
// it raises goes to files alone, unless notify.replay says otherwise.
func notifyTargets(ctx context.Context, c Config, p *place) ([]pipeline.Notify, error) {
	var list []pipeline.Notify
	for _, t := range allTargets(c) {
		if c.Feed == "replay" && !c.Notify.Replay && t.Kind != "file" {
			continue
		}
		n, err := t.open(ctx, p)
		if err != nil {
			return nil, usageError{err}
		}
		list = append(list, n)
	}
	return list, nil
}

// open makes a target of its settings.
func (t targetSetting) open(ctx context.Context, p *place) (pipeline.Notify, error) {
	n := pipeline.Notify{Name: t.Name, Least: t.Severity, Resolved: t.Resolved,
		Manner: notify.MailerConfig{Window: max(t.Group, 0), Rate: t.Rate / 60, Burst: 10}}
	if t.Group < 0 {
		n.Manner.Most = 1
	}
	switch t.Kind {
	case "sns":
		target, err := notify.OpenSNS(ctx, notify.SNSConfig{Topic: t.Topic, Region: t.Region, Endpoint: t.Endpoint})
		if err != nil {
			return n, fmt.Errorf("notify.targets.%s: %w", t.Name, err)
		}
		n.Target = target
	case "command":
		n.Target = &notify.Command{Argv: t.Command, Timeout: t.Timeout}
		n.Manner.Timeout = t.Timeout + 5*time.Second
	case "webhook":
		n.Target = &notify.Webhook{URL: t.URL, Secret: t.Secret}
		n.Manner.Timeout = t.Timeout
	case "file":
		path := t.Path
		if !filepath.IsAbs(path) {
			path = p.path(path)
		}
		n.Target, n.Manner.Mixed = &notify.File{Path: path}, true
	}
	return n, nil
}

func newNotify(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "notify",
		Short: "Show and test the targets that alerts are sent to",
		Long: `Shows and tests the targets of alerts. They are set under notify.targets; the
target log, a file, is always there and gets the alerts whose rule names no other.`,
		Example: `  tapedeck notify ls
  tapedeck notify test sns`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "ls",
		Short: "List the targets, and how the running pipeline does with each",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.config()
			if err != nil {
				return err
			}
			return listTargets(cmd.Context(), c, cmd.OutOrStdout())
		},
	}, &cobra.Command{
		Use:   "test TARGET",
		Short: "Send a test message to a target, once and at once",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.config()
			if err != nil {
				return err
			}
			return testTarget(cmd.Context(), c, args[0], cmd.OutOrStdout())
		},
	})
	return cmd
}

func testTarget(ctx context.Context, c Config, name string, out io.Writer) error {
	p, err := c.place(false)
	if err != nil {
		return err
	}
	var names []string
	for _, t := range allTargets(c) {
		names = append(names, t.Name)
		if t.Name != name {
			continue
		}
		n, err := t.open(ctx, p)
		if err != nil {
			return usageError{err}
		}
		now := time.Now()
		m := notify.NewMessage([]market.Alert{{ID: fmt.Sprintf("test-%d", now.UnixMicro()), Time: market.At(now), Rule: "test", Revision: 1,
			State: market.Once, Message: "a test message from tapedeck", Value: nan, Threshold: nan, Notify: []string{name}}})
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		if err := n.Target.Send(ctx, m); err != nil {
			return fmt.Errorf("%s did not take the message: %w", name, err)
		}
		fmt.Fprintf(out, "%s took the message after %s\n", name, time.Since(now).Round(time.Millisecond))
		return nil
	}
	return usageError{fmt.Errorf("%s is not a target; one of %s", name, strings.Join(names, ", "))}
}

// listTargets shows what is set and, where a pipeline runs, how it does.
func listTargets(ctx context.Context, c Config, out io.Writer) error {
	state := map[string]live.Status{}
	if err := onLog(ctx, c, func(log *kafka.Client) error {
		all, err := statuses(ctx, log)
		for _, s := range all {
			if name, ok := strings.CutPrefix(s.Stage, "notify "); ok {
				state[name] = s
			}
		}
		return err
	}); err != nil && !isNotRunning(err) {
		return err
	}
	targets := allTargets(c)
	sort.SliceStable(targets, func(i, j int) bool { return targets[i].Name < targets[j].Name })
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "TARGET\tKIND\tWHERE\tLAG\tSTATE")
	for _, t := range targets {
		where := t.Topic + maskedURL(t.URL) + t.Path + strings.Join(t.Command, " ")
		s, running := state[t.Name]
		if !running {
			fmt.Fprintf(w, "%s\t%s\t%s\t-\tnot running\n", t.Name, t.Kind, where)
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", t.Name, t.Kind, where, grouped(s.Lag), s.Text)
	}
	return w.Flush()
}

// errNotRunning says that there is no log to speak to.
type errNotRunning struct{ data string }

func (e errNotRunning) Error() string {
	return "no pipeline runs on " + e.data + "; start one with tapedeck or tapedeck run"
}

func isNotRunning(err error) bool { _, ok := err.(errNotRunning); return ok }

// onLog works with the log of the pipeline that runs here, or of the cluster.
func onLog(ctx context.Context, c Config, work func(*kafka.Client) error) error {
	p, err := c.place(false)
	if err != nil {
		return err
	}
	run, _, err := p.running()
	if err != nil {
		return err
	}
	var log *kafka.Client
	switch {
	case run != nil:
		log, err = attach(c, run, slog.New(slog.DiscardHandler))
	case len(c.Kafka.Brokers) > 0:
		log, err = kafka.Open(logConfig(c), slog.New(slog.DiscardHandler))
	default:
		return errNotRunning{p.dir}
	}
	if err != nil {
		return err
	}
	defer log.Close()
	return work(log)
}
