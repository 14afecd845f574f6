package main

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tapedeck/ml/prophet"
	"tapedeck/pipeline/market"
)

// forecastOptions are the flags of tapedeck forecast.
type forecastOptions struct {
	model, input, format, freq string
	periods                    int
	history                    bool
	growth, holidays           string
	cap, floor                 float64
	yearly, weekly, daily      string
	config                     prophet.Config
}

func newForecast() *cobra.Command {
	f := forecastOptions{config: prophet.DefaultConfig()}
	cmd := &cobra.Command{
		Use:   "forecast --input FILE.csv --periods N",
		Short: "Forecast a series from a file",
		Long: `Fits Prophet's model to a series and forecasts the times after it.

The file has Prophet's columns: ds (a date or a time) and y, an empty y being a
missing value, and for growth that saturates cap and perhaps floor. The answer
has Prophet's columns: ds, yhat, yhat_lower, yhat_upper, trend and the parts.
After the last row cap and floor stay as they are there.

Parameters have Prophet's names and defaults. With a column cap growth is
logistic, without one linear. No forecast of a price is a promise.`,
		Example: `  tapedeck forecast --input closes.csv --periods 30 --freq NYSE
  tapedeck forecast --input visits.csv --periods 365 --format csv > forecast.csv`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			write, ok := forecastWriters[f.format]
			if !ok {
				return usageError{fmt.Errorf("--format: %q is not a format; one of table, csv, json", f.format)}
			}
			forecast, err := f.run(cmd.Context(), cmd.InOrStdin(), cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			return write(forecast, cmd.OutOrStdout())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.model, "model", "prophet", "the model: prophet")
	flags.StringVar(&f.input, "input", "", "the series, a CSV or CSV.gz `FILE`; - is standard input")
	flags.IntVar(&f.periods, "periods", 0, "forecast `N` times after the last row")
	flags.StringVar(&f.freq, "freq", "", "spacing of these times: "+prophet.Frequencies+", or a count with one, such as 5min (default: that of the file)")
	flags.StringVar(&f.format, "format", "table", "how rows come out: table, csv or json")
	flags.BoolVar(&f.history, "history", false, "give the rows of the file too, as fitted")
	flags.StringVar(&f.growth, "growth", "", "linear, logistic or flat (default: logistic with a cap, else linear)")
	flags.Float64Var(&f.cap, "cap", math.NaN(), "the level where logistic growth ends, for a file without a column cap")
	flags.Float64Var(&f.floor, "floor", math.NaN(), "the level where it begins, for a file without a column floor")
	flags.StringVar(&f.holidays, "holidays", "", "give NYSE for an effect of the days around the exchange's holidays")
	flags.StringVar(&f.yearly, "yearly-seasonality", "auto", "auto, true, false or a Fourier order")
	flags.StringVar(&f.weekly, "weekly-seasonality", "auto", "auto, true, false or a Fourier order")
	flags.StringVar(&f.daily, "daily-seasonality", "auto", "auto, true, false or a Fourier order")
	flags.Lookup("cap").DefValue, flags.Lookup("floor").DefValue = "0", "0" // help shows no default
	c := &f.config
	flags.StringVar((*string)(&c.SeasonalityMode), "seasonality-mode", string(c.SeasonalityMode), "additive or multiplicative")
	flags.IntVar(&c.NChangepoints, "n-changepoints", c.NChangepoints, "how often the trend may bend")
	flags.Float64Var(&c.ChangepointRange, "changepoint-range", c.ChangepointRange, "in which part of the history")
	flags.Float64Var(&c.ChangepointPriorScale, "changepoint-prior-scale", c.ChangepointPriorScale, "and how readily")
	flags.Float64Var(&c.SeasonalityPriorScale, "seasonality-prior-scale", c.SeasonalityPriorScale, "how large seasonalities may be")
	flags.Float64Var(&c.HolidaysPriorScale, "holidays-prior-scale", c.HolidaysPriorScale, "how large effects of holidays may be")
	flags.Float64Var(&c.IntervalWidth, "interval-width", c.IntervalWidth, "share of the simulated futures inside the interval")
	flags.IntVar(&c.UncertaintySamples, "uncertainty-samples", c.UncertaintySamples, "how many futures are simulated")
	flags.Uint64Var(&c.Seed, "seed", c.Seed, "seed of these simulations")
	fixed := func(flag string, values ...string) {
		_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	fixed("model", "prophet")
	fixed("format", "table", "csv", "json")
	fixed("growth", "linear", "logistic", "flat")
	fixed("seasonality-mode", "additive", "multiplicative")
	fixed("freq", strings.Fields("D B W MS NYSE h min")...)
	fixed("holidays", "NYSE")
	return cmd
}

var forecastWriters = map[string]func(*prophet.Forecast, io.Writer) error{
	"table": (*prophet.Forecast).WriteTable, "csv": (*prophet.Forecast).WriteCSV, "json": (*prophet.Forecast).WriteJSON,
}

// run reads, fits and forecasts.
func (f *forecastOptions) run(ctx context.Context, stdin io.Reader, notes io.Writer) (*prophet.Forecast, error) {
	if f.model != "prophet" {
		return nil, usageError{fmt.Errorf("--model: %q does not forecast from a file; give prophet", f.model)}
	}
	if f.periods < 1 {
		return nil, usageError{errors.New("--periods: give the number of times to forecast, 1 or more")}
	}
	series, err := readSeries(f.input, stdin)
	if err != nil {
		return nil, err
	}
	if len(series.Times) == 0 {
		return nil, fmt.Errorf("forecast %s: no rows: give at least 2", f.input)
	}
	times := slices.Sorted(slices.Values(series.Times))
	freq := prophet.InferFrequency(times)
	if f.freq != "" {
		if freq, err = prophet.ParseFrequency(f.freq); err != nil {
			return nil, usageError{fmt.Errorf("--freq: %w", err)}
		}
	}
	if f.freq == "" && freq.String() == "D" && !slices.ContainsFunc(times, weekend) {
		fmt.Fprintln(notes, "note: the file has no weekends, yet every day is forecast; --freq B gives weekdays, --freq NYSE trading days")
	}
	ahead, err := freq.After(times[len(times)-1], f.periods)
	if err != nil {
		return nil, usageError{fmt.Errorf("--periods: %w", err)}
	}
	if err := f.settle(&series, append(times, ahead...)); err != nil {
		return nil, usageError{err}
	}
	model, err := prophet.Fit(ctx, f.config, series)
	if err != nil {
		return nil, fmt.Errorf("forecast %s: %w", f.input, err)
	}
	future, err := model.MakeFuture(f.periods, freq)
	if err != nil {
		return nil, err
	}
	if f.history {
		past := model.History()
		future = prophet.Future{Times: append(past.Times, future.Times...),
			Cap: append(past.Cap, future.Cap...), Floor: append(past.Floor, future.Floor...)}
	}
	return model.Predict(ctx, future)
}

func weekend(t market.Time) bool {
	day := time.UnixMicro(int64(t)).UTC().Weekday()
	return day == time.Saturday || day == time.Sunday
}

// settle lays the flags over the series and the model's parameters, for a
// forecast of the given times, the history's with them.
func (f *forecastOptions) settle(series *prophet.Series, times []market.Time) error {
	fill := func(flag string, value float64, column *[]float64) error {
		if math.IsNaN(value) {
			return nil
		}
		if *column != nil {
			return fmt.Errorf("--%s: the file has a column %[1]s; give one of the two", flag)
		}
		*column = slices.Repeat([]float64{value}, len(series.Times))
		return nil
	}
	if err := errors.Join(fill("cap", f.cap, &series.Cap), fill("floor", f.floor, &series.Floor)); err != nil {
		return err
	}
	f.config.Growth = prophet.Growth(f.growth)
	if f.growth == "" {
		f.config.Growth = prophet.Linear
		if series.Cap != nil {
			f.config.Growth = prophet.Logistic
		}
	}
	for _, s := range []struct {
		name, text string
		on         int // Prophet's order for true
		order      *prophet.Order
	}{
		{"yearly", f.yearly, 10, &f.config.YearlySeasonality},
		{"weekly", f.weekly, 3, &f.config.WeeklySeasonality},
		{"daily", f.daily, 4, &f.config.DailySeasonality},
	} {
		switch n, err := strconv.Atoi(s.text); {
		case s.text == "auto":
			*s.order = prophet.Auto
		case s.text == "true":
			*s.order = prophet.Order(s.on)
		case s.text == "false":
			*s.order = 0
		case err == nil && n >= 0:
			*s.order = prophet.Order(n)
		default:
			return fmt.Errorf("--%s-seasonality: %q is not auto, true, false or a Fourier order", s.name, s.text)
		}
	}
	switch {
	case f.holidays != "" && !strings.EqualFold(f.holidays, "NYSE"):
		return fmt.Errorf("--holidays: %q is not a calendar; give NYSE", f.holidays)
	case f.holidays != "":
		const month = 31 * 24 * time.Hour // some holiday's eve or morrow may be just inside
		f.config.Holidays = prophet.ExchangeHolidays(times[0].Add(-month), times[len(times)-1].Add(month))
	}
	return f.config.Validate()
}

// readSeries reads the input file, unpacking one that is compressed.
func readSeries(name string, stdin io.Reader) (prophet.Series, error) {
	in := stdin
	switch name {
	case "":
		return prophet.Series{}, usageError{errors.New("--input: give the file of the series, with the columns ds and y")}
	case "-":
	default:
		file, err := os.Open(name)
		if err != nil {
			return prophet.Series{}, usageError{fmt.Errorf("--input: %w", err)}
		}
		defer file.Close()
		in = file
	}
	if strings.HasSuffix(name, ".gz") {
		unpacked, err := gzip.NewReader(in)
		if err != nil {
			return prophet.Series{}, fmt.Errorf("unpack %s: %w", name, err)
		}
		in = unpacked
	}
	series, err := prophet.ReadCSV(in)
	if err != nil {
		return series, fmt.Errorf("read %s: %w", name, err)
	}
	return series, nil
}
