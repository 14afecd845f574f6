package lake

import (
	"slices"
	"testing"
)

func TestEndsOfAFile(t *testing.T) {
	ends := []Position{{0, 0, 10}, {0, 3, 7}, {1, 0, 2}}
	read, err := ParseEnds(FormatEnds(ends))
	if err != nil || !slices.Equal(read, ends) {
		t.Fatal(read, err)
	}
	if _, err := ParseEnds("{"); err == nil {
		t.Error("no error")
	}
	for _, c := range []struct {
		merged []Position
		want   bool
	}{
		{ends, true},
		{[]Position{{0, 0, 11}, {0, 1, 5}, {0, 3, 7}, {1, 0, 3}}, true},
		{[]Position{{0, 0, 9}, {0, 3, 7}, {1, 0, 2}}, false}, // a row too new
		{[]Position{{0, 0, 10}, {1, 0, 2}}, false},           // a partition of which nothing is merged
		{nil, false},
	} {
		if got := (&Snapshot{Merged: c.merged}).Covers(ends); got != c.want {
			t.Errorf("%v: %v", c.merged, got)
		}
	}
	if !(&Snapshot{}).Covers(nil) {
		t.Error("a file without rows lies below everything")
	}
}
