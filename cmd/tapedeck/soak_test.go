package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"tapedeck/pipeline/kafka"
	"tapedeck/store/lake"
)

// soakFor is how long the soak takes: TAPEDECK_TEST_SOAK=30m (make soak).
func soakFor(t *testing.T) time.Duration {
	d, err := time.ParseDuration(os.Getenv("TAPEDECK_TEST_SOAK"))
	if err != nil || d < 30*time.Second {
		t.Skip("make soak runs it: TAPEDECK_TEST_SOAK is a duration of 30s or more")
	}
	return d
}

// faultyS3 is an S3 server that can be taken away.
type faultyS3 struct {
	away    atomic.Bool
	refused atomic.Int64
	url     string
}

func newFaultyS3(t *testing.T) *faultyS3 {
	backend := s3mem.New()
	if err := backend.CreateBucket("lake"); err != nil {
		t.Fatal(err)
	}
	f := &faultyS3{}
	inner := gofakes3.New(backend).Server()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.away.Load() {
			if n := f.refused.Add(1); n%3 == 0 { // some answer, some cut the line
				if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
					conn.Close()
				}
				return
			}
			http.Error(w, "slow down", http.StatusServiceUnavailable)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

// terminal is a screen in a pseudo-terminal, which answers as a terminal does.
type terminal struct {
	cmd     *exec.Cmd
	file    *os.File
	done    chan struct{}
	frozen  atomic.Bool
	changed atomic.Int64 // when what it shows last changed, ns
	longest atomic.Int64 // without a change while it should show one, ns
	bytes   atomic.Int64 // that the screen has written
	mu      sync.Mutex
	screen  vt10x.Terminal
}

func openTerminal(t testing.TB, cmd *exec.Cmd, columns, rows uint16) *terminal {
	t.Helper()
	s := &terminal{cmd: cmd, done: make(chan struct{}), screen: vt10x.New(vt10x.WithSize(int(columns), int(rows)))}
	var err error
	if s.file, err = pty.StartWithSize(cmd, &pty.Winsize{Cols: columns, Rows: rows}); err != nil {
		t.Fatal(err)
	}
	s.changed.Store(time.Now().UnixNano())
	go func() {
		defer close(s.done)
		buffer, seen := make([]byte, 64<<10), []byte(nil)
		for {
			for s.frozen.Load() {
				time.Sleep(20 * time.Millisecond)
			}
			n, err := s.file.Read(buffer)
			if err != nil {
				return
			}
			now := time.Now().UnixNano()
			if gap := now - s.changed.Swap(now); gap > s.longest.Load() {
				s.longest.Store(gap)
			}
			s.mu.Lock()
			s.screen.Write(buffer[:n])
			s.mu.Unlock()
			s.bytes.Add(int64(n))
			seen = answerTo(s.file, append(seen, buffer[:n]...))
		}
	}()
	return s
}

// questions are those that a terminal answers: how are you, where is the
// cursor, what are you?
var questions = map[string]string{"\x1b[5n": "\x1b[0n", "\x1b[6n": "\x1b[1;1R", "\x1b[c": "\x1b[?62;c"}

// answerTo answers every question in what a screen has written, and returns its
// end, in which one may have begun.
func answerTo(w io.Writer, written []byte) []byte {
	for {
		i := bytes.IndexByte(written, 0x1b)
		if i < 0 {
			return nil
		}
		if written = written[i:]; len(written) < 4 {
			return slices.Clone(written)
		}
		for question, reply := range questions {
			if bytes.HasPrefix(written, []byte(question)) {
				io.WriteString(w, reply)
			}
		}
		written = written[1:]
	}
}

func (s *terminal) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.screen.String()
}

func (s *terminal) close() {
	s.cmd.Process.Signal(syscall.SIGHUP)
	ended := make(chan struct{})
	go func() { s.cmd.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		s.cmd.Process.Kill()
		<-ended
	}
	s.file.Close()
}

// footing is what a process stands on.
type footing struct {
	memory     int64 // resident bytes
	files      int
	goroutines int
}

func (f footing) String() string {
	return fmt.Sprintf("%d MB, %d files, %d goroutines", f.memory>>20, f.files, f.goroutines)
}

var residentLine = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)

func footingOf(pid int) (f footing, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return f, err
	}
	if m := residentLine.FindSubmatch(status); m != nil {
		kb, _ := strconv.ParseInt(string(m[1]), 10, 64)
		f.memory = kb << 10
	}
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	f.files = len(entries)
	return f, err
}

// metrics are the samples of /metrics whose name begins with tapedeck_ or go_, summed over labels.
func metrics(address string) (map[string]float64, error) {
	client := http.Client{Timeout: 2 * time.Second}
	response, err := client.Get("http://" + address + "/metrics")
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	sums := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		i := strings.LastIndexByte(line, ' ')
		if i < 0 || strings.HasPrefix(line, "#") {
			continue
		}
		name, value := line[:i], line[i+1:]
		name, _, _ = strings.Cut(name, "{")
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			sums[name] += v
		}
	}
	return sums, nil
}

func freePort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// A thousand symbols once a second, an S3 lake, two screens; things break; at
// the end nothing has grown, nothing lags, nothing is lost.
func TestSoak(t *testing.T) {
	span := soakFor(t)
	b := newBox(t)
	data := filepath.Join(b.dir, "data")
	s3 := newFaultyS3(t)
	address := freePort(t)
	b.env = append(b.env, "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b", "TERM=xterm-256color", "LANG=C.UTF-8", "AWS_EC2_METADATA_DISABLED=true")
	for _, entry := range b.env {
		name, value, _ := strings.Cut(entry, "=")
		t.Setenv(name, value)
	}
	settings := []string{"--data", data, "--set", "sim.history=false", "--set", "lake=s3://lake/soak", "--set", "s3.endpoint=" + s3.url, "--set", "s3.path_style=true",
		"--set", "s3.sse=none", "--set", "archive.flush_age=5s", "--set", "archive.merge_every=30s", "--set", "kafka.retention=10m",
		"--set", "http.listen=" + address, "--set", "quit=keep"}
	command := func(args ...string) *exec.Cmd { return b.command(context.Background(), append(args, settings...)...) }
	p, err := openPlace(data, "sim", true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.stop(context.Background()) })

	begun := time.Now()
	screen := openTerminal(t, command(), 120, 40)
	defer screen.close()
	frozen := openTerminal(t, command(), 80, 24) // which will stand still
	defer frozen.close()
	wait := func(what string, limit time.Duration, fn func() bool) bool {
		t.Helper()
		for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			if fn() {
				return true
			}
		}
		t.Errorf("%s: not within %s", what, limit)
		return false
	}
	if !wait("the first ticks", 30*time.Second, func() bool {
		m, err := metrics(address)
		return err == nil && m["tapedeck_stage_records_total"] > 3000 && strings.Contains(screen.text(), "AAPL")
	}) {
		t.Fatalf("%s\n%s", screen.text(), b.logOf(data))
	}
	running := func() *runFile {
		run, _, err := p.running()
		if err != nil || run == nil {
			return nil
		}
		return run
	}
	measure := func() (pipeline, shown footing) {
		if run := running(); run != nil {
			pipeline, _ = footingOf(run.PID)
			if m, err := metrics(address); err == nil {
				pipeline.goroutines = int(m["go_goroutines"])
			}
		}
		shown, _ = footingOf(screen.cmd.Process.Pid)
		return pipeline, shown
	}
	at := func(share float64) { time.Sleep(time.Until(begun.Add(time.Duration(share * float64(span))))) }

	at(0.18)
	t.Log("the archive is without S3")
	s3.away.Store(true)
	at(0.30)
	s3.away.Store(false)

	at(0.35)
	frozen.frozen.Store(true) // its terminal takes nothing any more
	t.Log("a terminal stands still; the pipeline is killed")
	killed := running()
	if killed != nil {
		syscall.Kill(killed.PID, syscall.SIGKILL)
	}
	wait("another pipeline after the kill", 30*time.Second, func() bool { r := running(); return r != nil && r.PID != killed.PID })

	at(0.50)
	bad := 20_000
	if span >= 5*time.Minute {
		bad = 100_000
	}
	t.Logf("%d messages that nobody can use", bad)
	if run := running(); run != nil {
		c := DefaultConfig()
		c.Data = data
		if client, err := attach(c, run, slog.New(slog.DiscardHandler)); err != nil {
			t.Error(err)
		} else {
			producer, err := client.NewProducer()
			if err != nil {
				t.Fatal(err)
			}
			for i := range bad {
				if err := producer.Produce(kafka.Ticks, int32(i%12), []byte("AAPL"), []byte(`{"symbol":`)); err != nil {
					t.Fatal(err)
				}
			}
			if err := producer.Flush(t.Context()); err != nil {
				t.Error(err)
			}
			producer.Close(t.Context())
			client.Close()
		}
	}
	at(0.58)
	t.Log("the pipeline is stopped for a moment, as a debugger or a full host would")
	if run := running(); run != nil {
		syscall.Kill(run.PID, syscall.SIGSTOP)
		time.Sleep(min(span/30, 8*time.Second))
		syscall.Kill(run.PID, syscall.SIGCONT)
	}
	at(0.65)
	quietPipeline, quietScreen := measure()
	logThen := folderSize(filepath.Join(data, "log"))
	screen.longest.Store(0)
	at(0.96)
	lastPipeline, lastScreen := measure()
	t.Logf("pipeline: %s, then %s", quietPipeline, lastPipeline)
	t.Logf("screen:   %s, then %s", quietScreen, lastScreen)
	t.Logf("longest time without a change on the screen at the end: %s", time.Duration(screen.longest.Load()).Round(10*time.Millisecond))
	for what, f := range map[string][2]footing{"pipeline": {quietPipeline, lastPipeline}, "screen": {quietScreen, lastScreen}} {
		if f[1].memory > f[0].memory+max(f[0].memory/3, 150<<20) {
			t.Errorf("the %s's memory grew from %s to %s", what, f[0], f[1])
		}
		if f[1].files > f[0].files+12 {
			t.Errorf("the %s's file handles grew from %s to %s", what, f[0], f[1])
		}
		if f[1].goroutines > f[0].goroutines+40 {
			t.Errorf("the %s's goroutines grew from %s to %s", what, f[0], f[1])
		}
	}
	if gap := time.Duration(screen.longest.Load()); gap > 5*time.Second {
		t.Errorf("the screen stood still for %s although nothing was wrong", gap)
	}
	if span >= 30*time.Minute { // the log's retention here is 10 minutes
		if now := folderSize(filepath.Join(data, "log")); now > logThen+logThen/2 {
			t.Errorf("the log grew from %d MB to %d MB", logThen>>20, now>>20)
		}
	}
	wait("no lag", 20*time.Second, func() bool {
		m, err := metrics(address)
		return err == nil && m["tapedeck_stage_lag_records"] < 12_000 // what is buffered until the next flush
	})
	m, err := metrics(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("dead letters %v, S3 requests %v, refused %d", m["tapedeck_dead_letters_total"], m["tapedeck_s3_requests_total"], s3.refused.Load())

	// In order to the end: all that was in the log is in the lake.
	screen.close()
	frozen.frozen.Store(false)
	frozen.close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := p.stop(ctx); err != nil {
		t.Fatal(err)
	}
	out, errs, code := b.tapedeck(append([]string{"lake", "verify"}, settings...)...)
	if code != 0 {
		t.Errorf("lake verify: %s%s", out, errs)
	}
	c, err := (&options{data: data, set: setsOf(settings)}).config()
	if err != nil {
		t.Fatal(err)
	}
	v, _, err := openLakeView(ctx, c, true, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer v.close()
	ranges, err := v.log.Offsets(ctx, kafka.Ticks)
	if err != nil {
		t.Fatal(err)
	}
	id, err := v.log.TopicID(ctx, kafka.Ticks)
	if err != nil {
		t.Fatal(err)
	}
	writer, err := openLake(ctx, c, p, false, discard())
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	var records int64
	for partition, r := range ranges {
		_, next, err := writer.OpenPartition(ctx, lake.Ticks, id, int32(partition))
		if err != nil {
			t.Fatal(err)
		}
		if next != r.High {
			t.Errorf("partition %d: the lake comes to offset %d, the log to %d", partition, next, r.High)
		}
		records += r.High
	}
	t.Logf("%s: %d records of the log, all in the lake; %s", span, records, strings.TrimSpace(out))
	if int64(span.Seconds())*1000*6/10 > records {
		t.Errorf("only %d records in %s", records, span)
	}
}

// setsOf are the settings of a command line.
func setsOf(args []string) (sets []string) {
	for i, arg := range args {
		if arg == "--set" {
			sets = append(sets, args[i+1])
		}
	}
	return sets
}

func folderSize(dir string) (bytes int64) {
	filepath.WalkDir(dir, func(_ string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			if info, err := e.Info(); err == nil {
				bytes += info.Size()
			}
		}
		return nil
	})
	return bytes
}

// logOf is the end of a pipeline's log file.
func (b *box) logOf(data string) string {
	text, _ := os.ReadFile(filepath.Join(data, "tapedeck.log"))
	lines := strings.Split(string(text), "\n")
	return strings.Join(lines[max(0, len(lines)-30):], "\n")
}
