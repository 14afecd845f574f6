package indicator

import (
	"compress/gzip"
	"encoding/csv"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"tapedeck/pipeline/market"
)

// The values are TA-Lib's, to a relative 1e-9, and begin where its begin.
func TestOracleTALib(t *testing.T) {
	const dir = "../../../shared/oracles/talib/"
	names, err := filepath.Glob(dir + "*.csv.gz")
	if err != nil || len(names) == 0 {
		names = nil
	}
	names = append(names, "testdata/walk_cents.csv.gz") // always there
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".csv.gz"), func(t *testing.T) { checkTALib(t, name) })
	}
}

func checkTALib(t *testing.T, name string) {
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(unzipped).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := map[string]int{}
	for i, title := range rows[0] {
		column[title] = i
	}
	cell := func(row []string, title string) float64 {
		text := row[column[title]]
		if text == "" {
			return math.NaN()
		}
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	sma5, sma20, sma50, sma300 := NewSMA(5), NewSMA(20), NewSMA(50), NewSMA(300)
	ema12, ema26 := NewEMA(12), NewEMA(26)
	rsi2, rsi7, rsi14 := NewRSI(2), NewRSI(7), NewRSI(14)
	macd, macd5 := NewMACD(12, 26, 9), NewMACD(5, 35, 5)
	bollinger, atr := NewBollinger(20, 2), NewATR(14)
	for i, row := range rows[1:] {
		high, low, close := cell(row, "high"), cell(row, "low"), cell(row, "close")
		got := map[string]float64{
			"SMA_5": sma5.Next(close), "SMA_20": sma20.Next(close), "SMA_50": sma50.Next(close), "SMA_300": sma300.Next(close),
			"EMA_12": ema12.Next(close), "EMA_26": ema26.Next(close),
			"RSI_2": rsi2.Next(close), "RSI_7": rsi7.Next(close), "RSI_14": rsi14.Next(close),
			"ATR_14": atr.Next(high, low, close),
		}
		got["MACD_12_26_9"], got["MACDSIGNAL_12_26_9"], got["MACDHIST_12_26_9"] = macd.Next(close)
		got["MACD_5_35_5"], got["MACDSIGNAL_5_35_5"], got["MACDHIST_5_35_5"] = macd5.Next(close)
		got["BB_UPPER_20_2"], got["BB_MIDDLE_20_2"], got["BB_LOWER_20_2"] = bollinger.Next(close)
		for title, v := range got {
			if _, ok := column[title]; !ok {
				t.Fatalf("no column %s", title)
			}
			want := cell(row, title)
			if math.IsNaN(v) != math.IsNaN(want) {
				t.Fatalf("row %d: %s is %v, TA-Lib's %v", i, title, v, want)
			}
			scale := math.Abs(want)
			if strings.HasPrefix(title, "MACD") {
				scale = math.Abs(close) // a difference of averages that cancel
			}
			if math.Abs(v-want) > 1e-9*scale+1e-12 {
				t.Fatalf("row %d: %s is %.17g, TA-Lib's %.17g", i, title, v, want)
			}
		}
	}
}

// A state that is saved anywhere and loaded continues to the bit.
func TestStateContinuesToTheBit(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	bars := make([]market.Bar, 1500)
	price := 100.0
	for i := range bars {
		price *= 1 + random.NormFloat64()*1e-3
		interval := market.Second
		if i%5 == 4 {
			interval = market.Minute
		}
		bars[i] = market.Bar{Symbol: "A", Interval: interval, Time: market.Time(i) * 1e6, Open: price, High: price * 1.001,
			Low: price * 0.999, Close: price, VWAP: price, Volume: random.Int64N(1000)}
	}
	day := func(i int) market.Time { return market.Time(i / 400) }
	row := make([]float64, len(market.FeatureNames))
	again := make([]float64, len(row))
	for _, cut := range []int{0, 1, 17, 299, 301, 700, 1499} {
		undisturbed := NewSymbol()
		for i := range bars[:cut] {
			undisturbed.Close(&bars[i], day(i), false, row)
		}
		state := undisturbed.AppendState([]byte("before"))
		loaded := NewSymbol()
		rest, err := loaded.LoadState(append(state[len("before"):], "after"...))
		if err != nil || string(rest) != "after" {
			t.Fatal(err, string(rest))
		}
		for i := cut; i < len(bars); i++ {
			a := undisturbed.Close(&bars[i], day(i), false, row)
			b := loaded.Close(&bars[i], day(i), false, again)
			if a != b {
				t.Fatal("rows differ")
			}
			for k := range row {
				if a && math.Float64bits(row[k]) != math.Float64bits(again[k]) {
					t.Fatalf("cut %d, bar %d: %s is %v, then %v", cut, i, market.FeatureNames[k], row[k], again[k])
				}
			}
		}
	}
}

func TestColumnsAreTheTables(t *testing.T) {
	if columns != len(market.FeatureNames) {
		t.Fatalf("%d columns, the table has %d", columns, len(market.FeatureNames))
	}
	for column, name := range map[int]string{columnAverage: "avg_5m", columnSMA20: "sma_20", columnRSI: "rsi_14",
		columnMACD: "macd", columnUpper: "bb_upper", columnATR: "atr_14", columnVWAP: "vwap", columnVolumeRatio: "volume_ratio_20"} {
		if market.FeatureNames[column] != name {
			t.Errorf("column %d is %s, not %s", column, market.FeatureNames[column], name)
		}
	}
}

func TestNotFiniteIsPassedOver(t *testing.T) {
	a, b := NewSymbol(), NewSymbol()
	row := make([]float64, len(market.FeatureNames))
	again := make([]float64, len(row))
	for i := range 100 {
		bar := market.Bar{Interval: market.Minute, High: 11, Low: 9, Close: 10 + float64(i%3), VWAP: 10, Volume: 5}
		a.Close(&bar, 0, false, row)
		if i == 60 {
			sick := market.Bar{Interval: market.Minute, High: math.NaN(), Low: math.Inf(-1), Close: math.Inf(1), VWAP: 10, Volume: 5}
			b.sets[market.Minute].rsi.Next(sick.Close)
			b.sets[market.Minute].ema12.Next(sick.Close)
			b.sets[market.Minute].atr.Next(sick.High, sick.Low, sick.Close)
			b.sets[market.Minute].bollinger.Next(sick.Close)
			b.sets[market.Minute].vwap.Next(&market.Bar{VWAP: math.NaN(), Volume: 5}, 0)
		}
		b.Close(&bar, 0, false, again)
	}
	for k, v := range row {
		if v != again[k] && !(math.IsNaN(v) && math.IsNaN(again[k])) {
			t.Errorf("%s: %v, and %v after a value that is not finite", market.FeatureNames[k], v, again[k])
		}
	}
}

func FuzzLoadState(f *testing.F) {
	f.Add(NewSymbol().AppendState(nil))
	s := NewSymbol()
	row := make([]float64, len(market.FeatureNames))
	for i := range 100 {
		s.Close(&market.Bar{Interval: market.Minute, High: 2, Low: 1, Close: float64(i%7) + 1, VWAP: 1, Volume: 3}, 0, true, row)
	}
	f.Add(s.AppendState(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := NewSymbol()
		if _, err := s.LoadState(data); err == nil {
			if _, err := NewSymbol().LoadState(s.AppendState(nil)); err != nil {
				t.Fatalf("a loaded state cannot be loaded again: %v", err)
			}
			s.Close(&market.Bar{Interval: market.Minute, High: 2, Low: 1, Close: 1, VWAP: 1}, 0, true, make([]float64, len(market.FeatureNames)))
		}
	})
}

func BenchmarkSymbolClose(b *testing.B) {
	s := NewSymbol()
	row := make([]float64, len(market.FeatureNames))
	bar := market.Bar{Interval: market.Minute, High: 101, Low: 99, Close: 100, VWAP: 100, Volume: 500}
	b.ReportAllocs()
	for b.Loop() {
		bar.Close = 100 + float64(b.N&7)
		s.Close(&bar, 0, false, row)
	}
}
