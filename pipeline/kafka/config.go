package kafka

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// Errors that callers tell apart.
var (
	// ErrLocked: another process has the embedded broker's directory open.
	ErrLocked = errors.New("log directory is locked")
	// ErrPartitions: a topic exists with another partition count than the configuration's.
	ErrPartitions = errors.New("partition count differs")
	// ErrTooLarge: a record is larger than its topic takes.
	ErrTooLarge = errors.New("record too large")
	// ErrNoKey: a record for a compacted topic has no key.
	ErrNoKey = errors.New("record has no key")
	// ErrUnknownTopic: the topic does not exist.
	ErrUnknownTopic = errors.New("unknown topic")
	// ErrNoAnswer: the cluster did not answer a question in time; it may be asked again.
	ErrNoAnswer = errors.New("no answer in time")
	// ErrClosed: the client or producer is closed.
	ErrClosed = errors.New("log client is closed")
	// ErrFenced: another process runs under this one's instance name.
	ErrFenced = errors.New("another process has taken this instance's place in the group")
)

// Config says where the log is and how its topics are laid out.
type Config struct {
	Brokers     []string      // host:port of some brokers of the cluster
	Prefix      string        // of every topic
	Partitions  int           // of every topic but feeds; fixed once the topics exist
	Replication int           // copies of a partition; 0 leaves it to the cluster's default
	MinInSync   int           // copies that must have a record before it is acknowledged; 0: all but one of three or more, else the cluster's default
	Retention   time.Duration // how long a cluster keeps records of topics that are not compacted
	MaxBytes    int64         // largest size of a partition on a cluster; -1 is no limit
	Security    Security
	Instance    string        // this process's name in consumer groups (group.instance.id); empty: a member without a name
	Linger      time.Duration // longest wait of a record for company in a batch
	Compression string        // none, lz4, zstd, snappy or gzip
	Embedded    bool          // the broker is the embedded one: nothing is deleted but by Trim
	Disk        string        // where the embedded broker's log lies; Client.Trouble says when there is no room

	// OnTrouble, if set, is told in a sentence when the connection is in
	// trouble, and with an empty one when it is well again. It must not block.
	OnTrouble func(sentence string)

	countEvery time.Duration // tests': how often librdkafka counts; 0 is statisticsEvery
}

// Security says how to connect. The zero value is a plain connection.
type Security struct {
	Protocol   string // PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL; empty is PLAINTEXT
	Mechanism  string // PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, with a SASL protocol
	Username   string
	Password   string
	CALocation string // file of certificates to trust; empty is the system's
}

// StateMaxBytes is the largest record on the topics state and rules.
const StateMaxBytes = 8 << 20

// recordMaxBytes is the largest record on the other topics: Kafka's own default for a batch.
const recordMaxBytes = 1_000_000

// minSessionTimeout is the shortest session timeout that brokers allow by default.
const minSessionTimeout = 6 * time.Second

// DefaultConfig lacks only Brokers.
func DefaultConfig() Config {
	return Config{
		Prefix:      "stock-market.",
		Partitions:  12,
		Retention:   7 * 24 * time.Hour,
		MaxBytes:    -1,
		Linger:      20 * time.Millisecond, // each batch costs processor time here, and memory in the embedded log
		Compression: "lz4",
	}
}

// Validate names the first value that cannot be, and what it could be.
func (c Config) Validate() error {
	switch {
	case len(c.Brokers) == 0:
		return errors.New("kafka.brokers is empty: name at least one host:port")
	case c.Partitions < 1 || c.Partitions > 10_000:
		return fmt.Errorf("kafka.partitions is %d: it must be between 1 and 10000", c.Partitions)
	case c.Replication < 0 || c.MinInSync < 0:
		return fmt.Errorf("kafka.replication is %d and min in-sync %d: neither can be negative", c.Replication, c.MinInSync)
	case c.Replication > 0 && c.MinInSync > c.Replication:
		return fmt.Errorf("kafka.min_in_sync is %d: it cannot exceed the replication of %d", c.MinInSync, c.Replication)
	case c.Retention < time.Minute:
		return fmt.Errorf("kafka.retention is %s: it must be a minute at least", c.Retention)
	case c.Linger < 0 || c.Linger > 10*time.Second:
		return fmt.Errorf("kafka.linger is %s: it must be between 0 and 10s", c.Linger)
	case strings.ContainsFunc(c.Prefix, notTopicRune) || len(c.Prefix) > 200:
		return fmt.Errorf("kafka.prefix is %q: letters, digits, '.', '_' and '-' only, 200 at most", c.Prefix)
	}
	return errors.Join(
		oneOf("kafka.compression", c.Compression, "none", "lz4", "zstd", "snappy", "gzip"),
		oneOf("kafka.security.protocol", c.Security.Protocol, "", "PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
		oneOf("kafka.security.mechanism", c.Security.Mechanism, "", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
	)
}

func notTopicRune(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '_' && r != '-'
}

func oneOf(key, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%s is %q: it must be one of %s", key, value,
		strings.TrimPrefix(strings.Join(allowed, ", "), ", "))
}

// common are the settings of every librdkafka client.
func (c Config) common() kafka.ConfigMap {
	m := kafka.ConfigMap{
		"bootstrap.servers":                       strings.Join(c.Brokers, ","),
		"client.id":                               "tapedeck",
		"reconnect.backoff.ms":                    50,
		"reconnect.backoff.max.ms":                1000,
		"enable.metrics.push":                     false, // nothing about us goes to the cluster
		"socket.keepalive.enable":                 true,
		"topic.metadata.refresh.fast.interval.ms": 100,
		"allow.auto.create.topics":                false,
	}
	if c.Security.Protocol != "" {
		m["security.protocol"] = c.Security.Protocol
	}
	if c.Security.Mechanism != "" && strings.HasPrefix(c.Security.Protocol, "SASL") {
		m["sasl.mechanism"] = c.Security.Mechanism
		m["sasl.username"] = c.Security.Username
		m["sasl.password"] = c.Security.Password
	}
	if c.Security.CALocation != "" {
		m["ssl.ca.location"] = c.Security.CALocation
	}
	return m
}

// producing are the settings of a producer that loses nothing: acknowledged
// by all in-sync copies, in order and once a partition, tried for ever.
func (c Config) producing() kafka.ConfigMap {
	m := c.common()
	delete(m, "allow.auto.create.topics") // a consumer's
	for k, v := range (kafka.ConfigMap{
		"enable.idempotence":           true,
		"acks":                         "all",
		"partitioner":                  "murmur2_random",
		"compression.type":             c.Compression,
		"statistics.interval.ms":       c.counting(),
		"linger.ms":                    strconv.FormatFloat(c.Linger.Seconds()*1000, 'f', -1, 64),
		"message.timeout.ms":           0,
		"message.max.bytes":            StateMaxBytes,
		"queue.buffering.max.messages": 100_000,
		"queue.buffering.max.kbytes":   32 << 10,
		"retry.backoff.ms":             50,
		"retry.backoff.max.ms":         1000,
	}) {
		m[k] = v
	}
	return m
}

// counting is how often librdkafka counts, in milliseconds.
func (c Config) counting() int { return int(cmp.Or(c.countEvery, statisticsEvery).Milliseconds()) }

// consuming are the settings of a consumer that reads fast in bounded memory.
func (c Config) consuming(group string) kafka.ConfigMap {
	m := c.common()
	for k, v := range (kafka.ConfigMap{
		"group.id":                   group,
		"enable.auto.commit":         false,
		"enable.auto.offset.store":   false,
		"auto.offset.reset":          "earliest",
		"fetch.queue.backoff.ms":     5, // 1000 by default, and then a third as fast
		"fetch.wait.max.ms":          250,
		"fetch.min.bytes":            1,
		"fetch.error.backoff.ms":     100,
		"fetch.max.bytes":            4 << 20,
		"fetch.message.max.bytes":    1 << 20,
		"queued.min.messages":        10_000,
		"queued.max.messages.kbytes": 1 << 10, // a partition, as each has a queue of its own
		"check.crcs":                 true,
	}) {
		m[k] = v
	}
	return m
}
