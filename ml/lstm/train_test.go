package lstm

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

// reference is the network in float64, written for clarity alone.
// mask is that of dropout.
func reference(s Shape, w [5][]float64, window []float64, mask []float32) []float64 {
	kernel, recurrent, bias, dense, denseBias := w[0], w[1], w[2], w[3], w[4]
	h, c := make([]float64, s.Units), make([]float64, s.Units)
	z := make([]float64, 4*s.Units)
	for t := range s.Steps {
		for j := range z {
			z[j] = bias[j]
			for k := range s.Features {
				z[j] += window[t*s.Features+k] * kernel[k*4*s.Units+j]
			}
			for k, v := range h {
				z[j] += v * recurrent[k*4*s.Units+j]
			}
		}
		sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
		for u := range h {
			c[u] = sigmoid(z[s.Units+u])*c[u] + sigmoid(z[u])*math.Tanh(z[2*s.Units+u])
			h[u] = sigmoid(z[3*s.Units+u]) * math.Tanh(c[u])
		}
	}
	y := make([]float64, s.Outputs)
	for k := range y {
		y[k] = denseBias[k]
		for u, v := range h {
			y[k] += v * float64(mask[u]) * dense[u*s.Outputs+k]
		}
	}
	return y
}

func doubles(v []float32) []float64 {
	d := make([]float64, len(v))
	for i, x := range v {
		d[i] = float64(x)
	}
	return d
}

// data is a learnable dataset: the target is a weighted sum of the last steps.
func data(t testing.TB, s Shape, n int, seed uint64) *Samples {
	t.Helper()
	x := fill(n*s.Steps*s.Features, rand.New(rand.NewPCG(seed, 9)))
	y := make([]float32, n*s.Outputs)
	for i := range n {
		window := x[i*s.Steps*s.Features:][:s.Steps*s.Features]
		for k := range s.Outputs {
			last := window[(s.Steps-1)*s.Features:]
			before := window[(s.Steps-2)*s.Features:]
			y[i*s.Outputs+k] = 0.5*last[k%s.Features] - 0.3*before[0]
		}
	}
	d, err := NewSamples(s, x, y)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestGradient compares backpropagation with central differences of the
// float64 network, for weights of every kind, every kernel and both losses.
func TestGradient(t *testing.T) {
	for _, s := range []Shape{
		{Steps: 7, Features: 3, Units: 18, Outputs: 2},
		{Steps: 6, Features: 2, Units: 65, Outputs: 1},
		{Steps: 4, Features: 2, Units: 9, Outputs: 3, Dropout: 0.4},
	} {
		const n = 8
		var masks [n][]float32
		for r := range masks {
			p := newPass(s, portable)
			p.drop(make([]float32, s.Units), 0, uint64(r))
			masks[r] = p.mask
		}
		m, err := New(s, 3)
		if err != nil {
			t.Fatal(err)
		}
		d := data(t, s, n, 1)
		for _, huberDelta := range []float64{0, 0.5} {
			config := TrainConfig{Huber: huberDelta}
			skip := func(i int) bool { return i%29 != 0 || s.Units > 20 && i%493 != 0 } // a sample of many is enough
			w := m.Weights()
			numbers := [5][]float64{doubles(w.Kernel), doubles(w.Recurrent), doubles(w.Bias), doubles(w.Dense), doubles(w.DenseBias)}
			loss := func() float64 {
				sum := 0.0
				for i := range n {
					y := reference(s, numbers, doubles(d.windows[i*d.window:][:d.window]), masks[i])
					for k, v := range y {
						e := v - float64(d.targets[i*s.Outputs+k])
						l, _ := squared(e)
						if huberDelta > 0 {
							l, _ = huber(e, huberDelta)
						}
						sum += l
					}
				}
				return sum / float64(n*s.Outputs)
			}
			var want [5][]float64
			for a, values := range numbers {
				want[a] = make([]float64, len(values))
				for i := range values {
					if skip(i) {
						continue
					}
					const step = 1e-5
					before := values[i]
					values[i] = before + step
					up := loss()
					values[i] = before - step
					down := loss()
					values[i] = before
					want[a][i] = (up - down) / (2 * step)
				}
			}
			for _, k := range available() {
				m.kernel = k
				g, p := newGradient(s), newPass(s, k)
				back := make([]float32, transposeSize(s))
				transpose(back, m.panels, s)
				p.run(g, m, back, chunk{data: d, samples: []int{0, 1, 2, 3, 4, 5, 6, 7}, batch: n, config: &config})
				if got := g.loss / float64(n*s.Outputs); math.Abs(got-loss()) > 1e-6 {
					t.Errorf("%v: loss %v, want %v", k, got, loss())
				}
				padded := make([]float32, len(m.panels))
				from, to := roundUp(s.inner(), tileRows)*panelWidth, s.inner()*panelWidth
				for i := range s.paddedUnits() / panelUnits {
					copy(padded[i*to:][:to], g.panels[i*from:])
				}
				var got [5][]float32
				got[0], got[1], got[2] = unpack(padded, s)
				got[3], got[4] = g.dense[:s.Units*s.Outputs], g.dense[s.Units*s.Outputs:]
				worst := 0.0
				for a := range want {
					for i, v := range want[a] {
						if skip(i) {
							continue
						}
						worst = max(worst, math.Abs(float64(got[a][i])-v)/(math.Abs(v)+1e-2))
					}
				}
				t.Logf("%+v huber %v %v: worst relative difference %.2g", s, huberDelta, k, worst)
				if !(worst < 2e-5) {
					t.Errorf("%v huber %v: gradient differs by %g", k, huberDelta, worst)
				}
			}
		}
	}
}

func train(t testing.TB, m *Model, c TrainConfig, ctx context.Context, training, validation Dataset, progress func(Progress)) (*Trainer, error) {
	t.Helper()
	trainer, err := NewTrainer(m, c)
	if err != nil {
		t.Fatal(err)
	}
	return trainer, trainer.Run(ctx, training, validation, progress)
}

func TestTrainingLearns(t *testing.T) {
	s := Shape{Steps: 8, Features: 3, Units: 24, Outputs: 2, Dropout: 0.1}
	m, err := New(s, 1)
	if err != nil {
		t.Fatal(err)
	}
	c := DefaultTrainConfig()
	c.Epochs, c.BatchSize, c.LearningRate, c.Huber = 30, 100, 5e-3, 1
	var last Progress
	trainer, err := train(t, m, c, t.Context(), data(t, s, 1500, 1), data(t, s, 300, 2), func(p Progress) { last = p })
	if err != nil {
		t.Fatal(err)
	}
	history := trainer.History()
	first, best := history[0].ValidationLoss, history[last.BestEpoch-1].ValidationLoss
	t.Logf("validation loss %.4f → %.4f in epoch %d of %d", first, best, last.BestEpoch, len(history))
	if !(best < first/10) || last.Finished == nil || last.Batch != 15 {
		t.Errorf("validation loss %v → %v, last progress %+v", first, best, last)
	}
	got, err := trainer.Model().loss(&c, data(t, s, 300, 2))
	if err != nil || got != best {
		t.Errorf("the model's loss is %v (%v), that of the best epoch %v", got, err, best)
	}
}

// TestTrainingIsTheSameOnBothInstructionSets holds AVX-512 against AVX2.
func TestTrainingIsTheSameOnBothInstructionSets(t *testing.T) {
	kinds := available()
	if len(kinds) < 3 {
		t.Skipf("this processor has only %v", kinds)
	}
	s := Shape{Steps: 6, Features: 3, Units: 33, Outputs: 1, Dropout: 0.2}
	m, err := New(s, 1)
	if err != nil {
		t.Fatal(err)
	}
	c := DefaultTrainConfig()
	c.Epochs = 2
	var results []*Model
	for _, k := range kinds[1:] {
		m.kernel = k
		trainer, err := train(t, m, c, t.Context(), data(t, s, 300, 1), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		results = append(results, trainer.Model())
	}
	same(t, results[0], results[1])
}

func TestTrainingStopsEarly(t *testing.T) {
	s := Shape{Steps: 3, Features: 2, Units: 8, Outputs: 1}
	m, err := New(s, 1)
	if err != nil {
		t.Fatal(err)
	}
	c := DefaultTrainConfig()
	c.Epochs, c.Patience, c.MinDelta = 50, 3, 1e9
	trainer, err := train(t, m, c, t.Context(), data(t, s, 40, 1), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(trainer.History()); n != 4 {
		t.Errorf("%d epochs, want the first and 3 without a better one", n)
	}
}

func same(t *testing.T, a, b *Model) {
	t.Helper()
	for i, v := range a.panels {
		if v != b.panels[i] {
			t.Fatalf("weight %d: %v and %v", i, v, b.panels[i])
		}
	}
	for i, v := range a.dense {
		if v != b.dense[i] {
			t.Fatalf("dense weight %d: %v and %v", i, v, b.dense[i])
		}
	}
}

func TestTrainingRefuses(t *testing.T) {
	s := Shape{Steps: 3, Features: 2, Units: 8, Outputs: 1}
	m, err := New(s, 1)
	if err != nil {
		t.Fatal(err)
	}
	bad := data(t, s, 40, 1)
	bad.windows[17] = float32(math.NaN())
	if _, err := train(t, m, DefaultTrainConfig(), t.Context(), bad, nil, nil); err == nil {
		t.Error("trained on NaN")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := train(t, m, DefaultTrainConfig(), ctx, data(t, s, 40, 1), nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
}
