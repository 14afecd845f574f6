package xgboost

import (
	"math"
	"path/filepath"
	"testing"
)

func TestImportanceEqualsTheLibrary(t *testing.T) {
	checked := 0
	for name, c := range readCases(t, "testdata") {
		if c.Importance == nil {
			continue
		}
		m, err := Decode(readFile(t, filepath.Join("testdata", c.Files["ubj"])))
		if err != nil {
			t.Fatal(err)
		}
		list := m.Importance()
		if len(list) != len(c.Importance["gain"]) {
			t.Errorf("%s: %d features, want %d", name, len(list), len(c.Importance["gain"]))
		}
		for _, i := range list {
			for kind, got := range map[string]float64{
				"weight": float64(i.Splits), "gain": i.Gain, "cover": i.Cover, "total_gain": i.TotalGain, "total_cover": i.TotalCover,
			} {
				if want := c.Importance[kind][i.Name]; math.Abs(got-want) > 1e-4*want { // the library sums in float32
					t.Errorf("%s: %s of %s is %v, want %v", name, kind, i.Name, got, want)
				}
			}
		}
		checked++
	}
	if checked == 0 {
		t.Error("no model of the library comes with its importance")
	}
}

func TestImportance(t *testing.T) {
	m := &Model{features: 3, names: []string{"a", "b", "c"}, trees: []*tree{{
		left: []int32{1, 3, -1, -1, -1}, right: []int32{2, 4, -1, -1, -1}, parent: []int32{rootParent, 0, 0, 1, 1},
		feature: []int32{2, 0, 0, 0, 0}, gain: []float32{8, 2, 0, 0, 0}, cover: []float32{10, 6, 4, 3, 3},
	}, {
		left: []int32{1, -1, -1}, right: []int32{2, -1, -1}, parent: []int32{rootParent, 0, 0},
		feature: []int32{2, 0, 0}, gain: []float32{4, 0, 0}, cover: []float32{20, 1, 1},
	}}}
	got := m.Importance()
	want := []Importance{
		{Feature: 2, Name: "c", Splits: 2, Gain: 6, Cover: 15, TotalGain: 12, TotalCover: 30},
		{Feature: 0, Name: "a", Splits: 1, Gain: 2, Cover: 6, TotalGain: 2, TotalCover: 6},
	}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
