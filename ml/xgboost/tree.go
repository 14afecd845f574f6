package xgboost

import (
	"errors"
	"fmt"
	"math"
)

// maxNodes bounds one tree; the library counts nodes in an int32 and its own
// trees stay far below.
const maxNodes = 1 << 28

// tree is one tree in the library's own arrays, indexed by node id; 0 is the
// root.
type tree struct {
	left, right []int32   // children; −1 at leaves
	parent      []int32   // rootParent at the root
	feature     []int32   // column of the split
	condition   []float32 // x < condition goes left; at leaves the leaf's value
	defaultLeft []bool    // missing values go left
	categorical []bool    // split by set; nil when no node is
	sets        map[int32][]int32
	gain        []float32 // loss reduction of the split
	cover       []float32 // sum of hessians
	weight      []float32 // optimal weight before shrinkage
}

const rootParent = math.MaxInt32

func (t *tree) nodes() int          { return len(t.left) }
func (t *tree) isLeaf(n int32) bool { return t.left[n] < 0 }

// readTree reads and checks one tree of a model with that many features.
func readTree(o object, features int) (*tree, error) {
	param, err := o.object("tree_param")
	if err != nil {
		return nil, err
	}
	n, err := param.integer("num_nodes", 0)
	if err != nil {
		return nil, err
	}
	if n < 1 || n > maxNodes {
		return nil, fmt.Errorf("num_nodes is %d", n)
	}
	vector, err := param.integer("size_leaf_vector", 1)
	if err != nil {
		return nil, err
	}
	if vector > 1 {
		return nil, fmt.Errorf("trees with vector leaves (multi_strategy=multi_output_tree) are %w; train with one_output_per_tree", errors.ErrUnsupported)
	}
	own, err := param.integer("num_feature", features)
	if err != nil {
		return nil, err
	}
	if own != features {
		return nil, fmt.Errorf("num_feature is %d in the tree and %d in the model", own, features)
	}

	t := &tree{}
	if t.left, err = o.integers("left_children", n, -1, int32(n-1)); err != nil {
		return nil, err
	}
	if t.right, err = o.integers("right_children", n, -1, int32(n-1)); err != nil {
		return nil, err
	}
	if t.feature, err = o.integers("split_indices", n, 0, math.MaxInt32); err != nil {
		return nil, err
	}
	if t.condition, err = o.reals("split_conditions", n); err != nil {
		return nil, err
	}
	direction, err := o.integers("default_left", n, 0, 1)
	if err != nil {
		return nil, err
	}
	t.defaultLeft = make([]bool, n)
	for i, d := range direction {
		t.defaultLeft[i] = d == 1
	}
	// What only importance needs may be absent.
	for _, s := range []struct {
		name string
		into *[]float32
	}{{"loss_changes", &t.gain}, {"sum_hessian", &t.cover}, {"base_weights", &t.weight}} {
		if _, ok := o.lookup(s.name); !ok {
			*s.into = make([]float32, n)
		} else if *s.into, err = o.reals(s.name, n); err != nil {
			return nil, err
		}
	}
	if err := t.readCategories(o, n); err != nil {
		return nil, err
	}
	if err := t.check(features); err != nil {
		return nil, err
	}
	if _, ok := o.lookup("parents"); ok {
		parents, err := o.integers("parents", n, math.MinInt32, math.MaxInt32)
		if err != nil {
			return nil, err
		}
		for i, p := range t.parent {
			// Pruned nodes keep what they had.
			if p != rootParent && p >= 0 && parents[i]&math.MaxInt32 != p {
				return nil, fmt.Errorf("node %d is a child of node %d but its parent is said to be %d", i, p, parents[i])
			}
		}
	}
	return t, nil
}

// readCategories reads the category sets of the nodes that split by one.
func (t *tree) readCategories(o object, n int) error {
	if _, ok := o.lookup("split_type"); !ok { // before version 1.5
		return nil
	}
	types, err := o.integers("split_type", n, 0, 1)
	if err != nil {
		return err
	}
	marked := 0
	for i, s := range types {
		if s == 1 {
			if t.categorical == nil {
				t.categorical = make([]bool, n)
			}
			t.categorical[i] = true
			marked++
		}
	}
	if _, ok := o.lookup("categories_nodes"); !ok && marked == 0 {
		return nil
	}
	nodes, err := o.integers("categories_nodes", -1, 0, int32(n-1))
	if err != nil {
		return err
	}
	segments, err := o.integers("categories_segments", len(nodes), 0, math.MaxInt32)
	if err != nil {
		return err
	}
	sizes, err := o.integers("categories_sizes", len(nodes), 1, math.MaxInt32)
	if err != nil {
		return err
	}
	// A category is a float32 too, so it stays below 2²⁴.
	all, err := o.integers("categories", -1, 0, 1<<24-1)
	if err != nil {
		return err
	}
	if len(nodes) != marked {
		return fmt.Errorf("%d nodes split by category but categories_nodes lists %d", marked, len(nodes))
	}
	t.sets = make(map[int32][]int32, len(nodes))
	for i, node := range nodes {
		if !t.categorical[node] {
			return fmt.Errorf("categories_nodes lists node %d, which does not split by category", node)
		}
		if _, twice := t.sets[node]; twice {
			return fmt.Errorf("categories_nodes lists node %d twice", node)
		}
		begin, end := int64(segments[i]), int64(segments[i])+int64(sizes[i])
		if end > int64(len(all)) {
			return fmt.Errorf("the categories of node %d reach past the end of the list", node)
		}
		t.sets[node] = all[begin:end]
	}
	return nil
}

// check walks the tree from its root and fills parent: every child is a node,
// is reached once, and its values mean something.
func (t *tree) check(features int) error {
	n := t.nodes()
	t.parent = make([]int32, n)
	for i := range t.parent {
		t.parent[i] = -1 // not reached
	}
	t.parent[0] = rootParent
	todo := []int32{0}
	for len(todo) > 0 {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		l, r := t.left[i], t.right[i]
		c := float64(t.condition[i])
		if l < 0 && r < 0 {
			if math.IsNaN(c) || math.IsInf(c, 0) {
				return fmt.Errorf("the leaf %d has the value %v", i, c)
			}
			continue
		}
		if l < 0 || r < 0 {
			return fmt.Errorf("node %d has one child", i)
		}
		if int(t.feature[i]) >= features {
			return fmt.Errorf("node %d splits by feature %d of %d", i, t.feature[i], features)
		}
		if t.sets[i] == nil && math.IsNaN(c) {
			return fmt.Errorf("node %d splits at NaN", i)
		}
		for _, child := range [2]int32{l, r} {
			if t.parent[child] != -1 {
				return fmt.Errorf("node %d is reached twice: the tree has a cycle or shares a branch", child)
			}
			t.parent[child] = i
			todo = append(todo, child)
		}
	}
	return nil
}
