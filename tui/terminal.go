package tui

import (
	"bytes"
	"io"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// terminal stands between Bubble Tea and the terminal. Writing, it asks for a
// sign of life after each frame, so that no second frame is sent into a line
// that has not taken the first. Reading, it takes the answer out again and
// rejoins escape sequences that were torn on the way.
type terminal struct {
	in  *os.File
	out *os.File

	waiting  atomic.Int64 // when the unanswered question was asked, in ns; 0 is none
	trip     atomic.Int64 // smoothed round trip in ns; 0 before the first answer
	silent   atomic.Int32 // questions in a row that nobody answered
	hushed   atomic.Bool
	written  atomic.Int64 // bytes
	now      func() time.Time
	answered func() // an answer has come
	more     func(time.Duration) bool
}

const (
	statusRequest = "\x1b[5n"
	leaveScreen   = "\x1b[?1049l"

	tearing      = 200 * time.Millisecond // longest gap within a torn sequence
	answerLost   = 3 * time.Second        // after which an answer is not waited for any more
	silentAtMost = 3                      // unanswered questions, after which none is asked

	// escapeKey is the escape key in a form that cannot be the beginning of
	// something else (kitty's keyboard protocol).
	escapeKey = "\x1b[27u"
)

func newTerminal(in, out *os.File) *terminal {
	t := &terminal{in: in, out: out, now: time.Now, answered: func() {}}
	t.more = func(d time.Duration) bool {
		fds := []unix.PollFd{{Fd: int32(in.Fd()), Events: unix.POLLIN}}
		for {
			n, err := unix.Poll(fds, int(d.Milliseconds()))
			if err == unix.EINTR {
				continue
			}
			return err == nil && n > 0
		}
	}
	return t
}

// output and input are files, as Bubble Tea wants them of a terminal.
type (
	output struct {
		*os.File
		t *terminal
	}
	input struct {
		*os.File
		t *terminal
	}
)

func (o output) Write(p []byte) (int, error) { return o.t.write(o.File, p) }

func (o output) WriteString(s string) (int, error) { return o.t.write(o.File, []byte(s)) }

// ReadFrom hides the file's own, which would go past Write.
func (o output) ReadFrom(r io.Reader) (int64, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return 0, err
	}
	n, err := o.Write(data)
	return int64(n), err
}

func (i input) Read(p []byte) (int, error) { return i.t.read(i.File, p) }

// write sends a frame and asks for an answer, unless one is awaited.
func (t *terminal) write(w io.Writer, p []byte) (int, error) {
	ask := !t.hushed.Load() && t.silent.Load() < silentAtMost && t.waiting.Load() == 0 && !bytes.Contains(p, []byte(leaveScreen))
	if ask {
		t.waiting.Store(t.now().UnixNano())
		p = append(p[:len(p):len(p)], statusRequest...)
	}
	n, err := w.Write(p)
	t.written.Add(int64(n))
	if ask {
		n -= len(statusRequest)
	}
	return max(n, 0), err
}

// busy says whether the line has not taken the last frame yet.
func (t *terminal) busy() bool {
	since := t.waiting.Load()
	if since == 0 {
		return false
	}
	patience := answerLost
	if t.trip.Load() == 0 {
		patience /= 10 // a terminal that has never answered may never do
	}
	if t.now().Sub(time.Unix(0, since)) < patience {
		return true
	}
	t.waiting.Store(0)
	t.silent.Add(1)
	return false
}

func (t *terminal) roundTrip() time.Duration { return time.Duration(t.trip.Load()) }

// hush asks no more.
func (t *terminal) hush() { t.hushed.Store(true) }

func (t *terminal) answer() {
	t.silent.Store(0)
	if since := t.waiting.Swap(0); since != 0 {
		trip := max(t.now().Sub(time.Unix(0, since)), time.Microsecond)
		if old := t.trip.Load(); old != 0 {
			trip = (time.Duration(old)*3 + trip) / 4
		}
		t.trip.Store(int64(trip))
	}
	t.answered()
}

// read gives what was typed. It waits a little where the text ends within an
// escape sequence, since Bubble Tea takes what follows 50 ms later for keys of
// its own: esc, [, A. A lone escape key is the price: it acts after the wait.
func (t *terminal) read(r io.Reader, p []byte) (int, error) {
	n, err := r.Read(p)
	for err == nil && n > 0 && n+len(escapeKey) < len(p) && torn(p[:n]) {
		lone := p[n-1] == 0x1b
		if !t.more(tearing) {
			if lone {
				n = n - 1 + copy(p[n-1:], escapeKey)
			}
			break
		}
		var k int
		k, err = r.Read(p[n:])
		if lone && k > 0 && p[n] != '[' && p[n] != 'O' && n+k+len(escapeKey) < len(p) {
			// Escape, then another key: not alt with that key.
			copy(p[n-1+len(escapeKey):], p[n:n+k])
			copy(p[n-1:], escapeKey)
			n += len(escapeKey) - 1
		}
		n += k
	}
	return t.strip(p[:n]), err
}

// strip takes the answers to statusRequest out.
func (t *terminal) strip(p []byte) int {
	for _, reply := range [...]string{"\x1b[0n", "\x1b[3n"} {
		for {
			i := bytes.Index(p, []byte(reply))
			if i < 0 {
				break
			}
			p = append(p[:i], p[i+len(reply):]...)
			t.answer()
		}
	}
	return len(p)
}

// torn says whether b ends within an escape sequence.
func torn(b []byte) bool {
	i := bytes.LastIndexByte(b, 0x1b)
	if i < 0 {
		return false
	}
	tail := b[i:]
	if len(tail) == 1 {
		return true
	}
	switch tail[1] {
	case '[':
		for k, c := range tail[2:] {
			if c == '[' && k == 0 {
				continue // the Linux console's function keys
			}
			if c >= 0x40 && c <= 0x7e {
				return false
			}
		}
		return true
	case 'O':
		return len(tail) == 2
	case ']', 'P', '_', '^', 'X':
		return bytes.IndexByte(tail, 0x07) < 0 && len(tail) < 1024
	}
	return false
}
