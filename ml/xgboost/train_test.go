package xgboost

import (
	"context"
	"encoding/json"
	"math"
	"path/filepath"
	"strconv"
	"testing"
)

// reference is the library's training run of the oracle.
type reference struct {
	train, test Data
	runs        map[string]referenceRun
}

type referenceRun struct {
	Rounds int
	Evals  map[string]map[string][]float64 `json:"evals_per_round"`
}

func readReference(t testing.TB, label string) reference {
	t.Helper()
	header, rows := readTable(t, filepath.Join("testdata", "train_ref.csv.gz"))
	const features = 20
	at := map[string]int{}
	for i, h := range header {
		at[h] = i
	}
	var r reference
	for _, row := range rows {
		d := &r.train
		if row[at["split"]] == "test" {
			d = &r.test
		}
		for _, cell := range row[:features] {
			v := math.NaN()
			if cell != "" {
				v, _ = strconv.ParseFloat(cell, 32)
			}
			d.X.Values = append(d.X.Values, float32(v))
		}
		d.X.Rows++
		d.X.Cols = features
		y, err := strconv.ParseFloat(row[at[label]], 32)
		if err != nil {
			t.Fatal(err)
		}
		d.Labels = append(d.Labels, float32(y))
	}
	var file struct{ Runs map[string]referenceRun }
	if err := json.Unmarshal(readFile(t, filepath.Join("testdata", "train_ref.json.gz")), &file); err != nil {
		t.Fatal(err)
	}
	r.runs = file.Runs
	return r
}

func TestTrainEqualsTheLibraryOnItsReference(t *testing.T) {
	for _, c := range []struct {
		run, objective, label, metric string
		rounds                        int
	}{
		{"reg_hist", "reg:squarederror", "y", "rmse", 100},
		{"bin_hist", "binary:logistic", "y_bin", "logloss", 30},
	} {
		ref := readReference(t, c.label)
		config := DefaultConfig()
		config.Objective, config.LearningRate = c.objective, 0.1
		config.Rounds = c.rounds
		want := ref.runs[c.run].Evals
		var last Round
		config.Progress = func(r Round) {
			last = r
			for _, e := range []struct {
				set       string
				got, want float64
			}{
				{"train", r.Train, want["train"][c.metric][r.Number]},
				{"test", r.Validation, want["test"][c.metric][r.Number]},
			} {
				if math.Abs(e.got-e.want) > 1e-4*e.want {
					t.Errorf("%s: %s %s after round %d is %v, the library's %v", c.run, e.set, c.metric, r.Number, e.got, e.want)
				}
			}
		}
		ref.train.Validation = &ref.test
		m, err := Train(context.Background(), config, ref.train)
		if err != nil {
			t.Fatal(err)
		}
		if last.Number != config.Rounds-1 || m.Rounds() != config.Rounds {
			t.Errorf("%s: %d rounds, the last reported is %d", c.run, m.Rounds(), last.Number)
		}
		if c.rounds < ref.runs[c.run].Rounds {
			continue
		}
		out := make([]float32, ref.test.X.Rows)
		if err := m.Predict(ref.test.X, out); err != nil {
			t.Fatal(err)
		}
		_, rows := readTable(t, filepath.Join("testdata", "train_ref."+c.run+".test_pred.csv.gz"))
		same := 0
		for i, row := range rows {
			if p, _ := strconv.ParseFloat(row[1], 32); math.Abs(p-float64(out[i])) <= 1e-4*max(1, math.Abs(p)) {
				same++
			}
		}
		if same < len(rows)*99/100 {
			t.Errorf("%s: only %d of %d predictions are the library's", c.run, same, len(rows))
		}
	}
}

// libraryCase is a run of the real library, written by testdata/train_cases.py.
type libraryCase struct {
	Name                   string
	Rows, Features, Rounds int
	Params                 map[string]any
	X, Y, W, Margin        []string
}

func parseAll(t testing.TB, list []string) []float32 {
	t.Helper()
	var out []float32
	for _, s := range list {
		v, err := strconv.ParseFloat(s, 32)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, float32(v))
	}
	return out
}

// config takes the library's names of settings.
func (c *libraryCase) config(t testing.TB) Config {
	t.Helper()
	config := DefaultConfig()
	config.Rounds = c.Rounds
	for name, v := range c.Params {
		number, _ := v.(float64)
		switch name {
		case "objective":
			config.Objective = v.(string)
		case "eta":
			config.LearningRate = number
		case "max_depth":
			config.MaxDepth = int(number)
		case "max_bin":
			config.MaxBins = int(number)
		case "lambda":
			config.Lambda = number
		case "alpha":
			config.Alpha = number
		case "gamma":
			config.Gamma = number
		case "min_child_weight":
			config.MinChildWeight = number
		case "base_score":
			config.BaseScore = []float64{number}
		case "quantile_alpha":
			for _, q := range v.([]any) {
				config.Quantiles = append(config.Quantiles, q.(float64))
			}
		default:
			t.Fatalf("unknown setting %s", name)
		}
	}
	return config
}

func readLibraryCases(t testing.TB) []libraryCase {
	t.Helper()
	var file struct{ Cases []libraryCase }
	if err := json.Unmarshal(readFile(t, "testdata/train_cases.json.gz"), &file); err != nil {
		t.Fatal(err)
	}
	return file.Cases
}

func (c *libraryCase) data(t testing.TB) Data {
	t.Helper()
	return Data{X: Matrix{parseAll(t, c.X), c.Rows, c.Features}, Labels: parseAll(t, c.Y), Weights: parseAll(t, c.W)}
}

func TestTrainEqualsTheLibrary(t *testing.T) {
	for _, c := range readLibraryCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			data := c.data(t)
			m, err := Train(t.Context(), c.config(t), data)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]float32, c.Rows*m.Groups())
			if err := m.Margins(data.X, got); err != nil {
				t.Fatal(err)
			}
			differ, most := 0, 0.0
			for i, want := range parseAll(t, c.Margin) {
				d := math.Abs(float64(got[i] - want))
				most = max(most, d)
				if d > 1e-5*max(1, math.Abs(float64(want))) {
					differ++
				}
			}
			if differ > 0 {
				t.Errorf("%d of %d margins are not the library's, by at most %v", differ, len(got), most)
			}
		})
	}
}
