package main

import (
	"bytes"
	"compress/gzip"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const rawCSV = `time,symbol,price,size,bid,ask,exchange,condition
2026-11-20T14:30:00.000000Z,AAPL,187.10,100,187.09,187.11,Q,
2026-11-20T14:30:01.000000Z,AAPL,187.11,,,,Q,
2026-11-20T14:30:02.000000Z,AAPL,,100,,,Q,
2026-11-20T14:30:03.000000Z,,187.12,100,,,Q,
2026-11-20T15:00:00.000000Z,AAPL,187.13,5,,,Q,
`

const rawJSON = `{"symbol":"MSFT","time":1763649000000000,"price":412.5,"size":10,"bid":null,"exchange":"Q"}
not json
{"symbol":"MSFT","time":"2025-11-20T14:30:01Z","price":-1,"size":10}
{"symbol":"MSFT","time":"2025-11-20T14:30:02Z","price":412.6,"size":10}
`

func TestFilesAreCleaned(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		data := []byte(text)
		if strings.HasSuffix(name, ".gz") {
			var b bytes.Buffer
			z := gzip.NewWriter(&b)
			z.Write(data)
			z.Close()
			data = b.Bytes()
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	csv, lines := write("a.csv", rawCSV), write("b.jsonl.gz", rawJSON)
	array := write("c.json", ` [{"symbol":"IBM","time":1763649000000000,"price":300,"size":1}, {"symbol":"IBM"}]`)
	output := filepath.Join(dir, "out")
	args := []string{"etl", "clean", "--data", filepath.Join(dir, "data"), "--input", csv, "--input", lines, "--input", array, "--output", output}
	var first string
	for range 2 { // again and again the same
		var out, notes bytes.Buffer
		if code := run(args, nil, &out, &notes); code != exitOK {
			t.Fatalf("%d %s", code, notes.String())
		}
		if first == "" {
			first = out.String()
		}
		if out.String() != first {
			t.Errorf("%s\n%s", first, out.String())
		}
	}
	for _, want := range []string{"column price (3) cannot be read: 1", "column symbol (2) cannot be read: 1", "not a JSON object: 1", "5 left out"} {
		if !strings.Contains(first, want) {
			t.Errorf("%q is missing in %s", want, first)
		}
	}
	files, _ := filepath.Glob(filepath.Join(output, "processed/ticks/*/*/data.parquet"))
	if len(files) != 3 || !strings.HasPrefix(first, "11 rows read, ") {
		t.Errorf("%s %v", first, files)
	}
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var rows, withBid int
	if err := db.QueryRow("SELECT count(*), count(bid) FROM read_parquet('"+output+"/processed/ticks/*/*/data.parquet')").Scan(&rows, &withBid); err != nil {
		t.Fatal(err)
	}
	if withBid != 1 || rows < 5 {
		t.Errorf("%d rows, %d with a bid", rows, withBid)
	}
	for _, bad := range [][]string{
		{"--input", csv, "--output", output}, // of other files
		{"--input", csv},                     // without an output
		{"--input", filepath.Join(dir, "none.csv"), "--output", dir + "x"}, // not there
		{"--input", csv, "--output", dir},                                  // not empty
	} {
		var out, notes bytes.Buffer
		if code := run(append([]string{"etl", "clean", "--data", filepath.Join(dir, "data")}, bad...), nil, &out, &notes); code != exitUsage || notes.Len() == 0 {
			t.Errorf("%v: %d %s", bad, code, notes.String())
		}
	}
}
