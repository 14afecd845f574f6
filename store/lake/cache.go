package lake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// cache holds local copies of objects, named by key and etag, so that a copy
// is never stale, and renamed into place, so that it is never torn. All
// processes of a machine may share a directory; none waits for another.
//
// Its size is bounded: the copies that were used longest ago go first, but
// none that a query may still be reading.
type cache struct {
	bucket bucket
	dir    string
	limit  int64         // bytes
	grace  time.Duration // a copy used since is not removed
	flight singleflight.Group

	mu   sync.Mutex
	size int64 // about: other processes put copies here, too
}

// partTag is the tag of all parts' copies: parts never change.
const partTag = "part"

// cacheAge is after how long without use a copy goes.
const cacheAge = 7 * 24 * time.Hour

func openCache(b bucket, config Config) (*cache, error) {
	dir := cacheFolder(b, config.Cache)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the lake's cache: %w", err)
	}
	c := &cache{bucket: b, dir: dir, limit: config.CacheSize, grace: config.Grace}
	c.sweep()
	return c, nil
}

// cacheFolder is the folder of a bucket's copies within dir, or within the
// user's cache where dir is empty.
func cacheFolder(b bucket, dir string) string {
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			base = os.TempDir()
		}
		dir = filepath.Join(base, "tapedeck-lake")
	}
	if full, err := filepath.Abs(dir); err == nil {
		dir = full
	}
	id := sha256.Sum256([]byte(b.String()))
	return filepath.Join(dir, hex.EncodeToString(id[:8]))
}

// sweep removes what has not been used for long, and then, while the copies
// take more than the limit, those that were used longest ago. A copy that a
// query may be reading stays, even above the limit.
func (c *cache) sweep() {
	type copied struct {
		path string
		size int64
		used time.Time
	}
	var copies []copied
	var size int64
	_ = filepath.WalkDir(c.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // what is gone needs no sweep
		}
		if d.IsDir() {
			if d.Name() == knownFolder {
				return filepath.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return nil //nolint:nilerr // the same
		}
		if time.Since(info.ModTime()) > cacheAge {
			os.Remove(path)
			return nil
		}
		copies = append(copies, copied{path, info.Size(), info.ModTime()})
		size += info.Size()
		return nil
	})
	if size > c.limit {
		slices.SortFunc(copies, func(a, b copied) int { return a.used.Compare(b.used) })
		for _, f := range copies {
			if size <= c.limit*9/10 || time.Since(f.used) < c.grace {
				break
			}
			if os.Remove(f.path) == nil {
				size -= f.size
			}
		}
	}
	c.mu.Lock()
	c.size = size
	c.mu.Unlock()
}

// grew counts a new copy, and sweeps where they have become too many.
func (c *cache) grew(bytes int64) {
	c.mu.Lock()
	c.size += bytes
	over := c.size > c.limit
	if over {
		c.size = 0 // one sweep is enough; it counts anew
	}
	c.mu.Unlock()
	if over {
		c.sweep()
	}
}

// fetch is a local copy of the object as it is now. Parts never change, so
// that their copies are taken without asking.
func (c *cache) fetch(ctx context.Context, key string) (string, error) {
	immutable := strings.HasPrefix(key, stagingFolder)
	tag := partTag
	if !immutable {
		obj, err := c.bucket.head(ctx, key)
		if err != nil {
			return "", fmt.Errorf("fetch %s: %w", key, err)
		}
		tag = c.tag(obj)
	}
	path, ok := c.has(key, tag)
	if ok {
		return path, nil
	}
	got, err, _ := c.flight.Do(path, func() (any, error) { return c.load(ctx, key, immutable) })
	if err != nil {
		return "", fmt.Errorf("fetch %s: %w", key, err)
	}
	return got.(string), nil
}

// has looks for a copy, and notes that it is in use. One that a crash of the
// machine or a careless hand has damaged is put away, and so fetched anew.
func (c *cache) has(key, tag string) (string, bool) {
	path := c.path(key, tag)
	info, err := os.Stat(path)
	if err != nil {
		return path, false
	}
	if now := time.Now(); now.Sub(info.ModTime()) > time.Minute { // once in a while is enough for the sweep
		if err := os.Chtimes(path, now, now); errors.Is(err, fs.ErrNotExist) {
			return path, false // the sweep was quicker
		}
	}
	if !whole(path, info.Size()) {
		os.Remove(path)
		return path, false
	}
	return path, true
}

// whole says whether a copy has both its ends: a Parquet file is framed by its
// name, and no part begins with a zero.
func whole(path string, size int64) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var begin, end [4]byte
	if _, err := f.ReadAt(begin[:], 0); err != nil {
		return false
	}
	if _, err := f.ReadAt(end[:], size-4); err != nil {
		return false
	}
	if strings.HasSuffix(path, ".parquet") {
		return string(begin[:]) == "PAR1" && string(end[:]) == "PAR1"
	}
	return begin != [4]byte{}
}

func (c *cache) load(ctx context.Context, key string, immutable bool) (string, error) {
	r, obj, err := c.bucket.get(ctx, key, 0, -1)
	if err != nil {
		return "", err
	}
	defer r.Close()
	tag := partTag
	if !immutable {
		tag = c.tag(obj)
	}
	path := c.path(key, tag)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".fetch-*")
	if err != nil {
		return "", err
	}
	defer os.Remove(f.Name())
	n, err := io.Copy(f, r)
	if err == nil {
		err = f.Sync() // or the name could outlive a power cut, and the content not
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil && n != obj.size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return "", diskError(err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return "", err
	}
	c.grew(n)
	return path, nil
}

func (c *cache) tag(o object) string {
	sum := sha256.Sum256([]byte(o.etag))
	return hex.EncodeToString(sum[:8])
}

// path keeps the Hive-style folders, which a query reads, in front of the tag.
func (c *cache) path(key, tag string) string {
	dir, name := filepath.Split(filepath.FromSlash(key))
	return filepath.Join(c.dir, dir, tag+"-"+name)
}
