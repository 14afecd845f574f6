package clean

import (
	"encoding/binary"
	"errors"
	"maps"
	"math"
	"slices"

	"tapedeck/pipeline/market"
)

// stateVersion changes with the form of the state.
const stateVersion = 1

var errState = errors.New("clean: damaged state")

// AppendState appends all that the cleaner knows, so that LoadState continues
// exactly from here. Equal states have equal bytes.
func (c *Cleaner) AppendState(dst []byte) []byte {
	dst = append(dst, stateVersion)
	dst = binary.AppendUvarint(dst, uint64(len(c.clocks)))
	for _, source := range slices.Sorted(maps.Keys(c.clocks)) {
		dst = appendText(dst, source)
		dst = binary.AppendVarint(dst, int64(c.clocks[source]))
	}
	dst = binary.AppendUvarint(dst, uint64(len(c.symbols)))
	for _, name := range slices.Sorted(maps.Keys(c.symbols)) {
		s := c.symbols[name]
		dst = appendText(dst, name)
		dst = binary.AppendVarint(dst, int64(s.day))
		dst = append(dst, byte(s.session), byte(s.n), byte(s.at))
		for _, v := range s.prices[:s.n] {
			dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(v))
		}
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(s.median))
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(s.spread))
	}
	dst = binary.AppendUvarint(dst, uint64(len(c.holding)))
	for _, s := range c.holding {
		dst = appendText(dst, s.name)
		dst = append(dst, byte(len(s.held)))
		for i := range s.held {
			dst = binary.AppendVarint(dst, s.held[i].offset)
			dst = appendText(dst, string(market.AppendTick(nil, &s.held[i].tick)))
		}
	}
	return dst
}

// LoadState puts the cleaner where AppendState was called and returns what
// follows in src. After an error the cleaner is undefined.
func (c *Cleaner) LoadState(src []byte) (rest []byte, err error) {
	r := reader{src: src}
	if r.byte() != stateVersion {
		return nil, errState
	}
	c.clocks, c.symbols, c.holding = map[string]market.Time{}, map[string]*symbol{}, nil
	for n := r.uvarint(); n > 0 && !r.bad; n-- {
		source := r.text()
		c.clocks[source] = market.Time(r.varint())
	}
	for n := r.uvarint(); n > 0 && !r.bad; n-- {
		s := &symbol{name: r.text()}
		if !market.ValidSymbol(s.name) {
			return nil, errState
		}
		s.calendar = c.calendar(s.name)
		s.day, s.session = market.Time(r.varint()), market.Session(r.byte())
		s.n, s.at = int(r.byte()), int(r.byte())
		if s.n > window || s.at >= window || s.n < window && s.at != s.n || c.symbols[s.name] != nil {
			return nil, errState
		}
		for i := range s.n {
			s.prices[i] = r.float()
			r.bad = r.bad || !(s.prices[i] > 0)
		}
		s.median, s.spread = r.float(), r.float()
		c.symbols[s.name] = s
	}
	for n := r.uvarint(); n > 0 && !r.bad; n-- {
		s := c.symbols[r.text()]
		count := int(r.byte())
		if s == nil || len(s.held) > 0 || count == 0 || count > most {
			return nil, errState
		}
		for range count {
			h := heldTick{offset: r.varint()}
			if market.DecodeTick([]byte(r.text()), &h.tick) != nil || h.tick.Symbol != s.name {
				return nil, errState
			}
			s.held = append(s.held, h)
		}
		c.holding = append(c.holding, s)
	}
	if r.bad {
		return nil, errState
	}
	return r.src, nil
}

// reader takes values off the front of src; bad says that src was too short.
type reader struct {
	src []byte
	bad bool
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.src)) {
		r.src, r.bad = nil, true
		return nil
	}
	v := r.src[:n]
	r.src = r.src[n:]
	return v
}

func (r *reader) byte() byte {
	if v := r.take(1); v != nil {
		return v[0]
	}
	return 0
}

func (r *reader) float() float64 {
	if v := r.take(8); v != nil {
		return math.Float64frombits(binary.LittleEndian.Uint64(v))
	}
	return 0
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.src)
	if n <= 0 {
		r.bad = true
		r.src = nil
		return 0
	}
	r.src = r.src[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.src)
	if n <= 0 {
		r.bad = true
		r.src = nil
		return 0
	}
	r.src = r.src[n:]
	return v
}

func (r *reader) text() string { return string(r.take(r.uvarint())) }

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}
