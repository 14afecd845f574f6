package xgboost

import (
	"bytes"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
)

// wavy is rows of which the label depends on, in part.
func wavy(seed uint64, rows int) Data {
	r := rand.New(rand.NewPCG(seed, 0))
	d := Data{X: Matrix{Rows: rows, Cols: 6}}
	for range rows {
		row := make([]float32, 6)
		for f := range row {
			row[f] = float32(r.NormFloat64())
		}
		y := 2*row[0] + float32(math.Sin(3*float64(row[1])))*row[2] + float32(r.NormFloat64())/2
		if r.IntN(5) == 0 {
			row[r.IntN(6)] = float32(math.NaN())
		}
		d.X.Values = append(d.X.Values, row...)
		d.Labels = append(d.Labels, y)
	}
	return d
}

func written(t *testing.T, m *Model) string {
	t.Helper()
	var b bytes.Buffer
	if err := m.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The model depends on data, settings and seed, and on nothing else.
func TestTrainIsDeterministic(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	config := DefaultConfig()
	config.Rounds, config.Subsample, config.ColumnSample, config.Seed = 8, 0.7, 0.5, 3
	data := wavy(1, 2500)
	var first string
	for _, processors := range []int{1, 2, 5} {
		runtime.GOMAXPROCS(processors)
		m, err := Train(t.Context(), config, data)
		if err != nil {
			t.Fatal(err)
		}
		switch w := written(t, m); {
		case first == "":
			first = w
		case w != first:
			t.Errorf("on %d processors the model is another one", processors)
		}
	}
	config.Seed++
	m, err := Train(t.Context(), config, data)
	if err != nil {
		t.Fatal(err)
	}
	if written(t, m) == first {
		t.Error("another seed gives the same model")
	}
}

// Without room to keep histograms the same trees grow.
func TestHistogramsThatAreNotKept(t *testing.T) {
	config := DefaultConfig()
	config.MaxDepth = 8
	data := wavy(1, 3000)
	l, err := newLoss(&config)
	if err != nil {
		t.Fatal(err)
	}
	var margins [2][]float32
	for i := range margins {
		tr := &trainer{config: config, data: data, loss: l, team: newTeam()}
		if err := tr.begin(); err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			tr.grower.budget = 3 * tr.grower.bins.total()
		}
		for range 3 {
			if err := tr.grow(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
		}
		tr.team.close()
		margins[i] = tr.margins
	}
	sameBits(t, "margin", margins[1], margins[0])
}

// What training adds up is what prediction does.
func TestTrainedModelPredictsItsMargins(t *testing.T) {
	for _, share := range []float64{1, 0.5} {
		data := wavy(1, 2000)
		held := wavy(2, 500)
		data.Validation = &held
		config := DefaultConfig()
		config.Rounds, config.Subsample = 12, share
		var last Round
		config.Progress = func(r Round) { last = r }
		m, err := Train(t.Context(), config, data)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			data Data
			want float64
		}{{data, last.Train}, {held, last.Validation}} {
			out := make([]float32, c.data.X.Rows)
			if err := m.Predict(c.data.X, out); err != nil {
				t.Fatal(err)
			}
			var sum float64
			for i, p := range out {
				d := float64(p - c.data.Labels[i])
				sum += d * d
			}
			if rmse := math.Sqrt(sum / float64(len(out))); math.Abs(rmse-c.want) > 1e-9 {
				t.Errorf("with %v of the rows the model's RMSE is %v, reported was %v", share, rmse, c.want)
			}
		}
		if last.Validation > 1.2 { // the labels' deviation is 2.2, the noise's 0.5
			t.Errorf("with %v of the rows the validation RMSE is %v", share, last.Validation)
		}
	}
}

func TestEarlyStopping(t *testing.T) {
	data, held := wavy(1, 400), wavy(2, 400)
	data.Validation = &held
	config := DefaultConfig()
	config.Rounds, config.EarlyStopping, config.LearningRate = 500, 5, 0.5
	var rounds []Round
	config.Progress = func(r Round) { rounds = append(rounds, r) }
	m, err := Train(t.Context(), config, data)
	if err != nil {
		t.Fatal(err)
	}
	last := rounds[len(rounds)-1]
	if len(rounds) == config.Rounds || last.Number-last.Best != config.EarlyStopping {
		t.Fatalf("stopped after round %d, the best is %d", last.Number, last.Best)
	}
	for _, r := range rounds {
		if r.Validation < rounds[last.Best].Validation {
			t.Errorf("round %d is better than %d, the best", r.Number, last.Best)
		}
	}
	if best, ok := m.BestIteration(); !ok || best != last.Best || m.Rounds() != best+1 {
		t.Errorf("best iteration %d, %v of %d rounds; want %d", best, ok, m.Rounds(), last.Best)
	}
	again, err := Decode([]byte(written(t, m)))
	if err != nil {
		t.Fatal(err)
	}
	if best, ok := again.BestIteration(); !ok || best != last.Best {
		t.Errorf("the file says best iteration %d, %v", best, ok)
	}
}

func TestQuantilesCover(t *testing.T) {
	config := DefaultConfig()
	config.Objective, config.Quantiles = "reg:quantileerror", []float64{0.1, 0.9}
	config.Rounds, config.MaxDepth, config.MinChildWeight = 40, 3, 30
	m, err := Train(t.Context(), config, wavy(1, 4000))
	if err != nil {
		t.Fatal(err)
	}
	held := wavy(2, 4000)
	out := make([]float32, 2*held.X.Rows)
	if err := m.Predict(held.X, out); err != nil {
		t.Fatal(err)
	}
	inside := 0
	for i, y := range held.Labels {
		if out[2*i] <= y && y <= out[2*i+1] {
			inside++
		}
	}
	if share := float64(inside) / float64(held.X.Rows); share < 0.75 || share > 0.85 {
		t.Errorf("the band from 0.1 to 0.9 holds %.3f of new labels", share)
	}
}

func TestMetric(t *testing.T) {
	for objective, want := range map[string]string{"reg:squarederror": "rmse", "binary:logistic": "logloss", "rank:map": ""} {
		if got := (&Config{Objective: objective}).Metric(); got != want {
			t.Errorf("the metric of %s is %q, want %q", objective, got, want)
		}
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	config := DefaultConfig()
	config.Rounds = 1000
	rounds := 0
	config.Progress = func(Round) {
		if rounds++; rounds == 3 {
			cancel()
		}
	}
	m, err := Train(ctx, config, wavy(1, 500))
	if !errors.Is(err, context.Canceled) || m != nil || rounds != 3 {
		t.Errorf("%v, %v after %d rounds", m, err, rounds)
	}
}

func TestTrainRefuses(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for want, spoil := range map[string]func(*Config, *Data){
		"Rounds is 0":                 func(c *Config, _ *Data) { c.Rounds = 0 },
		"MaxDepth is 40":              func(c *Config, _ *Data) { c.MaxDepth = 40 },
		"LearningRate is NaN":         func(c *Config, _ *Data) { c.LearningRate = math.NaN() },
		"above 0":                     func(c *Config, _ *Data) { c.Subsample = 0 },
		"ColumnSample is 1.5":         func(c *Config, _ *Data) { c.ColumnSample = 1.5 },
		"MaxBins is 70000":            func(c *Config, _ *Data) { c.MaxBins = 70000 },
		"Lambda is -1":                func(c *Config, _ *Data) { c.Lambda = -1 },
		`objective "reg:gamma"`:       func(c *Config, _ *Data) { c.Objective = "reg:gamma" },
		"needs 1 to 1,000 Quantiles":  func(c *Config, _ *Data) { c.Objective = "reg:quantileerror" },
		"Quantiles are for":           func(c *Config, _ *Data) { c.Quantiles = []float64{0.5} },
		"BaseScore has 2":             func(c *Config, _ *Data) { c.BaseScore = []float64{1, 2} },
		"is not a probability":        func(c *Config, _ *Data) { c.Objective, c.BaseScore = "binary:logistic", []float64{2} },
		"takes 0 to 1":                func(c *Config, _ *Data) { c.Objective = "binary:logistic" },
		"early stopping needs":        func(c *Config, _ *Data) { c.EarlyStopping = 3 },
		"no rows":                     func(_ *Config, d *Data) { d.X = Matrix{} },
		"the matrix holds":            func(_ *Config, d *Data) { d.X.Rows++ },
		"49 labels for 50":            func(_ *Config, d *Data) { d.Labels = d.Labels[1:] },
		"1 weights for 50":            func(_ *Config, d *Data) { d.Weights = []float32{1} },
		"2 names for 6":               func(_ *Config, d *Data) { d.Names = []string{"a", "b"} },
		"the label of row 3 is NaN":   func(_ *Config, d *Data) { d.Labels[3] = nan },
		"feature 1 of row 2 is inf":   func(_ *Config, d *Data) { d.X.Values[13] = inf },
		"weights are 0":               func(_ *Config, d *Data) { d.Weights = make([]float32, 50) },
		"the weight of row 1 is -1":   func(_ *Config, d *Data) { d.Weights = make([]float32, 50); d.Weights[1] = -1 },
		"validation: 0 labels for 20": func(_ *Config, d *Data) { d.Validation = &Data{X: randomMatrix(20, 6)} },
		"have 5 features":             func(_ *Config, d *Data) { d.Validation = &Data{X: randomMatrix(2, 5), Labels: []float32{1, 2}} },
	} {
		config, data := DefaultConfig(), wavy(1, 50)
		spoil(&config, &data)
		if _, err := Train(t.Context(), config, data); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}

// Labels all alike, a feature without values, labels beyond reason.
func TestTrainOnOddData(t *testing.T) {
	for name, spoil := range map[string]func(*Config, *Data){
		"labels alike": func(_ *Config, d *Data) { clear(d.Labels) },
		"all of class 1": func(c *Config, d *Data) {
			c.Objective = "binary:logistic"
			for i := range d.Labels {
				d.Labels[i] = 1
			}
		},
		"nothing known": func(_ *Config, d *Data) {
			for i := range d.X.Values {
				d.X.Values[i] = float32(math.NaN())
			}
		},
		"huge labels":    func(_ *Config, d *Data) { d.Labels[0] = 1e18 },
		"tiny labels":    func(_ *Config, d *Data) { clear(d.Labels); d.Labels[0] = 1e-30 },
		"weights mostly": func(_ *Config, d *Data) { d.Weights = make([]float32, len(d.Labels)); d.Weights[7] = 1e-9 },
		"hardly a row":   func(c *Config, _ *Data) { c.Subsample = 1e-9 },
		"no lambda":      func(c *Config, _ *Data) { c.Lambda, c.MinChildWeight = 0, 0 },
	} {
		config, data := DefaultConfig(), wavy(1, 200)
		config.Rounds = 5
		spoil(&config, &data)
		m, err := Train(t.Context(), config, data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		out := make([]float32, data.X.Rows)
		if err := m.Predict(data.X, out); err != nil {
			t.Fatal(err)
		}
		for _, p := range out {
			if p-p != 0 {
				t.Errorf("%s: a prediction is %v", name, p)
				break
			}
		}
		if _, err := Decode([]byte(written(t, m))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
