package remote

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"
	"github.com/aws/smithy-go"

	"tapedeck/store/athena"
)

// GlueConfig is how Glue's catalog is reached. The zero value takes
// everything from the environment, as the AWS tools do.
type GlueConfig struct {
	Region   string // empty is the environment's
	Endpoint string // another server that speaks its API; empty is AWS
	Database string // empty is tapedeck
}

// Glue writes table definitions into AWS Glue's catalog, which Athena reads.
type Glue struct {
	client   *glue.Client
	database string
}

// OpenGlue makes a client; it asks nothing yet.
func OpenGlue(ctx context.Context, c GlueConfig, log *slog.Logger) (*Glue, error) {
	config, err := awsConfig(ctx, c.Region, log)
	if err != nil {
		return nil, err
	}
	if c.Database == "" {
		c.Database = athena.Schema
	}
	client := glue.NewFromConfig(config, func(o *glue.Options) {
		if c.Endpoint != "" {
			o.BaseEndpoint = aws.String(c.Endpoint)
		}
	})
	return &Glue{client, c.Database}, nil
}

// Change is what registering does, or would do, to one entry of the catalog.
type Change struct {
	Name    string   // the database, or database.table
	Action  string   // created, updated, or unchanged
	Details []string // of an update: what differs
}

// Register brings the database and its tables into the catalog, and what
// differs there into line. Parameters that others have set on a table stay.
// With dry nothing is written. It may be repeated at any time.
func (g *Glue) Register(ctx context.Context, tables []athena.Declaration, dry bool) ([]Change, error) {
	change, err := g.registerDatabase(ctx, dry)
	if err != nil {
		return nil, err
	}
	changes := []Change{change}
	for _, d := range tables {
		if change, err = g.registerTable(ctx, d, dry); err != nil {
			return changes, fmt.Errorf("register the table %s: %w", d.Name, explainGlue(err))
		}
		changes = append(changes, change)
	}
	return changes, nil
}

func (g *Glue) registerDatabase(ctx context.Context, dry bool) (Change, error) {
	change := Change{Name: g.database, Action: "unchanged"}
	_, err := g.client.GetDatabase(ctx, &glue.GetDatabaseInput{Name: aws.String(g.database)})
	if missing(err) {
		change.Action, err = "created", nil
		if !dry {
			_, err = g.client.CreateDatabase(ctx, &glue.CreateDatabaseInput{DatabaseInput: &types.DatabaseInput{
				Name: aws.String(g.database), Description: aws.String("the lake of tapedeck")}})
			if existing(err) { // somebody was quicker
				err = nil
			}
		}
	}
	if err != nil {
		return change, fmt.Errorf("register the database %s: %w", g.database, explainGlue(err))
	}
	return change, nil
}

func (g *Glue) registerTable(ctx context.Context, d athena.Declaration, dry bool) (Change, error) {
	change := Change{Name: g.database + "." + d.Name, Action: "unchanged"}
	wanted := tableInput(d)
	there, err := g.client.GetTable(ctx, &glue.GetTableInput{DatabaseName: aws.String(g.database), Name: wanted.Name})
	if missing(err) {
		change.Action = "created"
		if dry {
			return change, nil
		}
		_, err := g.client.CreateTable(ctx, &glue.CreateTableInput{DatabaseName: aws.String(g.database), TableInput: wanted})
		if existing(err) {
			err = nil
		}
		return change, err
	}
	if err != nil {
		return change, err
	}
	if there.Table == nil {
		return change, errors.New("Glue answers without a table")
	}
	if change.Details = differences(there.Table, wanted); len(change.Details) == 0 {
		return change, nil
	}
	change.Action = "updated"
	if dry {
		return change, nil
	}
	parameters := maps.Clone(there.Table.Parameters)
	if parameters == nil {
		parameters = map[string]string{}
	}
	maps.Copy(parameters, wanted.Parameters)
	wanted.Parameters = parameters
	_, err = g.client.UpdateTable(ctx, &glue.UpdateTableInput{DatabaseName: aws.String(g.database), TableInput: wanted, SkipArchive: aws.Bool(true)})
	return change, err
}

// tableInput is a declaration as Glue takes it.
func tableInput(d athena.Declaration) *types.TableInput {
	in := &types.TableInput{Name: aws.String(d.Name), TableType: aws.String("EXTERNAL_TABLE"),
		Parameters: map[string]string{"EXTERNAL": "TRUE", "classification": "parquet"},
		PartitionKeys: []types.Column{
			{Name: aws.String("date"), Type: aws.String("string")}, {Name: aws.String("hour"), Type: aws.String("string")}},
		StorageDescriptor: &types.StorageDescriptor{Location: aws.String(d.Location),
			InputFormat:  aws.String("org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"),
			OutputFormat: aws.String("org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"),
			SerdeInfo: &types.SerDeInfo{SerializationLibrary: aws.String("org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"),
				Parameters: map[string]string{"serialization.format": "1"}}}}
	if d.Comment != "" {
		in.Description = aws.String(d.Comment)
	}
	if d.CSV {
		in.Parameters["classification"] = "csv"
		in.StorageDescriptor.InputFormat = aws.String("org.apache.hadoop.mapred.TextInputFormat")
		in.StorageDescriptor.OutputFormat = aws.String("org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat")
		in.StorageDescriptor.SerdeInfo = &types.SerDeInfo{SerializationLibrary: aws.String("org.apache.hadoop.hive.serde2.OpenCSVSerde")}
	}
	for _, p := range d.Properties {
		in.Parameters[p[0]] = p[1]
	}
	for _, c := range d.Columns {
		in.StorageDescriptor.Columns = append(in.StorageDescriptor.Columns, types.Column{Name: aws.String(c.Name), Type: aws.String(c.Type)})
	}
	return in
}

// differences say in words what of a table is not as it is wanted.
func differences(there *types.Table, wanted *types.TableInput) []string {
	var list []string
	differ := func(what, is, want string) {
		if is != want {
			list = append(list, fmt.Sprintf("%s: %s → %s", what, orNothing(is), orNothing(want)))
		}
	}
	storage := there.StorageDescriptor
	if storage == nil {
		storage = &types.StorageDescriptor{}
	}
	differ("location", aws.ToString(storage.Location), aws.ToString(wanted.StorageDescriptor.Location))
	differ("columns", columnsText(storage.Columns), columnsText(wanted.StorageDescriptor.Columns))
	differ("partitions", columnsText(there.PartitionKeys), columnsText(wanted.PartitionKeys))
	differ("input format", aws.ToString(storage.InputFormat), aws.ToString(wanted.StorageDescriptor.InputFormat))
	serde := ""
	if storage.SerdeInfo != nil {
		serde = aws.ToString(storage.SerdeInfo.SerializationLibrary)
	}
	differ("reader", serde, aws.ToString(wanted.StorageDescriptor.SerdeInfo.SerializationLibrary))
	for _, k := range slices.Sorted(maps.Keys(wanted.Parameters)) {
		differ(k, there.Parameters[k], wanted.Parameters[k])
	}
	return list
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

func columnsText(columns []types.Column) string {
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = aws.ToString(c.Name) + " " + aws.ToString(c.Type)
	}
	return strings.Join(list, ", ")
}

func missing(err error) bool {
	var e *types.EntityNotFoundException
	return errors.As(err, &e)
}

func existing(err error) bool {
	var e *types.AlreadyExistsException
	return errors.As(err, &e)
}

// explainGlue keeps of an error what a user can act upon.
func explainGlue(err error) error {
	var api smithy.APIError
	if errors.As(err, &api) {
		if strings.Contains(api.ErrorCode(), "AccessDenied") {
			return fmt.Errorf("%s; the credentials need glue:GetDatabase, CreateDatabase, GetTable, CreateTable and UpdateTable", api.ErrorMessage())
		}
		return fmt.Errorf("%s: %s", api.ErrorCode(), api.ErrorMessage())
	}
	return err
}
