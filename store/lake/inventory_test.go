package lake

import (
	"strings"
	"testing"
	"time"
)

func TestExpireAndLs(t *testing.T) {
	eachLake(t, Config{}, func(t *testing.T, reopen func() *Lake) {
		l := reopen()
		fakeLog{}.carry(t, openChain(t, l, 0), 2000, 500)
		if _, err := l.Seal(t.Context(), nine.Add(time.Hour*9), map[int32]int64{0: 2000}); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Publish(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Merge(t.Context(), Ticks); err != nil {
			t.Fatal(err)
		}
		entries, err := l.Ls(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]Entry{}
		for _, e := range entries {
			found[e.Folder] = e
		}
		if e := found["raw"]; e.Date != "2026-11-20" || e.Hours != 4 || e.Bytes == 0 {
			t.Errorf("raw: %+v", e)
		}
		if e := found["processed/ticks"]; e.Hours != 6 || e.Objects != 6 {
			t.Errorf("processed: %+v", e)
		}
		if e := found["staging/ticks"]; e.Objects < 4 || e.Date != "" {
			t.Errorf("staging: %+v", e)
		}
		now := nine.Add(26 * time.Hour) // the hours before 11:00 are older than a day
		if _, err := l.Expire(t.Context(), now, time.Hour, true); err == nil {
			t.Error("an age of an hour was taken")
		}
		dry, err := l.Expire(t.Context(), now, 24*time.Hour, true)
		if err != nil || len(dry) != 4+2+2 { // merged 07 08 09 10, raw and seals 09 10
			t.Errorf("dry run: %v, %v", dry, err)
		}
		done, err := l.Expire(t.Context(), now, 24*time.Hour, false)
		if err != nil || len(done) != len(dry) {
			t.Errorf("%v, %v", done, err)
		}
		if again, err := l.Publish(t.Context()); len(again) != 0 || err != nil {
			t.Errorf("published again: %v, %v", again, err)
		}
		if problems, err := l.Verify(t.Context(), nil); len(problems) != 0 || err != nil {
			t.Errorf("verify: %v, %v", problems, err)
		}
		for _, e := range done {
			if !strings.Contains(e.Key, "date=") {
				t.Errorf("%s has expired", e.Key)
			}
		}
	})
}
