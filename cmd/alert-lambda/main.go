// Command alert-lambda runs alert rules as an AWS Lambda function on a Kafka
// event source (Amazon MSK or self-managed) and publishes to SNS.
//
// Records of a topic named …alerts are published as they are; those of …ticks
// go through the same cleaning, bars and rules as in the pipeline. What a rule
// remembers lives in the function's memory: after a cold start, or where a
// partition comes to another instance, it begins anew. It holds neither DuckDB
// nor librdkafka.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"tapedeck/pipeline/notify"
)

func main() {
	logger := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	f, err := open(context.Background(), os.Getenv, logger)
	if err != nil {
		logger.Error("alert-lambda cannot start", "error", err)
		os.Exit(1)
	}
	lambda.Start(f.Handle)
}

// open makes the function of its environment:
//
//	SNS_TOPIC     ARN of the topic, standard or FIFO
//	SNS_ENDPOINT  a server other than AWS
//	RULES         s3://bucket/key or a file of the package; empty is rules.yaml beside the program
//	S3_ENDPOINT   a server other than AWS
//	MARKET        nyse (default) or always: when the market is open
//	FAILURES      partial: the event source has ReportBatchItemFailures turned on;
//	              whole (default): where an alert is not published, all records of
//	              the event are to come again
func open(ctx context.Context, env func(string) string, logger *slog.Logger) (*function, error) {
	rules, err := readRules(ctx, env("RULES"), env("S3_ENDPOINT"))
	if err != nil {
		return nil, err
	}
	calendar, err := calendarOf(env("MARKET"))
	if err != nil {
		return nil, err
	}
	partial := env("FAILURES") == "partial"
	if text := env("FAILURES"); text != "" && text != "whole" && !partial {
		return nil, fmt.Errorf("FAILURES %q is not known; partial or whole", text)
	}
	if env("SNS_TOPIC") == "" {
		return nil, fmt.Errorf("set SNS_TOPIC to the ARN of the topic that alerts are published to")
	}
	target, err := notify.OpenSNS(ctx, notify.SNSConfig{Topic: env("SNS_TOPIC"), Endpoint: env("SNS_ENDPOINT")})
	if err != nil {
		return nil, err
	}
	logger.Info("alert-lambda starts", "rules", len(rules.Rules), "topic", env("SNS_TOPIC"))
	return &function{rules: rules, calendar: calendar, target: target, partial: partial, slog: logger, partitions: map[place]*partition{}}, nil
}
