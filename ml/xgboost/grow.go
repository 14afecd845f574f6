package xgboost

import (
	"context"
	"math"
)

// grower grows one tree after another on the same rows, level by level: all
// nodes of a level get histograms (the larger of two siblings as parent less
// the other) and their best splits, feature by feature on all workers, and
// then are split.
type grower struct {
	bins      *bins
	penalty   penalty
	maxDepth  int
	team      *team
	features  []int  // that the tree may split by, ascending
	gradients []sums // of each row

	rows, spare []int32 // the rows of the tree, node by node
	levels      [2]level
	budget      int        // most bins of the histograms that a level keeps
	scratch     []*scratch // of each worker
}

// scratch is what a worker writes on.
type scratch struct {
	histograms []sums // room for two
	prefix     prefix
	near       nearby
}

func newScratch(b *bins) *scratch {
	most := 0
	for _, c := range b.cuts {
		most = max(most, len(c))
	}
	return &scratch{histograms: make([]sums, 2*(b.total()+overhang)), prefix: newPrefix(most)}
}

// level is the nodes at one depth.
type level struct {
	nodes  []growing
	hists  []sums // the nodes' histograms one after another, if kept
	kept   bool
	splits []split // best one of each task and node
}

// growing is a node that may yet be split.
type growing struct {
	id          int32
	first, last int32 // its rows, in grower.rows
	parent      int32 // index in the level above; −1 at the root
	sums        sums
	gain        float32 // of the node as a leaf
}

func (n *growing) size() int32 { return n.last - n.first }

// grown tree with the rows of its leaves.
type grownTree struct {
	*tree
	leaves []growing
	bin    []int32 // last bin that goes left, by node
}

// mostHistograms bounds the memory of a level's histograms, in bins (of 16
// bytes); beyond it they are built node by node without the subtraction.
const mostHistograms = 1 << 24

// quantise turns gradients into fixed point with the finest powers of two
// with which sums over all rows cannot overflow, and returns the units.
func quantise(gradients, hessians []float32, out []sums, team *team) (gradientUnit, hessianUnit float64) {
	const block = 8192
	blocks := (len(out) + block - 1) / block
	most := make([][2]float32, blocks)
	team.spread(blocks, func(_, b int) {
		var g, h float32
		for i := b * block; i < min(len(out), (b+1)*block); i++ {
			g = max(g, abs(gradients[i]))
			h = max(h, hessians[i])
		}
		most[b] = [2]float32{g, h}
	})
	var g, h float32
	for _, m := range most {
		g, h = max(g, m[0]), max(h, m[1])
	}
	exponent := func(largest float32) int {
		_, e := math.Frexp(float64(largest) * float64(len(out)))
		return e - 61
	}
	ge, he := exponent(g), exponent(h)
	gs, hs := math.Ldexp(1, -ge), math.Ldexp(1, -he)
	team.spread(blocks, func(_, b int) {
		for i := b * block; i < min(len(out), (b+1)*block); i++ {
			out[i] = sums{int64(float64(gradients[i]) * gs), int64(float64(hessians[i]) * hs)}
		}
	})
	return math.Ldexp(1, ge), math.Ldexp(1, he)
}

// grow grows a tree on g.rows.
func (g *grower) grow(ctx context.Context) (*grownTree, error) {
	var total sums
	for _, r := range g.rows {
		total.gradient += g.gradients[r].gradient
		total.hessian += g.gradients[r].hessian
	}
	t := &grownTree{tree: &tree{}}
	root := growing{id: t.add(rootParent, &g.penalty, total), last: int32(len(g.rows)), parent: -1, sums: total, gain: g.penalty.gain(total)}
	above, now := &g.levels[0], &g.levels[1]
	above.nodes, above.kept = above.nodes[:0], false
	now.nodes = append(now.nodes[:0], root)
	for depth := 0; len(now.nodes) > 0; depth++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if depth == g.maxDepth {
			t.leaves = append(t.leaves, now.nodes...)
			break
		}
		tasks := g.search(above, now, depth+1 < g.maxDepth)
		above, now = now, above
		now.nodes = now.nodes[:0]
		g.split(t, above, now, tasks)
	}
	for _, leaf := range t.leaves {
		t.condition[leaf.id] = g.penalty.rate * t.weight[leaf.id]
	}
	return t, nil
}

// search finds the best splits of a level's nodes, task by task in
// now.splits, and returns how many tasks it took. keep says whether the next
// level will want the histograms.
func (g *grower) search(above, now *level, keep bool) (tasks int) {
	count := len(g.features)
	size := count // of a task, in features
	if g.team.workers() > 1 {
		size = (count + 2*g.team.workers() - 1) / (2 * g.team.workers())
	}
	tasks = (count + size - 1) / size
	now.splits = resize(now.splits, tasks*len(now.nodes))
	clear(now.splits)
	total := g.bins.total()
	now.kept = keep && len(now.nodes)*total <= g.budget
	if now.kept {
		now.hists = resize(now.hists, len(now.nodes)*total+overhang)
	}
	g.team.spread(tasks, func(worker, task int) {
		s := search{
			grower: g, above: above, now: now, scratch: g.scratch[worker],
			features: g.features[task*size : min(count, (task+1)*size)],
		}
		splits := now.splits[task*len(now.nodes):][:len(now.nodes)]
		for n := 0; n < len(now.nodes); n++ {
			if now.nodes[n].parent < 0 {
				s.build(n, s.histogram(n))
				s.best(n, s.histogram(n), &splits[n])
				continue
			}
			s.siblings(n, &splits[n], &splits[n+1])
			n++
		}
	})
	return tasks
}

// search is the work on some features of all nodes of a level.
type search struct {
	*grower
	above, now *level
	features   []int
	*scratch
}

// extent is where in a histogram the features of s lie.
func (s *search) extent() (begin, end int) {
	return s.bins.offset[s.features[0]], s.bins.offset[s.features[len(s.features)-1]+1]
}

// histogram is where that of node n is.
func (s *search) histogram(n int) []sums {
	total := s.bins.total()
	if s.now.kept {
		return s.now.hists[n*total:][:total+overhang]
	}
	// Not kept: room for those of two siblings.
	return s.histograms[n&1*(total+overhang):][:total+overhang]
}

// siblings searches nodes n and n+1, which have one parent.
func (s *search) siblings(n int, left, right *split) {
	nodes := s.now.nodes
	a, b := n, n+1
	if nodes[b].size() < nodes[a].size() {
		a, b, left, right = b, a, right, left
	}
	if !s.penalty.divisible(nodes[a].sums) && !s.penalty.divisible(nodes[b].sums) {
		return
	}
	small, large := s.histogram(a), s.histogram(b)
	s.build(a, small)
	if !s.above.kept {
		s.build(b, large)
	} else {
		begin, end := s.extent()
		parent := s.above.hists[int(nodes[a].parent)*s.bins.total():][begin:end]
		less := small[begin:end][:len(parent)]
		out := large[begin:end][:len(parent)]
		for i, p := range parent {
			out[i] = p.less(less[i])
		}
	}
	s.best(a, small, left)
	s.best(b, large, right)
}

// build fills the histogram of node n from its rows.
func (s *search) build(n int, hist []sums) {
	begin, end := s.extent()
	clear(hist[begin:end])
	node := &s.now.nodes[n]
	s.bins.codes.accumulate(hist, s.bins, s.features, s.rows[node.first:node.last], s.gradients, &s.near)
}

// best finds the best split of node n by the features of s.
func (s *search) best(n int, hist []sums, best *split) {
	node := &s.now.nodes[n]
	if !s.penalty.divisible(node.sums) {
		return
	}
	var most split
	for _, f := range s.features {
		bounds := s.bins.cuts[f]
		found := s.penalty.best(&s.prefix, f, hist[s.bins.offset[f]:][:len(bounds)], bounds, s.bins.lowest[f], node.sums, node.gain)
		most.replace(&found)
	}
	*best = most // once: other workers write beside it
}

// split parts the rows of the nodes above that gain by it, and makes their
// children the nodes of now.
func (g *grower) split(t *grownTree, above, now *level, tasks int) {
	best := above.splits[:0]
	for n := range above.nodes {
		s := above.splits[n]
		for task := 1; task < tasks; task++ {
			s.replace(&above.splits[task*len(above.nodes)+n])
		}
		right := above.nodes[n].sums.hessian - s.left.hessian
		if !(s.gain > leastGain && s.gain >= g.penalty.gamma && s.left.hessian > 0 && right > 0) {
			s.gain = 0
		}
		best = append(best, s) // never ahead of the loop
	}
	middle := make([]int, len(best))
	g.team.spread(len(best), func(_, n int) {
		s, node := &best[n], &above.nodes[n]
		if s.gain > 0 {
			missing := int32(-1) // no code
			if s.missingLeft {
				missing = int32(len(g.bins.cuts[s.feature]))
			}
			middle[n] = g.bins.codes.partition(g.rows[node.first:node.last], g.spare[node.first:node.last], int(s.feature), g.bins.features, s.bin, missing)
		}
	})
	for n := range best {
		s, node := &best[n], &above.nodes[n]
		if s.gain == 0 {
			t.leaves = append(t.leaves, *node)
			continue
		}
		right := node.sums.less(s.left)
		at := node.first + int32(middle[n])
		for _, child := range []growing{{first: node.first, last: at, sums: s.left}, {first: at, last: node.last, sums: right}} {
			child.id = t.add(node.id, &g.penalty, child.sums)
			child.parent = int32(n)
			child.gain = g.penalty.gain(child.sums)
			now.nodes = append(now.nodes, child)
		}
		t.left[node.id], t.right[node.id] = int32(t.nodes()-2), int32(t.nodes()-1)
		t.feature[node.id] = s.feature
		t.condition[node.id] = s.condition
		t.defaultLeft[node.id] = s.missingLeft
		t.gain[node.id] = s.gain
		t.bin[node.id] = s.bin
	}
}

// add adds a leaf to the tree.
func (t *grownTree) add(parent int32, p *penalty, s sums) int32 {
	id := int32(t.nodes())
	t.left = append(t.left, -1)
	t.right = append(t.right, -1)
	t.parent = append(t.parent, parent)
	t.feature = append(t.feature, 0)
	t.defaultLeft = append(t.defaultLeft, false)
	t.gain = append(t.gain, 0)
	t.cover = append(t.cover, float32(p.hessian(s)))
	t.weight = append(t.weight, p.weight(s))
	t.condition = append(t.condition, 0)
	t.bin = append(t.bin, 0)
	return id
}

// leaf is the leaf that row r of the bins falls into.
func (t *grownTree) leaf(b *bins, r int) int32 {
	n := int32(0)
	for t.left[n] >= 0 {
		f := int(t.feature[n])
		code := b.codes.at(r*b.features + f)
		if code <= t.bin[n] || t.defaultLeft[n] && code == int32(len(b.cuts[f])) {
			n = t.left[n]
		} else {
			n = t.right[n]
		}
	}
	return n
}

func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
