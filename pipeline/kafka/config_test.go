package kafka

import (
	"strings"
	"testing"
	"time"
)

func TestConfigValidate(t *testing.T) {
	good := DefaultConfig()
	good.Brokers = []string{"localhost:9092"}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*Config){
		"kafka.brokers":            func(c *Config) { c.Brokers = nil },
		"kafka.partitions":         func(c *Config) { c.Partitions = 0 },
		"kafka.replication":        func(c *Config) { c.Replication = -1 },
		"kafka.min_in_sync":        func(c *Config) { c.Replication, c.MinInSync = 2, 3 },
		"kafka.retention":          func(c *Config) { c.Retention = time.Second },
		"kafka.linger":             func(c *Config) { c.Linger = -1 },
		"kafka.prefix":             func(c *Config) { c.Prefix = "a/b" },
		"none, lz4, zstd, snappy":  func(c *Config) { c.Compression = "zip" },
		"kafka.security.protocol":  func(c *Config) { c.Security.Protocol = "TLS" },
		"kafka.security.mechanism": func(c *Config) { c.Security.Mechanism = "MD5" },
	} {
		c := good
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
		if _, err := Open(c, discard); err == nil {
			t.Errorf("%s: opened", want)
		}
	}
}

// TestTopicSettings: what is compacted on a cluster is kept whole by the
// embedded broker, and neither retention nor size may empty a partition there.
func TestTopicSettings(t *testing.T) {
	cluster := DefaultConfig()
	cluster.MinInSync = 2
	embedded := EmbeddedConfig(cluster, "127.0.0.1:1", "u", "p")
	for _, name := range Topics() {
		s, e := cluster.spec(name), embedded.spec(name)
		policy := "delete"
		if name == Rules || name == State {
			policy = "compact"
		}
		if s.config["cleanup.policy"] != policy || s.config["min.insync.replicas"] != "2" || s.config["retention.ms"] == "" {
			t.Errorf("%s on a cluster: %v", name, s.config)
		}
		if e.config["cleanup.policy"] != "delete" || e.config["retention.ms"] != "-1" || e.config["retention.bytes"] != "-1" {
			t.Errorf("%s on the embedded broker: %v", name, e.config)
		}
		if s.partitions != e.partitions || s.maxBytes != e.maxBytes {
			t.Errorf("%s: %+v, %+v", name, s, e)
		}
	}
}
