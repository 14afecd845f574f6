package lstm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

func fill(n int, random *rand.Rand) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(random.NormFloat64())
	}
	return v
}

// near tells whether a and b are the same within a tolerance that grows with
// their size.
func near(a, b float32, tolerance float64) bool {
	return math.Abs(float64(a)-float64(b)) <= tolerance*max(1, math.Abs(float64(b)))
}

// compare checks one kernel's numbers against the portable ones, and those of
// AVX-512 against AVX2 bit for bit.
func compare(t *testing.T, run func(k kernels) map[string][]float32) {
	t.Helper()
	results := make(map[kernels]map[string][]float32)
	for _, k := range available() {
		results[k] = run(k)
		for name, want := range results[portable] {
			for i, v := range results[k][name] {
				if !near(v, want[i], 2e-5) {
					t.Fatalf("%v: %s[%d] = %v, portable %v", k, name, i, v, want[i])
				}
				if k == avx512 && v != results[avx2][name][i] {
					t.Fatalf("%s[%d]: avx512 %v, avx2 %v, want the same bits", name, i, v, results[avx2][name][i])
				}
			}
		}
	}
}

func TestKernelsAgree(t *testing.T) {
	for _, inner := range []int{1, 2, 25, 137} {
		for _, keep := range []bool{false, true} {
			t.Run(fmt.Sprintf("cell/%d/%v", inner, keep), func(t *testing.T) {
				compare(t, func(k kernels) map[string][]float32 {
					random := rand.New(rand.NewPCG(1, uint64(inner)))
					tile := cellTile{
						a: fill(6*(inner+3), random), aStride: inner + 3,
						w: fill(inner*panelWidth, random), inner: inner,
						before: fill(6*19, random), cell: make([]float32, 6*19), cStride: 19,
						h: make([]float32, 6*17), hStride: 17,
					}
					if keep {
						tile.gates, tile.gStride = make([]float32, 6*71), 71
						tile.tanh = make([]float32, 6*19)
					}
					k.step(&tile)
					return map[string][]float32{"cell": tile.cell, "h": tile.h, "gates": tile.gates, "tanh": tile.tanh}
				})
			})
		}
		t.Run(fmt.Sprintf("product/%d", inner), func(t *testing.T) {
			compare(t, func(k kernels) map[string][]float32 {
				random := rand.New(rand.NewPCG(2, uint64(inner)))
				across := productTile{
					c: fill(6*67, random), cStride: 67,
					a: fill(6*(inner+1), random), aRow: inner + 1, aStep: 1,
					b: fill(inner*70, random), bStep: 70, inner: inner,
				}
				k.product(&across)
				down := productTile{
					c: fill(6*64, random), cStride: 64,
					a: fill(inner*9, random), aRow: 1, aStep: 9,
					b: fill(inner*64, random), bStep: 64, inner: inner,
				}
				k.product(&down)
				return map[string][]float32{"across": across.c, "down": down.c}
			})
		})
	}
	t.Run("gradient", func(t *testing.T) {
		compare(t, func(k kernels) map[string][]float32 {
			random := rand.New(rand.NewPCG(3, 3))
			g := cellGradient{
				gates: fill(3*panelWidth, random), tanh: fill(3*panelUnits, random), before: fill(3*panelUnits, random),
				dh: fill(3*panelUnits, random), dc: fill(3*panelUnits, random), panels: 3,
			}
			k.gradient(&g)
			return map[string][]float32{"dz": g.gates, "dc": g.dc}
		})
	})
}

// TestActivations checks tanh and sigmoid of every kernel over the whole range
// through a cell with one input.
func TestActivations(t *testing.T) {
	for _, k := range available() {
		worst := [2]float64{}
		for n := range 20000 {
			x := float32(n-10000) / 10000 * 12
			w := make([]float32, panelWidth)
			for g := range w {
				w[g] = 1
			}
			tile := cellTile{
				a: []float32{x, -x, 2 * x, x / 1e3, x / 1e6, 0}, aStride: 1, w: w, inner: 1,
				before: make([]float32, 96), cell: make([]float32, 96), cStride: 16,
				h: make([]float32, 96), hStride: 16,
				gates: make([]float32, 6*64), gStride: 64, tanh: make([]float32, 96),
			}
			k.step(&tile)
			for r, v := range tile.a {
				s := 1 / (1 + math.Exp(-float64(v)))
				worst[0] = max(worst[0], math.Abs(float64(tile.gates[r*64])-s))
				worst[1] = max(worst[1], math.Abs(float64(tile.gates[r*64+32])-math.Tanh(float64(v))))
			}
		}
		t.Logf("%v: largest error of sigmoid %.2g, of tanh %.2g", k, worst[0], worst[1])
		if worst[0] > 2.5e-7 || worst[1] > 5e-7 {
			t.Errorf("%v: largest errors %g and %g", k, worst[0], worst[1])
		}
	}
}

// TestNaNStaysInItsRow feeds a tile with one row of NaN and one of infinity.
func TestNaNStaysInItsRow(t *testing.T) {
	m, err := New(Shape{Steps: 4, Features: 3, Units: 20, Outputs: 2}, 5)
	if err != nil {
		t.Fatal(err)
	}
	x := fill(9*4*3, rand.New(rand.NewPCG(4, 4)))
	want := make([]float32, 18)
	got := make([]float32, 18)
	for _, k := range available() {
		m.kernel = k
		clean := append([]float32(nil), x...)
		if err := m.Predict(want, clean, 9); err != nil {
			t.Fatal(err)
		}
		clean[2*12+5] = float32(math.NaN())
		if err := m.Predict(got, clean, 9); err != nil {
			t.Fatal(err)
		}
		for i, v := range got {
			if isNaN := v != v; isNaN != (i/2 == 2) || !isNaN && v != want[i] {
				t.Errorf("%v: output %d is %v, without NaN %v", k, i, v, want[i])
			}
		}
	}
}
