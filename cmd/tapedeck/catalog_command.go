package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tapedeck/store/athena"
	"tapedeck/store/lake"
)

func newCatalog(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "catalog",
		Short: "Declare the lake's tables to Athena or Trino",
	}
	cmd.AddCommand(newCatalogDDL(o))
	return cmd
}

func newCatalogDDL(o *options) *cobra.Command {
	engine := string(athena.AthenaEngine)
	var location, since string
	cmd := &cobra.Command{
		Use:   "ddl [TABLE…]",
		Short: "Print the statements that declare the lake's tables",
		Long: `Prints CREATE EXTERNAL TABLE statements for Athena, or CREATE TABLE for Trino's
hive connector, over the files of the lake. Partitions are projected from date
and hour: nothing has to be crawled or repaired.`,
		Example: `  tapedeck catalog ddl > tables.sql
  tapedeck catalog ddl --engine trino --location s3://bucket/lake bars`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := time.Parse(time.DateOnly, since); err != nil {
				return usageError{fmt.Errorf("--since: %q is not a day such as 2026-01-31", since)}
			}
			if location == "" {
				c, err := o.config()
				if err != nil {
					return err
				}
				data, err := c.dataDir()
				if err != nil {
					return err
				}
				location = c.lakeLocation(data)
			}
			if !strings.Contains(location, "://") {
				return usageError{fmt.Errorf("the lake lies in the directory %s, which %s cannot read; give --location s3://BUCKET/PREFIX", location, engine)}
			}
			return writeDDL(cmd.OutOrStdout(), args, location, athena.Engine(engine), since)
		},
	}
	cmd.Flags().StringVar(&engine, "engine", engine, "for whom: athena or trino")
	cmd.Flags().StringVar(&location, "location", "", "where the lake lies, as `URL`; default: the setting lake")
	cmd.Flags().StringVar(&since, "since", "2020-01-01", "first `DAY` that can have data")
	_ = cmd.RegisterFlagCompletionFunc("engine", cobra.FixedCompletions([]string{"athena", "trino"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func writeDDL(out io.Writer, names []string, location string, engine athena.Engine, since string) error {
	layouts := lakeLayouts()
	wanted := map[string]bool{}
	for _, n := range names {
		wanted[strings.ToLower(n)] = true
	}
	var b strings.Builder
	b.WriteString(athena.SchemaDDL(engine) + ";\n")
	for _, l := range layouts {
		if len(names) > 0 && !wanted[l.Name] {
			continue
		}
		delete(wanted, l.Name)
		ddl, err := athena.DDL(l, location, engine, since)
		if err != nil {
			return usageError{err}
		}
		b.WriteString("\n" + ddl + ";\n")
	}
	for n := range wanted {
		var known []string
		for _, l := range layouts {
			known = append(known, l.Name)
		}
		return usageError{fmt.Errorf("%s is not a table of the lake; they are %s", n, strings.Join(known, ", "))}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// lakeLayouts are the lake's tables as they lie there: the merged ones, and
// the raw ticks.
func lakeLayouts() []athena.Layout {
	var list []athena.Layout
	for _, t := range lake.Tables() {
		l := athena.Layout{Name: t.Name, Folder: t.Folder}
		for _, c := range t.Columns {
			l.Columns = append(l.Columns, athena.Column{Name: c.Name, Type: c.Type})
		}
		if t.Name == lake.Ticks {
			raw := l
			raw.Name, raw.Folder, raw.CSV = "ticks_raw", "raw", true
			raw.Comment = "every tick exactly once, one file an hour of the log; all columns are text"
			list = append(list, raw)
		}
		list = append(list, l)
	}
	return list
}

// athenaTables are the lake's tables as Athena's SQL names them here.
func athenaTables() []athena.Table {
	var tables []athena.Table
	for _, lt := range lake.Tables() {
		t := athena.Table{Name: lt.Name,
			Partitions: "SELECT DISTINCT 'date=' || date || '/hour=' || hour AS partition FROM " + lt.Name + " ORDER BY 1"}
		for _, c := range lt.Visible() {
			t.Columns = append(t.Columns, athena.Column{Name: c.Name, Type: c.Type})
		}
		for _, n := range []string{"date", "hour"} {
			t.Columns = append(t.Columns, athena.Column{Name: n, Type: "VARCHAR", Partition: true})
		}
		for _, l := range lakeLayouts() {
			if l.Name == lt.Name {
				t.Create, _ = athena.DDL(l, "s3://BUCKET/PREFIX", athena.AthenaEngine, "2020-01-01")
			}
		}
		tables = append(tables, t)
	}
	return tables
}
