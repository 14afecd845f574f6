package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/guptarohit/asciigraph"
	"github.com/spf13/cobra"

	"tapedeck/ml"
)

// evaluation is one call of tapedeck evaluate.
type evaluation struct {
	model, from, to string
	folds           int
	embargo, every  time.Duration
	seed            uint64
	by              string
	format          string
	plot            bool
	config          Config
	out, notes      io.Writer
}

func newEvaluate(o *options) *cobra.Command {
	e := evaluation{model: ml.XGBoost, seed: 1, embargo: ml.DefaultEmbargo, format: "table", plot: true}
	cmd := &cobra.Command{
		Use:   "evaluate",
		Short: "Judge a kind of model on the lake's history",
		Long: `Forecasts the history of the lake walk-forward, as if it had been live: it is cut
into folds by time, and each is forecast by a model that was trained on nothing
but what came before it, purged of rows whose outcome reaches into what it is
judged by, and with an embargo between the two. The forecasts stand beside
“no change” (persistence), the symbol's mean return so far (drift) and a linear
model on the same features.

Skill is 1 − squared error / squared error of the other: above 0 is better. All
intervals are of 95 % and clustered by time, since what happens to a thousand
symbols in one minute happens once. docs/models.md says how to read them.`,
		Example: `  tapedeck evaluate --model xgboost
  tapedeck evaluate --model lstm --from 2026-11-18 --to 2026-11-20
  tapedeck evaluate --model xgboost --by hour
  tapedeck evaluate --model xgboost --by symbol --format csv > symbols.csv`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := e.check(); err != nil {
				return usageError{err}
			}
			var err error
			if e.config, err = o.config(); err != nil {
				return err
			}
			e.out, e.notes = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return e.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&e.model, "model", e.model, "what to judge: xgboost or lstm")
	flags.StringVar(&e.from, "from", "", "first minute, UTC, such as 2026-11-20 or 2026-11-20T14:30 (default: five days before the end)")
	flags.StringVar(&e.to, "to", "", "end, itself not included (default: the newest)")
	flags.IntVar(&e.folds, "folds", 0, "models that are trained one after the other (default: 4, of lstm 2)")
	flags.DurationVar(&e.embargo, "embargo", e.embargo, "between the last minute that a model knows and the first that it forecasts")
	flags.DurationVar(&e.every, "every", time.Minute, "between two forecasts of a symbol")
	flags.Uint64Var(&e.seed, "seed", e.seed, "of every draw")
	flags.StringVar(&e.by, "by", "", "scores by symbol, hour (New York) or regime (of volatility) instead of all together")
	flags.BoolVar(&e.plot, "plot", e.plot, "with a table, draw how the skill came about")
	formatFlag(cmd, &e.format)
	_ = cmd.RegisterFlagCompletionFunc("model", cobra.FixedCompletions([]string{ml.XGBoost, ml.LSTM}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("by", cobra.FixedCompletions(groupings, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

var groupings = []string{ml.BySymbol, ml.ByHour, ml.ByRegime}

func (e *evaluation) check() error {
	switch {
	case e.model != ml.XGBoost && e.model != ml.LSTM:
		return fmt.Errorf("--model: %q cannot be judged by the minute; one of %s, %s", e.model, ml.XGBoost, ml.LSTM)
	case e.by != "" && !slices.Contains(groupings, e.by):
		return fmt.Errorf("--by: %q is not a grouping; one of symbol, hour, regime", e.by)
	case e.folds < 0 || e.folds > 100:
		return fmt.Errorf("--folds: %d, want 1 to 100", e.folds)
	case e.embargo < 0 || e.embargo%time.Minute != 0:
		return fmt.Errorf("--embargo: %s is not a whole number of minutes", e.embargo)
	case e.every < time.Minute || e.every%time.Minute != 0:
		return fmt.Errorf("--every: %s is not a whole number of minutes", e.every)
	}
	return checkFormat(e.format)
}

func (e *evaluation) run(ctx context.Context) error {
	v, err := openView(ctx, e.config, e.notes)
	if err != nil {
		return err
	}
	history, err := readHistory(ctx, v, e.from, e.to)
	v.close() // the log is others' again
	if err != nil {
		return err
	}
	c := ml.DefaultConfig()
	c.Seed = e.seed
	folds := 4
	if e.model == ml.LSTM {
		c.MaxRows, folds = ml.NetworkRows, 2
	}
	if e.folds > 0 {
		folds = e.folds
	}
	bar := newProgressBar(e.notes, "evaluating "+e.model)
	found, err := ml.Evaluate(ctx, e.model, history, c, ml.Walk{Folds: folds, Every: e.every, Embargo: e.embargo},
		func(p ml.Progress) { bar.show(p.Fraction) })
	bar.end()
	if errors.Is(err, ml.ErrData) {
		return fmt.Errorf("%w: %w", errYoung, err)
	}
	if err != nil {
		return err
	}
	return e.report(found)
}

// report prints what was found.
func (e *evaluation) report(found *ml.Evaluation) error {
	if e.format != "table" {
		return e.grid(found).write(e.out, e.format)
	}
	fmt.Fprintf(e.out, "%s, walk-forward: %d models, each judged on what came after it; forecasts of %s symbols, %s to %s\n\n",
		found.Model, found.Models, grouped(int64(found.Symbols)), found.From, found.To)
	if e.by != "" {
		if err := e.grid(found).write(e.out, "table"); err != nil {
			return err
		}
	} else if err := e.tables(found); err != nil {
		return err
	}
	if e.plot {
		e.draw(found)
	}
	_, err := fmt.Fprintf(e.out, "\n%s\n", found.Words())
	return err
}

// tables are what a person reads: who is better, by how much, and how sure.
func (e *evaluation) tables(found *ml.Evaluation) error {
	skills := grid{names: []string{"ahead", "forecasts", "skill vs no change", "vs drift", "vs linear", "right direction", "in 80 % band"}}
	errs := grid{names: []string{"ahead", "by", "mae bp", "rmse bp", "mase", "pinball bp", "band bp"}}
	for i := range found.Scores {
		s := &found.Scores[i]
		ahead := horizonText(s.Horizon)
		skills.add(ahead, int64(s.N), estimate(s.Skill, 100, 2), estimate(s.Drift, 100, 2), estimate(s.Linear, 100, 2), estimate(s.Direction, 100, 1), estimate(s.Coverage, 100, 1))
		for f, of := range s.Errors {
			pinball, width := "", ""
			if f == int(ml.TheModel) {
				pinball, width = fixed(1e4*s.Pinball, 2), fixed(1e4*s.Width, 1)
			}
			errs.add(ahead, ml.Forecaster(f).String(), fixed(1e4*of.MAE, 2), fixed(1e4*of.RMSE, 2), estimate(of.MASE, 1, 3), pinball, width)
		}
	}
	if err := skills.write(e.out, "table"); err != nil {
		return err
	}
	fmt.Fprintln(e.out, "\nSkill, direction and band in %, with the 95 % interval.")
	fmt.Fprintln(e.out)
	return errs.write(e.out, "table")
}

func fixed(v float64, digits int) string {
	if math.IsNaN(v) {
		return "–"
	}
	return fmt.Sprintf("%.*f", digits, v)
}

// estimate is a number with its interval.
func estimate(v ml.Estimate, factor float64, digits int) string {
	if math.IsNaN(v.Value) {
		return "–"
	}
	if math.IsNaN(v.Low) {
		return fixed(v.Value*factor, digits) + " [?]"
	}
	return fmt.Sprintf("%s [%s, %s]", fixed(v.Value*factor, digits), fixed(v.Low*factor, digits), fixed(v.High*factor, digits))
}

// judgementNames are the columns of an evaluation as other programs read it:
// errors are of the log return.
var judgementNames = []string{"horizon_s", "forecasts", "blocks",
	"skill", "skill_low", "skill_high", "skill_drift", "skill_drift_low", "skill_drift_high",
	"skill_linear", "skill_linear_low", "skill_linear_high", "direction", "direction_low", "direction_high",
	"coverage", "coverage_low", "coverage_high", "mae", "rmse", "mase", "mase_low", "mase_high", "pinball", "width",
	"mae_persistence", "rmse_persistence", "mase_persistence", "mae_drift", "rmse_drift", "mase_drift", "mae_linear", "rmse_linear", "mase_linear"}

// grid has a row for each group and horizon.
func (e *evaluation) grid(found *ml.Evaluation) *grid {
	if e.by != "" && e.format == "table" {
		g := grid{names: []string{e.by, "ahead", "forecasts", "skill %", "vs linear %", "direction %", "in band %", "mae bp", "mase"}}
		for i := range found.Groups {
			s := &found.Groups[i]
			if s.By == e.by {
				g.add(s.Name, horizonText(s.Horizon), int64(s.N), estimate(s.Skill, 100, 2), estimate(s.Linear, 100, 2), estimate(s.Direction, 100, 1),
					estimate(s.Coverage, 100, 1), fixed(1e4*s.MAE, 2), estimate(s.Errors[ml.TheModel].MASE, 1, 3))
			}
		}
		return &g
	}
	if e.by == "" {
		g := grid{names: append([]string{"model"}, judgementNames...)}
		for i := range found.Scores {
			g.add(append([]any{found.Model}, judgementCells(&found.Scores[i])...)...)
		}
		return &g
	}
	g := grid{names: append([]string{"model", e.by}, judgementNames...)}
	for i := range found.Groups {
		if s := &found.Groups[i]; s.By == e.by {
			g.add(append([]any{found.Model, s.Name}, judgementCells(&s.Judgement)...)...)
		}
	}
	return &g
}

func judgementCells(s *ml.Judgement) []any {
	cells := []any{int64(s.Horizon), int64(s.N), int64(s.Blocks)}
	for _, v := range []ml.Estimate{s.Skill, s.Drift, s.Linear, s.Direction, s.Coverage} {
		cells = append(cells, v.Value, v.Low, v.High)
	}
	own := s.Errors[ml.TheModel]
	cells = append(cells, own.MAE, own.RMSE, own.MASE.Value, own.MASE.Low, own.MASE.High, s.Pinball, s.Width)
	for _, f := range s.Errors[ml.Persistence:] {
		cells = append(cells, f.MAE, f.RMSE, f.MASE.Value)
	}
	return cells
}

// draw draws how the skill of each horizon came about.
func (e *evaluation) draw(found *ml.Evaluation) {
	var lines [][]float64
	var names []string
	for h, course := range found.Courses {
		if len(course) < 3 {
			continue
		}
		line := make([]float64, 0, len(course))
		for i, step := range course {
			if i >= len(course)/10 { // the first stretches are chance alone
				line = append(line, 100*step.Skill)
			}
		}
		lines, names = append(lines, line), append(names, horizonText(found.Scores[h].Horizon))
	}
	for i, line := range lines {
		zero := make([]float64, len(line))
		fmt.Fprintf(e.out, "\n%s\n", asciigraph.PlotMany([][]float64{zero, line}, asciigraph.Height(5), asciigraph.Width(64), asciigraph.Precision(2),
			asciigraph.Caption("skill against no change so far, %, "+names[i]+" ahead; the straight line is 0")))
	}
}
