package store

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"time"

	"tapedeck/pipeline/market"
)

// Bars are a symbol's bars with from <= Time < to, oldest first; a zero bound
// is open. Where there are more than limit (0: no limit), the newest limit
// are given; then only as much of the past is opened as holds them.
func (db *DB) Bars(ctx context.Context, symbol string, interval market.Interval, from, to market.Time, limit int) ([]market.Bar, error) {
	for try := 0; ; try++ {
		since := from
		if limit > 0 {
			if newest := db.newest(interval, limit, to, try); newest != 0 {
				since = max(from, newest)
			}
		}
		bars, err := db.barsBetween(ctx, symbol, interval, since, to, limit)
		if err != nil {
			return nil, fmt.Errorf("read bars of %s: %w", symbol, err)
		}
		if since == from || len(bars) >= limit {
			slices.Reverse(bars)
			return bars, nil
		}
	}
}

// newest is where a look for the newest n bars before a time begins. Markets
// are open a fifth of the time, and some symbols trade seldom: each try goes
// eight times as far, and the last to the beginning, which is 0.
func (db *DB) newest(interval market.Interval, n int, before market.Time, try int) market.Time {
	if try == 3 {
		return 0
	}
	if before == 0 {
		before = market.At(time.Now())
	}
	span := time.Duration(n) * interval.Length()
	if span/interval.Length() != time.Duration(n) || span > 100*365*24*time.Hour {
		return 0
	}
	if interval == market.Day {
		span += span/2 + 7*24*time.Hour
	} else {
		span = max(5*span, 24*time.Hour)
	}
	for range try {
		if span *= 8; span > 100*365*24*time.Hour {
			return 0
		}
	}
	return before.Add(-span)
}

// barsBetween are the newest bars first.
func (db *DB) barsBetween(ctx context.Context, symbol string, interval market.Interval, from, to market.Time, limit int) ([]market.Bar, error) {
	sql := `SELECT symbol, "interval", "time", open, high, low, close, volume, vwap, trades FROM bars` +
		" WHERE symbol = " + quote(symbol) + ` AND "interval" = ` + quote(interval.String()) + within(interval, from, to) + " ORDER BY time DESC"
	if limit > 0 {
		sql += fmt.Sprintf(" LIMIT %d", limit)
	}
	return db.bars(ctx, sql)
}

// within is a condition on times that spares the opening of files outside. A
// day's bar has midnight as its time and so lies in the day's first file.
func within(interval market.Interval, from, to market.Time) string {
	sql := ""
	if from != 0 {
		sql += " AND time >= " + timestamp(from)
	}
	if to != 0 {
		sql += " AND time < " + timestamp(to)
	}
	if interval == market.Day {
		sql += " AND hour = '00'"
	}
	return sql
}

// DayBars are the newest 1d bar of every symbol before a time: its close is
// the previous regular close. They are looked for in the 14 days before.
func (db *DB) DayBars(ctx context.Context, before market.Time) (map[string]market.Bar, error) {
	bars, err := db.bars(ctx, `SELECT symbol, "interval", "time", open, high, low, close, volume, vwap, trades FROM bars`+
		` WHERE "interval" = '1d' AND hour = '00' AND time >= `+timestamp(before.Add(-14*24*time.Hour))+" AND time < "+timestamp(before)+
		" QUALIFY row_number() OVER (PARTITION BY symbol ORDER BY time DESC) = 1")
	if err != nil {
		return nil, fmt.Errorf("read day bars: %w", err)
	}
	last := make(map[string]market.Bar, len(bars))
	for _, b := range bars {
		last[b.Symbol] = b
	}
	return last, nil
}

// Sparks are the last n closes of every symbol before a time, oldest first,
// in one query. They are looked for within a span of 4n intervals, and at
// least a day.
func (db *DB) Sparks(ctx context.Context, interval market.Interval, n int, before market.Time) (map[string][]float64, error) {
	span := max(4*time.Duration(n)*interval.Length(), 24*time.Hour)
	rows, err := db.Query(ctx, `SELECT symbol, close FROM bars WHERE "interval" = `+quote(interval.String())+
		" AND time >= "+timestamp(before.Add(-span))+" AND time < "+timestamp(before)+
		fmt.Sprintf(" QUALIFY row_number() OVER (PARTITION BY symbol ORDER BY time DESC) <= %d ORDER BY symbol, time", n), Options{Native: true, Limit: maxBars})
	if err != nil {
		return nil, fmt.Errorf("read closes: %w", err)
	}
	defer rows.Close()
	sparks := map[string][]float64{}
	for rows.Next() {
		v := rows.Values()
		symbol, _ := v[0].(string)
		if c, ok := v[1].(float64); ok {
			sparks[symbol] = append(sparks[symbol], c)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read closes: %w", err)
	}
	return sparks, nil
}

// RecentBars are the last n bars of every symbol with from <= Time < before,
// oldest first within a symbol; a zero from is open.
func (db *DB) RecentBars(ctx context.Context, interval market.Interval, n int, from, before market.Time) ([]market.Bar, error) {
	bars, err := db.bars(ctx, `SELECT symbol, "interval", "time", open, high, low, close, volume, vwap, trades FROM bars`+
		` WHERE "interval" = `+quote(interval.String())+within(interval, from, before)+
		fmt.Sprintf(" QUALIFY row_number() OVER (PARTITION BY symbol ORDER BY time DESC) <= %d ORDER BY symbol, time", n))
	if err != nil {
		return nil, fmt.Errorf("read recent bars: %w", err)
	}
	return bars, nil
}

// EachBar calls fn for the bars of every symbol with from <= Time < to, in the
// order of their times, then symbols; a zero bound is open. The bar is fn's
// until it returns; an error of fn ends the reading. However many there are,
// none is left out.
func (db *DB) EachBar(ctx context.Context, interval market.Interval, from, to market.Time, fn func(*market.Bar) error) error {
	sql := `SELECT symbol, "interval", "time", open, high, low, close, volume, vwap, trades FROM bars WHERE "interval" = ` + quote(interval.String())
	if from != 0 {
		sql += " AND time >= " + timestamp(from)
	}
	if to != 0 {
		sql += " AND time < " + timestamp(to)
	}
	rows, err := db.Query(ctx, sql+" ORDER BY time, symbol", Options{Native: true})
	if err != nil {
		return fmt.Errorf("read bars: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		b, err := bar(rows.Values())
		if err != nil {
			return fmt.Errorf("read bars: %w", err)
		}
		if err := fn(&b); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read bars: %w", err)
	}
	return nil
}

// maxBars bounds an answer to the screen; the newest come first.
const maxBars = 2_000_000

// bars runs a trusted query for the columns of a bar.
func (db *DB) bars(ctx context.Context, sql string) ([]market.Bar, error) {
	rows, err := db.Query(ctx, sql, Options{Native: true, Limit: maxBars})
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var bars []market.Bar
	for rows.Next() {
		b, err := bar(rows.Values())
		if err != nil {
			return nil, err
		}
		bars = append(bars, b)
	}
	return bars, rows.Err()
}

func bar(v []driver.Value) (b market.Bar, err error) {
	b.Symbol, _ = v[0].(string)
	text, _ := v[1].(string)
	if b.Interval, err = market.ParseInterval(text); err != nil {
		return b, err
	}
	at, _ := v[2].(time.Time)
	b.Time = market.At(at)
	for i, field := range []*float64{&b.Open, &b.High, &b.Low, &b.Close} {
		*field, _ = v[3+i].(float64)
	}
	b.Volume, _ = v[7].(int64)
	b.VWAP, _ = v[8].(float64)
	b.Trades, _ = v[9].(int64)
	return b, nil
}

// timestamp writes a constant that bounds understands.
func timestamp(t market.Time) string {
	return "TIMESTAMP " + quote(t.Std().Format("2006-01-02 15:04:05.000000"))
}
