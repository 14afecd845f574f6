package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"

	"tapedeck/pipeline/feed"
	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/live"
	"tapedeck/pipeline/market"
)

// Headers of a tick: what was read and the row's number in it, so that a
// source that was interrupted goes on after its own last row.
const (
	headerSource = "src"
	headerRow    = "row"
)

// feeding runs the sources. Whoever holds the one partition of the feeds
// topic runs them, so that they run once however many processes there are.
type feeding struct {
	log      *kafka.Client
	producer *kafka.Producer
	sources  func(ctx context.Context, resume Resume) ([]feed.Source, error)
	slog     *slog.Logger
	status   *stageStatus

	ended func(error) // told once that all sources have ended, with what went wrong for good

	cancel context.CancelFunc
	done   chan struct{}
	failed atomic.Pointer[error]
}

// Resume is what the log knows at the start of a feed.
type Resume struct {
	Empty bool                 // the ticks topic holds nothing
	Last  market.Time          // the newest clock or tick in the log
	Price map[string]float64   // newest price by symbol, as far as the log's tail shows it
	Begun func(id string) bool // whether the log holds rows of the source with this ID
}

func (f *feeding) Start(context.Context) (int64, error) {
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel, f.done = cancel, make(chan struct{})
	go func() {
		defer close(f.done)
		if err := f.run(ctx); err != nil && ctx.Err() == nil {
			f.failed.Store(&err)
		}
	}()
	return kafka.End, nil
}

func (f *feeding) Process(context.Context, []kafka.Record) error { return nil }

func (f *feeding) Idle(context.Context, int64) error {
	if err := f.failed.Swap(nil); err != nil {
		return *err
	}
	return nil
}

func (f *feeding) Stop(ctx context.Context) error {
	f.cancel()
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop the feed: %w", ctx.Err())
	}
}

// run brings all sources to their end; it then waits for ctx. What a source
// says is final, since it retries by itself what may pass: the run goes on
// without it. An error of the log is returned, and all of it is done again.
func (f *feeding) run(ctx context.Context) error {
	resume, rows, err := f.tail(ctx)
	if err != nil {
		return fmt.Errorf("find the end of the log: %w", err)
	}
	var failed error
	rowsOf := func(id string) map[int32]int64 {
		if failed == nil {
			failed = rows.search(ctx, f.log, id)
		}
		return rows.of[id]
	}
	resume.Begun = func(id string) bool { return len(rowsOf(id)) > 0 }
	sources, final := f.sources(ctx, resume)
	from := make([]map[int32]int64, len(sources))
	for i, source := range sources {
		from[i] = rowsOf(source.ID())
	}
	if failed != nil {
		return fmt.Errorf("find the rows that the log has: %w", failed)
	}
	if final == nil {
		partitions, err := f.log.Partitions(ctx, kafka.Ticks)
		if err != nil {
			return err
		}
		var group sync.WaitGroup
		finals, failures := make([]error, len(sources)), make([]error, len(sources))
		for i, source := range sources {
			group.Go(func() { finals[i], failures[i] = f.runSource(ctx, source, partitions, from[i]) })
		}
		group.Wait()
		if err := errors.Join(failures...); err != nil {
			return err
		}
		final = errors.Join(finals...)
	}
	if ctx.Err() == nil {
		if final != nil {
			f.status.trouble(final.Error())
			f.slog.Error("feed", "error", final)
		}
		f.ended(final)
	}
	<-ctx.Done()
	return ctx.Err()
}

// runSource runs one source to its end. final is what it says itself; err is
// an error of the log.
func (f *feeding) runSource(ctx context.Context, source feed.Source, partitions int, rows map[int32]int64) (final, err error) {
	if r, ok := source.(interface{ Resume(row int64) }); ok { // its own time goes on where it was
		var last int64
		for _, row := range rows {
			last = max(last, row)
		}
		r.Resume(last)
	}
	s := &sink{ctx: ctx, producer: f.producer, source: source.Name(), id: []byte(source.ID()),
		partitions: partitions, rows: rows, status: f.status, slog: f.slog, keys: map[string]keyed{}}
	final = source.Run(ctx, s)
	switch {
	case s.failed != nil:
		return nil, fmt.Errorf("%s: %w", source.Name(), s.failed)
	case final != nil:
		final = fmt.Errorf("%s: %w", source.Name(), final)
	}
	return final, f.producer.Flush(ctx)
}

// sourceRows is how far numbered sources have come in each partition of ticks.
type sourceRows struct {
	of       map[string]map[int32]int64 // newest row by source and partition
	before   []kafka.Range              // what has not been looked at, by partition
	searched map[string]bool
}

// tailLength is how many records of a partition's end are always read.
const tailLength = 5_000

// tail reads the last records of every partition: the newest time, the newest
// prices, and how far numbered sources have come. A clock carries the last row's
// number, too, and comes every second.
func (f *feeding) tail(ctx context.Context) (Resume, *sourceRows, error) {
	resume := Resume{Empty: true, Price: map[string]float64{}}
	rows := &sourceRows{of: map[string]map[int32]int64{}, searched: map[string]bool{}}
	ranges, err := f.log.Offsets(ctx, kafka.Ticks)
	if err != nil {
		return resume, nil, err
	}
	var names market.Names
	for p, r := range ranges {
		if r.High > 0 {
			resume.Empty = false
		}
		from := max(r.Low, r.High-tailLength)
		rows.before = append(rows.before, kafka.Range{Low: r.Low, High: from})
		err := f.log.Read(ctx, kafka.Ticks, int32(p), from, r.High, func(records []kafka.Record) error {
			for i := range records {
				record := &records[i]
				rows.take(int32(p), record)
				var tick market.Tick
				if clock, ok := market.DecodeClock(record.Value); ok {
					resume.Last = max(resume.Last, clock.Time)
				} else if names.DecodeTick(record.Value, &tick) == nil {
					resume.Last = max(resume.Last, tick.Time)
					resume.Price[tick.Symbol] = tick.Price
				}
			}
			return nil
		})
		if err != nil {
			return resume, nil, err
		}
	}
	return resume, rows, nil
}

func (s *sourceRows) take(partition int32, record *kafka.Record) {
	if id, row, ok := rowOf(record.Headers); ok {
		if s.of[id] == nil {
			s.of[id] = map[int32]int64{}
		}
		s.of[id][partition] = max(s.of[id][partition], row)
	}
}

// search reads the whole of the partitions whose end has nothing of a numbered
// source: others may have written there since.
func (s *sourceRows) search(ctx context.Context, log *kafka.Client, id string) error {
	if id == "" || s.searched[id] {
		return nil
	}
	for p := range s.before {
		r := &s.before[p]
		if _, found := s.of[id][int32(p)]; found || r.Low == r.High {
			continue
		}
		err := log.Read(ctx, kafka.Ticks, int32(p), r.Low, r.High, func(records []kafka.Record) error {
			for i := range records {
				s.take(int32(p), &records[i])
			}
			return nil
		})
		if err != nil {
			return err
		}
		r.Low = r.High // of all sources
	}
	s.searched[id] = true
	return nil
}

func rowOf(headers []kafka.Header) (id string, row int64, ok bool) {
	for _, h := range headers {
		switch h.Key {
		case headerSource:
			id = string(h.Value)
		case headerRow:
			row, _ = strconv.ParseInt(string(h.Value), 10, 64)
		}
	}
	return id, row, id != "" && row > 0
}

// sink writes what a source brings to the ticks topic. Used by one goroutine.
type sink struct {
	ctx        context.Context
	producer   *kafka.Producer
	source     string
	id         []byte
	partitions int
	rows       map[int32]int64 // rows that each partition has already
	row        int64           // the newest row
	status     *stageStatus
	slog       *slog.Logger

	keys   map[string]keyed
	buf    []byte
	rowBuf []byte
	said   string
	failed error // of the log
}

// keyed is a symbol as a record's key, and where its ticks go.
type keyed struct {
	key       []byte
	partition int32
}

func (s *sink) keyed(symbol string) keyed {
	k, ok := s.keys[symbol]
	if !ok {
		k.key = []byte(symbol)
		k.partition = kafka.PartitionOf(k.key, s.partitions)
		s.keys[symbol] = k
	}
	return k
}

func (s *sink) headers(row int64) []kafka.Header {
	if len(s.id) == 0 || row == 0 {
		return nil
	}
	s.rowBuf = strconv.AppendInt(s.rowBuf[:0], row, 10)
	return []kafka.Header{{Key: headerSource, Value: s.id}, {Key: headerRow, Value: s.rowBuf}}
}

// Tick hands one tick to the log; a row that the log has already is passed over.
func (s *sink) Tick(t *market.Tick, row int64) error {
	s.buf = market.AppendTick(s.buf[:0], t)
	return s.write(s.keyed(t.Symbol), row, s.buf, s.headers(row))
}

// Reject hands on a row that is no tick: it becomes a dead letter with its
// original bytes, by way of the log like every other row.
func (s *sink) Reject(row int64, symbol, reason string, line []byte) error {
	return s.write(s.keyed(symbol), row, line, append(s.headers(row), kafka.Header{Key: headerReject, Value: []byte(reason)}))
}

// headerReject marks a record of the ticks topic that its source could not read as a tick, and says why.
const headerReject = "reject"

func (s *sink) write(k keyed, row int64, value []byte, headers []kafka.Header) error {
	s.row = max(s.row, row)
	if row != 0 && row <= s.rows[k.partition] {
		return s.ctx.Err()
	}
	s.status.in.Add(1)
	s.status.out.Add(1)
	return s.produce(k.partition, k.key, value, headers)
}

// Clock writes the source's time into every partition. A partition that has
// this source's rows up to here has had its clocks, too.
func (s *sink) Clock(c market.Clock) error {
	s.buf = market.AppendClock(s.buf[:0], c)
	for partition := range int32(s.partitions) {
		if s.row < s.rows[partition] && !c.End {
			continue
		}
		if err := s.produce(partition, nil, s.buf, s.headers(s.row)); err != nil {
			return err
		}
	}
	return s.ctx.Err()
}

func (s *sink) produce(partition int32, key, value []byte, headers []kafka.Header) error {
	if err := s.producer.ProduceContext(s.ctx, kafka.Ticks, partition, key, value, headers...); err != nil {
		s.failed = err
		return err
	}
	return s.ctx.Err()
}

// Flush has nothing to do: the producer sends what it has within milliseconds.
func (s *sink) Flush() error { return s.ctx.Err() }

// Say passes the source's state on to the screens.
func (s *sink) Say(c feed.Condition) {
	levels := map[feed.Level]live.Level{feed.OK: live.OK, feed.Busy: live.Working, feed.Trouble: live.Trouble}
	text := c.Text
	if c.Level == feed.Busy && c.Progress > 0 && c.Progress < 1 {
		text += fmt.Sprintf(", %.0f %%", c.Progress*100)
	}
	if c.Until != 0 {
		text += ", next try at " + c.Until.Std().Format("15:04:05") + " UTC"
	}
	s.status.say(live.Feed{Name: s.source, Level: levels[c.Level], Text: text})
	if c.Text != s.said && c.Level != feed.Busy {
		s.said = c.Text
		s.slog.Info("feed", "source", s.source, "says", text)
	}
}
