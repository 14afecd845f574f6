package main

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"tapedeck/store/athena"
)

// The template for AWS holds two things that live elsewhere: user-data.sh, and
// the tables as `tapedeck catalog ddl` declares them. Both are copied by
// go test ./cmd/tapedeck -run Template -update
func TestTemplateHasTheScriptAndTheTables(t *testing.T) {
	const name = "../../examples/aws/template.yaml"
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("../../examples/aws/user-data.sh")
	if err != nil {
		t.Fatal(err)
	}
	const indent = "                "
	var code strings.Builder
	for line := range strings.Lines(string(script)) {
		if line != "\n" {
			code.WriteString(indent)
		}
		code.WriteString(line)
	}
	want := between(t, string(text), indent+"# begin of user-data.sh\n", indent+"# end of user-data.sh\n", code.String())
	want = between(t, want, "  # tables, by go test ./cmd/tapedeck -run Template -update\n", "  # end of tables\n", glueTables(t))
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(text) {
		t.Error("examples/aws/template.yaml is out of date: go test ./cmd/tapedeck -run Template -update")
	}
	if len(script) > 15<<10 {
		t.Errorf("user-data.sh has %d bytes; with its variables it may have 16 kB", len(script))
	}
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(want), &document); err != nil {
		t.Error(err)
	}
}

// between replaces what stands between two marks.
func between(t *testing.T, text, begin, end, inside string) string {
	t.Helper()
	before, rest, ok := strings.Cut(text, begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("the marks %q and %q are missing", begin, end)
	}
	return before + begin + inside + end + after
}

var (
	columnLine   = regexp.MustCompile("(?m)^  `([a-z0-9_]+)` ([a-z]+),?$")
	propertyLine = regexp.MustCompile(`(?m)^  '([^']+)' = '([^']*)',?$`)
)

// glueTables are the tables as resources, made from the statements for Athena.
func glueTables(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, l := range lakeLayouts() {
		ddl, err := athena.DDL(l, "s3://${Lake}/lake", athena.AthenaEngine, "2020-01-01")
		if err != nil {
			t.Fatal(err)
		}
		resource := "Table"
		for _, word := range strings.Split(l.Name, "_") {
			resource += strings.ToUpper(word[:1]) + word[1:]
		}
		fmt.Fprintf(&b, "  %s:\n    Type: AWS::Glue::Table\n    Properties:\n      CatalogId: !Ref AWS::AccountId\n      DatabaseName: !Ref Catalog\n      TableInput:\n        Name: %s\n        TableType: EXTERNAL_TABLE\n        Parameters:\n", resource, l.Name)
		for _, m := range propertyLine.FindAllStringSubmatch(ddl, -1) {
			value := fmt.Sprintf("%q", m[2])
			if strings.Contains(m[2], "${Lake}") {
				value = "!Sub " + strings.NewReplacer("${date}", "${!date}", "${hour}", "${!hour}").Replace(m[2])
			}
			fmt.Fprintf(&b, "          %s: %s\n", m[1], value)
		}
		fmt.Fprintf(&b, "        PartitionKeys: [{Name: date, Type: string}, {Name: hour, Type: string}]\n        StorageDescriptor:\n          Location: !Sub s3://${Lake}/lake/%s/\n", l.Folder)
		input, output, serde := "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat", "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat", "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
		if l.CSV {
			input, output, serde = "org.apache.hadoop.mapred.TextInputFormat", "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat", "org.apache.hadoop.hive.serde2.OpenCSVSerde"
		}
		fmt.Fprintf(&b, "          InputFormat: %s\n          OutputFormat: %s\n          SerdeInfo: {SerializationLibrary: %s}\n          Columns:\n", input, output, serde)
		columns := columnLine.FindAllStringSubmatch(ddl, -1)
		if len(columns) != len(l.Columns) {
			t.Fatalf("%s: %d columns of %d were found in\n%s", l.Name, len(columns), len(l.Columns), ddl)
		}
		for _, m := range columns {
			fmt.Fprintf(&b, "            - {Name: %s, Type: %s}\n", m[1], m[2])
		}
	}
	return b.String()
}

// What the box is configured with is a configuration.
func TestConfigurationOfTheBoxIsOne(t *testing.T) {
	script, err := os.ReadFile("../../examples/aws/user-data.sh")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(script), "/etc/tapedeck/config.yaml\" <<CONFIG\n")
	text, _, ok := strings.Cut(rest, "\nCONFIG\n")
	if !ok {
		t.Fatal("the configuration was not found in user-data.sh")
	}
	text = strings.NewReplacer("$FEED", "sim", "$BUCKET", "b", "$LISTEN", "127.0.0.1", "$REGION", "us-east-1", "$INSTANCE_TYPE", "t4g.medium",
		"${DISK_GB}", "50", "$ENDPOINT", "").Replace(text)
	c := DefaultConfig()
	if err := c.readYAML("config.yaml", []byte(text)); err != nil || c.Lake != "s3://b/lake" || c.Cost.Disk != 50<<30 {
		t.Errorf("%+v %v", c, err)
	}
	if bytes.Contains(script, []byte("AKIA")) {
		t.Error("a key in user-data.sh")
	}
}
