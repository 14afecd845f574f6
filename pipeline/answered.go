package pipeline

import (
	"encoding/base64"
	"strings"

	"tapedeck/pipeline/kafka"
)

// answered is which records of a stretch of a partition a target has answered
// for, or that are not for it. The ledger keeps it as an offset, below which all
// are, and a note of those above it: a bit each.
type answered struct {
	from int64  // offset of the first bit
	to   int64  // after the last
	bits []byte // by offset, lowest first
}

// notePrefix names the form of a note.
const notePrefix = "answered:"

// maxNoted is how many offsets a note tells of. What lies beyond would be sent
// again after a crash; no call of Process has as many.
const maxNoted = int64((kafka.NoteLimit - len(notePrefix)) / 4 * 3 * 8)

func newAnswered(from, to int64) answered {
	return answered{from: from, to: to, bits: make([]byte, (to-from+7)/8)}
}

// reach is a stretch of its own that reaches from one offset to another at
// least, with what is known above the first.
func (a *answered) reach(from, to int64) answered {
	b := newAnswered(from, max(to, a.to))
	for offset := max(from, a.from); offset < a.to; offset++ {
		if a.has(offset) {
			b.add(offset)
		}
	}
	return b
}

// readAnswered reads what stands beside an offset. A note that cannot be read
// tells of nothing.
func readAnswered(offset int64, note string) answered {
	text, ok := strings.CutPrefix(note, notePrefix)
	bits, err := base64.RawStdEncoding.DecodeString(text)
	if !ok || err != nil {
		return answered{}
	}
	return answered{from: offset, to: offset + int64(len(bits))*8, bits: bits}
}

func (a *answered) add(offset int64) { a.bits[(offset-a.from)/8] |= 1 << ((offset - a.from) % 8) }

func (a *answered) remove(offset int64) { a.bits[(offset-a.from)/8] &^= 1 << ((offset - a.from) % 8) }

func (a *answered) has(offset int64) bool {
	return offset >= a.from && offset < a.to && a.bits[(offset-a.from)/8]&(1<<((offset-a.from)%8)) != 0
}

// next is the first offset that is not answered for.
func (a *answered) next() int64 {
	for offset := a.from; offset < a.to; offset++ {
		if !a.has(offset) {
			return offset
		}
	}
	return a.to
}

// note tells of what is answered for above an offset; empty is nothing.
func (a *answered) note(from int64) string {
	bits := make([]byte, maxNoted/8)
	end := int64(0)
	for offset := max(from, a.from); offset < min(a.to, from+maxNoted); offset++ {
		if k := offset - from; a.has(offset) {
			bits[k/8] |= 1 << (k % 8)
			end = k/8 + 1
		}
	}
	if end == 0 {
		return ""
	}
	return notePrefix + base64.RawStdEncoding.EncodeToString(bits[:end])
}
