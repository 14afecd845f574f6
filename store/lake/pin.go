package lake

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// pinFolder holds hard links to the versions of merged files that somebody
// reads: a file that is replaced by name while DuckDB reads it, which opens
// it more than once, would be torn for the reader. A pin's name has the
// version's etag, so that what lies under it never changes.
const pinFolder = ".pins"

// pin is a name of the object's present version that stays.
func (d *directory) pin(key string) (string, error) {
	target := d.file(key)
	dir, file := filepath.Split(filepath.Join(d.root, pinFolder, filepath.FromSlash(key)))
	for range 100 {
		info, err := os.Stat(target)
		if err != nil {
			return "", notFound(err)
		}
		etag := fileObject(key, info).etag
		path := filepath.Join(dir, etag+"-"+file)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", err
		}
		var id [8]byte
		rand.Read(id[:])
		link := filepath.Join(dir, ".link-"+hex.EncodeToString(id[:]))
		if err := os.Link(target, link); err != nil {
			return "", notFound(err)
		}
		info, err = os.Stat(link)
		if err == nil && fileObject(key, info).etag == etag {
			err = os.Rename(link, path) // does nothing where path is the same file already
			os.Remove(link)
			return path, err
		}
		os.Remove(link) // it was replaced in between
		if err != nil {
			return "", err
		}
	}
	return "", errors.New("the file is replaced faster than it can be read")
}

// sweepPins removes the pins of versions that were replaced longer than age
// ago. Replacing a file takes away one of its names, which its ctime tells.
func (d *directory) sweepPins(age time.Duration) {
	filepath.WalkDir(filepath.Join(d.root, pinFolder), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil
		}
		info, err := e.Info()
		if err != nil {
			return nil
		}
		names, changed := links(info)
		if names == 1 && time.Since(changed) > age || strings.HasPrefix(e.Name(), ".link-") && time.Since(changed) > tempAge {
			os.Remove(path)
		}
		return nil
	})
}

// links are the number of names of a file, and when it last changed.
func links(info fs.FileInfo) (int, time.Time) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 2, time.Now()
	}
	return int(st.Nlink), changeTime(st)
}

// Fetch gives local files for all files and parts of a snapshot, in their
// order, several at once where they must be fetched.
func (l *Lake) Fetch(ctx context.Context, s *Snapshot) (files, parts []string, err error) {
	files, parts = make([]string, len(s.Files)), make([]string, len(s.Parts))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i, f := range s.Files {
		if l.cache != nil && f.etag != "" { // the listing has told which version is the present one
			if path, ok := l.cache.has(f.Key, l.cache.tag(object{etag: f.etag})); ok {
				files[i] = path
				continue
			}
		}
		group.Go(func() (err error) {
			files[i], err = l.Local(ctx, f.Key)
			return err
		})
	}
	for i, p := range s.Parts {
		group.Go(func() (err error) {
			parts[i], err = l.Local(ctx, p.Key)
			return err
		})
	}
	return files, parts, group.Wait()
}

// Local is a local file with an object's content, which stays as it is for
// Config.Grace at least: the object itself or a further name of it where the
// lake is a directory, else a file of the cache, fetched when it is not there.
func (l *Lake) Local(ctx context.Context, key string) (string, error) {
	d, ok := l.bucket.(*directory)
	if !ok {
		return l.cache.fetch(ctx, key)
	}
	if strings.HasPrefix(key, stagingFolder) || strings.HasPrefix(key, rawFolder) {
		return d.file(key), nil // never replaced
	}
	path, err := d.pin(key)
	if err == nil || errors.Is(err, errNotFound) || ctx.Err() != nil {
		return path, err
	}
	// This user may not make names there: a copy serves as well.
	l.mu.Lock()
	if l.cache == nil {
		l.cache, err = openCache(l.bucket, l.config.Cache)
	}
	c := l.cache
	l.mu.Unlock()
	if c == nil {
		return "", err
	}
	return c.fetch(ctx, key)
}
