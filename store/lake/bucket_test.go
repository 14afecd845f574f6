package lake

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// fakeS3 starts an S3 server in this process with the bucket "lake".
func fakeS3(t testing.TB) S3Config {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("lake"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(server.Close)
	return S3Config{Endpoint: server.URL, Region: "us-east-1", PathStyle: true, AccessKey: "a", SecretKey: "b", NoChecksums: true, PartSize: 5 << 20}
}

// eachBucket runs a test over every kind of bucket.
func eachBucket(t *testing.T, test func(t *testing.T, b bucket)) {
	t.Run("directory", func(t *testing.T) {
		d, err := openDirectory(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		test(t, d)
	})
	t.Run("s3", func(t *testing.T) {
		b, err := openS3(t.Context(), "lake", "some/prefix", fakeS3(t), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		test(t, b)
	})
}

func TestBucketContract(t *testing.T) {
	eachBucket(t, func(t *testing.T, b bucket) {
		ctx := t.Context()
		if _, err := b.head(ctx, "a/none"); !errors.Is(err, errNotFound) {
			t.Errorf("head of nothing: %v", err)
		}
		if _, _, err := b.get(ctx, "a/none", 0, 10); !errors.Is(err, errNotFound) {
			t.Errorf("get of nothing: %v", err)
		}
		if _, err := b.put(ctx, "a/x", condition{match: `"none"`}, nil); !errors.Is(err, errPrecondition) && !errors.Is(err, errNotFound) {
			t.Errorf("put over nothing: %v", err)
		}
		first, err := b.put(ctx, "a/x", condition{absent: true}, []byte("0123456789"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.put(ctx, "a/x", condition{absent: true}, []byte("other")); !errors.Is(err, errPrecondition) {
			t.Errorf("second put: %v", err)
		}
		head, err := b.head(ctx, "a/x")
		if err != nil || head.size != 10 || head.etag != first.etag {
			t.Errorf("head: %+v, %v; put said %+v", head, err, first)
		}
		r, _, err := b.get(ctx, "a/x", 2, 3)
		if err != nil {
			t.Fatal(err)
		}
		if data, err := io.ReadAll(r); string(data) != "234" || err != nil {
			t.Errorf("range: %q, %v", data, err)
		}
		r.Close()
		second, err := b.put(ctx, "a/x", condition{match: first.etag}, []byte("new"))
		if err != nil || second.etag == first.etag {
			t.Errorf("replace: %+v, %v", second, err)
		}
		if _, err := b.put(ctx, "a/x", condition{match: first.etag}, []byte("newer")); !errors.Is(err, errPrecondition) {
			t.Errorf("replace by an old etag: %v", err)
		}
		if data, obj, err := readAll(ctx, b, "a/x"); string(data) != "new" || obj.etag != second.etag || err != nil {
			t.Errorf("get: %q, %+v, %v", data, obj, err)
		}
		for _, key := range []string{"a/y/z", "a/y", "b", "ab/c"} {
			if key == "a/y" {
				continue // a key that is also a folder is not used
			}
			if _, err := b.put(ctx, key, condition{}, []byte(key)); err != nil {
				t.Fatal(err)
			}
		}
		list := func(prefix string) (keys []string) {
			if err := b.list(ctx, prefix, func(o object) error { keys = append(keys, o.key); return nil }); err != nil {
				t.Fatal(err)
			}
			return keys
		}
		if got := list(""); !slices.Equal(got, []string{"a/x", "a/y/z", "ab/c", "b"}) {
			t.Errorf("list: %v", got)
		}
		if got := list("a/"); !slices.Equal(got, []string{"a/x", "a/y/z"}) {
			t.Errorf("list a/: %v", got)
		}
		if got := list("a"); !slices.Equal(got, []string{"a/x", "a/y/z", "ab/c"}) {
			t.Errorf("list a: %v", got)
		}
		if got := list("none/"); len(got) != 0 {
			t.Errorf("list none/: %v", got)
		}
		if err := b.remove(ctx, "a/x", "a/none"); err != nil {
			t.Error(err)
		}
		if _, err := b.head(ctx, "a/x"); !errors.Is(err, errNotFound) {
			t.Errorf("removed: %v", err)
		}
	})
}

func TestUpload(t *testing.T) {
	eachBucket(t, func(t *testing.T, b bucket) {
		ctx := t.Context()
		big := bytes.Repeat([]byte("0123456789abcdef"), 12<<20/16)
		for name, data := range map[string][]byte{"none": nil, "small": []byte("x"), "big": big} {
			_, err := b.upload(ctx, "u/"+name, condition{absent: true}, func(w io.Writer) error {
				for part := range slices.Chunk(data, 1<<20-7) {
					if _, err := w.Write(part); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got, obj, err := readAll(ctx, b, "u/"+name)
			if err != nil || !bytes.Equal(got, data) || obj.size != int64(len(data)) {
				t.Errorf("%s: %d bytes, %+v, %v", name, len(got), obj, err)
			}
		}
		failed := errors.New("failed")
		_, err := b.upload(ctx, "u/failed", condition{}, func(w io.Writer) error {
			w.Write(big)
			return failed
		})
		if !errors.Is(err, failed) {
			t.Errorf("a failed upload: %v", err)
		}
		if _, err := b.head(ctx, "u/failed"); !errors.Is(err, errNotFound) {
			t.Errorf("a failed upload left something: %v", err)
		}
	})
}

func TestDiskFull(t *testing.T) {
	d, err := openDirectory(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.upload(t.Context(), "a/b", condition{absent: true}, func(w io.Writer) error {
		w.Write([]byte("half"))
		return &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
	})
	if err == nil || !strings.Contains(err.Error(), "disk is full") {
		t.Errorf("a full disk says %v", err)
	}
	if _, err := d.head(t.Context(), "a/b"); !errors.Is(err, errNotFound) {
		t.Errorf("something torn is there: %v", err)
	}
	left, err := os.ReadDir(filepath.Join(d.root, tempFolder))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	// What a killed process left is swept when it is old.
	old := filepath.Join(d.root, tempFolder, "abc")
	if err := os.WriteFile(old, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	yesterday := time.Now().Add(-24 * time.Hour)
	os.Chtimes(old, yesterday, yesterday)
	if _, err := openDirectory(d.root); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); err == nil {
		t.Error("an old temporary file is still there")
	}
}

func TestOneWinner(t *testing.T) {
	eachBucket(t, func(t *testing.T, b bucket) {
		start, err := b.put(t.Context(), "shared", condition{absent: true}, []byte("start"))
		if err != nil {
			t.Fatal(err)
		}
		for round := range 20 {
			for _, race := range []struct {
				key  string
				cond condition
			}{{fmt.Sprintf("k%d", round), condition{absent: true}}, {"shared", condition{match: start.etag}}} {
				var wg sync.WaitGroup
				var mu sync.Mutex
				var winners []object
				for n := range 8 {
					wg.Go(func() {
						o, err := b.put(t.Context(), race.key, race.cond, []byte(strings.Repeat(fmt.Sprint(n, round), n+1)))
						mu.Lock()
						defer mu.Unlock()
						if err == nil {
							winners = append(winners, o)
						} else if !errors.Is(err, errPrecondition) {
							t.Error(err)
						}
					})
				}
				wg.Wait()
				if len(winners) != 1 {
					t.Fatalf("%s: %d winners", race.key, len(winners))
				}
				if race.key == "shared" {
					start = winners[0]
				}
			}
		}
	})
}
