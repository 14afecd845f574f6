package lstm

// tanh is the rational approximation of degree 13 over 6 that Eigen uses
// (Eigen/src/Core/MathFunctionsImpl.h, ptanh_float), in float32 as in the
// assembly. Its error is below 4e-7 everywhere, sigmoid's below 2e-7; NaN stays NaN.
func tanh(x float32) float32 {
	if x > tanhClamp {
		x = tanhClamp
	} else if x < -tanhClamp {
		x = -tanhClamp
	}
	s := x * x
	p := float32(tanhA13)
	p = p*s + tanhA11
	p = p*s + tanhA9
	p = p*s + tanhA7
	p = p*s + tanhA5
	p = p*s + tanhA3
	p = p*s + tanhA1
	q := float32(tanhB6)
	q = q*s + tanhB4
	q = q*s + tanhB2
	q = q*s + tanhB0
	return x * p / q
}

// The same numbers stand as bits in tanh_amd64.h.
const (
	tanhClamp = 7.90531110763549805
	tanhA1    = 4.89352455891786e-03
	tanhA3    = 6.37261928875436e-04
	tanhA5    = 1.48572235717979e-05
	tanhA7    = 5.12229709037114e-08
	tanhA9    = -8.60467152213735e-11
	tanhA11   = 2.00018790482477e-13
	tanhA13   = -2.76076847742355e-16
	tanhB0    = 4.89352518554385e-03
	tanhB2    = 2.26843463243900e-03
	tanhB4    = 1.18534705686654e-04
	tanhB6    = 1.19825839466702e-06
)

func sigmoid(x float32) float32 { return 0.5*tanh(0.5*x) + 0.5 }

func cellPortable(t *cellTile) {
	for u := range panelUnits {
		for r := 0; r < tileRows; r += 2 {
			// Two rows and four gates at a time: eight sums in registers.
			var i0, f0, g0, o0, i1, f1, g1, o1 float32
			a0 := t.a[r*t.aStride:][:t.inner]
			a1 := t.a[(r+1)*t.aStride:][:t.inner]
			w := t.w[u:]
			for k, x := range a0 {
				y := a1[k]
				row := w[k*panelWidth:][: 3*panelUnits+1 : 3*panelUnits+1]
				wi, wf, wg, wo := row[0], row[panelUnits], row[2*panelUnits], row[3*panelUnits]
				i0 += x * wi
				f0 += x * wf
				g0 += x * wg
				o0 += x * wo
				i1 += y * wi
				f1 += y * wf
				g1 += y * wg
				o1 += y * wo
			}
			t.finish(r, u, i0, f0, g0, o0)
			t.finish(r+1, u, i1, f1, g1, o1)
		}
	}
}

// finish turns the four sums of one row and unit into the cell's state.
func (t *cellTile) finish(r, u int, i, f, g, o float32) {
	i, f, g, o = sigmoid(i), sigmoid(f), tanh(g), sigmoid(o)
	at := r*t.cStride + u
	c := f*t.before[at] + i*g
	y := tanh(c)
	t.cell[at] = c
	t.h[r*t.hStride+u] = o * y
	if t.gates == nil {
		return
	}
	gates := t.gates[r*t.gStride+u:]
	gates[0], gates[panelUnits], gates[2*panelUnits], gates[3*panelUnits] = i, f, g, o
	t.tanh[at] = y
}

func productPortable(t *productTile) {
	for r := range tileRows {
		c := t.c[r*t.cStride:][:panelWidth]
		for j := 0; j < panelWidth; j += 8 {
			var s [8]float32
			for k := range t.inner {
				x := t.a[r*t.aRow+k*t.aStep]
				b := t.b[k*t.bStep+j:][:8:8]
				s[0] += x * b[0]
				s[1] += x * b[1]
				s[2] += x * b[2]
				s[3] += x * b[3]
				s[4] += x * b[4]
				s[5] += x * b[5]
				s[6] += x * b[6]
				s[7] += x * b[7]
			}
			for n, v := range s {
				c[j+n] += v
			}
		}
	}
}

func gradientPortable(t *cellGradient) {
	for u := range t.panels * panelUnits {
		gates := t.gates[u/panelUnits*panelWidth+u%panelUnits:]
		i, f, g, o := gates[0], gates[panelUnits], gates[2*panelUnits], gates[3*panelUnits]
		y, dh := t.tanh[u], t.dh[u]
		dc := t.dc[u] + dh*o*(1-y*y)
		gates[0] = dc * g * (i - i*i)
		gates[panelUnits] = dc * t.before[u] * (f - f*f)
		gates[2*panelUnits] = dc * i * (1 - g*g)
		gates[3*panelUnits] = dh * y * (o - o*o)
		t.dc[u] = dc * f
	}
}
