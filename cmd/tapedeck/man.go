package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// newMan writes man pages, for packages.
func newMan() *cobra.Command {
	var day string
	cmd := &cobra.Command{
		Use:    "man DIR",
		Short:  "Write the man pages into a directory",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			date, err := time.Parse(time.DateOnly, day)
			if err != nil {
				return usageError{fmt.Errorf("--date: %q is not a day such as 2026-01-31", day)}
			}
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("write the man pages: %w", err)
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true
			header := &doc.GenManHeader{Title: strings.ToUpper(root.Name()), Section: "1", Source: "tapedeck " + version, Manual: "tapedeck", Date: &date}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return fmt.Errorf("write the man pages: %w", err)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&day, "date", time.Now().UTC().Format(time.DateOnly), "the `DAY` on the pages, so that a build can be repeated")
	return cmd
}
