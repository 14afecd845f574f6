package lake

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// resumingBody reads an object's bytes, and goes on where it was when the
// line is cut in between, as long as the object is still the same.
type resumingBody struct {
	ctx    context.Context
	bucket *s3Bucket
	key    string
	etag   string
	at     int64 // of the next byte
	left   int64
	body   io.ReadCloser // nil after an error
	tries  int
}

func (r *resumingBody) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if r.left == 0 {
			return 0, io.EOF
		}
		if r.body == nil {
			if err := r.reopen(); err != nil {
				return 0, err
			}
		}
		n, err := r.body.Read(p[:min(int64(len(p)), r.left)])
		r.at += int64(n)
		r.left -= int64(n)
		if err != nil && r.left > 0 {
			r.body.Close()
			r.body = nil
			if r.ctx.Err() != nil {
				return n, r.ctx.Err()
			}
			if r.tries++; r.tries > r.bucket.config.Attempts {
				return n, fmt.Errorf("the line to S3 was cut %d times: %w", r.tries, err)
			}
		}
		if n > 0 || r.left == 0 {
			return n, nil
		}
	}
}

func (r *resumingBody) reopen() error {
	out, err := r.bucket.client.GetObject(r.ctx, &s3.GetObjectInput{
		Bucket: &r.bucket.name, Key: aws.String(r.bucket.prefix + r.key),
		Range: aws.String(fmt.Sprintf("bytes=%d-%d", r.at, r.at+r.left-1)),
	}, withoutValidation)
	if err != nil {
		return s3Error(err)
	}
	if aws.ToString(out.ETag) != r.etag {
		out.Body.Close()
		return errors.New("the object was replaced while it was read")
	}
	r.body = out.Body
	return nil
}

func (r *resumingBody) Close() error {
	if r.body == nil {
		return nil
	}
	return r.body.Close()
}

// withoutValidation is for ranged reads: a checksum covers the whole object.
func withoutValidation(o *s3.Options) {
	o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
}
