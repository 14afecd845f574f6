package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/duckdb/duckdb-go/v2"
	"tapedeck/store/lake"
)

// FileTable is a local file that can be asked like a table of the lake, beside
// them. Nothing else of the file system becomes readable by it.
type FileTable struct {
	Name    string
	Columns []Column

	reader string // a call of DuckDB's reader
	path   string
}

var fileTableName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

// OpenFileTable looks at a file, .csv (also .csv.gz, .csv.zst) or .parquet, and
// finds its columns. Values of types that Athena does not know are text.
func OpenFileTable(ctx context.Context, name, path string) (*FileTable, error) {
	if !fileTableName.MatchString(name) {
		return nil, fmt.Errorf("%q cannot be a table's name: small letters, digits and _, a letter first", name)
	}
	if lake.TableOf(name) != nil {
		return nil, fmt.Errorf("%s is a table of the lake; give the file another name", name)
	}
	path, err := filepath.Abs(path)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return nil, fmt.Errorf("the table %s: %w", name, err)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the table %s: %w", name, err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("the table %s: %s is not a file", name, path)
	case strings.ContainsAny(path, "*?["):
		return nil, fmt.Errorf("the table %s: a path with * ? or [ would be a pattern; rename the file", name)
	}
	t := &FileTable{Name: name, path: path}
	switch lower := strings.ToLower(path); {
	case strings.HasSuffix(lower, ".parquet"):
		t.reader = "read_parquet(" + quote(path) + ", hive_partitioning = false)"
	case strings.HasSuffix(lower, ".csv"), strings.HasSuffix(lower, ".csv.gz"), strings.HasSuffix(lower, ".csv.zst"):
		t.reader = "read_csv(" + quote(path) + ", header = true, hive_partitioning = false, sample_size = 100000)"
	default:
		return nil, fmt.Errorf("the table %s: %s is neither .csv, .csv.gz, .csv.zst nor .parquet", name, filepath.Base(path))
	}
	if err := t.describe(ctx); err != nil {
		return nil, fmt.Errorf("the table %s: %w", name, err)
	}
	return t, nil
}

func (t *FileTable) describe(ctx context.Context) error {
	connector, err := duckdb.NewConnector("", nil)
	if err != nil {
		return err
	}
	defer connector.Close()
	c, err := connector.Connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	rows, err := c.(*duckdb.Conn).QueryContext(ctx, "DESCRIBE SELECT * FROM "+t.reader, nil)
	if err != nil {
		return err
	}
	defer rows.Close()
	values := make([]driver.Value, len(rows.Columns()))
	for {
		if err := rows.Next(values); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		name, _ := values[0].(string)
		typ, _ := values[1].(string)
		t.Columns = append(t.Columns, Column{Name: name, Type: askable(typ)})
	}
}

// askable is the type that a column of a file is given.
func askable(typ string) string {
	switch typ {
	case "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "FLOAT", "DOUBLE", "VARCHAR", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "BLOB":
		return typ
	case "UTINYINT", "USMALLINT":
		return "INTEGER"
	case "UINTEGER":
		return "BIGINT"
	case "HUGEINT", "UBIGINT":
		return "DECIMAL(38,0)"
	case "TIMESTAMP_NS", "TIMESTAMP_MS", "TIMESTAMP_S":
		return "TIMESTAMP"
	}
	if strings.HasPrefix(typ, "DECIMAL(") {
		return typ
	}
	return "VARCHAR"
}

// view is the statement that makes the table.
func (t *FileTable) view() string {
	columns := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		columns[i] = "CAST(" + name(c.Name) + " AS " + c.Type + ") AS " + name(c.Name)
	}
	return "CREATE VIEW memory.main." + name(t.Name) + " AS SELECT " + strings.Join(columns, ", ") + " FROM " + t.reader
}
