package live

import (
	"math"

	"tapedeck/pipeline/market"
)

// row is all that is kept of one symbol. Its shard's lock guards it.
type row struct {
	quote    Quote
	calendar *market.Calendar

	minutes  ring // closed 1m bars
	seconds  ring // closed 1s bars, kept while the symbol is watched
	watched  bool
	minute   forming
	second   forming
	sparkAt  market.Time // minute that the last value of quote.Spark belongs to
	suspect  float64     // a price that no second tick has confirmed yet
	rateAt   int64       // wall-clock second that rateSeen counts
	rateSeen int32

	session      market.Session // of the day's open, high and low
	openTime     market.Time    // of the trade or bar that gave the open
	regularClose float64        // newest price of a regular session,
	regularTime  market.Time    // its time
	regularDay   market.Time    // and its date

	referenceTime market.Time // when quote.Reference was the price

	closedThrough market.Time // newest minute that a bar has closed
	barVolume     int64       // of the day's closed minutes
	barTrades     int64
	recent        [4]minuteVolume // of the day's minutes not closed yet

	predictions []market.Prediction
}

type minuteVolume struct {
	minute         market.Time
	volume, trades int64
}

// forming is the bar that is being made from ticks.
type forming struct {
	time                   market.Time
	open, high, low, close float64
	volume                 int64
	notional               float64
	trades                 int64
}

func (f *forming) add(start market.Time, t *market.Tick) {
	if start < f.time {
		return
	}
	if start > f.time || f.trades == 0 {
		*f = forming{time: start, open: t.Price, high: t.Price, low: t.Price}
	}
	f.high, f.low, f.close = max(f.high, t.Price), min(f.low, t.Price), t.Price
	f.volume += t.Size
	f.notional += t.Price * float64(t.Size)
	f.trades++
}

func (f *forming) bar(symbol string, i market.Interval) market.Bar {
	b := market.Bar{Symbol: symbol, Interval: i, Time: f.time, Open: f.open, High: f.high, Low: f.low,
		Close: f.close, Volume: f.volume, Trades: f.trades, VWAP: f.close}
	if f.volume > 0 {
		b.VWAP = f.notional / float64(f.volume)
	}
	return b
}

// absurd is how far a price may jump within a session without a second tick
// that confirms it. The cleaning stage judges finely and for good; this only
// keeps a wrong tick from standing on the screen until it is dead-lettered.
const absurd = 0.5

// tick takes one tick; false means that nothing changed.
func (r *row) tick(t *market.Tick, session market.Session, eligible bool) bool {
	q := &r.quote
	if q.Last > 0 && math.Abs(t.Price/q.Last-1) > absurd {
		if r.suspect == 0 || math.Abs(t.Price/r.suspect-1) > absurd {
			r.suspect = t.Price
			return false
		}
	}
	r.suspect = 0
	day := r.calendar.Day(t.Time)
	switch {
	case day > q.Day:
		r.turn(day)
	case day < q.Day:
		return false // a late tick of an earlier day is history's
	}
	r.count(t)
	if t.Bid > 0 && t.Ask > 0 && t.Time >= q.Time {
		q.Bid, q.Ask = t.Bid, t.Ask
	}
	if !eligible {
		return true // kept as a tick, but it makes no price (odd lots, averages, corrections)
	}
	r.minute.add(t.Time.Truncate(market.Minute.Length()), t)
	if r.watched {
		r.second.add(t.Time.Truncate(market.Second.Length()), t)
	}
	r.extremes(t.Price, t.Time, session)
	if session == market.Regular && t.Time >= r.regularTime {
		r.regularClose, r.regularTime, r.regularDay = t.Price, t.Time, day
	}
	if q.Reference == 0 {
		q.Reference, q.FromFirst = t.Price, true
	}
	if q.Decimals == 0 {
		q.Decimals = decimalsOf(t.Price)
	}
	if t.Time >= q.Time {
		if q.Last > 0 && t.Price != q.Last {
			move := math.Abs(t.Price - q.Last)
			if q.Move == 0 {
				q.Move = move
			}
			q.Move += (move - q.Move) / 64
			q.Previous = q.Last
		}
		q.Time, q.Last, q.Received = t.Time, t.Price, t.Received
		if t.Source != "" {
			q.Source = t.Source
		}
	}
	r.spark()
	return true
}

// turn begins a day: what the last regular session closed at is the reference.
func (r *row) turn(day market.Time) {
	q := &r.quote
	if r.regularClose > 0 && r.regularDay < day {
		q.Reference, q.FromFirst = r.regularClose, false
		r.referenceTime = r.regularDay.Add(market.Day.Length())
	} else {
		q.Reference, q.FromFirst, r.referenceTime = 0, false, 0
	}
	q.Day, q.Open, q.High, q.Low, q.Volume, q.Trades, q.Decimals = day, 0, 0, 0, 0, 0, 0
	r.barVolume, r.barTrades, r.closedThrough = 0, 0, 0
	r.recent = [len(r.recent)]minuteVolume{}
	r.session, r.openTime = market.Closed, 0
}

// extremes keeps open, high and low: of the regular session once it has begun.
func (r *row) extremes(price float64, at market.Time, session market.Session) {
	q := &r.quote
	switch {
	case session != market.Regular && r.session == market.Regular:
		return // hours before and after do not move the session's range
	case session == market.Regular && r.session != market.Regular, q.Open == 0:
		r.session, r.openTime = session, at
		q.Open, q.High, q.Low = price, price, price
		return
	case at < r.openTime:
		r.openTime, q.Open = at, price
	}
	q.High, q.Low = max(q.High, price), min(q.Low, price)
}

// count adds a tick to the day's volume, unless its minute's bar has it.
func (r *row) count(t *market.Tick) {
	minute := t.Time.Truncate(market.Minute.Length())
	if minute <= r.closedThrough {
		return // a late tick: the bar's next revision brings it
	}
	oldest := 0
	for i := range r.recent {
		if r.recent[i].minute == minute && r.recent[i].trades > 0 {
			r.recent[i].volume += t.Size
			r.recent[i].trades++
			r.total()
			return
		}
		if r.recent[i].minute < r.recent[oldest].minute {
			oldest = i
		}
	}
	// A minute that no bar has closed for four others stays counted.
	r.barVolume += r.recent[oldest].volume
	r.barTrades += r.recent[oldest].trades
	r.recent[oldest] = minuteVolume{minute, t.Size, 1}
	r.total()
}

func (r *row) total() {
	q := &r.quote
	q.Volume, q.Trades = r.barVolume, r.barTrades
	for i := range r.recent {
		q.Volume += r.recent[i].volume
		q.Trades += r.recent[i].trades
	}
}

// closeMinute takes a closed 1m bar, or a new revision of one, in any order.
func (r *row) closeMinute(b *market.Bar, session market.Session, keep int) {
	q := &r.quote
	day := r.calendar.Day(b.Time)
	if day > q.Day {
		r.turn(day)
	}
	volume, trades, ok := r.minutes.put(b, keep)
	if !ok {
		return
	}
	if day == q.Day {
		r.barVolume, r.barTrades = r.barVolume+volume, r.barTrades+trades
		for i, m := range r.recent {
			if m.minute > b.Time {
				continue
			}
			if m.minute < b.Time { // trades that made no bar
				r.barVolume, r.barTrades = r.barVolume+m.volume, r.barTrades+m.trades
			}
			r.recent[i] = minuteVolume{}
		}
		r.closedThrough = max(r.closedThrough, b.Time)
		r.total()
		r.widen(b, session)
	}
	if session == market.Regular {
		switch {
		case day < q.Day:
			r.refer(b.Close, b.Time)
		case b.Time >= r.regularTime:
			r.regularClose, r.regularTime, r.regularDay = b.Close, b.Time, day
		}
	}
	if end := b.Time.Add(market.Minute.Length()); end > q.Time {
		if q.Last == 0 {
			q.Previous = b.Close
		}
		q.Last, q.Time = b.Close, end-1
		if q.Decimals == 0 {
			q.Decimals = decimalsOf(b.Close)
		}
		if q.Reference == 0 {
			q.Reference, q.FromFirst = b.Open, true
		}
	}
	r.respark()
}

// widen widens open, high and low by a bar.
func (r *row) widen(b *market.Bar, session market.Session) {
	r.extremes(b.Open, b.Time, session)
	r.extremes(b.High, b.Time, session)
	r.extremes(b.Low, b.Time, session)
}

// refer makes price the reference unless a newer close already is.
func (r *row) refer(price float64, at market.Time) {
	if at >= r.referenceTime {
		r.quote.Reference, r.quote.FromFirst, r.referenceTime = price, false, at
	}
}

// closeDay takes a 1d bar: the newest one before today is the reference.
func (r *row) closeDay(b *market.Bar) {
	q := &r.quote
	end := b.Time.Add(market.Day.Length()) // after every minute of the day
	if q.Day == 0 || b.Time >= q.Day {
		if b.Time >= r.regularDay {
			r.regularClose, r.regularTime, r.regularDay = b.Close, end, b.Time
		}
	} else {
		r.refer(b.Close, end)
	}
	if q.Decimals == 0 {
		q.Decimals = decimalsOf(b.Close)
	}
}

// spark moves the end of the spark line to the forming minute's close, at most
// once a minute by a new slice and in between not at all: a spark line that
// quivers says nothing.
func (r *row) spark() {
	if r.minute.time == r.sparkAt {
		return
	}
	r.respark()
}

func (r *row) respark() {
	n := min(r.minutes.len(), SparkLength)
	out := make([]float32, 0, n+1)
	for i := r.minutes.len() - n; i < r.minutes.len(); i++ {
		out = append(out, float32(r.minutes.at(i).close))
	}
	r.sparkAt = r.minute.time
	if r.minute.trades > 0 && (n == 0 || r.minute.time > r.minutes.last()) {
		if len(out) == SparkLength {
			out = out[1:]
		}
		out = append(out, float32(r.minute.close))
	}
	r.quote.Spark = out
}
