package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// forecastFile writes a series of days with a bend and a week, and further columns.
func forecastFile(t *testing.T, days int, header, more string) string {
	t.Helper()
	var text strings.Builder
	text.WriteString(header + "\n")
	start := time.Date(2022, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range days {
		y := 100 + 0.1*float64(i) + 3*math.Sin(2*math.Pi*float64(i)/7) + float64(i*7919%13)/13
		fmt.Fprintf(&text, "%s,%.4f%s\n", start.AddDate(0, 0, i).Format("2006-01-02"), y, more)
	}
	name := filepath.Join(t.TempDir(), "series.csv")
	if err := os.WriteFile(name, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestForecast(t *testing.T) {
	file := forecastFile(t, 200, "ds,y", "")
	var out, errs bytes.Buffer
	args := []string{"forecast", "--model", "prophet", "--input", file, "--periods", "14", "--format", "csv"}
	if code := run(args, strings.NewReader(""), &out, &errs); code != exitOK {
		t.Fatalf("exit %d: %s", code, errs.String())
	}
	rows, err := csv.NewReader(&out).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 15 || strings.Join(rows[0][:5], ",") != "ds,yhat,yhat_lower,yhat_upper,trend" || rows[1][0] != "2022-07-20" {
		t.Fatalf("%d rows, head %v, first %v", len(rows), rows[0], rows[1])
	}
	for i, row := range rows[1:] {
		day := float64(200 + i)
		want := 100.5 + 0.1*day + 3*math.Sin(2*math.Pi*day/7)
		yhat, _ := strconv.ParseFloat(row[1], 64)
		low, _ := strconv.ParseFloat(row[2], 64)
		high, _ := strconv.ParseFloat(row[3], 64)
		if math.Abs(yhat-want) > 1 || !(low < yhat && yhat < high) {
			t.Errorf("%s: %v from %v to %v, the series goes on to %.2f", row[0], yhat, low, high, want)
		}
	}
	out.Reset()
	args = []string{"forecast", "--input", "-", "--periods", "3", "--history"}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if code := run(args, bytes.NewReader(data), &out, &errs); code != exitOK {
		t.Fatalf("exit %d: %s", code, errs.String())
	}
	if lines := strings.Count(out.String(), "\n"); lines != 204 {
		t.Errorf("%d lines with the history, not 204", lines)
	}
}

func TestForecastWithACap(t *testing.T) {
	file := forecastFile(t, 60, "ds,y,cap,floor", ",130,90")
	var out, errs bytes.Buffer
	if code := run([]string{"forecast", "--input", file, "--periods", "2", "--format", "csv"}, strings.NewReader(""), &out, &errs); code != exitOK {
		t.Fatalf("exit %d: %s", code, errs.String())
	}
	if head, _, _ := strings.Cut(out.String(), "\n"); !strings.Contains(head, ",cap,floor,") {
		t.Errorf("growth was not logistic: %s", head)
	}
}

func TestForecastRefuses(t *testing.T) {
	file := forecastFile(t, 20, "ds,y", "")
	empty := forecastFile(t, 0, "ds,y", "")
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"--periods 3", exitUsage, "--input"},
		{"--input " + file, exitUsage, "--periods"},
		{"--input " + file + " --periods 3 --model arima", exitUsage, "give prophet"},
		{"--input " + file + " --periods 3 --format xml", exitUsage, "table, csv, json"},
		{"--input " + file + " --periods 3 --freq Z", exitUsage, "--freq"},
		{"--input " + file + " --periods 3 --growth wild", exitUsage, "growth"},
		{"--input " + file + " --periods 3 --yearly-seasonality often", exitUsage, "--yearly-seasonality"},
		{"--input " + file + " --periods 3 --holidays LSE", exitUsage, "--holidays"},
		{"--input " + file + " --periods 3 --growth logistic", exitFailure, "needs a cap"},
		{"--input " + file + " --periods 99999", exitUsage, "beyond the year"},
		{"--input " + empty + " --periods 3", exitFailure, "at least 2"},
		{"--input " + filepath.Dir(file) + "/none.csv --periods 3", exitUsage, "none.csv"},
	} {
		var out, errs bytes.Buffer
		code := run(append([]string{"forecast"}, strings.Fields(c.args)...), strings.NewReader(""), &out, &errs)
		if code != c.code || !strings.Contains(errs.String(), c.want) || out.Len() > 0 {
			t.Errorf("%s: exit %d, %q", c.args, code, errs.String())
		}
	}
}
