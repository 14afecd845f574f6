package remote

import (
	"bufio"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"tapedeck/store/athena"
)

// glueServer speaks the part of Glue's API (AWS JSON 1.1) that registering uses.
type glueServer struct {
	mu        sync.Mutex
	databases map[string]bool
	tables    map[string]map[string]any
	writes    []string
	refuse    string // the error of every call
}

func (s *glueServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var in struct {
		Name, DatabaseName string
		DatabaseInput      struct{ Name string }
		TableInput         map[string]any
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	fail := func(kind string) {
		w.WriteHeader(http.StatusBadRequest)
		json.NewEncoder(w).Encode(map[string]string{"__type": kind, "message": "no"})
	}
	if s.refuse != "" {
		fail(s.refuse)
		return
	}
	operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AWSGlue.")
	if strings.HasPrefix(operation, "Create") || strings.HasPrefix(operation, "Update") {
		s.writes = append(s.writes, operation)
	}
	out := map[string]any{}
	switch operation {
	case "GetDatabase":
		if !s.databases[in.Name] {
			fail("EntityNotFoundException")
			return
		}
		out["Database"] = map[string]any{"Name": in.Name}
	case "CreateDatabase":
		s.databases[in.DatabaseInput.Name] = true
	case "GetTable":
		table, ok := s.tables[in.DatabaseName+"."+in.Name]
		if !ok {
			fail("EntityNotFoundException")
			return
		}
		out["Table"] = table
	case "CreateTable", "UpdateTable":
		s.tables[in.DatabaseName+"."+in.TableInput["Name"].(string)] = in.TableInput
	}
	json.NewEncoder(w).Encode(out)
}

func declarations(t *testing.T, location string) []athena.Declaration {
	t.Helper()
	columns := []athena.Column{{Name: "symbol", Type: "VARCHAR"}, {Name: "time", Type: "TIMESTAMP"}, {Name: "price", Type: "DOUBLE"}}
	var list []athena.Declaration
	for _, l := range []athena.Layout{{Name: "ticks_raw", Columns: columns, Folder: "raw", CSV: true, Comment: "every tick"}, {Name: "bars", Columns: columns, Folder: "processed/bars"}} {
		d, err := athena.Declare(l, location, "2026-01-01")
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, d)
	}
	return list
}

func actions(changes []Change) []string {
	var list []string
	for _, c := range changes {
		list = append(list, c.Name+" "+c.Action)
	}
	return list
}

func TestTablesAreRegistered(t *testing.T) {
	awsEnvironment(t)
	s := &glueServer{databases: map[string]bool{}, tables: map[string]map[string]any{}}
	server := httptest.NewServer(s)
	defer server.Close()
	g, err := OpenGlue(t.Context(), GlueConfig{Endpoint: server.URL, Region: "eu-central-1"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	register := func(location string, dry bool) []Change {
		t.Helper()
		changes, err := g.Register(t.Context(), declarations(t, location), dry)
		if err != nil {
			t.Fatal(err)
		}
		return changes
	}
	want := []string{"tapedeck created", "tapedeck.ticks_raw created", "tapedeck.bars created"}
	if got := actions(register("s3://b/lake", true)); !slices.Equal(got, want) || len(s.writes) != 0 {
		t.Errorf("%v, %v written by a dry run", got, s.writes)
	}
	if got := actions(register("s3://b/lake", false)); !slices.Equal(got, want) || len(s.writes) != 3 {
		t.Errorf("%v %v", got, s.writes)
	}
	bars := s.tables["tapedeck.bars"]
	parameters := bars["Parameters"].(map[string]any)
	if parameters["projection.enabled"] != "true" || parameters["storage.location.template"] != "s3://b/lake/processed/bars/date=${date}/hour=${hour}/" || parameters["EXTERNAL"] != "TRUE" {
		t.Errorf("%v", parameters)
	}
	if got := s.tables["tapedeck.ticks_raw"]["StorageDescriptor"].(map[string]any)["SerdeInfo"].(map[string]any)["SerializationLibrary"]; got != "org.apache.hadoop.hive.serde2.OpenCSVSerde" {
		t.Errorf("%v", got)
	}
	unchanged := []string{"tapedeck unchanged", "tapedeck.ticks_raw unchanged", "tapedeck.bars unchanged"}
	if got := actions(register("s3://b/lake", false)); !slices.Equal(got, unchanged) || len(s.writes) != 3 {
		t.Errorf("%v %v", got, s.writes)
	}
	// What others have set stays; what is ours comes into line.
	parameters["owner"], parameters["projection.hour.digits"] = "ada", "1"
	changes := register("s3://b/lake", true)
	if got := changes[2]; got.Action != "updated" || len(got.Details) != 1 || got.Details[0] != "projection.hour.digits: 1 → 2" || len(s.writes) != 3 {
		t.Errorf("%+v", changes)
	}
	register("s3://b/lake", false)
	parameters = s.tables["tapedeck.bars"]["Parameters"].(map[string]any)
	if parameters["owner"] != "ada" || parameters["projection.hour.digits"] != "2" || s.writes[3] != "UpdateTable" {
		t.Errorf("%v %v", parameters, s.writes)
	}
	changes = register("s3://other/lake", true)
	if got := changes[1]; got.Action != "updated" || got.Details[0] != "location: s3://b/lake/raw/ → s3://other/lake/raw/" {
		t.Errorf("%+v", got)
	}
	s.refuse = "AccessDeniedException"
	if _, err := g.Register(t.Context(), nil, false); err == nil || !strings.Contains(err.Error(), "glue:GetDatabase") {
		t.Errorf("%v", err)
	}
}

// TestMotoCatalog registers with moto's Glue and asks moto's Athena, servers
// that others have written.
func TestMotoCatalog(t *testing.T) {
	if os.Getenv("TAPEDECK_TEST_AWS") != "1" {
		t.Skip("moto is asked when TAPEDECK_TEST_AWS=1 is set")
	}
	endpoint := realMoto(t)
	awsEnvironment(t)
	g, err := OpenGlue(t.Context(), GlueConfig{Endpoint: endpoint, Region: "eu-central-1", Database: "tapedeck_test"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	tables := declarations(t, "s3://b/lake")
	for _, want := range []string{"created", "unchanged"} {
		changes, err := g.Register(t.Context(), tables, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range changes {
			if c.Action != want {
				t.Errorf("%+v, not %s", c, want)
			}
		}
	}
	moved := declarations(t, "s3://other/lake")
	changes, err := g.Register(t.Context(), moved, false)
	if err != nil || changes[1].Action != "updated" {
		t.Errorf("%+v %v", changes, err)
	}
	if changes, err = g.Register(t.Context(), moved, false); err != nil || changes[1].Action != "unchanged" {
		t.Errorf("%+v %v", changes, err)
	}
	a, err := OpenAthena(t.Context(), AthenaConfig{Endpoint: endpoint, Region: "eu-central-1", Output: "s3://b/results"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := a.Query(t.Context(), "SELECT 1", Options{})
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() { // moto's rows are canned: none, unless it was told some
	}
	if err := rows.Err(); err != nil {
		t.Error(err)
	}
}

// realMoto runs moto until the test ends and returns its address.
func realMoto(t *testing.T) string {
	t.Helper()
	server := os.Getenv("MOTO_SERVER")
	if server == "" {
		server = "moto_server"
	}
	path, err := exec.LookPath(server)
	if err != nil {
		t.Skip("no moto here: pip install 'moto[server]', or name its moto_server in MOTO_SERVER")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().(*net.TCPAddr)
	l.Close()
	cmd := exec.Command(path, "-H", "127.0.0.1", "-p", strconv.Itoa(address.Port))
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		if strings.Contains(lines.Text(), "Running on http") {
			go io.Copy(io.Discard, stderr)
			return "http://" + address.String()
		}
	}
	t.Fatal("moto did not start")
	return ""
}
