package lake

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// directory is a bucket on a local file system. An object is written to a
// temporary file, synced, and linked to its name: link(2) fails with EEXIST
// where the name is taken, which is S3's 412. Replacing goes by rename(2)
// under a lock that all processes share.
type directory struct {
	root string
}

const (
	tempFolder = ".tmp"
	tempAge    = time.Hour // what is older was left by a process that died
)

func openDirectory(root string) (*directory, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(root, tempFolder), 0o755); err != nil {
		return nil, fmt.Errorf("make the lake's directory: %w", err)
	}
	d := &directory{root: root}
	d.sweep()
	return d, nil
}

// sweep removes temporary files of processes that died.
func (d *directory) sweep() {
	dir := filepath.Join(d.root, tempFolder)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && e.Name() != "lock" && time.Since(info.ModTime()) > tempAge {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

func (d *directory) String() string { return d.root }

func (d *directory) path(key string) (string, bool) {
	return filepath.Join(d.root, filepath.FromSlash(key)), true
}

func (d *directory) file(key string) string {
	return filepath.Join(d.root, filepath.FromSlash(key))
}

func (d *directory) head(_ context.Context, key string) (object, error) {
	info, err := os.Stat(d.file(key))
	if err != nil {
		return object{}, notFound(err)
	}
	return fileObject(key, info), nil
}

func (d *directory) get(_ context.Context, key string, from, n int64) (io.ReadCloser, object, error) {
	f, err := os.Open(d.file(key))
	if err != nil {
		return nil, object{}, notFound(err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, object{}, err
	}
	if from > 0 {
		if _, err := f.Seek(from, io.SeekStart); err != nil {
			f.Close()
			return nil, object{}, err
		}
	}
	if n < 0 {
		return f, fileObject(key, info), nil
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(f, n), f}, fileObject(key, info), nil
}

func (d *directory) put(ctx context.Context, key string, cond condition, data []byte) (object, error) {
	return d.upload(ctx, key, cond, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

func (d *directory) upload(ctx context.Context, key string, cond condition, write func(io.Writer) error) (object, error) {
	if err := ctx.Err(); err != nil {
		return object{}, err
	}
	target := d.file(key)
	if cond.absent {
		if _, err := os.Lstat(target); err == nil {
			return object{}, errPrecondition
		}
	}
	if err := d.room(); err != nil {
		return object{}, diskError(err)
	}
	temp, info, err := d.writeTemp(write)
	if err != nil {
		return object{}, diskError(err)
	}
	defer os.Remove(temp)
	if err := d.makeFolder(filepath.Dir(target)); err != nil {
		return object{}, diskError(err)
	}
	if cond.absent {
		err = os.Link(temp, target)
		if errors.Is(err, fs.ErrExist) {
			return object{}, errPrecondition
		}
	} else {
		err = d.replace(temp, target, key, cond.match)
	}
	if err != nil {
		return object{}, diskError(err)
	}
	if err := syncFolder(filepath.Dir(target)); err != nil {
		return object{}, diskError(err)
	}
	return fileObject(key, info), nil
}

// diskReserve and diskShare of a small disk are left free: a log on the same
// disk stops at twice as much, so that the lake can still take what would free
// the log, and neither takes the last of it.
const (
	diskReserve = 32 << 20 // bytes
	diskShare   = 40
)

// room is ENOSPC where the disk is about to be full.
func (d *directory) room() error {
	var stat unix.Statfs_t
	if unix.Statfs(d.root, &stat) != nil {
		return nil // what cannot be asked is not known to be full
	}
	free, size := stat.Bavail*uint64(stat.Bsize), stat.Blocks*uint64(stat.Bsize)
	if free < min(diskReserve, size/diskShare) {
		return syscall.ENOSPC
	}
	return nil
}

// writeTemp leaves a synced temporary file.
func (d *directory) writeTemp(write func(io.Writer) error) (name string, info fs.FileInfo, err error) {
	var id [12]byte
	rand.Read(id[:])
	name = filepath.Join(d.root, tempFolder, hex.EncodeToString(id[:]))
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrNotExist) { // someone tidied the folder away
		if err = os.MkdirAll(filepath.Dir(name), 0o755); err == nil {
			f, err = os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		}
	}
	if err != nil {
		return "", nil, err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		info, err = f.Stat()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		os.Remove(name)
		return "", nil, err
	}
	return name, info, nil
}

// replace renames temp to target if target has the etag match ("" asks nothing).
func (d *directory) replace(temp, target, key, match string) error {
	lock, err := os.OpenFile(filepath.Join(d.root, tempFolder, "lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer lock.Close() // ends the lock
	for {
		err = unix.Flock(int(lock.Fd()), unix.LOCK_EX)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("lock the lake's directory: %w", err)
	}
	if match != "" {
		info, err := os.Stat(target)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err != nil || fileObject(key, info).etag != match {
			return errPrecondition
		}
	}
	return os.Rename(temp, target)
}

// makeFolder makes dir and its parents, each durable.
func (d *directory) makeFolder(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	parent := filepath.Dir(dir)
	if len(parent) >= len(d.root) && parent != dir {
		if err := d.makeFolder(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(parent)
}

func (d *directory) list(ctx context.Context, prefix string, fn func(object) error) error {
	start := d.root
	if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
		start = d.file(prefix[:i])
	}
	return d.walk(ctx, start, prefix, fn)
}

func (d *directory) walk(ctx context.Context, dir, prefix string, fn func(object) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	if err != nil {
		return err
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(listName(a), listName(b)) })
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		full := filepath.Join(dir, e.Name())
		rel, err := filepath.Rel(d.root, full)
		if err != nil {
			return err
		}
		key := filepath.ToSlash(rel)
		if e.IsDir() {
			if strings.HasPrefix(key+"/", prefix) || strings.HasPrefix(prefix, key+"/") {
				if err := d.walk(ctx, full, prefix, fn); err != nil {
					return err
				}
			}
			continue
		}
		if !strings.HasPrefix(key, prefix) {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return err
		}
		if err := fn(fileObject(key, info)); err != nil {
			return err
		}
	}
	return nil
}

// listName makes folders sort as their keys do.
func listName(e fs.DirEntry) string {
	if e.IsDir() {
		return e.Name() + "/"
	}
	return e.Name()
}

func (d *directory) remove(_ context.Context, keys ...string) error {
	for _, key := range keys {
		if err := os.Remove(d.file(key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func fileObject(key string, info fs.FileInfo) object {
	var inode uint64
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		inode = st.Ino
	}
	return object{
		key:      key,
		etag:     fmt.Sprintf("%x-%x-%x", inode, info.ModTime().UnixNano(), info.Size()),
		size:     info.Size(),
		modified: info.ModTime(),
	}
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

func notFound(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return errNotFound
	}
	return err
}

// diskError names the two errors that a user can mend.
func diskError(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("the lake's disk is full; free some space or move the lake, nothing is lost meanwhile: %w", err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("the lake's directory cannot be written by this user: %w", err)
	}
	return err
}
