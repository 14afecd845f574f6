package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"tapedeck/pipeline"
	"tapedeck/pipeline/live"
)

func newRun(o *options) *cobra.Command {
	var stages []string
	var once bool
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the pipeline without a screen",
		Long: `Runs the pipeline in the foreground: feed, compute, predict, archive and
notify, or the stages named by --stages. It ends in order on SIGTERM or ctrl-c:
everything handed on and flushed. With --once it ends by itself when the feed has
ended and all of it lies in the lake, and prints what it did.`,
		Example: `  tapedeck run
  tapedeck run --feed replay --input day.csv.gz --speed max --once
  tapedeck run --set kafka.brokers=k1:9092,k2:9092 --stages archive`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.own = true
			c, err := o.config()
			if err != nil {
				return err
			}
			for _, stage := range stages {
				if !slices.Contains(pipeline.Stages, stage) {
					return usageError{fmt.Errorf("--stages: %q is not a stage; one of %s", stage, strings.Join(pipeline.Stages, ", "))}
				}
			}
			if c.Feed == "replay" && len(c.Replay.Input) == 0 && !c.recorded() && (len(stages) == 0 || slices.Contains(stages, "feed")) {
				return errNoInput
			}
			return runPipeline(cmd.Context(), c, stages, once, o.pipelineArgs(), cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringSliceVar(&stages, "stages", nil, "stages to run: "+strings.Join(pipeline.Stages, ", ")+" (default: all)")
	cmd.Flags().BoolVar(&once, "once", false, "end when the feed has ended and everything has drained")
	_ = cmd.RegisterFlagCompletionFunc("stages", cobra.FixedCompletions(pipeline.Stages, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// errNoInput says that there is nothing to replay.
var errNoInput = usageError{errors.New("--feed replay needs --input FILE, or --from TIME for what the lake has recorded")}

// runPipeline holds the data directory, opens log and lake and runs the
// stages. What it opens it closes in the reverse order, after the stages have
// ended in order.
func runPipeline(ctx context.Context, c Config, stages []string, once bool, trainArgs []string, out io.Writer) (err error) {
	p, err := c.place(true)
	if err != nil {
		return err
	}
	logger, closeLog, err := openLogFile(p, c.Log.Level)
	if err != nil {
		return err
	}
	defer closeLog()
	h, err := p.hold(ctx, c, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()

	config, err := pipelineConfig(c, h, stages, once)
	if err != nil {
		return err
	}
	if c.Predict.Enabled {
		asked, failed := openEndpoint(c, logger)
		if failed != nil {
			return failed
		}
		defer func() { err = errors.Join(err, asked.close()) }()
		config.Forecaster = newForecaster(openModels(p.models(), asked, c.Predict.Train, logger), h.recentMinutes(c, logger), p, logger)
	}
	config.Symbols = h.askSymbols(c)
	behind := backlog{elsewhere: len(stages) > 0 && !slices.Contains(stages, "compute")}
	watchers := []func(live.Status){behind.watch}
	config.Watch = func(s live.Status) {
		for _, watch := range watchers {
			watch(s)
		}
	}
	if c.HTTP.Listen != "" {
		m, err := listenMonitor(c.HTTP.Listen, c.HTTP.Pprof, h.log, h.lake, logger)
		if err != nil {
			return err
		}
		defer m.close()
		watchers = append(watchers, m.watch)
	}
	if config.Notify, err = notifyTargets(ctx, c, p); err != nil {
		return err
	}
	logger.Info("pipeline starts", "version", version, "data", p.dir, "feed", c.Feed, "brokers", h.run.Brokers)
	trimming, stop := context.WithCancel(ctx)
	defer stop()
	go trimMemory(trimming, 20*time.Second)
	defer h.place.noteUsage("run", h.lake, logger)()
	var background sync.WaitGroup
	background.Go(func() { watchCost(trimming, c, h, logger) })
	if c.Predict.Enabled && c.Predict.Train && !once && (len(stages) == 0 || slices.Contains(stages, "predict")) {
		background.Go(func() { h.firstTraining(trimming, &behind, trainArgs, logger) })
	}
	defer func() { stop(); background.Wait() }()
	report, err := pipeline.Run(ctx, config, h.log, archive{h.lake, h.log, time.Duration(c.Cache.Days) * 24 * time.Hour}, logger)
	if err != nil && ctx.Err() == nil {
		logger.Error("pipeline failed", "error", err)
		return err
	}
	logger.Info("pipeline ended", "ticks", report.Ticks, "archived", report.Archived)
	if once || isTerminal(out) {
		fmt.Fprintf(out, "%s ticks → %s bars, %s features, %s alerts, %s dead letters; %s rows in the lake; %.1f s\n",
			grouped(report.Ticks), grouped(report.Bars), grouped(report.Features), grouped(report.Alerts),
			grouped(report.DeadLetters), grouped(report.Archived), report.Took.Seconds())
	}
	return nil
}

// parseSpeed reads a factor above zero or max, which is 0.
func parseSpeed(text string) (float64, error) {
	if text == "max" {
		return 0, nil
	}
	v, err := strconv.ParseFloat(strings.TrimSuffix(text, "x"), 64)
	if err != nil || !(v > 0) || v > 1e6 {
		return 0, fmt.Errorf("%q is not a speed; a factor such as 1 or 10, or max", text)
	}
	return v, nil
}

// openLogFile opens the log file of the data directory; a file over 10 MB is
// put aside first, so that there are never more than two.
func openLogFile(p *place, level string) (*slog.Logger, func(), error) {
	name := p.mine("tapedeck.log")
	if info, err := os.Stat(name); err == nil && info.Size() > 10<<20 {
		if err := os.Rename(name, name+".1"); err != nil {
			return nil, nil, fmt.Errorf("put the old log aside: %w", err)
		}
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, p.fileMode())
	if err != nil {
		return nil, nil, fmt.Errorf("open the log file: %w", err)
	}
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo
	}
	return slog.New(slog.NewTextHandler(f, &slog.HandlerOptions{Level: l})).With("pid", os.Getpid()), func() { f.Close() }, nil
}

func newStop(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "stop",
		Short: "Stop the pipeline of this data directory in order",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.config()
			if err != nil {
				return err
			}
			p, err := c.place(false)
			if err != nil {
				return err
			}
			run, starting, err := p.running()
			if err != nil {
				return err
			}
			if run == nil && !starting {
				fmt.Fprintln(cmd.OutOrStdout(), "no pipeline runs on", p.dir)
				return nil
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), time.Minute)
			defer cancel()
			if err := p.stop(ctx); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "stopped; everything is written")
			return nil
		},
	}
}

// grouped writes 1234567 as 1,234,567.
func grouped(v int64) string {
	text := strconv.FormatInt(v, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// isTerminal says whether w is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
