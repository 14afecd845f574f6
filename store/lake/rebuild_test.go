package lake

import (
	"fmt"
	"testing"
	"time"
)

// What was published, and what is not yet, is read once, in the order of offsets.
func TestReadRawGivesEveryRowOnce(t *testing.T) {
	eachLake(t, Config{}, func(t *testing.T, reopen func() *Lake) {
		l := reopen()
		chains := map[int32]*Chain{0: openChain(t, l, 0), 3: openChain(t, l, 3)}
		for p, c := range chains {
			fakeLog{p}.carry(t, c, 1500, 70)
		}
		ends := map[int32]int64{0: 1500, 3: 1500}
		if _, err := l.Seal(t.Context(), nine.Add(2*time.Hour+2*time.Minute), ends); err != nil {
			t.Fatal(err)
		}
		hours, err := l.Publish(t.Context())
		if err != nil || len(hours) != 2 {
			t.Fatal(hours, err)
		}
		read := func(from Hour) (rows int64, done int, spans []Span) {
			next := map[int32]int64{}
			spans, err := l.ReadRaw(t.Context(), from, func(r *RawTick) error {
				if r.Offset < next[r.Partition] || r.Topic != 0 || r.Produced < r.Time {
					t.Fatalf("%+v after offset %d", r, next[r.Partition])
				}
				_, value := fakeLog{r.Partition}.record(r.Offset)
				if want := fmt.Sprintf(`"symbol":"%s"`, r.Symbol); len(value) < len(want) {
					t.Fatalf("%s is no record of %+v", value, r)
				}
				next[r.Partition] = r.Offset + 1
				rows++
				return nil
			}, func(Hour, float64) error { done++; return nil })
			if err != nil {
				t.Fatal(err)
			}
			return rows, done, spans
		}
		rows, done, spans := read(0)
		if want := 2 * (fakeLog{}).rows(1500); rows != want || done != 2 {
			t.Errorf("%d rows of %d, %d hours", rows, want, done)
		}
		if len(spans) != 2 || spans[0] != (Span{0, 0, 0, 1500}) || spans[1] != (Span{0, 3, 0, 1500}) {
			t.Errorf("spans %+v", spans)
		}
		rows, done, spans = read(hours[1])
		if want := 2 * (fakeLog{}.rows(1500) - fakeLog{}.rows(600)); rows != want || done != 1 || spans[0].From != 600 {
			t.Errorf("from the second hour: %d rows of %d, %d hours, %+v", rows, want, done, spans)
		}
	})
}

func TestCheckpoints(t *testing.T) {
	eachLake(t, Config{}, func(t *testing.T, reopen func() *Lake) {
		l := reopen()
		for h := Hour(100); h < 103; h++ {
			if err := l.SaveCheckpoint(t.Context(), "features", h, fmt.Appendf(nil, "state %d", int64(h))); err != nil {
				t.Fatal(err)
			}
		}
		if h, state, err := l.Checkpoint(t.Context(), "features", 102); h != 101 || string(state) != "state 101" || err != nil {
			t.Errorf("before 102: %d %q %v", h, state, err)
		}
		if h, state, err := l.Checkpoint(t.Context(), "features", 100); h != -1 || state != nil || err != nil {
			t.Errorf("before the first: %d %q %v", h, state, err)
		}
		if h, _, err := l.Checkpoint(t.Context(), "clean", 1000); h != -1 || err != nil {
			t.Errorf("another job's: %d %v", h, err)
		}
		// A damaged one is passed over.
		if _, err := l.bucket.put(t.Context(), checkpointKey("features", 102), condition{}, make([]byte, 50)); err != nil {
			t.Fatal(err)
		}
		if h, _, err := l.Checkpoint(t.Context(), "features", 1000); h != 101 || err != nil {
			t.Errorf("after damage: %d %v", h, err)
		}
	})
}
