package notify

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"tapedeck/pipeline/market"
)

// moto starts a moto server; the test is skipped without TAPEDECK_TEST_AWS=1.
func moto(t *testing.T) string {
	if os.Getenv("TAPEDECK_TEST_AWS") != "1" {
		t.Skip("set TAPEDECK_TEST_AWS=1 to test against moto")
	}
	if out, err := exec.Command("python3", "-c", "import moto.server").CombinedOutput(); err != nil {
		t.Fatalf("moto is missing; pip install 'moto[server]'\n%s", out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	cmd := exec.Command("python3", "-m", "moto.server", "-H", "127.0.0.1", "-p", port)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	address := "http://127.0.0.1:" + port
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		if res, err := http.Get(address + "/moto-api/"); err == nil {
			res.Body.Close()
			break
		}
		select {
		case <-ctx.Done():
			t.Fatal("moto does not answer")
		case <-time.After(50 * time.Millisecond):
		}
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	return address
}

// call speaks the query API of a service and gives what re finds in the answer.
func call(t *testing.T, address, service string, re string, fields ...string) []string {
	t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	req, _ := http.NewRequest("POST", address+"/", strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/"+service+"/aws4_request, SignedHeaders=host, Signature=0")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s\n%s", fields[1], res.Status, body)
	}
	var found []string
	for _, m := range regexp.MustCompile(re).FindAllStringSubmatch(string(body), -1) {
		found = append(found, m[1])
	}
	return found
}

// SNS to SQS: a filter policy lets critical alerts through alone, and a FIFO
// topic drops a repeat.
func TestAWSFiltersAndFIFO(t *testing.T) {
	address := moto(t)
	subscribe := func(name, filter string, fifo bool) (topic, queue string) {
		topicFields := []string{"Action", "CreateTopic", "Name", name}
		queueFields := []string{"Action", "CreateQueue", "QueueName", name}
		if fifo {
			topicFields = append(topicFields, "Attributes.entry.1.key", "FifoTopic", "Attributes.entry.1.value", "true")
			queueFields = append(queueFields, "Attribute.1.Name", "FifoQueue", "Attribute.1.Value", "true")
		}
		topic = call(t, address, "sns", "<TopicArn>(.*?)</TopicArn>", topicFields...)[0]
		queue = call(t, address, "sqs", "<QueueUrl>(.*?)</QueueUrl>", queueFields...)[0]
		fields := []string{"Action", "Subscribe", "TopicArn", topic, "Protocol", "sqs", "Endpoint", strings.Replace(topic, ":sns:", ":sqs:", 1)}
		if filter != "" {
			fields = append(fields, "Attributes.entry.1.key", "FilterPolicy", "Attributes.entry.1.value", filter)
		}
		call(t, address, "sns", "<SubscriptionArn>(.*?)</SubscriptionArn>", fields...)
		return topic, queue
	}
	bodies := func(queue string) []string {
		return call(t, address, "sqs", "(?s)<Body>(.*?)</Body>", "Action", "ReceiveMessage", "QueueUrl", queue, "MaxNumberOfMessages", "10")
	}
	topic, queue := subscribe("critical", `{"severity":["critical"]}`, false)
	target, err := OpenSNS(t.Context(), SNSConfig{Topic: topic, Endpoint: address})
	if err != nil {
		t.Fatal(err)
	}
	mild, grave := alertOf("price drop", "KO", 1), alertOf("price drop", "NVDA", 2)
	grave.Severity = market.Critical
	for _, alerts := range [][]market.Alert{{mild}, {grave}, {mild, grave}} {
		if err := target.Send(t.Context(), NewMessage(alerts)); err != nil {
			t.Fatal(err)
		}
	}
	if got := bodies(queue); len(got) != 2 || !strings.Contains(got[0], "NVDA") {
		t.Errorf("the filter let through %d: %s", len(got), got)
	}
	topic, queue = subscribe("ordered.fifo", "", true)
	if target, err = OpenSNS(t.Context(), SNSConfig{Topic: topic, Endpoint: address}); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 2, 1} {
		if err := target.Send(t.Context(), NewMessage([]market.Alert{alertOf("r", fmt.Sprintf("S%d", n), n)})); err != nil {
			t.Fatal(err)
		}
	}
	if got := bodies(queue); len(got) != 2 {
		t.Errorf("the FIFO queue has %d: %s", len(got), got)
	}
}
