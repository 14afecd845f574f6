package pipeline

import (
	"testing"
	"time"
)

// TestMergeIsDue: after its time, and before when a rush has left many rows,
// but not while it lasts.
func TestMergeIsDue(t *testing.T) {
	start := time.Unix(1_000_000, 0)
	d := mergeDue{every: 5 * time.Minute, last: start}
	for _, look := range []struct {
		second int
		rows   int64
		due    bool
	}{
		{5, 300_000, false},     // the rush
		{10, 1_900_000, false},  // goes on
		{15, 1_905_000, true},   // is over
		{20, 1_910_000, false},  // merged
		{200, 2_300_000, false}, // few
		{314, 2_510_000, false},
		{315, 2_512_000, true}, // five minutes after the merge
	} {
		if due := d.at(start.Add(time.Duration(look.second)*time.Second), look.rows); due != look.due {
			t.Errorf("after %d s with %d rows: due %v", look.second, look.rows, due)
		}
	}
}
