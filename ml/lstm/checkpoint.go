package lstm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
)

// A checkpoint is a safetensors file: the weights as they move, those of the
// best epoch behind "best/", Adam's two averages behind "adam/mean/" and
// "adam/square/", and the rest of the trainer's state as JSON in the metadata.
const (
	prefixBest   = "best/"
	prefixMean   = "adam/mean/"
	prefixSquare = "adam/square/"
	stateKey     = "training"
)

// WriteCheckpoint writes all that ResumeTrainer needs to go on as if training
// had never stopped. Not while Run runs.
func (t *Trainer) WriteCheckpoint(w io.Writer) error {
	text, err := json.Marshal(&t.state)
	if err != nil {
		return fmt.Errorf("lstm: write checkpoint: %w", err)
	}
	metadata := t.model.metadata()
	metadata[stateKey] = string(text)
	tensors := t.model.tensors("")
	tensors = append(tensors, t.best.tensors(prefixBest)...)
	tensors = append(tensors, t.averages(func(a adam) []float32 { return a.mean }).tensors(prefixMean)...)
	tensors = append(tensors, t.averages(func(a adam) []float32 { return a.square }).tensors(prefixSquare)...)
	if err := encodeTensors(w, tensors, metadata); err != nil {
		return fmt.Errorf("lstm: write checkpoint: %w", err)
	}
	return nil
}

// averages are one of Adam's memories in the form of a network.
func (t *Trainer) averages(which func(adam) []float32) *Model {
	return &Model{shape: t.model.shape, panels: which(t.panels), dense: which(t.dense)}
}

// ResumeTrainer reads what WriteCheckpoint wrote. Run must be given the same
// data again.
func ResumeTrainer(data []byte) (*Trainer, error) {
	t, err := decodeCheckpoint(data)
	if err != nil {
		return nil, fmt.Errorf("lstm: read checkpoint: %w", err)
	}
	return t, nil
}

func decodeCheckpoint(data []byte) (*Trainer, error) {
	tensors, metadata, err := decodeTensors(data)
	if err != nil {
		return nil, err
	}
	text, ok := metadata[stateKey]
	if !ok {
		return nil, errors.New("there is no training state in the file: it is a model, not a checkpoint")
	}
	var s state
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return nil, fmt.Errorf("training state: %w", err)
	}
	if err := s.validate(); err != nil {
		return nil, fmt.Errorf("training state: %w", err)
	}
	models := make(map[string]*Model)
	for _, prefix := range []string{"", prefixBest, prefixMean, prefixSquare} {
		if models[prefix], err = fromTensors(tensors, metadata, prefix); err != nil {
			return nil, err
		}
		if models[prefix].shape != models[""].shape {
			return nil, fmt.Errorf("tensors behind %q belong to another network", prefix)
		}
	}
	for _, values := range [][]float32{models[prefixSquare].panels, models[prefixSquare].dense} {
		for _, v := range values {
			if v < 0 {
				return nil, errors.New("a mean square is negative")
			}
		}
	}
	t, err := NewTrainer(models[""], s.Config)
	if err != nil {
		return nil, err
	}
	t.state, t.best = s, models[prefixBest]
	t.panels = adam{models[prefixMean].panels, models[prefixSquare].panels}
	t.dense = adam{models[prefixMean].dense, models[prefixSquare].dense}
	return t, nil
}

// validate finds contradictions in a state that was read.
func (s *state) validate() error {
	if err := s.Config.Validate(); err != nil {
		return err
	}
	batches := 0
	if s.Samples > 0 {
		batches = (s.Samples + s.Config.BatchSize - 1) / s.Config.BatchSize
	}
	const most = math.MaxInt32
	switch {
	case s.Samples < 0, s.Samples > most, s.Epoch < 0, s.Epoch > most, s.Batch < 0, s.Batch > max(0, batches-1),
		s.Step != s.Epoch*batches+s.Batch, s.Epoch != len(s.History), s.Best < 0, s.Best > s.Epoch,
		(s.Best == 0) != (s.Epoch == 0):
		return fmt.Errorf("epoch %d, batch %d, step %d, best epoch %d, %d samples and %d finished epochs contradict each other",
			s.Epoch, s.Batch, s.Step, s.Best, s.Samples, len(s.History))
	}
	return nil
}
