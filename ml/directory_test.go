package ml

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tapedeck/ml/features"
)

// small trains models for tests.
func small(t testing.TB, kind string) *Model {
	t.Helper()
	m, err := Train(t.Context(), kind, NewData(revert(1, 15, 160, 0.1, true)), quick(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// answers are what a model says about some rows.
func answers(t *testing.T, m *Model) []float32 {
	t.Helper()
	data := NewData(revert(9, 10, 80, 0.1, true))
	batch := data.batch(data.samples(0, 0)[:20])
	out := make([]float32, batch.Rows*len(m.Horizons())*Outputs)
	if err := m.Predict(t.Context(), batch, out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestDirectoryRoundTrip(t *testing.T) {
	for _, kind := range []string{XGBoost, LSTM} {
		m := small(t, kind).WithScores([]Score{{Horizon: 60, N: 5, Skill: unknown(), Drift: unknown(), Direction: unknown(), Coverage: Estimate{Value: 0.8, Low: math.NaN(), High: 0.9}}})
		dir := filepath.Join(t.TempDir(), "models", kind, m.Manifest().Version)
		if err := m.Write(dir); err != nil {
			t.Fatal(err)
		}
		if err := m.Write(dir); err == nil {
			t.Error("a version was overwritten")
		}
		back, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := answers(t, back), answers(t, m); !slices.Equal(got, want) {
			t.Errorf("%s: reads back with other answers", kind)
		}
		for i, v := range answers(t, m) {
			if i%Outputs == 0 && !(math.Abs(float64(v)) < 0.01) {
				t.Errorf("%s: a return of %g", kind, v)
			}
		}
		s := back.Manifest().Scores
		if len(s) != 1 || s[0].N != 5 || !math.IsNaN(s[0].Skill.Value) || s[0].Coverage.High != 0.9 || !math.IsNaN(s[0].Coverage.Low) {
			t.Errorf("scores %+v", s)
		}
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), ".model-*")); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}

// model.tar.gz holds the files at its top, as a container finds them in
// /opt/ml/model, and no links, directories or owners.
func TestTarGzIsWhatSageMakerWants(t *testing.T) {
	m := small(t, XGBoost)
	var archive bytes.Buffer
	if err := m.WriteTarGz(&archive); err != nil {
		t.Fatal(err)
	}
	unzipped, err := gzip.NewReader(&archive)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var names []string
	for r := tar.NewReader(unzipped); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg || h.Mode != 0o644 || strings.ContainsAny(h.Name, "/\\") || h.ModTime.IsZero() {
			t.Errorf("entry %+v", h)
		}
		names = append(names, h.Name)
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, h.Name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"forest-300.json", "forest-60.json", "manifest.json"}; !slices.Equal(names, want) {
		t.Errorf("holds %v, want %v", names, want)
	}
	back, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(answers(t, back), answers(t, m)) {
		t.Error("unpacked, it gives other answers")
	}
}

// What is missing, cut, changed or contradictory is refused, and nothing else
// happens.
func TestHostileDirectories(t *testing.T) {
	for _, kind := range []string{XGBoost, LSTM} {
		m := small(t, kind)
		names, content, err := m.files()
		if err != nil {
			t.Fatal(err)
		}
		weights := names[0]
		change := func(edit func(manifest map[string]any)) []byte {
			var v map[string]any
			if err := json.Unmarshal(content[manifestName], &v); err != nil {
				t.Fatal(err)
			}
			edit(v)
			data, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			return data
		}
		set := func(key string, value any) []byte { return change(func(v map[string]any) { v[key] = value }) }
		bad := map[string]map[string][]byte{
			"no manifest":           {manifestName: nil},
			"no weights":            {weights: nil},
			"cut weights":           {weights: content[weights][:len(content[weights])/2]},
			"changed weights":       {weights: append(slices.Clone(content[weights]), ' ')},
			"cut manifest":          {manifestName: content[manifestName][:100]},
			"empty manifest":        {manifestName: {}},
			"another format":        {manifestName: set("format", 99)},
			"no format":             {manifestName: []byte("{}")},
			"another kind":          {manifestName: set("name", map[string]string{XGBoost: LSTM, LSTM: XGBoost}[kind])},
			"unknown kind":          {manifestName: set("name", "../../etc")},
			"version with a path":   {manifestName: set("version", "../x")},
			"other features":        {manifestName: set("features_version", features.Version+1)},
			"fewer features":        {manifestName: set("features", []string{"return_1m"})},
			"no horizons":           {manifestName: set("horizons", []int{})},
			"falling horizons":      {manifestName: set("horizons", []int{300, 60})},
			"a horizon of seconds":  {manifestName: set("horizons", []int{59, 300})},
			"one calibration":       {manifestName: set("calibration", []any{})},
			"another window":        {manifestName: set("window", 1<<30)},
			"shrink above 1":        {manifestName: change(func(v map[string]any) { v["calibration"].([]any)[0].(map[string]any)["shrink"] = 2 })},
			"width 0":               {manifestName: change(func(v map[string]any) { v["calibration"].([]any)[1].(map[string]any)["width"] = 0 })},
			"no sums":               {manifestName: set("files", map[string]string{})},
			"a wrong type":          {manifestName: set("horizons", "60")},
			"too large a manifest":  {manifestName: append(slices.Clone(content[manifestName]), bytes.Repeat([]byte(" "), maxManifest)...)},
			"a lag beyond the rows": {manifestName: set("lags", []int{0, 60})},
			"no normaliser":         {manifestName: change(func(v map[string]any) { delete(v, "normaliser"); delete(v, "lags") })},
		}
		for name, files := range bad {
			if kind == LSTM && name == "a lag beyond the rows" {
				continue
			}
			t.Run(kind+"/"+name, func(t *testing.T) {
				dir := t.TempDir()
				for file, data := range content {
					if replaced, ok := files[file]; ok {
						data = replaced
					}
					if data == nil {
						continue
					}
					if err := os.WriteFile(filepath.Join(dir, file), data, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := Open(dir); !errors.Is(err, ErrModel) {
					t.Errorf("opened, or refused for the wrong reason: %v", err)
				}
			})
		}
	}
	outside, dir := t.TempDir(), t.TempDir()
	if err := small(t, XGBoost).Write(filepath.Join(outside, "m")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(outside, "m", manifestName), filepath.Join(dir, manifestName)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil {
		t.Error("a link that leads elsewhere was followed")
	}
	if _, err := Open(filepath.Join(dir, "none")); err == nil {
		t.Error("a directory that is not there was opened")
	}
}

// A batch that cannot be is refused with ErrBatch.
func TestHostileBatches(t *testing.T) {
	m := small(t, XGBoost)
	const size = features.Window * features.Count
	good := func() Batch {
		return Batch{Rows: 2, Window: features.Window, Features: features.Count, Values: make([]float32, 2*size), Volatility: []float32{0.001, 0.001}}
	}
	for name, edit := range map[string]func(*Batch){
		"rows":        func(b *Batch) { b.Rows = -1 },
		"many rows":   func(b *Batch) { b.Rows = MaxRows + 1 },
		"window":      func(b *Batch) { b.Window = 1 << 40 },
		"features":    func(b *Batch) { b.Features = 0 },
		"values":      func(b *Batch) { b.Values = b.Values[1:] },
		"volatility":  func(b *Batch) { b.Volatility[1] = 0 },
		"volatility2": func(b *Batch) { b.Volatility[1] = float32(math.NaN()) },
		"not finite":  func(b *Batch) { b.Values[7] = float32(math.Inf(1)) },
		"not finite2": func(b *Batch) { b.Values[size+1] = float32(math.NaN()) },
		"shape":       func(b *Batch) { b.Window, b.Features = b.Features, b.Window },
	} {
		b := good()
		edit(&b)
		if err := m.Predict(t.Context(), b, make([]float32, 2*2*Outputs)); !errors.Is(err, ErrBatch) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := m.Predict(t.Context(), good(), make([]float32, 5)); !errors.Is(err, ErrBatch) {
		t.Errorf("no room: %v", err)
	}
}

// FuzzManifest: whatever a manifest holds, it is refused or makes sense.
func FuzzManifest(f *testing.F) {
	m := Manifest{Format: ManifestFormat, Name: XGBoost, Version: "20261120T000000Z-0000", FeaturesVersion: features.Version,
		Features: features.Names[:], Window: features.Window, Horizons: []int32{60}, Lags: []int{0, 5},
		Calibration: []Calibration{{Horizon: 60, Shrink: 0.5, Width: 1.3, HeldOut: 9}}, Files: map[string]string{"forest-60.json": "00"}}
	for _, kind := range []string{XGBoost, LSTM} {
		m.Name = kind
		if kind == LSTM {
			m.Lags, m.Normaliser = nil, &Normaliser{Mean: make([]float32, features.Count), Scale: slices.Repeat([]float32{1}, features.Count), Clip: clip}
		}
		data, err := json.Marshal(&m)
		if err != nil {
			f.Fatal(err)
		}
		if _, err := DecodeManifest(data); err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"format":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := DecodeManifest(data)
		if err != nil {
			if !errors.Is(err, ErrModel) {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		if err := m.Validate(); err != nil {
			t.Fatal(err)
		}
		for _, c := range m.Calibration {
			if math.IsNaN(c.Width) || c.Width <= 0 {
				t.Fatalf("width %g", c.Width)
			}
		}
		if _, err := json.Marshal(m); err != nil {
			t.Fatal(err)
		}
	})
}
