package lake

import (
	"fmt"
	"slices"
	"strings"

	"tapedeck/pipeline/market"
)

// Names of the tables, and of the topics behind them.
const (
	Ticks       = "ticks"
	Bars        = "bars"
	Features    = "features"
	Alerts      = "alerts"
	Predictions = "predictions"
	DeadLetters = "dead_letters"
)

// Column is one column of a table; Type is DuckDB's.
type Column struct{ Name, Type string }

// Table says what the rows of a topic look like in the lake and in SQL.
type Table struct {
	Name   string // in SQL, e.g. dead_letters
	Topic  string // the topic's name without prefix, e.g. dead-letters
	Folder string // where the merged files lie, e.g. processed/bars
	// Columns are the columns of the parts, in order, as they stand in CSV.
	Columns []Column
	// Hidden are the columns of Columns that SQL does not show.
	Hidden []string
	// Time is the column of the row's own time, by which it is filed.
	Time string
	// Key is a row's identity: of rows with the same key one counts, the one
	// with the highest Revision where the table has such a column. Empty for
	// ticks, whose identity is the place in the log.
	Key []string
	// Revision is the column that orders versions of a row; may be empty.
	Revision string
	// Sort is the order of rows within a merged file.
	Sort []string

	encoder func() encode
}

// Place is the column that merged files have besides Columns: the number of
// the topic in lake.json's list, since offsets begin anew when a log does.
const Place = "log_topic"

// encode appends the CSV row of a record of the log, and says the row's own time.
type encode func(dst, value []byte, partition int32, offset int64, produced market.Time) (row []byte, t market.Time, kind recordKind)

type recordKind uint8

const (
	row     recordKind = iota
	clock              // a source's clock: counted, no row
	skipped            // not readable: counted, no row; the stage that owns the topic reports it
)

// Tables lists all tables.
func Tables() []*Table { return slices.Clone(tables) }

// TableOf finds a table by its name or its topic's name; nil is unknown.
func TableOf(name string) *Table {
	for _, t := range tables {
		if t.Name == name || t.Topic == name {
			return t
		}
	}
	return nil
}

var tables = []*Table{
	{
		Name: Ticks, Topic: "ticks", Folder: "processed/ticks", Time: "time",
		Columns: []Column{
			{"symbol", "VARCHAR"}, {"time", "TIMESTAMP"}, {"price", "DOUBLE"}, {"size", "BIGINT"},
			{"bid", "DOUBLE"}, {"ask", "DOUBLE"}, {"exchange", "VARCHAR"}, {"condition", "VARCHAR"},
			{"source", "VARCHAR"}, {"received", "TIMESTAMP"}, {"partition", "INTEGER"}, {"offset", "BIGINT"},
		},
		Sort:    []string{"symbol", "time", Place, "partition", "offset"},
		encoder: encodeTicks,
	},
	{
		Name: Bars, Topic: "bars", Folder: "processed/bars", Time: "time",
		Columns: []Column{
			{"symbol", "VARCHAR"}, {"interval", "VARCHAR"}, {"time", "TIMESTAMP"},
			{"open", "DOUBLE"}, {"high", "DOUBLE"}, {"low", "DOUBLE"}, {"close", "DOUBLE"},
			{"volume", "BIGINT"}, {"vwap", "DOUBLE"}, {"trades", "BIGINT"}, {"revision", "INTEGER"},
		},
		Hidden:   []string{"revision"},
		Key:      []string{"symbol", "interval", "time"},
		Revision: "revision",
		Sort:     []string{"symbol", "interval", "time"},
		encoder:  encodeBars,
	},
	{
		Name: Features, Topic: "features", Folder: "processed/features", Time: "time",
		Columns:  featureColumns(),
		Hidden:   []string{"revision"},
		Key:      []string{"symbol", "interval", "time"},
		Revision: "revision",
		Sort:     []string{"symbol", "interval", "time"},
		encoder:  encodeFeatures,
	},
	{
		Name: Alerts, Topic: "alerts", Folder: "alerts", Time: "time",
		Columns: []Column{
			{"symbol", "VARCHAR"}, {"time", "TIMESTAMP"}, {"rule", "VARCHAR"}, {"revision", "INTEGER"},
			{"severity", "VARCHAR"}, {"state", "VARCHAR"}, {"value", "DOUBLE"}, {"threshold", "DOUBLE"},
			{"message", "VARCHAR"}, {"id", "VARCHAR"},
		},
		Key:     []string{"id"},
		Sort:    []string{"symbol", "time", "id"},
		encoder: encodeAlerts,
	},
	{
		Name: Predictions, Topic: "predictions", Folder: "predictions", Time: "time",
		Columns: []Column{
			{"symbol", "VARCHAR"}, {"time", "TIMESTAMP"}, {"horizon", "INTEGER"}, {"model", "VARCHAR"},
			{"version", "VARCHAR"}, {"made", "TIMESTAMP"}, {"base", "DOUBLE"}, {"mean", "DOUBLE"},
			{"low", "DOUBLE"}, {"high", "DOUBLE"}, {"back_filled", "BOOLEAN"},
		},
		Key:     []string{"symbol", "model", "version", "time", "horizon"},
		Sort:    []string{"symbol", "model", "version", "time", "horizon"},
		encoder: encodePredictions,
	},
	{
		Name: DeadLetters, Topic: "dead-letters", Folder: "dead-letters", Time: "received",
		Columns: []Column{
			{"topic", "VARCHAR"}, {"partition", "INTEGER"}, {"offset", "BIGINT"}, {"received", "TIMESTAMP"},
			{"reason", "VARCHAR"}, {"value", "VARCHAR"},
		},
		Key:     []string{Place, "topic", "partition", "offset"},
		Sort:    []string{"topic", "received", Place, "partition", "offset"},
		encoder: encodeDeadLetters,
	},
}

func featureColumns() []Column {
	columns := []Column{{"symbol", "VARCHAR"}, {"interval", "VARCHAR"}, {"time", "TIMESTAMP"}}
	for _, name := range market.FeatureNames {
		columns = append(columns, Column{name, "DOUBLE"})
	}
	return append(columns, Column{"revision", "INTEGER"})
}

// Header is the first line of the table's CSV form, with line end.
func (t *Table) Header() string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = c.Name
	}
	return strings.Join(names, ",") + "\n"
}

// Visible are the columns that SQL shows, without date and hour.
func (t *Table) Visible() []Column {
	columns := make([]Column, 0, len(t.Columns))
	for _, c := range t.Columns {
		if !slices.Contains(t.Hidden, c.Name) {
			columns = append(columns, c)
		}
	}
	return columns
}

// Encoder turns records of the log into the rows of t, in the CSV form of
// Header. Not for concurrent use.
type Encoder struct{ encode encode }

// Encoder makes one.
func (t *Table) Encoder() *Encoder { return &Encoder{t.encoder()} }

// Append appends the row of a record; nothing where the record has none (a
// clock, or not readable).
func (e *Encoder) Append(dst, value []byte, partition int32, offset int64, produced market.Time) []byte {
	out, _, kind := e.encode(dst, value, partition, offset, produced)
	if kind != row {
		return dst
	}
	return out
}

// Hour is an hour of the log or of the market, as hours since 1970.
type Hour int64

// HourOf is the hour that t lies in.
func HourOf(t market.Time) Hour {
	const us = 3600 * 1e6
	h := int64(t) / us
	if int64(t)%us < 0 {
		h--
	}
	return Hour(h)
}

// Start is the hour's first instant.
func (h Hour) Start() market.Time { return market.Time(int64(h) * 3600 * 1e6) }

// Date is the hour's date as 2006-01-02.
func (h Hour) Date() string { return h.Start().Std().Format("2006-01-02") }

// String is the hour as 2006-01-02T15.
func (h Hour) String() string {
	if h == 0 {
		return "1970-01-01T00"
	}
	return h.Start().Std().Format("2006-01-02T15")
}

// folder is the hour's Hive-style path: date=2006-01-02/hour=15.
func (h Hour) folder() string {
	s := h.String()
	return "date=" + s[:10] + "/hour=" + s[11:]
}

// parseFolder finds the hour in a path like …/date=2006-01-02/hour=15….
func parseFolder(key string) (Hour, bool) {
	i := strings.Index(key, "date=")
	if i < 0 || len(key) < i+len("date=2006-01-02/hour=15") {
		return 0, false
	}
	s := key[i:]
	if s[15:21] != "/hour=" {
		return 0, false
	}
	t, err := market.ParseTime(fmt.Sprintf("%sT%s:00:00Z", s[5:15], s[21:23]))
	if err != nil {
		return 0, false
	}
	return HourOf(t), true
}
