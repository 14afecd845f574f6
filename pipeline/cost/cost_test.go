package cost

import (
	"context"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func prices(t *testing.T) *Prices {
	t.Helper()
	p, err := DefaultPrices()
	if err != nil {
		t.Fatal(err)
	}
	return &p
}

func near(got, want float64) bool { return math.Abs(got-want) < 1e-9 }

// A day of 12 partitions and 4 tables, each flushed every 20 s, worked out by hand.
func TestBillOfABox(t *testing.T) {
	p := prices(t)
	setup := Setup{S3: true, Class: "STANDARD", FlushAge: 20 * time.Second, Instance: "t4g.medium", Boxes: 1, Disk: 50}
	used := Usage{Puts: 24 * 8640, Gets: 24 * 1000, Scans: 10, Scan: 10 << 40 / 1000, Messages: 240, Mails: 240}
	stored := Stored{Objects: 1000, Bytes: 100 << 30, PerDay: 10 << 30, Days: 10}
	s, err := Bill(p, setup, stored, used, 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{
		"EC2, the box": 0.0336,
		"EBS":          50 * 0.08 / 730,
		"S3 writes":    8.640 * 0.005,
		"S3 reads":     0.0004,
		"S3 storage":   100 * 0.023 / 730,
		"Athena":       5.0 / 24 * (float64(int64(10<<40)/1000) / float64(1<<40)),
		"SNS":          10*0.50/1e6 + 10*2.0/1e5,
	}
	var hour float64
	for _, line := range s.Lines {
		if !near(line.Hour, want[line.What]) || !near(line.Month, 730*want[line.What]) {
			t.Errorf("%s: %v an hour, %v a month; wanted %v", line.What, line.Hour, line.Month, want[line.What])
		}
		hour += want[line.What]
		delete(want, line.What)
	}
	if len(want) > 0 || !near(s.Hour, hour) || !near(s.Month, 730*hour) {
		t.Errorf("missing %v; %v an hour, wanted %v", want, s.Hour, hour)
	}
	if !near(s.Growth, 10*730/24.0*0.023) {
		t.Errorf("a month's growth costs %v", s.Growth)
	}
	if len(s.Advice) == 0 || !strings.Contains(s.Advice[0].Do, "flush_age: 1m instead of 20s") || !near(s.Advice[0].Saves, 8.640*0.005*730*2/3) {
		t.Errorf("advice %+v", s.Advice)
	}
}

func TestBillOnOneMachineIsNothing(t *testing.T) {
	s, err := Bill(prices(t), Setup{}, Stored{Bytes: 1 << 40}, Usage{}, time.Hour)
	if err != nil || s.Hour != 0 || len(s.Lines) != 0 || len(s.Advice) != 0 || s.Text() != "$0 an hour · $0 a month" {
		t.Errorf("%+v %v", s, err)
	}
}

func TestBillOfAFirstSecondCountsNoRates(t *testing.T) {
	s, err := Bill(prices(t), Setup{S3: true}, Stored{}, Usage{Puts: 100}, time.Second)
	if err != nil || s.Hour != 0 || s.Over != 0 {
		t.Errorf("%+v %v", s, err)
	}
}

func TestBillNamesAnUnknownMachine(t *testing.T) {
	s, err := Bill(prices(t), Setup{Instance: "z9.huge", Boxes: 1, Disk: 10}, Stored{}, Usage{}, time.Hour)
	if err == nil || !strings.Contains(err.Error(), "z9.huge") || !strings.Contains(err.Error(), "t4g.medium") {
		t.Error(err)
	}
	if len(s.Lines) != 1 { // the rest of the bill still stands
		t.Errorf("%+v", s.Lines)
	}
}

func TestAdvice(t *testing.T) {
	p := prices(t)
	for name, c := range map[string]struct {
		setup  Setup
		stored Stored
		used   Usage
		want   string // none where empty
	}{
		"csv":             {Setup{}, Stored{Raw: 800, Ticks: 100}, Usage{Scans: 1, Scan: 1 << 38, ScanCSV: 1 << 38}, "ask ticks instead of ticks_raw"},
		"csv, seldom":     {Setup{}, Stored{Raw: 800, Ticks: 100}, Usage{Scans: 1, Scan: 10 << 20, ScanCSV: 10 << 20}, ""},
		"idle endpoint":   {Setup{Endpoint: "ml.m5.large", Endpoints: 1}, Stored{}, Usage{Invocations: 3}, "take the SageMaker endpoint down"},
		"busy endpoint":   {Setup{Endpoint: "ml.m5.large", Endpoints: 1}, Stored{}, Usage{Invocations: 3600}, ""},
		"old hours":       {Setup{S3: true}, Stored{Old: 1 << 40}, Usage{}, "GLACIER_IR"},
		"old raw":         {Setup{S3: true}, Stored{Raw: 1 << 40, Days: 90}, Usage{}, "lake expire raw"},
		"slow enough":     {Setup{S3: true, FlushAge: 5 * time.Minute}, Stored{}, Usage{Puts: 1e6}, ""},
		"few small parts": {Setup{S3: true, FlushAge: 20 * time.Second}, Stored{}, Usage{Puts: 10}, ""},
	} {
		s, err := Bill(p, c.setup, c.stored, c.used, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if len(s.Advice) > 0 {
			got = s.Advice[0].Do
		}
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, wanted %q", name, got, c.want)
		}
	}
}

func TestPricesOfAFileLieOverTheBuiltIn(t *testing.T) {
	p, err := ReadPrices([]byte("date: 2026-03-01\nregion: eu-central-1\nec2: {t4g.medium: 0.0384}\ns3:\n  STANDARD: {gb_month: 0.0245, put_1000: 0.0054, get_1000: 0.00043}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if p.EC2["t4g.medium"] != 0.0384 || p.EC2["m7g.large"] != 0.0816 || p.S3["STANDARD"].GBMonth != 0.0245 || p.S3["STANDARD_IA"].GBMonth != 0.0125 || p.Region != "eu-central-1" {
		t.Errorf("%+v", p)
	}
	for _, wrong := range []string{"date: soon", "ec2: {t4g.medium: -1}", "ec2: {t4g.medium: .nan}", "sns: {publish: 3}", "sns: 3", "- 1"} {
		if _, err := ReadPrices([]byte(wrong)); err == nil {
			t.Errorf("%q was taken", wrong)
		}
	}
	if p, err := ReadPrices(nil); err != nil || p.Athena.ScannedTB != 5 {
		t.Error(p, err)
	}
	if age := p.Age(time.Date(2026, 3, 11, 0, 0, 0, 0, time.UTC)); age != 240*time.Hour {
		t.Error(age)
	}
}

func FuzzReadPrices(f *testing.F) {
	f.Add(BuiltIn())
	f.Add([]byte("ec2: {a: 1}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ReadPrices(data)
		if err != nil {
			return
		}
		s, err := Bill(&p, Setup{S3: true, FlushAge: time.Second}, Stored{Bytes: 1 << 30, Objects: 3}, Usage{Puts: 1}, time.Hour)
		if err == nil && !(s.Hour >= 0) {
			t.Error(s)
		}
	})
}

func TestLedger(t *testing.T) {
	l := &Ledger{Path: filepath.Join(t.TempDir(), "usage.jsonl"), Max: 4096}
	if used, over, err := l.Sum(time.Time{}); err != nil || over != 0 || used != (Usage{}) {
		t.Fatal(used, over, err)
	}
	at := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	for range 100 {
		if err := l.Append(Entry{From: at, To: at.Add(time.Minute), By: "run", Usage: Usage{Puts: 10}}); err != nil {
			t.Fatal(err)
		}
		at = at.Add(time.Minute)
	}
	if info, err := os.Stat(l.Path); err != nil || info.Size() > 4200 {
		t.Error(info.Size(), err)
	}
	if err := l.Append(Entry{From: at, To: at.Add(time.Minute), By: "sql", Usage: Usage{Gets: 5}}); err != nil {
		t.Fatal(err)
	}
	f, _ := os.OpenFile(l.Path, os.O_APPEND|os.O_WRONLY, 0)
	f.WriteString("{torn line\n")
	f.Close()
	used, over, err := l.Sum(at.Add(-10 * time.Minute))
	if err != nil || over != 10*time.Minute || used.Puts != 100 || used.Gets != 5 {
		t.Error(used, over, err)
	}
}

func TestMeterNotesDifferences(t *testing.T) {
	path := filepath.Join(t.TempDir(), "usage.jsonl")
	synctest.Test(t, func(t *testing.T) {
		var puts atomic.Int64
		m := &Meter{Ledger: &Ledger{Path: path}, By: "run", Read: func() Usage { return Usage{Puts: puts.Load()} }}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { m.Run(ctx, time.Minute, slog.New(slog.DiscardHandler)); close(done) }()
		m.Add(Usage{Messages: 1})
		puts.Store(7)
		time.Sleep(90 * time.Second)
		synctest.Wait()
		puts.Store(9)
		cancel()
		<-done
		used, over, err := m.Ledger.Sum(time.Time{})
		if err != nil || used != (Usage{Puts: 9, Messages: 1}) || over != 90*time.Second {
			t.Error(used, over, err)
		}
	})
}
