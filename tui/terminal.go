package tui

import (
	"bytes"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// terminal stands between Bubble Tea and the terminal. Writing, it asks for a
// sign of life after each frame, so that a second frame is sent only when the
// line has taken the first; one that a key asked for may follow at once.
// Reading, it takes the answers out again and rejoins escape sequences that
// were torn on the way.
type terminal struct {
	in  *os.File
	out *os.File

	mu     sync.Mutex
	asked  []time.Time   // of the questions that wait for an answer, oldest first
	trip   time.Duration // smoothed round trip; 0 before the first answer
	silent int           // times in a row that an answer was given up
	hushed bool

	now      func() time.Time
	answered func() // an answer has come
	more     func(time.Duration) bool
}

const (
	statusRequest = "\x1b[5n"
	leaveScreen   = "\x1b[?1049l"

	tearing      = 200 * time.Millisecond // longest gap within a torn sequence
	answerLost   = 3 * time.Second        // after which an answer is not waited for any more
	firstAnswer  = answerLost / 10        // the same of a terminal that has never answered, the first time
	longestLost  = 30 * time.Second       // between frames into a line that is dead
	silentAtMost = 3                      // questions that a terminal never answered, after which none is asked
	inFlight     = 2                      // questions at once: of a frame, and of a key's

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

// write sends a frame and asks for an answer, unless enough are awaited.
func (t *terminal) write(w io.Writer, p []byte) (int, error) {
	ask := !bytes.Contains(p, []byte(leaveScreen)) && t.ask()
	if ask {
		p = append(p[:len(p):len(p)], statusRequest...)
	}
	n, err := w.Write(p)
	if ask {
		n -= len(statusRequest)
	}
	return max(n, 0), err
}

// ask notes a question, and says whether one is to be asked.
func (t *terminal) ask() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.hushed || len(t.asked) >= inFlight || t.trip == 0 && t.silent >= silentAtMost {
		return false
	}
	t.asked = append(t.asked, t.now())
	return true
}

// busy says whether the line has not taken the last frame yet.
func (t *terminal) busy() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.asked) == 0 {
		return false
	}
	if t.now().Sub(t.asked[len(t.asked)-1]) < t.patience() {
		return true
	}
	t.asked = t.asked[:0]
	t.silent++
	return false
}

// patience is how long an answer is waited for. A terminal that has never
// answered may never do; one that has will again, and what is written into a
// line that is dead must be read when it lives again.
func (t *terminal) patience() time.Duration {
	if t.trip == 0 {
		return min(firstAnswer<<(2*min(t.silent, silentAtMost)), answerLost)
	}
	if t.hushed { // the analyst leaves
		return answerLost
	}
	return min(max(answerLost, 4*t.trip)<<min(t.silent, 4), longestLost)
}

// spare says whether a frame that a key asked for may follow those under way.
func (t *terminal) spare() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(t.asked)
	if n < inFlight {
		return true
	}
	since := t.now().Sub(t.asked[n-1])
	return since >= answerLost || t.trip == 0 && since >= firstAnswer
}

func (t *terminal) roundTrip() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.trip
}

// hush asks no more.
func (t *terminal) hush() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hushed = true
}

func (t *terminal) answer() {
	t.mu.Lock()
	t.silent = 0
	if len(t.asked) > 0 {
		trip := max(t.now().Sub(t.asked[0]), time.Microsecond)
		t.asked = append(t.asked[:0], t.asked[1:]...)
		if t.trip != 0 {
			trip = (t.trip*3 + trip) / 4
		}
		t.trip = trip
	}
	t.mu.Unlock()
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
