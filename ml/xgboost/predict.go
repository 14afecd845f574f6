package xgboost

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

// Matrix is rows of features in one slice, row after row. NaN is missing,
// and so is nothing else: ±Inf compares as a number.
type Matrix struct {
	Values     []float32 // Rows × Cols
	Rows, Cols int
}

// NewMatrix copies rows of equal length.
func NewMatrix(rows [][]float32) (Matrix, error) {
	m := Matrix{Rows: len(rows)}
	if len(rows) == 0 {
		return m, nil
	}
	m.Cols = len(rows[0])
	m.Values = make([]float32, 0, m.Rows*m.Cols)
	for i, r := range rows {
		if len(r) != m.Cols {
			return Matrix{}, fmt.Errorf("row %d has %d features, row 0 has %d", i, len(r), m.Cols)
		}
		m.Values = append(m.Values, r...)
	}
	return m, nil
}

// Row is row i, a part of Values.
func (m Matrix) Row(i int) []float32 { return m.Values[i*m.Cols : (i+1)*m.Cols : (i+1)*m.Cols] }

func (m Matrix) check(features, want, got int) error {
	if m.Rows < 0 || m.Cols < 0 || len(m.Values) != m.Rows*m.Cols {
		return fmt.Errorf("the matrix holds %d values, not %d × %d", len(m.Values), m.Rows, m.Cols)
	}
	if m.Cols != features && m.Rows > 0 {
		return fmt.Errorf("rows have %d features, the model wants %d", m.Cols, features)
	}
	if got != want*m.Rows {
		return fmt.Errorf("room for %d outputs, %d rows give %d", got, m.Rows, want*m.Rows)
	}
	return nil
}

// Predict writes Outputs values a row to out, row after row: what the
// library's predict gives (values, probabilities, classes).
func (m *Model) Predict(x Matrix, out []float32) error {
	if m.Outputs() == m.groups {
		if err := m.margins(x, out, m.objective.link); err != nil {
			return fmt.Errorf("predict: %w", err)
		}
		return nil
	}
	if err := x.check(m.features, 1, len(out)); err != nil {
		return fmt.Errorf("predict: %w", err)
	}
	all := make([]float32, x.Rows*m.groups)
	if err := m.margins(x, all, m.objective.link); err != nil {
		return fmt.Errorf("predict: %w", err)
	}
	for i := range out {
		out[i] = all[i*m.groups]
	}
	return nil
}

// Margins writes Groups values a row to out, row after row, before the
// objective's transformation: the starting margin plus the leaves, added in
// float32 in the order of the trees.
func (m *Model) Margins(x Matrix, out []float32) error {
	if err := m.margins(x, out, identity); err != nil {
		return fmt.Errorf("margins: %w", err)
	}
	return nil
}

// blockRows is how many rows walk one tree before the next: enough that the
// tree stays in the first cache, few enough that the rows do.
const blockRows = 64

func (m *Model) margins(x Matrix, out []float32, l link) error {
	if err := x.check(m.features, m.groups, len(out)); err != nil {
		return err
	}
	m.blocks(x, func(w *walker, first, rows int) {
		block := out[first*m.groups : (first+rows)*m.groups]
		for i := 0; i < len(block); i += m.groups {
			copy(block[i:], m.start)
		}
		w.load(x, first, rows)
		for i := range m.forest.trees {
			t := &m.forest.trees[i]
			w.find(t, x, first, rows)
			w.add(t, block, m.groups, rows)
		}
		if l != identity {
			for i := 0; i < len(block); i += m.groups {
				l.apply(block[i : i+m.groups])
			}
		}
	})
	return nil
}

// Leaves writes the id of the leaf that each row reaches in each tree, Trees
// values a row: the library's predict(pred_leaf=True).
func (m *Model) Leaves(x Matrix, out []int32) error {
	n := len(m.trees)
	if err := x.check(m.features, n, len(out)); err != nil {
		return fmt.Errorf("leaves: %w", err)
	}
	m.blocks(x, func(w *walker, first, rows int) {
		w.load(x, first, rows)
		for i := range m.forest.trees {
			w.find(&m.forest.trees[i], x, first, rows)
			for r := range rows {
				out[(first+r)*n+i] = m.forest.ids[w.at[r]]
			}
		}
	})
	return nil
}

// blocks calls each for blocks of rows, on as many goroutines as pay.
func (m *Model) blocks(x Matrix, each func(w *walker, first, rows int)) {
	count := (x.Rows + blockRows - 1) / blockRows
	// A goroutine costs about a microsecond, a row and tree about 10 ns.
	workers := min(runtime.GOMAXPROCS(0), count, 1+x.Rows*len(m.trees)/2000)
	var next atomic.Int64
	work := func() {
		w := &walker{forest: &m.forest}
		for {
			b := int(next.Add(1)) - 1
			if b >= count {
				return
			}
			first := b * blockRows
			each(w, first, min(blockRows, x.Rows-first))
		}
	}
	var wg sync.WaitGroup
	for range workers - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
}

// walker walks a block of rows through trees.
type walker struct {
	forest *forest
	keys   []int32          // blockRows a column
	at     [blockRows]int32 // the leaf that each row reached
}

const (
	lanes    = 8       // rows that are walked at a time: one alone would wait for memory at every step
	deepest  = 16      // deeper trees are uneven: most rows arrive early
	mostUsed = 1 << 14 // with more features the keys of a block would not stay in any cache
)

// load makes the keys of a block of rows.
func (w *walker) load(x Matrix, first, rows int) {
	if len(w.forest.used) > mostUsed {
		return
	}
	if w.keys == nil {
		w.keys = make([]int32, 2*len(w.forest.used)*blockRows)
	}
	for slot, f := range w.forest.used {
		column := x.Values[first*x.Cols+int(f):]
		above := w.keys[2*slot*blockRows:][:rows]
		below := w.keys[(2*slot+1)*blockRows:][:rows]
		for r := range above {
			v := column[r*x.Cols]
			if v == v {
				k := key(v)
				above[r], below[r] = k, k
			} else {
				above[r], below[r] = largest, least
			}
		}
	}
}

// find fills at with each row's leaf.
func (w *walker) find(t *planted, x Matrix, first, rows int) {
	if t.sets || t.depth > deepest || w.keys == nil {
		for r := range rows {
			w.at[r] = w.forest.walk(t, x.Row(first+r))
		}
		return
	}
	nodes, keys := w.forest.nodes, w.keys
	for r := uint32(0); r < uint32(rows); r += lanes { // the last ones may be no rows: their keys are of others
		i0, i1, i2, i3, i4, i5, i6, i7 := t.root, t.root, t.root, t.root, t.root, t.root, t.root, t.root
		for range t.depth {
			i0 = step(nodes, keys, r, i0)
			i1 = step(nodes, keys, r+1, i1)
			i2 = step(nodes, keys, r+2, i2)
			i3 = step(nodes, keys, r+3, i3)
			i4 = step(nodes, keys, r+4, i4)
			i5 = step(nodes, keys, r+5, i5)
			i6 = step(nodes, keys, r+6, i6)
			i7 = step(nodes, keys, r+7, i7)
		}
		at := w.at[r:][:lanes]
		at[0], at[1], at[2], at[3], at[4], at[5], at[6], at[7] = i0, i1, i2, i3, i4, i5, i6, i7
	}
}

// step takes row r of a block from node i to a child, without a branch.
func step(nodes []node, keys []int32, r uint32, i int32) int32 {
	n := &nodes[i]
	return n.right + int32((int64(keys[n.column*blockRows+r])-int64(n.key))>>63)
}

// add adds the leaves that find found to the margins of a block.
func (w *walker) add(t *planted, block []float32, groups, rows int) {
	nodes := w.forest.nodes
	at := w.at[:rows]
	o := int(t.group)
	if t.drop == 1 {
		for _, i := range at {
			block[o] += nodes[i].leaf
			o += groups
		}
		return
	}
	for _, i := range at {
		block[o] += float32(nodes[i].leaf * t.drop) // rounded before the sum, never fused
		o += groups
	}
}
