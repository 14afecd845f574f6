package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// requestTimeout bounds one question to the cluster.
const requestTimeout = 10 * time.Second

// Client is a connection to the log, safe for concurrent use. Producers,
// groups, followers and reads each add connections of their own.
type Client struct {
	cfg        Config
	log        *slog.Logger
	base       *kafka.Producer // carries admin; nothing is produced with it
	admin      *kafka.AdminClient
	partitions sync.Map     // topic → int
	statistics sync.Map     // name of a librdkafka client → Statistics
	producers  atomic.Int32 // opened so far
	health     *health
	logs       chan kafka.LogEvent
	readers    readerPool
	batches    sync.Pool // of *batch
	wait       sync.WaitGroup
	asking     sync.RWMutex    // held by who asks admin something
	life       context.Context // ends when Close begins
	end        context.CancelFunc
	done       chan struct{}
	closing    sync.Once
}

// Open makes a client. It does not wait for a broker: see Ping.
func Open(cfg Config, log *slog.Logger) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &Client{
		cfg:  cfg,
		log:  log,
		logs: make(chan kafka.LogEvent, 1000),
		done: make(chan struct{}),
	}
	c.life, c.end = context.WithCancel(context.Background())
	c.health = newHealth(cfg.OnTrouble, log, c.Ping, c.lost)
	c.readers.client = c
	m := cfg.common()
	delete(m, "allow.auto.create.topics") // a consumer's
	m["go.events.channel.size"] = 64
	m["go.produce.channel.size"] = 1
	base, err := kafka.NewProducer(c.logging(m))
	if err != nil {
		return nil, fmt.Errorf("open log client: %w", err)
	}
	c.base = base
	if c.admin, err = kafka.NewAdminClientFromProducer(base); err != nil {
		base.Close()
		return nil, fmt.Errorf("open log client: %w", err)
	}
	c.wait.Go(func() { c.forwardLogs() })
	c.wait.Go(func() { c.watchEvents(base.Events()) })
	return c, nil
}

// Close ends the client. Producers, groups and followers end before it.
func (c *Client) Close() error {
	c.closing.Do(func() {
		c.end()
		c.health.close()
		c.readers.close()
		c.asking.Lock()
		defer c.asking.Unlock()
		c.admin.Close()
		c.base.Close()
		close(c.done)
		c.wait.Wait()
	})
	return nil
}

// Config is what the client was opened with.
func (c *Client) Config() Config { return c.cfg }

// Trouble says in a sentence what is wrong with the connection, or with the
// disk of the embedded broker; empty when nothing is known to be.
func (c *Client) Trouble() string {
	if c.cfg.Disk != "" {
		if free, size, err := freeSpace(c.cfg.Disk); err == nil && free < reserve(size) {
			return diskFullWords
		}
	}
	return c.health.sentence()
}

// Ping asks the cluster for a sign of life.
func (c *Client) Ping(ctx context.Context) error {
	err := c.patiently(ctx, func(ctx context.Context) error {
		_, err := c.admin.DescribeCluster(ctx, within(ctx))
		return err
	})
	if err == nil {
		return nil
	}
	err = plain(err)
	if why := c.health.sentence(); why != "" { // "no answer in time" is all that the question itself knows
		err = &plainError{strings.Replace(why, ", retrying", "", 1), err}
	}
	return fmt.Errorf("ask %s for a sign of life: %w", strings.Join(c.cfg.Brokers, ","), err)
}

// lost tells whether the cluster counts on a broker that nobody here can reach:
// one that it has given up itself is not lost, but away (see Describe).
func (c *Client) lost(ctx context.Context, addr string) bool {
	m, err := c.admin.GetMetadata(nil, true, int(firstAnswer.Milliseconds()))
	if err != nil {
		return true
	}
	counted := slices.ContainsFunc(m.Brokers, func(b kafka.BrokerMetadata) bool {
		return net.JoinHostPort(b.Host, strconv.Itoa(b.Port)) == addr
	})
	if !counted {
		return false
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return true
	}
	return conn.Close() != nil
}

// watchEvents hands a librdkafka client's errors to the health of the
// connection until the client closes.
func (c *Client) watchEvents(events <-chan kafka.Event) {
	for ev := range events {
		if err, ok := ev.(kafka.Error); ok {
			c.health.report(err)
		}
	}
}

// logging adds to a client's settings that it logs to forwardLogs.
func (c *Client) logging(m kafka.ConfigMap) *kafka.ConfigMap {
	m["go.logs.channel.enable"] = true
	m["go.logs.channel"] = c.logs
	return &m
}

// forwardLogs writes librdkafka's log lines to ours.
func (c *Client) forwardLogs() {
	for {
		select {
		case l := <-c.logs:
			c.log.Log(context.Background(), logLevel(l), "kafka: "+l.Message, "client", l.Name, "tag", l.Tag)
		case <-c.done:
			return
		}
	}
}

// logLevel maps syslog's levels. A lost connection is an error to librdkafka
// and ordinary to us: health says it once, in words.
func logLevel(l kafka.LogEvent) slog.Level {
	switch {
	case l.Tag == "FAIL" || l.Tag == "ERROR" || l.Level >= 6:
		return slog.LevelDebug
	case l.Level <= 3:
		return slog.LevelError
	default:
		return slog.LevelWarn
	}
}

// sleep waits for d or until ctx ends, whose error it then returns.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// isCode tells whether err is librdkafka's error of this code.
func isCode(err error, code kafka.ErrorCode) bool {
	e, ok := errors.AsType[kafka.Error](err)
	return ok && e.Code() == code
}
