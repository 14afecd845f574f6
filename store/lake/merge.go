package lake

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/duckdb/duckdb-go/v2"
)

// Merged is what a merge did.
type Merged struct {
	Parts int
	Rows  int64 // taken from the parts
	Files int   // written
}

const (
	// mergeRows is how many rows one step takes at most, which bounds its memory and time.
	mergeRows = 1_000_000
	// muchMemory is for what does not go within Config.MergeMemory, and for
	// files that are computed anew as a whole.
	muchMemory = "1GB"
	// RowGroup is the rows of a Parquet row group: small enough that one
	// symbol is read without many others, large enough to scan fast.
	RowGroup = 61_440
)

// Merge carries the rows of a table's parts into its files, one an hour of
// the rows' own time, and then says in the manifest that they are there.
//
// It may be killed at any moment and run any number of times at once: a file
// only ever gains rows, replaced under If-Match, so that whoever reads by the
// manifest of before recognises what came too early, by its offset or key;
// and the manifest moves on only when every file has been written.
func (l *Lake) Merge(ctx context.Context, table string) (Merged, error) {
	t := TableOf(table)
	if t == nil {
		return Merged{}, fmt.Errorf("merge: no table %q", table)
	}
	var total Merged
	for {
		done, more, err := l.mergeStep(ctx, t)
		total.Parts += done.Parts
		total.Rows += done.Rows
		total.Files += done.Files
		if errors.Is(err, errPrecondition) || errors.Is(err, errNotFound) {
			if ctx.Err() == nil {
				continue // someone else has merged meanwhile
			}
		}
		if err != nil {
			return total, fmt.Errorf("merge %s: %w", t.Name, err)
		}
		if !more {
			return total, nil
		}
	}
}

func (l *Lake) mergeStep(ctx context.Context, t *Table) (done Merged, more bool, err error) {
	m, obj, err := l.readManifest(ctx, t.Name)
	if err != nil {
		return done, false, err
	}
	s := &Snapshot{Table: t}
	topics := l.topics(t.Name)
	for n, topic := range topics {
		if err := l.addParts(ctx, s, m, n, topic); err != nil {
			return done, false, err
		}
	}
	if len(s.Parts) == 0 {
		return done, false, nil
	}
	parts := chooseParts(s.Parts)
	more = len(parts) < len(s.Parts)
	to := m.Ends.clone()
	for _, p := range parts {
		to.set(topics[p.Topic], p.Partition, p.End)
		done.Rows += p.Rows
	}
	done.Parts = len(parts)
	if done.Rows > 0 {
		done.Files, err = l.mergeFiles(ctx, t, s.Merged, parts, l.config.MergeMemory)
		if outOfMemory(err) {
			l.log.Warn("a merge needs more memory than usual", "table", t.Name, "usual", l.config.MergeMemory, "now", muchMemory)
			done.Files, err = l.mergeFiles(ctx, t, s.Merged, parts, muchMemory)
		}
		if err != nil {
			return done, false, err
		}
	}
	now := time.Now().UTC()
	next := &manifest{Version: 1, Table: t.Name, Generation: m.Generation + 1, Merged: now, Ends: to,
		Before: []pastManifest{{Until: now, Ends: m.Ends}}}
	for _, b := range m.Before {
		if now.Sub(b.Until) < l.config.Grace {
			next.Before = append(next.Before, b)
		}
	}
	if err := l.writeManifest(ctx, next, obj); err != nil {
		return done, false, err
	}
	return done, more, nil
}

// chooseParts takes parts from the front of every chain, in turn, until a
// step has its fill.
func chooseParts(all []Part) []Part {
	type chain struct {
		topic     int
		partition int32
	}
	chains := map[chain][]Part{}
	var order []chain
	for _, p := range all {
		c := chain{p.Topic, p.Partition}
		if chains[c] == nil {
			order = append(order, c)
		}
		chains[c] = append(chains[c], p)
	}
	var chosen []Part
	rows := int64(0)
	for left := true; left; {
		left = false
		for _, c := range order {
			if len(chains[c]) == 0 {
				continue
			}
			if len(chosen) > 0 && rows >= mergeRows {
				return chosen
			}
			p := chains[c][0]
			chains[c] = chains[c][1:]
			chosen = append(chosen, p)
			rows += p.Rows
			left = true
		}
	}
	return chosen
}

// merger is one step's work in DuckDB.
type merger struct {
	lake   *Lake
	table  *Table
	db     *sql.DB
	dir    string
	merged []Position
	// replaces are the spans of the log that fresh rows were computed anew
	// from: they replace what is there of them. Nil adds to what is there.
	replaces *[]Span
}

// outOfMemory says that DuckDB needed more than it was given.
func outOfMemory(err error) bool {
	var e *duckdb.Error
	return errors.As(err, &e) && e.Type == duckdb.ErrorTypeOutOfMemory
}

func (l *Lake) mergeFiles(ctx context.Context, t *Table, merged []Position, parts []Part, memory string) (files int, err error) {
	dir, err := os.MkdirTemp(l.config.Temp, "tapedeck-merge-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	w, closeDB, err := l.openMerger(ctx, t, dir, merged, memory)
	if err != nil {
		return 0, err
	}
	defer closeDB()
	if err := w.load(ctx, parts); err != nil {
		return 0, err
	}
	hours, err := w.hours(ctx)
	if err != nil {
		return 0, err
	}
	for _, h := range hours {
		if err := w.file(ctx, h); err != nil {
			return files, fmt.Errorf("%s: %w", t.file(h), err)
		}
		files++
	}
	return files, nil
}

// openMerger opens a DuckDB of its own, with its temporary files in dir and so
// much memory, as DuckDB writes it.
func (l *Lake) openMerger(ctx context.Context, t *Table, dir string, merged []Position, memory string) (w *merger, closeDB func(), err error) {
	connector, err := duckdb.NewConnector("", nil)
	if err != nil {
		return nil, nil, err
	}
	db := sql.OpenDB(connector)
	closeDB = func() {
		db.Close()
		connector.Close()
	}
	db.SetMaxOpenConns(1)
	for _, statement := range []string{
		"SET memory_limit = " + quote(memory),
		"SET threads = 1", // each takes memory of its own, and nobody waits
		"SET temp_directory = " + quote(filepath.Join(dir, "spill")),
		"SET TimeZone = 'UTC'",
		"SET preserve_insertion_order = false",
		"SET disabled_optimizers = 'top_n_window_elimination'", // it drops rows whose order is NULL: duckdb/duckdb issue 24363
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			closeDB()
			return nil, nil, err
		}
	}
	return &merger{lake: l, table: t, db: db, dir: dir, merged: merged}, closeDB, nil
}

// load reads the parts into the table fresh.
func (w *merger) load(ctx context.Context, parts []Part) error {
	byTopic := map[int][]string{}
	for _, p := range parts {
		if p.Rows == 0 {
			continue
		}
		path, err := w.lake.Local(ctx, p.Key)
		if err != nil {
			return err
		}
		byTopic[p.Topic] = append(byTopic[p.Topic], quote(path))
	}
	return w.loadFiles(ctx, byTopic)
}

// loadFiles reads quoted names of compressed CSV files, by topic, into the table fresh.
func (w *merger) loadFiles(ctx context.Context, byTopic map[int][]string) error {
	var branches []string
	for topic, paths := range byTopic {
		var columns []string
		for _, c := range w.table.Columns {
			columns = append(columns, quote(c.Name)+": "+quote(c.Type))
		}
		branches = append(branches, fmt.Sprintf(`SELECT *, %d AS %s FROM read_csv([%s], columns = {%s}, header = true, auto_detect = false, delim = ',', quote = '"', escape = '"', nullstr = '', compression = 'zstd')`,
			topic, Place, strings.Join(paths, ", "), strings.Join(columns, ", ")))
	}
	slices.Sort(branches)
	t := w.table
	one := ""
	if len(t.Key) > 0 {
		one = " QUALIFY row_number() OVER (PARTITION BY " + idents(t.Key)
		if t.Revision != "" {
			one += " ORDER BY " + ident(t.Revision) + " DESC"
		}
		one += ") = 1"
	}
	_, err := w.db.ExecContext(ctx, fmt.Sprintf("CREATE TABLE fresh AS SELECT *, (epoch_us(%s) // 3600000000)::BIGINT AS hour_ FROM (%s)%s",
		ident(t.Time), strings.Join(branches, " UNION ALL "), one))
	if err != nil {
		return fmt.Errorf("read the parts: %w", err)
	}
	return nil
}

func (w *merger) hours(ctx context.Context) ([]Hour, error) {
	rows, err := w.db.QueryContext(ctx, "SELECT DISTINCT hour_ FROM fresh ORDER BY 1")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var hours []Hour
	for rows.Next() {
		var h sql.NullInt64
		if err := rows.Scan(&h); err != nil {
			return nil, err
		}
		hours = append(hours, Hour(h.Int64))
	}
	return hours, rows.Err()
}

// file replaces the file of one hour by one that has the fresh rows, too.
func (w *merger) file(ctx context.Context, h Hour) error {
	key := w.table.file(h)
	for try := 0; ; try++ {
		old, err := w.lake.bucket.head(ctx, key)
		if err != nil && !errors.Is(err, errNotFound) {
			return err
		}
		path := ""
		if old.etag != "" {
			if path, err = w.lake.Local(ctx, key); err != nil {
				return err
			}
		}
		out := filepath.Join(w.dir, "out.parquet")
		if err := w.write(ctx, h, path, out); err != nil {
			return err
		}
		_, err = w.lake.bucket.upload(ctx, key, condition{absent: old.etag == "", match: old.etag}, func(to io.Writer) error {
			f, err := os.Open(out)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = io.Copy(to, bufio.NewReaderSize(f, 1<<20))
			return err
		})
		if errors.Is(err, errPrecondition) && try < 10 {
			continue // another merge was quicker, or it was our own retry: add to what is there
		}
		return err
	}
}

func (w *merger) write(ctx context.Context, h Hour, old, out string) error {
	var list []string
	for _, c := range w.table.Columns {
		list = append(list, ident(c.Name))
	}
	if len(w.table.Key) == 0 || slices.Contains(w.table.Key, Place) {
		list = append(list, ident(Place))
	}
	columns := strings.Join(list, ", ")
	fresh := fmt.Sprintf("SELECT %s FROM fresh WHERE coalesce(hour_, 0) = %d", columns, h)
	q, rows := fresh, []string{fresh}
	if old != "" {
		before := fmt.Sprintf("SELECT %s FROM read_parquet(%s, hive_partitioning = false)", columns, quote(old))
		near, err := w.near(ctx, h)
		if err != nil {
			return err
		}
		q, rows = w.union(before, near, fresh), append(rows, before)
	}
	metadata := ""
	if len(w.table.Key) == 0 {
		ends, err := w.ends(ctx, rows...)
		if err != nil {
			return err
		}
		metadata = fmt.Sprintf(", KV_METADATA {%s: %s}", EndsKey, quote(FormatEnds(ends)))
	}
	var sort []string
	for _, c := range w.table.Sort {
		if c != Place || slices.Contains(list, ident(Place)) {
			sort = append(sort, ident(c))
		}
	}
	_, err := w.db.ExecContext(ctx, fmt.Sprintf("COPY (SELECT * FROM (%s) ORDER BY %s) TO %s (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE %d, PRESERVE_ORDER true%s)",
		q, strings.Join(sort, ", "), quote(out), RowGroup, metadata))
	return err
}

// near is a condition on the rows that can have a fresh row's key: those of its
// times. Of a whole hour more would have to be kept in memory than a merge has.
func (w *merger) near(ctx context.Context, h Hour) (string, error) {
	at := ident(w.table.Time)
	if !slices.Contains(w.table.Key, w.table.Time) {
		return "true", nil
	}
	var from, to sql.NullInt64
	row := w.db.QueryRowContext(ctx, fmt.Sprintf("SELECT epoch_us(min(%[1]s)), epoch_us(max(%[1]s)) FROM fresh WHERE coalesce(hour_, 0) = %[2]d", at, h))
	if err := row.Scan(&from, &to); err != nil {
		return "", err
	}
	if !from.Valid {
		return at + " IS NULL", nil
	}
	return fmt.Sprintf("(%[1]s IS NULL OR %[1]s BETWEEN make_timestamp(%[2]d) AND make_timestamp(%[3]d))", at, from.Int64, to.Int64), nil
}

// union is what a file holds after a merge: every row once, nothing less than
// before. near is a condition on the rows of before that fresh ones can be.
func (w *merger) union(before, near, fresh string) string {
	t := w.table
	if len(t.Key) == 0 && w.replaces != nil {
		return fmt.Sprintf("SELECT * FROM (%s) b WHERE NOT %s UNION ALL %s", before, within("b", *w.replaces), fresh)
	}
	if len(t.Key) == 0 {
		// Rows at or above the manifest were put there by a merge that did
		// not end; only among those can a fresh one be.
		return fmt.Sprintf(`%s UNION ALL SELECT * FROM (%s) f WHERE NOT EXISTS (SELECT 1 FROM (%s) b WHERE %s AND b.%s = f.%s AND b."partition" = f."partition" AND b."offset" = f."offset")`,
			before, fresh, before, w.above("b"), Place, Place)
	}
	same := func(a, b string) string {
		var conditions []string
		for _, k := range t.Key {
			conditions = append(conditions, a+"."+ident(k)+" IS NOT DISTINCT FROM "+b+"."+ident(k))
		}
		return strings.Join(conditions, " AND ")
	}
	if w.replaces != nil {
		return fmt.Sprintf("%s UNION ALL SELECT * FROM (%s) b WHERE NOT EXISTS (SELECT 1 FROM (%s) f WHERE %s)", fresh, before, fresh, same("b", "f"))
	}
	known := fmt.Sprintf("SELECT * FROM (%s) WHERE %s", before, near)
	if t.Revision == "" {
		return fmt.Sprintf("%s UNION ALL SELECT * FROM (%s) f WHERE NOT EXISTS (SELECT 1 FROM (%s) b WHERE %s)",
			before, fresh, known, same("b", "f"))
	}
	revision := ident(t.Revision)
	newer := fmt.Sprintf("SELECT * FROM (%s) f WHERE NOT EXISTS (SELECT 1 FROM (%s) b WHERE %s AND b.%s >= f.%s)",
		fresh, known, same("b", "f"), revision, revision)
	return fmt.Sprintf("WITH newer AS MATERIALIZED (%s) SELECT * FROM newer UNION ALL SELECT * FROM (%s) b WHERE NOT EXISTS (SELECT 1 FROM newer n WHERE %s)",
		newer, before, same("b", "n"))
}

// above says that a row of ticks lies at or above the manifest.
func (w *merger) above(alias string) string {
	var conditions []string
	for _, p := range w.merged {
		conditions = append(conditions, fmt.Sprintf(`(%[1]s.%[2]s = %[3]d AND %[1]s."partition" = %[4]d AND %[1]s."offset" >= %[5]d)`, alias, Place, p.Topic, p.Partition, p.Offset))
	}
	if len(conditions) == 0 {
		return "true"
	}
	return "(" + strings.Join(conditions, " OR ") + ")"
}

// within says that a row of ticks lies in one of the spans.
func within(alias string, spans []Span) string {
	conditions := []string{"false"}
	for _, s := range spans {
		conditions = append(conditions, fmt.Sprintf(`(%[1]s.%[2]s = %[3]d AND %[1]s."partition" = %[4]d AND %[1]s."offset" >= %[5]d AND %[1]s."offset" < %[6]d)`,
			alias, Place, s.Topic, s.Partition, s.From, s.To))
	}
	return "(" + strings.Join(conditions, " OR ") + ")"
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func ident(s string) string { return `"` + s + `"` }

func idents(columns []string) string {
	quoted := make([]string, len(columns))
	for i, c := range columns {
		quoted[i] = ident(c)
	}
	return strings.Join(quoted, ", ")
}

// Clear removes the parts of a table that are merged, of ticks also published,
// and that no query can be reading any more. It gives their number.
func (l *Lake) Clear(ctx context.Context, table string) (int, error) {
	t := TableOf(table)
	if t == nil {
		return 0, fmt.Errorf("clear: no table %q", table)
	}
	m, _, err := l.readManifest(ctx, t.Name)
	if err != nil {
		return 0, fmt.Errorf("clear %s: %w", t.Name, err)
	}
	below := m.settled(time.Now(), l.config.Grace)
	var published ends
	if t.Name == Ticks {
		if published, err = l.publishedEnds(ctx); err != nil {
			return 0, fmt.Errorf("clear %s: %w", t.Name, err)
		}
	}
	removed := 0
	for _, topic := range l.topics(t.Name) {
		var keys []string
		err := l.bucket.list(ctx, stagingPrefix(t.Name, topic), func(o object) error {
			p, start, ok := parsePartKey(o.key)
			if !ok || start >= below.of(topic, p) || t.Name == Ticks && start >= published.of(topic, p) {
				return nil
			}
			// A part whose start is below an end lies below it altogether, or
			// was put there by a late writer and belongs to no chain.
			keys = append(keys, o.key)
			return nil
		})
		if err == nil {
			err = l.bucket.remove(ctx, keys...)
		}
		if err != nil {
			return removed, fmt.Errorf("clear %s: %w", t.Name, err)
		}
		l.forget(keys)
		removed += len(keys)
	}
	if d, ok := l.bucket.(*directory); ok {
		d.sweepPins(l.config.Grace)
	}
	return removed, nil
}

func (l *Lake) forget(keys []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range keys {
		delete(l.heads, k)
	}
}

// settled are the ends that every query still running has seen, or later ones.
func (m *manifest) settled(now time.Time, grace time.Duration) ends {
	settled := m.Ends
	if now.Sub(m.Merged) < grace && len(m.Before) == 0 {
		return ends{}
	}
	for _, b := range m.Before { // newest first
		if now.Sub(b.Until) < grace {
			settled = b.Ends
		}
	}
	return settled
}
