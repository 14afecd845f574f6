package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"charm.land/wish/v2"
	"github.com/charmbracelet/ssh"
	"golang.org/x/sys/unix"
)

// sshConfig is how the screen is served over SSH.
type sshConfig struct {
	listen  string
	keys    string   // authorized keys with roles
	hostKey string   // made where it is missing
	homes   string   // a home below it for each name
	max     int      // sessions at once
	args    []string // flags of each screen
	program string   // what is run; empty is this program
	environ []string // of it, besides its own; tests need more
}

// sshServer runs a screen, in a process of its own, for every session.
//
// A process for each: what one analyst's terminal does (stand still, die,
// crash the screen) stays with him, as if he had logged in by himself.
type sshServer struct {
	config   sshConfig
	server   *ssh.Server
	listener net.Listener
	log      *slog.Logger
	open     atomic.Int32
	handing  sync.Mutex // a terminal is handed to a screen, or closed
}

// deadAfter is how long a terminal may not answer the network before its
// connection ends.
const deadAfter = 60 * time.Second

// patience is how long a connection may take until a session begins.
const patience = 20 * time.Second

func listenSSH(config sshConfig, log *slog.Logger) (*sshServer, error) {
	if config.program == "" {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("find this program: %w", err)
		}
		config.program = self
	}
	if _, err := readMembers(config.keys); err != nil {
		return nil, usageError{err}
	}
	if err := os.MkdirAll(config.homes, 0o700); err != nil {
		return nil, fmt.Errorf("make the homes: %w", err)
	}
	s := &sshServer{config: config, log: log}
	var err error
	s.server, err = wish.NewServer(
		wish.WithHostKeyPath(config.hostKey),
		wish.WithPublicKeyAuth(s.knows),
		wish.WithMiddleware(s.serve),
		ssh.AllocatePty(),
	)
	if err != nil {
		return nil, fmt.Errorf("serve ssh: %w", err)
	}
	// The library closes a terminal while it may still be handed to a screen, and
	// changes its size while it may be looked at: it is noted as it is made.
	if open := s.server.PtyHandler; open != nil {
		s.server.PtyHandler = func(ctx ssh.Context, session ssh.Session, terminal ssh.Pty) (func() error, error) {
			closeIt, err := open(ctx, session, terminal)
			if made, _, ok := session.Pty(); ok && err == nil {
				ctx.SetValue(terminalKey{session}, made)
			}
			return func() error {
				s.handing.Lock()
				defer s.handing.Unlock()
				return closeIt()
			}, err
		}
	}
	s.server.ConnCallback = func(ctx ssh.Context, conn net.Conn) net.Conn {
		ctx.SetValue(overdueKey{}, time.AfterFunc(patience, func() { conn.Close() }))
		return conn
	}
	s.server.Version = "tapedeck"
	// Only sessions: nothing is forwarded, no file is transferred.
	s.server.ChannelHandlers = map[string]ssh.ChannelHandler{"session": ssh.DefaultSessionHandler}
	s.server.RequestHandlers = map[string]ssh.RequestHandler{}
	s.server.SubsystemHandlers = map[string]ssh.SubsystemHandler{}
	listen := net.ListenConfig{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: deadAfter / 4, Interval: deadAfter / 4, Count: 3},
		Control: func(_, _ string, c syscall.RawConn) error {
			return c.Control(func(fd uintptr) {
				// Also where there are bytes on the way; connections inherit it.
				_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(deadAfter.Milliseconds()))
			})
		},
	}
	if s.listener, err = listen.Listen(context.Background(), "tcp", config.listen); err != nil {
		return nil, fmt.Errorf("listen for ssh: %w; choose another --listen", err)
	}
	return s, nil
}

func (s *sshServer) address() net.Addr { return s.listener.Addr() }

// Run serves until ctx is done; then every session is ended.
func (s *sshServer) Run(ctx context.Context) error {
	stopped := context.AfterFunc(ctx, func() { s.server.Close() })
	defer stopped()
	if err := s.server.Serve(s.listener); err != nil && !errors.Is(err, ssh.ErrServerClosed) && ctx.Err() == nil {
		return fmt.Errorf("serve ssh: %w", err)
	}
	// Screens that are still saving have a moment.
	end := time.Now().Add(5 * time.Second)
	for s.open.Load() > 0 && time.Now().Before(end) {
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}

// who finds the member of a key in the file as it is now.
func (s *sshServer) who(key ssh.PublicKey) (member, bool) {
	if key == nil {
		return member{}, false
	}
	all, err := readMembers(s.config.keys)
	if err != nil {
		s.log.Error("nobody can log in", "error", err)
		return member{}, false
	}
	found, ok := all[string(key.Marshal())]
	return found, ok
}

// knows says whether a key may log in.
func (s *sshServer) knows(_ ssh.Context, key ssh.PublicKey) bool {
	_, ok := s.who(key)
	return ok
}

// overdueKey is where a connection keeps the timer that ends it unless a
// session begins.
type overdueKey struct{}

// terminalKey is where a connection keeps the terminal of a session.
type terminalKey struct{ session ssh.Session }

// serve is one session.
func (s *sshServer) serve(ssh.Handler) ssh.Handler {
	return func(session ssh.Session) {
		log := s.log.With("from", session.RemoteAddr().String())
		refuse := func(text string) {
			log.Warn("session refused", "reason", text)
			fmt.Fprintln(session.Stderr(), "tapedeck:", text)
			_ = session.Exit(exitUsage)
		}
		if overdue, ok := session.Context().Value(overdueKey{}).(*time.Timer); ok {
			overdue.Stop()
		}
		// By the key that was proved: a client may have offered others before.
		who, ok := s.who(session.PublicKey())
		if !ok {
			refuse("this key is not known any more")
			return
		}
		log = log.With("name", who.name, "role", string(who.role))
		if session.RawCommand() != "" || session.Subsystem() != "" {
			refuse("commands are not run here; connect without one for the workstation")
			return
		}
		terminal, ok := session.Context().Value(terminalKey{session}).(ssh.Pty)
		if !ok {
			refuse("the workstation needs a terminal: ssh -t")
			return
		}
		if n := s.open.Add(1); int(n) > s.config.max {
			s.open.Add(-1)
			refuse(fmt.Sprintf("%d sessions are open, and no more are allowed; try again later", s.config.max))
			return
		}
		defer s.open.Add(-1)
		started := time.Now()
		log.Info("session begins", "sessions", s.open.Load())
		err := s.screen(session, terminal, who)
		code := 0
		if exit := new(exec.ExitError); errors.As(err, &exit) {
			code = max(exit.ExitCode(), 1)
		} else if err != nil {
			fmt.Fprintln(session.Stderr(), "tapedeck: the screen could not be started")
			code = exitFailure
		}
		log.Info("session ended", "after", time.Since(started).Round(time.Second), "error", err)
		_ = session.Exit(code)
	}
}

// screen runs the workstation on a session's terminal until it ends.
func (s *sshServer) screen(session ssh.Session, terminal ssh.Pty, who member) error {
	home, err := filepath.Abs(filepath.Join(s.config.homes, who.name))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(home, "exports"), 0o700); err != nil {
		return fmt.Errorf("make a home: %w", err)
	}
	cmd := exec.CommandContext(session.Context(), s.config.program, s.config.args...)
	cmd.Dir = home
	cmd.Env = append(s.environ(session.Environ(), terminal.Term), "HOME="+home, "USER="+who.name, "LOGNAME="+who.name, roleVariable+"="+string(who.role))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	// The line is gone: the screen saves and goes, as after any hang-up.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGHUP) }
	cmd.WaitDelay = 10 * time.Second
	s.handing.Lock()
	err = terminal.Start(cmd)
	s.handing.Unlock()
	if err != nil {
		return fmt.Errorf("start the screen: %w", err)
	}
	return cmd.Wait()
}

// environ is what of the client's and of the server's environment reaches a
// screen: how its terminal is, and where the box is configured. No secret and
// no path comes from a client.
func (s *sshServer) environ(client []string, term string) []string {
	var list []string
	for _, entry := range client {
		name, value, _ := strings.Cut(entry, "=")
		if (name == "LANG" || name == "COLORTERM" || name == "NO_COLOR" || strings.HasPrefix(name, "LC_")) && len(value) < 64 && !strings.ContainsAny(value, "/\n\x00") {
			list = append(list, entry)
		}
	}
	if len(term) > 64 || strings.ContainsAny(term, "/\n\x00") || term == "" {
		term = "xterm-256color"
	}
	list = append(list, "TERM="+term, "PATH=/usr/bin:/bin", "SSH_TTY=ssh")
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		// Settings, and how AWS is reached; a screen reads the lake.
		if (strings.HasPrefix(name, "TAPEDECK_") && name != roleVariable) || strings.HasPrefix(name, "AWS_") {
			list = append(list, entry)
		}
	}
	return append(list, s.config.environ...)
}
