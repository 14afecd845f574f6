package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// A box for many has one pipeline, run by the system: /etc/tapedeck/config.yaml
// configures it, and while it runs /run/tapedeck/pipeline.json says where it
// keeps everything, so that every analyst's tapedeck finds it.

// boxFile says which pipeline is this box's.
type boxFile struct {
	Data string `json:"data"`
	Feed string `json:"feed"`
}

// etcDir and runDir are the box's own directories; tests have theirs.
func etcDir() string { return boxDir("TAPEDECK_TEST_ETC", "/etc/tapedeck") }
func runDir() string { return boxDir("TAPEDECK_TEST_RUN", "/run/tapedeck") }

func boxDir(variable, dir string) string {
	if v := os.Getenv(variable); v != "" {
		return v
	}
	return dir
}

// announce says to the box that this is its pipeline, where systemd runs it
// (RUNTIME_DIRECTORY) or a test does. It is taken back with the directory.
func (p *place) announce(c Config) error {
	dir := os.Getenv("RUNTIME_DIRECTORY")
	if dir == "" {
		return nil
	}
	data, err := json.Marshal(boxFile{Data: p.dir, Feed: c.Feed})
	if err != nil {
		return fmt.Errorf("say where the pipeline is: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "pipeline.json"), append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("say where the pipeline is: %w", err)
	}
	return nil
}

// joinBox takes the box's pipeline where neither flags nor files have named
// another data directory.
func (c *Config) joinBox() {
	var box boxFile
	data, err := os.ReadFile(filepath.Join(runDir(), "pipeline.json"))
	if err != nil || json.Unmarshal(data, &box) != nil || !filepath.IsAbs(box.Data) {
		return
	}
	feed := *c
	for _, s := range feed.settings() {
		if s.path == "feed" && s.set(box.Feed) == nil {
			c.Data, c.Feed = box.Data, feed.Feed
		}
	}
}
