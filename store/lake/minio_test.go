package lake

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// The accounting test on a real MinIO that is itself killed, and the cache
// over it. MinIO is not part of tapedeck: MINIO names its binary, else it is
// looked for in the path.

// minio is a MinIO server that can be killed.
type minio struct {
	t       *testing.T
	binary  string
	dir     string
	address string
	cmd     *exec.Cmd
}

const minioUser, minioPassword = "tapedeck", "tapedeck-test"

func startMinIO(t *testing.T) *minio {
	t.Helper()
	if os.Getenv("TAPEDECK_TEST_MINIO") != "1" {
		t.Skip("a real MinIO is tested when TAPEDECK_TEST_MINIO=1 is set; see make crash-minio")
	}
	name := os.Getenv("MINIO")
	if name == "" {
		name = "minio"
	}
	binary, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("no MinIO here: build one with go install github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c, or name its binary in MINIO (%v)", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &minio{t: t, binary: binary, dir: t.TempDir(), address: listener.Addr().String()}
	listener.Close()
	m.start()
	t.Cleanup(func() { m.kill() })
	l, err := openS3(t.Context(), "lake", "", m.config(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("lake")}); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *minio) config() S3Config {
	return S3Config{Endpoint: "http://" + m.address, Region: "us-east-1", PathStyle: true, AccessKey: minioUser, SecretKey: minioPassword,
		Attempts: 6, Backoff: 100 * time.Millisecond, Timeout: 10 * time.Second}
}

// start returns when the server answers.
func (m *minio) start() {
	m.cmd = exec.Command(m.binary, "server", "--quiet", "--address", m.address, "--console-address", "127.0.0.1:0", m.dir)
	m.cmd.Env = append(os.Environ(), "MINIO_ROOT_USER="+minioUser, "MINIO_ROOT_PASSWORD="+minioPassword, "MINIO_BROWSER=off", "MINIO_UPDATE=off", "HOME="+m.dir)
	if err := m.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	for begin := time.Now(); time.Since(begin) < time.Minute; time.Sleep(20 * time.Millisecond) {
		answer, err := http.Get("http://" + m.address + "/minio/health/ready")
		if err != nil {
			continue
		}
		answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			return
		}
	}
	m.t.Error("MinIO did not start")
}

func (m *minio) kill() {
	_ = m.cmd.Process.Kill()
	_ = m.cmd.Wait() // it was killed
}

// torment kills and restarts the server until ctx ends; it returns how often.
func (m *minio) torment(ctx context.Context, kills *atomic.Int64) {
	random := rand.New(rand.NewPCG(5, 6))
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(300+random.IntN(1200)) * time.Millisecond):
		}
		m.kill()
		kills.Add(1)
		time.Sleep(time.Duration(random.IntN(300)) * time.Millisecond)
		m.start()
	}
}

func TestNothingIsLostOrDoubledOnMinIO(t *testing.T) {
	m := startMinIO(t)
	kills := 20
	if n, err := strconv.Atoi(os.Getenv("TAPEDECK_KILLS")); err == nil {
		kills = n
	}
	job := crashJob{Partitions: 3, End: int64(kills) * 400, Location: "s3://lake/p", Cache: t.TempDir(), S3: m.config()}
	ctx, stop := context.WithCancel(t.Context())
	var killed atomic.Int64
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		m.torment(ctx, &killed)
	}()
	// In the middle of it all: the count comes when the server is left alone.
	random := rand.New(rand.NewPCG(7, uint64(kills)))
	archives := 0
	for round := uint64(0); archives < kills && round < uint64(kills)*3; round++ {
		first, second := startChild(t, job, round*2), startChild(t, job, round*2+1)
		if first.runTo(random.IntN(6)) {
			archives++
		}
		if second.runTo(random.IntN(4)) {
			archives++
		}
	}
	if last := startChild(t, job, 999); last.runTo(1 << 30) {
		t.Error("the last archive did not end by itself")
	}
	stop()
	<-ended
	t.Logf("%d archives and %d servers were killed", archives, killed.Load())
	if killed.Load() == 0 || archives < kills {
		t.Error("too few were killed")
	}
	l, err := Open(t.Context(), job.Location, Config{S3: job.S3, Cache: job.Cache}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	audit(t, l, job)
	cacheOnMinIO(t, m, job)
}

// cacheOnMinIO reads all merged files through a new cache, again, and with the
// server away.
func cacheOnMinIO(t *testing.T, m *minio, job crashJob) {
	job.S3.Attempts = 2
	l, err := Open(t.Context(), job.Location, Config{S3: job.S3, Cache: filepath.Join(t.TempDir(), "cache"), Reader: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	fetch := func() (time.Duration, int64) {
		t.Helper()
		begin := time.Now()
		s, err := l.Snapshot(t.Context(), Ticks)
		if err != nil {
			t.Fatal(err)
		}
		files, _, err := l.Fetch(t.Context(), s)
		if err != nil || len(s.Missing) > 0 || len(files) != len(s.Files) {
			t.Fatalf("%d of %d files, missing %v, %v", len(files), len(s.Files), s.Missing, err)
		}
		size := int64(0)
		for i, f := range files {
			info, err := os.Stat(f)
			if err != nil || info.Size() != s.Files[i].Size {
				t.Fatalf("%s: %v", f, errors.Join(err, errors.New("is torn")))
			}
			size += info.Size()
		}
		return time.Since(begin), size
	}
	cold, size := fetch()
	warm, _ := fetch()
	m.kill()
	offline, _ := fetch()
	t.Logf("cache of %d bytes: cold %v, warm %v, server away %v", size, cold, warm, offline)
	m.start()
}
