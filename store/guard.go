package store

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/duckdb/duckdb-go/v2"
	"tapedeck/store/lake"
)

// ErrRefused says that a statement is not a question to the lake's tables.
var ErrRefused = errors.New("refused")

// guard decides what may run: DuckDB's own parser turns the statement into a
// tree, and the tree may hold nothing but SELECTs over the lake's tables and
// functions that neither read files nor tell about the machine. It is the
// inner of two walls: the database itself is locked to the lake's files.
type guard struct {
	tables map[string]bool
	files  map[string]bool
}

func newGuard(files []*FileTable) *guard {
	g := &guard{tables: map[string]bool{}, files: map[string]bool{}}
	for _, f := range files {
		g.files[f.Name] = true
	}
	for _, t := range lake.Tables() {
		g.tables[t.Name] = true
	}
	return g
}

// checked is a statement that may run.
type checked struct {
	sql     string
	tables  map[string]bounds // the tables that it reads
	explain string            // EXPLAIN or EXPLAIN ANALYZE in front of it
}

const (
	maxStatement = 256 << 10 // bytes
	maxNesting   = 120       // of parentheses; far below where a parser's stack ends
	maxTokens    = 20_000
	maxLambdas   = 4 // each level multiplies the binder's work, which cannot be interrupted
)

var (
	explainPattern = regexp.MustCompile(`(?is)^\s*(explain(?:\s+analyze)?)\s+(.*)$`)
	plainName      = regexp.MustCompile(`^[\pL_][\pL\pN_$ -]*$`)
	showTables     = regexp.MustCompile(`(?is)^\s*show\s+(all\s+)?tables\s*;?\s*$`)
)

// SyntaxError is a statement that cannot be read.
type SyntaxError struct {
	Text   string
	Offset int // bytes from the statement's start to what is wrong; -1 is unknown
}

func (e *SyntaxError) Error() string { return e.Text }

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrRefused}, args...)...)
}

// check parses a statement on a connection and says whether it may run.
func (g *guard) check(ctx context.Context, conn *duckdb.Conn, sql string) (*checked, error) {
	if err := measure(sql); err != nil {
		return nil, err
	}
	c := &checked{sql: strings.TrimSpace(sql), tables: map[string]bounds{}}
	if showTables.MatchString(sql) {
		c.sql = g.listTables()
		return c, nil
	}
	if m := explainPattern.FindStringSubmatch(sql); m != nil {
		c.explain, c.sql = m[1]+" ", m[2]
	}
	c.sql = strings.TrimRight(c.sql, "; \t\r\n")
	root, err := parse(ctx, conn, c.sql)
	var wrong *SyntaxError
	if errors.As(err, &wrong) && wrong.Offset >= 0 {
		wrong.Offset += max(strings.Index(sql, c.sql), 0)
	}
	if err != nil {
		return nil, err
	}
	w := &walker{guard: g, checked: c, ctes: map[string]bool{}}
	w.collectCTEs(root)
	if err := w.walk(root); err != nil {
		return nil, err
	}
	for table := range c.tables {
		c.tables[table] = w.bounds(root, table)
	}
	return c, nil
}

// parse is the statement's tree, as DuckDB serializes it.
func parse(ctx context.Context, conn *duckdb.Conn, sql string) (any, error) {
	rows, err := conn.QueryContext(ctx, "SELECT json_serialize_sql(?::VARCHAR, skip_null := true)::VARCHAR",
		[]driver.NamedValue{{Ordinal: 1, Value: sql}})
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	row := make([]driver.Value, 1)
	if err := rows.Next(row); err != nil && err != io.EOF {
		return nil, err
	}
	text, _ := row[0].(string)
	var answer struct {
		Error      bool   `json:"error"`
		Message    string `json:"error_message"`
		Kind       string `json:"error_type"`
		Position   string `json:"position"`
		Statements []any  `json:"statements"`
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		return nil, fmt.Errorf("read the statement: %w", err)
	}
	switch {
	case answer.Error && answer.Kind == "not implemented":
		return nil, refuse("only SELECT (also WITH, VALUES, DESCRIBE, SUMMARIZE, EXPLAIN) can be run here; nothing can be changed, loaded or set")
	case answer.Error:
		wrong := &SyntaxError{Text: answer.Message, Offset: -1}
		if n, err := strconv.Atoi(answer.Position); err == nil && n >= 0 && n <= len(sql) {
			wrong.Offset = n
		}
		return nil, wrong
	case len(answer.Statements) == 0:
		return nil, errors.New("there is no statement")
	case len(answer.Statements) > 1:
		return nil, refuse("one statement at a time, please")
	}
	return answer.Statements[0], nil
}

// measure refuses what could exhaust a parser, by a glance at its text.
func measure(sql string) error {
	if len(sql) > maxStatement {
		return refuse("the statement is %d kB long; at most %d kB are taken", len(sql)>>10, maxStatement>>10)
	}
	depth, tokens, word := 0, 0, false
	for i := 0; i < len(sql); i++ {
		c := sql[i]
		if isWord(c) {
			if !word {
				tokens++
			}
			word = true
			continue
		}
		word = false
		switch c {
		case 0:
			return refuse("the statement holds a NUL character")
		case '\'', '"':
			for i++; i < len(sql) && sql[i] != c; i++ {
			}
			tokens++
		case '-':
			tokens++
			if strings.HasPrefix(sql[i:], "--") {
				for i < len(sql) && sql[i] != '\n' {
					i++
				}
			}
		case '(', '[', '{':
			tokens++
			if depth++; depth > maxNesting {
				return refuse("the statement is nested more than %d deep", maxNesting)
			}
		case ')', ']', '}':
			depth--
		case ' ', '\t', '\n', '\r':
		default:
			tokens++
		}
	}
	if tokens > maxTokens {
		return refuse("the statement has more than %d words", maxTokens)
	}
	return nil
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c >= 0x80
}

func (g *guard) listTables() string {
	var names []string
	for t := range g.tables {
		names = append(names, "("+quote(t)+")")
	}
	for t := range g.files {
		names = append(names, "("+quote(t)+")")
	}
	slices.Sort(names)
	return "SELECT * FROM (VALUES " + strings.Join(names, ", ") + ") t(name)"
}

// walker goes through a statement's tree.
type walker struct {
	guard   *guard
	checked *checked
	ctes    map[string]bool
	lambdas int // that surround the node
}

// collectCTEs notes the names that WITH defines. One that could be a file's
// name is refused, since out of its scope it would be taken for a file.
func (w *walker) collectCTEs(node any) {
	switch n := node.(type) {
	case map[string]any:
		if m, ok := n["cte_map"].(map[string]any); ok {
			entries, _ := m["map"].([]any)
			for _, e := range entries {
				if entry, ok := e.(map[string]any); ok {
					if key, ok := entry["key"].(string); ok && plainName.MatchString(key) {
						w.ctes[strings.ToLower(key)] = true
					}
				}
			}
		}
		if key, ok := n["cte_name"].(string); ok && plainName.MatchString(key) {
			w.ctes[strings.ToLower(key)] = true
		}
		for _, child := range n {
			w.collectCTEs(child)
		}
	case []any:
		for _, child := range n {
			w.collectCTEs(child)
		}
	}
}

func (w *walker) walk(node any) error {
	switch n := node.(type) {
	case map[string]any:
		if err := w.visit(n); err != nil {
			return err
		}
		if text(n, "class") == "LAMBDA" {
			if w.lambdas++; w.lambdas > maxLambdas {
				return refuse("lambdas are nested more than %d deep", maxLambdas)
			}
			defer func() { w.lambdas-- }()
		}
		for _, child := range n {
			if err := w.walk(child); err != nil {
				return err
			}
		}
	case []any:
		for _, child := range n {
			if err := w.walk(child); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *walker) visit(n map[string]any) error {
	kind, _ := n["type"].(string)
	switch kind {
	case "BASE_TABLE":
		return w.table(n)
	case "TABLE_FUNCTION":
		f, _ := n["function"].(map[string]any)
		fn := strings.ToLower(text(f, "function_name"))
		if !tableFunctions[fn] || text(f, "schema") != "" || text(f, "catalog") != "" {
			return refuse("the function %s cannot be used as a table here; the tables are %s", clip(fn), w.guard.names())
		}
	case "SHOW_REF":
		if show := text(n, "show_type"); show != "DESCRIBE" && show != "SUMMARY" {
			return refuse("SHOW and PRAGMA can tell about the machine; use SHOW TABLES, DESCRIBE or SUMMARIZE")
		}
		if q, _ := n["query"].(map[string]any); q == nil {
			return refuse("write DESCRIBE followed by a table or a SELECT")
		}
	case "COLUMN_DATA", "DELIM_GET", "BOUND_TABLE_REF":
		return refuse("%s cannot be used here", strings.ToLower(kind))
	}
	if class := text(n, "class"); class == "FUNCTION" || class == "WINDOW" {
		return w.function(n)
	}
	return nil
}

func (w *walker) table(n map[string]any) error {
	table, schema, catalog := strings.ToLower(text(n, "table_name")), text(n, "schema_name"), text(n, "catalog_name")
	if schema == "" && catalog == "" {
		if w.guard.tables[table] {
			w.checked.tables[table] = bounds{}
			return nil
		}
		if w.ctes[table] || w.guard.files[table] {
			return nil
		}
	}
	full := table
	if schema != "" {
		full = schema + "." + full
	}
	if catalog != "" {
		full = catalog + "." + full
	}
	return refuse("%q is not one of the tables %s; files and other databases cannot be read here", clip(full), w.guard.names())
}

func (w *walker) function(n map[string]any) error {
	fn := strings.ToLower(text(n, "function_name"))
	if w.lambdas > 0 && expanding[fn] {
		return refuse("the function %s cannot be used inside of a lambda, where it could make lists without end", clip(fn))
	}
	// DuckDB itself qualifies some, e.g. row; only those behind a macro of
	// limits must not be reached past it.
	if limitedFunctions[fn] && (text(n, "schema") != "" || text(n, "catalog") != "") {
		return refuse("write the function %s without a schema", clip(fn))
	}
	if deniedFunctions[fn] {
		return refuse("the function %s tells about the machine or reaches outside the lake", clip(fn))
	}
	if recursiveFunctions[fn] {
		return refuse("the function %s cannot be used here: a deeply nested value would end the whole program", clip(fn))
	}
	if patterned[fn] {
		if err := w.pattern(n); err != nil {
			return err
		}
	}
	if fn == "format" || fn == "printf" {
		if err := w.format(n); err != nil {
			return err
		}
	}
	for _, prefix := range deniedPrefixes {
		if strings.HasPrefix(fn, prefix) && fn != "pg_typeof" {
			return refuse("the function %s tells about the machine or reaches outside the lake", clip(fn))
		}
	}
	return nil
}

func (g *guard) names() string {
	var names []string
	for _, t := range lake.Tables() {
		names = append(names, t.Name)
	}
	names = append(names, slices.Sorted(maps.Keys(g.files))...)
	return strings.Join(names, ", ")
}

func text(n map[string]any, key string) string {
	s, _ := n[key].(string)
	return s
}

func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}

// tableFunctions are those that make rows out of their arguments alone.
var tableFunctions = set("range", "generate_series", "unnest", "repeat_row", "json_each", "json_tree",
	"generate_subscripts", "regexp_split_to_table")

var deniedFunctions = set("getenv", "current_setting", "set_config", "getvariable", "query", "query_table",
	"nextval", "currval", "setseed", "write_log", "parse_duckdb_log_message", "json_execute_serialized_sql",
	"current_query", "current_connection_id", "current_query_id", "current_transaction_id", "txid_current",
	"in_search_path", "sleep_ms", "sleep", "glob", "which_secret", "sniff_csv", "from_substrait",
	"inet_client_addr", "inet_client_port", "inet_server_addr", "inet_server_port", "user_agent",
	"create_sort_key", "checkpoint", "force_checkpoint", "test_all_types", "arrow_scan", "arrow_scan_dumb", "seq_scan")

// recursiveFunctions go down into a value as deep as it is, and DuckDB's stack
// ends before a text does that repeat can make.
var recursiveFunctions = set("json_structure", "json_group_structure", "json_merge_patch", "json_contains", "json_transform", "json_transform_strict",
	"from_json", "from_json_strict", "json_serialize_sql", "json_serialize_plan", "json_deserialize_sql")

var deniedPrefixes = []string{"read_", "pg_", "duckdb_", "pragma_", "parquet_", "copy_", "http_", "getenv", "load_", "enable_", "disable_"}

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}
