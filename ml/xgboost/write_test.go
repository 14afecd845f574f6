package xgboost

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every model of the library, written and read again, predicts the same bits,
// and its file has the fields of the library's own with the same values.
func TestWrittenModelsAreTheLibrarys(t *testing.T) {
	for _, folder := range oracleFolders(t) {
		for name, c := range readCases(t, folder) {
			t.Run(filepath.Base(folder)+"/"+name, func(t *testing.T) {
				original := readFile(t, filepath.Join(folder, c.Files["json"]))
				m, err := Decode(original)
				if err != nil {
					t.Fatal(err)
				}
				text := written(t, m)
				again, err := Decode([]byte(text))
				if err != nil {
					t.Fatal(err)
				}
				comparePredictions(t, again, filepath.Join(folder, c.Files["inputs"]), filepath.Join(folder, c.Files["pred"]))
				var want, got any
				if err := json.Unmarshal(original, &want); err != nil {
					t.Skip("not strict JSON: ", err)
				}
				if err := json.Unmarshal([]byte(text), &got); err != nil {
					t.Fatal(err)
				}
				compareDocuments(t, "", got, want)
			})
		}
	}
}

func compareDocuments(t *testing.T, path string, got, want any) {
	t.Helper()
	switch want := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			t.Errorf("%s is %T", path, got)
			return
		}
		for k := range g {
			if _, ok := want[k]; !ok {
				t.Errorf("%s.%s is not in the library's file", path, k)
			}
		}
		for k, v := range want {
			if k == "boost_from_average" { // without effect once trained
				continue
			}
			compareDocuments(t, path+"."+k, g[k], v)
		}
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(want) {
			t.Errorf("%s is %.60v, want %.60v", path, got, want)
			return
		}
		for i := range want {
			compareDocuments(t, fmt.Sprintf("%s[%d]", path, i), g[i], want[i])
		}
	default:
		if got != want {
			a, errA := parseReals(fmt.Sprint(got)) // "5E-01" for "5E-1"
			b, errB := parseReals(fmt.Sprint(want))
			if errA != nil || errB != nil || fmt.Sprint(a) != fmt.Sprint(b) {
				t.Errorf("%s is %v, want %v", path, got, want)
			}
		}
	}
}

// A model of this package's has the fields of the library's.
func TestTrainedModelIsWrittenLikeTheLibrarys(t *testing.T) {
	config := DefaultConfig()
	config.Rounds = 3
	data := wavy(1, 300)
	data.Names = []string{"return", "volume", "π", `"quoted"`, "e", "f"}
	m, err := Train(t.Context(), config, data)
	if err != nil {
		t.Fatal(err)
	}
	fields := func(data []byte) map[string]bool {
		var doc any
		if err := json.Unmarshal(data, &doc); err != nil {
			t.Fatal(err)
		}
		found := map[string]bool{}
		listFields(found, "", doc)
		return found
	}
	text := []byte(written(t, m))
	got, want := fields(text), fields(readFile(t, "testdata/base_score_set.json.gz"))
	for f := range want {
		if !got[f] && !strings.Contains(f, ".cats") {
			t.Errorf("%s is missing", f)
		}
	}
	again, err := Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(again.FeatureNames()) != fmt.Sprint(data.Names) {
		t.Errorf("the names are %q", again.FeatureNames())
	}
	out := make([]float32, data.X.Rows)
	second := make([]float32, data.X.Rows)
	if err := errors.Join(m.Predict(data.X, out), again.Predict(data.X, second)); err != nil {
		t.Fatal(err)
	}
	sameBits(t, "prediction", second, out)
}

func listFields(found map[string]bool, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			found[path+"."+k] = true
			listFields(found, path+"."+k, e)
		}
	case []any:
		for _, e := range v {
			listFields(found, path+"[]", e)
		}
	}
}

func TestSave(t *testing.T) {
	dir := t.TempDir()
	m := grown(2, 3, 4)
	m.parameters = storedObjective("reg:squarederror")
	m.scores = []float32{0}
	for _, tr := range m.trees {
		n := tr.nodes()
		tr.gain, tr.cover, tr.weight = make([]float32, n), make([]float32, n), make([]float32, n)
		if err := tr.check(m.features); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "model.json")
	if err := m.Save(path); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err != nil {
		t.Fatal(err)
	}
	if err := m.Save(filepath.Join(dir, "missing", "model.json")); err == nil {
		t.Error("saved to a folder that is not there")
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("%d files are left", len(files))
	}
}

type full struct{ room int }

func (f *full) Write(p []byte) (int, error) {
	if f.room -= len(p); f.room < 0 {
		return 0, errors.New("no room")
	}
	return len(p), nil
}

func TestWriteError(t *testing.T) {
	m, err := Decode(modelJSON(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.WriteJSON(&full{}); err == nil || !strings.Contains(err.Error(), "write model: no room") {
		t.Errorf("got %v", err)
	}
}
