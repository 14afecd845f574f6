package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"tapedeck/pipeline/market"
)

// gridFormats are how a grid comes out.
var gridFormats = []string{"table", "csv", "json"}

// grid is a small table of results, as a command prints it. Cells are string,
// int64, float64 (NaN is nothing), bool or market.Time.
type grid struct {
	names []string
	rows  [][]any
}

func (g *grid) add(cells ...any) { g.rows = append(g.rows, cells) }

// write writes the grid as a table for people, as CSV with a header, or as one
// JSON object a line.
func (g *grid) write(out io.Writer, format string) error {
	switch format {
	case "csv":
		w := csv.NewWriter(out)
		_ = w.Write(g.names)
		for _, row := range g.rows {
			record := make([]string, len(row))
			for i, v := range row {
				record[i] = plainCell(v)
			}
			_ = w.Write(record)
		}
		w.Flush()
		return w.Error()
	case "json":
		for _, row := range g.rows {
			if err := writeObject(out, g.names, row); err != nil {
				return err
			}
		}
		return nil
	case "table":
		return g.table(out)
	}
	return usageError{fmt.Errorf("--format: %q is not a format; one of %s", format, strings.Join(gridFormats, ", "))}
}

// checkFormat is an error of the command line for an unknown format.
func checkFormat(format string) error {
	if slices.Contains(gridFormats, format) {
		return nil
	}
	return usageError{fmt.Errorf("--format: %q is not a format; one of %s", format, strings.Join(gridFormats, ", "))}
}

func (g *grid) table(out io.Writer) error {
	text := make([][]string, 0, len(g.rows)+1)
	text = append(text, g.names)
	right := make([]bool, len(g.names))
	for r, row := range g.rows {
		line := make([]string, len(row))
		for i, v := range row {
			line[i] = shownCell(v)
			switch v.(type) {
			case int64, float64:
				right[i] = right[i] || r == 0
			}
		}
		text = append(text, line)
	}
	width := make([]int, len(g.names))
	for _, line := range text {
		for i, cell := range line {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, line := range text {
		var row strings.Builder
		for i, cell := range line {
			fill := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if right[i] {
				row.WriteString(fill + cell)
			} else {
				row.WriteString(cell + fill)
			}
			row.WriteString("  ")
		}
		b.WriteString(strings.TrimRight(row.String(), " "))
		b.WriteByte('\n')
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// plainCell is a cell for other programs.
func plainCell(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		if math.IsNaN(v) {
			return ""
		}
		return strconv.FormatFloat(v, 'g', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	case market.Time:
		if v == 0 {
			return ""
		}
		return v.String()
	}
	return fmt.Sprint(v)
}

// shownCell is a cell for people: no control characters, numbers grouped.
func shownCell(v any) string {
	switch v := v.(type) {
	case string:
		return printable(v)
	case int64:
		return grouped(v)
	case float64:
		switch {
		case math.IsNaN(v):
			return "-"
		case math.Abs(v) >= 1e6 && v == math.Trunc(v) && math.Abs(v) < 1e15:
			return grouped(int64(v))
		}
		return strconv.FormatFloat(v, 'g', 6, 64)
	case bool:
		if v {
			return "yes"
		}
		return "no"
	case market.Time:
		return clockOf(v)
	}
	return fmt.Sprint(v)
}

// printable is text without what a terminal would obey.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return '·'
		}
		return r
	}, s)
}

// writeObject writes a row as a JSON object, keys in order.
func writeObject(out io.Writer, names []string, row []any) error {
	var b strings.Builder
	b.WriteByte('{')
	for i, v := range row {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:", names[i])
		switch x := v.(type) {
		case float64:
			if math.IsNaN(x) || math.IsInf(x, 0) {
				v = nil
			}
		case market.Time:
			v = any(x.String())
			if x == 0 {
				v = nil
			}
		}
		text, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("write a row: %w", err)
		}
		b.Write(text)
	}
	b.WriteString("}\n")
	_, err := io.WriteString(out, b.String())
	return err
}
