package xgboost

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
)

// seeds are small real files whose names end so.
func seeds(f *testing.F, ending string) {
	for _, name := range []string{"base_score_set", "base_score_softprob", "cat_pandas", "dart_forest", "quantile1", "softmax"} {
		f.Add(readFile(f, "testdata/"+name+ending))
	}
}

// checkDecoded decodes what a fuzzer made: it is refused as no model, or it
// predicts, and what is written of it predicts the same.
func checkDecoded(t *testing.T, data []byte) {
	m, err := Decode(data)
	if err != nil {
		if !errors.Is(err, ErrModel) {
			t.Fatalf("%v is no ErrModel", err)
		}
		return
	}
	if m.Features() > 1000 || m.Groups() > 1000 {
		return
	}
	x := randomMatrix(9, m.Features())
	copy(x.Values, []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 0, 1, 2, 3})
	out := make([]float32, x.Rows*m.Groups())
	if err := m.Margins(x, out); err != nil {
		t.Fatal(err)
	}
	m.Importance()
	var b bytes.Buffer
	if err := m.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	again, err := Decode(b.Bytes())
	if err != nil {
		t.Fatalf("what is written cannot be read: %v", err)
	}
	second := make([]float32, len(out))
	if err := again.Margins(x, second); err != nil {
		t.Fatal(err)
	}
	for i := range out {
		if math.Float32bits(out[i]) != math.Float32bits(second[i]) && out[i] == out[i] {
			t.Fatalf("margin %d is %v, and %v once written", i, out[i], second[i])
		}
	}
}

func FuzzJSON(f *testing.F) {
	seeds(f, ".json.gz")
	f.Add([]byte(`{"learner":{"a":[NaN,-Infinity,1e5,"\u00e4\ud83d\ude00",true,null]}}`))
	f.Fuzz(checkDecoded)
}

func FuzzUBJSON(f *testing.F) {
	seeds(f, ".ubj.gz")
	f.Add([]byte("{i\x07learner[$d#l\x00\x00\x00\x01\x3f\x80\x00\x00}"))
	f.Add([]byte("{#i\x01i\x01a" + strings.Repeat("[", 70)))
	f.Fuzz(checkDecoded)
}
