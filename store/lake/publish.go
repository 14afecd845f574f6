package lake

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"tapedeck/pipeline/market"
)

const rawFolder = "raw/"

// rawKey is where an hour of ticks is published.
func (l *Lake) rawKey(h Hour) string {
	key := rawFolder + h.folder() + "/data.csv"
	switch l.config.Compression {
	case "gzip":
		return key + ".gz"
	case "zstd":
		return key + ".zst"
	}
	return key
}

// Publish writes raw/date=…/hour=…/data.csv for every sealed hour that has
// none, and gives those hours. The rows stand by topic, partition and offset,
// so that the bytes are the same whoever publishes; a file is never changed.
func (l *Lake) Publish(ctx context.Context) ([]Hour, error) {
	seals, err := l.sealed(ctx)
	if err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	there, err := l.published(ctx)
	if err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	var done []Hour
	for _, h := range seals {
		if there[h] {
			continue
		}
		err := l.publishHour(ctx, h)
		if err != nil {
			// It may have been published and cleared by another while we read.
			if _, herr := l.bucket.head(ctx, l.rawKey(h)); herr == nil {
				continue
			}
			return done, fmt.Errorf("publish hour %s: %w", h, err)
		}
		done = append(done, h)
	}
	if b, ok := l.bucket.(*s3Bucket); ok && len(done) > 0 {
		if err := b.sweepUploads(ctx, time.Now().Add(-24*time.Hour)); err != nil {
			l.log.Warn("unfinished uploads could not be tidied away", "error", err)
		}
	}
	return done, nil
}

// published are the hours that have their file, compressed in whatever way.
func (l *Lake) published(ctx context.Context) (map[Hour]bool, error) {
	there := map[Hour]bool{}
	err := l.bucket.list(ctx, rawFolder, func(o object) error {
		if h, ok := parseFolder(o.key); ok && strings.Contains(o.key, "/data.csv") {
			there[h] = true
		}
		return nil
	})
	return there, err
}

// publishedEnds are the ends of the newest seal up to which every hour is published.
func (l *Lake) publishedEnds(ctx context.Context) (ends, error) {
	seals, err := l.sealed(ctx)
	if err != nil {
		return nil, err
	}
	there, err := l.published(ctx)
	if err != nil {
		return nil, err
	}
	newest := -1
	for i, h := range seals {
		if !there[h] {
			break
		}
		newest = i
	}
	if newest < 0 {
		return ends{}, nil
	}
	s, err := l.readSeal(ctx, seals[newest])
	if err != nil {
		return nil, err
	}
	return s.Ends, nil
}

func (l *Lake) publishHour(ctx context.Context, h Hour) error {
	s, err := l.readSeal(ctx, h)
	if err != nil {
		return err
	}
	_, err = l.bucket.upload(ctx, l.rawKey(h), condition{absent: true}, func(w io.Writer) error {
		return l.writeHour(ctx, s, w)
	})
	if errors.Is(err, errPrecondition) {
		return nil // the same bytes are there
	}
	return err
}

// writeHour writes the rows between a seal's starts and ends.
func (l *Lake) writeHour(ctx context.Context, s *seal, w io.Writer) error {
	out := bufio.NewWriterSize(w, 1<<20)
	var compressor io.WriteCloser
	var err error
	switch l.config.Compression {
	case "gzip":
		compressor = gzip.NewWriter(out)
	case "zstd":
		if compressor, err = zstd.NewWriter(out, zstd.WithEncoderConcurrency(1)); err != nil {
			return err
		}
	}
	to := out
	if compressor != nil {
		// Equal writes make equal bytes, wherever the parts begin and end.
		to = bufio.NewWriterSize(compressor, 1<<20)
	}
	if _, err := to.WriteString(market.TickCSVHeader + "\n"); err != nil {
		return err
	}
	for _, topic := range l.topics(Ticks) {
		for _, p := range partitionsOf(s.Ends[topic]) {
			if err := l.writeChain(ctx, to, topic, p, s.Starts.of(topic, p), s.Ends.of(topic, p)); err != nil {
				return err
			}
		}
	}
	if err := to.Flush(); err != nil {
		return err
	}
	if compressor != nil {
		if err := compressor.Close(); err != nil {
			return err
		}
		return out.Flush()
	}
	return nil
}

func partitionsOf(offsets map[string]int64) []int32 {
	var partitions []int32
	for p := range offsets {
		if p, err := strconv.ParseInt(p, 10, 32); err == nil {
			partitions = append(partitions, int32(p))
		}
	}
	slices.Sort(partitions)
	return partitions
}

// writeChain copies the rows of the parts from one offset to another.
func (l *Lake) writeChain(ctx context.Context, w *bufio.Writer, topic string, partition int32, from, to int64) error {
	for from < to {
		key := partKey(Ticks, topic, partition, from)
		next, err := l.copyRows(ctx, w, key)
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		if next > to {
			return fmt.Errorf("%s ends at offset %d, beyond the seal's %d", key, next, to)
		}
		from = next
	}
	return nil
}

// copyRows copies a part without its header line, verifies it, and gives its end.
func (l *Lake) copyRows(ctx context.Context, w *bufio.Writer, key string) (end int64, err error) {
	body, err := l.openBody(ctx, key)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	in := bufio.NewReaderSize(body, 1<<18)
	if _, err := in.ReadSlice('\n'); err != nil {
		return 0, fmt.Errorf("%w: it has no header line", errTorn)
	}
	rows := int64(0)
	buffer := make([]byte, 1<<18)
	for {
		n, err := in.Read(buffer)
		rows += countRows(buffer[:n])
		if _, werr := w.Write(buffer[:n]); werr != nil {
			return 0, werr
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return 0, err
		}
	}
	if rows != body.head.Rows {
		return 0, fmt.Errorf("%w: %d rows, %d recorded", errTorn, rows, body.head.Rows)
	}
	return body.head.End, nil
}
