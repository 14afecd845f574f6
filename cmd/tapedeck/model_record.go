package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tapedeck/store"
	"tapedeck/tui"
)

// recordSpan is how far back a model's record is judged for the screen.
const recordSpan = "24 HOUR"

// recordQuery judges the forecasts of a model for one horizon by the closes
// that came, and sums them by symbol, by stretch of a horizon's length, and by
// how far the mean lay from the price in deviations of the band. A forecast
// from the bar at t is about the close of the bar at t + horizon.
const recordQuery = `WITH newest AS (SELECT max(time) AS last_time FROM predictions WHERE model = %[1]s),
came AS (SELECT symbol, time, close FROM bars, newest WHERE "interval" = '1m' AND time >= last_time - INTERVAL ` + recordSpan + `),
judged AS (
  SELECT p.symbol AS symbol, CAST(floor(epoch(p.time) / %[2]d) AS BIGINT) AS block,
    CAST(least(floor(abs(p.mean - p.base) / nullif((p.high - p.low) / 2.5631031310892007, 0) / 0.25), 7) AS BIGINT) AS far,
    ln(p.mean / came.close) AS off, ln(p.base / came.close) AS still,
    ln(p.high / p.low) AS wide, came.close BETWEEN p.low AND p.high AS inside,
    CASE WHEN came.close <> p.base AND p.mean <> p.base THEN (came.close > p.base) = (p.mean > p.base) END AS correct
  FROM predictions AS p, newest, came
  WHERE p.model = %[1]s AND p.horizon = %[2]d AND p.time >= last_time - INTERVAL ` + recordSpan + `
    AND p.mean > 0 AND p.base > 0 AND p.low > 0 AND p.high > p.low AND came.close > 0
    AND came.symbol = p.symbol AND came.time = p.time + INTERVAL %[2]d SECOND)
SELECT symbol, block, far, count(*), sum(off * off / (wide * wide)), sum(still * still / (wide * wide)),
  count(*) FILTER (WHERE inside), count(*) FILTER (WHERE correct), count(correct), sum(off * off)
FROM judged GROUP BY GROUPING SETS ((symbol), (block), (far))`

// Record judges what a model forecast over the last day, for one horizon.
func (s screenModels) Record(ctx context.Context, name string, horizon int32) (tui.ModelRecord, error) {
	var r tui.ModelRecord
	if s.store == nil {
		return r, errNoHistory
	}
	db, err := s.store()
	if err != nil {
		return r, err
	}
	if horizon <= 0 {
		return r, nil
	}
	quoted := "'" + strings.ReplaceAll(name, "'", "''") + "'"
	rows, err := db.Query(ctx, fmt.Sprintf(recordQuery, quoted, horizon), store.Options{Native: true, Limit: 100_000})
	if err != nil {
		return r, fmt.Errorf("judge the forecasts of %s: %w", name, err)
	}
	defer rows.Close()
	for rows.Next() {
		v := rows.Values()
		var t tui.Tally
		t.N, _ = v[3].(int64)
		t.Squares, _ = v[4].(float64)
		t.Still, _ = v[5].(float64)
		t.Inside, _ = v[6].(int64)
		t.Correct, _ = v[7].(int64)
		t.Moved, _ = v[8].(int64)
		t.Raw, _ = v[9].(float64)
		symbol, ofSymbol := v[0].(string)
		block, ofBlock := v[1].(int64)
		far, ofFar := v[2].(int64)
		switch {
		case ofSymbol:
			r.Symbols = append(r.Symbols, tui.SymbolTally{Symbol: symbol, Tally: t})
		case ofBlock:
			r.Blocks = append(r.Blocks, tui.BlockTally{Time: time.Unix(block*int64(horizon), 0), Tally: t})
		case ofFar && far >= 0 && int(far) < len(r.Far):
			r.Far[far] = t
		}
	}
	return r, rows.Err()
}
