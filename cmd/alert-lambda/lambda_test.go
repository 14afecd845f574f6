package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

// cloud is a Lambda runtime API, an SNS and an S3 in one.
type cloud struct {
	*httptest.Server
	events  chan string
	answers chan string

	// mu orders what the test and the server's requests do to the rest.
	mu    sync.Mutex
	sns   func(form url.Values) bool // false: SNS is away
	rules string
}

// order makes what the test has done seen by requests, and the other way round:
// between the two lies another process.
func (c *cloud) order() {
	c.mu.Lock()
	defer c.mu.Unlock()
}

func newCloud(t *testing.T) *cloud {
	c := &cloud{events: make(chan string), answers: make(chan string, 1), sns: func(url.Values) bool { return true }}
	var n atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, r *http.Request) {
		select {
		case event := <-c.events:
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", fmt.Sprint(n.Add(1)))
			w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(time.Minute).UnixMilli()))
			w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-central-1:1:function:alerts")
			fmt.Fprint(w, event)
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/{what}", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
		c.answers <- r.PathValue("what") + " " + string(body)
	})
	mux.HandleFunc("GET /rules/{key...}", func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		fmt.Fprint(w, c.rules)
	})
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		w.Header().Set("Content-Type", "text/xml")
		c.mu.Lock()
		up := c.sns(form)
		c.mu.Unlock()
		if !up {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, `<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>`)
	})
	c.Server = httptest.NewServer(mux)
	t.Cleanup(func() { c.CloseClientConnections(); c.Close() })
	return c
}

// start builds the function and runs it against the cloud.
func (c *cloud) start(t *testing.T, env ...string) {
	t.Helper()
	c.order()
	program := filepath.Join(t.TempDir(), "bootstrap")
	build := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(program)
	cmd.Env = append([]string{"AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(c.URL, "http://"), "SNS_ENDPOINT=" + c.URL, "S3_ENDPOINT=" + c.URL,
		"SNS_TOPIC=arn:aws:sns:eu-central-1:1:alerts.fifo", "AWS_REGION=eu-central-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test",
		"AWS_EC2_METADATA_DISABLED=true", "MARKET=always"}, env...)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(said.String())
		}
	})
}

func (c *cloud) invoke(t *testing.T, event string) string {
	t.Helper()
	c.order()
	defer c.order()
	for _, step := range []func() bool{
		func() bool {
			select {
			case c.events <- event:
				return true
			case <-time.After(20 * time.Second):
				return false
			}
		},
	} {
		if !step() {
			t.Fatal("the function does not ask for work")
		}
	}
	select {
	case answer := <-c.answers:
		return answer
	case <-time.After(20 * time.Second):
		t.Fatal("the function does not answer")
	}
	return ""
}

const testRules = "groups:\n  - name: few\n    symbols: [NVDA]\n" +
	"rules:\n  - name: volume over a million\n    watch: [group:few]\n    when: volume > 1_000_000\n    repeat: every time\n    severity: warning\n"

// event is what a Kafka event source sends: ticks at offsets from first on.
func event(first int, sizes ...int) string {
	type record map[string]any
	var list []record
	at := int64(1763642400000000)
	for i, size := range sizes {
		offset := first + i
		tick := fmt.Sprintf(`{"symbol":"NVDA","time":%d,"price":187.1,"size":%d,"source":"sim"}`, at+int64(offset)*1_000_000, size)
		list = append(list, record{"topic": "stock-market.ticks", "partition": 3, "offset": offset, "timestamp": (at + int64(offset)*1_000_000) / 1000,
			"timestampType": "CREATE_TIME", "key": base64.StdEncoding.EncodeToString([]byte("NVDA")), "value": base64.StdEncoding.EncodeToString([]byte(tick)), "headers": []any{}})
	}
	data, _ := json.Marshal(map[string]any{"eventSource": "aws:kafka", "eventSourceArn": "arn:aws:kafka:eu-central-1:1:cluster/c/1",
		"bootstrapServers": "b-1:9092", "records": map[string]any{"stock-market.ticks-3": list}})
	return string(data)
}

// The built function, spoken to by the runtime protocol: rules of S3, ticks to
// SNS, a partial failure, and nothing twice when the records come again.
func TestTheFunctionByTheRuntimeProtocol(t *testing.T) {
	c := newCloud(t)
	c.rules = testRules
	var ids []string
	up := true
	c.sns = func(form url.Values) bool {
		if up {
			ids = append(ids, form.Get("MessageDeduplicationId"))
		}
		return up
	}
	c.start(t, "RULES=s3://rules/live.yaml", "FAILURES=partial")
	if got := c.invoke(t, event(0, 100, 2_000_000, 100)); got != `response {"batchItemFailures":[]}` {
		t.Fatal(got)
	}
	if len(ids) != 1 || ids[0] == "" {
		t.Fatalf("published %q", ids)
	}
	up = false
	if got := c.invoke(t, event(3, 100, 3_000_000, 100)); got != `response {"batchItemFailures":[{"itemIdentifier":{"partition":"stock-market.ticks-3","offset":5}}]}` {
		t.Fatal(got)
	}
	up = true
	if got := c.invoke(t, event(5, 100, 100)); got != `response {"batchItemFailures":[]}` {
		t.Fatal(got)
	}
	if got := c.invoke(t, event(0, 100, 2_000_000, 100)); got != `response {"batchItemFailures":[]}` { // once more
		t.Fatal(got)
	}
	if len(ids) != 2 || ids[0] == ids[1] {
		t.Errorf("published %q", ids)
	}
}

// An event source that takes no partial answers has all records brought again,
// and what was published is not published again.
func TestFailuresWithoutPartialAnswers(t *testing.T) {
	c := newCloud(t)
	c.rules = testRules
	var sizes []string
	up := true
	c.sns = func(form url.Values) bool {
		if up {
			sizes = append(sizes, form.Get("Subject"))
		}
		return up
	}
	c.start(t, "RULES=s3://rules/live.yaml")
	if got := c.invoke(t, event(0, 100, 2_000_000, 100)); got != `response {"batchItemFailures":[]}` {
		t.Fatal(got)
	}
	up = false
	if got := c.invoke(t, event(0, 100, 2_000_000, 100, 100, 3_000_000, 100)); !strings.HasPrefix(got, "error ") || !strings.Contains(got, "are to come again") {
		t.Fatal(got)
	}
	up = true
	if got := c.invoke(t, event(0, 100, 2_000_000, 100, 100, 3_000_000, 100)); got != `response {"batchItemFailures":[]}` {
		t.Fatal(got)
	}
	if len(sizes) != 2 {
		t.Errorf("published %q", sizes)
	}
}

// Rules of the package, the recorded event of the example, a self-managed source.
func TestTheExampleEvent(t *testing.T) {
	c := newCloud(t)
	dir, err := filepath.Abs("../../examples/lambda")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "event.json"))
	if err != nil {
		t.Fatal(err)
	}
	var subjects []string
	c.sns = func(form url.Values) bool { subjects = append(subjects, form.Get("Subject")); return true }
	c.start(t, "LAMBDA_TASK_ROOT="+dir)
	if got := c.invoke(t, string(data)); got != `response {"batchItemFailures":[]}` {
		t.Fatal(got)
	}
	if len(subjects) != 2 || !strings.HasPrefix(subjects[0], "[critical] AAPL fell") {
		t.Errorf("%q", subjects)
	}
}

// The function carries neither DuckDB nor librdkafka.
func TestItStaysSmall(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, heavy := range []string{"duckdb", "confluent", "librdkafka", "franz-go", "bubbletea", "tapedeck/pipeline/kafka"} {
		if strings.Contains(string(out), heavy) {
			t.Errorf("it depends on %s", heavy)
		}
	}
}

// The template for AWS sets the variables that the function reads, and no others.
func TestTheTemplateSetsWhatTheFunctionReads(t *testing.T) {
	text, err := os.ReadFile("../../examples/aws/template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Resources map[string]struct {
			Properties struct {
				Environment struct {
					Variables map[string]any `yaml:"Variables"`
				} `yaml:"Environment"`
			} `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(text, &template); err != nil {
		t.Fatal(err)
	}
	set := template.Resources["Function"].Properties.Environment.Variables
	read := map[string]bool{}
	given := map[string]string{"SNS_TOPIC": "arn:aws:sns:eu-central-1:1:alerts", "RULES": "rules.yaml", "MARKET": "nyse", "FAILURES": "whole"}
	t.Setenv("LAMBDA_TASK_ROOT", "../../examples/lambda")
	if _, err := open(t.Context(), func(key string) string { read[key] = true; return given[key] }, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	for name := range set {
		if !read[name] {
			t.Errorf("the function does not read %s", name)
		}
	}
	if set["SNS_TOPIC"] == nil || set["FAILURES"] == nil {
		t.Errorf("the template sets %v", set)
	}
}
