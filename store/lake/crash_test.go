package lake

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// The accounting test: an archive is killed with kill -9 again and again,
// two write at once, the bucket fails in every way it can, and then every
// number is counted. TAPEDECK_KILLS sets the number of kills (20).

const crashEnv = "TAPEDECK_CRASH_CHILD"

type crashJob struct {
	Location   string
	S3         S3Config
	Cache      string
	Partitions int32
	End        int64
	Seed       uint64
}

func TestMain(m *testing.M) {
	if job := os.Getenv(crashEnv); job != "" {
		if err := crashChild(job); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// crashChild archives the whole fake log, prints a line a flush, and ends by
// itself when all is in the lake.
func crashChild(text string) error {
	var job crashJob
	if err := json.Unmarshal([]byte(text), &job); err != nil {
		return err
	}
	ctx := context.Background()
	random := rand.New(rand.NewPCG(job.Seed, 1))
	var l *Lake
	err := patiently(func() (err error) {
		l, err = Open(ctx, job.Location, Config{S3: job.S3, Cache: job.Cache, Grace: 50 * time.Millisecond}, slog.New(slog.DiscardHandler))
		return err
	})
	if err != nil {
		return err
	}
	chains := make([]*Chain, job.Partitions)
	ends := map[int32]int64{}
	for p := range chains {
		ends[int32(p)] = job.End
		if err := patiently(func() (err error) {
			chains[p], _, err = l.OpenPartition(ctx, Ticks, "topic-1", int32(p))
			return err
		}); err != nil {
			return err
		}
	}
	for flushes, done := 0, false; !done; flushes++ {
		done = true
		for p, c := range chains {
			to := min(c.Next()+1+random.Int64N(150), job.End)
			for o := c.Next(); o < to; o++ {
				produced, value := fakeLog{int32(p)}.record(o)
				if err := c.Append(o, produced, nil, value); err != nil {
					return err
				}
			}
			err := patiently(func() error { return c.Flush(ctx) })
			if err != nil && !errors.Is(err, ErrBehind) {
				return err
			}
			done = done && c.Durable() == job.End
		}
		fmt.Println("flushed")
		if done || random.IntN(6) == 0 {
			err := patiently(func() error { return housekeeping(ctx, l, ends) })
			if err != nil {
				return err
			}
		}
	}
	fmt.Println("done")
	return nil
}

func housekeeping(ctx context.Context, l *Lake, ends map[int32]int64) error {
	_, err := l.Seal(ctx, nine.Add(1000*time.Hour), ends)
	if err == nil {
		_, err = l.Publish(ctx)
	}
	if err == nil {
		_, err = l.Merge(ctx, Ticks)
	}
	if err == nil {
		_, err = l.Clear(ctx, Ticks)
	}
	return err
}

// patiently tries again as the archive does while its bucket is away.
func patiently(try func() error) error {
	for n := 0; ; n++ {
		err := try()
		if err == nil || errors.Is(err, ErrBehind) || n == 200 {
			return err
		}
	}
}

func TestNothingIsLostOrDoubled(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes for some seconds")
	}
	kills := 20
	if n, err := strconv.Atoi(os.Getenv("TAPEDECK_KILLS")); err == nil {
		kills = n
	}
	job := crashJob{Partitions: 3, End: int64(kills) * 400}
	t.Run("directory", func(t *testing.T) {
		job := job
		job.Location = t.TempDir()
		crash(t, job, kills)
	})
	t.Run("s3", func(t *testing.T) {
		job := job
		job.Location, job.Cache = "s3://lake/p", t.TempDir()
		var faults atomic.Int64
		job.S3 = faultyS3(t, &faults)
		crash(t, job, kills)
		if faults.Load() < int64(kills) {
			t.Errorf("only %d faults were injected", faults.Load())
		}
		t.Logf("%d faults", faults.Load())
	})
}

// crash runs two archives at once, kills one or both after a random number of
// flushes, and counts at the end.
func crash(t *testing.T, job crashJob, kills int) {
	random := rand.New(rand.NewPCG(7, uint64(kills)))
	killed := 0
	for round := uint64(0); killed < kills && round < uint64(kills)*3; round++ {
		first, second := startChild(t, job, round*2), startChild(t, job, round*2+1)
		if first.runTo(random.IntN(6)) {
			killed++
		}
		if second.runTo(random.IntN(4)) {
			killed++
		}
	}
	if t.Logf("%d kills", killed); killed < kills {
		t.Errorf("only %d archives were killed while they worked", killed)
	}
	if last := startChild(t, job, 999); last.runTo(1 << 30) {
		t.Fatal("the last archive did not end by itself")
	}
	l, err := Open(t.Context(), job.Location, Config{S3: job.S3, Cache: job.Cache}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	audit(t, l, job)
}

// audit counts every offset in the published hours and the parts after them,
// and every row of the merged files.
func audit(t *testing.T, l *Lake, job crashJob) {
	ctx := t.Context()
	want := (fakeLog{}).rows(job.End) * int64(job.Partitions)
	seen := map[string]int{}
	unreadable := 0
	note := func(text string) {
		for line := range strings.Lines(text) {
			fields := strings.Split(strings.TrimSpace(line), ",")
			if fields[0] == "symbol" {
				continue
			}
			if len(fields) != 12 {
				unreadable++
				continue
			}
			seen[fields[10]+"/"+fields[11]]++
		}
	}
	hours, err := l.sealed(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range hours {
		data, _, err := readAll(ctx, l.bucket, l.rawKey(h))
		if err != nil {
			t.Fatalf("hour %s: %v", h, err)
		}
		note(string(data))
	}
	published, err := l.publishedEnds(ctx)
	if err != nil {
		t.Fatal(err)
	}
	chains, err := l.chainsFrom(ctx, Ticks, "topic-1", published)
	if err != nil {
		t.Fatal(err)
	}
	for p, parts := range chains {
		for _, h := range parts {
			body, err := l.openBody(ctx, partKey(Ticks, "topic-1", p, h.Start))
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(body)
			if err != nil {
				unreadable++
			}
			note(string(text))
			body.Close()
		}
	}
	double := 0
	for _, n := range seen {
		if n > 1 {
			double++
		}
	}
	if missing := want - int64(len(seen)); missing != 0 || double != 0 || unreadable != 0 {
		t.Errorf("raw: missing %d, double %d, unreadable %d", missing, double, unreadable)
	}
	if _, err := l.Merge(ctx, Ticks); err != nil {
		t.Fatal(err)
	}
	problems, err := l.Verify(ctx, nil)
	if err != nil || len(problems) != 0 {
		t.Errorf("verify: %v, %v", problems, err)
	}
	counts, err := l.countFiles(ctx, TableOf(Ticks))
	if err != nil || counts.rows != want || counts.distinct != want {
		t.Errorf("merged: %+v, %v; want %d rows", counts, err, want)
	}
	t.Logf("%d ticks, %d hours published", want, len(hours))
}

type child struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
	t     *testing.T
}

func startChild(t *testing.T, job crashJob, seed uint64) *child {
	t.Helper()
	job.Seed = seed
	text, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), crashEnv+"="+string(text))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &child{cmd, bufio.NewScanner(out), t}
}

// runTo kills the child after a number of flushes; false if it ended by itself.
func (c *child) runTo(flushes int) (killed bool) {
	for n := 0; n <= flushes && c.lines.Scan(); n++ {
		if c.lines.Text() == "done" {
			if err := c.cmd.Wait(); err != nil {
				c.t.Errorf("an archive failed: %v", err)
			}
			return false
		}
	}
	c.kill()
	return true
}

func (c *child) kill() {
	c.cmd.Process.Kill()
	c.cmd.Wait()
}

// faultyS3 is an S3 server that fails one request in five: refusing, slow to
// refuse, cutting the line before or after it has done what was asked.
func faultyS3(t *testing.T, faults *atomic.Int64) S3Config {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("lake"); err != nil {
		t.Fatal(err)
	}
	s3 := gofakes3.New(backend).Server()
	var requests atomic.Uint64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := requests.Add(1)
		random := rand.New(rand.NewPCG(n, 42))
		if random.IntN(5) != 0 {
			s3.ServeHTTP(w, r)
			return
		}
		faults.Add(1)
		switch random.IntN(5) {
		case 0:
			s3Answer(w, http.StatusInternalServerError, "InternalError")
		case 1:
			s3Answer(w, http.StatusServiceUnavailable, "SlowDown")
		case 2: // the line is cut within the request's body
			io.CopyN(io.Discard, r.Body, 100)
			hangUp(w)
		case 3: // it is done, and the answer is lost: a time-out
			s3.ServeHTTP(httptest.NewRecorder(), r)
			hangUp(w)
		case 4: // the answer's body is cut
			answer := httptest.NewRecorder()
			s3.ServeHTTP(answer, r)
			for k, v := range answer.Header() {
				w.Header()[k] = v
			}
			body := answer.Body.Bytes()
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			w.WriteHeader(answer.Code)
			w.Write(body[:len(body)/2])
			if f, ok := w.(http.Flusher); ok {
				f.Flush()
			}
			if len(body) > 0 {
				hangUp(w)
			}
		}
	}))
	t.Cleanup(server.Close)
	return S3Config{Endpoint: server.URL, Region: "us-east-1", PathStyle: true, AccessKey: "a", SecretKey: "b",
		NoChecksums: true, Attempts: 4, Backoff: 5 * time.Millisecond, Timeout: 10 * time.Second}
}

func s3Answer(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>injected</Message></Error>`, code)
}

func hangUp(w http.ResponseWriter) {
	if h, ok := w.(http.Hijacker); ok {
		if conn, _, err := h.Hijack(); err == nil {
			conn.Close()
			return
		}
	}
	panic(http.ErrAbortHandler)
}
