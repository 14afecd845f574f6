package pipeline

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sort"

	"tapedeck/pipeline/bars"
	"tapedeck/pipeline/clean"
	"tapedeck/pipeline/indicator"
	"tapedeck/pipeline/market"
)

// Rebuild computes from recorded ticks what the compute stage computed from
// the log, with the same code: which ticks are believed, their bars and their
// features. Recorded ticks come without the clocks of their source, so that a
// bar closes with its symbol's next tick; what a bar holds in the end is the
// same. Not for concurrent use.
type Rebuild struct {
	Calendar       func(symbol string) *market.Calendar
	Clean          clean.Config
	SecondFeatures bool

	// What comes out. Each may be nil.
	OnTick    func(topic int, partition int32, offset int64, t *market.Tick)
	OnBar     func(*market.Bar)
	OnFeature func(*market.Feature)

	// Reasons counts the ticks that were not believed.
	Reasons map[clean.Reason]int64

	parts map[recorded]*rebuilding
}

// recorded is a partition of one of the logs that a lake was filled from.
type recorded struct {
	topic     int
	partition int32
}

type rebuilding struct {
	cleaner  *clean.Cleaner
	builder  *bars.Builder
	features features
}

// Take takes the next tick of a partition. seen is when it was written to the
// log, at the latest.
func (r *Rebuild) Take(topic int, partition int32, offset int64, t *market.Tick, seen market.Time) {
	p := r.partition(recorded{topic, partition})
	p.cleaner.Clean(t, offset, seen, func(t *market.Tick, offset int64) {
		if r.OnTick != nil {
			r.OnTick(topic, partition, offset, t)
		}
		if (r.OnBar != nil || r.OnFeature != nil) && !clean.Excluded(t.Condition) {
			p.builder.Add(t, func(b *market.Bar) { r.closed(p, b) })
		}
	}, func(_ int64, reason clean.Reason) {
		if r.Reasons == nil {
			r.Reasons = map[clean.Reason]int64{}
		}
		r.Reasons[reason]++
	})
}

func (r *Rebuild) partition(id recorded) *rebuilding {
	p := r.parts[id]
	if p == nil {
		p = &rebuilding{cleaner: clean.New(r.Clean, r.Calendar), builder: bars.New(r.Calendar),
			features: newFeatures(r.Calendar, r.SecondFeatures)}
		if r.parts == nil {
			r.parts = map[recorded]*rebuilding{}
		}
		r.parts[id] = p
	}
	return p
}

func (r *Rebuild) closed(p *rebuilding, b *market.Bar) {
	if r.OnBar != nil {
		r.OnBar(b)
	}
	if b.Revision != 0 {
		return
	}
	if f := p.features.of(b); f != nil && r.OnFeature != nil {
		r.OnFeature(f)
	}
}

// rebuildVersion is the first byte of a rebuild's state.
const rebuildVersion = 1

// AppendState appends everything that later results depend on.
func (r *Rebuild) AppendState(dst []byte) []byte {
	dst = append(dst, rebuildVersion)
	dst = binary.AppendUvarint(dst, uint64(len(r.parts)))
	ids := make([]recorded, 0, len(r.parts))
	for id := range r.parts {
		ids = append(ids, id)
	}
	sort.Slice(ids, func(i, j int) bool {
		return ids[i].topic < ids[j].topic || ids[i].topic == ids[j].topic && ids[i].partition < ids[j].partition
	})
	for _, id := range ids {
		dst = binary.AppendUvarint(dst, uint64(id.topic))
		dst = binary.AppendUvarint(dst, uint64(id.partition))
		p := r.parts[id]
		dst = p.cleaner.AppendState(dst)
		dst = p.builder.AppendState(dst)
		dst = p.features.appendState(dst)
	}
	return dst
}

// LoadState takes over what AppendState appended.
func (r *Rebuild) LoadState(src []byte) error {
	if len(src) == 0 || src[0] != rebuildVersion {
		return errors.New("the checkpoint is of another version")
	}
	damaged := errors.New("the checkpoint is damaged")
	n, src, ok := cutUvarint(src[1:])
	for range n {
		var topic, partition uint64
		if topic, src, ok = cutUvarint(src); !ok {
			return damaged
		}
		if partition, src, ok = cutUvarint(src); !ok || topic > 1<<20 || partition > 1<<20 {
			return damaged
		}
		p := r.partition(recorded{int(topic), int32(partition)})
		var err error
		if src, err = p.cleaner.LoadState(src); err != nil {
			return fmt.Errorf("%w: %w", damaged, err)
		}
		if src, err = p.builder.LoadState(src); err != nil {
			return fmt.Errorf("%w: %w", damaged, err)
		}
		if src, err = p.features.loadState(src); err != nil {
			return fmt.Errorf("%w: %w", damaged, err)
		}
	}
	if !ok && n > 0 || len(src) > 0 {
		return damaged
	}
	return nil
}

// features computes the indicators of every symbol of a partition.
type features struct {
	calendar func(symbol string) *market.Calendar
	seconds  bool // of 1s bars, too
	symbols  map[string]*indicator.Symbol
	row      market.Feature
}

func newFeatures(calendar func(symbol string) *market.Calendar, seconds bool) features {
	return features{calendar: calendar, seconds: seconds, symbols: map[string]*indicator.Symbol{},
		row: market.Feature{Values: make([]float64, len(market.FeatureNames))}}
}

// of takes a bar that has closed, and gives its features; nil where it has
// none. They are good until the next call.
func (f *features) of(b *market.Bar) *market.Feature {
	symbol := f.symbols[b.Symbol]
	if symbol == nil {
		symbol = indicator.NewSymbol()
		f.symbols[b.Symbol] = symbol
	}
	day := b.Time // of a 1d bar, whose time is its day
	if b.Interval != market.Day {
		day = f.calendar(b.Symbol).Day(b.Time)
	}
	if !symbol.Close(b, day, f.seconds, f.row.Values) {
		return nil
	}
	f.row.Symbol, f.row.Interval, f.row.Time, f.row.Revision = b.Symbol, b.Interval, b.Time, b.Revision
	return &f.row
}

// appendState appends the indicators of each symbol, symbols in order so that
// equal states have equal bytes.
func (f *features) appendState(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(f.symbols)))
	for _, symbol := range sortedKeys(f.symbols) {
		dst = appendText(dst, symbol)
		dst = f.symbols[symbol].AppendState(dst)
	}
	return dst
}

func (f *features) loadState(src []byte) (rest []byte, err error) {
	n, src, ok := cutUvarint(src)
	if !ok {
		return nil, errors.New("the state is damaged")
	}
	for range n {
		var name string
		if name, src, ok = cutText(src); !ok {
			return nil, errors.New("the state is damaged")
		}
		symbol := indicator.NewSymbol()
		if src, err = symbol.LoadState(src); err != nil {
			return nil, err
		}
		f.symbols[name] = symbol
	}
	return src, nil
}
