package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"os"
	"strings"
	"time"

	"tapedeck/pipeline"
	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/market"
	"tapedeck/store"
	"tapedeck/store/athena"
	"tapedeck/store/lake"
)

// held is a data directory that this process runs the pipeline of: its lock,
// its log and its lake. A run of single stages beside another one on a real
// cluster needs no lock and has none.
type held struct {
	place  *place
	lock   *os.File
	broker *kafka.Broker // nil on a cluster
	log    *kafka.Client
	lake   *lake.Lake
	run    runFile
	slot   func() // releases the instance's name

	instance string
}

// hold takes the data directory and opens what the pipeline works with.
func (p *place) hold(ctx context.Context, c Config, logger *slog.Logger) (h *held, err error) {
	h = &held{place: p}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
		}
	}()
	if p.guest { // root, too: what it made there, the owner could not open
		return h, fmt.Errorf("run a pipeline on %s: %w: sudo systemctl start tapedeck, or choose another with --data DIR", p.dir, errNotMine)
	}
	if h.lock, err = p.lockPatiently(ctx, "pipeline.lock"); err != nil {
		if errors.Is(err, errBusy) {
			return h, fmt.Errorf("a pipeline runs on %s already: %w; attach to it with tapedeck, or stop it with tapedeck stop", p.dir, err)
		}
		return h, err
	}
	config := logConfig(c)
	if len(c.Kafka.Brokers) == 0 {
		if h.broker, err = kafka.OpenBroker(p.path("log"), kafka.BrokerConfig{Sync: c.Kafka.Sync, Log: logger}); err != nil {
			return h, err
		}
		config = h.broker.Config(config)
	}
	if h.instance, h.slot, err = kafka.SlotLock(p.path("slots")); err != nil {
		return h, err
	}
	if h.broker == nil { // others on the cluster have slots of their own
		h.instance = clusterInstance(h.instance, p.dir)
	}
	if h.log, err = kafka.Open(config, logger); err != nil {
		return h, err
	}
	if _, err = h.log.EnsureTopics(ctx); err != nil {
		return h, err
	}
	if h.lake, err = openLake(ctx, c, p, false, logger); err != nil {
		return h, err
	}
	h.run = runFile{Version: version, PID: os.Getpid(), Started: time.Now(), Feed: c.Feed, Brokers: config.Brokers,
		Prefix: c.prefix(), Lake: c.lakeLocation(p.dir)}
	if h.broker != nil {
		h.run.User, h.run.Password, h.run.Embedded, h.run.Disk = h.broker.User(), h.broker.Password(), true, p.path("log")
	}
	if err = p.writeJSON("run.json", h.run); err != nil {
		return h, err
	}
	return h, p.announce(c)
}

// clusterInstance is a slot's name that no other machine and no other data
// directory has, and that is the same after a restart.
func clusterInstance(slot, dir string) string {
	host, err := os.Hostname()
	if err != nil {
		host = "somewhere"
	}
	h := fnv.New32a()
	h.Write([]byte(dir))
	return fmt.Sprintf("%s-%08x-%s", host, h.Sum32(), slot)
}

// close ends in the reverse order of hold; the lock goes last.
func (h *held) close() error {
	var errs []error
	if h.lake != nil {
		errs = append(errs, h.lake.Close())
	}
	if h.log != nil {
		errs = append(errs, h.log.Close())
	}
	if h.slot != nil {
		h.slot()
	}
	if h.broker != nil {
		errs = append(errs, h.broker.Close())
	}
	if h.lock != nil {
		if h.run.PID != 0 {
			errs = append(errs, os.Remove(h.place.path("run.json")))
		}
		h.lock.Close()
	}
	return errors.Join(errs...)
}

// logConfig is how the log is reached, but for an embedded broker's address.
func logConfig(c Config) kafka.Config {
	config := kafka.DefaultConfig()
	config.Brokers = c.Kafka.Brokers
	config.Prefix = c.prefix()
	config.Partitions = c.Kafka.Partitions
	config.Replication = c.Kafka.Replication
	config.Retention = cmp.Or(c.Kafka.Retention, config.Retention)
	config.Security = kafka.Security{Protocol: strings.ToUpper(c.Kafka.Protocol), Mechanism: c.Kafka.Mechanism,
		Username: c.Kafka.Username, Password: c.Kafka.Password, CALocation: c.Kafka.CA}
	return config
}

// attach opens the log of a running pipeline.
func attach(c Config, run *runFile, logger *slog.Logger) (*kafka.Client, error) {
	config := logConfig(c)
	config.Prefix = run.Prefix
	if run.Embedded {
		config = kafka.EmbeddedConfig(config, run.Brokers[0], run.User, run.Password)
		config.Disk = run.Disk
	} else {
		config.Brokers = run.Brokers
	}
	return kafka.Open(config, logger)
}

// openLake opens the lake that is set. A reader goes on with what is cached
// when the lake is away.
func openLake(ctx context.Context, c Config, p *place, reader bool, logger *slog.Logger) (*lake.Lake, error) {
	location := c.lakeLocation(p.dir)
	return lake.Open(ctx, location, lake.Config{
		S3: lake.S3Config{Region: c.S3.Region, Endpoint: c.S3.Endpoint, PathStyle: c.S3.PathStyle,
			Encryption: noneIsEmpty(c.S3.SSE), KMSKey: c.S3.KMSKey, StorageClass: c.S3.Class},
		Compression: noneIsEmpty(c.Archive.RawForm), Cache: p.mine("cache"), CacheSize: int64(c.Cache.Size), Reader: reader,
		Temp: p.mine("tmp"),
	}, logger)
}

// noneIsEmpty is a setting as the lake knows it.
func noneIsEmpty(setting string) string {
	if setting == "none" {
		return ""
	}
	return setting
}

// openStore opens SQL over the lake and, where log is not nil, what it has beyond.
func openStore(ctx context.Context, c Config, p *place, l *lake.Lake, log *kafka.Client, logger *slog.Logger, files ...*store.FileTable) (*store.DB, error) {
	tables := athenaTables()
	for _, f := range files {
		t := athena.Table{Name: f.Name}
		for _, c := range f.Columns {
			t.Columns = append(t.Columns, athena.Column{Name: c.Name, Type: c.Type})
		}
		tables = append(tables, t)
	}
	translator, err := athena.New(tables)
	if err != nil {
		return nil, err
	}
	config := store.Config{
		Rewriter: translator, Setup: athena.Setup(), Connect: athena.Register,
		Lake: l, Files: files, MemoryLimit: c.SQL.Memory.String(), TempLimit: c.SQL.Temp.String(),
		Threads: c.SQL.Threads, TempDir: p.mine("tmp"), Timeout: c.SQL.Timeout,
	}
	if log != nil {
		config.Log = logTail{log}
	}
	return store.Open(ctx, config, logger)
}

// logTail shows the log to the store.
type logTail struct{ log *kafka.Client }

// Ends are the offsets after the last record of each partition.
func (t logTail) Ends(ctx context.Context, table string) (map[int32]int64, error) {
	ranges, err := t.log.Offsets(ctx, lake.TableOf(table).Topic)
	if err != nil {
		return nil, err
	}
	ends := map[int32]int64{}
	for partition, r := range ranges {
		ends[int32(partition)] = r.High
	}
	return ends, nil
}

// Read hands on the records of a partition from one offset to another.
func (t logTail) Read(ctx context.Context, table string, partition int32, from, to int64,
	fn func(offset int64, produced market.Time, key, value []byte) error) error {
	return t.log.Read(ctx, lake.TableOf(table).Topic, partition, from, to, func(records []kafka.Record) error {
		for i := range records {
			if err := fn(records[i].Offset, records[i].Time, records[i].Key, records[i].Value); err != nil {
				return err
			}
		}
		return nil
	})
}

// archive shows the lake to the pipeline.
type archive struct {
	lake  *lake.Lake
	log   *kafka.Client
	ahead time.Duration // how far back the cache is filled ahead of any question
}

// Open finds the end of a partition's chain.
func (a archive) Open(ctx context.Context, table, topicID string, partition int32) (pipeline.Chain, int64, error) {
	return a.lake.OpenPartition(ctx, table, topicID, partition)
}

// Tidy seals and publishes the hours that have ended, merges what is new into
// the processed files, and clears what has been replaced for long enough.
func (a archive) Tidy(ctx context.Context) ([]string, error) {
	ends, err := logTail{a.log}.Ends(ctx, lake.Ticks)
	if err != nil {
		return nil, err
	}
	if _, err := a.lake.Seal(ctx, market.At(time.Now()), ends); err != nil {
		return nil, err
	}
	hours, err := a.lake.Publish(ctx)
	if err != nil {
		return nil, err
	}
	var done []string
	for _, hour := range hours {
		done = append(done, "hour "+hour.String()+" published")
	}
	for _, table := range lake.Tables() {
		if _, err := a.lake.Merge(ctx, table.Name); err != nil {
			return done, err
		}
		if _, err := a.lake.Clear(ctx, table.Name); err != nil {
			return done, err
		}
	}
	if a.ahead > 0 {
		_, err = a.lake.Prefetch(ctx, market.At(time.Now().Add(-a.ahead)), lake.Bars, lake.Features)
	}
	return done, err
}

// discard is a logger for commands that have nothing to log.
func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
