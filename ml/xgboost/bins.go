package xgboost

// bins is a matrix whose values have become numbers of bins, with the cuts
// between them.
type bins struct {
	rows, features int
	codes          codes
	cuts           [][]float32 // upper bounds of each feature's bins, ascending
	lowest         []float32   // below all values of a feature
	offset         []int       // where a feature's bins begin among all, one more at the end
	missing        []bool      // the feature has a last bin, of its missing values
}

// codes is the numbers of bins, row after row. Missing values have the number
// after the last bin's.
type codes interface {
	// accumulate adds the gradients of rows to the histograms of the features;
	// hist is of all features and overhang more, near is written on.
	accumulate(hist []sums, b *bins, features []int, rows []int32, gradients []sums, near *nearby)
	// partition moves rows that go left before those that go right, keeping
	// the order of both, and counts them; spare is as
	// long as rows. Besides the codes up to bin, missing goes left.
	partition(rows, spare []int32, feature, features int, bin, missing int32) int
	// at is the number of one value.
	at(i int) int32
}

// sums is a sum of gradients and hessians in fixed point: exact, so that it
// does not matter in which order they were added.
type sums struct{ gradient, hessian int64 }

func (s sums) less(t sums) sums { return sums{s.gradient - t.gradient, s.hessian - t.hessian} }

// overhang is how many bins beyond its end a histogram has memory for, so
// that an 8-bit code never points out of it.
const overhang = 256

// newBins cuts the columns of x at their weighted quantiles; weights may be
// nil for ones.
func newBins(x Matrix, weights []float32, most int, team *team) *bins {
	b := &bins{
		rows: x.Rows, features: x.Cols,
		cuts: make([][]float32, x.Cols), lowest: make([]float32, x.Cols),
		offset: make([]int, x.Cols+1), missing: make([]bool, x.Cols),
	}
	team.spread(x.Cols, func(_, f int) {
		count := 0
		for i := f; i < len(x.Values); i += x.Cols {
			if v := x.Values[i]; v == v {
				count++
			}
		}
		b.missing[f] = count < x.Rows
		s := newSketch(count, most)
		for i, r := f, 0; r < x.Rows; i, r = i+x.Cols, r+1 {
			v, w := x.Values[i], float32(1)
			if weights != nil {
				w = weights[r]
			}
			if v == v && w > 0 {
				s.push(v, w)
			}
		}
		b.cuts[f], b.lowest[f] = s.cuts(count, most)
	})
	most = 0
	for f, c := range b.cuts {
		n := len(c)
		if b.missing[f] {
			n++
		}
		most = max(most, n)
		b.offset[f+1] = b.offset[f] + n
	}
	if most > 256 {
		b.codes = wide(encode[uint16](x, b.cuts, team))
	} else {
		b.codes = narrow(encode[uint8](x, b.cuts, team))
	}
	return b
}

// total is how many bins all features have.
func (b *bins) total() int { return b.offset[b.features] }

// encode numbers the values of x.
func encode[T uint8 | uint16](x Matrix, cuts [][]float32, team *team) []T {
	p := make([]T, len(x.Values))
	keys := make([][]int32, len(cuts))
	for f, bounds := range cuts {
		for _, c := range bounds {
			keys[f] = append(keys[f], key(c))
		}
	}
	const block = 4096
	team.spread((x.Rows+block-1)/block, func(_, n int) {
		first, last := n*block, min((n+1)*block, x.Rows)
		for f, bounds := range keys {
			for i := first*x.Cols + f; i < last*x.Cols; i += x.Cols {
				v := x.Values[i]
				code := len(bounds) // missing
				if v == v {
					code = binOf(bounds, key(v))
				}
				p[i] = T(code)
			}
		}
	})
	return p
}

// binOf is the first bin whose bound is above v, or the last one; both are
// keys, so that no branch depends on them.
func binOf(bounds []int32, v int32) int {
	at, n := 0, len(bounds)
	for n > 1 { // the answer is among bounds[at:at+n]
		half := n / 2
		at += half & int((int64(bounds[at+half-1])-int64(v)-1)>>63)
		n -= half
	}
	return at
}

// chunk is how many rows go through all features before the next ones: their
// gradients and numbers of bins stay in the first cache.
const chunk = 512

// nearby is a chunk of rows: their gradients and where their codes begin.
type nearby struct {
	gradients [chunk]sums
	begin     [chunk]int
}

func (n *nearby) load(rows []int32, gradients []sums, features int) {
	rows = rows[:min(chunk, len(rows))]
	for i, r := range rows {
		n.gradients[i] = gradients[r]
		n.begin[i] = int(r) * features
	}
}

// narrow is codes of 8 bits.
type narrow []uint8

func (p narrow) accumulate(hist []sums, b *bins, features []int, rows []int32, gradients []sums, near *nearby) {
	for ; len(rows) > 0; rows = rows[min(chunk, len(rows)):] {
		near.load(rows, gradients, b.features)
		begin := near.begin[:min(chunk, len(rows))]
		added := near.gradients[:len(begin)]
		for _, f := range features {
			add((*[256]sums)(hist[b.offset[f]:]), p[f:], begin, added)
		}
	}
}

// addPortable is add without instructions of one processor.
func addPortable(own *[256]sums, column []uint8, begin []int, added []sums) {
	added = added[:len(begin)]
	for i, at := range begin {
		sum := &own[column[at]]
		sum.gradient += added[i].gradient
		sum.hessian += added[i].hessian
	}
}

func (p narrow) partition(rows, spare []int32, feature, features int, bin, missing int32) int {
	return partition(p, rows, spare, feature, features, bin, missing)
}

func (p narrow) at(i int) int32 { return int32(p[i]) }

// wide is codes of 16 bits.
type wide []uint16

func (p wide) accumulate(hist []sums, b *bins, features []int, rows []int32, gradients []sums, near *nearby) {
	for ; len(rows) > 0; rows = rows[min(chunk, len(rows)):] {
		near.load(rows, gradients, b.features)
		begin := near.begin[:min(chunk, len(rows))]
		added := near.gradients[:len(begin)]
		for _, f := range features {
			own := hist[b.offset[f]:]
			column := p[f:]
			for i, at := range begin {
				sum := &own[column[at]]
				sum.gradient += added[i].gradient
				sum.hessian += added[i].hessian
			}
		}
	}
}

func (p wide) partition(rows, spare []int32, feature, features int, bin, missing int32) int {
	return partition(p, rows, spare, feature, features, bin, missing)
}

func (p wide) at(i int) int32 { return int32(p[i]) }

func partition[T uint8 | uint16](p []T, rows, spare []int32, feature, features int, bin, missing int32) int {
	l, r := 0, 0
	for _, row := range rows {
		code := int32(p[int(row)*features+feature])
		left := int((bin - code) >> 31) // −1 goes right, 0 left
		if code == missing {
			left = 0
		}
		rows[l] = row // never ahead of the loop
		spare[r] = row
		l += 1 + left
		r -= left
	}
	copy(rows[l:], spare[:r])
	return l
}
