package kafka

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// What the test binary is to do as a process of its own, in the folder childDir names.
const (
	childTask     = "TAPEDECK_TEST_BROKER_TASK"
	childPassword = "TAPEDECK_TEST_BROKER_PASSWORD"
)

// children are the tasks that childTask names.
var children = map[string]func(dir string) error{
	"":      produceUntilKilled,
	"serve": serveUntilKilled,
	"full":  produceIntoFullFiles,
}

// serveUntilKilled is a broker without clients of its own.
func serveUntilKilled(dir string) error {
	b, err := OpenBroker(dir, BrokerConfig{Password: os.Getenv(childPassword)})
	if err != nil {
		return err
	}
	fmt.Println(b.Addr())
	_, err = io.Copy(io.Discard, os.Stdin) // until the test closes the other end
	return errors.Join(err, b.Close())
}

// TestProducerOutlivesBroker kills and closes the broker again and again under
// a producer of another process: each of its records is in the log once, in
// order. TAPEDECK_TEST_KILLS asks for more than four ends.
func TestProducerOutlivesBroker(t *testing.T) {
	t.Parallel()
	ends := 4
	if n, err := strconv.Atoi(os.Getenv("TAPEDECK_TEST_KILLS")); err == nil {
		ends = n
	}
	s := serveBroker(t, t.TempDir())
	c := openClient(t, s.config())
	ensure(t, c)
	p := openProducer(t, c)
	var next int64
	stop, produced := make(chan struct{}), make(chan error, 1)
	go func() { // without a pause, so that every end meets records on their way
		for ; ; next++ {
			select {
			case <-stop:
				produced <- p.Flush(t.Context())
				return
			default:
			}
			for part := range int32(12) {
				if err := p.Produce(Ticks, part, nil, fmt.Append(nil, next)); err != nil {
					produced <- err
					return
				}
			}
		}
	}()
	random := rand.New(rand.NewPCG(1, 2))
	for end := range ends {
		for range 1 + random.IntN(3) {
			if err := p.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if end%4 == 1 {
			s.close()
		} else {
			s.kill()
		}
		s.start()
	}
	close(stop)
	if err := <-produced; err != nil {
		t.Fatal(err)
	}
	doubled, missing := int64(0), int64(0)
	for part := range int32(12) {
		want := int64(0)
		err := c.Read(t.Context(), Ticks, part, 0, -1, func(recs []Record) error {
			for _, r := range recs {
				n, err := strconv.ParseInt(string(r.Value), 10, 64)
				switch {
				case err != nil:
					return err
				case n < want:
					doubled++
				default:
					missing += n - want
					want = n + 1
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		missing += next - want
	}
	if doubled > 0 || missing > 0 {
		t.Errorf("of %d records %d doubled, %d missing", 12*next, doubled, missing)
	}
}

// produceIntoFullFiles produces while files cannot grow past a size, as on a
// full disk, then with room again, and prints what was acknowledged.
func produceIntoFullFiles(dir string) error {
	signal.Ignore(syscall.SIGXFSZ)
	b, err := OpenBroker(dir, BrokerConfig{})
	if err != nil {
		return err
	}
	c, err := Open(b.Config(DefaultConfig()), discard)
	if err != nil {
		return err
	}
	if _, err := c.EnsureTopics(background); err != nil {
		return err
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	full := syscall.Rlimit{Cur: 100_001, Max: limit.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &full); err != nil {
		return err
	}
	value := make([]byte, 1000)
	random := rand.NewChaCha8([32]byte{}) // whose bytes do not compress
	said := func(p *Producer, err error) { fmt.Printf("%d %q\n", p.Progress().Acked, fmt.Sprint(err)) }
	p, err := c.NewProducer()
	if err != nil {
		return err
	}
	for i := 0; i < 500 && err == nil; i++ {
		random.Read(value)
		if err = p.Produce(Ticks, 0, nil, value); err == nil && i%20 == 0 {
			err = p.Flush(background)
		}
	}
	said(p, errors.Join(err, p.Flush(background)))
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	if p, err = c.NewProducer(); err != nil {
		return err
	}
	for range 500 {
		random.Read(value)
		if err = p.Produce(Ticks, 0, nil, value); err != nil {
			break
		}
	}
	said(p, errors.Join(err, p.Flush(background)))
	return syscall.Kill(os.Getpid(), syscall.SIGKILL)
}

// TestFullDisk: what was acknowledged while writes failed, and after, is there.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir, childTask+"=full")
	cmd.Stderr = os.Stderr
	out, _ := cmd.Output() // it kills itself
	acked, failed := int64(0), false
	for line := range strings.Lines(string(out)) {
		var n int64
		var trouble string
		if _, err := fmt.Sscanf(line, "%d %q", &n, &trouble); err != nil {
			t.Fatalf("it says %q: %v", line, err)
		}
		acked += n
		failed = failed || strings.Contains(trouble, "could not be delivered")
	}
	b := openBroker(t, dir)
	defer closeBroker(t, b)
	ranges, err := openClient(t, b.Config(DefaultConfig())).Offsets(t.Context(), Ticks)
	if err != nil {
		t.Fatal(err)
	}
	if ranges[0].High != acked || acked <= 500 || !failed {
		t.Errorf("%d records, %d acknowledged; a write failed: %t", ranges[0].High, acked, failed)
	}
}
