package xgboost

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// team is goroutines that share out small pieces of work, some ten thousand
// times a second. A sleeping thread takes longer to wake than many a piece
// takes, so a helper without work stays awake for a moment, and work that no
// helper has begun when the caller is through is taken back from it.
type team struct {
	helpers []*helper
	ended   sync.WaitGroup
}

// newTeam is one goroutine for each processor, the caller's among them; call
// close when it is no longer needed.
func newTeam() *team {
	t := &team{}
	for range runtime.GOMAXPROCS(0) - 1 {
		h := &helper{wake: make(chan struct{}, 1)}
		t.helpers = append(t.helpers, h)
		worker := len(t.helpers)
		t.ended.Go(func() { h.run(worker) })
	}
	return t
}

// close ends the helpers and waits for them.
func (t *team) close() {
	for _, h := range t.helpers {
		close(h.wake)
	}
	t.ended.Wait()
}

// workers is how many tasks run at a time.
func (t *team) workers() int { return len(t.helpers) + 1 }

// spread calls task(worker, i) for i from 0 to before n and waits. worker is
// below workers, and the calls of one worker do not overlap. Only one spread
// may run at a time.
func (t *team) spread(n int, task func(worker, i int)) {
	helpers := t.helpers[:min(len(t.helpers), max(0, n-1))]
	w := &work{task: task, n: int64(n), done: make(chan struct{}, 1)}
	w.helpers.Store(int64(len(helpers)))
	for _, h := range helpers {
		h.give(w)
	}
	w.do(0)
	for _, h := range helpers {
		if h.work.CompareAndSwap(w, nil) {
			w.helpers.Add(-1)
		}
	}
	if !awake(func() bool { return w.helpers.Load() == 0 }) {
		w.waiting.Store(true)
		if w.helpers.Load() > 0 {
			<-w.done
		}
	}
}

// work is the pieces of one spread.
type work struct {
	task    func(worker, i int)
	n       int64
	next    atomic.Int64
	helpers atomic.Int64 // that have yet to finish
	waiting atomic.Bool  // the caller sleeps until done
	done    chan struct{}
}

func (w *work) do(worker int) {
	for i := w.next.Add(1) - 1; i < w.n; i = w.next.Add(1) - 1 {
		w.task(worker, int(i))
	}
}

// helper is a goroutine of a team.
type helper struct {
	work   atomic.Pointer[work]
	asleep atomic.Bool
	wake   chan struct{} // closed at the end
}

func (h *helper) give(w *work) {
	h.work.Store(w)
	if h.asleep.Load() {
		select {
		case h.wake <- struct{}{}:
		default: // it is being woken already
		}
	}
}

func (h *helper) run(worker int) {
	for {
		if !awake(func() bool { return h.work.Load() != nil }) {
			h.asleep.Store(true)
			if h.work.Load() == nil {
				if _, open := <-h.wake; !open {
					return
				}
			}
			h.asleep.Store(false)
		}
		w := h.work.Swap(nil)
		if w == nil {
			continue
		}
		w.do(worker)
		if w.helpers.Add(-1) == 0 && w.waiting.Load() {
			w.done <- struct{}{}
		}
	}
}

// patience is how long a goroutine without work stays awake: longer than
// between two levels of a small tree, about what waking a thread takes.
const patience = 40 * time.Microsecond

// awake waits a moment for ready.
func awake(ready func() bool) bool {
	for begin := time.Now(); ; {
		for range 64 {
			if ready() {
				return true
			}
		}
		if time.Since(begin) > patience {
			return false
		}
	}
}
