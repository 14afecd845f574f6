package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/guptarohit/asciigraph"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"tapedeck/ml"
	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/live"
	"tapedeck/pipeline/market"
)

// training is one call of tapedeck train.
type training struct {
	models     []string
	from, to   string
	seed       uint64
	folds      int
	keep       bool   // what is in use stays
	champion   bool   //
	archive    string // of SageMaker
	export     string // directory for another program to train on; empty: train here
	where      string // the model's directory; empty: among the models of the data directory
	background bool   // for the pipeline: with low priority, what it does goes to the screens
	config     Config
	dirs       modelDirs
	out, notes io.Writer
}

func newTrain(o *options) *cobra.Command {
	t := training{folds: 4, seed: 1}
	cmd := &cobra.Command{
		Use:   "train",
		Short: "Train a model on the lake's history",
		Long: `Trains a model on the one-minute bars of the lake and of the log above it, scores
it walk-forward over the same history as if it had been live, and puts it in use:
the pipeline asks it from the next minute on.

xgboost is a forest of trees for each horizon and takes seconds; lstm is a
recurrent network, LSTM(128), over the last 60 minutes and takes a minute or two.
Each version is a directory below models/ with its weights, features, calibration
and scores, and model.tar.gz with all of it, as SageMaker wants it. The same history and --seed give the same model.`,
		Example: `  tapedeck train --model xgboost
  tapedeck train --model lstm --from 2026-11-18 --to 2026-11-20
  tapedeck train --model xgboost --keep --archive model.tar.gz   # for SageMaker; what is in use stays`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, name := range t.models {
				if name != ml.XGBoost && name != ml.LSTM {
					return usageError{fmt.Errorf("--model: %q cannot be trained for minutes; one of %s, %s (prophet is for days: tapedeck forecast)", name, ml.XGBoost, ml.LSTM)}
				}
			}
			if (t.archive != "" || t.where != "") && len(t.models) > 1 {
				return usageError{errors.New("--archive and --out take one model: give one --model")}
			}
			var err error
			if t.config, err = o.config(); err != nil {
				return err
			}
			t.out, t.notes = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return t.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&t.models, "model", []string{ml.XGBoost}, "what to train: xgboost, lstm; several are trained in turn")
	flags.StringVar(&t.from, "from", "", "first minute, UTC, such as 2026-11-20 or 2026-11-20T14:30 (default: five days before the end)")
	flags.StringVar(&t.to, "to", "", "end, itself not included (default: the newest)")
	flags.Uint64Var(&t.seed, "seed", t.seed, "of every draw; another seed is another model")
	flags.IntVar(&t.folds, "folds", t.folds, "models that the walk-forward trains to score by; 0: no score")
	flags.BoolVar(&t.keep, "keep", false, "do not put it in use; tapedeck models promote does")
	flags.BoolVar(&t.champion, "champion", false, "make it the champion: the model that is drawn first and that rules hear of")
	flags.StringVar(&t.where, "out", "", "write the model to this new `DIR`ectory; it is not put in use")
	flags.StringVar(&t.export, "export", "", "train nothing: write the network's training set to this new `DIR`ectory as NumPy files, for examples/train/keras_train.py")
	flags.StringVar(&t.archive, "archive", "", "write model.tar.gz, which lies in the model's directory, to this `FILE`, too")
	flags.BoolVar(&t.background, "background", false, "with low priority; how it goes is told to the screens")
	_ = flags.MarkHidden("background")
	_ = cmd.RegisterFlagCompletionFunc("model", cobra.FixedCompletions([]string{ml.XGBoost, ml.LSTM}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// errYoung says that there is too little history to learn from.
var errYoung = errors.New("there is too little history to train on yet")

// run reads the history once and trains every model on it.
func (t *training) run(ctx context.Context) error {
	p, err := t.config.place(false)
	if err != nil {
		return err
	}
	t.dirs = p.models()
	if t.background {
		if err := unix.Setpriority(unix.PRIO_PROCESS, 0, 15); err != nil {
			return fmt.Errorf("train in the background: %w", err)
		}
		runtime.GOMAXPROCS(max(1, runtime.NumCPU()-1))
	}
	v, err := openView(ctx, t.config, t.notes)
	if err != nil {
		return err
	}
	defer v.close()
	teller, err := newTeller(t, v.log)
	if err != nil {
		return err
	}
	defer teller.close(ctx)
	teller.say("reading history", 0)
	history, err := readHistory(ctx, v, t.from, t.to)
	if err != nil {
		return err
	}
	if t.export != "" {
		c := ml.DefaultConfig()
		c.Seed, c.MaxRows = t.seed, ml.NetworkRows
		err := ml.Export(history, c, t.export)
		if errors.Is(err, ml.ErrData) {
			return fmt.Errorf("%w: %w", errYoung, err)
		}
		return err
	}
	for _, name := range t.models {
		if err := t.train(ctx, name, history, teller); err != nil {
			return err
		}
	}
	return nil
}

// readHistory makes features of the one-minute bars of a range; empty bounds
// are the newest days.
func readHistory(ctx context.Context, v *view, first, last string) (*ml.Data, error) {
	to, from := market.Time(0), market.Time(0)
	var err error
	if last != "" {
		if to, err = market.ParseTime(last); err != nil {
			return nil, usageError{fmt.Errorf("--to: %w", err)}
		}
	}
	if first != "" {
		if from, err = market.ParseTime(first); err != nil {
			return nil, usageError{fmt.Errorf("--from: %w", err)}
		}
	}
	if to == 0 {
		if _, to, err = (&past{db: v.db}).recorded(ctx); err != nil {
			if errors.Is(err, errNothingRecorded) {
				return nil, fmt.Errorf("%w: nothing is recorded here", errYoung)
			}
			return nil, err
		}
		to = to.Add(time.Minute)
	}
	if from == 0 {
		from = to.Add(-5 * 24 * time.Hour)
	}
	if from >= to {
		return nil, usageError{fmt.Errorf("--from %s is not before --to %s", from, to)}
	}
	g := ml.NewGatherer()
	err = v.db.EachBar(ctx, market.Minute, from, to, func(b *market.Bar) error {
		g.Add(b)
		return nil
	})
	return g.Data(), err
}

// train makes one model: scored over its history, written, put in use.
func (t *training) train(ctx context.Context, name string, history *ml.Data, teller *teller) error {
	c := ml.DefaultConfig()
	c.Seed = t.seed
	folds := t.folds
	if name == ml.LSTM {
		c.MaxRows = ml.NetworkRows
		folds = min(folds, 1) // each takes as long as the model itself
	}
	share := float64(folds) / float64(folds+1)
	var record *ml.Record
	if folds > 0 {
		var err error
		record, err = ml.WalkForward(ctx, name, history, c, ml.Walk{Folds: folds, Predictions: teller.log != nil}, func(p ml.Progress) {
			teller.say(name+", scoring, "+p.Stage, share*p.Fraction)
		})
		switch {
		case errors.Is(err, ml.ErrData):
			record = nil // enough to train on, perhaps, and not to score
		case err != nil:
			return err
		}
	}
	model, err := ml.Train(ctx, name, history, c, func(p ml.Progress) {
		teller.say(name+", "+p.Stage, share+(1-share)*p.Fraction)
	})
	if errors.Is(err, ml.ErrData) {
		return fmt.Errorf("%w: %w", errYoung, err)
	}
	if err != nil {
		return err
	}
	if record != nil {
		model = model.WithScores(record.Scores)
	}
	m := model.Manifest()
	dir := t.dirs.dir(name, m.Version)
	if t.where != "" {
		dir = t.where
	}
	if err := model.Write(dir); err != nil {
		return err
	}
	if err := writeArchive(model, filepath.Join(dir, archiveName)); err != nil {
		return err
	}
	if t.archive != "" {
		if err := writeArchive(model, t.archive); err != nil {
			return err
		}
	}
	if !t.keep && t.where == "" {
		if err := t.dirs.use(ctx, name, m.Version, t.champion); err != nil {
			return err
		}
	}
	teller.done(name + " is trained on " + grouped(int64(m.Training.Rows)) + " rows of " + grouped(int64(m.Training.Symbols)) + " symbols")
	if record != nil {
		if err := teller.backfill(ctx, record.Predictions); err != nil {
			return err
		}
	}
	if t.background {
		return nil
	}
	return t.report(model, dir)
}

// archiveName is the file of a model directory that SageMaker takes.
const archiveName = "model.tar.gz"

func writeArchive(model *ml.Model, name string) error {
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("write the archive: %w", err)
	}
	return errors.Join(model.WriteTarGz(f), f.Close())
}

// report prints what was made.
func (t *training) report(model *ml.Model, dir string) error {
	m := model.Manifest()
	for i := range m.Curves {
		curve := &m.Curves[i]
		if len(curve.Validation) < 2 {
			continue
		}
		caption := "held-out error by round"
		if curve.Horizon != 0 {
			caption += ", " + horizonText(curve.Horizon) + " ahead"
		}
		fmt.Fprintln(t.out, asciigraph.Plot(curve.Validation, asciigraph.Height(6), asciigraph.Width(60), asciigraph.Precision(4), asciigraph.Caption(caption)))
		fmt.Fprintln(t.out)
		break
	}
	fmt.Fprintf(t.out, "%s %s: %s rows of %s symbols, %s to %s, in %.1f s\n", m.Name, m.Version, grouped(int64(m.Training.Rows)),
		grouped(int64(m.Training.Symbols)), m.Training.From, m.Training.To, m.Training.Seconds)
	if err := writeScores(t.out, "table", m.Scores); err != nil {
		return err
	}
	fmt.Fprintln(t.out, verdict(m.Scores))
	fmt.Fprintln(t.out, dir)
	if t.archive != "" {
		fmt.Fprintln(t.out, t.archive)
	}
	return nil
}

// horizonText is a horizon such as 30m.
func horizonText(seconds int32) string {
	text := strings.TrimSuffix((time.Duration(seconds) * time.Second).String(), "m0s")
	if text[len(text)-1] < '0' || text[len(text)-1] > '9' {
		return text
	}
	if hours, ok := strings.CutSuffix(text, "h0"); ok {
		return hours + "h"
	}
	return text + "m"
}

// verdict says in words whether forecasts were better than no change.
func verdict(scores []market.Score) string {
	var good []string
	for i := range scores {
		if scores[i].Skilful() {
			good = append(good, horizonText(scores[i].Horizon))
		}
	}
	switch {
	case len(scores) == 0:
		return "It has no score: the history is too short, or none was asked for."
	case len(good) == 0:
		return "At no horizon is it shown to be better than “no change”, as most forecasts of prices are not. Its intervals are calibrated all the same."
	}
	return "Better than “no change” beyond luck at " + strings.Join(good, ", ") + " ahead, on this history."
}

// teller says how a training goes: on a terminal, or to the screens.
type teller struct {
	bar      *progressBar
	log      *kafka.Client // nil: to nobody
	producer *kafka.Producer
	status   live.Status
	said     time.Time
}

func newTeller(t *training, log *kafka.Client) (*teller, error) {
	teller := &teller{bar: newProgressBar(t.notes, "training")}
	if !t.background || log == nil {
		return teller, nil
	}
	producer, err := log.NewProducer()
	if err != nil {
		return nil, err
	}
	host, _ := os.Hostname()
	teller.log, teller.producer = log, producer
	teller.status = live.Status{Instance: fmt.Sprintf("train-%d", os.Getpid()), PID: os.Getpid(), Stage: "train", Host: host, Version: version, Level: live.Working}
	return teller, nil
}

func (t *teller) say(text string, share float64) {
	t.bar.show(share)
	if t.log == nil || time.Since(t.said) < 500*time.Millisecond {
		return
	}
	t.said = time.Now()
	t.status.Text, t.status.Progress = text, share
	t.write()
}

// done leaves a line among the events of the screens.
func (t *teller) done(text string) {
	t.bar.end()
	if t.log == nil {
		return
	}
	t.status.Text, t.status.Progress = "", 0
	t.status.Events = append(t.status.Events, live.Notice{Time: market.At(time.Now()), Stage: "train", Text: text})
	t.write()
}

func (t *teller) write() {
	t.status.Time = market.At(time.Now())
	// A status that is not written is no reason to stop training.
	_ = t.producer.Produce(kafka.Status, 0, []byte(t.status.Instance), live.EncodeStatus(&t.status))
}

// backfill writes the newest forecasts of a walk-forward to the log, so that a
// first chart has something to be judged by: those of the last two hours, every
// five minutes.
func (t *teller) backfill(ctx context.Context, predictions []market.Prediction) error {
	if t.log == nil || len(predictions) == 0 {
		return nil
	}
	newest := predictions[len(predictions)-1].Bar
	for i := range predictions {
		p := &predictions[i]
		if p.Bar < newest.Add(-2*time.Hour) || p.Bar%(5*60e6) != 0 {
			continue
		}
		if err := t.producer.ProduceContext(ctx, kafka.Predictions, -1, []byte(p.Symbol), market.EncodePrediction(p)); err != nil {
			return fmt.Errorf("write back-filled predictions: %w", err)
		}
	}
	return t.producer.Flush(ctx)
}

func (t *teller) close(ctx context.Context) {
	t.bar.end()
	if t.producer == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	t.status.Ended, t.status.Events = true, nil
	t.write()
	_ = t.producer.Close(ctx) // what it had to say is of no use any more
}

// scoreNames are the columns of scores.
var scoreNames = []string{"horizon", "forecasts", "skill", "skill_low", "skill_high", "drift", "direction", "direction_low", "direction_high", "coverage", "mae", "rmse"}

// writeScores writes a row for each horizon.
func writeScores(out io.Writer, format string, scores []market.Score) error {
	g := grid{names: slices.Clone(scoreNames)}
	for i := range scores {
		s := &scores[i]
		g.add(horizonText(s.Horizon), int64(s.N), s.Skill.Value, s.Skill.Low, s.Skill.High, s.Drift.Value,
			s.Direction.Value, s.Direction.Low, s.Direction.High, s.Coverage.Value, s.MAE, s.RMSE)
	}
	return g.write(out, format)
}
