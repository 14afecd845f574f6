package feed

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tapedeck/pipeline/market"
)

// enoughTicks is how much of an endless source the contract test looks at.
const enoughTicks = 2000

// runSourceContract checks that the sources which open gives keep the promises
// of Source. Each call of open gives a fresh source over the same data, set so
// that it does not wait for the wall clock where it can. A source that does
// not end by itself is stopped after ticks (enoughTicks if not given); it must
// bring at least that many.
func runSourceContract(t *testing.T, open func(t *testing.T) Source, ticks ...int) {
	enough := enoughTicks
	if len(ticks) > 0 {
		enough = ticks[0]
	}
	t.Run("brings valid ticks in order", func(t *testing.T) {
		sink := newContractSink(t, open(t))
		sink.enough = enough
		sink.run()
		if sink.ticks == 0 {
			t.Error("brought no tick")
		}
	})
	t.Run("ends when told", func(t *testing.T) {
		sink := newContractSink(t, open(t))
		sink.enough = min(5, enough)
		sink.run()
	})
	t.Run("does not begin when told before", func(t *testing.T) {
		sink := newContractSink(t, open(t))
		sink.cancel()
		if err := sink.run(); !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v, want context.Canceled", err)
		}
	})
	t.Run("ends while the log is stuck", func(t *testing.T) {
		sink := newContractSink(t, open(t))
		sink.stuckAt = min(3, enough)
		ended := make(chan error, 1)
		go func() { ended <- sink.run() }()
		sink.await(sink.stuck)
		sink.cancel()
		select {
		case err := <-ended:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("Run: %v, want context.Canceled", err)
			}
		case <-sink.timeout.Done():
			t.Fatal("Run does not end")
		}
	})
	t.Run("waits for the log and loses nothing", func(t *testing.T) {
		free := newContractSink(t, open(t))
		free.enough = enough
		free.run()
		slow := newContractSink(t, open(t))
		slow.enough, slow.slow = enough, true
		slow.run()
		if free.ended && slow.ended && free.ticks != slow.ticks {
			t.Errorf("%d ticks with a slow log, %d with a quick one", slow.ticks, free.ticks)
		}
	})
	t.Run("ends when the log fails", func(t *testing.T) {
		sink := newContractSink(t, open(t))
		sink.failAt = min(4, enough)
		if err := sink.run(); !errors.Is(err, errContract) {
			t.Errorf("Run: %v, want the sink's error", err)
		}
	})
}

var errContract = errors.New("the log failed")

// contractSink is a Sink that watches over the contract.
type contractSink struct {
	t      *testing.T
	source Source
	enough int  // cancel after so many ticks; 0 never
	failAt int  // the tick that fails
	slow   bool // yields at each tick
	// stuckAt is the tick that blocks until the test cancels; stuck is closed then.
	stuckAt int
	stuck   chan struct{}

	ctx     context.Context
	cancel  context.CancelFunc
	timeout context.Context

	inside   atomic.Int32 // calls of Tick, Clock and Flush at this moment
	returned atomic.Bool  // Run has returned
	ticks    int
	row      int64
	newest   map[string]market.Time
	clock    market.Clock
	failed   bool
	ended    bool // Run has returned nil

	mu   sync.Mutex
	said []Condition
}

func newContractSink(t *testing.T, s Source) *contractSink {
	timeout, stop := context.WithTimeout(context.Background(), 20*time.Second) // only ever reached by a failure
	t.Cleanup(stop)
	ctx, cancel := context.WithCancel(timeout)
	t.Cleanup(cancel)
	return &contractSink{t: t, source: s, ctx: ctx, cancel: cancel, timeout: timeout,
		stuck: make(chan struct{}), newest: make(map[string]market.Time)}
}

func (c *contractSink) await(done <-chan struct{}) {
	select {
	case <-done:
	case <-c.timeout.Done():
		c.t.Fatal("nothing comes")
	}
}

// run runs the source and checks how it ended.
func (c *contractSink) run() error {
	c.t.Helper()
	if name := c.source.Name(); name == "" {
		c.t.Error("the source has no name")
	}
	err := c.source.Run(c.ctx, c)
	c.returned.Store(true)
	switch {
	case c.timeout.Err() != nil:
		c.t.Errorf("the source brought %d ticks and then did not go on; it last said %q", c.ticks, c.lastSaid())
	case err == nil:
		c.ended = true
		if c.ctx.Err() == nil && !c.clock.End {
			c.t.Error("the source ended without a clock that says so")
		}
	case c.failed && errors.Is(err, errContract):
	case c.ctx.Err() != nil && errors.Is(err, c.ctx.Err()):
		if c.clock.End {
			c.t.Error("the source was told to stop and said that it had ended")
		}
	default:
		c.t.Errorf("Run: %v", err)
	}
	return err
}

func (c *contractSink) enter(what string) func() {
	if c.returned.Load() {
		c.t.Errorf("%s after Run has returned", what)
	}
	if c.inside.Add(1) != 1 {
		c.t.Errorf("%s while another call is under way", what)
	}
	if c.failed {
		c.t.Errorf("%s after the sink has failed", what)
	}
	if c.clock.End {
		c.t.Errorf("%s after the end", what)
	}
	return func() { c.inside.Add(-1) }
}

func (c *contractSink) Tick(tick *market.Tick, row int64) error {
	defer c.enter("Tick")()
	c.ticks++
	if err := tick.Validate(); err != nil {
		c.t.Errorf("tick %d: %v: %+v", c.ticks, err, *tick)
	}
	if tick.Source != c.source.Name() {
		c.t.Errorf("tick %d: source %q, want %q", c.ticks, tick.Source, c.source.Name())
	}
	if tick.Received == 0 {
		c.t.Errorf("tick %d: not known when it was received", c.ticks)
	}
	if tick.Time < c.newest[tick.Symbol] {
		c.t.Errorf("tick %d: %s at %s comes after one at %s", c.ticks, tick.Symbol, tick.Time, c.newest[tick.Symbol])
	}
	c.newest[tick.Symbol] = tick.Time
	if tick.Time < c.clock.Time {
		c.t.Errorf("tick %d: %s at %s is older than the clock, %s", c.ticks, tick.Symbol, tick.Time, c.clock.Time)
	}
	switch {
	case c.source.ID() == "" && row != 0:
		c.t.Errorf("tick %d: row %d of a source without ID", c.ticks, row)
	case c.source.ID() != "" && row <= c.row:
		c.t.Errorf("tick %d: row %d after row %d", c.ticks, row, c.row)
	}
	c.row = row
	if c.slow {
		runtime.Gosched()
	}
	switch c.ticks {
	case c.failAt:
		c.failed = true
		return fmt.Errorf("tick %d: %w", c.ticks, errContract)
	case c.stuckAt:
		close(c.stuck)
		<-c.ctx.Done()
		return c.ctx.Err()
	case c.enough:
		c.cancel()
	}
	return nil
}

func (c *contractSink) Clock(clock market.Clock) error {
	defer c.enter("Clock")()
	if clock.Source != c.source.Name() {
		c.t.Errorf("clock: source %q, want %q", clock.Source, c.source.Name())
	}
	if clock.Time < c.clock.Time || clock.Time <= 0 {
		c.t.Errorf("clock %s comes after %s", clock.Time, c.clock.Time)
	}
	if clock.End {
		for symbol, newest := range c.newest {
			if newest > clock.Time {
				c.t.Errorf("the end at %s is before a tick of %s at %s", clock.Time, symbol, newest)
			}
		}
	}
	c.clock = clock
	return nil
}

func (c *contractSink) Flush() error {
	if c.clock.End { // after the end nothing but this
		if c.returned.Load() {
			c.t.Error("Flush after Run has returned")
		}
		return nil
	}
	defer c.enter("Flush")()
	return nil
}

func (c *contractSink) Say(s Condition) {
	if s.Text == "" || s.Level > Trouble || s.Progress > 1 {
		c.t.Errorf("said %+v", s)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said = append(c.said, s)
}

func (c *contractSink) lastSaid() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.said) == 0 {
		return ""
	}
	return c.said[len(c.said)-1].Text
}
