package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

func newConfig(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show, check or write the configuration",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		&cobra.Command{
			Use:   "show",
			Short: "Print the settings in force: file, environment and flags together; secrets are masked",
			Args:  cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				c, err := o.config()
				if err != nil {
					return err
				}
				_, err = fmt.Fprint(cmd.OutOrStdout(), c.yamlText(false, true))
				return err
			},
		},
		&cobra.Command{
			Use:   "check [FILE]",
			Short: "Check the configuration and say what is wrong, with key, line and allowed values",
			Args:  cobra.MaximumNArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				if len(args) == 1 {
					o.configPath = args[0]
				}
				c, err := o.config()
				if err != nil {
					return err
				}
				path := o.configPath
				if path == "" {
					_, path, _ = loadConfig("", nil)
				}
				if path == "" {
					path = "no file: the defaults"
				}
				data, err := c.dataDir()
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "configuration is well (%s)\ndata directory %s\n", path, data)
				return err
			},
		},
		&cobra.Command{
			Use:   "init",
			Short: "Write a configuration file with every setting, its meaning and its default",
			Args:  cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				path := o.configPath
				if path == "" {
					dir := xdg("XDG_CONFIG_HOME", ".config")
					if dir == "" {
						return errors.New("no home directory: say where with --config FILE")
					}
					path = filepath.Join(dir, "tapedeck", "config.yaml")
				}
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					return fmt.Errorf("make the configuration directory: %w", err)
				}
				f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
				if errors.Is(err, os.ErrExist) {
					return fmt.Errorf("%s exists already and was not touched; name another with --config FILE", path)
				}
				if err != nil {
					return fmt.Errorf("write the configuration: %w", err)
				}
				c := DefaultConfig()
				_, err = f.WriteString("# tapedeck: every setting with its meaning and its default.\n" +
					"# TAPEDECK_* variables (TAPEDECK_SIM_SYMBOLS) and flags come after this file.\n\n" + c.yamlText(true, false))
				if err := errors.Join(err, f.Close()); err != nil {
					return fmt.Errorf("write the configuration: %w", err)
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), "wrote", path)
				return err
			},
		})
	return cmd
}
