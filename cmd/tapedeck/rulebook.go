package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"tapedeck/pipeline/alert"
	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/market"
)

// pastRevisions is how many earlier revisions a rule's record carries, for
// history and undo.
const pastRevisions = 30

// maxRuleName bounds a rule's name, in bytes.
const maxRuleName = 120

// errNoRule says that there is no rule of that name.
var errNoRule = errors.New("there is no such rule")

// rulebook is the alert rules as they stand on the compacted topic rules, and
// the way to edit them. An edit acts in every process that follows the topic,
// within a second.
//
// A record is the rule (market.EncodeRule) with its earlier revisions beside
// it, so that history and undo outlive compaction and are the same for
// everybody. A rule that was removed stands as a record that says so: it can
// be brought back. Safe for concurrent use.
type rulebook struct {
	log    *kafka.Client // nil: nothing was ever recorded, and nothing can be edited
	world  alert.World
	models []string  // that may predict here; empty: not known
	own    *ownLists // of who edits; may be nil
	by     string
	now    func() time.Time

	edit     sync.Mutex      // one edit at a time
	producer *kafka.Producer // made by the first edit

	mu     sync.Mutex
	rules  map[string]*ruleRecord
	order  []string // names, as they first came
	groups groupBook
	next   int64 // offset after the last record
	noting bool  // an edit is being made: records are noted
	noted  [][]byte
	newer  map[string]bool            // names of rules that a newer version wrote
	beside map[string]json.RawMessage // silences, notes and shared queries, by key
}

// ruleRecord is a record of the topic.
type ruleRecord struct {
	ruleRevision
	past []ruleRevision // newest first
}

// ruleRevision is a rule as it stood after one edit.
type ruleRevision struct {
	market.Rule
	Restores int32 // the revision that an undo brought back; 0: not an undo
}

// openRulebook reads the rules that stand. by is who edits.
func openRulebook(ctx context.Context, log *kafka.Client, by string) (*rulebook, error) {
	b := &rulebook{log: log, world: ruleWorld(), by: by, now: time.Now, rules: map[string]*ruleRecord{}, newer: map[string]bool{}, beside: map[string]json.RawMessage{}}
	if log == nil {
		for _, rule := range alert.Defaults() {
			b.put(&ruleRecord{ruleRevision: ruleRevision{Rule: rule}})
		}
		return b, nil
	}
	return b, b.refresh(ctx)
}

// Close ends what edits have opened; the log stays open.
func (b *rulebook) Close() error {
	b.edit.Lock()
	defer b.edit.Unlock()
	if b.producer == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := b.producer.Close(ctx)
	b.producer = nil
	return err
}

// ruleWorld is what names a rule may use.
func ruleWorld() alert.World {
	var w alert.World
	for _, company := range market.Companies() {
		if company.Sector != "" && !slices.Contains(w.Sectors, company.Sector) {
			w.Sectors = append(w.Sectors, company.Sector)
		}
	}
	return w
}

// editor is who sits here, as it stands beside an edit.
func editor() string {
	name := whoami()
	if name == "" {
		name = "somebody"
	}
	if host, err := os.Hostname(); err == nil && host != "" {
		host, _, _ = strings.Cut(host, ".")
		name += "@" + host
	}
	return name
}

// refresh reads what has come since.
func (b *rulebook) refresh(ctx context.Context) error {
	if b.log == nil {
		return nil
	}
	ranges, err := b.log.Offsets(ctx, kafka.Rules)
	if err != nil {
		return fmt.Errorf("read the rules: %w", err)
	}
	b.mu.Lock()
	from := max(ranges[0].Low, b.next)
	b.mu.Unlock()
	err = b.log.Read(ctx, kafka.Rules, 0, from, ranges[0].High, func(records []kafka.Record) error {
		b.take(records)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the rules: %w", err)
	}
	return nil
}

// take takes records of the topic. One that cannot be read is passed over, as
// the pipeline passes it over.
func (b *rulebook) take(records []kafka.Record) (changed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range records {
		r := &records[i]
		if r.Offset < b.next {
			continue
		}
		b.next = r.Offset + 1
		if b.noting {
			b.noted = append(b.noted, append([]byte(nil), r.Value...))
		}
		if b.groups.take(r.Key, r.Value) {
			continue
		}
		if besideRules(r.Key, r.Value) {
			b.beside[string(r.Key)] = slices.Clone(r.Value)
			continue
		}
		record := new(ruleRecord)
		if len(r.Value) == 0 { // a tombstone, by another program
			delete(b.beside, string(r.Key))
			before := b.rules[string(r.Key)]
			if before == nil {
				continue
			}
			record.Rule, record.past = before.Rule, before.pastWith()
			record.Deleted, record.Revision = true, before.Revision+1
		} else if err := record.decode(r.Value); errors.Is(err, market.ErrNewer) {
			b.newer[string(r.Key)] = true
			continue
		} else if err != nil || record.Name != string(r.Key) {
			continue
		}
		delete(b.newer, record.Name)
		b.put(record)
		changed = true
	}
	return changed
}

// besideRules says whether a record of the topic is one of those that stand
// beside the rules and groups: a silence, a note, a shared query.
func besideRules(key, value []byte) bool {
	if _, ok := decodeNote(key, value); ok {
		return true
	}
	_, ok := decodeShared(key, value)
	return ok
}

// Beside are the silences, notes and shared queries, by their keys.
func (b *rulebook) Beside() map[string]json.RawMessage {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.beside)
}

// SetBeside writes such records as they were, those of other kinds left out.
func (b *rulebook) SetBeside(ctx context.Context, records map[string]json.RawMessage) error {
	b.edit.Lock()
	defer b.edit.Unlock()
	if err := b.open(); err != nil {
		return err
	}
	var err error
	for _, key := range slices.Sorted(maps.Keys(records)) {
		if err == nil && besideRules([]byte(key), records[key]) {
			err = b.producer.ProduceContext(ctx, kafka.Rules, 0, []byte(key), records[key])
		}
	}
	if err == nil {
		err = b.producer.Flush(ctx)
	}
	if err != nil {
		b.abandon(ctx)
		return fmt.Errorf("write silences, notes and shared queries: %w", err)
	}
	return b.refresh(ctx)
}

// SharedQuery is a query that analysts share.
func (b *rulebook) SharedQuery(name string) (statement string, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := queryPrefix + name
	r, ok := decodeShared([]byte(key), b.beside[key])
	return r.SQL, ok && !r.Removed
}

func (b *rulebook) put(r *ruleRecord) {
	if b.rules[r.Name] == nil {
		b.order = append(b.order, r.Name)
	}
	b.rules[r.Name] = r
}

// Follow reads edits as they come, whoever makes them, and calls changed after
// each batch. It returns when ctx is done.
func (b *rulebook) Follow(ctx context.Context, changed func()) error {
	if b.log == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	return b.log.Follow(ctx, []string{kafka.Rules}, func(_ string, _ int32, r kafka.Range) int64 {
		b.mu.Lock()
		defer b.mu.Unlock()
		return max(r.Low, b.next)
	}, func(_ string, records []kafka.Record) error {
		if b.take(records) && changed != nil {
			changed()
		}
		return nil
	})
}

// List is the rules that stand, disabled ones too, in the order of their making.
func (b *rulebook) List() []market.Rule {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []market.Rule
	for _, name := range b.order {
		if r := b.rules[name]; !r.Deleted {
			out = append(out, r.Rule)
		}
	}
	return out
}

// Rule is the rule of that name. The error says which name may have been meant.
func (b *rulebook) Rule(name string) (market.Rule, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r := b.rules[name]; r != nil && !r.Deleted {
		return r.Rule, nil
	}
	return market.Rule{}, b.unknown(name)
}

// unknown is the error for a name; the lock is held.
func (b *rulebook) unknown(name string) error {
	var names []string
	for _, n := range b.order {
		if !b.rules[n].Deleted {
			names = append(names, n)
		} else if n == name {
			return fmt.Errorf("%w: %q was removed by %s; tapedeck rules undo %q brings it back", errNoRule, name, b.rules[n].EditedBy, name)
		}
	}
	if near := nearest(name, names, 1); len(near) > 0 {
		return fmt.Errorf("%w: %q; did you mean %q?", errNoRule, name, near[0])
	}
	return fmt.Errorf("%w: %q; see tapedeck rules ls", errNoRule, name)
}

// History is what a rule was, newest first and with what it is now.
func (b *rulebook) History(name string) ([]ruleRevision, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.rules[name]
	if r == nil {
		return nil, b.unknown(name)
	}
	return append([]ruleRevision{r.ruleRevision}, r.past...), nil
}

// Check says what is wrong with a rule, as an *alert.Problem.
func (b *rulebook) Check(rule market.Rule) error {
	if strings.ContainsFunc(rule.Name, func(r rune) bool { return r == '/' || unicode.IsControl(r) }) || len(rule.Name) > maxRuleName {
		return &alert.Problem{Field: "name", Reason: fmt.Sprintf("a name is at most %d bytes, without / and control characters", maxRuleName)}
	}
	world := b.world
	if len(alert.Groups(rule.Watch)) > 0 {
		world.Groups = b.groupNames()
	}
	if _, err := alert.Compile(rule, world); err != nil || len(b.models) == 0 {
		return err
	}
	// A model of a name that is like none may be anybody's; one like a known one
	// is a slip.
	world.Models = b.models
	var slip *alert.Problem
	if _, err := alert.Compile(rule, world); errors.As(err, &slip) && slip.Nearest != "" {
		return err
	}
	return nil
}

// Set makes a rule or changes the one of its name, and returns it as it stands
// then: with its revision, who and when. A rule that does not compile is
// refused with an *alert.Problem. Where rule.Revision is not 0, it is the
// revision that the author looked at, and somebody else's edit since then is an
// error.
func (b *rulebook) Set(ctx context.Context, rule market.Rule) (market.Rule, error) {
	rule.Deleted = false
	if err := b.Check(rule); err != nil {
		return market.Rule{}, err
	}
	if err := b.share(ctx, rule); err != nil {
		return market.Rule{}, err
	}
	return b.write(ctx, rule.Name, func(before *ruleRecord) (ruleRevision, error) {
		if before != nil && rule.Revision != 0 && before.Revision != rule.Revision {
			return ruleRevision{}, fmt.Errorf("rule %q was changed by %s at %s, since you looked at it: look again", rule.Name, before.EditedBy, clockOf(before.Edited))
		}
		return ruleRevision{Rule: rule}, nil
	})
}

// Remove takes a rule out. It can be brought back with Undo.
func (b *rulebook) Remove(ctx context.Context, name string) error {
	_, err := b.write(ctx, name, func(before *ruleRecord) (ruleRevision, error) {
		if before == nil || before.Deleted {
			b.mu.Lock()
			defer b.mu.Unlock()
			return ruleRevision{}, b.unknown(name)
		}
		after := ruleRevision{Rule: before.Rule}
		after.Deleted = true
		return after, nil
	})
	return err
}

// Undo takes back the newest edit of a rule, and the one before it when it is
// called again. An edit that made the rule is taken back by removing it.
func (b *rulebook) Undo(ctx context.Context, name string) (market.Rule, error) {
	return b.write(ctx, name, func(before *ruleRecord) (ruleRevision, error) {
		if before == nil {
			b.mu.Lock()
			defer b.mu.Unlock()
			return ruleRevision{}, b.unknown(name)
		}
		restored, left := before.undone()
		if !left {
			return ruleRevision{}, fmt.Errorf("rule %q: nothing is left to undo", name)
		}
		return restored, nil
	})
}

// undone is what an undo of a record's newest edit, or of the next older one
// where that was an undo itself, comes to; false where nothing is left.
func (r *ruleRecord) undone() (ruleRevision, bool) {
	all := append([]ruleRevision{r.ruleRevision}, r.past...)
	at := slices.IndexFunc(all, func(e ruleRevision) bool { return e.Revision == r.content() })
	if at < 0 {
		return ruleRevision{}, false // undone to its beginning, or longer ago than is kept
	}
	if at+1 < len(all) {
		if to := all[at+1].content(); to != 0 {
			i := slices.IndexFunc(all, func(e ruleRevision) bool { return e.Revision == to })
			return ruleRevision{Rule: all[max(i, at+1)].Rule, Restores: to}, true
		}
	} else if all[at].Revision > 1 {
		return ruleRevision{}, false
	}
	gone := ruleRevision{Rule: r.Rule, Restores: undoneToNothing}
	gone.Deleted = true
	return gone, true
}

// undoneToNothing in Restores says that an undo took back the making.
const undoneToNothing = -1

// content is the revision whose words stand here; 0 is none.
func (r ruleRevision) content() int32 {
	switch {
	case r.Restores > 0:
		return r.Restores
	case r.Restores == undoneToNothing:
		return 0
	}
	return r.Revision
}

// Restore brings back a revision of a rule.
func (b *rulebook) Restore(ctx context.Context, name string, revision int32) (market.Rule, error) {
	return b.write(ctx, name, func(before *ruleRecord) (ruleRevision, error) {
		if before != nil {
			for _, past := range append([]ruleRevision{before.ruleRevision}, before.past...) {
				if past.Revision == revision {
					return ruleRevision{Rule: past.Rule, Restores: past.Revision}, nil
				}
			}
		}
		return ruleRevision{}, fmt.Errorf("rule %q has no revision %d; see tapedeck rules history %q", name, revision, name)
	})
}

// write makes an edit: change says what comes of what stands. Where somebody
// else has edited the rule in the same instant, this edit is written once more
// after theirs, so that both stand in its history and revisions never repeat.
func (b *rulebook) write(ctx context.Context, name string, change func(before *ruleRecord) (ruleRevision, error)) (market.Rule, error) {
	b.edit.Lock()
	defer b.edit.Unlock()
	if err := b.refresh(ctx); err != nil {
		return market.Rule{}, err
	}
	b.mu.Lock()
	newer := b.newer[name]
	b.mu.Unlock()
	if newer {
		return market.Rule{}, fmt.Errorf("rule %q is not overwritten: %w", name, market.ErrNewer)
	}
	before := b.record(name)
	after, err := change(before)
	if err != nil {
		return market.Rule{}, err
	}
	if err := b.open(); err != nil {
		return market.Rule{}, err
	}
	b.watch(true)
	defer b.watch(false)
	after.Name, after.Edited, after.EditedBy = name, market.At(b.now()), b.by
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		record := &ruleRecord{ruleRevision: after, past: before.pastWith()}
		record.Revision = 1
		if before != nil {
			record.Revision = before.Revision + 1
		}
		value := record.encode()
		err := b.producer.ProduceContext(ctx, kafka.Rules, 0, []byte(name), value)
		if err == nil {
			err = b.producer.Flush(ctx)
		}
		if err != nil {
			b.abandon(ctx)
			return market.Rule{}, fmt.Errorf("write the rule: %w", err)
		}
		if err := b.refresh(ctx); err != nil {
			return market.Rule{}, err
		}
		others := b.between(name, value)
		if len(others) == 0 {
			return record.Rule, nil
		}
		select { // so that those who edit at once do not go on doing so
		case <-ctx.Done():
			return market.Rule{}, ctx.Err()
		case <-time.After(rand.N(wait)):
		}
		if err := b.refresh(ctx); err != nil {
			return market.Rule{}, err
		}
		before = joinPast(after, append(append(others, b.between(name, nil)...), before)...)
	}
}

// open makes the producer of edits, where there is none yet.
func (b *rulebook) open() (err error) {
	if b.log == nil {
		return errors.New("there is no log to write to: start tapedeck once")
	}
	if b.producer == nil {
		if b.producer, err = b.log.NewProducer(); err != nil {
			return fmt.Errorf("write to the log: %w", err)
		}
	}
	return nil
}

// abandon ends the producer after a failure: what failed must not come later.
func (b *rulebook) abandon(ctx context.Context) {
	b.producer.Close(context.WithoutCancel(ctx))
	b.producer = nil
}

// watch notes the records that come from now on, or ends that.
func (b *rulebook) watch(on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.noting, b.noted = on, nil
}

// between is what others wrote of the rule since it was last asked for, and
// before the record mine, if that is not nil. What came after mine is kept.
func (b *rulebook) between(name string, mine []byte) (others []*ruleRecord) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, value := range b.noted {
		if mine != nil && bytes.Equal(value, mine) {
			b.noted = b.noted[i+1:]
			return others
		}
		record := new(ruleRecord)
		if record.decode(value) == nil && record.Name == name {
			others = append(others, record)
		}
	}
	b.noted = nil
	return others
}

// joinPast is one record of what several say of a rule's past, but for the
// edit mine, whatever revision it was tried as.
func joinPast(mine ruleRevision, records ...*ruleRecord) *ruleRecord {
	type edit struct {
		by       string
		at       market.Time
		revision int32
	}
	seen := map[edit]bool{{mine.EditedBy, mine.Edited, 0}: true}
	var all []ruleRevision
	for _, r := range records {
		if r == nil {
			continue
		}
		for _, e := range append([]ruleRevision{r.ruleRevision}, r.past...) {
			id := edit{e.EditedBy, e.Edited, 0}
			if e.Edited == 0 { // a default
				id.revision = e.Revision
			}
			if !seen[id] {
				seen[id] = true
				all = append(all, e)
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	slices.SortStableFunc(all, func(a, b ruleRevision) int {
		return cmp.Or(cmp.Compare(b.Revision, a.Revision), cmp.Compare(b.Edited, a.Edited))
	})
	return &ruleRecord{ruleRevision: all[0], past: all[1:]}
}

func (b *rulebook) record(name string) *ruleRecord {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rules[name]
}

// pastWith is what the next record carries as the past.
func (r *ruleRecord) pastWith() []ruleRevision {
	if r == nil {
		return nil
	}
	past := append([]ruleRevision{r.ruleRevision}, r.past...)
	return past[:min(len(past), pastRevisions)]
}

// ruleBeside is what stands beside a rule in its record.
type ruleBeside struct {
	Restores int32             `json:"restores,omitempty"`
	Past     []json.RawMessage `json:"past,omitempty"`
}

// encode is the rule as market.EncodeRule writes it, with its past.
func (r *ruleRecord) encode() []byte {
	beside := ruleBeside{Restores: r.Restores}
	for i := range r.past {
		one := ruleRecord{ruleRevision: r.past[i]}
		beside.Past = append(beside.Past, one.encode())
	}
	text := market.EncodeRule(&r.Rule)
	more, err := json.Marshal(beside)
	if err != nil || len(more) <= len("{}") {
		return text
	}
	return append(append(text[:len(text)-1], ','), more[1:]...)
}

func (r *ruleRecord) decode(data []byte) error {
	if err := market.DecodeRule(data, &r.Rule); err != nil {
		return err
	}
	var beside ruleBeside
	if err := json.Unmarshal(data, &beside); err != nil {
		return fmt.Errorf("read rule: %w", err)
	}
	r.Restores, r.past = beside.Restores, nil
	for _, text := range beside.Past {
		var one ruleRecord
		if err := one.decode(text); err != nil {
			return err
		}
		r.past = append(r.past, one.ruleRevision)
	}
	return nil
}

// clockOf is a time for people, in UTC.
func clockOf(t market.Time) string {
	if t == 0 {
		return "-"
	}
	return t.Std().UTC().Format("2006-01-02 15:04:05")
}

// openRules opens the rules of a data directory: over the log of the running
// pipeline or, where none runs, over the log that lies here. With write the
// log is made where there is none yet, and the default rules with it, as a
// first start would.
func openRules(ctx context.Context, c Config, write bool) (*rulebook, func(), error) {
	p, err := c.place(write)
	if err != nil {
		return nil, nil, err
	}
	if write && len(c.Kafka.Brokers) == 0 {
		if err := os.MkdirAll(p.path("log"), 0o700); err != nil {
			return nil, nil, fmt.Errorf("make the log's directory: %w", err)
		}
	}
	v := &view{}
	if err := v.openLog(ctx, c, p, discard()); err != nil {
		v.close()
		return nil, nil, fmt.Errorf("reach the log: %w", err)
	}
	if write {
		if _, err := v.log.EnsureTopics(ctx); err != nil {
			v.close()
			return nil, nil, err
		}
	}
	b, err := openRulebook(ctx, v.log, editor())
	if err == nil && write {
		err = b.seed(ctx)
	}
	if err != nil {
		v.close()
		return nil, nil, err
	}
	b.own, b.models = p.ownLists(), p.modelNames(c)
	return b, func() { b.Close(); v.close() }, nil
}

// seed writes the default rules where none was ever edited, or the rest of
// them where somebody died while writing them.
func (b *rulebook) seed(ctx context.Context) error {
	missing := alert.Defaults()
	for _, rule := range b.List() {
		if len(missing) == 0 || string(market.EncodeRule(&rule)) != string(market.EncodeRule(&missing[0])) {
			return nil
		}
		missing = missing[1:]
	}
	if len(missing) == 0 || b.removed() {
		return nil
	}
	b.edit.Lock()
	defer b.edit.Unlock()
	var err error
	if b.producer, err = b.log.NewProducer(); err != nil {
		return fmt.Errorf("write the default rules: %w", err)
	}
	for _, rule := range missing {
		if err := b.producer.ProduceContext(ctx, kafka.Rules, 0, []byte(rule.Name), market.EncodeRule(&rule)); err != nil {
			return fmt.Errorf("write the default rules: %w", err)
		}
	}
	if err := b.producer.Flush(ctx); err != nil {
		return fmt.Errorf("write the default rules: %w", err)
	}
	return b.refresh(ctx)
}

// removed says whether a rule was ever removed, or written by a newer version.
func (b *rulebook) removed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.newer) > 0 {
		return true
	}
	for _, r := range b.rules {
		if r.Deleted {
			return true
		}
	}
	return false
}
