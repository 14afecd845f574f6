package xgboost

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// oracles is where answers of the real library lie, seen from this package.
const oracles = "../../../shared/oracles/xgboost"

// oracleFolders are the folders with a manifest: the small one kept here,
// and, where it is, the large one.
func oracleFolders(t *testing.T) []string {
	folders := []string{"testdata"}
	for _, f := range []string{oracles, filepath.Join(oracles, "v2")} {
		if _, err := os.Stat(f); err == nil {
			folders = append(folders, f)
		} else {
			t.Logf("%s is not there: its cases are skipped", f)
		}
	}
	return folders
}

type oracleCase struct {
	Files      map[string]string
	Rounds     int
	Unseen     *struct{ Inputs, Pred string }
	Inf        *struct{ Inputs, Pred string }
	Best       *int `json:"best_iteration"`
	Importance map[string]map[string]float64
}

func readCases(t testing.TB, folder string) map[string]oracleCase {
	t.Helper()
	var m struct{ Cases map[string]oracleCase }
	if err := json.Unmarshal(readFile(t, filepath.Join(folder, "manifest.json")), &m); err != nil {
		t.Fatal(err)
	}
	return m.Cases
}

// readFile reads a file, unpacked if it ends in .gz.
func readFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(path, ".gz") {
		return data
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if data, err = io.ReadAll(z); err != nil {
		t.Fatal(err)
	}
	return data
}

// readTable reads a CSV file with a header line.
func readTable(t testing.TB, path string) (header []string, rows [][]string) {
	t.Helper()
	r := csv.NewReader(bytes.NewReader(readFile(t, path)))
	all, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return all[0], all[1:]
}

func readMatrix(t testing.TB, path string) Matrix {
	t.Helper()
	header, rows := readTable(t, path)
	m := Matrix{Rows: len(rows), Cols: len(header)}
	for _, row := range rows {
		for _, cell := range row {
			v := math.NaN()
			if cell != "" {
				var err error
				if v, err = strconv.ParseFloat(cell, 32); err != nil {
					t.Fatal(err)
				}
			}
			m.Values = append(m.Values, float32(v))
		}
	}
	return m
}

// readBits reads the columns PREFIX_0_hex, PREFIX_1_hex … row after row.
func readBits(t testing.TB, path, prefix string) []float32 {
	t.Helper()
	header, rows := readTable(t, path)
	var columns []int
	for i, h := range header {
		if strings.HasPrefix(h, prefix+"_") && strings.HasSuffix(h, "_hex") {
			columns = append(columns, i)
		}
	}
	var out []float32
	for _, row := range rows {
		for _, c := range columns {
			b, err := strconv.ParseUint(row[c], 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, math.Float32frombits(uint32(b)))
		}
	}
	return out
}

func sameBits(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	bad := 0
	for i := range got {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			if bad++; bad <= 3 {
				t.Errorf("%s: value %d is %v (%08x), want %v (%08x)", what, i, got[i], math.Float32bits(got[i]), want[i], math.Float32bits(want[i]))
			}
		}
	}
	if bad > 0 {
		t.Errorf("%s: %d of %d values differ", what, bad, len(got))
	}
}

func comparePredictions(t *testing.T, m *Model, inputs, pred string) {
	t.Helper()
	x := readMatrix(t, inputs)
	out := make([]float32, x.Rows*m.Groups())
	if err := m.Margins(x, out); err != nil {
		t.Fatal(err)
	}
	sameBits(t, "margin", out, readBits(t, pred, "margin"))
	out = make([]float32, x.Rows*m.Outputs())
	if err := m.Predict(x, out); err != nil {
		t.Fatal(err)
	}
	sameBits(t, "prediction", out, readBits(t, pred, "pred"))

	// One row at a time gives the same as all together.
	one := make([]float32, m.Outputs())
	for i := range min(x.Rows, 12) {
		if err := m.Predict(Matrix{Values: x.Row(i), Rows: 1, Cols: x.Cols}, one); err != nil {
			t.Fatal(err)
		}
		sameBits(t, "prediction of one row", one, out[i*m.Outputs():(i+1)*m.Outputs()])
	}
}

func TestPredictionsEqualTheLibrary(t *testing.T) {
	for _, folder := range oracleFolders(t) {
		for name, c := range readCases(t, folder) {
			for _, format := range []string{"json", "ubj"} {
				t.Run(fmt.Sprintf("%s/%s/%s", filepath.Base(folder), name, format), func(t *testing.T) {
					m, err := Decode(readFile(t, filepath.Join(folder, c.Files[format])))
					if err != nil {
						t.Fatal(err)
					}
					at := func(file string) string { return filepath.Join(folder, file) }
					comparePredictions(t, m, at(c.Files["inputs"]), at(c.Files["pred"]))
					if c.Unseen != nil {
						comparePredictions(t, m, at(c.Unseen.Inputs), at(c.Unseen.Pred))
					}
					if c.Inf != nil {
						comparePredictions(t, m, at(c.Inf.Inputs), at(c.Inf.Pred))
					}
					if c.Best != nil {
						best, ok := m.BestIteration()
						if !ok || best != *c.Best {
							t.Fatalf("best iteration %d, %v; want %d", best, ok, *c.Best)
						}
						short, err := m.Truncate(best + 1)
						if err != nil {
							t.Fatal(err)
						}
						comparePredictions(t, short, at(c.Files["inputs"]), at(name+"_best.pred.csv.gz"))
					}
					leaf := at(name + ".leaf.csv.gz")
					if _, err := os.Stat(leaf); err == nil {
						compareLeaves(t, m, at(c.Files["inputs"]), leaf)
					}
				})
			}
		}
	}
}

func compareLeaves(t *testing.T, m *Model, inputs, leaf string) {
	t.Helper()
	x := readMatrix(t, inputs)
	out := make([]int32, x.Rows*m.Trees())
	if err := m.Leaves(x, out); err != nil {
		t.Fatal(err)
	}
	header, rows := readTable(t, leaf)
	if len(header) != m.Trees() || len(rows) != x.Rows {
		t.Fatalf("%d trees and %d rows, want %d and %d", m.Trees(), x.Rows, len(header), len(rows))
	}
	for r, row := range rows {
		for i, cell := range row {
			if strconv.Itoa(int(out[r*len(row)+i])) != cell {
				t.Fatalf("row %d, tree %d: leaf %d, want %s", r, i, out[r*len(row)+i], cell)
			}
		}
	}
}
