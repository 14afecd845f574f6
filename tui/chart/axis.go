package chart

import (
	"time"
	"unicode/utf8"

	"tapedeck/pipeline/market"
)

// steps of the time axis, from fine to coarse; below a day in seconds.
var steps = [...]struct {
	seconds int
	months  int
	layout  string
}{
	{1, 0, "15:04:05"}, {5, 0, "15:04:05"}, {10, 0, "15:04:05"}, {15, 0, "15:04:05"}, {30, 0, "15:04:05"},
	{60, 0, "15:04"}, {2 * 60, 0, "15:04"}, {5 * 60, 0, "15:04"}, {10 * 60, 0, "15:04"}, {15 * 60, 0, "15:04"}, {30 * 60, 0, "15:04"},
	{3600, 0, "15:04"}, {2 * 3600, 0, "15:04"}, {4 * 3600, 0, "15:04"}, {6 * 3600, 0, "15:04"}, {12 * 3600, 0, "15:04"},
	{86400, 0, "2 Jan"}, {2 * 86400, 0, "2 Jan"}, {7 * 86400, 0, "2 Jan"}, {14 * 86400, 0, "2 Jan"},
	{0, 1, "Jan"}, {0, 3, "Jan"}, {0, 12, "2006"}, {0, 60, "2006"},
}

// stepBucket numbers the spans of a step in a zone's own time.
func stepBucket(t time.Time, step int) int64 {
	if m := steps[step].months; m > 0 {
		return int64((t.Year()*12 + int(t.Month()) - 1) / m)
	}
	_, offset := t.Zone()
	local := t.Unix() + int64(offset)
	seconds := int64(steps[step].seconds)
	if seconds == 7*86400 || seconds == 14*86400 {
		local += 3 * 86400 // weeks begin on Monday
	}
	b := local / seconds
	if local%seconds < 0 {
		b--
	}
	return b
}

// zoneOf is the zone that bars of an interval are written in: those of days
// stand for dates and have none.
func zoneOf(i market.Interval, zone *time.Location) *time.Location {
	if i >= market.Day || zone == nil {
		return time.UTC
	}
	return zone
}

// instant is a cell on the time axis.
type instant struct {
	x    int
	time time.Time
}

// instants are those of the columns, and of some after the last one.
func instants(cols []column, cells, after int, i market.Interval, z Zoom, zone *time.Location) []instant {
	out := make([]instant, 0, len(cols)+8)
	for _, c := range cols {
		out = append(out, instant{c.x, c.time.Std().In(zone)})
	}
	if len(cols) == 0 {
		return out
	}
	last := cols[len(cols)-1]
	for k := 1; k <= after; k++ {
		x := last.x + k*z.Cells
		if x >= cells {
			break
		}
		out = append(out, instant{x, ahead(last.time, k, i, z).Std().In(zone)})
	}
	return out
}

func ahead(t market.Time, columns int, i market.Interval, z Zoom) market.Time {
	return t.Add(time.Duration(columns*z.Bars) * i.Length())
}

// timeLabels puts the times along row y. It takes the finest step whose
// labels stand apart, and writes the date where a new day begins.
func (g *Grid) timeLabels(r rect, at []instant, fine bool) {
	if len(at) < 2 || r.w < 12 {
		return
	}
	const apart = 11
	step := len(steps) - 1
	for s := range steps {
		if g.spaced(at, s, apart) {
			step = s
			break
		}
	}
	daily := steps[step].seconds == 0 || steps[step].seconds >= 86400
	free := 0 // the first cell that no label has taken
	type label struct {
		x    int
		text string
	}
	var labels []label
	for k := 1; k < len(at); k++ {
		t, before := at[k].time, at[k-1].time
		if stepBucket(t, step) == stepBucket(before, step) {
			continue
		}
		layout := steps[step].layout
		switch {
		case daily && t.Year() != before.Year() && steps[step].months < 12:
			layout = "2006"
		case daily && steps[step].months == 0 && t.Month() != before.Month():
			layout = "2 Jan"
		case !daily && t.YearDay() != before.YearDay():
			layout = "Mon 2 Jan"
		}
		labels = append(labels, label{at[k].x, t.Format(layout)})
	}
	if fine && len(labels) == 0 {
		layout := "15:04"
		if daily {
			layout = "2 Jan"
		}
		labels = append(labels, label{at[0].x + 3, at[0].time.Format(layout)})
	}
	for i, l := range labels {
		n := utf8.RuneCountInString(l.text)
		x := min(max(l.x-n/2, 0), r.w-n)
		if x < free {
			continue
		}
		// A date is worth more than the time before it, which cannot be taken
		// back: the time gives way when it comes too near.
		if i+1 < len(labels) && len(labels[i+1].text) > 5 && len(l.text) <= 5 {
			m := utf8.RuneCountInString(labels[i+1].text)
			if x+n+1 > min(labels[i+1].x-m/2, r.w-m) {
				continue
			}
		}
		g.text(r.x+x, r.y, l.text, Label)
		free = x + n + 2
	}
}

// spaced says whether the labels of a step stand apart on the whole: where
// closed hours are left out two may come close, which is no reason for a
// coarser step.
func (g *Grid) spaced(at []instant, step, apart int) bool {
	n, first, last := 0, 0, 0
	for k := 1; k < len(at); k++ {
		if stepBucket(at[k].time, step) != stepBucket(at[k-1].time, step) {
			if n == 0 {
				first = at[k].x
			}
			last = at[k].x
			n++
		}
	}
	return n < 2 || (last-first) >= (n-1)*apart
}
