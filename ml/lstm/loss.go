package lstm

import "math"

// squared is the mean squared error's share of one output: e² and its slope.
func squared(e float64) (loss, slope float64) { return e * e, 2 * e }

// huber is Huber's loss (1964) of one output: e²/2 up to delta, a line beyond.
func huber(e, delta float64) (loss, slope float64) {
	if a := math.Abs(e); a > delta {
		return delta * (a - delta/2), math.Copysign(delta, e)
	}
	return e * e / 2, e
}

// loss is the error of one output against its target and its slope.
func (c *TrainConfig) loss(output, target float32) (loss, slope float64) {
	e := float64(output) - float64(target)
	if c.Huber > 0 {
		return huber(e, c.Huber)
	}
	return squared(e)
}
