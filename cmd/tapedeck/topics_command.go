package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tapedeck/pipeline/kafka"
)

// errDiffers is what topics plan ends with when something is to be done; its
// exit code, 2, tells scripts.
var errDiffers = errors.New("the topics are not as the configuration wants them")

func newTopics(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "topics",
		Short: "Compare the topics with the configuration, and correct them",
		Long: `The topics of kafka.prefix: how many partitions and copies they have, how long they
keep records, which are compacted, and how many copies must be in step before a
record counts as written. tapedeck run makes topics that are missing and never
changes one that is there; these commands do.`,
		Args: cobra.NoArgs,
	}
	// on opens the log of the configuration.
	on := func(run func(ctx context.Context, log *kafka.Client, cmd *cobra.Command) error) func(*cobra.Command, []string) error {
		return func(cmd *cobra.Command, _ []string) error {
			c, err := o.config()
			if err != nil {
				return err
			}
			p, err := c.place(false)
			if err != nil {
				return err
			}
			v := &view{}
			defer v.close()
			if err := v.openLog(cmd.Context(), c, p, discard()); err != nil {
				return err
			}
			if v.log == nil {
				return errors.New("nothing has been recorded here yet: tapedeck run makes the log inside and its topics")
			}
			return run(cmd.Context(), v.log, cmd)
		}
	}
	format := "table"
	plan := &cobra.Command{
		Use:   "plan",
		Short: "Show what differs; exit 0 when nothing does, 2 when something does",
		Args:  cobra.NoArgs,
		RunE: on(func(ctx context.Context, log *kafka.Client, cmd *cobra.Command) error {
			if err := checkFormat(format); err != nil {
				return err
			}
			differences, err := log.Differences(ctx)
			if err != nil {
				return err
			}
			if err := writeDifferences(cmd.OutOrStdout(), differences, format); err != nil || len(differences) == 0 {
				return err
			}
			return errDiffers
		}),
	}
	formatFlag(plan, &format)
	yes := false
	apply := &cobra.Command{
		Use:   "apply",
		Short: "Show what differs, ask, and correct it",
		Long: `apply shows what differs, asks, and corrects it while everything runs. A partition
count is never changed: symbols would move to other partitions under their readers.
The way to another count is another kafka.prefix and a rebuild from the lake.
The number of copies is changed by Kafka's own kafka-reassign-partitions.sh.`,
		Args: cobra.NoArgs,
		RunE: on(func(ctx context.Context, log *kafka.Client, cmd *cobra.Command) error {
			differences, err := log.Differences(ctx)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if err := writeDifferences(out, differences, "table"); err != nil || len(differences) == 0 {
				return err
			}
			possible := slices.ContainsFunc(differences, func(d kafka.Difference) bool { return d.Remedy == "" })
			if possible && !yes && !confirmed(out, cmd.InOrStdin()) {
				_, err := fmt.Fprintln(out, "nothing was changed; --yes answers the question beforehand")
				return err
			}
			if err := log.Correct(ctx, differences); err != nil {
				return err
			}
			_, err = fmt.Fprintf(out, "%d corrected\n", len(differences))
			return err
		}),
	}
	apply.Flags().BoolVar(&yes, "yes", false, "correct without asking")
	cmd.AddCommand(plan, apply)
	return cmd
}

// writeDifferences shows what apply would do, and what it cannot.
func writeDifferences(out io.Writer, differences []kafka.Difference, format string) error {
	if len(differences) == 0 && format == "table" {
		_, err := fmt.Fprintln(out, "every topic is as the configuration wants it")
		return err
	}
	g := grid{names: []string{"topic", "setting", "is", "wanted", "apply"}}
	var remedies []string
	for _, d := range differences {
		is, does := d.Is, "changes it"
		switch {
		case d.Setting == "topic":
			is, does = "missing", "makes it"
		case d.Remedy != "":
			does = "cannot"
			if line := d.Setting + ": " + d.Remedy; !slices.Contains(remedies, line) {
				remedies = append(remedies, line)
			}
		}
		g.add(d.Topic, d.Setting, is, d.Wanted, does)
	}
	if err := g.write(out, format); err != nil || format != "table" {
		return err
	}
	for _, line := range remedies {
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	return nil
}

// confirmed asks for a yes. The end of the input is a no.
func confirmed(out io.Writer, in io.Reader) bool {
	fmt.Fprint(out, "correct this? [y/N] ")
	answer, _ := bufio.NewReader(in).ReadString('\n')
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}
