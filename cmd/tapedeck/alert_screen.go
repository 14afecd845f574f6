package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"tapedeck/pipeline/market"
	"tapedeck/store"
	"tapedeck/tui"
)

// screenAlerts shows the screen the alerts of the past, and what analysts
// have noted about alerts.
type screenAlerts struct {
	*noteBook
	db       func() (*store.DB, error)
	readOnly bool
}

var errViewer = errors.New("a viewer notes nothing; ask for the role analyst")

// pastSpans are how far back is looked at first, since most answers lie near
// and the lake lies in days; the last is all.
var pastSpans = [...]time.Duration{24 * time.Hour, 14 * 24 * time.Hour, 0}

// Past are older alerts, from the lake and from the log; see tui.Alerts.
func (s screenAlerts) Past(ctx context.Context, before market.Time, id string, limit int) (alerts []market.Alert, err error) {
	db, err := s.db()
	if err != nil {
		return nil, err
	}
	for _, span := range pastSpans {
		where := fmt.Sprintf("time <= make_timestamp(%d) AND (time < make_timestamp(%d) OR id < '%s')", before, before, strings.ReplaceAll(id, "'", "''"))
		if span > 0 {
			where += fmt.Sprintf(" AND time >= make_timestamp(%d)", before.Add(-span))
		}
		alerts = alerts[:0]
		rows, err := db.Query(ctx, `SELECT symbol, epoch_us(time), rule, revision, severity, state, value, threshold, message, id
			FROM alerts WHERE `+where+fmt.Sprintf(` ORDER BY time DESC, id DESC LIMIT %d`, limit),
			store.Options{Native: true, Limit: math.MaxInt32})
		if err != nil {
			return nil, err
		}
		for rows.Next() {
			alerts = append(alerts, alertOf(rows.Values()))
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return nil, err
		}
		if len(alerts) == limit {
			break
		}
	}
	return alerts, nil
}

// Note makes a note; see tui.Alerts.
func (s screenAlerts) Note(ctx context.Context, n tui.AlertNote) error {
	if s.readOnly {
		return errViewer
	}
	return s.write(ctx, n)
}
