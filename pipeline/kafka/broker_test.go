package kafka

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// childDir, when set, makes the test binary the process that TestKilledBroker kills.
const childDir = "TAPEDECK_TEST_BROKER_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := children[os.Getenv(childTask)](dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func openBroker(t testing.TB, dir string) *Broker {
	t.Helper()
	b, err := OpenBroker(dir, BrokerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func closeBroker(t testing.TB, b *Broker) {
	t.Helper()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

func TestEmbeddedLog(t *testing.T) {
	b := openBroker(t, t.TempDir())
	t.Cleanup(func() { closeBroker(t, b) })
	runLogContract(t, testLog{config: func() Config { return b.Config(DefaultConfig()) }})
}

func TestBrokerLocked(t *testing.T) {
	dir := t.TempDir()
	b := openBroker(t, dir)
	_, err := OpenBroker(dir, BrokerConfig{})
	if !errors.Is(err, ErrLocked) || LockedBy(err) != os.Getpid() {
		t.Errorf("a second opening: %v (by %d)", err, LockedBy(err))
	}
	closeBroker(t, b)
	closeBroker(t, openBroker(t, dir))
	if LockedBy(errors.New("else")) != 0 {
		t.Error("another error names a process")
	}
}

func TestBrokerRefusesStrangers(t *testing.T) {
	b := openBroker(t, t.TempDir())
	defer closeBroker(t, b)
	told := make(chan string, 10)
	cfg := b.Config(DefaultConfig())
	cfg.Security.Password += "x"
	cfg.OnTrouble = func(s string) { told <- s }
	c := openClient(t, cfg)
	for s := range told {
		if strings.Contains(s, "refuses the credentials") {
			break
		}
	}
	if !strings.Contains(c.Trouble(), "refuses the credentials") {
		t.Errorf("trouble %q", c.Trouble())
	}
}

// TestReopenedBroker closes the broker under its clients and opens it again.
func TestReopenedBroker(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := openBroker(t, dir)
	cfg := b.Config(DefaultConfig())
	told := make(chan string, 100)
	cfg.OnTrouble = func(s string) { told <- s }
	c := openClient(t, cfg)
	topics := ensure(t, c)
	p := openProducer(t, c)
	fill(t, p, 1200)
	if err := c.Trim(t.Context(), Ticks, map[int32]int64{7: 1000}); err != nil {
		t.Fatal(err)
	}
	closeBroker(t, b)
	for s := range told {
		if strings.Contains(s, "away, retrying") {
			break
		}
	}
	if err := p.Produce(Ticks, 7, nil, []byte("while away")); err != nil {
		t.Fatal(err)
	}
	again, err := OpenBroker(dir, BrokerConfig{Password: b.Password()})
	if err != nil {
		t.Fatal(err)
	}
	defer closeBroker(t, again)
	if again.Addr() != b.Addr() {
		t.Errorf("reopened on %s, was on %s", again.Addr(), b.Addr())
	}
	for s := range told {
		if s == "" {
			break
		}
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	ranges, err := c.Offsets(t.Context(), Ticks)
	if err != nil || ranges[7].High != 101 || ranges[0].High != 100 {
		t.Errorf("after reopening: %v, %v", ranges, err)
	}
	for i, topic := range ensure(t, c) {
		if topic.ID != topics[i].ID || topic.Created {
			t.Errorf("topic %+v was %+v", topic, topics[i])
		}
	}
}

// TestBrokerAway: with the broker gone a producer takes what it has room for,
// then blocks, and lets go of who no longer wants to wait.
func TestBrokerAway(t *testing.T) {
	b := openBroker(t, t.TempDir())
	c := openClient(t, b.Config(DefaultConfig()))
	ensure(t, c)
	p, err := c.NewProducer()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.Produce(Ticks, 0, nil, []byte("first")), p.Flush(t.Context())); err != nil {
		t.Fatal(err)
	}
	closeBroker(t, b)
	value := make([]byte, 900_000)
	taken := int64(1)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	for err = nil; err == nil; taken++ {
		err = p.ProduceContext(ctx, Ticks, 0, nil, value)
	}
	taken--
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a full producer: %v", err)
	}
	if got := p.Progress(); got != (Progress{Acked: 1, InFlight: taken - 1}) {
		t.Errorf("progress %+v after %d records", got, taken)
	}
	if err := p.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("flush: %v", err)
	}
	blocked := make(chan error, 1)
	go func() {
		for {
			if err := p.Produce(Ticks, 0, nil, value); err != nil {
				blocked <- err
				return
			}
		}
	}()
	if err := p.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("close: %v", err)
	}
	if err := <-blocked; !errors.Is(err, ErrClosed) {
		t.Errorf("a blocked Produce: %v", err)
	}
	if err := p.Flush(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("flush after close: %v", err)
	}
}

// produceUntilKilled runs a broker and says on standard output how many
// records of each partition were acknowledged.
func produceUntilKilled(dir string) error {
	b, err := OpenBroker(dir, BrokerConfig{})
	if err != nil {
		return err
	}
	c, err := Open(b.Config(DefaultConfig()), discard)
	if err != nil {
		return err
	}
	ctx := background
	if _, err := c.EnsureTopics(ctx); err != nil {
		return err
	}
	ranges, err := c.Offsets(ctx, Ticks)
	if err != nil {
		return err
	}
	p, err := c.NewProducer()
	if err != nil {
		return err
	}
	acked := make([]int64, len(ranges)) // by partition: what was never acknowledged may be there, too
	for i, r := range ranges {
		acked[i] = r.High
	}
	for {
		for range 500 {
			for part := range acked {
				if err := p.Produce(Ticks, int32(part), nil, fmt.Append(nil, acked[part])); err != nil {
					return err
				}
				acked[part]++
			}
		}
		if err := p.Flush(ctx); err != nil {
			return err
		}
		fmt.Println(acked)
	}
}

// TestKilledBroker kills the process of a broker again and again: every
// acknowledged record is there, in its place, once.
func TestKilledBroker(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	acked := make([]int64, 12)
	take := func(line string) { // [500 500 …]
		for i, word := range strings.Fields(strings.Trim(line, "[]")) {
			fmt.Sscan(word, &acked[i])
		}
	}
	for range 4 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childDir+"="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for i := 0; i < 5 && lines.Scan(); i++ {
			take(lines.Text())
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // what was acknowledged until it died
			take(lines.Text())
		}
		_ = cmd.Wait() // killed, as it should be
	}
	b := openBroker(t, dir)
	defer closeBroker(t, b)
	c := openClient(t, b.Config(DefaultConfig()))
	for part := range int32(12) {
		next := int64(0)
		err := c.Read(t.Context(), Ticks, part, 0, -1, func(recs []Record) error {
			for _, r := range recs {
				if r.Offset != next {
					return fmt.Errorf("offset %d, want %d", r.Offset, next)
				}
				next++
			}
			return nil
		})
		if err != nil || next < acked[part] || acked[part] == 0 {
			t.Errorf("partition %d: %d records, %d acknowledged; %v", part, next, acked[part], err)
		}
	}
}

// TestTornLog cuts and garbles the end of the log's files, as a crash of the
// machine may, and opens it.
func TestTornLog(t *testing.T) {
	t.Parallel()
	for name, tear := range map[string]func(t *testing.T, path string){
		"cut":     func(t *testing.T, path string) { cut(t, path, 7) },
		"garbled": func(t *testing.T, path string) { overwrite(t, path, -20, "garbage") },
		"grown":   func(t *testing.T, path string) { overwrite(t, path, 0, strings.Repeat("\x00garbage", 100)) },
		"emptied": func(t *testing.T, path string) { cut(t, path, 1<<30) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			b := openBroker(t, dir)
			c := openClient(t, b.Config(DefaultConfig()))
			ensure(t, c)
			p := openProducer(t, c)
			for i := range 10 {
				if err := errors.Join(p.Produce(Ticks, 0, nil, fmt.Append(nil, i)), p.Flush(t.Context())); err != nil {
					t.Fatal(err)
				}
			}
			closeBroker(t, b)
			files, err := filepath.Glob(filepath.Join(dir, "data", "partitions", "*-ticks-0", "*.dat"))
			if err != nil || len(files) == 0 {
				files, _ = filepath.Glob(filepath.Join(dir, "data", "partitions", "*ticks-0", "*.dat"))
			}
			if len(files) != 1 {
				t.Fatalf("segments %v", files)
			}
			tear(t, files[0])
			b, err = OpenBroker(dir, BrokerConfig{Password: b.Password()})
			if err != nil {
				t.Fatal(err)
			}
			defer closeBroker(t, b)
			recs, err := openClient(t, b.Config(DefaultConfig())).ReadLast(t.Context(), Ticks, 0, 100)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]int{"cut": 9, "garbled": 9, "grown": 10, "emptied": 0}[name]
			if len(recs) != want {
				t.Errorf("%d records left, want %d", len(recs), want)
			}
		})
	}
}

func cut(t *testing.T, path string, n int64) {
	t.Helper()
	info, err := os.Stat(path)
	if err == nil {
		err = os.Truncate(path, max(0, info.Size()-n))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// overwrite writes text at from bytes before (or, not negative, after) the end.
func overwrite(t *testing.T, path string, from int64, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil {
		_, err = f.WriteAt([]byte(text), info.Size()+from)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestDamagedBroker(t *testing.T) {
	dir := t.TempDir()
	b := openBroker(t, dir)
	ensure(t, openClient(t, b.Config(DefaultConfig())))
	closeBroker(t, b)
	if err := os.WriteFile(filepath.Join(dir, "data", "topics.json"), []byte("{broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := OpenBroker(dir, BrokerConfig{})
	if err == nil || !strings.Contains(err.Error(), "move the folder away") {
		t.Errorf("opened, or no way out: %v", err)
	}
	_, err = OpenBroker(dir, BrokerConfig{}) // and the lock is free
	if err == nil || errors.Is(err, ErrLocked) {
		t.Errorf("second try: %v", err)
	}
}

func TestSlotLock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "slots")
	var release []func()
	for i := range 3 {
		name, free, err := SlotLock(dir)
		if err != nil || name != fmt.Sprintf("slot-%d", i) {
			t.Fatalf("slot %d is %q, %v", i, name, err)
		}
		release = append(release, free)
	}
	release[1]()
	name, free, err := SlotLock(dir)
	if err != nil || name != "slot-1" {
		t.Errorf("the freed slot is %q, %v", name, err)
	}
	free()
	release[0]()
	release[2]()
}

func TestBrokerStartsQuickly(t *testing.T) {
	dir := t.TempDir()
	began := time.Now()
	b := openBroker(t, dir)
	c := openClient(t, b.Config(DefaultConfig()))
	ensure(t, c)
	t.Logf("broker, client and topics in %s", time.Since(began).Round(time.Millisecond))
	closeBroker(t, b)
}
