package pipeline

import (
	"testing"

	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/market"
)

// A numbered source goes on after its own last row, also when others have
// written more than the end of the log since; who has no numbers does not have
// the whole log read.
func TestRowsAreFoundBehindOthers(t *testing.T) {
	t.Parallel()
	log := newLog(t)
	if _, err := log.EnsureTopics(t.Context()); err != nil {
		t.Fatal(err)
	}
	producer, err := log.NewProducer()
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close(t.Context())
	const between = tailLength + 500
	at := tapeStart
	write := func(id string, n int) {
		t.Helper()
		s := &sink{id: []byte(id)}
		for row := range n {
			at += 100_000
			tick := market.Tick{Symbol: "AAPL", Time: at, Price: float64(row + 1), Size: 1, Source: "replay"}
			if err := producer.Produce(kafka.Ticks, 0, []byte("AAPL"), market.AppendTick(nil, &tick), s.headers(int64(row+1))...); err != nil {
				t.Fatal(err)
			}
		}
		if err := producer.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	write("a", 10)
	write("", between)
	write("b", 20)

	f := &feeding{log: log}
	resume, rows, err := f.tail(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if resume.Empty || resume.Last != at || resume.Price["AAPL"] != 20 {
		t.Errorf("the end of the log: %+v", resume)
	}
	if err := rows.search(t.Context(), log, ""); err != nil || rows.before[0].Low == rows.before[0].High {
		t.Errorf("read for a source without numbers: %v, %v", rows.before[0], err)
	}
	for _, c := range []struct {
		id     string
		row    int64
		looked bool // at the whole log
	}{{"b", 20, false}, {"a", 10, true}, {"c", 0, true}} {
		if err := rows.search(t.Context(), log, c.id); err != nil {
			t.Fatal(err)
		}
		if looked := rows.before[0].Low == rows.before[0].High; rows.of[c.id][0] != c.row || looked != c.looked {
			t.Errorf("%s: row %d, want %d; looked at all: %t, want %t", c.id, rows.of[c.id][0], c.row, looked, c.looked)
		}
	}
}
