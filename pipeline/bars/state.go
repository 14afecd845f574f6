package bars

import (
	"encoding/binary"
	"errors"
	"math"

	"tapedeck/pipeline/market"
)

// stateVersion changes with the form of the state.
const stateVersion = 1

var errState = errors.New("bars: damaged state")

// AppendState appends all that the builder knows, so that LoadState continues
// exactly from here.
func (b *Builder) AppendState(dst []byte) []byte {
	dst = append(dst, stateVersion)
	dst = binary.AppendVarint(dst, b.late.Corrected)
	dst = binary.AppendVarint(dst, b.late.Dropped)
	dst = binary.AppendUvarint(dst, uint64(len(b.order)))
	for _, s := range b.order {
		dst = appendText(dst, s.name)
		dst = appendText(dst, s.source)
		dst = binary.AppendVarint(dst, int64(s.watermark))
		for i := range s.open {
			dst = s.open[i].appendState(dst)
			dst = append(dst, byte(len(s.closed[i])))
			for j := range s.closed[i] {
				dst = s.closed[i][j].appendState(dst)
			}
		}
	}
	return dst
}

// LoadState puts the builder where AppendState was called and returns what
// follows in src. After an error the builder is undefined.
func (b *Builder) LoadState(src []byte) (rest []byte, err error) {
	r := reader{src: src}
	if r.byte() != stateVersion {
		return nil, errState
	}
	b.late.Corrected, b.late.Dropped = r.varint(), r.varint()
	b.symbols, b.order = map[string]*symbol{}, nil
	for n := r.uvarint(); n > 0 && !r.bad; n-- {
		s := &symbol{name: r.text(), source: r.text(), watermark: market.Time(r.varint())}
		if !market.ValidSymbol(s.name) || b.symbols[s.name] != nil {
			return nil, errState
		}
		s.calendar = b.calendar(s.name)
		for i := range s.open {
			s.open[i] = r.forming(s.name, market.Interval(i))
			count := int(r.byte())
			if count > kept[i] {
				return nil, errState
			}
			for range count {
				s.closed[i] = append(s.closed[i], r.forming(s.name, market.Interval(i)))
			}
		}
		b.symbols[s.name] = s
		b.order = append(b.order, s)
	}
	if r.bad {
		return nil, errState
	}
	return r.src, nil
}

func (f *forming) appendState(dst []byte) []byte {
	dst = binary.AppendVarint(dst, int64(f.end))
	if f.end == 0 {
		return dst
	}
	dst = binary.AppendVarint(dst, int64(f.end-f.bar.Time))
	for _, v := range [...]float64{f.bar.Open, f.bar.High, f.bar.Low, f.bar.Close, f.turnover, f.prices} {
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(v))
	}
	dst = binary.AppendVarint(dst, f.bar.Volume)
	dst = binary.AppendVarint(dst, f.bar.Trades)
	dst = binary.AppendVarint(dst, f.ticks)
	return binary.AppendVarint(dst, int64(f.bar.Revision))
}

// reader takes values off the front of src; bad says that src was too short.
type reader struct {
	src []byte
	bad bool
}

func (r *reader) fail() {
	r.src, r.bad = nil, true
}

func (r *reader) byte() byte {
	if len(r.src) == 0 {
		r.fail()
		return 0
	}
	v := r.src[0]
	r.src = r.src[1:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.src)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.src = r.src[n:]
	return v
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.src)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.src = r.src[n:]
	return v
}

func (r *reader) float() float64 {
	if len(r.src) < 8 {
		r.fail()
		return 0
	}
	v := math.Float64frombits(binary.LittleEndian.Uint64(r.src))
	r.src = r.src[8:]
	return v
}

func (r *reader) text() string {
	n := r.uvarint()
	if n > uint64(len(r.src)) {
		r.fail()
		return ""
	}
	v := string(r.src[:n])
	r.src = r.src[n:]
	return v
}

func (r *reader) forming(name string, interval market.Interval) forming {
	f := forming{end: market.Time(r.varint())}
	if f.end == 0 {
		return f
	}
	f.bar = market.Bar{Symbol: name, Interval: interval, Time: f.end - market.Time(r.varint())}
	f.bar.Open, f.bar.High, f.bar.Low, f.bar.Close = r.float(), r.float(), r.float(), r.float()
	f.turnover, f.prices = r.float(), r.float()
	f.bar.Volume, f.bar.Trades, f.ticks = r.varint(), r.varint(), r.varint()
	f.bar.Revision = int32(r.varint())
	return f
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}
