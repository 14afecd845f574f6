package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"os/user"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/market"
	"tapedeck/pipeline/notify"
)

var nan = math.NaN()

func newSilence(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "silence",
		Short: "Keep alerts from being sent for a while",
		Long: `Keeps alerts from being sent until an end. They are raised, shown and kept all
the same. A silence says which alerts by labels: rule, symbol, severity, state,
sector; each is a value or a pattern with * and ?, and all must match.`,
		Example: `  tapedeck silence add rule="price drop" symbol=NV* --for 2h --note "earnings"
  tapedeck silence ls
  tapedeck silence rm 5f2c91aa`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var length time.Duration
	var note string
	add := &cobra.Command{
		Use:   "add LABEL=PATTERN...",
		Short: "Add a silence",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			now := time.Now()
			s := notify.Silence{ID: newID(), Match: map[string]string{}, Until: market.At(now.Add(length)), Note: note, Edited: market.At(now), By: whoami()}
			for _, arg := range args {
				label, pattern, ok := strings.Cut(arg, "=")
				if !ok {
					return usageError{fmt.Errorf("%q: write LABEL=PATTERN, such as symbol=NVDA", arg)}
				}
				s.Match[label] = pattern
			}
			if length <= 0 {
				return usageError{fmt.Errorf("--for %s: a silence lasts longer than nothing", length)}
			}
			if err := s.Validate(); err != nil {
				return usageError{err}
			}
			if err := changeSilence(cmd.Context(), o, &s); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "silence %s until %s\n", s.ID, s.Until)
			return nil
		},
	}
	add.Flags().DurationVar(&length, "for", time.Hour, "how `LONG` it lasts")
	add.Flags().StringVar(&note, "note", "", "why, for others to read")
	var all bool
	ls := &cobra.Command{
		Use:   "ls",
		Short: "List the silences that hold",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := readSilences(cmd.Context(), o)
			if err != nil {
				return err
			}
			return writeSilences(cmd.OutOrStdout(), list, all, market.At(time.Now()))
		},
	}
	ls.Flags().BoolVar(&all, "all", false, "those that have ended or were removed, too")
	rm := &cobra.Command{
		Use:   "rm ID",
		Short: "End a silence now; `silence undo` takes that back",
		Args:  cobra.ExactArgs(1),
		RunE:  func(cmd *cobra.Command, args []string) error { return removeSilence(cmd, o, args[0], true) },
	}
	undo := &cobra.Command{
		Use:   "undo ID",
		Short: "Let a removed silence hold again until its end",
		Args:  cobra.ExactArgs(1),
		RunE:  func(cmd *cobra.Command, args []string) error { return removeSilence(cmd, o, args[0], false) },
	}
	cmd.AddCommand(add, ls, rm, undo)
	return cmd
}

func removeSilence(cmd *cobra.Command, o *options, id string, removed bool) error {
	list, err := readSilences(cmd.Context(), o)
	if err != nil {
		return err
	}
	for _, s := range list {
		if s.ID != id {
			continue
		}
		s.Removed, s.Edited, s.By = removed, market.At(time.Now()), whoami()
		if err := changeSilence(cmd.Context(), o, &s); err != nil {
			return err
		}
		if removed {
			fmt.Fprintf(cmd.OutOrStdout(), "removed; tapedeck silence undo %s takes it back\n", id)
		} else {
			fmt.Fprintf(cmd.OutOrStdout(), "silence %s until %s\n", id, s.Until)
		}
		return nil
	}
	return usageError{fmt.Errorf("there is no silence %s; see tapedeck silence ls --all", id)}
}

func readSilences(ctx context.Context, o *options) ([]notify.Silence, error) {
	c, err := o.config()
	if err != nil {
		return nil, err
	}
	var book notify.Silences
	err = onLog(ctx, c, func(log *kafka.Client) error {
		return log.Read(ctx, kafka.Rules, 0, 0, -1, func(records []kafka.Record) error {
			for i := range records {
				_, _ = book.Take(records[i].Key, records[i].Value) // the stage says what it cannot read
			}
			return nil
		})
	})
	return book.All(), err
}

func changeSilence(ctx context.Context, o *options, s *notify.Silence) error {
	c, err := o.config()
	if err != nil {
		return err
	}
	return onLog(ctx, c, func(log *kafka.Client) error {
		producer, err := log.NewProducer()
		if err != nil {
			return err
		}
		err = producer.ProduceContext(ctx, kafka.Rules, 0, []byte(notify.SilencePrefix+s.ID), notify.EncodeSilence(s))
		if closeErr := producer.Close(ctx); err == nil {
			err = closeErr
		}
		if err != nil {
			return fmt.Errorf("write the silence: %w", err)
		}
		return nil
	})
}

func writeSilences(out io.Writer, list []notify.Silence, all bool, now market.Time) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tMATCHES\tUNTIL\tSTATE\tBY\tNOTE")
	for _, s := range list {
		state := "holds"
		switch {
		case s.Removed:
			state = "removed"
		case !s.Active(now):
			state = "ended"
		}
		if state != "holds" && !all {
			continue
		}
		var match []string
		for _, label := range slices.Sorted(maps.Keys(s.Match)) {
			match = append(match, label+"="+s.Match[label])
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", s.ID, strings.Join(match, " "), s.Until, state, s.By, s.Note)
	}
	return w.Flush()
}

// newID is 8 random hexadecimal digits.
func newID() string {
	var b [4]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// whoami is who sits here, for others to read.
func whoami() string {
	if name := os.Getenv("USER"); currentRole() != "" && name != "" {
		return name // tapedeck ssh says who it is: its screens run as one user of the system
	}
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return os.Getenv("USER")
}
