package alert

import (
	"math"
	"time"

	"tapedeck/pipeline/market"
)

// frame is what a condition is evaluated over.
type frame struct {
	v        []float64 // the symbol's memory: fixed places, then studies
	m        []float64 // what the rule remembers of the symbol
	now      market.Time
	symbol   string
	sector   string
	calendar *market.Calendar
	endpoint *endpoint
	running  market.Time // since when clocks came without a gap
	peek     bool        // look, and remember nothing
}

// endpoint is what the engine was told of the model endpoint.
type endpoint struct {
	down  bool
	since market.Time
}

// The fixed places of a symbol's memory.
const (
	placePrice = iota
	placeBid
	placeAsk
	placeSize
	placeLast // time of the newest tick
	placeAt   // the newest time of an event
	placeDay  // of the session values
	placeDayOpen
	placeDayHigh
	placeDayLow
	placeDayVolume
	placePreviousClose
	placeDayClose // newest price of the regular session
	places
)

// fact is true, false or unknown; what hangs on something unknown is unknown
// itself, unless the rest decides (Kleene's logic).
type fact int8

const (
	unknown fact = iota - 1
	no
	yes
)

func factOf(b bool) fact {
	if b {
		return yes
	}
	return no
}

type (
	number func(*frame) float64 // NaN is unknown
	truth  func(*frame) fact
	text   func(*frame) string
)

// local is now in the exchange's zone.
func (f *frame) local() time.Time {
	return time.UnixMicro(int64(f.now)).In(f.calendar.Location())
}

// age is how many seconds ago the newest tick came, as far as the market was
// open and the clock ran since; unknown while the market is closed.
func (f *frame) age() float64 {
	last := market.Time(f.v[placeLast])
	if last == 0 || f.calendar.Session(f.now) != market.Regular {
		return math.NaN()
	}
	if open, _, ok := f.calendar.Regular(f.calendar.Day(f.now)); ok {
		last = max(last, open)
	}
	last = max(last, f.running)
	return max(0, f.now.Sub(last).Seconds())
}

// sinceOpen is how many seconds the regular session has been open; unknown outside it.
func (f *frame) sinceOpen() float64 {
	open, close, ok := f.calendar.Regular(f.calendar.Day(f.now))
	if !ok || f.now < open || f.now >= close {
		return math.NaN()
	}
	return f.now.Sub(open).Seconds()
}
