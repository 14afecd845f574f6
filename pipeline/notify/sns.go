package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/smithy-go"

	"tapedeck/pipeline/market"
)

// SNS is a topic of Amazon's Simple Notification Service, standard or FIFO (its
// ARN ends in .fifo). Filter policies of its subscriptions find the attributes
// severity, state, rule, symbol and sector (lists, where several alerts are in
// a message) and count.
type SNS struct {
	client *sns.Client
	arn    string
}

// SNSConfig says which topic, and how AWS is reached. Credentials come from
// the SDK's usual places.
type SNSConfig struct {
	Topic    string // ARN
	Region   string // empty is the ARN's
	Endpoint string // of a server other than AWS
}

// OpenSNS prepares a topic; it sends nothing yet.
func OpenSNS(ctx context.Context, c SNSConfig) (*SNS, error) {
	parts := strings.Split(c.Topic, ":")
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "sns" {
		return nil, fmt.Errorf("%q is not the ARN of an SNS topic, such as arn:aws:sns:eu-central-1:123456789012:alerts", c.Topic)
	}
	region := c.Region
	if region == "" {
		region = parts[3]
	}
	config, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(region))
	if err != nil {
		return nil, fmt.Errorf("read the AWS configuration: %w", err)
	}
	client := sns.NewFromConfig(config, func(o *sns.Options) {
		if c.Endpoint != "" {
			o.BaseEndpoint = aws.String(c.Endpoint)
		}
		o.RetryMaxAttempts = 1 // who calls tries again, and counts
	})
	return &SNS{client: client, arn: c.Topic}, nil
}

// FIFO says whether the topic is one that keeps order and drops repeats.
func (s *SNS) FIFO() bool { return strings.HasSuffix(s.arn, ".fifo") }

// Send publishes the message. A FIFO topic drops another message of the same
// ID within five minutes, and keeps the order of a rule's.
func (s *SNS) Send(ctx context.Context, m *Message) error {
	in := &sns.PublishInput{TopicArn: &s.arn, Subject: aws.String(asciiSubject(m.Subject)), Message: aws.String(snsText(m.Text)),
		MessageAttributes: attributes(m)}
	if s.FIFO() {
		in.MessageDeduplicationId = aws.String(token(m.ID))
		in.MessageGroupId = aws.String(token(m.Alerts[0].Rule))
	}
	if _, err := s.client.Publish(ctx, in); err != nil {
		var api smithy.APIError
		if errors.As(err, &api) && slices.Contains([]string{"InvalidParameter", "InvalidParameterValue", "ParameterValueInvalid", "ValidationException"}, api.ErrorCode()) {
			return fmt.Errorf("SNS: %w: %s", ErrRefused, api.ErrorMessage())
		}
		return fmt.Errorf("SNS: %w", err)
	}
	return nil
}

// attributes are what filter policies look at. A list is cut to what keeps a
// message within SNS's 256 KB together with its text.
func attributes(m *Message) map[string]types.MessageAttributeValue {
	set := map[string]types.MessageAttributeValue{
		"count": {DataType: aws.String("Number"), StringValue: aws.String(strconv.Itoa(len(m.Alerts)))},
	}
	add := func(name string, list []string) {
		switch {
		case len(list) == 0:
		case len(list) == 1:
			set[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &list[0]}
		default:
			data, _ := json.Marshal(list[:min(len(list), 2000)])
			set[name] = types.MessageAttributeValue{DataType: aws.String("String.Array"), StringValue: aws.String(string(data))}
		}
	}
	add("severity", m.values(func(a *market.Alert) string { return a.Severity.String() }))
	add("state", m.values(func(a *market.Alert) string { return a.State.String() }))
	add("rule", m.values(func(a *market.Alert) string { return a.Rule }))
	add("symbol", m.values(func(a *market.Alert) string { return a.Symbol }))
	add("sector", m.values(func(a *market.Alert) string { c, _ := market.Lookup(a.Symbol); return c.Sector }))
	return set
}

// asciiSubject is a subject as SNS takes it: printable ASCII, at most 100
// characters, beginning with one that is no space.
func asciiSubject(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '“' || r == '”':
			return '"'
		case r == '’':
			return '\''
		case r == '–' || r == '—' || r == '−':
			return '-'
		case r < ' ':
			return ' '
		case r > '~':
			return '?'
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if text == "" {
		text = "alert"
	}
	return clip(text, 100)
}

// snsText leaves out what SNS refuses in a message.
func snsText(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	return clip(text, 128<<10)
}

// token is text as ids of a FIFO topic may be: 128 characters at most, without spaces.
func token(text string) string {
	text = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '-'
		}
		return r
	}, text)
	if text == "" {
		return "-"
	}
	return text[:min(len(text), 128)]
}
