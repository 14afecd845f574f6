package lstm

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// archive makes a .keras file of its parts.
func archive(t testing.TB, parts map[string][]byte) []byte {
	t.Helper()
	var file bytes.Buffer
	w := zip.NewWriter(&file)
	for name, content := range parts {
		f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// parts takes a .keras file apart.
func parts(t testing.TB, name string) map[string][]byte {
	t.Helper()
	data := readFile(t, name)
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	p := make(map[string][]byte)
	for _, f := range r.File {
		content, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if p[f.Name], err = io.ReadAll(content); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// TestOtherNetworksAreRefused gives the configurations that the real Keras
// writes for networks that cannot be computed here.
func TestOtherNetworksAreRefused(t *testing.T) {
	files, err := filepath.Glob("testdata/refused/*.json")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	p := parts(t, "lstm16_5x3_d2.keras")
	for _, name := range files {
		config, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		p["config.json"] = config
		_, err = ReadKeras(archive(t, p))
		t.Logf("%s: %v", filepath.Base(name), err)
		if err == nil || !strings.Contains(err.Error(), "config.json: ") || strings.Contains(err.Error(), "unmarshal") {
			t.Errorf("%s: error %v, want the reason", filepath.Base(name), err)
		}
	}
}

// TestContradictoryKerasFilesAreRefused changes one thing at a time.
func TestContradictoryKerasFilesAreRefused(t *testing.T) {
	const name = "lstm16_5x3_d2.keras"
	replace := func(from, to string) func(map[string][]byte) {
		return func(p map[string][]byte) {
			if !bytes.Contains(p["config.json"], []byte(from)) {
				t.Fatalf("%s is not in the configuration", from)
			}
			p["config.json"] = bytes.ReplaceAll(p["config.json"], []byte(from), []byte(to))
		}
	}
	h5 := func(at int, b ...byte) func(map[string][]byte) {
		return func(p map[string][]byte) { copy(p["model.weights.h5"][at:], b) }
	}
	for what, change := range map[string]func(map[string][]byte){
		"other units":         replace(`"units": 16`, `"units": 17`),
		"negative units":      replace(`"units": 16`, `"units": -16`),
		"endless units":       replace(`"units": 16`, `"units": 2000000000`),
		"other features":      replace(`5, 3]`, `5, 4]`),
		"no steps":            replace(`5, 3]`, `0, 3]`),
		"dropout of all":      replace(`"rate": 0.3`, `"rate": 1.0`),
		"own class":           replace(`"module": "keras.layers", "class_name": "LSTM"`, `"module": "mine", "class_name": "LSTM"`),
		"not JSON":            replace(`{`, `[`),
		"other superblock":    h5(8, 2),
		"short offsets":       h5(13, 4),
		"no root":             h5(64, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
		"not HDF5":            h5(0, 'X'),
		"cut weights":         func(p map[string][]byte) { p["model.weights.h5"] = p["model.weights.h5"][:9000] },
		"no weights":          func(p map[string][]byte) { delete(p, "model.weights.h5") },
		"no configuration":    func(p map[string][]byte) { delete(p, "config.json") },
		"huge configuration":  func(p map[string][]byte) { p["config.json"] = make([]byte, maxConfigBytes+1) },
		"weights not finite":  func(p map[string][]byte) { nan(p["model.weights.h5"]) },
		"weights of no layer": func(p map[string][]byte) { rename(p["model.weights.h5"], "dropout", "dropuot") },
	} {
		p := parts(t, name)
		change(p)
		_, err := ReadKeras(archive(t, p))
		t.Logf("%s: %v", what, err)
		if err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
	var twice bytes.Buffer
	w := zip.NewWriter(&twice)
	for range 2 {
		for name, content := range parts(t, name) {
			f, err := w.Create(name)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Write(content); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.Close()
	if _, err := ReadKeras(twice.Bytes()); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("parts twice: %v", err)
	}
}

// nan puts a NaN in the place of the bias of the forget gate's first unit, the
// first of sixteen numbers that the search finds by their neighbour.
func nan(h5 []byte) {
	f, err := openHDF5(h5)
	if err != nil {
		panic(err)
	}
	v, err := f.floats("layers/lstm/cell/vars/2", 64)
	if err != nil {
		panic(err)
	}
	var b []byte
	b, err = binary.Append(nil, binary.LittleEndian, v)
	if err != nil {
		panic(err)
	}
	at := bytes.Index(h5, b)
	copy(h5[at:], []byte{0, 0, 0xc0, 0x7f})
}

func rename(h5 []byte, from, to string) { copy(h5[bytes.Index(h5, []byte(from+"\x00")):], to) }

// TestDamagedFiles cuts files everywhere and flips their bytes: they may be
// read or refused, but nothing else may happen.
func TestDamagedFiles(t *testing.T) {
	read := 0
	try := func(data []byte) {
		if m, err := Read(data); err == nil {
			read++
			s := m.Shape()
			steps := max(s.Steps, 1)
			if steps*s.Features < 1e6 {
				if err := m.Predict(make([]float32, s.Outputs), make([]float32, steps*s.Features), 1); err != nil {
					t.Error(err)
				}
			}
		}
	}
	for _, name := range []string{"lstm1_9x2_d1.keras", "lstm16_5x3_d2.keras", "b_lstm32_30x5_d4.safetensors"} {
		data := readFile(t, name)
		for n := 0; n < len(data); n += 431 {
			try(data[:n])
		}
	}
	p := parts(t, "lstm16_5x3_d2.keras")
	h5 := p["model.weights.h5"]
	shape := Shape{Steps: 5, Features: 3, Units: 16, Outputs: 2}
	for i := 0; i < len(h5); i += 19 {
		for _, flip := range []byte{1, 0xff} {
			damaged := slices.Clone(h5)
			damaged[i] ^= flip
			if _, err := decodeWeights(damaged, shape); err == nil {
				read++
			}
		}
	}
	data := readFile(t, "b_lstm32_30x5_d4.safetensors")
	for i := range 120 {
		damaged := slices.Clone(data)
		damaged[5*i] ^= 0x11
		try(damaged)
	}
	t.Logf("%d damaged files could still be read", read)
}

// TestHDF5Groups reads a group whose entries span several nodes of its tree.
func TestHDF5Groups(t *testing.T) {
	f, err := openHDF5(parts(t, "b_lstm32_30x5_d4.keras")["model.weights.h5"])
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.names("optimizer/vars")
	if want := "0 1 10 11 2 3 4 5 6 7 8 9"; err != nil || strings.Join(got, " ") != want {
		t.Errorf("%v, %v, want %s", got, err, want)
	}
	if v, err := f.floats("optimizer/vars/11", 4); err != nil || len(v) != 4 {
		t.Errorf("%v, %v", v, err)
	}
	for _, path := range []string{"", "optimizer/vars/0", "optimizer/vars/0/x", "layers", "nothing"} {
		if v, err := f.floats(path, 1); err == nil {
			t.Errorf("%q: %v, want an error", path, v)
		}
	}
}

// TestHDF5InACircle points a group's tree at itself.
func TestHDF5InACircle(t *testing.T) {
	h5 := parts(t, "lstm16_5x3_d2.keras")["model.weights.h5"]
	at := bytes.Index(h5, []byte("TREE"))
	for _, entries := range []int{1, 32} { // a node has room for 32
		for i := range entries {
			binary.LittleEndian.PutUint64(h5[at+24+16*i+8:], uint64(at))
		}
		binary.LittleEndian.PutUint16(h5[at+6:], uint16(entries))
		_, err := decodeWeights(h5, Shape{Steps: 5, Features: 3, Units: 16, Outputs: 2})
		if err == nil {
			t.Errorf("%d entries: accepted", entries)
		}
		t.Log(err)
	}
}

func TestHostileSafetensors(t *testing.T) {
	file := func(header, body string) []byte {
		b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
		return append(append(b, header...), body...)
	}
	for what, data := range map[string][]byte{
		"empty":            {},
		"header of 2^63":   binary.LittleEndian.AppendUint64(nil, 1<<63),
		"not JSON":         file("hello", ""),
		"list":             file("[]", ""),
		"nothing in it":    file("{}", ""),
		"bytes left over":  file("{}", "1234"),
		"after the object": file("{}{}", ""),
		"gap":              file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, "12345678"),
		"overlap":          file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, "1234"),
		"twice":            file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, "12345678"),
		"other type":       file(`{"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}`, "1234"),
		"offsets back":     file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}`, "1234"),
		"past the end":     file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, "1234"),
		"shape overflows":  file(`{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}`, "1234"),
		"negative shape":   file(`{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}`, "1234"),
		"wrong metadata":   file(`{"__metadata__":{"steps":3}}`, ""),
	} {
		if _, err := ReadSafetensors(data); err == nil {
			t.Errorf("%s: accepted", what)
		} else {
			t.Logf("%s: %v", what, err)
		}
		if _, err := ResumeTrainer(data); err == nil {
			t.Errorf("%s: accepted as a checkpoint", what)
		}
	}
	good := string(readFile(t, "b_lstm32_30x5_d4.safetensors"))
	for from, to := range map[string]string{
		"i,f,c,o":               "i,c,f,o",
		`"lstm/bias"`:           `"lstm/bIas"`,
		`"shape":[5,128]`:       `"shape":[128,5]`,
		`"shape":[32,4]`:        `"shape":[4,32]`,
		`"keras_version":"3.1`:  `"steps":"-3","aa":"3.1`,
		`"keras_version":"3.15`: `"dropout":"1.5","a":"`,
	} {
		if !strings.Contains(good, from) {
			t.Fatalf("%s is not in the file", from)
		}
		changed := strings.Replace(good, from, to, 1)
		n := binary.LittleEndian.Uint64([]byte(good)) + uint64(len(to)) - uint64(len(from))
		data := binary.LittleEndian.AppendUint64(nil, n)
		if _, err := ReadSafetensors(append(data, changed[8:]...)); err == nil {
			t.Errorf("%s for %s: accepted", to, from)
		} else {
			t.Log(err)
		}
	}
}

func TestPredictRefuses(t *testing.T) {
	m, err := New(Shape{Steps: 4, Features: 3, Units: 5, Outputs: 2}, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ dst, windows, n int }{{4, 24, 1}, {4, 23, 2}, {3, 24, 2}, {0, 1, 0}, {0, 0, -1}, {2, 0, 1}} {
		if err := m.Predict(make([]float32, c.dst), make([]float32, c.windows), c.n); err == nil {
			t.Errorf("%+v: accepted", c)
		}
	}
	if err := m.Predict(nil, nil, 0); err != nil {
		t.Error(err)
	}
}

// TestRowsDoNotDependOnTheirBatch predicts alone and together.
func TestRowsDoNotDependOnTheirBatch(t *testing.T) {
	m, err := Open("testdata/b_lstm32_30x5_d4.keras")
	if err != nil {
		t.Fatal(err)
	}
	shape, x := readNPY(t, "testdata/b_lstm32_30x5_d4.x.npy")
	for _, k := range available() {
		m.kernel = k
		want := make([]float32, shape[0]*4)
		if err := m.Predict(want, x, shape[0]); err != nil {
			t.Fatal(err)
		}
		for n := 1; n <= 13; n += 4 {
			for first := 0; first+n <= shape[0]; first += n {
				got := make([]float32, n*4)
				if err := m.Predict(got, x[first*150:][:n*150], n); err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(got, want[first*4:][:n*4]) {
					t.Fatalf("%v: %d windows from %d: %v, want %v", k, n, first, got, want[first*4:][:n*4])
				}
			}
		}
	}
}

func ExampleModel_Predict() {
	m, err := New(Shape{Steps: 2, Features: 1, Units: 4, Outputs: 3}, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	windows := []float32{0.1, 0.2, 0.3, 0.4} // two windows of two steps
	outputs := make([]float32, 2*3)
	fmt.Println(m.Predict(outputs, windows, 2), len(outputs))
	// Output: <nil> 6
}
