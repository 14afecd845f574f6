package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"tapedeck/ml"
)

// modelDirs are the trained models of a data directory: models/NAME/VERSION,
// each written whole, and models/in-use.json, which says which of them are
// asked. The pipeline looks at it every two seconds.
type modelDirs struct{ root string }

// modelsInUse says which version of each model is asked, which model is the
// champion, and what stood before.
type modelsInUse struct {
	Champion string            `json:"champion"`
	Versions map[string]string `json:"versions"`
	Before   map[string]string `json:"before,omitempty"`
}

func (p *place) models() modelDirs { return modelDirs{p.path("models")} }

func (d modelDirs) dir(name, version string) string { return filepath.Join(d.root, name, version) }

// inUse is what is asked; nothing is as good as an empty list.
func (d modelDirs) inUse() (modelsInUse, error) {
	var use modelsInUse
	data, err := os.ReadFile(filepath.Join(d.root, "in-use.json"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return use, nil
	case err != nil:
		return use, fmt.Errorf("which models are in use: %w", err)
	}
	if err := json.Unmarshal(data, &use); err != nil {
		return use, fmt.Errorf("which models are in use: %s cannot be read: %w; tapedeck models promote writes it anew", filepath.Join(d.root, "in-use.json"), err)
	}
	return use, nil
}

// names are the models in use, the champion first.
func (u *modelsInUse) names() []string {
	names := slices.Sorted(maps.Keys(u.Versions))
	slices.SortStableFunc(names, func(a, b string) int {
		return cmp.Compare(btoi(b == u.Champion), btoi(a == u.Champion))
	})
	return names
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// change edits what is in use, one process at a time, and writes it whole or
// not at all.
func (d modelDirs) change(ctx context.Context, edit func(*modelsInUse) error) error {
	if err := os.MkdirAll(d.root, 0o755); err != nil {
		return fmt.Errorf("make the models' directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(d.root, "in-use.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("change which models are in use: %w", err)
	}
	defer lock.Close()
	for unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		if err := pause(ctx); err != nil {
			return err
		}
	}
	use, err := d.inUse()
	if err != nil {
		use = modelsInUse{} // it is written anew
	}
	if use.Versions == nil {
		use.Versions = map[string]string{}
	}
	if use.Before == nil {
		use.Before = map[string]string{}
	}
	if err := edit(&use); err != nil {
		return err
	}
	return newPlace(d.root).writeJSON("in-use.json", use)
}

// use puts a version in use. It becomes the champion where asked for, or where
// there is none.
func (d modelDirs) use(ctx context.Context, name, version string, champion bool) error {
	if _, err := ml.Open(d.dir(name, version)); err != nil { // weights, too: nothing broken is put in use
		return err
	}
	return d.change(ctx, func(u *modelsInUse) error {
		if before := u.Versions[name]; before != version && before != "" {
			u.Before[name] = before
		}
		u.Versions[name] = version
		if champion || u.Champion == "" {
			u.Champion = name
		}
		return nil
	})
}

// rollback puts back the version that was in use before.
func (d modelDirs) rollback(ctx context.Context, name string) (version string, err error) {
	err = d.change(ctx, func(u *modelsInUse) error {
		before := u.Before[name]
		if before == "" {
			return fmt.Errorf("no version of %s was in use before; tapedeck models lists what there is", name)
		}
		if _, err := ml.Open(d.dir(name, before)); err != nil {
			return err
		}
		u.Before[name], u.Versions[name] = u.Versions[name], before
		version = before
		return nil
	})
	return version, err
}

// trained is one version that lies there.
type trained struct {
	*ml.Manifest
	dir string
}

// versions are all that can be read, by name, the newest first. What cannot be
// read is told of and left out.
func (d modelDirs) versions() (list []trained, broken error) {
	names, err := os.ReadDir(d.root)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list the models: %w", err)
	}
	for _, name := range names {
		if !name.IsDir() || strings.HasPrefix(name.Name(), ".") {
			continue
		}
		versions, err := os.ReadDir(filepath.Join(d.root, name.Name()))
		if err != nil {
			broken = errors.Join(broken, err)
			continue
		}
		for _, version := range slices.Backward(versions) {
			if !version.IsDir() || strings.HasPrefix(version.Name(), ".") {
				continue
			}
			dir := d.dir(name.Name(), version.Name())
			m, err := ml.ReadManifest(dir)
			if err == nil && (m.Name != name.Name() || m.Version != version.Name()) {
				err = fmt.Errorf("%s holds %s %s: a model directory is called as its manifest says", dir, m.Name, m.Version)
			}
			if err != nil {
				broken = errors.Join(broken, err)
				continue
			}
			list = append(list, trained{m, dir})
		}
	}
	return list, broken
}

// modelNames are the names that models may have here; nil where an endpoint is
// asked, which knows them itself.
func (p *place) modelNames(c Config) []string {
	if c.Predict.Endpoint != "" {
		return nil
	}
	names := []string{ml.LSTM, "prophet", ml.XGBoost}
	versions, _ := p.models().versions() // what is broken is said elsewhere
	for _, v := range versions {
		if !slices.Contains(names, v.Name) {
			names = append(names, v.Name)
		}
	}
	return names
}

// find is a version by name; the newest where version is empty.
func (d modelDirs) find(name, version string) (trained, error) {
	list, broken := d.versions()
	var have []string
	for _, t := range list {
		if t.Name == name && (version == "" || t.Version == version) {
			return t, nil
		}
		if t.Name == name {
			have = append(have, t.Version)
		}
	}
	switch {
	case broken != nil:
		return trained{}, broken
	case len(have) > 0:
		return trained{}, fmt.Errorf("%s has no version %q; it has %s", name, version, strings.Join(have, ", "))
	}
	return trained{}, fmt.Errorf("no model %q is trained here; tapedeck train --model %s makes one", name, ml.XGBoost)
}
