package ml

import (
	"encoding/json"
	"math"
	"slices"
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

// What was made afterwards over history is no live record.
func TestBoardTakesNoBackFilled(t *testing.T) {
	b := NewBoard()
	b.Close(bar(0, 100))
	p := forecast(0, 60, 100, 101)
	p.BackFilled = true
	if b.Predict(p) || len(b.Close(bar(1, 101))) != 0 || len(b.Standings()) != 0 {
		t.Errorf("it counts: %+v", b.Standings())
	}
}

// Killed at any minute and brought back from what was kept some minutes before,
// with the forecasts and bars that were recorded since, a board is what it would
// have been: every forecast counts once, and the bands are the same.
func TestBoardOutlivesItsProcess(t *testing.T) {
	const minutes, every = 120, 5
	step := func(b *Board, m int) {
		price := 100 + 3*math.Sin(float64(m)) + float64(m%7)/3
		b.Close(bar(m, price))
		for _, horizon := range []int32{60, 300, 1800} {
			p := forecast(m, horizon, price, price*1.001)
			if m >= 90 {
				p.Version = "2"
			}
			b.Predict(p)
		}
	}
	whole := NewBoard()
	for m := range minutes {
		step(whole, m)
	}
	for killed := 1; killed < minutes; killed += 3 {
		b, kept := NewBoard(), []byte(nil)
		for m := range killed {
			step(b, m)
			if m%every == 0 {
				var err error
				if kept, err = json.Marshal(b); err != nil {
					t.Fatal(err)
				}
			}
		}
		b = NewBoard()
		if err := json.Unmarshal(kept, b); err != nil {
			t.Fatal(err)
		}
		for m := max((killed-1)/every*every-30, 0); m < minutes; m++ { // what is recorded comes from before it was kept
			step(b, m)
		}
		if !slices.EqualFunc(b.Standings(), whole.Standings(), func(a, b Standing) bool {
			return a.Version == b.Version && a.Made == b.Made && slices.EqualFunc(a.Live, b.Live, func(a, b Score) bool {
				return a.N == b.N && a.Blocks == b.Blocks && math.Abs(a.MAE-b.MAE) < 1e-12 && a.Coverage == b.Coverage
			})
		}) {
			t.Fatalf("killed at minute %d: %+v, want %+v", killed, b.Standings(), whole.Standings())
		}
		for _, horizon := range []int32{60, 300, 1800} {
			near(t, "band", b.Band(XGBoost).Factor(horizon), whole.Band(XGBoost).Factor(horizon))
		}
	}
}

// What is no board's is refused, and the board stays as it was.
func TestBoardRefusesGarbage(t *testing.T) {
	for _, text := range []string{"", "{", `{"format":2}`, `{"format":1,"models":[{"name":"x","bands":[{"horizon":60,"width":1e300}]}]}`,
		`{"format":1,"models":[{"name":"x","tallies":[{"horizon":0}]}]}`, `{"format":1,"symbols":[{"symbol":"A","close":-1}]}`} {
		b := NewBoard()
		if err := json.Unmarshal([]byte(text), b); err == nil {
			t.Errorf("%s was taken", text)
		}
		if b.Newest() != 0 || len(b.Standings()) != 0 {
			t.Errorf("%s left something behind", text)
		}
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
