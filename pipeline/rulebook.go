package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/market"
)

// edit is a record of the rules topic that acts: a rule under its name or a
// group under its key, with its deletion as a record that says so, or the state
// of the endpoint. What screens note there besides (what was acknowledged or
// silenced, the statements of saved queries) acts elsewhere.
type edit struct {
	key   string
	value []byte
}

// ruleBook follows the rules topic. It keeps every edit in the order of the
// log, so that each compute partition can take the ones that it has not had.
type ruleBook struct {
	log  *kafka.Client
	slog *slog.Logger

	mu    sync.Mutex
	edits []edit
	rules map[string]bool // names seen
	next  int64           // offset after the last edit
}

// openRuleBook reads the rules that stand. Where there are none yet, the
// defaults are written first.
func openRuleBook(ctx context.Context, log *kafka.Client, producer *kafka.Producer, defaults []market.Rule, logger *slog.Logger) (*ruleBook, error) {
	b := &ruleBook{log: log, slog: logger, rules: map[string]bool{}}
	if err := b.read(ctx); err != nil {
		return nil, err
	}
	missing := b.missing(defaults)
	if len(missing) == 0 {
		return b, nil
	}
	for i := range missing {
		if err := producer.ProduceContext(ctx, kafka.Rules, 0, []byte(missing[i].Name), market.EncodeRule(&missing[i])); err != nil {
			return nil, fmt.Errorf("write the default rules: %w", err)
		}
	}
	if err := producer.Flush(ctx); err != nil {
		return nil, fmt.Errorf("write the default rules: %w", err)
	}
	return b, b.read(ctx)
}

// missing are the defaults that are still to be written: all of them where
// there is no edit yet, the rest where somebody died while writing them, and
// none once a rule was edited.
func (b *ruleBook) missing(defaults []market.Rule) []market.Rule {
	n := 0
	for _, e := range b.edits {
		switch {
		case e.key == endpointKey || strings.HasPrefix(e.key, market.GroupPrefix):
		case n < len(defaults) && e.key == defaults[n].Name && string(e.value) == string(market.EncodeRule(&defaults[n])):
			n++
		default:
			return nil
		}
	}
	return defaults[n:]
}

func editOfRule(rule market.Rule) edit { return edit{rule.Name, market.EncodeRule(&rule)} }

// editOfGroup is a group's record; without a value it is gone.
func editOfGroup(key string, value []byte) (edit, error) {
	g := market.Group{Name: strings.TrimPrefix(key, market.GroupPrefix), Deleted: true}
	if len(value) > 0 {
		if err := market.DecodeGroup(value, &g); err != nil {
			return edit{}, err
		}
	}
	if g.SQL != "" || g.Key() != key || !market.ValidGroup(g.Name) {
		return edit{}, fmt.Errorf("read group: the key %q is not that of %q", key, g.Name)
	}
	return edit{key, market.EncodeGroup(&g)}, nil
}

func (b *ruleBook) read(ctx context.Context) error {
	ranges, err := b.log.Offsets(ctx, kafka.Rules)
	if err != nil {
		return fmt.Errorf("read the rules: %w", err)
	}
	r := ranges[0]
	if err := b.log.Read(ctx, kafka.Rules, 0, max(r.Low, b.next), r.High, b.take); err != nil {
		return fmt.Errorf("read the rules: %w", err)
	}
	return nil
}

func (b *ruleBook) take(records []kafka.Record) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range records {
		b.next = records[i].Offset + 1
		key := string(records[i].Key)
		var rule market.Rule
		switch {
		case key == endpointKey:
			b.edits = append(b.edits, edit{key, slices.Clone(records[i].Value)})
			continue
		case strings.HasPrefix(key, market.GroupPrefix):
			if e, err := editOfGroup(key, records[i].Value); err == nil {
				b.edits = append(b.edits, e)
			} else {
				b.slog.Error("a group cannot be read and is passed over", "key", key, "offset", records[i].Offset, "error", err)
			}
			continue
		case len(records[i].Value) == 0: // a tombstone
			if !b.rules[key] {
				continue
			}
			rule = market.Rule{Name: key, Deleted: true}
		default:
			err := market.DecodeRule(records[i].Value, &rule)
			if errors.Is(err, market.ErrNewer) { // it stands, and compute says that it is not in force
				b.rules[key] = true
				b.edits = append(b.edits, edit{key, slices.Clone(records[i].Value)})
				continue
			}
			if err != nil || rule.Name != key {
				if !strings.Contains(key, "/") {
					b.slog.Error("a rule cannot be read and is passed over", "key", key, "offset", records[i].Offset, "error", err)
				}
				continue
			}
		}
		b.rules[key] = true
		b.edits = append(b.edits, editOfRule(rule))
	}
	return nil
}

// follow takes edits as they come, until ctx is done.
func (b *ruleBook) follow(ctx context.Context) error {
	return b.log.Follow(ctx, []string{kafka.Rules}, func(_ string, _ int32, r kafka.Range) int64 {
		b.mu.Lock()
		defer b.mu.Unlock()
		return max(r.Low, b.next)
	}, func(_ string, records []kafka.Record) error { return b.take(records) })
}

// since returns the edits after the first n, and how many there are now.
func (b *ruleBook) since(n int) ([]edit, int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.edits[n:len(b.edits):len(b.edits)], len(b.edits)
}
