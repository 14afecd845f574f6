package kafka

import (
	"maps"
	"testing"
)

// segmentOf is what producer 7 wrote in batches of ten records, and producer 8 once.
func segmentOf(batches int) []byte {
	data := rawBatch(0, 8, 0, 0, 10)
	for i := range int32(batches) {
		data = append(data, rawBatch(int64(10+10*i), 7, 3, 10*i, 10)...)
	}
	return data
}

func TestReadSequences(t *testing.T) {
	found := map[int64]*sequence{}
	readSequences(segmentOf(7), found)
	if len(found) != 2 || found[8].Count != 1 || found[8].Next != 10 {
		t.Fatalf("found %v", found)
	}
	s := found[7]
	if s.Count != 5 || s.At != 2 || s.Epoch != 3 || s.Next != 70 || !s.Seen {
		t.Errorf("producer 7: %+v", s)
	}
	if s.Entries[1] != (sequenceEntry{First: 60, Next: 70, Offset: 70}) || s.Entries[2] != (sequenceEntry{First: 20, Next: 30, Offset: 30}) {
		t.Errorf("entries %+v", s.Entries)
	}
	readSequences(rawBatch(80, 7, 4, 0, 10), found) // another epoch begins anew
	if s := found[7]; s.Count != 1 || s.Next != 10 || s.Epoch != 4 {
		t.Errorf("after a new epoch: %+v", s)
	}
}

// TestReadSequencesTorn: whatever byte of a segment is lost or wrong, no batch
// from there on is remembered, since the broker will not have it.
func TestReadSequencesTorn(t *testing.T) {
	whole := segmentOf(3)
	batch := len(rawBatch(0, 7, 3, 0, 10))
	for at := range whole {
		want := max(0, at/batch-1) // of producer 7
		garbled := append([]byte{}, whole...)
		garbled[at] ^= 0x55
		cases := map[string][]byte{"cut": whole[:at]}
		if in := at % batch; in >= batchLengthAt && (in < 12 || in >= batchCRCAt) { // the rest is not in the checksum
			cases["garbled"] = garbled
		}
		for name, data := range cases {
			found := map[int64]*sequence{}
			readSequences(data, found)
			got := 0
			if s := found[7]; s != nil {
				got = int(s.Count)
			}
			if got != want {
				t.Fatalf("%s at byte %d: %d batches remembered, want %d", name, at, got, want)
			}
		}
	}
}

func FuzzReadSequences(f *testing.F) {
	f.Add(segmentOf(7))
	f.Add(segmentOf(2)[:150])
	f.Fuzz(func(t *testing.T, data []byte) {
		found := map[int64]*sequence{}
		readSequences(data, found)
		for s := range maps.Values(found) {
			if s.Count < 1 || s.Count > sequenceWindow || s.At >= sequenceWindow || s.Producer < 0 {
				t.Errorf("%+v", s)
			}
		}
	})
}
