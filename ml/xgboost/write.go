package xgboost

import (
	"math"
	"strconv"
)

// appendReal writes the shortest text that reads back as v.
func appendReal(dst []byte, v float32) []byte {
	switch {
	case v != v:
		return append(dst, "NaN"...)
	case math.IsInf(float64(v), 1):
		return append(dst, "Infinity"...)
	case math.IsInf(float64(v), -1):
		return append(dst, "-Infinity"...)
	}
	return strconv.AppendFloat(dst, float64(v), 'E', -1, 32)
}
