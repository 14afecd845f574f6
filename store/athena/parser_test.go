package athena

import (
	"bufio"
	"encoding/json"
	"os"
	"testing"
)

func TestParsesConformanceStatements(t *testing.T) {
	f, err := os.Open("testdata/statements.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var s struct{ ID, SQL, Error string }
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			t.Fatal(err)
		}
		if _, err := parseStatement(s.SQL); err != nil && s.Error == "" {
			t.Logf("%s: %v: %s", s.ID, err, s.SQL)
		}
	}
}
