package athena

import (
	"fmt"
	"strings"
)

// Engine is a query engine for which tables can be declared.
type Engine string

// The engines that DDL writes for.
const (
	AthenaEngine Engine = "athena" // Athena, and Glue's catalog
	TrinoEngine  Engine = "trino"  // Trino's hive connector
)

// Layout says how a table lies in the lake: in folders date=YYYY-MM-DD/hour=HH
// under Folder, as Parquet or as CSV with a header.
type Layout struct {
	Name    string
	Columns []Column // without date and hour
	Folder  string   // from the lake's root, e.g. processed/bars
	CSV     bool
	Comment string
}

// Schema is the database that the statements of DDL declare tables in.
const Schema = "tapedeck"

// DDL writes the statements that declare a table of the lake at a location
// such as s3://bucket/prefix, with the partitions computed from their names
// (partition projection), so that no crawler and no MSCK REPAIR is needed.
// since is the first day that has data, as YYYY-MM-DD.
func DDL(l Layout, location string, engine Engine, since string) (string, error) {
	switch engine {
	case AthenaEngine:
		return athenaDDL(l, location, since)
	case TrinoEngine:
		return trinoDDL(l, location, since)
	}
	return "", fmt.Errorf("%q is no engine that tables can be declared for; athena and trino are", engine)
}

// SchemaDDL writes the statement that makes the database, and for Trino, as a
// comment, what its catalog must be told.
func SchemaDDL(engine Engine) string {
	if engine == TrinoEngine {
		return "-- Hours without rows have no file: the catalog needs hive.ignore-absent-partitions=true,\n" +
			"-- or SET SESSION hive.ignore_absent_partitions = true.\n" +
			"CREATE SCHEMA IF NOT EXISTS " + Schema
	}
	return "CREATE DATABASE IF NOT EXISTS " + Schema
}

// Declaration is a table as Athena's catalog holds it: what the DDL says, in
// parts. Columns have Hive's types; the partitions date and hour are text.
type Declaration struct {
	Name       string
	Comment    string
	Location   string // s3://bucket/prefix/folder/
	CSV        bool   // else Parquet
	Columns    []Column
	Properties [][2]string
}

// Declare works out a table's declaration; see DDL.
func Declare(l Layout, location, since string) (Declaration, error) {
	location = strings.TrimRight(location, "/") + "/" + strings.Trim(l.Folder, "/") + "/"
	d := Declaration{Name: l.Name, Comment: l.Comment, Location: location, CSV: l.CSV}
	for _, c := range l.Columns {
		typ := "string" // the CSV reader knows texts only
		if !l.CSV {
			t, err := duckType(c.Type)
			if err != nil {
				return d, fmt.Errorf("table %s, column %s: %w", l.Name, c.Name, err)
			}
			if typ, err = hiveType(t); err != nil {
				return d, fmt.Errorf("table %s, column %s: %w", l.Name, c.Name, err)
			}
		}
		d.Columns = append(d.Columns, Column{Name: c.Name, Type: typ})
	}
	d.Properties = [][2]string{
		{"projection.enabled", "true"},
		{"projection.date.type", "date"}, {"projection.date.format", "yyyy-MM-dd"}, {"projection.date.range", since + ",NOW+1DAY"},
		{"projection.date.interval", "1"}, {"projection.date.interval.unit", "DAYS"},
		{"projection.hour.type", "integer"}, {"projection.hour.range", "0,23"}, {"projection.hour.digits", "2"},
		{"storage.location.template", location + "date=${date}/hour=${hour}/"},
	}
	if l.CSV {
		d.Properties = append(d.Properties, [2]string{"skip.header.line.count", "1"})
	} else {
		d.Properties = append(d.Properties, [2]string{"parquet.compression", "ZSTD"})
	}
	return d, nil
}

func athenaDDL(l Layout, location, since string) (string, error) {
	d, err := Declare(l, location, since)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE EXTERNAL TABLE IF NOT EXISTS `%s`.`%s` (\n", Schema, d.Name)
	for i, c := range d.Columns {
		fmt.Fprintf(&b, "  `%s` %s%s\n", c.Name, c.Type, comma(i, len(d.Columns)))
	}
	b.WriteString(")\n")
	if d.Comment != "" {
		fmt.Fprintf(&b, "COMMENT %s\n", quoteText(d.Comment))
	}
	b.WriteString("PARTITIONED BY (`date` string, `hour` string)\n")
	if d.CSV {
		b.WriteString("ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde'\nSTORED AS TEXTFILE\n")
	} else {
		b.WriteString("STORED AS PARQUET\n")
	}
	fmt.Fprintf(&b, "LOCATION %s\nTBLPROPERTIES (\n", quoteText(d.Location))
	for i, p := range d.Properties {
		fmt.Fprintf(&b, "  %s = %s%s\n", quoteText(p[0]), quoteText(p[1]), comma(i, len(d.Properties)))
	}
	b.WriteString(")")
	return b.String(), nil
}

func trinoDDL(l Layout, location, since string) (string, error) {
	location = strings.TrimRight(location, "/") + "/" + strings.Trim(l.Folder, "/") + "/"
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE TABLE IF NOT EXISTS %s.%s (\n", Schema, quoteName(l.Name))
	for _, c := range l.Columns {
		typ := "varchar"
		if !l.CSV {
			t, err := duckType(c.Type)
			if err != nil {
				return "", fmt.Errorf("table %s, column %s: %w", l.Name, c.Name, err)
			}
			if t.kind == timestampType {
				t = scalar(timestampType) // the connector's own precision
			}
			typ = t.String()
		}
		fmt.Fprintf(&b, "  %s %s,\n", quoteName(c.Name), typ)
	}
	fmt.Fprintf(&b, "  \"date\" varchar WITH (partition_projection_type = 'date', partition_projection_format = 'yyyy-MM-dd', partition_projection_range = ARRAY[%s, 'NOW'], partition_projection_interval = 1, partition_projection_interval_unit = 'DAYS'),\n", quoteText(since))
	b.WriteString("  \"hour\" varchar WITH (partition_projection_type = 'integer', partition_projection_range = ARRAY['0', '23'], partition_projection_digits = 2)\n)\n")
	if l.Comment != "" {
		fmt.Fprintf(&b, "COMMENT %s\n", quoteText(l.Comment))
	}
	format := "format = 'PARQUET'"
	if l.CSV {
		format = "format = 'CSV', skip_header_line_count = 1"
	}
	fmt.Fprintf(&b, "WITH (\n  %s,\n  external_location = %s,\n  partitioned_by = ARRAY['date', 'hour'],\n  partition_projection_enabled = true,\n  partition_projection_location_template = %s\n)",
		format, quoteText(location), quoteText(location+"date=${date}/hour=${hour}/"))
	return b.String(), nil
}

func comma(i, n int) string {
	if i+1 < n {
		return ","
	}
	return ""
}

// hiveType is a type as Athena's DDL, which is Hive's, names it.
func hiveType(t *dataType) (string, error) {
	switch t.kind {
	case varcharType, charType:
		return "string", nil
	case integerType:
		return "int", nil
	case realType:
		return "float", nil
	case varbinaryType:
		return "binary", nil
	case timestampType:
		return "timestamp", nil
	case arrayType:
		e, err := hiveType(t.elem)
		return "array<" + e + ">", err
	case booleanType, tinyintType, smallintType, bigintType, doubleType, decimalType, dateType:
		return t.String(), nil
	}
	return "", fmt.Errorf("the type %s cannot be declared", t)
}
