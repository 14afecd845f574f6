package store

import (
	"context"
	"database/sql/driver"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/duckdb/duckdb-go/v2"
)

// writeForeign writes rows that are not the database's own as Parquet: by a
// database that lives as long as the writing. Types that it does not share
// with the engine become text.
func writeForeign(ctx context.Context, rows Cursor, w io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "tapedeck-parquet-")
	if err != nil {
		return fmt.Errorf("write Parquet: %w", err)
	}
	defer os.RemoveAll(dir)
	connector, err := duckdb.NewConnector(filepath.Join(dir, "rows.db"), nil)
	if err != nil {
		return fmt.Errorf("write Parquet: %w", err)
	}
	defer connector.Close()
	c, err := connector.Connect(ctx)
	if err != nil {
		return fmt.Errorf("write Parquet: %w", err)
	}
	defer c.Close()
	conn := c.(*duckdb.Conn)
	var columns []string
	var texts []bool
	seen := map[string]int{}
	for _, c := range rows.Columns() {
		typ, ok := shared(c.Type)
		label := c.Name
		if n := seen[strings.ToLower(label)]; n > 0 { // as DuckDB names the second of a kind
			label = fmt.Sprintf("%s_%d", label, n)
		}
		seen[strings.ToLower(c.Name)]++
		columns, texts = append(columns, name(label)+" "+typ), append(texts, !ok)
	}
	if err := exec(ctx, conn, "CREATE TABLE rows_ ("+strings.Join(columns, ", ")+")"); err != nil {
		return fmt.Errorf("write Parquet: %w", err)
	}
	appender, err := duckdb.NewAppenderFromConn(conn, "", "rows_")
	if err != nil {
		return fmt.Errorf("write Parquet: %w", err)
	}
	defer func() {
		if appender != nil {
			_ = appender.Close() // what failed before says more
		}
	}()
	row := make([]driver.Value, len(texts))
	for rows.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		for i, v := range rows.Values() {
			if row[i] = v; v != nil && texts[i] {
				row[i] = FormatValue(v, rows.Columns()[i].Type)
			}
		}
		if err := appender.AppendRow(row...); err != nil {
			return fmt.Errorf("write Parquet: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	err = appender.Close()
	appender = nil
	if err != nil {
		return fmt.Errorf("write Parquet: %w", err)
	}
	path := filepath.Join(dir, "rows.parquet")
	if err := exec(ctx, conn, "COPY rows_ TO "+quote(path)+" (FORMAT parquet, COMPRESSION zstd)"); err != nil {
		return fmt.Errorf("write Parquet: %w", err)
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}

// shared is a type as DuckDB takes it, and whether values of that type come as
// it wants them; else they go in as text.
func shared(typ string) (string, bool) {
	switch typ {
	case "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "FLOAT", "DOUBLE", "DATE", "TIMESTAMP":
		return typ, true
	}
	if strings.HasPrefix(typ, "DECIMAL(") {
		return typ, true
	}
	return "VARCHAR", typ == "VARCHAR"
}
