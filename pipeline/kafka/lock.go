package kafka

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// fileLock is an exclusive lock on a file that ends with its process, however
// that ends. The file holds the id of the process that has it.
type fileLock struct{ file *os.File }

// lockFile takes the lock on path at once or fails with a *lockedError.
func lockFile(path string) (*fileLock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		held := &lockedError{path: path}
		if b, rerr := os.ReadFile(path); rerr == nil {
			held.pid, _ = strconv.Atoi(strings.TrimSpace(string(b)))
		}
		return nil, errors.Join(held, f.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write lock file: %w", err), f.Close())
	}
	return &fileLock{f}, nil
}

// release gives the lock back. The file stays: removing it would let two
// processes lock two files of one name.
func (l *fileLock) release() error { return l.file.Close() }

// lockedError is ErrLocked with the process that holds the lock.
type lockedError struct {
	path string
	pid  int // 0 when not known
}

func (e *lockedError) Error() string {
	if e.pid == 0 {
		return fmt.Sprintf("%s is in use by another process", filepath.Dir(e.path))
	}
	return fmt.Sprintf("%s is in use by process %d; stop it, or attach to it", filepath.Dir(e.path), e.pid)
}

func (e *lockedError) Is(target error) bool { return target == ErrLocked }

// LockedBy is the process that holds the lock which err, from OpenBroker,
// complains about; 0 when err is something else or the process is not known.
func LockedBy(err error) int {
	if held, ok := errors.AsType[*lockedError](err); ok {
		return held.pid
	}
	return 0
}

// maxSlots bounds how many processes on one data directory share a group.
const maxSlots = 1024

// SlotLock picks the first free instance name "slot-0", "slot-1" … of dir and
// holds it until release, or until the process ends. A process that comes back
// after a crash so gets the name it had, which is what lets a static member
// take its partitions up again without a rebalance.
func SlotLock(dir string) (instance string, release func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, fmt.Errorf("make slot directory: %w", err)
	}
	for i := range maxSlots {
		name := "slot-" + strconv.Itoa(i)
		l, err := lockFile(filepath.Join(dir, name))
		if errors.Is(err, ErrLocked) {
			continue
		}
		if err != nil {
			return "", nil, fmt.Errorf("take an instance slot: %w", err)
		}
		return name, func() { _ = l.release() }, nil // closing a lock file has nothing to report
	}
	return "", nil, fmt.Errorf("take an instance slot: all %d of %s are held", maxSlots, dir)
}
