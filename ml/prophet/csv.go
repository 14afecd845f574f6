package prophet

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
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

// column is one column of a forecast on its way out.
type column struct {
	name   string
	values []float64
}

// columns lists a forecast's numbers under Prophet's names. Prophet gives every
// term an interval, which for a fit without sampling is the term itself.
func (f *Forecast) columns() []column {
	out := []column{{"yhat", f.Yhat}, {"yhat_lower", f.YhatLower}, {"yhat_upper", f.YhatUpper},
		{"trend", f.Trend}, {"trend_lower", f.TrendLower}, {"trend_upper", f.TrendUpper}, {"cap", f.Cap}, {"floor", f.Floor}}
	term := func(name string, values []float64) {
		out = append(out, column{name, values}, column{name + "_lower", values}, column{name + "_upper", values})
	}
	term("additive_terms", f.AdditiveTerms)
	term("multiplicative_terms", f.MultiplicativeTerms)
	for _, c := range f.Components {
		term(c.Name, c.Values)
	}
	kept := out[:0]
	for _, c := range out {
		if c.values != nil {
			kept = append(kept, c)
		}
	}
	return kept
}

// stamps writes the times, as dates when none has a time of day.
func (f *Forecast) stamps() []string {
	out := make([]string, len(f.Times))
	dates := true
	for _, t := range f.Times {
		dates = dates && int64(t)%dayMicros == 0
	}
	for i, t := range f.Times {
		u := time.UnixMicro(int64(t)).UTC()
		if out[i] = u.Format("2006-01-02 15:04:05.999999"); dates {
			out[i] = u.Format("2006-01-02")
		}
	}
	return out
}

// WriteCSV writes a forecast under Prophet's column names: ds, yhat,
// yhat_lower, yhat_upper, trend and all the others. Numbers parse back to the
// same bits.
func (f *Forecast) WriteCSV(w io.Writer) error {
	cols := f.columns()
	out := csv.NewWriter(w)
	row := []string{"ds"}
	for _, c := range cols {
		row = append(row, c.name)
	}
	if err := out.Write(row); err != nil {
		return err
	}
	for i, ds := range f.stamps() {
		row = append(row[:0], ds)
		for _, c := range cols {
			row = append(row, strconv.FormatFloat(c.values[i], 'g', -1, 64))
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// WriteJSON writes a forecast as an array of objects, one for each time, with
// the names and the order of WriteCSV.
func (f *Forecast) WriteJSON(w io.Writer) error {
	cols := f.columns()
	names := make([][]byte, len(cols))
	for i, c := range cols {
		names[i], _ = json.Marshal(c.name) // a string cannot fail
	}
	buf := []byte("[")
	for i, ds := range f.stamps() {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = append(append(append(buf, "\n{\"ds\":\""...), ds...), '"')
		for c := range cols {
			buf = append(append(append(buf, ','), names[c]...), ':')
			buf = strconv.AppendFloat(buf, cols[c].values[i], 'g', -1, 64)
		}
		buf = append(buf, '}')
		if len(buf) > 1<<16 {
			if _, err := w.Write(buf); err != nil {
				return err
			}
			buf = buf[:0]
		}
	}
	_, err := w.Write(append(buf, "\n]\n"...))
	return err
}
