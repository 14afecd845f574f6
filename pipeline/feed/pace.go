package feed

import (
	"context"
	"fmt"
	"time"

	"tapedeck/pipeline/market"
)

// pace lets a recording's own time run: it waits until a tick is due and
// writes the source's clock, once each second of source time. The clocks are a
// function of the ticks' times alone, whatever the speed.
type pace struct {
	source string
	speed  float64 // source seconds a second; 0 never waits
	gap    time.Duration
	wall   func() time.Time

	out      Sink
	at       market.Time // the latest time so far; 0 before the first tick
	next     market.Time // the next whole second
	base     time.Time   // when the source's time was origin
	origin   market.Time
	woke     time.Time // wall time that is known to have passed
	flushed  time.Time
	reported time.Time
}

const (
	defaultGap  = time.Minute
	gapPause    = time.Second            // what is left of a skipped gap
	batchWait   = 10 * time.Millisecond  // shortest wait: ticks due within it go out together
	maxBehind   = 2 * time.Second        // a sink slower than this makes the source's time stand still
	flushEvery  = 100 * time.Millisecond // longest time that a tick waits for a flush, unless one takes longer
	reportEvery = time.Second
)

func newPace(source string, speed float64, gap time.Duration, now func() time.Time) (pace, error) {
	if !(speed >= 0) || speed > 1e6 {
		return pace{}, fmt.Errorf("replay: speed %g is not a number from 0 (as fast as possible) to 1,000,000", speed)
	}
	if source == "" {
		source = "replay"
	}
	if gap <= 0 {
		gap = defaultGap
	}
	if now == nil {
		now = time.Now
	}
	return pace{source: source, speed: speed, gap: gap, wall: now}, nil
}

func (p *pace) begin(out Sink) {
	p.out, p.reported = out, p.wall()
}

// until waits until a tick of time t is due and writes the clocks up to there;
// hurry does not wait. It says whether it has slept.
func (p *pace) until(ctx context.Context, t market.Time, hurry bool) (slept bool, err error) {
	switch {
	case p.at == 0:
		p.rebase(t)
		p.next = t.Truncate(time.Second)
	case t <= p.at: // late, or of the same instant
		return false, nil
	case t.Sub(p.at) > p.gap:
		if slept, err = p.skip(ctx, t, hurry); err != nil {
			return slept, err
		}
		p.rebase(t)
		p.next = t.Truncate(time.Second)
	}
	for p.next <= t {
		s, err := p.wait(ctx, p.next, hurry)
		if err != nil {
			return slept, err
		}
		slept = slept || s
		p.at = max(p.at, p.next)
		if err := p.out.Clock(market.Clock{Time: p.next, Source: p.source}); err != nil {
			return slept, err
		}
		p.next = p.next.Add(time.Second)
	}
	s, err := p.wait(ctx, t, hurry)
	p.at = t
	return slept || s, err
}

// rebase makes now the moment at which the source's time is t.
func (p *pace) rebase(t market.Time) {
	p.at, p.origin = t, t
	p.base = p.wall()
	p.woke = p.base
}

// skip leaves out a time in which the source was silent.
func (p *pace) skip(ctx context.Context, t market.Time, hurry bool) (bool, error) {
	if p.speed == 0 || hurry {
		return false, nil
	}
	if err := p.out.Flush(); err != nil {
		return false, err
	}
	p.out.Say(Condition{Level: Busy, Progress: -1, Text: fmt.Sprintf("nothing was recorded from %s to %s (%s); going on there",
		clockText(p.at), clockText(t), t.Sub(p.at).Round(time.Second)), Until: market.At(p.wall().Add(gapPause))})
	return true, sleep(ctx, gapPause)
}

// wait waits until the source's time t is due.
func (p *pace) wait(ctx context.Context, t market.Time, hurry bool) (bool, error) {
	if p.speed == 0 {
		return false, nil
	}
	if hurry {
		p.origin, p.base, p.woke = t, p.wall(), p.wall()
		return false, nil
	}
	due := p.base.Add(time.Duration(float64(t.Sub(p.origin)) / p.speed))
	if !due.After(p.woke) {
		return false, nil
	}
	now := p.wall()
	p.woke = now
	if !due.After(now) {
		if behind := now.Sub(due); behind > maxBehind {
			p.base = p.base.Add(behind)
		}
		return false, nil
	}
	pause := max(due.Sub(now), batchWait)
	if pause >= flushEvery || now.Sub(p.flushed) >= flushEvery {
		if err := p.out.Flush(); err != nil {
			return false, err
		}
		p.flushed = now
	}
	err := sleep(ctx, pause)
	p.woke = p.wall()
	return true, err
}

// report says how far the source has come, once a second.
func (p *pace) report(condition func() Condition) {
	if now := p.wall(); now.Sub(p.reported) >= reportEvery {
		p.reported = now
		p.out.Say(condition())
	}
}

// end writes the last clock.
func (p *pace) end() error {
	if err := p.out.Clock(market.Clock{Time: p.at, Source: p.source, End: true}); err != nil {
		return err
	}
	return p.out.Flush()
}

func (p *pace) speedText() string {
	if p.speed == 0 {
		return "as fast as possible"
	}
	return fmt.Sprintf("at %g×", p.speed)
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// clockText writes an instant for people.
func clockText(t market.Time) string {
	return t.Std().Format("2006-01-02 15:04:05 UTC")
}
