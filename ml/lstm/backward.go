package lstm

import "math/rand/v2"

// chunkRows is the most samples that are taken forward and back together. The
// gradient of a batch is the sum over its chunks in their order, whoever
// computes them, so that it does not depend on the number of processors.
const chunkRows = 11 * tileRows

// gradientSteps is how many steps' worth of weight gradient is summed in
// registers before it is added to memory.
const gradientSteps = 4

// gradient is the slope of the loss by every weight. Its panels hold a few
// rows more than the weights', for the last tile.
type gradient struct {
	panels []float32
	dense  []float32
	loss   float64 // sum over samples and outputs
}

func newGradient(s Shape) *gradient {
	return &gradient{
		panels: make([]float32, s.paddedUnits()/panelUnits*roundUp(s.inner(), tileRows)*panelWidth),
		dense:  make([]float32, (s.Units+1)*s.Outputs),
	}
}

// transpose lays the recurrent weights in panels for the way back: for every 64
// units, one row for each gate of each unit.
func transpose(dst, panels []float32, s Shape) {
	inner, width := s.inner(), 4*s.paddedUnits()
	for p := range s.paddedUnits() / panelUnits {
		for u := range s.Units {
			row := panels[(p*inner+s.Features+1+u)*panelWidth:][:panelWidth]
			to := dst[(u/panelWidth*width+p*panelWidth)*panelWidth+u%panelWidth:]
			for j, v := range row {
				to[j*panelWidth] = v
			}
		}
	}
}

func transposeSize(s Shape) int { return roundUp(s.Units, panelWidth) * 4 * s.paddedUnits() }

// pass is the working memory of one goroutine that trains: everything that the
// way forward leaves for the way back (Hochreiter and Schmidhuber 1997; the
// forget gate of Gers et al. 2000).
type pass struct {
	shape   Shape
	kernel  kernels
	rows    []float32 // [steps+1, chunk, rowStride]: [x | 1 | h]
	gates   []float32 // [steps, chunk, 4·units]
	cell    []float32 // [steps+1, chunk, units]
	tanh    []float32 // [steps, chunk, units]
	dh      []float32 // [chunk, units rounded to a panel's width]
	dc      []float32 // [chunk, units]
	window  []float32
	targets []float32
	output  []float32
	slope   []float64
	kept    []float32 // the last output after dropout
	mask    []float32 // 0, or 1 / (1 − dropout)
}

func newPass(s Shape, k kernels) *pass {
	units := s.paddedUnits()
	return &pass{
		shape:   s,
		kernel:  k,
		rows:    make([]float32, (s.Steps+1)*chunkRows*s.rowStride()),
		gates:   make([]float32, s.Steps*chunkRows*4*units),
		cell:    make([]float32, (s.Steps+1)*chunkRows*units),
		tanh:    make([]float32, s.Steps*chunkRows*units),
		dh:      make([]float32, chunkRows*roundUp(units, panelWidth)),
		dc:      make([]float32, chunkRows*units),
		window:  make([]float32, s.Steps*s.Features),
		targets: make([]float32, chunkRows*s.Outputs),
		output:  make([]float32, s.Outputs),
		slope:   make([]float64, s.Outputs),
		kept:    make([]float32, s.Units),
		mask:    make([]float32, s.Units),
	}
}

// chunk is a share of a batch.
type chunk struct {
	data    Dataset
	samples []int // which of data
	batch   int   // samples of the whole batch: the loss is their mean
	seed    [2]uint64
	config  *TrainConfig
}

// run sets g to the chunk's share of the gradient.
func (p *pass) run(g *gradient, m *Model, back []float32, c chunk) {
	clear(g.panels)
	clear(g.dense)
	g.loss = 0
	rows := roundUp(len(c.samples), tileRows)
	p.load(c, rows)
	p.forward(m, rows)
	p.dense(g, m, c, rows)
	p.backward(g, back, rows)
}

// load lays the samples' windows into the rows of all steps.
func (p *pass) load(c chunk, rows int) {
	s := p.shape
	stride := s.rowStride()
	clear(p.rows[:(s.Steps+1)*rows*stride])
	for r, sample := range c.samples {
		c.data.Sample(sample, p.window, p.targets[r*s.Outputs:][:s.Outputs])
		for t := range s.Steps {
			row := p.rows[(t*rows+r)*stride:]
			copy(row, p.window[t*s.Features:][:s.Features])
			row[s.Features] = 1
		}
	}
}

// forward takes the samples through all steps, and the rows that only fill the
// last tile, which stay zero.
func (p *pass) forward(m *Model, rows int) {
	s := p.shape
	stride, units, inner := s.rowStride(), s.paddedUnits(), s.inner()
	clear(p.cell[:rows*units])
	tile := cellTile{aStride: stride, inner: inner, cStride: units, hStride: stride, gStride: 4 * units}
	for t := range s.Steps {
		for panel := range units / panelUnits {
			tile.w = m.panels[panel*inner*panelWidth:][:inner*panelWidth]
			for r := 0; r < rows; r += tileRows {
				row, state := (t*rows+r)*stride, (t*rows+r)*units+panel*panelUnits
				tile.a = p.rows[row:]
				tile.h = p.rows[row+rows*stride+s.Features+1+panel*panelUnits:]
				tile.before = p.cell[state:]
				tile.cell = p.cell[state+rows*units:]
				tile.tanh = p.tanh[state:]
				tile.gates = p.gates[(t*rows+r)*4*units+panel*panelWidth:]
				p.kernel.step(&tile)
			}
		}
	}
}

// dense is dropout, the Dense layer and the loss, forward and back: it leaves
// the gradient of the LSTM's last output in dh.
func (p *pass) dense(g *gradient, m *Model, c chunk, rows int) {
	s := p.shape
	stride, width := s.rowStride(), roundUp(s.paddedUnits(), panelWidth)
	clear(p.dh[:rows*width])
	clear(p.dc[:rows*s.paddedUnits()])
	last := p.rows[s.Steps*rows*stride:]
	scale := 1 / float64(c.batch*s.Outputs)
	bias := g.dense[s.Units*s.Outputs:]
	for r := range c.samples {
		target := p.targets[r*s.Outputs:]
		h := last[r*stride+s.Features+1:][:s.Units]
		p.drop(h, c.seed[0], c.seed[1]+uint64(r))
		m.output(p.output, p.kept)
		for k, y := range p.output {
			loss, slope := c.config.loss(y, target[k])
			g.loss += loss
			p.slope[k] = slope * scale
			bias[k] += float32(p.slope[k])
		}
		dh := p.dh[r*width:]
		for u, v := range p.kept {
			sum := 0.0
			for k, d := range p.slope {
				g.dense[u*s.Outputs+k] += v * float32(d)
				sum += d * float64(m.dense[u*s.Outputs+k])
			}
			dh[u] = p.mask[u] * float32(sum)
		}
	}
}

// drop draws the mask of one sample and sets kept to what it lets through.
func (p *pass) drop(h []float32, seed1, seed2 uint64) {
	rate := p.shape.Dropout
	if rate == 0 {
		copy(p.kept, h)
		for u := range p.mask {
			p.mask[u] = 1
		}
		return
	}
	var source rand.PCG
	source.Seed(seed1, seed2)
	scale := 1 / (1 - rate)
	for u, v := range h {
		p.mask[u] = 0
		if float32(source.Uint64()>>40)/(1<<24) >= rate {
			p.mask[u] = scale
		}
		p.kept[u] = v * p.mask[u]
	}
}

// backward goes through the steps from the last to the first.
func (p *pass) backward(g *gradient, back []float32, rows int) {
	s := p.shape
	units, stride := s.paddedUnits(), s.rowStride()
	wide, width := 4*units, roundUp(units, panelWidth)
	innerRows := roundUp(s.inner(), tileRows)
	across := productTile{cStride: width, aRow: wide, aStep: 1, bStep: panelWidth, inner: wide}
	down := productTile{cStride: panelWidth, aRow: 1, aStep: stride, bStep: wide}
	cell := cellGradient{panels: units / panelUnits}
	done := s.Steps // steps from here on are in the gradient
	for t := s.Steps - 1; t >= 0; t-- {
		gates := p.gates[t*rows*wide:][:rows*wide]
		for r := range rows {
			cell.gates = gates[r*wide:][:wide]
			cell.tanh = p.tanh[(t*rows+r)*units:][:units]
			cell.before = p.cell[(t*rows+r)*units:][:units]
			cell.dh = p.dh[r*width:][:units]
			cell.dc = p.dc[r*units:][:units]
			p.kernel.gradient(&cell)
		}
		if t > 0 {
			clear(p.dh[:rows*width])
			for panel := range width / panelWidth {
				across.b = back[panel*wide*panelWidth:][:wide*panelWidth]
				for r := 0; r < rows; r += tileRows {
					across.a = gates[r*wide:]
					across.c = p.dh[r*width+panel*panelWidth:]
					p.kernel.product(&across)
				}
			}
		}
		if done-t < gradientSteps && t > 0 {
			continue
		}
		down.inner = (done - t) * rows
		for panel := range units / panelUnits {
			down.b = p.gates[t*rows*wide+panel*panelWidth:]
			for k := 0; k < innerRows; k += tileRows {
				down.a = p.rows[t*rows*stride+k:]
				down.c = g.panels[(panel*innerRows+k)*panelWidth:]
				p.kernel.product(&down)
			}
		}
		done = t
	}
}
