package ml

import (
	"errors"
	"fmt"

	"tapedeck/ml/lstm"
	"tapedeck/ml/xgboost"
	"tapedeck/pipeline/market"
)

// Config is how models are trained. DefaultConfig is made for a thousand
// symbols and some hours or days of one-minute bars on two cores.
type Config struct {
	Horizons []int32 // seconds ahead, whole minutes, rising
	MaxRows  int     // most rows that a forest or network is fitted to, drawn from all
	HeldOut  float64 // share of the minutes, the newest, for stopping, shrinkage and calibration
	Relative bool    // fit what a symbol does beyond the mean of its sector, see Data
	Seed     uint64  // of all draws

	Version string      // of the model; empty: made of the time
	Made    market.Time // when the training was; 0: now

	// Forests.
	Lags  []int          // rows that a forest sees, in minutes before the newest
	Trees xgboost.Config // MinChildWeight is at most a 40th of the rows

	// The network.
	Units   int
	Dropout float32
	Network lstm.TrainConfig
}

// DefaultConfig gives horizons of 1, 5, 15 and 30 minutes, shallow trees with
// much data a leaf, and LSTM(128) → Dropout(0.3) → Dense(4).
func DefaultConfig() Config {
	c := Config{
		Horizons: []int32{60, 300, 900, 1800},
		MaxRows:  120_000, HeldOut: 0.25, Relative: true, Seed: 1,
		Lags:  []int{0, 1, 5},
		Trees: xgboost.DefaultConfig(),
		Units: 128, Dropout: 0.3,
		Network: lstm.DefaultTrainConfig(),
	}
	c.Trees.Rounds, c.Trees.EarlyStopping = 150, 15
	c.Trees.MaxDepth, c.Trees.LearningRate = 3, 0.08
	c.Trees.MinChildWeight, c.Trees.Lambda = 3000, 50
	c.Trees.Subsample, c.Trees.MaxBins = 0.5, 64
	c.Trees.BaseScore = []float64{0}
	c.Network.Epochs, c.Network.Patience, c.Network.BatchSize = 8, 2, 256
	c.Network.LearningRate = 3e-4 // at 1e-3 the second epoch already fits noise
	c.Network.ClipNorm, c.Network.Huber = 1, 2
	return c
}

// NetworkRows is a good MaxRows for the network on two cores: an epoch of some seconds.
const NetworkRows = 24_000

// Validate says what about the settings cannot be trained with.
func (c *Config) Validate() error {
	if len(c.Horizons) == 0 || len(c.Horizons) > maxHorizons {
		return fmt.Errorf("%d horizons, want 1 to %d", len(c.Horizons), maxHorizons)
	}
	if err := errors.Join(checkHorizons(c.Horizons), checkLags(c.Lags)); err != nil {
		return err
	}
	switch {
	case c.MaxRows < 100:
		return fmt.Errorf("at most %d rows, want 100 or more", c.MaxRows)
	case !(c.HeldOut >= 0.05 && c.HeldOut <= 0.5):
		return fmt.Errorf("held out: %g of the minutes, want 0.05 to 0.5", c.HeldOut)
	case c.Version != "" && !validVersion.MatchString(c.Version):
		return fmt.Errorf("version %.40q is not letters, digits, dots and dashes", c.Version)
	}
	return nil
}

// longest is the longest horizon in seconds.
func (c *Config) longest() int32 { return c.Horizons[len(c.Horizons)-1] }
