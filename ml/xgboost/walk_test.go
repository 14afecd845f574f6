package xgboost

import (
	"math"
	"math/rand/v2"
	"sync/atomic"
	"testing"
)

// crooked is trees that mostly go on to one side.
func crooked(trees, depth, features int) *Model {
	r := rand.New(rand.NewPCG(5, 6))
	m := &Model{features: features, groups: 1, start: []float32{0.5}}
	for range trees {
		t := &tree{}
		leaf := func() {
			t.left, t.right = append(t.left, -1), append(t.right, -1)
			t.feature, t.condition, t.defaultLeft = append(t.feature, 0), append(t.condition, r.Float32()), append(t.defaultLeft, false)
		}
		for d := range depth {
			on := int32(2*d + 2)
			l, right := on-1, on
			if d%3 == 0 {
				l, right = right, l
			}
			t.left, t.right = append(t.left, l), append(t.right, right)
			t.feature, t.condition, t.defaultLeft = append(t.feature, int32(r.IntN(features))), append(t.condition, float32(r.NormFloat64())), append(t.defaultLeft, r.IntN(2) == 0)
			leaf()
		}
		leaf()
		m.trees, m.group = append(m.trees, t), append(m.group, 0)
	}
	m.forest, _ = plant(m)
	return m
}

// All ways through the trees are the obvious one, for any number of rows.
func TestWalks(t *testing.T) {
	for name, m := range map[string]*Model{
		"even":              grown(20, 6, 10),
		"one leaf":          grown(3, 0, 2),
		"deep":              crooked(20, 40, 5),
		"uneven":            crooked(20, 9, 5),
		"too many features": crooked(40, 1000, mostUsed*4),
	} {
		if over := len(m.forest.used) > mostUsed; over != (name == "too many features") {
			t.Errorf("%s: %d features are used", name, len(m.forest.used))
		}
		for _, rows := range []int{0, 1, 7, 8, 9, 63, 64, 65, 130} {
			if m.features > 1000 && rows > 9 {
				continue
			}
			x := randomMatrix(rows, m.features)
			for i := 0; i < len(x.Values); i += 7 {
				x.Values[i] = float32(math.NaN())
			}
			out := make([]float32, rows)
			if err := m.Margins(x, out); err != nil {
				t.Fatal(err)
			}
			for r := range rows {
				out[r] -= plainMargin(m, x.Row(r))
			}
			sameBits(t, name, out, make([]float32, rows))
		}
	}
}

func TestMatrixIsChecked(t *testing.T) {
	m := grown(1, 2, 4)
	for _, c := range []struct {
		x   Matrix
		out int
	}{
		{Matrix{make([]float32, 8), 2, 4}, 3},
		{Matrix{make([]float32, 10), 2, 5}, 2},
		{Matrix{make([]float32, 7), 2, 4}, 2},
		{Matrix{nil, -1, 4}, 0},
		{Matrix{nil, 1 << 62, 4}, 0},
	} {
		if err := m.Predict(c.x, make([]float32, c.out)); err == nil {
			t.Errorf("%d × %d values of %d into %d outputs are taken", c.x.Rows, c.x.Cols, len(c.x.Values), c.out)
		}
	}
	if _, err := NewMatrix([][]float32{{1, 2}, {3}}); err == nil {
		t.Error("rows of unequal length are taken")
	}
}

func TestTeam(t *testing.T) {
	team := newTeam()
	defer team.close()
	busy := make([]atomic.Bool, team.workers())
	for n := range 300 {
		done := make([]atomic.Int32, n)
		team.spread(n, func(worker, i int) {
			if busy[worker].Swap(true) {
				t.Error("two tasks of one worker overlap")
			}
			done[i].Add(1)
			busy[worker].Store(false)
		})
		for i := range done {
			if d := done[i].Load(); d != 1 {
				t.Fatalf("task %d of %d ran %d times", i, n, d)
			}
		}
	}
}
