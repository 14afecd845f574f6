package tui

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"tapedeck/pipeline/market"
)

// State is what an analyst finds again after the end of the screen, however
// it came. It is written as a whole soon after a change; of two screens of
// one analyst the last to write wins.
type State struct {
	Version    int                        `json:"version"`
	View       string                     `json:"view,omitempty"`
	Symbol     string                     `json:"symbol,omitempty"`
	Interval   string                     `json:"interval,omitempty"`
	Group      string                     `json:"group,omitempty"`
	Sort       string                     `json:"sort,omitempty"`
	Reverse    bool                       `json:"reverse,omitempty"`
	Filter     string                     `json:"filter,omitempty"`
	Favourites []string                   `json:"favourites,omitempty"`
	Lists      []Watchlist                `json:"watchlists,omitempty"`
	Layouts    map[string]Layout          `json:"layouts,omitempty"`
	History    []string                   `json:"history,omitempty"` // of the command line, newest last
	Panes      map[string]json.RawMessage `json:"panes,omitempty"`   // what each Keeper keeps
	Look       map[string]string          `json:"look,omitempty"`    // settings changed by command
	Left       market.Time                `json:"left,omitempty"`    // when a screen was last seen alive
	Starts     int                        `json:"starts,omitempty"`
}

// Watchlist is a named list of symbols in the analyst's order.
type Watchlist struct {
	Name    string   `json:"name"`
	Symbols []string `json:"symbols"`
}

// Layout is a view as it stood when it was saved by name.
type Layout struct {
	View     string                     `json:"view"`
	Symbol   string                     `json:"symbol,omitempty"`
	Interval string                     `json:"interval,omitempty"`
	Group    string                     `json:"group,omitempty"`
	Sort     string                     `json:"sort,omitempty"`
	Reverse  bool                       `json:"reverse,omitempty"`
	Panes    map[string]json.RawMessage `json:"panes,omitempty"`
}

const stateVersion = 1

// maxListed bounds lists that a paste could fill without end.
const (
	maxListed  = 5_000
	maxLists   = 64
	maxHistory = 200
)

// list finds a watchlist by name.
func (s *State) list(name string) *Watchlist {
	for i := range s.Lists {
		if s.Lists[i].Name == name {
			return &s.Lists[i]
		}
	}
	return nil
}

// favourite says whether the symbol has a star.
func (s *State) favourite(symbol string) bool { return slices.Contains(s.Favourites, symbol) }

// remember puts a line at the end of the history, once.
func (s *State) remember(line string) {
	s.History = slices.DeleteFunc(s.History, func(l string) bool { return l == line })
	s.History = append(s.History, line)
	if n := len(s.History); n > maxHistory {
		s.History = slices.Clone(s.History[n-maxHistory:])
	}
}

// LoadState reads a state file. A file that is missing gives the first-time
// state; one that cannot be read gives it too, with an error to show, and is
// set aside so that nothing is overwritten.
func LoadState(path string) (*State, error) {
	fresh := &State{Version: stateVersion, Layouts: map[string]Layout{}, Panes: map[string]json.RawMessage{}, Look: map[string]string{}}
	if path == "" {
		return fresh, nil
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fresh, nil
	}
	if err != nil {
		return fresh, fmt.Errorf("read the screen's state: %w", err)
	}
	s := *fresh
	if err := json.Unmarshal(data, &s); err != nil || s.Version > stateVersion {
		aside := path + ".unreadable"
		if rename := os.Rename(path, aside); rename != nil {
			return fresh, fmt.Errorf("read the screen's state: %w", rename)
		}
		return fresh, fmt.Errorf("the screen's state of another version was set aside as %s", aside)
	}
	s.Version = stateVersion
	s.clean()
	return &s, nil
}

// ReadWatchlists are the lists that a state file keeps; a file that is missing
// keeps none. It changes nothing.
func ReadWatchlists(path string) ([]Watchlist, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var s State
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil {
		return nil, fmt.Errorf("read the watchlists of a screen: %w", err)
	}
	s.clean()
	return s.Lists, nil
}

// clean keeps a hand-edited file within bounds.
func (s *State) clean() {
	valid := func(symbols []string) []string {
		symbols = slices.DeleteFunc(symbols, func(x string) bool { return !market.ValidSymbol(x) })
		return symbols[:min(len(symbols), maxListed)]
	}
	s.Favourites = valid(s.Favourites)
	s.Lists = s.Lists[:min(len(s.Lists), maxLists)]
	for i := range s.Lists {
		s.Lists[i].Symbols = valid(s.Lists[i].Symbols)
	}
	if s.Layouts == nil {
		s.Layouts = map[string]Layout{}
	}
	if s.Panes == nil {
		s.Panes = map[string]json.RawMessage{}
	}
	if s.Look == nil {
		s.Look = map[string]string{}
	}
}

// write puts data in place of path in one step: whoever reads sees the old
// or the new, also after a kill.
func write(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("keep the screen's state: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".state-*")
	if err != nil {
		return fmt.Errorf("keep the screen's state: %w", err)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("keep the screen's state: %w", err)
	}
	return nil
}

// keepAfter is how long changes are collected before they are written.
const keepAfter = 400 * time.Millisecond
