package athena

import (
	"bufio"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/duckdb/duckdb-go/v2"
)

// A statement with the answer of Trino 476.
type recorded struct {
	ID, Area, SQL string
	Columns       []struct{ Name, Type string }
	Rows          [][]any
	Ordered       bool
	Error         string
	Approx        bool
	Athena        string
}

func readStatements(t testing.TB) []recorded {
	t.Helper()
	f, err := os.Open("testdata/statements.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var list []recorded
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var s recorded
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			t.Fatal(err)
		}
		list = append(list, s)
	}
	return list
}

// The columns of testdata/ticks.csv and bars.csv, as Trino has them.
func testTables() []Table {
	column := func(pairs ...string) []Column {
		var list []Column
		for i := 0; i < len(pairs); i += 2 {
			list = append(list, Column{Name: pairs[i], Type: pairs[i+1]})
		}
		return list
	}
	return []Table{
		{Name: "ticks", Columns: column("symbol", "varchar", "time", "timestamp(3)", "price", "double", "size", "bigint", "bid", "double", "ask", "double", "exchange", "varchar", "condition", "varchar")},
		{Name: "bars", Columns: column("symbol", "varchar", "interval", "varchar", "time", "timestamp(3)", "open", "double", "high", "double", "low", "double", "close", "double", "volume", "bigint", "vwap", "double", "trades", "bigint")},
	}
}

func openTestDB(t testing.TB) *sql.Conn {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := Register(conn); err != nil {
		t.Fatal(err)
	}
	statements := append([]string{"SET TimeZone = 'UTC'", "SET threads = 2"}, Setup()...)
	for _, table := range testTables() {
		var columns []string
		for _, c := range table.Columns {
			typ, err := duckType(c.Type)
			if err != nil {
				t.Fatal(err)
			}
			columns = append(columns, quoteText(c.Name)+": "+quoteText(typ.duck()))
		}
		path, err := filepath.Abs("testdata/" + table.Name + ".csv")
		if err != nil {
			t.Fatal(err)
		}
		statements = append(statements, fmt.Sprintf("CREATE TABLE %s AS SELECT * FROM read_csv(%s, header = true, nullstr = '', columns = {%s})",
			table.Name, quoteText(path), strings.Join(columns, ", ")))
	}
	for _, s := range statements {
		if _, err := conn.ExecContext(context.Background(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	return conn
}

type verdict string

const (
	sameAnswer verdict = "same"
	sameError  verdict = "both refuse"
	refusal    verdict = "refused"  // Trino answers; here an error says why not
	different  verdict = "differs"  // both answer, not the same
	accepted   verdict = "accepted" // Trino refuses, here there is an answer
)

func judge(conn *sql.Conn, tr *Translator, s recorded) (verdict, string, string) {
	rewritten, err := tr.Rewrite(s.SQL)
	var rows [][]driver.Value
	failed := ""
	if err != nil {
		failed = "rewrite: " + err.Error()
	} else if rows, err = answer(conn, rewritten); err != nil {
		failed = "run: " + err.Error()
	}
	switch {
	case s.Error != "" && failed != "":
		return sameError, failed, rewritten
	case s.Error != "":
		return accepted, s.Error, rewritten
	case failed != "":
		return refusal, failed, rewritten
	}
	if why := compareAnswers(s, rows); why != "" {
		return different, why, rewritten
	}
	return sameAnswer, "", rewritten
}

func answer(conn *sql.Conn, query string) ([][]driver.Value, error) {
	var out [][]driver.Value
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	err := conn.Raw(func(c any) error {
		rows, err := c.(*duckdb.Conn).QueryContext(ctx, query, nil)
		if err != nil {
			return err
		}
		defer rows.Close()
		for {
			row := make([]driver.Value, len(rows.Columns()))
			if err := rows.Next(row); err != nil {
				if err.Error() == "EOF" {
					return nil
				}
				return err
			}
			out = append(out, row)
		}
	})
	return out, err
}

func compareAnswers(s recorded, got [][]driver.Value) string {
	if len(s.Rows) != len(got) {
		return fmt.Sprintf("%d rows, Trino has %d", len(got), len(s.Rows))
	}
	types := make([]*dataType, len(s.Columns))
	for i, c := range s.Columns {
		t, err := parseType(strings.NewReplacer("HyperLogLog", "varchar", "timestamp(9)", "timestamp(6)").Replace(c.Type))
		if err != nil {
			return "type " + c.Type + ": " + err.Error()
		}
		types[i] = t
	}
	want := make([][]string, len(s.Rows))
	have := make([][]string, len(got))
	for i := range got {
		if len(got[i]) != len(types) {
			return fmt.Sprintf("%d columns, Trino has %d", len(got[i]), len(types))
		}
		for j, t := range types {
			want[i] = append(want[i], canonicalTrino(s.Rows[i][j], t))
			have[i] = append(have[i], canonicalDuck(got[i][j], t))
		}
	}
	if !s.Ordered {
		less := func(rows [][]string) func(a, b int) bool {
			return func(a, b int) bool { return slices.Compare(rows[a], rows[b]) < 0 }
		}
		sort.SliceStable(want, less(want))
		sort.SliceStable(have, less(have))
	}
	tolerance := 1e-9
	if s.Approx {
		tolerance = 0.1
	}
	for i := range want {
		for j := range want[i] {
			if !equalTexts(want[i][j], have[i][j], tolerance) {
				return fmt.Sprintf("row %d column %d: %s, Trino has %s", i+1, j+1, have[i][j], want[i][j])
			}
		}
	}
	return ""
}

// Values become texts that are equal where the values are: numbers begin with
// #, and may differ a little.
func canonicalTrino(v any, t *dataType) string {
	if v == nil {
		return "NULL"
	}
	s, isText := v.(string)
	if isText && t.is(arrayType, mapType, rowType) {
		var inner any
		if json.Unmarshal([]byte(s), &inner) == nil {
			v = inner
		}
	}
	switch t.kind {
	case arrayType:
		list, _ := v.([]any)
		parts := make([]string, len(list))
		for i, e := range list {
			parts[i] = canonicalTrino(e, t.elem)
		}
		return "[" + strings.Join(parts, " ; ") + "]"
	case rowType:
		m, _ := v.(map[string]any)
		list, _ := m["row"].([]any)
		parts := make([]string, len(list))
		for i, e := range list {
			parts[i] = canonicalTrino(e, t.fields[i].typ)
		}
		return "[" + strings.Join(parts, " ; ") + "]"
	case mapType:
		m, _ := v.(map[string]any)
		list, _ := m["map"].([]any)
		parts := make([]string, len(list))
		for i, e := range list {
			pair := e.([]any)
			parts[i] = canonicalTrino(pair[0], t.key) + " => " + canonicalTrino(pair[1], t.elem)
		}
		slices.Sort(parts)
		return "{" + strings.Join(parts, " ; ") + "}"
	case tinyintType, smallintType, integerType, bigintType, decimalType, realType, doubleType:
		return "#" + s
	case timestampType:
		return "ts " + trimFraction(s)
	case zonedType:
		z, err := parseZoned(s)
		if err != nil {
			return s
		}
		return "tz " + fmt.Sprint(z.micros)
	case timeType:
		return "t " + trimFraction(s)
	case jsonType:
		if d, err := decodeJSON(s); err == nil {
			return "json " + encodeJSON(d)
		}
		return "json " + s
	case dayInterval:
		negative := strings.HasPrefix(s, "-")
		ms, _ := intervalMillis(strings.TrimPrefix(s, "-"), 0, 3)
		if negative {
			ms = -ms
		}
		return fmt.Sprint("iv 0 ", ms*1000)
	case monthInterval:
		negative := strings.HasPrefix(s, "-")
		var y, m int
		fmt.Sscanf(strings.TrimPrefix(s, "-"), "%d-%d", &y, &m)
		if m += 12 * y; negative {
			m = -m
		}
		return fmt.Sprint("iv ", m, " 0")
	}
	return "'" + s + "'"
}

func trimFraction(s string) string {
	if strings.Contains(s, ".") {
		return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
	}
	return s
}

func canonicalDuck(v any, t *dataType) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			elem := t.elem
			if elem == nil {
				elem = scalar(unknownType)
			}
			parts[i] = canonicalDuck(e, elem)
		}
		return "[" + strings.Join(parts, " ; ") + "]"
	case map[string]any:
		var parts []string
		for i := range t.fields {
			name := t.fieldName(i)
			e, ok := v[name]
			if !ok {
				return fmt.Sprintf("a row without %s: %v", name, v)
			}
			parts = append(parts, canonicalDuck(e, t.fields[i].typ))
		}
		return "[" + strings.Join(parts, " ; ") + "]"
	case duckdb.OrderedMap:
		var parts []string
		keys, values := v.Keys(), v.Values()
		for i := range keys {
			parts = append(parts, canonicalDuck(keys[i], t.key)+" => "+canonicalDuck(values[i], t.elem))
		}
		slices.Sort(parts)
		return "{" + strings.Join(parts, " ; ") + "}"
	case bool:
		return fmt.Sprintf("'%v'", v)
	case int8, int16, int32, int64, uint64, uint8, *big.Int:
		return "#" + fmt.Sprint(v)
	case float32:
		return "#" + strconv.FormatFloat(float64(v), 'g', -1, 32)
	case float64:
		return "#" + javaDouble(v)
	case duckdb.Decimal:
		return "#" + v.String()
	case []byte:
		if t.kind == varbinaryType {
			return "'" + hex.EncodeToString(v) + "'"
		}
		return "'" + string(v) + "'"
	case time.Time:
		switch t.kind {
		case zonedType:
			return fmt.Sprint("tz ", v.UnixMicro())
		case timestampType:
			return "ts " + trimFraction(v.UTC().Format("2006-01-02 15:04:05.000000"))
		case timeType:
			return "t " + trimFraction(v.UTC().Format("15:04:05.000000"))
		case dateType:
			return "'" + v.UTC().Format("2006-01-02") + "'"
		}
		return fmt.Sprint("time ", v)
	case duckdb.Interval:
		return fmt.Sprint("iv ", v.Months, " ", int64(v.Days)*86_400_000_000+v.Micros)
	case string:
		if t.kind == jsonType {
			return canonicalTrino(v, t)
		}
		return "'" + v + "'"
	}
	if t.kind == jsonType {
		b, err := json.Marshal(v)
		if err == nil {
			return canonicalTrino(string(b), t)
		}
	}
	return fmt.Sprintf("%T %v", v, v)
}

func equalTexts(a, b string, tolerance float64) bool {
	if a == b {
		return true
	}
	if !strings.Contains(a, "#") {
		return false
	}
	as, bs := strings.Fields(a), strings.Fields(b)
	if len(as) != len(bs) {
		return false
	}
	for i := range as {
		if as[i] == bs[i] {
			continue
		}
		x, ok1 := numberIn(as[i])
		y, ok2 := numberIn(bs[i])
		if !ok1 || !ok2 {
			return false
		}
		limit := tolerance * math.Max(math.Abs(x), math.Abs(y))
		if math.Abs(x-y) > limit && !(math.Abs(x-y) < 1e-12) {
			return false
		}
	}
	return true
}

func numberIn(s string) (float64, bool) {
	s = strings.Trim(s, "[]{}")
	if !strings.HasPrefix(s, "#") {
		return 0, false
	}
	var v float64
	_, err := fmt.Sscan(s[1:], &v)
	return v, err == nil
}

// expected are the statements of the table that get another answer than
// Trino's, each with the reason.
func expected(t testing.TB) map[string]string {
	t.Helper()
	data, err := os.ReadFile("testdata/refused.txt")
	if err != nil {
		return map[string]string{}
	}
	list := map[string]string{}
	for line := range strings.Lines(string(data)) {
		id, reason, ok := strings.Cut(strings.TrimSpace(line), " ")
		if ok && !strings.HasPrefix(id, "#") {
			list[id] = strings.TrimSpace(reason)
		}
	}
	return list
}

func TestConformance(t *testing.T) {
	conn := openTestDB(t)
	tr, err := New(testTables())
	if err != nil {
		t.Fatal(err)
	}
	known := expected(t)
	counts := map[verdict]int{}
	total := 0
	for _, s := range readStatements(t) {
		if s.Athena == "differs" {
			continue
		}
		total++
		v, why, rewritten := judge(conn, tr, s)
		counts[v]++
		_, isKnown := known[s.ID]
		switch {
		case v == sameAnswer || v == sameError:
			if isKnown {
				t.Errorf("%s gives Trino's answer now: take it off testdata/refused.txt", s.ID)
			}
		case v == refusal && isKnown:
		default:
			t.Errorf("%s %s: %s\n  %s\n  %s", s.ID, v, why, s.SQL, rewritten)
		}
	}
	t.Logf("of %d statements: %v", total, counts)
}
