package ml

import (
	"context"
	"errors"
	"fmt"

	"tapedeck/ml/features"
)

// Predictor forecasts returns. A *Model is one; so is the client of an
// endpoint that serves one. It is safe for concurrent use.
type Predictor interface {
	// Predict writes Outputs values to out for each row of the batch and each
	// of the model's horizons: out is [rows, horizons, Outputs]. The values are
	// logarithmic returns from the row's close: mean, low and high, where low
	// to high is the 80 % interval.
	Predict(ctx context.Context, batch Batch, out []float32) error
}

// Outputs is the number of values for each row and horizon: mean, low, high.
const Outputs = 3

// Coverage is the share of outcomes that an interval is made to hold.
const Coverage = 0.8

// MaxRows is the most rows of one batch.
const MaxRows = 1 << 16

// Batch is what is known of some symbols at one moment.
type Batch struct {
	Rows     int // symbols
	Window   int // rows of features of each symbol, one a minute, the newest last
	Features int // values of such a row, in the order of features.Names

	Values     []float32 // [Rows, Window, Features]
	Volatility []float32 // [Rows]: standard deviation of a one-minute log return, above 0
}

// ErrBatch is in the chain of every error about the shape or the values of a
// batch, as against the model or the machine.
var ErrBatch = errors.New("batch")

// Validate says what about the batch's shape or volatilities is impossible.
func (b *Batch) Validate() error {
	switch {
	case b.Rows < 0 || b.Rows > MaxRows:
		return fmt.Errorf("%w: %d rows, want 0 to %d", ErrBatch, b.Rows, MaxRows)
	case b.Window < 1 || b.Window > maxWindow:
		return fmt.Errorf("%w: windows of %d rows, want 1 to %d", ErrBatch, b.Window, maxWindow)
	case b.Features < 1 || b.Features > maxFeatures:
		return fmt.Errorf("%w: %d features, want 1 to %d", ErrBatch, b.Features, maxFeatures)
	case len(b.Values) != b.Rows*b.Window*b.Features:
		return fmt.Errorf("%w: %d values, want %d × %d × %d", ErrBatch, len(b.Values), b.Rows, b.Window, b.Features)
	case len(b.Volatility) != b.Rows:
		return fmt.Errorf("%w: %d volatilities, want %d", ErrBatch, len(b.Volatility), b.Rows)
	}
	for i, v := range b.Volatility {
		if !(v > 0 && v <= maxVolatility) {
			return fmt.Errorf("%w: volatility %g of row %d, want above 0 and at most %g", ErrBatch, v, i, float64(maxVolatility))
		}
	}
	return nil
}

const (
	maxWindow     = 4096
	maxFeatures   = 1024
	maxVolatility = 1 // a price that e-folds in a minute
)

// Slice is the rows from <= i < to of the batch, which are shared with it.
func (b *Batch) Slice(from, to int) Batch {
	n := b.Window * b.Features
	return Batch{Rows: to - from, Window: b.Window, Features: b.Features,
		Values: b.Values[from*n : to*n], Volatility: b.Volatility[from:to]}
}

// BatchOf is the batch of a frame, whose memory it shares.
func BatchOf(f *features.Frame) Batch {
	return Batch{Rows: len(f.Symbols), Window: features.Window, Features: features.Count,
		Values: f.Values, Volatility: f.Volatility}
}
