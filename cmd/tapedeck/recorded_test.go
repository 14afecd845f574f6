package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What was recorded is replayed into a log and a lake of its own, and gives
// the same bars once more.
func TestTimeMachine(t *testing.T) {
	b := newBox(t)
	file, _, _ := b.recording(20_000)
	data := filepath.Join(b.dir, "data")
	b.must("run", "--data", data, "--feed", "replay", "--input", file, "--speed", "max", "--once")
	where := []string{"--data", data, "--feed", "replay", "--from", "2026-11-20T14:31", "--to", "2026-11-20T14:35"}
	args := append([]string{"run", "--speed", "max", "--once"}, where...)
	b.must(args...)
	b.must(args...) // again: nothing is new
	ask := func(statement string, flags ...string) string {
		return b.must(append([]string{"sql", "--format", "csv", statement}, flags...)...)
	}
	const span = " time >= TIMESTAMP '2026-11-20 14:31:00' AND time < TIMESTAMP '2026-11-20 14:35:00' "
	for _, statement := range []string{
		"SELECT count(*), sum(size), min(time), max(time) FROM ticks WHERE" + span,
		"SELECT symbol, \"interval\", time, open, high, low, close, volume, trades FROM bars WHERE \"interval\" IN ('1s', '1m') AND" + span + "ORDER BY 1, 2, 3",
	} {
		want, got := ask(statement, "--data", data, "--feed", "replay"), ask(statement, where...)
		if got != want || len(strings.Split(got, "\n")) < 3 {
			t.Errorf("%s: recorded\n%.300s\nreplayed\n%.300s", statement, want, got)
		}
	}
	if all := ask("SELECT count(*) FROM ticks", where...); all != ask("SELECT count(*) FROM ticks WHERE"+span, "--data", data, "--feed", "replay") {
		t.Errorf("the replay holds %s ticks", all)
	}
	for want, flags := range map[string][]string{
		"not a time":          {"--feed", "replay", "--from", "yesterday"},
		"is not after":        {"--feed", "replay", "--from", "2026-11-20", "--to", "2026-11-20"},
		"no recorded history": {"--feed", "replay", "--from", "2026-11-20", "--data", filepath.Join(b.dir, "none")},
	} {
		if out, errs, code := b.tapedeck(append([]string{"run", "--once"}, flags...)...); code == 0 || !strings.Contains(errs, want) {
			t.Errorf("%v: exit %d, %s%s", flags, code, out, errs)
		}
	}
}

// A day older than what the log holds is refused, with the ways out.
func TestOlderDayIsRefused(t *testing.T) {
	b := newBox(t)
	file, _, _ := b.recording(200)
	b.must("run", "--feed", "replay", "--input", file, "--speed", "max", "--once")
	older := filepath.Join(b.dir, "older.csv")
	row := "time_ms,symbol,price,size\n1381132800464,SPY,167.41,100\n"
	if err := os.WriteFile(older, []byte(row), 0o600); err != nil {
		t.Fatal(err)
	}
	_, errs, code := b.tapedeck("run", "--feed", "replay", "--input", older, "--speed", "max", "--once")
	if code == 0 || !strings.Contains(errs, "--data DIR") {
		t.Errorf("exit %d: %s", code, errs)
	}
	if rows := b.sql("SELECT count(*) FROM ticks WHERE symbol = 'SPY'"); fmt.Sprint(rows) != "[[0]]" {
		t.Errorf("%v ticks of the older day", rows)
	}
}
