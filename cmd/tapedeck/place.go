package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// place is one data directory: where a pipeline keeps everything and says how
// it is reached. Its files:
//
//	pipeline.lock  held by the one pipeline that runs here
//	run.json       how to reach it: address and credential, readable by its user alone
//	feed.json      which feed this directory belongs to
//	log/ lake/     the embedded log and the lake
//	screens/       a locked file for each open screen
//	tapedeck.log   what pipeline and screens had to say
//
// On a box for many the directory belongs to the pipeline's user and is open
// to a group. Who is not that user is a guest: he reads there, notes his screen
// in screens/, and keeps what is his own (log, layout, history, cache) in a
// directory of his own.
type place struct {
	dir    string
	own    string // where this user keeps his own; dir, but for a guest
	guest  bool   // dir belongs to somebody else
	shared bool   // dir is open to a group
}

// runFile says how a running pipeline is reached.
type runFile struct {
	Version  string    `json:"version"`
	PID      int       `json:"pid"`
	Started  time.Time `json:"started"`
	Feed     string    `json:"feed"`
	Brokers  []string  `json:"brokers"`
	User     string    `json:"user,omitempty"`
	Password string    `json:"password,omitempty"`
	Embedded bool      `json:"embedded,omitempty"`
	Disk     string    `json:"disk,omitempty"` // where an embedded broker's log lies
	Prefix   string    `json:"prefix"`
	Lake     string    `json:"lake"`
}

// feedFile says which feed a data directory belongs to.
type feedFile struct {
	Version int    `json:"version,omitempty"` // of the directory's form; 0 is the first
	Feed    string `json:"feed"`
}

// placeVersion is the form of a data directory; one of a newer form is refused.
const placeVersion = 1

// place is the data directory of the configuration.
func (c *Config) place(claim bool) (*place, error) {
	dir, err := c.dataDir()
	if err != nil {
		return nil, err
	}
	return openPlace(dir, c.Feed, claim)
}

// openPlace makes the directory where it is missing and checks that it belongs to this feed.
func openPlace(dir, feed string, claim bool) (*place, error) {
	p, err := enterPlace(dir)
	if err != nil {
		return nil, err
	}
	var owner feedFile
	switch err := p.readJSON("feed.json", &owner); {
	case errors.Is(err, fs.ErrNotExist):
		owner = feedFile{placeVersion, feed}
		if claim && !p.guest {
			if err := p.writeJSON("feed.json", owner); err != nil {
				return nil, err
			}
		}
	case err != nil:
		return nil, err
	case owner.Version > placeVersion:
		return nil, fmt.Errorf("%s was written by a newer tapedeck; start that version, or use another --data DIR", dir)
	case owner.Feed != feed:
		return nil, fmt.Errorf("%s belongs to the feed %s, and %s prices must not mix with its: use --feed %s, or another --data DIR", dir, owner.Feed, feed, owner.Feed)
	}
	return p, nil
}

// newPlace is a directory of this user's own, as it is.
func newPlace(dir string) *place { return &place{dir: dir, own: dir} }

// enterPlace finds out whose directory it is, and makes what is missing.
func enterPlace(dir string) (*place, error) {
	p := newPlace(dir)
	var err error
	if p.own, p.guest, err = guestDir(dir); err != nil {
		return nil, err
	}
	if info, err := os.Stat(dir); err == nil {
		p.shared = info.Mode()&0o050 == 0o050
	} else if errors.Is(err, fs.ErrPermission) {
		return nil, p.refused(err)
	}
	if p.guest {
		if err := unix.Access(dir, unix.R_OK|unix.X_OK); err != nil {
			return nil, p.refused(err)
		}
		if err := os.MkdirAll(p.mine("tmp"), 0o700); err != nil {
			return nil, fmt.Errorf("make a directory of your own: %w; choose another with XDG_STATE_HOME", err)
		}
		return p, nil
	}
	for _, name := range []string{"screens", "tmp", "slots"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			return nil, fmt.Errorf("make the data directory: %w; choose another with --data DIR", err)
		}
	}
	if !p.shared {
		return p, nil
	}
	// The group notes its screens, and what it used.
	if err := os.Chmod(p.path("screens"), 0o770|fs.ModeSetgid); err != nil {
		return nil, fmt.Errorf("open screens to the group: %w", err)
	}
	f, err := os.OpenFile(p.ledger().Path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o660)
	if err != nil {
		return nil, fmt.Errorf("open the usage: %w", err)
	}
	defer f.Close()
	if err := f.Chmod(0o660); err != nil {
		return nil, fmt.Errorf("open the usage to the group: %w", err)
	}
	return p, nil
}

// guestDir says whether a data directory is somebody else's (or this is a
// screen over tapedeck ssh, whose analyst owns nothing) and, if so, where
// this user keeps what is his own; else that is the directory itself.
func guestDir(dir string) (own string, guest bool, err error) {
	info, err := os.Stat(dir)
	if err != nil {
		return dir, false, nil // it is made, or refused, by who needs it
	}
	if st, ok := info.Sys().(*syscall.Stat_t); (!ok || int(st.Uid) == os.Geteuid()) && currentRole() == "" {
		return dir, false, nil
	}
	base := xdg("XDG_STATE_HOME", filepath.Join(".local", "state"))
	if base == "" {
		return "", false, errors.New("no home directory for what is your own: set XDG_STATE_HOME")
	}
	return filepath.Join(base, "tapedeck", strings.ReplaceAll(strings.Trim(dir, "/"), "/", "-")), true, nil
}

// refused says how to be let in.
func (p *place) refused(err error) error {
	group := "its group"
	for dir := p.dir; ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil {
			if st, ok := info.Sys().(*syscall.Stat_t); ok && info.Mode()&0o050 == 0o050 {
				if g, err := user.LookupGroupId(strconv.Itoa(int(st.Gid))); err == nil {
					group = "the group " + g.Name
				}
			}
			break
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	return fmt.Errorf("%s is not open to you: %w; ask to be taken into %s (sudo usermod -aG GROUP USER, then log in again), or choose another with --data DIR", p.dir, err, group)
}

// fileMode is the mode of files that the group reads where there is one.
func (p *place) fileMode() fs.FileMode {
	if p.shared {
		return 0o640
	}
	return 0o600
}

func (p *place) path(name string) string { return filepath.Join(p.dir, name) }

// mine is the path of something that each user has for himself.
func (p *place) mine(name string) string { return filepath.Join(p.own, name) }

func (p *place) readJSON(name string, v any) error {
	data, err := os.ReadFile(p.path(name))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%s: %w; delete it if it is damaged", p.path(name), err)
	}
	return nil
}

// writeJSON replaces a file at once: a reader sees the old or the new one.
func (p *place) writeJSON(name string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(p.dir, name+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	_, err = f.Write(append(data, '\n'))
	err = errors.Join(err, f.Chmod(p.fileMode()), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), p.path(name))
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// errBusy says that somebody else holds the lock.
var errBusy = errors.New("locked by another process")

// lock takes an exclusive lock on a file of the directory; it ends with the
// process, however that ends. Closing the file releases it.
func (p *place) lock(name string) (*os.File, error) {
	f, err := os.OpenFile(p.path(name), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errBusy
		}
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return f, nil
}

// running is the pipeline that holds this directory, or nil where none does.
// While one is starting, its run.json may not be there yet: then it is
// returned as nil with starting true.
func (p *place) running() (run *runFile, starting bool, err error) {
	if p.guest {
		return p.runningForGuest()
	}
	f, err := p.lock("pipeline.lock")
	switch {
	case err == nil:
		f.Close()
		return nil, false, nil
	case !errors.Is(err, errBusy):
		return nil, false, err
	}
	run = new(runFile)
	if err := p.readJSON("run.json", run); err != nil || run.PID == 0 {
		return nil, true, nil
	}
	if syscall.Kill(run.PID, 0) == syscall.ESRCH {
		return nil, true, nil // left over from the one before
	}
	return run, false, nil
}

// runningForGuest goes by run.json and the process it names: a guest may not
// touch the lock, or he could keep the pipeline from starting.
func (p *place) runningForGuest() (run *runFile, starting bool, err error) {
	run = new(runFile)
	switch err := p.readJSON("run.json", run); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("how the pipeline is reached: %w", err)
	}
	if err := syscall.Kill(run.PID, 0); run.PID == 0 || errors.Is(err, syscall.ESRCH) {
		return nil, false, nil
	}
	return run, false, nil
}

// errNotMine says that a guest cannot do something for himself.
var errNotMine = errors.New("it belongs to another user")

// ensure returns the pipeline that runs here and starts one where none does.
// However many screens call it at once, one pipeline comes of it: the lock
// decides, and who loses waits for the winner.
func (p *place) ensure(ctx context.Context, args []string) (*runFile, error) {
	if p.guest {
		run, _, err := p.running()
		if err == nil && run == nil {
			err = fmt.Errorf("no pipeline runs on %s, and %w: sudo systemctl start tapedeck", p.dir, errNotMine)
		}
		return run, err
	}
	starter, err := p.lock("start.lock")
	if err == nil {
		defer starter.Close()
	} else if !errors.Is(err, errBusy) {
		return nil, err
	}
	var child *exec.Cmd
	var ended chan error
	for {
		run, starting, err := p.running()
		if err != nil || run != nil {
			return run, err
		}
		if starter == nil { // the starter may have failed: take over
			if f, err := p.lock("start.lock"); err == nil {
				starter = f
				defer f.Close()
			}
		}
		if !starting && starter != nil && child == nil {
			if child, err = p.spawn(args); err != nil {
				return nil, err
			}
			ended = make(chan error, 1)
			go func() { ended <- child.Wait() }()
		}
		select {
		case err := <-ended:
			if exit := new(exec.ExitError); errors.As(err, &exit) && exit.ExitCode() == exitBusy {
				child, ended = nil, nil
				continue // another one was quicker
			}
			return nil, fmt.Errorf("the pipeline did not start: %w\n%s", err, p.lastWords())
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the pipeline: %w; see %s", ctx.Err(), p.path("tapedeck.log"))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// spawn starts this same binary as a pipeline in a session of its own, so that
// nothing that happens to the screen's terminal reaches it.
func (p *place) spawn(args []string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	out, err := os.OpenFile(p.path("pipeline.out"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the pipeline's output: %w", err)
	}
	defer out.Close()
	cmd := exec.Command(self, append([]string{"run"}, args...)...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the pipeline: %w", err)
	}
	return cmd, nil
}

// lastWords are the last lines that a pipeline wrote before it ended.
func (p *place) lastWords() string {
	data, err := os.ReadFile(p.path("pipeline.out"))
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], "\n")
}

// enter notes an open screen; closing the file, or dying, takes the note back.
func (p *place) enter() (*os.File, error) {
	f, err := p.lock(filepath.Join("screens", strconv.Itoa(os.Getpid())))
	if err == nil && p.shared {
		err = f.Chmod(0o660) // so that others see whether it is still locked
	}
	return f, err
}

// screens counts the open screens and removes the notes of those that died.
func (p *place) screens() int {
	names, err := filepath.Glob(p.path("screens/*"))
	if err != nil {
		return 0
	}
	open := 0
	for _, name := range names {
		rel, _ := filepath.Rel(p.dir, name)
		f, err := p.lock(rel)
		if err != nil {
			open++
			continue
		}
		os.Remove(name)
		f.Close()
	}
	return open
}

// stop asks the pipeline to end in order and waits until it has.
func (p *place) stop(ctx context.Context) error {
	run, _, err := p.running()
	if err != nil || run == nil {
		return err
	}
	if p.guest && currentRole() != admin {
		return fmt.Errorf("stop the pipeline on %s: %w: sudo systemctl stop tapedeck", p.dir, errNotMine)
	}
	if err := syscall.Kill(run.PID, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stop the pipeline (process %d): %w", run.PID, err)
	}
	for {
		f, err := p.lock("pipeline.lock")
		if err == nil {
			f.Close()
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the pipeline (process %d) is still writing: %w", run.PID, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// lockPatiently takes a lock that others may look at for an instant.
func (p *place) lockPatiently(ctx context.Context, name string) (f *os.File, err error) {
	for range 20 {
		if f, err = p.lock(name); !errors.Is(err, errBusy) {
			return f, err
		}
		if err := pause(ctx); err != nil {
			return nil, err
		}
	}
	return nil, err
}

// pause is how long one waits between two looks at a lock.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(10 * time.Millisecond):
		return nil
	}
}

// train starts tapedeck train in a process of its own. done waits for its end;
// its error is what the process said.
func (p *place) train(ctx context.Context, args []string, models ...string) (done func() error, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, append([]string{"train", "--background", "--model", strings.Join(models, ",")}, args...)...)
	var said bytes.Buffer
	cmd.Stderr = &said
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the training: %w", err)
	}
	return func() error {
		if err := cmd.Wait(); err != nil {
			return fmt.Errorf("train: %s: %w", strings.TrimSpace(said.String()), err)
		}
		return nil
	}, nil
}
