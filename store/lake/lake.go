package lake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Config is how a lake is reached and written. The zero value is ready for a
// directory.
type Config struct {
	S3 S3Config
	// Cache is the directory of local copies of S3 objects; empty is a
	// folder tapedeck-lake in the user's cache directory. Unused for a directory.
	Cache string
	// CacheSize bounds the copies, in bytes; 0 is 10 GB.
	CacheSize int64
	// Reader is for those who only read: when the bucket is away they go on
	// with what is kept here. A writer must know the truth or wait.
	Reader bool
	// Grace is how long what was merged or published is kept for queries that
	// began before; it must be longer than the longest query. 0 is 15 minutes.
	Grace time.Duration
	// Compression of raw/…/data.csv: "" for none (the name stays data.csv),
	// gzip (data.csv.gz) or zstd (data.csv.zst).
	Compression string
	// Temp is where merges put temporary files; empty is the system's.
	Temp string
	// MergeMemory bounds a merge, as DuckDB writes it; empty is 256MB.
	MergeMemory string
}

// Validate says which value is wrong, and what is allowed.
func (c Config) Validate() error {
	if c.Grace < 0 {
		return fmt.Errorf("grace is negative")
	}
	if c.CacheSize < 0 {
		return fmt.Errorf("the cache's size is negative")
	}
	switch c.Compression {
	case "", "gzip", "zstd":
	default:
		return fmt.Errorf("compression is %q; it can be empty, gzip or zstd", c.Compression)
	}
	return c.S3.validate()
}

// Lake is an open lake. It is safe for concurrent use, by any number of
// processes at once.
type Lake struct {
	bucket bucket
	config Config
	log    *slog.Logger
	zstd   *zstd.Encoder
	cache  *cache       // nil for a directory
	kept   *remembering // nil for a writer and for a directory
	asked  *counting    // nil for a directory

	mu    sync.Mutex
	index lakeIndex
	heads map[string]*partHead
}

// lakeIndex is lake.json: whose rows lie here.
type lakeIndex struct {
	Version int `json:"version"`
	// Topics are the ids of each table's topic, oldest first. A log that was
	// made anew has new ids.
	Topics map[string][]string `json:"topics"`
}

const indexKey = "lake.json"

// Errors that a caller can tell apart.
var (
	// ErrUnknownTopic says that a topic's id is not among those of this lake.
	ErrUnknownTopic = errors.New("this topic does not belong to this lake")
	// ErrBehind says that another writer has written what this one was about
	// to write; errors.As with *BehindError tells where to go on.
	ErrBehind = errors.New("another writer is further")
	// ErrVersion says that the lake was written by a newer version.
	ErrVersion = errors.New("the lake was written by a newer version of this program; install that one")
)

// Open opens the lake at a directory, which is made, or at s3://bucket/prefix.
func Open(ctx context.Context, location string, config Config, log *slog.Logger) (*Lake, error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("open lake: %w", err)
	}
	if config.Grace == 0 {
		config.Grace = 15 * time.Minute
	}
	if config.CacheSize == 0 {
		config.CacheSize = 10 << 30
	}
	if config.MergeMemory == "" {
		config.MergeMemory = "256MB"
	}
	var b bucket
	var err error
	if rest, ok := strings.CutPrefix(location, "s3://"); ok {
		name, prefix, _ := strings.Cut(rest, "/")
		if config.Reader && config.S3.Attempts == 0 {
			config.S3.Attempts = 2 // it has its copies, and a screen that waits for an answer
		}
		b, err = openS3(ctx, name, strings.Trim(prefix, "/"), config.S3, log)
	} else {
		b, err = openDirectory(location)
	}
	if err != nil {
		return nil, fmt.Errorf("open lake %s: %w", location, err)
	}
	l, err := open(ctx, b, config, log)
	if err != nil {
		return nil, fmt.Errorf("open lake %s: %w", location, err)
	}
	return l, nil
}

func open(ctx context.Context, b bucket, config Config, log *slog.Logger) (*Lake, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(2), zstd.WithWindowSize(blockSize), zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, err
	}
	l := &Lake{bucket: b, config: config, log: log, zstd: enc, heads: make(map[string]*partHead)}
	if s, ok := b.(*s3Bucket); ok {
		l.asked = s.asked
	}
	if _, local := b.path(""); !local {
		if l.cache, err = openCache(b, config); err != nil {
			return nil, err
		}
		if config.Reader {
			l.kept = newRemembering(b, l.cache)
			l.bucket, l.cache.bucket = l.kept, l.kept
		}
	}
	if err := l.loadIndex(ctx); err != nil {
		return nil, err
	}
	return l, nil
}

// Location is the directory or the s3:// address.
func (l *Lake) Location() string { return l.bucket.String() }

// Roots are the local directories under which Local's files lie.
func (l *Lake) Roots() []string {
	if root, ok := l.bucket.path(""); ok {
		return []string{root, cacheFolder(l.bucket, l.config.Cache)}
	}
	return []string{l.cache.dir}
}

// Away says since when the bucket has not answered, and why; zero is never.
// Only a Reader knows.
func (l *Lake) Away() (since time.Time, why string) {
	if l.kept == nil {
		return time.Time{}, ""
	}
	return l.kept.away()
}

// Close ends the use of the lake; nothing is pending in it.
func (l *Lake) Close() error { return l.zstd.Close() }

func (l *Lake) loadIndex(ctx context.Context) error {
	index, _, err := l.readIndex(ctx)
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.index = index
	l.mu.Unlock()
	return nil
}

func (l *Lake) readIndex(ctx context.Context) (lakeIndex, object, error) {
	data, obj, err := readAll(ctx, l.bucket, indexKey)
	if errors.Is(err, errNotFound) {
		return lakeIndex{Version: 1, Topics: map[string][]string{}}, object{}, nil
	}
	if err != nil {
		return lakeIndex{}, object{}, fmt.Errorf("read %s: %w", indexKey, err)
	}
	var index lakeIndex
	if err := json.Unmarshal(data, &index); err != nil {
		return lakeIndex{}, object{}, fmt.Errorf("read %s: %w", indexKey, err)
	}
	if index.Version > 1 {
		return lakeIndex{}, object{}, ErrVersion
	}
	if index.Topics == nil {
		index.Topics = map[string][]string{}
	}
	return index, obj, nil
}

// topics lists the table's topic ids, oldest first.
func (l *Lake) topics(table string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.index.Topics[table])
}

// claim makes sure that the topic is the table's newest: an empty table takes
// it, another topic's table refuses it.
func (l *Lake) claim(ctx context.Context, t *Table, id string) error {
	if id == "" || strings.ContainsAny(id, "/\\ .") {
		return fmt.Errorf("%q is not a topic id", id)
	}
	if ids := l.topics(t.Name); len(ids) > 0 && ids[len(ids)-1] == id {
		return nil
	}
	return l.addTopic(ctx, t, id, false)
}

// Adopt takes a new log's topic into the lake: its rows come after those of
// the topics before it. It is what a user asks for who had the log deleted on
// purpose.
func (l *Lake) Adopt(ctx context.Context, table, topicID string) error {
	t := TableOf(table)
	if t == nil {
		return fmt.Errorf("no table %q", table)
	}
	return l.addTopic(ctx, t, topicID, true)
}

func (l *Lake) addTopic(ctx context.Context, t *Table, id string, adopt bool) error {
	for range 10 {
		index, obj, err := l.readIndex(ctx)
		if err != nil {
			return err
		}
		ids := index.Topics[t.Name]
		switch {
		case len(ids) > 0 && ids[len(ids)-1] == id:
			l.mu.Lock()
			l.index = index
			l.mu.Unlock()
			return nil
		case slices.Contains(ids, id):
			return fmt.Errorf("%w: %s has since been written from a newer topic (%s) than %s of id %s; only the newest is written",
				ErrUnknownTopic, l.bucket, ids[len(ids)-1], t.Topic, id)
		case len(ids) > 0 && !adopt:
			return fmt.Errorf("%w: %s holds the topic %s of id %s, and this log's has id %s. Either another installation writes here: give this one a lake of its own; or this log was made anew: adopt it with `tapedeck lake adopt`",
				ErrUnknownTopic, l.bucket, t.Topic, ids[len(ids)-1], id)
		}
		index.Topics[t.Name] = append(ids, id)
		data, err := json.MarshalIndent(index, "", "  ")
		if err != nil {
			return err
		}
		cond := condition{absent: obj.etag == "", match: obj.etag}
		_, err = l.bucket.put(ctx, indexKey, cond, append(data, '\n'))
		if errors.Is(err, errPrecondition) {
			continue // someone else was quicker, or it was our own retry: look again
		}
		if err != nil {
			return fmt.Errorf("write %s: %w", indexKey, err)
		}
		l.mu.Lock()
		l.index = index
		l.mu.Unlock()
		return nil
	}
	return fmt.Errorf("write %s: others keep changing it", indexKey)
}
