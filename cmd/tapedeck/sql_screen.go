package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"tapedeck/store"
	"tapedeck/store/athena"
	"tapedeck/store/lake"
	"tapedeck/tui"
)

// screenSQL shows the store to the screen's SQL view and to the shell.
type screenSQL struct {
	engines *engines
	chosen  *atomic.Pointer[string] // the engine that answers
}

func newScreenSQL(c Config, db func() (*store.DB, error)) screenSQL {
	s := screenSQL{&engines{config: c, db: db}, new(atomic.Pointer[string])}
	s.chosen.Store(&c.SQL.Engine)
	return s
}

// Engines are those that can be chosen; see tui.SQLEngines.
func (s screenSQL) Engines() []string { return engineNames }

// Engine is the one that answers.
func (s screenSQL) Engine() string { return *s.chosen.Load() }

// Use chooses another one.
func (s screenSQL) Use(engine string) error {
	engine = strings.ToLower(engine)
	if err := s.engines.config.checkEngine(engine); err != nil {
		return err
	}
	s.chosen.Store(&engine)
	return nil
}

// Here answers from the lake, whichever engine is chosen.
func (s screenSQL) Here() tui.SQL {
	here := screenSQL{s.engines, new(atomic.Pointer[string])}
	engine := engineLocal
	here.chosen.Store(&engine)
	return here
}

// Query runs one statement; see tui.SQL.
func (s screenSQL) Query(ctx context.Context, statement string, maxRows int, progress *tui.SQLProgress) (tui.SQLAnswer, error) {
	rows, err := s.engines.query(ctx, s.Engine(), statement, maxRows, progress.Set)
	if err != nil {
		return nil, mistake(err, statement)
	}
	return &answer{ctx: ctx, rows: rows, statement: statement}, nil
}

// answer hands the rows of a query to the screen in pages.
type answer struct {
	ctx       context.Context
	rows      result
	statement string
	pages     int
	text      []byte
}

// Head is what is known before the rows are read.
func (a *answer) Head() tui.SQLHead {
	h := tui.SQLHead{Elapsed: a.rows.Elapsed(), Scanned: a.rows.Scanned(), Warnings: a.rows.Warnings(), Cost: costOf(a.rows)}
	for _, c := range a.rows.Columns() {
		h.Columns = append(h.Columns, tui.SQLColumn{Name: c.Name, Type: c.Type})
	}
	return h
}

// Next is the next page; the first is small, so that it is seen soon.
func (a *answer) Next() (*tui.SQLPage, error) {
	size := 4_000
	if a.pages == 0 {
		size = 250
	}
	a.pages++
	columns := a.rows.Columns()
	page := tui.NewSQLPage(len(columns))
	for n := 0; n < size && a.rows.Next(); n++ {
		for i, v := range a.rows.Values() {
			if v == nil {
				page.AddNull()
				continue
			}
			a.text = appendCell(a.text[:0], v, columns[i].Type)
			page.Add(a.text)
		}
		if n%256 == 0 && a.ctx.Err() != nil {
			return nil, a.ctx.Err()
		}
	}
	if err := a.rows.Err(); err != nil {
		return nil, mistake(err, a.statement)
	}
	if page.Rows() == 0 {
		return nil, nil
	}
	return page, nil
}

// Total counts all rows, also those that were left out.
func (a *answer) Total() (int64, error) { return a.rows.Total(a.ctx) }

// Close ends the query.
func (a *answer) Close() error { return a.rows.Close() }

// appendCell is a value as a grid shows it: as FormatValue writes it, but for
// figures, which are written as people do.
func appendCell(dst []byte, v any, typ string) []byte {
	switch v := v.(type) {
	case string:
		return append(dst, v...)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case float32:
		return appendFigure(dst, float64(v), 32)
	case float64:
		return appendFigure(dst, v, 64)
	}
	return append(dst, store.FormatValue(v, typ)...)
}

func appendFigure(dst []byte, v float64, bits int) []byte {
	if a := math.Abs(v); a != 0 && (a < 1e-6 || a >= 1e15) || a != a {
		return strconv.AppendFloat(dst, v, 'g', -1, bits)
	}
	return strconv.AppendFloat(dst, v, 'f', -1, bits)
}

// Tables are the lake's, with the columns that SQL shows.
func (s screenSQL) Tables(context.Context) ([]tui.SQLTable, error) {
	var tables []tui.SQLTable
	for _, t := range lake.Tables() {
		shown := tui.SQLTable{Name: t.Name}
		for _, c := range t.Visible() {
			shown.Columns = append(shown.Columns, tui.SQLColumn{Name: c.Name, Type: c.Type})
		}
		shown.Columns = append(shown.Columns, tui.SQLColumn{Name: "date", Type: "VARCHAR"}, tui.SQLColumn{Name: "hour", Type: "VARCHAR"})
		tables = append(tables, shown)
	}
	return tables, nil
}

// Export writes all rows into a new file, which is there only when it is whole.
func (s screenSQL) Export(ctx context.Context, statement, format, path string, progress *tui.SQLProgress) (e tui.SQLExport, err error) {
	write, ok := writers[format]
	if !ok {
		return e, fmt.Errorf("%q is not a format; one of csv, json, parquet", format)
	}
	if path, err = currentRole().exportPath(path); err != nil {
		return e, err
	}
	if path, err = exportPath(path); err != nil {
		return e, err
	}
	rows, err := s.engines.query(ctx, s.Engine(), statement, 0, progress.Set)
	if err != nil {
		return e, mistake(err, statement)
	}
	defer rows.Close()
	part := path + ".part"
	f, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return e, fmt.Errorf("export: %w", err)
	}
	counted := &countingWriter{w: f}
	err = write(ctx, rows, counted)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(part, path)
	}
	if err != nil {
		_ = os.Remove(part)
		return e, fmt.Errorf("export: %w", err)
	}
	e = tui.SQLExport{Path: path, Host: here(), Rows: -1, Bytes: counted.n}
	if n, err := rows.Total(ctx); err == nil {
		e.Rows = n
	}
	return e, nil
}

// exportPath is the absolute path of a file that is not there yet, in a
// directory that is.
func exportPath(path string) (string, error) {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("export: %w", err)
		}
		path = filepath.Join(home, rest)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("export: %w", err)
	}
	if _, err := os.Lstat(path); err == nil {
		return "", fmt.Errorf("export: %s is there already; choose another name", path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("export: %w", err)
	}
	return path, nil
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// here is this machine as scp would name it from where the analyst sits: the
// address that an SSH session came to, else the host's name.
func here() string {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	if f := strings.Fields(os.Getenv("SSH_CONNECTION")); len(f) == 4 {
		if host = f[2]; strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
	}
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username + "@" + host
	}
	return host
}

// mistake is an error as the screen shows it: without the names of DuckDB's
// classes, and with the place where it says one.
func mistake(err error, statement string) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	var dialect *athena.Error
	if errors.As(err, &dialect) {
		return &tui.SQLError{Text: dialect.Message, Offset: linePlace(statement, dialect.Line, dialect.Column)}
	}
	var syntax *store.SyntaxError
	if errors.As(err, &syntax) {
		at := -1
		if syntax.Offset >= 0 {
			at = utf8.RuneCountInString(statement[:min(syntax.Offset, len(statement))])
		}
		return &tui.SQLError{Text: syntax.Text, Offset: at}
	}
	text, at := splitPlace(err.Error(), statement)
	for _, class := range []string{"Binder", "Catalog", "Parser", "Conversion", "Invalid Input", "Out of Range", "Not implemented"} {
		text = strings.TrimPrefix(text, class+" Error: ")
	}
	if errors.Is(err, store.ErrRefused) {
		at = quotedPlace(text, statement)
	}
	return &tui.SQLError{Text: text, Offset: at}
}

// linePlace is the offset in runes of a line and column, both from 1; -1 where
// the statement has no such place.
func linePlace(statement string, line, column int) int {
	at := 0
	for l := range strings.SplitAfterSeq(statement, "\n") {
		n := utf8.RuneCountInString(l)
		if line--; line == 0 {
			if column < 1 || column > n+1 {
				return -1
			}
			return at + column - 1
		}
		at += n
	}
	return -1
}

// splitPlace takes the excerpt with its mark off a message of DuckDB, and
// finds in the statement what was marked; -1 where it cannot.
//
//	LINE 3: where foo(close) = 1
//	              ^
func splitPlace(message, statement string) (text string, at int) {
	text, excerpt, found := strings.Cut(message, "\nLINE ")
	text = strings.TrimSpace(text)
	if !found {
		return text, -1
	}
	line, mark, _ := strings.Cut(excerpt, "\n")
	number, line, _ := strings.Cut(line, ": ")
	column := strings.IndexByte(mark, '^') - len("LINE "+number+": ")
	runes := []rune(line)
	if column < 0 || column > len(runes) {
		return text, -1
	}
	before := strings.TrimPrefix(strings.TrimPrefix(string(runes[:column]), "..."), "SELECT * FROM (")
	after := strings.TrimSuffix(strings.TrimSuffix(string(runes[column:]), "..."), ")")
	// Of all places that go on as the excerpt does the one that the excerpt
	// leads up to best.
	best := -1
	for i := 0; after != "" && i <= len(statement)-len(after); i++ {
		if !strings.HasPrefix(statement[i:], after) {
			continue
		}
		n := 0
		for n < len(before) && n < i && before[len(before)-1-n] == statement[i-1-n] {
			n++
		}
		if n > best {
			best, at = n, i
		}
	}
	if best < 0 {
		return text, -1
	}
	return text, utf8.RuneCountInString(statement[:at])
}

// quotedPlace finds the first name that a message quotes; -1 where it is not there.
func quotedPlace(text, statement string) int {
	_, rest, found := strings.Cut(text, `"`)
	name, _, closed := strings.Cut(rest, `"`)
	if !found || !closed || name == "" {
		return -1
	}
	if i := strings.Index(strings.ToLower(statement), strings.ToLower(name)); i >= 0 && len(strings.ToLower(statement)) == len(statement) {
		return utf8.RuneCountInString(statement[:i])
	}
	return -1
}
