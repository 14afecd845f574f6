package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tapedeck/store"
	"tapedeck/store/athena"
)

// athenaServer speaks Athena's API (AWS JSON 1.1) for one statement.
type athenaServer struct {
	mu      sync.Mutex
	calls   []string         // the operations, in order
	started map[string]any   // the last request of StartQueryExecution
	states  []string         // one a look, the last stays
	reason  string           // why it failed
	kind    string           // DML, DDL, UTILITY
	scanned int64            // bytes
	reused  bool             // the result was there already
	columns []map[string]any // ColumnInfo
	pages   [][][]any        // rows of texts or nil
	refuse  map[string]string
}

func (s *athenaServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AmazonAthena.")
	var in map[string]any
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.Header.Get("Authorization") == "" {
		http.Error(w, `{"__type":"InvalidRequestException"}`, http.StatusBadRequest)
		return
	}
	s.calls = append(s.calls, operation)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if why, ok := s.refuse[operation]; ok {
		kind, message, _ := strings.Cut(why, ": ")
		w.WriteHeader(http.StatusBadRequest)
		json.NewEncoder(w).Encode(map[string]any{"__type": kind, "message": message})
		return
	}
	var out any = map[string]any{}
	switch operation {
	case "StartQueryExecution":
		s.started = in
		out = map[string]any{"QueryExecutionId": "q-1"}
	case "GetQueryExecution":
		state := s.states[0]
		if len(s.states) > 1 {
			s.states = s.states[1:]
		}
		out = map[string]any{"QueryExecution": map[string]any{"QueryExecutionId": in["QueryExecutionId"], "StatementType": s.kind,
			"Status":     map[string]any{"State": state, "StateChangeReason": s.reason},
			"Statistics": map[string]any{"DataScannedInBytes": s.scanned, "ResultReuseInformation": map[string]any{"ReusedPreviousResult": s.reused}}}}
	case "GetQueryResults":
		page := 0
		if token, ok := in["NextToken"].(string); ok {
			fmt.Sscan(token, &page)
		}
		var rows []any
		for _, row := range s.pages[page] {
			var data []any
			for _, v := range row {
				datum := map[string]any{}
				if v != nil {
					datum["VarCharValue"] = v
				}
				data = append(data, datum)
			}
			rows = append(rows, map[string]any{"Data": data})
		}
		result := map[string]any{"ResultSet": map[string]any{"Rows": rows, "ResultSetMetadata": map[string]any{"ColumnInfo": s.columns}}}
		if page+1 < len(s.pages) {
			result["NextToken"] = fmt.Sprint(page + 1)
		}
		out = result
	}
	json.NewEncoder(w).Encode(out)
}

func (s *athenaServer) count(operation string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, c := range s.calls {
		if c == operation {
			n++
		}
	}
	return n
}

// awsEnvironment are credentials that only a test's server takes.
func awsEnvironment(t *testing.T) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
}

func openAthena(t *testing.T, s *athenaServer, c AthenaConfig) *Athena {
	t.Helper()
	awsEnvironment(t)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	c.Endpoint, c.Region = server.URL, "eu-central-1"
	a, err := OpenAthena(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	a.wait = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	return a
}

func column(name, typ string) map[string]any {
	return map[string]any{"Name": name, "Label": name, "Type": typ, "Nullable": "UNKNOWN", "CaseSensitive": false}
}

func text(t *testing.T, rows store.Cursor, write func(context.Context, store.Cursor, *strings.Builder) error) string {
	t.Helper()
	var b strings.Builder
	if err := write(t.Context(), rows, &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func csv(ctx context.Context, rows store.Cursor, b *strings.Builder) error {
	return store.WriteCSV(ctx, rows, b)
}

func TestAthenaAnswersWithTypesInPages(t *testing.T) {
	decimal := column("part", "decimal")
	decimal["Precision"], decimal["Scale"] = 10, 4
	s := &athenaServer{states: []string{"QUEUED", "RUNNING", "RUNNING", "SUCCEEDED"}, kind: "DML", scanned: 25_000_000,
		columns: []map[string]any{column("symbol", "varchar"), column("time", "timestamp"), column("price", "double"), column("size", "bigint"), decimal, column("late", "boolean"), column("list", "array"), column("day", "date")},
		pages: [][][]any{
			{{"symbol", "time", "price", "size", "part", "late", "list", "day"}, {"AAPL", "2026-11-20 14:30:00.000", "187.12", "100", "1.5000", "false", "[1, 2]", "2026-11-20"}},
			{{"", nil, "1.0E10", nil, nil, "true", nil, nil}, {"MSFT", "2026-11-20 14:30:00.123", "NaN", "-1", "-0.0100", nil, "[]", "2026-11-20"}},
		}}
	a := openAthena(t, s, AthenaConfig{Workgroup: "analysts", Output: "s3://results/here"})
	var share float64
	rows, err := a.Query(t.Context(), "SELECT * FROM ticks;\n", Options{Progress: func(v float64) { share = v }})
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	if s.started["QueryString"] != "SELECT * FROM ticks" || s.started["WorkGroup"] != "analysts" || s.started["ClientRequestToken"] == nil {
		t.Errorf("%v", s.started)
	}
	if fmt.Sprint(s.started["QueryExecutionContext"]) != "map[Catalog:AwsDataCatalog Database:tapedeck]" ||
		fmt.Sprint(s.started["ResultConfiguration"]) != "map[OutputLocation:s3://results/here]" {
		t.Errorf("%v", s.started)
	}
	want := []store.Column{{Name: "symbol", Type: "VARCHAR"}, {Name: "time", Type: "TIMESTAMP"}, {Name: "price", Type: "DOUBLE"}, {Name: "size", Type: "BIGINT"},
		{Name: "part", Type: "DECIMAL(10,4)"}, {Name: "late", Type: "BOOLEAN"}, {Name: "list", Type: "ARRAY"}, {Name: "day", Type: "DATE"}}
	if !slices.Equal(rows.Columns(), want) {
		t.Errorf("%v", rows.Columns())
	}
	got := text(t, rows, csv)
	if got != `symbol,time,price,size,part,late,list,day
AAPL,2026-11-20 14:30:00.000,187.12,100,1.5000,false,"[1, 2]",2026-11-20
"",,1.0E10,,,true,,
MSFT,2026-11-20 14:30:00.123,NaN,-1,-0.0100,,[],2026-11-20
` {
		t.Errorf("%s", got)
	}
	if n, err := rows.Total(t.Context()); n != 3 || err != nil {
		t.Errorf("%d rows, %v", n, err)
	}
	// 25 MB are 24 of AWS's megabytes.
	if rows.Cost() != "25.0 MB scanned, $0.00011" || rows.Scanned() != 25_000_000 || share != 1 {
		t.Errorf("%q %d %v", rows.Cost(), rows.Scanned(), share)
	}
	if s.count("GetQueryExecution") != 4 || s.count("StopQueryExecution") != 0 {
		t.Errorf("%v", s.calls)
	}
}

func TestAthenaLimitAndKinds(t *testing.T) {
	s := &athenaServer{states: []string{"SUCCEEDED"}, kind: "UTILITY", columns: []map[string]any{column("partition", "string")},
		pages: [][][]any{{{"date=2026-11-20/hour=14"}, {"date=2026-11-20/hour=15"}}, {{"date=2026-11-20/hour=16"}}}}
	a := openAthena(t, s, AthenaConfig{})
	rows, err := a.Query(t.Context(), "SHOW PARTITIONS ticks", Options{Limit: 2})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for rows.Next() {
		n++
	}
	if _, err := rows.Total(t.Context()); n != 2 || !rows.More() || !errors.Is(err, ErrUnknownTotal) {
		t.Errorf("%d rows, more %v, %v", n, rows.More(), err)
	}
	if rows.Cost() != "0 B scanned, free" {
		t.Errorf("%q", rows.Cost())
	}
	s.kind, s.pages, s.reused, s.scanned = "DML", [][][]any{{{"x"}, {"1"}}}, true, 1<<40
	s.columns = []map[string]any{column("x", "integer")}
	if rows, err = a.Query(t.Context(), "SELECT 1 AS x", Options{}); err != nil {
		t.Fatal(err)
	}
	if got := text(t, rows, csv); got != "x\n1\n" || !strings.HasSuffix(rows.Cost(), "free") {
		t.Errorf("%q %q", got, rows.Cost())
	}
	s.reused = false
	if rows, err = a.Query(t.Context(), "SELECT 1 AS x", Options{}); err != nil || rows.Cost() != "1.1 TB scanned, $5.00" {
		t.Errorf("%v %v", rows, err)
	}
}

func TestAthenaFailures(t *testing.T) {
	s := &athenaServer{states: []string{"FAILED"}, reason: "COLUMN_NOT_FOUND: line 2:3: Column 'prise' cannot be resolved or requester is not authorized"}
	a := openAthena(t, s, AthenaConfig{})
	_, err := a.Query(t.Context(), "SELECT\n  prise FROM ticks", Options{})
	var wrong *athena.Error
	if !errors.As(err, &wrong) || wrong.Line != 2 || wrong.Column != 3 || !strings.HasPrefix(wrong.Message, "Column 'prise'") {
		t.Errorf("%v", err)
	}
	s.reason = "Query exhausted resources at this scale factor"
	if _, err = a.Query(t.Context(), "SELECT 1", Options{}); err == nil || !strings.Contains(err.Error(), "exhausted resources") {
		t.Errorf("%v", err)
	}
	s.refuse = map[string]string{"StartQueryExecution": "InvalidRequestException: No output location provided. You did not provide an output location"}
	if _, err = a.Query(t.Context(), "SELECT 1", Options{}); err == nil || !strings.Contains(err.Error(), "sql.athena.output") {
		t.Errorf("%v", err)
	}
	if _, err := OpenAthena(t.Context(), AthenaConfig{Output: "/tmp"}, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("an output that is no bucket is taken")
	}
}

// A question that is given up is stopped there, too.
func TestAthenaIsStopped(t *testing.T) {
	s := &athenaServer{states: []string{"RUNNING"}}
	a := openAthena(t, s, AthenaConfig{})
	ctx, cancel := context.WithCancelCause(t.Context())
	looks := 0
	a.wait = func(ctx context.Context, _ time.Duration) error {
		if looks++; looks == 3 {
			cancel(errors.New("it took too long"))
		}
		return ctx.Err()
	}
	_, err := a.Query(ctx, "SELECT 1", Options{})
	if err == nil || err.Error() != "it took too long" || s.count("StopQueryExecution") != 1 {
		t.Errorf("%v %v", err, s.calls)
	}
}

// Nothing that writes gets as far as an engine.
func TestOnlyQuestionsAreSent(t *testing.T) {
	s := &athenaServer{}
	a := openAthena(t, s, AthenaConfig{})
	tr, err := OpenTrino(TrinoConfig{URL: "http://u@127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	for _, sql := range []string{
		"", ";", "-- nothing", "DROP TABLE ticks", "CREATE TABLE x AS SELECT 1", "INSERT INTO ticks SELECT * FROM ticks", "DELETE FROM ticks",
		"UNLOAD (SELECT 1) TO 's3://b/x' WITH (format = 'PARQUET')", "MSCK REPAIR TABLE ticks", "ALTER TABLE ticks ADD COLUMNS (x int)",
		"EXPLAIN ANALYZE INSERT INTO ticks VALUES 1", "EXPLAIN (TYPE DISTRIBUTED) DELETE FROM ticks", "SELECT 1; DROP TABLE ticks",
		"/* SELECT */ DROP TABLE x", "CALL system.sync_partition_metadata('a', 'b', 'ADD')", "EXECUTE p", "PREPARE p FROM DROP TABLE x", "VACUUM ticks",
		"USING EXTERNAL FUNCTION f(x varchar) RETURNS varchar LAMBDA 'l' SELECT f('x')", "GRANT ALL ON ticks TO x", "SET SESSION a = 1", "MERGE INTO a USING b ON true WHEN MATCHED THEN DELETE",
		"SELECT * FROM TABLE(postgresql.system.query(query => 'DELETE FROM x'))", "select * from table ( raw_query('x') )", "EXPLAIN", "'SELECT'", "\"SELECT\"", "USE x", "TRUNCATE TABLE x", "REFRESH MATERIALIZED VIEW x",
	} {
		for _, query := range []func() error{
			func() error { _, err := a.Query(t.Context(), sql, Options{}); return err },
			func() error { _, err := tr.Query(t.Context(), sql, Options{}); return err },
		} {
			var refused *athena.Error
			if err := query(); !errors.As(err, &refused) {
				t.Errorf("%s: %v", sql, err)
			}
		}
	}
	if len(s.calls) > 0 {
		t.Errorf("%v", s.calls)
	}
	for _, sql := range []string{"SELECT ';'", "(SELECT 1) UNION SELECT 2;", "WITH a AS (SELECT 1) TABLE a", "TABLE ticks", "EXPLAIN ANALYZE VERBOSE SELECT 1", "EXPLAIN (TYPE IO, FORMAT JSON) SELECT 1",
		"SELECT * FROM TABLE(sequence(1, 3))", "SELECT * FROM TABLE(exclude_columns(input => TABLE(ticks), columns => DESCRIPTOR(time)))", "SHOW CREATE TABLE ticks", "VALUES 1", "-- ; \nSELECT 1 -- DROP"} {
		if err := athena.ReadOnly(sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
}
