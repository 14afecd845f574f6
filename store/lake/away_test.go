package lake

import (
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// outage is an S3 server that can be away, and counts what it is asked.
type outage struct {
	S3Config
	away atomic.Bool
	gets atomic.Int64
}

func newOutage(t *testing.T) *outage {
	backend := s3mem.New()
	if err := backend.CreateBucket("lake"); err != nil {
		t.Fatal(err)
	}
	o := &outage{}
	s3 := gofakes3.New(backend).Server()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if o.away.Load() {
			panic(http.ErrAbortHandler) // the connection ends without an answer
		}
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, ".parquet") {
			o.gets.Add(1)
		}
		s3.ServeHTTP(w, r)
	}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	t.Cleanup(server.Close)
	o.S3Config = S3Config{Endpoint: server.URL, Region: "us-east-1", PathStyle: true, AccessKey: "a", SecretKey: "b",
		NoChecksums: true, Attempts: 2, Backoff: time.Millisecond}
	return o
}

// filled is a lake with three merged hours and some parts beyond.
func (o *outage) filled(t *testing.T, cache string) {
	t.Helper()
	l := o.open(t, Config{Cache: cache})
	c := openChain(t, l, 0)
	fakeLog{}.carry(t, c, 1500, 100)
	if _, err := l.Merge(t.Context(), Ticks); err != nil {
		t.Fatal(err)
	}
	fakeLog{}.carry(t, c, 1700, 100)
}

func (o *outage) open(t *testing.T, config Config) *Lake {
	t.Helper()
	config.S3 = o.S3Config
	l, err := Open(t.Context(), "s3://lake/prefix", config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// fetchAll gives the number of files and parts that can be read, and what is missing.
func fetchAll(t *testing.T, l *Lake) (files, parts, missing int) {
	t.Helper()
	s, err := l.Snapshot(t.Context(), Ticks)
	if err != nil {
		t.Fatal(err)
	}
	f, p, err := l.Fetch(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if len(f) != len(s.Files) || len(p) != len(s.Parts) {
		t.Fatalf("%d and %d paths for %d files and %d parts", len(f), len(p), len(s.Files), len(s.Parts))
	}
	for _, path := range append(f, p...) {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	return len(f), len(p), len(s.Missing)
}

func TestReaderGoesOnWhenTheBucketIsAway(t *testing.T) {
	o := newOutage(t)
	o.filled(t, t.TempDir())
	cache := t.TempDir()
	l := o.open(t, Config{Cache: cache, Reader: true})
	files, parts, missing := fetchAll(t, l)
	if files == 0 || parts == 0 || missing != 0 {
		t.Fatalf("%d files, %d parts, %d missing", files, parts, missing)
	}
	if since, _ := l.Away(); !since.IsZero() {
		t.Error("away while it answers")
	}
	o.away.Store(true)
	for name, l := range map[string]*Lake{"the same": l, "another process": o.open(t, Config{Cache: cache, Reader: true})} {
		f, p, m := fetchAll(t, l)
		if f != files || p != parts || m != 0 {
			t.Errorf("%s, away: %d files, %d parts, %d missing; it had %d and %d", name, f, p, m, files, parts)
		}
		if since, why := l.Away(); since.IsZero() || why == "" {
			t.Errorf("%s does not know that the bucket is away", name)
		}
	}
	// What has no copy is named, and the rest is there.
	s, err := l.Snapshot(t.Context(), Ticks)
	if err != nil {
		t.Fatal(err)
	}
	path, err := l.Local(t.Context(), s.Files[0].Key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if f, p, m := fetchAll(t, l); f != files-1 || p != parts || m != 1 {
		t.Errorf("without one copy: %d files, %d parts, %d missing", f, p, m)
	}
	// A writer does not pretend.
	o.away.Store(false)
	w := o.open(t, Config{Cache: t.TempDir()})
	o.away.Store(true)
	if _, err := w.Snapshot(t.Context(), Ticks); err == nil {
		t.Error("a writer read a lake that is away")
	}
	// It is back.
	o.away.Store(false)
	l.kept.mu.Lock()
	l.kept.again = time.Time{}
	l.kept.mu.Unlock()
	if f, _, m := fetchAll(t, l); f != files || m != 0 {
		t.Errorf("back: %d files, %d missing", f, m)
	}
	if since, _ := l.Away(); !since.IsZero() {
		t.Error("still away after it answered")
	}
}

func TestPrefetchFetchesRecentDaysOnce(t *testing.T) {
	o := newOutage(t)
	o.filled(t, t.TempDir())
	l := o.open(t, Config{Cache: t.TempDir(), Reader: true})
	o.gets.Store(0)
	n, err := l.Prefetch(t.Context(), nine.Add(-time.Hour), Ticks)
	if err != nil || n == 0 {
		t.Fatal(n, err)
	}
	got := o.gets.Load()
	if int64(n) != got {
		t.Errorf("%d prefetched, %d asked for", n, got)
	}
	if n, err := l.Prefetch(t.Context(), nine.Add(-time.Hour), Ticks); err != nil || n != 0 {
		t.Errorf("again: %d, %v", n, err)
	}
	if n, err := l.Prefetch(t.Context(), nine.Add(24*time.Hour), Ticks); err != nil || n != 0 {
		t.Errorf("nothing is that young: %d, %v", n, err)
	}
	if files, _, _ := fetchAll(t, l); o.gets.Load() != int64(files) {
		t.Errorf("%d files were asked for, there are %d", o.gets.Load(), files)
	}
}

func TestCacheIsBounded(t *testing.T) {
	o := newOutage(t)
	o.filled(t, t.TempDir())
	cache := t.TempDir()
	size := func() (n int64) {
		_ = filepath.WalkDir(cache, func(path string, d fs.DirEntry, err error) error {
			if info, err := d.Info(); err == nil && !d.IsDir() && !strings.Contains(path, knownFolder) {
				n += info.Size()
			}
			return err
		})
		return n
	}
	l := o.open(t, Config{Cache: cache, Reader: true, CacheSize: 1, Grace: time.Hour})
	files, parts, _ := fetchAll(t, l)
	all := size()
	if files+parts == 0 || all == 0 {
		t.Fatal("nothing was fetched")
	}
	// All of it is in use. An hour later none is.
	old := time.Now().Add(-2 * time.Hour)
	_ = filepath.WalkDir(cache, func(path string, d fs.DirEntry, err error) error {
		if !d.IsDir() {
			return os.Chtimes(path, old, old)
		}
		return err
	})
	l = o.open(t, Config{Cache: cache, Reader: true, CacheSize: all / 2, Grace: time.Hour})
	if left := size(); left > all/2 || left == 0 {
		t.Errorf("%d bytes are left of %d under a limit of %d", left, all, all/2)
	}
	if f, p, m := fetchAll(t, l); f != files || p != parts || m != 0 {
		t.Errorf("after the sweep: %d files, %d parts, %d missing", f, p, m)
	}
}
