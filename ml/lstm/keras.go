package lstm

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Largest parts of a .keras file that are read.
const (
	maxConfigBytes  = 1 << 20
	maxWeightsBytes = 1 << 30
)

// ReadKeras makes a network of a `.keras` file of Keras 3: a Sequential model or
// a functional chain of LSTM → Dropout → Dense (Dropout may be missing) with
// Keras's default activations in float32. Every other network is refused with
// the layer and the reason.
func ReadKeras(data []byte) (*Model, error) {
	m, err := decodeKeras(data)
	if err != nil {
		return nil, fmt.Errorf("lstm: read .keras: %w", err)
	}
	return m, nil
}

func decodeKeras(data []byte) (*Model, error) {
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("%w (a .keras file is a zip archive; save the model with Keras 3)", err)
	}
	config, err := member(archive, "config.json", maxConfigBytes)
	if err != nil {
		return nil, err
	}
	shape, err := decodeConfig(config)
	if err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	h5, err := member(archive, "model.weights.h5", maxWeightsBytes)
	if err != nil {
		return nil, err
	}
	w, err := decodeWeights(h5, shape)
	if err != nil {
		return nil, fmt.Errorf("model.weights.h5: %w", err)
	}
	return FromWeights(shape, w)
}

// member reads a file of the archive that is there once and no larger than
// most.
func member(archive *zip.Reader, name string, most int64) ([]byte, error) {
	var found *zip.File
	for _, f := range archive.File {
		if f.Name == name {
			if found != nil {
				return nil, fmt.Errorf("%s is there twice", name)
			}
			found = f
		}
	}
	if found == nil {
		return nil, fmt.Errorf("%s is missing", name)
	}
	if found.UncompressedSize64 > uint64(most) {
		return nil, fmt.Errorf("%s has %d bytes, more than %d", name, found.UncompressedSize64, most)
	}
	r, err := found.Open()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	defer r.Close()
	// The size in the directory may lie: what is read grows with what is there.
	content, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if int64(len(content)) > most {
		return nil, fmt.Errorf("%s has more than %d bytes", name, most)
	}
	return content, nil
}

// decodeWeights reads the five arrays. Their paths come from the names of the
// classes, not from those that the user gave the layers.
func decodeWeights(h5 []byte, s Shape) (w Weights, err error) {
	f, err := openHDF5(h5)
	if err != nil {
		return w, err
	}
	layers, err := f.names("layers")
	if err != nil {
		return w, err
	}
	for _, name := range layers {
		if !slices.Contains([]string{"input_layer", "lstm", "dropout", "dense"}, name) {
			return w, fmt.Errorf("there are weights of a layer %q that the configuration does not name", name)
		}
	}
	for path, want := range map[string][]string{
		"layers/lstm/cell/vars": {"0", "1", "2"},
		"layers/dense/vars":     {"0", "1"},
	} {
		if got, err := f.names(path); err != nil {
			return w, err
		} else if !slices.Equal(got, want) {
			return w, fmt.Errorf("%s holds %v, want %v", path, got, want)
		}
	}
	var errs [5]error
	w.Kernel, errs[0] = f.floats("layers/lstm/cell/vars/0", s.Features, 4*s.Units)
	w.Recurrent, errs[1] = f.floats("layers/lstm/cell/vars/1", s.Units, 4*s.Units)
	w.Bias, errs[2] = f.floats("layers/lstm/cell/vars/2", 4*s.Units)
	w.Dense, errs[3] = f.floats("layers/dense/vars/0", s.Units, s.Outputs)
	w.DenseBias, errs[4] = f.floats("layers/dense/vars/1", s.Outputs)
	return w, errors.Join(errs[:]...)
}
