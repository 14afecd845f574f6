package store_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tapedeck/pipeline/market"
	"tapedeck/store"
	"tapedeck/store/lake"
)

// A merge that ends between the files and the manifest leaves rows in the
// files that also lie in parts: they count once, and so does everything when
// the manifest stands.
func TestMergeThatWasCutOffIsCountedOnce(t *testing.T) {
	dir := t.TempDir()
	l := openLake(t, dir)
	log := &memoryLog{}
	fill := func(from, to int) {
		for n := from; n < to; n++ {
			tk := tick(n, "AAPL")
			log.add(lake.Ticks, int32(n%2), tk.Time, market.AppendTick(nil, &tk))
		}
		for p := range int32(2) {
			archive(t, l, log, lake.Ticks, "t", p, int64(to/2))
		}
		if _, err := l.Merge(t.Context(), lake.Ticks); err != nil {
			t.Fatal(err)
		}
	}
	count := func(when string, want int) {
		t.Helper()
		db := openDB(t, store.Config{Lake: l}) // which remembers no file
		for range 2 {
			got := query(t, db, `SELECT count(*), count(DISTINCT ("partition", "offset")) FROM ticks`)
			if fmt.Sprint(got[0]) != fmt.Sprint([]any{want, want}) {
				t.Fatalf("%s: %v, not %d", when, got[0], want)
			}
		}
	}
	fill(0, 100)
	count("merged", 100)
	manifest := filepath.Join(dir, "manifest", "ticks.json")
	before, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	fill(100, 200)
	after, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(manifest, before, 0o600); err != nil {
		t.Fatal(err)
	}
	count("files before manifest", 200)
	if err := os.WriteFile(manifest, after, 0o600); err != nil {
		t.Fatal(err)
	}
	count("manifest", 200)

	db := openDB(t, store.Config{Lake: l})
	rows, err := db.Query(context.Background(), "EXPLAIN SELECT sum(size) FROM ticks", store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		if plan := fmt.Sprint(rows.Values()); strings.Contains(plan, "offset") {
			t.Errorf("the rows' places are read where no row can be too new:\n%s", plan)
		}
	}
}
