package lake

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"tapedeck/pipeline/market"
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
// order, several at once where they must be fetched. What a Reader cannot
// reach, and has no copy of, is dropped from the snapshot and named in Missing.
func (l *Lake) Fetch(ctx context.Context, s *Snapshot) (files, parts []string, err error) {
	keys := make([]string, 0, len(s.Files)+len(s.Parts))
	for _, f := range s.Files {
		keys = append(keys, f.Key)
	}
	for _, p := range s.Parts {
		keys = append(keys, p.Key)
	}
	paths, missing := make([]string, len(keys)), make([]bool, len(keys))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i, key := range keys {
		if l.cache != nil && i < len(s.Files) && s.Files[i].etag != "" { // the listing has told which version is the present one
			if path, ok := l.cache.has(key, l.cache.tag(object{etag: s.Files[i].etag})); ok {
				paths[i] = path
				continue
			}
		}
		group.Go(func() (err error) {
			paths[i], err = l.Local(groupCtx, key)
			if errors.Is(err, ErrAway) {
				missing[i], err = true, nil
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, nil, err
	}
	n := len(s.Files)
	s.Files, files = reached(s, s.Files, paths[:n], missing[:n], func(f File) string { return f.Key })
	s.Parts, parts = reached(s, s.Parts, paths[n:], missing[n:], func(p Part) string { return p.Key })
	return files, parts, nil
}

// reached keeps the items that have a path, and names the others in s.Missing.
func reached[T any](s *Snapshot, items []T, paths []string, missing []bool, key func(T) string) (kept []T, found []string) {
	kept, found = items[:0], make([]string, 0, len(items))
	for i, item := range items {
		if missing[i] {
			s.Missing = append(s.Missing, key(item))
			continue
		}
		kept, found = append(kept, item), append(found, paths[i])
	}
	return kept, found
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
		l.cache, err = openCache(l.bucket, l.config)
	}
	c := l.cache
	l.mu.Unlock()
	if c == nil {
		return "", err
	}
	return c.fetch(ctx, key)
}

// Prefetch brings the merged files of the named tables into the cache whose
// hours end after a time, the newest first, and gives how many it had to fetch.
// Of a lake in a directory there is nothing to fetch.
func (l *Lake) Prefetch(ctx context.Context, since market.Time, tables ...string) (fetched int, err error) {
	if l.cache == nil {
		return 0, nil
	}
	for _, table := range tables {
		s, err := l.Snapshot(ctx, table)
		if err != nil {
			return fetched, err
		}
		for _, f := range slices.Backward(s.Files) {
			if (f.Hour + 1).Start() <= since {
				continue
			}
			if _, ok := l.cache.has(f.Key, l.cache.tag(object{etag: f.etag})); ok {
				continue
			}
			_, err := l.cache.fetch(ctx, f.Key)
			if errors.Is(err, errNotFound) {
				continue // it has expired since it was listed
			}
			if err != nil {
				return fetched, fmt.Errorf("prefetch %s: %w", table, err)
			}
			fetched++
		}
	}
	return fetched, nil
}
