package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"tapedeck/tui"
)

// athenaStub answers every statement of Athena's API with one row.
func athenaStub(t *testing.T) string {
	t.Helper()
	for k, v := range map[string]string{"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"} {
		t.Setenv(k, v)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		out := `{}`
		switch strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AmazonAthena.") {
		case "StartQueryExecution":
			out = `{"QueryExecutionId":"q"}`
		case "GetQueryExecution":
			out = `{"QueryExecution":{"StatementType":"DML","Status":{"State":"SUCCEEDED"},"Statistics":{"DataScannedInBytes":12000000}}}`
		case "GetQueryResults":
			out = `{"ResultSet":{"Rows":[{"Data":[{"VarCharValue":"n"}]},{"Data":[{"VarCharValue":"42"}]}],"ResultSetMetadata":{"ColumnInfo":[{"Name":"n","Label":"n","Type":"bigint"}]}}}`
		}
		w.Write([]byte(out))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestSQLOnAthena(t *testing.T) {
	t.Setenv("TAPEDECK_SQL_ATHENA_ENDPOINT", athenaStub(t))
	var out, notes bytes.Buffer
	args := []string{"sql", "--data", t.TempDir(), "--engine", "athena", "--format", "csv", "SELECT 42 AS n"}
	if code := run(args, nil, &out, &notes); code != exitOK || out.String() != "n\n42\n" || notes.String() != "note: athena: 12.0 MB scanned, $0.00006\n" {
		t.Errorf("%d %q %q", code, out.String(), notes.String())
	}
	out.Reset()
	args[6] = "json"
	if code := run(args, nil, &out, &notes); code != exitOK || out.String() != "{\"n\":42}\n" {
		t.Errorf("%d %q", code, out.String())
	}
	for _, args := range [][]string{
		{"--engine", "athena", "DROP TABLE ticks"},
		{"--engine", "presto", "SELECT 1"},
		{"--engine", "trino", "SELECT 1"},
		{"--engine", "athena", "--dialect", "duckdb", "SELECT 1"},
	} {
		notes.Reset()
		if code := run(append([]string{"sql", "--data", t.TempDir()}, args...), nil, &out, &notes); code != exitUsage || notes.Len() == 0 {
			t.Errorf("%v: %d %s", args, code, notes.String())
		}
	}
}

func TestScreenChoosesAnEngine(t *testing.T) {
	s := emptySQL(t)
	c := s.engines.config
	c.SQL.Athena.Endpoint = athenaStub(t)
	s.engines.config = c
	var sql tui.SQL = s
	e := sql.(tui.SQLEngines)
	if e.Engine() != "local" || e.Engines()[0] != "local" {
		t.Error(e.Engine())
	}
	if err := e.Use("trino"); err == nil || !strings.Contains(err.Error(), "sql.trino.url") {
		t.Error(err)
	}
	if err := e.Use("oracle"); err == nil || e.Engine() != "local" {
		t.Error(err)
	}
	if err := e.Use("Athena"); err != nil || e.Engine() != "athena" {
		t.Fatal(err)
	}
	a, err := sql.Query(t.Context(), "SELECT 42 AS n", 10, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if h := a.Head(); h.Cost != "12.0 MB scanned, $0.00006" || h.Columns[0] != (tui.SQLColumn{Name: "n", Type: "BIGINT"}) {
		t.Errorf("%+v", h)
	}
	if page, err := a.Next(); err != nil || page.Rows() != 1 {
		t.Errorf("%v %v", page, err)
	}
	// What asks by itself never asks an engine that is paid for.
	here, err := e.Here().Query(t.Context(), "SELECT 1 AS one", 10, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer here.Close()
	if h := here.Head(); h.Cost != "" || h.Columns[0].Name != "one" {
		t.Errorf("%+v", h)
	}
}

func TestNestedSettings(t *testing.T) {
	c := DefaultConfig()
	if err := c.readYAML("f", []byte("sql:\n  engine: trino\n  athena:\n    output: s3://b/p\n    price: 6.5\n  trino:\n    url: http://a@b:8080\n")); err != nil {
		t.Fatal(err)
	}
	if c.SQL.Engine != "trino" || c.SQL.Athena.Output != "s3://b/p" || c.SQL.Athena.Price != 6.5 || c.SQL.Trino.URL != "http://a@b:8080" {
		t.Errorf("%+v", c.SQL)
	}
	again := DefaultConfig()
	if err := again.readYAML("f", []byte(c.yamlText(true, false))); err != nil || again.SQL.Athena != c.SQL.Athena || again.SQL.Trino != c.SQL.Trino {
		t.Errorf("%v %+v", err, again.SQL)
	}
	if strings.Contains(c.yamlText(false, true), "a@b") {
		t.Error("the address, which can hold a password, is shown")
	}
	if err := c.readYAML("f", []byte("athena:\n  output: s3://b/p\n")); err == nil {
		t.Error("a section in the wrong place is taken")
	}
}

func TestSQLOverAFile(t *testing.T) {
	dir := t.TempDir()
	path := dir + "/orders.csv"
	if err := os.WriteFile(path, []byte("id,symbol,at\n7,AAPL,2026-11-20 14:30:00\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, notes bytes.Buffer
	args := []string{"sql", "--data", dir + "/data", "--format", "csv", "--table", "Orders=" + path}
	if code := run(append(args, "SELECT id / 2 AS half, date_diff('day', DATE '2026-11-18', CAST(at AS date)) FROM orders"), nil, &out, &notes); code != exitOK || !strings.HasSuffix(out.String(), "\n3,2\n") {
		t.Errorf("%d %q %s", code, out.String(), notes.String())
	}
	for _, bad := range []string{"orders", "ticks=" + path, "o=" + dir, "o=" + dir + "/none.csv"} {
		if code := run([]string{"sql", "--data", dir + "/data", "--table", bad, "SELECT 1"}, nil, &out, &notes); code != exitUsage {
			t.Errorf("%s: %d", bad, code)
		}
	}
}
