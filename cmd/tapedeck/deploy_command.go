package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tapedeck/ml"
	"tapedeck/ml/sagemaker"
	"tapedeck/store/lake"
)

func newDeploy(o *options) *cobra.Command {
	var d deployOptions
	cmd := &cobra.Command{
		Use:   "deploy",
		Short: "Put a trained model behind a SageMaker endpoint",
		Long: `Puts a trained model to S3, makes SageMaker's model and endpoint configuration of
it, makes the endpoint, or updates it blue/green, waits until it is in service, and
asks it: its answers must be those that the model gives here. What fails is taken
back, to the configuration before.

Credentials are those of the AWS tools; the region is predict.region, or theirs.
The container is that of examples/sagemaker. An endpoint costs by the hour, asked
or not: tapedeck cost --set cost.endpoint=TYPE. See docs/sagemaker.md.`,
		Example: `  tapedeck deploy --model xgboost --endpoint tapedeck --bucket s3://my-models/tapedeck \
    --role arn:aws:iam::123456789012:role/tapedeck-endpoint \
    --image 123456789012.dkr.ecr.us-east-1.amazonaws.com/tapedeck:1 --dry-run`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := d.validate(); err != nil {
				return usageError{err}
			}
			c, err := o.config()
			if err != nil {
				return err
			}
			p, err := c.place(false)
			if err != nil {
				return err
			}
			name, version, _ := strings.Cut(d.model, ":")
			t, err := p.models().find(name, version)
			if err != nil {
				return err
			}
			m, err := ml.Open(t.dir)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			return d.run(cmd.Context(), c, m, func(line string) { fmt.Fprintln(out, line) })
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&d.model, "model", "", "`NAME[:VERSION]` of the model; without a version the newest")
	flags.StringVar(&d.endpoint, "endpoint", "", "`NAME` of the endpoint")
	flags.StringVar(&d.role, "role", "", "`ARN` of the role that the container runs as")
	flags.StringVar(&d.image, "image", "", "`URI` of the container's image")
	flags.StringVar(&d.bucket, "bucket", "", "`s3://BUCKET[/PREFIX]` that the model is put to")
	flags.StringVar(&d.instance, "instance-type", "ml.c7i.large", "`TYPE` of the instances")
	flags.Int32Var(&d.count, "count", 1, "`N`umber of instances")
	flags.StringArrayVar(&d.alarms, "alarm", nil, "`NAME` of a CloudWatch alarm that has SageMaker put back what was there; may be given several times")
	flags.DurationVar(&d.timeout, "timeout", 30*time.Minute, "longest wait for the endpoint to be in service")
	flags.BoolVar(&d.dryRun, "dry-run", false, "print every call, and make none")
	_ = cmd.RegisterFlagCompletionFunc("model", cobra.FixedCompletions([]string{ml.XGBoost, ml.LSTM}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// deployOptions are the flags of tapedeck deploy.
type deployOptions struct {
	model, endpoint, role, image, bucket, instance string
	count                                          int32
	alarms                                         []string
	timeout                                        time.Duration
	dryRun                                         bool
	poll                                           time.Duration // 0 is the deployer's own
}

func (d *deployOptions) validate() error {
	for _, f := range []struct{ name, value string }{{"model", d.model}, {"endpoint", d.endpoint}, {"role", d.role}, {"image", d.image}, {"bucket", d.bucket}} {
		if f.value == "" {
			return fmt.Errorf("--%s is needed; tapedeck deploy --help has an example", f.name)
		}
	}
	bucket, ok := strings.CutPrefix(d.bucket, "s3://")
	switch {
	case !ok || strings.Trim(bucket, "/") == "" || strings.HasPrefix(bucket, "/"):
		return fmt.Errorf("--bucket: %q is not s3://BUCKET or s3://BUCKET/PREFIX", d.bucket)
	case !strings.HasPrefix(d.role, "arn:"):
		return fmt.Errorf("--role: %q is no ARN, such as arn:aws:iam::123456789012:role/NAME", d.role)
	case !strings.HasPrefix(d.instance, "ml."):
		return fmt.Errorf("--instance-type: %q is none of SageMaker's, such as ml.c7i.large", d.instance)
	case d.count < 1:
		return errors.New("--count: 1 or more")
	case d.timeout <= 0:
		return errors.New("--timeout: more than 0")
	}
	return nil
}

// run deploys an opened model.
func (d *deployOptions) run(ctx context.Context, c Config, m *ml.Model, report func(string)) error {
	about := m.Manifest()
	var archive bytes.Buffer
	if err := m.WriteTarGz(&archive); err != nil {
		return err
	}
	data := strings.TrimRight(d.bucket, "/") + "/" + about.Name + "/" + about.Version + "/model.tar.gz"
	report(fmt.Sprintf("%s %s: model.tar.gz of %d kB, endpoint %s on %d × %s", about.Name, about.Version, (archive.Len()+999)/1000, d.endpoint, d.count, d.instance))
	deployer, err := sagemaker.NewDeployer(ctx, sagemaker.DeployerConfig{Region: c.Predict.Region, DryRun: d.dryRun,
		Poll: d.poll, Timeout: d.timeout, Report: report})
	if err != nil {
		return err
	}
	err = deployer.Deploy(ctx, sagemaker.Deployment{
		Endpoint: d.endpoint, Version: about.Name + "-" + about.Version, Role: d.role, Image: d.image, Data: data,
		InstanceType: d.instance, Count: d.count, Alarms: d.alarms,
		Upload: func(ctx context.Context) error {
			return lake.Put(ctx, data, archive.Bytes(), lake.S3Config{Region: c.S3.Region, Endpoint: c.S3.Endpoint, PathStyle: c.S3.PathStyle,
				Encryption: noneIsEmpty(c.S3.SSE), KMSKey: c.S3.KMSKey}, slog.New(slog.DiscardHandler))
		},
		Try: func(ctx context.Context) error { return d.try(ctx, c, m) },
	})
	if err != nil || d.dryRun {
		return err
	}
	report(fmt.Sprintf("endpoint %s answers; the pipeline asks it with predict.endpoint=%[1]s, while %s %s is the champion here", d.endpoint, about.Name, about.Version))
	return nil
}

// try asks the endpoint what the model is asked, too.
func (d *deployOptions) try(ctx context.Context, c Config, m *ml.Model) error {
	about := m.Manifest()
	client, err := sagemaker.NewClient(ctx, sagemaker.ClientConfig{Endpoint: d.endpoint, Region: c.Predict.Region, BaseURL: c.Predict.URL,
		Horizons: about.Horizons, Timeout: time.Minute})
	if err != nil {
		return err
	}
	const rows = 8
	random := rand.New(rand.NewPCG(1, 2)) // the same questions each time
	batch := ml.Batch{Rows: rows, Window: about.Window, Features: len(about.Features),
		Values: make([]float32, rows*about.Window*len(about.Features)), Volatility: make([]float32, rows)}
	for i := range batch.Values {
		batch.Values[i] = float32(random.NormFloat64())
	}
	for i := range batch.Volatility {
		batch.Volatility[i] = 0.0005 + 0.001*random.Float32()
	}
	want, got := make([]float32, rows*len(about.Horizons)*ml.Outputs), make([]float32, rows*len(about.Horizons)*ml.Outputs)
	if err := errors.Join(m.Predict(ctx, batch, want), client.Predict(ctx, batch, got)); err != nil {
		return err
	}
	for i := range want {
		// Another processor may round the last digits otherwise.
		if diff := math.Abs(float64(got[i]) - float64(want[i])); diff > 1e-7+1e-4*math.Abs(float64(want[i])) {
			return fmt.Errorf("value %d is %g, and %g here: it is another model", i, got[i], want[i])
		}
	}
	return nil
}
