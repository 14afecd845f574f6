package ml

import (
	"math"
	"testing"
	"time"

	"tapedeck/pipeline/market"
)

func bar(minute int, price float64) *market.Bar {
	return &market.Bar{Symbol: "AAPL", Interval: market.Minute, Time: opening.Add(time.Duration(minute) * time.Minute), Close: price}
}

func forecast(minute int, horizon int32, base, mean float64) *market.Prediction {
	return &market.Prediction{Symbol: "AAPL", Model: XGBoost, Version: "1", Bar: opening.Add(time.Duration(minute) * time.Minute),
		Made: opening.Add(time.Duration(minute+1) * time.Minute), Horizon: horizon, Base: base, Mean: mean, Low: mean * 0.99, High: mean * 1.01}
}

// A prediction counts once, by the price of the minute that it is for.
func TestBoardCountsEachPredictionOnce(t *testing.T) {
	b := NewBoard()
	b.Close(bar(0, 100))
	if !b.Predict(forecast(0, 120, 100, 101)) {
		t.Fatal("a prediction was refused")
	}
	if b.Predict(forecast(0, 120, 100, 102)) {
		t.Error("the same prediction was taken twice")
	}
	if o := b.Close(bar(1, 105)); len(o) != 0 {
		t.Errorf("%d came due a minute early", len(o))
	}
	o := b.Close(bar(2, 101.5))
	if len(o) != 1 || o[0].Price != 101.5 || !o[0].Hit || !o[0].Inside || o[0].Mean != 101 {
		t.Fatalf("outcome %+v", o)
	}
	if b.Predict(forecast(0, 120, 100, 101)) {
		t.Error("a prediction was taken that came when its outcome was known")
	}
	if o := b.Close(bar(2, 99)); o != nil {
		t.Error("a bar counted twice")
	}
	s := b.Standings()
	if len(s) != 1 || s[0].Live[0].N != 1 || s[0].Model != XGBoost || s[0].Version != "1" {
		t.Fatalf("standings %+v", s)
	}
	near(t, "mae", s[0].Live[0].MAE, math.Log(101.5/101))
	list := b.Symbols(XGBoost, 120)
	if len(list) != 1 || list[0].Symbol != "AAPL" || list[0].N != 1 || list[0].Coverage != 1 {
		t.Errorf("by symbol %+v", list)
	}
}

// Where nothing was traded in the minute the last price before it counts, and
// what a session's end cut off is not scored.
func TestBoardGapsAndSessions(t *testing.T) {
	b := NewBoard()
	b.Close(bar(0, 100))
	b.Predict(forecast(0, 120, 100, 101))
	b.Close(bar(1, 100.5))
	if o := b.Close(bar(4, 110)); len(o) != 1 || o[0].Price != 100.5 {
		t.Errorf("outcome %+v", o)
	}
	b.Predict(forecast(4, 900, 110, 111))
	if o := b.Close(bar(40, 90)); len(o) != 0 {
		t.Errorf("scored over the end of a session: %+v", o)
	}
	for _, p := range []*market.Prediction{{}, forecast(50, 61, 100, 101), forecast(50, 60, -1, 101), forecast(50, 60, 100, math.NaN())} {
		if b.Predict(p) {
			t.Errorf("%+v was taken", p)
		}
	}
}

// Back-filled predictions have a record of their own, also when they are laid
// down again, and do not move the live band.
func TestBoardBackfill(t *testing.T) {
	var bars []market.Bar
	var predictions []market.Prediction
	for m := range 60 {
		bars = append(bars, *bar(m, 100+float64(m%3)))
		p := forecast(m, 300, 100, 100.5)
		p.BackFilled = true
		predictions = append(predictions, *p)
	}
	b := NewBoard()
	for range 2 {
		if got := len(b.Backfill(predictions, bars)); got != 55 {
			t.Fatalf("%d outcomes, want 55", got)
		}
		s := b.Standings()[0]
		if len(s.Live) != 0 || s.BackFilled[0].N != 55 {
			t.Fatalf("standings %+v", s)
		}
		if list := b.Symbols(XGBoost, 300); len(list) != 1 || list[0].N != 55 {
			t.Fatalf("by symbol %+v", list)
		}
	}
	if f := b.Band(XGBoost).Factor(300); f != 1 {
		t.Errorf("the live band is %g", f)
	}
}

// A live record forgets what is long past.
func TestLiveRecordIsBounded(t *testing.T) {
	b := NewBoard()
	for m := range maxBlocks*5 + 500 {
		b.Close(bar(m, 100+float64(m%2)))
		b.Predict(forecast(m, 60, 100+float64(m%2), 101))
	}
	s := b.Standings()[0].Live[0]
	if s.Blocks != maxBlocks || s.N > maxBlocks*5 || s.N < maxBlocks*5-10 {
		t.Errorf("%d forecasts in %d blocks", s.N, s.Blocks)
	}
}

// Another version has a record of its own.
func TestBoardNewVersion(t *testing.T) {
	b := NewBoard()
	for m := range 20 {
		b.Close(bar(m, 100))
		p := forecast(m, 120, 100, 101)
		if m >= 15 {
			p.Version = "2"
		}
		b.Predict(p)
	}
	s := b.Standings()[0]
	if s.Version != "2" || s.Live[0].N != 3 { // of minutes 15, 16 and 17
		t.Errorf("standings %+v", s)
	}
}
