package store_test

import (
	"testing"

	"tapedeck/store"
)

// Times are shown in UTC wherever the machine stands, on every connection.
func TestTimesAreInUTC(t *testing.T) {
	t.Setenv("TZ", "America/New_York")
	db := openDB(t, store.Config{Lake: openLake(t, t.TempDir())})
	for range 3 {
		if got := query(t, db, "SELECT (TIMESTAMPTZ '2026-11-20 14:30:00+00')::VARCHAR")[0][0]; got != "2026-11-20 14:30:00+00" {
			t.Fatal(got)
		}
	}
}
