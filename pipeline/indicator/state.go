package indicator

import (
	"encoding/binary"
	"errors"
	"math"

	"tapedeck/pipeline/market"
)

// stateVersion changes with the form of the state.
const stateVersion = 1

var errState = errors.New("indicator: damaged state")

// AppendState appends all that is known, so that LoadState continues to the bit.
func (s *Symbol) AppendState(dst []byte) []byte {
	w := writer{append(dst, stateVersion)}
	w.sma(&s.seconds)
	w.float(s.average)
	for _, set := range s.sets {
		if set == nil {
			w.dst = append(w.dst, 0)
			continue
		}
		w.dst = append(w.dst, 1)
		set.visit(&w)
	}
	return w.dst
}

// LoadState puts s where AppendState was called and returns what follows in
// src. After an error s is undefined.
func (s *Symbol) LoadState(src []byte) (rest []byte, err error) {
	if len(src) == 0 || src[0] != stateVersion {
		return nil, errState
	}
	r := reader{src: src[1:]}
	r.sma(&s.seconds)
	r.float(&s.average)
	for i := range s.sets {
		s.sets[i] = nil
		if r.byte() == 1 {
			s.sets[i] = NewSet()
			s.sets[i].load(&r)
		}
	}
	if r.bad {
		return nil, errState
	}
	return r.src, nil
}

func (s *Set) visit(w *writer) {
	w.sma(&s.sma20)
	w.sma(&s.sma50)
	w.ema(&s.ema12)
	w.ema(&s.ema26)
	w.int(s.rsi.count)
	w.float(s.rsi.last, s.rsi.gain, s.rsi.loss)
	w.int(s.macd.count)
	w.ring(&s.macd.window)
	w.float(s.macd.sumSlow, s.macd.emaFast, s.macd.emaSlow)
	w.ema(&s.macd.line)
	w.ring(&s.bollinger.ring)
	w.int(s.atr.count)
	w.bool(s.atr.begun)
	w.float(s.atr.close, s.atr.value)
	w.int(int(s.vwap.day))
	w.float(s.vwap.turnover, s.vwap.volume)
	w.float(s.volatility.last)
	w.ring(&s.volatility.ring)
	w.ring(&s.volumeRatio.ring)
}

func (s *Set) load(r *reader) {
	r.sma(&s.sma20)
	r.sma(&s.sma50)
	r.ema(&s.ema12)
	r.ema(&s.ema26)
	r.int(&s.rsi.count)
	r.float(&s.rsi.last, &s.rsi.gain, &s.rsi.loss)
	r.int(&s.macd.count)
	r.ring(&s.macd.window)
	r.float(&s.macd.sumSlow, &s.macd.emaFast, &s.macd.emaSlow)
	r.ema(&s.macd.line)
	r.ring(&s.bollinger.ring)
	r.int(&s.atr.count)
	s.atr.begun = r.byte() == 1
	r.float(&s.atr.close, &s.atr.value)
	var day int
	r.int(&day)
	s.vwap.day = market.Time(day)
	r.float(&s.vwap.turnover, &s.vwap.volume)
	r.float(&s.volatility.last)
	r.ring(&s.volatility.ring)
	r.ring(&s.volumeRatio.ring)
}

type writer struct{ dst []byte }

func (w *writer) float(values ...float64) {
	for _, v := range values {
		w.dst = binary.LittleEndian.AppendUint64(w.dst, math.Float64bits(v))
	}
}

func (w *writer) int(v int) { w.dst = binary.AppendVarint(w.dst, int64(v)) }

func (w *writer) bool(v bool) {
	if v {
		w.dst = append(w.dst, 1)
	} else {
		w.dst = append(w.dst, 0)
	}
}

// ring writes the values that count, oldest place first, and the running sum
// as it is, rounding and all.
func (w *writer) ring(r *ring) {
	w.bool(r.full)
	w.int(r.at)
	w.float(r.sum)
	n := r.at
	if r.full {
		n = len(r.values)
	}
	w.float(r.values[:n]...)
}

func (w *writer) sma(a *SMA) { w.ring(&a.ring) }

func (w *writer) ema(e *EMA) {
	w.int(e.count)
	w.float(e.sum, e.value)
}

type reader struct {
	src []byte
	bad bool
}

func (r *reader) byte() byte {
	if len(r.src) == 0 {
		r.bad = true
		return 0
	}
	v := r.src[0]
	r.src = r.src[1:]
	return v
}

func (r *reader) float(values ...*float64) {
	for _, v := range values {
		if len(r.src) < 8 {
			r.src, r.bad = nil, true
			return
		}
		*v = math.Float64frombits(binary.LittleEndian.Uint64(r.src))
		r.src = r.src[8:]
	}
}

func (r *reader) int(v *int) {
	x, n := binary.Varint(r.src)
	if n <= 0 {
		r.src, r.bad = nil, true
		return
	}
	*v = int(x)
	r.src = r.src[n:]
}

func (r *reader) ring(x *ring) {
	x.full = r.byte() == 1
	r.int(&x.at)
	r.float(&x.sum)
	if r.bad || x.at < 0 || x.at >= len(x.values) {
		r.src, r.bad, x.at = nil, true, 0
		return
	}
	n := x.at
	if x.full {
		n = len(x.values)
	}
	for i := range n {
		r.float(&x.values[i])
	}
}

func (r *reader) sma(a *SMA) { r.ring(&a.ring) }

func (r *reader) ema(e *EMA) {
	r.int(&e.count)
	r.float(&e.sum, &e.value)
}
