package lake

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// checkpointFolder holds the states that jobs go on from.
const checkpointFolder = "checkpoints/"

func checkpointKey(job string, h Hour) string {
	return checkpointFolder + job + "/" + h.folder() + ".state"
}

// SaveCheckpoint keeps the state of a job after all published hours up to h.
// The same job at the same hour has the same state, so that the first stays.
func (l *Lake) SaveCheckpoint(ctx context.Context, job string, h Hour, state []byte) error {
	sum := sha256.Sum256(state)
	_, err := l.bucket.put(ctx, checkpointKey(job, h), condition{}, l.zstd.EncodeAll(state, sum[:]))
	if err != nil {
		return fmt.Errorf("save the checkpoint %s %s: %w", job, h, err)
	}
	return nil
}

// Checkpoint gives the newest state of a job after an hour before the given
// one, and that hour; -1 and nil where there is none. A damaged one is passed
// over.
func (l *Lake) Checkpoint(ctx context.Context, job string, before Hour) (Hour, []byte, error) {
	var hours []Hour
	err := l.bucket.list(ctx, checkpointFolder+job+"/", func(o object) error {
		if h, ok := parseFolder(o.key); ok && strings.HasSuffix(o.key, ".state") && h < before {
			hours = append(hours, h)
		}
		return nil
	})
	if err != nil {
		return -1, nil, fmt.Errorf("look for checkpoints of %s: %w", job, err)
	}
	newest := -1
	for i, h := range hours {
		if newest < 0 || h > hours[newest] {
			newest = i
		}
	}
	if newest < 0 {
		return -1, nil, nil
	}
	state, err := l.readCheckpoint(ctx, checkpointKey(job, hours[newest]))
	if errors.Is(err, errTorn) || errors.Is(err, errNotFound) {
		l.log.Warn("a checkpoint cannot be used", "job", job, "hour", hours[newest].String(), "error", err)
		return l.Checkpoint(ctx, job, hours[newest])
	}
	return hours[newest], state, err
}

// maxCheckpoint bounds what a checkpoint may unpack to.
const maxCheckpoint = 4 << 30

func (l *Lake) readCheckpoint(ctx context.Context, key string) ([]byte, error) {
	data, _, err := readAll(ctx, l.bucket, key)
	if err != nil {
		return nil, err
	}
	if len(data) < sha256.Size {
		return nil, errTorn
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxCheckpoint))
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	state, err := dec.DecodeAll(data[sha256.Size:], nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errTorn, err)
	}
	if sum := sha256.Sum256(state); string(sum[:]) != string(data[:sha256.Size]) {
		return nil, errTorn
	}
	return state, nil
}
