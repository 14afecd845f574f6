package feed

import (
	"time"

	"tapedeck/pipeline/market"
)

// quote is one symbol's newest price as a provider tells it.
type quote struct {
	symbol   string
	time     market.Time
	price    float64
	volume   int64 // traded so far this day, -1 where unknown
	bid, ask float64
	exchange string
	utcDay   bool // its day begins at midnight UTC, as cryptocurrencies' do
}

// quotebook turns a provider's quotes into ticks: a quote that says nothing
// new gives none, and the day's cumulative volume becomes the size since the
// quote before.
//
// The first quote of a symbol has size 0, since nobody knows when its volume
// was traded. On a later day a total below the last is a new count and all of
// it is the size. A total that falls within a day is taken for a slip, with
// size 0 and the higher one as the base, until the next quote stays below it
// too: then the total was corrected, and the lower one is the base.
type quotebook struct {
	source string
	days   *market.Calendar // by which the days of exchanges are counted
	last   map[string]standing
}

// standing is what is known of a symbol.
type standing struct {
	time   market.Time
	price  float64
	volume int64       // the base of the next size, -1 where none is known yet
	low    int64       // a total below the volume that came since, -1 where none did
	day    market.Time // to which the volume belongs
}

func newQuotebook(source string) *quotebook {
	return &quotebook{source: source, days: market.NYSE(), last: make(map[string]standing)}
}

// maxAhead is how far ahead of us a quote's time may be.
const maxAhead = 24 * time.Hour

// tick is what a quote brings that is new; false where it brings nothing.
func (b *quotebook) tick(q quote, received market.Time) (market.Tick, bool) {
	t := market.Tick{Symbol: q.symbol, Time: q.time, Price: q.price, Bid: q.bid, Ask: q.ask,
		Exchange: q.exchange, Source: b.source, Received: received}
	if t.Validate() != nil {
		return t, false
	}
	if t.Time.Sub(received) > maxAhead { // it would stand in the way of every later quote
		return t, false
	}
	now := standing{time: q.time, price: q.price, volume: max(q.volume, -1), low: -1, day: b.day(q)}
	was, known := b.last[q.symbol]
	switch {
	case !known:
	case q.time < was.time: // came late: what it counts stands in a later quote
		if was.volume < 0 && q.volume >= 0 {
			was.volume, was.day = q.volume, b.day(q)
			b.last[q.symbol] = was
		}
		return t, false
	case q.time == was.time && q.volume <= was.volume && q.price == was.price:
		return t, false
	case was.volume < 0:
	case q.volume == was.volume: // in the morning it is yesterday's still
		now.day = was.day
	case q.volume > was.volume:
		t.Size = q.volume - was.volume
	case q.volume > 0 && now.day > was.day:
		t.Size = q.volume
	case q.volume > 0 && was.low > 0 && q.volume >= was.low:
		t.Size = q.volume - was.low
	default: // unknown, missing, a slip or the first after a correction
		now.volume, now.day, now.low = was.volume, was.day, was.low
		if q.volume > 0 {
			now.low = q.volume
		}
	}
	b.last[q.symbol] = now
	return t, true
}

func (b *quotebook) day(q quote) market.Time {
	if q.utcDay {
		return q.time.Truncate(24 * time.Hour)
	}
	return b.days.Day(q.time)
}

// knew says that the history of a symbol was told up to a time, so that no
// older quote is a tick.
func (b *quotebook) knew(symbol string, until market.Time) {
	b.last[symbol] = standing{time: until, volume: -1, low: -1}
}

// candle is a bar of a provider's history.
type candle struct {
	symbol                 string
	time                   market.Time // its start
	length                 time.Duration
	open, high, low, close float64
	volume                 int64
	exchange               string
}

// ticks gives a bar back as the four trades that make it: its open, its
// extremes in the order that a bar of its direction mostly has, its close.
// Their sizes sum to the bar's volume; a bar that is not one gives none.
func (c candle) ticks(source string, received market.Time) []market.Tick {
	if !(c.open > 0 && c.high > 0 && c.low > 0 && c.close > 0) || c.volume < 0 ||
		c.high < max(c.open, c.close) || c.low > min(c.open, c.close) {
		return nil
	}
	prices := [4]float64{c.open, c.low, c.high, c.close}
	if c.close < c.open {
		prices[1], prices[2] = c.high, c.low
	}
	var ticks []market.Tick
	for i, price := range prices {
		t := market.Tick{Symbol: c.symbol, Time: c.time.Add(c.length / 4 * time.Duration(i)), Price: price, Size: c.volume / 4,
			Exchange: c.exchange, Source: source, Received: received, Backfill: true}
		if i == 3 {
			t.Size = c.volume - 3*(c.volume/4)
		}
		if t.Validate() != nil {
			return nil
		}
		ticks = append(ticks, t)
	}
	return ticks
}
