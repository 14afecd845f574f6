package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"tapedeck/pipeline/live"
	"tapedeck/pipeline/market"
)

// BenchmarkFresh runs the whole workstation but for the terminal: a pipeline in
// a process of its own on a simulated market at one tick a second and stock,
// and a board that follows it. One operation is ten steady seconds. Reported
// are the age of ticks on the board from exchange time (ms), the time from the
// start of the pipeline's process to the first quote on the board (ms), and the
// pipeline's memory (MB) and processor share (% of a core). The goals: p99
// below 250 ms at 1,000 stocks and below 1 s at 10,000; first quote in 1 s.
func BenchmarkFresh(b *testing.B) {
	for _, symbols := range []int{1_000, 10_000} {
		b.Run(fmt.Sprintf("symbols=%d", symbols), func(b *testing.B) { benchmarkFresh(b, symbols) })
	}
}

func benchmarkFresh(b *testing.B, symbols int) {
	home := b.TempDir()
	b.Setenv("HOME", home)
	b.Setenv("TAPEDECK_TEST_MAIN", "1")
	data := filepath.Join(home, "data")
	c := DefaultConfig()
	c.Data, c.Sim.Symbols = data, symbols
	p, err := openPlace(data, "sim", true)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	started := time.Now()
	run, err := p.ensure(ctx, []string{"--data", data, "--set", "sim.symbols=" + strconv.Itoa(symbols), "--set", "sim.history=false"})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := p.stop(context.WithoutCancel(ctx)); err != nil {
			b.Error(err)
		}
	}()
	client, err := attach(c, run, discard())
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	board := live.New(live.Config{Calendar: func(string) *market.Calendar { return market.AlwaysOpen() }})
	following := make(chan error, 1)
	go func() { following <- (&follower{log: client, board: board, slog: discard()}).run(ctx) }()
	var f live.Frame
	for len(f.Quotes) == 0 {
		board.Snapshot(&f)
		time.Sleep(time.Millisecond)
	}
	first := time.Since(started)
	time.Sleep(5 * time.Second) // until the start is behind it
	before := cpuTime(b, run.PID)
	begun := time.Now()
	var p50, p99 time.Duration
	for b.Loop() {
		time.Sleep(10 * time.Second)
		board.Snapshot(&f)
		p50, p99 = max(p50, f.Ages.P50), max(p99, f.Ages.P99)
	}
	share := float64(cpuTime(b, run.PID)-before) / float64(time.Since(begun))
	b.ReportMetric(float64(p50)/1e6, "p50-ms")
	b.ReportMetric(float64(p99)/1e6, "p99-ms")
	b.ReportMetric(float64(first)/1e6, "first-quote-ms")
	b.ReportMetric(f.Rate, "ticks/s")
	b.ReportMetric(share*100, "pipeline-cpu-%")
	b.ReportMetric(resident(b, run.PID), "pipeline-MB")
	b.ReportMetric(0, "ns/op")
	cancel()
	<-following
}

// cpuTime is the processor time that a process has used.
func cpuTime(b *testing.B, pid int) time.Duration {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Skip("processor time and memory are read from /proc")
	}
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+2:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * (time.Second / 100)
}

// resident is the memory of a process in MB.
func resident(b *testing.B, pid int) float64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		b.Fatal(err)
	}
	pages, _ := strconv.Atoi(strings.Fields(string(data))[1])
	return float64(pages*os.Getpagesize()) / 1e6
}
