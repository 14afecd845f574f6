package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"tapedeck/ml"
	"tapedeck/ml/sagemaker"
)

// cloud is S3, SageMaker's own API and its runtime, with one endpoint that has
// no error of its own.
type cloud struct {
	s3, runtime http.Handler
	mu          sync.Mutex
	config      string // of the endpoint
	calls       []string
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	operation, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "SageMaker.")
	switch {
	case strings.HasPrefix(r.URL.Path, "/endpoints/"):
		c.runtime.ServeHTTP(w, r)
		return
	case !ok:
		c.s3.ServeHTTP(w, r)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, operation)
	var in struct{ EndpointConfigName string }
	_ = json.NewDecoder(r.Body).Decode(&in) // of the ones without it, too
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	switch operation {
	case "CreateEndpoint", "UpdateEndpoint":
		c.config = in.EndpointConfigName
	case "DeleteEndpoint":
		c.config = ""
	case "DescribeEndpoint":
		if c.config == "" {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"__type": "ValidationException", "message": "Could not find endpoint"}`)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"EndpointStatus": "InService", "EndpointConfigName": c.config})
		return
	}
	_, _ = io.WriteString(w, "{}")
}

func TestDeploy(t *testing.T) {
	conf := ml.DefaultConfig()
	conf.Trees.Rounds, conf.Trees.MinChildWeight = 4, 50
	data := ml.NewData(someMinutes(40, 0, 200))
	train := func(seed uint64) *ml.Model {
		conf.Seed = seed
		m, err := ml.Train(t.Context(), ml.XGBoost, data, conf, nil)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	model := train(1)
	backend := s3mem.New()
	if err := backend.CreateBucket("models"); err != nil {
		t.Fatal(err)
	}
	serve := sagemaker.NewServer(sagemaker.ServerConfig{})
	there := &cloud{s3: gofakes3.New(backend).Server(), runtime: serve}
	web := httptest.NewServer(there)
	defer web.Close()
	for key, value := range map[string]string{"AWS_ENDPOINT_URL_SAGEMAKER": web.URL, "AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none",
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"} {
		t.Setenv(key, value)
	}
	c := DefaultConfig()
	c.S3.Endpoint, c.S3.PathStyle, c.S3.Region, c.S3.SSE = web.URL, true, "us-east-1", "none"
	c.Predict.URL, c.Predict.Region = web.URL, "us-east-1"
	d := deployOptions{model: ml.XGBoost, endpoint: "deck", role: "arn:aws:iam::123456789012:role/r", image: "image:1", bucket: "s3://models/deck/",
		instance: "ml.c7i.large", count: 1, timeout: time.Minute, poll: time.Millisecond}
	if err := d.validate(); err != nil {
		t.Fatal(err)
	}

	var said strings.Builder
	report := func(line string) { said.WriteString(line + "\n") }
	d.dryRun = true
	if err := d.run(t.Context(), c, model, report); err != nil || len(there.calls) > 0 {
		t.Fatalf("%v, called %v", err, there.calls)
	}
	d.dryRun = false

	serve.Set("deck", sagemaker.Own(model))
	if err := d.run(t.Context(), c, model, report); err != nil {
		t.Fatal(err)
	}
	about := model.Manifest()
	object, err := backend.GetObject("models", "deck/xgboost/"+about.Version+"/model.tar.gz", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer object.Contents.Close()
	got, err := io.ReadAll(object.Contents)
	var want bytes.Buffer
	if err := errors.Join(err, model.WriteTarGz(&want)); err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%d bytes in S3, want %d, %v", len(got), want.Len(), err)
	}
	if !strings.Contains(said.String(), "its answers are the model's") || !strings.Contains(said.String(), "predict.endpoint=deck") {
		t.Errorf("said:\n%s", said.String())
	}

	// An endpoint that answers as another model does is put back.
	before := there.config
	err = d.run(t.Context(), c, train(2), report)
	if err == nil || !strings.Contains(err.Error(), "it is another model") || there.config != before {
		t.Errorf("%v; configuration %s, before %s", err, there.config, before)
	}
}

func TestDeployRefusesWrongFlags(t *testing.T) {
	all := []string{"deploy", "--data", t.TempDir(), "--model", "xgboost", "--endpoint", "deck", "--role", "arn:aws:iam::1:role/r", "--image", "i", "--bucket", "s3://b", "--dry-run"}
	for _, test := range []struct {
		args []string
		want string
		code int
	}{
		{[]string{"deploy"}, "--model is needed", exitUsage},
		{append(all[:len(all):len(all)], "--bucket", "b"), "--bucket", exitUsage},
		{append(all[:len(all):len(all)], "--role", "r"), "--role", exitUsage},
		{append(all[:len(all):len(all)], "--count", "0"), "--count", exitUsage},
		{append(all[:len(all):len(all)], "--instance-type", "c7i.large"), "--instance-type", exitUsage},
		{append(all[:len(all):len(all)], "--timeout", "0s"), "--timeout", exitUsage},
		{all, `no model "xgboost" is trained here`, exitFailure},
	} {
		var out, errs bytes.Buffer
		if code := run(test.args, strings.NewReader(""), &out, &errs); code != test.code || !strings.Contains(errs.String(), test.want) {
			t.Errorf("%v: %d, %s", test.args, code, errs.String())
		}
	}
}
