package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tapedeck/store/athena"
	"tapedeck/store/lake"
	"tapedeck/store/remote"
)

func newCatalog(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "catalog",
		Short: "Declare the lake's tables to Athena or Trino",
	}
	cmd.AddCommand(newCatalogDDL(o), newCatalogRegister(o))
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
			c, err := o.config()
			if err != nil {
				return err
			}
			if location, err = catalogLocation(c, location, since, engine); err != nil {
				return err
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

// catalogLocation is the lake's address as an engine elsewhere reaches it.
func catalogLocation(c Config, location, since, engine string) (string, error) {
	if _, err := time.Parse(time.DateOnly, since); err != nil {
		return "", usageError{fmt.Errorf("--since: %q is not a day such as 2026-01-31", since)}
	}
	if location == "" {
		data, err := c.dataDir()
		if err != nil {
			return "", err
		}
		location = c.lakeLocation(data)
	}
	if !strings.Contains(location, "://") {
		return "", usageError{fmt.Errorf("the lake lies in the directory %s, which %s cannot read; give --location s3://BUCKET/PREFIX", location, engine)}
	}
	return location, nil
}

func newCatalogRegister(o *options) *cobra.Command {
	engine := string(athena.AthenaEngine)
	var location, since string
	var dry bool
	cmd := &cobra.Command{
		Use:   "register [TABLE…]",
		Short: "Register the lake's tables with Glue (for Athena) or a Trino cluster",
		Long: `Creates the database (sql.athena.database) and the lake's tables in AWS Glue, whose
catalog Athena reads, and brings those that are there into line. With --engine
trino it declares them on the cluster of sql.trino.url instead. Partitions are
projected from date and hour: this is needed once, not for each hour. It may be
repeated at any time and never touches data.`,
		Example: `  tapedeck catalog register --dry-run
  tapedeck catalog register --location s3://bucket/lake --since 2026-01-01`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.config()
			if err != nil {
				return err
			}
			if location, err = catalogLocation(c, location, since, engine); err != nil {
				return err
			}
			layouts, err := wantedLayouts(args)
			if err != nil {
				return err
			}
			switch athena.Engine(engine) {
			case athena.AthenaEngine:
				return registerGlue(cmd.Context(), c, cmd.OutOrStdout(), layouts, location, since, dry)
			case athena.TrinoEngine:
				if dry {
					return writeDDL(cmd.OutOrStdout(), args, location, athena.TrinoEngine, since)
				}
				return registerTrino(cmd.Context(), c, cmd.OutOrStdout(), layouts, location, since)
			}
			return usageError{fmt.Errorf("--engine: %q is no engine that tables can be registered with; athena or trino", engine)}
		},
	}
	cmd.Flags().StringVar(&engine, "engine", engine, "where: athena (Glue) or trino")
	cmd.Flags().StringVar(&location, "location", "", "where the lake lies, as `URL`; default: the setting lake")
	cmd.Flags().StringVar(&since, "since", "2020-01-01", "first `DAY` that can have data")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say what would be done, and do nothing")
	_ = cmd.RegisterFlagCompletionFunc("engine", cobra.FixedCompletions([]string{"athena", "trino"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func registerGlue(ctx context.Context, c Config, out io.Writer, layouts []athena.Layout, location, since string, dry bool) error {
	var tables []athena.Declaration
	for _, l := range layouts {
		d, err := athena.Declare(l, location, since)
		if err != nil {
			return err
		}
		tables = append(tables, d)
	}
	g, err := remote.OpenGlue(ctx, remote.GlueConfig{Region: c.awsRegion(), Database: c.SQL.Athena.Database}, discard())
	if err != nil {
		return err
	}
	changes, err := g.Register(ctx, tables, dry)
	for _, change := range changes {
		action := change.Action
		if dry && action != "unchanged" {
			action = "would be " + action
		}
		fmt.Fprintf(out, "%-28s %s\n", change.Name, action)
		for _, d := range change.Details {
			fmt.Fprintf(out, "  %s\n", d)
		}
	}
	return err
}

func registerTrino(ctx context.Context, c Config, out io.Writer, layouts []athena.Layout, location, since string) error {
	statements := []string{athena.SchemaDDL(athena.TrinoEngine)}
	for _, l := range layouts {
		ddl, err := athena.DDL(l, location, athena.TrinoEngine, since)
		if err != nil {
			return err
		}
		statements = append(statements, ddl)
	}
	t, err := remote.OpenTrino(remote.TrinoConfig{URL: c.SQL.Trino.URL})
	if err != nil {
		return usageError{err}
	}
	defer t.Close()
	if err := t.Declare(ctx, statements); err != nil {
		return fmt.Errorf("declare the tables on Trino: %w", err)
	}
	for _, l := range layouts {
		fmt.Fprintf(out, "%-28s declared\n", athena.Schema+"."+l.Name)
	}
	return nil
}

func writeDDL(out io.Writer, names []string, location string, engine athena.Engine, since string) error {
	layouts, err := wantedLayouts(names)
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString(athena.SchemaDDL(engine) + ";\n")
	for _, l := range layouts {
		ddl, err := athena.DDL(l, location, engine, since)
		if err != nil {
			return usageError{err}
		}
		b.WriteString("\n" + ddl + ";\n")
	}
	_, err = io.WriteString(out, b.String())
	return err
}

// wantedLayouts are the tables of these names; all, where there are none.
func wantedLayouts(names []string) ([]athena.Layout, error) {
	all := lakeLayouts()
	if len(names) == 0 {
		return all, nil
	}
	var wanted []athena.Layout
	for _, n := range names {
		i := slices.IndexFunc(all, func(l athena.Layout) bool { return strings.EqualFold(l.Name, n) })
		if i < 0 {
			var known []string
			for _, l := range all {
				known = append(known, l.Name)
			}
			return nil, usageError{fmt.Errorf("%s is not a table of the lake; they are %s", n, strings.Join(known, ", "))}
		}
		wanted = append(wanted, all[i])
	}
	return wanted, nil
}

// lakeLayouts are the lake's tables as they lie there: the merged ones, and
// the raw ticks.
func lakeLayouts() []athena.Layout {
	var list []athena.Layout
	for _, t := range lake.Tables() {
		l := athena.Layout{Name: t.Name, Folder: t.Folder}
		for _, c := range t.Visible() { // as SQL shows them here: Parquet is read by name
			l.Columns = append(l.Columns, athena.Column{Name: c.Name, Type: c.Type})
		}
		if t.Name == lake.Ticks {
			raw := l
			raw.Columns = nil
			for _, c := range t.Columns { // a CSV by position
				raw.Columns = append(raw.Columns, athena.Column{Name: c.Name, Type: c.Type})
			}
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
