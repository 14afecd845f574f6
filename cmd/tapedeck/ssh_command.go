package main

import (
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"
)

func newSSH(o *options) *cobra.Command {
	config := sshConfig{listen: "127.0.0.1:2222", max: 32}
	cmd := &cobra.Command{
		Use:   "ssh",
		Short: "Serve the screen over SSH: public keys only, no shell, no forwarding",
		Long: `Serves the workstation over SSH. Who connects with a key of the keys file gets a
screen that attaches to the running pipeline, and nothing else: no shell, no
command, no file transfer, no forwarding, no password.

The keys file has the form of authorized_keys, with a role as the option and a
name as the comment:

  role=viewer  ssh-ed25519 AAAA… bob       looks: board, charts, alerts
  role=analyst ssh-ed25519 AAAA… alice     asks in SQL and exports, too
  role=admin   ssh-ed25519 AAAA… carol     stops the pipeline, too

It is read anew at every connection. Each name has a home of its own below
--homes, where layout, history and exports are kept.`,
		Example: `  tapedeck ssh --listen :2222 --keys keys --host-key host_key --homes homes
  ssh -p 2222 alice@box                  # on the analyst's machine`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.config()
			if err != nil {
				return err
			}
			config.args = o.pipelineArgs()
			logger := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			s, err := listenSSH(config, logger)
			if err != nil {
				return err
			}
			data, err := c.dataDir()
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "screens of %s at %s\n", data, s.address())
			return s.Run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&config.listen, "listen", config.listen, "`ADDRESS` to listen at")
	cmd.Flags().StringVar(&config.keys, "keys", "", "`FILE` of public keys with roles")
	cmd.Flags().StringVar(&config.hostKey, "host-key", "", "the server's key, a `FILE` that is made where it is missing")
	cmd.Flags().StringVar(&config.homes, "homes", "", "`DIR`ectory of the analysts' homes")
	cmd.Flags().IntVar(&config.max, "max", config.max, "most sessions at once")
	for _, name := range []string{"keys", "host-key", "homes"} {
		_ = cmd.MarkFlagRequired(name)
	}
	return cmd
}
