package main

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestLakeOnRealTrino declares the lake of a run on a real Trino and asks both
// engines the same.
func TestLakeOnRealTrino(t *testing.T) {
	if os.Getenv("TAPEDECK_TEST_TRINO") != "1" {
		t.Skip("a real Trino is asked when TAPEDECK_TEST_TRINO=1 is set")
	}
	dir := t.TempDir()
	address := realTrino(t, dir)
	b := newBox(t)
	b.env = append(b.env, "TAPEDECK_LAKE="+filepath.Join(dir, "lake"), "TAPEDECK_SQL_TRINO_URL=http://tester@"+address)
	b.must("run", "--feed", "replay", "--input", trinoRecording(t), "--speed", "max", "--once")
	if out := b.must("catalog", "register", "--engine", "trino", "--location", "local:///lake", "--since", "2026-11-01"); strings.Count(out, "declared") != 7 {
		t.Errorf("%s", out)
	}
	files, err := filepath.Glob("../../examples/sql/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	statements := []string{
		"SELECT count(*), sum(size), count(DISTINCT symbol) FROM ticks",
		"SELECT symbol, \"interval\", time, open, high, low, close, volume, trades FROM bars",
		"SELECT * FROM features WHERE symbol = 'AAPL'",
		"SELECT symbol, time, price, size FROM ticks WHERE date = '2026-11-20' AND hour = '14' AND symbol < 'C'",
		"SELECT max(v), min(v), max(v / 0e0), avg(v) FROM (SELECT close - lag(close) OVER (PARTITION BY symbol ORDER BY time) AS v FROM bars WHERE interval = '1m') AS t",
		"SELECT map_agg(k, v), array_agg(k), max_by(k, v) FROM (VALUES (CAST(NULL AS varchar), 1)) AS t(k, v)",
		"SELECT symbol LIKE 'A%', symbol LIKE concat(substr(symbol, 1, 1), '%'), regexp_like(symbol, '^[A-K]') FROM bars WHERE interval = '5m'",
		"SELECT 7 / 2, 1.0 / 3, CAST(1.5e0 AS varchar), ARRAY[1, 2], map(ARRAY['a'], ARRAY[1]), CAST(ROW(1, 'x') AS row(a bigint, b varchar)), TIMESTAMP '2026-11-20 14:30:00', DATE '2026-11-20', NULL, true, DECIMAL '1.50'",
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		statements = append(statements, string(text))
	}
	for _, statement := range statements {
		ask := func(engine string) []string {
			out := b.must("sql", "--feed", "replay", "--engine", engine, "--format", "csv", "--", statement)
			records, err := csv.NewReader(strings.NewReader(out)).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			var lines []string
			for _, r := range records[1:] { // what a column without a name is called differs
				for i, cell := range r {
					r[i] = rounded(cell)
				}
				lines = append(lines, strings.Join(r, " | "))
			}
			slices.Sort(lines) // of rows with equal keys each engine has its own order
			return lines
		}
		here, there := ask("local"), ask("trino")
		if len(here) == 0 {
			t.Errorf("%s\nno rows", statement)
		}
		if !slices.Equal(here, there) {
			for i := range min(len(here), len(there)) {
				if here[i] != there[i] {
					t.Errorf("here  %s\nthere %s", here[i], there[i])
					break
				}
			}
			t.Errorf("%s\n%d rows here, %d on Trino", statement, len(here), len(there))
		}
	}
}

// trinoRecording is the recording that examples/sql makes.
func trinoRecording(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ticks.csv")
	out, err := exec.Command("bash", "../../examples/sql/recording.sh").Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, out, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// rounded makes two doubles equal that differ in how they were summed, and
// microseconds those of the connector's milliseconds.
func rounded(cell string) string {
	if len(cell) > 23 && cell[4] == '-' && cell[10] == ' ' && cell[19] == '.' && len(cell) == 26 {
		return cell[:23]
	}
	if v, err := strconv.ParseFloat(cell, 64); err == nil && strings.ContainsAny(cell, ".E") {
		return fmt.Sprintf("%.9g", v)
	}
	return cell
}

// realTrino runs a server until the test ends; it reads files under dir.
func realTrino(t *testing.T, dir string) string {
	t.Helper()
	const script = "../../store/remote/testdata/real-trino"
	if out, err := exec.Command(script, "check").CombinedOutput(); err != nil {
		t.Skipf("no real Trino here: %s", strings.TrimSpace(string(out)))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	cmd := exec.Command(script, dir, strconv.Itoa(port))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	ready := lines.Scan() && lines.Text() == "ready"
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // its data goes with the test
		_ = cmd.Wait()
	})
	if !ready {
		t.Fatal("Trino did not start")
	}
	return "127.0.0.1:" + strconv.Itoa(port)
}
