package tui

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
	"github.com/hinshun/vt10x"

	"tapedeck/pipeline/live"
	"tapedeck/pipeline/market"
)

const (
	packet  = 1400 // bytes of payload, at most
	framing = 74   // bytes of TCP, IP and SSH around it
)

// shapedLine is a line of so many bits a second, which needs so long each way,
// with a terminal at its end that answers. What is written waits in the line's
// queue, which takes any amount: the writer is never told that it is full, as
// with the buffers of a real connection.
type shapedLine struct {
	rate float64       // bits a second
	way  time.Duration // one way
	mute bool          // the terminal answers nothing

	mu      sync.Mutex
	free    time.Time     // when all that was written is sent
	sent    int           // bytes, with framing
	backlog time.Duration // the longest that a frame took until it was sent
	down    chan piece
	up      chan piece
	screen  vt10x.Terminal
	drawn   func(now time.Time, screen string) // a frame
}

// piece of what is under way.
type piece struct {
	data []byte
	due  time.Time
	last bool // of a frame
}

func newShapedLine(rate float64, way time.Duration) *shapedLine {
	return &shapedLine{rate: rate, way: way}
}

// open makes the line ready, within the bubble it is used in.
func (l *shapedLine) open() {
	l.down, l.up, l.screen = make(chan piece, 1<<16), make(chan piece, 1<<10), vt10x.New(vt10x.WithSize(120, 40))
}

func (l *shapedLine) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := 0; i < len(p); i += packet {
		chunk := p[i:min(i+packet, len(p))]
		if now := time.Now(); l.free.Before(now) {
			l.free = now
		}
		l.free = l.free.Add(time.Duration(float64((len(chunk)+framing)*8) / l.rate * float64(time.Second)))
		l.sent += len(chunk) + framing
		l.down <- piece{slices.Clone(chunk), l.free.Add(l.way), i+packet >= len(p)}
	}
	l.backlog = max(l.backlog, time.Until(l.free))
	return len(p), nil
}

func (l *shapedLine) Read(p []byte) (int, error) {
	piece, ok := <-l.up
	if !ok {
		return 0, io.EOF
	}
	time.Sleep(time.Until(piece.due))
	return copy(p, piece.data), nil
}

// ready says that no torn sequence goes on: none is torn here.
func (l *shapedLine) ready(time.Duration) bool { return false }

// typed sends what was typed or answered.
func (l *shapedLine) typed(text string) { l.up <- piece{[]byte(text), time.Now().Add(l.way), true} }

// display is the terminal: it draws and answers until the line is hung up.
func (l *shapedLine) display() {
	var tail, text []byte
	for piece := range l.down {
		time.Sleep(time.Until(piece.due))
		// Bubble Tea takes what is no file for a terminal in its cooked mode.
		text = append(text, bytes.ReplaceAll(piece.data, []byte("\n"), []byte("\r\n"))...)
		whole := len(text)
		for i := 1; i < min(utf8.UTFMax, len(text)); i++ { // vt10x takes no part of a rune
			if at := len(text) - i; utf8.RuneStart(text[at]) {
				if !utf8.FullRune(text[at:]) {
					whole = at
				}
				break
			}
		}
		_, _ = l.screen.Write(text[:whole])
		text = slices.Clone(text[whole:])
		if piece.last {
			l.drawn(time.Now(), l.screen.String())
		}
		tail = append(tail, piece.data...)
		for !l.mute {
			_, rest, asked := bytes.Cut(tail, []byte(statusRequest))
			if !asked {
				break
			}
			l.typed("\x1b[0n")
			tail = rest
		}
		tail = tail[max(0, len(tail)-len(statusRequest)):]
	}
}

// lineReport is what came of a screen on a shaped line.
type lineReport struct {
	rate    int             // bytes a second on the line
	frames  float64         // a second
	delays  []time.Duration // of keys, sorted
	backlog time.Duration   // the longest that a frame took until it was sent, the first ones too
	dead    int             // keys that nothing came of
}

func (r lineReport) delay(share float64) time.Duration {
	return r.delays[min(int(share*float64(len(r.delays))), len(r.delays)-1)].Round(time.Millisecond)
}

// watchLine shows 1,000 symbols that tick once a second, each at its own
// moment, on 120×40 for a while, and types now and then. Virtual time: the
// computer's own work costs nothing, all delay is the line's and the pacing's.
func watchLine(t *testing.T, l *shapedLine, span time.Duration) (r lineReport) {
	const warm = 20 * time.Second
	d := newDemo(1000, time.Now())
	d.board = live.New(live.Config{})
	d.history()
	c := Config{Environ: []string{"TERM=xterm-256color"}, ColorMode: Color256, Background: Dark}.withDefaults()
	data := d.data()
	data.Calendar = func(string) *market.Calendar { return market.AlwaysOpen() }
	m := New(c, data)
	m.line = &terminal{now: time.Now, more: l.ready}
	frames := 0
	var mu sync.Mutex
	before, shown := "", make(chan time.Time, 1)
	selected := func(screen string) string { // the symbol whose details are shown
		lines := strings.SplitN(screen, "\n", 3)
		_, right, _ := strings.Cut(lines[1], "│ ")
		symbol, _, _ := strings.Cut(right, " ")
		return symbol
	}
	last := ""
	l.drawn = func(now time.Time, screen string) {
		mu.Lock()
		defer mu.Unlock()
		frames++
		last = screen
		if before != "" && selected(screen) != before {
			before = ""
			shown <- now
		}
	}
	p := tea.NewProgram(m, tea.WithInput(lineInput{l, m.line}), tea.WithOutput(lineOutput{l, m.line}), tea.WithEnvironment(c.Environ),
		tea.WithFPS(flushes), tea.WithWindowSize(120, 40), tea.WithoutSignals(), tea.WithColorProfile(3))
	m.line.answered = func() { go p.Send(lineFree{}) }
	over := make(chan struct{})
	var working sync.WaitGroup
	working.Go(l.display)
	working.Go(func() { // the market
		for {
			select {
			case <-over:
				return
			case <-time.After(20 * time.Millisecond):
				d.now = time.Now()
				d.some(20)
			}
		}
	})
	ended := make(chan error, 1)
	go func() { _, err := p.Run(); ended <- err }()
	time.Sleep(warm)
	start, random := time.Now(), rand.New(rand.NewPCG(7, 7))
	l.mu.Lock()
	sent := l.sent
	l.mu.Unlock()
	mu.Lock()
	first := frames
	mu.Unlock()
	for time.Since(start) < span {
		time.Sleep(2*time.Second + time.Duration(random.Int64N(int64(2*time.Second))))
		mu.Lock()
		before = selected(last)
		mu.Unlock()
		at := time.Now()
		l.typed("j")
		select {
		case now := <-shown:
			r.delays = append(r.delays, now.Sub(at))
		case <-time.After(30 * time.Second):
			r.dead++
		}
	}
	took := time.Since(start)
	l.mu.Lock()
	r.rate, r.backlog = int(float64(l.sent-sent)/took.Seconds()), l.backlog
	l.mu.Unlock()
	mu.Lock()
	r.frames = float64(frames-first) / took.Seconds()
	mu.Unlock()
	p.Kill()
	<-ended
	close(over)
	close(l.down)
	working.Wait()
	close(l.up)
	time.Sleep(time.Minute) // all that was begun ends
	slices.Sort(r.delays)
	return r
}

// some gives the next n symbols one tick each.
func (d *demo) some(n int) {
	all := d.names
	at := d.random.IntN(len(all) - n)
	prices := d.price
	d.names, d.price = all[at:at+n], prices[at:at+n]
	d.ticks()
	d.names, d.price = all, prices
}

// lineOutput and lineInput are the ends of the line with the pacing before them.
type lineOutput struct {
	l *shapedLine
	t *terminal
}

type lineInput struct {
	l *shapedLine
	t *terminal
}

func (o lineOutput) Write(p []byte) (int, error) { return o.t.write(o.l, p) }
func (i lineInput) Read(p []byte) (int, error)   { return i.t.read(i.l, p) }

// bubble runs fn in virtual time; what the runtime does once for signals is
// done outside of it.
func bubble(t *testing.T, fn func(t *testing.T)) {
	outside := make(chan os.Signal, 1)
	signal.Notify(outside, syscall.SIGWINCH)
	defer signal.Stop(outside)
	synctest.Test(t, fn)
}

// A key acts within a round trip, a flush of Bubble Tea (33 ms) and the time
// that the line needs for what the key changes and for the one frame before it.
func TestKeysActOnASlowLine(t *testing.T) {
	const trip = 300 * time.Millisecond
	for _, c := range []struct {
		name     string
		line     *shapedLine
		p50, p99 time.Duration
		share    float64 // of the line's rate that is used, at most
	}{
		{"a fast line", newShapedLine(100e6, time.Millisecond), 30 * time.Millisecond, 50 * time.Millisecond, 0.01},
		{"a fast line and a terminal that answers nothing", &shapedLine{rate: 100e6, way: time.Millisecond, mute: true}, 30 * time.Millisecond, 50 * time.Millisecond, 0.01},
		{"100 kbit per s and 300 ms", newShapedLine(100e3, trip/2), trip + 300*time.Millisecond, trip + 700*time.Millisecond, 0.3},
		{"20 kbit per s and 300 ms", newShapedLine(20e3, trip/2), trip + 1400*time.Millisecond, trip + 2700*time.Millisecond, 0.8},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c.line.open()
				r := watchLine(t, c.line, 2*time.Minute)
				if r.dead > 0 || len(r.delays) < 20 {
					t.Fatalf("%d keys did nothing, %d did", r.dead, len(r.delays))
				}
				t.Logf("%d bytes/s, %.1f frames/s, %d keys: p50 %v, p99 %v; a frame was sent within %v",
					r.rate, r.frames, len(r.delays), r.delay(0.5), r.delay(0.99), r.backlog.Round(time.Millisecond))
				if r.delay(0.5) > c.p50 || r.delay(0.99) > c.p99 {
					t.Errorf("keys act after %v, 99 of 100 within %v; want %v and %v", r.delay(0.5), r.delay(0.99), c.p50, c.p99)
				}
				if used := float64(r.rate*8) / c.line.rate; used > c.share {
					t.Errorf("%.0f %% of the line are used", 100*used)
				}
			})
		})
	}
}

// A line that is dead for a minute is not filled: afterwards keys act as before.
func TestDeadLineIsNotFilled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := newShapedLine(100e3, 150*time.Millisecond)
		l.open()
		go func() {
			time.Sleep(15 * time.Second)
			l.mu.Lock()
			defer l.mu.Unlock()
			l.free, l.sent = time.Now().Add(time.Minute), 0
		}()
		go func() {
			time.Sleep(74 * time.Second)
			l.mu.Lock()
			defer l.mu.Unlock()
			if l.sent > 40_000 {
				t.Errorf("%d bytes wait in a line that was dead for a minute, with what a dozen keys did", l.sent)
			}
		}()
		r := watchLine(t, l, 2*time.Minute)
		if r.dead > 2 || r.delay(0.5) > time.Second {
			t.Errorf("%d keys did nothing, the others acted after %v", r.dead, r.delay(0.5))
		}
	})
}
