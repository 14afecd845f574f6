package ml

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"tapedeck/ml/features"
)

// Export writes what Train would fit the network to, for a training in another
// program: a new directory of NumPy files (format 1.0, float32) and
// manifest.json, a manifest in which only what training makes is missing:
// version, made, calibration, files.
//
//	fit_windows.npy   [n, Window, features], normalised
//	fit_targets.npy   [n, horizons], in units of volatility × √minutes
//	held_windows.npy  [m, Window, features]
//	held_targets.npy  [m, horizons]
//	held_returns.npy  [m, horizons], targets not made relative: for the intervals
//
// The split and the draws are those of Train, so nothing that is held out was
// known to what is fitted.
func Export(data *Data, c Config, dir string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("export the training set: %w", err)
		}
	}()
	if err := c.Validate(); err != nil {
		return err
	}
	_, last := data.Span()
	t := &training{data: data, config: c}
	if err := t.split(last.Add(time.Minute)); err != nil {
		return err
	}
	n := t.normaliser()
	fit, held := t.networkWindows(n)
	if fit.Len() < 100 || held.Len() < 20 {
		return fmt.Errorf("%w: %d windows to fit and %d to hold out", ErrData, fit.Len(), held.Len())
	}
	m := Manifest{Format: ManifestFormat, Name: LSTM, FeaturesVersion: features.Version, Features: features.Names[:],
		Window: features.Window, Horizons: c.Horizons, Normaliser: n, Seed: c.Seed, Relative: c.Relative,
		Training: Training{From: t.from, To: last, Symbols: data.Symbols(), Rows: fit.Len(), HeldOut: held.Len()}}
	text, err := json.MarshalIndent(&m, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(filepath.Clean(dir)), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	horizons := len(c.Horizons)
	raw := make([]float32, 0, held.Len()*horizons)
	columns := make([][]float32, horizons)
	for h, horizon := range c.Horizons {
		columns[h] = data.targets(held.list, horizon, false)
	}
	for i := range held.list {
		for h := range columns {
			raw = append(raw, columns[h][i])
		}
	}
	for _, w := range []struct {
		name string
		*windows
	}{{"fit", fit}, {"held", held}} {
		if err := w.writeNPY(filepath.Join(dir, w.name+"_windows.npy"), horizons); err != nil {
			return err
		}
		if err := writeNPY(filepath.Join(dir, w.name+"_targets.npy"), []int{w.Len(), horizons}, w.targets); err != nil {
			return err
		}
	}
	if err := writeNPY(filepath.Join(dir, "held_returns.npy"), []int{held.Len(), horizons}, raw); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, manifestName), append(text, '\n'), 0o644)
}

// writeNPY writes the windows without holding them all.
func (w *windows) writeNPY(name string, horizons int) error {
	row, target := make([]float32, features.Window*features.Count), make([]float32, horizons)
	i := 0
	return streamNPY(name, []int{w.Len(), features.Window, features.Count}, func() []float32 {
		if i == w.Len() {
			return nil
		}
		w.Sample(i, row, target)
		i++
		return row
	})
}

func writeNPY(name string, shape []int, values []float32) error {
	return streamNPY(name, shape, func() []float32 {
		part := values
		values = nil
		return part
	})
}

// streamNPY writes an array of float32 in NumPy's format 1.0
// (numpy.org/doc/stable/reference/generated/numpy.lib.format.html); next gives
// the values part by part.
func streamNPY(name string, shape []int, next func() []float32) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	dims := ""
	for _, n := range shape {
		dims += fmt.Sprintf("%d, ", n)
	}
	header := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }", dims)
	const before = 10
	fill := 63 - (before+len(header))%64
	header += fmt.Sprintf("%*s\n", fill, "")
	out := bufio.NewWriterSize(f, 1<<20)
	data := append([]byte("\x93NUMPY\x01\x00"), byte(len(header)), byte(len(header)>>8))
	_, err = out.Write(append(data, header...))
	for part := next(); part != nil && err == nil; part = next() {
		data = data[:0]
		for _, v := range part {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
		_, err = out.Write(data)
	}
	return errors.Join(err, out.Flush(), f.Close())
}
