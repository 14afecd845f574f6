package main

import (
	"compress/gzip"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Marked secrets in every setting and variable that holds one: nothing that is
// printed, logged, saved or served has the mark.
func TestSecretsAreNowhere(t *testing.T) {
	const mark = "hush-hush"
	b := newBox(t)
	config := writeFile(t, filepath.Join(b.dir, "c.yaml"), `
version: 1
kafka: {password: `+mark+`-1}
alphavantage: {key: `+mark+`-2}
sql: {trino: {url: "http://ann:`+mark+`-3@127.0.0.1:1"}}
notify:
  targets:
    hook: {kind: webhook, url: "http://127.0.0.1:1/services/`+mark+`-4?token=`+mark+`-5", secret: `+mark+`-6, severity: info}
`)
	for _, s := range new(Config).settings() { // the file above has every one
		if s.tag.Get("secret") != "" && !strings.Contains("kafka.password alphavantage.key sql.trino.url", s.path) {
			t.Errorf("%s is a secret that this test does not know", s.path)
		}
	}
	b.env = append(b.env, "TAPEDECK_CONFIG="+config, "AWS_ACCESS_KEY_ID=AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY="+mark+"-7", "AWS_SESSION_TOKEN="+mark+"-8",
		"AWS_EC2_METADATA_DISABLED=true", "TAPEDECK_KAFKA_PASSWORD="+mark+"-9", "TAPEDECK_ALPHAVANTAGE_KEY="+mark+"-10")
	clean := func(what, text string) {
		t.Helper()
		if i := strings.Index(text, mark); i >= 0 {
			t.Errorf("%s says: …%s…", what, text[max(0, i-150):min(len(text), i+60)])
		}
	}
	r := startPipeline(t, b, nil, "--set", "log.level=debug")
	r.ready("")
	b.must(append([]string{"rules", "set", "any", "price > 0", "--notify", "hook"}, r.settings...)...)
	r.ready("alerts wait, trying again") // the hook cannot be reached, and why is said
	for _, path := range []string{"/readyz", "/metrics"} {
		response, err := http.Get("http://" + r.address + path)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(response.Body)
		response.Body.Close()
		clean(path, string(text))
	}
	backup := filepath.Join(b.dir, "b.tar.gz")
	for _, args := range [][]string{
		{"config", "show"}, {"config", "check", config}, {"doctor"}, {"cost"}, {"notify", "ls"}, {"notify", "test", "hook"}, {"backup", backup},
		{"sql", "--engine", "trino", "SELECT 1"}, {"sql", "--set", "sql.trino.url=http://ann:" + mark + "@[bad", "--engine", "trino", "SELECT 1"},
		{"sql", "SELECT * FROM ticks LIMIT 1"},
		{"doctor", "--set", "kafka.brokers=127.0.0.1:1", "--set", "kafka.protocol=sasl_plaintext", "--set", "kafka.mechanism=PLAIN", "--set", "kafka.username=ann"},
		{"doctor", "--set", "lake=s3://lake/p", "--set", "s3.endpoint=http://127.0.0.1:1"},
	} {
		out, errs, code := b.tapedeck(append(args, r.settings...)...)
		clean(strings.Join(args, " "), out+errs)
		if code == exitUsage {
			t.Errorf("%v: %s", args, errs)
		}
	}
	r.stop()
	archive, err := os.Open(backup)
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	unzipped, err := gzip.NewReader(archive)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(unzipped)
	if err != nil || !strings.Contains(string(text), "hook") {
		t.Error("the backup has no hook: ", err)
	}
	clean("the backup", string(text))
	err = filepath.WalkDir(r.data, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			text, rerr := os.ReadFile(path)
			clean(path, string(text))
			return rerr
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
