package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/live"
	"tapedeck/pipeline/market"
)

// Forecaster makes predictions of the closed one-minute bars of all symbols:
// what a symbol's neighbours do is part of what it is told, so that there is
// one at work however many processes there are. Its methods are called from
// one goroutine.
type Forecaster interface {
	// Warm takes in what it needs of the time before the bars that follow.
	Warm(ctx context.Context) error
	// Bar takes a closed one-minute bar; some may come twice.
	Bar(b *market.Bar)
	// Predict makes the predictions that are due, now by the wall clock. What
	// is late it leaves out. It is called some twenty times a second and may
	// take its time: bars wait.
	Predict(ctx context.Context, now time.Time, emit func(*market.Prediction) error) error
	// Models are the state of every model, and what is to be said of it all.
	Models() (models []live.Model, level live.Level, text string)
}

// predicting runs the forecaster. Whoever holds the one partition of the feeds
// topic in its group does, as with the sources.
type predicting struct {
	*runner
	forecaster Forecaster
	status     *stageStatus

	cancel context.CancelFunc
	done   chan struct{}
	failed atomic.Pointer[error]

	mu   sync.Mutex
	bars []market.Bar // that have come and are not taken
	said bool         // whether the endpoint answers
	down bool         // it does not
	buf  []byte
}

// predictEvery is how often it is looked whether a minute is complete.
const predictEvery = 50 * time.Millisecond

func (p *predicting) Start(context.Context) (int64, error) {
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel, p.done = cancel, make(chan struct{})
	go func() {
		defer close(p.done)
		if err := p.run(ctx); err != nil && ctx.Err() == nil {
			p.failed.Store(&err)
		}
	}()
	return kafka.End, nil
}

func (p *predicting) Process(context.Context, []kafka.Record) error { return nil }

func (p *predicting) Idle(context.Context, int64) error {
	if err := p.failed.Swap(nil); err != nil {
		return *err
	}
	return nil
}

func (p *predicting) Stop(ctx context.Context) error {
	p.cancel()
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop predicting: %w", ctx.Err())
	}
}

// run follows the bars from where the log ends now; what is before them the
// forecaster finds by itself.
func (p *predicting) run(ctx context.Context) error {
	ends, err := p.ends(ctx, kafka.Bars)
	if err != nil {
		return err
	}
	p.status.working("reading what was before")
	if err := p.forecaster.Warm(ctx); err != nil {
		return fmt.Errorf("predict: take in what was before: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	followed := make(chan error, 1)
	go func() {
		var names market.Names
		followed <- p.log.Follow(ctx, []string{kafka.Bars}, func(_ string, partition int32, r kafka.Range) int64 {
			return max(r.Low, ends[partition])
		}, func(_ string, records []kafka.Record) error { return p.take(&names, records) })
	}()
	ticker := time.NewTicker(predictEvery)
	defer ticker.Stop()
	var bars []market.Bar
	for {
		select {
		case err := <-followed:
			return fmt.Errorf("predict: follow the bars: %w", err)
		case <-ctx.Done():
			<-followed
			return ctx.Err()
		case <-ticker.C:
		}
		p.mu.Lock()
		bars, p.bars = p.bars, bars[:0]
		p.mu.Unlock()
		for i := range bars {
			p.forecaster.Bar(&bars[i])
		}
		if err := p.forecaster.Predict(ctx, time.Now(), func(f *market.Prediction) error { return p.emit(ctx, f) }); err != nil {
			return err
		}
		models, level, text := p.forecaster.Models()
		p.status.models(models, level, text)
		if err := p.sayEndpoint(ctx, models); err != nil {
			return err
		}
	}
}

// take keeps the one-minute bars among the records.
func (p *predicting) take(names *market.Names, records []kafka.Record) error {
	var b market.Bar
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range records {
		if names.DecodeBar(records[i].Value, &b) == nil && b.Interval == market.Minute {
			p.bars = append(p.bars, b)
			p.status.in.Add(1)
		}
	}
	return nil
}

func (p *predicting) emit(ctx context.Context, f *market.Prediction) error {
	p.buf = append(p.buf[:0], market.EncodePrediction(f)...)
	if err := p.producer.ProduceContext(ctx, kafka.Predictions, -1, []byte(f.Symbol), p.buf); err != nil {
		return fmt.Errorf("write a prediction: %w", err)
	}
	p.status.out.Add(1)
	return nil
}

// endpointKey is the key of the record on the rules topic that says whether
// the champion's endpoint answers, so that rules may ask for it.
const endpointKey = "endpoint/champion"

// sayEndpoint writes a change of the champion's endpoint where rules see it.
func (p *predicting) sayEndpoint(ctx context.Context, models []live.Model) error {
	for i := range models {
		if !models[i].Champion || p.said && models[i].Down == p.down {
			continue
		}
		silent := !p.said && !models[i].Down // the first word, and all is well
		p.said, p.down = true, models[i].Down
		state := market.Endpoint{Up: !p.down, Since: market.At(time.Now()), Text: models[i].Text}
		if err := p.producer.ProduceContext(ctx, kafka.Rules, 0, []byte(endpointKey), market.EncodeEndpoint(&state)); err != nil {
			return fmt.Errorf("note the endpoint's state: %w", err)
		}
		if silent {
			continue
		}
		level, text := live.OK, models[i].Name+": the endpoint answers again"
		if p.down {
			level, text = live.Trouble, models[i].Name+": "+state.Text
		}
		p.status.notice(level, text)
		p.slog.Log(ctx, slog.LevelInfo, "endpoint", "model", models[i].Name, "up", state.Up, "says", state.Text)
	}
	return nil
}

// predictedEnds is how far the predictions topic goes, for the compute workers
// of this process.
type predictedEnds struct {
	mu   sync.Mutex
	ends []int64
}

// end is the offset after a partition's last prediction; -1 is not known yet.
func (e *predictedEnds) end(partition int32) int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	if int(partition) >= len(e.ends) {
		return -1
	}
	return e.ends[partition]
}

// follow looks twice a second, until ctx is done.
func (e *predictedEnds) follow(ctx context.Context, r *runner) {
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	for {
		if ends, err := r.ends(ctx, kafka.Predictions); err == nil {
			e.mu.Lock()
			e.ends = ends
			e.mu.Unlock()
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
