package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkScreens runs one and eight screens on one pipeline, 1,000 stocks at
// one tick a second, in terminals of 120×40. One operation is twenty steady
// seconds, a minute and a half after the last screen began. Reported are, of a
// screen: the time from its start to the first quotes (ms; the slowest), its
// processor share (% of a core), what it writes (bytes/s), its memory without
// the program's text (MB) and with its share of that (proportional set size,
// MB). And of all together, the pipeline included, the proportional set size.
// The goals: 3 % of a core and 60 MB a screen; one screen and pipeline 300 MB.
func BenchmarkScreens(b *testing.B) {
	for _, screens := range []int{1, 8} {
		b.Run(fmt.Sprintf("screens=%d", screens), func(b *testing.B) { benchmarkScreens(b, screens) })
	}
}

func benchmarkScreens(b *testing.B, screens int) {
	home := b.TempDir()
	b.Setenv("HOME", home)
	b.Setenv("TAPEDECK_TEST_MAIN", "1")
	b.Setenv("TERM", "xterm-256color")
	data := filepath.Join(home, "data")
	args := []string{"--data", data, "--set", "sim.history=false", "--set", "predict.train=false"}
	p, err := openPlace(data, "sim", true)
	if err != nil {
		b.Fatal(err)
	}
	run, err := p.ensure(b.Context(), args)
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := p.stop(b.Context()); err != nil {
			b.Error(err)
		}
	}()
	program, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	var first time.Duration
	terminals := make([]*terminal, screens)
	for i := range terminals {
		started := time.Now()
		terminals[i] = openTerminal(b, exec.Command(program, args...), 120, 40)
		defer terminals[i].close()
		for !strings.Contains(terminals[i].text(), "1,000 symbols") {
			if time.Since(started) > time.Minute {
				b.Fatalf("the screen shows\n%s", terminals[i].text())
			}
			time.Sleep(5 * time.Millisecond)
		}
		first = max(first, time.Since(started))
	}
	time.Sleep(90 * time.Second) // until the start is behind it, and memory given back
	used := func() (cpu time.Duration, bytes int64) {
		for _, t := range terminals {
			cpu += cpuTime(b, t.cmd.Process.Pid)
			bytes += t.bytes.Load()
		}
		return cpu, bytes
	}
	cpu, written := used()
	begun := time.Now()
	for b.Loop() {
		time.Sleep(20 * time.Second)
	}
	took := time.Since(begun)
	cpuAfter, writtenAfter := used()
	own, shared := make([]float64, screens), make([]float64, screens)
	for i, t := range terminals {
		own[i], shared[i] = memoryOf(b, t.cmd.Process.Pid)
	}
	_, pipeline := memoryOf(b, run.PID)
	together := pipeline
	for _, m := range shared {
		together += m
	}
	each := float64(took) * float64(screens)
	b.ReportMetric(float64(first)/1e6, "first-quotes-ms")
	b.ReportMetric(float64(cpuAfter-cpu)/each*100, "screen-cpu-%")
	b.ReportMetric(float64(writtenAfter-written)/each*1e9, "screen-bytes/s")
	b.ReportMetric(slices.Max(own), "screen-own-MB")
	b.ReportMetric(slices.Max(shared), "screen-pss-MB")
	b.ReportMetric(together, "together-pss-MB")
	b.ReportMetric(0, "ns/op")
}

// memoryOf is the memory of a process in MB: what is its own, and that with
// its share of what it has in common with others (the program's text).
func memoryOf(b *testing.B, pid int) (own, proportional float64) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		b.Skip("memory is read from /proc")
	}
	for line := range bytes.Lines(data) {
		fields := strings.Fields(string(line))
		if len(fields) < 3 {
			continue
		}
		kb, _ := strconv.ParseFloat(fields[1], 64)
		switch fields[0] {
		case "Pss:":
			proportional = kb / 1e3
		case "Private_Clean:", "Private_Dirty:":
			own += kb / 1e3
		}
	}
	return own, proportional
}
