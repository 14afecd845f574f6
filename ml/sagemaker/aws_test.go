package sagemaker

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// boto3, which nobody here wrote, asks the server in all three content types.
func TestAWSBoto3AsksTheServer(t *testing.T) {
	if os.Getenv("TAPEDECK_TEST_AWS") == "" {
		t.Skip("boto3 is asked by make test-aws")
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 here: install it, and boto3 by pip install boto3")
	}
	if out, err := exec.Command(python, "-c", "import boto3").CombinedOutput(); err != nil {
		t.Skipf("no boto3 here: pip install boto3 (%s)", bytes.TrimSpace(out[max(0, len(out)-200):]))
	}
	model := trained(t)
	s := NewServer(ServerConfig{})
	s.Set("xgboost", Own(model))
	web := httptest.NewServer(s)
	defer web.Close()
	batch := someBatch(5)
	want := make([]float32, 5*12)
	if err := model.Predict(t.Context(), batch, want); err != nil {
		t.Fatal(err)
	}
	size := batch.Window * batch.Features
	m := matrix{5, 1 + size, nil}
	for i := range 5 {
		m.values = append(append(m.values, batch.Volatility[i]), batch.Values[i*size:(i+1)*size]...)
	}
	question, err := json.Marshal(map[string]any{"endpoint": "xgboost", "float32": appendFloat32(nil, m), // base64
		"json": strings.Replace(string(appendJSON(nil, m)), "predictions", "instances", 1), "csv": string(appendCSV(nil, m)), "wrong": "nonsense"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, "testdata/ask.py", web.URL)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(question), &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	var answers struct {
		Float32, JSON, CSV [][]float64
		Wrong, Missing     string
	}
	if err := json.Unmarshal(out, &answers); err != nil {
		t.Fatal(err)
	}
	for kind, got := range map[string][][]float64{Float32: answers.Float32, JSON: answers.JSON, CSV: answers.CSV} {
		if len(got) != 5 || len(got[0]) != 12 {
			t.Fatalf("%s: %v", kind, got)
		}
		for i, v := range want {
			if float32(got[i/12][i%12]) != v && math.Abs(got[i/12][i%12]-float64(v)) > 1e-9 {
				t.Errorf("%s: value %d is %g, want %g", kind, i, got[i/12][i%12], v)
			}
		}
	}
	if answers.Wrong != "ModelError 400" || answers.Missing != "ValidationError " {
		t.Errorf("wrong: %q, missing: %q", answers.Wrong, answers.Missing)
	}
}

// A deployment goes through moto's SageMaker, which has no UpdateEndpoint.
func TestMotoTakesADeployment(t *testing.T) {
	if os.Getenv("TAPEDECK_TEST_AWS") == "" {
		t.Skip("moto is asked by make test-aws")
	}
	url := runningMoto(t)
	d, lines, p := deploying(t, url, nil)
	p.InstanceType = "ml.m5.large" // moto knows none of the newer ones
	p.Try = func(context.Context) error { return errors.New("wrong answers") }
	if err := d.Deploy(t.Context(), p); err == nil || !strings.Contains(err.Error(), "wrong answers; endpoint tapedeck is deleted again") {
		t.Fatalf("%v\n%s", err, strings.Join(*lines, "\n"))
	}
	p.Try = nil
	if err := d.Deploy(t.Context(), p); err != nil {
		t.Fatalf("%v\n%s", err, strings.Join(*lines, "\n"))
	}
	if config, there, err := d.before(t.Context(), p.Endpoint); err != nil || !there || !strings.HasPrefix(config, "tapedeck-xgboost-") {
		t.Errorf("%q, %v, %v", config, there, err)
	}
}

// runningMoto runs moto until the test ends and returns its address.
func runningMoto(t *testing.T) string {
	t.Helper()
	server := os.Getenv("MOTO_SERVER")
	if server == "" {
		server = "moto_server"
	}
	path, err := exec.LookPath(server)
	if err != nil {
		t.Skip("no moto here: pip install 'moto[server]', or name its moto_server in MOTO_SERVER")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().(*net.TCPAddr)
	l.Close()
	cmd := exec.Command(path, "-H", "127.0.0.1", "-p", strconv.Itoa(address.Port))
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		if strings.Contains(lines.Text(), "Running on http") {
			go func() { _, _ = io.Copy(io.Discard, stderr) }()
			return "http://" + address.String()
		}
	}
	t.Fatal("moto did not start")
	return ""
}
