package lstm

// cellTile is the work of one step of the LSTM on six rows of a batch and the
// sixteen units of a panel. Strides count float32.
type cellTile struct {
	a       []float32 // rows [x | 1 | h] of this step
	aStride int
	w       []float32 // panel, inner rows of panelWidth
	inner   int
	before  []float32 // cell state before the step
	cell    []float32 // cell state after it; may be the same memory as before
	cStride int
	h       []float32 // output, into the rows of the next step
	hStride int
	gates   []float32 // i, f, c, o after their activation, panelWidth a row; nil: not kept
	gStride int
	tanh    []float32 // tanh of the cell state, with cStride; kept when gates is
}

// productTile is C += A·B for six rows and 64 columns:
// A[r, k] = a[r·aRow + k·aStep] and B[k, j] = b[k·bStep + j].
type productTile struct {
	c       []float32
	cStride int
	a       []float32
	aRow    int
	aStep   int
	b       []float32
	bStep   int
	inner   int
}

// cellGradient is the way back through one step for one row of a batch.
type cellGradient struct {
	gates  []float32 // activated gates, panels·panelWidth; becomes the gradient before activation
	tanh   []float32 // tanh of the cell state after the step
	before []float32 // cell state before the step
	dh     []float32 // gradient of the output
	dc     []float32 // gradient of the cell state after the step; becomes that before it
	panels int
}

// kernels are the inner loops for one kind of processor. Every kind adds the
// same numbers in the same order, so they differ only by rounding: those with
// fused multiply-add agree bit for bit.
type kernels uint8

const (
	portable kernels = iota
	avx2
	avx512
)

// String is the name of the instruction set.
func (k kernels) String() string { return [...]string{"portable", "avx2", "avx512"}[k] }

// check panics where a tile would reach past its slices: assembly does not.
func (t *cellTile) check() {
	last := tileRows - 1
	_ = t.a[last*t.aStride+t.inner-1]
	_ = t.w[t.inner*panelWidth-1]
	_ = t.before[last*t.cStride+panelUnits-1]
	_ = t.cell[last*t.cStride+panelUnits-1]
	_ = t.h[last*t.hStride+panelUnits-1]
	if t.gates != nil {
		_ = t.gates[last*t.gStride+panelWidth-1]
		_ = t.tanh[last*t.cStride+panelUnits-1]
	}
}

func (t *productTile) check() {
	_ = t.c[(tileRows-1)*t.cStride+panelWidth-1]
	_ = t.a[(tileRows-1)*t.aRow+(t.inner-1)*t.aStep]
	_ = t.b[(t.inner-1)*t.bStep+panelWidth-1]
}

func (t *cellGradient) check() {
	_ = t.gates[t.panels*panelWidth-1]
	_ = t.tanh[t.panels*panelUnits-1]
	_ = t.before[t.panels*panelUnits-1]
	_ = t.dh[t.panels*panelUnits-1]
	_ = t.dc[t.panels*panelUnits-1]
}
