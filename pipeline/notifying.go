package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/live"
	"tapedeck/pipeline/market"
	"tapedeck/pipeline/notify"
)

// Notify is a target of alerts, and in what manner it is told.
type Notify struct {
	Name     string
	Target   notify.Target
	Manner   notify.MailerConfig
	Least    market.Severity // alerts below it are not for this target
	Resolved bool            // tell the end of an alert, too
}

// DefaultTarget gets the alerts whose rule names no target, or none that there is.
const DefaultTarget = "log"

// remembered is how many alerts of a partition are known by identity, so that
// one that was written again is not sent again.
const remembered = 4096

// notify runs a group for each target, so that one that is away lags alone.
// The group's committed offset is the target's ledger: it moves when the
// target has answered.
func (r *runner) notify(ctx context.Context) error {
	if len(r.Notify) == 0 {
		<-ctx.Done()
		return nil
	}
	background := context.WithoutCancel(ctx)
	silences := &silenceBook{log: r.log, slog: r.slog}
	if err := r.answered(ctx, nil, silences.read); err != nil {
		return err
	}
	work, stop := context.WithCancel(background)
	defer stop()
	var others sync.WaitGroup
	defer others.Wait()
	others.Go(func() {
		for silences.follow(work) != nil && work.Err() == nil {
			_ = pause(work)
		}
	})
	var names []string
	for i := range r.Notify {
		names = append(names, r.Notify[i].Name)
	}
	var tellings []*telling
	errs := make(chan error, len(r.Notify))
	mailing, stopMailing := context.WithCancel(background)
	defer stopMailing()
	for _, n := range r.Notify {
		t := newTelling(r, n, names, &silences.set)
		tellings = append(tellings, t)
		others.Go(func() { _ = t.mailer.Run(mailing) })
		config := r.group(t.group, kafka.Alerts, t.status)
		config.Ledger = true
		go func() {
			errs <- r.log.RunGroup(work, config, func(partition int32) kafka.Worker {
				return &notifying{telling: t, partition: partition}
			})
		}()
	}
	var failure error
	running := len(tellings)
	select {
	case <-ctx.Done():
		r.tellRest(background, tellings)
	case failure = <-errs:
		running--
	}
	stop()
	for range running {
		if err := <-errs; err != nil && !errors.Is(err, context.Canceled) && failure == nil {
			failure = err
		}
	}
	stopMailing()
	return failure
}

// tellRest sends at an orderly end what the stages before have handed on, as
// far as the targets answer soon. What is left lies in the log, and goes out
// with the next start.
func (r *runner) tellRest(ctx context.Context, tellings []*telling) {
	limit := 5 * time.Second
	if r.Once {
		limit = 30 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for _, t := range tellings {
		t.mailer.Drain()
	}
	for _, t := range tellings {
		if err := r.caughtUp(ctx, t.status.stage, kafka.Alerts, r.Once && r.has("compute")); err != nil {
			r.slog.Warn("alerts are left to be sent", "target", t.Name, "error", err)
		}
	}
}

// telling is one target's share of the stage in this process.
type telling struct {
	*runner
	Notify
	group    string
	mailer   *notify.Mailer
	status   *stageStatus
	known    []string // names of all targets
	silences *notify.Silences

	sent, told, failed, refused, silenced, repeated atomic.Int64
}

func newTelling(r *runner, n Notify, known []string, silences *notify.Silences) *telling {
	t := &telling{runner: r, Notify: n, group: "notify-" + n.Name, known: known, silences: silences}
	t.status = r.newStatus("notify "+n.Name, kafka.Alerts)
	t.status.tell(t.words)
	manner := n.Manner
	manner.OnSent = func(m *notify.Message) {
		t.sent.Add(1)
		t.told.Add(int64(len(m.Alerts)))
		t.status.out.Add(1)
		t.status.well()
	}
	manner.OnFailed = func(m *notify.Message, err error) {
		t.failed.Add(1)
		t.status.trouble(fmt.Sprintf("%d alerts wait, trying again: %v", len(m.Alerts)+t.mailer.Waiting(), err))
		r.slog.Warn("a message was not taken", "target", n.Name, "alerts", len(m.Alerts), "error", err)
	}
	manner.OnRefuse = func(m *notify.Message, err error) {
		t.refused.Add(int64(len(m.Alerts)))
		t.status.notice(live.Failed, fmt.Sprintf("%s refused %d alerts for good: %s: %v", n.Name, len(m.Alerts), m.Subject, err))
		for i := range m.Alerts {
			r.slog.Error("an alert was refused for good", "target", n.Name, "alert", slog.StringValue(string(market.EncodeAlert(&m.Alerts[i]))), "error", err)
		}
	}
	t.mailer = notify.NewMailer(n.Target, manner)
	return t
}

// words are the target's state while all is well.
func (t *telling) words() string {
	text := fmt.Sprintf("%d alerts sent in %d messages", t.told.Load(), t.sent.Load())
	for _, part := range []struct {
		n    int64
		what string
	}{{t.silenced.Load(), "silenced"}, {t.refused.Load(), "refused"}, {t.failed.Load(), "tries failed"}} {
		if part.n > 0 {
			text += fmt.Sprintf(", %d %s", part.n, part.what)
		}
	}
	return text
}

// wants says whether an alert is for this target.
func (t *telling) wants(a *market.Alert) bool {
	if a.State == market.Pending || a.State == market.Resolved && !t.Resolved || a.Severity < t.Least {
		return false
	}
	if slices.Contains(a.Notify, t.Name) {
		return true
	}
	if t.Name != DefaultTarget {
		return false
	}
	return !slices.ContainsFunc(a.Notify, func(name string) bool { return slices.Contains(t.known, name) })
}

// notifying tells a target of one partition's alerts.
type notifying struct {
	*telling
	partition int32
	position  *atomic.Int64
	ids       recent
	answered  answered                              // of what is read now, and what workers before noted beyond
	commit    func(offset int64, note string) error // nil: there is no ledger
}

// firstReach is how old an alert may be when this process starts for a target
// that was never told anything: it must cover the time that a start and a crash
// right after it take.
const firstReach = 10 * time.Minute

// Start goes on at the ledger. A target that is new begins with the alerts of
// the last minutes.
func (n *notifying) Start(ctx context.Context) (int64, error) {
	ledger, err := n.log.Ledger(ctx, n.group, kafka.Alerts)
	if err != nil {
		return 0, fmt.Errorf("read the ledger: %w", err)
	}
	ranges, err := n.log.Offsets(ctx, kafka.Alerts)
	if err != nil {
		return 0, err
	}
	at := ranges[n.partition]
	next := ledger[n.partition].Offset
	n.answered = readAnswered(next, ledger[n.partition].Note)
	if next < 0 || next > at.High { // new, or the topic was made again
		n.answered = answered{}
		if next, err = n.since(ctx, at, market.At(n.started.Add(-firstReach))); err != nil {
			return 0, err
		}
	}
	next = max(next, at.Low)
	n.ids = recent{}
	err = n.log.Read(ctx, kafka.Alerts, n.partition, max(at.Low, next-remembered), next, func(records []kafka.Record) error {
		var a market.Alert
		for i := range records {
			if market.DecodeAlert(records[i].Value, &a) == nil {
				n.ids.add(a.ID)
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("read what was sent before: %w", err)
	}
	n.position = n.progress.hold(n.status.stage, kafka.Alerts, n.partition, next)
	return next, nil
}

// Keep takes the way to note answers in the ledger.
func (n *notifying) Keep(commit func(offset int64, note string) error) { n.commit = commit }

// Note tells of what the target has answered for above an offset.
func (n *notifying) Note(offset int64) string { return n.answered.note(offset) }

// since is the offset of the first alert that was raised at t or later.
func (n *notifying) since(ctx context.Context, at kafka.Range, t market.Time) (int64, error) {
	first := at.High
	err := n.log.Read(ctx, kafka.Alerts, n.partition, at.Low, at.High, func(records []kafka.Record) error {
		for i := range records {
			if records[i].Time >= t && records[i].Offset < first {
				first = records[i].Offset
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("find where to begin: %w", err)
	}
	return first, nil
}

// Process returns when the target has answered for all that is for it. Each
// answer is noted in the ledger before anything else is sent.
func (n *notifying) Process(ctx context.Context, records []kafka.Record) error {
	var alerts []market.Alert
	before := n.answered
	n.answered = before.reach(records[0].Offset, records[len(records)-1].Offset+1)
	var at []int64 // offsets of alerts
	var fresh []string
	now := time.Now()
	seen := map[string]struct{}{}
	for i := range records {
		var a market.Alert
		n.answered.add(records[i].Offset) // but for those that are sent now
		if err := market.DecodeAlert(records[i].Value, &a); err != nil {
			n.slog.Error("an alert cannot be read and is passed over", "partition", n.partition, "offset", records[i].Offset, "error", err)
			continue
		}
		if _, twice := seen[a.ID]; twice || n.ids.has(a.ID) {
			n.repeated.Add(1)
			continue
		}
		seen[a.ID] = struct{}{}
		fresh = append(fresh, a.ID)
		if !n.wants(&a) || before.has(records[i].Offset) {
			continue
		}
		if _, silenced := n.silences.Of(&a, now); silenced {
			n.silenced.Add(1)
			n.status.refused("silenced")
			continue
		}
		alerts, at = append(alerts, a), append(at, records[i].Offset)
		n.answered.remove(records[i].Offset)
	}
	err := n.mailer.Deliver(ctx, alerts, func(places []int) {
		for _, k := range places {
			n.answered.add(at[k])
		}
		if n.commit == nil {
			return
		}
		next := n.answered.next()
		if err := n.commit(next, n.answered.note(next)); err != nil { // it may be sent again after a crash
			n.slog.Warn("an answer is not noted in the ledger", "target", n.Name, "partition", n.partition, "error", err)
		}
	})
	if err != nil {
		return err
	}
	for _, id := range fresh {
		n.ids.add(id)
	}
	n.status.in.Add(int64(len(records)))
	n.position.Store(records[len(records)-1].Offset + 1)
	return nil
}

// Idle has nothing to do.
func (n *notifying) Idle(context.Context, int64) error { return nil }

// Stop gives the partition up; its ledger stands.
func (n *notifying) Stop(context.Context) error {
	n.progress.drop(n.status.stage, kafka.Alerts, n.partition)
	return nil
}

// recent is a set of the last identities.
type recent struct {
	set  map[string]struct{}
	ring []string
	at   int
}

func (r *recent) has(id string) bool { _, ok := r.set[id]; return ok }

func (r *recent) add(id string) {
	if r.has(id) {
		return
	}
	if r.set == nil {
		r.set = map[string]struct{}{}
	}
	r.set[id] = struct{}{}
	if len(r.ring) < remembered {
		r.ring = append(r.ring, id)
		return
	}
	delete(r.set, r.ring[r.at])
	r.ring[r.at] = id
	r.at = (r.at + 1) % remembered
}

// silenceBook follows the silences on the topic rules.
type silenceBook struct {
	log  *kafka.Client
	slog *slog.Logger
	set  notify.Silences

	mu   sync.Mutex
	next int64
}

// read takes what stands now.
func (b *silenceBook) read(ctx context.Context) error {
	ranges, err := b.log.Offsets(ctx, kafka.Rules)
	if err != nil {
		return fmt.Errorf("read the silences: %w", err)
	}
	if err := b.log.Read(ctx, kafka.Rules, 0, ranges[0].Low, ranges[0].High, b.take); err != nil {
		return fmt.Errorf("read the silences: %w", err)
	}
	return nil
}

func (b *silenceBook) take(records []kafka.Record) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range records {
		b.next = records[i].Offset + 1
		if _, err := b.set.Take(records[i].Key, records[i].Value); err != nil {
			b.slog.Error("a silence cannot be read and is passed over", "offset", records[i].Offset, "error", err)
		}
	}
	return nil
}

// follow takes silences as they come, until ctx is done.
func (b *silenceBook) follow(ctx context.Context) error {
	return b.log.Follow(ctx, []string{kafka.Rules}, func(_ string, _ int32, r kafka.Range) int64 {
		b.mu.Lock()
		defer b.mu.Unlock()
		return max(r.Low, b.next)
	}, func(_ string, records []kafka.Record) error { return b.take(records) })
}

// notified is how far every target has been told, by partition; nil where
// there is no target. What one of them lacks is missing or stands at its place.
func (r *runner) notified() map[int32]int64 {
	if !r.has("notify") || len(r.Notify) == 0 {
		return nil
	}
	var least map[int32]int64
	for _, n := range r.Notify {
		held := r.progress.held("notify "+n.Name, kafka.Alerts)
		if least == nil {
			least = held
			continue
		}
		maps.DeleteFunc(least, func(p int32, _ int64) bool { _, ok := held[p]; return !ok })
		for p := range least {
			least[p] = min(least[p], held[p])
		}
	}
	return least
}
