package tui

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"tapedeck/pipeline/market"
)

// demoAlerts is what screens share about alerts, in memory: notes, and a past
// of one alert every seven minutes back to the day before.
type demoAlerts struct {
	mu      sync.Mutex
	notes   []AlertNote
	version int
	past    []market.Alert // newest first
	asked   int
	err     error
}

func newDemoAlerts(now time.Time, n int) *demoAlerts {
	d := &demoAlerts{}
	symbols := []string{"AAPL", "NVDA", "TSLA", "INTC", "XOM", "MSFT"}
	rules := []struct {
		name      string
		severity  market.Severity
		value     float64
		threshold float64
		message   string
	}{
		{"volume spike", market.Warning, 11.3, 8, "volume of 1 second is 11.3 times the average of the 20 before"},
		{"price drop", market.Critical, -0.034, -0.03, "fell 3.4 % in 5 minutes to 171.20"},
		{"volume over a million", market.Info, 1_204_300, 1_000_000, "1,204,300 shares traded in 1 second, at 171.20"},
	}
	for i := range n {
		at, rule, symbol := market.At(now).Add(-time.Duration(10+7*i)*time.Minute), rules[i%3], symbols[i%len(symbols)]
		a := market.Alert{ID: fmt.Sprintf("p%05d", i), Symbol: symbol, Time: at, Rule: rule.name, Severity: rule.severity, State: market.Once,
			Value: rule.value, Threshold: rule.threshold, Message: symbol + " " + rule.message}
		if i%3 == 1 {
			end := a
			a.State = market.Firing
			end.State, end.Time, end.ID = market.Resolved, at.Add(4*time.Minute), a.ID+"e"
			end.Message = symbol + " “price drop” is over, at 172.10"
			d.past = append(d.past, end)
		}
		d.past = append(d.past, a)
	}
	return d
}

func (d *demoAlerts) Past(_ context.Context, before market.Time, id string, limit int) ([]market.Alert, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	if d.err != nil {
		return nil, d.err
	}
	var out []market.Alert
	for i := range d.past {
		a := &d.past[i]
		if (a.Time < before || a.Time == before && a.ID < id) && len(out) < limit {
			out = append(out, *a)
		}
	}
	return out, nil
}

func (d *demoAlerts) Notes() ([]AlertNote, int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.notes, d.version
}

func (d *demoAlerts) Note(_ context.Context, n AlertNote) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return d.err
	}
	n.At, n.By = market.At(demoNow), "ada"
	notes := slices.DeleteFunc(slices.Clone(d.notes), func(o AlertNote) bool { return o.Kind == n.Kind && o.ID == n.ID })
	d.notes = append(notes, n)
	d.version++
	return nil
}
