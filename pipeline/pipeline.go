// Package pipeline is the whole journey of a tick: from its source to the log,
// through cleaning, bars, indicators and alert rules, to the lake. Run starts
// the stages that it is asked for in this process; stages meet only in topics,
// so that each can stop, lag, restart or run on another machine without the
// others noticing.
//
// It promises that every output is a function of the log, that the lake holds
// every record once, and that an orderly end loses nothing. It knows nothing
// of screens, DuckDB or models: these meet it in cmd.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"tapedeck/pipeline/alert"
	"tapedeck/pipeline/clean"
	"tapedeck/pipeline/feed"
	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/live"
	"tapedeck/pipeline/market"
)

// Stages are the names of all stages, in the order of the journey.
var Stages = []string{"feed", "compute", "predict", "archive", "notify"}

// Config says what runs and how.
type Config struct {
	Stages []string // which of Stages; empty is all
	Once   bool     // end when the feed has ended and everything has drained
	// Patience is how long, with Once, a stage may fail again and again without
	// coming any further before Run gives up; 0 is a minute. Without Once
	// nothing is given up: the trouble is said, and may pass.
	Patience time.Duration
	Instance string // this process's name in the group, the same after a restart
	Host     string
	Version  string

	// Sources opens the feeds, given what the log holds already.
	Sources  func(ctx context.Context, resume Resume) ([]feed.Source, error)
	Calendar func(symbol string) *market.Calendar

	Clean          clean.Config
	SecondFeatures bool // features of 1s bars, too
	SnapshotEvery  time.Duration
	DefaultRules   []market.Rule
	NewRules       func() Rules // an engine for one partition's symbols
	Forecaster     Forecaster   // of the stage predict; nil: there is none

	// Symbols asks a saved query that rules watch: the values of its column
	// symbol. It is called outside of compute, in one process of those that
	// run this stage; nil: nobody asks here.
	Symbols  func(ctx context.Context, sql string) ([]string, error)
	AskEvery time.Duration // time between two askings of a query; 0 is a minute

	Notify []Notify // whom alerts are sent to; none leaves the stage notify idle

	FlushRows  int           // rows of a partition at which a part is written to the lake
	FlushAge   time.Duration // age of the oldest buffered row at which a part is written
	MergeEvery time.Duration // time between two merges into processed files
	Retention  time.Duration // how long an embedded log keeps what the lake has
	Embedded   bool          // the log is this process's own

	// Watch sees the state of every stage of this process once a second; it
	// may be nil, and must return soon.
	Watch func(live.Status)
}

// Rules evaluates alert rules over one partition's symbols. It is a function
// of what it is told, in that order, and knows no other clock.
type Rules interface {
	SetRule(r market.Rule) error
	Tick(t *market.Tick, emit func(*market.Alert))
	Bar(b *market.Bar, emit func(*market.Alert))
	Clock(now market.Time, emit func(*market.Alert))
	Quiet(quiet bool) // what follows is history: remembered, and not judged
	SetPrediction(p *market.Prediction)
	SetEndpoint(up bool, since market.Time) // whether the champion's endpoint answers
	SetGroup(name string, symbols []string) // who is in a group, or in what a saved query gave
	Costs() []alert.Cost                    // how each rule does, for people to see
	Pendings(limit int) []alert.Pending     // alerts that wait
	AppendState(dst []byte) []byte
	LoadState(src []byte) (rest []byte, err error)
}

// Report is what a run did.
type Report struct {
	Ticks, Bars, Features, Alerts, DeadLetters int64
	Archived                                   int64 // rows written to the lake
	Took                                       time.Duration
}

// Run works until ctx is done or, with Once, until everything has drained. It
// returns after an orderly end: everything handed on, flushed and in the lake.
// Its error is what kept it from that: a stage that cannot go on or, with Once,
// comes no further (see Patience), or what the feed ended with, after all that
// came of it has drained.
func Run(ctx context.Context, config Config, log *kafka.Client, lake Archive, logger *slog.Logger) (Report, error) {
	r := &runner{Config: config, log: log, lake: lake, slog: logger, progress: newProgress(), started: time.Now()}
	if len(r.Stages) == 0 {
		r.Stages = Stages
	}
	if r.Patience <= 0 {
		r.Patience = time.Minute
	}
	r.hopeless, r.giveUp = context.WithCancelCause(context.WithoutCancel(ctx))
	defer r.giveUp(nil)
	var err error
	if r.producer, err = log.NewProducer(); err != nil {
		return Report{}, err
	}
	report, err := r.run(ctx)
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if closeErr := r.producer.Close(closing); closeErr != nil && err == nil {
		err = fmt.Errorf("hand the last records to the log: %w", closeErr)
	}
	return report, err
}

type runner struct {
	Config
	log      *kafka.Client
	lake     Archive
	slog     *slog.Logger
	progress *progress
	started  time.Time
	producer *kafka.Producer
	hopeless context.Context // ends, with the cause, when it is no use to go on
	giveUp   context.CancelCauseFunc

	states  sync.Pool             // *[]byte: room for a snapshot, of which few are written at once
	feedEnd atomic.Pointer[error] // nil while the feed runs; then what went wrong, which may be nil

	mu     sync.Mutex
	status []*stageStatus

	ticks, bars, features, alerts, deadLetters, archived atomic.Int64
}

func (r *runner) report() Report {
	return Report{Ticks: r.ticks.Load(), Bars: r.bars.Load(), Features: r.features.Load(), Alerts: r.alerts.Load(),
		DeadLetters: r.deadLetters.Load(), Archived: r.archived.Load(), Took: time.Since(r.started)}
}

func (r *runner) has(stage string) bool {
	for _, s := range r.Stages {
		if s == stage {
			return true
		}
	}
	return false
}

// run starts the stages in the order of the journey and ends them in the same
// order, so that what one has handed on is still taken by the next.
func (r *runner) run(ctx context.Context) (Report, error) {
	type stage struct {
		name string
		run  func(context.Context) error
		stop context.CancelFunc
		done chan error
	}
	var stages []*stage
	for _, s := range []struct {
		name string
		run  func(context.Context) error
	}{{"feed", r.feed}, {"compute", r.compute}, {"predict", r.predict}, {"archive", r.archive}, {"notify", r.notify}} {
		if r.has(s.name) && (s.name != "predict" || r.Forecaster != nil) {
			stages = append(stages, &stage{name: s.name, run: s.run, done: make(chan error, 1)})
		}
	}
	background := context.WithoutCancel(ctx)
	statusCtx, stopStatus := context.WithCancel(background)
	var reporting sync.WaitGroup
	failed := make(chan error, len(stages))
	for _, s := range stages {
		var stageCtx context.Context
		stageCtx, s.stop = context.WithCancel(background)
		go func() {
			err := s.run(stageCtx)
			if err != nil && stageCtx.Err() == nil {
				failed <- fmt.Errorf("stage %s: %w", s.name, err)
			}
			s.done <- err
		}()
	}
	reporting.Go(func() { r.reportStatus(statusCtx) })
	if !r.Embedded {
		cluster, looks := r.newStatus(clusterStage), time.NewTicker(clusterEvery)
		defer looks.Stop()
		reporting.Go(func() { watchCluster(statusCtx, r.log, cluster, looks.C) })
	}

	var failure error
	drained := make(chan error, 1)
	if r.Once {
		go func() { drained <- r.drained(ctx) }()
	}
	select {
	case <-ctx.Done():
	case failure = <-failed:
	case failure = <-drained:
	case <-r.hopeless.Done():
		failure = context.Cause(r.hopeless)
	}
	for _, s := range stages {
		s.stop()
		if err := <-s.done; err != nil && !errors.Is(err, context.Canceled) && failure == nil {
			failure = fmt.Errorf("stage %s: %w", s.name, err)
		}
	}
	stopStatus()
	reporting.Wait()
	return r.report(), failure
}

// feedHasEnded notes that no more ticks come from here, and why not.
func (r *runner) feedHasEnded(err error) { r.feedEnd.CompareAndSwap(nil, &err) }

// drained waits until the feed has ended and compute has worked through all
// that came of it, and gives what went wrong with the feed. The archive's own
// end takes the rest to the lake.
func (r *runner) drained(ctx context.Context) error {
	for r.has("feed") && r.feedEnd.Load() == nil {
		if err := pause(ctx); err != nil {
			return err
		}
	}
	if r.has("compute") {
		if err := r.caughtUp(ctx, "compute", kafka.Ticks, true); err != nil {
			return err
		}
	}
	if err := r.feedEnd.Load(); err != nil {
		return *err
	}
	return nil
}

// caughtUp waits until a stage has taken everything that topic holds now, in
// the partitions that this process holds or (all) in every one.
func (r *runner) caughtUp(ctx context.Context, stage, topic string, all bool) error {
	ends, err := r.ends(ctx, topic)
	if err != nil {
		return err
	}
	for all && !r.progress.holdsAll(stage, topic, ends) || r.progress.lag(stage, topic, ends) > 0 {
		if err := pause(ctx); err != nil {
			return err
		}
	}
	return nil
}

func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(10 * time.Millisecond):
		return nil
	}
}

// ends are the offsets after the last record of each partition.
func (r *runner) ends(ctx context.Context, topic string) ([]int64, error) {
	ranges, err := r.log.Offsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	ends := make([]int64, len(ranges))
	for i, x := range ranges {
		ends[i] = x.High
	}
	return ends, nil
}

// answered asks the log something that a stage cannot start without, again and
// again while there is no answer: a broker that is away comes back, or another
// one leads. A run that is to end by itself waits no longer than its patience.
// A status, if there is one yet, says so.
func (r *runner) answered(ctx context.Context, status *stageStatus, ask func(ctx context.Context) error) error {
	for began := time.Now(); ; {
		err := ask(ctx)
		if !errors.Is(err, kafka.ErrNoAnswer) || ctx.Err() != nil || r.Once && time.Since(began) >= r.Patience {
			return err
		}
		if status != nil {
			status.trouble(err.Error())
		}
		r.slog.Warn("the log does not answer, asking again", "error", err)
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

func (r *runner) feed(ctx context.Context) error {
	status := r.newStatus("feed")
	return r.log.RunGroup(ctx, r.group("feed", kafka.Feeds, status), func(int32) kafka.Worker {
		return &feeding{log: r.log, producer: r.producer, sources: r.Sources, slog: r.slog, status: status, ended: r.feedHasEnded}
	})
}

func (r *runner) compute(ctx context.Context) error {
	status := r.newStatus("compute", kafka.Ticks)
	var rules *ruleBook
	err := r.answered(ctx, status, func(ctx context.Context) (err error) {
		rules, err = openRuleBook(ctx, r.log, r.producer, r.DefaultRules, r.slog)
		return err
	})
	if err != nil {
		return err
	}
	var following sync.WaitGroup
	followCtx, stop := context.WithCancel(ctx)
	following.Go(func() {
		if err := rules.follow(followCtx); err != nil && followCtx.Err() == nil {
			status.trouble("rules are not followed: " + err.Error())
		}
	})
	told := &toldRules{}
	status.list(told.all)
	predicted := &predictedEnds{}
	following.Go(func() { predicted.follow(followCtx, r) })
	if r.Symbols != nil {
		following.Go(func() { r.askQueries(followCtx) })
	}
	err = r.log.RunGroup(ctx, r.group("compute", kafka.Ticks, status), func(partition int32) kafka.Worker {
		return &computing{runner: r, rules: rules, told: told, predicted: predicted, status: status, partition: partition}
	})
	stop()
	following.Wait()
	return err
}

// predict runs the forecaster, in one process of all that run this stage.
func (r *runner) predict(ctx context.Context) error {
	status := r.newStatus("predict")
	return r.log.RunGroup(ctx, r.group("predict", kafka.Feeds, status), func(int32) kafka.Worker {
		return &predicting{runner: r, forecaster: r.Forecaster, status: status}
	})
}

// archive runs one group for each table, and the lake's housekeeping. At the
// end it goes on until the lake holds all that the stages before handed on.
func (r *runner) archive(ctx context.Context) error {
	status := r.newStatus("archive", tables...)
	ids := map[string]string{}
	for _, table := range tables {
		err := r.answered(ctx, status, func(ctx context.Context) (err error) {
			ids[table], err = r.log.TopicID(ctx, table)
			return err
		})
		if err != nil {
			return err
		}
	}
	background := context.WithoutCancel(ctx)
	groups, stopGroups := context.WithCancel(background)
	defer stopGroups()
	errs := make(chan error, len(tables))
	for _, table := range tables {
		go func() {
			errs <- r.log.RunGroup(groups, r.group("archive-"+table, table, status), func(partition int32) kafka.Worker {
				return &archiving{log: r.log, lake: r.lake, table: table, topicID: ids[table], partition: partition,
					flushRows: r.FlushRows, flushAge: r.FlushAge, slog: r.slog, status: status,
					progress: r.progress, archived: &r.archived}
			})
		}()
	}
	var tidying sync.WaitGroup
	tidyCtx, stopTidying := context.WithCancel(background)
	tidying.Go(func() { r.tidy(tidyCtx, status) })

	var failure error
	running := len(tables)
	select {
	case <-ctx.Done():
		failure = r.archiveRest(background)
	case failure = <-errs:
		running--
	}
	stopTidying()
	tidying.Wait()
	stopGroups()
	for range running {
		if err := <-errs; err != nil && !errors.Is(err, context.Canceled) && failure == nil {
			failure = err
		}
	}
	if failure == nil && r.Once {
		failure = r.archivedAll(background)
	}
	if failure != nil {
		return failure
	}
	limit := 5 * time.Second // the next run goes on with it
	if r.Once {
		limit = 2 * time.Minute
	}
	finish, cancel := context.WithTimeout(background, limit)
	defer cancel()
	if _, err := r.lake.Tidy(finish); err != nil && (r.Once || finish.Err() == nil) {
		return fmt.Errorf("tidy the lake: %w", err)
	}
	return nil
}

// archiveRest gives the archive time to take what lies in the log at an
// orderly end. What it does not manage lies in the log still and is taken next
// time; a run with an end waits until all of it is in the lake.
func (r *runner) archiveRest(ctx context.Context) error {
	limit, all := 10*time.Second, false
	if r.Once && r.hopeless.Err() == nil {
		limit, all = time.Hour, true
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	defer context.AfterFunc(r.hopeless, func() {
		if all {
			cancel()
		}
	})()
	for _, table := range tables {
		if err := r.caughtUp(ctx, "archive", table, all); err != nil {
			if cause := context.Cause(r.hopeless); all && cause != nil {
				return cause
			}
			if all {
				return fmt.Errorf("the lake has not taken all of %s: %w", table, err)
			}
			return nil
		}
	}
	return nil
}

// archivedAll says what the lake has not taken for good: a last flush that
// failed is not tried again by anyone in this run.
func (r *runner) archivedAll(ctx context.Context) error {
	for _, table := range tables {
		ends, err := r.ends(ctx, table)
		if err != nil {
			return err
		}
		for partition, end := range ends {
			if durable := r.progress.furthest(durably, table, int32(partition)); durable < end {
				return fmt.Errorf("the lake has taken %s/%d up to %d of %d; what is missing lies in the log, and the next run takes it there",
					table, partition, durable, end)
			}
		}
	}
	return nil
}

// tidyLooks is the time between two looks whether a merge is due.
const tidyLooks = 5 * time.Second

// tidy runs the lake's housekeeping now and then, and soon after a rush: until
// rows are merged, every query reads them from small files.
func (r *runner) tidy(ctx context.Context, status *stageStatus) {
	ticker := time.NewTicker(min(tidyLooks, r.MergeEvery))
	defer ticker.Stop()
	trimming := trimming{runner: r}
	due := mergeDue{every: r.MergeEvery, last: time.Now()}
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			if !due.at(now, status.in.Load()) {
				continue
			}
		}
		if r.Embedded {
			trimming.step(ctx, time.Now())
		}
		done, err := r.lake.Tidy(ctx)
		if err != nil && ctx.Err() == nil {
			status.trouble("the lake cannot be tidied: " + err.Error())
			r.slog.Error("tidy the lake", "error", err)
		}
		for _, text := range done {
			status.notice(live.OK, text)
		}
	}
}

// mergeDue says when the lake is to be tidied: after a time, and before when
// many rows have come and the rush is over.
type mergeDue struct {
	every        time.Duration
	last         time.Time
	merged, seen int64 // rows at the last merge, and at the last look
}

// manyRows that are not merged are worth a merge of their own: more than
// 1,000 symbols at 1 Hz bring between two of them.
const manyRows = 1_000_000

func (d *mergeDue) at(now time.Time, rows int64) bool {
	recent, waiting := rows-d.seen, rows-d.merged
	d.seen = rows
	if now.Sub(d.last) < d.every && (waiting < manyRows || recent > waiting/10) {
		return false
	}
	d.last, d.merged = now, rows
	return true
}

// group is the consumer group of one stage on one topic.
func (r *runner) group(name, topic string, status *stageStatus) kafka.GroupConfig {
	patience := patience{limit: r.Patience}
	return kafka.GroupConfig{
		Name: name, Topic: topic, Instance: r.Instance, Interval: 50 * time.Millisecond, OnAssign: status.moved,
		OnError: func(partition int32, err error) {
			status.trouble(err.Error())
			r.slog.Error("stage", "stage", name, "topic", topic, "partition", partition, "error", err)
			now, furthest := time.Now(), r.progress.furthest(status.stage, topic, partition)
			position := furthest
			if status.stage == "archive" { // what was taken and not written is read again
				position = r.progress.furthest(durably, topic, partition)
			}
			r.progress.fail(status.stage, topic, partition, position, now)
			if r.Once && patience.over(partition, furthest, now) {
				r.giveUp(fmt.Errorf("%s/%d does not come any further: %w", name, partition, err))
			}
		},
	}
}
