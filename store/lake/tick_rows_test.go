package lake

import (
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"tapedeck/pipeline/market"
)

// slowTicks is what encoding/csv makes of rows.
func slowTicks(text string) (ticks []RawTick, err error) {
	rows := csv.NewReader(strings.NewReader(text))
	for n := 0; ; n++ {
		fields, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return ticks, nil
		}
		if err != nil {
			return ticks, err
		}
		if n == 0 {
			continue
		}
		t := RawTick{Produced: 5}
		if t.Partition, t.Offset, err = market.ParseTickCSV(fields, &t.Tick); err != nil {
			return ticks, err
		}
		ticks = append(ticks, t)
	}
}

func FuzzTickRows(f *testing.F) {
	f.Add("Q", "a,\"b\"", "sim\nother", 3)
	f.Add("\r\n", "", "\"", 5000)
	f.Fuzz(func(t *testing.T, exchange, condition, source string, rows int) {
		rows = min(max(rows, 0), 3*tickBatch)
		text := []byte(market.TickCSVHeader + "\n")
		for i := range rows {
			tick := market.Tick{Symbol: "AAPL", Time: nine + market.Time(i), Price: 1.5, Size: int64(i), Ask: 2}
			if i%3 != 1 {
				tick.Exchange, tick.Condition, tick.Source = exchange, condition, source
			}
			text = market.AppendTickCSV(text, &tick, 7, int64(i))
		}
		want, wantErr := slowTicks(string(text))
		var got []RawTick
		err := readTicks(strings.NewReader(string(text)), 5, func(t *RawTick) error { got = append(got, *t); return nil })
		if (err == nil) != (wantErr == nil) || !slices.Equal(got, want) {
			t.Fatalf("%d rows and %v, not %d and %v", len(got), err, len(want), wantErr)
		}
	})
}

func TestRowsThatCannotBeRead(t *testing.T) {
	const header = market.TickCSVHeader + "\n"
	const row = "AAPL,2026-11-20T14:30:00.000000Z,1.5,3,,,Q,,sim,,0,4\n"
	for _, text := range []string{header + row + "AAPL,2026", header + row + strings.Replace(row, "1.5", "x", 1), header + row + `"AAPL`} {
		n := 0
		if err := readTicks(strings.NewReader(text), 5, func(*RawTick) error { n++; return nil }); err == nil || n != 1 {
			t.Errorf("%q: %d rows, %v", text, n, err)
		}
	}
	for _, text := range []string{"", header, header + "\n\n"} {
		if err := readTicks(strings.NewReader(text), 5, func(*RawTick) error { return errors.New("a row") }); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	enough := errors.New("enough")
	many := header + strings.Repeat(row, 10*tickBatch)
	if err := readTicks(strings.NewReader(many), 5, func(*RawTick) error { return enough }); !errors.Is(err, enough) {
		t.Error(err)
	}
}
