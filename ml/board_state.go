package ml

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"tapedeck/pipeline/market"
)

// boardFormat is the version of what MarshalJSON writes.
const boardFormat = 1

// What a board keeps, as it is written: all but the predictions that wait, which
// are recorded elsewhere.
type (
	keptBoard struct {
		Format  int            `json:"format"`
		Longest int32          `json:"longest"` // horizon
		Models  []keptModel    `json:"models"`
		Symbols []keptFollower `json:"symbols"`
	}
	keptModel struct {
		Name    string      `json:"name"`
		Version string      `json:"version"`
		Made    market.Time `json:"made"`
		Bands   []keptBand  `json:"bands"`
		Tallies []keptTally `json:"tallies"`
	}
	keptBand struct {
		Horizon int32       `json:"horizon"`
		Width   float64     `json:"width"` // logarithm of the factor
		Minute  market.Time `json:"minute"`
		N       int         `json:"n"`
		Outside int         `json:"outside"`
	}
	keptTally struct {
		Horizon int32       `json:"horizon"`
		Blocks  []keptBlock `json:"blocks"`
	}
	keptBlock struct {
		Begin    int64   `json:"begin"`
		N        int     `json:"n"`
		Moved    int     `json:"moved"`
		Hits     int     `json:"hits"`
		Inside   int     `json:"inside"`
		Squares  float64 `json:"squares"`
		Base     float64 `json:"base"`
		Drift    float64 `json:"drift"`
		Absolute float64 `json:"absolute"`
		Plain    float64 `json:"plain"`
	}
	keptFollower struct {
		Symbol  string      `json:"symbol"`
		Time    market.Time `json:"time"`
		Close   float64     `json:"close"`
		Began   float64     `json:"began"`
		Minutes int         `json:"minutes"`
	}
)

// Newest is the time of the newest bar that the board has taken; 0: none.
func (b *Board) Newest() market.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	var newest market.Time
	for _, f := range b.symbols {
		newest = max(newest, f.time)
	}
	return newest
}

// Open is the time from which on predictions may wait for their outcome.
func (b *Board) Open() market.Time {
	newest := b.Newest()
	b.mu.Lock()
	defer b.mu.Unlock()
	return newest.Add(-time.Duration(b.longest) * time.Second)
}

// MarshalJSON is the board without the predictions that wait for their outcome.
// Give the board that is read from it those that were recorded since Open, with
// the bars since, in the order of their times: then it is what it was, and counts
// nothing twice.
func (b *Board) MarshalJSON() ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := keptBoard{Format: boardFormat, Longest: b.longest}
	for _, m := range b.models {
		model := keptModel{Name: m.name, Version: m.version, Made: m.made}
		m.band.mu.Lock()
		for horizon, t := range m.band.terms {
			model.Bands = append(model.Bands, keptBand{horizon, t.width, t.minute, t.n, t.outside})
		}
		m.band.mu.Unlock()
		for horizon, t := range m.horizons {
			tally := keptTally{Horizon: horizon}
			for _, c := range t.blocks {
				tally.Blocks = append(tally.Blocks, keptBlock{c.begin, c.n, c.moved, c.hits, c.inside, c.squares, c.base, c.drift, c.absolute, c.plain})
			}
			model.Tallies = append(model.Tallies, tally)
		}
		slices.SortFunc(model.Bands, func(a, b keptBand) int { return int(a.Horizon - b.Horizon) })
		slices.SortFunc(model.Tallies, func(a, b keptTally) int { return int(a.Horizon - b.Horizon) })
		k.Models = append(k.Models, model)
	}
	for symbol, f := range b.symbols {
		if f.time != 0 {
			k.Symbols = append(k.Symbols, keptFollower{symbol, f.time, f.close, f.began, f.minutes})
		}
	}
	slices.SortFunc(k.Models, func(a, b keptModel) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(k.Symbols, func(a, b keptFollower) int { return strings.Compare(a.Symbol, b.Symbol) })
	return json.Marshal(k)
}

// UnmarshalJSON makes the board what MarshalJSON wrote. With an error it stays
// as it was.
func (b *Board) UnmarshalJSON(data []byte) error {
	var k keptBoard
	if err := json.Unmarshal(data, &k); err != nil {
		return fmt.Errorf("read a scoreboard: %w", err)
	}
	if k.Format != boardFormat {
		return fmt.Errorf("read a scoreboard: format %d, want %d", k.Format, boardFormat)
	}
	models, symbols := make(map[string]*record, len(k.Models)), make(map[string]*follower, len(k.Symbols))
	for i := range k.Models {
		m, err := k.Models[i].record()
		if err != nil {
			return fmt.Errorf("read a scoreboard: model %q: %w", k.Models[i].Name, err)
		}
		models[m.name] = m
	}
	for _, f := range k.Symbols {
		if !(f.Close > 0) || !(f.Began > 0) || f.Minutes < 0 || f.Time <= 0 {
			return fmt.Errorf("read a scoreboard: symbol %q makes no sense", f.Symbol)
		}
		symbols[f.Symbol] = &follower{time: f.Time, close: f.Close, began: f.Began, minutes: f.Minutes}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.models, b.symbols, b.longest = models, symbols, k.Longest
	return nil
}

func (k *keptModel) record() (*record, error) {
	m := newRecord(k.Name)
	m.version, m.made = k.Version, k.Made
	m.band.terms = make(map[int32]*term, len(k.Bands))
	for _, t := range k.Bands {
		if t.Horizon < 60 || math.Abs(t.Width) > bandLimit || t.N < 0 || t.Outside < 0 || t.Outside > t.N {
			return nil, errors.New("a band makes no sense")
		}
		m.band.terms[t.Horizon] = &term{width: t.Width, minute: t.Minute, n: t.N, outside: t.Outside}
	}
	for _, t := range k.Tallies {
		if t.Horizon < 60 || len(t.Blocks) > maxBlocks {
			return nil, errors.New("a record makes no sense")
		}
		tally := &tally{horizon: t.Horizon, limit: maxBlocks}
		for _, c := range t.Blocks {
			if c.N < 1 || c.Moved < 0 || c.Moved > c.N || c.Hits < 0 || c.Hits > c.Moved || c.Inside < 0 || c.Inside > c.N {
				return nil, errors.New("the counts of a record make no sense")
			}
			tally.blocks = append(tally.blocks, block{c.Begin, c.N, c.Moved, c.Hits, c.Inside, c.Squares, c.Base, c.Drift, c.Absolute, c.Plain})
		}
		m.horizons[t.Horizon] = tally
	}
	return m, nil
}
