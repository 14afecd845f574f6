package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"tapedeck/store/lake"
)

func newLakeAdopt(o *options) *cobra.Command {
	var really bool
	cmd := &cobra.Command{
		Use:   "adopt",
		Short: "Go on in this lake with a log that was made anew",
		Long: `A lake belongs to one log: it refuses the topics of another, so that two
installations never write into each other's history. Where the log was lost or
restored and is the same pipeline's all the same, adopt says so: what it holds
comes after what is there. Do it once, and only when the old log is gone for good:
it can write here no more.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return onLake(o, func(ctx context.Context, v *view, out io.Writer) error {
				if v.log == nil {
					return errors.New("there is no log here yet: start the pipeline once, or restore a backup")
				}
				adopted := 0
				for _, table := range lake.Tables() {
					id, err := v.log.TopicID(ctx, table.Topic)
					if err != nil {
						return fmt.Errorf("find the topic %s: %w", table.Topic, err)
					}
					if !really {
						fmt.Fprintf(out, "%-13s would go on with the topic of id %s\n", table.Name, id)
						continue
					}
					if err := v.lake.Adopt(ctx, table.Name, id); err != nil {
						return err
					}
					adopted++
				}
				if !really {
					_, err := fmt.Fprintf(out, "nothing was changed; --yes lets %s go on with this log\n", v.lake.Location())
					return err
				}
				_, err := fmt.Fprintf(out, "%d tables of %s go on with this log\n", adopted, v.lake.Location())
				return err
			})(cmd, args)
		},
	}
	cmd.Flags().BoolVar(&really, "yes", false, "do it")
	return cmd
}
