package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// Difference is something of a topic that is not as the configuration wants it.
type Difference struct {
	Topic   string // with the prefix
	Setting string // topic, partitions, replication, or a topic configuration of Kafka such as retention.ms
	Is      string // empty where there is nothing
	Wanted  string
	Remedy  string // what to do where Correct cannot; empty where it can
}

// Settings of a Difference that are no topic configuration of Kafka.
const (
	topicSetting       = "topic" // the topic is missing
	partitionsSetting  = "partitions"
	replicationSetting = "replication"
)

// Differences compares the topics on the cluster with the configuration, in
// the order of Topics. None: everything is as it should be.
func (c *Client) Differences(ctx context.Context) ([]Difference, error) {
	cluster, err := c.Describe(ctx)
	if err != nil {
		return nil, err
	}
	states := make(map[string]TopicState, len(cluster.Topics))
	var ask []kafka.ConfigResource
	for _, t := range cluster.Topics {
		states[t.Name] = t
		ask = append(ask, kafka.ConfigResource{Type: kafka.ResourceTopic, Name: c.cfg.Prefix + t.Name})
	}
	configs := make(map[string]map[string]kafka.ConfigEntryResult)
	if len(ask) > 0 {
		var results []kafka.ConfigResourceResult
		err := c.patiently(ctx, func(ctx context.Context) (err error) {
			results, err = c.admin.DescribeConfigs(ctx, ask, within(ctx))
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("ask for the settings of the topics: %w", plain(err))
		}
		for _, r := range results {
			if r.Error.Code() != kafka.ErrNoError {
				return nil, fmt.Errorf("ask for the settings of topic %s: %w", r.Name, r.Error)
			}
			configs[r.Name] = r.Config
		}
	}
	var all []Difference
	for _, name := range Topics() {
		s, full := c.cfg.spec(name), c.cfg.Prefix+name
		t, ok := states[name]
		if !ok {
			all = append(all, Difference{Topic: full, Setting: topicSetting,
				Wanted: fmt.Sprintf("%d partitions, %s", s.partitions, s.config["cleanup.policy"])})
			continue
		}
		all = append(all, c.layout(full, s, t)...)
		for _, key := range slices.Sorted(maps.Keys(s.config)) {
			if is := configs[full][key].Value; is != s.config[key] {
				all = append(all, Difference{Topic: full, Setting: key, Is: is, Wanted: s.config[key]})
			}
		}
	}
	return all, nil
}

// layout compares what Correct cannot change: partitions and their copies.
func (c *Client) layout(full string, s topicSpec, t TopicState) (all []Difference) {
	if t.Partitions != s.partitions {
		all = append(all, Difference{Topic: full, Setting: partitionsSetting, Is: strconv.Itoa(t.Partitions), Wanted: strconv.Itoa(s.partitions),
			Remedy: fmt.Sprintf("symbols would change partition under their readers, and order and history would break: set kafka.partitions back to %d, "+
				"or choose another kafka.prefix and rebuild from the lake", t.Partitions)})
	}
	if c.cfg.Replication == 0 {
		return all
	}
	fewest, most := c.cfg.Replication, c.cfg.Replication
	for _, p := range t.Parts {
		fewest, most = min(fewest, len(p.Replicas)), max(most, len(p.Replicas))
	}
	if is := fewest; fewest != c.cfg.Replication || most != c.cfg.Replication {
		if fewest == c.cfg.Replication {
			is = most
		}
		all = append(all, Difference{Topic: full, Setting: replicationSetting, Is: strconv.Itoa(is), Wanted: strconv.Itoa(c.cfg.Replication),
			Remedy: "copies are moved by Kafka's own kafka-reassign-partitions.sh, while everything runs"})
	}
	return all
}

// Correct makes the topics of the differences that are missing and changes the
// settings that can be changed. With a partition count among them it changes
// nothing: ErrPartitions. What else it cannot change is the error after
// everything that it can has been changed.
func (c *Client) Correct(ctx context.Context, differences []Difference) error {
	var refused []error
	missing := false
	changes := make(map[string]*kafka.ConfigResource)
	for _, d := range differences {
		switch {
		case d.Setting == partitionsSetting:
			return fmt.Errorf("topic %s has %s partitions and %s are wanted: %w, and nothing was changed; %s", d.Topic, d.Is, d.Wanted, ErrPartitions, d.Remedy)
		case d.Setting == topicSetting:
			missing = true
		case d.Remedy != "":
			refused = append(refused, fmt.Errorf("topic %s: %s stays %s: %s", d.Topic, d.Setting, d.Is, d.Remedy))
		default:
			r := changes[d.Topic]
			if r == nil {
				r = &kafka.ConfigResource{Type: kafka.ResourceTopic, Name: d.Topic}
				changes[d.Topic] = r
			}
			r.Config = append(r.Config, kafka.ConfigEntry{Name: d.Setting, Value: d.Wanted, IncrementalOperation: kafka.AlterConfigOpTypeSet})
		}
	}
	if missing {
		if _, err := c.EnsureTopics(ctx); err != nil {
			return err
		}
	}
	if len(changes) > 0 {
		var ask []kafka.ConfigResource
		for _, name := range slices.Sorted(maps.Keys(changes)) {
			ask = append(ask, *changes[name])
		}
		var results []kafka.ConfigResourceResult
		err := c.patiently(ctx, func(ctx context.Context) (err error) {
			results, err = c.admin.IncrementalAlterConfigs(ctx, ask, within(ctx))
			return err
		})
		if err != nil {
			return fmt.Errorf("change the settings of the topics: %w", plain(err))
		}
		for _, r := range results {
			if r.Error.Code() != kafka.ErrNoError {
				refused = append(refused, fmt.Errorf("change the settings of topic %s: %w", r.Name, r.Error))
			}
		}
	}
	return errors.Join(refused...)
}
