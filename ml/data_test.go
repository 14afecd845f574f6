package ml

import (
	"reflect"
	"testing"
	"time"
)

// A history that comes in a stream is that of all bars at once, with minutes
// in which nothing was traded and with a pause.
func TestGathererIsNewData(t *testing.T) {
	bars := revert(7, 3, 200, 0.1, true)
	kept := bars[:0]
	for i, b := range bars {
		minute := int(b.Time.Sub(opening) / time.Minute)
		if minute%11 == 3 || i%7 == 2 || minute > 100 && minute < 130 {
			continue
		}
		kept = append(kept, b)
	}
	g := NewGatherer()
	for i := range kept {
		g.Add(&kept[i])
	}
	whole, stream := NewData(kept), g.Data()
	if whole.Rows() < 100 || whole.Rows() != stream.Rows() || !reflect.DeepEqual(whole.times, stream.times) {
		t.Fatalf("%d rows at once, %d in a stream", whole.Rows(), stream.Rows())
	}
	for k := range whole.series {
		a, b := &whole.series[k], &stream.series[k]
		if a.symbol != b.symbol || !reflect.DeepEqual(a.times, b.times) || !reflect.DeepEqual(a.values, b.values) || !reflect.DeepEqual(a.minute, b.minute) {
			t.Fatalf("%s differs", a.symbol)
		}
		for i := 1; i < len(a.times); i++ { // a row a minute, so that windows are what they say
			if a.minute[i] != 1 && (a.times[i].Sub(a.times[i-1]) != time.Minute || a.minute[i] != a.minute[i-1]+1) {
				t.Fatalf("%s: minute %d at %s follows %d at %s", a.symbol, a.minute[i], a.times[i], a.minute[i-1], a.times[i-1])
			}
		}
	}
}
