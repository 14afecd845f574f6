package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/market"
)

// crowd writes a file in which each of 1,000 symbols trades so many times a
// second, and says how many ticks that are.
func (b *box) crowd(perSecond, seconds int) (name string, ticks int) {
	b.t.Helper()
	const symbols = 1000
	name = filepath.Join(b.dir, "crowd.csv")
	f, err := os.Create(name)
	if err != nil {
		b.t.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	fmt.Fprintln(w, "time_ms,symbol,price,size,exchange,condition")
	random := rand.New(rand.NewPCG(uint64(perSecond), uint64(seconds)))
	companies := market.Companies()[:symbols]
	price := make([]float64, symbols)
	for i := range price {
		price[i] = max(companies[i].Price, 5)
	}
	began := time.Date(2026, 11, 20, 14, 30, 0, 0, time.UTC).UnixMilli()
	for second := range int64(seconds) {
		for n := range perSecond * symbols {
			i := n % symbols
			price[i] *= 1 + random.NormFloat64()*1e-4
			size := 100 * (1 + random.IntN(9))
			if ticks%20_011 == 20_000 { // so large that a rule speaks
				size = 2_000_000
			}
			at := began + second*1000 + int64(n)*1000/int64(perSecond*symbols)
			fmt.Fprintf(w, "%d,%s,%.2f,%d,Q,\n", at, companies[i].Symbol, price[i], size)
			ticks++
		}
	}
	if err := w.Flush(); err != nil {
		b.t.Fatal(err)
	}
	return name, ticks
}

// onlooker sees what a screen sees: the ticks of every partition as they come,
// and the text of a screen in a terminal.
type onlooker struct {
	mu      sync.Mutex
	last    map[int32]time.Time // of each partition's newest tick
	longest time.Duration       // without a tick of some partition
	said    []string            // what the screen's first line said, each once
}

// follow watches the log until ctx ends.
func (o *onlooker) follow(ctx context.Context, log *kafka.Client) {
	_ = log.Follow(ctx, []string{kafka.Ticks}, func(string, int32, kafka.Range) int64 { return kafka.End }, func(_ string, records []kafka.Record) error {
		o.take(records)
		return nil
	})
}

// take notes when records came.
func (o *onlooker) take(records []kafka.Record) {
	now := time.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range records {
		partition := records[i].Partition
		if last, ok := o.last[partition]; ok {
			o.longest = max(o.longest, now.Sub(last))
		}
		o.last[partition] = now
	}
}

// read notes what the screen says until ctx ends.
func (o *onlooker) read(ctx context.Context, screen *terminal) {
	for pauseFor(ctx, 250*time.Millisecond) == nil {
		line, _, _ := strings.Cut(screen.text(), "\n")
		for _, words := range []string{"is away", "are away", "catching up", "no tick for", "being started", "no leader", "away, retrying", "feeds wait"} {
			if !strings.Contains(line, words) {
				continue
			}
			o.mu.Lock()
			seen := false
			for _, s := range o.said {
				seen = seen || strings.Contains(s, words)
			}
			if !seen {
				o.said = append(o.said, strings.TrimSpace(line))
			}
			o.mu.Unlock()
		}
	}
}

// report is the longest gap and what was said; it begins anew.
func (o *onlooker) report() (time.Duration, []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	longest, said := o.longest, o.said
	o.longest, o.said = 0, nil
	return longest, said
}

// otherwiseBusy tells whether the machine has so much else to do that times say
// nothing: more than eight runnable threads a core. The test itself brings three.
func otherwiseBusy(t *testing.T) bool {
	t.Helper()
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return false
	}
	first, _, _ := strings.Cut(string(text), " ")
	load, _ := strconv.ParseFloat(first, 64)
	if load <= float64(8*runtime.NumCPU()) {
		return false
	}
	t.Logf("not judged: this machine's load is %.0f on %d cores", load, runtime.NumCPU())
	return true
}

// TestClusterUnderLoad plays a market of 1,000 symbols on three brokers in its
// own time, with a screen, through every fault that the cluster's test knows;
// the pipeline is killed meanwhile, and the screen starts it again. Whatever
// happens, each partition shows a tick within ten seconds, and the screen says
// what is the matter; at the end every tick is in the lake once, and bars,
// features and alerts are those of a quiet run.
func TestClusterUnderLoad(t *testing.T) {
	if needCluster(t) {
		t.Skip("not in the short form")
	}
	for _, load := range []struct {
		perSecond, seconds int
	}{{1, 200}, {20, 120}} {
		t.Run(fmt.Sprintf("%d ticks a second", 1000*load.perSecond), func(t *testing.T) {
			c := newCluster(t)
			c.rate = int64(1000 * load.perSecond)
			b, quiet := newBox(t), newBox(t)
			file, ticks := b.crowd(load.perSecond, load.seconds)
			quietFile, _ := quiet.crowd(load.perSecond, load.seconds)
			log := c.openLog()
			ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
			defer cancel()

			settings := []string{"--feed", "replay", "--input", file, "--set", "kafka.brokers=" + c.brokers, "--set", "kafka.replication=3"}
			b.env = append(b.env, "TERM=xterm-256color", "LANG=C.UTF-8")
			screen := openTerminal(t, b.command(context.Background(), append(settings, "--speed", "1", "--set", "quit=keep")...), 200, 40)
			shown := sync.OnceFunc(screen.close)
			defer shown()
			p := newPlace(filepath.Join(b.dir, ".local/share/tapedeck/replay"))
			t.Cleanup(func() { _ = p.stop(context.Background()) })

			watching, watched := context.WithCancel(ctx)
			var eyes sync.WaitGroup
			o := &onlooker{last: map[int32]time.Time{}}
			eyes.Go(func() { o.read(watching, screen) })
			if err := recorded(ctx, log, 5*c.rate); err != nil {
				t.Fatalf("%v\n%s\n%s", err, screen.text(), b.log())
			}
			eyes.Go(func() { o.follow(watching, log) })
			kills, last := 0, 0
			kill := func() {
				run, _, err := p.running()
				if err == nil && run != nil && run.PID != last {
					last = run.PID
					_ = syscall.Kill(run.PID, syscall.SIGKILL)
					kills++
				}
			}
			c.after = func(what string) {
				gap, said := o.report()
				t.Logf("%s: a partition showed no tick for %.1f s at most; the screen said %q", what, gap.Seconds(), said)
				if gap > 10*time.Second && !otherwiseBusy(t) {
					t.Errorf("%s: a partition showed no tick for %s", what, gap.Round(100*time.Millisecond))
				}
			}
			err := errors.Join(c.killLeader(ctx, log), c.cutLeader(ctx, log))
			if err == nil {
				kill()
				err = recorded(ctx, log, 5*c.rate)
				c.after("the pipeline was killed")
			}
			if err == nil {
				c.during = func(string) { kill() }
				err = c.killLeader(ctx, log)
			}
			watched()
			eyes.Wait()
			if err != nil {
				t.Fatalf("%v\n%s\n%s", err, screen.text(), b.log())
			}
			t.Logf("the pipeline was killed %d times", kills)
			shown()
			if err := p.stop(ctx); err != nil {
				t.Fatal(err)
			}

			b.must(append([]string{"run", "--speed", "max", "--once"}, settings...)...)
			quiet.must("run", "--feed", "replay", "--input", quietFile, "--speed", "max", "--once")
			if got := b.sql("SELECT count(*), count(DISTINCT (\"partition\", \"offset\")) FROM ticks")[0]; got[0] != strconv.Itoa(ticks) || got[1] != got[0] {
				t.Errorf("%v ticks in SQL, the file has %d", got, ticks)
			}
			sameTables(t, b, quiet)
		})
	}
}
