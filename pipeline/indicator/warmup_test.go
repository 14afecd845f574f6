package indicator

import (
	"math"
	"math/rand/v2"
	"testing"

	"tapedeck/pipeline/market"
)

// Every column is NaN, never zero, until it has seen enough bars, and a number from then on.
func TestNotYetUntilWarm(t *testing.T) {
	first := map[string]int{ // the bar, counted from 1, that brings the first value
		"avg_5m": 300, "sma_20": 20, "sma_50": 50, "ema_12": 12, "ema_26": 26, "rsi_14": 15,
		"macd": 34, "macd_signal": 34, "macd_hist": 34, "bb_upper": 20, "bb_middle": 20, "bb_lower": 20,
		"atr_14": 15, "vwap": 1, "volatility_20": 21, "volume_ratio_20": 21,
	}
	random := rand.New(rand.NewPCG(1, 9))
	s := NewSymbol()
	row := make([]float64, len(market.FeatureNames))
	price := 100.0
	for n := 1; n <= 310; n++ {
		price *= 1 + random.NormFloat64()*1e-3
		bar := market.Bar{Interval: market.Second, Open: price, High: price * 1.01, Low: price * 0.99, Close: price, VWAP: price, Volume: 1 + random.Int64N(100)}
		if !s.Close(&bar, 0, true, row) {
			t.Fatal("no row of a one-second bar though rows are wanted")
		}
		for k, name := range market.FeatureNames {
			if warm := n >= first[name]; math.IsNaN(row[k]) == warm {
				t.Fatalf("bar %d: %s is %v, its first value comes with bar %d", n, name, row[k], first[name])
			}
			if math.IsInf(row[k], 0) {
				t.Fatalf("bar %d: %s is %v", n, name, row[k])
			}
		}
	}
}

// Each interval warms up by its own bars; avg_5m is the symbol's, in every row.
func TestIntervalsWarmUpAlone(t *testing.T) {
	s := NewSymbol()
	row := make([]float64, len(market.FeatureNames))
	bar := market.Bar{Close: 10, High: 11, Low: 9, VWAP: 10, Volume: 1}
	for n := range 300 {
		bar.Interval = market.Second
		if s.Close(&bar, 0, false, row) {
			t.Fatal("a row of a one-second bar that nobody wants")
		}
		if n%60 == 59 {
			bar.Interval = market.Minute
			s.Close(&bar, 0, false, row)
			if math.IsNaN(row[columnAverage]) != (n < 299) {
				t.Errorf("avg_5m is %v after %d seconds", row[columnAverage], n+1)
			}
			if !math.IsNaN(row[columnEMA12]) {
				t.Errorf("ema_12 is %v after %d minutes", row[columnEMA12], n/60+1)
			}
		}
	}
}

// Without a change the index is 0, without a volume before the ratio is not yet.
func TestMarketThatStandsStill(t *testing.T) {
	s := NewSymbol()
	row := make([]float64, len(market.FeatureNames))
	for range 100 {
		s.Close(&market.Bar{Interval: market.Minute, Open: 5, High: 5, Low: 5, Close: 5, VWAP: 5}, 0, false, row)
	}
	if row[columnRSI] != 0 || row[columnATR] != 0 || row[columnVolatility] != 0 || row[columnUpper] != 5 || row[columnLower] != 5 {
		t.Errorf("%v", row)
	}
	if !math.IsNaN(row[columnVolumeRatio]) || row[columnVWAP] != 5 {
		t.Errorf("volume ratio %v, vwap %v", row[columnVolumeRatio], row[columnVWAP])
	}
}

// The average price begins anew with each trading day.
func TestVWAPIsAnchoredToTheDay(t *testing.T) {
	w := VWAP{}
	if v := w.Next(&market.Bar{VWAP: 10, Volume: 100}, 1); v != 10 {
		t.Error(v)
	}
	if v := w.Next(&market.Bar{VWAP: 20, Volume: 300}, 1); v != 17.5 {
		t.Error(v)
	}
	if v := w.Next(&market.Bar{VWAP: 40, Volume: 0}, 2); v != 40 {
		t.Error(v)
	}
}
