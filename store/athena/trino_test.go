package athena

import (
	"bufio"
	"encoding/base64"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestStatementsOnRealTrino asks a real Trino every statement anew: the answers
// that testdata has are still its answers, and those given here are the same.
// STATEMENTS names a file of more of them, one a line, which are judged too.
func TestStatementsOnRealTrino(t *testing.T) {
	if os.Getenv("TAPEDECK_TEST_TRINO") != "1" {
		t.Skip("a real Trino is asked when TAPEDECK_TEST_TRINO=1 is set")
	}
	trino := startTrino(t)
	trino.load(t)
	conn := openTestDB(t)
	tr, err := New(testTables())
	if err != nil {
		t.Fatal(err)
	}
	list := readStatements(t)
	more := 0
	if path := os.Getenv("STATEMENTS"); path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "--") {
				more++
				list = append(list, recorded{ID: fmt.Sprintf("%s:%d", filepath.Base(path), more), SQL: line, Ordered: strings.Contains(strings.ToUpper(line), "ORDER BY")})
			}
		}
	}
	known := expected(t)
	counts := map[verdict]int{}
	for i, s := range list {
		if s.Athena == "differs" {
			continue
		}
		now, err := trino.ask(s.SQL)
		if err != nil {
			t.Fatalf("%s: %v", s.ID, err)
		}
		now.ID, now.Ordered, now.Approx = s.ID, s.Ordered, s.Approx
		if recordedHere := i < len(list)-more; recordedHere {
			if why := changed(s, now); why != "" {
				t.Errorf("%s is not Trino's answer any more: %s\n  %s", s.ID, why, s.SQL)
			}
		}
		v, why, rewritten := judge(conn, tr, now)
		counts[v]++
		if _, isKnown := known[s.ID]; v != sameAnswer && v != sameError && (v != refusal || !isKnown && i < len(list)-more) {
			t.Errorf("%s %s: %s\n  %s\n  %s", s.ID, v, why, s.SQL, rewritten)
		} else if i >= len(list)-more {
			t.Logf("%s %s %s", s.ID, v, why)
		}
	}
	t.Logf("asked anew: %v", counts)
}

// changed says how two answers of Trino differ; "" is not at all.
func changed(a, b recorded) string {
	if a.Error != b.Error {
		return fmt.Sprintf("error %q, recorded %q", b.Error, a.Error)
	}
	if len(a.Rows) != len(b.Rows) {
		return fmt.Sprintf("%d rows, recorded %d", len(b.Rows), len(a.Rows))
	}
	for i, c := range a.Columns {
		if squeeze(c.Type) != squeeze(b.Columns[i].Type) {
			return fmt.Sprintf("column %d is %s, recorded %s", i+1, b.Columns[i].Type, c.Type)
		}
	}
	return ""
}

func squeeze(s string) string { return strings.ToLower(strings.ReplaceAll(s, " ", "")) }

// realTrino is a server, asked by its own protocol: one statement is posted, and
// its answer is fetched page by page.
type realTrino struct{ url string }

// startTrino runs a server until the test ends.
func startTrino(t *testing.T) *realTrino {
	t.Helper()
	script, err := filepath.Abs("../remote/testdata/real-trino")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(script, "check").CombinedOutput(); err != nil {
		t.Skipf("no real Trino here: %s", strings.TrimSpace(string(out)))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	l.Close()
	cmd := exec.Command(script, t.TempDir(), port)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // its data goes with the test
		_ = cmd.Wait()
	})
	if lines := bufio.NewScanner(out); !lines.Scan() || lines.Text() != "ready" {
		t.Fatal("Trino did not start")
	}
	return &realTrino{"http://127.0.0.1:" + port}
}

// load makes the tables of testdata.
func (r *realTrino) load(t *testing.T) {
	t.Helper()
	do := func(statement string) {
		t.Helper()
		if s, err := r.ask(statement); err != nil || s.Error != "" {
			t.Fatalf("%v %s\n%.300s", err, s.Error, statement)
		}
	}
	for _, table := range testTables() {
		f, err := os.Open("testdata/" + table.Name + ".csv")
		if err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(f).ReadAll()
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		var columns, values []string
		for _, c := range table.Columns {
			columns = append(columns, `"`+c.Name+`" `+c.Type)
		}
		for _, row := range rows[1:] {
			var cells []string
			for i, c := range table.Columns {
				cell := "CAST(NULL AS " + c.Type + ")"
				if row[i] != "" {
					cell = "CAST(" + quoteText(row[i]) + " AS " + c.Type + ")"
				}
				cells = append(cells, cell)
			}
			values = append(values, "("+strings.Join(cells, ", ")+")")
		}
		do("CREATE TABLE " + table.Name + " (" + strings.Join(columns, ", ") + ")")
		for len(values) > 0 {
			n := min(len(values), 70)
			do("INSERT INTO " + table.Name + " VALUES " + strings.Join(values[:n], ", "))
			values = values[n:]
		}
	}
}

// ask is the answer to a statement, an error of Trino's among them.
func (r *realTrino) ask(statement string) (recorded, error) {
	s := recorded{SQL: statement}
	request, err := http.NewRequest(http.MethodPost, r.url+"/v1/statement", strings.NewReader(statement))
	if err != nil {
		return s, err
	}
	for {
		for key, value := range map[string]string{"User": "tester", "Catalog": "memory", "Schema": "default", "Time-Zone": "UTC", "Client-Capabilities": "PARAMETRIC_DATETIME"} {
			request.Header.Set("X-Trino-"+key, value)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return s, err
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			return s, err
		}
		if response.StatusCode != http.StatusOK {
			return s, fmt.Errorf("%s: %s", response.Status, body)
		}
		var page struct {
			NextURI string
			Columns []struct{ Name, Type string }
			Data    [][]json.RawMessage
			Error   *struct{ ErrorName string }
		}
		if err := json.Unmarshal(body, &page); err != nil {
			return s, err
		}
		if page.Error != nil {
			s.Error = page.Error.ErrorName
			return s, nil
		}
		if page.Columns != nil {
			s.Columns = s.Columns[:0]
			for _, c := range page.Columns {
				s.Columns = append(s.Columns, struct{ Name, Type string }{c.Name, c.Type})
			}
		}
		for _, row := range page.Data {
			cells := make([]any, len(row))
			for i := range row {
				typ, err := parseType(strings.NewReplacer("HyperLogLog", "varchar", "timestamp(9)", "timestamp(6)").Replace(s.Columns[i].Type))
				if err != nil {
					return s, fmt.Errorf("type %s: %w", s.Columns[i].Type, err)
				}
				if cells[i], err = textOf(row[i], typ); err != nil {
					return s, err
				}
				if typ.is(arrayType, mapType, rowType) && cells[i] != nil {
					text, err := json.Marshal(cells[i])
					if err != nil {
						return s, err
					}
					cells[i] = string(text)
				}
			}
			s.Rows = append(s.Rows, cells)
		}
		if page.NextURI == "" {
			return s, nil
		}
		if request, err = http.NewRequest(http.MethodGet, page.NextURI, nil); err != nil {
			return s, err
		}
	}
}

// textOf writes a value of the protocol as testdata has it.
func textOf(raw json.RawMessage, t *dataType) (any, error) {
	if string(raw) == "null" {
		return nil, nil
	}
	texts := func(raw json.RawMessage, typ func(int) *dataType) ([]any, error) {
		var list []json.RawMessage
		if err := json.Unmarshal(raw, &list); err != nil {
			return nil, err
		}
		out := make([]any, len(list))
		var err error
		for i := range list {
			if out[i], err = textOf(list[i], typ(i)); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	switch t.kind {
	case arrayType:
		return texts(raw, func(int) *dataType { return t.elem })
	case rowType:
		list, err := texts(raw, func(i int) *dataType { return t.fields[i].typ })
		return map[string]any{"row": list}, err
	case mapType:
		var m map[string]json.RawMessage
		if err := json.Unmarshal(raw, &m); err != nil {
			return nil, err
		}
		pairs := []any{}
		for key, value := range m {
			text, err := textOf(value, t.elem)
			if err != nil {
				return nil, err
			}
			pairs = append(pairs, []any{key, text})
		}
		return map[string]any{"map": pairs}, nil
	}
	if raw[0] != '"' {
		return string(raw), nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, err
	}
	if t.kind == varbinaryType {
		data, err := base64.StdEncoding.DecodeString(s)
		return hex.EncodeToString(data), err
	}
	return s, nil
}
