package ml

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"tapedeck/pipeline/market"
)

// The same data, configuration and seed give the same model, to the byte, and
// another seed another one.
func TestTrainingIsDeterministic(t *testing.T) {
	data := NewData(revert(1, 20, 200, 0.1, true))
	for _, kind := range []string{XGBoost, LSTM} {
		var archives [3][]byte
		for i := range archives {
			c := quick()
			if i == 2 {
				c.Seed = 2
			}
			c.Version = "v"
			m, err := Train(t.Context(), kind, data, c, nil)
			if err != nil {
				t.Fatal(err)
			}
			m.manifest.Training.Seconds = 0
			m.manifest.Seed = 0
			var b bytes.Buffer
			if err := m.WriteTarGz(&b); err != nil {
				t.Fatal(err)
			}
			archives[i] = b.Bytes()
		}
		if !bytes.Equal(archives[0], archives[1]) {
			t.Errorf("%s: the same seed gives another model", kind)
		}
		if bytes.Equal(archives[0], archives[2]) {
			t.Errorf("%s: another seed gives the same model", kind)
		}
	}
}

// A model is fitted to nothing later than it says, whatever comes after.
func TestTrainingSeesNoFuture(t *testing.T) {
	bars := revert(2, 20, 260, 0.1, true)
	until := opening.Add(200 * time.Minute)
	train := func(bars []market.Bar) []byte {
		c := quick()
		c.Version = "v"
		m, err := trainUntil(t.Context(), XGBoost, NewData(bars), until, c, nil)
		if err != nil {
			t.Fatal(err)
		}
		m.manifest.Training.Seconds = 0
		var b bytes.Buffer
		if err := m.WriteTarGz(&b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	want := train(bars)
	for i := range bars {
		if bars[i].Time >= until {
			bars[i].Close *= 1 + float64(i%7)/100
			bars[i].Volume *= 3
		}
	}
	if !bytes.Equal(train(bars), want) {
		t.Error("what came later changed the model")
	}
}

func TestTrainingEnds(t *testing.T) {
	data := NewData(revert(3, 20, 200, 0.1, true))
	for _, kind := range []string{XGBoost, LSTM} {
		ctx, cancel := context.WithCancel(t.Context())
		last := 0.0
		_, err := Train(ctx, kind, data, quick(), func(p Progress) {
			if p.Model != kind || p.Fraction < last || p.Fraction > 1 {
				t.Errorf("progress %+v after %g", p, last)
			}
			last = p.Fraction
			if p.Fraction > 0.3 {
				cancel()
			}
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", kind, err)
		}
		cancel()
	}
	if _, err := Train(t.Context(), XGBoost, NewData(revert(1, 20, 40, 0, true)), quick(), nil); !errors.Is(err, ErrData) {
		t.Errorf("too short a history: %v", err)
	}
	if _, err := Train(t.Context(), "oracle", data, quick(), nil); err == nil {
		t.Error("an unknown kind was trained")
	}
}

// What can be learned is learned, with an interval above zero, and where there
// is nothing to learn no skill is claimed. Intervals hold what they promise,
// when volatility doubles, too.
func TestWalkForward(t *testing.T) {
	for _, test := range []struct {
		name  string
		give  float64
		calm  bool
		skill bool
	}{{"reversal", 0.1, true, true}, {"random walk", 0, true, false}, {"another regime", 0.1, false, true}} {
		t.Run(test.name, func(t *testing.T) {
			data := NewData(revert(4, 60, 600, test.give, test.calm))
			e, err := Evaluate(t.Context(), XGBoost, data, quick(), Walk{Folds: 3, Embargo: DefaultEmbargo}, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range e.Scores {
				if got := s.Skilful(); got != test.skill {
					t.Errorf("%s: skilful is %v: %+v", words(s.Horizon), got, s.Skill)
				}
				if s.Coverage.Value < 0.78 || s.Coverage.Value > 0.82 {
					t.Errorf("%s: %.1f %% lie in the band of 80 %%", words(s.Horizon), 100*s.Coverage.Value)
				}
				if s.Drift.Value < s.Skill.Value-0.01 {
					t.Errorf("%s: drift is a better forecast than no change: %+v, %+v", words(s.Horizon), s.Drift, s.Skill)
				}
			}
			t.Log(e.Words())
			if symbols := len(e.Groups); symbols < 60*2 {
				t.Errorf("%d groups", symbols)
			}
		})
	}
}
