package xgboost

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

// modelJSON is a real file, to be spoilt.
func modelJSON(t testing.TB) []byte {
	return readFile(t, "testdata/base_score_set.json.gz")
}

// change gives the file with the value at the path replaced; a path is field
// names and numbers of elements. A nil value removes the field.
func change(t *testing.T, data []byte, value any, path ...any) []byte {
	t.Helper()
	var doc any
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	at := doc
	for _, p := range path[:len(path)-1] {
		switch p := p.(type) {
		case string:
			at = at.(map[string]any)[p]
		case int:
			at = at.([]any)[p]
		}
	}
	switch p := path[len(path)-1].(type) {
	case string:
		if value == nil {
			delete(at.(map[string]any), p)
		} else {
			at.(map[string]any)[p] = value
		}
	case int:
		at.([]any)[p] = value
	}
	out, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSpoiltModelsAreRefused(t *testing.T) {
	type path []any
	booster := path{"learner", "gradient_booster"}
	tree1 := path{"learner", "gradient_booster", "model", "trees", 1} // of nodes 0: 1, 2; 2: 3, 4
	param := path{"learner", "learner_model_param"}
	in := func(p path, more ...any) path { return append(append(path{}, p...), more...) }
	for _, c := range []struct {
		path  path
		value any
		want  string
	}{
		{path{"learner"}, nil, "learner is missing"},
		{path{"learner"}, 7, "learner is not an object"},
		{path{"version"}, []int{9, 0, 0}, "unsupported"},
		{path{"version"}, []int{}, "version is empty"},
		{in(booster, "name"), "gblinear", `"gblinear" is unsupported`},
		{in(booster, "name"), "dart", "weight_drop is missing"},
		{in(booster, "model", "gbtree_model_param", "num_trees"), "11", "num_trees is 11"},
		{in(booster, "model", "gbtree_model_param", "num_parallel_tree"), "-3", "num_parallel_tree"},
		{in(booster, "model", "tree_info", 1), 5, "tree_info[1]"},
		{in(booster, "model", "iteration_indptr", 1), 4, "backwards"},
		{in(booster, "model", "iteration_indptr"), []int{0, 4}, "0 to 10"},
		{in(param, "base_score"), "a lot", "not a finite number"},
		{in(param, "base_score"), "[1E0,2E0]", "2 values for 1"},
		{in(param, "base_score"), "nan", "not a finite number"},
		{in(param, "num_feature"), "0", "num_feature is 0"},
		{in(param, "num_feature"), "99999999999", "not an integer"},
		{in(param, "num_feature"), "5", "num_feature is 10 in the tree and 5"},
		{in(param, "num_class"), "-1", "num_class"},
		{path{"learner", "objective", "name"}, "reg:imagined", `"reg:imagined" is unsupported`},
		{path{"learner", "feature_names"}, []string{"one"}, "feature_names holds 1"},
		{in(tree1, "left_children"), nil, "left_children is missing"},
		{in(tree1, "left_children"), []int{1}, "left_children holds 1"},
		{in(tree1, "left_children", 2), 0, "cycle"},
		{in(tree1, "left_children", 2), 1, "reached twice"},
		{in(tree1, "left_children", 2), 99, "outside"},
		{in(tree1, "left_children", 2), -1, "one child"},
		{in(tree1, "left_children", 2), 3.5, "outside"},
		{in(tree1, "split_indices", 0), 10, "feature 10 of 10"},
		{in(tree1, "split_indices", 0), -1, "outside"},
		{in(tree1, "split_conditions", 1), "x", "split_conditions[1] is not"},
		{in(tree1, "parents", 3), 1, "parent"},
		{in(tree1, "default_left", 0), 2, "default_left[0]"},
		{in(tree1, "split_type", 0), 1, "1 nodes split by category but categories_nodes lists 0"},
		{in(tree1, "categories_nodes"), []int{0}, "categories_segments holds 0"},
		{in(tree1, "tree_param", "num_nodes"), "4", "left_children holds 5"},
		{in(tree1, "tree_param", "num_nodes"), "999999999", "num_nodes"},
		{in(tree1, "tree_param", "size_leaf_vector"), "3", "multi_output_tree"},
		{in(tree1), []int{1}, "trees[1] is not an object"},
	} {
		_, err := Decode(change(t, modelJSON(t), c.value, c.path...))
		switch {
		case err == nil:
			t.Errorf("%v = %v: it is loaded", c.path, c.value)
		case !errors.Is(err, ErrModel):
			t.Errorf("%v = %v: %v is no ErrModel", c.path, c.value, err)
		case !strings.Contains(err.Error(), c.want) && !errors.Is(err, errors.ErrUnsupported):
			t.Errorf("%v = %v: %v; want %q", c.path, c.value, err, c.want)
		}
	}
}

func TestForeignFilesAreRefused(t *testing.T) {
	model := string(modelJSON(t))
	leaf := strings.Replace(model, `"split_conditions":[3.0184738E1]`, `"split_conditions":[NaN]`, 1)
	if leaf == model {
		t.Fatal("the leaf is not where it was")
	}
	for name, c := range map[string]struct{ data, want string }{
		"nothing":        {"", "empty"},
		"one brace":      {"{", "too early"},
		"text":           {"hello, world", "unexpected character"},
		"list":           {"[1,2]", "not an object"},
		"gzip":           {"\x1f\x8b\x08\x00", "gzip"},
		"old binary":     {"binf\x00\x00", "old binary format"},
		"zip":            {"PK\x03\x04", "unexpected character"},
		"more":           {model + "{}", "more after the end"},
		"twice":          {`{"learner":{},"learner":{}}`, "twice"},
		"deep":           {strings.Repeat(`{"a":`, 100000), "deeper"},
		"deep list":      {`{"a":` + strings.Repeat("[", 100000), "deeper"},
		"many fields":    {manyFields(1 << 13), "fields"},
		"bad escape":     {`{"a\q":1}`, "escape"},
		"bad UTF-8":      {"{\"a\xff\":1}", "UTF-8"},
		"huge integer":   {`{"version":[99999999999999999999]}`, "too large"},
		"leaf NaN":       {leaf, "value NaN"},
		"UBJSON cut":     {"{i\x07learner{", "too early"},
		"UBJSON length":  {"{i\x01a[$d#L\x7f\xff\xff\xff\xff\xff\xff\xff", "more than the rest"},
		"UBJSON below 0": {"{i\x01a[$d#i\xff", "negative"},
		"UBJSON nothing": {"{i\x01a[$Z#l\x7f\xff\xff\xff", "element type"},
		"UBJSON marker":  {"{i\x01a?", "unknown marker"},
		"UBJSON deep":    {"{i\x01a" + strings.Repeat("[", 100000), "deeper"},
	} {
		_, err := Decode([]byte(c.data))
		if err == nil || !errors.Is(err, ErrModel) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", name, err, c.want)
		}
		if err != nil && len(err.Error()) > 300 {
			t.Errorf("%s: the error is %d bytes long", name, len(err.Error()))
		}
	}
}

func manyFields(n int) string {
	var b strings.Builder
	b.WriteByte('{')
	for i := range n {
		fmt.Fprintf(&b, `"f%d":0,`, i)
	}
	return b.String()
}

// Every file that is a model cut off is refused.
func TestCutModelsAreRefused(t *testing.T) {
	for _, name := range []string{"base_score_set.json.gz", "base_score_set.ubj.gz"} {
		data := readFile(t, "testdata/"+name)
		data = bytes.TrimSpace(data)
		for n := 0; n < len(data); n += 1 + n/50 {
			if _, err := Decode(data[:n]); !errors.Is(err, ErrModel) {
				t.Fatalf("%s cut to %d bytes: %v", name, n, err)
			}
		}
	}
}

// A category far out costs no memory.
func TestFarCategories(t *testing.T) {
	m := &Model{features: 1, groups: 1, start: []float32{0}}
	for range 1000 {
		m.trees = append(m.trees, &tree{
			left: []int32{1, -1, -1}, right: []int32{2, -1, -1}, feature: []int32{0, 0, 0}, condition: []float32{0, 1, 2},
			defaultLeft: []bool{false, false, false}, sets: map[int32][]int32{0: {1<<24 - 1, 5}},
		})
		m.group = append(m.group, 0)
	}
	var err error
	if m.forest, err = plant(m); err != nil {
		t.Fatal(err)
	}
	for _, s := range m.forest.sets {
		if len(s.bits) > 0 {
			t.Fatalf("a set of two categories takes %d words", len(s.bits))
		}
	}
	out := make([]float32, 4)
	x := Matrix{Values: []float32{5, 6, 1<<24 - 1, float32(math.NaN())}, Rows: 4, Cols: 1}
	if err := m.Margins(x, out); err != nil {
		t.Fatal(err)
	}
	for i, want := range []float32{2000, 1000, 2000, 2000} {
		if out[i] != want {
			t.Errorf("row %d is %v, want %v", i, out[i], want)
		}
	}
}
