package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"tapedeck/pipeline/cost"
)

func newCost(o *options) *cobra.Command {
	var prices, write string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "cost",
		Short: "Say what this pipeline costs an hour and a month, and what would save money",
		Long: `Multiplies what the processes of this data directory counted in the last 24
hours (S3 requests, bytes that Athena scanned, messages) and what lies in the
lake by a dated table of list prices. Machines count when the settings name
them: cost.instance, cost.disk, cost.broker, cost.endpoint. No billing service is
asked; taxes, discounts and free tiers are not in it.`,
		Example: `  tapedeck cost
  tapedeck cost --set cost.instance=t4g.medium --set cost.disk=50GB
  tapedeck cost --write-prices prices.yaml       # edit it, then
  tapedeck cost --prices prices.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if write != "" {
				return writePrices(write, cmd.OutOrStdout())
			}
			c, err := o.config()
			if err != nil {
				return err
			}
			if prices == "" {
				prices = c.Cost.Prices
			}
			table, err := readPrices(prices)
			if err != nil {
				return err
			}
			v, p, err := openLakeView(cmd.Context(), c, true, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			defer v.close()
			s, err := bill(cmd.Context(), c, p, table, v.lake, v.log, time.Now())
			if err != nil {
				return usageError{err}
			}
			if asJSON {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				return e.Encode(s)
			}
			return writeBill(cmd.OutOrStdout(), &s, &table, time.Now())
		},
	}
	cmd.Flags().StringVar(&prices, "prices", "", "table of prices, a YAML `FILE` laid over the built-in one")
	cmd.Flags().StringVar(&write, "write-prices", "", "write the built-in table to `FILE` and end")
	cmd.Flags().BoolVar(&asJSON, "json", false, "the bill as JSON")
	return cmd
}

func writePrices(path string, out io.Writer) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("write the prices: %w", err)
	}
	_, err = f.Write(cost.BuiltIn())
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write the prices: %w", err)
	}
	_, err = fmt.Fprintln(out, "wrote", path)
	return err
}

// writeBill prints the bill for people.
func writeBill(out io.Writer, s *cost.Summary, table *cost.Prices, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "what\tan hour\ta month\thow")
	for _, line := range s.Lines {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", line.What, cost.Dollars(line.Hour), cost.Dollars(line.Month), line.How)
	}
	fmt.Fprintf(w, "all\t%s\t%s\t\n", cost.Dollars(s.Hour), cost.Dollars(s.Month))
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	switch {
	case s.Over == 0:
		fmt.Fprintln(out, "No pipeline has run here in the last 24 hours for a minute or more: requests are not counted yet.")
	default:
		fmt.Fprintf(out, "Counted over %s of the last 24 hours.", s.Over.Round(time.Minute))
		if s.Growth > 0 {
			fmt.Fprintf(out, " The lake grows: each month's storage costs %s more than the month before's.", cost.Dollars(s.Growth))
		}
		fmt.Fprintln(out)
	}
	fmt.Fprintf(out, "Prices of %s.", s.Prices)
	if months := int(table.Age(now).Hours() / 730); months >= 6 {
		fmt.Fprintf(out, " They are %d months old: compare them with aws.amazon.com/pricing, and edit a copy (tapedeck cost --write-prices FILE).", months)
	}
	fmt.Fprintln(out)
	for _, a := range s.Advice {
		fmt.Fprintf(out, "\nsave %s a month: %s\n  (%s)\n", cost.Dollars(a.Saves), a.Do, a.Price)
	}
	return nil
}
