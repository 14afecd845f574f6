package tui

import (
	"math"
	"strings"
	"testing"

	"tapedeck/pipeline/live"
	"tapedeck/pipeline/market"
)

func TestConfidenceIsThatOfTheBand(t *testing.T) {
	quote := func(mean, low, high float64) *live.Quote {
		return &live.Quote{Last: 100, Predicted: market.Prediction{Model: "lstm", Mean: mean, Low: low, High: high}}
	}
	for _, c := range []struct {
		q    *live.Quote
		want float64
	}{
		{quote(100, 99, 101), 0.5},  // no move: a coin
		{quote(101, 100, 102), 0.9}, // the edge of the 80 % interval is where the price is: 10 % lie beyond it
		{quote(99, 98, 100), 0.9},   // downwards just as well
	} {
		if got := confidence(c.q); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%+v: %v, want %v", c.q.Predicted, got, c.want)
		}
	}
	for _, q := range []*live.Quote{{Last: 100}, quote(100, 100, 100), quote(100, math.NaN(), 101)} {
		if !math.IsInf(confidence(q), -1) || confident(nil, q) != "" {
			t.Errorf("%+v has a confidence", q.Predicted)
		}
	}
}

// TestForecastColumnsAreSortedBy and left out where there is no room.
func TestForecastColumnsAreSortedBy(t *testing.T) {
	m, _ := demoModel(t, 60, 300, 40)
	if s := shown(t, m); !strings.Contains(s, "pred %") || !strings.Contains(s, "conf %") {
		t.Fatalf("no columns of forecasts:\n%s", s)
	}
	press(m, ":")
	typed(m, "sort confidence")
	press(m, "enter")
	m.sample()
	if s := shown(t, m); !strings.Contains(s, "conf %▾") {
		t.Errorf("not sorted by confidence:\n%s", s)
	}
	resize(m, 80, 24)
	if s := shown(t, m); !strings.Contains(s, "conf %▾") {
		t.Errorf("what the list is sorted by is not shown:\n%s", s)
	}
	press(m, ":")
	typed(m, "sort change")
	press(m, "enter")
	if s := shown(t, m); strings.Contains(s, "conf %") {
		t.Errorf("it is squeezed in at 80 columns:\n%s", s)
	}
}
