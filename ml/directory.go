package ml

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"tapedeck/ml/features"
	"tapedeck/ml/lstm"
	"tapedeck/ml/xgboost"
)

const (
	manifestName = "manifest.json"
	weightsName  = "weights.safetensors"
	maxManifest  = 4 << 20
	maxWeights   = 256 << 20
)

func forestName(horizon int32) string { return fmt.Sprintf("forest-%d.json", horizon) }

// Open loads the model in a directory: manifest.json and the weights that
// belong to its kind, forest-SECONDS.json for each horizon or
// weights.safetensors. Other files are ignored. Nothing in it is trusted: what
// is missing, cut, changed or contradictory is refused with ErrModel.
func Open(dir string) (*Model, error) {
	root, err := os.OpenRoot(dir) // links that lead elsewhere are not followed
	if err != nil {
		return nil, fmt.Errorf("open the model directory: %w", err)
	}
	defer root.Close()
	m, err := open(root)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	return m, nil
}

// ReadManifest reads and checks the manifest of a model directory, not its weights.
func ReadManifest(dir string) (*Manifest, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the model directory: %w", err)
	}
	defer root.Close()
	m, err := readManifest(root)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	return m, nil
}

func readManifest(root *os.Root) (*Manifest, error) {
	data, err := readFile(root, manifestName, maxManifest)
	if err != nil {
		return nil, err
	}
	return DecodeManifest(data)
}

// DecodeManifest reads and checks a manifest.json.
func DecodeManifest(data []byte) (*Manifest, error) {
	if len(data) > maxManifest {
		return nil, fmt.Errorf("%w: the manifest is larger than %d MB", ErrModel, maxManifest>>20)
	}
	var m Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrModel, manifestName, err)
	}
	if err := m.Validate(); err != nil {
		return nil, err
	}
	return &m, nil
}

func open(root *os.Root) (*Model, error) {
	manifest, err := readManifest(root)
	if err != nil {
		return nil, err
	}
	m := &Model{manifest: *manifest}
	load := func(name string) ([]byte, error) {
		data, err := readFile(root, name, maxWeights)
		if err != nil {
			return nil, err
		}
		if want, got := m.manifest.Files[name], sum(data); got != want {
			return nil, fmt.Errorf("%w: %s is not the file that was written with the manifest (its SHA-256 differs)", ErrModel, name)
		}
		return data, nil
	}
	if m.manifest.Name == LSTM {
		data, err := load(weightsName)
		if err != nil {
			return nil, err
		}
		if m.network, err = lstm.ReadSafetensors(data); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrModel, weightsName, err)
		}
		s := m.network.Shape()
		if s.Features != features.Count || s.Outputs != len(m.manifest.Horizons) || s.Steps != 0 && s.Steps != m.manifest.Window {
			return nil, fmt.Errorf("%w: the network takes %d × %d and gives %d, the manifest says %d × %d and %d",
				ErrModel, s.Steps, s.Features, s.Outputs, m.manifest.Window, features.Count, len(m.manifest.Horizons))
		}
		return m, nil
	}
	cols := len(m.manifest.Lags) * features.Count
	for _, horizon := range m.manifest.Horizons {
		name := forestName(horizon)
		data, err := load(name)
		if err != nil {
			return nil, err
		}
		forest, err := xgboost.Decode(data)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrModel, name, err)
		}
		if forest.Features() != cols || forest.Outputs() != 1 || forest.Objective() != "reg:squarederror" {
			return nil, fmt.Errorf("%w: %s takes %d columns and gives %d (%.40s), want %d and 1 (reg:squarederror)",
				ErrModel, name, forest.Features(), forest.Outputs(), forest.Objective(), cols)
		}
		m.forests = append(m.forests, forest)
	}
	return m, nil
}

// readFile reads a plain file of at most limit bytes.
func readFile(root *os.Root, name string, limit int64) ([]byte, error) {
	info, err := root.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %s is missing", ErrModel, name)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrModel, err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%w: %s is not a plain file", ErrModel, name)
	case info.Size() > limit:
		return nil, fmt.Errorf("%w: %s has %d bytes, at most %d are read", ErrModel, name, info.Size(), limit)
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrModel, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%w: %s is larger than %d bytes", ErrModel, name, limit)
	}
	return data, nil
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

// files are the model's directory in memory, the manifest last.
func (m *Model) files() (names []string, content map[string][]byte, err error) {
	content = make(map[string][]byte)
	if m.network != nil {
		var b bytes.Buffer
		if err := m.network.WriteSafetensors(&b); err != nil {
			return nil, nil, err
		}
		content[weightsName] = b.Bytes()
	}
	for h, forest := range m.forests {
		var b bytes.Buffer
		if err := forest.WriteJSON(&b); err != nil {
			return nil, nil, err
		}
		content[forestName(m.manifest.Horizons[h])] = b.Bytes()
	}
	manifest := m.manifest
	manifest.Files = make(map[string]string)
	for name, data := range content {
		manifest.Files[name] = sum(data)
	}
	names = slices.Sorted(maps.Keys(content))
	data, err := json.MarshalIndent(&manifest, "", " ")
	if err != nil {
		return nil, nil, err
	}
	content[manifestName] = append(data, '\n')
	return append(names, manifestName), content, nil
}

// Write writes the model to a directory that is not there yet: whole or not at
// all. Missing parents are made.
func (m *Model) Write(dir string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write the model: %w", err)
		}
	}()
	names, content, err := m.files()
	if err != nil {
		return err
	}
	parent := filepath.Dir(filepath.Clean(dir))
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	if _, err := os.Lstat(dir); err == nil {
		return fmt.Errorf("%s is there already", dir)
	}
	temporary, err := os.MkdirTemp(parent, ".model-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temporary)
	for _, name := range names {
		if err := writeSynced(filepath.Join(temporary, name), content[name]); err != nil {
			return err
		}
	}
	if err := os.Chmod(temporary, 0o755); err != nil {
		return err
	}
	if err := os.Rename(temporary, dir); err != nil {
		return err
	}
	return syncDir(parent)
}

func writeSynced(path string, data []byte) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// WriteTarGz writes the model as SageMaker wants it: model.tar.gz, whose
// content a container finds in /opt/ml/model. The same model gives the same
// bytes.
func (m *Model) WriteTarGz(w io.Writer) error {
	names, content, err := m.files()
	if err != nil {
		return fmt.Errorf("write model.tar.gz: %w", err)
	}
	zipped := gzip.NewWriter(w)
	archive := tar.NewWriter(zipped)
	modified := m.manifest.Made.Std().Truncate(time.Second)
	for _, name := range names {
		header := tar.Header{Name: name, Mode: 0o644, Size: int64(len(content[name])), ModTime: modified, Format: tar.FormatUSTAR}
		if err := archive.WriteHeader(&header); err != nil {
			return fmt.Errorf("write model.tar.gz: %w", err)
		}
		if _, err := archive.Write(content[name]); err != nil {
			return fmt.Errorf("write model.tar.gz: %w", err)
		}
	}
	if err := errors.Join(archive.Close(), zipped.Close()); err != nil {
		return fmt.Errorf("write model.tar.gz: %w", err)
	}
	return nil
}

// WithScores is the model with the scores of a walk-forward in its manifest.
func (m *Model) WithScores(scores []Score) *Model {
	scored := *m
	scored.manifest.Scores = slices.Clone(scores)
	return &scored
}
