package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/duckdb/duckdb-go/v2"
	"tapedeck/pipeline/market"
	"tapedeck/store/lake"
)

// hot keeps the rows of a table that are not merged yet in a table of the
// database's own, so that not every query reads their CSV again. A file is
// loaded once, under a number; a query names the numbers of its snapshot.
// When most of what was loaded is no longer asked for, a new table begins,
// and the old one goes with its last query.
//
// Of bars, most are of a second and most questions are not: a second hot keeps
// the others alone, so that a screen's charts need not load them all.
type hot struct {
	db    *DB
	table *lake.Table
	name  string
	where string // which of the rows are kept; empty is all

	mu      sync.Mutex
	number  int // of the next generation
	current *generation
	used    time.Time
}

type generation struct {
	name    string
	next    int            // number of the next file
	numbers map[string]int // by path
	rows    int64
	uses    int // of running queries
}

// maxHot is how many rows are kept in memory; a query over more of them reads
// the files. maxCoarse counts those of a second, too, which are not kept.
const (
	maxHot    = 500_000
	maxCoarse = 2 * maxHot
)

// coolAfter is how long a table is kept that nobody asks for.
const coolAfter = time.Minute

func newHot(db *DB, t *lake.Table) *hot { return &hot{db: db, table: t, name: "hot_" + t.Name} }

// newCoarse is without the bars of a second.
func newCoarse(db *DB, t *lake.Table) *hot {
	return &hot{db: db, table: t, name: "coarse_" + t.Name, where: ` WHERE "interval" <> ` + quote(market.Second.String())}
}

// file is one CSV file of a snapshot.
type file struct {
	path  string
	topic int
	zstd  bool
	rows  int64 // about
}

// load makes sure that the files are loaded, and gives the subquery over
// exactly their rows. ok is false where memory would not hold them. done must
// be called when the query has ended.
func (h *hot) load(ctx context.Context, conn *duckdb.Conn, files []file) (query string, done func(), ok bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	total := int64(0)
	for _, f := range files {
		total += f.rows
	}
	limit := int64(maxHot)
	if h.where != "" {
		limit = maxCoarse
	}
	if total > limit {
		return "", nil, false, nil
	}
	g := h.current
	if g == nil || g.rows > 2*total+50_000 || len(g.numbers) > 2*len(files)+100 {
		if g, err = h.begin(ctx, conn); err != nil {
			return "", nil, false, err
		}
	}
	err = h.insert(ctx, conn, g, files)
	var e *duckdb.Error
	if errors.As(err, &e) && e.Type == duckdb.ErrorTypeOutOfMemory {
		return "", nil, false, nil
	}
	if err != nil {
		return "", nil, false, err
	}
	numbers := make([]int, len(files))
	for i, f := range files {
		numbers[i] = g.numbers[f.path]
	}
	g.uses++
	h.used = time.Now()
	done = func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if g.uses--; g.uses == 0 && g != h.current {
			h.drop(g)
		}
	}
	return "SELECT * EXCLUDE (source_) FROM " + g.name + " WHERE " + among(numbers), done, true, nil
}

// begin makes a new, empty generation.
func (h *hot) begin(ctx context.Context, conn *duckdb.Conn) (*generation, error) {
	var columns []string
	for _, c := range h.table.Columns {
		columns = append(columns, name(c.Name)+" "+c.Type)
	}
	h.number++
	g := &generation{name: fmt.Sprintf("memory.main.%s_%d", h.name, h.number), numbers: map[string]int{}}
	err := exec(ctx, conn, fmt.Sprintf("CREATE TABLE %s (%s, %s INTEGER, source_ INTEGER)", g.name, strings.Join(columns, ", "), lake.Place))
	if err != nil {
		return nil, err
	}
	if old := h.current; old != nil && old.uses == 0 {
		h.drop(old)
	}
	h.current = g
	return g, nil
}

// cool frees what nobody has asked for lately.
func (h *hot) cool(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if g := h.current; g != nil && g.uses == 0 && now.Sub(h.used) >= coolAfter {
		h.drop(g)
		h.current = nil
	}
}

// drop frees a generation that nobody uses.
func (h *hot) drop(g *generation) {
	conn, err := h.db.connect(context.Background())
	if err != nil {
		return // the database is closed
	}
	defer conn.Close()
	if err := exec(context.Background(), conn, "DROP TABLE "+g.name); err != nil {
		h.db.log.Warn("a table of recent rows could not be dropped", "table", g.name, "error", err)
	}
}

// insert loads the files that are not there yet, each kind in one go.
func (h *hot) insert(ctx context.Context, conn *duckdb.Conn, g *generation, files []file) error {
	type kind struct {
		topic int
		zstd  bool
	}
	missing := map[kind][]string{}
	rows := map[kind]int64{}
	for _, f := range files {
		if _, there := g.numbers[f.path]; !there {
			k := kind{f.topic, f.zstd}
			missing[k] = append(missing[k], f.path)
			rows[k] += f.rows
		}
	}
	for k, paths := range missing {
		compression := "none"
		if k.zstd {
			compression = "zstd"
		}
		from := readCSV(h.table, paths, k.topic, compression, ", filename = 'file_'")
		err := exec(ctx, conn, fmt.Sprintf("INSERT INTO %s SELECT * EXCLUDE (file_), %d + list_position(%s, file_) FROM (%s)%s",
			g.name, g.next, list(paths), from, h.where))
		if err != nil {
			return err
		}
		for i, p := range paths {
			g.numbers[p] = g.next + 1 + i
		}
		g.next += len(paths)
		g.rows += rows[k]
	}
	return nil
}

// among is a condition over source_, by ranges where numbers follow each other.
func among(numbers []int) string {
	slices.Sort(numbers)
	var conditions []string
	for i := 0; i < len(numbers); {
		j := i
		for j+1 < len(numbers) && numbers[j+1] == numbers[j]+1 {
			j++
		}
		conditions = append(conditions, fmt.Sprintf("source_ BETWEEN %d AND %d", numbers[i], numbers[j]))
		i = j + 1
	}
	return "(" + strings.Join(conditions, " OR ") + ")"
}
