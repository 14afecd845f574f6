package lake

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// ErrAway says that the bucket does not answer and that nothing is kept here
// of what was asked for.
var ErrAway = errors.New("the lake cannot be reached, and no copy of this is kept here")

// awayFor is how long a bucket that did not answer is left alone, so that the
// queries of an outage do not each wait for it.
const awayFor = 15 * time.Second

// knownFolder holds, within a cache, what the bucket last said: its listings
// and its small objects.
const knownFolder = ".known"

// remembering is a bucket for reading that goes on when the real one is away:
// by the listings, manifests and copies that it has kept. It never writes.
type remembering struct {
	bucket
	cache *cache

	mu    sync.Mutex
	since time.Time           // of the present outage; zero is none
	again time.Time           // when the bucket is asked next
	why   string              // what it said
	saved map[string][32]byte // sums of what is kept, by name
	heads map[string]object   // as last listed
}

func newRemembering(b bucket, c *cache) *remembering {
	return &remembering{bucket: b, cache: c, saved: map[string][32]byte{}, heads: map[string]object{}}
}

// away says since when the bucket has not answered, and why; zero is never.
func (r *remembering) away() (since time.Time, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.since, r.why
}

// ask runs one request unless the bucket was away a moment ago. It says
// whether the bucket answered; what it answered may be an error all the same.
func (r *remembering) ask(ctx context.Context, request func() error) (answered bool, err error) {
	r.mu.Lock()
	waiting := time.Now().Before(r.again)
	r.mu.Unlock()
	if waiting {
		return false, nil
	}
	err = request()
	if err == nil || errors.Is(err, errNotFound) || errors.Is(err, errPrecondition) || ctx.Err() != nil {
		r.mu.Lock()
		if ctx.Err() == nil {
			r.since, r.again, r.why = time.Time{}, time.Time{}, ""
		}
		r.mu.Unlock()
		return true, err
	}
	r.mu.Lock()
	if r.since.IsZero() {
		r.since = time.Now()
	}
	r.again, r.why = time.Now().Add(awayFor), err.Error()
	r.mu.Unlock()
	return false, nil
}

func (r *remembering) list(ctx context.Context, prefix string, fn func(object) error) error {
	var all []object
	answered, err := r.ask(ctx, func() error {
		all = all[:0]
		return r.bucket.list(ctx, prefix, func(o object) error {
			all = append(all, o)
			return nil
		})
	})
	if answered && err != nil {
		return err
	}
	name := "list-" + keptName(prefix)
	if answered {
		r.keep(name, marshalListing(all))
	} else {
		data, err := os.ReadFile(r.file(name))
		if err != nil {
			return fmt.Errorf("list %s: %w", prefix, r.absent())
		}
		all = parseListing(data)
	}
	r.mu.Lock()
	for _, o := range all {
		r.heads[o.key] = o
	}
	r.mu.Unlock()
	for _, o := range all {
		if err := fn(o); err != nil {
			return err
		}
	}
	return nil
}

func (r *remembering) head(ctx context.Context, key string) (o object, err error) {
	answered, err := r.ask(ctx, func() (err error) {
		o, err = r.bucket.head(ctx, key)
		return err
	})
	if answered {
		return o, err
	}
	r.mu.Lock()
	o, ok := r.heads[key]
	r.mu.Unlock()
	if !ok {
		return object{}, r.absent()
	}
	return o, nil
}

func (r *remembering) get(ctx context.Context, key string, from, n int64) (io.ReadCloser, object, error) {
	small := key == indexKey || strings.HasPrefix(key, manifestFolder)
	var body io.ReadCloser
	var o object
	answered, err := r.ask(ctx, func() (err error) {
		body, o, err = r.bucket.get(ctx, key, from, n)
		if err != nil || !small {
			return err
		}
		defer body.Close()
		data, err := io.ReadAll(body)
		if err != nil {
			return err
		}
		r.keep("object-"+keptName(key), data)
		body = io.NopCloser(bytes.NewReader(data))
		return nil
	})
	if answered {
		return body, o, err
	}
	if small {
		data, err := os.ReadFile(r.file("object-" + keptName(key)))
		if err != nil {
			return nil, object{}, fmt.Errorf("read %s: %w", key, r.absent())
		}
		return io.NopCloser(bytes.NewReader(data)), object{key: key, size: int64(len(data))}, nil
	}
	if strings.HasPrefix(key, stagingFolder) && from == 0 && n >= 0 { // the head of a part whose copy is here
		if path, ok := r.cache.has(key, partTag); ok {
			f, err := os.Open(path)
			if err != nil {
				return nil, object{}, err
			}
			return struct {
				io.Reader
				io.Closer
			}{io.LimitReader(f, n), f}, object{key: key}, nil
		}
	}
	return nil, object{}, fmt.Errorf("read %s: %w", key, r.absent())
}

// absent is ErrAway with the bucket's own words.
func (r *remembering) absent() error {
	_, why := r.away()
	return fmt.Errorf("%w (%s)", ErrAway, why)
}

// keep writes what the bucket said, if it is new. A cache that cannot be
// written is no reason to fail: the answer is there.
func (r *remembering) keep(name string, data []byte) {
	sum := sha256.Sum256(data)
	r.mu.Lock()
	same := r.saved[name] == sum
	r.saved[name] = sum
	r.mu.Unlock()
	if same {
		return
	}
	path := r.file(name)
	if os.MkdirAll(filepath.Dir(path), 0o755) != nil {
		return
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if f.Close() == nil && err == nil {
		_ = os.Rename(f.Name(), path)
	}
}

func (r *remembering) file(name string) string { return filepath.Join(r.cache.dir, knownFolder, name) }

// keptName is a key as a file's name.
func keptName(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:12])
}

// listed is an object in a kept listing.
type listed struct {
	Key      string    `json:"k"`
	ETag     string    `json:"e"`
	Size     int64     `json:"s"`
	Modified time.Time `json:"m"`
}

func marshalListing(all []object) []byte {
	out := make([]listed, len(all))
	for i, o := range all {
		out[i] = listed{o.key, o.etag, o.size, o.modified}
	}
	data, err := json.Marshal(out)
	if err != nil {
		return nil
	}
	return data
}

// parseListing reads a kept listing; one that cannot be read is empty.
func parseListing(data []byte) []object {
	var in []listed
	if json.Unmarshal(data, &in) != nil {
		return nil
	}
	all := make([]object, len(in))
	for i, o := range in {
		all[i] = object{key: o.Key, etag: o.ETag, size: o.Size, modified: o.Modified}
	}
	return all
}
