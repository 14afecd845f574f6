package sagemaker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sagemakerruntime"
	"github.com/aws/aws-sdk-go-v2/service/sagemakerruntime/types"
	"github.com/aws/smithy-go"

	"tapedeck/ml"
)

// ClientConfig says which endpoint is asked, and how.
type ClientConfig struct {
	Endpoint string // name of the endpoint
	Region   string // "" is the SDK's default
	BaseURL  string // "" is AWS; a local server's address otherwise, with credentials of no meaning
	Variant  string // production variant; "" leaves it to the endpoint
	Horizons []int32

	Timeout    time.Duration // of one question with its repeats; 0 is 5 s
	MaxPayload int           // bytes of a question; 0 is 5 MB (SageMaker takes 6 MB)
	Concurrent int           // questions on their way at once; 0 is 2
	Now        func() time.Time

	// Dial reaches the endpoint in another way than its address says; nil is by
	// the network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Kinds of failures, in the chains of a Client's errors, beside ErrAway.
var (
	ErrThrottled = errors.New("the endpoint is throttled")   // more is asked than its instances can answer
	ErrModel     = errors.New("the model failed")            // it answered with an error
	ErrRefused   = errors.New("the question was refused")    // it is wrong, or not allowed
	ErrAnswer    = errors.New("the answer makes no sense")   // it is not what was asked for
	ErrTimeout   = errors.New("no answer in the time given") //
)

// Client asks an endpoint through the AWS SDK. It is an ml.Predictor and safe
// for concurrent use.
type Client struct {
	config  ClientConfig
	runtime *sagemakerruntime.Client
	breaker *breaker
}

var _ ml.Predictor = (*Client)(nil)

// NewClient finds credentials and region where the AWS SDK finds them; with a
// BaseURL none are needed. It asks nothing yet.
func NewClient(ctx context.Context, c ClientConfig) (*Client, error) {
	if c.Endpoint == "" || len(c.Horizons) == 0 {
		return nil, errors.New("an endpoint's client needs the endpoint's name and the model's horizons")
	}
	c.Timeout = cmp.Or(c.Timeout, 5*time.Second)
	c.MaxPayload = cmp.Or(c.MaxPayload, 5<<20)
	c.Concurrent = cmp.Or(c.Concurrent, 2)
	if c.Now == nil {
		c.Now = time.Now
	}
	var options []func(*awsconfig.LoadOptions) error
	if c.Region != "" {
		options = append(options, awsconfig.WithRegion(c.Region))
	}
	if c.Dial != nil {
		options = append(options, awsconfig.WithHTTPClient(awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			t.DialContext, t.Proxy = c.Dial, nil
		})))
	}
	if c.BaseURL != "" {
		options = append(options, awsconfig.WithRegion(cmp.Or(c.Region, "us-east-1")),
			awsconfig.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("local", "local", "")))
	}
	loaded, err := awsconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("set up the endpoint's client: %w", err)
	}
	if loaded.Region == "" {
		return nil, errors.New("set up the endpoint's client: no AWS region is set; set predict.region, or AWS_REGION")
	}
	runtime := sagemakerruntime.NewFromConfig(loaded, func(o *sagemakerruntime.Options) {
		if c.BaseURL != "" {
			o.BaseEndpoint = aws.String(c.BaseURL)
		}
		// A prediction changes nothing: what was throttled or cut is safe to repeat.
		o.Retryer = retry.NewStandard(func(r *retry.StandardOptions) {
			r.MaxAttempts, r.MaxBackoff = 3, 300*time.Millisecond
		})
	})
	return &Client{config: c, runtime: runtime, breaker: newBreaker(c.Now)}, nil
}

// Predict is ml.Predictor's: the batch goes out in as many questions as its
// size needs, and none of it counts unless all of it is answered.
func (c *Client) Predict(ctx context.Context, batch ml.Batch, out []float32) error {
	if err := batch.Validate(); err != nil {
		return err
	}
	outputs := len(c.config.Horizons) * ml.Outputs
	if len(out) != batch.Rows*outputs {
		return fmt.Errorf("%w: room for %d values, want %d × %d", ml.ErrBatch, len(out), batch.Rows, outputs)
	}
	if !c.breaker.enter() {
		until, why := c.breaker.closed()
		return fmt.Errorf("%w; it is asked again %s, last: %w", ErrAway, until.UTC().Format("15:04:05 MST"), why)
	}
	err := c.predict(ctx, batch, out, outputs)
	c.breaker.leave(err, err == nil || errors.Is(err, ErrRefused) || errors.Is(err, context.Canceled))
	return err
}

func (c *Client) predict(ctx context.Context, batch ml.Batch, out []float32, outputs int) error {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	width := 1 + batch.Window*batch.Features
	rows := max(1, min(batch.Rows, (c.config.MaxPayload-float32Header)/(4*width)))
	turns := make(chan struct{}, c.config.Concurrent)
	var asking sync.WaitGroup
	var once sync.Once
	var failure error
	for from := 0; from < batch.Rows; from += rows {
		to := min(from+rows, batch.Rows)
		turns <- struct{}{}
		asking.Go(func() {
			defer func() { <-turns }()
			if err := c.ask(ctx, batch.Slice(from, to), out[from*outputs:to*outputs]); err != nil {
				once.Do(func() {
					failure = err
					cancel()
				})
			}
		})
	}
	asking.Wait()
	return failure
}

// ask sends one question.
func (c *Client) ask(ctx context.Context, batch ml.Batch, out []float32) error {
	size := batch.Window * batch.Features
	question := matrix{batch.Rows, 1 + size, make([]float32, 0, batch.Rows*(1+size))}
	for i := range batch.Rows {
		question.values = append(append(question.values, batch.Volatility[i]), batch.Values[i*size:(i+1)*size]...)
	}
	input := &sagemakerruntime.InvokeEndpointInput{
		EndpointName: aws.String(c.config.Endpoint), ContentType: aws.String(Float32), Accept: aws.String(Float32),
		Body: appendFloat32(make([]byte, 0, float32Header+4*len(question.values)), question),
	}
	if c.config.Variant != "" {
		input.TargetVariant = aws.String(c.config.Variant)
	}
	answer, err := c.runtime.InvokeEndpoint(ctx, input)
	if err != nil {
		return classify(err)
	}
	m, err := decode(aws.ToString(answer.ContentType), answer.Body, false)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	if m.rows != batch.Rows || m.rows*m.width != len(out) {
		return fmt.Errorf("%w: %d × %d values, want %d × %d", ErrAnswer, m.rows, m.width, batch.Rows, len(out)/batch.Rows)
	}
	for i := 0; i < len(m.values); i += ml.Outputs {
		if mean, low, high := m.values[i], m.values[i+1], m.values[i+2]; !(low <= mean && mean <= high) {
			return fmt.Errorf("%w: mean %g outside its interval %g … %g", ErrAnswer, mean, low, high)
		}
	}
	copy(out, m.values)
	return nil
}

// classify puts an SDK error into words and kinds.
func classify(err error) error {
	var model *types.ModelError
	var api smithy.APIError
	switch {
	case errors.As(err, &model):
		if status := aws.ToInt32(model.OriginalStatusCode); status >= 400 && status < 500 {
			return fmt.Errorf("%w: %s", ErrRefused, clip(aws.ToString(model.OriginalMessage)))
		}
		return fmt.Errorf("%w: %s", ErrModel, clip(aws.ToString(model.OriginalMessage)))
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: %w", ErrTimeout, err)
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &api):
		switch api.ErrorCode() {
		case "ThrottlingException", "TooManyRequestsException", "Throttling", "RequestLimitExceeded":
			return fmt.Errorf("%w: %s", ErrThrottled, clip(api.ErrorMessage()))
		case "ValidationError", "ValidationException", "AccessDeniedException", "UnrecognizedClientException", "ExpiredTokenException", "InvalidSignatureException":
			return fmt.Errorf("%w: %s: %s", ErrRefused, api.ErrorCode(), clip(api.ErrorMessage()))
		}
		if api.ErrorFault() == smithy.FaultClient {
			return fmt.Errorf("%w: %s: %s", ErrRefused, api.ErrorCode(), clip(api.ErrorMessage()))
		}
		return fmt.Errorf("%w: %s: %s", ErrModel, api.ErrorCode(), clip(api.ErrorMessage()))
	}
	return fmt.Errorf("%w: %w", ErrAway, err)
}

func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}
