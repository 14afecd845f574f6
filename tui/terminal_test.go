package tui

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// slowLine gives chunks with gaps, as a bad line tears sequences.
type slowLine struct {
	chunks []string
	gap    time.Duration
	at     int
	due    time.Time
}

func (s *slowLine) Read(p []byte) (int, error) {
	if s.at >= len(s.chunks) {
		return 0, io.EOF
	}
	time.Sleep(time.Until(s.due))
	n := copy(p, s.chunks[s.at])
	s.at++
	s.due = time.Now().Add(s.gap)
	return n, nil
}

func (s *slowLine) ready(d time.Duration) bool {
	if s.at >= len(s.chunks) {
		time.Sleep(d)
		return false
	}
	if wait := time.Until(s.due); wait > d {
		time.Sleep(d)
		return false
	}
	return true
}

func readAll(gap time.Duration, chunks ...string) []string {
	line := &slowLine{chunks: chunks, gap: gap, due: time.Now()}
	t := &terminal{now: time.Now, answered: func() {}, more: line.ready}
	var out []string
	buf := make([]byte, 4096)
	for {
		n, err := t.read(line, buf)
		if n > 0 {
			out = append(out, string(buf[:n]))
		}
		if err != nil {
			return out
		}
	}
}

func TestTornSequencesAreRejoined(t *testing.T) {
	for _, c := range []struct {
		gap    time.Duration
		chunks []string
		want   string
	}{
		{120 * time.Millisecond, []string{"\x1b", "[", "A"}, "\x1b[A"},
		{120 * time.Millisecond, []string{"\x1b[", "A"}, "\x1b[A"},
		{120 * time.Millisecond, []string{"\x1b", "OB"}, "\x1bOB"},
		{120 * time.Millisecond, []string{"x\x1b[1;", "5C"}, "x\x1b[1;5C"},
		{120 * time.Millisecond, []string{"\x1b]11;rgb:ff", "ff/ffff/ffff\x07"}, "\x1b]11;rgb:ffff/ffff/ffff\x07"},
		{time.Second, []string{"\x1b", "j"}, escapeKey + "|j"},
		{120 * time.Millisecond, []string{"\x1b", "j"}, escapeKey + "j"}, // escape and j, not alt-j
		{time.Second, []string{"j", "k"}, "j|k"},
		{time.Second, []string{"\x1bb"}, "\x1bb"}, // alt-b in one piece
		{time.Second, []string{"\x1b[[A"}, "\x1b[[A"},
	} {
		synctest.Test(t, func(t *testing.T) {
			if got := strings.Join(readAll(c.gap, c.chunks...), "|"); got != c.want {
				t.Errorf("%q with gaps of %v gives %q, want %q", c.chunks, c.gap, got, c.want)
			}
		})
	}
}

func TestOneFrameInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := 0
		tm := &terminal{now: time.Now, answered: func() { answers++ }, more: func(time.Duration) bool { return false }}
		var out bytes.Buffer
		if n, err := tm.write(&out, []byte("frame")); n != 5 || err != nil {
			t.Fatal(n, err)
		}
		if out.String() != "frame"+statusRequest || !tm.busy() {
			t.Fatalf("wrote %q, busy %v", out.String(), tm.busy())
		}
		time.Sleep(80 * time.Millisecond)
		buf := make([]byte, 64)
		n, _ := tm.read(strings.NewReader("a\x1b[0nb"), buf)
		if string(buf[:n]) != "ab" || tm.busy() || answers != 1 || tm.roundTrip() != 80*time.Millisecond {
			t.Errorf("read %q, busy %v, %d answers, %v", buf[:n], tm.busy(), answers, tm.roundTrip())
		}
	})
}

// Two frames may be under way, the second a key's; an answer is of the oldest.
func TestAKeysFrameFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm := &terminal{now: time.Now, answered: func() {}}
		var out bytes.Buffer
		write := func() { _, _ = tm.write(&out, []byte("x")) }
		write()
		time.Sleep(50 * time.Millisecond)
		if !tm.busy() || !tm.spare() {
			t.Fatal("a key's frame must wait")
		}
		write()
		if tm.spare() {
			t.Fatal("a third frame may follow")
		}
		tm.answer()
		if !tm.busy() || !tm.spare() || tm.roundTrip() != 50*time.Millisecond {
			t.Errorf("busy %v, spare %v, %v", tm.busy(), tm.spare(), tm.roundTrip())
		}
		tm.answer()
		if tm.busy() {
			t.Error("busy after both answers")
		}
	})
}

// A terminal that has answered and is silent gets a frame now and then; who
// leaves is not kept by it.
func TestDeadTerminalIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm := &terminal{now: time.Now, answered: func() {}}
		var out bytes.Buffer
		_, _ = tm.write(&out, []byte("x"))
		tm.answer()
		began := time.Now()
		for range 6 {
			_, _ = tm.write(&out, []byte("x"))
			for tm.busy() {
				time.Sleep(100 * time.Millisecond)
			}
		}
		if took := time.Since(began); took != 105*time.Second { // 3, 6, 12, 24, 30, 30
			t.Errorf("six frames into a dead line within %v", took)
		}
		_, _ = tm.write(&out, []byte("x"))
		tm.hush()
		time.Sleep(answerLost)
		if tm.busy() {
			t.Error("a dead terminal keeps the analyst")
		}
	})
}

func TestSilentTerminalIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm := &terminal{now: time.Now, answered: func() {}}
		var out bytes.Buffer
		for range 2 * silentAtMost {
			_, _ = tm.write(&out, []byte("x"))
			time.Sleep(answerLost)
			if tm.busy() {
				t.Fatal("still waiting")
			}
		}
		if n := strings.Count(out.String(), statusRequest); n != silentAtMost {
			t.Errorf("asked %d times", n)
		}
	})
}

func TestNothingIsAskedWhenLeaving(t *testing.T) {
	tm := &terminal{now: time.Now, answered: func() {}}
	var out bytes.Buffer
	_, _ = tm.write(&out, []byte("bye"+leaveScreen))
	if strings.Contains(out.String(), statusRequest) {
		t.Error("the shell would read the answer")
	}
}

func FuzzTorn(f *testing.F) {
	f.Add([]byte("\x1b[A"), uint8(1))
	f.Fuzz(func(t *testing.T, data []byte, cut uint8) {
		at := min(int(cut), len(data))
		first, second := string(data[:at]), string(data[at:])
		chunks := []string{}
		for _, c := range []string{first, second} {
			if c != "" {
				chunks = append(chunks, c)
			}
		}
		line := &slowLine{chunks: chunks, due: time.Now()}
		tm := &terminal{now: time.Now, answered: func() {}, more: func(time.Duration) bool { return line.at < len(line.chunks) }}
		buf := make([]byte, len(data)+64)
		for {
			n, err := tm.read(line, buf)
			if n > len(buf) {
				t.Fatal(n)
			}
			if err != nil {
				return
			}
		}
	})
}
