package main

import (
	"context"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// soon waits until something is so.
func soon(t *testing.T, what string, limit time.Duration, fn func() bool) time.Duration {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for began := time.Now(); ; {
		if fn() {
			return time.Since(began)
		}
		if pause(ctx) != nil {
			t.Fatalf("%s: not within %s", what, limit)
		}
	}
}

// A terminal that takes nothing any more and a screen that is stopped slow
// neither the pipeline nor another screen; both can be left, and the stopped
// one goes on with what is new.
func TestADeadTerminalSlowsNobody(t *testing.T) {
	b := newBox(t)
	data, address := filepath.Join(b.dir, "data"), freePort(t)
	b.env = append(b.env, "TERM=xterm-256color", "LANG=C.UTF-8")
	for _, entry := range b.env {
		name, value, _ := strings.Cut(entry, "=")
		t.Setenv(name, value)
	}
	args := []string{"--data", data, "--set", "sim.symbols=200", "--set", "sim.history=false", "--set", "kafka.partitions=4", "--set", "http.listen=" + address, "--set", "quit=keep"}
	p, err := openPlace(data, "sim", true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.ensure(t.Context(), args); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.stop(context.Background()) })
	open := func() *terminal {
		s := openTerminal(t, b.command(context.Background(), args...), 120, 40)
		t.Cleanup(s.close)
		return s
	}
	lively, deaf, stopped := open(), open(), open()
	for _, s := range []*terminal{lively, deaf, stopped} {
		defer func() {
			if t.Failed() {
				t.Log(s.text())
			}
		}()
		soon(t, "the first screen", 30*time.Second, func() bool { return strings.Contains(s.text(), "200 symbols") })
	}

	deaf.frozen.Store(true)
	if err := stopped.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	// What the deaf terminal does not take fills its line.
	for range 20 {
		if _, err := deaf.file.WriteString("21"); err != nil {
			t.Fatal(err)
		}
	}
	lively.longest.Store(0)
	read := func() float64 {
		m, err := metrics(address)
		if err != nil {
			t.Fatal(err)
		}
		return m["tapedeck_stage_records_total"]
	}
	before := read()
	soon(t, "2,000 records more", 30*time.Second, func() bool { return read() > before+2000 })
	soon(t, "no lag", 10*time.Second, func() bool {
		m, err := metrics(address)
		return err == nil && m["tapedeck_stage_lag_records"] < 4000 // what waits for the next flush
	})
	if _, err := lively.file.WriteString("6"); err != nil {
		t.Fatal(err)
	}
	soon(t, "a key on another screen", 5*time.Second, func() bool { return strings.Contains(lively.text(), "archive") })
	if gap := time.Duration(lively.longest.Load()); gap > 5*time.Second {
		t.Errorf("another screen stood still for %s", gap)
	}

	if err := stopped.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	stopped.changed.Store(0)
	soon(t, "the stopped screen goes on", 10*time.Second, func() bool { return stopped.changed.Load() != 0 })

	// The session of the deaf terminal ends, although nobody reads what is left.
	if err := deaf.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() { deaf.cmd.Process.Wait(); close(gone) }()
	select {
	case <-gone:
	case <-time.After(10 * time.Second):
		t.Error("the screen of a deaf terminal does not end")
		deaf.cmd.Process.Kill()
		<-gone
	}
	deaf.frozen.Store(false)
}
