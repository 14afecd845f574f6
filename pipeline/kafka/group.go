package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// Worker does a stage's work on one partition. Its methods are called from one
// goroutine; records are valid during the call.
type Worker interface {
	// Start says where to read from: an offset, or Beginning, End, Committed.
	// An offset that the log no longer has means the oldest record that it has.
	Start(ctx context.Context) (offset int64, err error)
	// Process takes records in order, 2,000 at most. It returns soon after ctx
	// ends: nothing else of the group moves before it has.
	Process(ctx context.Context, recs []Record) error
	// Idle is called every Interval in which nothing came. end is the
	// partition's log end as the last fetch saw it, -1 before the first.
	Idle(ctx context.Context, end int64) error
	// Stop is called once after each Start that succeeded: the partition goes
	// to another process, this one ends, or Process or Idle failed. Its ctx
	// allows StopTimeout. When it returns, the next owner may start.
	Stop(ctx context.Context) error
}

// Bookkeeper is a Worker that notes its progress in the midst of a call, in a
// group with a Ledger.
type Bookkeeper interface {
	Worker
	// Keep is called after Start, before the first record. commit notes an
	// offset with some words of up to NoteLimit bytes, and returns when that is
	// done. It may be called from any goroutine, but only while a Process of
	// this worker has not returned.
	Keep(commit func(offset int64, note string) error)
	// Note is what stands beside an offset that the group commits: where the
	// worker starts, and after each Process.
	Note(offset int64) string
}

// NoteLimit is how long a note beside a committed offset may be, in bytes; the
// default limit of Kafka's brokers is 4,096.
const NoteLimit = 4000

// StopTimeout is how long a worker has to stop.
const StopTimeout = 10 * time.Second

// GroupConfig says which group reads which topic, and how.
type GroupConfig struct {
	Name     string        // of the group; the prefix is put before it
	Topic    string        // without its prefix
	Instance string        // this process's name in the group; empty is Config.Instance
	Interval time.Duration // of Idle; 0 is 100 ms

	// Ledger makes the committed offset a ledger: where a worker starts and each
	// Process are committed before anything follows. A worker that goes on at
	// Committed so sees again, after a crash, what its last call had at most; a
	// Bookkeeper can note more than that.
	Ledger bool

	// OnError is told when a worker failed and will be started again after a
	// pause. It may be called from several goroutines. Nil logs.
	OnError func(partition int32, err error)
	// OnAssign is told which partitions this process has now. Nil is allowed.
	OnAssign func(partitions []int32)
}

// RunGroup shares a topic's partitions with every process that runs the same
// group and runs a worker on each of its own, until ctx ends; then it stops
// them all and returns ctx's error. A worker that fails is made anew and
// started again, with growing pauses, while the others go on. What a worker has
// processed is committed, for others to see how far it is, and for Committed.
//
// A slow worker holds up only its own partition, which reads ahead 4 MB at most.
// With an instance name a process that comes back within the session timeout of
// 6 s has its partitions at once and nobody else notices; when it does not come
// back, or has no name, the others take over. ErrFenced: another process runs
// under the same name.
func (c *Client) RunGroup(ctx context.Context, g GroupConfig, newWorker func(partition int32) Worker) error {
	if g.Interval <= 0 {
		g.Interval = 100 * time.Millisecond
	}
	if g.Instance == "" {
		g.Instance = c.cfg.Instance
	}
	if g.OnError == nil {
		g.OnError = func(partition int32, err error) {
			c.log.Error("kafka: worker failed, starting it again", "group", g.Name, "topic", g.Topic, "partition", partition, "err", err)
		}
	}
	m := c.cfg.consuming(c.cfg.Prefix + g.Name)
	m["partition.assignment.strategy"] = "cooperative-sticky" // others keep working while partitions move
	m["session.timeout.ms"] = int(minSessionTimeout.Milliseconds())
	m["heartbeat.interval.ms"] = 300 // so soon do the others notice that partitions move
	m["enable.auto.commit"] = true   // of what is stored after it was processed
	m["auto.commit.interval.ms"] = 1000
	m["statistics.interval.ms"] = c.cfg.counting()
	if g.Instance != "" {
		m["group.instance.id"] = g.Instance
	}
	kc, err := kafka.NewConsumer(c.logging(m))
	if err != nil {
		return fmt.Errorf("join group %s: %w", g.Name, err)
	}
	rk, err := handleOf(kc)
	if err != nil {
		return errors.Join(fmt.Errorf("join group %s: %w", g.Name, err), kc.Close())
	}
	waker, err := rk.consumerEvents()
	if err != nil {
		return errors.Join(fmt.Errorf("join group %s: %w", g.Name, err), kc.Close())
	}
	gr := &group{
		client: c, cfg: g, kc: kc, rk: rk, waker: waker, topic: c.cfg.Prefix + g.Topic,
		newWorker: newWorker, members: make(map[int32]*member),
	}
	gr.ctx, gr.cancel = context.WithCancel(ctx)
	err = gr.run()
	c.statistics.Delete(g.Name)
	gr.cancel()
	gr.stop(gr.all())
	for _, m := range gr.members {
		m.closeQueue()
	}
	waker.close()
	if gr.fatal {
		// librdkafka does not close a consumer that failed for good, and
		// confluent-kafka-go's Close would wait for it for ever: it stays
		// behind, reading nothing, until the process ends.
		return errors.Join(err, kc.Unassign())
	}
	if cerr := kc.Close(); cerr != nil {
		err = errors.Join(err, fmt.Errorf("leave group %s: %w", g.Name, cerr))
	}
	return err
}

// group is one run of RunGroup. Its fields are its goroutine's alone; the
// members' goroutines get what they need in their member.
type group struct {
	client    *Client
	cfg       GroupConfig
	kc        *kafka.Consumer
	rk        rdkafka
	waker     *waker
	topic     string // with prefix
	newWorker func(int32) Worker
	ctx       context.Context // of this run
	cancel    context.CancelFunc
	members   map[int32]*member // by partition
	fatal     bool              // librdkafka's consumer has failed for good
}

func (g *group) run() error {
	if err := g.kc.Subscribe(g.topic, g.rebalance); err != nil {
		return fmt.Errorf("join group %s: %w", g.cfg.Name, err)
	}
	return g.waker.serve(g.ctx, func() error {
		for ev := g.kc.Poll(0); ev != nil && g.ctx.Err() == nil; ev = g.kc.Poll(0) {
			if err := g.handle(ev); err != nil {
				return err
			}
		}
		return nil
	})
}

// handle takes in one event of the consumer's that is no rebalance.
func (g *group) handle(ev kafka.Event) error {
	if counted, ok := ev.(*kafka.Stats); ok {
		g.client.count(g.cfg.Name, []byte(counted.String()))
	}
	err, ok := ev.(kafka.Error)
	if !ok {
		return nil
	}
	g.fatal = g.fatal || err.IsFatal()
	switch {
	case err.Code() == kafka.ErrFencedInstanceID:
		return fmt.Errorf("group %s, instance %q: %w", g.cfg.Name, g.cfg.Instance, ErrFenced)
	case err.IsFatal():
		return fmt.Errorf("group %s: %w", g.cfg.Name, err)
	case err.Code() == kafka.ErrUnknownTopicOrPart:
		g.client.log.Warn("kafka: topic missing, waiting for it", "group", g.cfg.Name, "topic", g.topic)
	default:
		g.client.health.report(err)
	}
	return nil
}

// rebalance takes over and gives up partitions. librdkafka waits for it, and
// with it the group: so it only begins workers, but ends them before it returns.
func (g *group) rebalance(kc *kafka.Consumer, ev kafka.Event) error {
	switch e := ev.(type) {
	case kafka.AssignedPartitions:
		// Each member assigns its partition itself when its worker knows where to read.
		err := kc.IncrementalAssign(nil)
		for _, tp := range e.Partitions {
			g.begin(tp.Partition)
		}
		g.tellAssigned()
		return err
	case kafka.RevokedPartitions:
		var partitions []int32
		for _, tp := range e.Partitions {
			partitions = append(partitions, tp.Partition)
		}
		g.stop(partitions)
		var assigned []kafka.TopicPartition
		for _, p := range partitions {
			if m := g.members[p]; m != nil && m.assigned {
				assigned = append(assigned, kafka.TopicPartition{Topic: &g.topic, Partition: p})
			}
		}
		err := kc.IncrementalUnassign(assigned)
		for _, p := range partitions {
			if m := g.members[p]; m != nil {
				m.closeQueue()
				delete(g.members, p)
			}
		}
		g.tellAssigned()
		return err
	}
	return nil
}

func (g *group) all() []int32 {
	var partitions []int32
	for p := range g.members {
		partitions = append(partitions, p)
	}
	return partitions
}

func (g *group) tellAssigned() {
	if g.cfg.OnAssign != nil {
		g.cfg.OnAssign(g.all())
	}
}

// begin starts a member for a partition.
func (g *group) begin(partition int32) {
	if g.members[partition] != nil || g.ctx.Err() != nil {
		return
	}
	q, err := g.rk.partitionQueue(g.topic, partition)
	if err != nil {
		g.cfg.OnError(partition, err)
		return
	}
	m := &member{group: g, partition: partition, queue: q, done: make(chan struct{})}
	ctx, cancel := context.WithCancel(g.ctx)
	m.cancel = cancel
	g.members[partition] = m
	go func() {
		defer close(m.done)
		m.run(ctx)
	}()
}

// stop ends the members of partitions and waits for them.
func (g *group) stop(partitions []int32) {
	var wait sync.WaitGroup
	for _, p := range partitions {
		if m := g.members[p]; m != nil {
			m.cancel()
			wait.Go(func() { <-m.done })
		}
	}
	wait.Wait()
}
