package feed

import (
	"time"

	"tapedeck/pipeline/market"
)

// budget spreads the requests that a day allows over its regular session, so
// that the last are left for the close. Days and sessions are the calendar's.
type budget struct {
	perDay   int           // requests; 0 or less is no limit
	space    time.Duration // shortest time between two requests
	calendar *market.Calendar
	atOnce   int // requests that need not wait for a session or be spread: the first round

	day  market.Time // the day that used belongs to
	used int
	last market.Time // when a request was made
	none market.Time // nothing is left before then
}

// afterClose is how long after the close quotes are still asked for: the last
// prices take their time.
const afterClose = 10 * time.Minute

// next is when the next request may be made, at the earliest now.
func (b *budget) next(now market.Time) market.Time {
	if now < b.none {
		return b.none
	}
	b.turn(now)
	earliest := max(now, b.last.Add(b.space))
	if b.atOnce > 0 && b.left() > 0 {
		return earliest
	}
	from, to, ok := b.session(b.day)
	if !ok || now >= to || b.left() <= 0 {
		return max(earliest, b.nextSession(max(now, to)))
	}
	if now < from {
		return max(earliest, from)
	}
	if b.perDay > 0 && b.last >= from {
		earliest = max(earliest, b.last.Add(to.Sub(b.last)/time.Duration(b.left())))
	}
	return earliest
}

// session is when quotes are worth a request: with a limit the regular
// session, without one also the hours around it.
func (b *budget) session(day market.Time) (from, to market.Time, ok bool) {
	if b.perDay > 0 {
		from, to, ok = b.calendar.Regular(day)
	} else {
		from, to, ok = b.calendar.Extended(day)
	}
	return from, to.Add(afterClose), ok
}

func (b *budget) nextSession(t market.Time) market.Time {
	open := b.calendar.NextOpen(t)
	if from, _, ok := b.session(b.calendar.Day(open)); ok && from > t {
		return from
	}
	return open
}

// turn begins a new day's count.
func (b *budget) turn(now market.Time) {
	if day := b.calendar.Day(now); day != b.day {
		b.day, b.used = day, 0
	}
}

// spend counts a request.
func (b *budget) spend(now market.Time) {
	b.turn(now)
	b.used++
	b.atOnce = max(b.atOnce-1, 0)
	b.last = now
}

// exhausted notes that the provider gives nothing more today.
func (b *budget) exhausted(now market.Time) {
	b.turn(now)
	b.atOnce = 0
	b.none = max(b.nextSession(now), now.Add(time.Hour))
}

// left is how many requests the day still allows.
func (b *budget) left() int {
	if b.perDay <= 0 {
		return 1 << 30
	}
	return b.perDay - b.used
}
