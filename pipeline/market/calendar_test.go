package market

import (
	"sync"
	"testing"
	"time"
)

func midnight(s string) Time {
	t, err := time.Parse("2006-01-02", s)
	if err != nil {
		panic(err)
	}
	return At(t)
}

func newYork(s string) Time {
	t, err := time.ParseInLocation("2006-01-02 15:04:05", s, NYSE().Location())
	if err != nil {
		panic(err)
	}
	return At(t)
}

func TestNYSEHolidays(t *testing.T) {
	closed := []string{
		"2001-09-11", "2001-09-12", "2001-09-13", "2001-09-14", // attacks
		"2004-06-11", "2007-01-02", "2012-10-29", "2012-10-30", "2018-12-05", "2025-01-09",
		"2024-01-01", "2024-01-15", "2024-02-19", "2024-03-29", "2024-05-27", "2024-06-19",
		"2024-07-04", "2024-09-02", "2024-11-28", "2024-12-25",
		"2023-01-02", // New Year's Day was a Sunday
		"2021-12-24", // Christmas was a Saturday
		"2022-12-26", // Christmas was a Sunday
		"2020-07-03", // Independence Day was a Saturday
		"2021-07-05", // … a Sunday
		"2022-06-20", // Juneteenth was a Sunday
		"2008-03-21", // Good Friday in March
		"2026-06-19", "2026-07-03", "2026-11-26",
		"2024-11-30", "2024-12-01", // a weekend
	}
	for _, s := range closed {
		if open, _, ok := NYSE().Regular(midnight(s)); ok {
			t.Errorf("%s: opens at %s, want closed", s, open)
		}
		if _, _, ok := NYSE().Extended(midnight(s)); ok {
			t.Errorf("%s: has extended hours, want none", s)
		}
		if got := NYSE().Session(newYork(s + " 12:00:00")); got != Closed {
			t.Errorf("%s noon: %s, want closed", s, got)
		}
	}
	trading := []string{
		"2021-12-31", // New Year's Day on a Saturday is not kept on the Friday
		"2010-12-31", "2021-06-18", "2001-09-10", "2001-09-17", "2018-12-06", "2013-10-07",
	}
	for _, s := range trading {
		open, close, ok := NYSE().Regular(midnight(s))
		if !ok || close.Sub(open) != 6*time.Hour+30*time.Minute {
			t.Errorf("%s: %s–%s %v, want a whole day", s, open, close, ok)
		}
	}
}

func TestNYSEHalfDays(t *testing.T) {
	half := []string{
		"2024-11-29", "2024-12-24", "2024-07-03", "2025-07-03", "2023-07-03", "2019-07-03",
		"2013-07-03", "2002-07-05", "2003-12-26", "2001-12-24", "2012-07-03", "2026-12-24",
	}
	for _, s := range half {
		_, close, ok := NYSE().Regular(midnight(s))
		if !ok || close != newYork(s+" 13:00:00") {
			t.Errorf("%s: closes at %s (%v), want 13:00 in New York", s, close, ok)
		}
		_, end, _ := NYSE().Extended(midnight(s))
		if end != newYork(s+" 17:00:00") {
			t.Errorf("%s: extended hours end at %s, want 17:00 in New York", s, end)
		}
	}
	for _, s := range []string{"2002-07-03", "2013-07-05", "2024-07-05", "2022-12-23", "2015-07-02"} {
		if _, close, ok := NYSE().Regular(midnight(s)); !ok || close != newYork(s+" 16:00:00") {
			t.Errorf("%s: closes at %s (%v), want 16:00 in New York", s, close, ok)
		}
	}
}

// The NYSE had this many trading days in each year.
func TestNYSETradingDays(t *testing.T) {
	want := map[int]int{
		2001: 248, 2002: 252, 2003: 252, 2004: 252, 2005: 252, 2006: 251, 2007: 251, 2008: 253,
		2009: 252, 2010: 252, 2011: 252, 2012: 250, 2013: 252, 2014: 252, 2015: 252, 2016: 252,
		2017: 251, 2018: 251, 2019: 252, 2020: 253, 2021: 252, 2022: 251, 2023: 250, 2024: 252,
		2025: 250, 2026: 251,
	}
	for year, days := range want {
		n := 0
		for d := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC); d.Year() == year; d = d.AddDate(0, 0, 1) {
			if _, _, ok := NYSE().Regular(At(d)); ok {
				n++
			}
		}
		if n != days {
			t.Errorf("%d: %d trading days, want %d", year, n, days)
		}
	}
}

func TestNYSESessions(t *testing.T) {
	for _, c := range []struct {
		at   string
		want Session
	}{
		{"2024-03-08 03:59:59", Closed}, {"2024-03-08 04:00:00", Pre}, {"2024-03-08 09:29:59", Pre},
		{"2024-03-08 09:30:00", Regular}, {"2024-03-08 15:59:59", Regular},
		{"2024-03-08 16:00:00", Post}, {"2024-03-08 19:59:59", Post}, {"2024-03-08 20:00:00", Closed},
		{"2024-03-08 23:30:00", Closed}, {"2024-07-08 00:30:00", Closed}, {"2024-07-08 04:00:00", Pre},
		{"2024-11-29 12:59:59", Regular}, {"2024-11-29 13:00:00", Post}, {"2024-11-29 17:00:00", Closed},
	} {
		if got := NYSE().Session(newYork(c.at)); got != c.want {
			t.Errorf("%s: %s, want %s", c.at, got, c.want)
		}
	}
	// Daylight saving began on Sunday 2024-03-10: the same hour is another instant.
	for day, utc := range map[string]string{"2024-03-08": "14:30", "2024-03-11": "13:30", "2024-11-01": "13:30", "2024-11-04": "14:30"} {
		open, _, _ := NYSE().Regular(midnight(day))
		if got := open.Std().Format("15:04"); got != utc {
			t.Errorf("%s opens at %s UTC, want %s", day, got, utc)
		}
	}
}

func TestCalendarDay(t *testing.T) {
	for _, c := range []*Calendar{NYSE(), AlwaysOpen()} {
		for _, s := range []string{
			"2024-07-08 00:00:00", "2024-07-08 00:30:00", "2024-07-08 01:00:00", "2024-07-08 23:59:59",
			"2024-01-08 00:00:00", "2024-01-08 23:59:59", "2024-03-10 03:30:00", "2024-11-03 01:30:00",
			"2024-11-03 23:59:59", "1969-12-31 23:00:00", "1943-07-01 00:10:00",
		} {
			if got, want := c.Day(newYork(s)), midnight(s[:10]); got != want {
				t.Errorf("day of %s: %s, want %s", s, got, want)
			}
		}
	}
	if got := NYSE().Day(At(time.Date(2024, 7, 9, 3, 59, 0, 0, time.UTC))); got != midnight("2024-07-08") {
		t.Errorf("late evening in New York: %s", got)
	}
}

func TestNextOpen(t *testing.T) {
	for at, want := range map[string]string{
		"2024-03-08 09:29:59": "2024-03-08 09:30:00",
		"2024-03-08 09:30:00": "2024-03-11 09:30:00",
		"2024-03-28 17:00:00": "2024-04-01 09:30:00", // over Good Friday
		"2024-12-24 12:00:00": "2024-12-26 09:30:00",
		"2001-09-10 16:00:00": "2001-09-17 09:30:00",
	} {
		if got := NYSE().NextOpen(newYork(at)); got != newYork(want) {
			t.Errorf("after %s: %s, want %s", at, got, newYork(want))
		}
	}
	if got := AlwaysOpen().NextOpen(newYork("2024-03-09 12:00:00")); got != newYork("2024-03-10 00:00:00") {
		t.Errorf("always open: %s", got)
	}
}

func TestAlwaysOpen(t *testing.T) {
	c := AlwaysOpen()
	for _, s := range []string{"2024-03-10 00:00:00", "2024-12-25 23:59:59", "2024-11-03 01:30:00"} {
		if got := c.Session(newYork(s)); got != Regular {
			t.Errorf("%s: %s, want regular", s, got)
		}
	}
	for day, length := range map[string]time.Duration{
		"2024-03-09": 24 * time.Hour, "2024-03-10": 23 * time.Hour, "2024-11-03": 25 * time.Hour,
	} {
		open, close, ok := c.Regular(midnight(day))
		if !ok || close.Sub(open) != length || open != newYork(day+" 00:00:00") {
			t.Errorf("%s: %s–%s %v, want %s", day, open, close, ok, length)
		}
		open2, close2, ok := c.Extended(midnight(day))
		if !ok || open2 != open || close2 != close {
			t.Errorf("%s: extended hours differ from regular ones", day)
		}
	}
}

func TestCalendarConcurrently(t *testing.T) {
	c := newCalendar(nyseHours)
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			at := newYork("2024-01-02 12:00:00").Add(time.Duration(g) * 31 * 24 * time.Hour)
			for i := range 2000 {
				u := at.Add(time.Duration(i) * 7 * time.Hour)
				if c.Session(u) != NYSE().Session(u) || c.Day(u) != NYSE().Day(u) {
					t.Errorf("%s: calendars disagree", u)
					return
				}
			}
		})
	}
	all.Wait()
}

func BenchmarkCalendarSession(b *testing.B) {
	c, at := NYSE(), newYork("2024-03-08 12:00:00")
	for b.Loop() {
		at += 1000
		if c.Session(at) > Post {
			b.Fatal("impossible")
		}
	}
}

func BenchmarkCalendarDay(b *testing.B) {
	c, at := NYSE(), newYork("2024-03-08 12:00:00")
	for b.Loop() {
		at += 1000
		if c.Day(at) == 0 {
			b.Fatal("impossible")
		}
	}
}
