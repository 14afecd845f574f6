package sagemaker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tapedeck/ml"
	"tapedeck/ml/lstm"
	"tapedeck/ml/xgboost"
)

// Model is what a server serves: rows of numbers in, rows of numbers out. It is
// safe for concurrent use.
type Model interface {
	// Describe says what goes in and what comes out.
	Describe() Description
	// Invoke answers rows: in is [rows, width], out [rows, Outputs]. An error
	// that has ErrInput in its chain is the caller's.
	Invoke(ctx context.Context, rows, width int, in, out []float32) error
}

// Description of a model.
type Description struct {
	Kind    string   `json:"kind"` // tapedeck, keras, xgboost
	Name    string   `json:"name"`
	Version string   `json:"version,omitempty"`
	Window  int      `json:"window,omitempty"`   // rows of a window; 0 with Features: any number
	Columns int      `json:"features,omitempty"` // values of a row of it
	Width   int      `json:"width,omitempty"`    // values of one instance; 0: a multiple of Columns
	Outputs int      `json:"outputs"`            // values of one answer
	Names   []string `json:"names,omitempty"`    // of the outputs
	Missing bool     `json:"missing,omitempty"`  // NaN and null are missing values
}

// ErrInput is in the chain of every error that the caller can mend.
var ErrInput = errors.New("bad input")

// Load opens a model: a model directory of this program (or one that holds a
// single file of the others), a Keras or safetensors file of an LSTM network, or
// an XGBoost model in JSON or UBJSON.
func Load(path string) (Model, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("open the model: %w", err)
	}
	if info.IsDir() {
		return loadDir(path)
	}
	name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	switch strings.ToLower(filepath.Ext(path)) {
	case ".keras", ".h5", ".hdf5", ".safetensors":
		m, err := lstm.Open(path)
		if err != nil {
			return nil, err
		}
		return network{m, name}, nil
	case ".json", ".ubj":
		m, err := xgboost.Open(path)
		if err != nil {
			return nil, err
		}
		return trees{m, name}, nil
	}
	return nil, fmt.Errorf("open the model %s: want a file .keras, .safetensors, .json or .ubj, or a model directory", path)
}

// loadDir opens a directory: what tapedeck train makes, or one model file.
func loadDir(dir string) (Model, error) {
	if _, err := os.Stat(filepath.Join(dir, "manifest.json")); err == nil {
		m, err := ml.Open(dir)
		if err != nil {
			return nil, err
		}
		return Own(m), nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open the model: %w", err)
	}
	var found []string
	for _, e := range entries {
		if slices.Contains([]string{".keras", ".safetensors", ".json", ".ubj"}, strings.ToLower(filepath.Ext(e.Name()))) {
			found = append(found, filepath.Join(dir, e.Name()))
		}
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("open the model: %s holds no manifest.json and %d model files, want one", dir, len(found))
	}
	return Load(found[0])
}

// Own serves a model of this program. An instance is its volatility, then its
// window, the oldest row first; an answer is mean, low and high for each
// horizon: logarithmic returns.
func Own(m *ml.Model) Model { return own{m} }

type own struct{ *ml.Model }

func (o own) Describe() Description {
	m := o.Manifest()
	d := Description{Kind: "tapedeck", Name: m.Name, Version: m.Version, Window: m.Window, Columns: len(m.Features),
		Width: 1 + m.Window*len(m.Features), Outputs: len(m.Horizons) * ml.Outputs}
	for _, h := range m.Horizons {
		for _, what := range []string{"mean", "low", "high"} {
			d.Names = append(d.Names, fmt.Sprintf("%s_%d", what, h))
		}
	}
	return d
}

func (o own) Invoke(ctx context.Context, rows, width int, in, out []float32) error {
	m := o.Manifest()
	size := m.Window * len(m.Features)
	if width != 1+size {
		return fmt.Errorf("%w: instances of %d values, want the volatility and %d × %d", ErrInput, width, m.Window, len(m.Features))
	}
	b := ml.Batch{Rows: rows, Window: m.Window, Features: len(m.Features),
		Values: make([]float32, rows*size), Volatility: make([]float32, rows)}
	for i := range rows {
		b.Volatility[i] = in[i*width]
		copy(b.Values[i*size:(i+1)*size], in[i*width+1:(i+1)*width])
	}
	if err := o.Predict(ctx, b, out); err != nil {
		if errors.Is(err, ml.ErrBatch) {
			err = fmt.Errorf("%w: %w", ErrInput, err)
		}
		return err
	}
	return nil
}

// network serves a Keras network: an instance is its window.
type network struct {
	*lstm.Model
	name string
}

func (n network) Describe() Description {
	s := n.Shape()
	return Description{Kind: "keras", Name: n.name, Window: s.Steps, Columns: s.Features, Width: s.Steps * s.Features, Outputs: s.Outputs}
}

func (n network) Invoke(ctx context.Context, rows, width int, in, out []float32) error {
	s := n.Shape()
	if s.Steps == 0 {
		return fmt.Errorf("%w: the network takes windows of any length, and this server one length only; save it with a fixed one", ErrInput)
	}
	if width != s.Steps*s.Features {
		return fmt.Errorf("%w: windows of %d values, want %d × %d", ErrInput, width, s.Steps, s.Features)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return n.Predict(out, in, rows)
}

// trees serves an XGBoost model: an instance is its row of features.
type trees struct {
	*xgboost.Model
	name string
}

func (t trees) Describe() Description {
	return Description{Kind: "xgboost", Name: t.name, Columns: t.Features(), Width: t.Features(), Outputs: t.Outputs(), Missing: true}
}

func (t trees) Invoke(ctx context.Context, rows, width int, in, out []float32) error {
	if width != t.Features() {
		return fmt.Errorf("%w: rows of %d values, want %d", ErrInput, width, t.Features())
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return t.Predict(xgboost.Matrix{Rows: rows, Cols: width, Values: in}, out)
}
