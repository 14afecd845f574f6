package main

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"tapedeck/pipeline/kafka/kafkatest"
)

// TestJourneyOnRealKafka takes one file from its rows to SQL on a real Kafka,
// with a kill on the way, and compares with the broker inside tapedeck.
func TestJourneyOnRealKafka(t *testing.T) {
	if os.Getenv("TAPEDECK_TEST_KAFKA") != "1" {
		t.Skip("a real Kafka is tested when TAPEDECK_TEST_KAFKA=1 is set")
	}
	address := kafkatest.Start(t)
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
