package xgboost

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// The bins of a long stream hold about the same weight each.
func TestCutsAreQuantiles(t *testing.T) {
	const rows, bins = 200_000, 64
	r := rand.New(rand.NewPCG(1, 1))
	for name, draw := range map[string]func() (value, weight float32){
		"normal":   func() (float32, float32) { return float32(r.NormFloat64()), 1 },
		"weighted": func() (float32, float32) { return float32(r.ExpFloat64()), r.Float32() + 0.01 },
	} {
		s := newSketch(rows, bins)
		var values, weights []float32
		for range rows {
			v, w := draw()
			values, weights = append(values, v), append(weights, w)
			s.push(v, w)
		}
		if len(s.levels) == 0 || cap(s.queue) > rows/4 {
			t.Errorf("%s: the sketch keeps %d values of %d", name, cap(s.queue), rows)
		}
		bounds, lowest := s.cuts(rows, bins)
		if len(bounds) != bins || !slices.IsSorted(bounds) || lowest >= slices.Min(values) || bounds[len(bounds)-1] <= slices.Max(values) {
			t.Fatalf("%s: %d bins from %v to %v", name, len(bounds), lowest, bounds[len(bounds)-1])
		}
		keys := make([]int32, bins)
		for i, b := range bounds {
			keys[i] = key(b)
		}
		var sum float64
		held := make([]float64, bins)
		for i, v := range values {
			held[binOf(keys, key(v))] += float64(weights[i])
			sum += float64(weights[i])
		}
		for i, h := range held {
			if share := h / sum * bins; share < 0.8 || share > 1.3 {
				t.Errorf("%s: bin %d holds %.2f times its share", name, i, share)
			}
		}
	}
}

func TestBinOf(t *testing.T) {
	for n := 1; n < 20; n++ {
		var bounds []float32
		var keys []int32
		for i := range n {
			bounds = append(bounds, float32(i)-3)
			keys = append(keys, key(bounds[i]))
		}
		for v := float32(-5); v < 20; v += 0.5 {
			want := n - 1
			for i, b := range bounds {
				if v < b {
					want = i
					break
				}
			}
			if got := binOf(keys, key(v)); got != want {
				t.Fatalf("%v among %v is in bin %d, want %d", v, bounds, got, want)
			}
		}
	}
}

func TestKeysOrderAsFloats(t *testing.T) {
	inf := float32(math.Inf(1))
	list := []float32{-inf, -math.MaxFloat32, -1, -math.SmallestNonzeroFloat32, 0, math.SmallestNonzeroFloat32, 1, math.MaxFloat32, inf}
	for i, v := range list {
		if unkey(key(v)) != v {
			t.Errorf("%v becomes %v", v, unkey(key(v)))
		}
		if i > 0 && key(list[i-1]) >= key(v) {
			t.Errorf("the key of %v is not below that of %v", list[i-1], v)
		}
	}
	if key(float32(math.Copysign(0, -1))) != key(0) {
		t.Error("−0 is not 0")
	}
}

// FuzzSketch pushes any values: the cuts ascend and each value has its bin.
func FuzzSketch(f *testing.F) {
	f.Add([]byte("some values of a byte each, some of them twice"), uint8(4))
	f.Add([]byte{0, 0, 0, 255, 255, 1}, uint8(2))
	f.Fuzz(func(t *testing.T, data []byte, bins uint8) {
		if len(data) == 0 || bins < 2 {
			return
		}
		s := newSketch(len(data), int(bins))
		for i, b := range data {
			s.push(float32(int(b)-100)*0.37, float32(1+i%3))
		}
		bounds, lowest := s.cuts(len(data), int(bins))
		if len(bounds) > int(bins) || len(bounds) == 0 {
			t.Fatalf("%d bins of %d", len(bounds), bins)
		}
		for i, b := range bounds {
			if i > 0 && b <= bounds[i-1] || b <= lowest {
				t.Fatalf("bounds %v above %v do not ascend", bounds, lowest)
			}
		}
		if top := float32(int(slices.Max(data))-100) * 0.37; top >= bounds[len(bounds)-1] {
			t.Fatalf("%v is in no bin of %v", top, bounds)
		}
	})
}

func TestAddIsThePortableOne(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for n := range 40 {
		var got, want [256]sums
		column := make([]uint8, 3*n+1)
		var begin []int
		var added []sums
		for i := range n {
			column[3*i] = uint8(r.IntN(1 + n*6)) // some bins twice in a row
			begin = append(begin, 3*i)
			added = append(added, sums{r.Int64() - 1<<62, r.Int64N(1 << 50)})
		}
		add(&got, column, begin, added)
		addPortable(&want, column, begin, added)
		if got != want {
			t.Fatalf("the sums of %d rows differ", n)
		}
	}
}
