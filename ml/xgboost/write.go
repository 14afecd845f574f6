package xgboost

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// WriteJSON writes the model as the library's save_model does: a file that
// the library loads and predicts the same from. Models of one output are
// written in the form of version 2.1, which later versions load as well.
func (m *Model) WriteJSON(w io.Writer) error {
	o := &jsonWriter{w: bufio.NewWriterSize(w, 1<<16)}
	m.write(o)
	if o.err == nil {
		o.err = o.w.Flush()
	}
	if o.err != nil {
		return fmt.Errorf("write model: %w", o.err)
	}
	return nil
}

// Save writes the model to a JSON file: whole or not at all.
func (m *Model) Save(path string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("save model: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
			err = fmt.Errorf("save model: %w", err)
		}
	}()
	if err = m.WriteJSON(f); err != nil {
		return err
	}
	if err = f.Chmod(0o644); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func (m *Model) write(o *jsonWriter) {
	targets := m.groups
	if m.classes > 1 {
		targets = 1
	}
	scores := string(appendReals(nil, m.scores))
	if m.version[0] < 3 && len(m.scores) == 1 {
		scores = scores[1 : len(scores)-1]
	}
	attributes := m.attributes
	if attributes == nil {
		attributes = object{}
	}
	o.text(`{"learner":{"attributes":`)
	o.value(attributes)
	o.text(`,"feature_names":`)
	o.value(texts(m.names))
	o.text(`,"feature_types":`)
	o.value(texts(m.types))
	o.text(`,"gradient_booster":{`)
	if m.drop != nil {
		o.text(`"gbtree":{`)
	}
	m.writeTrees(o)
	if m.drop != nil {
		o.text(`,"name":"gbtree"},"name":"dart","weight_drop":`)
		o.reals(m.drop)
	} else {
		o.text(`,"name":"gbtree"`)
	}
	o.text(`},"learner_model_param":`)
	o.value(object{
		{"base_score", scores},
		{"boost_from_average", "1"},
		{"num_class", strconv.Itoa(m.classes)},
		{"num_feature", strconv.Itoa(m.features)},
		{"num_target", strconv.Itoa(targets)},
	})
	o.text(`,"objective":`)
	o.value(m.parameters)
	o.text(`},"version":`)
	o.integers(m.version[:])
	o.text("}")
}

func (m *Model) writeTrees(o *jsonWriter) {
	o.text(`"model":{"gbtree_model_param":`)
	o.value(object{
		{"num_parallel_tree", strconv.Itoa(m.parallel)},
		{"num_trees", strconv.Itoa(len(m.trees))},
	})
	if m.categories != nil {
		o.text(`,"cats":`)
		o.value(m.categories)
	}
	o.text(`,"iteration_indptr":`)
	o.integers(m.rounds)
	o.text(`,"tree_info":`)
	o.integers(m.group)
	o.text(`,"trees":[`)
	for i, t := range m.trees {
		if i > 0 {
			o.text(",")
		}
		t.write(o, i, m.features)
	}
	o.text("]}")
}

func (t *tree) write(o *jsonWriter, id, features int) {
	n := t.nodes()
	var nodes []int32 // that split by category
	for i := range t.sets {
		nodes = append(nodes, i)
	}
	slices.Sort(nodes)
	var all, segments, sizes []int32
	for _, i := range nodes {
		segments = append(segments, int32(len(all)))
		sizes = append(sizes, int32(len(t.sets[i])))
		all = append(all, t.sets[i]...)
	}
	kinds := make([]int32, n)
	for i := range t.categorical {
		if t.categorical[i] {
			kinds[i] = 1
		}
	}
	directions := make([]int32, n)
	parents := make([]int32, n)
	deleted := 0
	for i := range n {
		if t.defaultLeft[i] {
			directions[i] = 1
		}
		if parents[i] = t.parent[i]; parents[i] < 0 { // not in the tree
			parents[i] = rootParent
		}
		if t.feature[i] == math.MaxInt32 {
			deleted++
		}
	}
	o.text(`{"id":` + strconv.Itoa(id))
	for _, a := range []struct {
		name string
		list []int32
	}{
		{"categories", all}, {"categories_nodes", nodes}, {"categories_segments", segments}, {"categories_sizes", sizes},
		{"default_left", directions}, {"left_children", t.left}, {"right_children", t.right},
		{"parents", parents}, {"split_indices", t.feature}, {"split_type", kinds},
	} {
		o.text(`,"` + a.name + `":`)
		o.integers(a.list)
	}
	for _, a := range []struct {
		name string
		list []float32
	}{
		{"base_weights", t.weight}, {"loss_changes", t.gain}, {"split_conditions", t.condition}, {"sum_hessian", t.cover},
	} {
		o.text(`,"` + a.name + `":`)
		o.reals(a.list)
	}
	o.text(`,"tree_param":`)
	o.value(object{
		{"num_deleted", strconv.Itoa(deleted)},
		{"num_feature", strconv.Itoa(features)},
		{"num_nodes", strconv.Itoa(n)},
		{"size_leaf_vector", "1"},
	})
	o.text("}")
}

// texts is a list as a document's value.
func texts(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

// jsonWriter writes a document; after an error it writes nothing.
type jsonWriter struct {
	w   *bufio.Writer
	buf []byte
	err error
}

func (o *jsonWriter) bytes(b []byte) {
	if o.err == nil {
		_, o.err = o.w.Write(b)
	}
}

func (o *jsonWriter) text(s string) { o.bytes([]byte(s)) }

func (o *jsonWriter) reals(list []float32) {
	o.buf = appendReals(o.buf[:0], list)
	o.bytes(o.buf)
}

func (o *jsonWriter) integers(list []int32) {
	b := append(o.buf[:0], '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(v), 10)
	}
	o.buf = append(b, ']')
	o.bytes(o.buf)
}

// value writes a value as document.go has it.
func (o *jsonWriter) value(v any) {
	switch v := v.(type) {
	case object:
		o.text("{")
		for i, f := range v {
			if i > 0 {
				o.text(",")
			}
			o.value(f.name)
			o.text(":")
			o.value(f.value)
		}
		o.text("}")
	case []any:
		o.text("[")
		for i, e := range v {
			if i > 0 {
				o.text(",")
			}
			o.value(e)
		}
		o.text("]")
	case []float64:
		o.text("[")
		for i, e := range v {
			if i > 0 {
				o.text(",")
			}
			o.value(e)
		}
		o.text("]")
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			o.bytes(strconv.AppendInt(nil, int64(v), 10))
		} else {
			o.bytes(appendReal(nil, float32(v)))
		}
	case string:
		b, err := json.Marshal(v)
		if err != nil && o.err == nil {
			o.err = err
		}
		o.bytes(b)
	case bool:
		o.text(strconv.FormatBool(v))
	default:
		o.text("null")
	}
}

func appendReals(dst []byte, list []float32) []byte {
	dst = append(dst, '[')
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendReal(dst, v)
	}
	return append(dst, ']')
}

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
