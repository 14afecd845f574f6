package store_test

import (
	"fmt"
	"strings"
	"testing"

	"tapedeck/store"
)

func TestChunksHoldWhatRowsHold(t *testing.T) {
	db := openDB(t, store.Config{Lake: openLake(t, t.TempDir())})
	sql := `SELECT i, i::INTEGER, i / 4.0::DOUBLE, CASE WHEN i % 3 = 0 THEN '' WHEN i % 3 = 1 THEN 's' || i ELSE 'a rather long text ' || i END
		FROM (SELECT unnest(range(5000)) AS i)`
	rows, err := db.Query(t.Context(), sql, store.Options{Native: true, Limit: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	texts := map[store.Text]string{}
	for c := rows.NextChunk(); c != nil; c = rows.NextChunk() {
		longs, ints, floats, strs := c.Int64s(0), c.Int32s(1), c.Float64s(2), c.Strings(3)
		for i := range c.Len() {
			want := [...]string{"", fmt.Sprintf("s%d", n), fmt.Sprintf("a rather long text %d", n)}[n%3]
			if longs[i] != int64(n) || ints[i] != int32(n) || floats[i] != float64(n)/4 || strs[i].String() != want || strs[i].Short() != (len(want) <= 12) {
				t.Fatalf("row %d: %d %d %v %q", n, longs[i], ints[i], floats[i], strs[i].String())
			}
			if before, known := texts[strs[i]]; strs[i].Short() && known && before != want {
				t.Fatalf("%q and %q are one", before, want)
			}
			texts[strs[i]] = want
			n++
		}
	}
	if rows.Err() != nil || n != 5000 {
		t.Errorf("%d rows, %v", n, rows.Err())
	}
	for _, bad := range []string{"SELECT NULL::BIGINT", "SELECT CASE WHEN i = 70 THEN NULL ELSE i END FROM (SELECT unnest(range(100)) AS i)"} {
		rows, err := db.Query(t.Context(), bad, store.Options{Native: true, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		if c := rows.NextChunk(); c != nil || rows.Err() == nil || !strings.Contains(rows.Err().Error(), "NULL") {
			t.Errorf("%s: %v", bad, rows.Err())
		}
		rows.Close()
	}
}
