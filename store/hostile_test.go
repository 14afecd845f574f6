package store_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tapedeck/pipeline/market"
	"tapedeck/store"
	"tapedeck/store/lake"
)

// forbidden are statements that must be refused before anything happens.
// LAKE stands for the lake's directory.
var forbidden = []string{
	// other files
	"SELECT * FROM '/etc/passwd'",
	"SELECT * FROM read_csv('/etc/passwd')",
	"SELECT * FROM read_csv_auto('/etc/passwd')",
	"SELECT * FROM read_text('/etc/passwd')",
	"SELECT * FROM read_blob('/etc/passwd')",
	"SELECT * FROM read_text('LAKE/lake.json')",
	"SELECT * FROM 'LAKE/lake.json'",
	`SELECT * FROM "LAKE/lake.json"`,
	"SELECT * FROM read_json('LAKE/lake.json')",
	"SELECT * FROM read_parquet('LAKE/**/*.parquet')",
	"SELECT * FROM parquet_scan('x.parquet')",
	"SELECT * FROM parquet_metadata('x.parquet')",
	"SELECT * FROM parquet_kv_metadata('x.parquet')",
	"SELECT * FROM glob('/*')",
	"SELECT * FROM sniff_csv('/etc/passwd')",
	"FROM '/etc/passwd'",
	"SELECT (SELECT any_value(x) FROM read_text('/etc/passwd') t(x))",
	"SELECT * FROM ticks WHERE symbol IN (SELECT content FROM read_text('/etc/passwd'))",
	"WITH a AS (SELECT * FROM read_text('/etc/passwd')) SELECT * FROM a",
	`WITH "/etc/passwd" AS (SELECT 1) SELECT * FROM "/etc/passwd"`,
	`SELECT * FROM (WITH "x.csv" AS (SELECT 1) SELECT 1), "x.csv"`,
	"SELECT * FROM ticks UNION ALL SELECT * FROM read_csv('/etc/passwd')",
	"SELECT * FROM query('SELECT 1')",
	"SELECT * FROM query_table('ticks')",
	"SELECT * FROM json_execute_serialized_sql('{}')",
	"DESCRIBE SELECT * FROM read_csv('/etc/passwd')",
	"SUMMARIZE '/etc/passwd'",
	"EXPLAIN SELECT * FROM read_csv('/etc/passwd')",
	"EXPLAIN ANALYZE COPY ticks TO '/tmp/hostile.csv'",
	"SELECT * FROM read_csv('/dev/stdin')",
	// the network
	"SELECT * FROM 'https://example.com/x.csv'",
	"SELECT * FROM read_parquet('s3://bucket/x')",
	"ATTACH 'https://example.com/x.db'",
	"INSTALL httpfs",
	"LOAD httpfs",
	"LOAD '/tmp/evil.duckdb_extension'",
	"FORCE INSTALL spatial FROM community",
	// the machine
	"SELECT getenv('HOME')",
	"SELECT current_setting('temp_directory')",
	"SELECT * FROM duckdb_settings()",
	"SELECT * FROM duckdb_views()",
	"SELECT * FROM duckdb_secrets()",
	"SELECT * FROM information_schema.tables",
	"SELECT * FROM pg_catalog.pg_tables",
	"SELECT * FROM pg_settings()",
	"SELECT * FROM sqlite_master",
	"SELECT * FROM duckdb_logs",
	"SHOW DATABASES",
	"SHOW VARIABLES",
	"PRAGMA database_list",
	"PRAGMA table_info('ticks')",
	"PRAGMA enable_profiling",
	"CALL pragma_version()",
	"SELECT * FROM which_secret('a', 'b')",
	"SELECT json_serialize_plan('SELECT * FROM read_csv(''/etc/passwd'')')",
	"FROM (SHOW ALL TABLES)",
	"SELECT * FROM memory.main.hot_ticks_1",
	"SELECT * FROM temp.result_",
	"SELECT * FROM arrow_scan(1, 2, 3)",
	"SELECT * FROM enable_logging()",
	"SELECT * FROM pg_timezone_names()",
	"MERGE INTO ticks USING ticks b ON true WHEN MATCHED THEN DELETE",
	"COMMENT ON VIEW ticks IS 'x'",
	// what goes down into a value ends the stack, and with it the program
	"SELECT json_structure(repeat('[', 499999) || repeat(']', 499999))",
	"SELECT json_merge_patch(repeat('{\"a\":', 99999) || '1' || repeat('}', 99999), '{}')",
	"SELECT json_contains(repeat('[', 499999) || repeat(']', 499999), '1')",
	"SELECT json_serialize_sql('SELECT ' || repeat('(', 499999) || '1')",
	"SELECT json_deserialize_sql(repeat('[', 499999))",
	"SELECT from_json(repeat('[', 499999), '[\"JSON\"]')",
	"SELECT repeat('a', 999999) LIKE repeat('%a', 499999)",
	"SELECT repeat('a', 999999) NOT ILIKE repeat('%a', 499999) || '_'",
	"SELECT repeat('a', 999999) GLOB repeat('*a', 499999)",
	"SELECT like_escape(repeat('a', 999999), repeat('%a', 499999), '!')",
	"SELECT x LIKE p FROM (SELECT repeat('a', 999999) x, repeat('%a', 499999) p)",
	"SELECT condition LIKE '" + strings.Repeat("%a_", 40_000) + "' FROM ticks",
	"SELECT regexp_full_match('a', repeat('a?', 99999))",
	"SELECT main.limited_pattern('x')",
	// settings
	"SET enable_external_access = true",
	"SET memory_limit = '100GB'",
	"SET lock_configuration = false",
	"RESET ALL",
	"SET VARIABLE x = 1",
	"PRAGMA memory_limit = '1TB'",
	// writing
	"COPY ticks TO '/tmp/hostile.csv'",
	"COPY (SELECT 1) TO 'LAKE/hostile.csv'",
	"COPY ticks FROM '/etc/passwd'",
	"EXPORT DATABASE '/tmp/hostile'",
	"IMPORT DATABASE '/tmp/hostile'",
	"ATTACH '/tmp/hostile.db' AS h",
	"CREATE TABLE x AS SELECT 1",
	"CREATE TEMP TABLE x AS SELECT 1",
	"CREATE OR REPLACE TEMP VIEW ticks AS SELECT 1",
	"CREATE MACRO f(x) AS x",
	"CREATE SECRET (TYPE s3, KEY_ID 'a', SECRET 'b')",
	"INSERT INTO ticks SELECT * FROM ticks",
	"DELETE FROM ticks",
	"UPDATE ticks SET price = 0",
	"DROP VIEW ticks",
	"TRUNCATE ticks",
	"ALTER TABLE ticks ADD COLUMN x INT",
	"VACUUM",
	"CHECKPOINT",
	"BEGIN TRANSACTION",
	"USE memory",
	"DETACH memory",
	"PREPARE p AS SELECT 1",
	"EXECUTE p",
	// more than one
	"SELECT 1; SELECT 2",
	"SELECT 1; COPY ticks TO '/tmp/hostile.csv'",
	"SELECT 1 /* ; */; DROP VIEW ticks --",
}

func hostileDB(t *testing.T) (*store.DB, string) {
	dir := t.TempDir()
	l := openLake(t, dir)
	log := &memoryLog{}
	for n := range 1000 {
		tk := tick(n, "AAPL")
		log.add(lake.Ticks, 0, tk.Time, market.AppendTick(nil, &tk))
	}
	archive(t, l, log, lake.Ticks, "t", 0, 900)
	return openDB(t, store.Config{Lake: l, Log: log, MemoryLimit: "200MB", TempLimit: "100MB", Threads: 2, Timeout: 2 * time.Second}), dir
}

func TestForbidden(t *testing.T) {
	db, dir := hostileDB(t)
	for _, sql := range forbidden {
		sql = strings.ReplaceAll(sql, "LAKE", dir)
		for _, sql := range []string{sql, "  " + strings.ToLower(strings.ReplaceAll(sql, dir, "LAKE")) + " ; "} {
			sql = strings.ReplaceAll(sql, "LAKE", dir)
			rows, err := db.Query(t.Context(), sql, store.Options{Limit: 10})
			if err == nil {
				for rows.Next() {
					t.Log(rows.Values())
				}
				rows.Close()
				t.Errorf("%s: ran", sql)
				continue
			}
			if !errors.Is(err, store.ErrRefused) && !strings.Contains(err.Error(), "yntax error") {
				t.Errorf("%s: %v", sql, err)
			}
		}
	}
	for _, path := range []string{"/tmp/hostile.csv", "/tmp/hostile", "/tmp/hostile.db", filepath.Join(dir, "hostile.csv")} {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s was written", path)
		}
	}
}

// exhausting are statements that may run and must end in an error soon.
var exhausting = []string{
	"SELECT count(*) FROM range(1000000000000)",
	"SELECT * FROM range(1000000000000)",
	"SELECT * FROM range(100000000) ORDER BY hash(range)",
	"SELECT count(*) FROM ticks a, ticks b, ticks c, ticks d, ticks e",
	"SELECT * FROM ticks a, ticks b, ticks c",
	"SELECT sum(a.price * b.price) FROM range(10000000) r, ticks a, ticks b",
	"SELECT list(range) FROM range(1000000000)",
	"SELECT string_agg(range::VARCHAR, ',') FROM range(1000000000)",
	"SELECT repeat('x', 2000000000)",
	"SELECT repeat(repeat('x', 100000), 100000)",
	"SELECT length(repeat('x', 1000000 * (size::INT % 2 + 1000))) FROM ticks",
	"SELECT lpad('x', 2000000000, 'y')",
	"SELECT rpad('x', 2000000000, 'y')",
	"SELECT range(1000000000)",
	"SELECT generate_series(1, 1000000000)",
	"SELECT list_transform(range(100000000), x -> repeat('a', 1000))",
	"SELECT array_to_string(range(200000000), ',')",
	"SELECT count(DISTINCT range) FROM range(10000000000)",
	"WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r",
	"WITH RECURSIVE r(n, s) AS (SELECT 1, 'x' UNION ALL SELECT n + 1, s || s FROM r) SELECT max(length(s)) FROM r",
	"SELECT system.main.repeat('x', 2000000000)",
	"SELECT main.lpad('x', 2000000000, 'y')",
	"SELECT pg_sleep(100)",
	"SELECT * FROM generate_series(1, 100000000000) a JOIN generate_series(1, 100000000000) b ON true",
	"SELECT bitstring('1', 2000000000)",
	"SELECT array_resize([1], 1000000000)",
	"SELECT list_transform(range(10000), x -> range(x))",
	"SELECT range(9999) FROM ticks a, ticks b",
	"SELECT range(TIMESTAMP '2000-01-01', TIMESTAMP '2030-01-01', INTERVAL 1 SECOND)",
	"SELECT list_transform(l, x -> l) FROM (SELECT list_transform(l, x -> l) l FROM (SELECT range(1000) l FROM ticks))",
	"SELECT list_concat(l, l) FROM (" + strings.Repeat("SELECT list_concat(l, l) l FROM (", 60) + "SELECT [1, 2, 3] l" + strings.Repeat(")", 61),
	"SELECT format('{:2000000000}', 1)",
	"SELECT printf('%2000000000d', 1)",
	"SELECT format('{:{}}', 1, 2000000000)",
	"SELECT printf('%*d', 2000000000, 1)",
	"SELECT format(condition || '{:2000000000}', 1) FROM ticks",
	"SELECT list_resize([1], 1000000000)",
	"SELECT unnest(range(10000000000))",
	"SELECT string_split(repeat('a,', 100000000), ',')",
	"SELECT replace(repeat('a', 1000000), 'a', repeat('b', 1000))",
	"SELECT * FROM repeat_row(1, num_rows = 1000000000000)",
	"SELECT repeat('a', 999999) LIKE limited_pattern(repeat('%a', 99999))",
	"SELECT levenshtein(repeat('a', 999999), repeat('b', 999999))",
	"SELECT jaro_similarity(repeat('a', 999999), repeat('b', 999999))",
	"SELECT damerau_levenshtein(repeat('a', 99999), repeat('b', 99999))",
	"SELECT concat(repeat('a', 1000000), repeat('b', 1000000), range) FROM range(10000)",
}

// nested are statements that could end a parser's stack.
var nested = map[string]string{
	"parentheses": "SELECT " + strings.Repeat("(", 100_000) + "1" + strings.Repeat(")", 100_000),
	"some":        "SELECT " + strings.Repeat("(", 119) + "1" + strings.Repeat(")", 119),
	"lists":       "SELECT " + strings.Repeat("[", 50_000) + strings.Repeat("]", 50_000),
	"subqueries":  strings.Repeat("SELECT * FROM (", 5000) + "SELECT 1" + strings.Repeat(")", 5000),
	"not":         "SELECT " + strings.Repeat("NOT ", 9_000) + "true",
	"minus":       "SELECT " + strings.Repeat("- ", 9_000) + "1",
	"plus":        "SELECT 1" + strings.Repeat(" + 1", 9_000),
	"and":         "SELECT true" + strings.Repeat(" AND true", 9_000),
	"or":          "SELECT 1 FROM ticks WHERE price > 1" + strings.Repeat(" OR price > 1", 3_000),
	"casts":       "SELECT 1" + strings.Repeat("::INT", 6_000),
	"unions":      "SELECT 1" + strings.Repeat(" UNION ALL SELECT 1", 6_000),
	"excepts":     "SELECT 1" + strings.Repeat(" EXCEPT SELECT 1", 6_000),
	"joins":       "SELECT 1 FROM ticks" + strings.Repeat(" JOIN ticks USING (time)", 4_000),
	"comma joins": "SELECT 1 FROM ticks" + strings.Repeat(", ticks", 4_000),
	"case":        "SELECT " + strings.Repeat("CASE WHEN true THEN ", 4_000) + "1" + strings.Repeat(" END", 4_000),
	"functions":   "SELECT " + strings.Repeat("abs(", 110) + "1" + strings.Repeat(")", 110),
	"columns":     "SELECT " + strings.Repeat("price, ", 9_000) + "1 FROM ticks",
	"ctes":        "WITH a0 AS (SELECT 1)" + manyCTEs(1000) + " SELECT * FROM a1000",
	"concat":      "SELECT 'a'" + strings.Repeat(" || 'a'", 6_000),
	"subscripts":  "SELECT [1]" + strings.Repeat("[1]", 4_000),
	"lambdas":     "SELECT " + strings.Repeat("list_transform([1], x -> ", 4) + "1" + strings.Repeat(")", 4),
	"lambda":      "SELECT " + strings.Repeat("list_transform([1], x -> ", 100) + "1" + strings.Repeat(")", 100),
	"comparison":  "SELECT 1" + strings.Repeat(" = 1", 6_000),
	"long":        "SELECT '" + strings.Repeat("x", 1<<20) + "'",
	"comment":     strings.Repeat("/*", 10_000) + strings.Repeat("*/", 10_000) + " SELECT 1",
	"nul":         "SELECT 1\x00; DROP VIEW ticks",
	"unclosed":    "SELECT 'abc",
	"nothing":     " ; ",
}

func manyCTEs(n int) string {
	var b strings.Builder
	for i := 1; i <= n; i++ {
		b.WriteString(", a" + itoa(i) + " AS (SELECT * FROM a" + itoa(i-1) + ")")
	}
	return b.String()
}

func itoa(i int) string {
	if i < 10 {
		return string(rune('0' + i))
	}
	return itoa(i/10) + itoa(i%10)
}

func TestExhausting(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a while")
	}
	db, _ := hostileDB(t)
	for _, sql := range exhausting {
		begin := time.Now()
		rows, err := db.Query(t.Context(), sql, store.Options{Timeout: 200 * time.Millisecond})
		if err == nil {
			for rows.Next() {
			}
			err = rows.Err()
			rows.Close()
		}
		took := time.Since(begin)
		if err == nil || took > endless {
			t.Errorf("%s: %v after %v", sql, err, took)
		}
		t.Logf("%6.0f ms, %d MB resident: %s: %.150v", took.Seconds()*1000, resident(), sql, err)
		if got := query(t, db, "SELECT count(*) FROM ticks")[0][0]; got != int64(1000) {
			t.Fatalf("afterwards there are %v ticks", got)
		}
	}
}

// endless is what only a statement reaches that does not heed its limits, on
// however busy a machine.
const endless = time.Minute

func TestNested(t *testing.T) {
	db, _ := hostileDB(t)
	for _, name := range slices.Sorted(maps.Keys(nested)) {
		sql := nested[name]
		ctx, cancel := context.WithTimeout(t.Context(), endless)
		begin := time.Now()
		rows, err := db.Query(ctx, sql, store.Options{Limit: 10, Timeout: time.Second})
		if err == nil {
			for rows.Next() {
			}
			err = rows.Err()
			rows.Close()
		}
		cancel()
		t.Logf("%-12s %6.0f ms: %.150v", name, time.Since(begin).Seconds()*1000, err)
		if time.Since(begin) > endless {
			t.Errorf("%s took %v", name, time.Since(begin))
		}
	}
	if got := query(t, db, "SELECT count(*) FROM ticks")[0][0]; got != int64(1000) {
		t.Fatalf("afterwards there are %v ticks", got)
	}
}

func TestCancel(t *testing.T) {
	db, _ := hostileDB(t)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	begin := time.Now()
	_, err := db.Query(ctx, "SELECT count(*) FROM range(1000000000000)", store.Options{Limit: 1})
	if !errors.Is(err, context.Canceled) || time.Since(begin) > endless/4 {
		t.Errorf("%v after %v", err, time.Since(begin))
	}
}

// resident is this process's memory in MB; 0 where that cannot be told.
func resident() int {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data))
	pages := 0
	for _, c := range fields[1] {
		pages = pages*10 + int(c-'0')
	}
	return pages * os.Getpagesize() >> 20
}
