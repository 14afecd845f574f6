package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/aws/aws-lambda-go/events"

	"tapedeck/pipeline/alert"
	"tapedeck/pipeline/bars"
	"tapedeck/pipeline/clean"
	"tapedeck/pipeline/market"
	"tapedeck/pipeline/notify"
)

// function works on the events of one execution environment.
type function struct {
	rules    alert.File
	calendar func(string) *market.Calendar
	target   notify.Target
	partial  bool // the event source takes partial answers
	slog     *slog.Logger

	mu         sync.Mutex
	partitions map[place]*partition
}

// place is a partition of a topic.
type place struct {
	topic  string
	number int64
}

// answer says which records have failed, in the form of Kafka event sources
// with ReportBatchItemFailures: of each topic-partition, as "topic-number", the
// offset from which on records are to come again. Without any, all is done. (AWS
// Lambda's manual: "Configuring error handling controls for Kafka event sources".)
type answer struct {
	Failures []failure `json:"batchItemFailures"`
}

type failure struct {
	Item item `json:"itemIdentifier"`
}

type item struct {
	Partition string `json:"partition"` // topic-partition
	Offset    int64  `json:"offset"`
}

// errAgain is for an event source that takes no partial answers: it would take
// one for success.
var errAgain = errors.New("some alerts were not published; all records of this event are to come again, and what was published is not published again")

// Handle works on one event. Partitions stand alone: where publishing fails,
// the records of that partition come again, and those of the others do not,
// or are passed over if they do.
func (f *function) Handle(ctx context.Context, event events.KafkaEvent) (answer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := answer{Failures: []failure{}}
	for _, key := range slices.Sorted(maps.Keys(event.Records)) {
		records := event.Records[key]
		slices.SortStableFunc(records, func(x, y events.KafkaRecord) int { return int(min(max(x.Offset-y.Offset, -1), 1)) })
		for i := range records {
			r := &records[i]
			p := f.partition(place{r.Topic, r.Partition})
			if err := p.take(ctx, r); err != nil {
				f.slog.Error("a record failed and comes again", "partition", key, "offset", r.Offset, "error", err)
				a.Failures = append(a.Failures, failure{item{r.Topic + "-" + strconv.FormatInt(r.Partition, 10), r.Offset}})
				break
			}
		}
	}
	if len(a.Failures) > 0 && !f.partial {
		return answer{}, errAgain
	}
	return a, nil
}

func (f *function) partition(at place) *partition {
	p := f.partitions[at]
	if p == nil {
		p = &partition{function: f, isAlerts: at.topic == "alerts" || strings.HasSuffix(at.topic, ".alerts")}
		p.begin()
		f.partitions[at] = p
	}
	return p
}

// partition is what one partition's records have led to.
type partition struct {
	*function
	isAlerts bool

	next    int64 // offset after the last record taken; -1 before the first
	cleaner *clean.Cleaner
	builder *bars.Builder
	engine  *alert.Engine
	unsent  []market.Alert // raised and not published yet
}

// begin forgets everything.
func (p *partition) begin() {
	p.next, p.unsent = -1, nil
	p.cleaner = clean.New(clean.Config{}, p.calendar)
	p.builder = bars.New(p.calendar)
	p.engine = alert.New(alert.Config{Calendar: p.calendar, Sector: func(symbol string) string {
		company, _ := market.Lookup(symbol)
		return company.Sector
	}})
	for _, g := range p.rules.Groups { // as they were when the file was written
		p.engine.SetGroup(g.Name, g.Symbols)
	}
	for _, r := range p.rules.Rules {
		if err := p.engine.SetRule(r); err != nil { // ReadYAML compiled it
			p.slog.Error("a rule is left out", "rule", r.Name, "error", err)
		}
	}
}

// take works on a record. One that was taken before (Lambda brings them again
// after a failure) moves no rule: only what was not published goes out.
func (p *partition) take(ctx context.Context, r *events.KafkaRecord) error {
	if r.Offset >= p.next {
		if p.next >= 0 && r.Offset > p.next && !p.isAlerts {
			p.slog.Warn("records between were taken elsewhere", "topic", r.Topic, "partition", r.Partition, "from", p.next, "to", r.Offset)
		}
		value, err := base64.StdEncoding.DecodeString(r.Value)
		if err != nil {
			return fmt.Errorf("read the record's value: %w", err)
		}
		p.judge(r, value)
		p.next = r.Offset + 1
	}
	for len(p.unsent) > 0 {
		if err := p.target.Send(ctx, notify.NewMessage(p.unsent[:1])); err != nil {
			return err
		}
		p.unsent = p.unsent[1:]
	}
	return nil
}

// judge lets the record act. What cannot be read is passed over and said: it
// would fail for ever.
func (p *partition) judge(r *events.KafkaRecord, value []byte) {
	raise := func(a *market.Alert) {
		if a.State != market.Pending {
			p.unsent = append(p.unsent, *a)
		}
	}
	if p.isAlerts {
		var a market.Alert
		if err := market.DecodeAlert(value, &a); err != nil {
			p.slog.Warn("a record is passed over", "topic", r.Topic, "partition", r.Partition, "offset", r.Offset, "error", err)
			return
		}
		raise(&a)
		return
	}
	reject := func(offset int64, reason clean.Reason) {
		p.slog.Warn("a tick is not believed", "topic", r.Topic, "partition", r.Partition, "offset", offset, "reason", string(reason))
	}
	onBar := func(b *market.Bar) { p.engine.Bar(b, raise) }
	if c, ok := market.DecodeClock(value); ok {
		p.cleaner.Clock(c, reject)
		p.builder.Clock(c.Time, c.Source, c.End, onBar)
		p.engine.Clock(c.Time, raise)
		return
	}
	var t market.Tick
	if err := market.DecodeTick(value, &t); err != nil {
		p.slog.Warn("a record is passed over", "topic", r.Topic, "partition", r.Partition, "offset", r.Offset, "error", err)
		return
	}
	p.engine.Quiet(t.Backfill)
	p.cleaner.Clean(&t, r.Offset, market.At(r.Timestamp.Time), func(t *market.Tick, _ int64) {
		if clean.Excluded(t.Condition) {
			return
		}
		p.builder.Add(t, onBar)
		p.engine.Tick(t, raise)
	}, reject)
}

// calendarOf is when the market is open: nyse or always.
func calendarOf(name string) (func(string) *market.Calendar, error) {
	calendar := market.NYSE()
	switch name {
	case "", "nyse":
	case "always":
		calendar = market.AlwaysOpen()
	default:
		return nil, fmt.Errorf("MARKET %q is not known; nyse or always", name)
	}
	return func(string) *market.Calendar { return calendar }, nil
}
