package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tapedeck/pipeline/cost"
	"tapedeck/pipeline/market"
	"tapedeck/store/lake"
)

func TestStoredSumsTheLake(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	s := stored([]lake.Entry{
		{Folder: "raw", Date: "2026-10-01", Objects: 24, Bytes: 800},
		{Folder: "processed/ticks", Date: "2026-10-01", Objects: 24, Bytes: 100},
		{Folder: "raw", Date: "2026-11-19", Objects: 24, Bytes: 900},
		{Folder: "raw", Date: "2026-11-20", Objects: 2, Bytes: 50},
		{Folder: "staging/ticks", Objects: 7, Bytes: 5},
	}, now)
	if want := (cost.Stored{Objects: 81, Bytes: 1855, Raw: 1750, Ticks: 100, Old: 900, Days: 3, PerDay: 900}); s != want {
		t.Errorf("%+v, wanted %+v", s, want)
	}
}

func TestCostCommand(t *testing.T) {
	b := newBox(t)
	file, _, _ := b.recording(500)
	data := filepath.Join(b.dir, "data")
	b.must("run", "--feed", "replay", "--data", data, "--input", file, "--speed", "max", "--once")
	out := b.must("cost", "--feed", "replay", "--data", data, "--set", "cost.instance=t4g.medium", "--set", "cost.disk=50GB")
	for _, want := range []string{"EC2, the box", "1 × t4g.medium at $0.03 an hour", "EBS", "Prices of", "not counted yet"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing:\n%s", want, out)
		}
	}
	prices := filepath.Join(b.dir, "prices.yaml")
	b.must("cost", "--write-prices", prices)
	text, err := os.ReadFile(prices)
	if err != nil {
		t.Fatal(err)
	}
	edited := strings.Replace(string(text), "t4g.medium: 0.0336", "t4g.medium: 1", 1)
	if err := os.WriteFile(prices, []byte(edited), 0o600); err != nil {
		t.Fatal(err)
	}
	var s cost.Summary
	if err := json.Unmarshal([]byte(b.must("cost", "--feed", "replay", "--data", data, "--prices", prices, "--json", "--set", "cost.instance=t4g.medium")), &s); err != nil || s.Hour != 1 {
		t.Errorf("%+v %v", s, err)
	}
	for _, args := range [][]string{
		{"cost", "--feed", "replay", "--data", data, "--set", "cost.instance=z9.huge"},
		{"cost", "--feed", "replay", "--data", data, "--prices", file},
	} {
		if _, errs, code := b.tapedeck(args...); code != exitUsage {
			t.Errorf("%v: exit %d, %s", args, code, errs)
		}
	}
}

func TestScreenShowsWhatThePipelineLastSaidItCosts(t *testing.T) {
	p := newPlace(t.TempDir())
	now := market.At(time.Now())
	if text := p.costText(now); text != "" {
		t.Error(text)
	}
	if err := p.writeJSON("cost.json", cost.Summary{Hour: 0.09, Month: 66.2, Over: time.Hour, Advice: []cost.Advice{{Saves: 20}}}); err != nil {
		t.Fatal(err)
	}
	if text := p.costText(now); text != "$0.09 an hour · $66.20 a month · $20.00 a month could be saved: tapedeck cost" {
		t.Error(text)
	}
	if text := p.costText(now.Add(2 * time.Hour)); text != "" {
		t.Errorf("a bill of two hours ago is shown: %s", text)
	}
}
