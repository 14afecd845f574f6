package prophet

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"math"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"
)

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

// WriteTable writes a forecast for the eye: the columns of WriteCSV that say
// something of their own, holidays as their sum.
func (f *Forecast) WriteTable(w io.Writer) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	cols := []column{{"yhat", f.Yhat}, {"yhat_lower", f.YhatLower}, {"yhat_upper", f.YhatUpper}, {"trend", f.Trend}}
	for _, c := range f.Components {
		if !c.Holiday {
			cols = append(cols, column{c.Name, c.Values})
		}
	}
	cols = slices.DeleteFunc(cols, func(c column) bool { return c.values == nil })
	line := []byte("ds\t")
	for _, c := range cols {
		line = append(append(line, c.name...), '\t')
	}
	if _, err := out.Write(append(line, '\n')); err != nil {
		return err
	}
	for i, ds := range f.stamps() {
		line = append(append(line[:0], ds...), '\t')
		for _, c := range cols {
			line = append(appendShort(line, c.values[i]), '\t')
		}
		if _, err := out.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	return out.Flush()
}

// appendShort writes v to four decimals, or to six digits where those would say
// too much or too little.
func appendShort(dst []byte, v float64) []byte {
	if size := math.Abs(v); size >= 1e9 || size < 1e-3 && v != 0 {
		return strconv.AppendFloat(dst, v, 'g', 6, 64)
	}
	return strconv.AppendFloat(dst, v, 'f', 4, 64)
}
