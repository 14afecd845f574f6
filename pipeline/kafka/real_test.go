package kafka

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// TestRealKafka holds a real Kafka, started from its Maven Central jars, to the
// same contract as the embedded broker.
func TestRealKafka(t *testing.T) {
	if os.Getenv("TAPEDECK_TEST_KAFKA") != "1" {
		t.Skip("a real Kafka is tested when TAPEDECK_TEST_KAFKA=1 is set")
	}
	addr := startRealKafka(t)
	runLogContract(t, testLog{config: func() Config {
		cfg := DefaultConfig()
		cfg.Brokers, cfg.Replication = []string{addr}, 1
		return cfg
	}})
}

// startRealKafka runs a broker until the test ends and returns its address.
func startRealKafka(t *testing.T) string {
	t.Helper()
	const script = "testdata/real-kafka"
	if out, err := exec.Command(script, "check").CombinedOutput(); err != nil {
		t.Skipf("no real Kafka here: %s", strings.TrimSpace(string(out)))
	}
	port := freePorts(t)
	cmd := exec.Command(script, t.TempDir(), fmt.Sprint(port))
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
	var last []string
	go func() {
		defer close(ended)
		defer close(ready)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if last = append(last, lines.Text()); len(last) > 30 {
				last = last[1:]
			}
			if strings.Contains(lines.Text(), "Kafka Server started") {
				ready <- true
			}
		}
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // its data goes with the test
		<-ended
		_ = cmd.Wait()
	})
	if !<-ready {
		t.Fatalf("Kafka did not start:\n%s", strings.Join(last, "\n"))
	}
	return fmt.Sprintf("127.0.0.1:%d", port)
}

// freePorts finds two ports in a row that nobody listens on.
func freePorts(t *testing.T) int {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		next, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+1))
		l.Close()
		if err == nil {
			next.Close()
			return port
		}
	}
	t.Fatal("no two free ports in a row")
	return 0
}
