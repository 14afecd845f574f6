package lake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"tapedeck/pipeline/market"
)

// Snapshot is what a table consists of at one moment. Every row of the lake
// is in it once: a row of ticks below Merged lies in Files, any other in
// Parts, and Files may hold rows at or above Merged, which do not count. Of the
// tables with a key, rows of Parts come before rows of Files with the same key.
// The files that it names stay for Config.Grace at least.
type Snapshot struct {
	Table  *Table
	Files  []File
	Parts  []Part
	Merged []Position // where Parts begin
	Ends   []Position // where Parts end: the newest topic's log holds what follows
	// Missing are the keys that could not be reached and of which no copy is
	// kept here; their rows are not in the snapshot. Only a Reader has them.
	Missing []string
}

// File is a merged file: the rows of one hour of the market.
type File struct {
	Key  string
	Hour Hour
	Size int64
	etag string
}

// Part is a piece of a partition's chain.
type Part struct {
	Key         string
	Topic       int // number in lake.json's list
	Partition   int32
	Start, End  int64
	Rows        int64
	Size        int64
	First, Last market.Time // of the rows' own times
}

// Position is a place in the log.
type Position struct {
	Topic     int // number in lake.json's list
	Partition int32
	Offset    int64
}

// Snapshot looks at a table.
func (l *Lake) Snapshot(ctx context.Context, table string) (*Snapshot, error) {
	t := TableOf(table)
	if t == nil {
		return nil, fmt.Errorf("no table %q", table)
	}
	for try := 0; ; try++ {
		s, err := l.snapshot(ctx, t)
		if errors.Is(err, errNotFound) && try < 5 {
			continue // what was listed has been cleared meanwhile: begin again
		}
		if err != nil {
			return nil, fmt.Errorf("look at %s: %w", t.Name, err)
		}
		return s, nil
	}
}

func (l *Lake) snapshot(ctx context.Context, t *Table) (*Snapshot, error) {
	// The order matters: what is merged after the manifest was read is still
	// in the parts, and what is in the files too early is recognised.
	m, _, err := l.readManifest(ctx, t.Name)
	if err != nil {
		return nil, err
	}
	s := &Snapshot{Table: t}
	topics := l.topics(t.Name)
	if len(topics) == 0 { // another process may have begun since this one opened
		if err := l.loadIndex(ctx); err != nil {
			return nil, err
		}
		topics = l.topics(t.Name)
	}
	for n, topic := range topics {
		if err := l.addParts(ctx, s, m, n, topic); err != nil {
			return nil, err
		}
	}
	err = l.bucket.list(ctx, t.Folder+"/", func(o object) error {
		if hour, ok := parseFolder(o.key); ok && o.key == t.file(hour) {
			s.Files = append(s.Files, File{Key: o.key, Hour: hour, Size: o.size, etag: o.etag})
		}
		return nil
	})
	return s, err
}

// file is the key of the table's merged file of an hour.
func (t *Table) file(h Hour) string { return t.Folder + "/" + h.folder() + "/data.parquet" }

// addParts walks the chains of a topic from where they are merged.
func (l *Lake) addParts(ctx context.Context, s *Snapshot, m *manifest, n int, topic string) error {
	chains := map[int32]map[int64]object{}
	for p := range m.Ends[topic] {
		if p, err := strconv.ParseInt(p, 10, 32); err == nil {
			chains[int32(p)] = nil
		}
	}
	err := l.bucket.list(ctx, stagingPrefix(s.Table.Name, topic), func(o object) error {
		if p, start, ok := parsePartKey(o.key); ok {
			if chains[p] == nil {
				chains[p] = map[int64]object{}
			}
			chains[p][start] = o
		}
		return nil
	})
	if err != nil {
		return err
	}
	partitions := make([]int32, 0, len(chains))
	for p := range chains {
		partitions = append(partitions, p)
	}
	slices.Sort(partitions)
	for _, p := range partitions {
		position := m.end(topic, p)
		s.Merged = append(s.Merged, Position{n, p, position})
		for {
			o, ok := chains[p][position]
			if !ok {
				break
			}
			h, err := l.readHead(ctx, o.key)
			if errors.Is(err, ErrAway) {
				s.Missing = append(s.Missing, o.key)
				break
			}
			if err != nil {
				return err
			}
			first, last := h.times()
			s.Parts = append(s.Parts, Part{
				Key: o.key, Topic: n, Partition: p, Start: h.Start, End: h.End,
				Rows: h.Rows, Size: o.size, First: first, Last: last,
			})
			position = h.End
		}
		s.Ends = append(s.Ends, Position{n, p, position})
	}
	return nil
}

// End is where the lake's rows of a partition of the newest topic end.
func (s *Snapshot) End(partition int32) int64 {
	newest := -1
	for _, p := range s.Ends {
		newest = max(newest, p.Topic)
	}
	for _, p := range s.Ends {
		if p.Topic == newest && p.Partition == partition {
			return p.Offset
		}
	}
	return 0
}

// Between drops the files and parts that hold no row with from <= time < to;
// a zero bound is open.
func (s *Snapshot) Between(from, to market.Time) {
	if from == 0 && to == 0 {
		return
	}
	s.Files = slices.DeleteFunc(s.Files, func(f File) bool {
		return from != 0 && (f.Hour+1).Start() <= from || to != 0 && f.Hour.Start() >= to
	})
	s.Parts = slices.DeleteFunc(s.Parts, func(p Part) bool {
		return p.Rows == 0 || from != 0 && p.Last < from || to != 0 && p.First >= to
	})
}
