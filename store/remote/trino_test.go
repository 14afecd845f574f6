package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"tapedeck/store"
	"tapedeck/store/athena"
)

// trinoServer speaks Trino's protocol for one statement: a page a request.
type trinoServer struct {
	*httptest.Server
	mu       sync.Mutex
	asked    string
	header   http.Header
	columns  string   // JSON
	pages    []string // of rows, JSON; an empty one is still working
	endless  bool     // the pages come again and again
	failure  string   // JSON of the error
	hold     chan struct{}
	reached  chan struct{} // closed when the first page was asked for
	deleted  []string
	deletion chan struct{}
}

func newTrinoServer(t *testing.T) *trinoServer {
	s := &trinoServer{reached: make(chan struct{}), deletion: make(chan struct{}, 10)}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *trinoServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	answer := map[string]any{"id": "q1", "infoUri": s.URL + "/ui", "stats": map[string]any{"state": "RUNNING", "processedBytes": 1_234_567, "progressPercentage": 40.0}}
	page := 0
	switch {
	case r.Method == http.MethodPost && r.URL.Path == "/v1/statement":
		body, _ := io.ReadAll(r.Body)
		s.asked, s.header = string(body), r.Header
		answer["nextUri"] = s.URL + "/v1/statement/q1/0"
		json.NewEncoder(w).Encode(answer)
		return
	case r.Method == http.MethodDelete:
		s.deleted = append(s.deleted, r.URL.Path)
		w.WriteHeader(http.StatusNoContent)
		s.deletion <- struct{}{}
		return
	}
	if _, err := fmt.Sscanf(r.URL.Path, "/v1/statement/q1/%d", &page); err != nil {
		http.NotFound(w, r)
		return
	}
	if s.hold != nil {
		hold := s.hold
		s.mu.Unlock()
		close(s.reached)
		select {
		case <-hold:
		case <-r.Context().Done():
		}
		s.mu.Lock()
		return
	}
	if s.failure != "" {
		answer["error"] = json.RawMessage(s.failure)
		json.NewEncoder(w).Encode(answer)
		return
	}
	answer["columns"] = json.RawMessage(s.columns)
	if rows := s.pages[page%len(s.pages)]; rows != "" {
		answer["data"] = json.RawMessage(rows)
	}
	if s.endless || page+1 < len(s.pages) {
		answer["nextUri"] = fmt.Sprintf("%s/v1/statement/q1/%d", s.URL, page+1)
	} else {
		answer["stats"] = map[string]any{"state": "FINISHED", "processedBytes": 2_500_000, "progressPercentage": 100.0}
	}
	json.NewEncoder(w).Encode(answer)
}

func openTrino(t *testing.T, s *trinoServer) *Trino {
	t.Helper()
	tr, err := OpenTrino(TrinoConfig{URL: strings.Replace(s.URL, "http://", "http://ada@", 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	return tr
}

// columnOf is a column as Trino describes it.
func columnOf(name, typ, raw string, arguments ...any) map[string]any {
	if arguments == nil {
		arguments = []any{}
	}
	return map[string]any{"name": name, "type": typ, "typeSignature": map[string]any{"rawType": raw, "arguments": arguments}}
}

func long(n int) any { return map[string]any{"kind": "LONG", "value": n} }

func typeOf(raw string) any {
	return map[string]any{"kind": "TYPE", "value": map[string]any{"rawType": raw, "arguments": []any{}}}
}

func TestTrinoAnswersWithTypes(t *testing.T) {
	s := newTrinoServer(t)
	columns, _ := json.Marshal([]any{
		columnOf("symbol", "varchar", "varchar", long(2147483647)), columnOf("time", "timestamp(6)", "timestamp", long(6)), columnOf("price", "double", "double"),
		columnOf("size", "bigint", "bigint"), columnOf("part", "decimal(10,4)", "decimal", long(10), long(4)), columnOf("late", "boolean", "boolean"),
		columnOf("list", "array(bigint)", "array", typeOf("bigint")), columnOf("day", "date", "date"), columnOf("at", "timestamp(3) with time zone", "timestamp with time zone", long(3)),
		columnOf("map", "map(varchar,bigint)", "map", typeOf("varchar"), typeOf("bigint")),
	})
	s.columns = string(columns)
	s.pages = []string{"", `[["AAPL","2026-11-20 14:30:00.000250",187.12,100,"1.5000",false,[1,null],"2026-11-20","2026-11-20 14:30:00.000 America/New_York",{"b":2,"a":1}]]`,
		`[["",null,"NaN",null,null,true,null,null,null,null]]`}
	tr := openTrino(t, s)
	var mu sync.Mutex
	var shares []float64
	rows, err := tr.Query(t.Context(), "SELECT * FROM ticks;", Options{Progress: func(v float64) { mu.Lock(); shares = append(shares, v); mu.Unlock() }})
	if err != nil {
		t.Fatal(err)
	}
	if s.asked != "SELECT * FROM ticks" || s.header.Get("X-Trino-Catalog") != "hive" || s.header.Get("X-Trino-Schema") != "tapedeck" || s.header.Get("X-Trino-User") != "ada" || s.header.Get("X-Trino-Source") != "tapedeck" {
		t.Errorf("%q %v", s.asked, s.header)
	}
	var types []string
	for _, c := range rows.Columns() {
		types = append(types, c.Type)
	}
	if want := []string{"VARCHAR", "TIMESTAMP", "DOUBLE", "BIGINT", "DECIMAL(10,4)", "BOOLEAN", "ARRAY(BIGINT)", "DATE", "TIMESTAMP WITH TIME ZONE", "MAP(VARCHAR,BIGINT)"}; !slices.Equal(types, want) {
		t.Errorf("%v", types)
	}
	got := text(t, rows, csv)
	if got != `symbol,time,price,size,part,late,list,day,at,map
AAPL,2026-11-20 14:30:00.000250,187.12,100,1.5000,false,"[1, null]",2026-11-20,2026-11-20 14:30:00.000 America/New_York,"{a=1, b=2}"
"",,NaN,,,true,,,,
` {
		t.Errorf("%s", got)
	}
	if err := rows.Close(); err != nil {
		t.Error(err)
	}
	if n, err := rows.Total(t.Context()); n != 2 || err != nil {
		t.Errorf("%d %v", n, err)
	}
	if !strings.HasSuffix(rows.Cost(), "scanned") || rows.Scanned() < 1_000_000 {
		t.Errorf("%q", rows.Cost())
	}
	mu.Lock()
	defer mu.Unlock()
	if len(shares) == 0 {
		t.Error("no progress is told")
	}
}

func TestTrinoFailures(t *testing.T) {
	s := newTrinoServer(t)
	s.failure = `{"message":"line 2:3: Column 'prise' cannot be resolved","errorCode":47,"errorName":"COLUMN_NOT_FOUND","errorType":"USER_ERROR","errorLocation":{"lineNumber":2,"columnNumber":3}}`
	tr := openTrino(t, s)
	_, err := tr.Query(t.Context(), "SELECT\n  prise FROM ticks", Options{})
	var wrong *athena.Error
	if !errors.As(err, &wrong) || wrong.Line != 2 || wrong.Column != 3 || wrong.Message != "Column 'prise' cannot be resolved" {
		t.Errorf("%v", err)
	}
	s.failure = `{"message":"Query exceeded per-node memory limit of 1GB","errorName":"EXCEEDED_LOCAL_MEMORY_LIMIT","errorType":"INSUFFICIENT_RESOURCES"}`
	if _, err := tr.Query(t.Context(), "SELECT 1", Options{}); err == nil || !strings.Contains(err.Error(), "EXCEEDED_LOCAL_MEMORY_LIMIT: Query exceeded") {
		t.Errorf("%v", err)
	}
	for _, url := range []string{"", "nonsense", "ftp://x"} {
		if _, err := OpenTrino(TrinoConfig{URL: url}); err == nil || !strings.Contains(err.Error(), "sql.trino.url") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

// A question that is given up, or whose rows are closed before the end, ends there, too.
func TestTrinoIsStopped(t *testing.T) {
	s := newTrinoServer(t)
	s.hold = make(chan struct{})
	tr := openTrino(t, s)
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-s.reached
		cancel(errors.New("given up"))
	}()
	if _, err := tr.Query(ctx, "SELECT 1", Options{}); err == nil || err.Error() != "given up" {
		t.Errorf("%v", err)
	}
	<-s.deletion

	s = newTrinoServer(t)
	columns, _ := json.Marshal([]any{columnOf("x", "bigint", "bigint")})
	s.columns, s.pages, s.endless = string(columns), []string{"[[1]]"}, true
	tr = openTrino(t, s)
	rows, err := tr.Query(t.Context(), "SELECT x FROM t", Options{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	if !rows.Next() || rows.Next() || !rows.More() {
		t.Error("the limit is not kept")
	}
	if err := rows.Close(); err != nil {
		t.Error(err)
	}
	<-s.deletion

	s = newTrinoServer(t)
	s.columns, s.pages, s.endless = string(columns), []string{"[[1]]"}, true
	tr = openTrino(t, s)
	ctx, cancel = context.WithCancelCause(t.Context())
	if rows, err = tr.Query(ctx, "SELECT x FROM t", Options{}); err != nil {
		t.Fatal(err)
	}
	rows.Next()
	cancel(errors.New("given up"))
	for rows.Next() {
	}
	if err := rows.Err(); err == nil || err.Error() != "given up" {
		t.Errorf("%v", err)
	}
	rows.Close()
	<-s.deletion
}

func TestForeignRowsAsJSONAndParquet(t *testing.T) {
	s := newTrinoServer(t)
	columns, _ := json.Marshal([]any{columnOf("n", "integer", "integer"), columnOf("part", "decimal(10,4)", "decimal", long(10), long(4)), columnOf("n", "double", "double"),
		columnOf("time", "timestamp(3)", "timestamp", long(3)), columnOf("list", "array(bigint)", "array", typeOf("bigint"))})
	s.columns, s.pages = string(columns), []string{`[[1,"1.5000",2.5,"2026-11-20 14:30:00.123",[1,2]],[null,null,null,null,null]]`}
	tr := openTrino(t, s)
	rows, err := tr.Query(t.Context(), "SELECT 1", Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := text(t, rows, func(ctx context.Context, rows store.Cursor, b *strings.Builder) error {
		return store.WriteJSON(ctx, rows, b)
	})
	if got != `{"n":1,"part":1.5000,"n":2.5,"time":"2026-11-20T14:30:00.123Z","list":[1,2]}
{"n":null,"part":null,"n":null,"time":null,"list":null}
` {
		t.Errorf("%s", got)
	}
	rows.Close()
	if rows, err = tr.Query(t.Context(), "SELECT 1", Options{}); err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	got = text(t, rows, func(ctx context.Context, rows store.Cursor, b *strings.Builder) error {
		return store.WriteParquet(ctx, rows, b)
	})
	if !strings.HasPrefix(got, "PAR1") || !strings.HasSuffix(got, "PAR1") {
		t.Errorf("%d bytes that are no Parquet", len(got))
	}
}
