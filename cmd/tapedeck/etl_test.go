package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A rebuilt hour equals the streamed one, also where the streamed one is gone.
func TestRebuiltHourEqualsStreamed(t *testing.T) {
	b := newBox(t)
	file, _, _ := b.recording(150_000) // fifty minutes from 14:30 on, UTC
	b.must("run", "--feed", "replay", "--input", file, "--speed", "max", "--once")
	hour := " time >= TIMESTAMP '2026-11-20 14:00:00' AND time < TIMESTAMP '2026-11-20 15:00:00' "
	statements := []string{
		"SELECT * FROM ticks WHERE" + hour + "ORDER BY \"partition\", \"offset\"",
		"SELECT * FROM bars WHERE" + hour + "ORDER BY symbol, \"interval\", time",
		"SELECT * FROM features WHERE" + hour + "ORDER BY symbol, \"interval\", time",
	}
	ask := func() (answers []string) {
		for _, s := range statements {
			answers = append(answers, b.must("sql", "--feed", "replay", "--format", "csv", s))
		}
		return answers
	}
	want := ask()
	b.must("lake", "compact", "--feed", "replay")
	for _, table := range []string{"ticks", "bars", "features"} {
		path := filepath.Join(b.dir, ".local/share/tapedeck/replay/lake/processed", table, "date=2026-11-20/hour=14/data.parquet")
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	for _, answer := range ask() {
		if strings.Count(answer, "\n") > 1 {
			t.Fatal("rows are left without their file")
		}
	}
	for range 2 { // a second time changes nothing
		for _, job := range []string{"clean", "features"} {
			if out := b.must("etl", job, "--feed", "replay", "--from", "2026-11-20T14:00", "--to", "2026-11-20T15:00"); !strings.Contains(out, "ticks read") {
				t.Error(out)
			}
		}
		for i, got := range ask() {
			if got != want[i] {
				t.Errorf("%s: streamed\n%.400s\nrebuilt\n%.400s", statements[i], want[i], got)
			}
		}
	}
	if out := b.must("lake", "verify", "--feed", "replay"); !strings.Contains(out, "all is well") {
		t.Error(out)
	}
	for _, args := range [][]string{{"etl", "clean", "--from", "x"}, {"etl", "features", "--from", "2026-11-20", "--to", "2026-11-19"}} {
		if _, errs, code := b.tapedeck(args...); code != exitUsage || !strings.Contains(errs, "--") {
			t.Errorf("%v: exit %d, %s", args, code, errs)
		}
	}
}
