package xgboost

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
)

// MaxFile is the largest model file that Load reads, in bytes.
const MaxFile = 256 << 20

// ErrModel is wrapped by every error about a file's contents: it is no
// XGBoost model, is cut, contradicts itself, or needs what this package does
// not have (then errors.ErrUnsupported is wrapped too).
var ErrModel = errors.New("not a usable XGBoost model")

// Model is a trained ensemble. It does not change once made and may be used
// by any number of goroutines at a time.
type Model struct {
	version    [3]int32 // of the library that the file is written for
	name       string   // objective
	objective  objective
	features   int
	groups     int       // margins a row
	classes    int       // num_class as stored
	scores     []float32 // base_score as stored, one or one a group
	start      []float32 // margin that a row starts at, one a group
	trees      []*tree
	group      []int32   // of each tree
	rounds     []int32   // first tree of each round, and the end
	parallel   int       // trees a group and round
	drop       []float32 // weight of each tree; nil without dart
	names      []string  // feature names; nil if unknown
	types      []string
	attributes object
	categories object // what the library knows of the categories' names, as stored
	parameters object // of the objective, as stored
	forest     forest
}

// Open loads the model in a file, JSON or UBJSON.
func Open(path string) (*Model, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open model: %w", err)
	}
	defer f.Close()
	m, err := Load(f)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", path, err)
	}
	return m, nil
}

// Load reads a model to the end of r, JSON or UBJSON by its second byte, as
// the library tells them apart.
func Load(r io.Reader) (*Model, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read model: %w", err)
	}
	if len(data) > MaxFile {
		return nil, fmt.Errorf("%w: larger than %d MiB", ErrModel, MaxFile>>20)
	}
	m, err := Decode(data)
	if err != nil {
		return nil, err
	}
	return m, nil
}

// Decode is Load for a file already in memory; data is not kept.
func Decode(data []byte) (*Model, error) {
	doc, err := readDocument(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrModel, err)
	}
	m, err := readModel(doc)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrModel, err)
	}
	return m, nil
}

func readDocument(data []byte) (object, error) {
	switch {
	case len(data) == 0:
		return nil, errors.New("the file is empty")
	case len(data) >= 2 && data[0] == 0x1f && data[1] == 0x8b:
		return nil, errors.New("the file is compressed with gzip; unpack it first")
	case len(data) >= 4 && string(data[:4]) == "binf", len(data) >= 4 && string(data[:4]) == "CONF":
		return nil, fmt.Errorf("the old binary format is %w; load it with XGBoost and save it as .json or .ubj", errors.ErrUnsupported)
	case data[0] == '{' && len(data) >= 2:
		switch data[1] {
		case 'i', 'U', 'I', 'l', 'L', '#', '$', 'N':
			return readUBJSON(data)
		}
	}
	return readJSON(data)
}

func readModel(doc object) (*Model, error) {
	version, err := readVersion(doc)
	if err != nil {
		return nil, err
	}
	if version[0] > 3 {
		return nil, fmt.Errorf("version %d of the format is %w; 1 to 3 are", version[0], errors.ErrUnsupported)
	}
	learner, err := doc.object("learner")
	if err != nil {
		return nil, err
	}
	m := &Model{version: version}
	if err := m.readLearner(learner); err != nil {
		return nil, err
	}
	booster, err := learner.object("gradient_booster")
	if err != nil {
		return nil, err
	}
	if err := m.readBooster(booster); err != nil {
		return nil, err
	}
	if m.forest, err = plant(m); err != nil {
		return nil, err
	}
	return m, nil
}

func readVersion(doc object) (version [3]int32, err error) {
	if _, ok := doc.lookup("version"); !ok {
		return [3]int32{1, 0, 0}, nil
	}
	v, err := doc.integers("version", -1, 0, 1<<20)
	if err != nil {
		return version, err
	}
	if len(v) == 0 {
		return version, errors.New("version is empty")
	}
	copy(version[:], v)
	return version, nil
}

// readLearner reads everything but the trees.
func (m *Model) readLearner(learner object) error {
	param, err := learner.object("learner_model_param")
	if err != nil {
		return err
	}
	if m.features, err = param.integer("num_feature", -1); err != nil {
		return err
	}
	if m.features < 1 || m.features > 1<<24 {
		return fmt.Errorf("num_feature is %d", m.features)
	}
	if m.classes, err = param.integer("num_class", 0); err != nil {
		return err
	}
	targets, err := param.integer("num_target", 1)
	if err != nil {
		return err
	}
	if m.classes < 0 || targets < 0 || m.classes > 1<<20 || targets > 1<<20 {
		return fmt.Errorf("num_class is %d and num_target %d", m.classes, targets)
	}
	if m.classes > 1 && targets > 1 {
		return fmt.Errorf("a model with several classes and several targets is %w", errors.ErrUnsupported)
	}
	m.groups = max(1, m.classes, targets)

	if m.name, m.objective, err = readObjective(learner); err != nil {
		return err
	}
	if m.parameters, err = learner.object("objective"); err != nil {
		return err
	}
	if l := m.objective.link; (l == softprob || l == softmax) && m.classes < 2 {
		return fmt.Errorf("the objective %s with num_class %d", m.name, m.classes)
	}
	if err := m.readBase(param); err != nil {
		return err
	}

	if _, ok := learner.lookup("attributes"); ok {
		if m.attributes, err = learner.object("attributes"); err != nil {
			return err
		}
	}
	if m.names, err = m.readPerFeature(learner, "feature_names"); err != nil {
		return err
	}
	m.types, err = m.readPerFeature(learner, "feature_types")
	return err
}

func (m *Model) readBase(param object) error {
	text, err := param.text("base_score")
	if err != nil {
		return err
	}
	if m.scores, err = parseReals(text); err != nil {
		return fmt.Errorf("base_score: %w", err)
	}
	if len(m.scores) != 1 && len(m.scores) != m.groups {
		return fmt.Errorf("base_score holds %d values for %d outputs", len(m.scores), m.groups)
	}
	return m.setStart()
}

// setStart makes the starting margins from the stored scores.
func (m *Model) setStart() error {
	m.start = make([]float32, m.groups)
	for i := range m.start {
		score := m.scores[0]
		if len(m.scores) > 1 {
			score = m.scores[i]
		}
		var err error
		if m.start[i], err = m.objective.base.margin(score); err != nil {
			return err
		}
	}
	return nil
}

func (m *Model) readPerFeature(learner object, name string) ([]string, error) {
	if _, ok := learner.lookup(name); !ok {
		return nil, nil
	}
	list, err := learner.texts(name)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, nil
	}
	if len(list) != m.features {
		return nil, fmt.Errorf("%s holds %d values for %d features", name, len(list), m.features)
	}
	return list, nil
}

func (m *Model) readBooster(booster object) error {
	name, err := booster.text("name")
	if err != nil {
		return fmt.Errorf("gradient_booster: %w", err)
	}
	dart := false
	switch name {
	case "gbtree":
	case "dart":
		dart = true
		drop, err := booster.reals("weight_drop", -1)
		if err != nil {
			return err
		}
		m.drop = drop
		if booster, err = booster.object("gbtree"); err != nil {
			return err
		}
	default:
		return fmt.Errorf("the booster %q is %w; gbtree and dart are", clip(name), errors.ErrUnsupported)
	}
	model, err := booster.object("model")
	if err != nil {
		return err
	}
	if _, ok := model.lookup("cats"); ok {
		if m.categories, err = model.object("cats"); err != nil {
			return err
		}
	}
	param, err := model.object("gbtree_model_param")
	if err != nil {
		return err
	}
	list, err := model.list("trees")
	if err != nil {
		return err
	}
	count, err := param.integer("num_trees", -1)
	if err != nil {
		return err
	}
	if count != len(list) {
		return fmt.Errorf("num_trees is %d but there are %d trees", count, len(list))
	}
	if m.parallel, err = param.integer("num_parallel_tree", 1); err != nil {
		return err
	}
	if m.parallel < 0 || m.parallel > 1<<24 {
		return fmt.Errorf("num_parallel_tree is %d", m.parallel)
	}
	m.parallel = max(1, m.parallel) // 0 in some files of version 1
	if dart && len(m.drop) != count {
		return fmt.Errorf("weight_drop holds %d values for %d trees", len(m.drop), count)
	}
	for i, w := range m.drop {
		if w != w || w-w != 0 {
			return fmt.Errorf("weight_drop[%d] is %v", i, w)
		}
	}
	if m.group, err = model.integers("tree_info", count, 0, int32(m.groups-1)); err != nil {
		return err
	}
	if err := m.readRounds(model, count); err != nil {
		return err
	}
	for i, v := range list {
		o, ok := v.(object)
		if !ok {
			return fmt.Errorf("trees[%d] is not an object", i)
		}
		t, err := readTree(o, m.features)
		if err != nil {
			return fmt.Errorf("tree %d: %w", i, err)
		}
		m.trees = append(m.trees, t)
	}
	return nil
}

// readRounds fills rounds from iteration_indptr, or for older files from the
// number of trees a round.
func (m *Model) readRounds(model object, count int) error {
	if _, ok := model.lookup("iteration_indptr"); !ok {
		each := m.groups * m.parallel
		if count%each != 0 {
			return fmt.Errorf("%d trees are no whole rounds of %d", count, each)
		}
		for i := 0; i <= count; i += each {
			m.rounds = append(m.rounds, int32(i))
		}
		return nil
	}
	var err error
	if m.rounds, err = model.integers("iteration_indptr", -1, 0, int32(count)); err != nil {
		return err
	}
	if len(m.rounds) == 0 && count == 0 {
		m.rounds = []int32{0}
	}
	if len(m.rounds) == 0 || m.rounds[0] != 0 || m.rounds[len(m.rounds)-1] != int32(count) {
		return fmt.Errorf("iteration_indptr does not run from 0 to %d", count)
	}
	for i := 1; i < len(m.rounds); i++ {
		if m.rounds[i] < m.rounds[i-1] {
			return errors.New("iteration_indptr goes backwards")
		}
	}
	return nil
}

// Objective is the name of the loss that the model was trained with, such as
// "reg:squarederror".
func (m *Model) Objective() string { return m.name }

// Features is the number of columns that a row has.
func (m *Model) Features() int { return m.features }

// FeatureNames are the columns' names, nil if the file has none.
func (m *Model) FeatureNames() []string { return m.names }

// Trees is the number of trees.
func (m *Model) Trees() int { return len(m.trees) }

// Rounds is the number of boosting rounds.
func (m *Model) Rounds() int { return len(m.rounds) - 1 }

// Groups is the number of margins a row: classes, targets or quantiles.
func (m *Model) Groups() int { return m.groups }

// Outputs is the number of predictions a row: Groups, but 1 for multi:softmax.
func (m *Model) Outputs() int {
	if m.objective.link == softmax {
		return 1
	}
	return m.groups
}

// Attribute is a text stored with the model, such as "best_score".
func (m *Model) Attribute(name string) (string, bool) {
	v, _ := m.attributes.lookup(name)
	s, ok := v.(string)
	return s, ok
}

// BestIteration is the round, from 0, that early stopping found best. The
// library's Booster.predict uses all trees nevertheless and its scikit-learn
// wrapper those of Truncate(best + 1).
func (m *Model) BestIteration() (round int, ok bool) {
	s, ok := m.Attribute("best_iteration")
	if !ok {
		return 0, false
	}
	round, err := strconv.Atoi(s)
	if err != nil || round < 0 || round >= m.Rounds() {
		return 0, false
	}
	return round, true
}

// Truncate is the model with its first rounds only; the trees are shared.
func (m *Model) Truncate(rounds int) (*Model, error) {
	if rounds < 0 || rounds > m.Rounds() {
		return nil, fmt.Errorf("truncate to %d rounds: the model has %d", rounds, m.Rounds())
	}
	n := int(m.rounds[rounds])
	short := *m
	short.rounds = m.rounds[:rounds+1]
	short.trees = m.trees[:n]
	short.group = m.group[:n]
	if m.drop != nil {
		short.drop = m.drop[:n]
	}
	var err error
	short.forest, err = plant(&short)
	return &short, err
}
