package lstm

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// oracles are networks that the real Keras made, with its answers.
var oracles = []string{"a_lstm128_60x8_d1", "b_lstm32_30x5_d4"}

// readNPY reads a float32 array of NumPy's format 1.0 in C order.
func readNPY(t testing.TB, path string) (shape []int, values []float32) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(data, []byte("\x93NUMPY\x01\x00")) {
		t.Fatalf("%s: not a .npy file of version 1.0", path)
	}
	n := 10 + int(data[8]) + int(data[9])<<8
	header := string(data[10:n])
	if !strings.Contains(header, "'<f4'") || !strings.Contains(header, "'fortran_order': False") {
		t.Fatalf("%s: %s", path, header)
	}
	for _, d := range regexp.MustCompile(`\d+`).FindAllString(header[strings.Index(header, "("):], -1) {
		v, err := strconv.Atoi(d)
		if err != nil {
			t.Fatal(err)
		}
		shape = append(shape, v)
	}
	return shape, floats(data[n:])
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// answers checks the network's predictions of an oracle with every kernel.
func answers(t *testing.T, m *Model, name string) {
	t.Helper()
	shape, x := readNPY(t, filepath.Join("testdata", name+".x.npy"))
	_, want := readNPY(t, filepath.Join("testdata", name+".y.npy"))
	got := make([]float32, len(want))
	for _, k := range available() {
		n := *m
		n.kernel = k
		rows := shape[0]
		if k == portable {
			rows = min(rows, 12) // slow under the race detector
		}
		got := got[:rows*m.shape.Outputs]
		if err := n.Predict(got, x[:len(x)/shape[0]*rows], rows); err != nil {
			t.Fatal(err)
		}
		worst := 0.0
		for i := range got {
			worst = max(worst, math.Abs(float64(got[i])-float64(want[i])))
		}
		t.Logf("%s %v: largest difference from Keras %.2g", name, k, worst)
		if !(worst <= 1e-5) {
			t.Errorf("%s %v: differs from Keras by %g, want at most 1e-5", name, k, worst)
		}
	}
}

func TestSafetensorsAnswerAsKeras(t *testing.T) {
	for _, name := range oracles {
		m, err := ReadSafetensors(readFile(t, name+".safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		answers(t, m, name)
	}
}

func TestSafetensorsRoundTrip(t *testing.T) {
	m, err := New(Shape{Steps: 7, Features: 3, Units: 21, Outputs: 2, Dropout: 0.3}, 1)
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := m.WriteSafetensors(&file); err != nil {
		t.Fatal(err)
	}
	got, err := ReadSafetensors(file.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if got.shape != m.shape {
		t.Errorf("shape %+v, want %+v", got.shape, m.shape)
	}
	for i, v := range m.panels {
		if got.panels[i] != v {
			t.Fatalf("weight %d is %v, want %v", i, got.panels[i], v)
		}
	}
	for i, v := range m.dense {
		if got.dense[i] != v {
			t.Fatalf("dense weight %d is %v, want %v", i, got.dense[i], v)
		}
	}
}

func TestKerasFilesAnswerAsKeras(t *testing.T) {
	// Those after the oracles: no dropout, any number of steps, trained with an
	// optimiser whose state is in the file too, and a compressed archive.
	for _, name := range append([]string{"lstm17_11x3_d5", "lstm12_anyx4_d3", "lstm16_5x3_d2", "lstm1_9x2_d1"}, oracles...) {
		m, err := Open(filepath.Join("testdata", name+".keras"))
		if err != nil {
			t.Fatal(err)
		}
		answers(t, m, name)
		if !slices.Contains(oracles, name) {
			continue
		}
		n, err := Open(filepath.Join("testdata", name+".safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		same(t, n, m)
	}
}

// TestTrainingFollowsKeras trains a network for twenty steps from the weights
// from which the real Keras did, with either loss.
func TestTrainingFollowsKeras(t *testing.T) {
	before, err := Open("testdata/train.before.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	_, x := readNPY(t, "testdata/train.x.npy")
	_, y := readNPY(t, "testdata/train.y.npy")
	d, err := NewSamples(before.shape, x, y)
	if err != nil {
		t.Fatal(err)
	}
	for name, delta := range map[string]float64{"mse": 0, "huber": 0.3} {
		want, err := Open("testdata/train." + name + ".safetensors")
		if err != nil {
			t.Fatal(err)
		}
		_, losses := readNPY(t, "testdata/train."+name+".loss.npy")
		for _, k := range available() {
			before.kernel = k
			c := TrainConfig{Epochs: len(losses), BatchSize: d.Len(), LearningRate: 0.01, Huber: delta}
			trainer, err := train(t, before, c, t.Context(), d, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			for i, e := range trainer.History() {
				if !near(float32(e.Loss), losses[i], 1e-5) { // two float32 trainings drift apart step by step
					t.Errorf("%s %v: loss of epoch %d is %v, Keras has %v", name, k, i+1, e.Loss, losses[i])
				}
			}
			worst := 0.0
			for i, v := range want.panels {
				worst = max(worst, math.Abs(float64(v)-float64(trainer.model.panels[i])))
			}
			t.Logf("%s %v: largest difference of a weight from Keras %.2g", name, k, worst)
			if !(worst < 2e-5) {
				t.Errorf("%s %v: weights differ from Keras by %g", name, k, worst)
			}
		}
	}
}
