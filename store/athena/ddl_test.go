package athena

import (
	"strings"
	"testing"
)

func TestDDL(t *testing.T) {
	l := Layout{Name: "bars", Folder: "processed/bars", Columns: []Column{{Name: "symbol", Type: "VARCHAR"}, {Name: "time", Type: "TIMESTAMP"},
		{Name: "open", Type: "DOUBLE"}, {Name: "trades", Type: "BIGINT"}, {Name: "revision", Type: "INTEGER"}}}
	got, err := DDL(l, "s3://bucket/lake/", AthenaEngine, "2026-01-01")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"CREATE EXTERNAL TABLE IF NOT EXISTS `tapedeck`.`bars`", "`time` timestamp,", "`revision` int\n", "STORED AS PARQUET",
		"LOCATION 's3://bucket/lake/processed/bars/'", "'projection.hour.digits' = '2'", "'projection.date.range' = '2026-01-01,NOW+1DAY'",
		"'storage.location.template' = 's3://bucket/lake/processed/bars/date=${date}/hour=${hour}/'"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is missing in\n%s", want, got)
		}
	}
	got, err = DDL(l, "s3://bucket/lake", TrinoEngine, "2026-01-01")
	if err != nil || !strings.Contains(got, `"time" timestamp(3),`) || !strings.Contains(got, "partition_projection_enabled = true") {
		t.Errorf("%v\n%s", err, got)
	}
	l.CSV = true
	if got, err = DDL(l, "s3://bucket", AthenaEngine, "2026-01-01"); err != nil || !strings.Contains(got, "OpenCSVSerde") || !strings.Contains(got, "`open` string") {
		t.Errorf("%v\n%s", err, got)
	}
	if _, err := DDL(l, "s3://bucket", "hive", "2026-01-01"); err == nil {
		t.Error("an unknown engine is taken")
	}
}
