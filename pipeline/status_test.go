package pipeline

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tapedeck/pipeline/clean"
	"tapedeck/pipeline/live"
)

// A stage that can use little of what comes says so while that lasts.
func TestStatusSaysWhatCannotBeUsed(t *testing.T) {
	now := time.Unix(0, 0)
	s := &stageStatus{stage: "compute", lastReport: now}
	report := func(in, refused int, reason string) live.Status {
		s.in.Add(int64(in))
		for range refused {
			s.refused(reason)
		}
		now = now.Add(time.Second)
		return s.report(now)
	}
	report(1000, 0, "")
	report(1000, 1, "bad symbol")
	if r := report(1000, 400, "bad symbol"); r.Level != live.OK {
		t.Errorf("with a third of bad messages it says %q", r.Text)
	}
	var last live.Status
	for range 10 {
		last = report(1000, 1000, string(clean.Future))
	}
	if last.Level != live.Trouble || last.Text != "9000 of the last 9000 messages cannot be used, most of them because: "+
		"time is ahead of when it was received; is this machine's clock right?" {
		t.Errorf("it says %q", last.Text)
	}
	s.trouble("the log is away")
	if r := report(0, 0, ""); r.Text != "the log is away" {
		t.Errorf("it says %q", r.Text)
	}
	s.well()
	for range 10 {
		last = report(1000, 10, "bad symbol")
	}
	if last.Level != live.OK || last.Text != "" {
		t.Errorf("it still says %q", last.Text)
	}
	quiet := &stageStatus{stage: "compute"}
	quiet.report(now)
	quiet.refused("bad symbol")
	if r := quiet.report(now.Add(time.Second)); r.Level != live.OK {
		t.Errorf("of one message it says %q", r.Text)
	}
}

// However many reasons come, few are kept.
func TestReasonsAreBounded(t *testing.T) {
	s := &stageStatus{stage: "compute"}
	for i := range 10_000 {
		s.refused(fmt.Sprint("reason ", i))
	}
	s.refused(strings.Repeat("x", 1000))
	sum := int64(0)
	for reason, n := range s.reasons {
		if sum += n; len(reason) > maxReason {
			t.Errorf("a reason of %d bytes", len(reason))
		}
	}
	if len(s.reasons) > maxReasons+1 || sum != 10_001 {
		t.Errorf("%d reasons for %d messages", len(s.reasons), sum)
	}
}

// The age of what has not been read is known to within a second or a sixtieth.
func TestLagHasAnAge(t *testing.T) {
	s, now, end, position := &stageStatus{stage: "archive"}, time.Unix(0, 0), int64(0), int64(0)
	look := func(seconds int) (lag int64, age float64) {
		for range seconds {
			now = now.Add(time.Second)
			end += 100 // records a second
			lag, age = s.behind(now, map[string][]int64{"ticks": {end}}, func(ends map[string][]int64) int64 { return max(0, ends["ticks"][0]-position) })
			if len(s.marks) > 1000 {
				t.Fatalf("%d marks", len(s.marks))
			}
		}
		return lag, age
	}
	if lag, age := look(1); lag != 100 || age != 0 {
		t.Errorf("at first: %d, %g s", lag, age)
	}
	if lag, age := look(3600); lag != 360_100 || age != 3600 {
		t.Errorf("after an hour: %d, %g s", lag, age)
	}
	position = 180_000 // half of it
	if lag, age := look(1); lag != 180_200 || age < 1740 || age > 1802 {
		t.Errorf("half way: %d, %g s", lag, age)
	}
	position = end + 100
	if lag, age := look(1); lag != 0 || age != 0 || len(s.marks) != 0 {
		t.Errorf("at the end: %d, %g s", lag, age)
	}
}
