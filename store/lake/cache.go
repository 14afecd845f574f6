package lake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"
)

// cache holds local copies of objects, named by key and etag, so that a copy
// is never stale, and renamed into place, so that it is never torn. All
// processes of a machine may share a directory; none waits for another.
type cache struct {
	bucket bucket
	dir    string
	flight singleflight.Group
}

// cacheAge is after how long without use a copy goes.
const cacheAge = 7 * 24 * time.Hour

func openCache(b bucket, dir string) (*cache, error) {
	dir = cacheFolder(b, dir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the lake's cache: %w", err)
	}
	c := &cache{bucket: b, dir: dir}
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

// sweep removes what has not been used for long.
func (c *cache) sweep() {
	filepath.WalkDir(c.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		if info, err := d.Info(); err == nil && time.Since(info.ModTime()) > cacheAge {
			os.Remove(path)
		}
		return nil
	})
}

// fetch is a local copy of the object as it is now. Parts never change, so
// that their copies are taken without asking.
func (c *cache) fetch(ctx context.Context, key string) (string, error) {
	immutable := strings.HasPrefix(key, stagingFolder)
	tag := "part"
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

// has looks for a copy, and notes that it is in use.
func (c *cache) has(key, tag string) (string, bool) {
	path := c.path(key, tag)
	info, err := os.Stat(path)
	if err != nil {
		return path, false
	}
	if now := time.Now(); now.Sub(info.ModTime()) > time.Hour {
		os.Chtimes(path, now, now) // once in a while is enough for the sweep
	}
	return path, true
}

func (c *cache) load(ctx context.Context, key string, immutable bool) (string, error) {
	r, obj, err := c.bucket.get(ctx, key, 0, -1)
	if err != nil {
		return "", err
	}
	defer r.Close()
	tag := "part"
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
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil && n != obj.size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return "", diskError(err)
	}
	return path, os.Rename(f.Name(), path)
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
