package prophet

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"tapedeck/pipeline/market"
)

const maxCSV = 256 << 20 // bytes of a history

// ReadCSV reads a history with Prophet's columns: ds and y, optionally cap and
// floor, in any order and beside others, which are skipped. ds is a date or a
// time, UTC where it names no zone. An empty y, or NaN, NA or null, is missing.
// Lines may end in LF, CRLF or CR.
func ReadCSV(r io.Reader) (Series, error) {
	fail := func(format string, args ...any) (Series, error) {
		return Series{}, fmt.Errorf("%w: %w", ErrSeries, fmt.Errorf(format, args...))
	}
	data, err := io.ReadAll(io.LimitReader(r, maxCSV+1))
	if err != nil {
		return Series{}, fmt.Errorf("read the series: %w", err)
	}
	if len(data) > maxCSV {
		return fail("the file is longer than %d MB: give a shorter history", maxCSV>>20)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !bytes.ContainsRune(data, '\n') {
		data = bytes.ReplaceAll(data, []byte("\r"), []byte("\n"))
	}
	reader := csv.NewReader(bytes.NewReader(data))
	reader.ReuseRecord = true
	header, err := reader.Read()
	if errors.Is(err, io.EOF) {
		return fail("the file is empty: give a header line with ds and y, then a line for each value")
	}
	if err != nil {
		return fail("header line: %w", err)
	}
	at := map[string]int{}
	for i, name := range header {
		name = strings.TrimSpace(name)
		if _, ok := at[name]; ok && (name == "ds" || name == "y" || name == "cap" || name == "floor") {
			return fail("two columns are named %s: keep one", name)
		}
		at[name] = i
	}
	for _, name := range []string{"ds", "y"} {
		if _, ok := at[name]; !ok {
			return fail("no column %s among %.200q: name the time column ds and the value column y in the first line", name, strings.Join(header, ","))
		}
	}
	var s Series
	limits := []struct {
		name   string
		values *[]float64
	}{{"cap", &s.Cap}, {"floor", &s.Floor}}
	for {
		row, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return s, nil
		}
		if err != nil {
			return fail("%w", err)
		}
		line, _ := reader.FieldPos(0)
		t, err := parseStamp(row[at["ds"]])
		if err != nil {
			return fail("line %d: %w", line, err)
		}
		y, err := parseValue(row[at["y"]])
		if err != nil {
			return fail("line %d: y is %.40q: give a number, or nothing where it is missing", line, row[at["y"]])
		}
		s.Times, s.Values = append(s.Times, t), append(s.Values, y)
		for _, limit := range limits {
			i, ok := at[limit.name]
			if !ok {
				continue
			}
			v, err := parseValue(row[i])
			if err != nil {
				return fail("line %d: %s is %.40q: give a number", line, limit.name, row[i])
			}
			*limit.values = append(*limit.values, v)
		}
	}
}

func parseValue(s string) (float64, error) {
	switch s = strings.TrimSpace(s); strings.ToLower(s) {
	case "", "nan", "na", "n/a", "null", "none", "<na>":
		return math.NaN(), nil
	}
	v, err := strconv.ParseFloat(s, 64)
	if errors.Is(err, strconv.ErrRange) && math.IsInf(v, 0) || err == nil {
		return v, nil // an infinity is refused by the fit, which names the time
	}
	return 0, err
}

func stampLayouts() []string {
	return []string{"2006-01-02", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02T15:04",
		time.RFC3339, "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 -0700", "2006/01/02", "2006/01/02 15:04:05", "20060102", "2006-01", "1/2/2006", "1/2/2006 15:04"}
}

func parseStamp(s string) (market.Time, error) {
	s = strings.TrimSpace(s)
	for _, layout := range stampLayouts() {
		t, err := time.Parse(layout, s)
		if err != nil {
			continue
		}
		if t.Year() < 1700 || t.Year() > lastYear {
			return 0, fmt.Errorf("ds is %s: give a year from 1700 to %d", s, lastYear)
		}
		return market.Time(t.UnixMicro()), nil
	}
	return 0, fmt.Errorf("ds is %.40q: give a date or a time, such as 2024-03-01 or 2024-03-01 15:30:00", s)
}
