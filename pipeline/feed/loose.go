package feed

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// loose is a number as providers write it: 1, "1", "1.5%", null, "", "--", "N/A"
// or {"raw":1,"fmt":"1"}. What is no number is unknown, never an error: one
// odd field must not cost the whole answer.
type loose struct {
	v     float64
	known bool
}

// UnmarshalJSON never fails.
func (l *loose) UnmarshalJSON(data []byte) error {
	*l = loose{}
	if len(data) > 0 && data[0] == '{' {
		var formatted struct {
			Raw json.Number `json:"raw"`
		}
		if json.Unmarshal(data, &formatted) == nil {
			l.read(string(formatted.Raw))
		}
		return nil
	}
	data = bytes.Trim(data, `"`)
	l.read(string(data))
	return nil
}

func (l *loose) read(s string) {
	s = strings.TrimSuffix(strings.TrimSpace(s), "%")
	if len(s) > 64 {
		return
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return
	}
	l.v, l.known = f, true
}

// count is l as a whole number of at least zero, -1 where it is none.
func (l loose) count() int64 {
	if !l.known || l.v < 0 || l.v > 1e15 {
		return -1
	}
	return int64(l.v)
}

// price is l where it is above zero, else 0, which stands for unknown.
func (l loose) price() float64 {
	if !l.known || !(l.v > 0) {
		return 0
	}
	return l.v
}
