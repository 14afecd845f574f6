package main

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"tapedeck/ml"
	"tapedeck/pipeline/live"
)

// firstTraining trains the first models of a data directory in a process of its
// own, as soon as there is history to learn from: the forest, which takes
// seconds, then the network. It returns when models are there or ctx is done.
func (h *held) firstTraining(ctx context.Context, behind *backlog, args []string, logger *slog.Logger) {
	sleep := func(d time.Duration) bool {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(d):
			return true
		}
	}
	for !behind.worked() { // what was laid down is not computed yet
		if !sleep(time.Second) {
			return
		}
	}
	for wait := 15 * time.Second; ; wait = min(2*wait, 5*time.Minute) {
		if use, err := h.place.models().inUse(); err != nil || len(use.Versions) > 0 {
			return
		}
		done, err := h.place.train(ctx, args, ml.XGBoost, ml.LSTM)
		if err == nil {
			err = done()
		}
		if err == nil || ctx.Err() != nil {
			return
		}
		logger.Info("the first training is tried again", "error", err)
		if !sleep(wait) {
			return
		}
	}
}

// backlog is how long the compute stage has had next to nothing to catch up with.
type backlog struct {
	quiet     atomic.Int64
	elsewhere bool // the stage runs in another process, and is not waited for
}

const (
	backlogRecords = 20_000 // less is what is under way
	backlogSeconds = 4      // of less in a row
)

// watch takes the status of a stage, once a second.
func (b *backlog) watch(s live.Status) {
	switch {
	case s.Stage != "compute":
	case s.Total > 0 && s.Lag < backlogRecords:
		b.quiet.Add(1)
	default:
		b.quiet.Store(0)
	}
}

func (b *backlog) worked() bool { return b.elsewhere || b.quiet.Load() >= backlogSeconds }
