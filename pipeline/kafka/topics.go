package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// The topics, without their prefix.
const (
	Ticks       = "ticks"
	Bars        = "bars"
	Features    = "features"
	Alerts      = "alerts"
	Predictions = "predictions"
	DeadLetters = "dead-letters"
	Rules       = "rules"
	State       = "state"
	Feeds       = "feeds"
	Status      = "status"
)

// Topics lists them all.
func Topics() []string {
	return []string{Ticks, Bars, Features, Alerts, Predictions, DeadLetters, Rules, State, Feeds, Status}
}

// Topic is what the log knows of one of its topics.
type Topic struct {
	Name       string // without the prefix
	ID         string // changes when a topic is deleted and made again; empty when the cluster has no topic ids
	Partitions int
	Created    bool // by this call
}

// topicSpec is how a topic is made.
type topicSpec struct {
	name       string
	partitions int
	maxBytes   int
	compacted  bool // by key, on a cluster: so every record needs one
	config     map[string]string
}

// spec is how the topic of this name is made under c.
func (c Config) spec(name string) topicSpec {
	s := topicSpec{name: name, partitions: c.Partitions, maxBytes: recordMaxBytes}
	retention, maxBytes, policy := c.Retention.Milliseconds(), c.MaxBytes, "delete"
	switch name {
	case Rules, State:
		s.maxBytes, s.compacted = StateMaxBytes, true
		policy, retention, maxBytes = "compact", -1, -1
	case Feeds:
		s.partitions = 1
	case Status:
		s.partitions = 1
		retention = min(retention, time.Hour.Milliseconds())
	}
	s.config = map[string]string{}
	if c.Embedded {
		// The embedded broker compacts by deleting a partition and writing it
		// again, and forgets the offsets of a partition that retention has
		// emptied; a kill -9 at the wrong moment would lose rules or begin at
		// offset 0. So there it neither compacts nor expires: see Client.Trim.
		policy, retention, maxBytes = "delete", -1, -1
		s.config["segment.bytes"] = strconv.Itoa(32 << 20)
	} else if n := c.minInSync(); n > 0 {
		s.config["min.insync.replicas"] = strconv.Itoa(n)
	}
	s.config["cleanup.policy"] = policy
	s.config["retention.ms"] = strconv.FormatInt(retention, 10)
	s.config["retention.bytes"] = strconv.FormatInt(maxBytes, 10)
	s.config["compression.type"] = "producer"
	// The limit is on a batch, which is larger than its record.
	s.config["max.message.bytes"] = strconv.Itoa(s.maxBytes + 64<<10)
	if policy == "compact" {
		s.config["segment.ms"] = strconv.FormatInt(time.Hour.Milliseconds(), 10) // the active segment is never compacted
		s.config["min.cleanable.dirty.ratio"] = "0.2"
	}
	return s
}

// minInSync is MinInSync, or one copy less than three or more copies: one
// broker may be away, and what is acknowledged survives the loss of another.
func (c Config) minInSync() int {
	if c.MinInSync == 0 && c.Replication >= 3 {
		return c.Replication - 1
	}
	return c.MinInSync
}

// EnsureTopics makes the topics that are missing, with their settings, and
// returns all of them in the order of Topics. Topics that exist are left as
// they are; ErrPartitions when one has another partition count, since keys
// would change partition under their readers.
func (c *Client) EnsureTopics(ctx context.Context) ([]Topic, error) {
	have, err := c.describeTopics(ctx, Topics())
	if err != nil {
		return nil, fmt.Errorf("look for the topics: %w", plain(err))
	}
	var missing []kafka.TopicSpecification
	for _, name := range Topics() {
		s := c.cfg.spec(name)
		t, ok := have[name]
		if !ok {
			replication := c.cfg.Replication
			if replication == 0 {
				replication = -1
			}
			missing = append(missing, kafka.TopicSpecification{
				Topic: c.cfg.Prefix + name, NumPartitions: s.partitions, ReplicationFactor: replication, Config: s.config,
			})
			continue
		}
		if t.Partitions != s.partitions {
			return nil, fmt.Errorf("topic %s has %d partitions and the configuration says %d: %w; set kafka.partitions to %d, "+
				"or choose a new kafka.prefix and rebuild from the lake",
				c.cfg.Prefix+name, t.Partitions, s.partitions, ErrPartitions, t.Partitions)
		}
	}
	if len(missing) > 0 {
		results, err := c.admin.CreateTopics(ctx, missing, kafka.SetAdminOperationTimeout(30*time.Second))
		if err != nil {
			return nil, fmt.Errorf("create topics: %w", plain(err))
		}
		for _, r := range results {
			if r.Error.Code() != kafka.ErrNoError && r.Error.Code() != kafka.ErrTopicAlreadyExists {
				return nil, fmt.Errorf("create topic %s: %w", r.Topic, r.Error)
			}
		}
		if have, err = c.awaitTopics(ctx, len(Topics())); err != nil {
			return nil, err
		}
		for _, m := range missing {
			name := m.Topic[len(c.cfg.Prefix):]
			t := have[name]
			if t.Partitions != m.NumPartitions { // another process made it meanwhile
				return nil, fmt.Errorf("topic %s has %d partitions and the configuration says %d: %w",
					m.Topic, t.Partitions, m.NumPartitions, ErrPartitions)
			}
			t.Created = true
			have[name] = t
		}
	}
	topics := make([]Topic, 0, len(have))
	for _, name := range Topics() {
		topics = append(topics, have[name])
	}
	return topics, nil
}

// awaitTopics waits until the cluster shows n of our topics: it answers before
// every broker knows of a new one.
func (c *Client) awaitTopics(ctx context.Context, n int) (map[string]Topic, error) {
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, 500*time.Millisecond) {
		have, err := c.describeTopics(ctx, Topics())
		if err != nil {
			return nil, fmt.Errorf("wait for new topics: %w", err)
		}
		if len(have) == n {
			return have, nil
		}
		if err := sleep(ctx, wait); err != nil {
			return nil, fmt.Errorf("wait for new topics: %w", err)
		}
	}
}

// describeTopics returns those of names that exist.
func (c *Client) describeTopics(ctx context.Context, names []string) (map[string]Topic, error) {
	full := make([]string, len(names))
	for i, name := range names {
		full[i] = c.cfg.Prefix + name
	}
	var result kafka.DescribeTopicsResult
	err := c.patiently(ctx, func(ctx context.Context) (err error) {
		result, err = c.admin.DescribeTopics(ctx, kafka.NewTopicCollectionOfTopicNames(full), within(ctx))
		return err
	})
	if err != nil {
		return nil, err
	}
	topics := make(map[string]Topic, len(names))
	for _, d := range result.TopicDescriptions {
		switch d.Error.Code() {
		case kafka.ErrUnknownTopicOrPart, kafka.ErrUnknownTopic:
			continue
		case kafka.ErrNoError:
		default:
			return nil, fmt.Errorf("topic %s: %w", d.Name, d.Error)
		}
		name := d.Name[len(c.cfg.Prefix):]
		id := textID.Replace(d.TopicID.String())
		if id == zeroTopicID {
			id = ""
		}
		topics[name] = Topic{Name: name, ID: id, Partitions: len(d.Partitions)}
		c.partitions.Store(name, len(d.Partitions))
	}
	return topics, nil
}

// zeroTopicID is how the client writes the id of a topic without one.
const zeroTopicID = "AAAAAAAAAAAAAAAAAAAAAA"

// settleTime is how long a broker may not know of a topic that another one has shown.
const settleTime = 5 * time.Second

// TopicID is the id of a topic: another one means another log under the old
// name. ErrUnknownTopic when there is none: at once, or, where this client has
// seen it, after the time in which every broker hears of a new topic.
func (c *Client) TopicID(ctx context.Context, topic string) (string, error) {
	_, seen := c.partitions.Load(topic)
	for end, wait := time.Now().Add(settleTime), 10*time.Millisecond; ; wait = min(2*wait, 500*time.Millisecond) {
		topics, err := c.describeTopics(ctx, []string{topic})
		if err != nil {
			return "", fmt.Errorf("look up topic %s: %w", topic, plain(err))
		}
		if t, ok := topics[topic]; ok {
			return t.ID, nil
		}
		if !seen || time.Now().After(end) {
			return "", fmt.Errorf("%w: %s", ErrUnknownTopic, c.cfg.Prefix+topic)
		}
		if err := sleep(ctx, wait); err != nil {
			return "", fmt.Errorf("look up topic %s: %w", topic, err)
		}
	}
}

// Partitions is how many partitions a topic has. It is asked of the cluster
// once and never changes.
func (c *Client) Partitions(ctx context.Context, topic string) (int, error) {
	if n, ok := c.partitions.Load(topic); ok {
		return n.(int), nil
	}
	topics, err := c.describeTopics(ctx, []string{topic})
	if err != nil {
		return 0, fmt.Errorf("look up topic %s: %w", topic, plain(err))
	}
	t, ok := topics[topic]
	if !ok {
		return 0, fmt.Errorf("%w: %s", ErrUnknownTopic, c.cfg.Prefix+topic)
	}
	return t.Partitions, nil
}

// Range is what a partition holds: offsets from Low up to, not including, High.
type Range struct{ Low, High int64 }

// Offsets returns what each partition of a topic holds, by partition. While a
// partition changes its leader it waits for the new one, some seconds at most.
func (c *Client) Offsets(ctx context.Context, topic string) ([]Range, error) {
	n, err := c.Partitions(ctx, topic)
	if err != nil {
		return nil, err
	}
	var ranges []Range
	err = c.patiently(ctx, func(ctx context.Context) (err error) {
		ranges, err = c.offsets(ctx, topic, n)
		return err
	})
	return ranges, err
}

// firstAnswer is how long the first try of a question waits; each later one
// waits a quarter longer than the one before.
const firstAnswer = time.Second

// patiently asks the cluster again while the answer is an error that ends by
// itself, or there is none, for as long as one question may take.
//
// librdkafka sends a question to the broker that it knows as the controller or
// as a partition's leader. When that broker is killed, it waits for its return
// and does not find out by itself that another one has taken over: so before
// each further try the cluster is asked who leads.
func (c *Client) patiently(ctx context.Context, ask func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)()
	c.asking.RLock() // until then the connection stays
	defer c.asking.RUnlock()
	if c.life.Err() != nil {
		return ErrClosed
	}
	answer := firstAnswer
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, 500*time.Millisecond) {
		try, end := context.WithTimeout(ctx, answer)
		err := ask(try)
		late := try.Err() != nil || isCode(err, kafka.ErrTimedOut)
		end()
		if err == nil || !late && !settling(err) {
			return err
		}
		if sleep(ctx, wait) != nil {
			return c.silence(err)
		}
		if late {
			answer += answer / 4
		}
		// Whether it answers this or not, the question is asked again.
		_, _ = c.admin.GetMetadata(nil, true, int(firstAnswer.Milliseconds()))
	}
}

// silence says why there was no answer, where that is known.
func (c *Client) silence(err error) error {
	if c.life.Err() != nil {
		return ErrClosed
	}
	words := strings.TrimSuffix(c.health.sentence(), ", retrying")
	return &plainError{words: cmp.Or(words, ErrNoAnswer.Error()), cause: errors.Join(ErrNoAnswer, err)}
}

// within bounds a question to the cluster by its context, so that librdkafka
// does not go on with one whose asker has gone.
func within(ctx context.Context) kafka.AdminOptionRequestTimeout {
	return kafka.SetAdminRequestTimeout(left(ctx))
}

// left is how long a question may take that ctx bounds.
func left(ctx context.Context) time.Duration {
	end, ok := ctx.Deadline()
	if !ok {
		return requestTimeout
	}
	return min(requestTimeout, max(time.Until(end), time.Millisecond))
}

// settling tells whether err ends by itself: a partition has a leader again, or
// the question goes to another broker than the one that has just gone.
func settling(err error) bool {
	for _, code := range []kafka.ErrorCode{kafka.ErrNotLeaderForPartition, kafka.ErrLeaderNotAvailable, kafka.ErrReplicaNotAvailable,
		kafka.ErrUnknownTopicOrPart, kafka.ErrFencedLeaderEpoch, kafka.ErrUnknownLeaderEpoch, kafka.ErrOffsetNotAvailable,
		kafka.ErrNotCoordinator, kafka.ErrCoordinatorNotAvailable, kafka.ErrCoordinatorLoadInProgress,
		kafka.ErrDestroy, kafka.ErrTransport} {
		if isCode(err, code) {
			return true
		}
	}
	return false
}

func (c *Client) offsets(ctx context.Context, topic string, n int) ([]Range, error) {
	ranges := make([]Range, n)
	name := c.cfg.Prefix + topic
	for _, spec := range []kafka.OffsetSpec{kafka.EarliestOffsetSpec, kafka.LatestOffsetSpec} {
		ask := make(map[kafka.TopicPartition]kafka.OffsetSpec, n)
		for p := range n {
			ask[kafka.TopicPartition{Topic: &name, Partition: int32(p)}] = spec
		}
		result, err := c.admin.ListOffsets(ctx, ask, within(ctx))
		if err != nil {
			return nil, fmt.Errorf("ask for the offsets of %s: %w", topic, plain(err))
		}
		for tp, info := range result.ResultInfos {
			if info.Error.Code() != kafka.ErrNoError {
				return nil, fmt.Errorf("ask for the offsets of %s partition %d: %w", topic, tp.Partition, info.Error)
			}
			if info.Offset < 0 { // no error, and no answer: its broker has gone meanwhile
				return nil, fmt.Errorf("ask for the offsets of %s partition %d: %w", topic, tp.Partition,
					kafka.NewError(kafka.ErrLeaderNotAvailable, "no answer", false))
			}
			if spec == kafka.EarliestOffsetSpec {
				ranges[tp.Partition].Low = int64(info.Offset)
			} else {
				ranges[tp.Partition].High = int64(info.Offset)
			}
		}
	}
	return ranges, nil
}

// Committed is how far a group has come with a topic, by partition: the offset
// after the last record that it has committed, -1 where it has none.
func (c *Client) Committed(ctx context.Context, group, topic string) ([]int64, error) {
	entries, err := c.Ledger(ctx, group, topic)
	if err != nil {
		return nil, err
	}
	offsets := make([]int64, len(entries))
	for i := range entries {
		offsets[i] = entries[i].Offset
	}
	return offsets, nil
}

// LedgerEntry is what a group has committed of a partition.
type LedgerEntry struct {
	Offset int64  // after the last record; -1 where nothing was committed
	Note   string // that a Bookkeeper put beside it
}

// Ledger is what a group has committed of a topic, by partition.
func (c *Client) Ledger(ctx context.Context, group, topic string) ([]LedgerEntry, error) {
	n, err := c.Partitions(ctx, topic)
	if err != nil {
		return nil, err
	}
	name := c.cfg.Prefix + topic
	ask := make([]kafka.TopicPartition, n)
	entries := make([]LedgerEntry, n)
	for p := range n {
		entries[p].Offset = -1
		ask[p] = kafka.TopicPartition{Topic: &name, Partition: int32(p)}
	}
	// Not by the admin client: it has no group of its own, and librdkafka then
	// follows a null pointer when the group's coordinator has just moved
	// (confluent-kafka-javascript issue 374). A consumer that joins nothing asks as well.
	asker, err := kafka.NewConsumer(c.logging(c.cfg.consuming(c.cfg.Prefix + group)))
	if err != nil {
		return nil, fmt.Errorf("ask how far group %s is: %w", group, plain(err))
	}
	defer asker.Close()
	var committed []kafka.TopicPartition
	err = c.patiently(ctx, func(ctx context.Context) (err error) {
		committed, err = asker.Committed(ask, int(left(ctx).Milliseconds()))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ask how far group %s is: %w", group, plain(err))
	}
	for _, tp := range committed {
		if tp.Error != nil {
			return nil, fmt.Errorf("ask how far group %s is with %s partition %d: %w", group, topic, tp.Partition, tp.Error)
		}
		if tp.Offset >= 0 {
			entries[tp.Partition].Offset = int64(tp.Offset)
			if tp.Metadata != nil {
				entries[tp.Partition].Note = *tp.Metadata
			}
		}
	}
	return entries, nil
}

// Trim lets the records of a topic below the given offsets, by partition, go.
// A partition keeps its last record, so that its offsets go on after it; what
// has gone already is no error. On the embedded broker disk space comes back in
// steps of a segment, and a crash may bring some of the records back.
func (c *Client) Trim(ctx context.Context, topic string, below map[int32]int64) error {
	ranges, err := c.Offsets(ctx, topic)
	if err != nil {
		return err
	}
	name := c.cfg.Prefix + topic
	var ask []kafka.TopicPartition
	for p, offset := range below {
		if int(p) >= len(ranges) || p < 0 {
			return fmt.Errorf("trim %s: it has no partition %d", topic, p)
		}
		r := ranges[p]
		if offset = min(offset, r.High-1); offset > r.Low {
			ask = append(ask, kafka.TopicPartition{Topic: &name, Partition: p, Offset: kafka.Offset(offset)})
		}
	}
	if len(ask) == 0 {
		return nil
	}
	var result kafka.DeleteRecordsResults
	err = c.patiently(ctx, func(ctx context.Context) (err error) {
		result, err = c.admin.DeleteRecords(ctx, ask, within(ctx))
		return err
	})
	if err != nil {
		return fmt.Errorf("trim %s: %w", topic, err)
	}
	var errs []error
	for _, r := range result.DeleteRecordsResults {
		if r.TopicPartition.Error != nil {
			errs = append(errs, fmt.Errorf("trim %s partition %d: %w", topic, r.TopicPartition.Partition, r.TopicPartition.Error))
		}
	}
	return errors.Join(errs...)
}

// textID turns the client's form of a topic id into Kafka's own, which is safe in paths.
var textID = strings.NewReplacer("+", "-", "/", "_")
