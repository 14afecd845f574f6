package lstm

import "golang.org/x/sys/cpu"

// available lists the kernels that this processor can run, the fastest last.
func available() []kernels {
	list := []kernels{portable}
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		list = append(list, avx2)
		if cpu.X86.HasAVX512F {
			list = append(list, avx512)
		}
	}
	return list
}

// step takes a tile through one step of the LSTM.
func (k kernels) step(t *cellTile) {
	t.check()
	switch k {
	case avx512:
		cellAVX512(t)
	case avx2:
		for _, row := range [...]int{0, tileRows / 2} {
			cellAVX2(t, row, 0)
			cellAVX2(t, row, 1)
		}
	default:
		cellPortable(t)
	}
}

// product adds a tile of a matrix product.
func (k kernels) product(t *productTile) {
	t.check()
	switch k {
	case avx512:
		productAVX512(t)
	case avx2:
		for _, row := range [...]int{0, tileRows / 2} {
			productAVX2(t, row, 0)
			productAVX2(t, row, 1)
		}
	default:
		productPortable(t)
	}
}

// gradient takes a row back through one step of the LSTM.
func (k kernels) gradient(t *cellGradient) {
	t.check()
	switch k {
	case avx512:
		gradientAVX512(t)
	case avx2:
		gradientAVX2(t)
	default:
		gradientPortable(t)
	}
}

// The assembly keeps no pointer that it is given.

//go:noescape
func cellAVX512(t *cellTile)

//go:noescape
func productAVX512(t *productTile)

//go:noescape
func gradientAVX512(t *cellGradient)

//go:noescape
func cellAVX2(t *cellTile, row, half int)

//go:noescape
func productAVX2(t *productTile, row, half int)

//go:noescape
func gradientAVX2(t *cellGradient)
