package sagemaker

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// What encoding/json says about a question, as slowly as it likes.
func plainly(body []byte) (values []float32, rows int, err error) {
	var question map[string]json.RawMessage
	if err := json.Unmarshal(body, &question); err != nil {
		return nil, 0, err
	}
	var list []any
	if err := json.Unmarshal(question["instances"], &list); err != nil || list == nil {
		return nil, 0, errors.Join(errors.New("no list"), err)
	}
	width := 0
	for i, instance := range list {
		before := len(values)
		if object, ok := instance.(map[string]any); ok {
			if len(object) != 2 {
				return nil, 0, errors.New("not the inputs")
			}
			for k, key := range []string{"volatility", "window"} {
				at := len(values)
				value, there := object[key]
				if values, err = flatten(values, value, 1); err != nil || !there {
					return nil, 0, errors.Join(errors.New("no number"), err)
				}
				if n := len(values) - at; n == 0 || k == 0 && n != 1 {
					return nil, 0, errors.New("not one volatility, or no window")
				}
			}
		} else if values, err = flatten(values, instance, 0); err != nil {
			return nil, 0, err
		}
		if i == 0 {
			width = len(values)
		}
		if n := len(values) - before; n == 0 || n != width {
			return nil, 0, errors.New("not all as wide")
		}
	}
	return values, len(list), nil
}

func flatten(dst []float32, v any, depth int) ([]float32, error) {
	switch v := v.(type) {
	case nil:
		return append(dst, float32(math.NaN())), nil
	case float64:
		return append(dst, float32(v)), nil
	case []any:
		if depth == maxDepth {
			return dst, errors.New("too deep")
		}
		for _, e := range v {
			var err error
			if dst, err = flatten(dst, e, depth+1); err != nil {
				return dst, err
			}
		}
		return dst, nil
	}
	return dst, fmt.Errorf("%v is not a number", v)
}

// agrees holds decodeJSON against encoding/json. A key that stands twice is
// refused here and taken there, so there it says nothing.
func agrees(t *testing.T, body []byte) {
	t.Helper()
	got, err := decodeJSON(body)
	want, rows, refused := plainly(body)
	if err != nil && strings.Contains(err.Error(), "stands there twice") {
		return
	}
	if (err == nil) != (refused == nil) {
		// Of an empty list and a number under one key, encoding/json takes the last.
		if bytes.Count(body, []byte("window")) > 1 || bytes.Count(body, []byte("volatility")) > 1 || bytes.Contains(body, []byte(`\u`)) {
			return
		}
		t.Fatalf("%.200q: %v, encoding/json: %v", body, err, refused)
	}
	if err != nil {
		if !errors.Is(err, ErrInput) {
			t.Fatalf("%.200q: %v is no ErrInput", body, err)
		}
		return
	}
	same := slices.EqualFunc(got.values, want, func(a, b float32) bool { return a == b || a != a && b != b })
	if got.rows != rows || !same {
		t.Fatalf("%.200q: %d × %v, encoding/json: %d × %v", body, got.rows, got.values, rows, want)
	}
}

var questions = []string{
	`{"instances": [[1,2],[3,null]]}`, ` { "x" : {"a":[1,{"b":"]}\""}]} , "instances" : [ 1 , 2.5e-3 , -0 ] } `,
	`{"instances": [{"volatility": 1, "window": [[1],[2]]}, {"window": [3, 4], "volatility": [[0.5]]}]}`,
	`{"inst\u0061nces": []}`, `{"instances": [[1]], "signature_name": "serving_default", "n": -1.5e10, "t": true, "z": null}`,
	`{"instances": [[[[[[[[1]]]]]]]]}`, `{"instances": [[[[[[[[[1]]]]]]]]]}`,
	`{"instances": [1e308, 1e-308, 123456789012345678901234567890, 0.1, 9007199254740993, 1E5, 1e+5, 5e-324, 3.4028236e38]}`,
	`{"instances": [01]}`, `{"instances": [1.]}`, `{"instances": [.1]}`, `{"instances": [+1]}`, `{"instances": [-]}`, `{"instances": [1e]}`,
	`{"instances": [1e400]}`, `{"instances": [0x10]}`, `{"instances": [1_0]}`, `{"instances": [NaN]}`, `{"instances": [nul]}`, `{"instances": [nullx]}`,
	`{"instances": [1,]}`, `{"instances": [,1]}`, `{"instances": [1 2]}`, `{"instances": [1]`, `{"instances": [1]}}`, `{"instances": [1],}`, `{"instances" [1]}`,
	`{"instances": {}}`, `{"instances": null}`, `{"instances": [[]]}`, `{"instances": ["1"]}`, `{"instances": [true]}`, `{"instances": [[{}]]}`,
	`{}`, `[]`, ``, `{`, `{"`, `{"a`, `{"a":`, `{"a":tru}`, `{"a":[}`, `{"a":"` + "\n" + `"}`, `{"a":[1}, "instances": [1]}`, "\ufeff{}",
	`{"instances": [{"volatility": 1}]}`, `{"instances": [{"volatility": 1, "window": [1], "x": 1}]}`, `{"instances": [1], "instances": [1]}`,
}

func TestJSONIsReadAsEncodingJSONReadsIt(t *testing.T) {
	for _, q := range questions {
		agrees(t, []byte(q))
	}
	random := rand.New(rand.NewPCG(1, 2))
	body := []byte(`{"instances": [0`)
	for range 20000 { // numbers of all sizes, in all the ways of writing them
		v := math.Float64frombits(random.Uint64())
		if math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		body = strconv.AppendFloat(append(body, ','), v, "gef"[random.IntN(3)], random.IntN(20)-1, 64)
		body = strconv.AppendFloat(append(body, ','), random.NormFloat64(), "gef"[random.IntN(3)], random.IntN(20)-1, 64)
	}
	body = append(body, "]}"...)
	body = bytes.ReplaceAll(body, []byte("e+"), []byte("E"))
	agrees(t, body)
}

func FuzzDecodeJSON(f *testing.F) {
	for _, q := range questions {
		f.Add([]byte(q))
	}
	f.Fuzz(func(t *testing.T, body []byte) { agrees(t, body) })
}

// BenchmarkDecode reads the question of a thousand symbols, JSON beside
// encoding/json.
func BenchmarkDecode(b *testing.B) {
	batch := someBatch(1000)
	width := len(batch.Values) / 1000
	m := matrix{1000, width, batch.Values}
	text := bytes.Replace(appendJSON(nil, m), []byte("predictions"), []byte("instances"), 1)
	for _, q := range []struct {
		name, kind string
		body       []byte
	}{{"json", JSON, text}, {"csv", CSV, appendCSV(nil, m)}, {"float32", Float32, appendFloat32(nil, m)}} {
		b.Run(q.name, func(b *testing.B) {
			b.SetBytes(int64(len(q.body)))
			for b.Loop() {
				if _, err := decode(q.kind, q.body, false); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("encoding-json", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			var question struct{ Instances [][]float32 }
			if err := json.Unmarshal(text, &question); err != nil {
				b.Fatal(err)
			}
		}
	})
}
