package xgboost

import (
	"cmp"
	"slices"
	"strconv"
)

// Importance is what a feature does in a model's trees, as the library's
// get_score counts it.
type Importance struct {
	Feature    int     // column
	Name       string  // of the file, or "f0", "f1" …
	Splits     int     // nodes that split by it [weight]
	Gain       float64 // mean loss reduction of those splits [gain]
	Cover      float64 // mean sum of hessians at those nodes [cover]
	TotalGain  float64 // [total_gain]
	TotalCover float64 // [total_cover]
}

// Importance is that of every feature that trees split by, the largest total
// gain first.
func (m *Model) Importance() []Importance {
	at := map[int32]int{}
	var out []Importance
	for _, t := range m.trees {
		for n := range int32(t.nodes()) {
			if t.isLeaf(n) || t.parent[n] < 0 { // or pruned
				continue
			}
			f := t.feature[n]
			i, ok := at[f]
			if !ok {
				i = len(out)
				at[f] = i
				out = append(out, Importance{Feature: int(f), Name: m.featureName(int(f))})
			}
			out[i].Splits++
			out[i].TotalGain += float64(t.gain[n])
			out[i].TotalCover += float64(t.cover[n])
		}
	}
	for i := range out {
		out[i].Gain = out[i].TotalGain / float64(out[i].Splits)
		out[i].Cover = out[i].TotalCover / float64(out[i].Splits)
	}
	slices.SortFunc(out, func(a, b Importance) int {
		return cmp.Or(cmp.Compare(b.TotalGain, a.TotalGain), cmp.Compare(a.Feature, b.Feature))
	})
	return out
}

func (m *Model) featureName(f int) string {
	if m.names != nil {
		return m.names[f]
	}
	return "f" + strconv.Itoa(f)
}
