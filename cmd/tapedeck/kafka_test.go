package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestJourneyOnRealKafka takes one file from its rows to SQL on a real Kafka,
// with a kill on the way, and compares with the broker inside tapedeck.
func TestJourneyOnRealKafka(t *testing.T) {
	if os.Getenv("TAPEDECK_TEST_KAFKA") != "1" {
		t.Skip("a real Kafka is tested when TAPEDECK_TEST_KAFKA=1 is set")
	}
	address := realKafka(t)
	const rows = 60_000
	real, embedded := newBox(t), newBox(t)
	file, good, bad := real.recording(rows)
	args := []string{"run", "--feed", "replay", "--input", file, "--speed", "max", "--once"}
	onCluster := append([]string{"--set", "kafka.brokers=" + address, "--set", "kafka.replication=1"}, args...)
	killed := real.command(t.Context(), onCluster...)
	if err := killed.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(2*time.Second, func() { killed.Process.Kill() })
	err := killed.Wait()
	timer.Stop()
	t.Logf("the first run: %v", err)
	real.must(onCluster...)
	file, _, _ = embedded.recording(rows)
	args[4] = file
	embedded.must(args...)

	if got := real.sql("SELECT count(*), count(DISTINCT (\"partition\", \"offset\")) FROM ticks")[0]; got[0] != strconv.Itoa(good) || got[1] != got[0] {
		t.Errorf("%v ticks in SQL, the file has %d", got, good)
	}
	if got := real.sql("SELECT count(*) FROM dead_letters")[0][0]; got != strconv.Itoa(bad) {
		t.Errorf("%s dead letters, the file has %d bad rows", got, bad)
	}
	for _, statement := range []string{
		"SELECT * FROM bars ORDER BY symbol, \"interval\", time",
		"SELECT * FROM features ORDER BY symbol, \"interval\", time",
	} {
		if got, want := real.sql(statement), embedded.sql(statement); fmt.Sprint(got) != fmt.Sprint(want) || len(got) == 0 {
			t.Errorf("%s: %d rows on Kafka differ from %d on the broker inside", statement, len(got), len(want))
		}
	}
}

// realKafka runs a broker until the test ends and returns its address.
func realKafka(t *testing.T) string {
	t.Helper()
	const script = "../../pipeline/kafka/testdata/real-kafka"
	if out, err := exec.Command(script, "check").CombinedOutput(); err != nil {
		t.Skipf("no real Kafka here: %s", strings.TrimSpace(string(out)))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	cmd := exec.Command(script, t.TempDir(), strconv.Itoa(port))
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
	go func() {
		defer close(ended)
		defer close(ready)
		for lines := bufio.NewScanner(out); lines.Scan(); {
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
		t.Fatal("Kafka did not start")
	}
	return "127.0.0.1:" + strconv.Itoa(port)
}
