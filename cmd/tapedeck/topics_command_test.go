package main

import (
	"bytes"
	"strings"
	"testing"

	"tapedeck/pipeline/kafka"
)

// topicsOn runs a topics command on a broker as if it were a cluster.
func topicsOn(b *kafka.Broker, dir, answer string, args ...string) (out, errs string, code int) {
	var stdout, stderr bytes.Buffer
	all := append([]string{"topics"}, args...)
	for _, entry := range []string{"kafka.brokers=" + b.Addr(), "kafka.protocol=sasl_plaintext", "kafka.mechanism=SCRAM-SHA-256",
		"kafka.username=" + b.User(), "kafka.password=" + b.Password(), "kafka.prefix=plan."} {
		all = append(all, "--set", entry)
	}
	code = run(append(all, "--data", dir), strings.NewReader(answer), &stdout, &stderr)
	return stdout.String(), stderr.String(), code
}

func TestTopicsPlanAndApply(t *testing.T) {
	b, err := kafka.OpenBroker(t.TempDir(), kafka.BrokerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	dir := t.TempDir()
	for _, step := range []struct {
		name   string
		args   []string
		answer string
		code   int
		says   string
	}{
		{"nothing is there", []string{"plan"}, "", 2, "plan.ticks"},
		{"no is no", []string{"apply"}, "n\n", 0, "nothing was changed"},
		{"the end of the input is no", []string{"apply"}, "", 0, "nothing was changed"},
		{"yes makes them", []string{"apply"}, "y\n", 0, "10 corrected"},
		{"all is well", []string{"plan"}, "", 0, "every topic is as the configuration wants it"},
		{"nothing to do", []string{"apply"}, "", 0, "every topic is as the configuration wants it"},
		{"another count is shown", []string{"plan", "--set", "kafka.partitions=6"}, "", 2, "another kafka.prefix and rebuild from the lake"},
		{"and refused", []string{"apply", "--yes", "--set", "kafka.partitions=6"}, "", 1, "nothing was changed"},
		{"more copies", []string{"apply", "--yes", "--set", "kafka.replication=3"}, "", 1, "kafka-reassign-partitions.sh"},
		{"for programs", []string{"plan", "--format", "json", "--set", "kafka.partitions=6"}, "", 2, `"setting":"partitions","is":"12","wanted":"6"`},
	} {
		out, errs, code := topicsOn(b, dir, step.answer, step.args...)
		if code != step.code || !strings.Contains(out+errs, step.says) {
			t.Errorf("%s: exit %d, want %d with %q\n%s%s", step.name, code, step.code, step.says, out, errs)
		}
	}
}
