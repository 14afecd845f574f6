package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The tests of whole journeys run this program in processes of its own: the
// test binary, told by a variable to be tapedeck.
func TestMain(m *testing.M) {
	if os.Getenv("TAPEDECK_TEST_MAIN") == "1" {
		os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// box is a user's home with nothing in it.
type box struct {
	t       *testing.T
	dir     string
	env     []string
	program string // what runs: this test binary, or another
}

func newBox(t *testing.T) *box {
	dir := t.TempDir()
	b := &box{t: t, dir: dir, program: os.Args[0]}
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "TAPEDECK_") && !strings.HasPrefix(entry, "XDG_") && !strings.HasPrefix(entry, "HOME=") {
			b.env = append(b.env, entry)
		}
	}
	b.env = append(b.env, "TAPEDECK_TEST_MAIN=1", "HOME="+dir)
	t.Cleanup(func() {
		for _, feed := range []string{"sim", "replay"} {
			b.command(context.Background(), "stop", "--feed", feed).Run()
		}
	})
	return b
}

func (b *box) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, b.program, args...)
	cmd.Env = b.env
	return cmd
}

// tapedeck runs a command to its end and returns what it printed.
func (b *box) tapedeck(args ...string) (stdout, stderr string, code int) {
	b.t.Helper()
	var out, errs bytes.Buffer
	cmd := b.command(b.t.Context(), args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if err != nil && cmd.ProcessState == nil {
		b.t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// must is tapedeck that succeeds.
func (b *box) must(args ...string) string {
	b.t.Helper()
	out, errs, code := b.tapedeck(args...)
	if code != 0 {
		b.t.Fatalf("tapedeck %s: exit %d\n%s%s\n%s", strings.Join(args, " "), code, out, errs, b.log())
	}
	return out
}

// sql asks for rows.
func (b *box) sql(statement string) [][]string {
	b.t.Helper()
	rows, err := csv.NewReader(strings.NewReader(b.must("sql", "--feed", "replay", "--format", "csv", statement))).ReadAll()
	if err != nil || len(rows) == 0 {
		b.t.Fatal(rows, err)
	}
	return rows[1:]
}

// log is the end of the pipelines' log files.
func (b *box) log() string {
	var all []string
	names, _ := filepath.Glob(filepath.Join(b.dir, ".local/share/tapedeck/*/tapedeck.log"))
	for _, name := range names {
		data, _ := os.ReadFile(name)
		lines := strings.Split(string(data), "\n")
		all = append(all, lines[max(0, len(lines)-30):]...)
	}
	return strings.Join(all, "\n")
}

// recording writes a file of n ticks with bad rows in it, and says how many are good.
func (b *box) recording(n int) (name string, good, bad int) {
	random := rand.New(rand.NewPCG(uint64(n), 1))
	var text strings.Builder
	text.WriteString("time_ms,symbol,price,size,exchange,condition\n")
	symbols := []string{"AAPL", "MSFT", "KO", "XOM", "JPM", "BRK.B", "F"}
	at := time.Date(2026, 11, 20, 14, 30, 0, 0, time.UTC).UnixMilli()
	price := map[string]float64{}
	for i := range n {
		at += random.Int64N(40)
		symbol := symbols[random.IntN(len(symbols))]
		if price[symbol] == 0 {
			price[symbol] = 20 + random.Float64()*200
		}
		price[symbol] *= 1 + random.NormFloat64()*1e-4
		if i%1000 == 999 {
			fmt.Fprintf(&text, "%d,%s,-1,100,Q,\n", at, symbol)
			bad++
			continue
		}
		fmt.Fprintf(&text, "%d,%s,%.2f,%d,Q,\n", at, symbol, price[symbol], 100*(1+random.IntN(9)))
		good++
	}
	name = filepath.Join(b.dir, "day.csv")
	if err := os.WriteFile(name, []byte(text.String()), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return name, good, bad
}

func TestJourneyOfAFileIsWholeAndRepeatable(t *testing.T) {
	b := newBox(t)
	file, good, bad := b.recording(20_000)
	args := []string{"run", "--feed", "replay", "--input", file, "--speed", "max", "--once"}
	out := b.must(args...)
	if !strings.Contains(out, "dead letters") {
		t.Errorf("no report: %q", out)
	}
	check := func() {
		t.Helper()
		rows := b.sql("SELECT count(*), count(DISTINCT (\"partition\", \"offset\")), sum(size), min(symbol) FROM ticks")
		if rows[0][0] != strconv.Itoa(good) || rows[0][1] != strconv.Itoa(good) {
			t.Errorf("%v ticks in SQL, the file has %d", rows[0], good)
		}
		if rows := b.sql("SELECT count(*) FROM dead_letters"); rows[0][0] != strconv.Itoa(bad) {
			t.Errorf("%v dead letters, the file has %d bad rows", rows, bad)
		}
		volume := b.sql("SELECT sum(size) FROM ticks")[0][0]
		for _, interval := range []string{"1s", "1m", "5m", "15m", "1h"} {
			if rows := b.sql("SELECT sum(volume), count(*), count(DISTINCT (symbol, time)) FROM bars WHERE interval = '" + interval + "'"); rows[0][0] != volume || rows[0][1] != rows[0][2] {
				t.Errorf("%s bars hold %v, ticks a volume of %s", interval, rows[0], volume)
			}
		}
		bars := b.sql("SELECT count(*) FROM bars WHERE interval = '1m'")[0][0]
		if rows := b.sql("SELECT count(*), count(sma_20), count(avg_5m), count(vwap) FROM features WHERE interval = '1m'"); rows[0][0] != bars || rows[0][1] != "0" || rows[0][2] == "0" || rows[0][3] != bars {
			t.Errorf("feature rows %v for %s bars: one each, null while they warm up", rows, bars)
		}
	}
	check()
	b.must(args...) // again: nothing is new
	check()
}

// A replay that is killed and started until it ends leaves exactly the rows of its file.
func TestJourneySurvivesKills(t *testing.T) {
	kills := 6
	if n, err := strconv.Atoi(os.Getenv("TAPEDECK_TEST_CRASH")); err == nil {
		kills = n
	}
	b := newBox(t)
	file, good, bad := b.recording(150_000)
	args := []string{"run", "--feed", "replay", "--input", file, "--speed", "max", "--once"}
	random := rand.New(rand.NewPCG(5, 6))
	for killed := 0; ; {
		cmd := b.command(t.Context(), args...)
		var errs bytes.Buffer
		cmd.Stderr = &errs
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		after := time.Hour
		if killed < kills {
			after = time.Duration(100+random.IntN(1500)) * time.Millisecond
		}
		timer := time.NewTimer(after)
		var err error
		select {
		case err = <-ended:
		case <-timer.C:
			cmd.Process.Kill()
			<-ended
			killed++
			continue
		}
		timer.Stop()
		if err != nil {
			t.Fatalf("%v\n%s\n%s", err, errs.String(), b.log())
		}
		break
	}
	rows := b.sql("SELECT count(*), count(DISTINCT (\"partition\", \"offset\")) FROM ticks")
	if rows[0][0] != strconv.Itoa(good) || rows[0][1] != strconv.Itoa(good) {
		t.Errorf("%v ticks in SQL, the file has %d", rows[0], good)
	}
	if rows := b.sql("SELECT count(*), count(DISTINCT value) FROM dead_letters"); rows[0][0] != strconv.Itoa(bad) {
		t.Errorf("%v dead letters, the file has %d bad rows", rows, bad)
	}
	quiet := newBox(t)
	quietFile, _, _ := quiet.recording(150_000)
	quiet.must("run", "--feed", "replay", "--input", quietFile, "--speed", "max", "--once")
	const bars = "SELECT * FROM bars ORDER BY symbol, \"interval\", time"
	if got, want := b.sql(bars), quiet.sql(bars); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the bars differ from those of a quiet run: %d and %d rows", len(got), len(want))
	}
}

func TestEightScreensStartOnePipeline(t *testing.T) {
	b := newBox(t)
	data := filepath.Join(b.dir, "data")
	for _, entry := range b.env {
		name, value, _ := strings.Cut(entry, "=")
		t.Setenv(name, value)
	}
	pids := make([]int, 8)
	var group sync.WaitGroup
	for i := range pids {
		group.Go(func() {
			p, err := openPlace(data, "sim", true)
			if err != nil {
				t.Error(err)
				return
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			run, err := p.ensure(ctx, []string{"--data", data, "--set", "sim.symbols=20", "--set", "sim.history=false"})
			if err != nil {
				t.Error(err)
				return
			}
			pids[i] = run.PID
		})
	}
	group.Wait()
	for _, pid := range pids {
		if pid == 0 || pid != pids[0] {
			t.Fatalf("pipelines %v", pids)
		}
	}
	// It dies; the next screen starts another.
	if err := syscall.Kill(pids[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p, err := openPlace(data, "sim", true)
	if err != nil {
		t.Fatal(err)
	}
	for {
		if run, starting, err := p.running(); err != nil {
			t.Fatal(err)
		} else if run == nil && !starting {
			break
		}
		if err := pause(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	run, err := p.ensure(t.Context(), []string{"--data", data, "--set", "sim.symbols=20", "--set", "sim.history=false"})
	if err != nil || run.PID == pids[0] {
		t.Fatal(run, err)
	}
	if err := p.stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestOneMarketADirectory(t *testing.T) {
	b := newBox(t)
	file, _, _ := b.recording(10)
	data := filepath.Join(b.dir, "data")
	if _, err := openPlace(data, "sim", true); err != nil {
		t.Fatal(err)
	}
	_, errs, code := b.tapedeck("run", "--data", data, "--feed", "replay", "--input", file, "--once")
	if code == 0 || !strings.Contains(errs, "--feed sim") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

func TestCommandLineErrors(t *testing.T) {
	b := newBox(t)
	for want, args := range map[string][]string{
		"one of feed, compute, predict, archive, notify": {"run", "--stages", "cook"},
		"sim, replay, yahoo, alphavantage":               {"run", "--feed", "nyse"},
		"needs --input":                                  {"run", "--feed", "replay"},
		"not a speed":                                    {"run", "--feed", "replay", "--input", "x", "--speed", "fast"},
		"one of table, csv, json, parquet":               {"sql", "--format", "xml", "SELECT 1"},
		"the statement is empty":                         {"sql", " "},
		"unknown flag":                                   {"sql", "--frmat", "csv"},
		"sim.symbols":                                    {"config", "show", "--set", "sim.symbol=4"},
		"write KEY=VALUE":                                {"config", "show", "--set", "sim"},
		"no such file":                                   {"config", "check", filepath.Join(b.dir, "none.yaml")},
	} {
		out, errs, code := b.tapedeck(args...)
		if code != exitUsage || !strings.Contains(errs, want) {
			t.Errorf("%v: exit %d, %q; wanted %q", args, code, out+errs, want)
		}
	}
}

// TestDirectoryKnowsItsFeed: a directory that is named is of the feed that made
// it, whatever the configuration prefers; another one that is named is refused.
func TestDirectoryKnowsItsFeed(t *testing.T) {
	data := t.TempDir()
	if _, err := openPlace(data, "yahoo", true); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TAPEDECK_FEED", "alphavantage")
	if c, err := (&options{data: data}).config(); err != nil || c.Feed != "yahoo" {
		t.Errorf("feed %q, %v", c.Feed, err)
	}
	for _, o := range []options{{data: data, feed: "sim"}, {data: data, set: []string{"feed=sim"}}} {
		c, err := o.config()
		if err != nil || c.Feed != "sim" {
			t.Fatalf("feed %q, %v", c.Feed, err)
		}
		if _, err := openPlace(data, c.Feed, true); err == nil || !strings.Contains(err.Error(), "belongs to the feed yahoo") {
			t.Errorf("another feed: %v", err)
		}
	}
}

func TestConfigurationFile(t *testing.T) {
	b := newBox(t)
	path := filepath.Join(b.dir, "c.yaml")
	b.must("config", "init", "--config", path)
	if _, errs, code := b.tapedeck("config", "init", "--config", path); code == 0 || !strings.Contains(errs, "exists already") {
		t.Errorf("exit %d: %s", code, errs)
	}
	if out := b.must("config", "check", path); !strings.Contains(out, "is well") {
		t.Error(out)
	}
	if out := b.must("config", "show", "--set", "kafka.password=hunter2"); strings.Contains(out, "hunter2") {
		t.Error(out)
	}
}
