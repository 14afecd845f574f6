package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"tapedeck/ml/sagemaker"
)

// containerModel is where SageMaker puts the model of a container.
const containerModel = "/opt/ml/model"

func newServe(o *options) *cobra.Command {
	var models []string
	listen, folder := ":8080", ""
	timeout := time.Minute
	body := "32MB"
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve models over HTTP, as a SageMaker container does",
		Long: `Serves models over HTTP: the contract of a SageMaker container (GET /ping,
POST /invocations, multi-model /models) and the runtime's path
/endpoints/NAME/invocations, so that the AWS SDK can ask it, too.

A model is a directory that tapedeck train made, or a file of others: an LSTM
network from Keras (.keras, .safetensors), an XGBoost model (.json, .ubj). Bodies
are JSON {"instances": […]}, CSV, or raw float32; see docs/sagemaker.md.

Without --model it serves what is in use in the data directory, or, in a container,
what lies in ` + containerModel + `. It ends in order on SIGTERM.`,
		Example: `  tapedeck serve --model model.json --listen 127.0.0.1:8080
  tapedeck serve --model champion=models/xgboost/20261120T141500Z-5f49 --model lstm=lstm.keras
  curl -H 'Content-Type: text/csv' -d '1,2,3' http://127.0.0.1:8080/invocations`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			size, err := parseSize(body)
			if err != nil {
				return usageError{fmt.Errorf("--max-body: %w", err)}
			}
			if timeout <= 0 {
				return usageError{errors.New("--timeout: more than 0")}
			}
			named, err := o.servedModels(models)
			if err != nil {
				return err
			}
			logger := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			s := sagemaker.NewServer(sagemaker.ServerConfig{MaxBody: int64(size), Timeout: timeout, ModelDir: folder, Log: logger})
			out := cmd.OutOrStdout()
			for _, m := range named {
				model, err := sagemaker.Load(m.path)
				if err != nil {
					return err
				}
				d := model.Describe()
				fmt.Fprintf(out, "%s: %s %s, %d values in, %d out\n", m.name, d.Kind, strings.TrimSpace(d.Name+" "+d.Version), d.Width, d.Outputs)
				s.Set(m.name, model)
			}
			if len(named) == 0 && folder == "" {
				return errors.New("there is no model to serve: give --model, or train one with tapedeck train")
			}
			l, err := net.Listen("tcp", listen)
			if err != nil {
				return usageError{fmt.Errorf("--listen: %w", err)}
			}
			fmt.Fprintf(out, "listening on http://%s\n", l.Addr())
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, os.Interrupt)
			defer stop()
			return s.Serve(ctx, l)
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&models, "model", nil, "`[NAME=]PATH` of a model; may be given several times, the first is that of /invocations")
	flags.StringVar(&listen, "listen", listen, "`ADDR`ess to listen on")
	flags.StringVar(&folder, "models-dir", "", "`DIR`ectory below which POST /models may load models")
	flags.DurationVar(&timeout, "timeout", timeout, "longest time for an answer")
	flags.StringVar(&body, "max-body", body, "largest question")
	return cmd
}

// namedModel is a model to serve.
type namedModel struct{ name, path string }

// servedModels are those asked for, or those in use here.
func (o *options) servedModels(args []string) ([]namedModel, error) {
	var list []namedModel
	for _, arg := range args {
		name, path, named := strings.Cut(arg, "=")
		if !named {
			path = arg
			name = strings.TrimSuffix(filepath.Base(filepath.Clean(path)), filepath.Ext(path))
		}
		list = append(list, namedModel{name, path})
	}
	if len(list) > 0 {
		return list, nil
	}
	switch entries, err := os.ReadDir(containerModel); {
	case err == nil && len(entries) > 0:
		return []namedModel{{"model", containerModel}}, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	c, err := o.config()
	if err != nil {
		return nil, err
	}
	p, err := c.place(false)
	if err != nil {
		return nil, err
	}
	use, err := p.models().inUse()
	if err != nil {
		return nil, err
	}
	for _, name := range use.names() {
		list = append(list, namedModel{name, p.models().dir(name, use.Versions[name])})
	}
	return list, nil
}
