package main

import (
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

func TestEverySettingSurvivesTheFile(t *testing.T) {
	want := DefaultConfig()
	want.Kafka.Brokers = []string{"a:1", "b:2"}
	want.Kafka.Password = `p"a: #ss`
	want.Sim.Rate = 2.5
	for _, comments := range []bool{true, false} {
		text := want.yamlText(comments, false)
		var tree map[string]any
		if err := yaml.Unmarshal([]byte(text), &tree); err != nil {
			t.Fatalf("not YAML: %v\n%s", err, text)
		}
		got := DefaultConfig()
		if err := got.readYAML("config.yaml", []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got.yamlText(false, false) != want.yamlText(false, false) {
			t.Errorf("got\n%s\nwant\n%s", got.yamlText(false, false), want.yamlText(false, false))
		}
	}
}

func TestEverySettingIsDocumentedAndItsDefaultAllowed(t *testing.T) {
	c := DefaultConfig()
	for _, s := range c.settings() {
		if s.tag.Get("help") == "" || s.tag.Get("yaml") == "" {
			t.Errorf("%s: no help", s.path)
		}
		if err := s.set(s.text(false)); err != nil {
			t.Errorf("the default is not allowed: %v", err)
		}
	}
}

func TestFileErrorsNameKeyLineAndAllowedValues(t *testing.T) {
	for text, want := range map[string][]string{
		"feed: simm\n":                       {"f.yaml:1", "feed", `"simm"`, "sim, replay, yahoo, alphavantage"},
		"\nsim:\n  symbol: 5\n":              {"f.yaml:3", "sim.symbol is not a setting", "sim.symbols"},
		"sim:\n  symbols: many\n":            {"f.yaml:2", "sim.symbols", "a whole number, 1 to 10000"},
		"sim:\n  symbols: 10001\n":           {"f.yaml:2", "sim.symbols"},
		"sql:\n  memory: lots\n":             {"f.yaml:2", "sql.memory", "512MB"},
		"compute:\n  snapshot: soon\n":       {"f.yaml:2", "compute.snapshot", "duration"},
		"kafka:\n  brokers:\n    - a: 1\n":   {"f.yaml:3", "kafka.brokers"},
		"feed: sim\nfeed: replay\n":          {"f.yaml"},
		"- a\n":                              {"f.yaml:1", "expected keys"},
		"kafka: 5\n":                         {"f.yaml:1", "kafka."},
		"a: [\n":                             {"f.yaml"},
		"screen:\n  colour_blind: perhaps\n": {"f.yaml:2", "screen.colour_blind", "true or false"},
	} {
		c := DefaultConfig()
		err := c.readYAML("f.yaml", []byte(text))
		if err == nil {
			t.Errorf("%q was accepted", text)
			continue
		}
		for _, part := range want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q: %v; misses %q", text, err, part)
			}
		}
	}
}

func TestEnvironment(t *testing.T) {
	c := DefaultConfig()
	err := c.readEnvironment([]string{"HOME=/", "TAPEDECK_KAFKA_BROKERS=a:1, b:2", "TAPEDECK_COMPUTE_SNAPSHOT=2500ms", "TAPEDECK_TEST_KAFKA=1"})
	if err != nil || len(c.Kafka.Brokers) != 2 || c.Compute.Snapshot != 2500*time.Millisecond {
		t.Errorf("%v %v %v", err, c.Kafka.Brokers, c.Compute.Snapshot)
	}
	err = c.readEnvironment([]string{"TAPEDECK_KAFKA_BROKER=a:1"})
	if err == nil || !strings.Contains(err.Error(), "TAPEDECK_KAFKA_BROKERS") {
		t.Errorf("%v", err)
	}
}

func TestSecretsAreMasked(t *testing.T) {
	c := DefaultConfig()
	c.Kafka.Password, c.AlphaVantage.Key = "hunter2", "key-123"
	shown := c.yamlText(false, true)
	if strings.Contains(shown, "hunter2") || strings.Contains(shown, "key-123") || !strings.Contains(shown, "****") {
		t.Error(shown)
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{"512MB": 512 << 20, "2gb": 2 << 30, "1.5KB": 1536, "7": 7, "0": 0} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("%s: %v %v", text, got, err)
		}
	}
	for _, text := range []string{"", "x", "-1", "-1MB", "1e30GB", "GB"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("%q gave %v", text, got)
		}
	}
}

func FuzzReadYAML(f *testing.F) {
	c := DefaultConfig()
	f.Add(c.yamlText(true, false))
	f.Add("kafka: {brokers: [a, b]}\nfeed: sim")
	f.Fuzz(func(t *testing.T, text string) {
		c := DefaultConfig()
		if c.readYAML("f", []byte(text)) == nil {
			for _, s := range c.settings() {
				if !s.inRange() {
					t.Fatalf("%s out of range in %q", s.path, text)
				}
			}
		}
	})
}
