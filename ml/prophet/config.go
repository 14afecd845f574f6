package prophet

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"tapedeck/pipeline/market"
)

// Growth is the shape of the trend.
type Growth string

// The growths of Prophet.
const (
	Linear   Growth = "linear"   // piecewise linear
	Logistic Growth = "logistic" // saturates at cap and floor; needs Series.Cap
	Flat     Growth = "flat"     // a constant
)

// Mode says how a term joins the trend g(t).
type Mode string

// The modes of Prophet: y = g·(1 + multiplicative terms) + additive terms.
const (
	Additive       Mode = "additive"
	Multiplicative Mode = "multiplicative"
)

// Scaling says how y is scaled before the fit, and so what the priors mean.
type Scaling string

// The scalings of Prophet.
const (
	AbsMax Scaling = "absmax" // by the largest |y|
	MinMax Scaling = "minmax" // from [min, max] to [0, 1]
)

// Order is the Fourier order of a built-in seasonality: 0 is off, n > 0 gives n
// pairs of sine and cosine, Auto decides by the length and the spacing of the series.
type Order int

// Auto leaves a seasonality to Prophet's rule: yearly (order 10) from two years
// of history, weekly (3) from two weeks of data closer than a week, daily (4)
// from two days of data closer than a day.
const Auto Order = -1

// Seasonality is a further periodic term (Prophet's add_seasonality). One named
// yearly, weekly or daily replaces the built-in one.
type Seasonality struct {
	Name       string  `json:"name"`
	Period     float64 `json:"period"` // days
	Order      int     `json:"fourier_order"`
	PriorScale float64 `json:"prior_scale"` // of its coefficients; 0: SeasonalityPriorScale
	Mode       Mode    `json:"mode"`        // "": SeasonalityMode
}

// Holiday is one occurrence of a named day. Occurrences of one name share their
// coefficients, one for each day of the window.
type Holiday struct {
	Name        string      `json:"holiday"`
	Date        market.Time `json:"ds"`           // only its UTC date counts
	LowerWindow int         `json:"lower_window"` // days before, ≤ 0
	UpperWindow int         `json:"upper_window"` // days after, ≥ 0
	PriorScale  float64     `json:"prior_scale"`  // 0: HolidaysPriorScale
}

// Config holds Prophet's parameters under Prophet's names. DefaultConfig gives
// Prophet's defaults; the zero Config is not valid.
type Config struct {
	Growth                Growth        `json:"growth"`
	Changepoints          []market.Time `json:"changepoints,omitempty"` // nil: NChangepoints of them, evenly over the rows
	NChangepoints         int           `json:"n_changepoints"`
	ChangepointRange      float64       `json:"changepoint_range"` // share of the history that may hold changepoints
	YearlySeasonality     Order         `json:"yearly_seasonality"`
	WeeklySeasonality     Order         `json:"weekly_seasonality"`
	DailySeasonality      Order         `json:"daily_seasonality"`
	Seasonalities         []Seasonality `json:"seasonalities,omitempty"`
	Holidays              []Holiday     `json:"holidays,omitempty"`
	SeasonalityMode       Mode          `json:"seasonality_mode"`
	HolidaysMode          Mode          `json:"holidays_mode,omitempty"` // "": SeasonalityMode
	SeasonalityPriorScale float64       `json:"seasonality_prior_scale"` // standard deviation of the coefficients
	HolidaysPriorScale    float64       `json:"holidays_prior_scale"`
	ChangepointPriorScale float64       `json:"changepoint_prior_scale"` // Laplace scale of the changes of slope
	IntervalWidth         float64       `json:"interval_width"`          // 0.8: from the 10 % to the 90 % quantile
	UncertaintySamples    int           `json:"uncertainty_samples"`     // 0: no intervals
	Scaling               Scaling       `json:"scaling"`
	Seed                  uint64        `json:"seed"` // of the simulated futures
}

// DefaultConfig returns Prophet's defaults.
func DefaultConfig() Config {
	return Config{
		Growth:                Linear,
		NChangepoints:         25,
		ChangepointRange:      0.8,
		YearlySeasonality:     Auto,
		WeeklySeasonality:     Auto,
		DailySeasonality:      Auto,
		SeasonalityMode:       Additive,
		SeasonalityPriorScale: 10,
		HolidaysPriorScale:    10,
		ChangepointPriorScale: 0.05,
		IntervalWidth:         0.8,
		UncertaintySamples:    1000,
		Scaling:               AbsMax,
		Seed:                  1,
	}
}

// Bounds that keep a hostile configuration from asking for all the memory.
const (
	maxOrder   = 1000
	maxWindow  = 365
	maxSamples = 100_000
	maxColumns = 2000
)

// Validate reports every parameter out of its range, joined.
func (c *Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	positive := func(name string, v float64) {
		check(v > 0 && !math.IsInf(v, 0), "%s is %v: give a number above 0", name, v)
	}
	mode := func(name string, m Mode) {
		check(m == Additive || m == Multiplicative, "%s is %q: give additive or multiplicative", name, m)
	}
	check(c.Growth == Linear || c.Growth == Logistic || c.Growth == Flat, "growth is %q: give linear, logistic or flat", c.Growth)
	check(c.Scaling == AbsMax || c.Scaling == MinMax, "scaling is %q: give absmax or minmax", c.Scaling)
	check(c.NChangepoints >= 0 && c.NChangepoints <= maxColumns, "n_changepoints is %d: give 0 to %d", c.NChangepoints, maxColumns)
	check(c.ChangepointRange >= 0 && c.ChangepointRange <= 1, "changepoint_range is %v: give 0 to 1", c.ChangepointRange)
	mode("seasonality_mode", c.SeasonalityMode)
	if c.HolidaysMode != "" {
		mode("holidays_mode", c.HolidaysMode)
	}
	positive("seasonality_prior_scale", c.SeasonalityPriorScale)
	positive("holidays_prior_scale", c.HolidaysPriorScale)
	positive("changepoint_prior_scale", c.ChangepointPriorScale)
	check(c.IntervalWidth > 0 && c.IntervalWidth < 1, "interval_width is %v: give a number between 0 and 1, such as 0.8", c.IntervalWidth)
	check(c.UncertaintySamples >= 0 && c.UncertaintySamples <= maxSamples, "uncertainty_samples is %d: give 0 to %d", c.UncertaintySamples, maxSamples)
	for name, o := range map[string]Order{"yearly_seasonality": c.YearlySeasonality, "weekly_seasonality": c.WeeklySeasonality, "daily_seasonality": c.DailySeasonality} {
		check(o >= Auto && o <= maxOrder, "%s is %d: give auto (%d), 0 for off, or a Fourier order up to %d", name, o, Auto, maxOrder)
	}
	seen := map[string]bool{}
	for _, s := range c.Seasonalities {
		check(validName(s.Name), "seasonality %q: give it a name that is no column of a forecast", s.Name)
		check(!seen[s.Name], "seasonality %q is given twice", s.Name)
		seen[s.Name] = true
		positive("the period of seasonality "+s.Name, s.Period)
		check(s.Order >= 1 && s.Order <= maxOrder, "seasonality %s: fourier_order is %d: give 1 to %d", s.Name, s.Order, maxOrder)
		check(s.PriorScale >= 0 && !math.IsInf(s.PriorScale, 0), "seasonality %s: prior_scale is %v: give a number above 0", s.Name, s.PriorScale)
		if s.Mode != "" {
			mode("the mode of seasonality "+s.Name, s.Mode)
		}
	}
	scales := map[string]float64{}
	for _, h := range c.Holidays {
		check(validName(h.Name) && !seen[h.Name] && !builtin[h.Name], "holiday %q: give it a name that is no column of a forecast and no seasonality", h.Name)
		check(h.LowerWindow <= 0 && h.LowerWindow >= -maxWindow, "holiday %s: lower_window is %d: give -%d to 0", h.Name, h.LowerWindow, maxWindow)
		check(h.UpperWindow >= 0 && h.UpperWindow <= maxWindow, "holiday %s: upper_window is %d: give 0 to %d", h.Name, h.UpperWindow, maxWindow)
		check(h.PriorScale >= 0 && !math.IsInf(h.PriorScale, 0), "holiday %s: prior_scale is %v: give a number above 0", h.Name, h.PriorScale)
		if s, ok := scales[h.Name]; ok {
			check(s == h.PriorScale, "holiday %s has two prior scales, %v and %v: give one", h.Name, s, h.PriorScale)
		}
		scales[h.Name] = h.PriorScale
	}
	return errors.Join(errs...)
}

var (
	builtin = map[string]bool{"yearly": true, "weekly": true, "daily": true}
	columns = map[string]bool{"ds": true, "y": true, "t": true, "cap": true, "floor": true, "trend": true, "yhat": true,
		"additive_terms": true, "multiplicative_terms": true, "holidays": true, "zeros": true}
)

func validName(name string) bool {
	for _, end := range []string{"_lower", "_upper"} {
		if base, ok := strings.CutSuffix(name, end); ok && (columns[base] || base == "") {
			return false
		}
	}
	return name != "" && !columns[name] && !strings.Contains(name, "_delim_")
}
