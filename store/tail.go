package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"

	"tapedeck/pipeline/market"
	"tapedeck/store/lake"
)

// tail keeps the rows of a topic that are in the log and not in the lake yet,
// as CSV files in the DB's folder. Each query reads only the records that
// came since the query before it; what the lake has taken over is dropped.
type tail struct {
	db    *DB
	table *lake.Table

	mu       sync.Mutex
	encoder  *lake.Encoder
	next     map[int32]int64 // where each partition is read on
	base     map[int32]int64 // from where on the segments hold every row
	segments []*segment
}

// segment is one file of a tail; it is removed when nobody uses it any more.
type segment struct {
	path string
	ends map[int32]int64 // the offsets behind its last rows
	size int64
	rows int64
	uses int // of running queries, plus 1 while it belongs to the tail
}

// maxSegments is how many files a query should have to open; more are joined.
const maxSegments = 24

func newTail(db *DB, t *lake.Table) *tail {
	return &tail{db: db, table: t, encoder: t.Encoder(), next: map[int32]int64{}, base: map[int32]int64{}}
}

// refresh reads what came to the log, and gives the files whose rows follow a
// snapshot. Of ticks they hold rows below the snapshot's end, too, which do
// not count. done must be called when the files are no longer needed.
func (t *tail) refresh(ctx context.Context, s *lake.Snapshot) (files []file, size int64, done func(), err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ends, err := t.db.config.Log.Ends(ctx, t.table.Name)
	if err != nil {
		return nil, 0, func() {}, err
	}
	start := map[int32]int64{}
	for p, end := range ends {
		start[p] = s.End(p)
		if end < t.next[p] {
			t.reset() // the log was made anew
		}
	}
	t.drop(start)
	for p, at := range start {
		if at < t.base[p] {
			return nil, 0, func() {}, errStale
		}
	}
	if err := t.read(ctx, start, ends); err != nil {
		return nil, 0, func() {}, err
	}
	if len(t.segments) > maxSegments {
		if err := t.join(); err != nil {
			return nil, 0, func() {}, err
		}
	}
	used := slices.Clone(t.segments)
	for _, seg := range used {
		seg.uses++
		files = append(files, file{path: seg.path, rows: seg.rows})
		size += seg.size
	}
	return files, size, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		for _, seg := range used {
			seg.release()
		}
	}, nil
}

// errStale says that a snapshot is older than what the tail has dropped,
// another query having seen a newer one: the lake holds those rows by now.
var errStale = errors.New("the snapshot is older than the tail")

func (t *tail) reset() {
	for _, seg := range t.segments {
		seg.release()
	}
	t.segments = nil
	clear(t.next)
	clear(t.base)
}

// drop forgets the segments that lie in the lake altogether.
func (t *tail) drop(start map[int32]int64) {
	t.segments = slices.DeleteFunc(t.segments, func(seg *segment) bool {
		for p, end := range seg.ends {
			if end > start[p] {
				return false
			}
		}
		for p, end := range seg.ends {
			t.base[p] = max(t.base[p], end)
		}
		seg.release()
		return true
	})
}

func (seg *segment) release() {
	seg.uses--
	if seg.uses == 0 {
		os.Remove(seg.path)
	}
}

// read makes one more segment of what came since the last time. An error
// leaves the tail as it was.
func (t *tail) read(ctx context.Context, start, ends map[int32]int64) (err error) {
	from := map[int32]int64{}
	for p, end := range ends {
		if at := max(t.next[p], start[p]); at < end {
			from[p] = at
		}
	}
	if len(from) == 0 {
		return nil
	}
	path := t.db.tempFile("-" + t.table.Name + ".csv")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			os.Remove(path)
		}
	}()
	w := bufio.NewWriterSize(f, 1<<18)
	w.WriteString(t.table.Header())
	seg := &segment{path: path, ends: map[int32]int64{}, uses: 1}
	var line []byte
	for _, p := range slices.Sorted(maps.Keys(from)) {
		err := t.db.config.Log.Read(ctx, t.table.Name, p, from[p], ends[p],
			func(offset int64, produced market.Time, _, value []byte) error {
				line = t.encoder.Append(line[:0], value, p, offset, produced)
				if len(line) == 0 {
					return nil
				}
				seg.rows++
				seg.ends[p] = offset + 1
				seg.size += int64(len(line))
				_, err := w.Write(line)
				return err
			})
		if err != nil {
			return fmt.Errorf("read the log of %s, partition %d: %w", t.table.Name, p, err)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for p, at := range from {
		if at > t.next[p] {
			t.base[p] = max(t.base[p], at)
		}
		t.next[p] = ends[p]
	}
	if seg.rows == 0 {
		os.Remove(path)
		return nil
	}
	t.segments = append(t.segments, seg)
	return nil
}

// join makes one segment of all.
func (t *tail) join() (err error) {
	all := &segment{path: t.db.tempFile("-" + t.table.Name + ".csv"), ends: map[int32]int64{}, uses: 1}
	f, err := os.OpenFile(all.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			os.Remove(all.path)
		}
	}()
	for i, seg := range t.segments {
		data, err := os.ReadFile(seg.path)
		if err != nil {
			return err
		}
		if i > 0 {
			data = data[min(len(t.table.Header()), len(data)):]
		}
		if _, err := f.Write(data); err != nil {
			return err
		}
		for p, end := range seg.ends {
			all.ends[p] = max(all.ends[p], end)
		}
		all.size += seg.size
		all.rows += seg.rows
	}
	for _, seg := range t.segments {
		seg.release()
	}
	t.segments = []*segment{all}
	return nil
}
