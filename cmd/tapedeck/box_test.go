package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A box for many: the pipeline is one user's, the analysts are others of its
// group. Needs root, to be several users.
func TestAnalystsAttachToThePipelineOfTheBox(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be several users")
	}
	const service, group, analyst, stranger = 64001, 64010, 64002, 64003
	top, err := os.MkdirTemp("", "box")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(top)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Chmod(top, 0o755))
	// The test binary lies where only root may go.
	binary := filepath.Join(top, "tapedeck")
	must(copyFile(os.Args[0], binary))
	dir := func(name string, uid, gid int, mode os.FileMode) string {
		path := filepath.Join(top, name)
		must(os.MkdirAll(path, 0o755))
		must(os.Chown(path, uid, gid))
		must(os.Chmod(path, mode))
		return path
	}
	data := dir("data", service, group, 0o750)
	etc := dir("etc", 0, group, 0o750)
	rundir := dir("run", service, group, 0o755)
	must(os.WriteFile(filepath.Join(etc, "config.yaml"), []byte("quit: ask\nsim: {symbols: 20, history: false}\nkafka: {partitions: 4}\nscreen: {zone: utc}\n"), 0o640))
	must(os.Chown(filepath.Join(etc, "config.yaml"), 0, group))

	command := func(uid, gid uint32, args ...string) *exec.Cmd {
		home := dir("home-"+string(rune('a'+uid%26)), int(uid), int(gid), 0o700)
		cmd := exec.CommandContext(t.Context(), "/bin/sh", append([]string{"-c", `umask 0027; exec "$0" "$@"`, binary}, args...)...)
		cmd.Env = []string{"TAPEDECK_TEST_MAIN=1", "HOME=" + home, "PATH=" + os.Getenv("PATH"), "TAPEDECK_TEST_ETC=" + etc, "TAPEDECK_TEST_RUN=" + rundir}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
		cmd.Dir = top
		return cmd
	}
	ask := func(uid, gid uint32, args ...string) (string, int) {
		t.Helper()
		cmd := command(uid, gid, args...)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return out.String(), cmd.ProcessState.ExitCode()
	}

	pipeline := command(service, group, "run", "--data", data)
	pipeline.Env = append(pipeline.Env, "RUNTIME_DIRECTORY="+rundir)
	var said bytes.Buffer
	pipeline.Stderr = &said
	must(pipeline.Start())
	ended := make(chan error, 1)
	go func() { ended <- pipeline.Wait() }()
	defer func() {
		pipeline.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(30 * time.Second):
			pipeline.Process.Kill()
			<-ended
		}
	}()
	eventually := func(what string, fn func() bool) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
		defer cancel()
		for !fn() {
			if pause(ctx) != nil {
				log, _ := os.ReadFile(filepath.Join(data, "tapedeck.log"))
				t.Fatalf("%s\n%s\n%s", what, said.String(), log)
			}
		}
	}
	eventually("the pipeline does not say where it is", func() bool {
		_, err := os.Stat(filepath.Join(rundir, "pipeline.json"))
		return err == nil
	})

	// An analyst names no directory and sees the box's ticks, from the log.
	var text string
	eventually("no ticks for the analyst", func() bool {
		var code int
		text, code = ask(analyst, group, "sql", "--format", "csv", "SELECT count(*) FROM ticks")
		if code != 0 {
			t.Fatalf("exit %d: %s", code, text)
		}
		rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		return err == nil && len(rows) == 2 && rows[1][0] != "0"
	})
	if out, _ := ask(analyst, group, "doctor"); !strings.Contains(out, "ok    pipeline       runs since") {
		t.Errorf("the doctor says\n%s", out)
	}
	// What he may not: stop it, run another one there, write into the log or the lake.
	if out, code := ask(analyst, group, "stop"); code == 0 || !strings.Contains(out, "sudo systemctl stop tapedeck") {
		t.Errorf("exit %d: %s", code, out)
	}
	if out, code := ask(analyst, group, "run", "--data", data); code == 0 || !strings.Contains(out, "belongs to another user") {
		t.Errorf("exit %d: %s", code, out)
	}
	for _, name := range []string{"feed.json", "run.json", "pipeline.lock", "log/x", "lake/x", "x"} {
		cmd := command(analyst, group)
		cmd.Args = []string{"/bin/sh", "-c", `: 2>/dev/null >>"$0"`, filepath.Join(data, name)}
		if cmd.Run() == nil {
			t.Errorf("an analyst may write %s", name)
		}
	}
	// His own is his own, also against the other analysts.
	own, err := filepath.Glob(filepath.Join(top, "home-*/.local/state/tapedeck/*"))
	must(err)
	if len(own) == 0 {
		t.Error("the analyst has no directory of his own")
	}
	for _, path := range own {
		info, err := os.Stat(path)
		must(err)
		if info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v", path, info.Mode())
		}
	}
	// Who is not in the group is told how to be let in.
	if out, code := ask(stranger, stranger, "sql", "--config", "/dev/null", "--data", data, "SELECT 1"); code == 0 || !strings.Contains(out, "usermod -aG") {
		t.Errorf("exit %d: %s", code, out)
	}
	if out, code := ask(stranger, stranger, "sql", "SELECT 1"); code != exitUsage || !strings.Contains(out, "group tapedeck") {
		t.Errorf("exit %d: %s", code, out)
	}
	// It ends; the analyst is told who starts it.
	must(pipeline.Process.Signal(syscall.SIGTERM))
	if err := <-ended; err != nil {
		t.Errorf("%v %s", err, said.String())
	}
	ended <- nil
	if out, _ := ask(analyst, group, "doctor"); !strings.Contains(out, "none runs") && !strings.Contains(out, "no pipeline runs") {
		t.Errorf("the doctor says\n%s", out)
	}
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

func TestAnalystsOwnConfigurationLiesOverTheBoxs(t *testing.T) {
	b := newBox(t)
	etc := filepath.Join(b.dir, "etc")
	own := filepath.Join(b.dir, ".config/tapedeck")
	for path, text := range map[string]string{
		filepath.Join(etc, "config.yaml"): "sim: {symbols: 77}\nscreen: {zone: utc}\n",
		filepath.Join(own, "config.yaml"): "screen: {zone: local}\n",
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b.env = append(b.env, "TAPEDECK_TEST_ETC="+etc)
	out := b.must("config", "show")
	if !strings.Contains(out, "symbols: 77") || !strings.Contains(out, "zone: local") {
		t.Error(out)
	}
}
