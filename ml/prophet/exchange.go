package prophet

import (
	"time"

	"tapedeck/pipeline/market"
)

// ExchangeHolidays lists the days from one date to another on which the US
// stock exchanges are closed and that are no weekend, under their usual names.
// Daily closes have no row for a closed day itself; what such a day does to a
// price shows on the trading days beside it, so each closing comes with two
// more names, "… eve" for the last trading day before and "… after" for the
// first one after, with an effect of their own.
func ExchangeHolidays(from, to market.Time) []Holiday {
	exchange := market.NYSE()
	open := func(d time.Time) bool {
		_, _, ok := exchange.Regular(market.Time(d.UnixMicro()))
		return ok
	}
	beside := func(d time.Time, step int) market.Time {
		for d = d.AddDate(0, 0, step); !open(d); {
			d = d.AddDate(0, 0, step)
		}
		return market.Time(d.UnixMicro())
	}
	var out []Holiday
	end := time.UnixMicro(int64(to)).UTC()
	for d := time.UnixMicro(int64(from)).UTC().Truncate(24 * time.Hour); !d.After(end); d = d.AddDate(0, 0, 1) {
		if d.Weekday() == time.Saturday || d.Weekday() == time.Sunday || open(d) {
			continue
		}
		name := closingName(d)
		out = append(out, Holiday{Name: name, Date: market.Time(d.UnixMicro())},
			Holiday{Name: name + " eve", Date: beside(d, -1)}, Holiday{Name: name + " after", Date: beside(d, 1)})
	}
	return out
}

// closingName names a weekday on which the exchange is closed. Each holiday has
// its own part of the year, weekends that move it included.
func closingName(d time.Time) string {
	day := d.Day()
	switch d.Month() {
	case time.December:
		if day >= 24 && day <= 26 {
			return "Christmas Day"
		}
		if day == 31 {
			return "New Year's Day"
		}
	case time.January:
		if day <= 2 {
			return "New Year's Day"
		}
		if d.Weekday() == time.Monday && day >= 15 && day <= 21 {
			return "Martin Luther King Jr. Day"
		}
	case time.February:
		if d.Weekday() == time.Monday && day >= 15 && day <= 21 {
			return "Washington's Birthday"
		}
	case time.March, time.April:
		if d.Weekday() == time.Friday {
			return "Good Friday"
		}
	case time.May:
		if d.Weekday() == time.Monday && day >= 25 {
			return "Memorial Day"
		}
	case time.June:
		if day >= 18 && day <= 20 {
			return "Juneteenth"
		}
	case time.July:
		if day >= 3 && day <= 5 {
			return "Independence Day"
		}
	case time.September:
		if d.Weekday() == time.Monday && day <= 7 {
			return "Labor Day"
		}
	case time.November:
		if d.Weekday() == time.Thursday && day >= 22 && day <= 28 {
			return "Thanksgiving Day"
		}
	}
	return "Special closing"
}
