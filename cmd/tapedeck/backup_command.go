package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tapedeck/pipeline/alert"
)

func newBackup(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Save what is kept here and not in the lake: rules, settings, layouts, queries, models",
		Long: `Writes one file (tar.gz) with the alert rules, groups, silences, notes, the
settings without their secrets, layouts, favourites, histories, saved and shared
queries and trained models. Ticks, bars and alerts lie in the lake; it is saved by
itself (docs/operations.md). A running pipeline is not disturbed.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.config()
			if err != nil {
				return err
			}
			p, err := c.place(false)
			if err != nil {
				return err
			}
			var rules alert.File
			var beside map[string]json.RawMessage
			if err := o.withRules(cmd.Context(), false, func(b *rulebook) error {
				rules, beside = alert.File{Rules: b.List(), Groups: b.Groups()}, b.Beside()
				return nil
			}); err != nil {
				return fmt.Errorf("read the rules: %w", err)
			}
			part := args[0] + ".part"
			f, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
			if err != nil {
				return fmt.Errorf("write the backup: %w", err)
			}
			defer os.Remove(part)
			files, err := writeBackup(f, c, p, rules, beside, time.Now())
			err = errors.Join(err, f.Sync(), f.Close())
			if err == nil {
				err = os.Rename(part, args[0])
			}
			if err != nil {
				return fmt.Errorf("write the backup: %w", err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %d rules, %d files\n", args[0], len(rules.Rules), files)
			return err
		},
	}
}

func newRestore(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "restore FILE",
		Short: "Lay a backup into an empty data directory",
		Long: `Unpacks a backup into the data directory, which must be empty or missing, makes a
log there and puts the rules into it. The settings are laid beside it as
config.restored.yaml, for you to look at: secrets are not in it.`,
		Example: `  tapedeck restore monday.tar.gz --data /var/lib/tapedeck`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.config()
			if err != nil {
				return err
			}
			data, err := c.dataDir()
			if err != nil {
				return err
			}
			entries, err := os.ReadDir(data)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("look at the data directory: %w", err)
			}
			if len(entries) > 0 {
				return usageError{fmt.Errorf("%s is not empty, and nothing was touched; name another with --data DIR", data)}
			}
			if err := os.MkdirAll(data, 0o700); err != nil {
				return fmt.Errorf("make the data directory: %w", err)
			}
			f, err := os.Open(args[0])
			if err != nil {
				return fmt.Errorf("open the backup: %w", err)
			}
			defer f.Close()
			b, err := readBackup(f, data)
			if err != nil {
				return err
			}
			c.Data, c.Feed = data, b.head.Feed
			if _, err := openPlace(data, c.Feed, true); err != nil {
				return err
			}
			book, closeRules, err := openRules(cmd.Context(), c, true)
			if err != nil {
				return fmt.Errorf("open a log for the rules: %w", err)
			}
			defer closeRules()
			book.models = nil // a rule is laid back as it stood
			for _, g := range b.rules.Groups {
				if err := book.SetGroup(cmd.Context(), g); err != nil {
					return err
				}
			}
			for _, r := range b.rules.Rules {
				if before, err := book.Rule(r.Name); err == nil && sameRule(before, r) {
					continue
				}
				if _, err := book.Set(cmd.Context(), r); err != nil {
					return ruleError(r, err)
				}
			}
			if err := book.SetBeside(cmd.Context(), b.beside); err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			fmt.Fprintf(out, "restored %d rules and %d files of %s (tapedeck %s) into %s\n",
				len(b.rules.Rules), b.files, b.head.Time.UTC().Format("2006-01-02 15:04 UTC"), printable(b.head.Tapedeck), data)
			fmt.Fprintf(out, "settings of then: %s\n", filepath.Join(data, "config.restored.yaml"))
			if strings.HasPrefix(b.head.Lake, "s3://") {
				fmt.Fprintf(out, "its lake was %s: once the old pipeline is gone for good, tapedeck lake adopt --yes goes on in it with this log\n", printable(b.head.Lake))
			}
			return nil
		},
	}
}
