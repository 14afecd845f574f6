package store

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"time"
	"unique"

	"tapedeck/pipeline/market"
)

// Predictions are those of a symbol, of all models and horizons, with
// from <= Bar < to, oldest first; of more than limit the newest.
func (db *DB) Predictions(ctx context.Context, symbol string, from, to market.Time, limit int) ([]market.Prediction, error) {
	rows, err := db.Query(ctx, `SELECT "time", horizon, model, version, made, base, mean, low, high, back_filled FROM predictions`+
		" WHERE symbol = "+quote(symbol)+" AND time >= "+timestamp(from)+" AND time < "+timestamp(to)+
		fmt.Sprintf(" ORDER BY time DESC LIMIT %d", limit), Options{Native: true, Limit: limit})
	if err != nil {
		return nil, fmt.Errorf("read predictions of %s: %w", symbol, err)
	}
	defer rows.Close()
	var list []market.Prediction
	for rows.Next() {
		v := rows.Values()
		p := prediction(v)
		p.Symbol = symbol
		p.BackFilled, _ = v[9].(bool)
		list = append(list, p)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read predictions of %s: %w", symbol, err)
	}
	slices.Reverse(list)
	return list, nil
}

// EachPrediction calls fn for the predictions of all symbols, models and
// horizons that were made live, with from <= Bar, oldest first. The prediction
// is fn's to keep.
func (db *DB) EachPrediction(ctx context.Context, from market.Time, fn func(*market.Prediction)) error {
	rows, err := db.Query(ctx, `SELECT "time", horizon, model, version, made, base, mean, low, high, symbol FROM predictions`+
		" WHERE NOT back_filled AND time >= "+timestamp(from)+" ORDER BY time, made, model", Options{Native: true})
	if err != nil {
		return fmt.Errorf("read predictions: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		p := prediction(rows.Values())
		symbol, _ := rows.Values()[9].(string)
		p.Symbol, p.Model, p.Version = unique.Make(symbol).Value(), unique.Make(p.Model).Value(), unique.Make(p.Version).Value()
		fn(&p)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read predictions: %w", err)
	}
	return nil
}

// prediction is a row that begins with time, horizon, model, version, made,
// base, mean, low and high.
func prediction(v []driver.Value) market.Prediction {
	var p market.Prediction
	bar, _ := v[0].(time.Time)
	made, _ := v[4].(time.Time)
	p.Bar, p.Made = market.At(bar), market.At(made)
	p.Horizon, _ = v[1].(int32)
	p.Model, _ = v[2].(string)
	p.Version, _ = v[3].(string)
	for i, field := range []*float64{&p.Base, &p.Mean, &p.Low, &p.High} {
		*field, _ = v[5+i].(float64)
	}
	return p
}
