package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"gopkg.in/yaml.v3"

	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/live"
	"tapedeck/pipeline/market"
	"tapedeck/store/lake"
)

type steady struct{}

func (steady) Trouble() string { return "" }

func (steady) Statistics() []kafka.Statistics { return []kafka.Statistics{{Client: "producer"}} }

// gathered are the names of the metrics that a pipeline with every kind of
// stage serves.
func gathered(t *testing.T) map[string]bool {
	t.Helper()
	l, err := lake.Open(context.Background(), t.TempDir(), lake.Config{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	m := &monitor{log: steady{}, lake: l, stages: map[string]live.Status{}, seen: map[string]time.Time{}, started: time.Now()}
	m.watch(live.Status{Stage: "archive", Instance: "a", Time: market.At(time.Now()), Memory: 1, Reasons: map[string]int64{"late": 1}, Alerts: map[string]int64{"info": 1},
		Models: []live.Model{{Name: "xgboost", Calls: 3, Failures: 1, Waited: 0.5}}, Flush: &live.Flush{}})
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Error(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "tapedeck_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	names := map[string]bool{"up": true} // Prometheus's own
	for _, f := range families {
		names[f.GetName()] = true
		if strings.Contains(f.String(), "summary:{") || strings.Contains(f.String(), "summary:<") {
			names[f.GetName()+"_sum"], names[f.GetName()+"_count"] = true, true
		}
	}
	return names
}

var metricName = regexp.MustCompile(`\b(tapedeck|go|process)_[a-z0-9_]+`)

// Dashboard and alert rules name only metrics that are served, and every
// metric of the pipeline is in one of them.
func TestDashboardAndRulesNameWhatIsServed(t *testing.T) {
	served := gathered(t)
	used := map[string]bool{}
	for _, name := range []string{"alerts.yaml", "grafana.json", "alerts_test.yaml"} {
		text, err := os.ReadFile("../../examples/monitoring/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, metric := range metricName.FindAllString(string(text), -1) {
			used[metric] = true
			if !served[metric] {
				t.Errorf("%s names %s, which nothing serves", name, metric)
			}
		}
	}
	for metric := range served {
		if strings.HasPrefix(metric, "tapedeck_") && !used[metric] {
			t.Errorf("%s is served and stands in no panel and no rule", metric)
		}
	}
	var board struct {
		Panels []struct {
			Title   string
			Type    string
			Targets []struct{ Expr string }
		}
	}
	text, err := os.ReadFile("../../examples/monitoring/grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	for _, p := range board.Panels {
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q asks nothing", p.Title)
		}
	}
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert       string
				Labels      map[string]string
				Annotations map[string]string
			}
		}
	}
	text, err = os.ReadFile("../../examples/monitoring/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &rules); err != nil {
		t.Fatal(err)
	}
	runbook, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules.Groups[0].Rules {
		if r.Labels["severity"] == "" || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("%s: severity, summary and description are needed", r.Alert)
		}
		if !strings.Contains(string(runbook), r.Alert) {
			t.Errorf("%s has no entry in docs/operations.md", r.Alert)
		}
	}
}
