package xgboost

import (
	"errors"
	"math"
	"slices"
)

// forest is the trees as prediction walks them: one array of 16-byte nodes
// in which the right child follows the left, so that one subtraction and one
// addition choose between them and no branch is ever mispredicted.
//
// Values and conditions are compared as int32 keys that order as the floats
// do. A block of rows holds each feature that a tree splits by in two
// columns: one with a missing value above every condition, one below, so that
// a node's column carries its default direction. A leaf points to itself:
// rows may be walked to the tree's depth without asking whether they have
// arrived.
type forest struct {
	nodes []node
	trees []planted
	ids   []int32 // node id in the file, for every node
	sets  []set
	used  []int32 // the features that trees split by, in the order of their columns
}

type node struct {
	key    int32  // of the condition; least at leaves
	column uint32 // 2 a feature used, +1 where missing goes left; splitBySet set where it splits by category
	right  int32  // index of the right child, the left one is before it; at leaves the node itself
	leaf   float32
}

// splitBySet marks a node that splits by category; its key is then an index
// in forest.sets.
const splitBySet = 1 << 31

const (
	least   = math.MinInt32 // below every float's key
	largest = math.MaxInt32 // above every float's key
)

// planted is one tree of a forest.
type planted struct {
	root  int32
	depth int32 // most steps from the root to a leaf
	group int32
	sets  bool // has nodes that split by category
	drop  float32
}

// set is the categories that go right, as bits or, where they are few and
// far between, as a list.
type set struct {
	bits   []uint64
	sorted []int32
}

// key orders as floats do; −0 equals 0.
func key(x float32) int32 {
	b := int32(math.Float32bits(x + 0)) // −0 + 0 is 0
	return b ^ int32(uint32(b>>31)>>1)
}

// plant builds the forest of a model's trees.
func plant(m *Model) (forest, error) {
	total := 0
	for _, t := range m.trees {
		total += t.nodes()
	}
	if total > maxNodes {
		return forest{}, errors.New("the model has too many nodes")
	}
	f := forest{
		nodes: make([]node, 0, total),
		ids:   make([]int32, 0, total),
		trees: make([]planted, len(m.trees)),
	}
	columns := map[int32]uint32{}
	type place struct{ id, at, depth int32 }
	var todo []place
	for i, t := range m.trees {
		p := planted{root: int32(len(f.nodes)), group: m.group[i], drop: 1}
		if m.drop != nil {
			p.drop = m.drop[i]
		}
		f.grow(0)
		todo = append(todo[:0], place{0, p.root, 0})
		for next := 0; next < len(todo); next++ { // breadth first: the upper levels lie together
			at := todo[next]
			p.depth = max(p.depth, at.depth)
			n := &f.nodes[at.at]
			if t.isLeaf(at.id) {
				*n = node{key: least, right: at.at, leaf: t.condition[at.id]}
				continue
			}
			column, ok := columns[t.feature[at.id]]
			if !ok {
				column = 2 * uint32(len(f.used))
				columns[t.feature[at.id]] = column
				f.used = append(f.used, t.feature[at.id])
			}
			n.column = column
			if t.defaultLeft[at.id] {
				n.column++
			}
			if categories := t.sets[at.id]; categories != nil {
				n.column |= splitBySet
				n.key = int32(len(f.sets))
				f.sets = append(f.sets, newSet(categories))
				p.sets = true
			} else {
				n.key = key(t.condition[at.id])
			}
			left := int32(len(f.nodes))
			n.right = left + 1
			f.grow(t.left[at.id])
			f.grow(t.right[at.id])
			todo = append(todo, place{t.left[at.id], left, at.depth + 1}, place{t.right[at.id], left + 1, at.depth + 1})
		}
		f.trees[i] = p
	}
	return f, nil
}

func (f *forest) grow(id int32) {
	f.nodes = append(f.nodes, node{})
	f.ids = append(f.ids, id)
}

func newSet(categories []int32) set {
	most := slices.Max(categories)
	if int(most) > 1024*len(categories) { // as bits it could be a million times its size in the file
		sorted := slices.Clone(categories)
		slices.Sort(sorted)
		return set{sorted: sorted}
	}
	s := set{bits: make([]uint64, most/64+1)}
	for _, c := range categories {
		s.bits[c/64] |= 1 << (c % 64)
	}
	return s
}

// has says whether the value is a category of the set; what is no category
// (negative, beyond 2²⁴) is in none.
func (s set) has(x float32) bool {
	if !(x >= 0 && x < 1<<24) {
		return false
	}
	c := int32(x)
	if s.bits == nil {
		_, ok := slices.BinarySearch(s.sorted, c)
		return ok
	}
	return int(c/64) < len(s.bits) && s.bits[c/64]>>(c%64)&1 == 1
}

// walk finds the leaf of one row in one tree, whatever its splits.
func (f *forest) walk(t *planted, row []float32) int32 {
	i := t.root
	for {
		n := &f.nodes[i]
		bySet := n.column&splitBySet != 0
		if n.right == i && !bySet {
			return i
		}
		column := n.column &^ splitBySet
		x := row[f.used[column/2]]
		left := false
		switch {
		case x != x:
			left = column&1 == 1
		case bySet:
			left = !f.sets[n.key].has(x)
		default:
			left = key(x) < n.key
		}
		i = n.right
		if left {
			i--
		}
	}
}
