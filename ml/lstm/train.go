package lstm

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// TrainConfig is how a network is trained.
type TrainConfig struct {
	Epochs       int     // most passes over the training data
	BatchSize    int     // samples per step of the optimiser
	LearningRate float64 // Adam's
	Huber        float64 // delta of Huber's loss, in units of the target; 0: mean squared error
	ClipNorm     float64 // longest gradient over all weights; 0: any
	Patience     int     // epochs without a better validation loss before training stops; 0: never
	MinDelta     float64 // how much lower a loss must be to be better
	Seed         uint64  // of the order of samples and of dropout
}

// DefaultTrainConfig is Keras's own rate and batches for large data.
func DefaultTrainConfig() TrainConfig {
	return TrainConfig{Epochs: 50, BatchSize: 256, LearningRate: 1e-3, ClipNorm: 1, Patience: 5}
}

// Validate tells what is wrong with the configuration.
func (c *TrainConfig) Validate() error {
	switch {
	case c.Epochs < 1:
		return fmt.Errorf("lstm: epochs is %d, want at least 1", c.Epochs)
	case c.BatchSize < 1 || c.BatchSize > 1<<16:
		return fmt.Errorf("lstm: batch size is %d, want 1 to %d", c.BatchSize, 1<<16)
	case !(c.LearningRate > 0 && c.LearningRate < 10):
		return fmt.Errorf("lstm: learning rate is %v, want more than 0 and less than 10", c.LearningRate)
	case !(c.Huber >= 0) || math.IsInf(c.Huber, 0):
		return fmt.Errorf("lstm: huber is %v, want 0 or a width", c.Huber)
	case !(c.ClipNorm >= 0) || math.IsInf(c.ClipNorm, 0):
		return fmt.Errorf("lstm: clip norm is %v, want 0 or a length", c.ClipNorm)
	case c.Patience < 0:
		return fmt.Errorf("lstm: patience is %d, want at least 0", c.Patience)
	case !(c.MinDelta >= 0) || math.IsInf(c.MinDelta, 0):
		return fmt.Errorf("lstm: min delta is %v, want at least 0", c.MinDelta)
	}
	return nil
}

// Epoch is one pass over the training data, as a learning curve shows it.
type Epoch struct {
	Loss           float64 `json:"loss"`            // mean over the training samples, with dropout, while the weights moved
	ValidationLoss float64 `json:"validation_loss"` // mean over the validation samples after it; Loss where there are none
}

// Progress is where training stands after a batch.
type Progress struct {
	Epoch, Epochs  int     // this one, from 1; the most there will be
	Batch, Batches int     // this one, from 1; of the epoch
	Loss           float64 // mean over the epoch so far
	Finished       *Epoch  // set with the epoch's last batch
	BestEpoch      int     // epoch with the lowest validation loss; 0: none is finished
	Best           float64 // that loss
}

// state is how far training has come, apart from the weights.
type state struct {
	Config  TrainConfig `json:"config"`
	Samples int         `json:"samples"` // of the training data; 0: not begun
	Epoch   int         `json:"epoch"`   // finished ones
	Batch   int         `json:"batch"`   // done in this epoch
	Step    int         `json:"step"`    // of the optimiser
	Loss    float64     `json:"loss"`    // sum over this epoch's samples
	Best    int         `json:"best"`    // best epoch, from 1; 0: none
	Stopped bool        `json:"stopped"` // early
	History []Epoch     `json:"history"`
}

// Trainer trains a network with Adam, by backpropagation through all steps.
// It is for one goroutine; Run itself uses as many as GOMAXPROCS.
type Trainer struct {
	state
	model    *Model // moves
	best     *Model
	panels   adam
	dense    adam
	back     []float32 // recurrent weights for the way back
	passes   []*pass
	gradient []*gradient // of the chunks of a batch
}

// NewTrainer starts from a copy of the network m.
func NewTrainer(m *Model, c TrainConfig) (*Trainer, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if m.shape.Steps == 0 {
		return nil, errors.New("lstm: train: the network has no number of steps; make it with one")
	}
	t := &Trainer{state: state{Config: c}, model: m.clone()}
	t.best = t.model.clone()
	t.panels, t.dense = newAdam(len(m.panels)), newAdam(len(m.dense))
	return t, nil
}

// Model is a copy of the network of the best epoch so far, or of the network
// as it stands when no epoch is finished.
func (t *Trainer) Model() *Model {
	if t.Best == 0 {
		return t.model.clone()
	}
	return t.best.clone()
}

// History is the learning curve: the finished epochs.
func (t *Trainer) History() []Epoch { return slices.Clone(t.state.History) }

// Run trains until the last epoch, until Patience is at its end, or until ctx
// is done: then it returns the context's error after the batch in hand and may
// be called again, or a checkpoint written. A nil validation set leaves the
// training loss to judge by. Progress, if not nil, is called after every batch.
func (t *Trainer) Run(ctx context.Context, training, validation Dataset, progress func(Progress)) error {
	n := training.Len()
	if n == 0 {
		return errors.New("lstm: train: there are no samples")
	}
	if t.Samples != 0 && t.Samples != n {
		return fmt.Errorf("lstm: train: began with %d samples, cannot go on with %d", t.Samples, n)
	}
	t.Samples = n
	t.prepare()
	batches := (n + t.Config.BatchSize - 1) / t.Config.BatchSize
	for t.Epoch < t.Config.Epochs && !t.Stopped {
		order := rand.New(rand.NewPCG(t.Config.Seed, uint64(t.Epoch))).Perm(n)
		for t.Batch < batches {
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("lstm: train, epoch %d: %w", t.Epoch+1, err)
			}
			first := t.Batch * t.Config.BatchSize
			if err := t.batch(training, order[first:min(first+t.Config.BatchSize, n)]); err != nil {
				return err
			}
			t.Batch++
			p := Progress{
				Epoch: t.Epoch + 1, Epochs: t.Config.Epochs, Batch: t.Batch, Batches: batches,
				Loss: t.Loss / float64(min(first+t.Config.BatchSize, n)),
			}
			if t.Batch == batches {
				e, err := t.finish(validation)
				if err != nil {
					return err
				}
				p.Finished = &e
			}
			if t.Best > 0 {
				p.BestEpoch, p.Best = t.Best, t.state.History[t.Best-1].ValidationLoss
			}
			if progress != nil {
				progress(p)
			}
			if p.Finished != nil {
				break
			}
		}
	}
	return nil
}

// prepare makes the working memory.
func (t *Trainer) prepare() {
	if t.passes != nil {
		return
	}
	s := t.model.shape
	chunks := (t.Config.BatchSize + chunkRows - 1) / chunkRows
	for range min(runtime.GOMAXPROCS(0), chunks) {
		t.passes = append(t.passes, newPass(s, t.model.kernel))
	}
	for range chunks {
		t.gradient = append(t.gradient, newGradient(s))
	}
	t.back = make([]float32, transposeSize(s))
}

// batch is one step of the optimiser.
func (t *Trainer) batch(data Dataset, samples []int) error {
	s := t.model.shape
	chunks := (len(samples) + chunkRows - 1) / chunkRows
	rows := (len(samples) + chunks - 1) / chunks
	transpose(t.back, t.model.panels, s)
	var next atomic.Int64
	work := func(p *pass) {
		for {
			i := int(next.Add(1)) - 1
			if i*rows >= len(samples) {
				return
			}
			p.run(t.gradient[i], t.model, t.back, chunk{
				data: data, samples: samples[i*rows : min((i+1)*rows, len(samples))], batch: len(samples),
				seed: [2]uint64{t.Config.Seed, uint64(t.Step)<<32 + uint64(i*rows)}, config: &t.Config,
			})
		}
	}
	var group sync.WaitGroup
	for _, p := range t.passes[1:] {
		group.Go(func() { work(p) })
	}
	work(t.passes[0])
	group.Wait()

	sum := t.gradient[0]
	for i := 1; i*rows < len(samples); i++ {
		sum.add(t.gradient[i])
	}
	norm := sum.norm()
	if math.IsNaN(norm+sum.loss) || math.IsInf(norm+sum.loss, 0) {
		return fmt.Errorf("lstm: train, epoch %d: the loss is no longer finite; check the samples for NaN or lower the learning rate", t.Epoch+1)
	}
	t.Loss += sum.loss / float64(s.Outputs)
	t.Step++
	scale := float32(1)
	if c := t.Config.ClipNorm; c > 0 && norm > c {
		scale = float32(c / norm)
	}
	rate := adamRate(t.Config.LearningRate, t.Step)
	from, to := roundUp(s.inner(), tileRows)*panelWidth, s.inner()*panelWidth
	for p := range s.paddedUnits() / panelUnits {
		t.panels.update(t.model.panels[p*to:][:to], sum.panels[p*from:], p*to, rate, scale)
	}
	t.dense.update(t.model.dense, sum.dense, 0, rate, scale)
	return nil
}

// finish closes an epoch: validation, the best weights, early stopping.
func (t *Trainer) finish(validation Dataset) (Epoch, error) {
	e := Epoch{Loss: t.Loss / float64(t.Samples)}
	e.ValidationLoss = e.Loss
	if validation != nil && validation.Len() > 0 {
		loss, err := t.model.loss(&t.Config, validation)
		if err != nil {
			return e, err
		}
		e.ValidationLoss = loss
	}
	t.state.History = append(t.state.History, e)
	t.Epoch, t.Batch, t.Loss = t.Epoch+1, 0, 0
	if t.Best == 0 || e.ValidationLoss < t.state.History[t.Best-1].ValidationLoss-t.Config.MinDelta {
		t.Best, t.best = t.Epoch, t.model.clone()
	}
	t.Stopped = t.Config.Patience > 0 && t.Epoch-t.Best >= t.Config.Patience
	return e, nil
}

// loss is the network's mean loss over a dataset, without dropout.
func (m *Model) loss(c *TrainConfig, data Dataset) (float64, error) {
	s := m.shape
	const block = 512
	windows := make([]float32, block*s.Steps*s.Features)
	targets, outputs := make([]float32, block*s.Outputs), make([]float32, block*s.Outputs)
	sum := 0.0
	for first := 0; first < data.Len(); first += block {
		n := min(block, data.Len()-first)
		for i := range n {
			data.Sample(first+i, windows[i*s.Steps*s.Features:][:s.Steps*s.Features], targets[i*s.Outputs:][:s.Outputs])
		}
		if err := m.Predict(outputs[:n*s.Outputs], windows[:n*s.Steps*s.Features], n); err != nil {
			return 0, err
		}
		for i, y := range outputs[:n*s.Outputs] {
			loss, _ := c.loss(y, targets[i])
			sum += loss
		}
	}
	if math.IsNaN(sum) || math.IsInf(sum, 0) {
		return 0, errors.New("lstm: the validation loss is not finite; check the samples for NaN")
	}
	return sum / float64(data.Len()*s.Outputs), nil
}

func (m *Model) clone() *Model {
	c := *m
	c.panels, c.dense = slices.Clone(m.panels), slices.Clone(m.dense)
	return &c
}

func (g *gradient) add(other *gradient) {
	for i, v := range other.panels {
		g.panels[i] += v
	}
	for i, v := range other.dense {
		g.dense[i] += v
	}
	g.loss += other.loss
}

// norm is the length of the gradient. The rows that only fill the last tile
// are products with zeros.
func (g *gradient) norm() float64 {
	sum := 0.0
	for _, v := range g.panels {
		sum += float64(v) * float64(v)
	}
	for _, v := range g.dense {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum)
}
