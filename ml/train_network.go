package ml

import (
	"context"
	"fmt"
	"math"
	"time"

	"tapedeck/ml/features"
	"tapedeck/ml/lstm"
)

// windows are samples as the network sees them.
type windows struct {
	data       *Data
	list       []sample
	targets    []float32 // [samples, horizons]
	normaliser *Normaliser
}

func (w *windows) Len() int { return len(w.list) }

func (w *windows) Sample(i int, window, target []float32) {
	w.data.window(w.list[i], window)
	w.normaliser.apply(window, window)
	copy(target, w.targets[i*len(target):])
}

// clip is the most standard deviations of a feature that the network sees.
const clip = 5

// normaliser is the mean and the standard deviation of features over rows.
func (t *training) normaliser() *Normaliser {
	n := &Normaliser{Mean: make([]float32, features.Count), Scale: make([]float32, features.Count), Clip: clip}
	for k := range features.Count {
		var sum, squares float64
		for _, s := range t.fit {
			v := float64(t.data.series[s.series].values[int(s.row)*features.Count+k])
			sum += v
			squares += v * v
		}
		mean := sum / float64(len(t.fit))
		n.Mean[k] = float32(mean)
		n.Scale[k] = float32(max(math.Sqrt(max(squares/float64(len(t.fit))-mean*mean, 0)), 1e-3))
	}
	return n
}

// network fits one network for all horizons.
func (t *training) network(ctx context.Context, m *Model) error {
	c := t.config
	m.manifest.Normaliser = t.normaliser()
	fit, held := t.networkWindows(m.manifest.Normaliser)
	if fit.Len() < 100 || held.Len() < 20 {
		return fmt.Errorf("%w: %d windows to fit and %d to hold out", ErrData, fit.Len(), held.Len())
	}
	m.manifest.Training.Rows, m.manifest.Training.HeldOut = fit.Len(), held.Len()
	network, err := lstm.New(lstm.Shape{Steps: features.Window, Features: features.Count, Units: c.Units,
		Outputs: len(c.Horizons), Dropout: c.Dropout}, c.Seed)
	if err != nil {
		return err
	}
	weights := network.Weights()
	for i := range weights.Dense { // begin near "no change", which is hard to beat
		weights.Dense[i] *= 0.05
	}
	if network, err = lstm.FromWeights(network.Shape(), weights); err != nil {
		return err
	}
	settings := c.Network
	settings.Seed = c.Seed
	trainer, err := lstm.NewTrainer(network, settings)
	if err != nil {
		return err
	}
	var curve Curve
	stage := Progress{Stage: "network"}
	t.progress(stage)
	err = trainer.Run(ctx, fit, held, func(p lstm.Progress) {
		stage.Fraction = (float64(p.Epoch-1) + float64(p.Batch)/float64(p.Batches)) / float64(p.Epochs) * 0.98
		stage.Round = 0
		if p.Finished != nil {
			stage.Round, stage.Train, stage.Validation = p.Epoch, p.Finished.Loss, p.Finished.ValidationLoss
			curve.Train, curve.Validation = append(curve.Train, stage.Train), append(curve.Validation, stage.Validation)
			curve.Best = p.BestEpoch - 1
		}
		t.progress(stage)
	})
	if err != nil {
		return err
	}
	m.network = trainer.Model()
	m.manifest.Curves = []Curve{curve}
	t.progress(Progress{Stage: "calibration", Fraction: 0.98})
	return t.calibrateNetwork(ctx, m)
}

// networkWindows are the windows to fit to and to hold out; no outcome of the
// first reaches into the second.
func (t *training) networkWindows(n *Normaliser) (fit, held *windows) {
	longest := time.Duration(t.config.longest()) * time.Second
	embargo, last := t.heldAt.Add(-longest), t.until.Add(-time.Minute-longest)
	fit = t.windows(t.fit, n, t.config.Relative, func(s sample) bool { return t.data.time(s).Add(time.Minute) <= embargo })
	held = t.windows(t.held, n, t.config.Relative, func(s sample) bool { return t.data.time(s) <= last })
	return fit, held
}

// windows are those of a list that may be used and have targets for all horizons.
func (t *training) windows(list []sample, n *Normaliser, relative bool, use func(sample) bool) *windows {
	w := &windows{data: t.data, normaliser: n}
	horizons := t.config.Horizons
	targets := make([][]float32, len(horizons))
	for h, horizon := range horizons {
		targets[h] = t.data.targets(list, horizon, relative)
	}
next:
	for i, s := range list {
		if !use(s) {
			continue
		}
		for h := range horizons {
			if v := targets[h][i]; v != v {
				continue next
			}
		}
		w.list = append(w.list, s)
		for h := range horizons {
			w.targets = append(w.targets, targets[h][i])
		}
	}
	return w
}

// calibrateNetwork asks the network about all held-out rows.
func (t *training) calibrateNetwork(ctx context.Context, m *Model) error {
	horizons := t.config.Horizons
	all := make([]float32, len(t.held)*len(horizons))
	const part = 1024
	for i := 0; i < len(t.held); i += part {
		if err := ctx.Err(); err != nil {
			return err
		}
		end := min(i+part, len(t.held))
		batch := t.data.batch(t.held[i:end])
		if err := m.answer(&batch, all[i*len(horizons):end*len(horizons)]); err != nil {
			return err
		}
	}
	answers := make([]float32, len(t.held))
	for h, horizon := range horizons {
		for i := range answers {
			answers[i] = all[i*len(horizons)+h]
		}
		m.manifest.Calibration = append(m.manifest.Calibration, calibrate(horizon, answers,
			t.known(t.held, horizon, t.config.Relative, t.until), t.known(t.held, horizon, false, t.until)))
	}
	steady(m.manifest.Calibration, t.spared)
	return nil
}
