package store

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/duckdb/duckdb-go/v2"
)

// WriteCSV writes the rest of rows with a header line, values as FormatValue
// writes them, quoted where RFC 4180 asks for it; NULL is an empty field and
// an empty text is "".
func WriteCSV(ctx context.Context, rows Cursor, w io.Writer) error {
	out := bufio.NewWriterSize(w, 1<<16)
	columns := rows.Columns()
	for i, c := range columns {
		if i > 0 {
			out.WriteByte(',')
		}
		writeField(out, []byte(c.Name))
	}
	out.WriteByte('\n')
	var field []byte
	for rows.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		for i, v := range rows.Values() {
			if i > 0 {
				out.WriteByte(',')
			}
			if v == nil {
				continue
			}
			field = appendValue(field[:0], v, columns[i].Type, false)
			writeField(out, field)
		}
		if err := out.WriteByte('\n'); err != nil {
			return err
		}
	}
	return errors.Join(rows.Err(), out.Flush())
}

func writeField(out *bufio.Writer, field []byte) {
	plain := len(field) > 0
	for _, c := range field {
		if c == ',' || c == '"' || c == '\n' || c == '\r' {
			plain = false
			break
		}
	}
	if plain {
		out.Write(field)
		return
	}
	out.WriteByte('"')
	for _, c := range field {
		if c == '"' {
			out.WriteByte('"')
		}
		out.WriteByte(c)
	}
	out.WriteByte('"')
}

// WriteJSON writes the rest of rows as one JSON object a line, keys in the
// order of the columns. Numbers stay numbers where JSON has them (not NaN,
// not beyond a double); times are RFC 3339; binaries are base64.
func WriteJSON(ctx context.Context, rows Cursor, w io.Writer) error {
	out := bufio.NewWriterSize(w, 1<<16)
	columns := rows.Columns()
	keys := make([][]byte, len(columns))
	for i, c := range columns {
		key, err := json.Marshal(c.Name)
		if err != nil {
			return err
		}
		keys[i] = append(key, ':')
	}
	for rows.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		out.WriteByte('{')
		for i, v := range rows.Values() {
			if i > 0 {
				out.WriteByte(',')
			}
			out.Write(keys[i])
			text, err := json.Marshal(jsonValue(v, columns[i].Type))
			if err != nil {
				return fmt.Errorf("write %s as JSON: %w", columns[i].Name, err)
			}
			out.Write(text)
		}
		if _, err := out.WriteString("}\n"); err != nil {
			return err
		}
	}
	return errors.Join(rows.Err(), out.Flush())
}

// jsonValue is v as encoding/json should see it.
func jsonValue(v any, typ string) any {
	switch v := v.(type) {
	case nil, bool, string, int8, int16, int32, int64, uint8, uint16, uint32, uint64:
		return v
	case float32:
		return jsonValue(float64(v), typ)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return FormatValue(v, typ)
		}
		return v
	case *big.Int:
		return json.Number(v.String())
	case duckdb.Decimal:
		return json.Number(appendDecimal(nil, v))
	case time.Time:
		if strings.HasPrefix(typ, "TIMESTAMP") {
			return v.UTC().Format(time.RFC3339Nano)
		}
		return FormatValue(v, typ)
	case []byte:
		if strings.HasPrefix(typ, "UUID") {
			return FormatValue(v, typ)
		}
		return base64.StdEncoding.EncodeToString(v)
	case []any:
		all := make([]any, len(v))
		for i, e := range v {
			all[i] = jsonValue(e, strings.TrimSuffix(typ, "[]"))
		}
		return all
	case map[string]any:
		all := make(map[string]any, len(v))
		for k, e := range v {
			all[k] = jsonValue(e, "")
		}
		return all
	case duckdb.Map:
		all := make(map[string]any, len(v))
		for k, e := range v {
			all[FormatValue(k, "")] = jsonValue(e, "")
		}
		return all
	case duckdb.OrderedMap:
		all := make(map[string]any, v.Len())
		for i, k := range v.Keys() {
			all[FormatValue(k, "")] = jsonValue(v.Values()[i], "")
		}
		return all
	}
	return FormatValue(v, typ)
}

// WriteTable writes the rest of rows as a table for people: columns aligned,
// numbers to the right, control characters made visible, a last line with the
// number of rows. It holds the rows in memory, at most maxTable of them.
func WriteTable(ctx context.Context, rows Cursor, w io.Writer) error {
	columns := rows.Columns()
	widths := make([]int, len(columns))
	for i, c := range columns {
		widths[i] = utf8.RuneCountInString(c.Name)
	}
	var lines [][]string
	left := 0
	for rows.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(lines) == maxTable {
			left++
			continue
		}
		line := make([]string, len(columns))
		for i, v := range rows.Values() {
			line[i] = "NULL"
			if v != nil {
				line[i] = printable(FormatValue(v, columns[i].Type))
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(line[i]))
		}
		lines = append(lines, line)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	for i, c := range columns {
		writeCell(out, printable(c.Name), widths[i], numeric(c.Type), i == len(columns)-1)
	}
	for i := range columns {
		writeCell(out, strings.Repeat("─", widths[i]), widths[i], false, i == len(columns)-1)
	}
	for _, line := range lines {
		for i, cell := range line {
			writeCell(out, cell, widths[i], numeric(columns[i].Type), i == len(columns)-1)
		}
	}
	switch {
	case left > 0:
		fmt.Fprintf(out, "(%d rows, of which %d are shown; --format csv gives all)\n", len(lines)+left, len(lines))
	case more(rows):
		fmt.Fprintf(out, "(the first %d rows)\n", len(lines))
	case len(lines) == 1:
		fmt.Fprintln(out, "(1 row)")
	default:
		fmt.Fprintf(out, "(%d rows)\n", len(lines))
	}
	return out.Flush()
}

const maxTable = 100_000

func writeCell(out *bufio.Writer, s string, width int, right, last bool) {
	pad := strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
	switch {
	case right:
		out.WriteString(pad + s)
	case last:
		out.WriteString(s)
	default:
		out.WriteString(s + pad)
	}
	if last {
		out.WriteByte('\n')
	} else {
		out.WriteString("  ")
	}
}

func numeric(typ string) bool {
	switch typ {
	case "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT", "FLOAT", "DOUBLE":
		return true
	}
	return strings.HasPrefix(typ, "DECIMAL")
}

// printable keeps what comes from outside from steering the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case r < 0x20 || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069:
			return '\uFFFD'
		}
		return r
	}, s)
}

// WriteParquet writes the result as a Parquet file, zstd. No row of rows may
// have been read before.
func WriteParquet(ctx context.Context, rows Cursor, w io.Writer) error {
	r, ok := rows.(*Rows)
	if !ok {
		return writeForeign(ctx, rows, w)
	}
	return r.writeParquet(ctx, w)
}

func (r *Rows) writeParquet(ctx context.Context, w io.Writer) error {
	if r.sql == "" {
		return errors.New("this statement's answer is not a table that Parquet could hold")
	}
	source := r.sql
	if r.limit > 0 {
		source += fmt.Sprintf(" LIMIT %d", r.limit)
	}
	if r.spooled {
		source = "SELECT * FROM temp.result_ ORDER BY rowid"
	}
	path := r.db.tempFile(".parquet")
	defer os.Remove(path)
	err := exec(ctx, r.conn, "COPY ("+source+") TO "+quote(path)+" (FORMAT parquet, COMPRESSION zstd)")
	if err != nil {
		return r.explain(err)
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}
