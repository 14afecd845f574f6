package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/duckdb/duckdb-go/v2"
	"tapedeck/pipeline/market"
	"tapedeck/store/lake"
)

// views are the tables as one query sees them: temporary views of its own
// connection over one snapshot of the lake and the tail of the log.
type views struct {
	db       *DB
	release  []func()
	bytes    int64    // size of all files that the views name
	warnings []string // what is missing from the answer, in words
}

func (v *views) close() {
	for _, done := range v.release {
		done()
	}
	v.release = nil
}

// add makes the view of one table, without the rows outside of bounds.
func (v *views) add(ctx context.Context, conn *duckdb.Conn, table string, b bounds) error {
	for try := 0; ; try++ {
		s, err := v.db.config.Lake.Snapshot(ctx, table)
		if err != nil {
			return err
		}
		files, size, done, err := v.tail(ctx, s)
		if errors.Is(err, errStale) && try < 20 {
			done()
			continue
		}
		if err != nil {
			done()
			return err
		}
		v.release = append(v.release, done)
		v.bytes += size
		return v.define(ctx, conn, s, files, b)
	}
}

// tail is what the log holds beyond a snapshot. Where the log cannot be
// reached the answer goes without it, and says so.
func (v *views) tail(ctx context.Context, s *lake.Snapshot) ([]file, int64, func(), error) {
	if v.db.config.Log == nil {
		return nil, 0, func() {}, nil
	}
	files, size, done, err := v.db.tails[s.Table.Name].refresh(ctx, s)
	if err == nil || errors.Is(err, errStale) || ctx.Err() != nil {
		return files, size, done, err
	}
	done()
	v.warnings = append(v.warnings, fmt.Sprintf("%s: the newest rows are missing, since the log cannot be read: %v", s.Table.Name, err))
	return nil, 0, func() {}, nil
}

func (v *views) define(ctx context.Context, conn *duckdb.Conn, s *lake.Snapshot, tail []file, b bounds) error {
	ends := s.Ends
	s.Between(b.from, b.to)
	if b.hours != 0 {
		s.Files = slices.DeleteFunc(s.Files, func(f lake.File) bool { return b.hours&(1<<f.Hour.Start().Std().Hour()) == 0 })
	}
	s.Parts = slices.DeleteFunc(s.Parts, func(p lake.Part) bool { return p.Rows == 0 })
	merged, parts, err := v.db.config.Lake.Fetch(ctx, s)
	if err != nil {
		return err
	}
	if len(s.Missing) > 0 {
		_, why := v.db.config.Lake.Away()
		v.warnings = append(v.warnings, fmt.Sprintf("%s: %d files are missing, the first of them %s: the lake cannot be reached and they are not cached here (%s)",
			s.Table.Name, len(s.Missing), s.Missing[0], why))
	}
	for _, f := range s.Files {
		v.bytes += f.Size
	}
	var files []file
	for i, p := range s.Parts {
		files = append(files, file{path: parts[i], topic: p.Topic, zstd: true, rows: p.Rows})
		v.bytes += p.Size
	}
	newest := 0
	for _, e := range ends {
		newest = max(newest, e.Topic)
	}
	t := s.Table
	h := v.db.hot[t.Name]
	if b.coarse {
		h = v.db.coarse
	}
	fresh, err := v.rows(ctx, conn, h, files)
	if err != nil {
		return err
	}
	for i := range tail {
		tail[i].topic = newest
	}
	behind, err := v.rows(ctx, conn, h, tail)
	if err != nil {
		return err
	}
	for _, q := range behind {
		if len(t.Key) == 0 { // a tail may begin below the end of the chain
			q = "SELECT * FROM (" + q + ") WHERE " + position(ends, newest, ">=", "true")
		}
		fresh = append(fresh, q)
	}
	var body string
	if len(t.Key) == 0 {
		settled, mixed, err := v.settled(ctx, conn, s, merged)
		if err != nil {
			return err
		}
		body = logView(t, s, settled, mixed, fresh)
	} else {
		body = keyedView(t, merged, fresh)
	}
	return exec(ctx, conn, "CREATE TEMP VIEW "+name(t.Name)+" AS "+body)
}

// rows are subqueries that together hold the rows of CSV files.
func (v *views) rows(ctx context.Context, conn *duckdb.Conn, h *hot, files []file) ([]string, error) {
	if len(files) == 0 {
		return nil, nil
	}
	q, done, ok, err := h.load(ctx, conn, files)
	if err != nil {
		return nil, err
	}
	if ok {
		v.release = append(v.release, done)
		return []string{q}, nil
	}
	byTopic := map[int][]string{}
	for _, f := range files {
		byTopic[f.topic] = append(byTopic[f.topic], f.path)
	}
	var queries []string
	for topic, paths := range byTopic {
		compression := "none"
		if files[0].zstd {
			compression = "zstd"
		}
		queries = append(queries, readCSV(h.table, paths, topic, compression, ""))
	}
	slices.Sort(queries)
	return queries, nil
}

// logView is a table whose rows are places of the log: merged files up to
// where the manifest says, and what follows. Of the settled files every row
// counts; of the mixed ones each row's place tells.
func logView(t *lake.Table, s *lake.Snapshot, settled, mixed, fresh []string) string {
	var branches []string
	if len(settled) > 0 {
		branches = append(branches, "SELECT "+visible(t)+", date, hour FROM "+readParquet(settled))
	}
	if len(mixed) > 0 {
		branches = append(branches, "SELECT "+visible(t)+", date, hour FROM "+readParquet(mixed)+
			" WHERE "+mergedFilter(s))
	}
	for _, f := range fresh {
		branches = append(branches, "SELECT "+visible(t)+", "+filed(t)+" FROM ("+f+")")
	}
	if len(branches) == 0 {
		return empty(t)
	}
	return strings.Join(branches, " UNION ALL ")
}

// mergedFilter leaves out the rows that were merged after the snapshot's manifest.
func mergedFilter(s *lake.Snapshot) string {
	newest := 0
	for _, m := range s.Merged {
		newest = max(newest, m.Topic)
	}
	var cases []string
	for topic := 0; topic <= newest; topic++ {
		cases = append(cases, position(s.Merged, topic, "<", "false"))
	}
	if len(cases) == 1 {
		// Most rows lie below every partition's end: two comparisons tell.
		least, highest, known := int64(math.MaxInt64), int32(-1), int32(0)
		for _, m := range s.Merged {
			least, highest = min(least, m.Offset), max(highest, m.Partition)
			known++
		}
		if known <= highest { // of the others nothing is merged
			least = 0
		}
		return fmt.Sprintf(`(("offset" < %d AND "partition" <= %d) OR %s)`, least, highest, cases[0])
	}
	var b strings.Builder
	b.WriteString("CASE " + lake.Place)
	for topic, c := range cases {
		fmt.Fprintf(&b, " WHEN %d THEN %s", topic, c)
	}
	b.WriteString(" ELSE false END")
	return b.String()
}

// position compares a row's offset with its partition's in a list; partitions
// that are not in the list give otherwise.
func position(positions []lake.Position, topic int, op, otherwise string) string {
	var list []string
	for _, p := range positions {
		if p.Topic != topic || p.Partition < 0 || p.Partition > 1<<16 {
			continue
		}
		for int(p.Partition) > len(list) {
			list = append(list, "NULL")
		}
		list = append(list, strconv.FormatInt(p.Offset, 10))
	}
	if len(list) == 0 {
		return otherwise
	}
	return `coalesce("offset" ` + op + ` ([` + strings.Join(list, ",") + `]::BIGINT[])["partition" + 1], ` + otherwise + `)`
}

// keyedView is a table whose rows have a key: what follows the manifest,
// one row a key, and the merged rows that it does not replace.
func keyedView(t *lake.Table, merged, fresh []string) string {
	var branches []string
	one := ""
	if len(fresh) > 0 {
		order := ""
		if t.Revision != "" {
			order = " ORDER BY " + name(t.Revision) + " DESC"
		}
		one = "(SELECT * FROM (" + strings.Join(fresh, " UNION ALL ") + ") QUALIFY row_number() OVER (PARTITION BY " +
			names(t.Key) + order + ") = 1)"
		branches = append(branches, "SELECT "+visible(t)+", "+filed(t)+" FROM "+one)
	}
	if len(merged) > 0 {
		q := "SELECT " + visible(t) + ", date, hour FROM " + readParquet(merged) + " m"
		if one != "" {
			var same []string
			for _, k := range t.Key {
				same = append(same, "m."+name(k)+" = f."+name(k))
			}
			q += " WHERE NOT EXISTS (SELECT 1 FROM (" + strings.Join(fresh, " UNION ALL ") + ") f WHERE " + strings.Join(same, " AND ") + ")"
		}
		branches = append(branches, q)
	}
	if len(branches) == 0 {
		return empty(t)
	}
	return strings.Join(branches, " UNION ALL ")
}

func visible(t *lake.Table) string {
	var list []string
	for _, c := range t.Visible() {
		list = append(list, name(c.Name))
	}
	return strings.Join(list, ", ")
}

func names(columns []string) string {
	quoted := make([]string, len(columns))
	for i, c := range columns {
		quoted[i] = name(c)
	}
	return strings.Join(quoted, ", ")
}

// filed are the partition columns of rows that are not in files yet.
func filed(t *lake.Table) string {
	return fmt.Sprintf("strftime(%[1]s, '%%Y-%%m-%%d') AS date, strftime(%[1]s, '%%H') AS hour", name(t.Time))
}

func empty(t *lake.Table) string {
	var list []string
	for _, c := range t.Visible() {
		list = append(list, "NULL::"+c.Type+" AS "+name(c.Name))
	}
	return "SELECT " + strings.Join(list, ", ") + ", NULL::VARCHAR AS date, NULL::VARCHAR AS hour WHERE false"
}

func readParquet(paths []string) string {
	return "read_parquet(" + list(paths) + ", hive_partitioning = true, hive_types = {'date': VARCHAR, 'hour': VARCHAR})"
}

// readCSV is a subquery over files in the form of the parts.
func readCSV(t *lake.Table, paths []string, topic int, compression, options string) string {
	var columns []string
	for _, c := range t.Columns {
		columns = append(columns, quote(c.Name)+": "+quote(c.Type))
	}
	return fmt.Sprintf(`SELECT *, %d AS %s FROM read_csv(%s, columns = {%s}, header = true, auto_detect = false, delim = ',', quote = '"', escape = '"', nullstr = '', compression = '%s'%s)`,
		topic, lake.Place, list(paths), strings.Join(columns, ", "), compression, options)
}

func list(paths []string) string {
	quoted := make([]string, len(paths))
	for i, p := range paths {
		quoted[i] = quote(p)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// bounds are the own times that a query asks for; zero is open.
type bounds struct {
	from, to market.Time // from <= time < to
	hours    uint32      // of the day, a bit each
	coarse   bool        // of bars none of a second
}
