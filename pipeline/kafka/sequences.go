package kafka

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// The embedded broker drops a batch that its producer sends again by the
// sequence numbers of the last five batches of each producer and partition. It
// writes these down only when it is closed, so that after a kill -9 it would
// store a batch whose answer was lost a second time, or refuse for ever a
// producer that it knows from an older closing. Kafka restores them from the
// log; so do we, before the broker reads them.

// sequenceWindow is how many batches the broker remembers.
const sequenceWindow = 5

// sequenceSegments is how many segments of a partition, from its end, are
// searched: what a producer may still send again lies in its last batches.
const sequenceSegments = 2

// sequences is the broker's file of them (kfake's persistSeqWindows, version 1).
type sequences struct {
	Version int         `json:"version"`
	Windows []*sequence `json:"windows"`
}

// sequence is what the broker remembers of one producer in one partition.
type sequence struct {
	Producer  int64                         `json:"pid"`
	Topic     string                        `json:"topic"`
	Partition int32                         `json:"partition"`
	Entries   [sequenceWindow]sequenceEntry `json:"entries"`
	Count     uint8                         `json:"count"`
	At        uint8                         `json:"at"` // where the next entry goes
	Epoch     int16                         `json:"epoch"`
	Seen      bool                          `json:"seen"`
	Next      int32                         `json:"next_seq"`
}

// sequenceEntry is one batch.
type sequenceEntry struct {
	First  int32 `json:"first_seq"`
	Next   int32 `json:"next_seq"`
	Offset int64 `json:"offset"`
}

// restoreSequences writes the broker's file of sequence numbers in its data
// folder as the segments have them. Without a log there is nothing to do.
func restoreSequences(data string) error {
	dirs, err := os.ReadDir(filepath.Join(data, "partitions"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	all := sequences{Version: 1, Windows: []*sequence{}}
	for _, d := range dirs {
		name, number, ok := cutLast(d.Name(), '-')
		topic, err := url.PathUnescape(name)
		partition, numErr := strconv.ParseInt(number, 10, 32)
		if !ok || err != nil || numErr != nil {
			continue // not the broker's
		}
		found, err := partitionSequences(filepath.Join(data, "partitions", d.Name()))
		if err != nil {
			return fmt.Errorf("read the end of %s partition %d: %w", topic, partition, err)
		}
		for _, s := range found {
			s.Topic, s.Partition = topic, int32(partition)
			all.Windows = append(all.Windows, s)
		}
	}
	text, err := json.Marshal(all)
	if err != nil {
		return err
	}
	path := filepath.Join(data, "seq_windows.json")
	if err := os.WriteFile(path+".tmp", text, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

func cutLast(s string, sep byte) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// partitionSequences reads the end of a partition.
func partitionSequences(dir string) (map[int64]*sequence, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var bases []int64
	for _, f := range files {
		if base, ok := strings.CutSuffix(f.Name(), ".dat"); ok {
			if n, err := strconv.ParseInt(base, 10, 64); err == nil {
				bases = append(bases, n)
			}
		}
	}
	slices.Sort(bases)
	found := make(map[int64]*sequence)
	for _, base := range bases[max(0, len(bases)-sequenceSegments):] {
		segment, err := os.ReadFile(filepath.Join(dir, strconv.FormatInt(base, 10)+".dat"))
		if err != nil {
			return nil, err
		}
		readSequences(segment, found)
	}
	return found, nil
}

// The header of a record batch, by Kafka's protocol; all numbers big-endian.
const (
	batchLengthAt     = 8  // int32, of what follows it
	batchCRCAt        = 17 // uint32, CRC-32C of what follows it
	batchAttributesAt = 21 // int16
	batchProducerAt   = 43 // int64
	batchEpochAt      = 51 // int16
	batchSequenceAt   = 53 // int32
	batchCountAt      = 57 // int32
	batchHeader       = 61
	batchControl      = 0x20 // attribute of a batch of the broker's own
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// readSequences takes in the whole batches of a segment up to the first that
// is not: the broker cuts the segment there. To remember a batch that it cuts
// would be to acknowledge it, when it comes again, without having it.
func readSequences(segment []byte, found map[int64]*sequence) {
	for len(segment) >= batchHeader {
		size := 12 + int64(binary.BigEndian.Uint32(segment[batchLengthAt:]))
		if size < batchHeader || size > int64(len(segment)) {
			return
		}
		batch := segment[:size]
		segment = segment[size:]
		if crc32.Checksum(batch[batchAttributesAt:], castagnoli) != binary.BigEndian.Uint32(batch[batchCRCAt:]) {
			return
		}
		producer := int64(binary.BigEndian.Uint64(batch[batchProducerAt:]))
		first := int32(binary.BigEndian.Uint32(batch[batchSequenceAt:]))
		if producer < 0 || first < 0 || binary.BigEndian.Uint16(batch[batchAttributesAt:])&batchControl != 0 {
			continue
		}
		epoch := int16(binary.BigEndian.Uint16(batch[batchEpochAt:]))
		s := found[producer]
		if s == nil || s.Epoch != epoch {
			s = &sequence{Producer: producer, Epoch: epoch, Seen: true}
			found[producer] = s
		}
		count := int32(binary.BigEndian.Uint32(batch[batchCountAt:]))
		s.Next = int32((int64(first) + int64(count)) % math.MaxInt32) // as the broker counts
		s.Entries[s.At] = sequenceEntry{First: first, Next: s.Next, Offset: int64(binary.BigEndian.Uint64(batch))}
		s.At = (s.At + 1) % sequenceWindow
		s.Count = min(s.Count+1, sequenceWindow)
	}
}
