package bars_test

import (
	"compress/gzip"
	"encoding/csv"
	"os"
	"strconv"
	"testing"

	"tapedeck/pipeline/bars"
	"tapedeck/pipeline/clean"
	"tapedeck/pipeline/market"
)

// A real day of trades gives the vendor's own minute bars.
func TestOracleMinuteBarsOfARealDay(t *testing.T) {
	const dir = "../../../shared/data/ticks/2013-10-07/"
	file, err := os.Open(dir + "ticks.csv.gz")
	if err != nil {
		t.Skip("no recorded day beside the repository")
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
	calendar := func(string) *market.Calendar { return market.NYSE() }
	cleaner, builder := clean.New(clean.Config{}, calendar), bars.New(calendar)
	got := map[string]market.Bar{}
	key := func(symbol string, at market.Time) string { return symbol + at.String() }
	emit := func(b *market.Bar) {
		if b.Interval == market.Minute {
			got[key(b.Symbol, b.Time)] = *b
		}
	}
	accept := func(t *market.Tick, _ int64) {
		if !clean.Excluded(t.Condition) {
			builder.Add(t, emit)
		}
	}
	rejected := 0
	reject := func(int64, clean.Reason) { rejected++ }
	number := func(s string) float64 {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for i, row := range rows[1:] {
		tick := market.Tick{Symbol: row[1], Time: market.FromMillis(int64(number(row[0]))), Price: number(row[2]),
			Size: int64(number(row[3])), Exchange: row[4], Condition: row[5], Source: "replay"}
		cleaner.Clean(&tick, int64(i), 0, accept, reject)
	}
	end := market.Clock{Time: market.FromMillis(int64(number(rows[len(rows)-1][0]))), Source: "replay", End: true}
	cleaner.Clock(end, reject)
	builder.Clock(end.Time, end.Source, true, emit)

	minutes, err := os.Open(dir + "minute.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer minutes.Close()
	want, err := csv.NewReader(minutes).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	same, all := map[string]int{}, map[string]int{}
	for _, row := range want[1:] {
		b := got[key(row[1], market.FromMillis(int64(number(row[0]))))]
		all[row[1]]++
		if b.Open == number(row[2]) && b.High == number(row[3]) && b.Low == number(row[4]) && b.Close == number(row[5]) {
			same[row[1]]++
		}
	}
	for symbol, n := range all {
		share := float64(same[symbol]) / float64(n)
		t.Logf("%s: %d of %d minutes the same (%.2f %%), %d ticks refused in all", symbol, same[symbol], n, 100*share, rejected)
		if share < 0.995 {
			t.Errorf("%s: %d of %d minutes the same", symbol, same[symbol], n)
		}
	}
}
