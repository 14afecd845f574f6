package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// jumpingClock builds tapedeck with a clock that a file can set: the program's
// own source, and a package time whose Now adds what the file says.
func jumpingClock(t *testing.T) (binary string) {
	t.Helper()
	if os.Getenv("TAPEDECK_TEST_CLOCK") == "" {
		t.Skip("make clock runs it: it builds the program anew, which takes minutes")
	}
	dir := t.TempDir()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	std := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	source, err := os.ReadFile(std)
	if err != nil {
		t.Fatal(err)
	}
	now := "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	if strings.Count(string(source), now) != 1 {
		t.Skip("this Go's time.Now is another")
	}
	text := strings.Replace(string(source), now, now+"\tsec += jump.Load()\n", 1)
	text = strings.Replace(text, "\t\"math/bits\"\n", "\t\"math/bits\"\n\t\"sync/atomic\"\n", 1)
	text += "\nvar jump atomic.Int64\n\n// Jump sets how many seconds Now is off.\nfunc Jump(seconds int64) { jump.Store(seconds) }\n"
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	overlay := struct{ Replace map[string]string }{map[string]string{
		std:                               writeFile(t, filepath.Join(dir, "time.go"), text),
		filepath.Join(here, "jumping.go"): filepath.Join(here, "testdata", "jumping.go.txt"),
	}}
	data, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	binary = filepath.Join(dir, "tapedeck")
	build := exec.Command("go", "build", "-overlay", writeFile(t, filepath.Join(dir, "overlay.json"), string(data)), "-o", binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

// The clock of the machine is set forward by a day, back, back by hours, and
// right again: the pipeline goes on, says what it cannot use, and loses nothing.
func TestPipelineSurvivesTheClocksJumps(t *testing.T) {
	binary := jumpingClock(t)
	b := newBox(t)
	b.program = binary
	clock := filepath.Join(b.dir, "clock")
	set := func(off string) { writeFile(t, clock, off) }
	set("0s")
	r := startPipeline(t, b, []string{"JUMPING_CLOCK=" + clock})
	r.ready("")
	set("26h")
	r.ready("")
	set("0s")
	r.ready("feed: this machine's clock is 26h0m0s behind the market's")
	r.ready("time is ahead of when it was received; is this machine's clock right?")
	set("-3h")
	r.ready("feed: this machine's clock is")
	set("26h")
	r.ready("")
	r.whole()
}
