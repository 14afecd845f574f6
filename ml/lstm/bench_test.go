package lstm

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
)

// BenchmarkPredict is the seed's network on a minute of 1,000 symbols, with
// every kernel: ms/op is for all of them. "floor" is the matrix
// product alone, by the fastest kernel on one panel.
func BenchmarkPredict(b *testing.B) {
	const n = 1000
	m, err := New(Shape{Steps: 60, Features: 8, Units: 128, Outputs: 1}, 1)
	if err != nil {
		b.Fatal(err)
	}
	x := fill(n*60*8, rand.New(rand.NewPCG(1, 1)))
	y := make([]float32, n)
	for _, k := range available() {
		b.Run(k.String(), func(b *testing.B) {
			m := *m
			m.kernel = k
			for b.Loop() {
				if err := m.Predict(y, x, n); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/op")
		})
	}
	b.Run("floor", func(b *testing.B) {
		workers := runtime.GOMAXPROCS(0)
		for b.Loop() {
			var group sync.WaitGroup
			for range workers {
				group.Go(func() {
					a, c := make([]float32, tileRows*144), make([]float32, tileRows*panelWidth)
					t := productTile{c: c, cStride: panelWidth, a: a, aRow: 144, aStep: 1, b: m.panels, bStep: panelWidth, inner: 8 + 128}
					for range 60 * 8 * n / tileRows / workers {
						m.kernel.product(&t)
					}
				})
			}
			group.Wait()
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/op")
	})
}

// BenchmarkPredictOne is the latency of one window.
func BenchmarkPredictOne(b *testing.B) {
	m, err := New(Shape{Steps: 60, Features: 8, Units: 128, Outputs: 1}, 1)
	if err != nil {
		b.Fatal(err)
	}
	x, y := fill(60*8, rand.New(rand.NewPCG(1, 1))), make([]float32, 1)
	for b.Loop() {
		if err := m.Predict(y, x, 1); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTrain is one step of the optimiser on the same network with dropout
// 0.3, in batches of 256; samples/s is the figure to compare.
func BenchmarkTrain(b *testing.B) {
	s := Shape{Steps: 60, Features: 8, Units: 128, Outputs: 1, Dropout: 0.3}
	m, err := New(s, 1)
	if err != nil {
		b.Fatal(err)
	}
	const batch = 256
	d := data(b, s, batch, 1)
	order := rand.New(rand.NewPCG(1, 1)).Perm(batch)
	for _, k := range available() {
		b.Run(k.String(), func(b *testing.B) {
			m.kernel = k
			trainer, err := NewTrainer(m, DefaultTrainConfig())
			if err != nil {
				b.Fatal(err)
			}
			trainer.prepare()
			for b.Loop() {
				if err := trainer.batch(d, order); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(batch*b.N)/b.Elapsed().Seconds(), "samples/s")
		})
	}
}
