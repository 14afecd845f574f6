package lake

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/duckdb/duckdb-go/v2"
	"github.com/klauspost/compress/zstd"
	"tapedeck/pipeline/market"
)

// Problem is something that Verify found.
type Problem struct {
	Key  string // of the object, or the chain
	What string // in words, with what to do
}

func (p Problem) String() string { return p.Key + ": " + p.What }

// Verify reads the whole lake and says what is not as it should be: gaps and
// overlaps of offsets, checksums, hours that differ from their seal, files
// that cannot be read or hold a row twice. progress is told every object, and
// may be nil. An error means that the lake could not be read to the end.
func (l *Lake) Verify(ctx context.Context, progress func(key string)) ([]Problem, error) {
	if progress == nil {
		progress = func(string) {}
	}
	if err := l.loadIndex(ctx); err != nil {
		return nil, err
	}
	v := &verifier{lake: l, progress: progress}
	for _, t := range tables {
		if err := v.chains(ctx, t); err != nil {
			return v.problems, fmt.Errorf("verify %s: %w", t.Name, err)
		}
		if err := v.files(ctx, t); err != nil {
			return v.problems, fmt.Errorf("verify %s: %w", t.Name, err)
		}
	}
	if err := v.hours(ctx); err != nil {
		return v.problems, fmt.Errorf("verify the published hours: %w", err)
	}
	return v.problems, nil
}

type verifier struct {
	lake     *Lake
	progress func(string)
	problems []Problem
}

func (v *verifier) report(key, format string, args ...any) {
	v.problems = append(v.problems, Problem{key, fmt.Sprintf(format, args...)})
}

// chains reads every part from where its table is merged (of ticks: or
// published, whichever is less) on.
func (v *verifier) chains(ctx context.Context, t *Table) error {
	m, _, err := v.lake.readManifest(ctx, t.Name)
	if err != nil {
		return err
	}
	for _, topic := range v.lake.topics(t.Name) {
		starts := map[int32][]int64{}
		err := v.lake.bucket.list(ctx, stagingPrefix(t.Name, topic), func(o object) error {
			if p, start, ok := parsePartKey(o.key); ok {
				starts[p] = append(starts[p], start)
			}
			return nil
		})
		if err != nil {
			return err
		}
		for p, list := range starts {
			slices.Sort(list)
			if err := v.chain(ctx, t, topic, p, m.end(topic, p), list); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *verifier) chain(ctx context.Context, t *Table, topic string, p int32, merged int64, starts []int64) error {
	position := merged
	for _, start := range starts {
		key := partKey(t.Name, topic, p, start)
		v.progress(key)
		h, err := v.lake.readHead(ctx, key)
		if errors.Is(err, errNotFound) {
			continue // cleared meanwhile
		}
		if errors.Is(err, errTorn) {
			v.report(key, "its head is damaged; restore the object, or the rows from offset %d on are lost", start)
			continue
		}
		if err != nil {
			return err
		}
		switch {
		case start < merged: // merged already, kept for a while
		case start < position:
			v.report(key, "overlaps the part before it, which ends at offset %d; it is not read, a late writer left it", position)
		case start > position:
			v.report(key, "does not follow the part before it: the offsets %d to %d are missing", position, start-1)
			position = h.End
		default:
			position = h.End
		}
		if err := v.body(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) body(ctx context.Context, key string) error {
	body, err := v.lake.openBody(ctx, key)
	if errors.Is(err, errNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	defer body.Close()
	rows := int64(-1) // the header line
	buffer := make([]byte, 1<<16)
	for {
		n, err := body.Read(buffer)
		rows += countRows(buffer[:n])
		if err == io.EOF {
			break
		}
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			v.report(key, "cannot be read: %v", err)
			return nil
		}
	}
	if rows != body.head.Rows {
		v.report(key, "holds %d rows, not the %d that it says", rows, body.head.Rows)
	}
	return nil
}

// hours reads the published files against their seals.
func (v *verifier) hours(ctx context.Context) error {
	hours, err := v.lake.sealed(ctx)
	if err != nil {
		return err
	}
	there := map[Hour]string{}
	err = v.lake.bucket.list(ctx, rawFolder, func(o object) error {
		if h, ok := parseFolder(o.key); ok {
			there[h] = o.key
		}
		return nil
	})
	if err != nil {
		return err
	}
	var before *seal
	for _, h := range hours {
		s, err := v.lake.readSeal(ctx, h)
		if err != nil {
			return err
		}
		if before != nil && s.Previous == before.Hour && !sameEnds(before.Ends, s.Starts) {
			v.report(sealKey(h), "does not begin where the hour %s ends", before.Hour)
		}
		before = s
		if key, ok := there[h]; ok {
			v.progress(key)
			if err := v.hour(ctx, key, s); err != nil {
				return err
			}
		}
	}
	return nil
}

func sameEnds(a, b ends) bool {
	for topic, partitions := range b {
		for p, offset := range partitions {
			if a[topic][p] != offset {
				return false
			}
		}
	}
	return true
}

// hour reads one file: its offsets must rise and lie within the seal's.
func (v *verifier) hour(ctx context.Context, key string, s *seal) error {
	r, _, err := v.lake.bucket.get(ctx, key, 0, -1)
	if errors.Is(err, errNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	defer r.Close()
	var in io.Reader = r
	switch {
	case strings.HasSuffix(key, ".gz"):
		if in, err = gzip.NewReader(r); err != nil {
			v.report(key, "cannot be read: %v", err)
			return nil
		}
	case strings.HasSuffix(key, ".zst"):
		dec, err := zstd.NewReader(r)
		if err != nil {
			return err
		}
		defer dec.Close()
		in = dec
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 1<<16), 1<<20)
	topics := v.lake.topics(Ticks)
	topic, partition, last, n := 0, int32(-1), int64(-1), 0
	for lines.Scan() {
		if n++; n == 1 {
			if lines.Text() != market.TickCSVHeader {
				v.report(key, "does not begin with the columns' names")
				return nil
			}
			continue
		}
		p, offset, ok := place(lines.Bytes())
		if !ok {
			v.report(key, "line %d is no row", n)
			return nil
		}
		if p < partition { // the next topic
			topic++
		}
		if p != partition {
			partition, last = p, -1
		}
		for topic < len(topics)-1 && offset >= s.Ends.of(topics[topic], p) {
			topic++
		}
		if topic >= len(topics) || offset <= last || offset < s.Starts.of(topics[topic], p) || offset >= s.Ends.of(topics[topic], p) {
			v.report(key, "line %d: partition %d offset %d does not belong there", n, p, offset)
			return nil
		}
		last = offset
	}
	if err := lines.Err(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		v.report(key, "cannot be read: %v", err)
	}
	return nil
}

// place reads the last two fields of a row.
func place(line []byte) (partition int32, offset int64, ok bool) {
	i := bytes.LastIndexByte(line, ',')
	if i < 0 {
		return 0, 0, false
	}
	j := bytes.LastIndexByte(line[:i], ',')
	if j < 0 {
		return 0, 0, false
	}
	p, err1 := strconv.ParseInt(string(line[j+1:i]), 10, 32)
	offset, err2 := strconv.ParseInt(string(line[i+1:]), 10, 64)
	return int32(p), offset, err1 == nil && err2 == nil
}

// files reads every merged file whole, and counts its rows and their keys.
func (v *verifier) files(ctx context.Context, t *Table) error {
	counts, err := v.lake.countFiles(ctx, t)
	if err != nil {
		return err
	}
	v.problems = append(v.problems, counts.problems...)
	return nil
}

type fileCounts struct {
	rows, distinct int64
	problems       []Problem
}

// countFiles counts the rows and the different keys of a table's files.
func (l *Lake) countFiles(ctx context.Context, t *Table) (total fileCounts, err error) {
	connector, err := duckdb.NewConnector("", nil)
	if err != nil {
		return total, err
	}
	defer connector.Close()
	db := sql.OpenDB(connector)
	defer db.Close()
	key := t.Key
	if len(key) == 0 {
		key = []string{Place, "partition", "offset"}
	}
	err = l.bucket.list(ctx, t.Folder+"/", func(o object) error {
		h, ok := parseFolder(o.key)
		if !ok || o.key != t.file(h) {
			return nil
		}
		path, err := l.Local(ctx, o.key)
		if err != nil {
			return err
		}
		var rows, distinct, strangers int64
		err = db.QueryRowContext(ctx, fmt.Sprintf(`SELECT count(*), count(DISTINCT (%s)), count(*) FILTER ((epoch_us(%s) // 3600000000) <> %d) FROM read_parquet(%s, hive_partitioning = false)`,
			idents(key), ident(t.Time), h, quote(path))).Scan(&rows, &distinct, &strangers)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			total.problems = append(total.problems, Problem{o.key, fmt.Sprintf("cannot be read: %v", err)})
			return nil
		case rows != distinct:
			total.problems = append(total.problems, Problem{o.key, fmt.Sprintf("holds %d rows more than once", rows-distinct)})
		case strangers > 0:
			total.problems = append(total.problems, Problem{o.key, fmt.Sprintf("holds %d rows of other hours", strangers)})
		}
		total.rows += rows
		total.distinct += distinct
		return nil
	})
	return total, err
}
