package ml

import (
	"context"
	"fmt"
	"math"

	"tapedeck/ml/lstm"
	"tapedeck/ml/xgboost"
)

// Model is a trained model. It does not change once made and is safe for
// concurrent use.
type Model struct {
	manifest Manifest
	forests  []*xgboost.Model // by horizon
	network  *lstm.Model
}

// Manifest is what the model is. The caller must not change what it holds.
func (m *Model) Manifest() *Manifest { return &m.manifest }

// Horizons are the seconds ahead that the model forecasts, in the order of its
// outputs.
func (m *Model) Horizons() []int32 { return m.manifest.Horizons }

// Predict is that of Predictor. Values that are not finite are refused.
func (m *Model) Predict(ctx context.Context, batch Batch, out []float32) error {
	if err := batch.Validate(); err != nil {
		return err
	}
	horizons := len(m.manifest.Horizons)
	switch {
	case batch.Window != m.manifest.Window || batch.Features != len(m.manifest.Features):
		return fmt.Errorf("%w: windows of %d × %d, the model takes %d × %d", ErrBatch,
			batch.Window, batch.Features, m.manifest.Window, len(m.manifest.Features))
	case len(out) != batch.Rows*horizons*Outputs:
		return fmt.Errorf("%w: room for %d values, want %d × %d × %d", ErrBatch, len(out), batch.Rows, horizons, Outputs)
	}
	for i, v := range batch.Values {
		if !finite(v) {
			return fmt.Errorf("%w: value %g of row %d is not finite", ErrBatch, v, i/(batch.Window*batch.Features))
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if batch.Rows == 0 {
		return nil
	}
	answers := make([]float32, batch.Rows*horizons)
	if err := m.answer(&batch, answers); err != nil {
		return err
	}
	m.returns(answers, batch.Volatility, out)
	return nil
}

// answer writes [rows, horizons]: what weights say, in units of volatility × √minutes.
func (m *Model) answer(batch *Batch, answers []float32) error {
	size := batch.Window * batch.Features
	if m.network != nil {
		values := make([]float32, len(batch.Values))
		m.manifest.Normaliser.apply(values, batch.Values)
		return m.network.Predict(answers, values, batch.Rows)
	}
	lags := m.manifest.Lags
	x := xgboost.Matrix{Rows: batch.Rows, Cols: len(lags) * batch.Features}
	x.Values = make([]float32, x.Rows*x.Cols)
	for i := range batch.Rows {
		window := batch.Values[i*size : (i+1)*size]
		for k, lag := range lags {
			copy(x.Values[i*x.Cols+k*batch.Features:], window[(batch.Window-1-lag)*batch.Features:][:batch.Features])
		}
	}
	one := make([]float32, batch.Rows)
	for h, forest := range m.forests {
		if err := forest.Predict(x, one); err != nil {
			return err
		}
		for i, v := range one {
			answers[i*len(m.forests)+h] = v
		}
	}
	return nil
}

// returns makes of answers mean, low and high returns.
func (m *Model) returns(answers, volatility, out []float32) {
	n := len(m.manifest.Horizons)
	for i, v := range volatility {
		for h, c := range m.manifest.Calibration {
			unit := scale(v, c.Horizon)
			mean := c.Shrink * min(max(float64(answers[i*n+h]), -maxTarget), maxTarget) * unit
			half := c.Width * unit
			o := out[(i*n+h)*Outputs:][:Outputs]
			o[0], o[1], o[2] = float32(mean), float32(mean-half), float32(mean+half)
		}
	}
}

// calibrate sets shrinkage and intervals from held-out answers and targets of
// a horizon; a target that is NaN is passed over.
func calibrate(horizon int32, answers, relative, targets []float32) Calibration {
	c := Calibration{Horizon: horizon}
	var xy, xx float64
	for i, t := range relative {
		if t == t {
			a := float64(answers[i])
			xy += a * float64(t)
			xx += a * a
		}
	}
	if xx > 0 {
		c.Shrink = min(max(xy/xx, 0), 1)
	}
	residuals := make([]float64, 0, len(targets))
	for i, t := range targets {
		if t == t {
			residuals = append(residuals, math.Abs(float64(t)-c.Shrink*float64(answers[i])))
		}
	}
	c.HeldOut = len(residuals)
	c.Width = conformal(residuals, Coverage)
	return c
}
