package lstm

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
)

// tensor is a named float32 array.
type tensor struct {
	name   string
	shape  []int
	values []float32
}

const (
	maxHeader  = 1 << 24 // bytes of a header; the format allows 100 MB
	maxTensors = 256
)

// ReadSafetensors makes a network of a safetensors file with the tensors
// lstm/kernel [F, 4U], lstm/recurrent_kernel [U, 4U], lstm/bias [4U],
// dense/kernel [U, K] and dense/bias [K], all F32, gates in the order i, f, c,
// o. Steps and dropout are taken from the metadata where it has them; else any
// number of steps is accepted and dropout is 0.
func ReadSafetensors(data []byte) (*Model, error) {
	tensors, metadata, err := decodeTensors(data)
	if err != nil {
		return nil, fmt.Errorf("lstm: read safetensors: %w", err)
	}
	m, err := fromTensors(tensors, metadata, "")
	if err != nil {
		return nil, fmt.Errorf("lstm: read safetensors: %w", err)
	}
	for name := range tensors {
		if !slices.Contains(tensorNames, name) {
			return nil, fmt.Errorf("lstm: read safetensors: tensor %q belongs to no LSTM(units) → Dense network", name)
		}
	}
	return m, nil
}

// WriteSafetensors writes the network as ReadSafetensors reads it.
// load_keras.py beside this package loads it into Keras.
func (m *Model) WriteSafetensors(w io.Writer) error {
	if err := encodeTensors(w, m.tensors(""), m.metadata()); err != nil {
		return fmt.Errorf("lstm: write safetensors: %w", err)
	}
	return nil
}

var tensorNames = []string{"lstm/kernel", "lstm/recurrent_kernel", "lstm/bias", "dense/kernel", "dense/bias"}

func (m *Model) metadata() map[string]string {
	return map[string]string{
		"format":     "keras",
		"gate_order": "i,f,c,o",
		"steps":      strconv.Itoa(m.shape.Steps),
		"dropout":    strconv.FormatFloat(float64(m.shape.Dropout), 'g', -1, 32),
	}
}

// tensors are the network's arrays, their names behind the prefix.
func (m *Model) tensors(prefix string) []tensor {
	s, w := m.shape, m.Weights()
	return []tensor{
		{prefix + "lstm/kernel", []int{s.Features, 4 * s.Units}, w.Kernel},
		{prefix + "lstm/recurrent_kernel", []int{s.Units, 4 * s.Units}, w.Recurrent},
		{prefix + "lstm/bias", []int{4 * s.Units}, w.Bias},
		{prefix + "dense/kernel", []int{s.Units, s.Outputs}, w.Dense},
		{prefix + "dense/bias", []int{s.Outputs}, w.DenseBias},
	}
}

// fromTensors makes a network of the tensors whose names start with prefix.
func fromTensors(tensors map[string]tensor, metadata map[string]string, prefix string) (*Model, error) {
	for _, name := range tensorNames {
		if _, ok := tensors[prefix+name]; !ok {
			return nil, fmt.Errorf("tensor %q is missing", prefix+name)
		}
	}
	if order, ok := metadata["gate_order"]; ok && order != "i,f,c,o" {
		return nil, fmt.Errorf("gates are in the order %q, want i,f,c,o", order)
	}
	kernel, dense := tensors[prefix+"lstm/kernel"], tensors[prefix+"dense/kernel"]
	if len(kernel.shape) != 2 || len(dense.shape) != 2 {
		return nil, fmt.Errorf("kernels have shapes %v and %v, want two dimensions each", kernel.shape, dense.shape)
	}
	s := Shape{Features: kernel.shape[0], Units: dense.shape[0], Outputs: dense.shape[1]}
	if v, ok := metadata["steps"]; ok {
		n, err := strconv.Atoi(v)
		if err != nil {
			return nil, fmt.Errorf("metadata: steps %q is not a number", v)
		}
		s.Steps = n
	}
	if v, ok := metadata["dropout"]; ok {
		f, err := strconv.ParseFloat(v, 32)
		if err != nil {
			return nil, fmt.Errorf("metadata: dropout %q is not a number", v)
		}
		s.Dropout = float32(f)
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	want := map[string][]int{
		"lstm/kernel":           {s.Features, 4 * s.Units},
		"lstm/recurrent_kernel": {s.Units, 4 * s.Units},
		"lstm/bias":             {4 * s.Units},
		"dense/kernel":          {s.Units, s.Outputs},
		"dense/bias":            {s.Outputs},
	}
	for _, name := range tensorNames {
		if got := tensors[prefix+name].shape; !slices.Equal(got, want[name]) {
			return nil, fmt.Errorf("tensor %q has shape %v, want %v", prefix+name, got, want[name])
		}
	}
	value := func(name string) []float32 { return tensors[prefix+name].values }
	return FromWeights(s, Weights{
		Kernel:    value("lstm/kernel"),
		Recurrent: value("lstm/recurrent_kernel"),
		Bias:      value("lstm/bias"),
		Dense:     value("dense/kernel"),
		DenseBias: value("dense/bias"),
	})
}

// entry is a tensor as the header of a safetensors file describes it.
type entry struct {
	DType   string   `json:"dtype"`
	Shape   []uint64 `json:"shape"`
	Offsets []uint64 `json:"data_offsets"`
}

// decodeTensors reads a safetensors file: the header's length as eight bytes,
// a JSON object, and the numbers, which the tensors must cover without gap or
// overlap (https://huggingface.co/docs/safetensors).
func decodeTensors(data []byte) (map[string]tensor, map[string]string, error) {
	if len(data) < 8 {
		return nil, nil, errors.New("file is shorter than its own length field")
	}
	length := binary.LittleEndian.Uint64(data)
	if length > maxHeader || length > uint64(len(data)-8) {
		return nil, nil, fmt.Errorf("header of %d bytes in a file of %d", length, len(data))
	}
	header, body := data[8:8+length], data[8+length:]
	decoder := json.NewDecoder(bytes.NewReader(header))
	if t, err := decoder.Token(); err != nil || t != json.Delim('{') {
		return nil, nil, errors.New("header is not a JSON object")
	}
	tensors, metadata := make(map[string]tensor), make(map[string]string)
	var covered [][2]uint64
	seen := make(map[string]bool)
	for decoder.More() {
		t, err := decoder.Token()
		if err != nil {
			return nil, nil, fmt.Errorf("header: %w", err)
		}
		name := t.(string) // a key always is
		if seen[name] {
			return nil, nil, fmt.Errorf("header names %q twice", name)
		}
		if seen[name] = true; len(seen) > maxTensors {
			return nil, nil, fmt.Errorf("more than %d tensors", maxTensors)
		}
		if name == "__metadata__" {
			if err := decoder.Decode(&metadata); err != nil {
				return nil, nil, fmt.Errorf("metadata: %w", err)
			}
			continue
		}
		var e entry
		if err := decoder.Decode(&e); err != nil {
			return nil, nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		v, err := e.read(name, body)
		if err != nil {
			return nil, nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		tensors[name] = v
		covered = append(covered, [2]uint64{e.Offsets[0], e.Offsets[1]})
	}
	if _, err := decoder.Token(); err != nil {
		return nil, nil, fmt.Errorf("header: %w", err)
	}
	if rest := bytes.Trim(header[decoder.InputOffset():], " "); len(rest) > 0 {
		return nil, nil, errors.New("header goes on after its object")
	}
	slices.SortFunc(covered, func(a, b [2]uint64) int {
		if a[0] != b[0] {
			return int(int64(a[0]) - int64(b[0]))
		}
		return int(int64(a[1]) - int64(b[1]))
	})
	end := uint64(0)
	for _, c := range covered {
		if c[0] != end {
			return nil, nil, fmt.Errorf("tensors leave a gap or overlap at byte %d", min(c[0], end))
		}
		end = c[1]
	}
	if end != uint64(len(body)) {
		return nil, nil, fmt.Errorf("tensors cover %d bytes of %d", end, len(body))
	}
	return tensors, metadata, nil
}

func (e *entry) read(name string, body []byte) (tensor, error) {
	if e.DType != "F32" {
		return tensor{}, fmt.Errorf("type is %q, want F32", e.DType)
	}
	if len(e.Offsets) != 2 || e.Offsets[0] > e.Offsets[1] || e.Offsets[1] > uint64(len(body)) {
		return tensor{}, fmt.Errorf("offsets %v in %d bytes of data", e.Offsets, len(body))
	}
	t := tensor{name: name, shape: make([]int, 0, 2)}
	size := uint64(4)
	for _, d := range e.Shape {
		if d == 0 || d > uint64(len(body))/size {
			return tensor{}, fmt.Errorf("shape %v in %d bytes of data", e.Shape, len(body))
		}
		size *= d
		t.shape = append(t.shape, int(d))
	}
	if size != e.Offsets[1]-e.Offsets[0] {
		return tensor{}, fmt.Errorf("shape %v needs %d bytes, has %d", e.Shape, size, e.Offsets[1]-e.Offsets[0])
	}
	t.values = floats(body[e.Offsets[0]:e.Offsets[1]])
	return t, nil
}

// floats are the little-endian float32 of b.
func floats(b []byte) []float32 {
	v := make([]float32, len(b)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return v
}

// encodeTensors writes a safetensors file, its header padded with spaces to a
// multiple of eight bytes.
func encodeTensors(w io.Writer, tensors []tensor, metadata map[string]string) error {
	header := map[string]any{"__metadata__": metadata}
	at := uint64(0)
	for _, t := range tensors {
		shape := make([]uint64, len(t.shape))
		for i, d := range t.shape {
			shape[i] = uint64(d)
		}
		end := at + 4*uint64(len(t.values))
		header[t.name] = entry{DType: "F32", Shape: shape, Offsets: []uint64{at, end}}
		at = end
	}
	text, err := json.Marshal(header) // keys sorted: the same network gives the same bytes
	if err != nil {
		return err
	}
	for len(text)%8 != 0 {
		text = append(text, ' ')
	}
	out := binary.LittleEndian.AppendUint64(make([]byte, 0, 8+len(text)+int(at)), uint64(len(text)))
	out = append(out, text...)
	for _, t := range tensors {
		for _, v := range t.values {
			out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
		}
	}
	_, err = w.Write(out)
	return err
}
