package lstm

import (
	"bytes"
	"testing"
)

func FuzzReadSafetensors(f *testing.F) {
	f.Add(readFile(f, "b_lstm32_30x5_d4.safetensors"))
	m, err := New(Shape{Steps: 2, Features: 1, Units: 1, Outputs: 1}, 1)
	if err != nil {
		f.Fatal(err)
	}
	trainer, err := NewTrainer(m, DefaultTrainConfig())
	if err != nil {
		f.Fatal(err)
	}
	var checkpoint bytes.Buffer
	if err := trainer.WriteCheckpoint(&checkpoint); err != nil {
		f.Fatal(err)
	}
	f.Add(checkpoint.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		if m, err := ReadSafetensors(data); err == nil {
			var file bytes.Buffer
			if err := m.WriteSafetensors(&file); err != nil {
				t.Fatal(err)
			}
			again, err := ReadSafetensors(file.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			same(t, m, again)
		}
		if trainer, err := ResumeTrainer(data); err == nil {
			var file bytes.Buffer
			if err := trainer.WriteCheckpoint(&file); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func FuzzReadKeras(f *testing.F) {
	f.Add(readFile(f, "lstm1_9x2_d1.keras"))
	f.Add(readFile(f, "lstm16_5x3_d2.keras"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if m, err := ReadKeras(data); err == nil {
			if err := m.Shape().Validate(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// FuzzHDF5 skips the archive and its checksums.
func FuzzHDF5(f *testing.F) {
	f.Add(parts(f, "lstm1_9x2_d1.keras")["model.weights.h5"])
	s := Shape{Steps: 9, Features: 2, Units: 1, Outputs: 1}
	f.Fuzz(func(t *testing.T, data []byte) {
		if w, err := decodeWeights(data, s); err == nil && len(w.Recurrent) != 4 {
			t.Fatalf("recurrent kernel of %d numbers", len(w.Recurrent))
		}
	})
}

func FuzzConfig(f *testing.F) {
	for _, name := range []string{"lstm1_9x2_d1.keras", "b_lstm32_30x5_d4.keras"} {
		f.Add(parts(f, name)["config.json"])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := decodeConfig(data); err == nil && s.Validate() != nil {
			t.Fatal(s.Validate())
		}
	})
}
