package lstm

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
)

// maxFileBytes is the largest model file that is opened.
const maxFileBytes = 2 << 30

// Open reads a `.keras` or safetensors file, told apart by what is in it.
func Open(path string) (*Model, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("lstm: open model: %w", err)
	}
	if info.Size() > maxFileBytes {
		return nil, fmt.Errorf("lstm: open model: %s has %d bytes, more than %d", path, info.Size(), maxFileBytes)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("lstm: open model: %w", err)
	}
	m, err := Read(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return m, nil
}

// Read makes a network of the content of a `.keras` or safetensors file.
func Read(data []byte) (*Model, error) {
	if bytes.HasPrefix(data, []byte("PK")) {
		return ReadKeras(data)
	}
	return ReadSafetensors(data)
}
