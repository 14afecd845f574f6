package xgboost

import (
	"fmt"
	"math"
)

// Config is how Train grows trees. The names in brackets are the library's.
type Config struct {
	// Objective is "reg:squarederror", "binary:logistic" (labels 0 to 1) or
	// "reg:quantileerror" (one output for each of Quantiles).
	Objective string
	Quantiles []float64 // in (0, 1), for reg:quantileerror alone [quantile_alpha]

	Rounds         int     // most boosting rounds [num_boost_round]
	MaxDepth       int     // most steps from the root to a leaf, 1 to 24 [max_depth]
	LearningRate   float64 // what a tree's leaves are multiplied by [eta]
	Lambda         float64 // L2 penalty on leaves [lambda]
	Alpha          float64 // L1 penalty on leaves [alpha]
	Gamma          float64 // least gain of a split [gamma]
	MinChildWeight float64 // least sum of hessians in a child [min_child_weight]
	Subsample      float64 // share of the rows a tree sees, drawn anew each round [subsample]
	ColumnSample   float64 // share of the features a tree sees, at least one [colsample_bytree]
	MaxBins        int     // most bins a feature, 2 to 65,535 [max_bin]

	// BaseScore is where predictions start, one value or one a quantile: a
	// probability for binary:logistic. Empty: estimated from the labels, as
	// their mean or, for reg:quantileerror, their quantiles [base_score].
	BaseScore []float64

	// EarlyStopping ends training when the validation metric has not become
	// better for that many rounds, and the model keeps the rounds up to the
	// best one; 0 never [early_stopping_rounds].
	EarlyStopping int

	// Seed makes the draws of rows and features. The model depends on it and
	// on the data, not on how many goroutines grew it.
	Seed uint64

	// Progress, if not nil, is called after each round, from the goroutine
	// that called Train.
	Progress func(Round)
}

// Round is what a boosting round achieved.
type Round struct {
	Number     int     // from 0
	Rounds     int     // most that there will be
	Train      float64 // metric on the training rows
	Validation float64 // metric on the validation rows; NaN without them
	Best       int     // round of the best validation metric so far; Number without validation
}

// DefaultConfig is the library's defaults for squared error, with 100 rounds.
func DefaultConfig() Config {
	return Config{
		Objective:      "reg:squarederror",
		Rounds:         100,
		MaxDepth:       6,
		LearningRate:   0.3,
		Lambda:         1,
		MinChildWeight: 1,
		Subsample:      1,
		ColumnSample:   1,
		MaxBins:        256,
	}
}

// Validate says what about the settings cannot be trained with.
func (c *Config) Validate() error {
	for _, r := range []struct {
		name      string
		value     float64
		low, high float64
		open      bool // low itself is not allowed
	}{
		{"Rounds", float64(c.Rounds), 1, 1 << 20, false},
		{"MaxDepth", float64(c.MaxDepth), 1, 24, false},
		{"LearningRate", c.LearningRate, 0, 1e6, true},
		{"Lambda", c.Lambda, 0, math.MaxFloat32, false},
		{"Alpha", c.Alpha, 0, math.MaxFloat32, false},
		{"Gamma", c.Gamma, 0, math.MaxFloat32, false},
		{"MinChildWeight", c.MinChildWeight, 0, math.MaxFloat32, false},
		{"Subsample", c.Subsample, 0, 1, true},
		{"ColumnSample", c.ColumnSample, 0, 1, true},
		{"MaxBins", float64(c.MaxBins), 2, math.MaxUint16, false},
		{"EarlyStopping", float64(c.EarlyStopping), 0, math.MaxInt32, false},
	} {
		if !(r.value >= r.low && r.value <= r.high) || r.open && r.value == r.low {
			from := "from"
			if r.open {
				from = "above"
			}
			return fmt.Errorf("%s is %v; it must be %s %v to %v", r.name, r.value, from, r.low, r.high)
		}
	}
	l, err := newLoss(c)
	if err != nil {
		return err
	}
	if n := len(c.BaseScore); n > 1 && n != l.groups() {
		return fmt.Errorf("BaseScore has %d values for %d outputs", n, l.groups())
	}
	for _, b := range c.BaseScore {
		if b != b || math.Abs(b) > math.MaxFloat32 {
			return fmt.Errorf("BaseScore is %v", b)
		}
		if _, err := objectives[c.Objective].base.margin(float32(b)); err != nil {
			return err
		}
	}
	return nil
}

// Metric is the library's name of the metric that Round holds: "rmse",
// "logloss" or "quantile" (the mean pinball loss), "" for a Config that does
// not train.
func (c *Config) Metric() string {
	l, err := newLoss(c)
	if err != nil {
		return ""
	}
	return l.metricName()
}
