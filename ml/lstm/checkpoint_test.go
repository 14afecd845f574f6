package lstm

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"testing"
)

// TestResumedTrainingIsTheSame trains once in one go and once with a stop and a
// checkpoint in the middle of an epoch and another number of processors.
func TestResumedTrainingIsTheSame(t *testing.T) {
	s := Shape{Steps: 5, Features: 3, Units: 20, Outputs: 2, Dropout: 0.3}
	m, err := New(s, 1)
	if err != nil {
		t.Fatal(err)
	}
	c := DefaultTrainConfig()
	c.Epochs, c.BatchSize, c.Seed = 4, 100, 7
	training, validation := data(t, s, 330, 1), data(t, s, 50, 2)
	whole, err := train(t, m, c, t.Context(), training, validation, nil)
	if err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	part, err := train(t, m, c, ctx, training, validation, func(p Progress) {
		if p.Epoch == 2 && p.Batch == 3 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want that of the context", err)
	}
	var file bytes.Buffer
	if err := part.WriteCheckpoint(&file); err != nil {
		t.Fatal(err)
	}
	rest, err := ResumeTrainer(file.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if err := rest.Run(t.Context(), training, validation, nil); err != nil {
		t.Fatal(err)
	}
	same(t, whole.Model(), rest.Model())
	same(t, whole.model, rest.model)
	for i, e := range whole.History() {
		if rest.History()[i] != e {
			t.Errorf("epoch %d: %+v, want %+v", i+1, rest.History()[i], e)
		}
	}
	if err := rest.Run(t.Context(), data(t, s, 329, 1), nil, nil); err == nil {
		t.Error("went on with other data")
	}
}

func TestCheckpointOfNothingYet(t *testing.T) {
	m, err := New(Shape{Steps: 2, Features: 1, Units: 4, Outputs: 1}, 1)
	if err != nil {
		t.Fatal(err)
	}
	trainer, err := NewTrainer(m, DefaultTrainConfig())
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := trainer.WriteCheckpoint(&file); err != nil {
		t.Fatal(err)
	}
	got, err := ResumeTrainer(file.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	same(t, m, got.Model())
	if _, err := ReadSafetensors(file.Bytes()); err == nil {
		t.Error("a checkpoint was read as a model")
	}
	var model bytes.Buffer
	if err := m.WriteSafetensors(&model); err != nil {
		t.Fatal(err)
	}
	if _, err := ResumeTrainer(model.Bytes()); err == nil {
		t.Error("a model was read as a checkpoint")
	}
}
