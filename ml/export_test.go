package ml

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tapedeck/ml/features"
)

// The exported set has the shapes that it says and is not written over.
func TestExport(t *testing.T) {
	data := NewData(revert(1, 15, 160, 0.1, true))
	dir := filepath.Join(t.TempDir(), "set")
	if err := Export(data, quick(), dir); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err != nil {
		t.Fatal(err)
	}
	var m Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	const window = features.Window * features.Count * 4
	for name, size := range map[string]int{"fit_windows": m.Training.Rows * window, "fit_targets": m.Training.Rows * 8,
		"held_windows": m.Training.HeldOut * window, "held_targets": m.Training.HeldOut * 8, "held_returns": m.Training.HeldOut * 8} {
		file, err := os.ReadFile(filepath.Join(dir, name+".npy"))
		if err != nil {
			t.Fatal(err)
		}
		header := int(file[8]) + int(file[9])<<8
		if (10+header)%64 != 0 || len(file) != 10+header+size || !strings.HasPrefix(string(file), "\x93NUMPY\x01\x00") || file[9+header] != '\n' {
			t.Errorf("%s: %d bytes, header %q", name, len(file), file[:10+header])
		}
	}
	if err := Export(data, quick(), dir); err == nil {
		t.Error("written over")
	}
}
