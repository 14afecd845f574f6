package market

import (
	"sync"
	"sync/atomic"
	"time"
	_ "time/tzdata" // the zone's rules, wherever the program runs
)

// Session is the part of the trading day that an instant belongs to.
type Session uint8

// The sessions of a day.
const (
	Closed  Session = iota
	Pre             // before the regular session: 04:00–09:30
	Regular         // 09:30–16:00, on a half day until 13:00
	Post            // after it: 16:00–20:00, on a half day 13:00–17:00
)

var sessionNames = [...]string{"closed", "pre", "regular", "post"}

func (s Session) String() string {
	if int(s) < len(sessionNames) {
		return sessionNames[s]
	}
	return "closed"
}

// Calendar knows when an exchange trades. Its days are the dates of the
// exchange's zone; a Time that stands for a date is midnight UTC of that date.
// It is safe for concurrent use, and fast for times that stay within some
// weeks of each other: a day's boundaries are computed once and kept.
type Calendar struct {
	zone  *time.Location
	hours func(d date) hours
	days  [cachedDays]atomic.Pointer[tradingDay] // by date number modulo cachedDays
}

// cachedDays spans a replay of a quarter; a power of two.
const cachedDays = 128

const dayMicros = Time(24 * time.Hour / time.Microsecond)

// tradingDay is one date of the exchange's zone and its sessions' boundaries.
// A day without trading has pre = open = close = post = to.
type tradingDay struct {
	number     int64 // of the date: days since 1970-01-01
	to         Time  // the midnight that ends it, in the exchange's zone
	pre, open  Time
	close, end Time
}

// NYSE is the calendar of the New York Stock Exchange, which NASDAQ shares:
// its holidays and half days by their rules, and the unplanned full-day
// closures, from 2001 on. Delayed openings and trading halts are not kept.
func NYSE() *Calendar { return nyse() }

// AlwaysOpen is the calendar of a market that never closes. Its day is New
// York's calendar date, midnight to midnight, and all of it is regular.
func AlwaysOpen() *Calendar { return alwaysOpen() }

// Calendars are shared, so that all who ask keep one cache of days.
var (
	nyse       = sync.OnceValue(func() *Calendar { return newCalendar(nyseHours) })
	alwaysOpen = sync.OnceValue(func() *Calendar { return newCalendar(allDay) })
)

func newCalendar(rule func(date) hours) *Calendar {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		panic("market: time zone America/New_York is embedded but unreadable: " + err.Error())
	}
	return &Calendar{zone: zone, hours: rule}
}

// Location is the exchange's time zone, America/New_York.
func (c *Calendar) Location() *time.Location { return c.zone }

// Session says which session t falls into. A session holds its first instant
// and not its last: 16:00:00 is already Post.
func (c *Calendar) Session(t Time) Session {
	d := c.at(t)
	switch {
	case t < d.pre, t >= d.end:
		return Closed
	case t < d.open:
		return Pre
	case t < d.close:
		return Regular
	}
	return Post
}

// Day is the date of t in the exchange's zone, as midnight UTC of that date,
// whether or not the exchange trades on it.
func (c *Calendar) Day(t Time) Time { return Time(c.at(t).number) * dayMicros }

// Regular is the regular session of a date; ok is false where there is none.
// day is midnight UTC of the date; what is finer than a day is dropped.
func (c *Calendar) Regular(day Time) (open, close Time, ok bool) {
	d := c.day(floorDiv(int64(day), int64(dayMicros)))
	if d.open == d.close {
		return 0, 0, false
	}
	return d.open, d.close, true
}

// Extended is the span of a date from the opening of its pre session to the
// close of its post session; ok is false where there is none.
func (c *Calendar) Extended(day Time) (open, close Time, ok bool) {
	d := c.day(floorDiv(int64(day), int64(dayMicros)))
	if d.pre == d.end {
		return 0, 0, false
	}
	return d.pre, d.end, true
}

// NextOpen is the first opening of a regular session after t.
func (c *Calendar) NextOpen(t Time) Time {
	d := c.at(t)
	for !(d.open > t && d.open < d.close) { // no exchange rests for long
		d = c.day(d.number + 1)
	}
	return d.open
}

// at finds the day that holds t. New York is four to five hours behind UTC,
// so the date five hours back is t's date or the one before it.
func (c *Calendar) at(t Time) *tradingDay {
	n := floorDiv(int64(t-5*60*60*1e6), int64(dayMicros))
	d := c.day(n)
	if t >= d.to {
		d = c.day(n + 1)
	}
	return d
}

func (c *Calendar) day(number int64) *tradingDay {
	slot := &c.days[number&(cachedDays-1)]
	if d := slot.Load(); d != nil && d.number == number {
		return d
	}
	d := c.compute(number)
	slot.Store(d)
	return d
}

func (c *Calendar) compute(number int64) *tradingDay {
	y, m, dom := time.Unix(number*86400, 0).UTC().Date()
	at := func(day, minute int) Time { return At(time.Date(y, m, day, 0, minute, 0, 0, c.zone)) }
	d := &tradingDay{number: number, to: at(dom+1, 0)}
	h := c.hours(date{y, m, dom})
	if h == (hours{}) {
		d.pre, d.open, d.close, d.end = d.to, d.to, d.to, d.to
		return d
	}
	d.pre, d.open, d.close, d.end = at(dom, h.pre), at(dom, h.open), at(dom, h.close), at(dom, h.end)
	return d
}
