package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"tapedeck/pipeline/alert"
)

// readRules reads the rules and the groups that they watch, once for each cold start: of s3://bucket/key, or
// of a file, which lies in the package where its path is not absolute.
func readRules(ctx context.Context, location, endpoint string) (alert.File, error) {
	if location == "" {
		location = "rules.yaml"
	}
	var data []byte
	var err error
	if object, ok := strings.CutPrefix(location, "s3://"); ok {
		data, err = readObject(ctx, object, endpoint)
	} else {
		if !filepath.IsAbs(location) {
			location = filepath.Join(os.Getenv("LAMBDA_TASK_ROOT"), location)
		}
		data, err = os.ReadFile(location)
	}
	if err != nil {
		return alert.File{}, fmt.Errorf("read the rules: %w; set RULES to s3://bucket/key or put rules.yaml into the package", err)
	}
	rules, err := alert.ReadYAML(bytes.NewReader(data), alert.World{Groups: []string{}})
	if err != nil {
		return alert.File{}, fmt.Errorf("%s: %w", location, err)
	}
	return rules, nil
}

// readObject reads one object, 16 MB at most.
func readObject(ctx context.Context, object, endpoint string) ([]byte, error) {
	bucket, key, ok := strings.Cut(object, "/")
	if !ok || bucket == "" || key == "" {
		return nil, fmt.Errorf("s3://%s is not an object; write s3://bucket/key", object)
	}
	config, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the AWS configuration: %w", err)
	}
	client := s3.NewFromConfig(config, func(o *s3.Options) {
		if endpoint != "" {
			o.BaseEndpoint, o.UsePathStyle = aws.String(endpoint), true
		}
	})
	answer, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	return io.ReadAll(io.LimitReader(answer.Body, 16<<20))
}
