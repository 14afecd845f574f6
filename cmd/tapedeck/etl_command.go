package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tapedeck/pipeline"
	"tapedeck/pipeline/clean"
	"tapedeck/pipeline/market"
	"tapedeck/store/lake"
)

func newETL(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "etl",
		Short: "Rebuild the processed lake from the raw one",
		Long: `Rebuilds hours of the processed lake from the raw ticks, with the code of the
stream: clean writes processed/ticks, features writes processed/bars and
processed/features. Hours are those of the rows' own times, in UTC.

A job may run beside a pipeline, be stopped and be started again: it replaces an
hour's file at once or not at all, and gives the same every time. Indicators
remember everything before them, so that they are computed from the beginning of
the raw lake, or from the newest checkpoint that an earlier job left there.`,
		Args: cobra.NoArgs,
	}
	var inputs []string
	var output string
	job := func(name, short string, run func(context.Context, etl) error) *cobra.Command {
		var from, to string
		cmd := &cobra.Command{
			Use: name, Short: short, Args: cobra.NoArgs,
			Example: "  tapedeck etl " + name + " --from 2026-11-20 --to 2026-11-21",
			RunE: func(cmd *cobra.Command, _ []string) error {
				e := etl{out: cmd.OutOrStdout(), note: progressLine(cmd.ErrOrStderr())}
				var err error
				if e.from, e.to, err = hoursBetween(from, to); err != nil {
					return usageError{err}
				}
				if e.config, err = o.config(); err != nil {
					return err
				}
				if len(inputs) > 0 || output != "" {
					if len(inputs) == 0 || output == "" {
						return usageError{errors.New("--input and --output go together: files in, a directory out")}
					}
					j := &fileJob{config: e.config, inputs: inputs, output: output, from: e.from, to: e.to, out: e.out, note: e.note}
					return j.run(cmd.Context())
				}
				return onLake(o, func(ctx context.Context, v *view, _ io.Writer) error {
					e.lake = v.lake
					return run(ctx, e)
				})(cmd, nil)
			},
		}
		cmd.Flags().StringVar(&from, "from", "", "first hour, such as 2026-11-20 or 2026-11-20T14:00 (default: the beginning)")
		if name == "clean" {
			cmd.Example += "\n  tapedeck etl clean --input trades.csv.gz --input quotes.jsonl --output cleaned"
			cmd.Flags().StringArrayVar(&inputs, "input", nil, "clean `FILE` instead of the raw lake: .csv, .json or .jsonl, also .gz or .zst (repeatable)")
			cmd.Flags().StringVar(&output, "output", "", "with --input: the new `DIR` that the clean Parquet goes to, laid out as the lake is")
		}
		cmd.Flags().StringVar(&to, "to", "", "end, itself not included (default: now)")
		return cmd
	}
	cmd.AddCommand(
		job("clean", "Job 1: raw ticks become clean Parquet, and what is left out is counted by its reason", func(ctx context.Context, e etl) error { return e.clean(ctx) }),
		job("features", "Job 2: bars, moving averages, RSI, MACD and the other indicators", func(ctx context.Context, e etl) error { return e.features(ctx) }))
	return cmd
}

// etl is one job over the hours from ≤ h < to.
type etl struct {
	config   Config
	lake     *lake.Lake
	from, to lake.Hour
	out      io.Writer
	note     func(string)
}

func hoursBetween(from, to string) (first, end lake.Hour, err error) {
	first, end = 0, lake.HourOf(market.At(time.Now()))+1
	if from != "" {
		t, err := market.ParseTime(from)
		if err != nil {
			return 0, 0, fmt.Errorf("--from: %w", err)
		}
		first = lake.HourOf(t)
	}
	if to != "" {
		t, err := market.ParseTime(to)
		if err != nil {
			return 0, 0, fmt.Errorf("--to: %w", err)
		}
		end = lake.HourOf(t.Add(time.Hour - time.Microsecond))
	}
	if end <= first {
		return 0, 0, fmt.Errorf("--to %s is not after --from %s", to, from)
	}
	return first, end, nil
}

func (e etl) clean(ctx context.Context) error {
	ticks, err := e.lake.Rewrite(lake.Ticks)
	if err != nil {
		return err
	}
	defer ticks.Close()
	var row []byte
	var failed error
	r := &pipeline.Rebuild{Calendar: calendarOf(e.config.market()), Clean: clean.Config{},
		OnTick: func(topic int, partition int32, offset int64, t *market.Tick) {
			if h := lake.HourOf(t.Time); h >= e.from && h < e.to {
				row = market.AppendTickCSV(row[:0], t, partition, offset)
				if err := ticks.Add(topic, row); err != nil {
					failed = err
				}
			}
		}}
	read, spans, err := e.replay(ctx, r, "clean", &failed)
	if err != nil {
		return err
	}
	files, err := ticks.Commit(ctx, e.from, e.to, spans, func(share float64) { e.note(bar("writing", share)) })
	e.note("")
	if err != nil {
		return err
	}
	reasons := map[string]int64{}
	for reason, n := range r.Reasons {
		reasons[string(reason)] = n
	}
	fmt.Fprintf(e.out, "%s ticks read, %s written to %d files, %s\n", grouped(read), grouped(ticks.Rows()), files, leftOut(reasons))
	return nil
}

// leftOut counts what is left out, by its reason.
func leftOut(reasons map[string]int64) string {
	all := int64(0)
	var list []string
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		all += reasons[reason]
		list = append(list, fmt.Sprintf("%s: %s", reason, grouped(reasons[reason])))
	}
	text := grouped(all) + " left out"
	if all > 0 {
		text += " (" + strings.Join(list, "; ") + ")"
	}
	return text
}

func (e etl) features(ctx context.Context) error {
	bars, err := e.lake.Rewrite(lake.Bars)
	if err != nil {
		return err
	}
	defer bars.Close()
	features, err := e.lake.Rewrite(lake.Features)
	if err != nil {
		return err
	}
	defer features.Close()
	within := func(t market.Time) bool { h := lake.HourOf(t); return h >= e.from && h < e.to }
	var row []byte
	var failed error
	r := &pipeline.Rebuild{Calendar: calendarOf(e.config.market()), Clean: clean.Config{}, SecondFeatures: e.config.Compute.SecondFeatures,
		OnBar: func(b *market.Bar) {
			if within(b.Time) {
				row = lake.AppendBar(row[:0], b)
				if err := bars.Add(0, row); err != nil {
					failed = err
				}
			}
		},
		OnFeature: func(f *market.Feature) {
			if within(f.Time) {
				row = lake.AppendFeature(row[:0], f)
				if err := features.Add(0, row); err != nil {
					failed = err
				}
			}
		}}
	read, spans, err := e.replay(ctx, r, "features", &failed)
	if err != nil {
		return err
	}
	files := 0
	for i, table := range []*lake.Rewriting{bars, features} {
		n, err := table.Commit(ctx, e.from, e.to, spans, func(share float64) { e.note(bar("writing", (float64(i)+share)/2)) })
		if err != nil {
			e.note("")
			return err
		}
		files += n
	}
	e.note("")
	fmt.Fprintf(e.out, "%s ticks read, %s bars and %s feature rows written to %d files\n", grouped(read), grouped(bars.Rows()), grouped(features.Rows()), files)
	return nil
}

// replay runs the raw ticks through r. It begins at the newest checkpoint that
// lies far enough before the hours that are wanted, and leaves new ones.
func (e etl) replay(ctx context.Context, r *pipeline.Rebuild, job string, failed *error) (read int64, spans []lake.Span, err error) {
	// A tick cannot be older in the log than in itself, but for a clock that
	// runs ahead by less than an hour.
	after, state, err := e.lake.Checkpoint(ctx, job, e.from-1)
	if err != nil {
		return 0, nil, err
	}
	if state != nil {
		if err := r.LoadState(state); err != nil { // another version's: from the beginning, then
			after = -1
			*r = pipeline.Rebuild{Calendar: r.Calendar, Clean: r.Clean, SecondFeatures: r.SecondFeatures, OnTick: r.OnTick, OnBar: r.OnBar, OnFeature: r.OnFeature}
		}
	}
	share := 0.0
	spans, err = e.lake.ReadRaw(ctx, after+1, func(t *lake.RawTick) error {
		r.Take(t.Topic, t.Partition, t.Offset, &t.Tick, t.Produced)
		if read++; read%65_536 == 0 {
			e.note(bar("reading "+grouped(read)+" ticks", share))
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		return *failed
	}, func(h lake.Hour, done float64) error {
		share = done
		if h%24 != 23 { // one a day is enough
			return nil
		}
		return e.lake.SaveCheckpoint(ctx, job, h, r.AppendState(nil))
	})
	if err != nil {
		e.note("")
		return 0, nil, err
	}
	for _, s := range spans {
		if after < 0 && s.From > 0 {
			e.note("")
			return 0, nil, errors.New("the raw lake no longer goes back to its beginning, and no checkpoint of this job lies before --from: what was computed from the hours that have expired would be lost; begin --from later, after a checkpoint")
		}
	}
	return read, spans, *failed
}

// bar is a progress bar.
func bar(what string, share float64) string {
	const cells = 30
	full := int(share * cells)
	return fmt.Sprintf("[%s%s] %3.0f %% %s", strings.Repeat("█", full), strings.Repeat("·", cells-full), share*100, what)
}
