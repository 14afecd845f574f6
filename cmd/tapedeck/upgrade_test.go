package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"tapedeck/pipeline/alert"
)

func writeFile(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Whatever a newer version has changed, this one says so and touches nothing.
// (The compute stage's snapshots: TestTornSnapshotsAreNone in pipeline.)
func TestDowngradeIsRefused(t *testing.T) {
	b := newBox(t)
	file, _, _ := b.recording(50)
	replay := func(data string) []string {
		return []string{"run", "--feed", "replay", "--data", data, "--input", file, "--speed", "max", "--once"}
	}
	// The data directory.
	data := filepath.Join(b.dir, "newer")
	feed := writeFile(t, filepath.Join(data, "feed.json"), `{"version": 2, "feed": "replay", "shards": 7}`)
	if _, errs, code := b.tapedeck(replay(data)...); code == 0 || !strings.Contains(errs, "newer tapedeck") {
		t.Errorf("data directory: exit %d, %s", code, errs)
	}
	if text, _ := os.ReadFile(feed); !strings.Contains(string(text), "shards") {
		t.Error("the newer version's file was changed")
	}
	// The lake, and its manifest.
	data = filepath.Join(b.dir, "lake")
	writeFile(t, filepath.Join(data, "lake/lake.json"), `{"version": 2, "topics": {}}`)
	if _, errs, code := b.tapedeck(replay(data)...); code == 0 || !strings.Contains(errs, "newer version of this program") {
		t.Errorf("lake: exit %d, %s", code, errs)
	}
	// The configuration; what it holds besides is not what is complained of.
	path := writeFile(t, filepath.Join(b.dir, "c.yaml"), "version: 2\nshards: 7\n")
	if _, errs, code := b.tapedeck("config", "check", path); code != exitUsage || !strings.Contains(errs, "newer tapedeck") || strings.Contains(errs, "shards") {
		t.Errorf("configuration: exit %d, %s", code, errs)
	}
	// Rules.
	path = writeFile(t, filepath.Join(b.dir, "rules.yaml"), "version: 2\nrules:\n- name: a\n  shard: 3\n")
	if _, errs, code := b.tapedeck("rules", "import", path, "--data", filepath.Join(b.dir, "q")); code == 0 || !strings.Contains(errs, "newer tapedeck") {
		t.Errorf("rules: exit %d, %s", code, errs)
	}
	// A backup.
	var archive bytes.Buffer
	zip := gzip.NewWriter(&archive)
	out := tar.NewWriter(zip)
	head := []byte(`{"version": 2, "tapedeck": "v9"}`)
	out.WriteHeader(&tar.Header{Name: "backup.json", Size: int64(len(head)), Mode: 0o600})
	out.Write(head)
	out.Close()
	zip.Close()
	path = writeFile(t, filepath.Join(b.dir, "b.tar.gz"), archive.String())
	if _, errs, code := b.tapedeck("restore", path, "--data", filepath.Join(b.dir, "r")); code == 0 || !strings.Contains(errs, "newer tapedeck (v9)") {
		t.Errorf("backup: exit %d, %s", code, errs)
	}
}

// What the first version wrote, without any version in it, is read.
func TestFirstVersionIsRead(t *testing.T) {
	b := newBox(t)
	file, good, _ := b.recording(50)
	data := filepath.Join(b.dir, "data")
	writeFile(t, filepath.Join(data, "feed.json"), `{"feed": "replay"}`)
	config := writeFile(t, filepath.Join(b.dir, "c.yaml"), "sim: {symbols: 20}\n")
	b.must("run", "--config", config, "--feed", "replay", "--data", data, "--input", file, "--speed", "max", "--once")
	if out := b.must("sql", "--feed", "replay", "--data", data, "--format", "csv", "SELECT count(*) FROM ticks"); !strings.Contains(out, "\n") || good == 0 {
		t.Error(out)
	}
}

func TestBackupAndRestore(t *testing.T) {
	b := newBox(t)
	file, _, _ := b.recording(50)
	data, again := filepath.Join(b.dir, "data"), filepath.Join(b.dir, "again")
	b.must("run", "--feed", "replay", "--data", data, "--input", file, "--speed", "max", "--once")
	b.must("rules", "set", "dear", "close > 100", "--feed", "replay", "--data", data)
	writeFile(t, filepath.Join(data, "queries/best.sql"), "SELECT 1")
	writeFile(t, filepath.Join(data, "screen.json"), `{"view":"board"}`)
	archive := filepath.Join(b.dir, "monday.tar.gz")
	b.must("backup", archive, "--feed", "replay", "--data", data, "--set", "kafka.password=hunter2")
	if info, err := os.Stat(archive); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
	out := b.must("restore", archive, "--data", again)
	if !strings.Contains(out, "restored") {
		t.Error(out)
	}
	before := b.must("rules", "export", "--feed", "replay", "--data", data)
	if after := b.must("rules", "export", "--feed", "replay", "--data", again); after != before || !strings.Contains(after, "dear") {
		t.Errorf("rules were\n%s\nand are\n%s", before, after)
	}
	for _, name := range []string{"queries/best.sql", "screen.json", "feed.json"} {
		was, _ := os.ReadFile(filepath.Join(data, name))
		if is, err := os.ReadFile(filepath.Join(again, name)); err != nil || !bytes.Equal(was, is) {
			t.Errorf("%s: %q, was %q, %v", name, is, was, err)
		}
	}
	settings, err := os.ReadFile(filepath.Join(again, "config.restored.yaml"))
	if err != nil || bytes.Contains(settings, []byte("hunter2")) || !bytes.Contains(settings, []byte("symbols")) {
		t.Errorf("%s %v", settings, err)
	}
	// It works: the same file replayed into the restored directory.
	b.must("run", "--feed", "replay", "--data", again, "--input", file, "--speed", "max", "--once")
	// Not over something that is there.
	if _, errs, code := b.tapedeck("restore", archive, "--data", data); code != exitUsage || !strings.Contains(errs, "not empty") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

// A log that was made anew goes on in its lake after adopt, and not before.
func TestAdopt(t *testing.T) {
	b := newBox(t)
	file, good, _ := b.recording(60)
	data, lake := filepath.Join(b.dir, "data"), filepath.Join(b.dir, "thelake")
	args := []string{"--feed", "replay", "--data", data, "--set", "lake=" + lake}
	b.must(append([]string{"run", "--input", file, "--speed", "max", "--once"}, args...)...)
	if err := os.RemoveAll(filepath.Join(data, "log")); err != nil {
		t.Fatal(err)
	}
	// The log is made anew; the refusal itself is store/lake's to test.
	b.must(append([]string{"rules", "set", "dear", "close > 100"}, args...)...)
	if out := b.must(append([]string{"lake", "adopt"}, args...)...); !strings.Contains(out, "nothing was changed") {
		t.Error(out)
	}
	b.must(append([]string{"lake", "adopt", "--yes"}, args...)...)
	b.must(append([]string{"run", "--input", file, "--speed", "max", "--once"}, args...)...)
	b.must(append([]string{"lake", "verify"}, args...)...)
	// Both logs held the file; the lake has the rows of both.
	out := b.must(append([]string{"sql", "--format", "csv", "SELECT count(*) FROM ticks"}, args...)...)
	if strings.Fields(out)[1] != strconv.Itoa(2*good) {
		t.Errorf("%q rows of twice %d", out, good)
	}
}

func TestHostileBackups(t *testing.T) {
	entry := func(entries ...tar.Header) []byte {
		var data bytes.Buffer
		zip := gzip.NewWriter(&data)
		out := tar.NewWriter(zip)
		head := []byte(`{"version": 1, "feed": "sim"}`)
		out.WriteHeader(&tar.Header{Name: "backup.json", Size: int64(len(head)), Mode: 0o600})
		out.Write(head)
		for _, h := range entries {
			h.Size = 1
			if h.Typeflag != 0 && h.Typeflag != tar.TypeReg {
				h.Size = 0
			}
			out.WriteHeader(&h)
			if h.Size > 0 {
				out.Write([]byte("x"))
			}
		}
		out.Close()
		zip.Close()
		return data.Bytes()
	}
	for what, data := range map[string][]byte{
		"nothing":             nil,
		"noise":               []byte("noise"),
		"a path upwards":      entry(tar.Header{Name: "data/../../evil"}),
		"an absolute path":    entry(tar.Header{Name: "/etc/cron.d/evil"}),
		"a file of no backup": entry(tar.Header{Name: "data/run.json"}),
		"a link":              entry(tar.Header{Name: "data/screen.json", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}),
		"upwards in a folder": entry(tar.Header{Name: "data/queries/../../evil"}),
		"rules that are none": entry(tar.Header{Name: "rules.yaml"}),
		"half of a good one":  entry(tar.Header{Name: "data/screen.json"})[:60],
	} {
		dir := t.TempDir()
		inner := filepath.Join(dir, "a", "b")
		os.MkdirAll(inner, 0o700)
		if _, err := readBackup(bytes.NewReader(data), inner); err == nil {
			t.Errorf("%s was taken", what)
		}
		filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
			if !e.IsDir() && !strings.HasPrefix(path, inner) {
				t.Errorf("%s wrote %s", what, path)
			}
			return nil
		})
	}
}

func FuzzReadBackup(f *testing.F) {
	var good bytes.Buffer
	c := DefaultConfig()
	if _, err := writeBackup(&good, c, newPlace(f.TempDir()), alert.File{}, nil, time.Unix(0, 0)); err != nil {
		f.Fatal(err)
	}
	f.Add(good.Bytes())
	f.Add([]byte{0x1f, 0x8b})
	f.Fuzz(func(t *testing.T, data []byte) {
		readBackup(bytes.NewReader(data), t.TempDir())
	})
}
