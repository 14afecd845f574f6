package lstm

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

// blockRows is how many windows are taken through all steps together: the
// state of so many stays in the first-level cache while a panel of weights
// passes by.
const blockRows = 4 * tileRows

// Predict computes the outputs of n windows: windows is [n, steps, features],
// dst becomes [n, outputs], row by row. It uses as many goroutines as
// GOMAXPROCS, fewer for few windows. A window holding NaN gives NaN and
// disturbs no other.
func (m *Model) Predict(dst, windows []float32, n int) error {
	s := m.shape
	if n < 0 || n > len(dst) || len(dst) != n*s.Outputs {
		return fmt.Errorf("lstm: predict %d windows: room for %d outputs, want %d", n, len(dst), n*s.Outputs)
	}
	if n == 0 {
		if len(windows) != 0 {
			return fmt.Errorf("lstm: predict 0 windows: %d inputs given", len(windows))
		}
		return nil
	}
	steps := s.Steps
	if steps == 0 {
		steps = len(windows) / (n * s.Features)
	}
	if steps == 0 || len(windows) != n*steps*s.Features {
		return fmt.Errorf("lstm: predict %d windows: %d inputs, want %d × %d × %d (windows, steps, features)",
			n, len(windows), n, steps, s.Features)
	}
	// Small batches are cut smaller, so that every processor has something.
	workers := runtime.GOMAXPROCS(0)
	rows := min(blockRows, roundUp((n+workers-1)/workers, tileRows))
	blocks := (n + rows - 1) / rows
	var next atomic.Int64
	work := func() {
		b := newBlock(m, rows)
		for {
			first := (int(next.Add(1)) - 1) * rows
			if first >= n {
				return
			}
			count := min(rows, n-first)
			b.run(dst[first*s.Outputs:][:count*s.Outputs], windows[first*steps*s.Features:], count, steps)
		}
	}
	var group sync.WaitGroup
	for range min(workers, blocks) - 1 {
		group.Go(work)
	}
	work()
	group.Wait()
	return nil
}

// block is the working memory of one goroutine that predicts.
type block struct {
	model *Model
	rows  [2][]float32 // [x | 1 | h] of this step and of the next
	cell  []float32
	tile  cellTile
}

func newBlock(m *Model, rows int) *block {
	b := &block{model: m, cell: make([]float32, rows*m.shape.paddedUnits())}
	for i := range b.rows {
		b.rows[i] = make([]float32, rows*m.shape.rowStride())
	}
	return b
}

// run takes count windows through all steps.
func (b *block) run(dst, windows []float32, count, steps int) {
	s := b.model.shape
	stride, units, inner := s.rowStride(), s.paddedUnits(), s.inner()
	clear(b.cell)
	for i := range b.rows {
		clear(b.rows[i])
	}
	tiles := (count + tileRows - 1) / tileRows
	b.tile = cellTile{aStride: stride, inner: inner, cStride: units, hStride: stride}
	for t := range steps {
		now, after := b.rows[t%2], b.rows[(t+1)%2]
		for r := range count {
			copy(now[r*stride:], windows[(r*steps+t)*s.Features:][:s.Features])
			now[r*stride+s.Features] = 1
		}
		for p := range units / panelUnits {
			b.tile.w = b.model.panels[p*inner*panelWidth:][:inner*panelWidth]
			for i := range tiles {
				row, at := i*tileRows*stride, i*tileRows*units+p*panelUnits
				b.tile.a = now[row:]
				b.tile.before = b.cell[at:]
				b.tile.cell = b.cell[at:]
				b.tile.h = after[row+s.Features+1+p*panelUnits:]
				b.model.kernel.step(&b.tile)
			}
		}
	}
	last := b.rows[steps%2]
	for r := range count {
		b.model.output(dst[r*s.Outputs:][:s.Outputs], last[r*stride+s.Features+1:][:s.Units])
	}
}

// output is the Dense layer for one window.
func (m *Model) output(dst, h []float32) {
	outputs := len(dst)
	copy(dst, m.dense[len(h)*outputs:])
	for u, v := range h {
		for k, w := range m.dense[u*outputs:][:outputs] {
			dst[k] += v * w
		}
	}
}
