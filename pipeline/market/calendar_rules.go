package market

import "time"

// date is a date without a zone.
type date struct {
	year  int
	month time.Month
	day   int
}

func (d date) weekday() time.Weekday {
	return time.Date(d.year, d.month, d.day, 0, 0, 0, 0, time.UTC).Weekday()
}

// plus is d moved by a number of days.
func (d date) plus(days int) date {
	y, m, dom := time.Date(d.year, d.month, d.day+days, 0, 0, 0, 0, time.UTC).Date()
	return date{y, m, dom}
}

// hours are the boundaries of a trading day in minutes of wall clock since
// midnight; the zero value is a day without trading. No New York clock change
// falls into them: those happen on Sundays at 02:00.
type hours struct{ pre, open, close, end int }

func allDay(date) hours { return hours{0, 0, 24 * 60, 24 * 60} }

// nyseHours are the NYSE's hours on a date, by its Rule 7.2 on holidays.
func nyseHours(d date) hours {
	switch {
	case d.weekday() == time.Saturday, d.weekday() == time.Sunday, nyseHoliday(d), nyseUnplanned[d]:
		return hours{}
	case nyseHalfDay(d):
		return hours{4 * 60, 9*60 + 30, 13 * 60, 17 * 60}
	}
	return hours{4 * 60, 9*60 + 30, 16 * 60, 20 * 60}
}

// nyseHoliday says whether a weekday is a holiday. One that falls on a Sunday
// is kept on the Monday after it, one on a Saturday on the Friday before it,
// except New Year's Day: that Friday is the end of the accounting year.
func nyseHoliday(d date) bool {
	switch d.month {
	case time.January:
		return d.day == 1 || d == date{d.year, 1, 2} && d.weekday() == time.Monday ||
			d == nth(d.year, time.January, time.Monday, 3) // Martin Luther King Jr. Day
	case time.February:
		return d == nth(d.year, time.February, time.Monday, 3) // Washington's Birthday
	case time.March, time.April:
		return d == easter(d.year).plus(-2) // Good Friday
	case time.May:
		return d.weekday() == time.Monday && d.day > 24 // Memorial Day
	case time.June:
		return d.year >= 2022 && d == observed(date{d.year, time.June, 19}) // Juneteenth
	case time.July:
		return d == observed(date{d.year, time.July, 4})
	case time.September:
		return d == nth(d.year, time.September, time.Monday, 1) // Labor Day
	case time.November:
		return d == thanksgiving(d.year)
	case time.December:
		return d == observed(date{d.year, time.December, 25})
	}
	return false
}

// nyseHalfDay says whether a trading day closes at 13:00: the day after
// Thanksgiving, Christmas Eve, and the eve of Independence Day. Until 2012 a
// Wednesday July 3 was a whole day and the Friday after the holiday the half.
func nyseHalfDay(d date) bool {
	switch d.month {
	case time.November:
		return d == thanksgiving(d.year).plus(1)
	case time.December:
		return d.day == 24 || d == date{2003, time.December, 26}
	case time.July:
		if d.year < 2013 && d.weekday() == time.Friday && d.day == 5 {
			return true
		}
		return d.day == 3 && (d.year >= 2013 || d.weekday() != time.Wednesday)
	}
	return false
}

// nyseUnplanned are the weekdays since 2001 that no rule closed.
var nyseUnplanned = map[date]bool{
	{2001, time.September, 11}: true, // the attacks, and the three days after
	{2001, time.September, 12}: true,
	{2001, time.September, 13}: true,
	{2001, time.September, 14}: true,
	{2004, time.June, 11}:      true, // mourning for President Reagan
	{2007, time.January, 2}:    true, // for President Ford
	{2012, time.October, 29}:   true, // Hurricane Sandy
	{2012, time.October, 30}:   true,
	{2018, time.December, 5}:   true, // for President Bush
	{2025, time.January, 9}:    true, // for President Carter
}

func thanksgiving(year int) date { return nth(year, time.November, time.Thursday, 4) }

// nth is the n-th such weekday of a month, n from 1.
func nth(year int, month time.Month, weekday time.Weekday, n int) date {
	first := date{year, month, 1}
	return first.plus((int(weekday-first.weekday())+7)%7 + 7*(n-1))
}

// observed is the weekday on which a holiday of a fixed date is kept.
func observed(d date) date {
	switch d.weekday() {
	case time.Saturday:
		return d.plus(-1)
	case time.Sunday:
		return d.plus(1)
	}
	return d
}

// easter is Easter Sunday of a Gregorian year, by the algorithm of Meeus,
// Jones and Butcher (Nature, 20 April 1876; Meeus, Astronomical Algorithms).
func easter(year int) date {
	a, b, c := year%19, year/100, year%100
	d, e := b/4, b%4
	g := (8*b + 13) / 25
	h := (19*a + b - d - g + 15) % 30
	i, k := c/4, c%4
	l := (32 + 2*e + 2*i - h - k) % 7
	m := (a + 11*h + 22*l) / 451
	month := (h + l - 7*m + 114) / 31
	day := (h+l-7*m+114)%31 + 1
	return date{year, time.Month(month), day}
}
