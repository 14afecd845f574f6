package alert

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"tapedeck/pipeline/market"
)

// What waits is told with when it is due, and the day's alerts are counted
// through an edit and a restart.
func TestPendingsAndTheDaysAlerts(t *testing.T) {
	e := New(Config{})
	nobody := func(*market.Alert) {}
	start, _ := market.ParseTime("2026-11-20T15:00:00Z")
	set := func(r market.Rule) {
		t.Helper()
		if err := e.SetRule(r); err != nil {
			t.Fatal(err)
		}
	}
	set(market.Rule{Name: "held", When: "price > 10", For: "10s", Severity: market.Critical, Revision: 1})
	set(market.Rule{Name: "calm", When: "price > 20", Cooldown: "1m", Revision: 1})
	tick := func(symbol string, price float64, at time.Duration) {
		e.Tick(&market.Tick{Symbol: symbol, Time: start.Add(at), Price: price, Size: 1}, nobody)
	}
	tick("KO", 11, 0)
	tick("IBM", 9, 0)
	tick("F", 12, 2*time.Second)
	tick("F", 30, 2*time.Second) // fires calm
	tick("F", 12, 3*time.Second)
	tick("F", 31, 4*time.Second) // again, but too soon
	want := fmt.Sprint([]Pending{
		{"held", "KO", market.Critical, start, start.Add(10 * time.Second)},
		{"held", "F", market.Critical, start.Add(2 * time.Second), start.Add(12 * time.Second)},
		{"calm", "F", market.Info, start.Add(4 * time.Second), start.Add(62 * time.Second)}})
	if got := fmt.Sprint(e.Pendings(10)); got != want {
		t.Errorf("waiting are\n%s\nnot\n%s", got, want)
	}
	if got := e.Pendings(1); len(got) != 1 || got[0].Symbol != "KO" {
		t.Error(got)
	}
	e.Clock(start.Add(11*time.Second), nobody)
	costs := e.Costs()
	if c := costs[0]; c.Firing != 1 || c.Pending != 1 || c.Symbols != 3 || c.Today != 1 {
		t.Errorf("%+v", c)
	}
	if c := costs[1]; c.Firing != 0 || c.Pending != 1 || c.Today != 1 {
		t.Errorf("%+v", c)
	}
	set(market.Rule{Name: "calm", When: "price > 25", Cooldown: "1m", Revision: 2})
	state := e.AppendState(nil)
	e = New(Config{})
	if _, err := e.LoadState(state); err != nil {
		t.Fatal(err)
	}
	if c := e.Costs()[1]; c.Today != 1 || c.Revision != 2 {
		t.Errorf("after an edit and a restart: %+v", c)
	}
	e.Clock(start.Add(24*time.Hour), nobody)
	if c := e.Costs()[1]; c.Today != 0 {
		t.Errorf("yesterday's are counted: %+v", c)
	}
	tick("F", 32, 24*time.Hour)
	if c := e.Costs()[1]; c.Today != 1 || c.Day != market.AlwaysOpen().Day(start.Add(24*time.Hour)) {
		t.Errorf("on the next day: %+v", c)
	}
}

// A state of the version before is taken: it had no groups and counted no alerts.
func TestStateOfTheVersionBefore(t *testing.T) {
	state := New(Config{}).AppendState(nil)
	const at = 8 // of the number of groups, after version, endpoint, clocks and three empty lists
	before := append([]byte{1}, append(bytes.Clone(state[1:at]), state[at+1:]...)...)
	e := New(Config{})
	if rest, err := e.LoadState(before); err != nil || len(rest) != 0 {
		t.Fatal(err, rest)
	}
	if !bytes.Equal(e.AppendState(nil), state) {
		t.Error("it is another state now")
	}
}
