package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/market"
	"tapedeck/pipeline/notify"
	"tapedeck/store"
	"tapedeck/tui"
)

// ackPrefix is what the keys of acknowledgements on the topic rules begin with.
const ackPrefix = "ack/"

// acknowledgement says that an analyst has seen an alert.
type acknowledgement struct {
	Alert string      `json:"alert"` // identity
	By    string      `json:"by"`
	At    market.Time `json:"at"`
}

// ackLife is how long acknowledgements are kept: what is older nobody scrolls
// back to in order to see who had seen it.
const ackLife = 14 * 24 * time.Hour

// alertNotes follows what analysts note about alerts on the topic rules.
type alertNotes struct {
	log *kafka.Client
	by  string

	mu       sync.Mutex
	acked    map[string]tui.AlertNote
	silences map[string]notify.Silence
	seen     atomic.Pointer[tui.AlertNotes]
}

func newAlertNotes(log *kafka.Client) *alertNotes {
	n := &alertNotes{log: log, by: editor(), acked: map[string]tui.AlertNote{}, silences: map[string]notify.Silence{}}
	n.seen.Store(&tui.AlertNotes{})
	return n
}

// follow takes notes as they come, until ctx is done.
func (n *alertNotes) follow(ctx context.Context) error {
	return n.log.Follow(ctx, []string{kafka.Rules}, func(_ string, _ int32, r kafka.Range) int64 { return r.Low },
		func(_ string, records []kafka.Record) error {
			n.take(records, market.At(time.Now()))
			return nil
		})
}

// take takes records; those of rules are the rule book's.
func (n *alertNotes) take(records []kafka.Record, now market.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	changed := false
	for i := range records {
		key, value := string(records[i].Key), records[i].Value
		if id, ok := strings.CutPrefix(key, ackPrefix); ok {
			var a acknowledgement
			switch {
			case len(value) == 0:
				delete(n.acked, id)
			case json.Unmarshal(value, &a) != nil || a.Alert != id || now.Sub(a.At) > ackLife:
				continue
			default:
				n.acked[id] = tui.AlertNote{By: a.By, At: a.At}
			}
			changed = true
		} else if id, ok := strings.CutPrefix(key, notify.SilencePrefix); ok {
			var s notify.Silence
			err := notify.DecodeSilence(value, &s)
			switch {
			case len(value) == 0 || err == nil && s.Removed:
				delete(n.silences, id)
			case err != nil:
				continue
			default:
				n.silences[id] = s
			}
			changed = true
		}
	}
	if !changed {
		return
	}
	shown := &tui.AlertNotes{Acked: maps.Clone(n.acked)}
	for _, id := range slices.Sorted(maps.Keys(n.silences)) {
		s := n.silences[id]
		for label := range s.Match {
			if label != "rule" && label != "symbol" { // the screen does not know it: it is only not sent
				s.Until = 0
			}
		}
		shown.Silences = append(shown.Silences, tui.AlertSilence{ID: id, Rule: s.Match["rule"], Symbol: s.Match["symbol"], Until: s.Until, By: s.By})
	}
	n.seen.Store(shown)
}

// write hands one record to the topic and waits until it stands.
func (n *alertNotes) write(ctx context.Context, key string, value []byte) error {
	producer, err := n.log.NewProducer()
	if err != nil {
		return fmt.Errorf("note it: %w", err)
	}
	err = producer.ProduceContext(ctx, kafka.Rules, 0, []byte(key), value)
	if err == nil {
		err = producer.Flush(ctx)
	}
	if err = errors.Join(err, producer.Close(ctx)); err != nil {
		return fmt.Errorf("note it: %w", err)
	}
	return nil
}

// screenAlerts is tui.Alerts over a running pipeline and its lake.
type screenAlerts struct {
	screen   *screen
	readOnly bool
}

var (
	errNotAttached = errors.New("nothing can be noted while the pipeline is not reached")
	errViewer      = errors.New("a viewer notes nothing; ask for the role analyst")
)

func (s screenAlerts) notes() *alertNotes { return s.screen.notes.Load() }

// writable are the notes that this analyst may add to.
func (s screenAlerts) writable() (*alertNotes, error) {
	if s.readOnly {
		return nil, errViewer
	}
	if n := s.notes(); n != nil {
		return n, nil
	}
	return nil, errNotAttached
}

// Notes are those that stand.
func (s screenAlerts) Notes() *tui.AlertNotes {
	if n := s.notes(); n != nil {
		return n.seen.Load()
	}
	return &tui.AlertNotes{}
}

// Past are alerts of the lake, and of the log above it, before a moment.
func (s screenAlerts) Past(ctx context.Context, before market.Time, limit int) ([]market.Alert, error) {
	db, _, err := s.screen.db()
	if err != nil {
		return nil, err
	}
	return pastAlerts(ctx, db, before, limit)
}

// Acknowledge notes that somebody has seen alerts, or takes it back.
func (s screenAlerts) Acknowledge(ctx context.Context, ids []string, back bool) error {
	n, err := s.writable()
	if err != nil {
		return err
	}
	for _, id := range ids {
		var value []byte
		if !back {
			var err error
			if value, err = json.Marshal(acknowledgement{id, n.by, market.At(time.Now())}); err != nil {
				return err
			}
		}
		if err := n.write(ctx, ackPrefix+id, value); err != nil {
			return err
		}
	}
	return nil
}

// Hush writes a silence.
func (s screenAlerts) Hush(ctx context.Context, rule, symbol string, until market.Time) (string, error) {
	n, err := s.writable()
	if err != nil {
		return "", err
	}
	literal := strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`) // a name, not a pattern
	silence := notify.Silence{ID: strings.ToLower(rand.Text()[:10]), Match: map[string]string{}, Until: until, Edited: market.At(time.Now()), By: n.by}
	if rule != "" {
		silence.Match["rule"] = literal.Replace(rule)
	}
	if symbol != "" {
		silence.Match["symbol"] = literal.Replace(symbol)
	}
	if err := silence.Validate(); err != nil {
		return "", err
	}
	return silence.ID, n.write(ctx, notify.SilencePrefix+silence.ID, notify.EncodeSilence(&silence))
}

// Unhush takes a silence back.
func (s screenAlerts) Unhush(ctx context.Context, id string) error {
	n, err := s.writable()
	if err != nil {
		return err
	}
	n.mu.Lock()
	silence, ok := n.silences[id]
	n.mu.Unlock()
	if !ok {
		return nil // it is over
	}
	silence.Removed, silence.By, silence.Edited = true, n.by, market.At(time.Now())
	return n.write(ctx, notify.SilencePrefix+id, notify.EncodeSilence(&silence))
}

// pastAlerts are the newest before a moment, newest first.
func pastAlerts(ctx context.Context, db *store.DB, before market.Time, limit int) ([]market.Alert, error) {
	rows, err := db.Query(ctx, fmt.Sprintf(`SELECT symbol, epoch_us(time), rule, revision, severity, state, value, threshold, message, id
		FROM alerts WHERE time < make_timestamp(%d) ORDER BY time DESC, id DESC LIMIT %d`, before, limit), store.Options{Native: true, Limit: limit})
	if err != nil {
		return nil, fmt.Errorf("read past alerts: %w", err)
	}
	defer rows.Close()
	var list []market.Alert
	for rows.Next() {
		list = append(list, alertOf(rows.Values()))
	}
	return list, rows.Err()
}
