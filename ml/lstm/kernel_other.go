//go:build !amd64

package lstm

// available lists the kernels that this processor can run, the fastest last.
func available() []kernels { return []kernels{portable} }

func (kernels) step(t *cellTile)         { cellPortable(t) }
func (kernels) product(t *productTile)   { productPortable(t) }
func (kernels) gradient(t *cellGradient) { gradientPortable(t) }
