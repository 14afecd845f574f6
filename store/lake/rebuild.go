package lake

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"tapedeck/pipeline/market"
)

// RawTick is a row of the raw lake and its place in the log.
type RawTick struct {
	market.Tick
	Topic     int // number in lake.json's list
	Partition int32
	Offset    int64
	Produced  market.Time // the end of its hour in the log: it was written before that
}

// Span is a piece of a partition of the log: from ≤ offset < to.
type Span struct {
	Topic     int // number in lake.json's list
	Partition int32
	From, To  int64
}

// ReadRaw gives fn every tick of the raw lake that was written to the log in
// the hour from on or later: the published hours, each by topic, partition and
// offset, and then what is not published yet. Of a partition, rows come in the
// order of their offsets. hourDone is told after every published hour, with
// the share of the work that is done; it may be nil. Read are the spans of which
// every row was given; they begin above 0 where older hours have expired.
func (l *Lake) ReadRaw(ctx context.Context, from Hour, fn func(*RawTick) error, hourDone func(h Hour, share float64) error) (read []Span, err error) {
	seals, err := l.sealed(ctx)
	if err != nil {
		return nil, err
	}
	there, err := l.rawFiles(ctx)
	if err != nil {
		return nil, err
	}
	published, begin := ends{}, ends(nil)
	for i, h := range seals {
		key, ok := there[h]
		if !ok {
			break // the chains have it and all that follows
		}
		s, err := l.readSeal(ctx, h)
		if err != nil {
			return nil, err
		}
		published = s.Ends
		if h < from {
			continue
		}
		if begin == nil {
			begin = s.Starts
		}
		if err := l.readHour(ctx, key, h, fn); err != nil {
			return nil, fmt.Errorf("read %s: %w", key, err)
		}
		if hourDone != nil {
			if err := hourDone(h, float64(i+1)/float64(len(seals)+1)); err != nil {
				return nil, err
			}
		}
	}
	s := &Snapshot{Table: TableOf(Ticks)}
	for n, topic := range l.topics(Ticks) { // of a partition without parts the ends are what is published
		if err := l.addParts(ctx, s, &manifest{Ends: published}, n, topic); err != nil {
			return nil, err
		}
	}
	for _, p := range s.Parts {
		if err := l.readPart(ctx, p, fn); err != nil {
			return nil, fmt.Errorf("read %s: %w", p.Key, err)
		}
	}
	if begin == nil {
		begin = published
	}
	topics := l.topics(Ticks)
	for _, e := range s.Ends {
		read = append(read, Span{e.Topic, e.Partition, begin.of(topics[e.Topic], e.Partition), e.Offset})
	}
	return read, ctx.Err()
}

// rawFiles are the published hours' keys.
func (l *Lake) rawFiles(ctx context.Context) (map[Hour]string, error) {
	files := map[Hour]string{}
	err := l.bucket.list(ctx, rawFolder, func(o object) error {
		if h, ok := parseFolder(o.key); ok && strings.Contains(o.key, "/data.csv") {
			files[h] = o.key
		}
		return nil
	})
	return files, err
}

func (l *Lake) readHour(ctx context.Context, key string, h Hour, fn func(*RawTick) error) error {
	s, err := l.readSeal(ctx, h)
	if err != nil {
		return err
	}
	r, _, err := l.bucket.get(ctx, key, 0, -1)
	if err != nil {
		return err
	}
	defer r.Close()
	var in io.Reader = r
	switch {
	case strings.HasSuffix(key, ".gz"):
		if in, err = gzip.NewReader(r); err != nil {
			return err
		}
	case strings.HasSuffix(key, ".zst"):
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return err
		}
		defer z.Close()
		in = z
	}
	// The rows stand topic after topic, and within one by partition and
	// offset: where these go back, the next topic begins.
	topics := make([]int, 0, 1)
	for n, id := range l.topics(Ticks) {
		for _, p := range partitionsOf(s.Ends[id]) {
			if s.Starts.of(id, p) < s.Ends.of(id, p) {
				topics = append(topics, n)
				break
			}
		}
	}
	at, partition, offset := 0, int32(-1), int64(-1)
	return readTicks(in, (h + 1).Start(), func(t *RawTick) error {
		if t.Partition < partition || t.Partition == partition && t.Offset <= offset {
			at++
		}
		partition, offset = t.Partition, t.Offset
		if at >= len(topics) {
			return fmt.Errorf("%w: its rows are not in the order of a published hour", errTorn)
		}
		t.Topic = topics[at]
		return fn(t)
	})
}

func (l *Lake) readPart(ctx context.Context, p Part, fn func(*RawTick) error) error {
	body, err := l.openBody(ctx, p.Key)
	if err != nil {
		return err
	}
	defer body.Close()
	return readTicks(body, (body.head.Hour + 1).Start(), func(t *RawTick) error {
		t.Topic = p.Topic
		return fn(t)
	})
}

// Rewriting replaces rows of merged files by rows that were computed anew. Add
// rows, then Commit; Close in any case. Not for concurrent use.
type Rewriting struct {
	lake  *Lake
	table *Table
	dir   string
	files map[int]*rewritten // by number of the topic
	rows  int64
}

type rewritten struct {
	path string
	file *os.File
	zstd *zstd.Encoder
	buf  []byte
}

// Rewrite begins to replace rows of a table.
func (l *Lake) Rewrite(table string) (*Rewriting, error) {
	t := TableOf(table)
	if t == nil {
		return nil, fmt.Errorf("rewrite: no table %q", table)
	}
	dir, err := os.MkdirTemp(l.config.Temp, "tapedeck-rewrite-")
	if err != nil {
		return nil, fmt.Errorf("rewrite %s: %w", table, err)
	}
	return &Rewriting{lake: l, table: t, dir: dir, files: map[int]*rewritten{}}, nil
}

// Add takes one row in the table's CSV form; topic is the number of its log's
// topic, where the table's rows have a place in it.
func (w *Rewriting) Add(topic int, row []byte) error {
	f := w.files[topic]
	if f == nil {
		f = &rewritten{path: filepath.Join(w.dir, fmt.Sprintf("%d.csv.zst", topic))}
		var err error
		if f.file, err = os.Create(f.path); err != nil {
			return diskError(err)
		}
		if f.zstd, err = zstd.NewWriter(f.file, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2)); err != nil {
			return err
		}
		f.buf = append(f.buf, w.table.Header()...)
		w.files[topic] = f
	}
	f.buf = append(f.buf, row...)
	w.rows++
	if len(f.buf) < blockSize {
		return nil
	}
	return f.flush()
}

func (f *rewritten) flush() error {
	_, err := f.zstd.Write(f.buf)
	f.buf = f.buf[:0]
	return diskError(err)
}

// Commit puts the rows into the files of the hours from ≤ h < to. A file keeps
// the rows that were not computed anew: of ticks those outside the given spans,
// of a table with a key those whose key is not among the new ones.
// It may run beside everything else, and be repeated after a failure. progress
// is told the share that is done, and may be nil.
func (w *Rewriting) Commit(ctx context.Context, from, to Hour, read []Span, progress func(share float64)) (files int, err error) {
	for _, f := range w.files {
		if err := f.flush(); err != nil {
			return 0, err
		}
		if err := errors.Join(f.zstd.Close(), f.file.Close()); err != nil {
			return 0, diskError(err)
		}
		f.file = nil
	}
	m, closeDB, err := w.lake.openMerger(ctx, w.table, w.dir, nil, muchMemory)
	if err != nil {
		return 0, err
	}
	defer closeDB()
	m.replaces = &read
	byTopic := map[int][]string{}
	for topic, f := range w.files {
		byTopic[topic] = []string{quote(f.path)}
	}
	if len(byTopic) == 0 {
		empty := filepath.Join(w.dir, "empty.csv.zst")
		if err := os.WriteFile(empty, w.lake.zstd.EncodeAll([]byte(w.table.Header()), nil), 0o600); err != nil {
			return 0, diskError(err)
		}
		byTopic[0] = []string{quote(empty)}
	}
	if err := m.loadFiles(ctx, byTopic); err != nil {
		return 0, err
	}
	hours, err := m.hours(ctx)
	if err != nil {
		return 0, err
	}
	s := &Snapshot{Table: w.table}
	err = w.lake.bucket.list(ctx, w.table.Folder+"/", func(o object) error {
		if h, ok := parseFolder(o.key); ok && o.key == w.table.file(h) {
			s.Files = append(s.Files, File{Hour: h})
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for _, f := range s.Files {
		if len(w.table.Key) == 0 { // an hour of which nothing is left must lose its rows, too
			hours = append(hours, f.Hour)
		}
	}
	slices.Sort(hours)
	hours = slices.DeleteFunc(slices.Compact(hours), func(h Hour) bool { return h < from || h >= to })
	for i, h := range hours {
		if err := m.file(ctx, h); err != nil {
			return files, fmt.Errorf("%s: %w", w.table.file(h), err)
		}
		files++
		if progress != nil {
			progress(float64(i+1) / float64(len(hours)))
		}
	}
	return files, nil
}

// Rows is how many rows were added.
func (w *Rewriting) Rows() int64 { return w.rows }

// Close removes the temporary files.
func (w *Rewriting) Close() error {
	for _, f := range w.files {
		if f.file != nil {
			f.zstd.Close()
			f.file.Close()
		}
	}
	return os.RemoveAll(w.dir)
}
