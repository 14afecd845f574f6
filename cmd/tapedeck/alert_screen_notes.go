package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/market"
	"tapedeck/pipeline/notify"
	"tapedeck/tui"
)

// Keys of the notes about alerts on the topic rules; the third is that of
// silences, which the notify stage reads.
const (
	ackPrefix    = "ack/"
	snoozePrefix = "snooze/"
)

// noteKeptFor is after how long a note that does not hold any more is taken
// off the topic, some with each note that is written.
const (
	noteKeptFor = 30 * 24 * time.Hour
	notesTidied = 50
)

// noteRecord is an acknowledgement or a snooze on the topic, with the words of
// a silence.
type noteRecord struct {
	ID      string            `json:"id"`
	Match   map[string]string `json:"match,omitempty"`
	All     bool              `json:"all,omitempty"`
	Until   market.Time       `json:"until,omitempty"`
	Note    string            `json:"note,omitempty"`
	Edited  market.Time       `json:"edited"`
	By      string            `json:"by"`
	Removed bool              `json:"removed,omitempty"`
}

// encodeNote gives the key and the value of a note.
func encodeNote(n *tui.AlertNote) (key, value []byte, err error) {
	if n.ID == "" || strings.ContainsAny(n.ID, "/ \t\n") {
		return nil, nil, fmt.Errorf("a note needs an id without spaces and slashes, not %q", n.ID)
	}
	if n.Kind == tui.Silenced {
		s := notify.Silence{ID: n.ID, Match: n.Match, Until: n.Until, Note: n.Text, Edited: n.At, By: n.By, Removed: n.Removed}
		return []byte(notify.SilencePrefix + n.ID), notify.EncodeSilence(&s), s.Validate()
	}
	prefix := ackPrefix
	if n.Kind == tui.Snoozed {
		prefix = snoozePrefix
	}
	value, err = json.Marshal(noteRecord{n.ID, n.Match, n.All, n.Until, n.Text, n.At, n.By, n.Removed})
	return []byte(prefix + n.ID), value, err
}

// decodeNote reads what encodeNote writes; ok is false where it is no note.
func decodeNote(key, value []byte) (n tui.AlertNote, ok bool) {
	kind, id, _ := strings.Cut(string(key), "/")
	switch kind + "/" {
	case notify.SilencePrefix:
		var s notify.Silence
		if notify.DecodeSilence(value, &s) != nil || s.ID != id {
			return n, false
		}
		return tui.AlertNote{Kind: tui.Silenced, ID: s.ID, Match: s.Match, Until: s.Until, Text: s.Note, At: s.Edited, By: s.By, Removed: s.Removed}, true
	case ackPrefix:
		n.Kind = tui.Acknowledged
	case snoozePrefix:
		n.Kind = tui.Snoozed
	default:
		return n, false
	}
	var r noteRecord
	if json.Unmarshal(value, &r) != nil || r.ID != id || id == "" {
		return n, false
	}
	n.ID, n.Match, n.All, n.Until, n.Text, n.At, n.By, n.Removed = r.ID, r.Match, r.All, r.Until, r.Note, r.Edited, r.By, r.Removed
	return n, true
}

// noteBook is what analysts have noted about alerts, as it stands on the
// compacted topic rules. Safe for concurrent use.
type noteBook struct {
	by  string
	now func() time.Time

	edit     sync.Mutex // one note at a time
	producer *kafka.Producer
	of       *kafka.Client // that producer is of

	mu      sync.Mutex
	log     *kafka.Client // nil: no pipeline is there
	next    int64         // offset after the last record
	notes   map[string]tui.AlertNote
	queries map[string]sharedRecord // by their name, those that were taken back too
	list    []tui.AlertNote         // of notes, oldest first; nil: to be made
	version int
}

func newNoteBook(by string) *noteBook {
	return &noteBook{by: by, now: time.Now, notes: map[string]tui.AlertNote{}, queries: map[string]sharedRecord{}}
}

// follow reads notes as they come, from a log, until ctx is done. Notes can be
// written meanwhile.
func (b *noteBook) follow(ctx context.Context, log *kafka.Client) error {
	b.mu.Lock()
	b.log, b.next = log, 0
	b.mu.Unlock()
	defer b.leave()
	return log.Follow(ctx, []string{kafka.Rules}, func(_ string, _ int32, r kafka.Range) int64 {
		b.mu.Lock()
		defer b.mu.Unlock()
		return max(r.Low, b.next)
	}, func(_ string, records []kafka.Record) error {
		for i := range records {
			b.take(records[i].Key, records[i].Value, records[i].Offset)
		}
		return nil
	})
}

// leave forgets the log, before it is closed.
func (b *noteBook) leave() {
	b.edit.Lock()
	defer b.edit.Unlock()
	b.mu.Lock()
	b.log = nil
	b.mu.Unlock()
	b.closeProducer()
}

func (b *noteBook) closeProducer() {
	if b.producer == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = b.producer.Close(ctx) // what it wrote has been flushed
	b.producer = nil
}

// take takes a record of the topic.
func (b *noteBook) take(key, value []byte, offset int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next = max(b.next, offset+1)
	if len(value) == 0 {
		if _, ok := b.notes[string(key)]; ok {
			delete(b.notes, string(key))
			b.changed()
		}
		return
	}
	if q, ok := decodeShared(key, value); ok {
		if old := b.queries[q.Query]; old.Revision <= q.Revision {
			b.queries[q.Query] = q
		}
		return
	}
	n, ok := decodeNote(key, value)
	if !ok {
		return
	}
	if old, ok := b.notes[string(key)]; ok && old.At > n.At {
		return // written here meanwhile
	}
	b.notes[string(key)] = n
	b.changed()
}

func (b *noteBook) changed() { b.version, b.list = b.version+1, nil }

// Notes are all that stand; see tui.Alerts.
func (b *noteBook) Notes() ([]tui.AlertNote, int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.list == nil {
		b.list = make([]tui.AlertNote, 0, len(b.notes))
		for _, n := range b.notes {
			b.list = append(b.list, n)
		}
		slices.SortFunc(b.list, func(x, y tui.AlertNote) int { return cmp.Or(cmp.Compare(x.At, y.At), cmp.Compare(x.ID, y.ID)) })
	}
	return b.list, b.version
}

// write puts a note onto the topic. It stands here at once.
func (b *noteBook) write(ctx context.Context, n tui.AlertNote) error {
	b.edit.Lock()
	defer b.edit.Unlock()
	n.At, n.By = market.At(b.now()), b.by
	key, value, err := encodeNote(&n)
	if err != nil {
		return err
	}
	return b.put(ctx, key, value)
}

// put writes a record; edit is held.
func (b *noteBook) put(ctx context.Context, key, value []byte) (err error) {
	b.mu.Lock()
	log := b.log
	b.mu.Unlock()
	if log == nil {
		return errors.New("no pipeline is running that could take the note; try again in a moment")
	}
	if b.of != log {
		b.closeProducer()
	}
	if b.producer == nil {
		if b.producer, err = log.NewProducer(); err != nil {
			return fmt.Errorf("write the note: %w", err)
		}
		b.of = log
	}
	err = b.producer.ProduceContext(ctx, kafka.Rules, 0, key, value)
	for _, old := range b.stale() {
		if err == nil {
			err = b.producer.ProduceContext(ctx, kafka.Rules, 0, []byte(old), nil)
		}
	}
	if err == nil {
		err = b.producer.Flush(ctx)
	}
	if err != nil {
		b.closeProducer() // what failed must not come later
		return fmt.Errorf("write the note: %w", err)
	}
	b.take(key, value, -1)
	return nil
}

// stale are keys of some notes that say nothing any more.
func (b *noteBook) stale() (keys []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := market.At(b.now().Add(-noteKeptFor))
	for key, n := range b.notes {
		if n.Kind != tui.Silenced && max(n.At, n.Until) < before && len(keys) < notesTidied {
			keys = append(keys, key)
		}
	}
	return keys
}
