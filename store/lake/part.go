package lake

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
	"tapedeck/pipeline/market"
)

// partHead is what a part says about itself. It stands in front of the rows
// as a skippable frame of zstd (RFC 8878, 3.1.2), which every decoder passes
// over: the object is a plain .csv.zst for DuckDB and for zstd -d, and one
// short ranged read tells what it holds.
type partHead struct {
	Version   int    `json:"version"`
	Table     string `json:"table"`
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Start     int64  `json:"start"` // first offset
	End       int64  `json:"end"`   // offset after the last: the start of the next part
	Rows      int64  `json:"rows"`
	Skipped   int64  `json:"skipped,omitempty"` // records that could not be read
	Clocks    int64  `json:"clocks,omitempty"`
	Missing   int64  `json:"missing,omitempty"` // offsets that the log no longer had
	Hour      Hour   `json:"hour"`              // hour of the log's clock, never falling along a chain
	MinTime   int64  `json:"min_time,omitempty"`
	MaxTime   int64  `json:"max_time,omitempty"` // of the rows' own times, µs
	Bytes     int64  `json:"bytes"`              // of the body
	Sum       string `json:"sha256"`             // of the body
}

const (
	skippableMagic = 0x184D2A5A // one of the sixteen; the last digit is ours to choose
	headSize       = 1024       // of the frame, its 8 bytes of frame header included
	partSuffix     = ".csv.zst"
	stagingFolder  = "staging/"
)

func stagingPrefix(table, topic string) string {
	return stagingFolder + table + "/" + topic + "/"
}

func partKey(table, topic string, partition int32, start int64) string {
	return fmt.Sprintf("%s%d/%020d%s", stagingPrefix(table, topic), partition, start, partSuffix)
}

// parsePartKey reads partition and start from a key of stagingPrefix.
func parsePartKey(key string) (partition int32, start int64, ok bool) {
	dir, name := path.Split(key)
	digits, found := strings.CutSuffix(name, partSuffix)
	if !found {
		return 0, 0, false
	}
	p, err := strconv.ParseInt(path.Base(dir), 10, 32)
	if err != nil {
		return 0, 0, false
	}
	start, err = strconv.ParseInt(digits, 10, 64)
	return int32(p), start, err == nil && p >= 0 && start >= 0
}

// marshal is the whole part: head and body.
func (h *partHead) marshal(body []byte) ([]byte, error) {
	sum := sha256.Sum256(body)
	h.Version, h.Sum, h.Bytes = 1, hex.EncodeToString(sum[:]), int64(len(body))
	text, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	if len(text) > headSize-12 {
		return nil, fmt.Errorf("the head of a part is %d bytes long", len(text))
	}
	out := make([]byte, headSize, headSize+len(body))
	binary.LittleEndian.PutUint32(out, skippableMagic)
	binary.LittleEndian.PutUint32(out[4:], headSize-8)
	n := copy(out[8:], text)
	for i := 8 + n; i < headSize-4; i++ {
		out[i] = ' '
	}
	binary.LittleEndian.PutUint32(out[headSize-4:], crc32.ChecksumIEEE(out[8:headSize-4]))
	return append(out, body...), nil
}

var errTorn = errors.New("the part is damaged")

// parseHead reads a part's first headSize bytes.
func parseHead(data []byte) (*partHead, error) {
	if len(data) < headSize ||
		binary.LittleEndian.Uint32(data) != skippableMagic ||
		binary.LittleEndian.Uint32(data[4:]) != headSize-8 {
		return nil, fmt.Errorf("%w: it does not begin as a part", errTorn)
	}
	if crc32.ChecksumIEEE(data[8:headSize-4]) != binary.LittleEndian.Uint32(data[headSize-4:headSize]) {
		return nil, fmt.Errorf("%w: its head does not match its checksum", errTorn)
	}
	var h partHead
	if err := json.Unmarshal(bytes.TrimRight(data[8:headSize-4], " "), &h); err != nil {
		return nil, fmt.Errorf("%w: %w", errTorn, err)
	}
	if h.Version != 1 || h.Start < 0 || h.End <= h.Start || h.Rows < 0 {
		return nil, fmt.Errorf("%w: its head makes no sense", errTorn)
	}
	return &h, nil
}

// readHead reads the head of a part.
func (l *Lake) readHead(ctx context.Context, key string) (*partHead, error) {
	l.mu.Lock()
	h := l.heads[key]
	l.mu.Unlock()
	if h != nil {
		return h, nil
	}
	r, _, err := l.bucket.get(ctx, key, 0, headSize)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data := make([]byte, headSize)
	if _, err := io.ReadFull(r, data); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			err = errTorn
		}
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	h, err = parseHead(data)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	l.mu.Lock()
	if len(l.heads) > maxHeads {
		clear(l.heads)
	}
	l.heads[key] = h // parts never change
	l.mu.Unlock()
	return h, nil
}

const maxHeads = 200_000

// partBody decompresses the rows of a part, header line first, and verifies
// its checksum when it has been read to the end.
type partBody struct {
	closer io.Closer
	check  *checkReader
	zstd   *zstd.Decoder
	head   *partHead
}

func (l *Lake) openBody(ctx context.Context, key string) (*partBody, error) {
	r, _, err := l.bucket.get(ctx, key, 0, -1)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	data := make([]byte, headSize)
	_, err = io.ReadFull(r, data)
	var head *partHead
	if err == nil {
		head, err = parseHead(data)
	}
	if err != nil {
		r.Close()
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	check := &checkReader{r: r, hash: sha256.New(), key: key, head: head}
	dec, err := zstd.NewReader(check, zstd.WithDecoderConcurrency(1))
	if err != nil {
		r.Close()
		return nil, err
	}
	return &partBody{closer: r, check: check, zstd: dec, head: head}, nil
}

func (b *partBody) Read(p []byte) (int, error) { return b.zstd.Read(p) }

func (b *partBody) Close() error {
	b.zstd.Close()
	return b.closer.Close()
}

// times are the first and last own time of a part's rows; zero where it has none.
func (h *partHead) times() (first, last market.Time) {
	return market.Time(h.MinTime), market.Time(h.MaxTime)
}
