package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestCatalogDDL(t *testing.T) {
	var out, notes bytes.Buffer
	if code := run([]string{"catalog", "ddl", "--location", "s3://bucket/lake"}, nil, &out, &notes); code != exitOK {
		t.Fatalf("%d: %s", code, notes.String())
	}
	for _, table := range []string{"ticks_raw", "ticks", "bars", "features", "alerts", "predictions", "dead_letters"} {
		if !strings.Contains(out.String(), "`tapedeck`.`"+table+"`") {
			t.Errorf("%s is missing", table)
		}
	}
	for _, args := range [][]string{
		{"--location", "s3://b", "nosuch"},
		{"--location", "s3://b", "--engine", "hive"},
		{"--location", "/tmp/lake"},
		{"--location", "s3://b", "--since", "yesterday"},
	} {
		notes.Reset()
		if code := run(append([]string{"catalog", "ddl"}, args...), nil, &out, &notes); code != exitUsage || notes.Len() == 0 {
			t.Errorf("%v: %d %s", args, code, notes.String())
		}
	}
}
