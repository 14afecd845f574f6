package pipeline

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"

	"tapedeck/pipeline/kafka"
)

// A snapshot is the state of one compute partition after a given offset. It
// lies on the state topic in the partition of the same number, cut into
// chunks below the size of a record; the last one makes it count. Between
// snapshots the topic holds what took effect at which offset (a rule that was
// edited), so that a replay from the snapshot does the same again.

// snapshotVersion changes with the form of the state; an older one is read,
// a newer one is refused.
const snapshotVersion = 1

const chunkSize = 512 << 10

// snapshot is what computing needs to go on as if nothing had happened.
type snapshot struct {
	slot    byte             // 0 or 1 in turn: the one before stays whole until this one counts
	next    int64            // offset of the next tick
	written map[string]int64 // by output topic: everything below lies there already
	state   []byte
}

// effect is something from another topic that took effect before the tick at
// offset: an edit of the rules topic with its key and value, or predictions.
type effect struct {
	offset int64
	edit
}

// keys of the state topic
const (
	keyChunk  = 'c' // c <slot:1> <index:4>; value = next, bytes. Compaction keeps two snapshots.
	keyCommit = 's' // s; value = version, slot, next, chunks, crc, written …
	keyEffect = 'e' // e <offset:8> <key of the edit>
	keyOwner  = 'o' // o; value = instance. Whoever takes a partition over says so, and is then its only writer.
)

var errNewerSnapshot = errors.New("this state was written by a newer tapedeck; start that version, or use another --data DIR")

// writeSnapshot hands the snapshot to the log and waits until it lies there.
func writeSnapshot(ctx context.Context, producer *kafka.Producer, partition int32, s snapshot) error {
	chunks := 0
	for rest := s.state; len(rest) > 0 || chunks == 0; chunks++ {
		n := min(len(rest), chunkSize)
		key := binary.BigEndian.AppendUint32([]byte{keyChunk, s.slot}, uint32(chunks))
		value := append(binary.BigEndian.AppendUint64(nil, uint64(s.next)), rest[:n]...)
		if err := producer.ProduceContext(ctx, kafka.State, partition, key, value); err != nil {
			return err
		}
		rest = rest[n:]
	}
	commit := []byte{snapshotVersion, s.slot}
	commit = binary.BigEndian.AppendUint64(commit, uint64(s.next))
	commit = binary.BigEndian.AppendUint32(commit, uint32(chunks))
	commit = binary.BigEndian.AppendUint32(commit, crc32.ChecksumIEEE(s.state))
	for _, topic := range outputs {
		commit = binary.BigEndian.AppendUint64(commit, uint64(s.written[topic]))
	}
	if err := producer.ProduceContext(ctx, kafka.State, partition, []byte{keyCommit}, commit); err != nil {
		return err
	}
	return producer.Flush(ctx)
}

// writeEffect notes that something takes effect before the tick at offset, before it does.
func writeEffect(ctx context.Context, producer *kafka.Producer, partition int32, e effect) error {
	key := binary.BigEndian.AppendUint64([]byte{keyEffect}, uint64(e.offset))
	key = append(key, e.key...)
	if err := producer.ProduceContext(ctx, kafka.State, partition, key, e.value); err != nil {
		return err
	}
	return producer.Flush(ctx)
}

// readSnapshot finds the newest whole snapshot of a partition and the effects
// after it; a partition without one starts at offset 0.
func readSnapshot(ctx context.Context, log *kafka.Client, partition int32) (snapshot, []effect, error) {
	var newest snapshot
	var effects []effect
	ranges, err := log.Offsets(ctx, kafka.State)
	if err != nil {
		return newest, nil, err
	}
	at := ranges[partition]
	var chunks [2][][]byte
	err = log.Read(ctx, kafka.State, partition, at.Low, at.High, func(records []kafka.Record) error {
		for i := range records {
			key, value := records[i].Key, records[i].Value
			switch {
			case len(key) == 6 && key[0] == keyChunk && key[1] < 2 && len(value) >= 8:
				slot, index := key[1], int(binary.BigEndian.Uint32(key[2:]))
				if index <= len(chunks[slot]) {
					chunks[slot] = append(chunks[slot][:index], append([]byte(nil), value...))
				}
			case len(key) == 1 && key[0] == keyCommit:
				s, err := assemble(value, &chunks)
				if errors.Is(err, errNewerSnapshot) {
					return err
				}
				if err == nil {
					newest, effects = s, effects[:0] // what acted before is part of it
				}
			case len(key) > 9 && key[0] == keyEffect:
				effects = append(effects, effect{int64(binary.BigEndian.Uint64(key[1:])), edit{string(key[9:]), slices.Clone(value)}})
			}
		}
		return nil
	})
	if err != nil {
		return snapshot{}, nil, fmt.Errorf("read the state of partition %d: %w", partition, err)
	}
	return newest, effects, nil
}

// assemble joins the chunks that a commit names; a damaged or cut snapshot is an error.
func assemble(commit []byte, chunks *[2][][]byte) (snapshot, error) {
	if len(commit) > 0 && commit[0] > snapshotVersion {
		return snapshot{}, errNewerSnapshot
	}
	if len(commit) != 18+8*len(outputs) || commit[0] != snapshotVersion || commit[1] > 1 {
		return snapshot{}, errors.New("damaged snapshot")
	}
	s := snapshot{slot: commit[1], next: int64(binary.BigEndian.Uint64(commit[2:])), written: map[string]int64{}}
	count := int(binary.BigEndian.Uint32(commit[10:]))
	if count > len(chunks[s.slot]) {
		return snapshot{}, errors.New("cut snapshot")
	}
	for _, part := range chunks[s.slot][:count] {
		if int64(binary.BigEndian.Uint64(part)) != s.next {
			return snapshot{}, errors.New("cut snapshot")
		}
		s.state = append(s.state, part[8:]...)
	}
	if crc32.ChecksumIEEE(s.state) != binary.BigEndian.Uint32(commit[14:]) {
		return snapshot{}, errors.New("damaged snapshot")
	}
	for i, topic := range outputs {
		s.written[topic] = int64(binary.BigEndian.Uint64(commit[18+8*i:]))
	}
	return s, nil
}

// outputs are the topics that the compute stage writes, in the order of the snapshot.
var outputs = []string{kafka.Bars, kafka.Features, kafka.Alerts, kafka.DeadLetters}
