package lake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
)

// S3Config is how S3, or a server that speaks its API, is reached. The zero
// value takes everything from the environment, as the AWS tools do.
type S3Config struct {
	Endpoint  string // e.g. http://localhost:9000; empty is AWS
	Region    string // empty is the environment's, else us-east-1
	PathStyle bool   // bucket in the path, as most servers but AWS want it
	AccessKey string // empty: the environment's credentials
	SecretKey string
	// Encryption at rest: empty is the bucket's default, AES256, or aws:kms
	// with KMSKey (empty: the account's default key).
	Encryption   string
	KMSKey       string
	StorageClass string        // e.g. INTELLIGENT_TIERING; empty is STANDARD
	Attempts     int           // tries of a request, with jittered back-off; 0 is 5
	Backoff      time.Duration // longest wait between two tries; 0 is 5 s
	Timeout      time.Duration // of one try's answer to begin; 0 is 30 s
	PartSize     int64         // of a multipart upload, bytes; 0 is 8 MiB (S3's least is 5)
	// NoChecksums leaves out the trailing checksums, which some servers do
	// not understand.
	NoChecksums bool
}

func (c S3Config) validate() error {
	switch c.Encryption {
	case "", "AES256", "aws:kms":
	default:
		return fmt.Errorf("encryption is %q; it can be empty, AES256 or aws:kms", c.Encryption)
	}
	if c.KMSKey != "" && c.Encryption != "aws:kms" {
		return fmt.Errorf("a KMS key needs the encryption aws:kms")
	}
	if (c.AccessKey == "") != (c.SecretKey == "") {
		return fmt.Errorf("access key and secret key go together")
	}
	return nil
}

// s3Bucket is a bucket of S3 under a prefix.
type s3Bucket struct {
	client *s3.Client
	name   string
	prefix string // empty, or ends with a slash
	config S3Config
	asked  *counting
}

func openS3(ctx context.Context, name, prefix string, c S3Config, log *slog.Logger) (*s3Bucket, error) {
	if name == "" {
		return nil, errors.New("the address names no bucket; write s3://bucket/prefix")
	}
	if c.Attempts == 0 {
		c.Attempts = 5
	}
	if c.Backoff == 0 {
		c.Backoff = 5 * time.Second
	}
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	if c.PartSize == 0 {
		c.PartSize = 8 << 20
	}
	transport := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.ResponseHeaderTimeout = c.Timeout
		t.MaxIdleConnsPerHost = 32
	})
	asked := &counting{next: transport}
	options := []func(*awsconfig.LoadOptions) error{
		awsconfig.WithHTTPClient(transport),
		awsconfig.WithLogger(logging.LoggerFunc(func(_ logging.Classification, format string, v ...any) {
			log.Debug("S3", "message", fmt.Sprintf(format, v...)) // never to the terminal
		})),
		awsconfig.WithRetryer(func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts = c.Attempts
				o.Backoff = retry.NewExponentialJitterBackoff(c.Backoff)
				// The archive retries for as long as an outage lasts; a
				// budget of tokens would only hide what the server says.
				o.RateLimiter = unlimited{}
				// An answer that is cut off in its middle is asked for again, too.
				o.Retryables = append([]retry.IsErrorRetryable{retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
					var cut *smithy.DeserializationError
					if errors.As(err, &cut) {
						return aws.TrueTernary
					}
					return aws.UnknownTernary
				})}, o.Retryables...)
			})
		}),
	}
	if c.Region != "" {
		options = append(options, awsconfig.WithRegion(c.Region))
	}
	if c.AccessKey != "" {
		options = append(options, awsconfig.WithCredentialsProvider(
			credentials.NewStaticCredentialsProvider(c.AccessKey, c.SecretKey, "")))
	}
	config, err := awsconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("configure S3: %w", err)
	}
	if config.Region == "" {
		config.Region = "us-east-1"
	}
	client := s3.NewFromConfig(config, func(o *s3.Options) {
		o.UsePathStyle = c.PathStyle
		o.HTTPClient = asked
		if c.Endpoint != "" {
			o.BaseEndpoint = aws.String(c.Endpoint)
		}
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenSupported
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenSupported
		if c.NoChecksums {
			o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
			o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		}
		o.DisableLogOutputChecksumValidationSkipped = true
	})
	if prefix != "" {
		prefix += "/"
	}
	return &s3Bucket{client: client, name: name, prefix: prefix, config: c, asked: asked}, nil
}

// unlimited lets every retry through.
type unlimited struct{}

func (unlimited) GetToken(context.Context, uint) (func() error, error) {
	return func() error { return nil }, nil
}
func (unlimited) AddTokens(uint) error { return nil }

func (b *s3Bucket) String() string {
	return strings.TrimSuffix("s3://"+b.name+"/"+b.prefix, "/")
}

func (b *s3Bucket) path(string) (string, bool) { return "", false }

func (b *s3Bucket) get(ctx context.Context, key string, from, n int64) (io.ReadCloser, object, error) {
	in := &s3.GetObjectInput{Bucket: &b.name, Key: aws.String(b.prefix + key)}
	switch {
	case n >= 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", from, from+n-1))
	case from > 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", from))
	}
	var opts []func(*s3.Options)
	if in.Range != nil {
		opts = append(opts, withoutValidation)
	}
	out, err := b.client.GetObject(ctx, in, opts...)
	if err != nil {
		return nil, object{}, s3Error(err)
	}
	obj := object{key: key, etag: aws.ToString(out.ETag), size: aws.ToInt64(out.ContentLength), modified: aws.ToTime(out.LastModified)}
	return &resumingBody{ctx: ctx, bucket: b, key: key, etag: obj.etag, at: from, left: obj.size, body: out.Body}, obj, nil
}

func (b *s3Bucket) head(ctx context.Context, key string) (object, error) {
	out, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.name, Key: aws.String(b.prefix + key)})
	if err != nil {
		return object{}, s3Error(err)
	}
	return object{key: key, etag: aws.ToString(out.ETag), size: aws.ToInt64(out.ContentLength), modified: aws.ToTime(out.LastModified)}, nil
}

func (b *s3Bucket) put(ctx context.Context, key string, cond condition, data []byte) (object, error) {
	in := &s3.PutObjectInput{
		Bucket: &b.name, Key: aws.String(b.prefix + key), Body: bytes.NewReader(data),
		ServerSideEncryption: types.ServerSideEncryption(b.config.Encryption),
		SSEKMSKeyId:          optional(b.config.KMSKey),
		StorageClass:         types.StorageClass(b.config.StorageClass),
	}
	in.IfNoneMatch, in.IfMatch = cond.headers()
	var out *s3.PutObjectOutput
	err := b.patient(ctx, func() (err error) {
		out, err = b.client.PutObject(ctx, in)
		if err != nil {
			in.Body = bytes.NewReader(data)
		}
		return err
	})
	if err != nil {
		return object{}, err
	}
	return object{key: key, etag: aws.ToString(out.ETag), size: int64(len(data))}, nil
}

func (c condition) headers() (ifNoneMatch, ifMatch *string) {
	if c.absent {
		ifNoneMatch = aws.String("*")
	}
	return ifNoneMatch, optional(c.match)
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// patient repeats a conditional write that met another one in flight (409).
func (b *s3Bucket) patient(ctx context.Context, write func() error) error {
	for try := 0; ; try++ {
		err := write()
		if code := errorCode(err); err == nil || code != "ConditionalRequestConflict" && code != "OperationAborted" || try >= b.config.Attempts {
			return s3Error(err)
		}
		wait := time.NewTimer(time.Duration(rand.Int64N(int64(100*time.Millisecond) << min(try, 5))))
		select {
		case <-ctx.Done():
			wait.Stop()
			return ctx.Err()
		case <-wait.C:
		}
	}
}

func (b *s3Bucket) upload(ctx context.Context, key string, cond condition, write func(io.Writer) error) (object, error) {
	u := &multipart{ctx: ctx, bucket: b, key: key}
	err := write(u)
	if err != nil {
		u.abort()
		return object{}, err
	}
	if u.id == nil { // it fits into one part
		return b.put(ctx, key, cond, u.buffer)
	}
	obj, err := u.complete(cond)
	if err != nil {
		u.abort()
		return object{}, err
	}
	return obj, nil
}

// multipart is an upload in pieces, of which it holds one in memory.
type multipart struct {
	ctx    context.Context
	bucket *s3Bucket
	key    string
	id     *string
	buffer []byte
	parts  []types.CompletedPart
	size   int64
}

func (u *multipart) Write(p []byte) (int, error) {
	written := len(p)
	size := int(u.bucket.config.PartSize)
	for len(p) > 0 {
		if len(u.buffer) == size {
			if err := u.send(); err != nil {
				return 0, err
			}
		}
		n := min(size-len(u.buffer), len(p))
		u.buffer = append(u.buffer, p[:n]...)
		p = p[n:]
	}
	return written, nil
}

func (u *multipart) send() error {
	b := u.bucket
	if u.id == nil {
		out, err := b.client.CreateMultipartUpload(u.ctx, &s3.CreateMultipartUploadInput{
			Bucket: &b.name, Key: aws.String(b.prefix + u.key),
			ServerSideEncryption: types.ServerSideEncryption(b.config.Encryption),
			SSEKMSKeyId:          optional(b.config.KMSKey),
			StorageClass:         types.StorageClass(b.config.StorageClass),
		})
		if err != nil {
			return s3Error(err)
		}
		u.id = out.UploadId
	}
	number := int32(len(u.parts) + 1)
	out, err := b.client.UploadPart(u.ctx, &s3.UploadPartInput{
		Bucket: &b.name, Key: aws.String(b.prefix + u.key), UploadId: u.id,
		PartNumber: &number, Body: bytes.NewReader(u.buffer),
	})
	if err != nil {
		return s3Error(err)
	}
	u.parts = append(u.parts, types.CompletedPart{
		ETag: out.ETag, PartNumber: &number,
		ChecksumCRC32: out.ChecksumCRC32, ChecksumCRC32C: out.ChecksumCRC32C, ChecksumCRC64NVME: out.ChecksumCRC64NVME,
		ChecksumSHA1: out.ChecksumSHA1, ChecksumSHA256: out.ChecksumSHA256,
	})
	u.size += int64(len(u.buffer))
	u.buffer = u.buffer[:0]
	return nil
}

func (u *multipart) complete(cond condition) (object, error) {
	if len(u.buffer) > 0 {
		if err := u.send(); err != nil {
			return object{}, err
		}
	}
	b := u.bucket
	in := &s3.CompleteMultipartUploadInput{
		Bucket: &b.name, Key: aws.String(b.prefix + u.key), UploadId: u.id,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: u.parts},
	}
	in.IfNoneMatch, in.IfMatch = cond.headers()
	var out *s3.CompleteMultipartUploadOutput
	err := b.patient(u.ctx, func() (err error) {
		out, err = b.client.CompleteMultipartUpload(u.ctx, in)
		return err
	})
	if err != nil {
		return object{}, err
	}
	return object{key: u.key, etag: aws.ToString(out.ETag), size: u.size}, nil
}

// abort lets the server forget the pieces; what a crash leaves is for the
// bucket's lifecycle rule and for sweepUploads.
func (u *multipart) abort() {
	if u.id == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(u.ctx), 10*time.Second)
	defer cancel()
	b := u.bucket
	b.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
		Bucket: &b.name, Key: aws.String(b.prefix + u.key), UploadId: u.id,
	})
}

// sweepUploads aborts uploads that were begun before a time.
func (b *s3Bucket) sweepUploads(ctx context.Context, before time.Time) error {
	pages := s3.NewListMultipartUploadsPaginator(b.client, &s3.ListMultipartUploadsInput{Bucket: &b.name, Prefix: optional(b.prefix)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return s3Error(err)
		}
		for _, u := range page.Uploads {
			if aws.ToTime(u.Initiated).Before(before) {
				_, err := b.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &b.name, Key: u.Key, UploadId: u.UploadId})
				if err != nil && !errors.Is(s3Error(err), errNotFound) {
					return s3Error(err)
				}
			}
		}
	}
	return nil
}

func (b *s3Bucket) list(ctx context.Context, prefix string, fn func(object) error) error {
	pages := s3.NewListObjectsV2Paginator(b.client, &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: optional(b.prefix + prefix)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return s3Error(err)
		}
		for _, o := range page.Contents {
			obj := object{
				key: strings.TrimPrefix(aws.ToString(o.Key), b.prefix), etag: aws.ToString(o.ETag),
				size: aws.ToInt64(o.Size), modified: aws.ToTime(o.LastModified),
			}
			if err := fn(obj); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *s3Bucket) remove(ctx context.Context, keys ...string) error {
	// One by one: DeleteObjects wants checksums that not every server has.
	for _, key := range keys {
		_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.name, Key: aws.String(b.prefix + key)})
		if err = s3Error(err); err != nil && !errors.Is(err, errNotFound) {
			return err
		}
	}
	return nil
}

func errorCode(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// s3Error maps the answers that the lake acts upon, and explains the ones
// that a user can mend.
func s3Error(err error) error {
	if err == nil {
		return nil
	}
	switch errorCode(err) {
	case "NoSuchKey", "NotFound", "NoSuchUpload":
		return errNotFound
	case "PreconditionFailed":
		return errPrecondition
	case "NoSuchBucket":
		return fmt.Errorf("the bucket does not exist; make it first: %w", err)
	case "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired":
		return fmt.Errorf("S3 refuses these credentials: %w", err)
	case "RequestTimeTooSkewed":
		return fmt.Errorf("S3 refuses this machine's clock; set it right: %w", err)
	case "SlowDown", "ServiceUnavailable":
		return fmt.Errorf("S3 asks for fewer requests: %w", err)
	}
	if name, ok := errors.AsType[*net.DNSError](err); ok {
		return fmt.Errorf("the name %s cannot be resolved; check DNS and s3.endpoint: %w", name.Name, err)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("S3 does not answer: %w", err)
	}
	var status interface{ HTTPStatusCode() int }
	if errors.As(err, &status) {
		switch status.HTTPStatusCode() {
		case http.StatusNotFound:
			return errNotFound
		case http.StatusPreconditionFailed:
			return errPrecondition
		}
	}
	return err
}
