package xgboost

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
)

// Data is rows with the labels that a model is to learn from them.
type Data struct {
	X       Matrix    // NaN is missing; infinite values are refused
	Labels  []float32 // one a row
	Weights []float32 // one a row, not negative; nil for ones
	Names   []string  // of the features, stored with the model; may be nil

	// Validation, if not nil, is rows that no tree is grown on: for the
	// validation metric and early stopping. Its Names are not used.
	Validation *Data
}

func (d *Data) check(l loss) error {
	x := d.X
	switch {
	case x.Rows < 1 || x.Cols < 1:
		return errors.New("there are no rows")
	case x.Cols > 1<<20 || int64(x.Rows) > math.MaxInt32:
		return fmt.Errorf("%d × %d values are too many", x.Rows, x.Cols)
	case len(x.Values) != x.Rows*x.Cols:
		return fmt.Errorf("the matrix holds %d values, not %d × %d", len(x.Values), x.Rows, x.Cols)
	case len(d.Labels) != x.Rows:
		return fmt.Errorf("%d labels for %d rows", len(d.Labels), x.Rows)
	case d.Weights != nil && len(d.Weights) != x.Rows:
		return fmt.Errorf("%d weights for %d rows", len(d.Weights), x.Rows)
	case d.Names != nil && len(d.Names) != x.Cols:
		return fmt.Errorf("%d names for %d features", len(d.Names), x.Cols)
	}
	for i, v := range x.Values {
		if math.IsInf(float64(v), 0) {
			return fmt.Errorf("feature %d of row %d is infinite; use NaN for missing values", i%x.Cols, i/x.Cols)
		}
	}
	for i, y := range d.Labels {
		if y-y != 0 {
			return fmt.Errorf("the label of row %d is %v", i, y)
		}
		if err := l.checkLabel(y); err != nil {
			return fmt.Errorf("the label of row %d: %w", i, err)
		}
	}
	var sum float64
	for i, w := range d.Weights {
		if !(w >= 0) || w-w != 0 {
			return fmt.Errorf("the weight of row %d is %v", i, w)
		}
		sum += float64(w)
	}
	if d.Weights != nil && sum == 0 {
		return errors.New("all weights are 0")
	}
	return nil
}

func (d *Data) weight(row int) float32 {
	if d.Weights == nil {
		return 1
	}
	return d.Weights[row]
}

// Train grows a model: second-order gradient boosting (Chen and Guestrin,
// 2016) of trees over binned values, level by level, as the library's tree
// method "hist" does, with its cuts between bins and its arithmetic of gains:
// without Subsample and ColumnSample, whose draws are this package's own, the
// trees are the library's. It uses up to GOMAXPROCS goroutines; the model does
// not depend on how many. A cancelled ctx ends it with ctx's error within
// about a level of a tree.
func Train(ctx context.Context, config Config, data Data) (*Model, error) {
	m, err := train(ctx, config, data)
	if err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	return m, nil
}

func train(ctx context.Context, config Config, data Data) (*Model, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	l, err := newLoss(&config)
	if err != nil {
		return nil, err
	}
	if err := data.check(l); err != nil {
		return nil, err
	}
	t := &trainer{config: config, data: data, loss: l, team: newTeam()}
	defer t.team.close()
	switch v := data.Validation; {
	case v != nil:
		if err := v.check(l); err != nil {
			return nil, fmt.Errorf("validation: %w", err)
		}
		if v.X.Cols != data.X.Cols {
			return nil, fmt.Errorf("the validation rows have %d features, the others %d", v.X.Cols, data.X.Cols)
		}
	case config.EarlyStopping > 0:
		return nil, errors.New("early stopping needs validation rows")
	}
	if err := t.begin(); err != nil {
		return nil, err
	}
	for round := range config.Rounds {
		for group := range l.groups() {
			if err := t.grow(ctx, group); err != nil {
				return nil, err
			}
		}
		t.model.rounds = append(t.model.rounds, int32(len(t.model.trees)))
		if !t.report(round) {
			break
		}
	}
	return t.end()
}

// trainer is a model on its way.
type trainer struct {
	config Config
	data   Data
	loss   loss
	team   *team
	model  *Model
	grower grower

	margins    []float32 // of the training rows, groups a row
	validation []float32 // of the validation rows
	gradients  []float32
	hessians   []float32

	best      int // round of the best validation metric
	bestScore float64
}

// begin cuts the features into bins and sets the start.
func (t *trainer) begin() error {
	c, x, groups := &t.config, t.data.X, t.loss.groups()
	m := &Model{
		name: c.Objective, objective: objectives[c.Objective], version: [3]int32{3, 2, 0},
		features: x.Cols, groups: groups, parallel: 1, rounds: []int32{0},
		names: slices.Clone(t.data.Names), parameters: t.loss.parameters(),
	}
	if groups == 1 {
		m.version = [3]int32{2, 1, 0} // which every later version loads, too
	}
	for _, b := range c.BaseScore {
		m.scores = append(m.scores, float32(b))
	}
	if len(m.scores) == 0 {
		m.scores = t.loss.base(t.data.Labels, t.data.Weights)
	}
	if err := m.setStart(); err != nil {
		return err
	}
	t.model = m
	t.margins = starts(m.start, x.Rows)
	if v := t.data.Validation; v != nil {
		t.validation = starts(m.start, v.X.Rows)
	}
	t.gradients = make([]float32, x.Rows)
	t.hessians = make([]float32, x.Rows)

	b := newBins(x, t.data.Weights, c.MaxBins, t.team)
	t.grower = grower{
		bins: b, maxDepth: c.MaxDepth, team: t.team, budget: mostHistograms,
		penalty: penalty{
			lambda: float32(c.Lambda), alpha: float32(c.Alpha), gamma: float32(c.Gamma),
			minWeight: float32(c.MinChildWeight), rate: float32(c.LearningRate),
		},
		gradients: make([]sums, x.Rows),
		rows:      make([]int32, 0, x.Rows),
		spare:     make([]int32, x.Rows),
		scratch:   make([]*scratch, t.team.workers()),
	}
	for i := range t.grower.scratch {
		t.grower.scratch[i] = newScratch(b)
	}
	return nil
}

func starts(start []float32, rows int) []float32 {
	out := make([]float32, 0, rows*len(start))
	for range rows {
		out = append(out, start...)
	}
	return out
}

// rowBlock is how many rows a worker takes at a time.
const rowBlock = 2048

// byRows calls task for blocks of rows.
func (t *trainer) byRows(rows int, task func(block, first, last int)) {
	t.team.spread((rows+rowBlock-1)/rowBlock, func(_, b int) {
		task(b, b*rowBlock, min(rows, (b+1)*rowBlock))
	})
}

// grow adds a tree for a group.
func (t *trainer) grow(ctx context.Context, group int) error {
	x, groups := t.data.X, t.loss.groups()
	t.byRows(x.Rows, func(_, first, last int) {
		for r := first; r < last; r++ {
			g, h := t.loss.gradient(group, t.margins[r*groups+group], t.data.Labels[r])
			w := t.data.weight(r)
			t.gradients[r], t.hessians[r] = g*w, h*w
		}
	})
	g := &t.grower
	g.penalty.setUnits(quantise(t.gradients, t.hessians, g.gradients, t.team))
	t.draw()
	grown, err := g.grow(ctx)
	if err != nil {
		return err
	}
	t.refit(grown, group)
	if len(g.rows) == x.Rows {
		t.team.spread(len(grown.leaves), func(_, i int) {
			leaf := &grown.leaves[i]
			value := grown.condition[leaf.id]
			for _, r := range g.rows[leaf.first:leaf.last] {
				t.margins[int(r)*groups+group] += value
			}
		})
	} else {
		t.byRows(x.Rows, func(_, first, last int) {
			for r := first; r < last; r++ {
				t.margins[r*groups+group] += grown.condition[grown.leaf(g.bins, r)]
			}
		})
	}
	if v := t.data.Validation; v != nil {
		t.byRows(v.X.Rows, func(_, first, last int) {
			for r := first; r < last; r++ {
				t.validation[r*groups+group] += grown.value(v.X.Row(r))
			}
		})
	}
	t.model.trees = append(t.model.trees, grown.tree)
	t.model.group = append(t.model.group, int32(group))
	return nil
}

// draw chooses the rows and the features of the next tree.
func (t *trainer) draw() {
	g, x := &t.grower, t.data.X
	random := rand.New(rand.NewPCG(t.config.Seed, uint64(len(t.model.trees))))
	g.rows = g.rows[:0]
	if t.config.Subsample < 1 {
		for r := range x.Rows {
			if random.Float64() < t.config.Subsample {
				g.rows = append(g.rows, int32(r))
			}
		}
	} else {
		for r := range x.Rows {
			g.rows = append(g.rows, int32(r))
		}
	}
	n := max(1, int(t.config.ColumnSample*float64(x.Cols)))
	if len(g.features) == n && n == x.Cols {
		return
	}
	if n == x.Cols {
		g.features = make([]int, n)
		for i := range g.features {
			g.features[i] = i
		}
		return
	}
	g.features = random.Perm(x.Cols)[:n]
	slices.Sort(g.features)
}

// refit sets the leaves' values where the loss has its own.
func (t *trainer) refit(grown *grownTree, group int) {
	groups := t.loss.groups()
	if _, own := t.loss.refit(group, nil, nil); !own {
		return
	}
	g := &t.grower
	t.team.spread(len(grown.leaves), func(_, i int) {
		leaf := &grown.leaves[i]
		rows := g.rows[leaf.first:leaf.last]
		if len(rows) == 0 {
			return
		}
		residuals := make([]float32, len(rows))
		var weights []float32
		if t.data.Weights != nil {
			weights = make([]float32, len(rows))
		}
		for j, r := range rows {
			residuals[j] = t.data.Labels[r] - t.margins[int(r)*groups+group]
			if weights != nil {
				weights[j] = t.data.Weights[r]
			}
		}
		value, _ := t.loss.refit(group, residuals, weights)
		grown.condition[leaf.id] = value * g.penalty.rate
	})
}

// score is the metric over all rows.
func (t *trainer) score(d *Data, margins []float32) float64 {
	groups := t.loss.groups()
	type part struct{ sum, weight float64 }
	parts := make([]part, (d.X.Rows+rowBlock-1)/rowBlock)
	t.byRows(d.X.Rows, func(block, first, last int) {
		var p part
		for r := first; r < last; r++ {
			w := float64(d.weight(r))
			p.sum += w * t.loss.metric(margins[r*groups:(r+1)*groups], d.Labels[r])
			p.weight += w
		}
		parts[block] = p
	})
	var sum, weight float64
	for _, p := range parts {
		sum += p.sum
		weight += p.weight
	}
	return t.loss.finish(sum / weight)
}

// report scores a round and says whether to go on.
func (t *trainer) report(round int) bool {
	r := Round{Number: round, Rounds: t.config.Rounds, Validation: math.NaN(), Best: round}
	if v := t.data.Validation; v != nil {
		r.Validation = t.score(v, t.validation)
		if round == 0 || r.Validation < t.bestScore {
			t.best, t.bestScore = round, r.Validation
		}
		r.Best = t.best
	}
	if t.config.Progress != nil {
		r.Train = t.score(&t.data, t.margins)
		t.config.Progress(r)
	}
	return t.config.EarlyStopping == 0 || round-t.best < t.config.EarlyStopping
}

// end makes the model ready for prediction.
func (t *trainer) end() (*Model, error) {
	m := t.model
	var err error
	if t.config.EarlyStopping > 0 {
		m.attributes = object{
			{"best_iteration", strconv.Itoa(t.best)},
			{"best_score", strconv.FormatFloat(t.bestScore, 'g', -1, 64)},
		}
		return m.Truncate(t.best + 1)
	}
	m.forest, err = plant(m)
	return m, err
}

// value is the leaf that a row falls into; the splits are numeric.
func (t *tree) value(row []float32) float32 {
	n := int32(0)
	for t.left[n] >= 0 {
		x := row[t.feature[n]]
		if x < t.condition[n] || x != x && t.defaultLeft[n] {
			n = t.left[n]
		} else {
			n = t.right[n]
		}
	}
	return t.condition[n]
}
