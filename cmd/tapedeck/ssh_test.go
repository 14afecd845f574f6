package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hinshun/vt10x"
	"golang.org/x/crypto/ssh"
)

// keyPair is a client's key, and its line for the keys file.
func keyPair(t *testing.T, options, name string) (ssh.Signer, ed25519.PrivateKey, string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
	return signer, private, strings.TrimSpace(options+" "+line) + " " + name + "\n"
}

// servedBox is a pipeline and an SSH server before it.
func servedBox(t *testing.T, keys string, symbols, sessions int) (b *box, address string) {
	t.Helper()
	b = newBox(t)
	data := filepath.Join(b.dir, "data")
	args := []string{"--data", data, "--set", fmt.Sprint("sim.symbols=", symbols), "--set", "sim.history=false", "--set", "kafka.partitions=4"}
	for _, entry := range b.env {
		name, value, _ := strings.Cut(entry, "=")
		t.Setenv(name, value)
	}
	p, err := openPlace(data, "sim", true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.ensure(t.Context(), args); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.stop(context.Background()) })
	if err := os.WriteFile(filepath.Join(b.dir, "keys"), []byte(keys), 0o600); err != nil {
		t.Fatal(err)
	}
	server, err := listenSSH(sshConfig{listen: "127.0.0.1:0", keys: filepath.Join(b.dir, "keys"), hostKey: filepath.Join(b.dir, "host_key"),
		homes: filepath.Join(b.dir, "homes"), max: sessions, args: args, environ: []string{"TAPEDECK_TEST_MAIN=1"}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return b, server.address().String()
}

func dial(address string, signer ssh.Signer) (*ssh.Client, error) {
	return ssh.Dial("tcp", address, &ssh.ClientConfig{User: "anybody", Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)},
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: 10 * time.Second})
}

// remoteScreen is a session of a client with a terminal.
type remoteScreen struct {
	session *ssh.Session
	in      io.WriteCloser
	mu      sync.Mutex
	screen  vt10x.Terminal
	bytes   int
}

func openRemote(t *testing.T, client *ssh.Client, columns, rows int) *remoteScreen {
	t.Helper()
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	r := &remoteScreen{session: session, screen: vt10x.New(vt10x.WithSize(columns, rows))}
	if r.in, err = session.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := session.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.RequestPty("xterm-256color", rows, columns, ssh.TerminalModes{}); err != nil {
		t.Fatal(err)
	}
	if err := session.Shell(); err != nil {
		t.Fatal(err)
	}
	go func() {
		buffer, seen := make([]byte, 32<<10), []byte(nil)
		for {
			n, err := out.Read(buffer)
			r.mu.Lock()
			r.screen.Write(buffer[:n])
			r.bytes += n
			r.mu.Unlock()
			if err != nil {
				return
			}
			seen = answerTo(r.in, append(seen, buffer[:n]...))
		}
	}()
	return r
}

// shows waits until the screen shows a text.
func (r *remoteScreen) shows(t *testing.T, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		r.mu.Lock()
		all := r.screen.String()
		r.mu.Unlock()
		if strings.Contains(all, text) {
			return
		}
		if pause(ctx) != nil {
			t.Fatalf("%q does not come; the screen shows\n%s", text, all)
		}
	}
}

func TestSSHServesTheScreenAndNothingElse(t *testing.T) {
	signer, _, line := keyPair(t, "role=analyst", "alice@desk")
	looker, _, line2 := keyPair(t, "", "bob")
	stranger, _, _ := keyPair(t, "", "mallory")
	b, address := servedBox(t, "# who may look\n"+line+line2, 20, 3)

	client, err := dial(address, signer)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	screen := openRemote(t, client, 120, 40)
	screen.shows(t, "AAPL")
	screen.in.Write([]byte("?"))
	screen.shows(t, "help")
	if err := screen.session.WindowChange(24, 80); err != nil {
		t.Error(err)
	}

	// No command, no file transfer, no forwarding, no environment of one's choice, no password.
	for _, command := range []string{"ls", "sh -c id", "scp -t ."} {
		session, err := client.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		var out, errs bytes.Buffer
		session.Stdout, session.Stderr = &out, &errs
		if err := session.Run(command); err == nil || out.Len() > 0 || !strings.Contains(errs.String(), "commands are not run here") {
			t.Errorf("%s: %v %q %q", command, err, out.String(), errs.String())
		}
	}
	if session, err := client.NewSession(); err != nil {
		t.Error(err)
	} else {
		if err := session.RequestSubsystem("sftp"); err == nil {
			t.Error("sftp was opened")
		}
		session.Close()
	}
	if conn, err := client.Dial("tcp", address); err == nil {
		conn.Close()
		t.Error("a port was forwarded")
	}
	if l, err := client.Listen("tcp", "127.0.0.1:0"); err == nil {
		l.Close()
		t.Error("a port was forwarded back")
	}
	if session, err := client.NewSession(); err != nil {
		t.Error(err)
	} else {
		var errs bytes.Buffer
		session.Stderr = &errs
		if err := session.Run(""); err == nil {
			t.Error("a session without a terminal went on")
		}
	}
	if _, err := dial(address, stranger); err == nil {
		t.Error("a stranger came in")
	}
	if _, err := ssh.Dial("tcp", address, &ssh.ClientConfig{User: "alice", Auth: []ssh.AuthMethod{ssh.Password("alice")}, HostKeyCallback: ssh.InsecureIgnoreHostKey()}); err == nil {
		t.Error("a password was taken")
	}

	// A viewer looks, and has no SQL; each has a home.
	second, err := dial(address, looker)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	look := openRemote(t, second, 100, 30)
	look.shows(t, "AAPL")
	for _, name := range []string{"alice", "bob"} {
		if _, err := os.Stat(filepath.Join(b.dir, "homes", name)); err != nil {
			t.Error(err)
		}
	}

	// Three sessions are the most here: alice's, bob's and one more.
	third := openRemote(t, second, 80, 24)
	third.shows(t, "AAPL")
	refused := openRemote(t, second, 80, 24)
	refused.session.Wait()

	// A line that is cut ends its screen, and its alone.
	client.Close()
	if err := screen.session.Wait(); err == nil {
		t.Error("the session outlived its line")
	}
	look.in.Write([]byte("?"))
	look.shows(t, "help")

	// A key that is taken out comes in no more.
	if err := os.WriteFile(filepath.Join(b.dir, "keys"), []byte(line2), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := dial(address, signer); err == nil {
		t.Error("a key that was taken out came in")
	}
}

// Eight analysts connect in the same moment: each has the board, with ticks on
// it, before long. How long is logged: it is a figure of docs/scaling.md.
func TestEightSessionsAttachAtOnce(t *testing.T) {
	const sessions = 8
	signer, _, line := keyPair(t, "role=analyst", "alice")
	_, address := servedBox(t, line, 1000, 1+sessions) // the first one's screen may still be ending
	client, err := dial(address, signer)
	if err != nil {
		t.Fatal(err)
	}
	first := openRemote(t, client, 120, 40) // the pipeline has begun
	first.shows(t, "1,000 symbols")
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	_ = first.session.Wait()

	var working sync.WaitGroup
	var mu sync.Mutex
	var drawn, live []time.Duration
	began := time.Now()
	for range sessions {
		client, err := dial(address, signer)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		s := openRemote(t, client, 120, 40)
		working.Go(func() {
			at := func(texts ...string) time.Duration {
				for {
					s.mu.Lock()
					all, bytes := s.screen.String(), s.bytes
					s.mu.Unlock()
					for _, text := range texts {
						if strings.Contains(all, text) {
							return time.Since(began)
						}
					}
					if pause(t.Context()) != nil || time.Since(began) > 30*time.Second {
						t.Errorf("%q does not come; of %d bytes the screen shows\n%s", texts, bytes, all)
						return time.Since(began)
					}
				}
			}
			shown := at("pipeline")
			ticks := at("1,000 symbols")
			mu.Lock()
			drawn, live = append(drawn, shown), append(live, ticks)
			mu.Unlock()
		})
	}
	working.Wait()
	slices.Sort(drawn)
	slices.Sort(live)
	t.Logf("%d sessions at once, from the first connection: drawn within %s, ticks of 1,000 symbols within %s (half of them: %s and %s)", sessions,
		drawn[sessions-1].Round(time.Millisecond), live[sessions-1].Round(time.Millisecond), drawn[sessions/2-1].Round(time.Millisecond), live[sessions/2-1].Round(time.Millisecond))
}

// The OpenSSH client that analysts have.
func TestSSHWithOpenSSH(t *testing.T) {
	program, err := exec.LookPath("ssh")
	if err != nil {
		t.Skip("OpenSSH's client is not here")
	}
	_, private, line := keyPair(t, "role=viewer", "carol")
	b, address := servedBox(t, line, 20, 3)
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	identity := filepath.Join(b.dir, "identity")
	if err := os.WriteFile(identity, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(address, ":")
	options := []string{"-F", "/dev/null", "-p", port, "-i", identity, "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes"}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, append(options, "carol@127.0.0.1", "cat /etc/passwd")...).CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("commands are not run here")) {
		t.Errorf("%v %s", err, out)
	}
	// With a terminal the screen comes; closing the input ends it.
	screen := exec.CommandContext(ctx, program, append(options, "-tt", "carol@127.0.0.1")...)
	in, err := screen.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	pipe, err := screen.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := screen.Start(); err != nil {
		t.Fatal(err)
	}
	seen := make([]byte, 0, 1<<16)
	buffer := make([]byte, 4096)
	for !bytes.Contains(seen, []byte("tapedeck")) && !bytes.Contains(seen, []byte("AAPL")) {
		n, err := pipe.Read(buffer)
		if seen = append(seen, buffer[:n]...); err != nil {
			t.Fatalf("%v\n%q", err, seen)
		}
	}
	go io.Copy(io.Discard, pipe)
	fmt.Fprint(in, "q")
	in.Close()
	screen.Process.Kill()
	screen.Wait()
}

func TestKeysFile(t *testing.T) {
	_, _, good := keyPair(t, "role=admin", "carol@box")
	m, err := parseMembers([]byte("\n# comment\n" + good))
	if err != nil || len(m) != 1 {
		t.Fatal(m, err)
	}
	for _, who := range m {
		if who != (member{"carol", admin}) {
			t.Errorf("%+v", who)
		}
	}
	for what, options := range map[string][2]string{
		"no name":          {"", ""},
		"a path as a name": {"", "../root"},
		"capitals":         {"", "Alice"},
		"no such role":     {"role=root", "alice"},
		"another option":   {"no-pty", "alice"},
		"a command":        {`command="sh"`, "alice"},
	} {
		_, _, line := keyPair(t, options[0], options[1])
		if _, err := parseMembers([]byte(line)); err == nil {
			t.Errorf("%s was taken: %s", what, line)
		}
	}
	_, _, one := keyPair(t, "role=admin", "dave")
	_, _, two := keyPair(t, "role=viewer", "dave")
	if _, err := parseMembers([]byte(one + two)); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Error(err)
	}
	if _, err := parseMembers([]byte("ssh-ed25519 nonsense alice")); err == nil {
		t.Error("nonsense was taken")
	}
}

func FuzzKeysFile(f *testing.F) {
	f.Add([]byte("role=admin ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA alice"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseMembers(data)
		for _, who := range m {
			if err != nil || !memberName.MatchString(who.name) || who.role == "" {
				t.Errorf("%+v %v", who, err)
			}
		}
	})
}

func TestExportsOverSSHStayAtHome(t *testing.T) {
	t.Setenv("HOME", "/h")
	if path, err := role("").exportPath("/tmp/x"); err != nil || path != "/tmp/x" {
		t.Error(path, err)
	}
	if path, err := analyst.exportPath("~/a/b.csv"); err != nil || path != "/h/exports/a/b.csv" {
		t.Error(path, err)
	}
	for _, path := range []string{"/etc/x", "../x", "a/../../x", ""} {
		if got, err := analyst.exportPath(path); err == nil {
			t.Errorf("%q goes to %s", path, got)
		}
	}
	t.Setenv(roleVariable, "superuser")
	if currentRole() != viewer {
		t.Error("a word that is no role gives more than a viewer has")
	}
}

func TestSSHEnvironment(t *testing.T) {
	t.Setenv("TAPEDECK_TEST_X", "box")
	t.Setenv(roleVariable, "admin") // of whoever started the server
	s := &sshServer{}
	got := strings.Join(s.environ([]string{"LANG=de_DE.UTF-8", "COLORTERM=truecolor", "LD_PRELOAD=/tmp/x.so", "HOME=/root", "PATH=/tmp",
		"TAPEDECK_ROLE=admin", "TAPEDECK_DATA=/etc", "LC_ALL=../../x", "XDG_STATE_HOME=/"}, "../../../etc/passwd"), " ")
	for _, bad := range []string{"LD_PRELOAD", "HOME=/root", "/tmp", "TAPEDECK_DATA", "admin", "../", "XDG"} {
		if strings.Contains(got, bad) {
			t.Errorf("%s reaches a screen: %s", bad, got)
		}
	}
	for _, good := range []string{"LANG=de_DE.UTF-8", "COLORTERM=truecolor", "TERM=xterm-256color", "TAPEDECK_TEST_X=box"} {
		if !strings.Contains(got, good) {
			t.Errorf("%s does not: %s", good, got)
		}
	}
}
