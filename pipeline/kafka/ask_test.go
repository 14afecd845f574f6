package kafka

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestAskNobody: a question that nobody answers says so, one that is being
// asked does not hold up Close for long, and a closed client refuses the next.
func TestAskNobody(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Brokers = []string{"127.0.0.1:1"}
	c, err := Open(cfg, discard)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := c.Describe(ctx); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("%v, want ErrNoAnswer", err)
	}
	asked := make(chan error, 1)
	go func() {
		_, err := c.Offsets(t.Context(), Ticks)
		asked <- err
	}()
	began := time.Now()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > requestTimeout/2 {
		t.Errorf("Close took %s", took)
	}
	if err := <-asked; !errors.Is(err, ErrClosed) {
		t.Errorf("asked while it closed: %v, want ErrClosed", err)
	}
	if _, err := c.Describe(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("asked after Close: %v, want ErrClosed", err)
	}
}
