package lake

import (
	"math"
	"testing"

	"tapedeck/pipeline/market"
)

// A row written from a bar or a feature is the row of its record.
func TestRowsOfValuesAreThoseOfRecords(t *testing.T) {
	for _, price := range []float64{187.12, 0.1 + 0.2, 1e-7, 123456789, 1e22, math.NaN(), math.Inf(1)} {
		b := market.Bar{Symbol: "BRK.B", Interval: market.Minutes5, Time: nine + 1, Open: 1.5, High: 2, Low: 1, Close: 1.75, Volume: 9, VWAP: 1.0 / 3, Trades: 2, Revision: 1}
		if !math.IsNaN(price) && !math.IsInf(price, 0) {
			b.Open, b.High, b.Low, b.Close = price, price, price, price
		}
		if got, want := string(AppendBar(nil, &b)), string(TableOf(Bars).Encoder().Append(nil, market.AppendBar(nil, &b), 0, 0, 0)); got != want {
			t.Errorf("%q, not %q", got, want)
		}
		f := market.Feature{Symbol: "AAPL", Interval: market.Minute, Time: nine, Values: make([]float64, len(market.FeatureNames))}
		for i := range f.Values {
			f.Values[i] = price * float64(i)
		}
		if got, want := string(AppendFeature(nil, &f)), string(TableOf(Features).Encoder().Append(nil, market.AppendFeature(nil, &f), 0, 0, 0)); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}
