package xgboost

import (
	"context"
	"encoding/json"
	"math"
	"os"
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
	if _, err := os.Stat(filepath.Join(oracles, "train_ref.csv.gz")); err != nil {
		t.Skip("the library's training set is not there: ", err)
	}
	header, rows := readTable(t, filepath.Join(oracles, "train_ref.csv.gz"))
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
	if err := json.Unmarshal(readFile(t, filepath.Join(oracles, "train_ref.json.gz")), &file); err != nil {
		t.Fatal(err)
	}
	r.runs = file.Runs
	return r
}

func TestTrainReference(t *testing.T) {
	for _, c := range []struct{ run, objective, label, metric string }{
		{"reg_hist", "reg:squarederror", "y", "rmse"},
		{"bin_hist", "binary:logistic", "y_bin", "logloss"},
	} {
		ref := readReference(t, c.label)
		config := DefaultConfig()
		config.Objective, config.LearningRate = c.objective, 0.1
		config.Rounds = ref.runs[c.run].Rounds
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
		out := make([]float32, ref.test.X.Rows)
		if err := m.Predict(ref.test.X, out); err != nil {
			t.Fatal(err)
		}
		_, rows := readTable(t, filepath.Join(oracles, "train_ref."+c.run+".test_pred.csv.gz"))
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

// BenchmarkTrain is the oracle's run: 4,000 rows of 20 features, 100 rounds of
// depth 6, for which libxgboost takes 166 ms on two threads and 273 on one.
func BenchmarkTrain(b *testing.B) {
	ref := readReference(b, "y")
	config := DefaultConfig()
	config.LearningRate = 0.1
	for b.Loop() {
		if _, err := Train(b.Context(), config, ref.train); err != nil {
			b.Fatal(err)
		}
	}
}
