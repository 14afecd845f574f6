package lstm

import "fmt"

// Shape is what a network takes and gives.
type Shape struct {
	Steps    int     // rows of a window; 0: any number
	Features int     // columns of a window
	Units    int     // width of the LSTM
	Outputs  int     // width of the Dense layer
	Dropout  float32 // share of the LSTM's last output dropped while training, in [0, 1)
}

// Limits of a shape, far above what is useful, so that a hostile file cannot
// ask for all of the memory.
const (
	maxSteps    = 1 << 16
	maxFeatures = 1 << 12
	maxUnits    = 1 << 12
	maxOutputs  = 1 << 10
)

// Validate tells what is wrong with the shape.
func (s Shape) Validate() error {
	for _, d := range []struct {
		name            string
		value, min, max int
	}{
		{"steps", s.Steps, 0, maxSteps},
		{"features", s.Features, 1, maxFeatures},
		{"units", s.Units, 1, maxUnits},
		{"outputs", s.Outputs, 1, maxOutputs},
	} {
		if d.value < d.min || d.value > d.max {
			return fmt.Errorf("lstm: %s is %d, want %d to %d", d.name, d.value, d.min, d.max)
		}
	}
	if !(s.Dropout >= 0 && s.Dropout < 1) {
		return fmt.Errorf("lstm: dropout is %v, want at least 0 and less than 1", s.Dropout)
	}
	return nil
}

// Parameters is the number of trained weights.
func (s Shape) Parameters() int {
	return 4*s.Units*(s.Features+s.Units+1) + (s.Units+1)*s.Outputs
}

// inner is the length of the row [x | 1 | h] that meets the weights.
func (s Shape) inner() int { return s.Features + 1 + s.Units }

// paddedUnits is Units rounded up to whole panels.
func (s Shape) paddedUnits() int { return roundUp(s.Units, panelUnits) }

// rowStride is the distance between rows [x | 1 | h]: it holds the padded
// units, and whole tiles when the row is read as a column of the transpose.
func (s Shape) rowStride() int {
	return max(s.Features+1+s.paddedUnits(), roundUp(s.inner(), tileRows))
}

func roundUp(n, step int) int { return (n + step - 1) / step * step }
