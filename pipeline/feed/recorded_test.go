package feed

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"tapedeck/pipeline/market"
)

func recordedRows(n int, broken error) func(context.Context) iter.Seq2[*market.Tick, error] {
	return func(context.Context) iter.Seq2[*market.Tick, error] {
		return func(yield func(*market.Tick, error) bool) {
			for i := range n {
				t := market.Tick{Symbol: fmt.Sprintf("S%d", i%7), Time: market.Time(1_763_642_400_000_000 + i*100_000), Price: 10 + float64(i%5), Size: 100, Source: "sim"}
				if !yield(&t, nil) {
					return
				}
			}
			if broken != nil {
				yield(nil, broken)
			}
		}
	}
}

func TestRecordedKeepsTheContract(t *testing.T) {
	runSourceContract(t, func(t *testing.T) Source {
		r, err := NewRecorded(RecordedConfig{Rows: recordedRows(3000, nil), ID: "lake", From: 1, To: 2})
		if err != nil {
			t.Fatal(err)
		}
		return r
	})
}

func TestRecordedSaysWhatFails(t *testing.T) {
	broken := errors.New("the lake is away")
	r, err := NewRecorded(RecordedConfig{Rows: recordedRows(3, broken), ID: "lake", From: 1, To: 2})
	if err != nil {
		t.Fatal(err)
	}
	sink := newContractSink(t, r)
	if err := r.Run(t.Context(), sink); !errors.Is(err, broken) {
		t.Errorf("Run: %v", err)
	}
	if _, err := NewRecorded(RecordedConfig{Rows: recordedRows(1, nil), ID: "lake", From: 2, To: 2}); err == nil || !strings.Contains(err.Error(), "empty") {
		t.Errorf("an empty time: %v", err)
	}
}

// Rows out of bounds are left out, and the others keep their numbers.
func TestReplayBounds(t *testing.T) {
	var text strings.Builder
	text.WriteString("time_ms,symbol,price,size\n")
	begin := time.Date(2026, 11, 20, 14, 30, 0, 0, time.UTC)
	for i := range 100 {
		fmt.Fprintf(&text, "%d,KO,60.%02d,100\n", begin.Add(time.Duration(i)*time.Second).UnixMilli(), i)
	}
	name := writeFile(t, "day.csv", text.String())
	from, to := market.At(begin.Add(10*time.Second)), market.At(begin.Add(20*time.Second))
	out := play(t, ReplayConfig{Inputs: []string{name}, From: from, To: to})
	if len(out.ticks) != 10 || out.ticks[0].Time != from || out.rows[0] != 11 {
		t.Errorf("%d ticks, the first %+v of row %v", len(out.ticks), out.ticks[0], out.rows)
	}
}
