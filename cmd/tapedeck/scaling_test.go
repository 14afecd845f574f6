package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/market"
)

// fleet is several processes of one pipeline: they share a log and a lake, and
// each has a data directory of its own.
type fleet struct {
	t     *testing.T
	b     *box
	log   *kafka.Client
	names int
}

// fleetProcess is one process of a fleet.
type fleetProcess struct {
	cmd  *exec.Cmd
	errs bytes.Buffer
	over chan error
}

// newFleet makes the box's commands work on a log and a lake that processes share.
func newFleet(t *testing.T) *fleet {
	t.Helper()
	log, broker := testLog(t)
	b := newBox(t)
	b.env = append(b.env, "TAPEDECK_KAFKA_BROKERS="+broker.Addr(), "TAPEDECK_KAFKA_PROTOCOL=sasl_plaintext",
		"TAPEDECK_KAFKA_MECHANISM=SCRAM-SHA-256", "TAPEDECK_KAFKA_USERNAME="+broker.User(), "TAPEDECK_KAFKA_PASSWORD="+broker.Password(),
		"TAPEDECK_KAFKA_REPLICATION=1", "TAPEDECK_LAKE="+filepath.Join(b.dir, "lake"))
	return &fleet{t: t, b: b, log: log}
}

// start starts a process that runs some stages.
func (f *fleet) start(stages string, args ...string) *fleetProcess {
	f.t.Helper()
	f.names++
	m := &fleetProcess{over: make(chan error, 1)}
	m.cmd = f.b.command(f.t.Context(), append([]string{"run", "--stages", stages, "--feed", "replay",
		"--data", filepath.Join(f.b.dir, fmt.Sprint("member-", f.names))}, args...)...)
	m.cmd.Stderr = &m.errs
	if err := m.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	go func() { m.over <- m.cmd.Wait() }()
	f.t.Cleanup(func() { _ = m.cmd.Process.Kill() })
	return m
}

// leave ends a process in order.
func (f *fleet) leave(m *fleetProcess) {
	f.t.Helper()
	_ = m.cmd.Process.Signal(syscall.SIGTERM)
	f.ended(m)
}

// ended waits for a process that ends well.
func (f *fleet) ended(m *fleetProcess) {
	f.t.Helper()
	if err := <-m.over; err != nil {
		f.t.Fatalf("%v: %v\n%s", m.cmd.Args[1:4], err, m.errs.String())
	}
}

// die is kill -9.
func (m *fleetProcess) die() {
	_ = m.cmd.Process.Kill()
	<-m.over
}

// sameTables compares what two boxes have in their lakes, row by row.
func sameTables(t *testing.T, got, want *box) {
	t.Helper()
	for _, statement := range []string{
		"SELECT symbol, time, price, size FROM ticks",
		"SELECT * FROM bars",
		"SELECT * FROM features",
		"SELECT * FROM alerts",
	} {
		g, w := got.sql(statement), want.sql(statement)
		slices.SortFunc(g, slices.Compare)
		slices.SortFunc(w, slices.Compare)
		if !slices.EqualFunc(g, w, slices.Equal) || len(w) == 0 {
			t.Errorf("%s: %d rows differ from %d of a quiet run", statement, len(g), len(w))
		}
	}
}

// TestScalingOut shares one pipeline among processes that come, go and are
// killed while it runs, each with some of the stages: every tick is in the lake
// once, and bars, features and alerts are those of one quiet process.
func TestScalingOut(t *testing.T) {
	t.Parallel()
	const rows = 60_000 // 20 minutes of a market
	f, quiet := newFleet(t), newBox(t)
	file, good, bad := f.b.recording(rows)
	quietFile, _, _ := quiet.recording(rows)
	loud(t, file)
	loud(t, quietFile)
	replay := []string{"--input", file, "--speed", "80", "--once"}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	come := func(n int64) {
		t.Helper()
		if err := recorded(ctx, f.log, n); err != nil {
			t.Fatalf("%v\n%s", err, f.b.log())
		}
	}

	feed := f.start("feed", replay...)
	first, archive := f.start("compute"), f.start("archive")
	come(5000)
	second := f.start("compute") // one more shares the work
	come(5000)
	others := f.start("archive")
	feed.die() // another process goes on with the source
	feed = f.start("feed", replay...)
	come(5000)
	first.die()
	third := f.start("compute")
	come(5000)
	f.leave(archive)
	f.leave(second)
	f.ended(feed)
	f.leave(third)
	f.leave(others)

	// One process with all stages takes the rest to the lake.
	f.b.must("run", "--feed", "replay", "--input", file, "--speed", "max", "--once")
	quiet.must("run", "--feed", "replay", "--input", quietFile, "--speed", "max", "--once")
	if got := f.b.sql("SELECT count(*), count(DISTINCT (\"partition\", \"offset\")) FROM ticks")[0]; got[0] != strconv.Itoa(good) || got[1] != got[0] {
		t.Errorf("%v ticks in SQL, the file has %d", got, good)
	}
	if got := f.b.sql("SELECT count(*) FROM dead_letters")[0][0]; got != strconv.Itoa(bad) {
		t.Errorf("%s dead letters, the file has %d bad rows", got, bad)
	}
	sameTables(t, f.b, quiet)
}

// TestScalingSpeed measures, for 1,000 symbols with one and with twenty ticks a
// second each, what a tick costs each stage, and how fast processes that share
// the stage compute take in a log that is already there. A process's start and
// end are in the figures; the broker, which is the test's own, is not.
func TestScalingSpeed(t *testing.T) {
	if os.Getenv("TAPEDECK_TEST_SCALING") != "1" {
		t.Skip("speed by number of processes is measured when TAPEDECK_TEST_SCALING=1 is set")
	}
	for _, load := range []struct{ perSecond, seconds int }{{1, 600}, {20, 30}} {
		for _, processes := range []int{1, 2, 4} {
			t.Run(fmt.Sprintf("%d a second and symbol, %d processes", load.perSecond, processes), func(t *testing.T) {
				f := newFleet(t)
				file, ticks := f.b.crowd(load.perSecond, load.seconds)
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
				defer cancel()
				report := func(stage string, began time.Time, members ...*fleetProcess) {
					t.Helper()
					took, cpu := time.Since(began), time.Duration(0)
					for _, m := range members {
						cpu += m.cmd.ProcessState.UserTime() + m.cmd.ProcessState.SystemTime()
					}
					t.Logf("%s, %d processes: %.0f ticks/s, %.1f µs of CPU a tick", stage, len(members), float64(ticks)/took.Seconds(), float64(cpu.Microseconds())/float64(ticks))
				}
				began := time.Now()
				feed := f.start("feed", "--input", file, "--speed", "max", "--once")
				f.ended(feed)
				report("feed", began, feed)

				began = time.Now()
				var members []*fleetProcess
				for range processes {
					members = append(members, f.start("compute"))
				}
				f.read(ctx, "compute", kafka.Ticks)
				took := time.Since(began)
				if got := f.trades(ctx); got != int64(ticks) {
					t.Errorf("the bars hold %d trades when the group has read all, the file has %d", got, ticks)
				}
				for _, m := range members {
					f.leave(m)
				}
				report("compute", time.Now().Add(-took), members...)
				if processes > 1 {
					return
				}
				began = time.Now()
				archive := f.start("archive")
				for _, topic := range []string{kafka.Ticks, kafka.Bars, kafka.Features} {
					f.read(ctx, "archive-"+topic, topic)
				}
				f.leave(archive)
				report("archive", began, archive)
			})
		}
	}
}

// read waits until a group has read all of a topic that there is now.
func (f *fleet) read(ctx context.Context, group, topic string) {
	f.t.Helper()
	ends, err := f.log.Offsets(ctx, topic)
	if err != nil {
		f.t.Fatal(err)
	}
	for {
		done, err := f.log.Committed(ctx, group, topic)
		if err == nil && reached(done, ends) {
			return
		}
		if failed := pause(ctx); failed != nil {
			f.t.Fatal(errors.Join(failed, err), group, done, ends)
		}
	}
}

// trades counts the trades of all 1s bars on the log, each bar by its last revision.
func (f *fleet) trades(ctx context.Context) (total int64) {
	f.t.Helper()
	ranges, err := f.log.Offsets(ctx, kafka.Bars)
	if err != nil {
		f.t.Fatal(err)
	}
	for p, r := range ranges {
		trades := map[string]int64{}
		err := f.log.Read(ctx, kafka.Bars, int32(p), r.Low, r.High, func(records []kafka.Record) error {
			for i := range records {
				var b market.Bar
				if err := market.DecodeBar(records[i].Value, &b); err != nil {
					return err
				}
				if b.Interval == market.Second {
					trades[b.Symbol+b.Time.String()] = b.Trades
				}
			}
			return nil
		})
		if err != nil {
			f.t.Fatal(err)
		}
		for _, n := range trades {
			total += n
		}
	}
	return total
}

// reached tells whether a group has read all of a topic.
func reached(done []int64, ends []kafka.Range) bool {
	for p, r := range ends {
		if r.High > 0 && done[p] < r.High {
			return false
		}
	}
	return true
}
