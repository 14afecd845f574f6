package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/duckdb/duckdb-go/v2"
	"tapedeck/store/lake"
)

// fileEnds remembers of merged files, which never change under their local
// names, below which offsets their rows lie.
type fileEnds struct {
	mu    sync.Mutex
	known map[string]fileEnd // by path
}

// fileEnd is what a file's metadata says; said is false where it says nothing.
type fileEnd struct {
	ends []lake.Position
	said bool
}

// maxKnown is how many files are remembered; then it begins anew.
const maxKnown = 50_000

// settled parts the merged files of ticks into those of which every row lies
// below the snapshot's manifest, and the others: such as a merge is
// writing just now.
func (v *views) settled(ctx context.Context, conn *duckdb.Conn, s *lake.Snapshot, merged []string) (settled, mixed []string, err error) {
	known, err := v.db.ends.of(ctx, conn, merged)
	if err != nil {
		return nil, nil, err
	}
	for i, path := range merged {
		if known[i].said && s.Covers(known[i].ends) {
			settled = append(settled, path)
		} else {
			mixed = append(mixed, path)
		}
	}
	return settled, mixed, nil
}

// of looks up files, and reads the metadata of those that are new.
func (e *fileEnds) of(ctx context.Context, conn *duckdb.Conn, paths []string) ([]fileEnd, error) {
	found := make([]fileEnd, len(paths))
	var missing []string
	e.mu.Lock()
	for i, path := range paths {
		var ok bool
		if found[i], ok = e.known[path]; !ok {
			missing = append(missing, path)
		}
	}
	e.mu.Unlock()
	if len(missing) == 0 {
		return found, nil
	}
	read, err := readEnds(ctx, conn, missing)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	if len(e.known)+len(missing) > maxKnown {
		clear(e.known)
	}
	for _, path := range missing {
		e.known[path] = read[path]
	}
	e.mu.Unlock()
	for i, path := range paths {
		if end, ok := read[path]; ok {
			found[i] = end
		}
	}
	return found, nil
}

func readEnds(ctx context.Context, conn *duckdb.Conn, paths []string) (map[string]fileEnd, error) {
	rows, err := conn.QueryContext(ctx, fmt.Sprintf("SELECT file_name, decode(value) FROM parquet_kv_metadata(%s) WHERE decode(key) = %s",
		list(paths), quote(lake.EndsKey)), nil)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	read := map[string]fileEnd{}
	for value := make([]driver.Value, 2); ; {
		err := rows.Next(value)
		if errors.Is(err, io.EOF) {
			return read, nil
		}
		if err != nil {
			return nil, err
		}
		path, _ := value[0].(string)
		text, _ := value[1].(string)
		if ends, err := lake.ParseEnds(text); err == nil { // else its rows' places tell
			read[path] = fileEnd{ends, true}
		}
	}
}
