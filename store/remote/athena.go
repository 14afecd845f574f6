package remote

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	awsathena "github.com/aws/aws-sdk-go-v2/service/athena"
	"github.com/aws/aws-sdk-go-v2/service/athena/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"

	"tapedeck/store"
	"tapedeck/store/athena"
)

// AthenaConfig is how Athena is asked. The zero value takes credentials and
// region from the environment, as the AWS tools do.
type AthenaConfig struct {
	Workgroup string  // empty is Athena's default, primary
	Output    string  // s3://bucket/prefix where it puts results; empty is the workgroup's own
	Database  string  // empty is tapedeck, the one that catalog register makes
	Catalog   string  // empty is AwsDataCatalog
	Region    string  // empty is the environment's
	Endpoint  string  // another server that speaks its API; empty is AWS
	Price     float64 // dollars for a TB scanned; 0 is 5, as in most regions
}

// Validate says which value is wrong.
func (c AthenaConfig) Validate() error {
	if c.Output != "" && !strings.HasPrefix(c.Output, "s3://") {
		return fmt.Errorf("the place of Athena's results is %q; write s3://BUCKET/PREFIX", c.Output)
	}
	if c.Price < 0 {
		return errors.New("the price of a TB is negative")
	}
	return nil
}

// Athena asks Amazon Athena. It is safe for concurrent use.
type Athena struct {
	client *awsathena.Client
	config AthenaConfig
	// wait ends after d or with ctx; tests shorten it.
	wait func(ctx context.Context, d time.Duration) error
}

// OpenAthena makes a client; it asks nothing yet.
func OpenAthena(ctx context.Context, c AthenaConfig, log *slog.Logger) (*Athena, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Price == 0 {
		c.Price = 5
	}
	if c.Database == "" {
		c.Database = athena.Schema
	}
	if c.Catalog == "" {
		c.Catalog = "AwsDataCatalog"
	}
	config, err := awsConfig(ctx, c.Region, log)
	if err != nil {
		return nil, err
	}
	client := awsathena.NewFromConfig(config, func(o *awsathena.Options) {
		if c.Endpoint != "" {
			o.BaseEndpoint = aws.String(c.Endpoint)
		}
	})
	return &Athena{client: client, config: c, wait: pause}, nil
}

// awsConfig is what the environment says of credentials and region.
func awsConfig(ctx context.Context, region string, log *slog.Logger) (aws.Config, error) {
	options := []func(*awsconfig.LoadOptions) error{
		awsconfig.WithLogger(logging.LoggerFunc(func(_ logging.Classification, format string, v ...any) {
			log.Debug("AWS", "message", fmt.Sprintf(format, v...)) // never to the terminal
		})),
	}
	if region != "" {
		options = append(options, awsconfig.WithRegion(region))
	}
	config, err := awsconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return config, fmt.Errorf("read the AWS configuration: %w", err)
	}
	if config.Region == "" {
		config.Region = "us-east-1"
	}
	return config, nil
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Query starts a statement and returns when it has succeeded. A mistake in the
// statement is an *athena.Error with its place. When ctx ends first the
// statement is stopped there, too.
func (a *Athena) Query(ctx context.Context, statement string, o Options) (*Rows, error) {
	if err := athena.ReadOnly(statement); err != nil {
		return nil, err
	}
	start := time.Now()
	request := &awsathena.StartQueryExecutionInput{
		QueryString:           aws.String(trimStatement(statement)),
		QueryExecutionContext: &types.QueryExecutionContext{Catalog: aws.String(a.config.Catalog), Database: aws.String(a.config.Database)},
	}
	if a.config.Workgroup != "" {
		request.WorkGroup = aws.String(a.config.Workgroup)
	}
	if a.config.Output != "" {
		request.ResultConfiguration = &types.ResultConfiguration{OutputLocation: aws.String(a.config.Output)}
	}
	started, err := a.client.StartQueryExecution(ctx, request)
	if err != nil {
		return nil, a.explain("start the statement on Athena", err)
	}
	id := aws.ToString(started.QueryExecutionId)
	execution, err := a.follow(ctx, id)
	if err != nil {
		return nil, err
	}
	s := &athenaRows{athena: a, ctx: ctx, id: id, bytes: -1}
	if st := execution.Statistics; st != nil {
		s.bytes = aws.ToInt64(st.DataScannedInBytes)
		s.reused = st.ResultReuseInformation != nil && st.ResultReuseInformation.ReusedPreviousResult
	}
	s.free = execution.StatementType != types.StatementTypeDml
	// Only a query's result begins with a row that repeats the columns' names.
	s.header = execution.StatementType == types.StatementTypeDml && !explains(statement)
	columns, err := s.turn()
	if err != nil {
		return nil, err
	}
	if o.Progress != nil {
		o.Progress(1)
	}
	return &Rows{source: s, columns: columns, limit: o.Limit, elapsed: time.Since(start)}, nil
}

// explains says that the statement is an EXPLAIN, which Athena counts as DML
// but whose result has no header.
func explains(statement string) bool {
	fields := strings.Fields(statement)
	return len(fields) > 0 && strings.EqualFold(fields[0], "EXPLAIN")
}

// The first looks at a statement's state are quick, since many take less than
// a second; later ones spare Athena's limit of requests.
const (
	firstWait = 100 * time.Millisecond
	lastWait  = 3 * time.Second
)

// follow waits until a statement has succeeded. One that is given up is stopped.
func (a *Athena) follow(ctx context.Context, id string) (*types.QueryExecution, error) {
	wait := firstWait
	for {
		answer, err := a.client.GetQueryExecution(ctx, &awsathena.GetQueryExecutionInput{QueryExecutionId: aws.String(id)})
		if err == nil && (answer.QueryExecution == nil || answer.QueryExecution.Status == nil) {
			err = errors.New("it answers without a state")
		}
		if err != nil {
			a.stop(ctx, id)
			return nil, a.explain("follow the statement on Athena", err)
		}
		execution := answer.QueryExecution
		switch execution.Status.State {
		case types.QueryExecutionStateSucceeded:
			return execution, nil
		case types.QueryExecutionStateFailed:
			return nil, failure(execution)
		case types.QueryExecutionStateCancelled:
			return nil, errors.New("the statement was stopped on Athena by somebody else")
		}
		if err := a.wait(ctx, wait); err != nil {
			a.stop(ctx, id)
			return nil, context.Cause(ctx)
		}
		wait = min(wait*3/2, lastWait)
	}
}

// stop ends a statement that nobody waits for, also after ctx has ended.
func (a *Athena) stop(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	// Where this fails the statement ends by itself; there is nobody left to tell.
	_, _ = a.client.StopQueryExecution(ctx, &awsathena.StopQueryExecutionInput{QueryExecutionId: aws.String(id)})
}

// placed finds the place that Trino gives a mistake: line 2:3: Column …
var placed = regexp.MustCompile(`line (\d+):(\d+): `)

// failure is why a statement failed, in Athena's words.
func failure(e *types.QueryExecution) error {
	text := aws.ToString(e.Status.StateChangeReason)
	if text == "" && e.Status.AthenaError != nil {
		text = aws.ToString(e.Status.AthenaError.ErrorMessage)
	}
	if text == "" {
		text = "Athena does not say why"
	}
	if m := placed.FindStringSubmatchIndex(text); m != nil {
		line, _ := strconv.Atoi(text[m[2]:m[3]])
		column, _ := strconv.Atoi(text[m[4]:m[5]])
		return &athena.Error{Line: line, Column: column, Message: text[m[1]:]}
	}
	return errors.New("the statement failed on Athena: " + text)
}

// explain says what to do about the commonest errors.
func (a *Athena) explain(action string, err error) error {
	var api smithy.APIError
	if errors.As(err, &api) {
		hint := ""
		switch message := strings.ToLower(api.ErrorMessage()); {
		case strings.Contains(message, "output location"):
			hint = "; set sql.athena.output to s3://BUCKET/PREFIX, or give the workgroup a place for results"
		case strings.Contains(api.ErrorCode(), "AccessDenied") || strings.Contains(api.ErrorCode(), "UnrecognizedClient") || strings.Contains(api.ErrorCode(), "ExpiredToken"):
			hint = "; look at the AWS credentials and what they may do"
		case strings.Contains(message, "workgroup"):
			hint = "; see sql.athena.workgroup"
		}
		return fmt.Errorf("%s: %s: %s%s", action, api.ErrorCode(), api.ErrorMessage(), hint)
	}
	if strings.Contains(err.Error(), "credentials") {
		return fmt.Errorf("%s: no AWS credentials were found; sign in as for the AWS command line: %w", action, err)
	}
	return fmt.Errorf("%s: %w", action, err)
}

// athenaRows reads a result page by page.
type athenaRows struct {
	athena *Athena
	ctx    context.Context
	id     string
	token  *string
	rows   []types.Row
	types  []string
	values []driver.Value
	header bool // the next row repeats the columns' names
	last   bool
	bytes  int64
	reused bool
	free   bool
}

// turn fetches the next page; the columns are those of the result.
func (s *athenaRows) turn() ([]store.Column, error) {
	page, err := s.athena.client.GetQueryResults(s.ctx, &awsathena.GetQueryResultsInput{
		QueryExecutionId: aws.String(s.id), NextToken: s.token, MaxResults: aws.Int32(1000)})
	if err != nil {
		if cause := context.Cause(s.ctx); cause != nil {
			return nil, cause
		}
		return nil, s.athena.explain("read the result from Athena", err)
	}
	s.token, s.last = page.NextToken, aws.ToString(page.NextToken) == ""
	var columns []store.Column
	if page.ResultSet == nil {
		return nil, nil
	}
	s.rows = page.ResultSet.Rows
	if page.ResultSet.ResultSetMetadata != nil && s.types == nil {
		for _, c := range page.ResultSet.ResultSetMetadata.ColumnInfo {
			typ := typeName(aws.ToString(c.Type), int64(c.Precision), int64(c.Scale))
			name := aws.ToString(c.Label)
			if name == "" {
				name = aws.ToString(c.Name)
			}
			columns = append(columns, store.Column{Name: name, Type: typ})
			s.types = append(s.types, typ)
		}
	}
	if s.header {
		s.header = false
		if len(s.rows) > 0 && repeats(s.rows[0], columns) {
			s.rows = s.rows[1:]
		}
	}
	return columns, nil
}

// repeats says that a row is the columns' names.
func repeats(row types.Row, columns []store.Column) bool {
	if len(row.Data) != len(columns) {
		return false
	}
	for i, d := range row.Data {
		if aws.ToString(d.VarCharValue) != columns[i].Name {
			return false
		}
	}
	return true
}

func (s *athenaRows) next() ([]driver.Value, error) {
	for len(s.rows) == 0 {
		if s.last {
			return nil, io.EOF
		}
		if _, err := s.turn(); err != nil {
			return nil, err
		}
	}
	row := s.rows[0].Data
	s.rows = s.rows[1:]
	if s.values == nil {
		s.values = make([]driver.Value, len(s.types))
	}
	for i := range s.values {
		s.values[i] = nil
		if i < len(row) && row[i].VarCharValue != nil {
			s.values[i] = parseText(*row[i].VarCharValue, s.types[i])
		}
	}
	return s.values, nil
}

func (s *athenaRows) scanned() int64 { return s.bytes }

// price is AWS's: by the TB, a question's bytes rounded up to the megabyte and
// at least 10 of them; nothing for a result that was there already or for SHOW.
func (s *athenaRows) price() float64 {
	if s.reused || s.free || s.bytes < 0 {
		return 0
	}
	const mb = 1 << 20
	return float64(max((s.bytes+mb-1)/mb, 10)) * mb / (1 << 40) * s.athena.config.Price
}

func (s *athenaRows) close() error { return nil } // the statement has ended long ago
