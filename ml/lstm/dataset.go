package lstm

import "fmt"

// Dataset is what a network learns from.
type Dataset interface {
	// Len is the number of samples.
	Len() int
	// Sample writes the window [steps, features] of sample i and its target
	// [outputs]. It is called from several goroutines at once.
	Sample(i int, window, target []float32)
}

// Samples is a Dataset in memory.
type Samples struct {
	windows, targets []float32
	window, target   int
}

// NewSamples makes a Dataset of windows [n, steps, features] and targets
// [n, outputs], which it keeps.
func NewSamples(s Shape, windows, targets []float32) (*Samples, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	d := &Samples{windows, targets, s.Steps * s.Features, s.Outputs}
	if s.Steps == 0 || len(windows) != d.Len()*d.window || len(targets) != d.Len()*d.target {
		return nil, fmt.Errorf("lstm: samples: %d inputs and %d targets do not make windows of %d × %d with %d targets",
			len(windows), len(targets), s.Steps, s.Features, s.Outputs)
	}
	return d, nil
}

// Len is the number of samples.
func (d *Samples) Len() int { return len(d.targets) / d.target }

// Sample writes window and target of sample i.
func (d *Samples) Sample(i int, window, target []float32) {
	copy(window, d.windows[i*d.window:][:d.window])
	copy(target, d.targets[i*d.target:][:d.target])
}
