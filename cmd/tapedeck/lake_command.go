package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"tapedeck/pipeline/market"
	"tapedeck/store/lake"
)

func newLake(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lake",
		Short: "See what lies in the lake, check it, tidy it, let old hours go",
		Long: `The lake holds every tick once: raw/date=…/hour=…/data.csv by the hour of the
log, and processed/, alerts/ and predictions/ as Parquet by the row's own hour.
A running pipeline publishes and merges by itself; these commands do the same by
hand, and may run beside it.`,
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(newLakeLs(o), newLakeVerify(o), newLakePublish(o), newLakeCompact(o), newLakeExpire(o), newLakeAdopt(o))
	return cmd
}

// onLake runs fn on the lake that the settings name.
func onLake(o *options, fn func(ctx context.Context, v *view, out io.Writer) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		c, err := o.config()
		if err != nil {
			return err
		}
		v, _, err := openLakeView(cmd.Context(), c, false, cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		defer v.close()
		return fn(cmd.Context(), v, cmd.OutOrStdout())
	}
}

func newLakeLs(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "ls", Short: "List what is there, by table and day", Args: cobra.NoArgs,
		RunE: onLake(o, func(ctx context.Context, v *view, out io.Writer) error {
			entries, err := v.lake.Ls(ctx)
			if err != nil {
				return err
			}
			fmt.Fprintln(out, v.lake.Location())
			table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
			fmt.Fprintln(table, "folder\tdate\thours\tobjects\tsize\t")
			var objects int
			var bytes int64
			for _, e := range entries {
				hours := ""
				if e.Hours > 0 {
					hours = strconv.Itoa(e.Hours)
				}
				fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\t\n", e.Folder, e.Date, hours, e.Objects, sizeText(e.Bytes))
				objects += e.Objects
				bytes += e.Bytes
			}
			fmt.Fprintf(table, "all\t\t\t%d\t%s\t\n", objects, sizeText(bytes))
			return table.Flush()
		}),
	}
}

func newLakeVerify(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "verify", Short: "Read everything and say what is not as it should be", Args: cobra.NoArgs,
		Long: `Reads the whole lake: gaps and overlaps of offsets, checksums, hours that differ
from their seal, files that cannot be read or hold a row twice. Each finding says
what to do. The exit status is 1 where there is one.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return onLake(o, func(ctx context.Context, v *view, out io.Writer) error {
				note := progressLine(cmd.ErrOrStderr())
				objects := 0
				problems, err := v.lake.Verify(ctx, func(key string) {
					objects++
					note("reading " + key)
				})
				note("")
				if err != nil {
					return err
				}
				for _, problem := range problems {
					fmt.Fprintln(out, problem)
				}
				if len(problems) > 0 {
					return fmt.Errorf("%d problems in %s objects of %s", len(problems), grouped(int64(objects)), v.lake.Location())
				}
				fmt.Fprintf(out, "%s objects read, all is well: nothing missing, nothing twice, every checksum right\n", grouped(int64(objects)))
				return nil
			})(cmd, args)
		},
	}
}

func newLakePublish(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "publish", Short: "Publish the hours that have ended, merge, and clear what is replaced", Args: cobra.NoArgs,
		RunE: onLake(o, func(ctx context.Context, v *view, out io.Writer) error {
			if v.log == nil {
				return errors.New("the log cannot be reached: only it knows which hours have ended; start the pipeline or see tapedeck doctor")
			}
			done, err := archive{lake: v.lake, log: v.log}.Tidy(ctx)
			for _, line := range done {
				fmt.Fprintln(out, line)
			}
			if err == nil && len(done) == 0 {
				fmt.Fprintln(out, "no hour was waiting to be published; what is new is merged")
			}
			return err
		}),
	}
}

func newLakeCompact(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "compact", Short: "Merge small parts into one Parquet file an hour, and clear them", Args: cobra.NoArgs,
		RunE: onLake(o, func(ctx context.Context, v *view, out io.Writer) error {
			for _, table := range lake.Tables() {
				merged, err := v.lake.Merge(ctx, table.Name)
				if err != nil {
					return err
				}
				cleared, err := v.lake.Clear(ctx, table.Name)
				if err != nil {
					return err
				}
				fmt.Fprintf(out, "%-13s %s parts with %s rows merged into %d files, %d parts cleared\n",
					table.Name, grouped(int64(merged.Parts)), grouped(merged.Rows), merged.Files, cleared)
			}
			return nil
		}),
	}
}

func newLakeExpire(o *options) *cobra.Command {
	var age string
	var really bool
	cmd := &cobra.Command{
		Use:   "expire [TABLE…]",
		Short: "Let hours go that are older than an age",
		Long: `Removes published and merged hours that ended longer ago than --older-than, of the
tables named (raw, ticks, bars, features, alerts, predictions, dead-letters), or
of all. Without --yes it only says what would go.`,
		Example: `  tapedeck lake expire --older-than 90d
  tapedeck lake expire raw --older-than 30d --yes`,
		RunE: func(cmd *cobra.Command, args []string) error {
			limit, err := parseAge(age)
			if err != nil {
				return usageError{fmt.Errorf("--older-than: %w", err)}
			}
			return onLake(o, func(ctx context.Context, v *view, out io.Writer) error {
				expired, err := v.lake.Expire(ctx, market.At(time.Now()), limit, !really, args...)
				if err != nil {
					return err
				}
				var bytes int64
				for _, e := range expired {
					fmt.Fprintf(out, "%8s  %s\n", sizeText(e.Bytes), e.Key)
					bytes += e.Bytes
				}
				switch {
				case len(expired) == 0:
					fmt.Fprintf(out, "nothing is older than %s\n", age)
				case really:
					fmt.Fprintf(out, "%d objects removed, %s\n", len(expired), sizeText(bytes))
				default:
					fmt.Fprintf(out, "%d objects would go, %s; --yes removes them\n", len(expired), sizeText(bytes))
				}
				return nil
			})(cmd, args)
		},
	}
	cmd.Flags().StringVar(&age, "older-than", "", "age such as 90d or 36h (at least a day)")
	cmd.Flags().BoolVar(&really, "yes", false, "remove them")
	_ = cmd.MarkFlagRequired("older-than")
	return cmd
}

// parseAge reads a duration that may be in days.
func parseAge(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil || n == 0 || n > 36_500 {
			return 0, fmt.Errorf("%q is not an age; write days or hours such as 90d or 36h", text)
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q is not an age; write days or hours such as 90d or 36h", text)
	}
	return d, nil
}

// sizeText is a number of bytes for people.
func sizeText(bytes int64) string {
	switch {
	case bytes >= 1<<30:
		return fmt.Sprintf("%.1f GB", float64(bytes)/(1<<30))
	case bytes >= 1<<20:
		return fmt.Sprintf("%.1f MB", float64(bytes)/(1<<20))
	case bytes >= 1<<10:
		return fmt.Sprintf("%.0f kB", float64(bytes)/(1<<10))
	}
	return fmt.Sprintf("%d B", bytes)
}

// progressLine rewrites one line of a terminal, at most ten times a second; ""
// clears it. Where w is no terminal it says nothing.
func progressLine(w io.Writer) func(text string) {
	if !isTerminal(w) {
		return func(string) {}
	}
	var last time.Time
	return func(text string) {
		if text != "" && time.Since(last) < 100*time.Millisecond {
			return
		}
		last = time.Now()
		if r := []rune(text); len(r) > 78 {
			text = "…" + string(r[len(r)-77:])
		}
		fmt.Fprint(w, "\r\x1b[K"+text)
	}
}
