// Package kafkatest gives tests a real Kafka: one broker from its Maven Central
// jars, on ports of its own, gone with the test. Three packages hold themselves
// to it; nothing but tests imports it.
package kafkatest

import (
	"bufio"
	_ "embed"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

//go:embed real-kafka
var script string

// Start runs a broker until the test ends and returns its address, host:port.
// It skips the test, with what is missing, where no Kafka can run.
func Start(t testing.TB) string {
	t.Helper()
	if out, err := run("check").CombinedOutput(); err != nil {
		t.Skipf("no real Kafka here: %s", strings.TrimSpace(string(out)))
	}
	var last string
	for range 3 { // somebody may take a port between its choice and Kafka's bind
		port := FreePorts(t, 2)
		said, ok := start(t, port)
		if ok {
			return "127.0.0.1:" + strconv.Itoa(port)
		}
		last = said
		if !strings.Contains(said, "already in use") {
			break
		}
	}
	t.Fatalf("Kafka did not start. Its last lines:\n%s", last)
	return ""
}

func run(args ...string) *exec.Cmd {
	return exec.Command("bash", append([]string{"-c", script, "real-kafka"}, args...)...)
}

// start runs a broker on port and the one after it, and returns its last lines
// where it ended before it was ready.
func start(t testing.TB, port int) (last string, ok bool) {
	t.Helper()
	cmd := run(t.TempDir(), strconv.Itoa(port))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready, ended := make(chan bool, 1), make(chan struct{})
	var lines []string
	go func() {
		defer close(ended)
		defer close(ready)
		for in := bufio.NewScanner(out); in.Scan(); {
			if lines = append(lines, in.Text()); len(lines) > 60 {
				lines = lines[1:]
			}
			if strings.Contains(in.Text(), "Kafka Server started") {
				ready <- true
			}
		}
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // its data goes with the test
		<-ended
		_ = cmd.Wait()
	})
	if <-ready {
		return "", true
	}
	<-ended
	return strings.Join(lines, "\n"), false
}

// FreePorts finds n ports of 127.0.0.1 in a row that nobody listens on, and
// returns the first. They lie below those that the system gives to connections:
// a broker that was away must find its own again.
func FreePorts(t testing.TB, n int) int {
	t.Helper()
next:
	for range 100 {
		port := 15_000 + rand.IntN(15_000)
		for i := range n {
			l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port+i))
			if err != nil {
				continue next
			}
			l.Close()
		}
		return port
	}
	t.Fatalf("no %d free ports in a row", n)
	return 0
}
