package athena

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// decimal is a number unscaled * 10^-scale.
type decimal struct {
	unscaled *big.Int
	scale    int
}

var errOverflow = errors.New("Decimal overflow")

func parseDecimal(s string) (decimal, error) {
	whole, fraction, _ := strings.Cut(s, ".")
	n, ok := new(big.Int).SetString(whole+fraction, 10)
	if !ok {
		return decimal{}, fmt.Errorf("'%s' is no decimal", s)
	}
	return decimal{n, len(fraction)}, nil
}

func tenTo(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// String has all the digits of the scale.
func (d decimal) String() string {
	digits := new(big.Int).Abs(d.unscaled).String()
	for len(digits) <= d.scale {
		digits = "0" + digits
	}
	if d.scale > 0 {
		digits = digits[:len(digits)-d.scale] + "." + digits[len(digits)-d.scale:]
	}
	if d.unscaled.Sign() < 0 {
		digits = "-" + digits
	}
	return digits
}

// divideHalfUp is a/b rounded half away from zero.
func divideHalfUp(a, b *big.Int) *big.Int {
	q, r := new(big.Int).QuoRem(a, b, new(big.Int))
	if r.Abs(r).Lsh(r, 1).CmpAbs(b) >= 0 {
		if a.Sign()*b.Sign() < 0 {
			return q.Sub(q, big.NewInt(1))
		}
		return q.Add(q, big.NewInt(1))
	}
	return q
}

// rescale changes the number of digits behind the point.
func (d decimal) rescale(scale int) decimal {
	if scale >= d.scale {
		return decimal{new(big.Int).Mul(d.unscaled, tenTo(scale-d.scale)), scale}
	}
	return decimal{divideHalfUp(d.unscaled, tenTo(d.scale-scale)), scale}
}

// decimalArithmetic computes a op b with scale digits behind the point, as
// Trino's decimals do.
func decimalArithmetic(op, a, b string, scale int) (string, error) {
	x, err := parseDecimal(a)
	if err != nil {
		return "", err
	}
	y, err := parseDecimal(b)
	if err != nil {
		return "", err
	}
	out := new(big.Int)
	common := max(x.scale, y.scale)
	switch op {
	case "+":
		out.Add(x.rescale(common).unscaled, y.rescale(common).unscaled)
	case "-":
		out.Sub(x.rescale(common).unscaled, y.rescale(common).unscaled)
	case "*":
		out.Mul(x.unscaled, y.unscaled)
	case "/", "%":
		if y.unscaled.Sign() == 0 {
			return "", errors.New("Division by zero")
		}
		if op == "%" {
			out.Rem(x.rescale(common).unscaled, y.rescale(common).unscaled)
			break
		}
		out = divideHalfUp(new(big.Int).Mul(x.unscaled, tenTo(scale+y.scale-x.scale)), y.unscaled)
	}
	if len(new(big.Int).Abs(out).String()) > 38 {
		return "", errOverflow
	}
	return decimal{out, scale}.String(), nil
}

// decimalRound rounds or cuts a decimal behind n digits and writes it with
// scale digits.
func decimalRound(s string, n int, how string, scale int) (string, error) {
	d, err := parseDecimal(s)
	if err != nil {
		return "", err
	}
	if n >= d.scale {
		return d.rescale(max(scale, d.scale)).rescale(scale).String(), nil
	}
	drop := d.scale - n
	if drop > 80 {
		return decimal{new(big.Int), scale}.String(), nil
	}
	unit := tenTo(drop)
	var q *big.Int
	switch how {
	case "round":
		q = divideHalfUp(d.unscaled, unit)
	case "truncate":
		q = new(big.Int).Quo(d.unscaled, unit)
	case "floor":
		q = new(big.Int).Div(d.unscaled, unit)
	case "ceil":
		q = new(big.Int).Neg(new(big.Int).Div(new(big.Int).Neg(d.unscaled), unit))
	}
	out := decimal{q, n}
	if n < 0 {
		out = decimal{new(big.Int).Mul(q, tenTo(-n)), 0}
	}
	return out.rescale(scale).String(), nil
}

// doubleText writes a double as Java's and Trino's CAST does: 1.5E0.
func doubleText(v float64, bits int) string {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 1):
		return "Infinity"
	case math.IsInf(v, -1):
		return "-Infinity"
	case v == 0:
		if math.Signbit(v) {
			return "-0E0"
		}
		return "0E0"
	}
	s := strconv.FormatFloat(v, 'e', -1, bits)
	mantissa, exponent, _ := strings.Cut(s, "e")
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	n, _ := strconv.Atoi(exponent)
	return mantissa + "E" + strconv.Itoa(n)
}

// javaDouble writes a double as Java's Double.toString does.
func javaDouble(v float64) string {
	abs := math.Abs(v)
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 0):
		return doubleText(v, 64)
	case v == 0:
		if math.Signbit(v) {
			return "-0.0"
		}
		return "0.0"
	case abs >= 1e-3 && abs < 1e7:
		s := strconv.FormatFloat(v, 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	}
	return doubleText(v, 64)
}

// roundDouble is half away from zero in the number's shortest decimal form.
func roundDouble(v float64, places int) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return v
	}
	if places == 0 {
		return math.Round(v)
	}
	if places < -400 {
		return 0
	}
	if places > 400 {
		return v
	}
	f := math.Pow(10, float64(places))
	r := math.Round(v*f) / f
	if math.IsNaN(r) || math.IsInf(r, 0) {
		return v
	}
	return r
}

// exactDecimal writes a double's exact value rounded half up to a scale.
func exactDecimal(v float64, scale int) (string, error) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "", fmt.Errorf("Cannot cast DOUBLE '%s' to DECIMAL", javaDouble(v))
	}
	r, ok := new(big.Rat).SetString(strconv.FormatFloat(v, 'e', -1, 64))
	if !ok {
		return "", errOverflow
	}
	r.Mul(r, new(big.Rat).SetInt(tenTo(scale)))
	n := divideHalfUp(r.Num(), r.Denom())
	if len(n.String()) > 39 {
		return "", fmt.Errorf("Cannot cast DOUBLE '%s' to DECIMAL: it is too large", javaDouble(v))
	}
	return decimal{n, scale}.String(), nil
}
