package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"tapedeck/pipeline/kafka"
	"tapedeck/store"
	"tapedeck/store/lake"
)

// running is a pipeline of its own process that says over HTTP how it does.
type runningBox struct {
	*box
	data, address string
	settings      []string
	stop          func() // in order; fails the test where it does not end well
}

func startPipeline(t *testing.T, b *box, env []string, settings ...string) *runningBox {
	t.Helper()
	r := &runningBox{box: b, data: filepath.Join(b.dir, "data"), address: freePort(t)}
	r.settings = append([]string{"--data", r.data, "--set", "sim.symbols=50", "--set", "sim.history=false", "--set", "kafka.partitions=4",
		"--set", "archive.flush_age=1s", "--set", "archive.merge_every=10s", "--set", "http.listen=" + r.address}, settings...)
	b.env = append(b.env, env...)
	cmd := b.command(context.Background(), append([]string{"run"}, r.settings...)...)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var once sync.Once
	r.stop = func() {
		once.Do(func() {
			cmd.Process.Signal(syscall.SIGTERM)
			select {
			case err := <-ended:
				if err != nil {
					t.Errorf("%v %s\n%s", err, said.String(), b.logOf(r.data))
				}
			case <-time.After(40 * time.Second):
				cmd.Process.Kill()
				t.Errorf("it does not end: %s\n%s", said.String(), b.logOf(r.data))
				<-ended
			}
		})
	}
	t.Cleanup(r.stop)
	return r
}

// ready waits until the pipeline is well, writes to the lake and is not behind
// (want ""), or says want.
func (r *runningBox) ready(want string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 40*time.Second)
	defer cancel()
	last := ""
	for pause(ctx) == nil {
		response, err := http.Get("http://" + r.address + "/readyz")
		if err != nil {
			continue
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		last = string(body)
		if want == "" && response.StatusCode == http.StatusOK {
			if m, err := metrics(r.address); err == nil && m["tapedeck_lake_flush_rows"] > 0 && m["tapedeck_stage_lag_records"] < 100 {
				return
			}
		}
		if want != "" && strings.Contains(last, want) {
			return
		}
	}
	r.t.Fatalf("never %q, but %q\n%s", want, last, r.logOf(r.data))
}

// eventually waits until ok.
func (r *runningBox) eventually(what string, ok func() bool) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 40*time.Second)
	defer cancel()
	for !ok() {
		if pause(ctx) != nil {
			r.t.Fatalf("%s: not in time\n%s", what, r.logOf(r.data))
		}
	}
}

// whole checks, after the end, that every record of the log lies in the lake.
func (r *runningBox) whole() {
	t := r.t
	t.Helper()
	r.stop()
	for _, entry := range r.env {
		name, value, _ := strings.Cut(entry, "=")
		t.Setenv(name, value)
	}
	if out, errs, code := r.tapedeck(append([]string{"lake", "verify"}, r.settings...)...); code != 0 {
		t.Errorf("lake verify: %s%s", out, errs)
	}
	c, err := (&options{data: r.data, set: setsOf(r.settings), own: true}).config()
	if err != nil {
		t.Fatal(err)
	}
	v, _, err := openLakeView(t.Context(), c, false, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer v.close()
	ranges, err := v.log.Offsets(t.Context(), kafka.Ticks)
	if err != nil {
		t.Fatal(err)
	}
	id, err := v.log.TopicID(t.Context(), kafka.Ticks)
	if err != nil {
		t.Fatal(err)
	}
	for partition, in := range ranges {
		if _, next, err := v.lake.OpenPartition(t.Context(), lake.Ticks, id, int32(partition)); err != nil || next != in.High || next == 0 {
			t.Errorf("partition %d: the lake comes to %d, the log to %d, %v", partition, next, in.High, err)
		}
	}
}

// A key that expires while it runs is said; a new one is taken up by itself,
// and what came meanwhile goes to the lake.
func TestCredentialsExpireAndAreRenewed(t *testing.T) {
	backend := s3mem.New()
	if err := backend.CreateBucket("lake"); err != nil {
		t.Fatal(err)
	}
	inner := gofakes3.New(backend).Server()
	var mu sync.Mutex
	valid, given := "KEYONE", "KEYONE"
	set := func(v, g string) { mu.Lock(); valid, given = v, g; mu.Unlock() }
	s3 := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		ok := strings.Contains(r.Header.Get("Authorization"), "Credential="+valid+"/")
		mu.Unlock()
		if !ok {
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `<?xml version="1.0"?><Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>`)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	defer s3.Close()
	// As a role's credentials come on EC2, ECS and EKS.
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(w, `{"AccessKeyId": %q, "SecretAccessKey": "hush", "Token": "t", "Expiration": %q}`, given, time.Now().Add(time.Second).UTC().Format(time.RFC3339))
	}))
	defer source.Close()
	r := startPipeline(t, newBox(t), []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI=" + source.URL, "AWS_EC2_METADATA_DISABLED=true", "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_SESSION_TOKEN="},
		"--set", "lake=s3://lake/p", "--set", "s3.endpoint="+s3.URL, "--set", "s3.path_style=true", "--set", "s3.sse=none")
	r.ready("")
	set("KEYTWO", "KEYONE")
	r.ready("S3 refuses these credentials")
	set("KEYTWO", "KEYTWO")
	r.ready("")
	if log := r.logOf(r.data); strings.Contains(log, "hush") {
		t.Error("a secret stands in the log")
	}
	r.whole()
}

// A name that cannot be resolved is said: of a broker by the doctor, of the
// lake by a pipeline that could resolve it a moment ago, and which goes on with
// everything when it can again. Needs root, for a hosts file of its own.
func TestNamesThatCannotBeResolvedAreSaid(t *testing.T) {
	b := newBox(t)
	out, _, code := b.tapedeck("doctor", "--set", "kafka.brokers=broker.invalid:9092", "--data", filepath.Join(b.dir, "none"))
	if code == 0 || !strings.Contains(out, "the name of broker broker.invalid:9092 cannot be resolved; check kafka.brokers and DNS") {
		t.Errorf("the doctor says, with exit code %d:\n%s", code, out)
	}
	backend := s3mem.New()
	if err := backend.CreateBucket("lake"); err != nil {
		t.Fatal(err)
	}
	s3 := httptest.NewUnstartedServer(gofakes3.New(backend).Server())
	s3.Config.SetKeepAlivesEnabled(false) // so that each request resolves the name anew
	s3.Start()
	defer s3.Close()
	_, port, err := net.SplitHostPort(s3.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	hosts := writeFile(t, filepath.Join(b.dir, "hosts"), "127.0.0.1 localhost lake.invalid\n")
	wrapped := writeFile(t, filepath.Join(b.dir, "wrapped"), fmt.Sprintf("#!/bin/sh\nexec unshare -m sh -c 'mount --bind %s /etc/hosts && exec \"$0\" \"$@\"' %s \"$@\"\n", hosts, b.program))
	if err := os.Chmod(wrapped, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := exec.Command("unshare", "-m", "mount", "--bind", hosts, "/etc/hosts").Run(); err != nil {
		t.Skip("a hosts file of its own cannot be had: ", err)
	}
	b.program = wrapped
	r := startPipeline(t, b, []string{"AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b", "AWS_EC2_METADATA_DISABLED=true"},
		"--set", "lake=s3://lake/p", "--set", "s3.endpoint=http://lake.invalid:"+port, "--set", "s3.path_style=true", "--set", "s3.sse=none")
	r.ready("")
	writeFile(t, hosts, "127.0.0.1 localhost\n")
	r.ready("the name lake.invalid cannot be resolved; check DNS and s3.endpoint")
	writeFile(t, hosts, "127.0.0.1 localhost lake.invalid\n")
	r.ready("")
	r.settings = append(r.settings, "--set", "s3.endpoint="+s3.URL) // for what this process itself asks
	r.whole()
}

// A hundred thousand messages that nobody can use are said while they come,
// cost the lake little, and hide nothing of what is good.
func TestHundredThousandDeadLetters(t *testing.T) {
	const bad = 100_000
	r := startPipeline(t, newBox(t), nil)
	r.ready("")
	p, err := openPlace(r.data, "sim", true)
	if err != nil {
		t.Fatal(err)
	}
	run, _, err := p.running()
	if err != nil || run == nil {
		t.Fatal(run, err)
	}
	before, err := footingOf(run.PID)
	if err != nil {
		t.Fatal(err)
	}
	c := DefaultConfig()
	c.Data = r.data
	log, err := attach(c, run, discard())
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	producer, err := log.NewProducer()
	if err != nil {
		t.Fatal(err)
	}
	for i := range bad {
		if err := producer.Produce(kafka.Ticks, int32(i%4), []byte("AAPL"), []byte(`{"symbol":`)); err != nil {
			t.Fatal(err)
		}
	}
	if err := producer.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.ready("messages cannot be used, most of them because: not a JSON object")
	r.ready("") // and that is over by itself
	r.eventually("every one counted", func() bool {
		m, err := metrics(r.address)
		return err == nil && m["tapedeck_dead_letters_total"] == bad && m["tapedeck_stage_lag_records"] < 200
	})
	after, err := footingOf(run.PID)
	if err != nil {
		t.Fatal(err)
	}
	if after.memory > before.memory+200<<20 {
		t.Errorf("memory grew from %s to %s", before, after)
	}
	s := &screen{view: &view{log: log, db: new(store.DB)}}
	began := time.Now()
	letters, err := s.DeadLetters(t.Context(), 100)
	if err != nil || len(letters) != 100 || string(letters[0].Value) != `{"symbol":` {
		t.Errorf("the screen shows %d, %v", len(letters), err)
	}
	t.Logf("the screen has its 100 of them after %s; the pipeline took %s, then %s", time.Since(began), before, after)
	r.whole()
	out := r.must(append([]string{"sql", "--format", "csv", "SELECT reason, count(*) FROM dead_letters GROUP BY 1"}, r.settings...)...)
	if !strings.Contains(out, fmt.Sprint("not a JSON object,", bad)) {
		t.Errorf("the lake has %s", out)
	}
	files, size := 0, int64(0)
	err = filepath.WalkDir(filepath.Join(r.data, "lake"), func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() && strings.Contains(path, "dead_letters") {
			if info, err := e.Info(); err == nil {
				files, size = files+1, size+info.Size()
			}
		}
		return err
	})
	t.Logf("they are %d files of %d bytes", files, size)
	if err != nil || files == 0 || files > 200 || size > 20<<20 {
		t.Errorf("dead letters take %d files, %d bytes, %v", files, size, err)
	}
}

// smallDisk is a file system of 40 MB. It needs root.
func smallDisk(t *testing.T, b *box) string {
	t.Helper()
	disk := filepath.Join(b.dir, "disk")
	if err := os.Mkdir(disk, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=40m"); err != nil {
		t.Skip("a small disk cannot be had: ", err)
	}
	t.Cleanup(func() { syscall.Unmount(disk, syscall.MNT_DETACH) })
	return disk
}

// fillDisk takes all that is left of a disk; the returned function gives it back.
func fillDisk(t *testing.T, disk string) (empty func()) {
	t.Helper()
	filler, err := os.Create(filepath.Join(disk, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(filler, io.LimitReader(zeroes{}, 64<<20))
	filler.Close()
	if err == nil {
		t.Fatal("the disk did not fill up")
	}
	return func() {
		if err := os.Remove(filler.Name()); err != nil {
			t.Error(err)
		}
	}
}

// A disk that is full makes the pipeline wait, in words: the lake's, the log's,
// or both on one. With room again it goes on, and nothing is missing.
func TestPipelineWaitsWhereTheDiskIsFull(t *testing.T) {
	for what, c := range map[string]struct {
		log, lake bool
		want      string
	}{
		"the lake's": {lake: true, want: "the lake's disk is full"},
		"the log's":  {log: true, want: "the log's disk is full"},
		"both":       {log: true, lake: true, want: "the log's disk is full"},
	} {
		t.Run(what, func(t *testing.T) {
			b := newBox(t)
			disk := smallDisk(t, b)
			lake, data := filepath.Join(b.dir, "lake"), filepath.Join(b.dir, "data")
			if c.lake {
				lake = filepath.Join(disk, "lake")
			}
			if c.log {
				data = filepath.Join(disk, "data")
			}
			r := startPipeline(t, b, nil, "--data", data, "--set", "lake="+lake)
			r.data = data
			r.ready("")
			empty := fillDisk(t, disk)
			r.ready(c.want)
			if out, _, code := b.tapedeck(append([]string{"doctor"}, r.settings...)...); c.log && (code == 0 || !strings.Contains(out, "free some space")) {
				t.Errorf("the doctor says, with exit code %d:\n%s", code, out)
			}
			empty()
			r.ready("")
			r.whole()
		})
	}
}

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) { clear(p); return len(p), nil }
