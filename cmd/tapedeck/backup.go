package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tapedeck/pipeline/alert"
)

// backupVersion changes with the form of a backup; an older one is restored, a
// newer one is refused.
const backupVersion = 1

// backupHead is a backup's first entry, backup.json.
type backupHead struct {
	Version  int       `json:"version"`
	Tapedeck string    `json:"tapedeck"`
	Time     time.Time `json:"time"`
	Feed     string    `json:"feed"`
	Lake     string    `json:"lake"`
}

// What a backup holds besides its head, the rules and the settings: files of
// the data directory (and, of a guest, of his own). The log is not in it: what
// it holds lies in the lake.
var (
	savedFiles   = []string{"feed.json", "replay.json", "screen.json", "sql_history.jsonl", "usage.jsonl"}
	savedFolders = []string{"queries", "models"}
)

// besideEntry has the silences, notes and shared queries.
const besideEntry = "notes.json"

const (
	backupEntries = 10_000   // most files in a backup
	backupBytes   = 16 << 30 // most bytes that one unpacks to
)

// saves says whether a file of a data directory belongs into a backup.
func saves(rel string) bool {
	first, _, nested := strings.Cut(filepath.ToSlash(rel), "/")
	if nested {
		return slices.Contains(savedFolders, first)
	}
	return slices.Contains(savedFiles, rel)
}

// writeBackup writes everything that is kept here and not in the lake.
func writeBackup(w io.Writer, c Config, p *place, rules alert.File, beside map[string]json.RawMessage, now time.Time) (files int, err error) {
	zip := gzip.NewWriter(w)
	out := tar.NewWriter(zip)
	add := func(name string, data []byte) error {
		files++
		if err := out.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(data)), ModTime: now.Truncate(time.Second)}); err != nil {
			return err
		}
		_, err := out.Write(data)
		return err
	}
	head, err := json.MarshalIndent(backupHead{backupVersion, version, now.UTC(), c.Feed, c.lakeLocation(p.dir)}, "", "  ")
	if err != nil {
		return 0, err
	}
	var text bytes.Buffer
	if err := alert.WriteYAML(&text, rules); err != nil {
		return 0, err
	}
	others, err := json.Marshal(beside)
	if err != nil {
		return 0, err
	}
	if err := errors.Join(add("backup.json", head), add("rules.yaml", text.Bytes()), add(besideEntry, others), add("config.yaml", []byte(c.withoutSecrets().yamlText(false, false)))); err != nil {
		return files, err
	}
	seen := map[string]bool{}
	for _, dir := range slices.Compact([]string{p.own, p.dir}) {
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			rel, _ := filepath.Rel(dir, path)
			switch {
			case err != nil && rel != ".":
				return nil //nolint:nilerr // not this user's to read, or gone by now
			case err != nil:
				return err
			case e.IsDir():
				if rel != "." && !slices.Contains(savedFolders, strings.Split(rel, string(filepath.Separator))[0]) {
					return filepath.SkipDir
				}
				return nil
			case !e.Type().IsRegular() || !saves(rel) || seen[rel]:
				return nil
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return nil //nolint:nilerr // the same
			}
			seen[rel] = true
			return add("data/"+filepath.ToSlash(rel), data)
		})
		if err != nil {
			return files, err
		}
	}
	return files, errors.Join(out.Close(), zip.Close())
}

// backup is what a file holds.
type backup struct {
	head   backupHead
	rules  alert.File
	beside map[string]json.RawMessage // silences, notes, shared queries
	files  int
}

// readBackup unpacks into an empty data directory. Nothing is written outside
// it, whatever the file says.
func readBackup(r io.Reader, dir string) (b backup, err error) {
	zip, err := gzip.NewReader(r)
	if err != nil {
		return b, fmt.Errorf("this is no backup: %w", err)
	}
	in := tar.NewReader(io.LimitReader(zip, backupBytes))
	for n := 0; ; n++ {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		switch {
		case err != nil:
			return b, fmt.Errorf("this backup is damaged: %w", err)
		case n == 0 && h.Name != "backup.json":
			return b, errors.New("this is no backup: it does not begin with backup.json")
		case n >= backupEntries:
			return b, fmt.Errorf("this is no backup: more than %d files", backupEntries)
		case h.Typeflag != tar.TypeReg:
			return b, fmt.Errorf("this is no backup: %q is no file", h.Name)
		}
		data, err := io.ReadAll(in)
		if err != nil {
			return b, fmt.Errorf("this backup is damaged: %w", err)
		}
		switch rel, inData := strings.CutPrefix(h.Name, "data/"); {
		case n == 0:
			if err := json.Unmarshal(data, &b.head); err != nil {
				return b, fmt.Errorf("this backup is damaged: %w", err)
			}
			if b.head.Version > backupVersion {
				return b, fmt.Errorf("this backup was written by a newer tapedeck (%s); restore it with that one", printable(b.head.Tapedeck))
			}
		case h.Name == "rules.yaml":
			if b.rules, err = alert.ReadYAML(bytes.NewReader(data), ruleWorld()); err != nil {
				return b, fmt.Errorf("the rules of the backup: %w", err)
			}
		case h.Name == besideEntry:
			if err := json.Unmarshal(data, &b.beside); err != nil {
				return b, fmt.Errorf("the silences, notes and shared queries of the backup: %w", err)
			}
		case h.Name == "config.yaml":
			if err := os.WriteFile(filepath.Join(dir, "config.restored.yaml"), data, 0o600); err != nil {
				return b, fmt.Errorf("restore the settings: %w", err)
			}
		case inData && filepath.IsLocal(rel) && saves(filepath.FromSlash(rel)):
			path := filepath.Join(dir, filepath.FromSlash(rel))
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				return b, fmt.Errorf("restore: %w", err)
			}
			if err := os.WriteFile(path, data, 0o600); err != nil {
				return b, fmt.Errorf("restore: %w", err)
			}
			b.files++
		default:
			return b, fmt.Errorf("this is no backup: %q does not belong into one", h.Name)
		}
	}
	if b.head.Version == 0 {
		return b, errors.New("this is no backup: it is empty")
	}
	return b, nil
}

// withoutSecrets is a copy that can be given away.
func (c *Config) withoutSecrets() *Config {
	copied := *c
	for _, s := range copied.settings() {
		if s.tag.Get("secret") != "" {
			s.value.SetString("")
		}
	}
	copied.Notify.Targets = slices.Clone(c.Notify.Targets)
	for i := range copied.Notify.Targets {
		t := &copied.Notify.Targets[i]
		t.Secret, t.URL = "", maskedURL(t.URL)
	}
	return &copied
}
