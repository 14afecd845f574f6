package sagemaker

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"
	"github.com/aws/smithy-go"
)

// Deployment is a model that is to answer as an endpoint.
type Deployment struct {
	Endpoint     string // made where there is none, else updated
	Version      string // of the model; part of the names of what is made
	Role         string // ARN that the container runs as
	Image        string // URI of the container in ECR
	Data         string // s3://bucket/…/model.tar.gz
	InstanceType string // such as ml.c7i.large
	Count        int32  // instances
	// Alarms are CloudWatch alarms that make SageMaker put back, by itself, what
	// was there before, should one of them go off during an update.
	Alarms []string

	// Upload puts the model to where Data says, before anything is made.
	Upload func(ctx context.Context) error
	// Try asks the endpoint, once it is in service, and says what is wrong with
	// its answers; then what was there before is put back.
	Try func(ctx context.Context) error
}

// DeployerConfig says where endpoints are made, and how.
type DeployerConfig struct {
	Region  string // "" is the SDK's default
	BaseURL string // "" is AWS; a local server's address otherwise, with credentials of no meaning
	DryRun  bool   // say what would be called, and call nothing

	Poll    time.Duration // between two looks at an endpoint on its way; 0 is 10 s
	Timeout time.Duration // for an endpoint to be in service; 0 is 30 min
	Now     func() time.Time
	Report  func(line string) // is told of every call and every step; nil: nobody
}

// Deployer makes endpoints, and updates them blue/green: the new instances
// stand beside the old ones until they answer.
type Deployer struct {
	config DeployerConfig
	api    *sagemaker.Client
}

// NewDeployer finds credentials and region where the AWS SDK finds them. It
// calls nothing yet.
func NewDeployer(ctx context.Context, c DeployerConfig) (*Deployer, error) {
	c.Poll = cmp.Or(c.Poll, 10*time.Second)
	c.Timeout = cmp.Or(c.Timeout, 30*time.Minute)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Report == nil {
		c.Report = func(string) {}
	}
	if c.DryRun {
		return &Deployer{config: c}, nil
	}
	var options []func(*awsconfig.LoadOptions) error
	if c.Region != "" {
		options = append(options, awsconfig.WithRegion(c.Region))
	}
	if c.BaseURL != "" {
		options = append(options, awsconfig.WithRegion(cmp.Or(c.Region, "us-east-1")),
			awsconfig.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("local", "local", "")))
	}
	loaded, err := awsconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("set up SageMaker's client: %w", err)
	}
	if loaded.Region == "" {
		return nil, errors.New("set up SageMaker's client: no AWS region is set; set predict.region, or AWS_REGION")
	}
	return &Deployer{config: c, api: sagemaker.NewFromConfig(loaded, func(o *sagemaker.Options) {
		if c.BaseURL != "" {
			o.BaseEndpoint = aws.String(c.BaseURL)
		}
	})}, nil
}

// Deploy uploads the model, makes what SageMaker wants of it, makes or updates
// the endpoint, waits until it is in service and tries it. What fails is taken
// back: an updated endpoint has its old configuration again, a new one is gone,
// and so are the model and the configuration that were made. Where ctx ends
// while SageMaker is at work, all of it is left to go on, and the error says so.
func (d *Deployer) Deploy(ctx context.Context, p Deployment) error {
	if err := p.validate(); err != nil {
		return err
	}
	name := p.name(d.config.Now())
	old, there, err := d.before(ctx, p.Endpoint)
	if err != nil {
		return err
	}
	if err := d.upload(ctx, p); err != nil {
		return err
	}
	if err := d.makeConfig(ctx, p, name); err != nil {
		return err
	}
	if err := d.start(ctx, p, name, there); err != nil {
		return errors.Join(err, d.discard(ctx, name))
	}
	if d.config.DryRun {
		d.config.Report("then it is looked at until it is in service, and asked")
		return nil
	}
	if err := d.wait(ctx, p.Endpoint, name); err != nil {
		if errors.Is(err, errOnItsWay) {
			if ctx.Err() != nil { // who interrupts it sees no error
				d.config.Report(errOnItsWay.Error())
			}
			return err
		}
		return d.takeBack(ctx, p, name, old, there, err)
	}
	if p.Try != nil {
		if err := p.Try(ctx); err != nil {
			return d.takeBack(ctx, p, name, old, there, fmt.Errorf("the endpoint's answers: %w", err))
		}
		d.config.Report("its answers are the model's")
	}
	if there {
		d.config.Report(fmt.Sprintf("the configuration before was %s, and is kept", old))
	}
	return nil
}

func (p *Deployment) validate() error {
	for _, f := range []struct{ name, value string }{{"endpoint", p.Endpoint}, {"version", p.Version}, {"role", p.Role}, {"image", p.Image}, {"data", p.Data}, {"instance type", p.InstanceType}} {
		if f.value == "" {
			return fmt.Errorf("a deployment needs %s", f.name)
		}
	}
	switch {
	case len(p.Endpoint) > 63 || strings.Trim(p.Endpoint, "-") != p.Endpoint || clean(p.Endpoint) != p.Endpoint:
		return fmt.Errorf("endpoint %.80q: letters, digits and dashes between them, 63 at most", p.Endpoint)
	case p.Count < 1:
		return fmt.Errorf("%d instances; want one at least", p.Count)
	}
	return nil
}

// clean is a text with what SageMaker's names cannot have replaced by dashes.
func clean(s string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
			return c
		}
		return '-'
	}, s)
}

// name is that of the model and of the configuration. Neither can be changed
// once made, so each deployment has its own; it has 63 letters at most.
func (p *Deployment) name(now time.Time) string {
	short := func(s string, n int) string { return strings.Trim(clean(s)[:min(len(clean(s)), n)], "-") }
	return short(p.Endpoint, 18) + "-" + short(p.Version, 29) + "-" + now.UTC().Format("20060102150405")
}

// before looks at what is there: the endpoint's configuration.
func (d *Deployer) before(ctx context.Context, endpoint string) (config string, there bool, err error) {
	var out *sagemaker.DescribeEndpointOutput
	err = d.call("DescribeEndpoint", &sagemaker.DescribeEndpointInput{EndpointName: &endpoint}, func() (err error) {
		out, err = d.api.DescribeEndpoint(ctx, &sagemaker.DescribeEndpointInput{EndpointName: &endpoint})
		return err
	})
	var api smithy.APIError
	switch {
	case errors.As(err, &api) && api.ErrorCode() == "ValidationException" && strings.Contains(api.ErrorMessage(), "Could not find"):
		return "", false, nil
	case err != nil || d.config.DryRun:
		return "", false, err
	case out.EndpointStatus == types.EndpointStatusInService:
		return aws.ToString(out.EndpointConfigName), true, nil
	case out.EndpointStatus == types.EndpointStatusFailed:
		return "", true, fmt.Errorf("endpoint %s failed before (%s); delete it first: aws sagemaker delete-endpoint --endpoint-name %[1]s", endpoint, aws.ToString(out.FailureReason))
	}
	return "", true, fmt.Errorf("endpoint %s is %s, and can be changed once it is in service; try again then", endpoint, out.EndpointStatus)
}

func (d *Deployer) upload(ctx context.Context, p Deployment) error {
	d.config.Report("S3 PutObject " + p.Data)
	if d.config.DryRun || p.Upload == nil {
		return nil
	}
	if err := p.Upload(ctx); err != nil {
		return fmt.Errorf("put the model to %s: %w", p.Data, err)
	}
	return nil
}

// makeConfig makes model and configuration, or neither.
func (d *Deployer) makeConfig(ctx context.Context, p Deployment, name string) error {
	model := &sagemaker.CreateModelInput{ModelName: &name, ExecutionRoleArn: &p.Role,
		PrimaryContainer: &types.ContainerDefinition{Image: &p.Image, ModelDataUrl: &p.Data},
		// It answers questions and asks none.
		EnableNetworkIsolation: aws.Bool(true)}
	if err := d.call("CreateModel", model, func() error { _, err := d.api.CreateModel(ctx, model); return err }); err != nil {
		return err
	}
	config := &sagemaker.CreateEndpointConfigInput{EndpointConfigName: &name, ProductionVariants: []types.ProductionVariant{{
		VariantName: aws.String("main"), ModelName: &name, InitialInstanceCount: &p.Count, InitialVariantWeight: aws.Float32(1),
		InstanceType: types.ProductionVariantInstanceType(p.InstanceType)}}}
	if err := d.call("CreateEndpointConfig", config, func() error { _, err := d.api.CreateEndpointConfig(ctx, config); return err }); err != nil {
		return errors.Join(err, d.discardModel(ctx, name))
	}
	return nil
}

// start makes the endpoint, or begins its update.
func (d *Deployer) start(ctx context.Context, p Deployment, config string, there bool) error {
	if there {
		return d.update(ctx, p, config)
	}
	create := &sagemaker.CreateEndpointInput{EndpointName: &p.Endpoint, EndpointConfigName: &config}
	err := d.call("CreateEndpoint", create, func() error { _, err := d.api.CreateEndpoint(ctx, create); return err })
	if d.config.DryRun {
		d.config.Report("or, where the endpoint is there already:")
		return d.update(ctx, p, config)
	}
	return err
}

const (
	watched   = 5 * time.Minute  // alarms can go off before the update is done
	keepOld   = 2 * time.Minute  // the old instances stay, for a quick way back
	updateEnd = 60 * time.Minute // SageMaker gives an update up
)

func (d *Deployer) update(ctx context.Context, p Deployment, config string) error {
	in := &sagemaker.UpdateEndpointInput{EndpointName: &p.Endpoint, EndpointConfigName: &config, DeploymentConfig: &types.DeploymentConfig{
		BlueGreenUpdatePolicy: &types.BlueGreenUpdatePolicy{
			TrafficRoutingConfiguration:      &types.TrafficRoutingConfig{Type: types.TrafficRoutingConfigTypeAllAtOnce, WaitIntervalInSeconds: aws.Int32(0)},
			TerminationWaitInSeconds:         aws.Int32(int32(keepOld / time.Second)),
			MaximumExecutionTimeoutInSeconds: aws.Int32(int32(updateEnd / time.Second)),
		}}}
	if len(p.Alarms) > 0 {
		rollback := &types.AutoRollbackConfig{}
		for _, name := range p.Alarms {
			rollback.Alarms = append(rollback.Alarms, types.Alarm{AlarmName: &name})
		}
		in.DeploymentConfig.AutoRollbackConfiguration = rollback
		in.DeploymentConfig.BlueGreenUpdatePolicy.TrafficRoutingConfiguration.WaitIntervalInSeconds = aws.Int32(int32(watched / time.Second))
	}
	return d.call("UpdateEndpoint", in, func() error { _, err := d.api.UpdateEndpoint(ctx, in); return err })
}

// errOnItsWay is in the chain of an error about an endpoint that SageMaker is
// still working on.
var errOnItsWay = errors.New("SageMaker goes on with it; aws sagemaker describe-endpoint says how far it is")

// wait looks at the endpoint until it is in service with a configuration.
func (d *Deployer) wait(ctx context.Context, endpoint, config string) error {
	began := d.config.Now()
	end, cancel := context.WithTimeout(ctx, d.config.Timeout)
	defer cancel()
	var last types.EndpointStatus
	for {
		out, err := d.api.DescribeEndpoint(end, &sagemaker.DescribeEndpointInput{EndpointName: &endpoint})
		if err != nil {
			return fmt.Errorf("wait for endpoint %s: %w; %w", endpoint, err, errOnItsWay)
		}
		if out.EndpointStatus != last {
			last = out.EndpointStatus
			d.config.Report(fmt.Sprintf("endpoint %s: %s, after %s", endpoint, last, d.config.Now().Sub(began).Round(time.Second)))
		}
		reason := aws.ToString(out.FailureReason)
		switch last {
		case types.EndpointStatusInService:
			if aws.ToString(out.EndpointConfigName) == config {
				return nil
			}
			return fmt.Errorf("SageMaker put endpoint %s back to %s: %s", endpoint, aws.ToString(out.EndpointConfigName), cmp.Or(reason, "it gives no reason"))
		case types.EndpointStatusCreating, types.EndpointStatusUpdating, types.EndpointStatusSystemUpdating, types.EndpointStatusRollingBack:
		default:
			return fmt.Errorf("endpoint %s is %s: %s", endpoint, last, cmp.Or(reason, "SageMaker gives no reason"))
		}
		pause := time.NewTimer(d.config.Poll)
		select {
		case <-end.Done():
			pause.Stop()
			return fmt.Errorf("endpoint %s is %s after %s: %w; %w", endpoint, last, d.config.Now().Sub(began).Round(time.Second), end.Err(), errOnItsWay)
		case <-pause.C:
		}
	}
}

// takeBack undoes a deployment that failed for a reason, and says what stands
// now.
func (d *Deployer) takeBack(ctx context.Context, p Deployment, name, old string, there bool, reason error) error {
	ctx = context.WithoutCancel(ctx) // an interrupted trial is taken back, too
	d.config.Report("taking it back: " + reason.Error())
	if !there {
		in := &sagemaker.DeleteEndpointInput{EndpointName: &p.Endpoint}
		if err := d.call("DeleteEndpoint", in, func() error { _, err := d.api.DeleteEndpoint(ctx, in); return err }); err != nil {
			return errors.Join(fmt.Errorf("%w; endpoint %s is still there, and costs money", reason, p.Endpoint), err)
		}
		return errors.Join(fmt.Errorf("%w; endpoint %s is deleted again", reason, p.Endpoint), d.discard(ctx, name))
	}
	out, err := d.api.DescribeEndpoint(ctx, &sagemaker.DescribeEndpointInput{EndpointName: &p.Endpoint})
	if err == nil && (aws.ToString(out.EndpointConfigName) != old || out.EndpointStatus != types.EndpointStatusInService) {
		if err = d.update(ctx, p, old); err == nil {
			err = d.wait(ctx, p.Endpoint, old)
		}
	}
	if err != nil {
		return errors.Join(fmt.Errorf("%w; it could not be taken back: update endpoint %s to the configuration %s by hand", reason, p.Endpoint, old), err)
	}
	return errors.Join(fmt.Errorf("%w; endpoint %s answers with %s again", reason, p.Endpoint, old), d.discard(ctx, name))
}

// discard deletes the configuration and the model of a deployment that failed.
func (d *Deployer) discard(ctx context.Context, name string) error {
	ctx = context.WithoutCancel(ctx)
	in := &sagemaker.DeleteEndpointConfigInput{EndpointConfigName: &name}
	err := d.call("DeleteEndpointConfig", in, func() error { _, err := d.api.DeleteEndpointConfig(ctx, in); return err })
	return errors.Join(err, d.discardModel(ctx, name))
}

func (d *Deployer) discardModel(ctx context.Context, name string) error {
	ctx = context.WithoutCancel(ctx)
	in := &sagemaker.DeleteModelInput{ModelName: &name}
	return d.call("DeleteModel", in, func() error { _, err := d.api.DeleteModel(ctx, in); return err })
}

// call says what is called and, but for a dry run, calls it.
func (d *Deployer) call(operation string, input any, do func() error) error {
	d.config.Report("SageMaker " + operation + " " + plainJSON(input))
	if d.config.DryRun {
		return nil
	}
	err := do()
	var api smithy.APIError
	if errors.As(err, &api) && strings.HasPrefix(api.ErrorCode(), "AccessDenied") {
		return fmt.Errorf("%s is not allowed: %w; docs/sagemaker.md lists what the caller needs", operation, err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	return nil
}

// plainJSON is an input without what is not set, as --cli-input-json takes it.
func plainJSON(input any) string {
	text, err := json.Marshal(input)
	if err != nil {
		return err.Error()
	}
	var v any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return err.Error()
	}
	text, _ = json.Marshal(set(v)) // it was JSON before
	return string(text)
}

// set is a JSON value without its null and empty members.
func set(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			if value = set(value); value == nil || value == "" {
				delete(v, key)
				continue
			}
			v[key] = value
		}
	case []any:
		for i := range v {
			v[i] = set(v[i])
		}
	}
	return v
}
