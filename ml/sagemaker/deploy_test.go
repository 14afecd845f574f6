package sagemaker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// account is SageMaker's own API, as far as a deployment goes, with one
// endpoint. Each look at an endpoint on its way brings it further.
type account struct {
	mu       sync.Mutex
	models   map[string]string // name → image
	configs  map[string]string // name → model
	endpoint string            // "" is none
	status   string
	config   string // that answers
	next     string // that is on its way
	looks    int
	fails    string // why the one on its way does not come; "" it comes
	refuses  string // operation
	stuck    bool   // the one on its way never comes
	calls    []string
	updates  []map[string]any
}

func newAccount(t *testing.T) (*account, *httptest.Server) {
	a := &account{models: map[string]string{}, configs: map[string]string{}}
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	return a, server
}

func (a *account) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	operation, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "SageMaker.")
	var in map[string]any
	if err := json.NewDecoder(r.Body).Decode(&in); !ok || err != nil || !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ") {
		http.Error(w, "not JSON 1.1, or not signed", http.StatusBadRequest)
		return
	}
	a.calls = append(a.calls, operation)
	var out map[string]any
	err := errors.New("AccessDeniedException: not yours")
	if operation != a.refuses {
		out, err = a.answer(operation, in)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if err != nil {
		kind, text, _ := strings.Cut(err.Error(), ": ")
		w.WriteHeader(http.StatusBadRequest)
		out = map[string]any{"__type": kind, "message": text}
	}
	_ = json.NewEncoder(w).Encode(out)
}

func (a *account) answer(operation string, in map[string]any) (map[string]any, error) {
	name := func(key string) string { s, _ := in[key].(string); return s }
	arn := func(kind, name string) map[string]any {
		return map[string]any{kind + "Arn": "arn:aws:sagemaker:us-east-1:123456789012:" + strings.ToLower(kind) + "/" + name}
	}
	switch operation {
	case "CreateModel":
		container, _ := in["PrimaryContainer"].(map[string]any)
		a.models[name("ModelName")], _ = container["Image"].(string)
		return arn("Model", name("ModelName")), nil
	case "CreateEndpointConfig":
		variants, _ := in["ProductionVariants"].([]any)
		variant, _ := variants[0].(map[string]any)
		model, _ := variant["ModelName"].(string)
		if a.models[model] == "" {
			return nil, fmt.Errorf("ValidationException: Could not find model %q.", model)
		}
		a.configs[name("EndpointConfigName")] = model
		return arn("EndpointConfig", name("EndpointConfigName")), nil
	case "CreateEndpoint", "UpdateEndpoint":
		there := a.endpoint == name("EndpointName")
		if there != (operation == "UpdateEndpoint") || a.configs[name("EndpointConfigName")] == "" {
			return nil, errors.New("ValidationException: Cannot do so.")
		}
		if there && a.status != "InService" {
			return nil, errors.New("ValidationException: Cannot update in-progress endpoint.")
		}
		if operation == "UpdateEndpoint" {
			a.updates = append(a.updates, in)
		}
		a.endpoint, a.next, a.looks = name("EndpointName"), name("EndpointConfigName"), 0
		a.status = map[string]string{"CreateEndpoint": "Creating", "UpdateEndpoint": "Updating"}[operation]
		return arn("Endpoint", a.endpoint), nil
	case "DescribeEndpoint":
		if a.endpoint != name("EndpointName") {
			return nil, fmt.Errorf("ValidationException: Could not find endpoint %q.", name("EndpointName"))
		}
		out := a.look()
		out["EndpointName"], out["CreationTime"], out["LastModifiedTime"] = a.endpoint, 1.7e9, 1.7e9
		return out, nil
	case "DeleteEndpoint":
		a.endpoint, a.status, a.config = "", "", ""
		return map[string]any{}, nil
	case "DeleteEndpointConfig":
		delete(a.configs, name("EndpointConfigName"))
		return map[string]any{}, nil
	case "DeleteModel":
		delete(a.models, name("ModelName"))
		return map[string]any{}, nil
	}
	return nil, errors.New("UnknownOperationException: " + operation)
}

// look brings what is on its way further and says where it is.
func (a *account) look() map[string]any {
	out := map[string]any{}
	if a.looks++; a.looks == 3 && a.next != "" && !a.stuck {
		switch {
		case a.fails == "":
			a.config, a.status = a.next, "InService"
		case a.config == "":
			a.status = "Failed"
		default: // SageMaker puts it back by itself
			a.status = "InService"
		}
		a.next = ""
	}
	if a.fails != "" && a.next == "" {
		out["FailureReason"] = a.fails
	}
	out["EndpointStatus"], out["EndpointConfigName"] = a.status, a.config
	if a.config == "" {
		out["EndpointConfigName"] = "on-its-way"
	}
	return out
}

// deploying is a deployer at a local server, what it says, and a deployment.
func deploying(t *testing.T, url string, edit func(*DeployerConfig)) (*Deployer, *[]string, Deployment) {
	t.Helper()
	var lines []string
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	c := DeployerConfig{BaseURL: url, Poll: time.Millisecond, Report: func(s string) { lines = append(lines, s) },
		Now: func() time.Time { now = now.Add(time.Second); return now }}
	if edit != nil {
		edit(&c)
	}
	d, err := NewDeployer(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return d, &lines, Deployment{Endpoint: "tapedeck", Version: "xgboost-20261120T141500Z-5f49", Role: "arn:aws:iam::123456789012:role/r",
		Image: "image:1", Data: "s3://b/m/model.tar.gz", InstanceType: "ml.c7i.large", Count: 1}
}

func TestDeployMakesAnEndpointThenUpdatesIt(t *testing.T) {
	a, server := newAccount(t)
	d, lines, p := deploying(t, server.URL, nil)
	uploaded, tried := 0, 0
	p.Upload = func(context.Context) error { uploaded++; return nil }
	p.Try = func(context.Context) error { tried++; return nil }
	if err := d.Deploy(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	first := a.config
	if a.status != "InService" || a.models[first] != "image:1" || uploaded != 1 || tried != 1 || len(first) > 63 {
		t.Fatalf("%+v, %d uploads, %d trials", a, uploaded, tried)
	}
	p.Alarms = []string{"too-slow", "too-wrong"}
	if err := d.Deploy(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	want := []string{"DescribeEndpoint", "CreateModel", "CreateEndpointConfig", "CreateEndpoint", "DescribeEndpoint", "DescribeEndpoint", "DescribeEndpoint",
		"DescribeEndpoint", "CreateModel", "CreateEndpointConfig", "UpdateEndpoint", "DescribeEndpoint", "DescribeEndpoint", "DescribeEndpoint"}
	if !slices.Equal(a.calls, want) || a.config == first || a.configs[first] == "" {
		t.Errorf("calls %v, configuration %s after %s", a.calls, a.config, first)
	}
	update := fmt.Sprint(a.updates[0]["DeploymentConfig"])
	for _, part := range []string{"ALL_AT_ONCE", "TerminationWaitInSeconds:120", "WaitIntervalInSeconds:300", "AlarmName:too-slow", "AlarmName:too-wrong"} {
		if !strings.Contains(update, part) {
			t.Errorf("no %s in %s", part, update)
		}
	}
	said := strings.Join(*lines, "\n")
	for _, part := range []string{"endpoint tapedeck: Creating", "endpoint tapedeck: Updating", "InService, after", "its answers are the model's", "the configuration before was " + first} {
		if !strings.Contains(said, part) {
			t.Errorf("%q is not said in:\n%s", part, said)
		}
	}
}

func TestDeployTakesBackWhatFails(t *testing.T) {
	wrong := func(context.Context) error { return errors.New("wrong answers") }
	for _, test := range []struct {
		name  string
		there bool // an endpoint, before
		edit  func(*account, *Deployment)
		want  string
	}{
		{"a new one fails", false, func(a *account, _ *Deployment) { a.fails = "no ping" }, "is Failed: no ping; endpoint tapedeck is deleted again"},
		{"a new one's answers", false, func(_ *account, p *Deployment) { p.Try = wrong }, "wrong answers; endpoint tapedeck is deleted again"},
		{"an update fails", true, func(a *account, _ *Deployment) { a.fails = "an alarm" }, "an alarm; endpoint tapedeck answers with"},
		{"an update's answers", true, func(_ *account, p *Deployment) { p.Try = wrong }, "wrong answers; endpoint tapedeck answers with"},
		{"a refused update", true, func(a *account, _ *Deployment) { a.refuses = "UpdateEndpoint" }, "UpdateEndpoint is not allowed"},
		{"a refused configuration", false, func(a *account, _ *Deployment) { a.refuses = "CreateEndpointConfig" }, "CreateEndpointConfig is not allowed"},
		{"a refused model", false, func(a *account, _ *Deployment) { a.refuses = "CreateModel" }, "CreateModel is not allowed"},
		{"no upload", true, func(_ *account, p *Deployment) {
			p.Upload = func(context.Context) error { return errors.New("no such bucket") }
		}, "no such bucket"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, server := newAccount(t)
			d, _, p := deploying(t, server.URL, nil)
			if test.there {
				if err := d.Deploy(t.Context(), p); err != nil {
					t.Fatal(err)
				}
			}
			before := a.config
			test.edit(a, &p)
			err := d.Deploy(t.Context(), p)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
			if a.config != before || test.there && (a.status != "InService" || a.endpoint == "") || !test.there && a.endpoint != "" {
				t.Errorf("left: endpoint %q %s with %q, before %q", a.endpoint, a.status, a.config, before)
			}
			n := 0
			if test.there {
				n = 1
			}
			if len(a.configs) != n || len(a.models) != n {
				t.Errorf("left: %v, %v", a.configs, a.models)
			}
		})
	}
}

// Who interrupts the wait is told that SageMaker goes on.
func TestDeployIsInterrupted(t *testing.T) {
	a, server := newAccount(t)
	a.stuck = true
	ctx, cancel := context.WithCancel(t.Context())
	var lines []string
	d, _, p := deploying(t, server.URL, func(c *DeployerConfig) {
		c.Report = func(s string) {
			lines = append(lines, s)
			if strings.Contains(s, "Creating") {
				cancel()
			}
		}
	})
	if err := d.Deploy(ctx, p); !errors.Is(err, context.Canceled) || lines[len(lines)-1] != errOnItsWay.Error() {
		t.Errorf("%v, %v", err, lines)
	}
	server.Close() // after the call that was cut off
	if a.endpoint == "" || len(a.configs) != 1 || slices.Contains(a.calls, "DeleteEndpoint") {
		t.Errorf("left: %+v", a)
	}
}

// What SageMaker is still at work on is left to it.
func TestDeployLeavesWhatIsOnItsWay(t *testing.T) {
	a, server := newAccount(t)
	a.stuck = true
	d, _, p := deploying(t, server.URL, func(c *DeployerConfig) { c.Timeout = 30 * time.Millisecond })
	err := d.Deploy(t.Context(), p)
	if !errors.Is(err, errOnItsWay) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	server.Close() // after the call that the deadline cut off
	if a.endpoint == "" || len(a.configs) != 1 || len(a.models) != 1 {
		t.Errorf("left: %+v", a)
	}
	a.calls = nil
	server = httptest.NewServer(a)
	t.Cleanup(server.Close)
	d, _, p = deploying(t, server.URL, nil)
	if err := d.Deploy(t.Context(), p); err == nil || !strings.Contains(err.Error(), "is Creating, and can be changed once it is in service") {
		t.Errorf("%v", err)
	}
	if !slices.Equal(a.calls, []string{"DescribeEndpoint"}) {
		t.Errorf("called %v", a.calls)
	}
}

func TestDryRunCallsNothing(t *testing.T) {
	a, server := newAccount(t)
	d, lines, p := deploying(t, server.URL, func(c *DeployerConfig) { c.DryRun = true })
	p.Upload = func(context.Context) error { t.Error("uploaded"); return nil }
	p.Try = func(context.Context) error { t.Error("asked"); return nil }
	if err := d.Deploy(t.Context(), p); err != nil || len(a.calls) > 0 {
		t.Fatalf("%v, called %v", err, a.calls)
	}
	want := []string{
		`SageMaker DescribeEndpoint {"EndpointName":"tapedeck"}`,
		`S3 PutObject s3://b/m/model.tar.gz`,
		`SageMaker CreateModel {"EnableNetworkIsolation":true,"ExecutionRoleArn":"arn:aws:iam::123456789012:role/r","ModelName":"tapedeck-xgboost-20261120T141500Z-5f49-20261123120001","PrimaryContainer":{"Image":"image:1","ModelDataUrl":"s3://b/m/model.tar.gz"}}`,
		`SageMaker CreateEndpointConfig {"EndpointConfigName":"tapedeck-xgboost-20261120T141500Z-5f49-20261123120001","ProductionVariants":[{"InitialInstanceCount":1,"InitialVariantWeight":1,"InstanceType":"ml.c7i.large","ModelName":"tapedeck-xgboost-20261120T141500Z-5f49-20261123120001","VariantName":"main"}]}`,
		`SageMaker CreateEndpoint {"EndpointConfigName":"tapedeck-xgboost-20261120T141500Z-5f49-20261123120001","EndpointName":"tapedeck"}`,
		`or, where the endpoint is there already:`,
		`SageMaker UpdateEndpoint {"DeploymentConfig":{"BlueGreenUpdatePolicy":{"MaximumExecutionTimeoutInSeconds":3600,"TerminationWaitInSeconds":120,"TrafficRoutingConfiguration":{"Type":"ALL_AT_ONCE","WaitIntervalInSeconds":0}}},"EndpointConfigName":"tapedeck-xgboost-20261120T141500Z-5f49-20261123120001","EndpointName":"tapedeck"}`,
		`then it is looked at until it is in service, and asked`,
	}
	if !slices.Equal(*lines, want) {
		t.Errorf("said\n%s\nwant\n%s", strings.Join(*lines, "\n"), strings.Join(want, "\n"))
	}
}

func TestADeploymentThatCannotBeIsNotBegun(t *testing.T) {
	a, server := newAccount(t)
	d, _, p := deploying(t, server.URL, nil)
	for _, edit := range []func(*Deployment){
		func(p *Deployment) { p.Endpoint = "" }, func(p *Deployment) { p.Endpoint = "a_b" }, func(p *Deployment) { p.Endpoint = "-a" },
		func(p *Deployment) { p.Endpoint = strings.Repeat("a", 64) }, func(p *Deployment) { p.Count = 0 }, func(p *Deployment) { p.Role = "" },
	} {
		q := p
		edit(&q)
		if err := d.Deploy(t.Context(), q); err == nil {
			t.Errorf("%+v is taken", q)
		}
	}
	if len(a.calls) > 0 {
		t.Errorf("called %v", a.calls)
	}
}
