package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/kafka/kafkatest"
)

// cluster is three real brokers, run by examples/cluster/cluster.
type cluster struct {
	t       *testing.T
	env     []string
	brokers string
	gates   [3]*gate          // through which others reach the brokers
	rate    int64             // ticks a second that come, about
	during  func(what string) // told when something has just been done to a broker
	after   func(what string) // told when it is over
}

// needCluster skips a test that is too long for every day. TAPEDECK_TEST_CLUSTER
// is 1 for all of them, short for what continuous integration runs.
func needCluster(t *testing.T) (short bool) {
	t.Helper()
	switch os.Getenv("TAPEDECK_TEST_CLUSTER") {
	case "1":
		return false
	case "short":
		return true
	}
	t.Skip("three brokers are tested when TAPEDECK_TEST_CLUSTER is 1 or short")
	return false
}

// newCluster starts three brokers, which end with the test.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t, rate: 1000, during: func(string) {}, after: func(string) {}}
	first := kafkatest.FreePorts(t, 12)
	c.env = append(os.Environ(), "CLUSTER_DIR="+filepath.Join(t.TempDir(), "cluster"), "CLUSTER_PORT="+strconv.Itoa(first), "CLUSTER_ADVERTISE="+strconv.Itoa(first+6), "CLUSTER_SECURE="+strconv.Itoa(first+9))
	if out, err := c.do("check"); err != nil {
		t.Skipf("no cluster here: %s", out)
	}
	t.Cleanup(func() {
		for n := 1; n <= 3; n++ {
			_, _ = c.do("kill", strconv.Itoa(n)) // their data goes with the test
		}
	})
	for n := range c.gates {
		c.gates[n] = newGate(t, fmt.Sprint("127.0.0.1:", first+6+n), fmt.Sprint("127.0.0.1:", first+2*n))
	}
	if out, err := c.do("start"); err != nil {
		t.Fatalf("cluster start: %v\n%s", err, out)
	}
	c.brokers = c.must("brokers")
	return c
}

func (c *cluster) do(args ...string) (string, error) {
	cmd := exec.Command("../../examples/cluster/cluster", args...)
	cmd.Env = c.env
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (c *cluster) must(args ...string) string {
	c.t.Helper()
	out, err := c.do(args...)
	if err != nil {
		c.t.Errorf("cluster %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// cutFor is how long the network to a broker is cut: shorter than what a client
// waits for an answer, so that it is not told.
const cutFor = 5 * time.Second

// faults kills the leader of a partition and brings it back, then kills one of
// its followers, then restarts all three brokers one after the other, then cuts
// the network to the leader, each time waiting until every copy is in step
// again. But for the length of the cut it waits for what it sees, not for a time.
func (c *cluster) faults(ctx context.Context, log *kafka.Client) error {
	for _, fault := range []func(context.Context, *kafka.Client) error{c.killLeader, c.killFollower, c.restartAll, c.cutLeader} {
		if err := fault(ctx, log); err != nil {
			return err
		}
	}
	return nil
}

// until waits until a partition of the ticks and the cluster are as done wants
// them; what is what that means.
func (c *cluster) until(ctx context.Context, log *kafka.Client, what string, done func(part kafka.PartitionState, trouble string) bool) (kafka.PartitionState, error) {
	const partition = 0
	place := func() (kafka.PartitionState, string, error) {
		cluster, err := log.Describe(ctx)
		if err != nil {
			return kafka.PartitionState{}, "", err
		}
		for _, topic := range cluster.Topics {
			if topic.Name == kafka.Ticks {
				return topic.Parts[partition], cluster.Trouble(), nil
			}
		}
		return kafka.PartitionState{}, "not there yet", nil
	}
	started, last := time.Now(), ""
	for {
		part, trouble, err := place()
		if now := fmt.Sprint(trouble, err); now != last {
			c.t.Logf("  %.1f s: leader %d, %q, %v", time.Since(started).Seconds(), part.Leader, trouble, err)
			last = now
		}
		if err == nil && done(part, trouble) {
			c.t.Logf("%s: after %.1f s", what, time.Since(started).Seconds())
			return part, nil
		}
		select {
		case <-ctx.Done():
			return part, fmt.Errorf("%s: %w; last: %q, %w", what, ctx.Err(), trouble, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// well waits until the topics are there and every copy is in step.
func (c *cluster) well(ctx context.Context, log *kafka.Client, what string) (kafka.PartitionState, error) {
	return c.until(ctx, log, what, func(_ kafka.PartitionState, trouble string) bool { return trouble == "" })
}

func (c *cluster) killLeader(ctx context.Context, log *kafka.Client) error {
	part, err := c.well(ctx, log, "the topics are there and well")
	if err != nil {
		return err
	}
	if err := recorded(ctx, log, 1); err != nil {
		return err
	}
	killed := part.Leader
	c.must("kill", fmt.Sprint(killed))
	c.during("a leader is killed")
	if _, err = c.until(ctx, log, "another broker leads, and the screen can say who is away", func(p kafka.PartitionState, trouble string) bool {
		return p.Leader >= 0 && p.Leader != killed &&
			(strings.HasPrefix(trouble, fmt.Sprintf("broker %d zone-%d is away", killed, killed)) || strings.HasPrefix(trouble, fmt.Sprintf("broker %d is away", killed)))
	}); err != nil {
		return err
	}
	if err := recorded(ctx, log, 5*c.rate); err != nil { // it goes on without the killed one
		return err
	}
	c.must("start", fmt.Sprint(killed))
	if _, err = c.well(ctx, log, "the killed leader is back and in step"); err != nil {
		return err
	}
	c.after("a leader was killed and came back")
	return nil
}

func (c *cluster) killFollower(ctx context.Context, log *kafka.Client) error {
	part, err := c.well(ctx, log, "the topics are there and well")
	if err != nil {
		return err
	}
	follower := part.Replicas[0]
	if follower == part.Leader {
		follower = part.Replicas[1]
	}
	c.must("kill", fmt.Sprint(follower))
	c.during("a follower is killed")
	if err := recorded(ctx, log, 5*c.rate); err != nil {
		return err
	}
	c.must("start", fmt.Sprint(follower))
	if _, err = c.well(ctx, log, "the killed follower is back and in step"); err != nil {
		return err
	}
	c.after("a follower was killed and came back")
	return nil
}

func (c *cluster) restartAll(ctx context.Context, log *kafka.Client) error {
	for n := 1; n <= 3; n++ {
		c.must("stop", strconv.Itoa(n))
		c.during(fmt.Sprintf("broker %d is stopped", n))
		if err := recorded(ctx, log, 2*c.rate); err != nil {
			return err
		}
		c.must("start", strconv.Itoa(n))
		if _, err := c.well(ctx, log, fmt.Sprintf("broker %d was stopped and is back and in step", n)); err != nil {
			return err
		}
		c.after(fmt.Sprintf("broker %d was stopped and came back", n))
	}
	return nil
}

func (c *cluster) cutLeader(ctx context.Context, log *kafka.Client) error {
	part, err := c.well(ctx, log, "the topics are there and well")
	if err != nil {
		return err
	}
	g := c.gates[part.Leader-1]
	g.shut()
	c.t.Logf("the network to broker %d, which leads, is cut for %s", part.Leader, cutFor)
	c.during("the network is cut")
	if err := pauseFor(ctx, cutFor); err != nil {
		return err
	}
	g.open()
	if err := recorded(ctx, log, 5*c.rate); err != nil {
		return err
	}
	_, err = c.well(ctx, log, "the network is back and every copy in step")
	c.after("the network was cut")
	return err
}

func pauseFor(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// longestGap watches the topic of ticks until ctx ends and returns the longest
// time in which none came, once the first had.
func longestGap(ctx context.Context, log *kafka.Client) time.Duration {
	var longest time.Duration
	high, last := int64(0), time.Now()
	for ctx.Err() == nil {
		if ranges, err := log.Offsets(ctx, kafka.Ticks); err == nil {
			total := int64(0)
			for _, r := range ranges {
				total += r.High
			}
			if total > high {
				if high > 0 {
					longest = max(longest, time.Since(last))
				}
				high, last = total, time.Now()
			}
		}
		_ = pauseFor(ctx, 100*time.Millisecond)
	}
	return longest
}

// recorded waits until the topic of ticks holds n records more than now.
func recorded(ctx context.Context, log *kafka.Client, n int64) error {
	first := int64(-1)
	for {
		if ranges, err := log.Offsets(ctx, kafka.Ticks); err == nil {
			total := int64(0)
			for _, r := range ranges {
				total += r.High
			}
			if first < 0 {
				first = total
			}
			if total >= first+n {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %d more ticks: %w", n, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// loud makes some trades of a recording so large that rules speak.
func loud(t *testing.T, file string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(data), "\n")
	for i := 2000; i < len(lines); i += 2500 {
		fields := strings.Split(lines[i], ",")
		fields[3] = "2000000"
		lines[i] = strings.Join(fields, ",")
	}
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestClusterLosesNothing replays a file on three brokers while the leader of a
// partition is killed and comes back, a follower, too, all are restarted in turn,
// the network to one is cut, and the pipeline itself is killed at random: every tick is in the lake once, and bars, features
// and alerts are those of a quiet run. In short: the leader and the pipeline.
func TestClusterLosesNothing(t *testing.T) {
	short := needCluster(t)
	rows := 250_000
	if short {
		rows = 120_000
	}
	c := newCluster(t)
	b, quiet := newBox(t), newBox(t)
	file, good, bad := b.recording(rows) // 81 minutes of a market, about 51 ticks a second
	args := func(file, speed string, more ...string) []string {
		return append([]string{"run", "--feed", "replay", "--input", file, "--speed", speed, "--once"}, more...)
	}
	quietFile, _, _ := quiet.recording(rows)
	loud(t, file)
	loud(t, quietFile)
	quiet.must(args(quietFile, "max")...)

	log := c.openLog()
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	done := make(chan error, 1)
	faults := c.faults
	if short {
		faults = c.killLeader
	}
	go func() { done <- faults(ctx, log) }()
	watching, watched := context.WithCancel(ctx)
	defer watched()
	gap := make(chan time.Duration, 1)
	go func() { gap <- longestGap(watching, log) }()

	// Killed each time when some seconds' worth of ticks have come; once the
	// faults are over, the rest goes in as fast as it can.
	random := rand.New(rand.NewPCG(7, 8))
	kills, faulty := 0, true
	for ended := false; !ended; {
		speed := "40"
		if !faulty {
			speed = "max"
		}
		cmd := b.command(ctx, args(file, speed, "--set", "kafka.brokers="+c.brokers, "--set", "kafka.replication=3")...)
		var errs bytes.Buffer
		cmd.Stderr = &errs
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		over := make(chan error, 1)
		go func() { over <- cmd.Wait() }()
		enough := make(chan error, 1)
		if faulty {
			ticks := 2000 + random.Int64N(8000)
			go func() { enough <- recorded(ctx, log, ticks) }()
		}
		select {
		case err := <-over:
			if err != nil {
				t.Fatalf("%v\n%s\n%s", err, errs.String(), b.log())
			}
			ended = true
			continue
		case <-enough:
		case err := <-done:
			if err != nil {
				t.Fatalf("%v\n%s", err, b.log())
			}
			faulty = false
			watched()
			t.Logf("longest time without a new tick, the pipeline's own deaths included: %.1f s", (<-gap).Seconds())
		}
		_ = cmd.Process.Kill()
		<-over
		kills++
	}
	if faulty {
		t.Error("the replay ended before the last fault: a longer file, or a slower replay")
		cancel()
		<-done
	}
	t.Logf("the pipeline was killed %d times", kills)

	if got := b.sql("SELECT count(*), count(DISTINCT (\"partition\", \"offset\")) FROM ticks")[0]; got[0] != strconv.Itoa(good) || got[1] != got[0] {
		t.Errorf("%v ticks in SQL, the file has %d", got, good)
	}
	if got := b.sql("SELECT count(*) FROM dead_letters")[0][0]; got != strconv.Itoa(bad) {
		t.Errorf("%s dead letters, the file has %d bad rows", got, bad)
	}
	sameTables(t, b, quiet)
}
