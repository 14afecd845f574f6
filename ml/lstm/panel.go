package lstm

// The LSTM's weights are kept as panels, the order in which the kernels read
// them. A panel belongs to sixteen units and has one row for each input of
// those units (features, the constant 1 whose weight is the bias, then the
// units of the step before) and 64 columns: i, f, c and o of the sixteen
// units. So one tile of a matrix product yields all four gates of its units
// and the cell is computed while they are still in registers. Units that only
// fill up the last panel have weight zero and stay zero for ever.
const (
	panelUnits = 16
	panelWidth = 4 * panelUnits
	tileRows   = 6 // rows of a batch that a kernel computes at once
)

// panelIndex is the place in the panels of the weight from input row k (of
// inner rows) to gate g (0 to 3: i, f, c, o) of a unit.
func panelIndex(inner, k, g, unit int) int {
	return (unit/panelUnits*inner+k)*panelWidth + g*panelUnits + unit%panelUnits
}

// pack lays kernel [features, 4·units], recurrent [units, 4·units] and bias
// [4·units] of Keras into panels.
func pack(panels []float32, s Shape, kernel, recurrent, bias []float32) {
	inner := s.inner()
	for g := range 4 {
		for u := range s.Units {
			column := g*s.Units + u
			for k := range s.Features {
				panels[panelIndex(inner, k, g, u)] = kernel[k*4*s.Units+column]
			}
			panels[panelIndex(inner, s.Features, g, u)] = bias[column]
			for k := range s.Units {
				panels[panelIndex(inner, s.Features+1+k, g, u)] = recurrent[k*4*s.Units+column]
			}
		}
	}
}

// unpack is pack backwards.
func unpack(panels []float32, s Shape) (kernel, recurrent, bias []float32) {
	kernel = make([]float32, s.Features*4*s.Units)
	recurrent = make([]float32, s.Units*4*s.Units)
	bias = make([]float32, 4*s.Units)
	inner := s.inner()
	for g := range 4 {
		for u := range s.Units {
			column := g*s.Units + u
			for k := range s.Features {
				kernel[k*4*s.Units+column] = panels[panelIndex(inner, k, g, u)]
			}
			bias[column] = panels[panelIndex(inner, s.Features, g, u)]
			for k := range s.Units {
				recurrent[k*4*s.Units+column] = panels[panelIndex(inner, s.Features+1+k, g, u)]
			}
		}
	}
	return kernel, recurrent, bias
}
