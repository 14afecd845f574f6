package lstm

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// Model is a network with its weights. Predict may be called from many
// goroutines at once; a Model never changes after it is made.
type Model struct {
	shape  Shape
	panels []float32 // LSTM weights, see panel.go
	dense  []float32 // Dense kernel [units, outputs], then its bias [outputs]
	kernel kernels
}

// New makes a network with fresh weights as Keras draws them: Glorot uniform
// kernels, an orthogonal recurrent kernel, zero biases but 1 for the forget
// gate.
func New(s Shape, seed uint64) (*Model, error) {
	m, err := empty(s)
	if err != nil {
		return nil, err
	}
	random := rand.New(rand.NewPCG(seed, 0x1575))
	kernel := make([]float32, s.Features*4*s.Units)
	glorot(kernel, s.Features, 4*s.Units, random)
	recurrent := orthogonal(s.Units, 4*s.Units, random)
	bias := make([]float32, 4*s.Units)
	for u := range s.Units {
		bias[s.Units+u] = 1
	}
	pack(m.panels, s, kernel, recurrent, bias)
	glorot(m.dense[:s.Units*s.Outputs], s.Units, s.Outputs, random)
	return m, nil
}

// empty makes a network of zeros.
func empty(s Shape) (*Model, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	kinds := available()
	return &Model{
		shape:  s,
		panels: make([]float32, s.paddedUnits()/panelUnits*s.inner()*panelWidth),
		dense:  make([]float32, (s.Units+1)*s.Outputs),
		kernel: kinds[len(kinds)-1],
	}, nil
}

// FromWeights makes a network of weights that were got elsewhere. They are
// copied, and must be finite and fit the shape.
func FromWeights(s Shape, w Weights) (*Model, error) {
	m, err := empty(s)
	if err != nil {
		return nil, err
	}
	for _, a := range []struct {
		name   string
		values []float32
		want   int
	}{
		{"lstm kernel", w.Kernel, s.Features * 4 * s.Units},
		{"lstm recurrent kernel", w.Recurrent, s.Units * 4 * s.Units},
		{"lstm bias", w.Bias, 4 * s.Units},
		{"dense kernel", w.Dense, s.Units * s.Outputs},
		{"dense bias", w.DenseBias, s.Outputs},
	} {
		if len(a.values) != a.want {
			return nil, fmt.Errorf("lstm: %s has %d numbers, want %d", a.name, len(a.values), a.want)
		}
		for _, v := range a.values {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				return nil, fmt.Errorf("lstm: %s holds a number that is not finite", a.name)
			}
		}
	}
	pack(m.panels, s, w.Kernel, w.Recurrent, w.Bias)
	copy(m.dense, w.Dense)
	copy(m.dense[s.Units*s.Outputs:], w.DenseBias)
	return m, nil
}

// Weights are a network's numbers in the layout of Keras, row by row, gates in
// the order i, f, c, o.
type Weights struct {
	Kernel    []float32 // [features, 4·units]
	Recurrent []float32 // [units, 4·units]
	Bias      []float32 // [4·units]
	Dense     []float32 // [units, outputs]
	DenseBias []float32 // [outputs]
}

// Weights is a copy of the network's numbers.
func (m *Model) Weights() Weights {
	var w Weights
	w.Kernel, w.Recurrent, w.Bias = unpack(m.panels, m.shape)
	n := m.shape.Units * m.shape.Outputs
	w.Dense = append([]float32(nil), m.dense[:n]...)
	w.DenseBias = append([]float32(nil), m.dense[n:]...)
	return w
}

// Shape is what the network takes and gives.
func (m *Model) Shape() Shape { return m.shape }

// Kernel names the instruction set that the network computes with:
// "portable", "avx2" or "avx512".
func (m *Model) Kernel() string { return m.kernel.String() }

// glorot draws from the uniform distribution of Glorot and Bengio (2010):
// within ±√(6 / (in + out)).
func glorot(dst []float32, in, out int, random *rand.Rand) {
	limit := math.Sqrt(6 / float64(in+out))
	for i := range dst {
		dst[i] = float32((2*random.Float64() - 1) * limit)
	}
}

// orthogonal makes rows that are orthonormal (Saxe et al. 2014), by
// Gram-Schmidt, twice over for precision, on normal numbers; rows ≤ columns.
func orthogonal(rows, columns int, random *rand.Rand) []float32 {
	q := make([][]float64, rows)
	for r := range q {
		q[r] = make([]float64, columns)
		for c := range q[r] {
			q[r][c] = random.NormFloat64()
		}
		for range 2 {
			for _, before := range q[:r] {
				dot := 0.0
				for c, v := range before {
					dot += v * q[r][c]
				}
				for c, v := range before {
					q[r][c] -= dot * v
				}
			}
		}
		norm := 0.0
		for _, v := range q[r] {
			norm += v * v
		}
		norm = 1 / math.Sqrt(norm)
		for c := range q[r] {
			q[r][c] *= norm
		}
	}
	flat := make([]float32, 0, rows*columns)
	for _, row := range q {
		for _, v := range row {
			flat = append(flat, float32(v))
		}
	}
	return flat
}
