package pipeline

import (
	"testing"

	"tapedeck/pipeline/kafka"
)

func TestAnswered(t *testing.T) {
	a := newAnswered(100, 2100)
	if a.next() != 100 || a.note(100) != "" {
		t.Fatal("nothing is answered for")
	}
	for offset := int64(100); offset < 2100; offset += 3 {
		a.add(offset)
	}
	if a.next() != 101 {
		t.Error(a.next())
	}
	note := a.note(101)
	b := readAnswered(101, note)
	for offset := int64(101); offset < 2200; offset++ {
		if b.has(offset) != (offset < 2100 && (offset-100)%3 == 0) {
			t.Fatalf("%d is read otherwise", offset)
		}
	}
	if b.has(100) || len(note) > 400 {
		t.Errorf("a note of %d bytes", len(note))
	}
	c := b.reach(101, 120) // a smaller batch, later: what lies beyond stays
	if !c.has(2098) || c.note(101) != note {
		t.Error("what lay beyond is forgotten")
	}
	a.remove(103)
	if a.has(103) {
		t.Error("not removed")
	}
	for offset := int64(100); offset < 2100; offset++ {
		a.add(offset)
	}
	if a.next() != 2100 || a.note(2100) != "" {
		t.Error(a.next(), a.note(2100))
	}
	wide := newAnswered(0, 1_000_000)
	for offset := int64(1); offset < 1_000_000; offset++ {
		wide.add(offset)
	}
	if n := len(wide.note(0)); n > kafka.NoteLimit || n < kafka.NoteLimit-10 {
		t.Errorf("a note of %d bytes", n)
	}
	for _, note := range []string{"", "something else", "answered:***"} {
		if d := readAnswered(5, note); d.has(5) || d.note(5) != "" {
			t.Errorf("%q is read", note)
		}
	}
}

func FuzzAnswered(f *testing.F) {
	f.Add(int64(7), "answered:AQID", int64(9), uint16(12))
	f.Fuzz(func(t *testing.T, offset int64, note string, from int64, n uint16) {
		if offset < 0 || offset > 1<<40 || len(note) > kafka.NoteLimit {
			return
		}
		a := readAnswered(offset, note)
		from = offset + from%4096
		if from < offset {
			return
		}
		b := a.reach(from, from+int64(n))
		again := readAnswered(from, b.note(from))
		for x := from; x < b.to && x < from+maxNoted; x++ {
			if a.has(x) != b.has(x) || again.has(x) != b.has(x) {
				t.Fatalf("%d is lost or made up", x)
			}
		}
	})
}
