package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"tapedeck/ml"
)

func newModels(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "models",
		Short: "List trained models, put one in use, take it back",
		Long: `Trained models lie below models/ in the data directory. One version of each is in
use: the pipeline asks it every minute. The champion is drawn first on the screens
and heard by rules; the others are challengers, and all are scored.`,
		Args: cobra.NoArgs,
	}
	// on finds the models of the data directory.
	on := func(run func(ctx context.Context, d modelDirs, args []string, out io.Writer) error) func(*cobra.Command, []string) error {
		return func(cmd *cobra.Command, args []string) error {
			c, err := o.config()
			if err != nil {
				return err
			}
			p, err := c.place(false)
			if err != nil {
				return err
			}
			return run(cmd.Context(), p.models(), args, cmd.OutOrStdout())
		}
	}
	format := "table"
	cmd.RunE = on(func(_ context.Context, d modelDirs, _ []string, out io.Writer) error { return d.list(out, format) })
	formatFlag(cmd, &format)
	ls := &cobra.Command{Use: "ls", Short: "List the versions, the newest of each model first", Args: cobra.NoArgs,
		RunE: on(func(_ context.Context, d modelDirs, _ []string, out io.Writer) error { return d.list(out, format) })}
	formatFlag(ls, &format)
	shown := "text"
	show := &cobra.Command{Use: "show NAME [VERSION]", Short: "Show what a version was made of and what its forecasts were worth", Args: cobra.RangeArgs(1, 2),
		RunE: on(func(_ context.Context, d modelDirs, args []string, out io.Writer) error {
			if shown != "text" && shown != "json" {
				return usageError{fmt.Errorf("--format: %q is not a format; one of text, json", shown)}
			}
			t, err := d.find(args[0], second(args))
			if err != nil {
				return err
			}
			if shown == "json" {
				return t.showJSON(out)
			}
			return t.show(out)
		})}
	show.Flags().StringVar(&shown, "format", shown, "how it comes out: text, or json, which is the manifest")
	_ = show.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	champion := true
	promote := &cobra.Command{Use: "promote NAME [VERSION]", Short: "Put a version in use, the newest by default, and make it the champion", Args: cobra.RangeArgs(1, 2),
		RunE: on(func(ctx context.Context, d modelDirs, args []string, out io.Writer) error {
			t, err := d.find(args[0], second(args))
			if err != nil {
				return err
			}
			if err := d.use(ctx, t.Name, t.Version, champion); err != nil {
				return err
			}
			_, err = fmt.Fprintf(out, "%s %s is in use from the next minute on; tapedeck models rollback %s takes it back\n", t.Name, t.Version, t.Name)
			return err
		})}
	promote.Flags().BoolVar(&champion, "champion", true, "make it the champion; --champion=false leaves that as it is")
	rollback := &cobra.Command{Use: "rollback NAME", Short: "Put back the version that was in use before", Args: cobra.ExactArgs(1),
		RunE: on(func(ctx context.Context, d modelDirs, args []string, out io.Writer) error {
			version, err := d.rollback(ctx, args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(out, "%s %s is in use again\n", args[0], version)
			return err
		})}
	retire := &cobra.Command{Use: "retire NAME", Short: "Ask a model no longer; its versions stay", Args: cobra.ExactArgs(1),
		RunE: on(func(ctx context.Context, d modelDirs, args []string, out io.Writer) error {
			if err := d.retire(ctx, args[0]); err != nil {
				return err
			}
			_, err := fmt.Fprintf(out, "%s is no longer asked; tapedeck models promote %s brings it back\n", args[0], args[0])
			return err
		})}
	names := cobra.FixedCompletions([]string{ml.XGBoost, ml.LSTM}, cobra.ShellCompDirectiveNoFileComp)
	for _, sub := range []*cobra.Command{show, promote, rollback, retire} {
		sub.ValidArgsFunction = names
	}
	cmd.AddCommand(ls, show, promote, rollback, retire)
	return cmd
}

func second(args []string) string {
	if len(args) > 1 {
		return args[1]
	}
	return ""
}

// retire stops the asking of a model.
func (d modelDirs) retire(ctx context.Context, name string) error {
	return d.change(ctx, func(u *modelsInUse) error {
		if u.Versions[name] == "" {
			return fmt.Errorf("%s is not in use", name)
		}
		u.Before[name] = u.Versions[name]
		delete(u.Versions, name)
		if u.Champion == name {
			u.Champion = ""
			if rest := u.names(); len(rest) > 0 {
				u.Champion = rest[0]
			}
		}
		return nil
	})
}

// list writes a row for each version.
func (d modelDirs) list(out io.Writer, format string) error {
	if err := checkFormat(format); err != nil {
		return err
	}
	use, err := d.inUse()
	if err != nil {
		return err
	}
	versions, broken := d.versions()
	g := grid{names: []string{"model", "version", "in_use", "trained", "from", "to", "symbols", "rows", "skilful_at"}}
	for _, t := range versions {
		state := ""
		if use.Versions[t.Name] == t.Version {
			if state = "challenger"; use.Champion == t.Name {
				state = "champion"
			}
		}
		good := ""
		for i := range t.Scores {
			if t.Scores[i].Skilful() {
				good += " " + horizonText(t.Scores[i].Horizon)
			}
		}
		g.add(t.Name, t.Version, state, t.Made, t.Training.From, t.Training.To, int64(t.Training.Symbols), int64(t.Training.Rows), good)
	}
	if len(versions) == 0 && format == "table" {
		_, err := fmt.Fprintln(out, "no model is trained here yet; tapedeck train makes one")
		return errors.Join(err, broken)
	}
	return errors.Join(g.write(out, format), broken)
}

// showJSON writes the manifest.
func (t trained) showJSON(out io.Writer) error {
	data, err := json.MarshalIndent(t.Manifest, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, string(data))
	return err
}

// show writes all there is to know of a version.
func (t trained) show(out io.Writer) error {
	fmt.Fprintf(out, "%s %s, in %s\n", t.Name, t.Version, t.dir)
	fmt.Fprintf(out, "trained %s in %.1f s on %s rows of %s symbols, %s to %s; %s rows held out; seed %d\n", t.Made, t.Training.Seconds,
		grouped(int64(t.Training.Rows)), grouped(int64(t.Training.Symbols)), t.Training.From, t.Training.To, grouped(int64(t.Training.HeldOut)), t.Seed)
	fmt.Fprintf(out, "features (version %d), %d rows of a minute each:", t.FeaturesVersion, t.Window)
	for _, name := range t.Features {
		fmt.Fprint(out, " ", name)
	}
	fmt.Fprintln(out)
	g := grid{names: []string{"horizon", "shrinkage", "half_width", "held_out"}}
	for _, c := range t.Calibration {
		g.add(horizonText(c.Horizon), c.Shrink, c.Width, int64(c.HeldOut))
	}
	if err := g.write(out, "table"); err != nil {
		return err
	}
	if len(t.Importance) > 0 {
		g := grid{names: []string{"feature", "share"}}
		for _, f := range t.Importance {
			g.add(f.Feature, f.Share)
		}
		if err := g.write(out, "table"); err != nil {
			return err
		}
	}
	if len(t.Scores) > 0 {
		if err := writeScores(out, "table", t.Scores); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(out, verdict(t.Scores))
	return err
}
